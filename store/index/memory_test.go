package index

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"evidenced/store"
)

// gather adds so many postings to an index, some at a time, each with the
// additions before it counted by the mark.
func gather(t testing.TB, x *index, from, n int) {
	t.Helper()
	for at := from; at < from+n; at += 20 {
		var ps []store.Posting
		for i := at; i < min(at+20, from+n); i++ {
			ps = append(ps, store.Posting{Bucket: store.BucketIdentity, Key: identityKey(i), Value: []byte(x.dir)})
		}
		must(t, x.Apply(ps, uint64(at+len(ps))))
	}
}

func identityKey(i int) []byte { return []byte(fmt.Sprintf("identity %012d", i)) }

// holds checks that every posting is there, and that it is the index's own.
func holds(t testing.TB, x *index, n int) {
	t.Helper()
	for i := range n {
		v, err := x.Get(store.BucketIdentity, identityKey(i))
		must(t, err)
		if string(v) != x.dir {
			t.Fatalf("%s has %q for posting %d", x.dir, v, i)
		}
	}
}

// However many indexes are filled and left, what they gather together stays
// within the limit, and each answers as before, also when it is opened again.
func TestMemoryIsShared(t *testing.T) {
	p := &Pool{most: 64 * blockSize}
	const indexes, postings = 40, 600
	var xs []*index
	for i := range indexes {
		xs = append(xs, open(t, p, fmt.Sprintf("%s/%d", t.TempDir(), i)))
	}
	var wg sync.WaitGroup
	for w := range 4 { // as logs do, each from a goroutine of its own
		wg.Go(func() {
			for i := w; i < len(xs); i += 4 {
				gather(t, xs[i], 0, postings)
			}
		})
	}
	wg.Wait()
	xs[0].pool.relieve(nil) // what was busy when its turn came
	if p.memory.all > p.most {
		t.Errorf("%d bytes are gathered, at most %d may be", p.memory.all, p.most)
	}
	sum := 0
	for _, x := range xs {
		v, err := x.hold()
		must(t, err)
		sum += v.gathered()
		x.release(v)
		holds(t, x, postings)
	}
	if sum != p.memory.all {
		t.Errorf("%d bytes are gathered, the pool counts %d", sum, p.memory.all)
	}
	for i, x := range xs {
		must(t, x.Close())
		xs[i] = open(t, p, x.dir)
		if mark, err := xs[i].Watermark(); err != nil || mark != postings {
			t.Errorf("opened again, %d of %d are indexed: %v", mark, postings, err)
		}
		holds(t, xs[i], postings)
	}
	if p.memory.all != 0 || len(p.memory.held) != 0 {
		t.Errorf("closed indexes hold %d bytes", p.memory.all)
	}
	for _, x := range xs {
		must(t, x.Close())
	}
}

// An index alone keeps what it gathers until there is enough for a run.
func TestMemoryOfOneIsItsOwn(t *testing.T) {
	p := &Pool{}
	x := open(t, p, t.TempDir())
	gather(t, x, 0, 2000)
	if fs := runFiles(t, x.dir); len(fs) > 0 {
		t.Errorf("runs were written: %v", fs)
	}
	must(t, x.Reset())
	if p.memory.all != 0 {
		t.Errorf("an empty index holds %d bytes", p.memory.all)
	}
	must(t, x.Close())
}

// One that cannot write keeps what it has, fails nobody else and tells it when
// it is closed.
func TestMemoryOfOneThatCannotWrite(t *testing.T) {
	broken := fmt.Errorf("the disk is full")
	failing := ""
	p := &Pool{most: 8 * blockSize}
	p.create = func(path string) (file, error) {
		if failing != "" && strings.HasPrefix(path, failing) {
			return nil, broken
		}
		return new(Pool).file(path)
	}
	bad, good := open(t, p, t.TempDir()), open(t, p, t.TempDir())
	failing = bad.dir
	gather(t, bad, 0, 300)
	gather(t, good, 0, 300)
	holds(t, bad, 300)
	holds(t, good, 300)
	if err := bad.Close(); err == nil {
		t.Error("what could not be written was not told")
	}
	must(t, good.Close())
}
