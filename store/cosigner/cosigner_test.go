package cosigner

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/evidence/witness"
)

const installation = "0a1b2c3d4e5f6071"

var noon = time.Date(2026, 11, 14, 12, 0, 0, 500, time.UTC)

// installed is a log key, which signs the logs of one installation.
type installed struct {
	note.Signer
	vkey string
}

func install(t testing.TB, name string) installed {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return installed{s, vkey}
}

// history is a log with leaves told by their number and a word, so that two
// histories of one log can part.
type history struct {
	by     installed
	origin string
	f      chain.Frontier
	hashes map[int64]tlog.Hash
	roots  []evidence.Hash
}

func (i installed) history(origin string) *history {
	h := &history{by: i, origin: origin, hashes: map[int64]tlog.Hash{}}
	h.roots = []evidence.Hash{h.f.Root()}
	return h
}

func (h *history) grow(n int, word string) *history {
	for range n {
		h.f.Append(chain.LeafHash(fmt.Appendf(nil, "%s %d", word, h.f.Size())), func(level int, i uint64, x evidence.Hash) {
			h.hashes[tlog.StoredHashIndex(level, int64(i))] = tlog.Hash(x)
		})
		h.roots = append(h.roots, h.f.Root())
	}
	return h
}

func (h *history) ReadHashes(is []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(is))
	for i, x := range is {
		out[i] = h.hashes[x]
	}
	return out, nil
}

func (h *history) checkpoint(size uint64) chain.Checkpoint {
	return chain.Checkpoint{Origin: h.origin, Size: size, Root: h.roots[size]}
}

