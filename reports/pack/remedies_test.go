package pack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// What a pack says of remedies is held against the records of the plans.
func TestRemediesAreChecked(t *testing.T) {
	made := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	type scene struct {
		f      Finding
		facts  evidence.RemedyFacts
		second *evidence.RemedyFacts // of another plan, recorded later
		end    bool                  // the first is withdrawn, later still
		now    []uint64              // what the newest verdict names as failed
		found  evidence.Status
	}
	told := func() Remedy {
		return Remedy{Record: 9, Items: []uint64{5, 6}, Cause: "design", Due: "2026-11-20", FirstDue: "2026-11-10", Late: made.Add(-10 * 24 * time.Hour)}
	}
	for _, tc := range []struct {
		name    string
		with    func(s *scene)
		want    string // of the error
		without int
		overdue []uint64
		closed  []uint64
	}{
		{"all of it, overdue", nil, "", 0, []uint64{9}, nil},
		{"not overdue yet", func(s *scene) { s.facts.Late = made.Add(time.Second); s.f.Remedies[0].Late = s.facts.Late }, "", 0, nil, nil},
		{"one of two", func(s *scene) { s.facts.For[0].Records, s.f.Remedies[0].Items = []uint64{5}, []uint64{5} }, "", 1, []uint64{9}, nil},
		{"closed", func(s *scene) { s.f.Remedies[0].Closed = made.Add(-time.Hour) }, "", 0, nil, []uint64{9}},
		{"said done", func(s *scene) { s.facts.Done, s.f.Remedies[0].Done = true, true }, "", 0, []uint64{9}, nil},
		{"a newer plan for one of two", func(s *scene) {
			x := s.facts
			x.Name, x.For = "two", []evidence.RemedyFor{{Test: "chg-approved", Records: []uint64{6}}}
			s.second = &x
			more := told()
			more.Record, more.Items = 12, []uint64{6}
			s.f.Remedies[0].Items = []uint64{5}
			s.f.Remedies = append(s.f.Remedies, more)
		}, "", 0, []uint64{9, 12}, nil},
		{"withdrawn", func(s *scene) { s.end, s.f.Remedies = true, nil }, "", 2, nil, nil},
		{"a gap", func(s *scene) {
			s.f.Status, s.f.Failed, s.facts.For[0].Records, s.f.Remedies[0].Items = evidence.Gap, nil, nil, nil
		}, "", 0, []uint64{9}, nil},
		{"a satisfied finding", func(s *scene) { s.f.Status, s.f.Failed, s.f.Remedies = evidence.Satisfied, nil, nil }, "", -1, nil, nil},
		{"for what holds", func(s *scene) { s.f.Status, s.f.Failed = evidence.Satisfied, nil }, "names 1 remedies, its records give 0", 0, nil, nil},
		{"left away", func(s *scene) { s.f.Remedies = nil }, "names 0 remedies, its records give 1", 0, nil, nil},
		{"withdrawn and told", func(s *scene) { s.end = true }, "its records give 0", 0, nil, nil},
		{"of another test", func(s *scene) { s.facts.For[0].Test = "cert-valid" }, "its records give 0", 0, nil, nil},
		{"another day", func(s *scene) { s.f.Remedies[0].Due = "2027-11-20" }, "is not what it says", 0, nil, nil},
		{"another first day", func(s *scene) { s.f.Remedies[0].FirstDue = "2026-11-20" }, "is not what it says", 0, nil, nil},
		{"late from later", func(s *scene) { s.f.Remedies[0].Late = made.Add(time.Hour) }, "is not what it says", 0, nil, nil},
		{"another cause", func(s *scene) { s.f.Remedies[0].Cause = "unknown" }, "is not what it says", 0, nil, nil},
		{"more items", func(s *scene) { s.facts.For[0].Records = []uint64{5} }, "is not what it says", 0, nil, nil},
		{"said done and not", func(s *scene) { s.facts.Done = true }, "is not what it says", 0, nil, nil},
		{"by another record", func(s *scene) { s.f.Remedies[0].Record = 8 }, "is not what it says", 0, nil, nil},
		{"closed although one fails", func(s *scene) { s.f.Remedies[0].Closed, s.now = made.Add(-time.Hour), []uint64{6} }, "is called closed, and record 6 still fails", 0, nil, nil},
		{"closed although nothing is found", func(s *scene) {
			s.f.Status, s.f.Failed, s.facts.For[0].Records, s.f.Remedies[0].Items = evidence.Gap, nil, nil, nil
			s.found, s.f.Remedies[0].Closed = evidence.Gap, made.Add(-time.Hour)
		}, "and what chg-approved looks for still fails", 0, nil, nil},
		{"closed ahead", func(s *scene) { s.f.Remedies[0].Closed = made.Add(time.Hour) }, "after the pack was made", 0, nil, nil},
	} {
		s := &scene{
			f: Finding{Finding: evidence.Finding{Control: "dora-art-9-4-e", Test: "chg-approved", Status: evidence.NotSatisfied, Failed: []evidence.Item{{Seq: 5}, {Seq: 6}}}, Remedies: []Remedy{told()}},
			facts: evidence.RemedyFacts{Name: "one", Revision: 1, For: []evidence.RemedyFor{{Test: "chg-approved", Records: []uint64{5, 6}}}, Cause: "design", Due: "2026-11-20", FirstDue: "2026-11-10",
				Late: made.Add(-10 * 24 * time.Hour), Owner: -1, RemedyAct: evidence.RemedyAct{By: "uid 1", Maker: -1}},
			found: evidence.NotSatisfied,
		}
		if tc.with != nil {
			tc.with(s)
		}
		v := &verifier{m: &Manifest{Made: made}, rep: &Report{}, learned: newLearned(0)}
		second := &twin{Ask: "remedies", Made: made}
		learn := func(seq uint64, kind evidence.Kind, op evidence.Op, subject evidence.Ref, facts any) {
			t.Helper()
			text, err := json.Marshal(facts)
			if err != nil {
				t.Fatal(err)
			}
			plain, err := json.Marshal(content{Subject: subject, Facts: text})
			lf := chain.Leaf{Seq: seq, Kind: kind, Op: op}
			if err == nil {
				err = v.read(&lf, disclosed{Seq: seq, Name: "content", Plain: plain})
			}
			if err != nil {
				t.Fatal(err)
			}
			second.tell(lf, plain)
		}
		finding := evidence.NewRef("finding", "", "gdpr-art-32-1-b/chg-approved")
		learn(7, evidence.FindingState, evidence.OpSet, finding, evidence.FindingFacts{Status: evidence.NotSatisfied, Failed: []uint64{5, 6}})
		older := s.facts
		older.Due, older.Revision = "2026-11-10", 0
		learn(8, evidence.RemedyPlan, evidence.OpSet, evidence.NewRef("remedy", "", "one"), older)
		learn(9, evidence.RemedyPlan, evidence.OpSet, evidence.NewRef("remedy", "", "one"), s.facts)
		learn(10, evidence.FindingState, evidence.OpSet, finding, evidence.FindingFacts{Status: s.found, Failed: s.now})
		if s.second != nil {
			learn(12, evidence.RemedyPlan, evidence.OpSet, evidence.NewRef("remedy", "", "two"), *s.second)
		}
		if s.end {
			learn(13, evidence.RemedyPlan, evidence.OpEnd, evidence.NewRef("remedy", "", "one"), evidence.RemedyEndFacts{})
		}
		err := v.remedies(&s.f)
		second.agrees(t, tc.name, &s.f, err)
		if tc.want != "" {
			if err == nil || !strings.Contains(fmt.Sprint(err), tc.want) {
				t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		again := s.f
		again.Control = "gdpr-art-32-1-b" // shares the test and so the failures
		if err := v.remedies(&again); err != nil {
			t.Errorf("%s, once more: %v", tc.name, err)
		}
		c := v.rep.Remedies
		switch {
		case tc.without < 0:
			if c != nil {
				t.Errorf("%s: counted %+v", tc.name, c)
			}
		case c.Without != tc.without || c.Failed != max(1, len(s.f.Failed)) || !slices.Equal(c.Overdue, tc.overdue) || !slices.Equal(c.Closed, tc.closed) || len(c.Plans) != len(s.f.Remedies):
			t.Errorf("%s: counted %+v", tc.name, c)
		}
	}
}
