package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"evidenced/evidence/chain"
	"evidenced/store"
)

// tileOf makes the complete tile of level 0 that ends with the records, always
// the same.
func tileOf(index uint64) store.Tile {
	var b []byte
	for n := index * store.TileWidth; n < (index+1)*store.TileWidth; n++ {
		h := chain.LeafHash(entry(n).Leaf)
		b = append(b, h[:]...)
	}
	return store.Tile{Index: index, Hashes: b}
}

// grow appends records of a segment up to the size, with the tiles that they
// complete, in batches.
func grow(t testing.TB, f store.LogFile, from, to uint64, segment int) {
	t.Helper()
	for from < to {
		end := min(from+90, to)
		var ts []store.Tile
		for i := from / store.TileWidth; i < end/store.TileWidth; i++ {
			ts = append(ts, tileOf(i))
		}
		must(t, f.Append(entries(from, end), ts, head(end, segment)))
		from = end
	}
}

// The sizes of the segments that the tests below make: the first ends between
// two tiles, the second at the end of one, the third inside the next.
var ends = []uint64{300, 512, 700, 760}

func fourSegments(t testing.TB, f store.LogFile) {
	t.Helper()
	from := uint64(0)
	for i, end := range ends {
		grow(t, f, from, end, i+1)
		must(t, f.PutNote(store.Note{Size: end, Signed: fmt.Appendf(nil, "note %d", end)}))
		from = end
	}
}

func checkSegments(t testing.TB, f store.LogFile, gone int) {
	t.Helper()
	first := uint64(0)
	if gone > 0 {
		first = ends[gone-1]
	}
	if got := f.First(); got != first {
		t.Errorf("first is %d, want %d", got, first)
	}
	kept, retired := f.Segments(), f.Retired()
	if len(kept) != len(ends)-gone || len(retired) != gone {
		t.Fatalf("%d segments kept and %d retired, want %d and %d", len(kept), len(retired), len(ends)-gone, gone)
	}
	from := uint64(0)
	for i, s := range append(retired, kept...) {
		if s.Number != i+1 || s.First != from || s.Next != ends[i] || s.Sealed != (i < len(ends)-1) || s.Bytes <= 0 ||
			!s.Newest.Equal(head(ends[i], 1).Recorded) || s.Oldest.After(s.Newest) || !s.Oldest.After(head(from, 1).Recorded) {
			t.Errorf("segment %d is %+v", i+1, s)
		}
		from = s.Next
	}
	for seq := first; seq < ends[3]; seq++ {
		if e, err := f.Entry(seq); err != nil || !equal(e, entry(seq)) {
			t.Fatalf("entry %d: %+v, %v", seq, e, err)
		}
	}
	next := first
	must(t, f.Scan(first, ends[3], func(e store.Entry) error {
		if !equal(e, entry(next)) {
			t.Fatalf("scan: entry %d is %+v", next, e)
		}
		next++
		return nil
	}))
	if next != ends[3] {
		t.Errorf("scan ended at %d", next)
	}
	for i := range ends[3] / store.TileWidth {
		if b, err := f.Tile(0, i); err != nil || !bytes.Equal(b, tileOf(i).Hashes) {
			t.Errorf("tile %d: %d bytes, %v", i, len(b), err)
		}
	}
	for i, end := range ends {
		for _, at := range []uint64{end, end + 1} {
			if n, err := f.NoteAt(at); err != nil || n.Size != end || string(n.Signed) != fmt.Sprintf("note %d", end) {
				t.Errorf("note %d: %+v, %v", i, n, err)
			}
		}
	}
	start := first - first%store.TileWidth
	hs, err := f.RetiredHashes(start)
	if err != nil || uint64(len(hs)) != first-start {
		t.Fatalf("%d hashes from %d, %v", len(hs), start, err)
	}
	for i, h := range hs {
		if h != chain.LeafHash(entry(start+uint64(i)).Leaf) {
			t.Errorf("the hash of retired record %d is another", start+uint64(i))
		}
	}
	if first > 0 {
		if err := f.Scan(first-1, first+1, func(store.Entry) error { return nil }); !errors.Is(err, store.ErrRetired) {
			t.Errorf("scan of a retired record: %v", err)
		}
	}
}

