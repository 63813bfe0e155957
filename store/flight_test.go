package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/store"
)

// hooked is a backend that asks before each append of its logs.
type hooked struct {
	store.Backend
	mu     sync.Mutex
	before func(h store.Head) error // nil: go on
}

func (b *hooked) set(fn func(store.Head) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before = fn
}

func (b *hooked) Open(id string, create bool) (store.LogFile, store.Index, error) {
	f, ix, err := b.Backend.Open(id, create)
	if err != nil {
		return nil, nil, err
	}
	return hookedFile{f, b}, ix, nil
}

type hookedFile struct {
	store.LogFile
	b *hooked
}

func (f hookedFile) Append(es []store.Entry, ts []store.Tile, h store.Head) error {
	f.b.mu.Lock()
	before := f.b.before
	f.b.mu.Unlock()
	if before != nil {
		if err := before(h); err != nil {
			return err
		}
	}
	return f.LogFile.Append(es, ts, h)
}

var errDisk = errors.New("no space left on device")

func merge(key int, version int) store.Item {
	when := start.Add(time.Duration(key) * time.Second)
	return store.Item{Draft: evidence.Draft{
		Kind: evidence.ChangeMerge, Op: evidence.OpEvent, Source: "github/prod", Key: fmt.Sprint(key),
		Subject: evidence.NewRef("change", "prod", "acme/app!"+fmt.Sprint(key)), OccurredAt: when, Basis: evidence.BasisSource, ObservedAt: when,
		Content: fmt.Appendf(nil, `{"v":%d}`, version),
	}}
}

func merges(from, to int) []store.Item {
	var items []store.Item
	for k := from; k < to; k++ {
		items = append(items, merge(k, 1))
	}
	return items
}

// until waits for what another goroutine does.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for ctx := t.Context(); !done(); runtime.Gosched() {
		if d, ok := t.Deadline(); ctx.Err() != nil || ok && time.Until(d) < 10*time.Second {
			t.Errorf("it never happened: %s", what)
			return
		}
	}
}

func TestPiece(t *testing.T) {
	for _, tc := range []struct {
		n, others       int
		making, writing time.Duration
		want            int
	}{
		{1, 0, 0, 0, 1},
		{383, 0, 0, 0, 383},
		{384, 0, 0, 0, 256},
		{1000, 0, 8 * time.Microsecond, 2 * time.Millisecond, 256},
		{1000, 0, 8 * time.Microsecond, 5 * time.Millisecond, 512},
		{1000, 0, 8 * time.Microsecond, 50 * time.Millisecond, 1000},
		{8192, 0, 8 * time.Microsecond, 50 * time.Millisecond, 4096},
		{1000, 100, 8 * time.Microsecond, 2 * time.Millisecond, 256},
		{1000, 1000, 8 * time.Microsecond, 2 * time.Millisecond, 1000},
		{8192, 1000, 8 * time.Microsecond, 2 * time.Millisecond, 1024},
		{8192, 1000, 8 * time.Microsecond, 50 * time.Millisecond, 4096},
	} {
		if got := store.Piece(tc.n, tc.others, tc.making, tc.writing); got != tc.want {
			t.Errorf("%d items while %d wait, made in %s each, written in %s: pieces of %d, want %d", tc.n, tc.others, tc.making, tc.writing, got, tc.want)
		}
	}
}

