package store

import (
	"testing"
	"time"
)

func TestSegmentEnds(t *testing.T) {
	nov := time.Date(2026, 11, 30, 23, 59, 59, 999999000, time.UTC)
	dec := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	full := SegmentInfo{First: 100, Next: 200, Bytes: 5000, Oldest: nov.AddDate(0, 0, -3), Newest: nov}
	for _, tc := range []struct {
		name   string
		limits Segments
		seg    SegmentInfo
		now    time.Time
		want   bool
	}{
		{"no limit", Segments{}, full, dec, false},
		{"fewer bytes", Segments{Bytes: 5000}, full, nov, false},
		{"more bytes", Segments{Bytes: 4999}, full, nov, true},
		{"fewer records", Segments{Records: 101}, full, nov, false},
		{"as many records", Segments{Records: 100}, full, nov, true},
		{"the same month", Segments{Monthly: true}, full, nov, false},
		{"the next month", Segments{Monthly: true}, full, dec, true},
		{"the same month of another year", Segments{Monthly: true}, full, nov.AddDate(1, 0, 0), true},
		{"the next month elsewhere, the same in UTC", Segments{Monthly: true}, full, nov.In(time.FixedZone("", 3600)), false},
		{"without a record", Segments{Bytes: 1, Records: 1, Monthly: true}, SegmentInfo{First: 5, Next: 5, Bytes: 5000}, dec, false},
	} {
		if got := tc.limits.ends(tc.seg, tc.now); got != tc.want {
			t.Errorf("%s: got %t, want %t", tc.name, got, tc.want)
		}
	}
}

func TestSegmentOfKey(t *testing.T) {
	for id, want := range map[string]int{"d1": 1, "d12": 12, "d3.2": 3, "pAAAA": 0, "": 0, "d": 0, "d7 pAAAA": 7} {
		if got := segmentOfKey(id); got != want {
			t.Errorf("segment of %q: got %d, want %d", id, got, want)
		}
	}
}
