package evidence

import "time"

// Facts of Argo CD and Flux deployments. See facts.go for the rules.

// DeployFacts are the facts of deploy.state: one application.
type DeployFacts struct {
	App             string         `json:"app"` // namespace/name
	UID             string         `json:"uid"`
	Project         string         `json:"project"`
	Server          string         `json:"server,omitempty"` // destination cluster
	Namespace       string         `json:"namespace,omitempty"`
	Sources         []DeploySource `json:"sources"`
	Revisions       []string       `json:"revisions,omitempty"`        // compared, by source
	SyncedRevisions []string       `json:"synced_revisions,omitempty"` // of the newest successful sync, by source
	SyncedAt        time.Time      `json:"synced_at,omitzero"`
	HistoryID       int64          `json:"history_id"` // newest; -1 when there is none
	Sync            string         `json:"sync"`       // Synced, OutOfSync, Unknown
	Health          string         `json:"health"`
	Images          []string       `json:"images,omitempty"`
	Resources       []DeployObject `json:"resources,omitempty"`
	ResourcesCut    int            `json:"resources_cut,omitempty"`
	Automated       bool           `json:"automated,omitempty"`
	SelfHeal        bool           `json:"self_heal,omitempty"`
	Prune           bool           `json:"prune,omitempty"`
	Conditions      []string       `json:"conditions,omitempty"` // types only
	ReconciledAt    time.Time      `json:"reconciled_at,omitzero"`
	ResourceVersion string         `json:"resource_version,omitempty"`
}

// DeploySource is one declared source of an application.
type DeploySource struct {
	RepoURL        string `json:"repo_url"` // without credentials
	Path           string `json:"path,omitempty"`
	Chart          string `json:"chart,omitempty"`
	Ref            string `json:"ref,omitempty"`
	TargetRevision string `json:"target_revision,omitempty"`
	// Refers are further files and folders that the manifests are made from, as
	// the application says: from the root of its repository, or behind $REF/ of
	// that of another source. Patterns stay as they are.
	Refers []string `json:"refers,omitempty"`
}

// DeployObject is one managed object, or the result of syncing it.
type DeployObject struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Status    string `json:"status,omitempty"`
	Health    string `json:"health,omitempty"`
	Hook      string `json:"hook,omitempty"`
}

// SyncFacts are the facts of deploy.sync: one operation. Seen says where it
// was read: history (only successful full syncs stand there), operation (the
// one slot that the next operation overwrites), or both.
type SyncFacts struct {
	App            string         `json:"app"`
	UID            string         `json:"uid"`
	Project        string         `json:"project"`
	Namespace      string         `json:"namespace,omitempty"`
	Server         string         `json:"server,omitempty"`
	Seen           string         `json:"seen"`
	HistoryID      int64          `json:"history_id"` // -1 when not in history
	Phase          string         `json:"phase"`      // Running, Terminating, Succeeded, Failed, Error
	StartedAt      time.Time      `json:"started_at,omitzero"`
	FinishedAt     time.Time      `json:"finished_at,omitzero"`
	Revisions      []string       `json:"revisions,omitempty"`
	Sources        []DeploySource `json:"sources,omitempty"`
	Automated      bool           `json:"automated"`
	Initiator      int            `json:"initiator"`        // -1: automated or not named
	Untold         bool           `json:"untold,omitempty"` // nothing says who or what started it, Automated neither
	Partial        bool           `json:"partial,omitempty"`
	DryRun         bool           `json:"dry_run,omitempty"`
	Prune          bool           `json:"prune,omitempty"`
	LocalManifests bool           `json:"local_manifests,omitempty"` // pushed by hand, not from git
	Retries        int64          `json:"retries,omitempty"`
	Images         []string       `json:"images,omitempty"`
	Objects        []DeployObject `json:"objects,omitempty"`
	ObjectsCut     int            `json:"objects_cut,omitempty"`
}
