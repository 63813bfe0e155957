package argocd

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/argoproj/argo-cd/v2/pkg/apis/application/v1alpha1"

	"evidenced/evidence"
)

// maxObjects bounds the objects listed in one draft; the rest is counted.
const maxObjects = 500

// maxImages bounds the images listed in one draft.
const maxImages = 500

// sources returns the declared sources as facts, without credentials.
func sources(in v1alpha1.ApplicationSources) []evidence.DeploySource {
	out := make([]evidence.DeploySource, 0, len(in))
	for _, s := range in {
		out = append(out, evidence.DeploySource{
			RepoURL: cleanURL(s.RepoURL), Path: s.Path, Chart: s.Chart, Ref: s.Ref, TargetRevision: s.TargetRevision,
			Refers: refers(&s),
		})
	}
	return out
}

// oneOrMany picks the list when there is one: a multi-source application has
// revisions parallel to sources, and an empty single revision.
func oneOrMany(one string, many []string) []string {
	if len(many) > 0 {
		return slices.Clone(many)
	}
	if one == "" {
		return nil
	}
	return []string{one}
}

func sourcesOf(one v1alpha1.ApplicationSource, many v1alpha1.ApplicationSources) v1alpha1.ApplicationSources {
	if len(many) > 0 {
		return many
	}
	if one.RepoURL == "" {
		return nil
	}
	return v1alpha1.ApplicationSources{one}
}

// deployFacts reads the state of an application.
func deployFacts(a *app) evidence.DeployFacts {
	f := evidence.DeployFacts{
		App: a.fullName(), UID: a.uid(), Project: a.project(),
		Server: destination(a), Namespace: a.Spec.Destination.Namespace,
		Sources:         withRefers(sources(a.declared()), a.Annotations[v1alpha1.AnnotationKeyManifestGeneratePaths]),
		Revisions:       oneOrMany(a.Status.Sync.Revision, a.Status.Sync.Revisions),
		HistoryID:       -1,
		Sync:            orUnknown(string(a.Status.Sync.Status)),
		Health:          orUnknown(string(a.Status.Health.Status)),
		Ignores:         len(a.Spec.IgnoreDifferences),
		ResourceVersion: a.ResourceVersion,
	}
	f.SyncedRevisions, f.SyncedAt, f.HistoryID = synced(a)
	f.Images = slices.Clone(a.Status.Summary.Images)
	slices.Sort(f.Images)
	f.Images = slices.Compact(f.Images)
	f.Images = f.Images[:min(len(f.Images), maxImages)]
	for _, r := range a.Status.Resources {
		o := evidence.DeployObject{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name, Status: string(r.Status)}
		if r.Health != nil {
			o.Health = string(r.Health.Status)
		}
		if r.Hook {
			o.Hook = "yes"
		}
		f.Resources = append(f.Resources, o)
	}
	sortObjects(f.Resources)
	if n := len(f.Resources); n > maxObjects {
		f.Resources, f.ResourcesCut = f.Resources[:maxObjects], n-maxObjects
	}
	if p := a.Spec.SyncPolicy; p != nil && p.Automated != nil && !a.switchedOff() {
		f.Automated, f.SelfHeal, f.Prune = true, p.Automated.SelfHeal, p.Automated.Prune
	}
	for _, c := range a.Status.Conditions {
		f.Conditions = append(f.Conditions, c.Type)
	}
	slices.Sort(f.Conditions)
	f.Conditions = slices.Compact(f.Conditions)
	if t := a.Status.ReconciledAt; t != nil {
		f.ReconciledAt = t.UTC()
	}
	return f
}

// switchedOff reports automated: {enabled: false}, which only servers from v3
// on know.
func (a *app) switchedOff() bool {
	p := a.extra.Spec.SyncPolicy
	return p != nil && p.Automated != nil && p.Automated.Enabled != nil && !*p.Automated.Enabled
}

