package bolt

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

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
