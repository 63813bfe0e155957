package forge

import (
	"slices"
	"time"

	"evidenced/evidence"
)

// Branches are the positions in the branches of a repository, by name.
type Branches map[string]*BranchState

// BranchState is how far a watched branch was read.
type BranchState struct {
	Head   string    `json:"head,omitempty"` // every commit it reaches was read
	Looked time.Time `json:"looked,omitzero"`
	Walk   *Walk     `json:"walk,omitempty"` // begun, not finished
	// Class and Cause are what the next claim may say at best, when something
	// was lost since Looked.
	Class evidence.Class `json:"class,omitempty"`
	Cause string         `json:"cause,omitempty"`
}

// Walk is a list of commits that pages do not shift in, since both ends are
// object ids.
type Walk struct {
	Base string `json:"base,omitempty"` // commits it reaches are left out; "": from the first commit
	Head string `json:"head"`
	Page int    `json:"page"`          // pages read
	Got  int    `json:"got,omitempty"` // commits on them
}

// Of returns the position in a branch, which begins with the first call.
func (b Branches) Of(name string) *BranchState {
	s := b[name]
	if s == nil {
		s = &BranchState{}
		b[name] = s
	}
	return s
}

// Unwatched lists, by name, the branches with a position that are watched no
// longer.
func (b Branches) Unwatched(watched []string) []string {
	return slices.DeleteFunc(Sorted(b), func(name string) bool { return slices.Contains(watched, name) })
}

// Start is where the first walk of a branch may stop: at the head of a branch of
// the same repository that was walked before it, which are those before it in
// watched; "" when there is none.
func (b Branches) Start(name string, watched []string) string {
	for _, w := range watched {
		if w == name {
			break
		}
		if s := b[w]; s != nil && s.Head != "" && s.Walk == nil {
			return s.Head
		}
	}
	return ""
}

// Valid reports whether s is a position: ids are object ids.
func (s *BranchState) Valid() bool {
	if s == nil || s.Head != "" && !ObjectID.MatchString(s.Head) {
		return false
	}
	w := s.Walk
	return w == nil || ObjectID.MatchString(w.Head) && (w.Base == "" || ObjectID.MatchString(w.Base)) && w.Page >= 0
}

// Rewritten notes what the next claim may say at best after the branch was
// rewritten; gone says that the source has the former head no more.
func (s *BranchState) Rewritten(gone bool) {
	switch {
	case gone:
		s.Class, s.Cause = evidence.Blind, "a branch was rewritten and its former head is gone: commits between the looks may be lost"
	case s.Class != evidence.Blind:
		s.Class, s.Cause = evidence.Reconstructed, "a branch was rewritten: what was pushed and dropped between the looks was not seen"
	}
}

// Claimed moves the position in time to a look whose claim was committed.
func (s *BranchState) Claimed(at time.Time) { s.Looked, s.Class, s.Cause = at, "", "" }

// BranchDeleted is the cause that stands with the last claim of a branch.
const BranchDeleted = "a branch was deleted: what was pushed to it before was not seen"

// Weakest returns the one claim that holds for all of several branches, of which
// there is one at least: a claim does not name branches.
func Weakest(seen []evidence.Seen) evidence.Seen {
	worst := seen[0]
	for _, s := range seen[1:] {
		if s.Class.Rank() < worst.Class.Rank() || s.Class == worst.Class && s.From.After(worst.From) {
			worst = s
		}
	}
	return worst
}
