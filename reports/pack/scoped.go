package pack

import (
	"fmt"
	"slices"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// scope is a scope.statement record whose content the pack discloses.
type scope struct {
	evidence.ScopeFacts
	seq     uint64
	subject evidence.Ref
	people  []evidence.Party
}

// readScope keeps what a scope statement says.
func (l *learned) readScope(lf *chain.Leaf, plain []byte) error {
	s := scope{seq: lf.Seq, people: lf.People}
	subject, said, err := l.readStatement(lf, plain, &s.ScopeFacts)
	if err != nil || !said {
		return err
	}
	s.subject = subject
	l.scopes = append(l.scopes, s)
	return nil
}

// scoped requires that a finding which is not applicable because nothing was
// found, and somebody said in due form that nothing has to be, stands on such a
// statement in the pack: approved by another, and in force over all that is
// judged.
func (v *verifier) scoped(f *Finding) error {
	end := v.judgedTo()
	if slices.ContainsFunc(v.scopes, func(s scope) bool {
		if s.Control != f.Control {
			return false
		}
		ended, early := v.endedAt(s.subject, s.seq)
		over := !s.Until.IsZero() && s.Until.Before(end) || early && ended.Before(end)
		return !over && !s.From.IsZero() && !s.From.After(f.Period.From) && v.approved(s.people, s.Approval)
	}) {
		return nil
	}
	return fmt.Errorf("finding %s: not applicable, but no approved statement in the pack says so of %s over %s", f.name(), f.Control, f.Period)
}
