package statement

import (
	"context"

	"evidenced/evidence"
	"evidenced/mappings"
)

// Beside is what people said that is told beside the findings in force.
type Beside struct {
	Waived   map[evidence.Ref]*ToldWaived // by finding
	Attested map[evidence.ControlID][]Told
	Scoped   map[evidence.ControlID][]Told
}

// Beside says what stands beside recorded findings at the book's instant.
func (b *Book) Beside(ctx context.Context, standing []mappings.Standing) (*Beside, error) {
	out := b.words()
	for i := range standing {
		w, err := b.Waive(ctx, OfFacts(&standing[i].FindingFacts))
		if err != nil {
			return nil, err
		}
		if w != nil {
			out.Waived[mappings.FindingRef(standing[i].Control, standing[i].Test)] = w.Tell(b.At)
		}
	}
	return out, nil
}

// BesideFindings says it of the findings of an assessment.
func (b *Book) BesideFindings(ctx context.Context, findings []evidence.Finding) (*Beside, error) {
	out := b.words()
	for i := range findings {
		w, err := b.Waive(ctx, OfFinding(&findings[i]))
		if err != nil {
			return nil, err
		}
		if w != nil {
			out.Waived[mappings.FindingRef(findings[i].Control, findings[i].Test)] = w.Tell(b.At)
		}
	}
	return out, nil
}

// words are the statements in force that are about controls.
func (b *Book) words() *Beside {
	out := &Beside{Waived: map[evidence.Ref]*ToldWaived{}, Attested: map[evidence.ControlID][]Told{}, Scoped: map[evidence.ControlID][]Told{}}
	for _, s := range b.All {
		if s.State(b.At) != InForce {
			continue
		}
		for _, c := range s.Controls {
			switch s.Type {
			case Attestation:
				out.Attested[c] = append(out.Attested[c], s.Tell(b.At))
			case Scope:
				out.Scoped[c] = append(out.Scoped[c], s.Tell(b.At))
			}
		}
	}
	return out
}

// Of returns what is accepted of a finding; nil for none. A nil Beside has none.
func (x *Beside) Of(control evidence.ControlID, test string) *ToldWaived {
	if x == nil {
		return nil
	}
	return x.Waived[mappings.FindingRef(control, test)]
}