// synced returns what the newest successful full sync put there: from history,
// or from the operation slot when the application keeps no history.
func synced(a *app) (revs []string, at time.Time, id int64) {
	if h, ok := newest(a); ok {
		return oneOrMany(h.Revision, h.Revisions), h.DeployedAt.UTC(), h.ID
	}
	o := a.Status.OperationState
	if o == nil || o.SyncResult == nil || o.Phase != "Succeeded" || o.FinishedAt == nil ||
		o.Operation.Sync == nil || o.Operation.Sync.DryRun || partial(a, false) {
		return nil, time.Time{}, -1
	}
	return oneOrMany(o.SyncResult.Revision, o.SyncResult.Revisions), o.FinishedAt.UTC(), -1
}

// dryRevision returns the commit that the one compared with was made from, where
// Argo CD's source hydrator made that: it is the one that somebody wrote. The
// status tells the newest pair alone.
func dryRevision(a *app, f evidence.DeployFacts) []string {
	h := a.Status.SourceHydrator.LastSuccessfulOperation
	if h == nil || h.DrySHA == "" || !slices.Contains(f.Revisions, h.HydratedSHA) {
		return nil
	}
	return []string{h.DrySHA}
}

func newest(a *app) (v1alpha1.RevisionHistory, bool) {
	hs := a.Status.History
	if len(hs) == 0 {
		return v1alpha1.RevisionHistory{}, false
	}
	return slices.MaxFunc(hs, func(x, y v1alpha1.RevisionHistory) int { return cmp.Compare(x.ID, y.ID) }), true
}

func orUnknown(s string) string {
	if s == "" {
		return "Unknown"
	}
	return s
}

func sortObjects(os []evidence.DeployObject) {
	slices.SortFunc(os, func(x, y evidence.DeployObject) int {
		return cmp.Or(strings.Compare(x.Group, y.Group), strings.Compare(x.Kind, y.Kind),
			strings.Compare(x.Namespace, y.Namespace), strings.Compare(x.Name, y.Name),
			strings.Compare(x.Hook, y.Hook), strings.Compare(x.Status, y.Status))
	})
}

// base holds what all syncs of an application share.
func syncBase(a *app) evidence.SyncFacts {
	return evidence.SyncFacts{
		App: a.fullName(), UID: a.uid(), Project: a.project(),
		Namespace: a.Spec.Destination.Namespace, Server: destination(a),
		HistoryID: -1, Initiator: -1,
	}
}

// historyFacts reads an entry of the history: a successful full sync.
func historyFacts(a *app, h v1alpha1.RevisionHistory) evidence.SyncFacts {
	f := syncBase(a)
	f.Seen, f.HistoryID, f.Phase = "history", h.ID, "Succeeded"
	if h.DeployStartedAt != nil {
		f.StartedAt = h.DeployStartedAt.UTC()
	}
	f.FinishedAt = h.DeployedAt.UTC()
	f.Revisions = oneOrMany(h.Revision, h.Revisions)
	f.Sources = sources(sourcesOf(h.Source, h.Sources))
	f.Automated = h.InitiatedBy.Automated
	return f
}

// untold reports whether an entry of the history leaves out who or what started
// it, as servers before 2.10 do. Entries stay as they were written: an
// application that is seldom synced has such ones for years.
func untold(entry json.RawMessage) bool {
	var h struct {
		InitiatedBy json.RawMessage `json:"initiatedBy"`
	}
	if err := json.Unmarshal(entry, &h); err != nil {
		return false // it has been read before
	}
	return len(h.InitiatedBy) == 0 || string(h.InitiatedBy) == "null"
}

// operationFacts reads the operation slot. Objects are listed once the
// operation is over: before, they change from second to second.
func operationFacts(a *app) evidence.SyncFacts {
	o := a.Status.OperationState
	f := syncBase(a)
	f.Seen, f.Phase, f.StartedAt, f.Retries = "operation", string(o.Phase), o.StartedAt.UTC(), o.RetryCount
	f.Automated = o.Operation.InitiatedBy.Automated
	if s := o.Operation.Sync; s != nil {
		f.DryRun, f.Prune, f.LocalManifests = s.DryRun, s.Prune, len(s.Manifests) > 0
		f.Revisions = oneOrMany(s.Revision, s.Revisions)
		f.Sources = sources(sourcesOf(deref(s.Source), s.Sources))
	}
	if r := o.SyncResult; r != nil {
		if revs := oneOrMany(r.Revision, r.Revisions); len(revs) > 0 {
			f.Revisions = revs
		}
		if ss := sourcesOf(r.Source, r.Sources); len(ss) > 0 {
			f.Sources = sources(ss)
		}
	}
	if !over(f.Phase) {
		return f
	}
	if o.FinishedAt != nil {
		f.FinishedAt = o.FinishedAt.UTC()
	}
	if o.SyncResult != nil {
		f.Objects, f.ObjectsCut = results(o.SyncResult.Resources)
	}
	f.Images = resultImages(a.extra.Status.OperationState)
	return f
}

