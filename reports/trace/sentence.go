package trace

import (
	"fmt"
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/lineage"
	"evidenced/reports"
)

// told are the stages that the sentence counts, in its order, and their nouns.
var counted = []struct {
	stage lineage.Stage
	noun  string
}{
	{lineage.Commit, "commit"}, {lineage.InfraRun, "run of infrastructure"}, {lineage.Image, "image"}, {lineage.App, "application"}, {lineage.Workload, "workload"}, {lineage.Pod, "pod"},
	{lineage.Secret, "secret"}, {lineage.Access, "secret access"}, {lineage.Audit, "audit line"}, {lineage.Certificate, "certificate"},
	{lineage.Issuer, "issuer"}, {lineage.Probe, "probed endpoint"}, {lineage.Backup, "backup"}, {lineage.Restore, "restore"}, {lineage.RestoreTest, "restore test"},
	{lineage.Workflow, "workflow"},
}

// speak makes the sentence: where it came from, what came of it, what is
// missing.
func (a *Answer) speak() {
	s := a.start()
	name := s.name()
	var parts []string
	if a.Direction != lineage.Forward {
		if list := a.count(func(it *Item) bool { return it.Back }); list != "" {
			parts = append(parts, "comes from "+list)
		}
	}
	if a.Direction != lineage.Backward {
		if list := a.count(func(it *Item) bool { return it.Forward }); list != "" {
			parts = append(parts, "leads to "+list)
		}
	}
	switch when := a.when(); {
	case len(parts) > 0:
		a.Sentence = fmt.Sprintf("%s in %s %s%s.", upper(name), a.Tenant, strings.Join(parts, ", and "), when)
	case len(a.Links) > 0:
		a.Sentence = fmt.Sprintf("%s in %s is linked with %s%s.", upper(name), a.Tenant, reports.Count(len(a.Items)-1, "thing"), when)
	case s.Stage == lineage.Other:
		a.Sentence = fmt.Sprintf("Nothing in the log of %s is linked with %s%s: it is none of the things that are traced.", a.Tenant, s.ID, when)
	default:
		a.Sentence = fmt.Sprintf("Nothing in the log of %s is linked with %s%s.", a.Tenant, name, when)
	}
	if by := a.approved(); by != "" {
		a.Sentence += " " + by
	}
	if in := a.containedIn(); in != "" {
		a.Sentence += " " + in
	}
	switch n := len(a.Missing); {
	case n == 1:
		a.Sentence += " 1 link is missing: " + a.missing(&a.Missing[0]) + "."
	case n > 1:
		a.Sentence += fmt.Sprintf(" %s are missing; the first: %s.", reports.Count(n, "link"), a.missing(&a.Missing[0]))
	}
	if len(a.Limits) > 0 {
		a.Sentence += " The trace is cut: " + strings.Join(a.Limits, "; ") + "."
	}
}

// containedIn says that what runs is not the commit asked for but a later one
// that contains it.
func (a *Answer) containedIn() string {
	n, first, weak := 0, "", false
	for _, l := range a.Links {
		if l.Step != lineage.StepContained {
			continue
		}
		if n++; n == 1 {
			first, weak = a.item(l.To).Title, l.Proof == lineage.ByOrder
		}
	}
	switch {
	case n == 0:
		return ""
	case weak:
		return "It was deployed under no id of its own: " + first + " landed on its branch later and contains it unless that was rewritten."
	case n == 1:
		return "It was deployed under no id of its own, contained in " + first + "."
	}
	return fmt.Sprintf("It was deployed under no id of its own, contained in %s and %s.", first, reports.Count(n-1, "later commit"))
}

func (a *Answer) when() string {
	switch {
	case !a.At.IsZero():
		return ", as of " + reports.Spoken(a.At, a.zone)
	case a.Window != nil:
		return ", within " + reports.Span(a.Window.From, a.Window.To)
	case len(a.Links) > 0 && len(a.Links[0].Spans) == 1 && a.common(a.Links[0].Spans):
		if s := a.Links[0].Spans[0]; !s.From.IsZero() && s.To.Sub(s.From) <= 1 {
			return ", as it was at " + reports.Spoken(s.From, a.zone)
		}
	}
	return ""
}

func (a *Answer) count(in func(*Item) bool) string {
	var parts []string
	for _, c := range counted {
		n, title := 0, ""
		for i := range a.Items {
			if it := &a.Items[i]; it.Stage == c.stage && in(it) {
				n++
				title = it.Title
			}
		}
		switch {
		case n == 1 && c.stage == lineage.Commit:
			parts = append(parts, "commit "+title)
		case n > 0:
			parts = append(parts, reports.Count(n, c.noun))
		}
	}
	return and(parts)
}

// approved says who approved and merged the changes of the trace.
func (a *Answer) approved() string {
	var reviewers, mergers []string
	changes := 0
	for _, it := range a.Items {
		if it.Stage != lineage.Change {
			continue
		}
		changes++
		for _, p := range it.People {
			switch p.Role {
			case evidence.RoleReviewer:
				reviewers = appendNew(reviewers, p.Label)
			case evidence.RoleMerger:
				mergers = appendNew(mergers, p.Label)
			}
		}
	}
	if changes == 0 {
		return ""
	}
	what := "The request was"
	if changes > 1 {
		what = fmt.Sprintf("Its %d requests were", changes)
	}
	said := "not seen to be approved"
	if len(reviewers) > 0 {
		said = "approved by " + and(reviewers)
	}
	if len(mergers) > 0 {
		said += " and merged by " + and(mergers)
	}
	return what + " " + said + "."
}

// missing says one missing link in a clause.
func (a *Answer) missing(m *lineage.Missing) string {
	it := a.item(m.Node)
	return fmt.Sprintf("for %s, %s (%s)", it.name(), m.What, m.Says)
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func and(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
