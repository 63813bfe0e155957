package demo

import (
	"time"
)

// The JSON of an application as the API server gives it: items stand without
// kind and apiVersion, empty fields are left out.

type appJSON struct {
	Metadata appMeta   `json:"metadata"`
	Spec     appSpec   `json:"spec"`
	Status   appStatus `json:"status"`
}

type appMeta struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace"`
	UID               string            `json:"uid"`
	ResourceVersion   string            `json:"resourceVersion"`
	Generation        int               `json:"generation"`
	CreationTimestamp time.Time         `json:"creationTimestamp"`
	Labels            map[string]string `json:"labels"`
	Finalizers        []string          `json:"finalizers"`
}

type appSource struct {
	RepoURL        string    `json:"repoURL"`
	Path           string    `json:"path,omitempty"`
	TargetRevision string    `json:"targetRevision"`
	Helm           *helmJSON `json:"helm,omitempty"`
	Chart          string    `json:"chart,omitempty"`
	Ref            string    `json:"ref,omitempty"`
}

type helmJSON struct {
	ValueFiles []string `json:"valueFiles"`
}

type destJSON struct {
	Server    string `json:"server"`
	Namespace string `json:"namespace"`
}

type appSpec struct {
	Source      *appSource  `json:"source,omitempty"`
	Destination destJSON    `json:"destination"`
	Project     string      `json:"project"`
	SyncPolicy  *policyJSON `json:"syncPolicy,omitempty"`
	Sources     []appSource `json:"sources,omitempty"`
}

type policyJSON struct {
	Automated *automatedJSON `json:"automated,omitempty"`
}

type automatedJSON struct {
	Prune    bool `json:"prune,omitempty"`
	SelfHeal bool `json:"selfHeal,omitempty"`
}

type appStatus struct {
	Resources           []objectJSON  `json:"resources"`
	Sync                syncJSON      `json:"sync"`
	Health              healthJSON    `json:"health"`
	History             []historyJSON `json:"history,omitempty"`
	ReconciledAt        time.Time     `json:"reconciledAt"`
	OperationState      *opJSON       `json:"operationState,omitempty"`
	SourceType          string        `json:"sourceType,omitempty"`
	SourceTypes         []string      `json:"sourceTypes,omitempty"`
	Summary             summaryJSON   `json:"summary"`
	ControllerNamespace string        `json:"controllerNamespace"`
}

type summaryJSON struct {
	Images []string `json:"images,omitempty"`
}

type objectJSON struct {
	Group     string      `json:"group,omitempty"`
	Version   string      `json:"version"`
	Kind      string      `json:"kind"`
	Namespace string      `json:"namespace"`
	Name      string      `json:"name"`
	Status    string      `json:"status"`
	Health    *healthJSON `json:"health,omitempty"`
}

type healthJSON struct {
	Status             string     `json:"status"`
	LastTransitionTime *time.Time `json:"lastTransitionTime,omitempty"`
}

type syncJSON struct {
	Status     string       `json:"status"`
	ComparedTo comparedJSON `json:"comparedTo"`
	Revision   string       `json:"revision,omitempty"`
	Revisions  []string     `json:"revisions,omitempty"`
}

type comparedJSON struct {
	Source      *appSource  `json:"source,omitempty"`
	Destination destJSON    `json:"destination"`
	Sources     []appSource `json:"sources,omitempty"`
}

type initiatorJSON struct {
	Username  string `json:"username,omitempty"`
	Automated bool   `json:"automated,omitempty"`
}

type historyJSON struct {
	Revision        string        `json:"revision,omitempty"`
	DeployedAt      time.Time     `json:"deployedAt"`
	ID              int64         `json:"id"`
	Source          *appSource    `json:"source,omitempty"`
	DeployStartedAt time.Time     `json:"deployStartedAt"`
	Sources         []appSource   `json:"sources,omitempty"`
	Revisions       []string      `json:"revisions,omitempty"`
	InitiatedBy     initiatorJSON `json:"initiatedBy"`
}

type opJSON struct {
	Operation struct {
		Sync struct {
			Revision  string      `json:"revision,omitempty"`
			Prune     bool        `json:"prune,omitempty"`
			Resources []objectRef `json:"resources,omitempty"`
			Revisions []string    `json:"revisions,omitempty"`
		} `json:"sync"`
		InitiatedBy initiatorJSON `json:"initiatedBy"`
		Retry       struct{}      `json:"retry"`
	} `json:"operation"`
	Phase      string      `json:"phase"`
	Message    string      `json:"message,omitempty"`
	SyncResult *resultJSON `json:"syncResult,omitempty"`
	StartedAt  time.Time   `json:"startedAt"`
	FinishedAt *time.Time  `json:"finishedAt,omitempty"`
}

type objectRef struct {
	Group string `json:"group,omitempty"`
	Kind  string `json:"kind"`
	Name  string `json:"name"`
}

type resultJSON struct {
	Resources []resultObject `json:"resources"`
	Revision  string         `json:"revision,omitempty"`
	Source    *appSource     `json:"source,omitempty"`
	Sources   []appSource    `json:"sources,omitempty"`
	Revisions []string       `json:"revisions,omitempty"`
}

