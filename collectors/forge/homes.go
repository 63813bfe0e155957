// Package forge holds what collectors of code forges have in common, so that
// GitHub, GitLab, plain git and the registry beside them say the same thing in
// the same way: who took part, what a thing is called, whose it is, how far a
// list was read, what ends a run. It knows no forge's API and dials nothing.
package forge

import (
	"slices"
	"time"

	"evidenced/evidence"
)

// MaxHomes bounds the homes of one source.
const MaxHomes = 200

// Homes tells whose people act on a forge. A forge's events name an account and
// nothing of where it belongs; what says so is membership of teams or groups
// that the configuration names. An account of no such team, one that the forge
// did not name, and whoever acted before membership was first read belong to
// nobody that is known: tenancy rules then find no tenant, which is told as
// such and never as the owner's own.
//
// A nil Homes says nothing of anybody. It may be read by many at a time once it
// is filled.
type Homes struct {
	source    evidence.SourceID
	authority string
	key       string
	since     time.Time
	of        map[int64][]string // names of homes, by account
}

// HomesState is what a position keeps of the homes: since when the same ones
// are known.
type HomesState struct {
	Names []string  `json:"names,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// NewHomes makes the homes of a source in which nobody is at home yet. key is
// the label's key in the scope of who acts, such as "github-team".
func NewHomes(source evidence.SourceID, authority, key string) *Homes {
	return &Homes{source: source, authority: authority, key: key}
}

// Fill makes known who is at home where, by account, each read in full at now.
// state is brought up to date: a list of names that changed begins anew, since
// who was at home in a new one before is not known.
func (h *Homes) Fill(names []string, members map[int64][]string, state *HomesState, now time.Time) {
	if len(names) == 0 {
		*state = HomesState{}
		return
	}
	names = slices.Sorted(slices.Values(names))
	if !slices.Equal(names, state.Names) || state.Since.IsZero() {
		*state = HomesState{names, now}
	}
	h.since, h.of = state.Since, members
}

// Scope gives what tenancy rules look at to tell whose the account is that
// acted at a time: a label KEY=NAME for each home. When that is not known it is
// the source alone, which no rule owns. account is 0 for somebody whom the
// forge did not name by number.
func (h *Homes) Scope(account int64, at time.Time) []evidence.Ref {
	if h == nil {
		return nil
	}
	var refs []evidence.Ref
	if account > 0 && !h.since.IsZero() && !at.Before(h.since) {
		for _, n := range h.of[account] {
			refs = append(refs, evidence.NewRef("label", h.authority, h.key+"="+n))
		}
	}
	if len(refs) == 0 {
		return []evidence.Ref{evidence.NewRef("source", "", string(h.source))}
	}
	return refs
}
