package mappings

import (
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// People name laws and controls on command lines, in requests and in files. What
// they name is looked for here, so that the same slip has the same answer, and a
// program the same exit code, wherever it is made.

// Is reports whether a person who names a law means the act: by its id or by its
// name, whatever the case.
func (a *Act) Is(named string) bool {
	return strings.EqualFold(a.ID, named) || strings.EqualFold(a.Name, named)
}

// Law returns the act that a person names. Laws are the values of a filter: one
// that is none of them is a problem of code usage.
func (c *Catalog) Law(named string) (*Act, error) {
	var known []string
	for _, a := range c.acts {
		if a.Is(named) {
			return a, nil
		}
		known = append(known, a.ID)
	}
	hint := "there are " + strings.Join(known, ", ")
	if n := nearest(strings.ToLower(named), known); n != "" {
		hint = "did you mean " + n + "? " + hint
	}
	return nil, problem.New(problem.Usage, "the catalog has no law %.80q", named).WithHint("%s", hint)
}

// Named returns the control that a person names by its id. One that is not there
// is a problem of code not-found.
func (c *Catalog) Named(id string) (*Control, error) {
	if ctl, ok := c.Control(evidence.ControlID(id)); ok {
		return ctl, nil
	}
	return nil, problem.New(problem.NotFound, "there is no control %.80q in the catalog", id).WithHint("%s", c.near(id))
}

// near proposes ids for one that is not there: those that share the longest begin
// with it.
func (c *Catalog) near(id string) string {
	best, ids := 0, []string{}
	for _, ctl := range c.controls {
		n := 0
		for n < len(id) && n < len(ctl.ID) && id[n] == ctl.ID[n] {
			n++
		}
		switch {
		case n < 3 || n < best:
		case n > best:
			best, ids = n, []string{string(ctl.ID)}
		case len(ids) < 5:
			ids = append(ids, string(ctl.ID))
		}
	}
	if len(ids) == 0 {
		return "evidenced controls lists them all"
	}
	slices.Sort(ids)
	return "did you mean " + strings.Join(ids, ", ") + "? evidenced controls lists them all"
}
