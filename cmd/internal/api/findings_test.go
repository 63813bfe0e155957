package api_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/api/apitest"
	"evidenced/cmd/internal/cli"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
	"evidenced/mappings"
	"evidenced/reports/gaps"
	"evidenced/reports/today"
)

// verdicts is apitest's world with findings: a failure that grew, one that
// healed, blindness that lasts, a test that went, certificates and a waiver.
func verdicts(t *testing.T) *apitest.World {
	t.Helper()
	w := apitest.New()
	seven, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	l := w.Logs[seven]
	tell := func(ago time.Duration, f evidence.FindingFacts) {
		at := apitest.Now.Add(-ago)
		d := evidence.Draft{
			Kind: evidence.FindingState, Op: evidence.OpSet, Source: evidence.SelfSource, Subject: mappings.FindingRef(f.Control, f.Test),
			OccurredAt: at, Basis: evidence.BasisObserved, ObservedAt: at, Content: evidencetest.Facts(f),
		}
		if f.Status == "" {
			d.Op, d.Content = evidence.OpEnd, []byte(`{"reason":"no test of the catalog gives it any more"}`)
		}
		l.AddDraft(d)
	}
	const day = 24 * time.Hour
	fails := evidence.FindingFacts{
		Control: "dora-art-9-4-e", Article: "DORA Art. 9(4)(e)", Title: "Controlled changes", Test: "chg-approved", Severity: "high", Strength: "direct",
		Status: evidence.NotSatisfied, Failed: []uint64{3}, Population: 38, Passed: 37,
		Summary: "The evidence contradicts that every change to a watched branch was approved by a person other than its author: 1 of 38 items failed.",
	}
	good := fails
	good.Status, good.Failed, good.Summary = evidence.Satisfied, nil, "The evidence supports that every change was approved: 37 items passed."
	tell(9*day, good)
	tell(3*time.Hour, fails)
	grown := fails
	grown.Failed, grown.Summary = []uint64{3, 4, 5, 9, 20, 31}, strings.Replace(fails.Summary, "1 of 38 items", "6 of 43 items", 1)
	tell(time.Hour, grown)
	cert := evidence.FindingFacts{
		Control: "gdpr-art-32-1-a", Article: "GDPR Art. 32(1)(a)", Title: "Encryption", Test: "cert-valid", Severity: "medium", Strength: "partial",
		Status: evidence.Gap, Summary: "Nothing was found to show that no certificate was in use after it expired, although it was looked for over the whole period.",
	}
	tell(12*day, cert)
	healed := evidence.FindingFacts{
		Control: "dora1774-art-7-4", Article: "Delegated Reg. (EU) 2024/1774 Art. 7(4), 7(5)", Title: "Certificates renewed in time", Test: "cert-renewed", Severity: "medium",
		Strength: "direct", Status: evidence.Stale, Summary: "It is no longer known whether every certificate was renewed: the newest look was long ago.",
	}
	tell(2*day, healed)
	healed.Status, healed.Summary = evidence.Satisfied, "The evidence supports that every certificate was renewed: 4 items passed."
	tell(5*time.Hour, healed)
	tell(30*time.Hour, evidence.FindingFacts{
		Control: "gdpr-art-28-3-a", Article: "GDPR Art. 28(3)(a), 29, 32(4)", Title: "Processing only on instructions", Test: "secret-access", Severity: "high", Strength: "partial",
		Status: evidence.NotObserved, Reason: evidence.ReasonSourceDown, Summary: "It was not observed whether every secret was read by its own tenant: 1 window not covered.",
		Uncovered: []evidence.Unseen{{Source: "vault/prod", Kind: evidence.SecretAccess, From: apitest.Now.Add(-31 * time.Hour), Class: evidence.Blind, Cause: "503 from server"}},
	})
	gone := evidence.FindingFacts{Control: "dora-art-9-4-d", Test: "role-short-lived", Status: evidence.NotSatisfied, Severity: "high", Summary: "The evidence contradicts that it was short."}
	tell(8*day, gone)
	gone.Status = ""
	tell(7*day, gone)
	l.Add(evidence.CertState, evidence.OpSet, apitest.Now.Add(-8*day), evidence.CertFacts{Endpoint: "web.example:443", SNI: "web.example", NotAfter: apitest.Now.Add(3 * day)})
	l.Add(evidence.CertState, evidence.OpSet, apitest.Now.Add(-8*day), evidence.CertFacts{Endpoint: "old.example:443", SNI: "old.example", NotAfter: apitest.Now.Add(-2 * time.Hour)})
	l.Add(evidence.CertState, evidence.OpSet, apitest.Now.Add(-8*day), evidence.CertFacts{Endpoint: "far.example:443", SNI: "far.example", NotAfter: apitest.Now.Add(40 * day)})
	l.CoverLooks("certs/edge", []time.Time{apitest.Now.Add(-20 * time.Hour), apitest.Now.Add(-14 * time.Hour)}, evidence.CertState)
	l.AddDraft(evidence.Draft{
		Kind: evidence.Waiver, Op: evidence.OpSet, Source: evidence.SelfSource, Subject: evidence.NewRef("statement", "", "waiver/late-cert"),
		People: []evidence.Person{
			{Role: evidence.RoleMaker, Realm: "github:prod", NativeID: "70", Proof: evidence.ProofSigned}, {Role: evidence.RoleApprover, Realm: "github:prod", NativeID: "71", Proof: evidence.ProofSigned}},
		OccurredAt: apitest.Now.Add(-day), Basis: evidence.BasisSource, ObservedAt: apitest.Now.Add(-day),
		Content: evidencetest.Facts(evidence.WaiverFacts{Name: "late-cert", Controls: []evidence.ControlID{"gdpr-art-32-1-a"}, From: apitest.Now.Add(-day), Until: apitest.Now.Add(6 * day), Approval: evidence.Approval{Maker: 0, Approver: 1}}),
	})
	return w
}

