package today_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/mappings"
	"evidenced/mappings/statement"
	"evidenced/reports"
	"evidenced/reports/today"
)

var now = evidencetest.Start.Add(60 * 24 * time.Hour)

// input is a tenant whose certificates end at some time.
func input(t *testing.T) today.Input {
	t.Helper()
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	cat, err := mappings.LoadOnly(fstest.MapFS{"own.yaml": {Data: []byte("version: 1\n")}})
	if err != nil {
		t.Fatal(err)
	}
	l := evidencetest.NewLog(tenant)
	for name, in := range map[string]time.Duration{"over.example": -time.Hour, "soon.example": 72 * time.Hour, "edge.example": today.Horizon, "far.example": today.Horizon + time.Second} {
		l.Add(evidence.CertState, evidence.OpSet, now.Add(-48*time.Hour), evidence.CertFacts{Endpoint: name + ":443", SNI: name, NotAfter: now.Add(in)})
	}
	renewing := evidence.CertDeclaredFacts{Namespace: "web", Name: "renewing", NotAfter: now.Add(24 * time.Hour), RenewalAt: now.Add(time.Hour)}
	l.Add(evidence.CertDeclared, evidence.OpSet, now.Add(-48*time.Hour), renewing)
	renewing.Name, renewing.RenewalAt = "late", now.Add(-time.Hour)
	l.Add(evidence.CertDeclared, evidence.OpSet, now.Add(-48*time.Hour), renewing)
	return today.Input{Reader: l, Catalog: cat, Now: now, Since: now.Add(-24 * time.Hour)}
}

// What falls due stands in order of time, what is over first and marked, and
// nothing beyond the horizon; others may add to it.
func TestDues(t *testing.T) {
	asked := time.Time{}
	more := func(_ context.Context, in *today.Input, until time.Time) ([]today.Due, error) {
		asked = until
		return []today.Due{{At: in.Now, What: "incident", Says: "something is owed now"}, {At: in.Now.Add(-time.Minute), What: "incident", Says: "something is late"}}, nil
	}
	r, err := today.Build(t.Context(), input(t), more)
	if err != nil {
		t.Fatal(err)
	}
	if !asked.Equal(now.Add(today.Horizon)) {
		t.Errorf("asked until %s, want %s", asked, now.Add(today.Horizon))
	}
	var got []string
	for _, d := range r.Due {
		got = append(got, fmt.Sprintf("%t %s %s", d.Over, d.What, d.Says))
	}
	want := []string{
		"true certificate the certificate that over.example shows ends", "true incident something is late", "false incident something is owed now",
		"false certificate the certificate web/late ends, its renewal is overdue", "false certificate the certificate that soon.example shows ends", "false certificate the certificate that edge.example shows ends",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var b bytes.Buffer
	if err := r.Text(&b, reports.Style{Width: 100}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Not known: no verdict on tenant-7 is on record; 4 due until 14 Jan 2027 00:00, 2 overdue.", "OVERDUE", "not judged yet"} {
		if !strings.Contains(strings.ReplaceAll(b.String(), ", 2\noverdue", ", 2 overdue"), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	torn := errors.New("torn")
	if _, err := today.Build(t.Context(), input(t), func(context.Context, *today.Input, time.Time) ([]today.Due, error) { return nil, torn }); !errors.Is(err, torn) {
		t.Errorf("a source of dues that fails: %v", err)
	}
}

// Of many tenants the sum comes first, then those of which there is something to
// say; the others are named.
func TestSeveral(t *testing.T) {
	begun, ended := now.Add(-24*time.Hour), now.Add(today.Horizon)
	report := func(name string, judged bool, blind int) *today.Report {
		tenant, err := evidence.ParseTenant(name)
		if err != nil {
			t.Fatal(err)
		}
		r := &today.Report{Tenant: tenant, At: now, Since: begun, Until: ended, Demo: name == "tenant-1"}
		if judged {
			r.Judged = now
		}
		for range blind {
			r.Blind = append(r.Blind, today.Blind{Source: "vault/prod", Cause: "503 from server"})
		}
		return r
	}
	s := &today.Several{At: now, Since: begun, Until: ended, Tenants: []*today.Report{report("tenant-1", true, 0), report("tenant-2", true, 1), report("tenant-3", false, 0), report("tenant-4", true, 2)}}
	var b bytes.Buffer
	if err := s.Text(&b, reports.Style{Width: 120}); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{"4 tenants: 0 new and 0 healed since", "3 blind now", "\nDEMONSTRATION: made from simulated sources", "\nnothing new, healed, blind or due: tenant-1\n", "collect once: tenant-3\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	if four, two := strings.Index(got, "\ntenant-4\n"), strings.Index(got, "\ntenant-2\n"); four < 0 || two < four {
		t.Errorf("tenant-4 has more to say:\n%s", got)
	}
}

// What one test says of several controls at one moment stands on one line, and
// each control is counted; what differs in anything that is told stands alone.
func TestOneLineForEachThing(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	change := func(control evidence.ControlID, test string, is evidence.Status, at time.Time, whole bool) today.Change {
		c := today.Change{Control: control, Test: test, Severity: "high", Was: evidence.Satisfied, Is: is, At: at, Why: "1 of 4: " + test}
		if whole {
			c.Waived = &statement.ToldWaived{Whole: true, Until: now.Add(24 * time.Hour)}
		}
		return c
	}
	noon := now.Add(-12 * time.Hour)
	r := &today.Report{Tenant: tenant, At: now, Since: now.Add(-24 * time.Hour), Until: now.Add(today.Horizon), Judged: now, New: []today.Change{
		change("dora-1", "backups-come", evidence.NotSatisfied, noon, false),
		change("dora-2", "drift", evidence.NotSatisfied, noon, false),
		change("gdpr-1", "backups-come", evidence.NotSatisfied, noon, false),
		change("gdpr-2", "backups-come", evidence.NotSatisfied, noon.Add(time.Hour), false),
		change("nis2-1", "backups-come", evidence.NotSatisfied, noon, true),
		change("nis2-2", "backups-come", evidence.Stale, noon, false),
		change("nis2-3", "backups-come", evidence.NotSatisfied, noon, false),
	}, Healed: []today.Change{
		change("cra-1", "drift", evidence.Satisfied, noon, false),
		change("cra-2", "drift", evidence.Satisfied, noon, false),
	}}
	var b bytes.Buffer
	if err := r.Text(&b, reports.Style{Width: 120}); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(b.String()) {
		if f := strings.Fields(line); len(f) > 5 && (f[0] == "NEW" || f[0] == "HEALED") {
			got = append(got, strings.Join(f, " "))
		}
	}
	want := []string{
		"NEW 30 Dec 12:00 dora-1 +2 not-satisfied, 1 of 4: backups-come",
		"NEW 30 Dec 12:00 dora-2 not-satisfied, 1 of 4: drift",
		"NEW 30 Dec 13:00 gdpr-2 not-satisfied, 1 of 4: backups-come",
		"NEW 30 Dec 12:00 nis2-1 waived until 1 Jan 2027 00:00: not-satisfied, 1 of 4: backups-come",
		"NEW 30 Dec 12:00 nis2-2 stale, 1 of 4: backups-come",
		"HEALED 30 Dec 12:00 cra-1 +1 was satisfied: 1 of 4: drift",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || !strings.Contains(b.String(), "7 new and 2 healed") {
		t.Errorf("got\n%s\nwant\n%s\nin\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"), b.String())
	}
}
