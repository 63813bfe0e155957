package mappings

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"evidenced/evidence"
)

// mostWindows is how many windows that were not covered a record of a finding
// names; of items it names what the round kept.
const mostWindows = 100

// FindingRef names the finding of a test for a control.
func FindingRef(control evidence.ControlID, test string) evidence.Ref {
	return evidence.NewRef("finding", "", string(control)+"/"+test)
}

// Facts returns the facts of finding.state for the i-th finding of the round,
// and false when nothing is to be recorded: no collector of this program could
// answer the test.
func (r *Round) Facts(i int) (evidence.FindingFacts, bool) {
	f := &r.Findings[i]
	if f.Status == evidence.NotObserved && f.Reason == evidence.ReasonNoCollector {
		return evidence.FindingFacts{}, false
	}
	facts := evidence.FindingFacts{
		Control: f.Control, Article: f.Article, Title: f.Title, Test: f.Test, Rule: f.RuleHash,
		Severity: f.Severity, Strength: f.Strength, Status: f.Status, Reason: f.Reason, Summary: f.Summary, Preparing: f.Preparing,
		Failed: recordsOf(r.Failed[i]), FailedCut: r.FailedCut[i], Unknown: recordsOf(r.Unknown[i]), UnknownCut: r.UnknownCut[i],
		Period: f.Period, Size: f.Size, Population: f.Population, Passed: f.Passed, Class: f.Class, Newest: f.Newest, NewestOf: f.NewestOf,
	}
	for _, w := range r.Holes[i] {
		if len(facts.Uncovered) == mostWindows {
			facts.UncoveredCut = len(r.Holes[i]) - mostWindows
			break
		}
		tail := func(x evidence.Window) bool {
			return x.Source == w.Source && x.Kind == w.Kind && x.Period.From.Equal(w.Period.To) && !x.Period.To.Before(f.Period.To)
		}
		if slices.ContainsFunc(f.Uncovered, tail) && !slices.ContainsFunc(r.Holes[i], tail) {
			w.Period.To = f.Period.To // nobody has looked since, which is no hole of its own
		}
		facts.Uncovered = append(facts.Uncovered, unseenOf(w, f.Period))
	}
	return facts, true
}

// unseenOf leaves out the ends that only say what was judged.
func unseenOf(w evidence.Window, judged evidence.Period) evidence.Unseen {
	u := evidence.Unseen{Source: w.Source, Kind: w.Kind, Class: w.Class, Cause: w.Cause}
	if w.Period.From.After(judged.From) {
		u.From = w.Period.From
	}
	if w.Period.To.Before(judged.To) {
		u.To = w.Period.To
	}
	return u
}

// recordsOf lists the records of items, ascending, each once.
func recordsOf(seqs []uint64) []uint64 {
	seqs = slices.Clone(seqs)
	slices.Sort(seqs)
	return slices.Compact(seqs)
}

// Verdict sums up what of a finding makes its state: everything but its
// volatile facts. Two findings with one sum are the same state. The sum is for
// comparing within one program and is kept nowhere.
func Verdict(f evidence.FindingFacts) evidence.Hash {
	s := summer{make([]byte, 0, 1024)}
	s.texts(string(f.Control), f.Article, f.Title, f.Test, f.Severity, f.Strength, string(f.Status), string(f.Reason), f.Preparing)
	s.b = append(s.b, f.Rule[:]...)
	for _, seqs := range [][]uint64{f.Failed, f.Unknown} {
		s.number(uint64(len(seqs)))
		for _, seq := range seqs {
			s.number(seq)
		}
	}
	s.number(uint64(f.FailedCut))
	s.number(uint64(f.UnknownCut))
	s.number(uint64(len(f.Uncovered)))
	for _, u := range f.Uncovered {
		s.texts(string(u.Source), string(u.Kind), string(u.Class), u.Cause)
		s.time(u.From)
		s.time(u.To)
	}
	s.number(uint64(f.UncoveredCut))
	return sha256.Sum256(s.b)
}

// summer writes values one behind the other so that each can be told from the
// next.
type summer struct{ b []byte }

func (s *summer) number(n uint64) { s.b = binary.AppendUvarint(s.b, n) }

// texts writes texts as they are read again from a record, in which what is no
// UTF-8 is replaced.
func (s *summer) texts(texts ...string) {
	for _, t := range texts {
		if !utf8.ValidString(t) {
			t = string([]rune(t))
		}
		s.number(uint64(len(t)))
		s.b = append(s.b, t...)
	}
}

func (s *summer) time(t time.Time) {
	s.b = binary.BigEndian.AppendUint64(s.b, uint64(t.Unix()))
	s.number(uint64(t.Nanosecond()))
}

// Standing is a finding in force by the records of a log.
type Standing struct {
	evidence.FindingFacts
	Seq   uint64    `json:"record"`
	Began time.Time `json:"began"` // of this very verdict
	Since time.Time `json:"since"` // of its status
}

// Turn is a change of a finding's status.
type Turn struct {
	At   time.Time
	Seq  uint64
	Was  evidence.Status // "" when the test was judged for the first time
	Is   evidence.FindingFacts
	Gone bool // the control or the test left the catalog; Is is what it was
}

// Open reports whether a person should know of the status.
func Open(s evidence.Status) bool {
	return s != evidence.Satisfied && s != evidence.NotApplicable
}

// Standings reads what the finding.state records of a log say: the findings in
// force, by control and test, and all changes of status, the oldest first.
func Standings(ctx context.Context, r evidence.Reader) ([]Standing, []Turn, error) {
	now := map[evidence.Ref]Standing{}
	var turns []Turn
	for rec, err := range r.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.FindingState}}) {
		if err != nil {
			return nil, nil, fmt.Errorf("findings of %s: %w", r.Tenant(), err)
		}
		was, known := now[rec.Subject]
		if rec.Op == evidence.OpEnd {
			if known {
				turns = append(turns, Turn{At: rec.Occurred, Seq: rec.Seq, Was: was.Status, Is: was.FindingFacts, Gone: true})
			}
			delete(now, rec.Subject)
			continue
		}
		is := Standing{Seq: rec.Seq, Began: rec.Occurred, Since: rec.Occurred}
		if err := rec.Decode(&is.FindingFacts); err != nil {
			return nil, nil, err
		}
		if known && was.Status == is.Status {
			is.Since = was.Since
		} else {
			turns = append(turns, Turn{At: rec.Occurred, Seq: rec.Seq, Was: was.Status, Is: is.FindingFacts})
		}
		now[rec.Subject] = is
	}
	var all []Standing
	for _, s := range now {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Standing) int {
		return cmp.Or(cmp.Compare(a.Control, b.Control), cmp.Compare(a.Test, b.Test))
	})
	return all, turns, nil
}
