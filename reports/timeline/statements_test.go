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
	said := []struct {
		kind  evidence.Kind
		op    evidence.Op
		name  string
		facts any
		want  string
	}{
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
	for i, s := range said {
		b, err := json.Marshal(s.facts)
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, s.kind)
		l.AddDraft(evidence.Draft{
			Kind: s.kind, Op: s.op, Source: evidence.SelfSource, Subject: evidence.NewRef("statement", "", s.name), OccurredAt: at(14, 9, i), ObservedAt: at(14, 9, i), Basis: evidence.BasisSource, Content: b,
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
