package daemon

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/mappings"
	"evidenced/mappings/statement"
	"evidenced/reports/pack"
)

// deployed has a rule about what need not be there, if somebody says so.
const deployed = `version: 1
acts:
  - {id: house, name: House rules, title: Rules of our own house, in_force_since: 2026-01-01, addressee: us}
tests:
  - {id: house-deployed, title: T, says: all is well, view: deployments, assert: "item.source != ''", window: period, freshness: 90d, least: reconstructed, empty: not-applicable}
controls:
  - {id: house-art-1, act: house, article: Art. 1, title: T, objective: O, severity: low, cannot_prove: much, tests: [{test: house-deployed, strength: direct}]}
`

// What does not apply because somebody said so stands on that statement, which is
// in the pack even when it is older than the range; without it the pack fails.
func TestPackTellsScopes(t *testing.T) {
	o := newOffice(t, "")
	var err error
	if o.e.catalog, err = mappings.LoadOnly(fstest.MapFS{"own.yaml": {Data: []byte(deployed)}}); err != nil {
		t.Fatal(err)
	}
	text, err := state(t, o.e, api.StatementParams{Type: statement.Scope, Act: "draft", Name: "nothing-runs", Maker: "github:prod|70", Controls: []string{"house-art-1"}, Until: "2026-12-31", Reason: "nothing of the tenant is deployed"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := state(t, o.e, api.StatementParams{Type: statement.Scope, Act: "add", Text: []byte(text), Signatures: [][]byte{o.maker(statement.Namespace, text), o.approver(text)}}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		o.collect()
	}
	q := api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: evidence.Period{From: o.clock.t.Add(-12 * time.Hour), To: o.clock.t.Add(-2 * time.Hour)}, Raw: "none", Progress: quiet}
	for _, tc := range []struct {
		name  string
		forge func(in *pack.Input)
		want  string
	}{
		{"as it is", func(*pack.Input) {}, ""},
		{"the statement left out", func(in *pack.Input) { in.Scopes = nil }, "no approved statement in the pack says so"},
	} {
		b, err := o.e.newPackBuild(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(b.findings) != 1 || b.findings[0].Status != evidence.NotApplicable || len(b.in.Scopes) != 1 {
			t.Fatalf("findings %+v on %v", b.findings, b.in.Scopes)
		}
		tc.forge(&b.in)
		zip, err := zipOf(t, b)
		if err != nil {
			t.Fatal(err)
		}
		sameVerdict(t, zip)
		rep, err := verifyBytes(zip, "")
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
		if err == nil && (rep.First <= b.in.Scopes[0] || rep.Findings["not-applicable"] != 1) {
			t.Errorf("%s: %+v", tc.name, rep)
		}
	}
	var buf bytes.Buffer
	q.Pseudonymous = true
	if _, err := o.e.Pack(t.Context(), q, &buf); err != nil {
		t.Fatal(err)
	}
	sameVerdict(t, buf.Bytes())
	if _, err := verifyBytes(buf.Bytes(), ""); err != nil {
		t.Errorf("without names: %v", err)
	}
}
