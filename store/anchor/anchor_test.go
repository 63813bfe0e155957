package anchor

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

var noon = time.Date(2026, 11, 14, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// world is a log key with histories of logs signed by it.
type world struct {
	signer note.Signer
	key    note.Verifier
}

func newWorld(t testing.TB) *world {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, "0a1b2c3d4e5f6071")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return &world{s, v}
}

func (w *world) open(signed []byte) (chain.Checkpoint, error) {
	return chain.OpenCheckpoint(signed, w.key)
}

// history is a tree whose leaves are told by their number and a word, so that
// two histories of one log can part.
type history struct {
	t        testing.TB
	w        *world
	origin   string
	frontier chain.Frontier
	hashes   map[int64]tlog.Hash
	roots    []evidence.Hash
}

func (w *world) history(t testing.TB, origin string) *history {
	h := &history{t: t, w: w, origin: origin, hashes: map[int64]tlog.Hash{}}
	h.roots = append(h.roots, h.frontier.Root())
	return h
}

// grow adds n leaves.
func (h *history) grow(n int, word string) *history {
	for range n {
		leaf := chain.LeafHash(fmt.Appendf(nil, "%s %d", word, h.frontier.Size()))
		h.frontier.Append(leaf, func(level int, index uint64, x evidence.Hash) {
			h.hashes[tlog.StoredHashIndex(level, int64(index))] = tlog.Hash(x)
		})
		h.roots = append(h.roots, h.frontier.Root())
	}
	return h
}

func (h *history) at(size uint64) Checkpoint {
	h.t.Helper()
	c := chain.Checkpoint{Origin: h.origin, Size: size, Root: h.roots[size]}
	signed, err := c.Sign(h.w.signer)
	if err != nil {
		h.t.Fatal(err)
	}
	return Checkpoint{Origin: h.origin, Size: size, Root: c.Root, Signed: signed}
}

func (h *history) proveTo(size uint64) func(uint64) ([]evidence.Hash, error) {
	return func(old uint64) ([]evidence.Hash, error) {
		return chain.ProveConsistency(old, size, chain.HashReaderFunc(func(is []int64) ([]tlog.Hash, error) {
			out := make([]tlog.Hash, len(is))
			for i, x := range is {
				out[i] = h.hashes[x]
			}
			return out, nil
		}))
	}
}

func (h *history) put(a Anchor, size uint64) (Receipt, error) {
	return a.Put(h.t.Context(), h.at(size), h.proveTo(size))
}

func (h *history) mustPut(a Anchor, size uint64) Receipt {
	h.t.Helper()
	r, err := h.put(a, size)
	if err != nil {
		h.t.Fatalf("put size %d: %v", size, err)
	}
	return r
}

func wantConflict(t *testing.T, err error, known uint64, why string) {
	t.Helper()
	var c *Conflict
	if !errors.As(err, &c) {
		t.Fatalf("got %v, want a conflict", err)
	}
	if c.Known != known || c.Why != why {
		t.Errorf("got a conflict with size %d, %q; want %d, %q", c.Known, c.Why, known, why)
	}
}

const (
	cut    = "the end of the log is lost, or an older copy was brought back"
	twice  = "two trees of one size were signed"
	forked = "the log does not extend what was anchored: records before it were changed"
	origin = "0a1b2c3d4e5f6071/k3v9"
	other  = "0a1b2c3d4e5f6071/zz"
)

// remembers is what every place that can be asked must do.
func remembers(t *testing.T, w *world, a Anchor) {
	t.Helper()
	newest := func(origin string, size uint64, root evidence.Hash) {
		t.Helper()
		s, r, ok, err := a.Newest(t.Context(), origin)
		if err != nil || ok != (size > 0) || s != size || size > 0 && r != root {
			t.Fatalf("newest of %s: got size %d root %s %t %v, want size %d root %s", origin, s, r, ok, err, size, root)
		}
	}
	h := w.history(t, origin).grow(12, "a")
	newest(origin, 0, evidence.Hash{})
	r := h.mustPut(a, 3)
	if r.Anchor != a.Name() || r.Origin != origin || r.Size != 3 || r.Root != h.roots[3] || r.Rung != a.Rung() ||
		!bytes.Equal(r.Note, h.at(3).Signed) || r.Sent.IsZero() || r.Done.IsZero() || !r.Vouched.IsZero() {
		t.Errorf("receipt %+v", r)
	}
	newest(origin, 3, h.roots[3])
	// A crash before the receipt was kept: the same again is no error.
	h.mustPut(a, 3)
	newest(origin, 3, h.roots[3])
	h.mustPut(a, 7)
	newest(origin, 7, h.roots[7])

	_, err := h.put(a, 5)
	wantConflict(t, err, 7, cut)
	fork := w.history(t, origin).grow(6, "a").grow(6, "b")
	_, err = fork.put(a, 7)
	wantConflict(t, err, 7, twice)
	_, err = fork.put(a, 9)
	wantConflict(t, err, 7, forked)
	newest(origin, 7, h.roots[7])

	second := w.history(t, other).grow(4, "c")
	second.mustPut(a, 4)
	newest(other, 4, second.roots[4])
	h.mustPut(a, 12)
	newest(origin, 12, h.roots[12])
	newest(other, 4, second.roots[4])

	for _, bad := range []string{"0a1b2c3d4e5f6071", "a/../b", "a/b/c", "../b", "a/.b", ""} {
		if _, _, _, err := a.Newest(t.Context(), bad); err == nil {
			t.Errorf("origin %q was asked for", bad)
		}
	}
}

func TestRungsHaveNames(t *testing.T) {
	for i, r := range Ladder {
		if r.Rung != i || r.What == "" || r.Open == "" {
			t.Errorf("rung %d: %+v", i, r)
		}
	}
}

func TestOnOtherHost(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "0.0.0.0": false, "localhost": false, "": false,
		"192.0.2.7": true, "log.example": true, "2001:db8::1": true,
	} {
		if got := onOtherHost(host); got != want {
			t.Errorf("%q: got %t, want %t", host, got, want)
		}
	}
}
