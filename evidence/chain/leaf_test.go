package chain_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

func TestLeafRoundTrip(t *testing.T) {
	for _, l := range []*chain.Leaf{leastLeaf(), fullLeaf()} {
		b, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(b) {
			t.Errorf("not JSON: %s", b)
		}
		got, err := chain.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(l, got); d != "" {
			t.Errorf("decoded (-want +got):\n%s", d)
		}
	}
}

func TestLeafTimesAreUTC(t *testing.T) {
	l := leastLeaf()
	want, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	zone := time.FixedZone("somewhere", 5*3600+1800)
	l.Occurred, l.Observed, l.Recorded = l.Occurred.In(zone), l.Observed.In(zone), l.Recorded.In(zone)
	got, err := l.Encode()
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("in another zone: %s (%v), want %s", got, err, want)
	}
}

// Encode refuses what Decode would refuse: nothing is written that cannot be
// read again.
func TestEncodeRefuses(t *testing.T) {
	for _, tc := range []struct {
		why  string
		edit func(*chain.Leaf)
	}{
		{"no origin", func(l *chain.Leaf) { l.Origin = "" }},
		{"origin with a quote", func(l *chain.Leaf) { l.Origin = `a"b` }},
		{"origin with &", func(l *chain.Leaf) { l.Origin = `a&b` }},
		{"origin of 129 bytes", func(l *chain.Leaf) { l.Origin = strings.Repeat("a", 129) }},
		{"seq 2^53", func(l *chain.Leaf) { l.Seq = 1 << 53 }},
		{"no kind", func(l *chain.Leaf) { l.Kind = "" }},
		{"kind in upper case", func(l *chain.Leaf) { l.Kind = "Change" }},
		{"kind of 65 bytes", func(l *chain.Leaf) { l.Kind = evidence.Kind(strings.Repeat("a", 65)) }},
		{"version 0", func(l *chain.Leaf) { l.Version = 0 }},
		{"negative version", func(l *chain.Leaf) { l.Version = -1 }},
		{"no op", func(l *chain.Leaf) { l.Op = "" }},
		{"no source", func(l *chain.Leaf) { l.Source = "" }},
		{"no basis", func(l *chain.Leaf) { l.Basis = "" }},
		{"no occurred", func(l *chain.Leaf) { l.Occurred = time.Time{} }},
		{"no observed", func(l *chain.Leaf) { l.Observed = time.Time{} }},
		{"no recorded", func(l *chain.Leaf) { l.Recorded = time.Time{} }},
		{"recorded in nanoseconds", func(l *chain.Leaf) { l.Recorded = l.Recorded.Add(1) }},
		{"occurred in year 10000", func(l *chain.Leaf) { l.Occurred = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"occurred in year 0 of UTC", func(l *chain.Leaf) { l.Occurred = time.Date(1, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600)) }},
		{"observed in year 10000 of UTC, 9999 of its zone", func(l *chain.Leaf) {
			l.Observed = time.Date(9999, 12, 31, 22, 0, 0, 0, time.FixedZone("", -3*3600))
		}},
		{"not before year 10000", func(l *chain.Leaf) { l.NotBefore = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"not before year 0", func(l *chain.Leaf) { l.NotBefore = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{"65 people", func(l *chain.Leaf) {
			for range 65 {
				l.People = append(l.People, evidence.Party{Role: evidence.RoleAuthor, Proof: evidence.ProofClaimed})
			}
		}},
		{"a person without role", func(l *chain.Leaf) { l.People = []evidence.Party{{Proof: evidence.ProofClaimed}} }},
		{"a person without proof", func(l *chain.Leaf) { l.People = []evidence.Party{{Role: evidence.RoleAuthor}} }},
		{"negative size", func(l *chain.Leaf) { l.Claims[0].Size = -1 }},
		{"no keys", func(l *chain.Leaf) { l.Claims[0].Keys = nil }},
		{"a key id with a quote", func(l *chain.Leaf) { l.Claims[0].Keys = []string{`"`} }},
		{"unknown claim", func(l *chain.Leaf) { l.Claims[0].Name = "body" }},
		{"claims out of order", func(l *chain.Leaf) { l.Claims = []chain.Claim{fullLeaf().Claims[2], fullLeaf().Claims[1]} }},
		{"four claims", func(l *chain.Leaf) { l.Claims = append(fullLeaf().Claims, fullLeaf().Claims[2]) }},
		{"amends with an origin", func(l *chain.Leaf) { l.Amends = &evidence.At{Origin: "a/b"} }},
		{"carries 2^53", func(l *chain.Leaf) { l.Carries = &evidence.At{Seq: 1 << 53} }},
		{"from without origin", func(l *chain.Leaf) { l.From = &evidence.At{} }},
		{"x with a space", func(l *chain.Leaf) { l.X = "a b" }},
		{"x of 1025 bytes", func(l *chain.Leaf) { l.X = strings.Repeat("x", 1025) }},
		{"larger than 16 KiB", func(l *chain.Leaf) {
			for range 300 {
				l.Claims[0].Keys = append(l.Claims[0].Keys, strings.Repeat("k", 64))
			}
		}},
	} {
		l := leastLeaf()
		tc.edit(l)
		if b, err := l.Encode(); err == nil {
			t.Errorf("%s: encoded as %s", tc.why, b)
		}
	}
}

// Append leaves what stands in the buffer alone, and counts only its own bytes.
func TestAppend(t *testing.T) {
	l := leastLeaf()
	alone, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	front := bytes.Repeat([]byte("-"), chain.MaxLeaf)
	b, err := l.Append(bytes.Clone(front))
	if err != nil || !bytes.Equal(b, append(front, alone...)) {
		t.Errorf("appended: %v", err)
	}
}

var plainText = rapid.StringMatching(`[!#-%'-;=?-\[\]-~]{1,40}`)

func drawHash(t *rapid.T, label string) evidence.Hash {
	return evidence.Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, label))
}

func drawID(t *rapid.T, label string) evidence.ID {
	return evidence.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, label))
}

