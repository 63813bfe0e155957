package mappings

import (
	"fmt"
	"slices"
	"strings"

	"evidenced/evidence"
)

// NoSort is said of a tenant or a platform that is none of the sorts of
// entities that laws bind.
const NoSort = "none"

// moreSorts are sorts that people are and that no control of this program's
// catalog names by itself.
var moreSorts = []string{"data-holder", "ict-provider", NoSort}

// Sorts returns the words that may be said of what a tenant is: every sort of
// entity that an act or control of the catalog binds, and a few more. Sorted.
func (c *Catalog) Sorts() []string {
	all := slices.Clone(moreSorts)
	for _, a := range c.acts {
		all = append(all, a.Entities...)
	}
	for _, k := range c.controls {
		all = append(all, k.Entities...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Binds reports whether the control is a duty of one who is of these sorts; see
// [evidence.Applicability].
func (c *Control) Binds(sorts []string) bool { return c.applicability().Binds(sorts) }

// binds reports whether the control is judged. Controls asked for by name are.
func (in *Input) binds(c *Control) bool { return len(in.Controls) > 0 || c.Binds(in.Entities) }

// unbound is the finding of a test of a control that does not bind: nothing was
// looked at for it.
func (a *assessment) unbound(c *Control, ref TestRef) evidence.Finding {
	t := ref.Test
	p := a.judged(t)
	f := evidence.Finding{
		Tenant: a.in.Reader.Tenant(), Control: c.ID, Article: c.Reference(), Title: c.Title,
		Test: t.ID, RuleHash: t.hash, Period: p, Size: a.in.Reader.Size(),
		Severity: c.Severity, Strength: ref.Strength, View: t.View, Query: t.Population, Assertion: t.Assertion,
		Status: evidence.NotApplicable, Reason: evidence.ReasonEntity, Summary: a.whyUnbound(c), Limits: limits(c, t),
	}
	if a.in.running() {
		f.Period.To = a.in.Period.To
	}
	if c.ForceOver(p) == Preparing {
		f.Preparing = c.InForceSince
	}
	return f
}

func (a *assessment) whyUnbound(c *Control) string {
	sorts := slices.DeleteFunc(slices.Clone(a.in.Entities), func(s string) bool { return s == NoSort })
	what := "none that a law binds"
	if len(sorts) > 0 {
		what = strings.Join(sorts, ", ")
	}
	return fmt.Sprintf("It does not apply by the configuration: it binds %s; here the entity and its platform are %s.", strings.Join(c.Entities, ", "), what)
}
