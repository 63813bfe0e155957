package timeline_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/reports/timeline"
)

// Each act of an incident has a sentence that says the time it speaks of.
func TestIncidents(t *testing.T) {
	act := evidence.IncidentAct{By: "uid 1", Decider: -1}
	decided := evidence.IncidentAct{By: "uid 1", Decider: 0}
	acts := []struct {
		kind  evidence.Kind
		facts any
		want  string
	}{
		{evidence.IncidentDeclared, evidence.IncidentDeclaredFacts{IncidentAct: act, Part: true}, "incident abcd was declared, part of one of the platform's"},
		{evidence.IncidentDeclared, evidence.IncidentDeclaredFacts{IncidentAct: act, Affected: make([]evidence.IncidentPart, 0)}, "incident abcd was declared"},
		{evidence.IncidentUpdated, evidence.IncidentUpdatedFacts{IncidentAct: act, Set: json.RawMessage(`{"times": {"occurred": null}, "money": {}}`), Texts: []string{"narrative.cause"}}, "incident abcd: set what is known of money, narrative, times"},
		{evidence.IncidentMoment, evidence.IncidentMomentFacts{IncidentAct: act, Law: "dora", At: at(13, 9, 0), Candidates: []evidence.IncidentCandidate{{}}}, "incident abcd: aware for dora since 13 Nov 2026 09:00 UTC, as declared; 1 earlier candidate"},
		{evidence.IncidentDecision, evidence.IncidentDecisionFacts{IncidentAct: act, Law: "dora", Procedure: "undecided"}, "incident abcd was looked at for dora: the procedure says undecided, nobody decided"},
		{evidence.IncidentDecision, evidence.IncidentDecisionFacts{IncidentAct: decided, Law: "dora", Procedure: "major", Decision: "major", At: at(13, 9, 30)}, "incident abcd: decided major for dora at 13 Nov 2026 09:30 UTC, the procedure says major; by alice"},
		{evidence.IncidentNotice, evidence.IncidentNoticeFacts{IncidentAct: act, Stage: "dora.initial", Act: "sent", At: at(13, 14, 0), Clock: &evidence.IncidentDue{Late: true, Latest: at(13, 13, 30)}},
			"incident abcd: dora.initial was sent at 13 Nov 2026 14:00 UTC, late: the limit was 13 Nov 2026 13:30 UTC"},
		{evidence.IncidentNotice, evidence.IncidentNoticeFacts{IncidentAct: act, Stage: "dora.initial", Act: "receipt", At: at(13, 14, 5)}, "incident abcd: dora.initial was received at 13 Nov 2026 14:05 UTC"},
		{evidence.IncidentContact, evidence.IncidentContactFacts{IncidentAct: act, Place: "dpo"}, "incident abcd: the dpo contact was named"},
		{evidence.IncidentClosed, evidence.IncidentClosedFacts{IncidentAct: act, At: at(13, 15, 0), Open: []string{"dora.final"}}, "incident abcd was closed at 13 Nov 2026 15:00 UTC, 1 stage not met"},
		{evidence.IncidentClosed, evidence.IncidentClosedFacts{IncidentAct: act, Reopen: true}, "incident abcd was opened again"},
	}
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	l := evidencetest.NewLog(tenant)
	var kinds []evidence.Kind
	for i, a := range acts {
		b, err := json.Marshal(a.facts)
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, a.kind)
		l.AddDraft(evidence.Draft{
			Kind: a.kind, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: fmt.Sprint(i), Subject: evidence.NewRef("incident", "", "abcd"),
			OccurredAt: at(14, 9, i), ObservedAt: at(14, 9, i), Basis: evidence.BasisSource, Content: b,
			People: []evidence.Person{person(evidence.RoleDecider, "alice", evidence.ProofAuthenticated)},
		})
	}
	got := slices.DeleteFunc(lines(t, l, timeline.Options{Kinds: kinds}), func(x timeline.Line) bool { return !slices.Contains(kinds, x.Kind) })
	if len(got) != len(acts) {
		t.Fatalf("%d lines, want %d", len(got), len(acts))
	}
	for i, a := range acts {
		if got[i].Says != a.want {
			t.Errorf("%s:\n got %s\nwant %s", a.kind, got[i].Says, a.want)
		}
	}
}