type resultObject struct {
	Group     string `json:"group"`
	Version   string `json:"version"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Status    string `json:"status"`
	Message   string `json:"message"`
	HookPhase string `json:"hookPhase,omitempty"`
	SyncPhase string `json:"syncPhase"`
}

// sourcesOf returns the single source, or the two of the multi-source
// application.
func (a *argo) sourcesOf(p *argoApp) (*appSource, []appSource) {
	if !p.multi {
		return &appSource{RepoURL: a.w.RepoURL, Path: appPath(p.tenant, p.app), TargetRevision: mainBranch}, nil
	}
	return nil, []appSource{
		{RepoURL: a.w.ChartURL, Chart: a.w.Multi.Chart, TargetRevision: a.w.Multi.ChartVersion,
			Helm: &helmJSON{ValueFiles: []string{"$values/" + appPath(p.tenant, p.app) + "/values.yaml"}}},
		{RepoURL: a.w.RepoURL, TargetRevision: mainBranch, Ref: "values"},
	}
}

// revs places a commit where the application shows it.
func (a *argo) revs(p *argoApp, sha string) (string, []string) {
	if p.multi && sha != "" {
		return "", []string{a.w.Multi.ChartVersion, sha}
	}
	return sha, nil
}

func by(name string) initiatorJSON {
	return initiatorJSON{Username: name, Automated: name == ""}
}

// kinds lists the objects of every application.
var kinds = []struct{ group, version, kind string }{
	{"", "v1", "ConfigMap"}, {"", "v1", "Service"}, {"", "v1", "ServiceAccount"}, {"apps", "v1", "Deployment"},
}

// show makes the JSON of an application as it stands at a time.
func (a *argo) show(p *argoApp, now time.Time) appJSON {
	v := a.verdict(p, now)
	one, many := a.sourcesOf(p)
	dest := destJSON{clusterServer, p.tenant}
	j := appJSON{
		Metadata: appMeta{Name: p.name(), Namespace: argoNamespace, UID: p.uid,
			ResourceVersion: itoa(p.rv*10000 + v.count), Generation: 1 + p.writes + v.count, CreationTimestamp: p.created,
			Labels: map[string]string{"tenant": p.tenant}, Finalizers: []string{"resources-finalizer.argocd.argoproj.io"}},
		Spec: appSpec{Source: one, Sources: many, Destination: dest, Project: p.tenant},
		Status: appStatus{
			Sync:         syncJSON{Status: syncWord(v.synced), ComparedTo: comparedJSON{one, dest, many}},
			Health:       healthJSON{p.health, &p.healthAt},
			ReconciledAt: v.at.Truncate(time.Second), ControllerNamespace: argoNamespace, SourceType: "Kustomize",
		},
	}
	if p.multi {
		j.Status.SourceType, j.Status.SourceTypes = "", []string{"Helm", "Helm"}
	}
	if p.automated {
		j.Spec.SyncPolicy = &policyJSON{&automatedJSON{Prune: true, SelfHeal: p.selfHeal}}
	}
	j.Status.Sync.Revision, j.Status.Sync.Revisions = a.revs(p, v.revision)
	if p.liveVersion != "" {
		j.Status.Summary.Images = []string{image(a.w, p.tenant, p.app, p.liveVersion)}
	}
	j.Status.Resources = a.objects(p, v)
	for _, h := range p.history {
		e := historyJSON{ID: h.id, DeployedAt: h.done, DeployStartedAt: h.started, Source: one, Sources: many, InitiatedBy: by(h.initiator)}
		e.Revision, e.Revisions = a.revs(p, h.revision)
		j.Status.History = append(j.Status.History, e)
	}
	j.Status.OperationState = a.operation(p)
	return j
}

func syncWord(ok bool) string {
	if ok {
		return "Synced"
	}
	return "OutOfSync"
}

// objects shows the managed objects: one that drifted, or all that a pending
// change touches, differ.
func (a *argo) objects(p *argoApp, v verdict) []objectJSON {
	out := make([]objectJSON, 0, len(kinds))
	for _, k := range kinds {
		o := objectJSON{Group: k.group, Version: k.version, Kind: k.kind, Namespace: p.tenant, Name: p.app, Status: "Synced"}
		pending := !v.synced && len(p.drift) == 0 && (k.kind == "Deployment" || k.kind == "ConfigMap")
		if p.drift[k.kind] || pending {
			o.Status = "OutOfSync"
		}
		if k.kind == "Deployment" || p.health == "Missing" {
			o.Health = &healthJSON{Status: p.health}
		}
		out = append(out, o)
	}
	return out
}

func (a *argo) operation(p *argoApp) *opJSON {
	op := p.op
	if op == nil {
		return nil
	}
	j := &opJSON{Phase: op.phase, Message: op.message, StartedAt: op.started}
	j.Operation.InitiatedBy = by(op.initiator)
	j.Operation.Sync.Revision, j.Operation.Sync.Revisions = a.revs(p, op.revision)
	j.Operation.Sync.Prune = p.automated && op.initiator == ""
	if op.only != "" {
		j.Operation.Sync.Resources = []objectRef{{Group: groupOf(op.only), Kind: op.only, Name: p.app}}
	}
	one, many := a.sourcesOf(p)
	r := &resultJSON{Source: one, Sources: many}
	r.Revision, r.Revisions = a.revs(p, op.revision)
	if op.finished.IsZero() {
		j.SyncResult = r
		r.Resources = []resultObject{}
		return j
	}
	at := op.finished
	j.FinishedAt = &at
	for _, k := range kinds {
		if op.only != "" && op.only != k.kind {
			continue
		}
		o := resultObject{Group: k.group, Version: k.version, Kind: k.kind, Namespace: p.tenant, Name: p.app,
			Status: "Synced", Message: "configured", HookPhase: "Running", SyncPhase: "Sync"}
		if op.phase != "Succeeded" && k.kind == "Deployment" {
			o.Status, o.Message, o.HookPhase = "SyncFailed", op.message, "Failed"
		}
		r.Resources = append(r.Resources, o)
	}
	j.SyncResult = r
	return j
}

func groupOf(kind string) string {
	for _, k := range kinds {
		if k.kind == kind {
			return k.group
		}
	}
	return ""
}
