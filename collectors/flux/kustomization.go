package flux

import (
	"context"
	"slices"
	"strconv"
	"time"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

const succeeded = "ReconciliationSucceeded"

// attempts are the reasons of failures of a revision that was attempted; after
// any other the controller did not come to it.
var attempts = []string{"ReconciliationFailed", "PruneFailed", "HealthCheckFailed", "BuildFailed"}

// maxHistory is how many entries a history holds at most.
const maxHistory = 5

// kustomizations makes the drafts of a Kustomization.
func (r *reader) kustomizations(ctx context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	r.sweep(l)
	var c common
	var k kustomization
	if err := o.Decode(&c); err != nil {
		return nil, err
	}
	if err := o.Decode(&k); err != nil {
		return nil, err
	}
	es, err := k.entries()
	if err != nil {
		return nil, err
	}
	f := r.base(o, &c)
	f.Prune, f.SelfHeal, f.Ignores = k.Spec.Prune, !c.Spec.Suspend, len(k.Spec.Ignore)
	x := f.Flux
	x.Force, x.Wait = k.Spec.Force, k.Spec.Wait || len(k.Spec.HealthChecks) > 0
	if k.Spec.Decryption != nil {
		x.Decryption = word(k.Spec.Decryption.Provider)
	}
	x.Origin, x.OriginCommit = originOf(k.Status.LastAppliedOrigin)
	a := r.memory.app(o.UID, o.Kind, o.Namespace)
	a.Uses = nil
	f.Sources = []evidence.DeploySource{r.kustomizeSource(l, o, a, &k, x.Applied)}
	kind := f.Sources[0].Kind
	f.Revisions, f.SyncedRevisions = revisions(kind, x.Attempted), revisions(kind, x.Applied)
	ready := c.Status.Conditions.Of("Ready")
	a.settle(o, f, judgeKustomization(&c, f))

	requested := a.requested(c.Status.LastHandled)
	var source *evidence.DeploySource // of the newest entry, when it is of what is declared now
	if len(es) > 0 && !x.Stale && es[0].Metadata.Revision == c.Status.LastAttemptedRevision {
		at := r.at(a, f.Sources[0], es[0].Metadata.Revision)
		source = &at
	}
	sights, lost := a.history(es, kind, source, requested)
	if lost != "" {
		r.memory.lose(a, r.spaces(o, f), o.ObservedAt, lost)
	}
	failure := !slices.ContainsFunc(es[:min(len(es), 1)], func(e entry) bool { return e.Status == ready.Reason })
	sights = append(sights, a.slot(o, ready, x.Stale, failure, len(es) == 0 && a.Top == "", kind, x.Attempted, x.Applied, requested)...)
	f.SyncedAt = a.syncedAt(x.Applied)
	if len(es) > 0 {
		f.ReconciledAt = es[0].Last.Time
	}
	idle := c.Spec.Suspend || x.Deleting
	if a.Idle && !idle {
		a.Awake = o.ObservedAt
	}
	a.Pulse, a.Every, a.Idle = f.ReconciledAt, c.Spec.Interval, idle
	return r.drafts(ctx, o, l, a, f, sights)
}

// drafts makes the drafts of syncs and of the state.
func (r *reader) drafts(ctx context.Context, o *kube.Object, l *kube.Look, a *app, f *evidence.DeployFacts, sights []sight) (ds []evidence.Draft, err error) {
	for _, s := range sights {
		d, err := r.sync(o, l, f, s)
		if err != nil {
			return nil, err
		}
		ds = append(ds, d)
	}
	return r.finish(ctx, o, l, a, f, ds)
}

// at is the source as it was for a revision: what it says of another one does not
// count.
func (r *reader) at(a *app, s evidence.DeploySource, revision string) evidence.DeploySource {
	if a.Kept.Revision == revision {
		return s
	}
	s.Artifact, s.Verified = "", ""
	if f, ok := r.memory.Sources[a.Of]; ok && same(a.Kind, f.Revision, revision) {
		s.Artifact, s.Verified = f.Digest, f.Verified
	}
	return s
}

// originOf returns the revision that an artifact says it was made from, and the id
// of its commit.
func originOf(rev string) (told, commit string) {
	if rev == "" {
		return "", ""
	}
	if commit = revisionOf(kindGit, rev); !objectID.MatchString(commit) {
		commit = ""
	}
	return word(rev), commit
}

// requested reports whether a request to reconcile was handled since the last look.
func (a *app) requested(handled string) bool {
	if handled != "" {
		handled = hashOf(handled)
	}
	news := handled != a.Handled && !a.Seen.IsZero()
	a.Handled = handled
	return news && handled != ""
}

// history compares a Kustomization's history with what is remembered, moves the
// memory on and returns what is new, oldest first, and what is known to be lost.
// source describes the newest entry; nil when nothing is known of it.
func (a *app) history(es []entry, kind string, source *evidence.DeploySource, requested bool) (out []sight, lost string) {
	var ids []string
	for _, e := range es {
		ids = append(ids, hashOf(e.Digest, e.Status))
	}
	if !a.Seen.IsZero() {
		switch {
		case a.Top != "" && slices.Contains(ids, a.Top), a.Top == "" && len(es) < maxHistory:
		case len(es) >= maxHistory:
			lost = "the history holds five reconciliations, and none of them is the last that was seen"
		default:
			lost = "the history has begun anew"
		}
	}
	for i, e := range slices.Backward(es) {
		of := source
		if i > 0 {
			of = nil
		}
		old := a.find(ids[i])
		moved := old == nil || e.Last.After(old.Last)
		if s, ok := a.take(e, ids[i], kind, of, requested && i == 0); ok {
			out = append(out, s)
		}
		if moved {
			a.Top = ids[i] // what is newer came up after it
		}
	}
	if a.keep(ids); len(ids) > 0 {
		a.Top = ids[0]
	} else {
		a.Top = ""
	}
	return out, lost
}

// take moves the memory of one entry on; false when it tells nothing new.
func (a *app) take(e entry, id, kind string, source *evidence.DeploySource, requested bool) (sight, bool) {
	old := a.find(id)
	s := sight{at: e.Last.Time, raw: e.raw, key: "k/" + instant(e.First.Time) + "/" + hashOf(e.Digest, e.Status, e.Metadata.Revision)}
	switch {
	case old == nil && e.Total > 1:
		s.since = e.First.Time
	case old == nil:
	case old.Revision != e.Metadata.Revision, e.Last.After(old.Last) && a.Top != id:
		s.key += "@" + instant(e.Last.Time) // the same may have been there before
		if e.Total != old.Total+1 {
			s.since = old.Last
		}
	default:
		old.Last, old.Total = e.Last.Time, e.Total
		if source == nil || !old.richer(source) {
			return s, false
		}
		s.key, s.at, s.since, requested = old.Key, old.At, old.Since, old.Requested
	}
	phase := "Failed"
	if e.Status == succeeded {
		phase = "Succeeded"
	}
	now := known{ID: id, Key: s.key, Revision: e.Metadata.Revision, Last: e.Last.Time, Total: e.Total, At: s.at, Since: s.since, Phase: phase, Requested: requested}
	if source != nil {
		now.told(source)
	}
	if old != nil {
		*old = now
	} else {
		a.Hist = append(a.Hist, now)
	}
	s.facts = evidence.SyncFacts{
		Seen: "history", HistoryID: -1, Phase: phase, FinishedAt: s.at, Revisions: revisions(kind, e.Metadata.Revision),
		Flux: &evidence.FluxSync{Revision: word(e.Metadata.Revision), Digest: word(e.Digest), Reason: word(e.Status), Requested: requested},
	}
	if source != nil {
		s.facts.Sources = []evidence.DeploySource{*source}
	}
	s.facts.Flux.Origin, s.facts.Flux.OriginCommit = originOf(e.Metadata.Origin)
	return s, true
}

// slot returns what the condition Ready alone tells: a failure that came to no
// entry of the history, and, where there is no history, what was applied.
func (a *app) slot(o *kube.Object, ready kube.Condition, stale, failure, none bool, kind, attempted, applied string, requested bool) (out []sight) {
	s := sight{at: ready.At(), facts: evidence.SyncFacts{Seen: "conditions", HistoryID: -1, FinishedAt: ready.At(), Flux: &evidence.FluxSync{Reason: word(ready.Reason), Requested: requested}}}
	switch {
	case ready.Status == "True":
		a.Slot.Failed = ""
		if stale || !none || applied == "" || a.Slot.Applied == applied {
			return nil
		}
		s.since = a.Slot.At
		if a.Seen.IsZero() {
			s.since = o.CreatedAt
		}
		if s.since.After(s.at) {
			s.since = time.Time{}
		}
		a.Slot.Applied, a.Slot.At = applied, s.at
		s.key, s.facts.Phase = "a/"+instant(s.at)+"/"+hashOf(applied), "Succeeded"
		s.facts.Revisions, s.facts.Flux.Revision = revisions(kind, applied), applied
	case ready.Status == "False" && !stale && ready.Reason != "DependencyNotReady":
		if !failure {
			a.Slot.Failed = ""
			return nil
		}
		id := hashOf(ready.Reason, attempted, strconv.FormatInt(o.Generation, 10))
		if a.Slot.Failed == id {
			return nil // tried again with the same outcome
		}
		a.Slot.Failed = id
		s.key, s.facts.Phase = "c/"+instant(s.at)+"/"+id, "Failed"
		if o.Kind == kindRelease || slices.Contains(attempts, ready.Reason) {
			s.facts.Revisions, s.facts.Flux.Revision = revisions(kind, attempted), attempted
		}
	default:
		return nil
	}
	return []sight{s}
}

// syncedAt is when the revision in force was brought; zero when it was not seen.
func (a *app) syncedAt(applied string) time.Time {
	for _, k := range slices.Backward(a.Hist) {
		if k.Phase == "Succeeded" && k.Revision == applied {
			return k.At
		}
	}
	if a.Slot.Applied == applied {
		return a.Slot.At
	}
	return time.Time{}
}
