package store

import (
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

const spanOrigin = "00112233445566aa/8899aabbccddeeff"

// leaves makes n chained leaves from seq from on, a minute apart; edit may
// change each before it is written.
func leaves(t *testing.T, from uint64, n int, edit func(*chain.Leaf)) []Entry {
	t.Helper()
	var out []Entry
	prev := evidence.Hash{1}
	for i := range n {
		at := time.Date(2026, 11, 1, 8, i, 0, 0, time.UTC)
		l := &chain.Leaf{
			Origin: spanOrigin, Seq: from + uint64(i), Prev: prev, Kind: evidence.ChangeMerge, Version: 1, Op: evidence.OpEvent,
			Source: "github/prod", Occurred: at, Basis: evidence.BasisSource, Observed: at, Recorded: at,
		}
		edit(l)
		b, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Entry{Seq: from + uint64(i), Leaf: b})
		prev = chain.LeafHash(b)
	}
	return out
}

// What is wrong between two neighbours is found inside a range and between
// two, and once.
func TestNeighbours(t *testing.T) {
	const from, n = 4_090, 12 // the seventh begins the second range
	for _, tc := range []struct {
		name string
		at   uint64
		edit func(*chain.Leaf)
		want string
	}{
		{"nothing", 0, func(*chain.Leaf) {}, ""},
		{"another log inside", 4_093, func(l *chain.Leaf) { l.Origin = "a/b" }, "record 4093 belongs to log a/b"},
		{"another log at the begin", 4_096, func(l *chain.Leaf) { l.Origin = "a/b" }, "record 4096 belongs to log a/b"},
		{"another place inside", 4_093, func(l *chain.Leaf) { l.Seq = 9 }, "record 4093 says it is record 9"},
		{"another predecessor inside", 4_093, func(l *chain.Leaf) { l.Prev[0] ^= 1 }, "record 4093 does not follow record 4092: it was made after another one"},
		{"another predecessor at the begin", 4_096, func(l *chain.Leaf) { l.Prev[0] ^= 1 }, "record 4096 does not follow record 4095: it was made after another one"},
		{"earlier inside", 4_093, func(l *chain.Leaf) { l.Recorded = l.Recorded.Add(-61 * time.Second) }, "record 4093 was recorded at 2026-11-01T08:01:59Z, before its predecessor"},
		{"earlier at the begin", 4_096, func(l *chain.Leaf) { l.Recorded = l.Recorded.Add(-61 * time.Second) }, "record 4096 was recorded at 2026-11-01T08:04:59Z, before its predecessor"},
		{"at the same time", 4_096, func(l *chain.Leaf) { l.Recorded = l.Recorded.Add(-time.Minute) }, ""},
	} {
		es := leaves(t, from, n, func(l *chain.Leaf) {
			if l.Seq == tc.at {
				tc.edit(l)
			}
		})
		v := &verifier{l: &Log{origin: spanOrigin}, r: &Report{}, prev: evidence.Hash{1}}
		w := newWorker(v)
		for at := 0; at < n; {
			first := from + uint64(at)
			s := newSpan(first, min(first-first%spanWidth+spanWidth, from+n))
			w.s = s
			for ; at < n && from+uint64(at) < s.to; at++ {
				w.record(es[at])
			}
			v.link(s)
		}
		if got := strings.Join(v.r.Failures, "; "); got != tc.want {
			t.Errorf("%s: failures %q, want %q", tc.name, got, tc.want)
		}
	}
}
