package pack

import (
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// Not applicable, because somebody said so: an approved statement must say it of
// that control, over all that is judged.
func TestScoped(t *testing.T) {
	end := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	begin := end.Add(-30 * 24 * time.Hour)
	type scene struct {
		facts evidence.ScopeFacts
		lf    chain.Leaf
		ended time.Time
		made  time.Time
		// linked: who made it and who approved it are one person
		linked bool
	}
	for _, tc := range []struct {
		name string
		with func(*scene)
		ok   bool
	}{
		{"as it is", func(*scene) {}, true},
		{"until the end", func(s *scene) { s.facts.Until = end }, true},
		{"ended after what is judged", func(s *scene) { s.ended = end.Add(time.Second) }, true},
		{"over when the period was, and not when the pack was made", func(s *scene) { s.facts.Until, s.made = end.Add(-time.Hour), end.Add(-2*time.Hour) }, true},
		{"of another control", func(s *scene) { s.facts.Control = "gdpr-art-5-2" }, false},
		{"begun within", func(s *scene) { s.facts.From = begin.Add(time.Second) }, false},
		{"without a begin", func(s *scene) { s.facts.From = time.Time{} }, false},
		{"over before the end", func(s *scene) { s.facts.Until = end.Add(-time.Second) }, false},
		{"ended before the end", func(s *scene) { s.ended = end.Add(-time.Second) }, false},
		{"approved by its maker", func(s *scene) { s.lf.People[1].Token = s.lf.People[0].Token }, false},
		{"approved by a claim", func(s *scene) { s.lf.People[1].Proof = evidence.ProofClaimed }, false},
		{"approved by its maker's other account", func(s *scene) { s.linked = true }, false},
		{"approved by nobody", func(s *scene) { s.lf.People = s.lf.People[:1] }, false},
	} {
		s := &scene{
			facts: evidence.ScopeFacts{Name: "s", Control: "dora-art-12-6", From: begin, Approval: evidence.Approval{Maker: 0, Approver: 1}},
			lf: chain.Leaf{Seq: 9, Kind: evidence.ScopeStatement, Op: evidence.OpSet, People: []evidence.Party{
				{Role: evidence.RoleMaker, Token: evidence.ID{1}, Proof: evidence.ProofSigned}, {Role: evidence.RoleApprover, Token: evidence.ID{2}, Proof: evidence.ProofAuthenticated}}},
			made: end.Add(48 * time.Hour),
		}
		tc.with(s)
		period := evidence.Period{From: begin, To: end}
		v := &verifier{m: &Manifest{Made: s.made, Period: period}, learned: newLearned(0)}
		about := evidence.NewRef("statement", "", "scope/s")
		second := &twin{Ask: "scoped", Made: s.made, Period: period}
		second.tell(s.lf, told(t, &v.learned, s.lf, about, s.facts))
		if !s.ended.IsZero() {
			lf := chain.Leaf{Seq: 20, Kind: evidence.ScopeStatement, Op: evidence.OpEnd, Recorded: s.ended}
			second.tell(lf, told(t, &v.learned, lf, about, evidence.StatementEndFacts{By: "uid 1000"}))
		}
		if s.linked {
			lf := linkOf(21, evidence.OpSet, begin, 1, 2)
			second.tell(lf, told(t, &v.learned, lf, evidence.Ref{}, evidence.LinkFacts{A: 0, B: 1, Approver: 2}))
		}
		f := &Finding{Finding: evidence.Finding{Control: "dora-art-12-6", Test: "backup-tested", Period: period}}
		err := v.scoped(f)
		second.agrees(t, tc.name, f, err)
		if (err == nil) != tc.ok || err != nil && !strings.Contains(err.Error(), "no approved statement") {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}
