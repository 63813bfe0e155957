package argocd

import (
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

// skipReconcile is the annotation that tells Argo CD to leave an application
// alone.
const skipReconcile = "argocd.argoproj.io/skip-reconcile"

// frozen finds the projects whose applications Argo CD has not reconciled for
// longer than the limit. A single application may be slow; a project counts
// when its newest is too old, as when the controller or its shard is down.
// Applications that Argo CD leaves alone on purpose do not count.
func (s *session) frozen(l *look) {
	pulses := make([]pulse, 0, len(l.apps))
	for _, a := range l.apps {
		at, idle := pulseOf(a)
		pulses = append(pulses, pulse{a.project(), at, idle})
	}
	s.judge(l, s.sourceNow(l.at), pulses)
}

// pulse is when Argo CD last reconciled an application of a project.
type pulse struct {
	project string
	at      time.Time
	idle    bool // it is left alone on purpose
}

func pulseOf(a *app) (at time.Time, idle bool) {
	if r := a.Status.ReconciledAt; r != nil {
		at = r.UTC()
	}
	return at, a.Annotations[skipReconcile] == "true" || a.DeletionTimestamp != nil
}

// judge says of which projects the verdicts are frozen. now is the source's
// time.
func (s *session) judge(l *look, now time.Time, pulses []pulse) {
	newest := map[string]time.Time{}
	slow, idle := 0, 0
	limit := now.Add(-s.cfg.StaleAfter)
	for _, p := range pulses {
		if p.idle {
			idle++
			continue
		}
		t := p.at
		if old, ok := newest[p.project]; !ok || t.After(old) {
			newest[p.project] = t
		}
		if t.After(l.newest) {
			l.newest = t
		}
		if t.Before(limit) {
			slow++
		}
	}
	for p, t := range newest {
		if t.Before(limit) {
			l.stale = append(l.stale, p)
		}
	}
	slices.Sort(l.stale)
	l.allStale = len(newest) > 0 && len(l.stale) == len(newest)
	if slow > 0 {
		s.note("%d of %d applications were not reconciled by Argo CD for more than %s: their sync and health verdicts may be out of date", slow, len(pulses), s.cfg.StaleAfter)
	}
	if idle > 0 {
		s.note("%d applications are not reconciled on purpose (skip-reconcile) or are being deleted: their verdicts do not change", idle)
	}
}

// sourceNow is our time on the source's clock.
func (s *session) sourceNow(now time.Time) time.Time {
	if st := s.client.Stats(); st.OffsetOK {
		return now.Add(st.Offset)
	}
	return now
}

// observe says what a full list has seen.
func (s *session) observe(l *look, before time.Time) evidence.Observation {
	o := s.observation(l.at)
	o.Incomplete = s.doubt
	o.Total = int64(len(l.apps) + l.bad)
	o.Sees = s.sees(l)
	switch {
	case len(l.hidden) > 0:
		o.Incomplete = fmt.Sprintf("scope shrank: applications of %d of %d projects are no longer visible to the account; their states are left as they were",
			len(l.hidden), len(l.hidden)+len(o.Sees))
	case l.bad > 0:
		o.Incomplete = fmt.Sprintf("%d of %d applications in the list could not be read", l.bad, o.Total)
	case l.unread != "" && o.Incomplete == "":
		o.Incomplete = l.unread
	}
	// What lies between the looks comes before the look itself.
	o.Seen = append(o.Seen, s.blindClaims(l, before)...)
	between, gapless := s.syncClaims(l, before)
	o.Seen = append(o.Seen, between...)
	o.Seen = append(o.Seen, s.lookClaims(l, before, gapless)...)
	o.Seen = append(o.Seen, s.projectClaims(l, before))
	s.res.Gapless = gapless
	if n := countNoHistory(l); n > 0 {
		s.note("%d applications keep no history (revisionHistoryLimit 0): their syncs are seen in the operation slot alone", n)
	}
	if n := countAppTree(l); n > 0 {
		s.note("%d applications do not store the health of single objects (resourceHealthSource appTree)", n)
	}
	o.Notes = s.notes
	return o
}

// observation is the part that every commit shares.
func (s *session) observation(at time.Time) evidence.Observation {
	st := s.client.Stats()
	news := st.Requests - s.counted
	s.counted = st.Requests
	return evidence.Observation{
		At: at, Total: -1, Identity: s.identity, Sees: s.sees(nil), Notes: s.notes,
		Offset: st.Offset, OffsetOK: st.OffsetOK, TLS: st.TLS, TLSKey: st.TLSKey, Requests: news,
	}
}

// sees lists the projects the credential may see. Between lists (l nil) it is
// what the last list showed.
func (s *session) sees(l *look) []string {
	var out []string
	if l == nil {
		for _, p := range s.res.Offered {
			if !slices.Contains(s.res.Lost, p) {
				out = append(out, p)
			}
		}
		return out
	}
	for _, p := range slices.Concat(l.visible, l.vacant) {
		if !slices.Contains(l.hidden, p) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// whole reports whether claims may be made for everything the source has.
func (s *session) whole(l *look) bool { return len(s.cfg.Projects) == 0 && len(l.hidden) == 0 }

// within spreads a claim over projects and the namespaces that only these
// projects deploy to, so that tenancy rules of either sort find it.
func (s *session) within(projects []string, seen evidence.Seen) []evidence.Seen {
	var out []evidence.Seen
	in, others := map[string]bool{}, map[string]bool{}
	for _, m := range s.res.Apps {
		if slices.Contains(projects, m.Project) {
			in[m.Dest] = true
		} else {
			others[m.Dest] = true
		}
	}
	for _, p := range projects {
		seen.Scope = projectRef(s.authority, p)
		out = append(out, seen)
	}
	var nss []string
	for ns := range in {
		if ns != "" && (!others[ns] || seen.Class == evidence.Blind) {
			nss = append(nss, ns)
		}
	}
	slices.Sort(nss)
	for _, ns := range nss {
		seen.Scope = nsRef(s.authority, ns)
		out = append(out, seen)
	}
	return out
}

// lookClaims claims the instant of the look: for states only where Argo CD's
// own verdict is alive, for syncs wherever the list was seen and nothing
// better is claimed. The look that ended a gapless stretch is claimed with the
// one after it, so that the instants begin where the stretch ended.
func (s *session) lookClaims(l *look, before time.Time, gapless bool) []evidence.Seen {
	if l.bad > 0 {
		return nil // which application is missing cannot be told
	}
	instant := func(k evidence.Kind, t time.Time) evidence.Seen {
		return evidence.Seen{Kinds: []evidence.Kind{k}, Class: evidence.Instants, From: t, To: t}
	}
	sees := s.sees(l)
	alive := slices.DeleteFunc(slices.Clone(sees), func(p string) bool { return slices.Contains(l.stale, p) })
	if !s.whole(l) {
		return append(s.within(sees, instant(evidence.DeploySync, l.at)), s.within(alive, instant(evidence.DeployState, l.at))...)
	}
	var out []evidence.Seen
	if !gapless {
		if s.res.Gapless && len(s.lost) == 0 {
			out = append(out, instant(evidence.DeploySync, before))
		}
		out = append(out, instant(evidence.DeploySync, l.at))
	}
	switch {
	case len(l.stale) == 0:
		out = append(out, instant(evidence.DeployState, l.at))
	case !l.allStale:
		out = append(out, s.within(alive, instant(evidence.DeployState, l.at))...)
	}
	return out
}

// blindClaims says what was not seen, one claim for each kind: items that
// could not be read, hidden projects, and frozen verdicts.
func (s *session) blindClaims(l *look, before time.Time) []evidence.Seen {
	from := before
	if from.IsZero() {
		from = l.at
	}
	var out []evidence.Seen
	for _, k := range []evidence.Kind{evidence.DeploySync, evidence.DeployState} {
		seen := evidence.Seen{Kinds: []evidence.Kind{k}, Class: evidence.Blind, From: from, To: l.at}
		if l.bad > 0 {
			seen.Cause = "an application in the list could not be read"
			out = append(out, seen)
		}
		if len(l.hidden) > 0 {
			seen.Cause = "scope shrank: the account no longer sees this project's applications"
			out = append(out, s.within(l.hidden, seen)...)
		}
	}
	return append(out, s.frozenClaims(l, from)...)
}

// frozenClaims says since when Argo CD's own verdicts are frozen.
func (s *session) frozenClaims(l *look, from time.Time) []evidence.Seen {
	seen := evidence.Seen{Kinds: []evidence.Kind{evidence.DeployState}, Class: evidence.Blind, From: from, To: l.at}
	since := s.res.StaleSince
	s.res.StaleSince = time.Time{}
	switch {
	case l.allStale && s.whole(l):
		s.res.StaleSince = l.newest
		if s.res.StaleSince.IsZero() {
			s.res.StaleSince = from
		}
		if since.IsZero() && l.newest.Before(from) && !l.newest.IsZero() {
			seen.From = l.newest // found now, frozen since then
		}
		seen.Cause = frozenCause(s.res.StaleSince)
		return []evidence.Seen{seen}
	case len(l.stale) > 0:
		seen.Cause = "Argo CD has not reconciled this project's applications for more than " + s.cfg.StaleAfter.String() + ": its verdicts on sync and health are frozen"
		return s.within(l.stale, seen)
	case !since.IsZero() && l.bad == 0:
		seen.Cause = frozenCause(since) // they came alive at some point since the last look
		return []evidence.Seen{seen}
	}
	return nil
}

func frozenCause(since time.Time) string {
	return "Argo CD has not reconciled since " + evidence.FormatTime(since) + ": its verdicts on sync and health are frozen"
}

// syncClaims says what may be claimed of the syncs between the last list and
// this one, and whether that is everything without a gap. See the package
// comment for the reasoning.
func (s *session) syncClaims(l *look, before time.Time) (out []evidence.Seen, gapless bool) {
	if l.bad > 0 {
		return nil, false
	}
	if before.IsZero() {
		return s.reconstructed(l), false
	}
	var reasons, lossy, busy []string
	for _, a := range l.apps {
		p := a.project()
		switch why, lost := s.lost[a.uid()]; {
		case lost:
			reasons, lossy = append(reasons, why), append(lossy, p)
		case s.advanced[a.uid()]:
			busy = append(busy, p)
		}
	}
	for _, uid := range s.absent(l) { // gone without a word: what ran before is unknown
		busy = append(busy, s.res.Apps[uid].Project)
	}
	sync := []evidence.Kind{evidence.DeploySync}
	if len(lossy) > 0 {
		slices.Sort(lossy)
		out = s.within(slices.Compact(lossy), evidence.Seen{Kinds: sync, Class: evidence.Blind, From: before, To: l.at, Cause: lossCause(reasons)})
	}
	if l.unbroken.IsZero() || l.unbroken.After(before) {
		return out, false // no stream over all of it: looks alone prove nothing in between
	}
	quiet := evidence.Seen{Kinds: sync, Class: evidence.Continuous, From: before, To: l.at}
	if s.whole(l) && len(lossy) == 0 && len(busy) == 0 {
		return append(out, quiet), true
	}
	rest := slices.DeleteFunc(s.sees(l), func(p string) bool {
		return slices.Contains(lossy, p) || slices.Contains(busy, p) || !slices.Contains(s.res.Offered, p)
	})
	return append(out, s.within(rest, quiet)...), false
}

// reconstructed claims, at the very first look, the stretch for which every
// application's history reaches back.
func (s *session) reconstructed(l *look) []evidence.Seen {
	var from time.Time
	for _, a := range l.apps {
		if t := reachOf(a, l.at); t.After(from) {
			from = t
		}
	}
	if !s.whole(l) {
		return nil
	}
	return fromHistory(from, l.at)
}

// reachOf is how far an application's history reaches back.
func reachOf(a *app, now time.Time) time.Time {
	es := entries(a)
	switch {
	case len(es) > 0 && es[0].ID > 0:
		return es[0].DeployedAt.UTC()
	case len(es) == 0 && a.Spec.RevisionHistoryLimit != nil && *a.Spec.RevisionHistoryLimit == 0:
		return now
	}
	return a.CreationTimestamp.UTC()
}

func fromHistory(from, to time.Time) []evidence.Seen {
	if from.IsZero() || !from.Before(to) {
		return nil
	}
	return []evidence.Seen{{
		Kinds: []evidence.Kind{evidence.DeploySync}, Class: evidence.Reconstructed, From: from, To: to,
		Cause: "read from the applications' history at the first look: successful full syncs alone",
	}}
}

func countNoHistory(l *look) (n int) {
	for _, a := range l.apps {
		if p := a.Spec.RevisionHistoryLimit; p != nil && *p == 0 {
			n++
		}
	}
	return n
}

func countAppTree(l *look) (n int) {
	for _, a := range l.apps {
		if a.extra.Status.ResourceHealthSource == "appTree" {
			n++
		}
	}
	return n
}
