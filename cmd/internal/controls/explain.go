package controls

import (
	"maps"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/mappings"
)

// Explained is the JSON document of evidenced controls explain: everything
// about one control.
type Explained struct {
	Listed
	At          time.Time          `json:"at"`
	Law         *mappings.Act      `json:"law"`
	Objective   string             `json:"objective"`
	CannotProve string             `json:"cannot_prove"`
	Unverified  string             `json:"unverified,omitempty"`
	Replaces    evidence.ControlID `json:"replaces,omitempty"`
	Told        []ExplainedTest    `json:"tests_explained"`
	// Feeds says for each kind its tests need which configured sources give
	// it. Without a configuration it is left out.
	Feeds []Feed `json:"feeds,omitempty"`
	// NotTo are the configured tenants to which it does not apply, because it
	// binds other sorts of entities.
	NotTo []string `json:"not_applicable_to,omitempty"`
}

// ExplainedTest is one test of an explained control.
type ExplainedTest struct {
	*mappings.Test
	Strength string          `json:"strength"`
	Rule     evidence.Hash   `json:"rule"` // SHA-256 of the test's canonical text
	Needs    []evidence.Kind `json:"needs"`
	ViewDoc  string          `json:"view_doc"`
}

// Feed is one kind of evidence and who gives it.
type Feed struct {
	Kind evidence.Kind `json:"kind"`
	Says string        `json:"says"`
	// Own kinds are made by evidenced itself.
	Own     bool     `json:"own,omitempty"`
	Sources []Source `json:"sources"`
}

// Sorts are the sorts of entities that count for each tenant, by its name; one
// that does not say what it is has none. Nil: there is no configuration.
type Sorts map[string][]string

// Explain tells everything about a control, as of a moment. An id that the
// catalog does not have is a problem of code not-found.
func Explain(cat *mappings.Catalog, id string, at time.Time, sources Sources, sorts Sorts) (*Explained, error) {
	c, err := cat.Named(id)
	if err != nil {
		return nil, err
	}
	e := &Explained{
		Listed: listed(c, at), At: at.UTC(), Law: c.Act, Objective: c.Objective, CannotProve: c.CannotProve, Unverified: c.Unverified, Replaces: c.Replaces,
		Told: []ExplainedTest{},
	}
	for _, tenant := range slices.Sorted(maps.Keys(sorts)) {
		if !c.Binds(sorts[tenant]) {
			e.NotTo = append(e.NotTo, tenant)
		}
	}
	docs := map[string]string{}
	for _, v := range mappings.Views() {
		docs[v.Name] = v.Doc
	}
	for _, r := range c.Tests {
		e.Told = append(e.Told, ExplainedTest{r.Test, r.Strength, r.Test.Hash(), r.Test.Needs(), docs[r.Test.View]})
	}
	if sources != nil {
		for _, k := range e.Kinds {
			info, _ := evidence.KindInfo(k)
			given := sources[k]
			if given == nil {
				given = []Source{}
			}
			e.Feeds = append(e.Feeds, Feed{k, info.Says, info.Own, given})
		}
	}
	return e, nil
}
