package evidence

import "time"

// Facts of remedies: what a failed item is owed. See facts.go for the rules and
// docs/remedies.md for what they mean.

// RoleOwner is who sees to it that a remedy comes about.
const RoleOwner Role = "owner"

// RemedyFacts are the facts of remedy.plan: who sees to it that what failed is
// put right, why it failed and by when, in the manner of a plan of action and
// milestones (OSCAL). A plan accepts nothing and changes no status. The newest
// record of a subject holds; whatever is said in words stands in the text claim,
// see package evidence/remedy.
type RemedyFacts struct {
	Name     string      `json:"name"`
	Revision int         `json:"revision"` // 1 for the first record of the name
	For      []RemedyFor `json:"for"`      // by test, each once
	Cause    string      `json:"cause"`    // root cause, one of remedy.Causes
	// Due is the day by which it is to be done, FirstDue the one that was given
	// first. From Late on it is overdue: the end of that day where it was typed.
	Due      string    `json:"due"`
	FirstDue string    `json:"first_due"`
	Late     time.Time `json:"late_from"`
	Done     bool      `json:"said_done,omitempty"` // a person says that it is done
	Owner    int       `json:"owner"`               // index in People; -1: a role or a team, named in the text claim
	RemedyAct
}

// RemedyFor are the failures of a test that a plan is for: what failed when it
// was made, and nothing that fails later.
type RemedyFor struct {
	Test string `json:"test"`
	Rule Hash   `json:"rule"` // SHA-256 of the rule by which they failed
	// Records are those of the failed items, ascending. There are none where the
	// test found nothing at all, or nothing new enough: the plan is for that.
	Records []uint64 `json:"records,omitempty"`
	Cut     int      `json:"cut,omitempty"` // items that failed too and that no record names
}

// RemedyAct is what all records of a plan have.
type RemedyAct struct {
	By    string `json:"by"`    // user id of the process that asked, "uid 1000"
	Maker int    `json:"maker"` // index in People of who said it; -1: not named
}

// RemedyEndFacts are the facts of the end of a plan by its withdrawal. What
// failed is without a plan then.
type RemedyEndFacts struct {
	RemedyAct
}