func testRetire(t *testing.T, open func(testing.TB, string) store.Backend) {
	dir := t.TempDir()
	b := open(t, dir)
	f, ix, err := b.Open("00aa", true)
	must(t, err)
	reopen := func() {
		t.Helper()
		must(t, ix.Close())
		must(t, f.Close())
		must(t, b.Close())
		b = open(t, dir)
		f, ix, err = b.Open("00aa", false)
		must(t, err)
	}
	fourSegments(t, f)
	checkSegments(t, f, 0)
	reopen()
	checkSegments(t, f, 0)
	for _, n := range []int{2, 4, 9} {
		if err := f.Retire(n); err == nil {
			t.Errorf("segment %d is retired before segment 1", n)
		}
	}
	k := store.Remains{
		Entries: []store.Entry{entry(0), entry(299)}, Openings: [][]byte{[]byte("zero"), []byte("last")},
		Postings: []store.Posting{{Bucket: 'd', Key: []byte("k1"), Value: []byte("v1")}, {Bucket: 's', Key: []byte("k0"), Value: []byte{}}},
	}
	must(t, f.Keep(k))
	must(t, f.Keep(k))
	checkKept(t, f, nil) // nothing is retired yet
	for gone := 1; gone <= 3; gone++ {
		must(t, f.Retire(gone))
		must(t, f.Retire(gone)) // again, without effect
		checkSegments(t, f, gone)
		checkKept(t, f, k.Entries)
		reopen()
		checkSegments(t, f, gone)
		checkKept(t, f, k.Entries)
	}
	if err := f.Retire(4); err == nil {
		t.Error("the newest segment is retired")
	}
	if _, err := f.Entry(5); !errors.Is(err, store.ErrRetired) || !errors.Is(err, store.ErrNoEntry) {
		t.Errorf("a retired record: %v", err)
	}
	if err := f.Append(entries(760, 761), nil, head(761, 2)); err == nil {
		t.Error("a retired segment takes a record")
	}
	must(t, f.Append(entries(760, 770), nil, head(770, 4)))
	if h, err := f.Head(); err != nil || h.Size != 770 {
		t.Errorf("head: %+v, %v", h, err)
	}
	must(t, ix.Close())
	must(t, f.Close())
	must(t, b.Close())
}

func checkKept(t testing.TB, f store.LogFile, want []store.Entry) {
	t.Helper()
	var got []store.Entry
	must(t, f.KeptRecords(func(e store.Entry, opening []byte) error {
		if want := map[uint64]string{0: "zero", 299: "last"}[e.Seq]; string(opening) != want {
			t.Errorf("opening of record %d: %q, want %q", e.Seq, opening, want)
		}
		got = append(got, store.Entry{Seq: e.Seq, Leaf: bytes.Clone(e.Leaf), Claims: slices.Clone(e.Claims)})
		return nil
	}))
	if !slices.EqualFunc(got, want, func(a, b store.Entry) bool { return a.Seq == b.Seq && bytes.Equal(a.Leaf, b.Leaf) }) {
		t.Errorf("kept records: %+v, want %+v", got, want)
	}
	for _, e := range want {
		if got, err := f.Entry(e.Seq); err != nil || !equal(got, e) {
			t.Errorf("kept record %d: %+v, %v", e.Seq, got, err)
		}
	}
	var ps []string
	must(t, f.KeptPostings(func(p store.Posting) error {
		ps = append(ps, fmt.Sprintf("%c %s=%s", p.Bucket, p.Key, p.Value))
		return nil
	}))
	if !slices.Equal(ps, []string{"d k1=v1", "s k0="}) {
		t.Errorf("kept postings: %q", ps)
	}
}

func testEnd(t *testing.T, open func(testing.TB, string) store.Backend) {
	dir := t.TempDir()
	b := open(t, dir)
	f, ix, err := b.Open("00aa", true)
	must(t, err)
	fourSegments(t, f)
	must(t, f.Retire(1))
	must(t, ix.Close())
	must(t, f.Close())
	if _, _, ended, err := b.Ended("00aa"); err != nil || ended {
		t.Errorf("a log that goes on was ended: %v, %v", ended, err)
	}
	for range 2 {
		must(t, b.End("00aa"))
		h, n, ended, err := b.Ended("00aa")
		if err != nil || !ended || h.Size != 760 || h.Last != head(760, 4).Last || n.Size != 760 || string(n.Signed) != "note 760" {
			t.Errorf("the ended log: %+v, %+v, %v, %v", h, n, ended, err)
		}
		must(t, b.Close())
		b = open(t, dir)
	}
	if _, _, err := b.Open("00aa", true); err == nil {
		t.Error("an ended log is begun again")
	}
	if err := b.End("00bb"); err == nil {
		t.Error("a log that was never begun is ended")
	}
	must(t, b.Close())
}
