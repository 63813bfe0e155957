package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"evidenced/store"
)

const manyTenants = 1000

// found is what the child tells: a process of its own, so that its memory is
// its own.
type found struct {
	Start   float64 // seconds until every log was opened once
	Ready   float64 // seconds until the data directory was open
	RSS     float64 // MiB at most, 50 tenants appending
	Slowest int     // records of the tenant that got least
	Median  int
	Fastest int
	Rate    float64 // of all, records/s
}

// tenants measures a thousand tenants on one machine.
func tenants(b *bench) error {
	l, err := b.open("tenants")
	if err != nil {
		return err
	}
	for first := 0; first < manyTenants; first += 100 {
		var ps []store.Part
		for i := range 100 {
			ps = append(ps, store.Part{Tenant: tenant(first + i), Items: batchOf(first*100, 20)})
		}
		in, err := l.Store.Ingest(ctx, ps)
		if err != nil {
			l.Close()
			return err
		}
		for i := range ps {
			if _, err := in.Wait(ctx, i); err != nil {
				l.Close()
				return err
			}
		}
	}
	if err := l.Close(); err != nil {
		return err
	}
	cmd := exec.Command(os.Args[0], "child", b.path("tenants"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("child: %w", err)
	}
	var f found
	if err := json.Unmarshal(out, &f); err != nil {
		return fmt.Errorf("child: %w", err)
	}
	b.add(figure{Name: "1,000 tenants: start-up", Measured: f.Ready, Unit: "s", Want: "< 5 s"}, f.Ready < 5)
	b.add(figure{Name: "1,000 tenants: every log opened and checked once", Measured: f.Start, Unit: "s"})
	b.add(figure{Name: "1,000 tenants: resident memory at most", Measured: f.RSS, Unit: "MiB", Want: "< 1024"}, f.RSS < 1024)
	b.add(figure{Name: "50 tenants appending at once", Measured: f.Rate, Unit: "records/s"})
	share := float64(f.Slowest) / float64(max(f.Median, 1))
	b.add(figure{
		Name: "the one that got least", Measured: float64(f.Slowest), Unit: "records", Against: "the one in the middle", Limit: float64(f.Median),
		Ratio: share, Want: "none starved (>= 0.5)",
	}, share >= 0.5)
	return nil
}

// child opens the directory of a thousand tenants, looks at each once, and lets
// fifty append at once.
func child(dir string) error {
	var f found
	begun := time.Now()
	b := &bench{dir: dir}
	l, err := b.open("")
	if err != nil {
		return err
	}
	defer l.Close()
	ts, err := l.Store.Tenants()
	if err != nil {
		return err
	}
	f.Ready = time.Since(begun).Seconds()
	for _, t := range ts {
		log, err := l.Store.Log(t)
		if err != nil {
			return err
		}
		if err := log.Stopped(); err != nil {
			return err
		}
	}
	f.Start = time.Since(begun).Seconds()
	const at, lasts = 50, 3 * time.Second
	counts := make([]int, at)
	errs := make([]error, at)
	var wg sync.WaitGroup
	begun = time.Now()
	for i := range at {
		wg.Go(func() {
			log, err := l.Store.Log(tenant(i * 7))
			for n := 0; err == nil && time.Since(begun) < lasts; n += 20 {
				if _, err = log.Append(ctx, batchOf(10_000_000+n, 20)); err == nil {
					counts[i] += 20
				}
			}
			errs[i] = err
		})
	}
	stop := make(chan struct{})
	peak := make(chan float64)
	go func() {
		most := 0.0
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, resident())
			select {
			case <-stop:
				peak <- most
				return
			case <-tick.C:
			}
		}
	}()
	wg.Wait()
	close(stop)
	f.RSS = <-peak
	total := 0
	for i, n := range counts {
		if errs[i] != nil {
			return errs[i]
		}
		total += n
	}
	slices.Sort(counts)
	f.Slowest, f.Median, f.Fastest, f.Rate = counts[0], counts[at/2], counts[at-1], float64(total)/lasts.Seconds()
	return json.NewEncoder(os.Stdout).Encode(f)
}

// resident is the process's resident memory in MiB.
func resident() float64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if rest, ok := strings.CutPrefix(sc.Text(), "VmRSS:"); ok {
			var kb float64
			fmt.Sscan(rest, &kb)
			return kb / 1024
		}
	}
	return 0
}
