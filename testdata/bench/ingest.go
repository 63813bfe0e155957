package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"evidenced/store"
)

var ctx = context.Background()

// sized makes sure that the size of a stored record is known.
func (b *bench) sized() error {
	if b.entry > 0 {
		return nil
	}
	return pieces(b)
}

// ingest measures what is acknowledged as durable, claims sealed, by one
// caller, against the same bytes appended to a plain file. The index follows
// behind; it is waited for between rounds.
func ingest(b *bench) error {
	if err := b.sized(); err != nil {
		return err
	}
	l, err := b.open("ingest")
	if err != nil {
		return err
	}
	defer l.Close()
	log, err := l.Store.Create(tenant(1))
	if err != nil {
		return err
	}
	n := 0
	for _, s := range []struct {
		batch int
		want  float64
	}{{1, 0.40}, {100, 0.35}, {1000, 0.50}} {
		var ours, limits, ratios []float64
		for range b.rounds {
			limit, err := b.appendLimit(s.batch)
			if err != nil {
				return err
			}
			// The drafts are made before: a collector's work is not the log's.
			batches := make([][]store.Item, 0, 256)
			total := 0
			for len(batches) < cap(batches) && total < 20_000 {
				batches = append(batches, batchOf(n, s.batch))
				n += s.batch
				total += s.batch
			}
			runtime.GC()
			begun := time.Now()
			for _, items := range batches {
				if _, err := log.Append(ctx, items); err != nil {
					return err
				}
			}
			rate := float64(total) / time.Since(begun).Seconds()
			ours, limits, ratios = append(ours, rate), append(limits, limit), append(ratios, rate/limit)
			if err := log.WaitIndexed(ctx); err != nil {
				return err
			}
		}
		ratio := median(ratios)
		b.add(figure{
			Name: fmt.Sprintf("acknowledged ingest, batch %d", s.batch), Measured: median(ours), Unit: "records/s",
			Against: "plain append + fdatasync", Limit: median(limits), Ratio: ratio, Want: fmt.Sprintf(">= %.2f", s.want),
		}, ratio >= s.want)
	}
	return nil
}

// callers measures sixteen callers that append one record at a time, against
// one.
func callers(b *bench) error {
	l, err := b.open("callers")
	if err != nil {
		return err
	}
	defer l.Close()
	log, err := l.Store.Create(tenant(1))
	if err != nil {
		return err
	}
	var n atomic.Int64
	rate := func(callers int) (float64, error) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var first error
		done := 0
		begun := time.Now()
		for range callers {
			wg.Go(func() {
				mine := 0
				var err error
				for err == nil && time.Since(begun) < long {
					_, err = log.Append(ctx, batchOf(int(n.Add(1)), 1))
					mine++
				}
				mu.Lock()
				defer mu.Unlock()
				done += mine
				if first == nil {
					first = err
				}
			})
		}
		wg.Wait()
		return float64(done) / time.Since(begun).Seconds(), first
	}
	var one, many, ratios []float64
	for range b.rounds {
		o, err := rate(1)
		if err != nil {
			return err
		}
		m, err := rate(16)
		if err != nil {
			return err
		}
		one, many, ratios = append(one, o), append(many, m), append(ratios, m/o)
	}
	r := median(ratios)
	b.add(figure{Name: "16 callers, a record at a time", Measured: median(many), Unit: "records/s", Against: "one caller", Limit: median(one), Ratio: r, Want: ">= 8"}, r >= 8)
	return nil
}

// spread measures batches of 1,000 over 300 tenants against batches of 1,000
// for one: how long until they are durable.
func spread(b *bench) error {
	l, err := b.open("spread")
	if err != nil {
		return err
	}
	defer l.Close()
	const tenants, size = 300, 1000
	n := 0
	parts := func(tenants int) []store.Part {
		ps := make([]store.Part, tenants)
		for i := range size {
			p := &ps[i%tenants]
			p.Tenant = tenant(i % tenants)
			p.Items = append(p.Items, item(n))
			n++
		}
		return ps
	}
	wait := func(in *store.Ingested, ps []store.Part) error {
		for i := range ps {
			if _, err := in.Wait(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	// The logs begin before the clock does.
	ps := parts(tenants)
	in, err := l.Store.Ingest(ctx, ps)
	if err != nil {
		return err
	}
	if err := wait(in, ps); err != nil {
		return err
	}
	rate := func(tenants int) (float64, error) {
		var spent time.Duration
		const batches = 4
		for range batches {
			ps := parts(tenants)
			begun := time.Now()
			in, err := l.Store.Ingest(ctx, ps)
			if err != nil {
				return 0, err
			}
			spent += time.Since(begun)
			if err := wait(in, ps); err != nil { // the logs catch up, beside the clock
				return 0, err
			}
		}
		return batches * size / spent.Seconds(), nil
	}
	var one, many, ratios []float64
	for range b.rounds {
		o, err := rate(1)
		if err != nil {
			return err
		}
		m, err := rate(tenants)
		if err != nil {
			return err
		}
		one, many, ratios = append(one, o), append(many, m), append(ratios, m/o)
	}
	r := median(ratios)
	b.add(figure{Name: "a batch of 1,000 over 300 tenants, until durable", Measured: median(many), Unit: "records/s", Against: "over one tenant", Limit: median(one), Ratio: r, Want: ">= 0.5"}, r >= 0.5)
	return nil
}

// million fills the large log, with the index caught up, and watches memory.
func million(b *bench) error {
	l, err := b.open("large")
	if err != nil {
		return err
	}
	defer l.Close()
	log, err := l.Store.Create(tenant(1))
	if err != nil {
		return err
	}
	const step = 1_000_000
	var peak uint64
	var peakAt1M uint64
	for n := 0; n < b.records; {
		end := min(n+step, b.records)
		first := n
		begun := time.Now()
		for n < end {
			size := min(1000, end-n)
			if _, err := log.Append(ctx, batchOf(n, size)); err != nil {
				return err
			}
			if n += size; n%50_000 == 0 {
				peak = max(peak, heap())
			}
		}
		if err := log.WaitIndexed(ctx); err != nil {
			return err
		}
		rate := float64(end-first) / time.Since(begun).Seconds()
		switch {
		case first == 0:
			peakAt1M = peak
			b.add(figure{Name: fmt.Sprintf("with all indexes, the first %d records", end), Measured: rate, Unit: "records/s", Want: ">= 60,000/s"}, rate >= 60_000)
		case end == b.records:
			b.add(figure{Name: fmt.Sprintf("with all indexes, the last %d of %d", end-first, end), Measured: rate, Unit: "records/s", Want: ">= 30,000/s"}, rate >= 30_000)
		}
	}
	b.add(figure{Name: "live heap at most, first million", Measured: float64(peakAt1M) / (1 << 20), Unit: "MiB", Want: "< 150"}, peakAt1M < 150<<20)
	if b.records > step {
		b.add(figure{Name: fmt.Sprintf("live heap at most, up to %d", b.records), Measured: float64(peak) / (1 << 20), Unit: "MiB", Want: "< 150"}, peak < 150<<20)
	}
	_, _, err = log.Checkpoint()
	return err
}

// heap is what is alive after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
