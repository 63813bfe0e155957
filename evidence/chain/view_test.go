package chain_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// looseLeaf reads a leaf as any JSON reader would, with no eye for its form.
type looseLeaf struct {
	Origin    string
	Seq       uint64
	Prev      evidence.Hash
	ID        looseBytes
	Kind      evidence.Kind
	KV        int
	Op        evidence.Op
	Source    evidence.SourceID
	Run       looseBytes
	Occurred  time.Time
	Basis     evidence.Basis
	NotBefore time.Time `json:"not_before"`
	Observed  time.Time
	Recorded  time.Time
	People    []struct {
		Role  evidence.Role
		Token looseBytes
		Proof evidence.Proof
	}
	Claims []struct {
		Name           string
		Commit, Sealed looseBytes
		Size           int
		Keys           []string
	}
	Amends, Carries, From *struct {
		Origin string
		Seq    uint64
		Leaf   evidence.Hash
	}
	X string
}

type looseBytes []byte

func (b *looseBytes) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.DecodeString(string(text))
	return err
}

// fixed copies what stands there into an array of another length; the length
// shows when the leaf is written again.
func fixed(into, from []byte) { copy(into, from) }

// oracle says whether the bytes are what Encode makes of anything: it reads
// them loosely, writes that again and compares.
func oracle(b []byte) (*chain.Leaf, bool) {
	var in looseLeaf
	if json.Unmarshal(b, &in) != nil {
		return nil, false
	}
	l := &chain.Leaf{
		Origin: in.Origin, Seq: in.Seq, Prev: in.Prev, Kind: in.Kind, Version: in.KV, Op: in.Op, Source: in.Source,
		Occurred: in.Occurred.UTC(), Basis: in.Basis, NotBefore: in.NotBefore.UTC(), Observed: in.Observed.UTC(), Recorded: in.Recorded.UTC(), X: in.X,
	}
	fixed(l.ID[:], in.ID)
	fixed(l.Run[:], in.Run)
	for _, p := range in.People {
		party := evidence.Party{Role: p.Role, Proof: p.Proof}
		fixed(party.Token[:], p.Token)
		l.People = append(l.People, party)
	}
	for _, c := range in.Claims {
		claim := chain.Claim{Name: c.Name, Size: c.Size, Keys: c.Keys}
		fixed(claim.Commit[:], c.Commit)
		fixed(claim.Sealed[:], c.Sealed)
		l.Claims = append(l.Claims, claim)
	}
	if in.Amends != nil {
		l.Amends = &evidence.At{Origin: in.Amends.Origin, Seq: in.Amends.Seq, Leaf: in.Amends.Leaf}
	}
	if in.Carries != nil {
		l.Carries = &evidence.At{Origin: in.Carries.Origin, Seq: in.Carries.Seq, Leaf: in.Carries.Leaf}
	}
	if in.From != nil {
		l.From = &evidence.At{Origin: in.From.Origin, Seq: in.From.Seq, Leaf: in.From.Leaf}
	}
	again, err := l.Encode()
	return l, err == nil && bytes.Equal(again, b)
}

// agree holds View.Read and Decode against each other and against the oracle.
func agree(t *testing.T, v *chain.View, b []byte) {
	t.Helper()
	verr := v.Read(b)
	l, derr := chain.Decode(b)
	if (verr == nil) != (derr == nil) {
		t.Fatalf("View.Read says %v, Decode %v, of %q", verr, derr, b)
	}
	want, ok := oracle(b)
	if (verr == nil) != ok {
		t.Fatalf("View.Read says %v, reading loosely and writing again says %t, of %q", verr, ok, b)
	}
	if !ok {
		return
	}
	if d := cmp.Diff(want, l); d != "" {
		t.Fatalf("decoded %q (-want +got):\n%s", b, d)
	}
	if d := cmp.Diff(want, v.Leaf()); d != "" {
		t.Fatalf("viewed %q (-want +got):\n%s", b, d)
	}
}

func TestViewReadsWhatDecodeReads(t *testing.T) {
	var v chain.View // one for all: nothing of a leaf may stay for the next
	for _, g := range goodLeaves(t) {
		agree(t, &v, []byte(g.Leaf))
		for _, b := range badLeaves(t) {
			agree(t, &v, b.bytes())
		}
	}
}

// Every changed byte of a leaf is judged alike.
func TestViewOfChangedBytes(t *testing.T) {
	var v chain.View
	for _, l := range []*chain.Leaf{leastLeaf(), fullLeaf()} {
		b, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		accepted := 0
		bytesTried := []byte("0Zz9_-.\"\\ ,:{}[]\x00\x7f\xff&")
		for i := range b {
			for k := range 5 {
				changed := bytes.Clone(b)
				changed[i] = bytesTried[(5*i+k)%len(bytesTried)]
				if err := v.Read(changed); err == nil {
					accepted++
				}
				agree(t, &v, changed)
			}
			agree(t, &v, append(bytes.Clone(b[:i]), b[i+1:]...))
		}
		if accepted < 100 {
			t.Errorf("only %d changed leaves are leaves: the test tests nothing", accepted)
		}
	}
}

// Every day from the first to the last of the calendar reads as the day it is.
func TestViewTimes(t *testing.T) {
	l := leastLeaf()
	var v chain.View
	for _, year := range []int{1, 2, 4, 100, 400, 1600, 1700, 1899, 1900, 1969, 1970, 1972, 2000, 2024, 2100, 2400, 9999} {
		for day := time.Date(year, 1, 1, 1, 2, 3, 4, time.UTC); day.Year() == year; day = day.AddDate(0, 0, 1) {
			l.Occurred = day
			b, err := l.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Read(b); err != nil || !v.Occurred.Equal(day) {
				t.Fatalf("%s is read as %s (%v)", day, v.Occurred, err)
			}
		}
	}
}

func TestViewAllocatesNothing(t *testing.T) {
	b, err := fullLeaf().Encode()
	if err != nil {
		t.Fatal(err)
	}
	var v chain.View
	if n := testing.AllocsPerRun(100, func() {
		if err := v.Read(b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a leaf", n)
	}
}

// FuzzView holds View.Read against Decode and against reading loosely and
// writing again.
func FuzzView(f *testing.F) {
	for _, g := range goodLeaves(f) {
		f.Add([]byte(g.Leaf))
	}
	for _, b := range badLeaves(f) {
		f.Add(b.bytes())
	}
	var v chain.View
	f.Fuzz(func(t *testing.T, b []byte) { agree(t, &v, b) })
}

// BenchmarkLeafView reads a leaf as most are: two claims, one person.
func BenchmarkLeafView(b *testing.B) {
	l := leastLeaf()
	l.People = fullLeaf().People[:1]
	l.Claims = append(l.Claims, fullLeaf().Claims[1])
	leaf, err := l.Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(leaf)))
	b.ReportAllocs()
	var v chain.View
	for b.Loop() {
		if err := v.Read(leaf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(leaf)), "leaf-bytes")
}
