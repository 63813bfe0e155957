package argocd

import (
	"time"

	"evidenced/evidence"
)

// state remembers the parts of an application's last state, so that the next
// look can tell what changed and whether the source says when.
type state struct {
	Since  time.Time `json:"since,omitzero"` // OccurredAt of the last state emitted
	Health time.Time `json:"health_at,omitzero"`
	Parts  parts     `json:"parts"`
}

// parts are short hashes of what a state is made of.
type parts struct {
	Declared   string `json:"d"` // sources, destination, project, policy, conditions
	Synced     string `json:"s"` // newest successful sync
	Compared   string `json:"c"` // verdict of the comparison
	Revisions  string `json:"r"` // revisions compared with
	Health     string `json:"h"`
	Images     string `json:"i"`
	Objects    string `json:"o"`  // managed objects and their sync status
	ObjectLife string `json:"oh"` // their health
}

func partsOf(f evidence.DeployFacts) parts {
	bare := make([]evidence.DeployObject, len(f.Resources))
	life := make([]string, len(f.Resources))
	for i, o := range f.Resources {
		life[i] = o.Health
		o.Health = ""
		bare[i] = o
	}
	declared := []any{f.App, f.Project, f.Server, f.Namespace, f.Sources, f.Automated, f.SelfHeal, f.Prune, f.Conditions}
	if f.Ignores > 0 { // what ignores nothing is known by the hash that it had before this was read
		declared = append(declared, f.Ignores)
	}
	return parts{
		Declared: hashJSON(declared),
		Synced:   hashJSON([]any{f.SyncedRevisions, f.SyncedAt, f.HistoryID}),
		Compared: f.Sync, Revisions: hashJSON(f.Revisions), Health: f.Health,
		Images: hashJSON(f.Images), Objects: hashJSON([]any{bare, f.ResourcesCut}), ObjectLife: hashJSON(life),
	}
}

// when is the time part of a state draft.
type when struct {
	at        time.Time
	basis     evidence.Basis
	notBefore time.Time
	changed   bool // the state differs from the one remembered
}

// maxAhead is how far a source's time may lie after ours and still be
// believed.
const maxAhead = 5 * time.Minute

// next decides when the state in f began and remembers it. seen is the last
// sighting of the application, zero when there was none; missed is the last
// complete look, which did not show it, for an application that is new.
//
// The source's own time is used only when it explains every part that changed:
// a sync that finished explains the revisions, the images, the objects and the
// verdict "Synced"; the health's transition time explains the health. A
// verdict "OutOfSync", a changed declaration or an object's health that
// changed alone have no time of their own in Argo CD: such a state is observed
// now and began at some point after the last sighting.
func (s *state) next(f evidence.DeployFacts, healthAt, now, seen, missed time.Time) when {
	p := partsOf(f)
	fresh := s.Since.IsZero()
	w := when{at: now, basis: evidence.BasisObserved, notBefore: seen, changed: fresh || p != s.Parts}
	switch {
	case fresh:
		w.notBefore = missed
	case !w.changed:
		// Said again for the runner, which ends what a full list leaves out. It
		// never stands before the state that it repeats: there it would be told
		// as one more change, in a time that may have had another state.
		if now.Before(s.Since) {
			w.at = s.Since
		}
		return w
	default:
		if t, ok := explained(s, p, f.SyncedAt, healthAt); ok && t.After(s.Since) && !t.After(now.Add(maxAhead)) {
			w.at, w.basis, w.notBefore = t, evidence.BasisSource, time.Time{}
		} else if !now.After(s.Since) {
			// Our clock stepped back, or two states within one tick: the order
			// is certain, so it is kept.
			w.at = s.Since.Add(time.Nanosecond)
		}
	}
	s.Since, s.Parts, s.Health = w.at, p, healthAt
	return w
}

// explained returns the source's time for everything that changed from s to p;
// false when some part has none.
func explained(s *state, p parts, syncedAt, healthAt time.Time) (time.Time, bool) {
	old := s.Parts
	bySync := p.Synced != old.Synced && !syncedAt.IsZero()
	byHealth := p.Health != old.Health && !healthAt.IsZero() && healthAt.After(s.Health)
	switch {
	case p.Declared != old.Declared,
		p.Synced != old.Synced && !bySync,
		p.Health != old.Health && !byHealth,
		p.Compared != old.Compared && !(bySync && p.Compared == "Synced"),
		(p.Revisions != old.Revisions || p.Images != old.Images || p.Objects != old.Objects) && !bySync,
		p.ObjectLife != old.ObjectLife && !bySync && !byHealth:
		return time.Time{}, false
	}
	var t time.Time
	if bySync {
		t = syncedAt
	}
	if byHealth && healthAt.After(t) {
		t = healthAt
	}
	return t.UTC(), !t.IsZero()
}

// healthTime returns when the application's health last changed, by the
// source; zero when it does not say.
func healthTime(a *app) time.Time {
	if t := a.Status.Health.LastTransitionTime; t != nil {
		return t.UTC()
	}
	return time.Time{}
}
