package pack

import (
	"os"
	"slices"
	"testing"
)

// sampleOptions is all that an auditor of the sample brings along.
func sampleOptions(t testing.TB) Options {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile("../../testdata/vectors/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	o := Options{Trust: sampleTrust(t)}
	var err error
	if o.Policy, err = ParsePolicy(read("pack.policy")); err != nil {
		t.Fatal(err)
	}
	if o.TSARoots, o.TSAIntermediates, err = ParseRoots(read("pack.tsa-roots.pem")); err != nil {
		t.Fatal(err)
	}
	return o
}

// The first pack ever issued in this format verifies for ever.
func TestOldSampleVerifies(t *testing.T) {
	rep, err := VerifyFile(samplePack, sampleOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	if !rep.Known || !rep.Complete || rep.Records == 0 || rep.Disclosed == 0 {
		t.Errorf("report of the old sample: %+v", rep)
	}
	if rep.Anchor.Rung != rungWitnessed || rep.Claimed != rungWitnessed || rep.Bracket.From.IsZero() || rep.Bracket.FromSize == 0 || rep.Bracket.To.IsZero() || !rep.Bracket.From.Before(rep.Bracket.To) {
		t.Errorf("anchor %+v, bracket %+v", rep.Anchor, rep.Bracket)
	}
	var got []string
	for _, r := range rep.Receipts {
		got = append(got, string(r.Kind)+" "+r.Verdict)
	}
	want := []string{"time-stamp verified", "time-stamp verified", "witness verified", "elsewhere the maker's word", "proof verified"}
	if !slices.Equal(got, want) {
		t.Errorf("receipts %q, want %q", got, want)
	}
}
