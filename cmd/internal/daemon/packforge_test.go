package daemon

import (
	"context"
	"strings"
	"testing"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/reports/pack"
)

// liar seals of a pack what it likes.
type liar struct {
	pack.Log
	lie func(*evidence.PackFacts)
}

func (l liar) Seal(ctx context.Context, f evidence.PackFacts) (uint64, uint64, []byte, error) {
	l.lie(&f)
	return l.Log.Seal(ctx, f)
}

// By what is sealed of a pack later ones know it, so it says what the manifest
// says.
func TestSealedAsIssued(t *testing.T) {
	m := newMachine(t)
	m.hours(8, 0)
	q := api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: evidence.Period{From: hour(1), To: hour(5)}, Raw: "none", Recipient: "the auditor", Progress: func(_, _ uint64) {}}
	for _, tc := range []struct {
		name string
		lie  func(*evidence.PackFacts)
		want string
	}{
		{"the truth", func(*evidence.PackFacts) {}, ""},
		{"people named", func(f *evidence.PackFacts) { f.Disclosed = nil }, ""},
		{"a period that no later pack overlaps", func(f *evidence.PackFacts) { f.Period = evidence.Period{From: hour(-9), To: hour(-8)} }, "says otherwise of the pack"},
		{"another size", func(f *evidence.PackFacts) { f.Size-- }, "says otherwise of the pack"},
		{"another number", func(f *evidence.PackFacts) { f.Number++ }, "says otherwise of the pack"},
		{"another recipient", func(f *evidence.PackFacts) { f.Recipient = "" }, "says otherwise of the pack"},
		{"final", func(f *evidence.PackFacts) { f.Interim = false }, "says otherwise of the pack"},
		{"another manifest", func(f *evidence.PackFacts) { f.Manifest[0] ^= 1 }, "another manifest was sealed"},
	} {
		b, err := m.e.newPackBuild(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		b.in.Log = liar{b.in.Log, tc.lie}
		zip, err := zipOf(t, b)
		if err != nil {
			t.Fatal(err)
		}
		// A lie stands in the log from then on, and packs that hold it do not
		// verify either.
		sameVerdict(t, zip)
		if _, err := verifyBytes(zip, ""); tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
		if tc.want != "" {
			m = newMachine(t)
			m.hours(8, 0)
		}
	}
}
