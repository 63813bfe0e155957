package bolt

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"evidenced/evidence/problem"
	"evidenced/store"
)

// Any bytes are an entry that encodes to the same bytes, or an error.
func FuzzDecodeEntry(f *testing.F) {
	f.Add(encodeEntry(nil, store.Entry{Leaf: []byte("leaf"), Claims: [][]byte{[]byte("one"), {}, []byte("three")}}))
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, v []byte) {
		e, err := decodeEntry(7, v, nil)
		if err != nil {
			return
		}
		if got := encodeEntry(nil, e); !bytes.Equal(got, v) {
			t.Fatalf("%x decodes to %+v, which encodes to %x", v, e, got)
		}
	})
}

// A segment of any bytes opens or is refused, and reading it ends nothing.
func FuzzOpenSegment(f *testing.F) {
	dir := f.TempDir()
	b := New(dir)
	lf, ix, err := b.Open("00aa", true)
	if err != nil {
		f.Fatal(err)
	}
	var es []store.Entry
	for n := range uint64(40) {
		es = append(es, store.Entry{Seq: n, Leaf: bytes.Repeat([]byte{byte(n)}, 700), Claims: [][]byte{bytes.Repeat([]byte{1}, 900)}})
	}
	if err := lf.Append(es, nil, store.Head{Size: 40, Segment: 1}); err != nil {
		f.Fatal(err)
	}
	if err := lf.PutNote(store.Note{Size: 40, Signed: []byte("note")}); err != nil {
		f.Fatal(err)
	}
	ix.Close()
	lf.Close()
	whole, err := os.ReadFile(filepath.Join(dir, "tenants", "00aa", "log", segmentName(1)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, 0, byte(0))
	f.Add(whole, 4*pageSize+10, byte(9))
	f.Add(whole[:5*pageSize], 9, byte(1))
	f.Add([]byte("no database"), 0, byte(0))
	f.Fuzz(func(t *testing.T, content []byte, at int, x byte) {
		if at >= 0 && at < len(content) {
			content = bytes.Clone(content)
			content[at] ^= x
		}
		dir := t.TempDir()
		logs := filepath.Join(dir, "log")
		if err := os.MkdirAll(logs, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(logs, segmentName(1)), content, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := OpenCopy(dir)
		if err != nil {
			return
		}
		defer f.Close()
		h, err := f.Head()
		if err != nil {
			return
		}
		_ = f.Scan(f.First(), min(h.Size, f.First()+100), func(store.Entry) error { return nil })
		_, _ = f.Entry(3)
		_, _ = f.NoteAt(h.Size)
		_, _ = f.Tile(0, 0)
	})
}

// A segment whose newest meta page a crash tore is mended before the next one
// begins; a sealed one that is not whole is refused, for without its last
// transaction it would lack records or checkpoints in silence.
func TestSealedSegmentIsWhole(t *testing.T) {
	dir := t.TempDir()
	logOf := func() store.LogFile {
		t.Helper()
		f, ix, err := New(dir).Open("00aa", true)
		if err == nil {
			err = ix.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	appendOne := func(f store.LogFile, seq uint64, segment int) {
		t.Helper()
		if err := f.Append([]store.Entry{{Seq: seq, Leaf: []byte("leaf")}}, nil, store.Head{Size: seq + 1, Segment: segment}); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "tenants", "00aa", "log", segmentName(1))
	flip := func(at int64) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[at] ^= 4
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := logOf()
	appendOne(f, 0, 1)
	appendOne(f, 1, 1)
	f.Close()
	// One of the two holds the older transaction; after this the log has one
	// record or two, as after a crash.
	flip(40)
	f = logOf()
	h, err := f.Head()
	if err != nil || h.Size == 0 {
		t.Fatal(h, err)
	}
	appendOne(f, h.Size, 2)
	f.Close()
	f = logOf()
	if _, err := f.Entry(0); err != nil {
		t.Errorf("a mended segment: %v", err)
	}
	f.Close()
	flip(pageSize + 40)
	f = logOf()
	defer f.Close()
	if _, err := f.Entry(0); !problem.Is(err, problem.Corrupt) {
		t.Errorf("a sealed segment with a damaged meta page: got %v, want corrupt", err)
	}
}
