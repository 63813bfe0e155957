// Package controls tells what a catalog asks: which controls there are, and
// everything about one of them. It reads a catalog and, when there is one, what
// the configured sources give; it needs neither evidence nor a daemon.
package controls

import (
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings"
)

// Source is one configured source that gives a kind of evidence.
type Source struct {
	Name   evidence.SourceID `json:"name"`
	Paused bool              `json:"paused,omitempty"`
}

// Sources are the configured sources by the kinds they give. Nil: there is no
// configuration to tell from.
type Sources map[evidence.Kind][]Source

// Filter narrows a list. The zero value leaves everything in. Values of one
// field widen, fields narrow together.
type Filter struct {
	Laws       []string // acts, by id or name
	Status     string   // in-force or preparing; "" for both
	Tiers      []string // meant for such a tenant
	Tags       []string
	Entities   []string
	Sources    []string // kinds, or their begin: artifact, artifact.scan
	Unanswered bool     // those alone that no source answers yet
}

// List is the JSON document of evidenced controls.
type List struct {
	At         time.Time       `json:"at"`
	Catalog    evidence.Hash   `json:"catalog"`
	Answered   int             `json:"answered"`   // with tests
	Unanswered int             `json:"unanswered"` // without: no source gives what they need
	Preparing  int             `json:"preparing"`  // of a law that does not apply yet at that time
	Acts       []*mappings.Act `json:"acts"`       // of the controls, in the catalog's order
	Controls   []Listed        `json:"controls"`
}

// Listed is one control of a list.
type Listed struct {
	ID           evidence.ControlID `json:"id"`
	Act          string             `json:"act"`
	Reference    string             `json:"reference"` // DORA Art. 9(4)(e)
	Title        string             `json:"title"`
	Severity     string             `json:"severity"`
	Role         string             `json:"role,omitempty"`
	Tiers        []string           `json:"tiers,omitempty"`
	Tags         []string           `json:"tags,omitempty"`
	Entities     []string           `json:"entities,omitempty"`
	InForceSince string             `json:"in_force_since"`
	Force        mappings.Force     `json:"force"`
	ValidFrom    string             `json:"valid_from,omitempty"`
	ValidTo      string             `json:"valid_to,omitempty"`
	Tests        []ListedTest       `json:"tests,omitempty"`
	Kinds        []evidence.Kind    `json:"kinds,omitempty"` // whose coverage its tests need
	AnsweredBy   string             `json:"answered_by,omitempty"`

	article string
}

// ListedTest is one test of a listed control.
type ListedTest struct {
	ID       string `json:"id"`
	Strength string `json:"strength"`
}

// Build lists the controls of a catalog that pass the filter, as of a moment.
// A filter that names what the catalog does not know is a problem of code
// usage.
func Build(cat *mappings.Catalog, f Filter, at time.Time) (*List, error) {
	if err := f.check(cat); err != nil {
		return nil, err
	}
	l := &List{At: at.UTC(), Catalog: cat.Hash(), Acts: []*mappings.Act{}, Controls: []Listed{}}
	for _, c := range cat.Controls() {
		x := listed(c, at)
		if !f.takes(c, &x) {
			continue
		}
		l.Controls = append(l.Controls, x)
		if !slices.Contains(l.Acts, c.Act) {
			l.Acts = append(l.Acts, c.Act)
		}
		if c.Unanswered() {
			l.Unanswered++
		} else {
			l.Answered++
		}
		if x.Force == mappings.Preparing {
			l.Preparing++
		}
	}
	return l, nil
}

func listed(c *mappings.Control, at time.Time) Listed {
	x := Listed{
		ID: c.ID, Act: c.Act.ID, Reference: c.Reference(), Title: c.Title, Severity: c.Severity, Role: c.Role, Tiers: c.Tiers, Tags: c.Tags,
		Entities: c.Entities, InForceSince: c.InForceSince, Force: c.ForceAt(at), ValidFrom: c.ValidFrom, ValidTo: c.ValidTo,
		AnsweredBy: c.AnsweredBy, article: c.Article,
	}
	for _, r := range c.Tests {
		x.Tests = append(x.Tests, ListedTest{r.Test.ID, r.Strength})
		x.Kinds = append(x.Kinds, r.Test.Needs()...)
	}
	slices.Sort(x.Kinds)
	x.Kinds = slices.Compact(x.Kinds)
	return x
}

// tiersOf are the tiers that a tenant can have, and those that own catalogs name.
func tiersOf(cat *mappings.Catalog) []string {
	known := []string{"basic", "advanced", "premium"}
	for _, c := range cat.Controls() {
		for _, t := range c.Tiers {
			if !slices.Contains(known, t) {
				known = append(known, t)
			}
		}
	}
	return known
}

func (f *Filter) check(cat *mappings.Catalog) error {
	for _, law := range f.Laws {
		if _, err := cat.Law(law); err != nil {
			return err
		}
	}
	if f.Status != "" && f.Status != string(mappings.InForce) && f.Status != string(mappings.Preparing) {
		return problem.New(problem.Usage, "--status %q is neither in-force nor preparing", f.Status).
			WithHint("verdicts on a tenant's evidence are asked for with evidenced assess")
	}
	for _, tier := range f.Tiers {
		if known := tiersOf(cat); !slices.Contains(known, tier) {
			return problem.New(problem.Usage, "there is no tier %q", tier).WithHint("there are %s", strings.Join(known, ", "))
		}
	}
	for _, e := range f.Entities {
		if known := cat.Sorts(); !slices.Contains(known, e) {
			return problem.New(problem.Usage, "no law of the catalog knows an entity %q", e).WithHint("there are %s", strings.Join(known, ", "))
		}
	}
	for _, s := range f.Sources {
		if !slices.ContainsFunc(evidence.Kinds(), func(k evidence.Info) bool { return begins(k.Kind, s) }) {
			return problem.New(problem.Usage, "there is no kind of evidence %q", s).
				WithHint("give a kind such as artifact.scan, or its begin: artifact")
		}
	}
	return nil
}

// begins reports whether the kind is the one named, or one below it.
func begins(k evidence.Kind, name string) bool {
	name = strings.TrimSuffix(strings.TrimSuffix(name, "*"), ".")
	return name != "" && (string(k) == name || strings.HasPrefix(string(k), name+"."))
}

func (f *Filter) takes(c *mappings.Control, x *Listed) bool {
	switch {
	case len(f.Laws) > 0 && !slices.ContainsFunc(f.Laws, c.Act.Is):
	case f.Status != "" && string(x.Force) != f.Status:
	case f.Unanswered && !c.Unanswered():
	case !meant(c.Tiers, f.Tiers) || !meant(c.Tags, f.Tags) || !meant(c.Entities, f.Entities):
	case len(f.Sources) > 0 && !slices.ContainsFunc(x.Kinds, func(k evidence.Kind) bool {
		return slices.ContainsFunc(f.Sources, func(s string) bool { return begins(k, s) })
	}):
	default:
		return true
	}
	return false
}

// meant reports whether a control that names these is meant for one of what is
// asked for. A control that names none is meant for all.
func meant(names, asked []string) bool {
	return len(asked) == 0 || len(names) == 0 || slices.ContainsFunc(asked, func(a string) bool { return slices.Contains(names, a) })
}
