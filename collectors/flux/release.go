package flux

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// releases makes the drafts of a HelmRelease.
func (r *reader) releases(ctx context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	r.sweep(l)
	var c common
	var h helmRelease
	if err := o.Decode(&c); err != nil {
		return nil, err
	}
	if err := o.Decode(&h); err != nil {
		return nil, err
	}
	snaps, err := h.snapshots()
	if err != nil {
		return nil, err
	}
	c.Spec.TargetNamespace = cmp.Or(c.Spec.TargetNamespace, o.Namespace) // Helm's own rule
	f := r.base(o, &c)
	x := f.Flux
	x.DriftDetection, x.Failures, x.Wait = "disabled", h.Status.Failures, h.waits()
	if d := h.Spec.DriftDetection; d != nil {
		x.DriftDetection, f.Ignores = word(cmp.Or(d.Mode, x.DriftDetection)), len(d.Ignore)
	}
	f.Prune, f.SelfHeal = true, x.DriftDetection == "enabled" && !c.Spec.Suspend // Helm takes away what a chart no longer has
	if s := inForce(snaps); s != nil {
		x.Applied, x.Release, x.OCIDigest = word(s.ChartVersion), word(releaseName(s)), word(s.OCIDigest)
		f.SyncedAt, f.HistoryID = s.Last.Time, s.Version
	}
	a := r.memory.app(o.UID, o.Kind, o.Namespace)
	a.Uses = nil
	source, origin := r.chartSource(l, o, a, &h, x.Applied, cmp.Or(x.OCIDigest, map[bool]string{true: h.Status.LastAttemptedDigest}[x.Applied == x.Attempted]))
	f.Sources = []evidence.DeploySource{source}
	x.Origin, x.OriginCommit = originOf(origin)
	f.Revisions, f.SyncedRevisions = revisions(kindChart, x.Attempted), revisions(kindChart, x.Applied)
	ready := c.Status.Conditions.Of("Ready")
	a.settle(o, f, judgeRelease(&c, f))

	requested := a.requested(c.Status.LastHandled)
	sights, lost := a.versions(snaps, x, f.Sources, o, requested)
	if lost != "" {
		r.memory.lose(a, r.spaces(o, f), o.ObservedAt, lost)
	}
	if none := len(snaps) == 0; none && x.Applied != "" && h.Status.LastReleaseRevision > 0 {
		f.HistoryID = h.Status.LastReleaseRevision
	}
	sights = append(sights, a.slot(o, ready, x.Stale, !toldBySnapshot(snaps, ready.Reason), len(snaps) == 0, kindChart, x.Attempted, x.Applied, requested)...)
	if len(snaps) == 0 && f.SyncedAt.IsZero() {
		f.SyncedAt = a.syncedAt(x.Applied)
	}
	a.Idle = true // nothing of it moves when it is reconciled without news
	return r.drafts(ctx, o, l, a, f, sights)
}

// inForce is the version of a release that Helm holds for deployed.
func inForce(snaps []snapshot) *snapshot {
	for i := range snaps {
		if snaps[i].Status == "deployed" {
			return &snaps[i]
		}
	}
	return nil
}

func releaseName(s *snapshot) string { return fmt.Sprintf("%s/%s.v%d", s.Namespace, s.Name, s.Version) }

// toldBySnapshot reports whether a failure stands in the history already.
func toldBySnapshot(snaps []snapshot, reason string) bool {
	if len(snaps) == 0 {
		return false
	}
	switch reason {
	case "TestFailed", "RollbackSucceeded", "UninstallSucceeded":
		return true
	case "InstallFailed", "UpgradeFailed", "RollbackFailed":
		return snaps[0].Status == "failed"
	}
	return false
}

// versions compares the versions of a release with what is remembered, moves the
// memory on and returns what is new, oldest first, and what is known to be lost.
func (a *app) versions(snaps []snapshot, x *evidence.FluxState, sources []evidence.DeploySource, o *kube.Object, requested bool) (out []sight, lost string) {
	newest := known{}
	for _, k := range a.Hist {
		if k.Version > newest.Version || k.First.After(newest.First) {
			newest = k
		}
	}
	var ids []string
	next := int64(0) // the oldest version that was not known
	for i, s := range slices.Backward(snaps) {
		id := releaseName(&s) + "/" + instant(s.First.Time)
		ids = append(ids, id)
		old := a.find(id)
		if old == nil {
			a.Hist = append(a.Hist, known{ID: id, Key: "h/" + id, Revision: s.ChartVersion, At: s.Last.Time, Version: s.Version, First: s.First.Time, Requested: requested && i == 0})
			old = &a.Hist[len(a.Hist)-1]
			if expected := newest.Version + 1; next == 0 && !a.Seen.IsZero() {
				if !newest.First.Equal(s.First.Time) {
					expected = 1 // installed anew
				}
				if next = s.Version; next > expected {
					lost = fmt.Sprintf("%d versions of a release are lost: %d is followed by %d", next-expected, expected-1, next)
				}
			}
		}
		f := evidence.SyncFacts{
			Seen: "history", HistoryID: s.Version, Phase: old.phase(&s), StartedAt: s.Last.Time, Revisions: revisions(kindChart, s.ChartVersion),
			Flux: &evidence.FluxSync{
				Revision: word(s.ChartVersion), Action: word(s.Action), Release: word(releaseName(&s)), Chart: word(s.ChartName + "@" + s.ChartVersion),
				OCIDigest: word(s.OCIDigest), DeletedAt: s.Deleted.Time, Requested: old.Requested,
			},
		}
		if x.Applied == s.ChartVersion && x.OriginCommit != "" {
			f.Flux.Origin, f.Flux.OriginCommit = x.Origin, x.OriginCommit
		}
		told := hashOf(f.Phase, s.Action, instantOr(s.Deleted.Time), instantOr(s.Last.Time), s.ChartVersion)
		current := i == 0 && !x.Stale && s.ChartVersion == x.Attempted
		if told == old.Told && !(current && old.richer(&sources[0])) {
			continue
		}
		old.Told, old.Phase = told, f.Phase
		if current {
			f.Sources = sources
			old.told(&sources[0])
		}
		g := sight{key: old.Key, facts: f, at: s.Last.Time, raw: s.raw}
		if slices.Contains(o.Removed, "/status/history/*/configDigest") {
			g.gone = []string{o.Removed[0], "/configDigest"}
		}
		out = append(out, g)
	}
	a.keep(ids)
	return out, lost
}

// phase is the outcome of a version. One that was uninstalled had come to its
// outcome before, which its status no longer says.
func (k *known) phase(s *snapshot) string {
	switch s.Status {
	case "deployed", "superseded":
		return "Succeeded"
	case "failed":
		return "Failed"
	case "pending-install", "pending-upgrade", "pending-rollback":
		return "Running"
	case "uninstalled", "uninstalling":
		if k.Phase != "" {
			return k.Phase
		}
	}
	return "Unknown"
}

func instantOr(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return instant(t)
}
