package timeline

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// The acts of an incident. Each stands in the timeline when it was done and
// says the time that it speaks of.

// incident names it by the begin of its id, which the commands take too.
func (t *teller) incident() string {
	id := []rune(t.rec.Subject.Name)
	return "incident " + string(id[:min(len(id), 8)])
}

// when says a moment of the past in UTC.
func when(at time.Time) string { return at.UTC().Format("2 Jan 2006 15:04 UTC") }

func (t *teller) incidentDeclared(f evidence.IncidentDeclaredFacts) string {
	s := "incident " + t.rec.Subject.Name + " was declared"
	if f.Part {
		s += ", part of one of the platform's"
	}
	if n := len(f.Affected); n > 0 {
		s += ", affecting " + reports.Count(n, "tenant")
	}
	return s
}

func (t *teller) incidentUpdated(f evidence.IncidentUpdatedFacts) string {
	var groups map[string]map[string]any
	if len(f.Set) > 0 && json.Unmarshal(f.Set, &groups) != nil {
		return t.incident() + ": fields set"
	}
	names := slices.Collect(maps.Keys(groups))
	for _, p := range f.Texts {
		group, _, _ := strings.Cut(p, ".")
		names = append(names, group)
	}
	slices.Sort(names)
	return t.incident() + ": set what is known of " + strings.Join(slices.Compact(names), ", ")
}

func (t *teller) incidentMoment(f evidence.IncidentMomentFacts) string {
	s := fmt.Sprintf("%s: aware for %s since %s, as declared", t.incident(), f.Law, when(f.At))
	if n := len(f.Candidates); n > 0 {
		s += "; " + reports.Count(n, "earlier candidate")
	}
	return s
}

func (t *teller) incidentDecision(f evidence.IncidentDecisionFacts) string {
	if f.Decision == "" {
		return fmt.Sprintf("%s was looked at for %s: the procedure says %s, nobody decided", t.incident(), f.Law, f.Procedure)
	}
	s := fmt.Sprintf("%s: decided %s for %s at %s, the procedure says %s", t.incident(), f.Decision, f.Law, when(f.At), f.Procedure)
	if p := f.Decider; p >= 0 {
		s += "; by " + t.name(p)
	}
	return s
}

func (t *teller) incidentNotice(f evidence.IncidentNoticeFacts) string {
	what := map[string]string{"sent": "was sent", "receipt": "was received", "delay": "cannot keep its limit, as the authority was told", "request": "was asked for"}[f.Act]
	s := fmt.Sprintf("%s: %s %s at %s", t.incident(), f.Stage, strings.TrimSpace(what), when(f.At))
	if f.Clock != nil && f.Clock.Late {
		s += ", late: the limit was " + when(f.Clock.Latest)
	}
	return s
}

func (t *teller) incidentContact(f evidence.IncidentContactFacts) string {
	return t.incident() + ": the " + f.Place + " contact was named"
}

func (t *teller) incidentClosed(f evidence.IncidentClosedFacts) string {
	if f.Reopen {
		return t.incident() + " was opened again"
	}
	s := t.incident() + " was closed at " + when(f.At)
	if n := len(f.Open); n > 0 {
		s += ", " + reports.Count(n, "stage") + " not met"
	}
	return s
}
