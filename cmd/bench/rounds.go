package main

import (
	"slices"
)

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// beside is a figure and its limit over some rounds: medians of each, and the
// median of the rounds' own ratios, which is not the ratio of the medians.
type beside struct{ measured, limit, ratio float64 }

// interleave measures the limit, the figure, and the limit again, in every
// round; the round's ratio is against the mean of its two limits.
func interleave(rounds int, limit, figure func() (float64, error)) (beside, error) {
	var ms, ls, rs []float64
	for range rounds {
		before, err := limit()
		if err != nil {
			return beside{}, err
		}
		m, err := figure()
		if err != nil {
			return beside{}, err
		}
		after, err := limit()
		if err != nil {
			return beside{}, err
		}
		ms, ls, rs = append(ms, m), append(ls, before, after), append(rs, m/((before+after)/2))
	}
	return beside{median(ms), median(ls), median(rs)}, nil
}

// repeat is the median of so many measurements.
func repeat(rounds int, figure func() (float64, error)) (float64, error) {
	var ms []float64
	for range rounds {
		m, err := figure()
		if err != nil {
			return 0, err
		}
		ms = append(ms, m)
	}
	return median(ms), nil
}
