package statement

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/mappings"
)

// Failing is a finding as a waiver looks at it.
type Failing struct {
	Control evidence.ControlID
	Test    string
	Rule    evidence.Hash
	Status  evidence.Status
	Failed  []uint64 // records of the items that failed
	Cut     int      // items that failed beyond those
}

// OfFacts is a recorded finding.
func OfFacts(f *evidence.FindingFacts) Failing {
	return Failing{f.Control, f.Test, f.Rule, f.Status, f.Failed, f.FailedCut}
}

// OfFinding is a finding of an assessment.
func OfFinding(f *evidence.Finding) Failing {
	x := Failing{Control: f.Control, Test: f.Test, Rule: f.RuleHash, Status: f.Status}
	for _, it := range f.Failed {
		x.Failed = append(x.Failed, it.Seq)
	}
	slices.Sort(x.Failed)
	x.Failed = slices.Compact(x.Failed)
	return x
}

// Waived says what of a finding's failures somebody accepted. It never changes
// the finding's status.
type Waived struct {
	Whole bool      // nothing that failed is left
	Items int       // items that failed and are accepted
	Of    int       // items that failed; 0 of a gap, where nothing is there at all
	Until time.Time // of the whole: when the first of the waivers that it needs ends
	By    []*Recorded
	// Not are waivers that name the test, and why they accept nothing or less:
	// that they ended, that the rule is another, that an approver failed.
	Not []Refusal
}

// Refusal is why a waiver does not count for a finding.
type Refusal struct {
	Waiver *Recorded
	Why    string
}

// none reports whether nothing is to be told.
func (w *Waived) none() bool { return len(w.By) == 0 && len(w.Not) == 0 }

// lately is how long a waiver that is over is still told beside what it had
// accepted.
const lately = 30 * 24 * time.Hour

// Waive says what of the finding is waived at the book's instant; nil when no
// waiver is about it. Only what needs somebody can be: not-satisfied and gap.
// That something could not be told, or is too old, is accepted by nobody.
func (b *Book) Waive(ctx context.Context, f Failing) (*Waived, error) {
	if f.Status != evidence.NotSatisfied && f.Status != evidence.Gap {
		return nil, nil
	}
	w := &Waived{Of: len(f.Failed) + f.Cut}
	covered := map[uint64]time.Time{} // until when
	var all time.Time                 // of a gap
	for _, s := range b.All {
		if s.Type != Waiver || !s.About(f.Control) || s.State(b.At) == Pending {
			continue
		}
		i := slices.IndexFunc(s.Tests, func(t evidence.WaivedTest) bool { return t.Test == f.Test })
		if i < 0 {
			continue
		}
		if why := b.refusal(s, s.Tests[i].Rule, &f); why != "" {
			if s.End().IsZero() || b.At.Sub(s.End()) <= lately {
				w.Not = append(w.Not, Refusal{s, why})
			}
			continue
		}
		if f.Status == evidence.Gap {
			w.By = append(w.By, s)
			if s.End().After(all) {
				all = s.End()
			}
			continue
		}
		n, whyNot, err := b.cover(ctx, s, &f, covered)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			w.By = append(w.By, s)
		}
		if whyNot != "" {
			w.Not = append(w.Not, Refusal{s, whyNot})
		}
	}
	w.Items = len(covered)
	w.Whole, w.Until = f.Status == evidence.Gap && len(w.By) > 0, all
	if f.Status == evidence.NotSatisfied && w.Of > 0 && w.Items == w.Of {
		w.Whole = true
		for _, until := range covered {
			if w.Until.IsZero() || until.Before(w.Until) {
				w.Until = until
			}
		}
	}
	if w.none() {
		return nil, nil
	}
	slices.SortStableFunc(w.By, func(x, y *Recorded) int { return cmp.Or(x.End().Compare(y.End()), cmp.Compare(x.Seq, y.Seq)) })
	return w, nil
}

// refusal says why the waiver accepts nothing of the finding; "" when it may.
func (b *Book) refusal(s *Recorded, rule evidence.Hash, f *Failing) string {
	switch s.State(b.At) {
	case Void:
		return s.Void
	case Ended:
		return "it was ended " + evidence.FormatTime(s.Ended)
	case Expired:
		return "it ran out " + evidence.FormatTime(s.Until)
	}
	switch {
	case rule != f.Rule:
		return fmt.Sprintf("the rule of %s is another than the one it was approved for", f.Test)
	case f.Status == evidence.Gap && len(s.Records)+len(s.Subjects) > 0:
		return "it accepts single failures, and here nothing was found at all"
	case f.Cut > 0 && len(s.Records)+len(s.Subjects) == 0:
		return fmt.Sprintf("%d items failed, and who did it is looked at for the first %d", len(f.Failed)+f.Cut, len(f.Failed))
	}
	return ""
}

// cover notes the items that the waiver accepts, how many and why not others
// that it names.
func (b *Book) cover(ctx context.Context, s *Recorded, f *Failing, covered map[uint64]time.Time) (n int, whyNot string, err error) {
	for _, seq := range f.Failed {
		d, err := b.deed(ctx, seq)
		if err != nil {
			return 0, "", err
		}
		if !s.names(seq, d) {
			continue
		}
		if why := b.own(ctx, s.Approver, seq, d); why != "" {
			whyNot = why
			continue
		}
		n++
		if s.End().After(covered[seq]) {
			covered[seq] = s.End()
		}
	}
	return n, whyNot, nil
}

// names reports whether the waiver is about the item.
func (s *Recorded) names(seq uint64, d *deed) bool {
	if len(s.Records)+len(s.Subjects) == 0 || slices.Contains(s.Records, seq) {
		return true
	}
	return slices.ContainsFunc(s.Subjects, func(r evidence.Ref) bool { return slices.Contains(d.about, r) })
}

// deed is what an item's record says of who did what.
type deed struct {
	about  []evidence.Ref
	actors []evidence.Party
	at     time.Time
}

func (b *Book) deed(ctx context.Context, seq uint64) (*deed, error) {
	if d, ok := b.actors[seq]; ok {
		return d, nil
	}
	rec, err := b.reader.Record(ctx, seq)
	if err != nil {
		return nil, fmt.Errorf("record %d, which failed: %w", seq, err)
	}
	d := &deed{about: append([]evidence.Ref{rec.Subject}, rec.Links...), at: rec.Occurred}
	for _, p := range rec.People {
		if p.Role != evidence.RoleReviewer {
			d.actors = append(d.actors, p)
		}
	}
	b.actors[seq] = d
	return d, nil
}

// own says why the approver does not count for the item: the approver, or
// somebody who cannot be told apart, did it. Nobody accepts their own failure.
func (b *Book) own(ctx context.Context, approver evidence.Party, seq uint64, d *deed) string {
	for _, p := range d.actors {
		switch is, why := b.persons.Same(ctx, approver, p, d.at); is {
		case mappings.OnePerson:
			return fmt.Sprintf("its approver did what failed in record %d%s", seq, why)
		case mappings.NotTold:
			return fmt.Sprintf("it is not known whether its approver did what failed in record %d: %s", seq, why)
		}
	}
	return ""
}
