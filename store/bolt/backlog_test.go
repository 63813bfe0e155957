package bolt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/store"
)

// modelLog is what a log must be, in memory.
type modelLog struct {
	entries []store.Entry
	tiles   map[[2]uint64][]byte
	notes   []store.Note
	head    store.Head
}

func (m *modelLog) note(size uint64) (n store.Note) {
	for _, x := range m.notes {
		if x.Size <= size && x.Size >= n.Size {
			n = x
		}
	}
	return n
}

// compare fails unless the log gives what the model has, however it is asked.
func (m *modelLog) compare(t *testing.T, r *rand.Rand, f store.LogFile) {
	t.Helper()
	if h, err := f.Head(); err != nil || !reflect.DeepEqual(h, m.head) {
		t.Fatalf("head %+v, want %+v: %v", h, m.head, err)
	}
	n := uint64(len(m.entries))
	same := func(e store.Entry, seq uint64) error {
		want := m.entries[seq]
		if e.Seq != seq || !bytes.Equal(e.Leaf, want.Leaf) || !slices.EqualFunc(e.Claims, want.Claims, bytes.Equal) {
			return fmt.Errorf("record %d is another", seq)
		}
		return nil
	}
	from := uint64(r.Int64N(int64(n)))
	to := from + uint64(r.Int64N(int64(n-from)))
	next := from
	if err := f.Scan(from, to, func(e store.Entry) error {
		next++
		return same(e, next-1)
	}); err != nil || next != to {
		t.Fatalf("scan of %d to %d ended at %d: %v", from, to, next, err)
	}
	if err := f.Scan(from, n+1, func(store.Entry) error { return nil }); !errors.Is(err, store.ErrNoEntry) {
		t.Fatalf("scan beyond the end: %v", err)
	}
	var seqs []uint64
	for seq := from; seq < n; seq += 1 + uint64(r.IntN(9)) {
		seqs = append(seqs, seq)
	}
	if err := f.Entries(seqs, func(i int, e store.Entry) error { return same(e, seqs[i]) }); err != nil {
		t.Fatal(err)
	}
	for _, seq := range []uint64{from, n - 1} {
		e, err := f.Entry(seq)
		if err == nil {
			err = same(e, seq)
		}
		if err != nil {
			t.Fatalf("record %d: %v", seq, err)
		}
	}
	if _, err := f.Entry(n); !errors.Is(err, store.ErrNoEntry) {
		t.Fatalf("record %d of %d: %v", n, n, err)
	}
	for k, want := range m.tiles {
		if got, err := f.Tile(int(k[0]), k[1]); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("tile %v: %v", k, err)
		}
	}
	for _, size := range []uint64{0, from, n, 1 << 60} {
		if got, err := f.NoteAt(size); err != nil || !reflect.DeepEqual(got, m.note(size)) {
			t.Fatalf("checkpoint at %d: %+v, want %+v: %v", size, got, m.note(size), err)
		}
	}
	segments := f.Segments()
	if last := segments[len(segments)-1]; last.Next != n || last.Number != m.head.Segment || last.Sealed {
		t.Fatalf("newest segment %+v of a log of %d", last, n)
	}
}