func drawTime(t *rapid.T, label string) time.Time {
	return time.Unix(rapid.Int64Range(-62135596799, 253402300799).Draw(t, label), rapid.Int64Range(0, 999_999_999).Draw(t, label+" ns")).UTC()
}

// Any leaf that can be written is read back as it was.
func TestAnyLeafRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seq := rapid.Uint64Range(0, 1<<53-1)
		l := &chain.Leaf{
			Origin: plainText.Draw(t, "origin"), Seq: seq.Draw(t, "seq"), Prev: drawHash(t, "prev"), ID: drawID(t, "id"),
			Kind: evidence.Kind(rapid.StringMatching(`[a-z.-]{1,64}`).Draw(t, "kind")), Version: rapid.IntRange(1, 1<<16).Draw(t, "kv"),
			Op:     rapid.SampledFrom([]evidence.Op{evidence.OpEvent, evidence.OpSet, evidence.OpEnd, evidence.OpAmend}).Draw(t, "op"),
			Source: evidence.SourceID(rapid.StringMatching(`[a-z0-9][a-z0-9/-]{0,62}`).Draw(t, "source")), Run: drawID(t, "run"),
			Occurred: drawTime(t, "occurred"), Basis: evidence.BasisClaimed, Observed: drawTime(t, "observed"), Recorded: drawTime(t, "recorded").Truncate(time.Microsecond),
		}
		if rapid.Bool().Draw(t, "has not_before") {
			l.NotBefore = drawTime(t, "not_before")
		}
		for range rapid.IntRange(0, 4).Draw(t, "people") {
			l.People = append(l.People, evidence.Party{Role: evidence.Role(rapid.StringMatching(`[a-z-]{1,32}`).Draw(t, "role")), Token: drawID(t, "token"), Proof: evidence.ProofSigned})
		}
		for _, name := range chain.ClaimNames {
			if rapid.Bool().Draw(t, name) {
				l.Claims = append(l.Claims, chain.Claim{Name: name, Commit: drawHash(t, "commit"), Sealed: drawHash(t, "sealed"), Size: int(seq.Draw(t, "size")),
					Keys: rapid.SliceOfN(plainText, 1, 4).Draw(t, "keys")})
			}
		}
		if rapid.Bool().Draw(t, "has refs") {
			l.Amends, l.Carries = &evidence.At{Seq: seq.Draw(t, "amends"), Leaf: drawHash(t, "amended")}, &evidence.At{Seq: seq.Draw(t, "carries")}
			l.From, l.X = &evidence.At{Origin: plainText.Draw(t, "from"), Seq: 1}, plainText.Draw(t, "x")
		}
		b, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := chain.Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if d := cmp.Diff(l, got); d != "" {
			t.Fatalf("(-want +got):\n%s", d)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, g := range goodLeaves(f) {
		f.Add([]byte(g.Leaf))
	}
	for _, b := range badLeaves(f) {
		f.Add(b.bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := chain.Decode(b)
		if err != nil {
			if l != nil {
				t.Fatal("refused, and yet a leaf")
			}
			return
		}
		again, err := l.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted %q, which is written %q (%v)", b, again, err)
		}
		if !json.Valid(b) {
			t.Fatalf("accepted %q, which is not JSON", b)
		}
	})
}

func BenchmarkLeafEncode(b *testing.B) {
	l := fullLeaf()
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		out, err := l.Append(buf)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(out)))
	}
}

func BenchmarkLeafDecode(b *testing.B) {
	leaf, err := fullLeaf().Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(leaf)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := chain.Decode(leaf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLeafHash1K(b *testing.B) {
	leaf := bytes.Repeat([]byte{'a'}, 1<<10)
	b.SetBytes(1 << 10)
	b.ReportAllocs()
	for b.Loop() {
		chain.LeafHash(leaf)
	}
}

func BenchmarkFrontierAppend(b *testing.B) {
	f, h := &chain.Frontier{}, fixedHash("leaf")
	b.ReportAllocs()
	for b.Loop() {
		f.Append(h, nil)
	}
}
