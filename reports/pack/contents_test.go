package pack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// oddNumbers are numbers as few write them.
var oddNumbers = []string{`1e-0`, `1E-0`, `-1e-0`, `1e+0`, `-0.0`, `-0e0`, `0e-0`, `10e-1`, `1e-400`, `-0`, strings.Repeat("9", 5000), "-" + strings.Repeat("9", 5000), `1` + strings.Repeat("0", 400) + `.5`}

// ownContents are the facts of what verdicts stand on, by the kind of their records.
func ownContents(t testing.TB) map[evidence.Kind]any {
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	period := evidence.Period{From: day(1), To: day(2)}
	approval := evidence.Approval{By: "uid 1000", Maker: 0, Approver: 1, Made: day(1), At: day(1), Key: "k", Repo: "r", Commit: "c", Path: "p", Records: []uint64{4}}
	ref := evidence.NewRef("change", "forge", "one!1")
	return map[evidence.Kind]any{
		evidence.PersonKnown: evidence.PersonFacts{NativeID: "7", Names: evidence.Names{Login: "l", Display: "d", Mail: "m", Bot: true}},
		evidence.PackIssued:  evidence.PackFacts{Number: 1, Period: period, Size: 3, Records: 4, Complete: true, Purpose: "p", Recipient: "r", Disclosed: []evidence.ID{{1}}, Withheld: 2, Issued: day(3)},
		evidence.Waiver: evidence.WaiverFacts{
			Name: "n", Controls: []evidence.ControlID{"c"}, Tests: []evidence.WaivedTest{{Test: "t"}}, Records: []uint64{1}, Subjects: []evidence.Ref{ref}, From: day(1), Until: day(9), Approval: approval,
		},
		evidence.ScopeStatement:     evidence.ScopeFacts{Name: "n", Control: "c", From: day(1), Until: day(9), Approval: approval},
		evidence.RemedyPlan:         evidence.RemedyFacts{Name: "n", Revision: 1, For: []evidence.RemedyFor{{Test: "t", Records: []uint64{1}, Cut: 1}}, Cause: "c", Due: "2026-11-09", FirstDue: "2026-11-08", Late: day(10), Done: true},
		evidence.IdentityLink:       evidence.LinkFacts{A: 0, B: 1},
		evidence.Erasure:            evidence.ErasureFacts{Keys: []string{"d/1"}},
		evidence.FindingState:       evidence.FindingFacts{Control: "c", Test: "t", Status: evidence.NotSatisfied, Failed: []uint64{1}, Uncovered: []evidence.Unseen{{Kind: "change.merge", Cause: "503"}}},
		evidence.IncidentNotice:     evidence.IncidentNoticeFacts{Stage: "s", Act: "sent", At: day(2)},
		evidence.IncidentClosed:     evidence.IncidentClosedFacts{Reopen: true},
		evidence.LogSegment:         evidence.SegmentFacts{Act: evidence.SegmentRetired, Newest: day(2)},
		evidence.PlatformConfig:     evidence.ConfigFacts{By: "uid 0", Loosen: []string{"x"}},
		evidence.PlatformCatalog:    evidence.CatalogFacts{By: "uid 0", Loosen: []string{"x"}, Rewritten: []string{"y"}, Tenancy: &evidence.Tenancy{Tier: "1", Tags: []string{"a"}}, Entities: []string{"e"}},
		evidence.CollectionCoverage: evidence.CoverageFacts{Source: "s", Period: period, Spans: []evidence.CoverageSpan{{Kinds: []evidence.Kind{"k"}, From: day(1), To: day(2), Class: evidence.Instants, Cause: "c", Looks: []int64{5, 6}, Every: 60}}, Runs: evidence.RunCounts{Expected: 2, Done: 1, Failed: 1}, Counts: map[evidence.Kind]int{"k": 1}, RunIDs: []evidence.ID{{2}}},
	}
}

// Whatever is changed in what evidenced itself recorded, both verifiers read the
// record, or neither does.
func TestBothReadContentsAlike(t *testing.T) {
	n := 40
	if os.Getenv("EVIDENCED_FULL") != "" {
		n = 3000
	}
	told := 0
	for kind, facts := range ownContents(t) {
		text, err := json.Marshal(facts)
		if err != nil {
			t.Fatal(err)
		}
		plain := fmt.Appendf(nil, `{"key":"k","subject":"log:/forge","facts":%s}`, text)
		for seed := range n {
			r := rand.New(rand.NewPCG(uint64(seed), 7))
			now := plain
			if seed > 0 {
				now = mutation(r, plain)
				if seed == 1 {
					now = bytes.ReplaceAll(plain, []byte(`"2026-11-01T00:00:00Z"`), []byte(`"0001-01-01T00:00:00Z"`))
				} else if r.IntN(4) == 0 {
					s := values(plain)
					x := s[r.IntN(len(s))]
					now = append(append(bytes.Clone(plain[:x[0]]), oddNumbers[r.IntN(len(oddNumbers))]...), plain[x[1]:]...)
				}
			}
			l, second := newLearned(0), &twin{Ask: "learn"}
			lf := chain.Leaf{Seq: 7, Kind: kind, Op: evidence.OpEvent, People: []evidence.Party{{Token: evidence.ID{1}}, {Token: evidence.ID{2}}}}
			second.tell(lf, now)
			err := l.read(&lf, disclosed{Seq: 7, Name: "content", Plain: now})
			if said := second.opinion(t, nil); (err == nil) != (said == "") && told < 40 {
				told++
				t.Errorf("seed %d, %s: verify.py says %q, evidence-verify %v%s", seed, kind, said, err, difference(plain, now))
			}
		}
	}
}
