package main

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"evidenced/evidence"
	"evidenced/store"
)

// dropCache asks the kernel to forget the pages of the files under the folder.
func dropCache(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return err
		}
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}

// large opens the log that the section million made.
func (b *bench) large() (close func() error, log *store.Log, err error) {
	if _, err := os.Stat(b.path("large")); err != nil {
		return nil, nil, errNoLog
	}
	l, err := b.open("large")
	if err != nil {
		return nil, nil, err
	}
	if log, err = l.Store.Log(tenant(1)); err != nil {
		l.Close()
		return nil, nil, err
	}
	return l.Close, log, nil
}

func verify(b *bench) error {
	if err := b.sized(); err != nil {
		return err
	}
	measure := func(deep, cold bool) (float64, error) {
		if cold {
			if err := dropCache(b.path("large")); err != nil {
				return 0, err
			}
		}
		done, log, err := b.large()
		if err != nil {
			return 0, err
		}
		defer done()
		begun := time.Now()
		rep, err := log.Verify(ctx, store.VerifyOptions{Deep: deep})
		if err != nil {
			return 0, err
		}
		if !rep.OK() {
			return 0, fmt.Errorf("the log does not verify: %v", rep.Failures)
		}
		return float64(rep.Records) / time.Since(begun).Seconds(), nil
	}
	rounds := func(deep, cold bool) (rates []float64, err error) {
		for range b.rounds {
			r, err := measure(deep, cold)
			if err != nil {
				return nil, err
			}
			rates = append(rates, r)
		}
		return rates, nil
	}
	if _, err := measure(false, false); err != nil { // warms the cache
		return err
	}
	var ours, limits, ratios []float64
	for range b.rounds {
		limit := hashLimit(b.entry/2) / float64(b.entry)
		r, err := measure(false, false)
		if err != nil {
			return err
		}
		ours, limits, ratios = append(ours, r), append(limits, limit), append(ratios, r/limit)
	}
	b.add(figure{Name: "verify, warm", Measured: median(ours), Unit: "records/s", Against: "SHA-256 of the same bytes, all cores", Limit: median(limits), Ratio: median(ratios), Want: ">= 0.60"}, median(ratios) >= 0.6)
	cold, err := rounds(false, true)
	if err != nil {
		return err
	}
	b.add(figure{Name: "verify, cold", Measured: median(cold), Unit: "records/s", Want: ">= 0.3M/s"}, median(cold) >= 300_000)
	deep, err := rounds(true, false)
	if err != nil {
		return err
	}
	b.add(figure{Name: "verify, every claim opened", Measured: median(deep), Unit: "records/s", Want: ">= 0.2M/s"}, median(deep) >= 200_000)
	return nil
}

// state asks what held at an instant.
func state(b *bench) error {
	done, log, err := b.large()
	if err != nil {
		return err
	}
	at := begin.Add(time.Duration(b.records) * 70 * time.Millisecond) // two thirds into the log
	one := func(log *store.Log) error {
		n := rand.IntN(min(subjects, b.records/5*6/10))
		q := evidence.Query{
			Kinds: []evidence.Kind{evidence.DeployState}, Subject: evidence.NewRef("app", "bench", fmt.Sprintf("argocd/app-%d", n)),
			Period: evidence.Period{To: at}, Backward: true, Limit: 1,
		}
		found := false
		for _, err := range log.Snapshot().Records(ctx, q) {
			if err != nil {
				return err
			}
			found = true
		}
		if !found {
			return fmt.Errorf("no state of app %d before %s", n, at)
		}
		return nil
	}
	for range 1000 { // warms the cache
		if err := one(log); err != nil {
			return err
		}
	}
	v, err := per(func() error { return one(log) })
	if err != nil {
		return err
	}
	b.add(figure{Name: "the state of one subject at an instant, warm", Measured: 1e3 / v, Unit: "ms", Want: "< 0.1 ms"}, 1e3/v < 0.1)
	var all []float64
	count := 0
	for range b.rounds {
		begun := time.Now()
		count = 0
		for _, err := range log.Snapshot().States(ctx, evidence.DeployState, at) {
			if err != nil {
				return err
			}
			count++
		}
		all = append(all, time.Since(begun).Seconds())
	}
	b.add(figure{Name: fmt.Sprintf("the state of all %d subjects at an instant", count), Measured: median(all), Unit: "s", Want: "< 1.5 s"}, median(all) < 1.5)
	if err := done(); err != nil {
		return err
	}
	var cold []float64
	for range b.rounds {
		done, log, err := b.large()
		if err != nil {
			return err
		}
		_ = log.Size() // opens the files; only what is asked for is read cold
		if err := dropCache(b.path("large")); err != nil {
			return err
		}
		begun := time.Now()
		if err := one(log); err != nil {
			return err
		}
		cold = append(cold, time.Since(begun).Seconds()*1e3)
		if err := done(); err != nil {
			return err
		}
	}
	b.add(figure{Name: "the state of one subject at an instant, cold", Measured: median(cold), Unit: "ms", Want: "< 2 ms"}, median(cold) < 2)
	return nil
}
