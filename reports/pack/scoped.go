package pack

import (
	"fmt"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// scope is a scope.statement record whose content the pack discloses.
type scope struct {
	scopeFacts
	seq     uint64
	subject evidence.Ref
	people  []evidence.Party
}

// readScope keeps what a scope statement says.
func (l *learned) readScope(lf *chain.Leaf, plain []byte) (weight int, err error) {
	s := scope{seq: lf.Seq, people: lf.People}
	c, said, err := l.readStatement(lf, plain, &s.scopeFacts)
	if err != nil || !said {
		return c.weight, err
	}
	s.subject = c.Subject
	l.scopes = append(l.scopes, s)
	return c.weight + weightEach*len(s.people), nil
}

// scoped requires that a finding which is not applicable because nothing was
// found, and somebody said in due form that nothing has to be, stands on such a
// statement in the pack: approved by another, and in force over all that is
// judged.
func (v *verifier) scoped(f *Finding) error {
	if from, said := v.outOfScope()[f.Control]; said && !from.After(f.Period.From) {
		return nil
	}
	return fmt.Errorf("finding %s: not applicable, but no approved statement in the pack says so of %s over %s", f.name(), f.Control, f.Period)
}

// outOfScope says since when controls do not apply, by the statements that hold up
// to the end of what is judged. All findings ask the same.
func (v *verifier) outOfScope() map[evidence.ControlID]time.Time {
	if v.aside != nil {
		return v.aside
	}
	v.aside = map[evidence.ControlID]time.Time{}
	end := v.judgedTo()
	for _, s := range v.scopes {
		ended, early := v.endedAt(s.subject, s.seq)
		over := !s.Until.IsZero() && s.Until.Before(end) || early && ended.Before(end)
		if over || s.From.IsZero() || !v.approved(s.people, s.Approval) {
			continue
		}
		if since, said := v.aside[s.Control]; !said || s.From.Before(since) {
			v.aside[s.Control] = s.From
		}
	}
	return v.aside
}
