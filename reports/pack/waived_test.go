package pack

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// What a pack says of waivers is held against the records of the waivers.
func TestWaivedIsChecked(t *testing.T) {
	end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	rule := evidence.Hash{7}
	type scene struct {
		f     Finding
		facts evidence.WaiverFacts
		lf    chain.Leaf
		ended time.Time
		made  time.Time // the pack
	}
	for _, tc := range []struct {
		name string
		with func(s *scene)
		want string // of the error
	}{
		{"all of it", nil, ""},
		{"one of two", func(s *scene) { s.f.Waived.Whole, s.f.Waived.Items, s.facts.Records = false, 1, []uint64{5} }, ""},
		{"by subject", func(s *scene) { s.facts.Subjects = []evidence.Ref{evidence.NewRef("app", "prod", "web")} }, ""},
		{"a gap", func(s *scene) {
			s.f.Status, s.f.Failed, s.f.Waived.Items, s.f.Waived.Of = evidence.Gap, nil, 0, 0
		}, ""},
		{"nothing", func(s *scene) { s.f.Waived = nil }, ""},
		{"ended after", func(s *scene) { s.ended = end.Add(time.Second) }, ""},
		{"a satisfied finding", func(s *scene) { s.f.Status = evidence.Satisfied }, "although its status is satisfied"},
		{"what could not be told", func(s *scene) { s.f.Status = evidence.Undetermined }, "although its status"},
		{"more than failed", func(s *scene) { s.f.Waived.Of, s.f.Waived.Items = 3, 3 }, "2 failed"},
		{"more items than there are", func(s *scene) { s.f.Waived.Items = 3 }, "failures waived"},
		{"whole and not whole", func(s *scene) { s.f.Waived.Items = 1 }, "is not what it says"},
		{"by no waiver", func(s *scene) { s.f.Waived.Waivers = nil }, "by 0 waivers"},
		{"by one waiver named twice", func(s *scene) { s.f.Waived.Waivers = []uint64{9, 9} }, "record 9 twice"},
		{"by another record", func(s *scene) { s.f.Waived.Waivers = []uint64{8} }, "record 8 is no waiver"},
		{"more than the waiver names", func(s *scene) { s.facts.Records = []uint64{5} }, "its waivers name 1"},
		{"of another control", func(s *scene) { s.facts.Controls = []evidence.ControlID{"gdpr-art-5-2"} }, "is not about it"},
		{"of another test", func(s *scene) { s.facts.Tests[0].Test = "cert-valid" }, "is not about it"},
		{"of another rule", func(s *scene) { s.facts.Tests[0].Rule = evidence.Hash{8} }, "another rule"},
		{"single failures of a gap", func(s *scene) {
			s.f.Status, s.f.Failed, s.f.Waived.Items, s.f.Waived.Of, s.facts.Records = evidence.Gap, nil, 0, 0, []uint64{5}
		}, "nothing was found at all"},
		{"not begun", func(s *scene) { s.facts.From = end.Add(time.Second) }, "was not in force"},
		{"over", func(s *scene) { s.facts.Until = end }, "was not in force"},
		{"recorded later", func(s *scene) { s.lf.Recorded = end.Add(time.Second) }, "was not in force"},
		{"ended before", func(s *scene) { s.ended = end.Add(-time.Second) }, "was not in force"},
		{"over when the pack was made", func(s *scene) { s.made, s.facts.From = end.Add(-20*24*time.Hour), end.Add(-time.Hour) }, "was not in force"},
		{"approved by nobody", func(s *scene) { s.lf.People = s.lf.People[:1] }, "nobody but its maker"},
		{"approved by its maker", func(s *scene) { s.lf.People[1].Token = s.lf.People[0].Token }, "nobody but its maker"},
		{"approved by a claim", func(s *scene) { s.lf.People[1].Proof = evidence.ProofClaimed }, "nobody but its maker"},
		{"made by a claim", func(s *scene) { s.lf.People[0].Proof = evidence.ProofClaimed }, "nobody but its maker"},
	} {
		s := &scene{
			f: Finding{Finding: evidence.Finding{Control: "dora-art-9-4-e", Test: "chg-approved", RuleHash: rule, Status: evidence.NotSatisfied,
				Period: evidence.Period{From: end.Add(-30 * 24 * time.Hour), To: end}, Failed: []evidence.Item{{Seq: 5}, {Seq: 6}}}, Waived: &Waived{Whole: true, Items: 2, Of: 2, Waivers: []uint64{9}}},
			facts: evidence.WaiverFacts{Name: "w", Controls: []evidence.ControlID{"dora-art-9-4-e"}, Tests: []evidence.WaivedTest{{Test: "chg-approved", Rule: rule}},
				From: end.Add(-10 * 24 * time.Hour), Until: end.Add(24 * time.Hour), Approval: evidence.Approval{Maker: 0, Approver: 1}},
			lf: chain.Leaf{Seq: 9, Kind: evidence.Waiver, Op: evidence.OpSet, Recorded: end.Add(-10 * 24 * time.Hour), People: []evidence.Party{
				{Role: evidence.RoleMaker, Token: evidence.ID{1}, Proof: evidence.ProofSigned}, {Role: evidence.RoleApprover, Token: evidence.ID{2}, Proof: evidence.ProofAuthenticated}}},
			made: end.Add(48 * time.Hour),
		}
		if tc.with != nil {
			tc.with(s)
		}
		v := &verifier{m: &Manifest{Made: s.made, Period: s.f.Period}, rep: &Report{}, learned: newLearned(0)}
		learn := func(lf chain.Leaf, facts any) {
			t.Helper()
			text, err := json.Marshal(facts)
			if err != nil {
				t.Fatal(err)
			}
			plain, err := json.Marshal(content{Subject: evidence.NewRef("statement", "", "waiver/w"), Facts: text})
			if err == nil {
				err = v.read(&lf, disclosed{Seq: lf.Seq, Name: "content", Plain: plain})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		learn(s.lf, s.facts)
		if !s.ended.IsZero() {
			learn(chain.Leaf{Seq: 20, Kind: evidence.Waiver, Op: evidence.OpEnd, Recorded: s.ended}, evidence.StatementEndFacts{By: "uid 1000"})
		}
		err := v.waived(&s.f)
		if tc.want == "" {
			counted := s.f.Waived != nil
			if err != nil || (v.rep.Waived != nil) != counted || counted && (v.rep.Waived.Whole+v.rep.Waived.Partly != 1 || (v.rep.Waived.Whole == 1) != s.f.Waived.Whole) {
				t.Errorf("%s: %v, counted %+v", tc.name, err, v.rep.Waived)
			}
			continue
		}
		if err == nil || !strings.Contains(fmt.Sprint(err), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}
