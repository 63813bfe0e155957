package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"evidenced/evidence"
	"evidenced/store"
	"evidenced/store/local"
)

// open begins an installation in a directory of the run.
func (b *bench) open(name string) (*local.Local, func() error, error) {
	dir, err := b.sub(name)
	if err != nil {
		return nil, nil, err
	}
	l, err := local.Open(local.Options{Dir: dir, Log: b.quiet})
	if err != nil {
		return nil, nil, err
	}
	return l, func() error {
		err := l.Close()
		if rerr := os.RemoveAll(dir); err == nil {
			err = rerr
		}
		return err
	}, nil
}

// burst is how many records are acknowledged in a row. Segment and index follow
// behind and are waited for after each burst, outside the clock: what a log
// keeps up for long, with them, is what the large log shows.
const burst = 30_000

// batchSizes are the batches of one caller, with the ratio to the plain file
// that is wanted of each.
var batchSizes = []struct {
	batch int
	want  float64
}{{1, 0.40}, {100, 0.35}, {1000, 0.50}}

// batches is how many batches of so many records a round has.
func (b *bench) batches(of int) int {
	records := burst
	if of == 1 {
		records = 1000
	}
	return max(2, b.scaled(records, 4*of)/of)
}

// ingest measures appends at three batch sizes against a plain file.
func (b *bench) ingest(ctx context.Context) (err error) {
	s, err := b.takeSample(ctx, b.scaled(16_000, 1000))
	if err != nil {
		return err
	}
	l, done, err := b.open("ingest")
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, done()) }()
	log, err := firstLog(l)
	if err != nil {
		return err
	}
	next := 0
	for _, c := range batchSizes {
		batches := b.batches(c.batch)
		appended := func() (float64, error) {
			drafts := items(next, c.batch*batches)
			next += len(drafts)
			rate, err := appendRate(ctx, log, drafts, c.batch)
			if err == nil {
				// What index and segment still have to do must not fall into the limit.
				err = log.WaitStored(ctx)
			}
			return rate, err
		}
		if _, err := appended(); err != nil { // people, caches, first pages
			return err
		}
		r, err := interleave(b.o.rounds, func() (float64, error) { return plainRate(b.dir, s, c.batch, batches, false) }, appended)
		if err != nil {
			return err
		}
		reserved, err := repeat(b.o.rounds, func() (float64, error) { return plainRate(b.dir, s, c.batch, batches, true) })
		if err != nil {
			return err
		}
		b.rep.add(figure{
			Name: fmt.Sprintf("ingest/batch-%d", c.batch), Unit: perSecond,
			Note: fmt.Sprintf("into a file written before: %s", show(reserved, perSecond)),
		}.against(r, "plain file").ratioAtLeast(c.want))
	}
	return nil
}

// appendRate appends drafts in batches, one after the other, and returns
// records a second. Every draft must become a record.
func appendRate(ctx context.Context, log *store.Log, drafts []store.Item, batch int) (float64, error) {
	n := len(drafts)
	begun := time.Now()
	for len(drafts) > 0 {
		k := min(batch, len(drafts))
		res, err := log.Append(ctx, drafts[:k])
		if err != nil {
			return 0, err
		}
		if err := allAppended(res); err != nil {
			return 0, err
		}
		drafts = drafts[k:]
	}
	return float64(n) / time.Since(begun).Seconds(), nil
}

func allAppended(res store.Result) error {
	for i, f := range res.Fates {
		if f != store.Appended {
			return fmt.Errorf("draft %d of a batch was not appended (fate %d): the figure would be false", i, f)
		}
	}
	return nil
}

