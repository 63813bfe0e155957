// Package storetest is the conformance suite that every backend passes: what
// the contract of package store promises, tried.
package storetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"evidenced/evidence"
	"evidenced/store"
)

// Run tries a backend. open opens the backend kept in a directory, new or of
// an earlier open; the backend before is closed by then.
func Run(t *testing.T, open func(t testing.TB, dir string) store.Backend) {
	t.Run("log", func(t *testing.T) { testLog(t, open) })
	t.Run("segments", func(t *testing.T) { testSegments(t, open) })
	t.Run("retire", func(t *testing.T) { testRetire(t, open) })
	t.Run("end", func(t *testing.T) { testEnd(t, open) })
	t.Run("notes", func(t *testing.T) { testNotes(t, open) })
	t.Run("index", func(t *testing.T) { testIndex(t, open) })
	t.Run("cursors", func(t *testing.T) { testCursors(t, open) })
	t.Run("unknown", func(t *testing.T) { testUnknown(t, open) })
}

// entry makes the n-th entry, always the same.
func entry(n uint64) store.Entry {
	leaf := fmt.Appendf(nil, "leaf %d", n)
	e := store.Entry{Seq: n, Leaf: leaf}
	for i := range n % 3 {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d/%d", n, i))
		e.Claims = append(e.Claims, bytes.Repeat(sum[:], int(n%5)+1))
	}
	return e
}

func entries(from, to uint64) []store.Entry {
	var es []store.Entry
	for n := from; n < to; n++ {
		es = append(es, entry(n))
	}
	return es
}

func head(size uint64, segment int) store.Head {
	return store.Head{
		Size: size, Last: evidence.Hash(sha256.Sum256(binary.BigEndian.AppendUint64(nil, size))), Segment: segment,
		Recorded: time.Date(2026, 11, 1, 0, 0, 0, int(size)*1000, time.UTC), Frontier: []evidence.Hash{{1}, {2}},
	}
}

