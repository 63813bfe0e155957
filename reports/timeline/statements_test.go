package timeline_test

import (
	"encoding/json"
	"slices"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports/timeline"
)

// What people said stands in the timeline with who stands behind it; its end is
// an act and not something that went missing.
func TestStatements(t *testing.T) {
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	l := evidencetest.NewLog(tenant)
	approval := evidence.Approval{Maker: 0, Approver: 1}
	type saying struct {
		kind  evidence.Kind
		op    evidence.Op
		name  string
		facts any
		want  string
	}
	plan := evidence.RemedyFacts{Name: "fix", For: []evidence.RemedyFor{{Test: "chg-approved", Records: []uint64{4, 5}, Cut: 2}, {Test: "chg-drift"}}, Cause: "design", Due: "2026-11-30", FirstDue: "2026-11-30", Owner: 0}
	moved, done := plan, plan
	moved.Due, moved.Owner, done.Done = "2026-12-15", -1, true
	remedies := []saying{
		{evidence.RemedyPlan, evidence.OpSet, "fix", plan, "remedy fix for 5 failed items of chg-approved, chg-drift is due 2026-11-30, owner alice, root cause design"},
		{evidence.RemedyPlan, evidence.OpSet, "fix", moved, "remedy fix for 5 failed items of chg-approved, chg-drift is due 2026-12-15, owner a role or a team, root cause design; at first it was due 2026-11-30"},
		{evidence.RemedyPlan, evidence.OpSet, "fix", done, "remedy fix is said to be done; it was due 2026-11-30"},
		{evidence.RemedyPlan, evidence.OpEnd, "fix", evidence.RemedyEndFacts{}, "remedy fix was withdrawn"},
	}
	said := []saying{
		{evidence.Waiver, evidence.OpSet, "waiver/new-forge", evidence.WaiverFacts{Controls: []evidence.ControlID{"dora-art-9-4-e", "gdpr-art-32-1-b"}, Tests: []evidence.WaivedTest{{Test: "chg-approved"}}, Until: at(30, 0, 0), Approval: approval},
			"waiver new-forge: every failure of chg-approved is accepted for dora-art-9-4-e, gdpr-art-32-1-b, until 30 Nov 2026 00:00 UTC; made by alice, approved by bob"},
		{evidence.Waiver, evidence.OpSet, "waiver/one", evidence.WaiverFacts{Controls: []evidence.ControlID{"dora-art-9-4-e"}, Tests: []evidence.WaivedTest{{Test: "chg-approved"}}, Records: []uint64{4}, Until: at(30, 0, 0), Approval: approval},
			"waiver one: some failures of chg-approved are accepted for dora-art-9-4-e, until 30 Nov 2026 00:00 UTC; made by alice, approved by bob"},
		{evidence.Waiver, evidence.OpEnd, "waiver/one", evidence.StatementEndFacts{By: "uid 1"}, "waiver one was ended before its time"},
		{evidence.ScopeStatement, evidence.OpSet, "scope/no-cards", evidence.ScopeFacts{Control: "gdpr-art-32-1-a", Approval: approval},
			"scope statement no-cards: gdpr-art-32-1-a does not apply, without an end; made by alice, approved by bob"},
		{evidence.Attestation, evidence.OpSet, "attestation/register", evidence.AttestationFacts{Controls: []evidence.ControlID{"gdpr-art-30-1-g"}, Until: at(30, 0, 0), Approval: approval},
			"attestation register: a person's word on gdpr-art-30-1-g, until 30 Nov 2026 00:00 UTC; made by alice, approved by bob"},
	}
	var kinds []evidence.Kind
	said = append(said, remedies...)
	for i, s := range said {
		b, err := json.Marshal(s.facts)
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, s.kind)
		scheme := "statement"
		if s.kind == evidence.RemedyPlan {
			scheme = "remedy"
		}
		l.AddDraft(evidence.Draft{
			Kind: s.kind, Op: s.op, Source: evidence.SelfSource, Subject: evidence.NewRef(scheme, "", s.name), OccurredAt: at(14, 9, i), ObservedAt: at(14, 9, i), Basis: evidence.BasisSource, Content: b,
			People: []evidence.Person{person(evidence.RoleMaker, "alice", evidence.ProofAuthenticated), person(evidence.RoleApprover, "bob", evidence.ProofAuthenticated)},
		})
	}
	got := slices.DeleteFunc(lines(t, l, timeline.Options{Kinds: kinds}), func(x timeline.Line) bool { return !slices.Contains(kinds, x.Kind) })
	if len(got) != len(said) {
		t.Fatalf("%d lines, want %d", len(got), len(said))
	}
	for i, s := range said {
		if got[i].Says != s.want {
			t.Errorf("%s %s:\n got %s\nwant %s", s.op, s.kind, got[i].Says, s.want)
		}
	}
}