func deref(s *v1alpha1.ApplicationSource) v1alpha1.ApplicationSource {
	if s == nil {
		return v1alpha1.ApplicationSource{}
	}
	return *s
}

// over reports whether an operation in this phase has ended.
func over(phase string) bool { return phase == "Succeeded" || phase == "Failed" || phase == "Error" }

func results(in v1alpha1.ResourceResults) (out []evidence.DeployObject, cut int) {
	for _, r := range in {
		if r == nil {
			continue
		}
		o := evidence.DeployObject{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name,
			Status: string(r.Status), Hook: string(r.HookType)}
		if o.Status == "" {
			o.Status = string(r.HookPhase)
		}
		out = append(out, o)
	}
	sortObjects(out)
	if n := len(out); n > maxObjects {
		return out[:maxObjects], n - maxObjects
	}
	return out, 0
}

// resultImages reads the images that a server from v3 on lists with each
// synced object; the v2 types drop them.
func resultImages(raw json.RawMessage) []string {
	var o struct {
		SyncResult struct {
			Resources []struct {
				Images []string `json:"images"`
			} `json:"resources"`
		} `json:"syncResult"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &o) != nil {
		return nil
	}
	var out []string
	for _, r := range o.SyncResult.Resources {
		out = append(out, r.Images...)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxImages)]
}

// partial reports whether the operation in the slot synced selected objects
// only. The list of selected objects may be left over from an earlier
// operation (the slot is written with a merge patch that drops empty fields),
// so it counts only if the operation is not in history, which holds full syncs
// alone, and if no object outside the selection was synced.
func partial(a *app, inHistory bool) bool {
	o := a.Status.OperationState
	if inHistory || o == nil || o.Operation.Sync == nil || len(o.Operation.Sync.Resources) == 0 {
		return false
	}
	if o.SyncResult == nil {
		return true
	}
	for _, r := range o.SyncResult.Resources {
		if r != nil && r.HookType == "" && !selected(o.Operation.Sync.Resources, r) {
			return false
		}
	}
	return true
}

func selected(sel []v1alpha1.SyncOperationResource, r *v1alpha1.ResourceResult) bool {
	return slices.ContainsFunc(sel, func(s v1alpha1.SyncOperationResource) bool {
		return s.Group == r.Group && s.Kind == r.Kind && s.Name == r.Name && (s.Namespace == "" || s.Namespace == r.Namespace)
	})
}

// initiator returns who started an operation; nobody when the source named
// none. The API server writes the name it logged in (the login of a local
// account, the mail of a single sign-on user, "proj:..." of a project token).
// A name beside "automated" was written by a tool, without a login.
func (c *Collector) initiator(by v1alpha1.OperationInitiator) []evidence.Person {
	name := strings.TrimSpace(by.Username)
	if name == "" {
		return nil
	}
	p := evidence.Person{
		Role: evidence.RoleInitiator, Realm: c.realm, NativeID: by.Username,
		Names: evidence.Names{Login: by.Username}, Proof: evidence.ProofAuthenticated,
	}
	if strings.Contains(name, "@") {
		p.Names = evidence.Names{Mail: by.Username}
	}
	if by.Automated {
		p.Names.Bot, p.Proof = true, evidence.ProofClaimed
	}
	if strings.HasPrefix(name, "proj:") {
		p.Names.Bot = true
	}
	if c.env.Mark != nil {
		bot, shared := c.env.Mark(c.realm, by.Username, by.Username)
		p.Names.Bot, p.Names.Shared = p.Names.Bot || bot, p.Names.Shared || shared
	}
	return []evidence.Person{p}
}