// leafOf makes the leaf of a record, chained to the one with the hash.
func leafOf(t *testing.T, seq uint64, prev evidence.Hash) []byte {
	t.Helper()
	at := time.Unix(int64(seq), 0).UTC()
	l := chain.Leaf{
		Origin: "test/00aa", ID: evidence.ID{byte(seq), byte(seq >> 8), 1}, Kind: "commit.pushed", Version: 1, Op: evidence.OpEvent, Source: "github/prod",
		Seq: seq, Prev: prev, Occurred: at, Basis: evidence.BasisSource, Observed: at, Recorded: at,
		Claims: []chain.Claim{{Name: "content", Size: 16, Keys: []string{"d1"}}},
	}
	b, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func copyLog(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// Whatever of a log is in its journal and whatever in its segments, it reads the
// same: while it is written, after a crash at any moment, and as a copy that is
// only looked at.
func TestBacklogIsTheLog(t *testing.T) {
	dir := t.TempDir()
	lf, ix, err := New(dir).Open("00aa", true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { lf.Close(); ix.Close() }()
	r := rand.New(rand.NewPCG(7, 8))
	m := &modelLog{tiles: map[[2]uint64][]byte{}}
	m.head.Segment = 1
	random := func(n int) []byte {
		b := make([]byte, n+8)
		for i := 0; i < n; i += 8 {
			binary.BigEndian.PutUint64(b[i:], r.Uint64())
		}
		return b[:n:n]
	}
	crashed := 0 // while records were in the journal alone
	direct := 0  // batches that no journal had, behind some that it had
	for step := range 240 {
		switch {
		case r.IntN(5) == 0 && len(m.entries) > 0:
			n := store.Note{Size: m.head.Size, Signed: random(150)}
			if err := lf.PutNote(n); err != nil {
				t.Fatal(err)
			}
			m.notes = append(m.notes, n)
		case r.IntN(12) == 0:
			if err := lf.Drain(); err != nil {
				t.Fatal(err)
			}
		default:
			n := 1 + r.IntN(20)
			if r.IntN(10) == 0 {
				n = 300
			}
			var es []store.Entry
			var ts []store.Tile
			for range n {
				e := store.Entry{Seq: uint64(len(m.entries)), Leaf: leafOf(t, uint64(len(m.entries)), m.head.Last)}
				m.head.Last = chain.LeafHash(e.Leaf)
				for range r.IntN(3) {
					e.Claims = append(e.Claims, random(r.IntN(2000)))
				}
				if len(es) == 0 && r.IntN(15) == 0 {
					e.Claims = append(e.Claims, random(maxJournaled))
					if lf.(*logFile).waiting.size() > 0 {
						direct++
					}
				}
				es, m.entries = append(es, e), append(m.entries, e)
				if size := uint64(len(m.entries)); size%store.TileWidth == 0 {
					tile := store.Tile{Level: 0, Index: size/store.TileWidth - 1, Hashes: random(tileBytes)}
					ts = append(ts, tile)
					m.tiles[[2]uint64{0, tile.Index}] = tile.Hashes
				}
			}
			m.head.Size, m.head.Recorded = uint64(len(m.entries)), time.Unix(int64(step), 0).UTC()
			m.head.Intake.Pos++
			if r.IntN(15) == 0 {
				m.head.Segment++
			}
			if err := lf.Append(es, ts, m.head); err != nil {
				t.Fatal(err)
			}
		}
		if len(m.entries) < 2 {
			continue
		}
		m.compare(t, r, lf)
		if r.IntN(20) > 0 {
			continue
		}
		at := t.TempDir()
		waiting := lf.(*logFile).waiting.size() > 0
		copyLog(t, dir, at)
		whole, err := OpenCopy(filepath.Join(at, "tenants", "00aa"))
		if err != nil {
			t.Fatal(err)
		}
		m.compare(t, r, whole)
		whole.Close()
		again, ix, err := New(at).Open("00aa", false)
		if err != nil {
			t.Fatal(err)
		}
		m.compare(t, r, again)
		ix.Close()
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		if waiting {
			crashed++
		}
		if st, err := os.Stat(filepath.Join(at, "tenants", "00aa", "log", journalName)); err == nil && st.Size() > 0 {
			t.Fatalf("a closed log has a journal of %d bytes", st.Size())
		}
	}
	if crashed < 3 || direct < 3 || m.head.Segment < 3 || len(m.tiles) < 10 {
		t.Errorf("%d crashes, %d large batches, %d segments, %d tiles: the test tests nothing", crashed, direct, m.head.Segment, len(m.tiles))
	}
}

// transactions is how many the newest segment had so far.
func transactions(t *testing.T, f *logFile) (n int) {
	t.Helper()
	if err := f.newest().view(func(tx *bolt.Tx) error { n = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// The segment takes what waits while appends go on, in few transactions however small
// the batches are; and appends never wait for room that nobody makes. What is left is
// taken once nothing comes any more, but for some few batches.
func TestRestOfTheBacklog(t *testing.T) {
	for _, c := range []struct{ batches, size, transactions int }{{takeBatches + 1000, 10, 50}, {600, 200 << 10, 100}} {
		lf, ix, err := New(t.TempDir()).Open("00aa", true)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { lf.Close(); ix.Close() }()
		f := lf.(*logFile)
		w, seq, taken := &f.waiting, uint64(0), false
		add := func() {
			t.Helper()
			if err := lf.Append([]store.Entry{{Seq: seq, Leaf: make([]byte, c.size)}}, nil, store.Head{Size: seq + 1, Segment: 1}); err != nil {
				t.Fatal(err)
			}
			seq++
		}
		waiting := func() int {
			w.mu.RLock()
			defer w.mu.RUnlock()
			return len(w.batches)
		}
		add()
		before := transactions(t, f)
		for range c.batches {
			add()
			taken = taken || w.from() > 0
		}
		if !taken {
			t.Errorf("%d batches of %d bytes: nothing was taken while they came", c.batches, c.size)
		}
		for deadline := time.Now().Add(time.Minute); waiting() > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d batches of %d bytes: %d still wait in an idle log", c.batches, c.size, waiting())
			}
		}
		if n := transactions(t, f) - before; n > c.transactions {
			t.Errorf("%d batches of %d bytes: taken in %d transactions, at most %d are needed", c.batches, c.size, n, c.transactions)
		}
		add()
		time.Sleep(3 * idle)
		if waiting() != 1 {
			t.Errorf("a single batch cost a transaction of its own")
		}
		if err := lf.Drain(); err != nil || w.size() != 0 {
			t.Errorf("%d bytes wait behind a drain: %v", w.size(), err)
		}
	}
}

// Readers find every record that was acknowledged while it goes from the journal
// to the segment, and from one segment to the next.
func TestReadingBesideTaking(t *testing.T) {
	lf, ix, err := New(t.TempDir()).Open("00aa", true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { lf.Close(); ix.Close() }()
	const batches, each = 150, 30
	var size atomic.Uint64
	var readers sync.WaitGroup
	read := func(seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		for n := uint64(0); n < batches*each; {
			if n = size.Load(); n == 0 {
				runtime.Gosched()
				continue
			}
			from := n - 1 - uint64(r.Int64N(int64(min(n, 2000))))
			next := from
			if err := lf.Scan(from, n, func(e store.Entry) error {
				if e.Seq != next || binary.BigEndian.Uint64(e.Leaf) != next {
					return fmt.Errorf("record %d at the place of %d", e.Seq, next)
				}
				next++
				return nil
			}); err != nil || next != n {
				t.Errorf("scan of %d to %d ended at %d: %v", from, n, next, err)
				return
			}
			if err := lf.Entries([]uint64{from, n - 1}, func(int, store.Entry) error { return nil }); err != nil && from != n-1 {
				t.Errorf("records %d and %d: %v", from, n-1, err)
				return
			}
			if e, err := lf.Entry(n - 1); err != nil || binary.BigEndian.Uint64(e.Leaf) != n-1 {
				t.Errorf("record %d: %v", n-1, err)
				return
			}
		}
	}
	for seed := range uint64(2) {
		readers.Go(func() { read(seed) })
	}
	readers.Go(func() {
		for size.Load() < batches*each {
			if err := lf.Drain(); err != nil {
				t.Error(err)
				return
			}
			runtime.Gosched()
		}
	})
	for b := range uint64(batches) {
		var es []store.Entry
		for i := range uint64(each) {
			leaf := binary.BigEndian.AppendUint64(nil, b*each+i)
			es = append(es, store.Entry{Seq: b*each + i, Leaf: append(leaf, make([]byte, 2000)...)})
		}
		if err := lf.Append(es, nil, store.Head{Size: (b + 1) * each, Segment: 1 + int(b)/60}); err != nil {
			t.Error(err)
			break
		}
		size.Store((b + 1) * each)
	}
	size.Store(max(size.Load(), batches*each))
	readers.Wait()
}

// A segment without its journal, or with that of another time, is not taken for
// the log.
func TestBacklogOfAnotherTime(t *testing.T) {
	dir := t.TempDir()
	path := func(dir, name string) string { return filepath.Join(dir, "tenants", "00aa", "log", name) }
	lf, ix, err := New(dir).Open("00aa", true)
	if err != nil {
		t.Fatal(err)
	}
	var end store.Head
	end.Segment = 1
	add := func() {
		t.Helper()
		leaf := leafOf(t, end.Size, end.Last)
		end.Size, end.Last = end.Size+1, chain.LeafHash(leaf)
		if err := lf.Append([]store.Entry{{Seq: end.Size - 1, Leaf: leaf}}, nil, end); err != nil {
			t.Fatal(err)
		}
	}
	add()
	early, err := os.ReadFile(path(dir, segmentName(1)))
	if err != nil {
		t.Fatal(err)
	}
	add()
	add()
	if err := lf.Drain(); err != nil {
		t.Fatal(err)
	}
	add()
	add()
	at := t.TempDir()
	copyLog(t, dir, at)
	ix.Close()
	lf.Close()
	open := func(dir string) (uint64, error) {
		lf, ix, err := New(dir).Open("00aa", false)
		if err != nil {
			return 0, err
		}
		defer ix.Close()
		defer lf.Close()
		h, err := lf.Head()
		return h.Size, err
	}
	// The segment is older than what the journal goes on from: what is missing
	// was written over by now, or is still there.
	older := t.TempDir()
	copyLog(t, at, older)
	if err := os.WriteFile(path(older, segmentName(1)), early, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := open(older); !problem.Is(err, problem.Corrupt) {
		t.Errorf("an older segment: size %d, %v", n, err)
	}
	gone := t.TempDir()
	copyLog(t, at, gone)
	if err := os.Remove(path(gone, segmentName(1))); err != nil {
		t.Fatal(err)
	}
	if n, err := open(gone); !problem.Is(err, problem.Corrupt) {
		t.Errorf("no segment: size %d, %v", n, err)
	}
	// Without the journal the log is shorter, which its signatures and its index
	// tell.
	alone := t.TempDir()
	copyLog(t, at, alone)
	if err := os.Remove(path(alone, journalName)); err != nil {
		t.Fatal(err)
	}
	if n, err := open(alone); err != nil || n != 3 {
		t.Errorf("no journal: size %d, %v", n, err)
	}
	if n, err := open(at); err != nil || n != 5 {
		t.Errorf("both: size %d, %v", n, err)
	}
}

// Any bytes are a batch whose parts lie in them, or an error.
func FuzzReadBatch(f *testing.F) {
	head, err := json.Marshal(store.Head{Size: 9, Segment: 2})
	if err != nil {
		f.Fatal(err)
	}
	whole, err := appendBatch(nil, []store.Entry{{Seq: 7, Leaf: []byte("leaf"), Claims: [][]byte{[]byte("c")}}, {Seq: 8, Leaf: []byte("x")}},
		[]store.Tile{{Level: 1, Index: 3, Hashes: make([]byte, tileBytes)}}, head)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(appendNote(nil, store.Note{Size: 4, Signed: []byte("note")}))
	f.Add(whole[:len(whole)-1])
	f.Add(bytes.Repeat([]byte{0xff}, 40))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := readBatch(body)
		if err != nil {
			return
		}
		for _, n := range b.notes {
			_ = body[n.at : n.at+n.size]
		}
		for _, x := range b.tiles {
			_ = body[x.at : x.at+tileBytes]
		}
		for i, p := range b.records {
			_, _ = decodeEntry(b.first+uint64(i), body[p.at:p.at+p.size], nil)
		}
		if len(b.records) > 0 && b.head.Size != b.first+uint64(len(b.records)) {
			t.Fatalf("head of size %d after records %d to %d", b.head.Size, b.first, b.end())
		}
	})
}
