package local

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	bbolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/store"
)

// stolen is a log of one segment as somebody reads it who can write the file:
// with all of the format at hand and none of the program's checks.
type stolen struct {
	t       testing.TB
	dir, id string
	entries []stolenEntry
	tiles   map[string][]byte // by stored key
	notes   map[uint64][]byte // by size
	head    store.Head
}

type stolenEntry struct {
	leaf   []byte
	claims [][]byte
}

func (s *stolen) path() string { return filepath.Join(s.dir, "tenants", s.id, "log", "0001.db") }

func (s *stolen) signState() string { return filepath.Join(s.dir, "sign-state", s.id) }

// steal reads the log of the id in the directory.
func steal(t testing.TB, dir, id string) *stolen {
	t.Helper()
	s := &stolen{t: t, dir: dir, id: id, tiles: map[string][]byte{}, notes: map[uint64][]byte{}}
	s.edit(func(tx *bbolt.Tx) error {
		if err := tx.Bucket([]byte("r")).ForEach(func(_, v []byte) error {
			parts := cutValue(bytes.Clone(v))
			s.entries = append(s.entries, stolenEntry{parts[0], parts[1:]})
			return nil
		}); err != nil {
			return err
		}
		if err := tx.Bucket([]byte("t")).ForEach(func(k, v []byte) error {
			s.tiles[string(k)] = bytes.Clone(v)
			return nil
		}); err != nil {
			return err
		}
		if err := tx.Bucket([]byte("n")).ForEach(func(k, v []byte) error {
			s.notes[binary.BigEndian.Uint64(k)] = bytes.Clone(v)
			return nil
		}); err != nil {
			return err
		}
		return json.Unmarshal(tx.Bucket([]byte("h")).Get([]byte("head")), &s.head)
	})
	return s
}

func cutValue(v []byte) (parts [][]byte) {
	for len(v) > 0 {
		n := binary.BigEndian.Uint32(v)
		parts, v = append(parts, v[4:4+n]), v[4+n:]
	}
	return parts
}

func (s *stolen) edit(fn func(tx *bbolt.Tx) error) {
	s.t.Helper()
	db, err := bbolt.Open(s.path(), 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		s.t.Fatal(err)
	}
}

// write replaces all that the file holds.
func (s *stolen) write() {
	s.t.Helper()
	s.edit(func(tx *bbolt.Tx) error {
		fresh := func(name string) *bbolt.Bucket {
			_ = tx.DeleteBucket([]byte(name))
			b, err := tx.CreateBucket([]byte(name))
			if err != nil {
				s.t.Fatal(err)
			}
			return b
		}
		put := func(b *bbolt.Bucket, k, v []byte) {
			if err := b.Put(k, v); err != nil {
				s.t.Fatal(err)
			}
		}
		b := fresh("r")
		for i, e := range s.entries {
			var v []byte
			for _, part := range append([][]byte{e.leaf}, e.claims...) {
				v = append(binary.BigEndian.AppendUint32(v, uint32(len(part))), part...)
			}
			put(b, binary.BigEndian.AppendUint64(nil, uint64(i)), v)
		}
		b = fresh("t")
		for k, v := range s.tiles {
			put(b, []byte(k), v)
		}
		b = fresh("n")
		for size, v := range s.notes {
			put(b, binary.BigEndian.AppendUint64(nil, size), v)
		}
		h, err := json.Marshal(s.head)
		if err != nil {
			return err
		}
		put(fresh("h"), []byte("head"), h)
		return nil
	})
}

// leaf decodes the leaf of a record, change changes it, and it is encoded anew.
func (s *stolen) leaf(i int, change func(*chain.Leaf)) {
	s.t.Helper()
	lf, err := chain.Decode(s.entries[i].leaf)
	if err != nil {
		s.t.Fatal(err)
	}
	change(lf)
	if s.entries[i].leaf, err = lf.Encode(); err != nil {
		s.t.Fatal(err)
	}
}

// rehash numbers and chains the records anew from i to the tip, and makes tree
// and head of them: all that needs no key.
func (s *stolen) rehash(from int) {
	s.t.Helper()
	for i := from; i < len(s.entries); i++ {
		s.leaf(i, func(lf *chain.Leaf) {
			lf.Seq = uint64(i)
			if lf.Prev = chain.GenesisPrev(lf.Origin); i > 0 {
				lf.Prev = chain.LeafHash(s.entries[i-1].leaf)
			}
		})
	}
	s.regrow()
}

// regrow makes tiles and head of the leaves as they are.
func (s *stolen) regrow() {
	s.t.Helper()
	s.tiles = map[string][]byte{}
	partial := map[int][]byte{}
	var f chain.Frontier
	for _, e := range s.entries {
		f.Append(chain.LeafHash(e.leaf), func(level int, index uint64, h evidence.Hash) {
			if level%8 != 0 {
				return
			}
			t := level / 8
			if partial[t] = append(partial[t], h[:]...); len(partial[t]) == store.TileWidth*32 {
				s.tiles[string(binary.BigEndian.AppendUint64([]byte{byte(t)}, index/store.TileWidth))] = partial[t]
				partial[t] = nil
			}
		})
	}
	last := s.entries[len(s.entries)-1].leaf
	lf, err := chain.Decode(last)
	if err != nil {
		s.t.Fatal(err)
	}
	s.head.Size, s.head.Last, s.head.Recorded, s.head.Frontier = f.Size(), chain.LeafHash(last), lf.Recorded, f.Roots()
}

func (s *stolen) root(size uint64) evidence.Hash {
	var f chain.Frontier
	for _, e := range s.entries[:size] {
		f.Append(chain.LeafHash(e.leaf), nil)
	}
	return f.Root()
}

// resign signs the tree at the size of every stored checkpoint, as it is now.
func (s *stolen) resign(by note.Signer) {
	s.t.Helper()
	lf, err := chain.Decode(s.entries[0].leaf)
	if err != nil {
		s.t.Fatal(err)
	}
	for size := range s.notes {
		if size > uint64(len(s.entries)) {
			delete(s.notes, size)
			continue
		}
		signed, err := chain.Checkpoint{Origin: lf.Origin, Size: size, Root: s.root(size)}.Sign(by)
		if err != nil {
			s.t.Fatal(err)
		}
		s.notes[size] = signed
	}
}

// cut drops the records from n on, and all that stands on them.
func (s *stolen) cut(n int) {
	s.entries = s.entries[:n]
	for size := range s.notes {
		if size > uint64(n) {
			delete(s.notes, size)
		}
	}
	s.regrow()
}

// forgetSigned writes a sign-state that says that the newest checkpoint left
// was the last, or the log as it is where none is left.
func (s *stolen) forgetSigned() {
	s.t.Helper()
	size := s.head.Size
	if len(s.notes) > 0 {
		size = 0
		for n := range s.notes {
			size = max(size, n)
		}
	}
	if err := os.WriteFile(s.signState(), fmt.Appendf(nil, "%d %s\n", size, s.root(size)), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// sizes are those of the stored checkpoints, rising.
func (s *stolen) sizes() (out []uint64) {
	for n := range s.notes {
		out = append(out, n)
	}
	slices.SortFunc(out, cmp.Compare)
	return out
}