func equal(a, b store.Entry) bool {
	return a.Seq == b.Seq && bytes.Equal(a.Leaf, b.Leaf) && slices.EqualFunc(a.Claims, b.Claims, bytes.Equal)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openLog(t testing.TB, b store.Backend, create bool) (store.LogFile, store.Index) {
	t.Helper()
	f, ix, err := b.Open("00aa", create)
	must(t, err)
	t.Cleanup(func() { ix.Close(); f.Close() })
	return f, ix
}

func checkAll(t testing.TB, f store.LogFile, size uint64) {
	t.Helper()
	next := uint64(0)
	must(t, f.Scan(0, size, func(e store.Entry) error {
		if !equal(e, entry(next)) {
			t.Fatalf("scan: entry %d is %+v", next, e)
		}
		next++
		return nil
	}))
	if next != size {
		t.Fatalf("scan gave %d entries, want %d", next, size)
	}
	for n := range size {
		e, err := f.Entry(n)
		must(t, err)
		if !equal(e, entry(n)) {
			t.Fatalf("entry %d is %+v", n, e)
		}
	}
	var some []uint64
	for n := uint64(0); n < size; n += 1 + n%7 {
		some = append(some, n)
	}
	got := 0
	must(t, f.Entries(some, func(i int, e store.Entry) error {
		if i != got || !equal(e, entry(some[i])) {
			t.Fatalf("entries: entry %d is %+v", some[i], e)
		}
		got++
		return nil
	}))
	if got != len(some) {
		t.Fatalf("entries gave %d, want %d", got, len(some))
	}
	if err := f.Entries([]uint64{0, size}, func(int, store.Entry) error { return nil }); !errors.Is(err, store.ErrNoEntry) {
		t.Errorf("entries after the end: got %v, want ErrNoEntry", err)
	}
	if _, err := f.Entry(size); !errors.Is(err, store.ErrNoEntry) {
		t.Errorf("entry after the end: got %v, want ErrNoEntry", err)
	}
}

func testLog(t *testing.T, open func(testing.TB, string) store.Backend) {
	dir := t.TempDir()
	b := open(t, dir)
	f, ix, err := b.Open("00aa", true)
	must(t, err)
	if h, err := f.Head(); err != nil || h.Size != 0 {
		t.Errorf("head of a new log: %+v, %v", h, err)
	}
	size := uint64(0)
	for _, n := range []uint64{1, 5, 100, 1, 4000} {
		must(t, f.Append(entries(size, size+n), nil, head(size+n, 1)))
		size += n
		h, err := f.Head()
		must(t, err)
		if want := head(size, 1); h.Size != want.Size || h.Last != want.Last || !h.Recorded.Equal(want.Recorded) || !slices.Equal(h.Frontier, want.Frontier) {
			t.Errorf("head: got %+v, want %+v", h, want)
		}
	}
	tile := store.Tile{Level: 0, Index: 3, Hashes: bytes.Repeat([]byte{7}, store.TileWidth*32)}
	must(t, f.Append(entries(size, size+1), []store.Tile{tile}, head(size+1, 1)))
	size++
	stop := errors.New("stop")
	if err := f.Scan(0, size, func(e store.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("scan does not hand the callback's error on: %v", err)
	}
	must(t, ix.Close())
	must(t, f.Close())
	must(t, b.Close())
	f, _ = openLog(t, open(t, dir), false)
	checkAll(t, f, size)
	got, err := f.Tile(0, 3)
	if err != nil || !bytes.Equal(got, tile.Hashes) {
		t.Errorf("tile: %d bytes, %v", len(got), err)
	}
	if _, err := f.Tile(0, 4); err == nil {
		t.Error("a tile that was never stored is read")
	}
}

func testSegments(t *testing.T, open func(testing.TB, string) store.Backend) {
	dir := t.TempDir()
	b := open(t, dir)
	f, ix, err := b.Open("00aa", true)
	must(t, err)
	size := uint64(0)
	for seg := 1; seg <= 4; seg++ {
		for range 2 {
			must(t, f.Append(entries(size, size+70), nil, head(size+70, seg)))
			size += 70
		}
	}
	if err := f.Append(entries(size, size+1), nil, head(size+1, 2)); err == nil {
		t.Error("an entry is appended to an old segment")
	}
	checkAll(t, f, size)
	must(t, ix.Close())
	must(t, f.Close())
	must(t, b.Close())
	f, _ = openLog(t, open(t, dir), false)
	h, err := f.Head()
	must(t, err)
	if h.Size != size || h.Segment != 4 {
		t.Errorf("head after opening again: %+v", h)
	}
	checkAll(t, f, size)
}

func testNotes(t *testing.T, open func(testing.TB, string) store.Backend) {
	f, _ := openLog(t, open(t, t.TempDir()), true)
	if n, err := f.NoteAt(10); err != nil || n.Signed != nil {
		t.Errorf("note of a new log: %+v, %v", n, err)
	}
	must(t, f.Append(entries(0, 10), nil, head(10, 1)))
	must(t, f.PutNote(store.Note{Size: 4, Signed: []byte("four")}))
	must(t, f.PutNote(store.Note{Size: 10, Signed: []byte("ten")}))
	must(t, f.Append(entries(10, 30), nil, head(30, 2)))
	must(t, f.PutNote(store.Note{Size: 30, Signed: []byte("thirty")}))
	for size, want := range map[uint64]string{3: "", 4: "four", 9: "four", 10: "ten", 29: "ten", 30: "thirty", 99: "thirty"} {
		n, err := f.NoteAt(size)
		must(t, err)
		if string(n.Signed) != want {
			t.Errorf("newest note of at most size %d: got %q, want %q", size, n.Signed, want)
		}
	}
}

// testIndex holds an index against a sorted slice, with random operations.
func testIndex(t *testing.T, open func(testing.TB, string) store.Backend) {
	rapid.Check(t, func(rt *rapid.T) {
		_, ix := openLog(t, open(t, t.TempDir()), true)
		model := map[byte]map[string]string{}
		mark := uint64(0)
		for range rapid.IntRange(1, 6).Draw(rt, "batches") {
			var ps []store.Posting
			for range rapid.IntRange(0, 30).Draw(rt, "postings") {
				b := rapid.SampledFrom([]byte("ab")).Draw(rt, "bucket")
				k, v := rapid.StringN(1, 6, 12).Draw(rt, "key"), rapid.StringN(0, 4, 8).Draw(rt, "value")
				ps = append(ps, store.Posting{Bucket: b, Key: []byte(k), Value: []byte(v)})
			}
			for _, p := range ps {
				if model[p.Bucket] == nil {
					model[p.Bucket] = map[string]string{}
				}
				model[p.Bucket][string(p.Key)] = string(p.Value)
			}
			mark += 10
			must(t, ix.Apply(ps, mark))
		}
		if got, err := ix.Watermark(); err != nil || got != mark {
			rt.Fatalf("watermark %d, %v, want %d", got, err, mark)
		}
		checkIndex(t, ix, model, rapid.StringN(1, 6, 12).Draw(rt, "probe"))
		must(t, ix.Reset())
		if got, err := ix.Watermark(); err != nil || got != 0 {
			rt.Fatalf("watermark after a reset: %d, %v", got, err)
		}
	})
}

func checkIndex(t testing.TB, ix store.Index, model map[byte]map[string]string, probe string) {
	t.Helper()
	v, err := ix.View()
	must(t, err)
	defer func() { must(t, v.Close()) }()
	for b := range map[byte]bool{'a': true, 'b': true, 'c': true} {
		var keys []string
		for k := range model[b] {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, at := range append(slices.Clone(keys), probe, "", "\xff\xff") {
			i, _ := slices.BinarySearch(keys, at)
			ge, lt := "", ""
			if i < len(keys) {
				ge = keys[i]
			}
			if i > 0 {
				lt = keys[i-1]
			}
			got, err := ix.Get(b, []byte(at))
			must(t, err)
			if want, ok := model[b][at]; (got != nil) != ok || string(got) != want {
				t.Fatalf("value of %c %q: got %q, want %q", b, at, got, want)
			}
			if k, val := v.SeekGE(b, []byte(at)); string(k) != ge || ge != "" && string(val) != model[b][ge] {
				t.Fatalf("first of %c at or after %q: got %q, want %q", b, at, k, ge)
			}
			if at == "" {
				continue
			}
			if k, val := v.SeekLT(b, []byte(at)); string(k) != lt || lt != "" && string(val) != model[b][lt] {
				t.Fatalf("last of %c before %q: got %q, want %q", b, at, k, lt)
			}
		}
	}
}

func testCursors(t *testing.T, open func(testing.TB, string) store.Backend) {
	dir := t.TempDir()
	b := open(t, dir)
	if v, err := b.Cursor("a"); err != nil || v != nil {
		t.Errorf("a cursor never kept: %q, %v", v, err)
	}
	must(t, b.PutCursor("a", []byte("one")))
	must(t, b.PutCursor("a", []byte("two")))
	must(t, b.PutCursor("b", []byte{}))
	must(t, b.Close())
	b = open(t, dir)
	t.Cleanup(func() { b.Close() })
	if v, err := b.Cursor("a"); err != nil || string(v) != "two" {
		t.Errorf("cursor after opening again: %q, %v", v, err)
	}
}

func testUnknown(t *testing.T, open func(testing.TB, string) store.Backend) {
	b := open(t, t.TempDir())
	t.Cleanup(func() { b.Close() })
	if _, _, err := b.Open("00bb", false); err == nil {
		t.Error("a log that was never begun opens")
	}
	for _, id := range []string{"", "..", "a/b", `a\b`} {
		if _, _, err := b.Open(id, true); err == nil {
			t.Errorf("log id %q is accepted", id)
		}
	}
}
