package local

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/store"
)

// benchStates makes a log with so many states of so many subjects.
func benchStates(b *testing.B, subjects, states int) *store.Log {
	b.Helper()
	l := openDir(b, filepath.Join(b.TempDir(), "data"), &clock{start})
	log, err := l.Store.Create(tenant(b, "tenant-1"))
	if err != nil {
		b.Fatal(err)
	}
	for n := 0; n < states; {
		items := make([]store.Item, 0, 1000)
		for range min(1000, states-n) {
			items = append(items, state(fmt.Sprint(n%subjects), start.Add(time.Duration(n)*time.Second), map[string]int{"v": n}))
			n++
		}
		mustAppend(b, log, items...)
	}
	return log
}

// BenchmarkPointInTime asks for states in force: of one subject and of all,
// from the stored index and while the newest records are in memory only.
func BenchmarkPointInTime(b *testing.B) {
	const subjects, states = 1000, 20_000
	kind := state("0", start, map[string]int{}).Draft.Kind
	at := start.Add(states * 3 / 4 * time.Second)
	for _, stored := range []bool{true, false} {
		log := benchStates(b, subjects, states)
		if stored {
			if err := log.WaitIndexed(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprintf("one/stored=%v", stored), func(b *testing.B) {
			i := 0
			for b.Loop() {
				i++
				q := evidence.Query{
					Kinds: []evidence.Kind{kind}, Subject: state(fmt.Sprint(i%subjects), start, map[string]int{}).Draft.Subject,
					Period: evidence.Period{To: at}, Backward: true, Limit: 1,
				}
				n := 0
				for _, err := range log.Snapshot().Records(context.Background(), q) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != 1 {
					b.Fatalf("%d states of subject %d", n, i%subjects)
				}
			}
		})
		b.Run(fmt.Sprintf("all/stored=%v", stored), func(b *testing.B) {
			for b.Loop() {
				n := 0
				for _, err := range log.Snapshot().States(context.Background(), kind, at) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != subjects {
					b.Fatalf("%d subjects have a state, want %d", n, subjects)
				}
			}
			b.ReportMetric(float64(subjects*b.N)/b.Elapsed().Seconds(), "subjects/s")
		})
	}
}

// BenchmarkIngest spreads a batch of 1,000 over tenants, and waits until their
// logs have it.
func BenchmarkIngest(b *testing.B) {
	for _, tenants := range []int{1, 20} {
		b.Run(fmt.Sprint(tenants), func(b *testing.B) {
			l := openDir(b, filepath.Join(b.TempDir(), "data"), &clock{start})
			n := 0
			for b.Loop() {
				parts := make([]store.Part, tenants)
				for i := range parts {
					parts[i].Tenant = tenant(b, fmt.Sprintf("tenant-%d", i))
					for range 1000 / tenants {
						n++
						parts[i].Items = append(parts[i].Items, event(fmt.Sprint(n), start.Add(time.Duration(n)*time.Second), map[string]int{"v": n}))
					}
				}
				in, err := l.Store.Ingest(context.Background(), parts)
				if err != nil {
					b.Fatal(err)
				}
				for i := range parts {
					if _, err := in.Wait(context.Background(), i); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkCallers appends to one log from several callers, each with requests
// of a size, one after the other.
func BenchmarkCallers(b *testing.B) {
	const rounds = 8
	for _, c := range []struct{ callers, items int }{{1, 100}, {8, 100}, {1, 1000}, {4, 1000}} {
		b.Run(fmt.Sprintf("%dx%d", c.callers, c.items), func(b *testing.B) {
			l := openDir(b, filepath.Join(b.TempDir(), "data"), &clock{start})
			log, err := l.Store.Create(tenant(b, "tenant-1"))
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for b.Loop() {
				var wg sync.WaitGroup
				for range c.callers {
					items := make([]store.Item, rounds*c.items)
					for i := range items {
						items[i] = event(fmt.Sprint(n), start.Add(time.Duration(n)*time.Second), map[string]int{"v": n})
						n++
					}
					wg.Go(func() {
						for from := range rounds {
							if _, err := log.Append(context.Background(), items[from*c.items:(from+1)*c.items]); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