func (h *history) signed(t testing.TB, size uint64) []byte {
	t.Helper()
	b, err := h.checkpoint(size).Sign(h.by)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// request asks for the checkpoint of a size, from an older one.
func (h *history) request(t testing.TB, old, size uint64) witness.Request {
	t.Helper()
	r := witness.Request{Old: old, Signed: h.signed(t, size)}
	if old > 0 && old <= size {
		var err error
		if r.Proof, err = chain.ProveConsistency(old, size, h); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func newSigner(t testing.TB, name string) *witness.Signer {
	t.Helper()
	skey, _, err := witness.GenerateKey(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := witness.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustLogs(t testing.TB, text string) *Logs {
	t.Helper()
	l, err := ParseLogs("logs", text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func open(t testing.TB, o Options) *Cosigner {
	t.Helper()
	if o.Dir == "" {
		o.Dir, o.New = filepath.Join(t.TempDir(), "state"), true
	}
	if o.Key == nil {
		o.Key = newSigner(t, "witness.example")
	}
	if o.Clock == nil {
		o.Clock = func() time.Time { return noon }
	}
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// add asks, and checks a cosignature that comes back as its reader would.
func add(t testing.TB, c *Cosigner, r witness.Request) error {
	t.Helper()
	line, err := c.Add(r)
	if err != nil {
		if line != "" {
			t.Fatalf("refused with %q", line)
		}
		return err
	}
	w, err := witness.ParseWitness("x", c.Key())
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(r.Signed), "\n\n")
	cp, err := chain.ParseCheckpoint(text + "\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := witness.ParseAnswer([]byte(line), cp, w); err != nil {
		t.Fatalf("the cosignature: %v", err)
	}
	return nil
}

func wantConflict(t testing.TB, err error, size uint64) {
	t.Helper()
	var conflict *witness.ConflictError
	if !errors.As(err, &conflict) || conflict.Size != size {
		t.Errorf("got %v, want a conflict with size %d", err, size)
	}
}

func TestCosigns(t *testing.T) {
	key, other := install(t, installation), install(t, installation)
	c := open(t, Options{Logs: mustLogs(t, installation+"/* "+key.vkey), Rate: 1000})
	h := key.history(installation+"/1").grow(50, "a")
	if err := add(t, c, h.request(t, 0, 0)); err != nil {
		t.Errorf("the empty log: %v", err)
	}
	if err := add(t, c, h.request(t, 0, 3)); err != nil {
		t.Errorf("the first: %v", err)
	}
	if err := add(t, c, h.request(t, 3, 21)); err != nil {
		t.Errorf("a larger one: %v", err)
	}
	if err := add(t, c, h.request(t, 21, 21)); err != nil {
		t.Errorf("the same again: %v", err)
	}
	forked := key.history(installation+"/1").grow(10, "a").grow(40, "b")
	changed := func(edit func(*witness.Request)) witness.Request {
		r := h.request(t, 21, 40)
		edit(&r)
		return r
	}
	elsewhere := key.history("ffffffffffffffff/1").grow(5, "a")
	extended, err := note.Sign(&note.Note{Text: h.checkpoint(40).Text() + "more\n"}, key)
	if err != nil {
		t.Fatal(err)
	}
	stranger := other.history(h.origin).grow(50, "a")
	emptyRoot := h.checkpoint(0)
	emptyRoot.Root = evidence.Hash{1}
	badEmpty, err := emptyRoot.Sign(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		why  string
		r    witness.Request
		want error
	}{
		{"from size 0 with what is known", h.request(t, 0, 40), &witness.ConflictError{Size: 21}},
		{"from another size", h.request(t, 20, 40), &witness.ConflictError{Size: 21}},
		{"a smaller log", h.request(t, 3, 20), &witness.ConflictError{Size: 21}},
		{"a smaller log from the known size", witness.Request{Old: 21, Signed: h.signed(t, 20)}, witness.ErrMalformed},
		{"another root of the same size", forked.request(t, 21, 21), witness.ErrInconsistent},
		{"another history", forked.request(t, 21, 40), witness.ErrInconsistent},
		{"a hash too few", changed(func(r *witness.Request) { r.Proof = r.Proof[1:] }), witness.ErrInconsistent},
		{"a hash too many", changed(func(r *witness.Request) { r.Proof = append(r.Proof, evidence.Hash{}) }), witness.ErrInconsistent},
		{"no proof", changed(func(r *witness.Request) { r.Proof = nil }), witness.ErrInconsistent},
		{"the same with a proof", witness.Request{Old: 21, Proof: []evidence.Hash{{}}, Signed: h.signed(t, 21)}, witness.ErrInconsistent},
		{"the empty log with another root", witness.Request{Signed: badEmpty}, witness.ErrInconsistent},
		{"a log that nobody named", elsewhere.request(t, 0, 5), witness.ErrUnknownLog},
		{"signed by another key of that name", stranger.request(t, 21, 40), witness.ErrSignature},
		{"signed with a mistake", changed(func(r *witness.Request) { r.Signed = bytes.Replace(r.Signed, []byte("\n40\n"), []byte("\n41\n"), 1) }), witness.ErrSignature},
		{"an extension line", changed(func(r *witness.Request) { r.Signed = extended }), witness.ErrMalformed},
		{"no note", changed(func(r *witness.Request) { r.Signed = []byte(h.origin + "\nhello\n") }), witness.ErrMalformed},
		{"no signature", changed(func(r *witness.Request) { r.Signed = []byte(h.checkpoint(40).Text()) }), witness.ErrMalformed},
	} {
		err := add(t, c, tc.r)
		if want, ok := tc.want.(*witness.ConflictError); ok {
			wantConflict(t, err, want.Size)
		} else if !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", tc.why, err, tc.want)
		}
	}
	// None of that changed what it knows.
	if err := add(t, c, h.request(t, 21, 40)); err != nil {
		t.Errorf("after all of it: %v", err)
	}
	// Each log has a state of its own.
	if err := add(t, c, key.history(installation+"/2").grow(4, "c").request(t, 0, 4)); err != nil {
		t.Errorf("another log: %v", err)
	}
}

// A log that signed two trees of one size is caught with both in hand.
func TestForkIsKept(t *testing.T) {
	key := install(t, installation)
	c := open(t, Options{Logs: mustLogs(t, installation+"/* "+key.vkey)})
	h := key.history(installation+"/1").grow(9, "a")
	if err := add(t, c, h.request(t, 0, 9)); err != nil {
		t.Fatal(err)
	}
	forked := key.history(installation+"/1").grow(8, "a").grow(1, "b")
	for range 2 { // the second time finds the file there
		if err := add(t, c, forked.request(t, 9, 9)); !errors.Is(err, witness.ErrInconsistent) {
			t.Fatalf("a fork: %v", err)
		}
	}
	names, err := filepath.Glob(filepath.Join(c.o.Dir, "fork-*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("files %v, %v", names, err)
	}
	b, err := os.ReadFile(names[0])
	if want := string(h.signed(t, 9)) + "\n" + string(forked.signed(t, 9)); err != nil || string(b) != want {
		t.Errorf("%s holds %q, %v, want %q", names[0], b, err, want)
	}
	for i := range maxForks {
		if err := os.WriteFile(filepath.Join(c.o.Dir, fmt.Sprintf("fork-%d.txt", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := add(t, c, key.history(installation+"/1").grow(9, "c").request(t, 9, 9)); !errors.Is(err, witness.ErrInconsistent) {
		t.Errorf("one more fork: %v", err)
	}
	if names, _ := filepath.Glob(filepath.Join(c.o.Dir, "fork-*")); len(names) != maxForks+1 {
		t.Errorf("%d files, want no more than before", len(names))
	}
}

func TestStateIsKept(t *testing.T) {
	key, signer := install(t, installation), newSigner(t, "witness.example")
	logs := mustLogs(t, installation+"/1 "+key.vkey)
	dir := filepath.Join(t.TempDir(), "state")
	if _, err := Open(Options{Dir: dir, Key: signer, Logs: logs}); !problem.Is(err, problem.Refused) {
		t.Fatalf("a state that is not there: %v", err)
	}
	c := open(t, Options{Dir: dir, New: true, Key: signer, Logs: logs})
	h := key.history(installation+"/1").grow(30, "a")
	if err := add(t, c, h.request(t, 0, 7)); err != nil {
		t.Fatal(err)
	}
	shown, ok, err := c.Latest(witness.OriginHash(h.origin))
	if err != nil || !ok {
		t.Fatalf("latest: %v, %v", ok, err)
	}
	if _, ok, err := c.Latest(witness.OriginHash("other")); ok || err != nil {
		t.Errorf("latest of a log nobody handed in: %v, %v", ok, err)
	}
	if _, err := Open(Options{Dir: dir, Key: signer, Logs: logs}); !problem.Is(err, problem.Locked) {
		t.Errorf("a second process: %v", err)
	}
	c.Close()
	if _, err := Open(Options{Dir: dir, New: true, Key: signer, Logs: logs}); !problem.Is(err, problem.Refused) {
		t.Errorf("a new state over an old one: %v", err)
	}
	c = open(t, Options{Dir: dir, Key: signer, Logs: logs, Clock: func() time.Time { return noon.Add(time.Hour) }})
	if again, _, err := c.Latest(witness.OriginHash(h.origin)); err != nil || !bytes.Equal(again, shown) {
		t.Errorf("after a start %q is shown, before it %q (%v)", again, shown, err)
	}
	wantConflict(t, add(t, c, h.request(t, 0, 30)), 7)
	if err := add(t, c, key.history(h.origin).grow(30, "b").request(t, 7, 7)); !errors.Is(err, witness.ErrInconsistent) {
		t.Errorf("another root after a start: %v", err)
	}
	if err := add(t, c, h.request(t, 7, 30)); err != nil {
		t.Errorf("after a start: %v", err)
	}
	w, err := witness.ParseWitness("x", c.Key())
	if err != nil {
		t.Fatal(err)
	}
	shown, _, err = c.Latest(witness.OriginHash(h.origin))
	if err != nil {
		t.Fatal(err)
	}
	cp, cs, err := witness.Open(shown, key.vkey, []witness.Witness{w})
	if err != nil || cp.Size != 30 || len(cs) != 1 || !cs[0].Time.Equal(noon.Add(time.Hour).Truncate(time.Second)) {
		t.Errorf("latest: %+v %+v %v", cp, cs, err)
	}
	c.Close()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir, Key: signer, Logs: logs}); !problem.Is(err, problem.Refused) {
		t.Errorf("a state that others may look into: %v", err)
	}
}

// A damaged entry is told at the start, never taken for a log not seen yet.
func TestDamagedState(t *testing.T) {
	key, signer := install(t, installation), newSigner(t, "witness.example")
	logs := mustLogs(t, installation+"/1 "+key.vkey)
	h := key.history(installation+"/1").grow(3, "a")
	good := string(state{h.checkpoint(3), noon, h.signed(t, 3)}.encode())
	for why, entry := range map[string]string{
		"nothing": "", "no time": good[strings.Index(good, "\n"):], "no note": "1794664800\n", "another size": strings.Replace(good, "\n3\n", "\n03\n", 1),
		"another log": strings.Replace(good, installation+"/1", installation+"/2", 1),
	} {
		dir := filepath.Join(t.TempDir(), "state")
		c := open(t, Options{Dir: dir, New: true, Key: signer, Logs: logs})
		err := c.db.Update(func(tx *bolt.Tx) error {
			return tx.Bucket(stateBucket).Put([]byte(witness.OriginHash(h.origin)), []byte(entry))
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Latest(witness.OriginHash(h.origin)); err == nil && why != "another log" {
			t.Errorf("%s: shown", why)
		}
		c.Close()
		if _, err := Open(Options{Dir: dir, Key: signer, Logs: logs}); !problem.Is(err, problem.Corrupt) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// After a write that failed nothing is cosigned.
func TestFailedWriteStops(t *testing.T) {
	key := install(t, installation)
	c := open(t, Options{Logs: mustLogs(t, installation+"/* "+key.vkey)})
	h := key.history(installation+"/1").grow(9, "a")
	c.db.Close()
	if _, err := c.Add(h.request(t, 0, 3)); !problem.Is(err, problem.Storage) || witness.Status(err) != 500 {
		t.Errorf("a write that fails: %v", err)
	}
	if _, err := c.Add(h.request(t, 0, 3)); !errors.Is(err, witness.ErrBusy) {
		t.Errorf("after it: %v", err)
	}
}

func TestClock(t *testing.T) {
	key := install(t, installation)
	now := noon
	c := open(t, Options{Logs: mustLogs(t, installation+"/* "+key.vkey), Clock: func() time.Time { return now }, Rate: 1000})
	h := key.history(installation+"/1").grow(9, "a")
	w, err := witness.ParseWitness("x", c.Key())
	if err != nil {
		t.Fatal(err)
	}
	for i, tc := range []struct {
		now, want time.Time // want zero: not cosigned
	}{
		{noon, noon}, {noon.Add(time.Minute), noon.Add(time.Minute)},
		{noon.Add(30 * time.Second), noon.Add(time.Minute)}, // a little back: the time before
		{noon.Add(-time.Second), time.Time{}},
		{noon.Add(2 * time.Minute), noon.Add(2 * time.Minute)},
	} {
		now = tc.now
		old := uint64(0)
		if i > 0 {
			old = 5
		}
		line, err := c.Add(h.request(t, old, 5))
		if tc.want.IsZero() {
			if !errors.Is(err, witness.ErrBusy) {
				t.Errorf("step %d: %v", i, err)
			}
			continue
		}
		cs, err := witness.ParseAnswer([]byte(line), h.checkpoint(5), w)
		if err != nil || !cs.Time.Equal(tc.want.Truncate(time.Second)) {
			t.Errorf("step %d: %v, %v, want %v", i, cs.Time, err, tc.want)
		}
	}
}

func TestRate(t *testing.T) {
	one, two := install(t, installation), install(t, "ffffffffffffffff")
	now := noon
	c := open(t, Options{Logs: mustLogs(t, installation+"/* "+one.vkey+"\nffffffffffffffff/* "+two.vkey), Rate: 1, Clock: func() time.Time { return now }})
	h := one.history(installation + "/1")
	for range 10 {
		if err := add(t, c, h.request(t, 0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := add(t, c, h.request(t, 0, 0)); !errors.Is(err, witness.ErrBusy) {
		t.Errorf("beyond the rate: %v", err)
	}
	if err := add(t, c, one.history(installation+"/2").request(t, 0, 0)); !errors.Is(err, witness.ErrBusy) {
		t.Errorf("another log of the same installation: %v", err)
	}
	if err := add(t, c, two.history("ffffffffffffffff/1").request(t, 0, 0)); err != nil {
		t.Errorf("another installation waits: %v", err)
	}
	// What the log did not sign costs it nothing.
	if err := add(t, c, witness.Request{Signed: bytes.Replace(two.history("ffffffffffffffff/1").signed(t, 0), []byte("\n0\n"), []byte("\n1\n"), 1)}); !errors.Is(err, witness.ErrSignature) {
		t.Errorf("unsigned: %v", err)
	}
	now = now.Add(time.Second)
	if err := add(t, c, h.request(t, 0, 0)); err != nil {
		t.Errorf("a second later: %v", err)
	}
}

func TestWildcardIsBounded(t *testing.T) {
	key := install(t, installation)
	c := open(t, Options{Logs: mustLogs(t, installation+"/* "+key.vkey+"\n"+installation+"/named "+key.vkey), Rate: 1000})
	if err := add(t, c, key.history(installation+"/1").request(t, 0, 0)); err != nil {
		t.Fatal(err)
	}
	line, _ := c.o.Logs.find(installation + "/1")
	c.origins[line] += maxOrigins - 1
	if err := add(t, c, key.history(installation+"/2").request(t, 0, 0)); !errors.Is(err, witness.ErrUnknownLog) {
		t.Errorf("one log too many: %v", err)
	}
	for _, known := range []string{"/1", "/named"} {
		if err := add(t, c, key.history(installation+known).request(t, 0, 0)); err != nil {
			t.Errorf("%s: %v", known, err)
		}
	}
}

// Many ask at once, with two histories of one log: what is cosigned is one of
// them, in rising sizes.
func TestConcurrent(t *testing.T) {
	key := install(t, installation)
	c := open(t, Options{Logs: mustLogs(t, installation+"/* "+key.vkey), Rate: 1e6})
	good := key.history(installation+"/1").grow(60, "a")
	forked := key.history(installation+"/1").grow(20, "a").grow(40, "b")
	var mu sync.Mutex
	cosigned := map[uint64]evidence.Hash{}
	var wg sync.WaitGroup
	for i := range 8 {
		h := good
		if i%2 == 1 {
			h = forked
		}
		wg.Go(func() {
			old, size := uint64(0), uint64(1+i)
			for size <= 60 {
				_, err := c.Add(h.request(t, old, size))
				var conflict *witness.ConflictError
				switch {
				case err == nil:
					mu.Lock()
					if was, ok := cosigned[size]; ok && was != h.roots[size] {
						t.Errorf("two roots of size %d are cosigned", size)
					}
					cosigned[size] = h.roots[size]
					mu.Unlock()
					old, size = size, size+1
				case errors.As(err, &conflict):
					old, size = conflict.Size, max(size, conflict.Size)
					if old == size {
						size++
					}
				case errors.Is(err, witness.ErrInconsistent):
					return // the other history has won
				default:
					t.Errorf("size %d: %v", size, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	winner := good
	if cosigned[60] == forked.roots[60] {
		winner = forked
	}
	for size, root := range cosigned {
		if root != winner.roots[size] {
			t.Errorf("size %d is not of the history that won", size)
		}
	}
	if cosigned[60] == (evidence.Hash{}) {
		t.Error("nobody reached the end")
	}
}

func TestLogs(t *testing.T) {
	key, second := install(t, installation), install(t, installation)
	l := mustLogs(t, "# logs\n\n"+installation+"/*  "+key.vkey+" # all of them\n"+installation+"/1\t"+key.vkey+"\n"+installation+"/1 "+second.vkey+"\r\n")
	if l.Len() != 2 {
		t.Errorf("%d origins", l.Len())
	}
	for origin, keys := range map[string]int{installation + "/1": 2, installation + "/2": 1, installation + "/": 0, installation: 0, installation + "/1/2": 0, "x/1": 0, "": 0, installation + "/*": 1} {
		got := 0
		if line, ok := l.find(origin); ok {
			got = len(line.keys)
		}
		if got != keys {
			t.Errorf("%s has %d keys, want %d", origin, got, keys)
		}
	}
	many := ""
	for range maxKeys + 1 {
		many += "a/b " + install(t, installation).vkey + "\n"
	}
	for why, text := range map[string]string{
		"nothing": "", "comments alone": "# x\n", "no key": installation + "/1\n", "three fields": "a/b " + key.vkey + " c\n", "a bad key": "a/b " + key.vkey[:40] + "\n",
		"a star alone": "* " + key.vkey + "\n", "a slash and a star": "/* " + key.vkey + "\n", "a star in the middle": "a/*/b " + key.vkey + "\n", "a star in a name": "a/b* " + key.vkey + "\n",
		"a key twice": "a/b " + key.vkey + "\na/b " + key.vkey + "\n", "nine keys": many, "more than 1 MiB": strings.Repeat("#\n", 1<<20),
		"a witness's key": "a/b " + newSigner(t, "w").Key() + "\n",
	} {
		if _, err := ParseLogs("logs", text); !problem.Is(err, problem.Config) {
			t.Errorf("%s: %v", why, err)
		}
	}
	path := filepath.Join(t.TempDir(), "logs")
	if _, err := LoadLogs(path); !problem.Is(err, problem.NotFound) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte("a/b "+key.vkey+"\nhello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadLogs(path); err == nil || !strings.Contains(err.Error(), path+":2: ") {
		t.Errorf("a bad line: %v", err)
	}
	if err := os.WriteFile(path, []byte("a/b "+key.vkey), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := LoadLogs(path); err != nil || l.Len() != 1 {
		t.Errorf("a good file: %v", err)
	}
}

func FuzzParseLogs(f *testing.F) {
	key := install(f, installation)
	f.Add(installation + "/* " + key.vkey + "\n")
	f.Add("a/b " + key.vkey + " # x\na/b\n*\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLogs("logs", text)
		if err != nil {
			return
		}
		if l.Len() == 0 {
			t.Fatalf("accepted %q, which names no log", text)
		}
		for origin, line := range l.byOrigin {
			if len(line.keys) == 0 || line.wildcard != strings.HasSuffix(origin, "/") && line.wildcard {
				t.Fatalf("%q gives %q: %+v", text, origin, line)
			}
		}
	})
}

func FuzzParseState(f *testing.F) {
	key := install(f, installation)
	h := key.history(installation+"/1").grow(3, "a")
	f.Add(state{h.checkpoint(3), noon, h.signed(f, 3)}.encode())
	f.Add([]byte("12\nx\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseState(b)
		if err == nil && !bytes.HasPrefix(s.signed, []byte(s.Text())) {
			t.Fatalf("%q is read as %+v", b, s)
		}
	})
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := LoadKey(path); !problem.Is(err, problem.NotFound) {
		t.Errorf("no key: %v", err)
	}
	if _, err := MakeKey(path, "a b"); !problem.Is(err, problem.Usage) {
		t.Errorf("a bad name: %v", err)
	}
	s, err := MakeKey(path, "witness.example")
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the key file: %v, %v", st.Mode(), err)
	}
	if again, err := LoadKey(path); err != nil || again.Key() != s.Key() {
		t.Errorf("read again: %v", err)
	}
	if _, err := MakeKey(path, "witness.example"); !problem.Is(err, problem.Refused) {
		t.Errorf("a key over a key: %v", err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := newSigner(t, "witness.example").Key()
	for why, text := range map[string]string{"cut": string(b[:len(b)-1]), "another verifier key": strings.Replace(string(b), s.Key(), other, 1), "nothing": "", "a line more": string(b) + "x\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey(path); !problem.Is(err, problem.Corrupt) || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: %v", why, err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); !problem.Is(err, problem.Refused) {
		t.Errorf("a key that others may read: %v", err)
	}
}
