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

// linkOf is an identity.link record of two persons.
func linkOf(seq uint64, op evidence.Op, at time.Time, a, b byte) chain.Leaf {
	return chain.Leaf{Seq: seq, Kind: evidence.IdentityLink, Op: op, Occurred: at,
		People: []evidence.Party{{Token: evidence.ID{a}}, {Token: evidence.ID{b}}, {Token: evidence.ID{99}}}}
}

// What a pack says of waivers is held against the records of the waivers.
func TestWaivedIsChecked(t *testing.T) {
	end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	rule := evidence.Hash{7}
	type scene struct {
		f     Finding
		facts evidence.WaiverFacts
		lf    chain.Leaf
		ended time.Time
		made  time.Time    // the pack
		links []chain.Leaf // that say who is one with whom
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
		{"approved by its maker's other account", func(s *scene) { s.links = []chain.Leaf{linkOf(30, evidence.OpSet, end, 2, 1)} }, "nobody but its maker"},
		{"approved by an account of an account", func(s *scene) {
			s.links = []chain.Leaf{linkOf(30, evidence.OpSet, end, 7, 1), linkOf(31, evidence.OpSet, end, 2, 7)}
		}, "nobody but its maker"},
		{"approved by an account that is its maker's no longer", func(s *scene) {
			s.links = []chain.Leaf{linkOf(30, evidence.OpSet, end, 1, 2), linkOf(31, evidence.OpEnd, end, 2, 1)}
		}, ""},
		{"found to be one person later", func(s *scene) { s.links = []chain.Leaf{linkOf(30, evidence.OpSet, end.Add(time.Second), 1, 2)} }, ""},
		{"another's account", func(s *scene) { s.links = []chain.Leaf{linkOf(30, evidence.OpSet, end, 2, 7)} }, ""},
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
		second := &twin{Ask: "waived", Made: s.made, Period: s.f.Period}
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
			second.tell(lf, plain)
		}
		learn(s.lf, s.facts)
		if !s.ended.IsZero() {
			learn(chain.Leaf{Seq: 20, Kind: evidence.Waiver, Op: evidence.OpEnd, Recorded: s.ended}, evidence.StatementEndFacts{By: "uid 1000"})
		}
		for _, x := range s.links {
			learn(x, evidence.LinkFacts{A: 0, B: 1, Approver: 2})
		}
		err := v.waived(&s.f)
		second.agrees(t, tc.name, &s.f, err)
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