func TestGapsAndToday(t *testing.T) {
	for _, tc := range []struct {
		name, op string
		params   any
	}{
		{"gaps.txt", "gaps", api.GapsParams{Common: common("tenant-7", false)}},
		{"gaps-all.txt", "gaps", api.GapsParams{}},
		{"gaps-law.txt", "gaps", api.GapsParams{Common: common("all", false), Law: "GDPR", Severity: "medium"}},
		{"gaps.json", "gaps", api.GapsParams{Common: common("tenant-7", true), Law: "gdpr", Severity: "low"}},
		{"today.txt", "today", api.TodayParams{Common: common("tenant-7", false)}},
		{"today-all.txt", "today", api.TodayParams{}},
		{"today-week.txt", "today", api.TodayParams{Common: common("tenant-7", false), Last: "14d"}},
		{"today.json", "today", api.TodayParams{Common: common("tenant-7", true)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := both(t, verdicts(t), tc.op, tc.params)
			if err != nil {
				t.Fatal(err)
			}
			text := got.String()
			if strings.HasSuffix(tc.name, ".json") {
				text = withoutCatalog(t, tc.op, got.Bytes())
			}
			evidencetest.Golden(t, tc.name, []byte(text))
		})
	}
}

// withoutCatalog reads an answer strictly and leaves out what grows with the
// catalog.
func withoutCatalog(t *testing.T, op string, b []byte) string {
	t.Helper()
	var v any = &today.Report{}
	if op == "gaps" {
		v = &gaps.Report{}
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		t.Fatal(err)
	}
	if r, ok := v.(*gaps.Report); ok {
		if len(r.Unanswered) == 0 {
			t.Error("no control is unanswered")
		}
		r.Unanswered = nil
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}

func TestGapsRefuses(t *testing.T) {
	for _, tc := range []struct {
		params any
		op     string
		code   int
		want   string
	}{
		{api.GapsParams{Severity: "worst"}, "gaps", cli.ExitUsage, "--severity"},
		{api.GapsParams{Law: "hammurabi"}, "gaps", cli.ExitUsage, "there are"},
		{api.GapsParams{Common: common("tenant-9", false)}, "gaps", cli.ExitNotFound, "tenant-9"},
		{api.TodayParams{Common: common("tenant-9", false)}, "today", cli.ExitNotFound, "tenant-9"},
		{api.TodayParams{Common: common("tenant-7", false), Last: "soon"}, "today", cli.ExitUsage, "duration"},
	} {
		_, err := both(t, verdicts(t), tc.op, tc.params)
		if text := problem.Text("x", errOr(err)); cli.ExitCode(err) != tc.code || !strings.Contains(text, tc.want) {
			t.Errorf("%s %+v: %s (exit %d), want %q and exit %d", tc.op, tc.params, text, cli.ExitCode(err), tc.want, tc.code)
		}
	}
}

// That somebody asked for gaps stands in every log that was asked.
func TestGapsAreReadOnRecord(t *testing.T) {
	w := verdicts(t)
	if _, err := both(t, w, "gaps", api.GapsParams{}); err != nil {
		t.Fatal(err)
	}
	reads, _ := w.Reads()
	if len(reads) != 6 { // three tenants, both ways
		t.Errorf("reads %q, want one in each of three logs, both ways", reads)
	}
}

// An assessment says since when, by the findings that were recorded.
func TestAssessSaysSinceWhen(t *testing.T) {
	w := verdicts(t)
	got, err := both(t, w, "assess", api.AssessParams{Common: common("tenant-7", true), Controls: []string{"gdpr-art-28-3-a"}, Span: api.Span{Last: "7d"}})
	if err != nil {
		t.Fatal(err)
	}
	var a api.Assessment
	if err := json.Unmarshal(got.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	if c := a.Controls[0]; c.Status != evidence.NotObserved || !c.Since.Equal(apitest.Now.Add(-30*time.Hour)) {
		t.Errorf("%s since %s, want not-observed since 30 hours ago", c.Status, c.Since)
	}
}

// A period is judged by the rules recorded for its end, where there are any.
func TestAssessByTheRulesOfThen(t *testing.T) {
	ask := func(rules string, days api.Span) error {
		_, err := both(t, apitest.New(), "assess", api.AssessParams{Common: common("tenant-7", true), Rules: rules, Span: days})
		return err
	}
	if err := ask("then", api.Span{Last: "7d"}); err != nil {
		t.Error(err)
	}
	if err := ask("then", api.Span{From: "2026-11-01", To: "2026-11-08"}); cli.ExitCode(err) != cli.ExitNotFound {
		t.Errorf("no rules were recorded then: %v", err)
	}
	if err := ask("whenever", api.Span{Last: "7d"}); cli.ExitCode(err) != cli.ExitUsage {
		t.Errorf("rules of whenever: %v", err)
	}
}
