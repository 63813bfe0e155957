package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"evidenced/store"
	"evidenced/store/index"
	"evidenced/store/local"
)

// million is where memory and speed are looked at while the large log grows.
const million = 1_000_000

// large is the log that is verified and asked.
type large struct {
	dir  string
	l    *local.Local
	log  *store.Log
	size int // drafts in it

	first, last      float64 // records a second, of the first and the last million
	heapFirst, heap  float64 // live bytes after the first million and at the end
	peak             float64 // most bytes of the heap at any time
	logBytes, indexB int64
}

// grow builds the large log once.
func (b *bench) grow(ctx context.Context) (*large, error) {
	if b.large != nil {
		return b.large, nil
	}
	dir, err := b.sub("large")
	if err != nil {
		return nil, err
	}
	g := &large{dir: dir}
	if err := g.open(b); err != nil {
		return nil, err
	}
	b.large = g
	watch := watchHeap()
	defer watch.stop()
	begun := time.Now()
	for g.size < b.o.records {
		n := min(million, b.o.records-g.size)
		took, err := g.add(ctx, n)
		if err != nil {
			return nil, err
		}
		g.last = float64(n) / took.Seconds()
		g.heap = liveHeap()
		if g.first == 0 {
			g.first, g.heapFirst = g.last, g.heap
		}
		fmt.Fprintf(b.stderr, "large: %s records after %s, %s for the newest\n", thousands(g.size), time.Since(begun).Round(time.Second), show(g.last, perSecond))
	}
	g.peak = watch.stop()
	// An index writes what it still has in memory when it is closed.
	if err := g.l.Close(); err != nil {
		return nil, err
	}
	if err := g.open(b); err != nil {
		return nil, err
	}
	g.logBytes, g.indexB = diskUse(filepath.Join(dir, "tenants"))
	return g, nil
}

// appenders is how many append to the large log at once: while some make their next
// drafts the log works on another's, as it does for several collectors.
const appenders = 3

// add appends n drafts and waits until the index has them too.
func (g *large) add(ctx context.Context, n int) (time.Duration, error) {
	begun := time.Now()
	var wg sync.WaitGroup
	errs := make([]error, appenders)
	for c := range appenders {
		wg.Go(func() { errs[c] = g.addEvery(ctx, g.size+c*batchSize, g.size+n, appenders*batchSize) })
	}
	wg.Wait()
	if err := firstError(errs...); err != nil {
		return 0, err
	}
	g.size += n
	err := g.log.WaitIndexed(ctx)
	return time.Since(begun), err
}

// addEvery appends the batches that begin at from, from+step and so on before end.
func (g *large) addEvery(ctx context.Context, from, end, step int) error {
	for ; from < end; from += step {
		res, err := g.log.Append(ctx, items(from, min(batchSize, end-from)))
		if err != nil {
			return err
		}
		if err := allAppended(res); err != nil {
			return err
		}
	}
	return nil
}

func (g *large) open(b *bench) (err error) {
	if g.l, err = local.Open(local.Options{Dir: g.dir, Log: b.quiet}); err != nil {
		return err
	}
	g.log, err = firstLog(g.l)
	return err
}

// reopenCold closes the log, drops its files from the page cache and opens it
// again. It returns which part of the files was still in memory in between.
func (g *large) reopenCold(b *bench) (resident float64, err error) {
	if err := g.l.Close(); err != nil {
		return 0, err
	}
	g.l = nil
	if resident, err = dropCache(g.dir); err != nil {
		return 0, err
	}
	if err := g.open(b); err != nil {
		return 0, err
	}
	return resident, g.log.Stopped() // opens its files
}

func (g *large) close() error {
	if g == nil || g.l == nil {
		return nil
	}
	return g.l.Close()
}

// largeLog tells how the large log grew.
func (b *bench) largeLog(ctx context.Context) error {
	g, err := b.grow(ctx)
	if err != nil {
		return err
	}
	at := thousands(g.size) + " records"
	n := float64(g.size)
	first := figure{Name: "large/first-million", Unit: perSecond, Measured: g.first, Note: "three callers, batches of 1,000, until all indexes have caught up; up to " + thousands(min(million, g.size)) + " records"}
	last := figure{Name: "large/last-million", Unit: perSecond, Measured: g.last, Note: "ending at " + at}
	heap := figure{Name: "large/heap", Unit: inBytes, Measured: g.heap, Note: fmt.Sprintf("live after a collection, at %s; %s after the first million", at, show(g.heapFirst, inBytes))}
	peak := figure{Name: "large/heap-peak", Unit: inBytes, Measured: g.peak, Note: "most at any time, garbage, this program's drafts and what the index holds outside the heap included"}
	b.rep.add(
		first.atLeast(60_000), last.atLeast(30_000), heap.atMost(150<<20), peak.atMost(150<<20),
		figure{Name: "large/disk-log", Unit: inBytes, Measured: float64(g.logBytes) / n, Note: "a record, in segments"},
		figure{Name: "large/disk-index", Unit: inBytes, Measured: float64(g.indexB) / n, Note: "a record, in the index"},
	)
	return nil
}

func liveHeap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// heapWatch samples the size of the heap's objects, dead ones included, and of
// what the indexes hold outside the heap.
type heapWatch struct {
	quit chan struct{}
	once sync.Once
	done sync.WaitGroup
	most atomic.Uint64
}

func watchHeap() *heapWatch {
	w := &heapWatch{quit: make(chan struct{})}
	w.done.Go(func() {
		t := time.NewTicker(10 * time.Millisecond)
		defer t.Stop()
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for {
			metrics.Read(s)
			if n := s[0].Value.Uint64() + uint64(index.OutsideHeap()); n > w.most.Load() {
				w.most.Store(n)
			}
			select {
			case <-t.C:
			case <-w.quit:
				return
			}
		}
	})
	return w
}

// stop ends the sampling and returns the most that was seen, in bytes.
func (w *heapWatch) stop() float64 {
	w.once.Do(func() { close(w.quit) })
	w.done.Wait()
	return float64(w.most.Load())
}

// diskUse adds up the files below a directory by what they are: segments of
// logs, and the rest, which is their indexes. Files that go meanwhile are not
// counted.
func diskUse(dir string) (logs, indexes int64) {
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil
		}
		if filepath.Base(filepath.Dir(path)) == "log" {
			logs += info.Size()
		} else {
			indexes += info.Size()
		}
		return nil
	})
	return logs, indexes
}

// dropCache writes every file below the directory out and asks the kernel to
// forget its pages. Files must not be mapped then. It returns which part is in
// memory afterwards: 0 when all were forgotten.
func dropCache(dir string) (resident float64, err error) {
	var in, all int
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		a, b, err := forget(f)
		in, all = in+a, all+b
		return err
	})
	if all == 0 {
		return 0, err
	}
	return float64(in) / float64(all), err
}