// callers measures sixteen callers that append one record at a time against
// one such caller.
func (b *bench) callers(ctx context.Context) (err error) {
	const many = 16
	l, done, err := b.open("callers")
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, done()) }()
	log, err := firstLog(l)
	if err != nil {
		return err
	}
	next := 0
	take := func(n int) []store.Item { next += n; return items(next-n, n) }
	one := b.scaled(1000, 20)
	if _, err := appendRate(ctx, log, take(one), 1); err != nil {
		return err
	}
	r, err := interleave(b.o.rounds,
		func() (float64, error) { return appendRate(ctx, log, take(one), 1) },
		func() (float64, error) { return together(ctx, log, take(one*8), many) })
	if err != nil {
		return err
	}
	b.rep.add(figure{Name: fmt.Sprintf("callers/%d", many), Unit: perSecond}.against(r, "one caller").ratioAtLeast(8))
	return nil
}

// together appends drafts one at a time from n goroutines.
func together(ctx context.Context, log *store.Log, drafts []store.Item, n int) (float64, error) {
	var wg sync.WaitGroup
	errs := make([]error, n)
	begun := time.Now()
	for w := range n {
		wg.Go(func() {
			_, errs[w] = appendRate(ctx, log, drafts[w*len(drafts)/n:(w+1)*len(drafts)/n], 1)
		})
	}
	wg.Wait()
	took := time.Since(begun)
	return float64(len(drafts)) / took.Seconds(), firstError(errs...)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// spread measures a batch over many tenants against the same batch for one.
func (b *bench) spread(ctx context.Context) (err error) {
	many := b.o.spread
	l, done, err := b.open("spread")
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, done()) }()
	sp := spreader{st: l.Store}
	for i := range many {
		t, err := tenant(i + 1)
		if err != nil {
			return err
		}
		sp.tenants = append(sp.tenants, t)
	}
	// Begin all logs before the clock runs.
	if _, _, err := sp.run(ctx, 1, many); err != nil {
		return err
	}
	batches := b.scaled(20, 2)
	var drained []float64
	r, err := interleave(b.o.rounds,
		func() (float64, error) { acked, _, err := sp.run(ctx, batches, 1); return acked, err },
		func() (float64, error) {
			acked, taken, err := sp.run(ctx, batches, many)
			drained = append(drained, taken)
			return acked, err
		})
	if err != nil {
		return err
	}
	b.rep.add(
		figure{Name: "spread/acknowledged", Unit: perSecond, Note: fmt.Sprintf("%d tenants; durable in the intake", many)}.against(r, "one tenant").ratioAtLeast(0.5),
		figure{Name: "spread/taken", Unit: perSecond, Measured: median(drained), Note: fmt.Sprintf("%d tenants; until %d batches stand in the logs", many, batches)})
	return nil
}

// spreader sends batches to many tenants through the store's one entry for
// that.
type spreader struct {
	st      *store.Store
	tenants []evidence.Tenant
	next    int
}

// run sends so many batches of 1,000 over n tenants, one after the other. It
// returns records a second until the last was acknowledged, and until the logs
// had taken all of them.
func (sp *spreader) run(ctx context.Context, batches, n int) (acked, taken float64, err error) {
	all := make([][]store.Part, batches)
	for i := range all {
		all[i] = make([]store.Part, n)
		for j := range all[i] {
			k := (j+1)*batchSize/n - j*batchSize/n
			all[i][j] = store.Part{Tenant: sp.tenants[j], Items: items(sp.next, k)}
			sp.next += k
		}
	}
	var ins []*store.Ingested
	begun := time.Now()
	for _, parts := range all {
		in, err := sp.st.Ingest(ctx, parts)
		if err != nil {
			return 0, 0, err
		}
		ins = append(ins, in)
	}
	ackedIn := time.Since(begun)
	for _, in := range ins {
		for j := range n {
			res, err := in.Wait(ctx, j)
			if err != nil {
				return 0, 0, err
			}
			if err := allAppended(res); err != nil {
				return 0, 0, err
			}
		}
	}
	records := float64(batches * batchSize)
	return records / ackedIn.Seconds(), records / time.Since(begun).Seconds(), nil
}
