package collectors

import (
	"slices"

	"evidenced/evidence"
)

// Beginner is a Sink that can be told that a list begins anew. A collector
// that stays with its source and lists the same things again needs it: what it
// emitted since the last list would else count as part of the next one, and
// what was deleted in between, unseen, would never end.
type Beginner interface {
	// Begin says that a full list of the kind within scope begins: for
	// Complete, nothing of it has been emitted yet.
	Begin(kind evidence.Kind, scope evidence.Ref)
}

// Begin implements Beginner.
func (s *sink) Begin(kind evidence.Kind, scope evidence.Ref) {
	for subject := range s.seen[kind] {
		if scope.IsZero() || slices.Contains(s.r.states[kind][subject].scope, scope) {
			delete(s.seen[kind], subject)
		}
	}
}
