package daemon

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/reports/pack"
)

// No pack is made whose findings are not those of the controls that were judged.
func TestPackNeedsEveryPair(t *testing.T) {
	m := newMachine(t)
	m.hours(8, 0)
	q := api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: evidence.Period{From: hour(1), To: hour(5)}, Raw: "none", Progress: func(_, _ uint64) {}}
	for _, tc := range []struct {
		name  string
		forge func(in *pack.Input)
		want  string // in the error; "" verifies
	}{
		{"as it is", func(*pack.Input) {}, ""},
		{"a finding dropped", func(in *pack.Input) { in.Findings = in.Findings[1:] }, "there is no finding "},
		{"a finding twice", func(in *pack.Input) { in.Findings = append(in.Findings, in.Findings[0]) }, "there are two findings "},
		{"a control dropped from the table", func(in *pack.Input) { in.Catalog.Controls = in.Catalog.Controls[1:] }, "states other rules"},
		{"no table", func(in *pack.Input) { in.Catalog = nil }, "states other rules"},
	} {
		b, err := m.e.newPackBuild(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		tc.forge(&b.in)
		zip, err := zipOf(t, b)
		if tc.want == "" && err == nil {
			sameVerdict(t, zip)
			_, err = verifyBytes(zip, "")
		}
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// zipOf makes the pack and reads it.
func zipOf(t *testing.T, b *packBuild) ([]byte, error) {
	t.Helper()
	made, err := pack.Make(t.Context(), b.in)
	if err != nil {
		return nil, err
	}
	defer made.Close()
	var buf bytes.Buffer
	err = made.Send(&buf)
	return buf.Bytes(), err
}

// A pack's own range says by which rules it is judged, and is made to when it does
// not; once is enough.
func TestPackStatesTheRules(t *testing.T) {
	m := newMachine(t)
	m.hours(8, 0)
	tenant := mustTenant(t, "tenant-1")
	begun := len(rulesRecords(t, m.e, tenant))
	first, err := os.ReadFile(m.pack("tenant-1", 3, 6))
	if err != nil {
		t.Fatal(err)
	}
	recs := rulesRecords(t, m.e, tenant)
	if len(recs) != begun+1 {
		t.Fatalf("%d records of the rules after a pack, want %d", len(recs), begun+1)
	}
	var f evidence.CatalogFacts
	if err := recs[begun].Decode(&f); err != nil {
		t.Fatal(err)
	}
	if f.Before != f.Catalog || f.Table != m.e.catalog.Table().Hash() || len(f.Diff)+len(f.Loosen)+len(f.Rewritten) > 0 || f.Tenancy == nil {
		t.Errorf("stated again: %+v", f)
	}
	rep, err := verifyBytes(first, m.trust())
	if err != nil {
		t.Fatal(err)
	}
	if rep.Rules.Record != recs[begun].Seq || rep.Rules.Before != recs[begun-1].Seq {
		t.Errorf("rules by record %d after %d, want %d after %d", rep.Rules.Record, rep.Rules.Before, recs[begun].Seq, recs[begun-1].Seq)
	}
	m.pack("tenant-1", 3, 6)
	m.pack("tenant-1", 0, 6)
	if n := len(rulesRecords(t, m.e, tenant)); n != begun+1 {
		t.Errorf("%d records of the rules after packs that have one, want %d", n, begun+1)
	}
}

// tieredRules has a control for premium tenants and one for critical ones.
var tieredRules = strings.Replace(houseRules, "controls:\n", "controls:\n"+
	"  - {id: house-2, act: house, article: Art. 2, title: Two, objective: Hold it., severity: low, cannot_prove: Much., applies: {tiers: premium}, tests: [{test: house-seen, strength: direct}]}\n"+
	"  - {id: house-3, act: house, article: Art. 3, title: Three, objective: Hold it., severity: low, cannot_prove: Much., applies: {tags: critical}, tests: [{test: house-seen, strength: direct}]}\n", 1)

// What a tenant is said to be is recorded with the rules, and loosens them when
// controls apply no more; the pack names what it leaves out.
func TestTenancyIsRecorded(t *testing.T) {
	clock, dir := &testClock{begin}, t.TempDir()
	e := withRules(t, dir, clock, tieredRules)
	is := func(tier string, tags ...string) *Engine {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		c := *e.o.Config
		c.Tenants = slices.Clone(c.Tenants)
		c.Tenants[0].Tier, c.Tenants[0].Tags = tier, tags
		clock.t = clock.t.Add(time.Hour)
		e, err := Open(t.Context(), Options{Config: &c, Clock: clock.now, Program: "evidenced test"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		return e
	}
	newest := func(e *Engine) evidence.CatalogFacts {
		recs := rulesRecords(t, e, mustTenant(t, "tenant-1"))
		var f evidence.CatalogFacts
		if err := recs[len(recs)-1].Decode(&f); err != nil {
			t.Fatal(err)
		}
		return f
	}
	e = is("premium", "critical")
	if f := newest(e); f.Tenancy.Tier != "premium" || !slices.Equal(f.Tenancy.Tags, []string{"critical"}) {
		t.Errorf("recorded as %+v", f.Tenancy)
	}
	e = is("basic")
	f := newest(e)
	want := []string{
		"control house-2 is no longer judged, because the tenant is said to be something else",
		"control house-3 is no longer judged, because the tenant is said to be something else",
	}
	if f.Tenancy.Tier != "basic" || !slices.Equal(f.Loosen[len(f.Loosen)-2:], want) {
		t.Errorf("a tier less: %+v, loosens %q", f.Tenancy, f.Loosen)
	}
	if _, err := e.Collect(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	clock.t = clock.t.Add(48 * time.Hour)
	var buf bytes.Buffer
	q := api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: evidence.Period{From: begin, To: begin.Add(24 * time.Hour)}, Raw: "none", Progress: func(_, _ uint64) {}}
	if _, err := e.Pack(t.Context(), q, &buf); err != nil {
		t.Fatal(err)
	}
	sameVerdict(t, buf.Bytes())
	rep, err := verifyBytes(buf.Bytes(), "")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(rep.Loosened, func(l pack.Loosened) bool { return slices.Equal(l.Says[max(0, len(l.Says)-2):], want) }) {
		t.Errorf("the pack does not tell of it: %+v", rep.Loosened)
	}
	var judged []pack.Judged
	member(t, buf.Bytes(), "judged.json", &judged)
	i := slices.IndexFunc(judged, func(j pack.Judged) bool { return j.Test == "house-seen" })
	if got, want := judged[i].LeftOut, []pack.LeftOut{{Control: "house-2", Why: "tier"}, {Control: "house-3", Why: "tags"}}; !slices.Equal(got, want) {
		t.Errorf("left out %v, want %v", got, want)
	}
}
