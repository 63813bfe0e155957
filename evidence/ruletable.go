package evidence

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Tenancy is what the configuration says a tenant is, as far as it decides
// which controls apply to it.
type Tenancy struct {
	Tier string   `json:"tier,omitempty"` // "": not known, so that controls for any tier apply
	Tags []string `json:"tags,omitempty"`
}

// Equal reports whether both say the same of a tenant. Nil is equal to nil alone.
func (t *Tenancy) Equal(u *Tenancy) bool {
	if t == nil || u == nil {
		return t == u
	}
	return t.Tier == u.Tier && slices.Equal(t.Tags, u.Tags)
}

// Applicability says to whom a control applies, and when its wording stands.
// Empty lists and days limit nothing.
type Applicability struct {
	Tiers     []string `json:"tiers,omitempty"`
	Tags      []string `json:"tags,omitempty"`
	Entities  []string `json:"entities,omitempty"`   // sorts of entities it binds
	ValidFrom string   `json:"valid_from,omitempty"` // first day it stands, 2026-09-11
	ValidTo   string   `json:"valid_to,omitempty"`   // first day it stands no more
}

// Why a control is left out of what is judged.
const (
	OutByTier    = "tier"    // it is for tenants of other tiers
	OutByTags    = "tags"    // it is for tenants with a tag that this one does not have
	OutByWording = "wording" // its wording stood in no part of the period
)

// Out says why a control is left out for a tenant, "" when it is judged. Of a
// tenant that the configuration does not name (nil) every control is judged.
func (a Applicability) Out(t *Tenancy) string {
	switch {
	case t == nil:
		return ""
	case len(a.Tiers) > 0 && t.Tier != "" && !slices.Contains(a.Tiers, t.Tier):
		return OutByTier
	case len(a.Tags) > 0 && !slices.ContainsFunc(a.Tags, func(s string) bool { return slices.Contains(t.Tags, s) }):
		return OutByTags
	}
	return ""
}

// StandsOver reports whether the wording stood in any part of the period.
func (a Applicability) StandsOver(p Period) bool {
	return (a.ValidFrom == "" || Day(a.ValidFrom).Before(p.To)) && (a.ValidTo == "" || Day(a.ValidTo).After(p.From))
}

// Binds reports whether the control is a duty of one who is of these sorts. It
// is when it names no sort, and when nothing is known of the other: a duty is
// never put aside because somebody forgot to say what he is.
func (a Applicability) Binds(sorts []string) bool {
	return len(a.Entities) == 0 || len(sorts) == 0 || slices.ContainsFunc(a.Entities, func(s string) bool { return slices.Contains(sorts, s) })
}

// Day reads a date such as 2026-09-11 as its begin in UTC; the zero time when
// the text is none.
func Day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}
	}
	return t
}

// RuleTable says by which tests a catalog judges which controls, and for whom:
// every pair of control and test there is. A platform.catalog record holds its
// hash, so that nobody can leave a pair out later.
type RuleTable struct {
	Controls []TableControl `json:"controls"` // sorted by control; those without tests too
	Tests    []TableTest    `json:"tests"`    // sorted by test
}

// TableControl is a control of a table.
type TableControl struct {
	Control  ControlID `json:"control"`
	Article  string    `json:"article"` // regulation and article, "DORA Art. 9(4)(e)"
	Severity string    `json:"severity"`
	InForce  string    `json:"in_force_since"` // date from which the law applies
	Applicability
	Tests []TableRef `json:"tests,omitempty"` // sorted by test
}

// TableRef is a test of a control.
type TableRef struct {
	Test     string `json:"test"`
	Strength string `json:"strength"`
}

// TableTest is a test of a table.
type TableTest struct {
	Test string `json:"test"`
	Rule Hash   `json:"rule"` // SHA-256 of its canonical text
}

// Hash is the SHA-256 of the table's canonical text: JSON with the names in the
// order of the types, without white space.
func (t *RuleTable) Hash() Hash {
	b, err := json.Marshal(t)
	if err != nil {
		panic("evidence: " + err.Error()) // plain values always marshal
	}
	return sha256.Sum256(b)
}

// Sort brings the table into its one order.
func (t *RuleTable) Sort() {
	slices.SortFunc(t.Controls, func(a, b TableControl) int { return cmp.Compare(a.Control, b.Control) })
	for _, c := range t.Controls {
		slices.SortFunc(c.Tests, func(a, b TableRef) int { return cmp.Compare(a.Test, b.Test) })
	}
	slices.SortFunc(t.Tests, func(a, b TableTest) int { return cmp.Compare(a.Test, b.Test) })
}

// Check reports what keeps the table from being one: ids out of order, twice (also
// in another case) or empty, a test of a control that stands in no list, a day
// that is none.
func (t *RuleTable) Check() error {
	known := map[string]bool{}
	var last string
	for _, x := range t.Tests {
		if err := follows("test", last, x.Test); err != nil {
			return err
		}
		last, known[x.Test] = x.Test, true
	}
	last = ""
	for _, c := range t.Controls {
		if err := follows("control", last, string(c.Control)); err != nil {
			return err
		}
		last = string(c.Control)
		test := ""
		for _, r := range c.Tests {
			if err := follows("control "+last+": test", test, r.Test); err != nil {
				return err
			}
			if test = r.Test; !known[test] {
				return fmt.Errorf("control %s has test %s, which is not in the list of tests", c.Control, test)
			}
		}
		for _, day := range []string{c.InForce, c.ValidFrom, c.ValidTo} {
			if day != "" && Day(day).IsZero() {
				return fmt.Errorf("control %s: %q is no date", c.Control, day)
			}
		}
	}
	return nil
}

// follows requires that an id is written in small letters, so that none differs
// from another by its case alone, and is larger than its neighbour.
func follows(what, before, id string) error {
	switch {
	case id == "" || id != strings.ToLower(id):
		return fmt.Errorf("%s %q: want an id in small letters", what, id)
	case id == before:
		return fmt.Errorf("%s %s stands there twice", what, id)
	case id < before:
		return fmt.Errorf("%s %s stands after %s; they must be sorted", what, id, before)
	}
	return nil
}
