package index

import (
	"bytes"
	"fmt"
	"testing"

	"evidenced/store"
)

// Memory outside the heap is held while something may read it and no longer:
// beside a view that was taken before all of it was written, after additions
// that failed to be written, and not at all once the index is closed.
func TestOutsideHeap(t *testing.T) {
	before := OutsideHeap()
	x := open(t, &Pool{}, t.TempDir())
	n := 0
	add := func(postings int) {
		t.Helper()
		ps := make([]store.Posting, postings)
		for i := range ps {
			ps[i] = store.Posting{Bucket: store.BucketIdentity, Key: identityKey(n + i), Value: []byte("it")}
		}
		must(t, x.Apply(ps, uint64(n+postings)))
		n += postings
	}
	for range 2 * mergeFan { // merged in memory meanwhile
		add(20_000)
	}
	held := OutsideHeap() - before
	if size := int64(x.now.gathered()); held < size || held > size+size/2+1<<20 {
		t.Errorf("%d bytes outside the heap for %d of postings", held, size)
	}
	v, err := x.View()
	must(t, err)
	must(t, x.flush())
	if OutsideHeap()-before != held {
		t.Error("what a view reads was given back")
	}
	for i := 0; i < n; i += 997 {
		if k, val := v.SeekGE(store.BucketIdentity, identityKey(i)); !bytes.Equal(k, identityKey(i)) || string(val) != "it" {
			t.Fatalf("the view finds %q for posting %d", k, i)
		}
	}
	must(t, v.Close())
	if left := OutsideHeap() - before; left != 0 {
		t.Errorf("%d bytes outside the heap once all is written", left)
	}
	add(50_000)
	must(t, x.Close())
	if left := OutsideHeap() - before; left != 0 {
		t.Errorf("%d bytes outside the heap of a closed index", left)
	}
}

// An arena that was made too small moves, and loses nothing.
func TestArenaGrows(t *testing.T) {
	before := OutsideHeap()
	for _, size := range []int{0, 10, outsideFrom - 1, outsideFrom, outsideFrom + 1} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			a := newArena(size)
			var want []byte
			for i := range 200 {
				part := bytes.Repeat([]byte{byte(i)}, 8191)
				a.add(part)
				want = append(want, part...)
			}
			if !bytes.Equal(a.data, want) || !a.outside {
				t.Errorf("%d bytes stand there, outside the heap: %t", len(a.data), a.outside)
			}
			a.free()
			a.free()
			if left := OutsideHeap() - before; left != 0 {
				t.Errorf("%d bytes are left", left)
			}
		})
	}
}