// A large request whose end cannot be written fails; what of it was durable
// stays, and when it is sent again after the next start the rest follows.
func TestLargeRequestCutOff(t *testing.T) {
	dir, b := filepath.Join(t.TempDir(), "data"), &hooked{}
	l, log := newLog(t, dir, func(o *store.Options) { b.Backend, o.Backend = o.Backend, b })
	items := merges(0, 6000)
	durable := log.Size()
	b.set(func(h store.Head) error {
		if h.Size > 3000 {
			return errDisk
		}
		durable = h.Size
		return nil
	})
	if res, err := log.Append(t.Context(), items); !errors.Is(err, errDisk) || len(res.Seqs) > 0 {
		t.Fatalf("got %d seqs, %v", len(res.Seqs), err)
	}
	if log.Size() != durable {
		t.Errorf("%d records are told of, %d are durable", log.Size(), durable)
	}
	b.set(nil)
	if _, err := log.Append(t.Context(), merges(9000, 9001)); !errors.Is(err, errDisk) {
		t.Errorf("a log that the disk refused goes on: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, log = newLog(t, dir, nil)
	before := log.Size()
	if before < durable {
		t.Fatalf("%d records after the start, %d were durable", before, durable)
	}
	res, err := log.Append(t.Context(), items)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]bool{}
	for i, f := range res.Fates {
		switch f {
		case store.Appended:
			if res.Seqs[i] < before || seen[res.Seqs[i]] {
				t.Fatalf("item %d got seq %d of a log of %d", i, res.Seqs[i], before)
			}
			seen[res.Seqs[i]] = true
		case store.Repeated:
		default:
			t.Fatalf("item %d has fate %d", i, f)
		}
	}
	if n := uint64(len(seen)); log.Size() != before+n || res.Size != log.Size() {
		t.Errorf("%d new records make %d of %d, told %d", n, log.Size(), before, res.Size)
	}
	if r := mustVerify(t, log, store.VerifyOptions{Deep: true}); !r.OK() {
		t.Errorf("not verified: %q", r.Failures)
	}
}

// A draft that repeats a record on its way to the disk is not durable before
// the record is: when that fails, so does the one who sent it again.
func TestRepeatOfWhatIsOnItsWay(t *testing.T) {
	b := &hooked{}
	_, log := newLog(t, filepath.Join(t.TempDir(), "data"), func(o *store.Options) { b.Backend, o.Backend = o.Backend, b })
	const n = 8100 // with the repeats more than one transaction takes
	end := log.Size() + 1 + n
	reached, sent := make(chan struct{}), make(chan struct{})
	first := true
	b.set(func(h store.Head) error {
		if first { // the committer stands still until all is queued
			first = false
			close(reached)
			<-sent
		}
		if h.Size < end {
			return nil
		}
		until(t, "the committer takes the repeats while the last piece is written", func() bool { return log.Waiting() == 0 })
		return errDisk
	})
	items := merges(0, n)
	errs := make([]error, 2)
	var callers sync.WaitGroup
	callers.Go(func() {
		if _, err := log.Append(context.Background(), merges(n, n+1)); err != nil {
			t.Error(err)
		}
	})
	<-reached
	callers.Go(func() { _, errs[0] = log.Append(context.Background(), items) })
	until(t, "the request is queued", func() bool { return log.Waiting() == n })
	callers.Go(func() { _, errs[1] = log.Append(context.Background(), items[n-200:]) })
	until(t, "the repeats are queued", func() bool { return log.Waiting() == n+200 })
	close(sent)
	callers.Wait()
	for i, err := range errs {
		if !errors.Is(err, errDisk) {
			t.Errorf("caller %d: got %v, want the disk's error", i, err)
		}
	}
	b.set(nil)
}

// What amends a record on its way to the disk names its leaf.
func TestAmendOfWhatIsOnItsWay(t *testing.T) {
	_, log := newLog(t, filepath.Join(t.TempDir(), "data"), nil)
	items := merges(0, 400)
	for k := range 400 {
		items = append(items, merge(k, 2))
	}
	res, err := log.Append(t.Context(), items)
	if err != nil {
		t.Fatal(err)
	}
	s := log.Snapshot()
	for k := range 400 {
		if res.Fates[400+k] != store.Amended {
			t.Fatalf("item %d has fate %d", 400+k, res.Fates[400+k])
		}
		old, err := s.Record(t.Context(), res.Seqs[k])
		if err != nil {
			t.Fatal(err)
		}
		rec, err := s.Record(t.Context(), res.Seqs[400+k])
		if err != nil {
			t.Fatal(err)
		}
		if rec.Amends == nil || rec.Amends.Seq != old.Seq || rec.Amends.Leaf != old.Leaf || rec.Key != old.Key {
			t.Fatalf("record %d amends %+v, want %d %s", rec.Seq, rec.Amends, old.Seq, old.Leaf)
		}
	}
	if r := mustVerify(t, log, store.VerifyOptions{Deep: true}); !r.OK() {
		t.Errorf("not verified: %q", r.Failures)
	}
}

// Callers that send at the same time each get their own answer.
func TestManyCallersAtOnce(t *testing.T) {
	_, log := newLog(t, filepath.Join(t.TempDir(), "data"), nil)
	const callers, each = 6, 900
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for at := c * each; at < (c+1)*each; at += 150 {
				items := merges(at, at+150)
				res, err := log.Append(context.Background(), append(items, merge(at, 1)))
				if err != nil || len(res.Fates) != 151 || res.Fates[150] != store.Repeated || res.Size <= res.Seqs[149] {
					t.Errorf("caller %d: %d fates, size %d: %v", c, len(res.Fates), res.Size, err)
					return
				}
				for i := range items {
					if rec, err := log.Snapshot().Record(context.Background(), res.Seqs[i]); err != nil || rec.Key != fmt.Sprint(at+i) {
						t.Errorf("caller %d: record %d is of %s, want %d: %v", c, res.Seqs[i], rec.Key, at+i, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	if r := mustVerify(t, log, store.VerifyOptions{Deep: true}); !r.OK() || r.Records != callers*each+1 {
		t.Errorf("%d records, %q", r.Records, r.Failures)
	}
}
