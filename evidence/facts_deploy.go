package evidence

import "time"

// Facts of Argo CD and Flux deployments. See facts.go for the rules.

// DeployFacts are the facts of deploy.state: one application of Argo CD, or one
// Kustomization or HelmRelease of Flux.
type DeployFacts struct {
	App             string         `json:"app"` // namespace/name; of Flux namespace/Kind/name
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
	Ignores         int            `json:"ignores,omitempty"`    // rules by which differences are left out when it is compared
	Conditions      []string       `json:"conditions,omitempty"` // types only
	ReconciledAt    time.Time      `json:"reconciled_at,omitzero"`
	ResourceVersion string         `json:"resource_version,omitempty"`
	Flux            *FluxState     `json:"flux,omitempty"`
}

// FluxState is what a Flux object says of itself beyond what every application
// has. Times that somebody asked are what the request says: a time that its maker
// wrote.
type FluxState struct {
	Kind            string    `json:"kind"`                // Kustomization, HelmRelease
	Attempted       string    `json:"attempted,omitempty"` // revision as Flux writes it: main@sha1:..., 1.2.3
	Applied         string    `json:"applied,omitempty"`
	Origin          string    `json:"origin,omitempty"`        // commit that an OCI artifact says it was made from: its maker's claim
	OriginCommit    string    `json:"origin_commit,omitempty"` // its id alone
	Ready           string    `json:"ready"`                   // True, False, Unknown; as of when the controller last came to an end
	Reason          string    `json:"reason,omitempty"`
	Stale           bool      `json:"stale,omitempty"`     // the controller has not looked at what is declared now
	Suspended       bool      `json:"suspended,omitempty"` // the controller leaves it alone
	Deleting        bool      `json:"deleting,omitempty"`
	Wait            bool      `json:"wait,omitempty"` // what was applied is waited for, so that its health is known
	Force           bool      `json:"force,omitempty"`
	DriftDetection  string    `json:"drift_detection,omitempty"` // HelmRelease: enabled, warn, disabled
	ServiceAccount  string    `json:"service_account,omitempty"` // as whom it applies; the controller's own when empty
	Remote          string    `json:"remote,omitempty"`          // where the access to another cluster is: Secret NAME, ConfigMap NAME
	RemoteNamespace string    `json:"remote_namespace,omitempty"`
	DependsOn       []string  `json:"depends_on,omitempty"` // applications, as in app
	Decryption      string    `json:"decryption,omitempty"`
	Release         string    `json:"release,omitempty"`    // Helm's: namespace/name.vN
	OCIDigest       string    `json:"oci_digest,omitempty"` // of its chart
	Failures        int64     `json:"failures,omitempty"`
	RequestedAt     time.Time `json:"requested_at,omitzero"` // a reconciliation was asked for
	HandledAt       time.Time `json:"handled_at,omitzero"`   // the request that was handled last
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
	// Of Flux: the object that fetches it, and what that says of it.
	Kind      string `json:"kind,omitempty"`      // GitRepository, OCIRepository, HelmRepository, HelmChart, Bucket, ExternalArtifact
	Name      string `json:"name,omitempty"`      // namespace/name
	MadeBy    string `json:"made_by,omitempty"`   // of an ExternalArtifact: kind.group of what it was made from; no address is known
	Unread    string `json:"unread,omitempty"`    // why nothing more is said
	Verify    string `json:"verify,omitempty"`    // what signatures are asked for: HEAD, Tag, TagAndHEAD; cosign, notation; none
	Verified  string `json:"verified,omitempty"`  // of the revision in force: True, False, Unknown
	Artifact  string `json:"artifact,omitempty"`  // digest of what was fetched for the revision in force
	Suspended bool   `json:"suspended,omitempty"` // nothing new is fetched
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
	ID        string `json:"id,omitempty"` // in Flux's inventory
}

// SyncFacts are the facts of deploy.sync: one operation. Seen says where it
// was read: history (of Argo CD only successful full syncs stand there),
// operation (the one slot that the next operation overwrites), both, or, of Flux,
// conditions (the verdict of the moment).
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
	Flux           *FluxSync      `json:"flux,omitempty"`
}

// FluxSync is what Flux says of one reconciliation that changed something or
// failed. It names nobody: a change is authorised by the review of its commit.
type FluxSync struct {
	Kind         string    `json:"kind"`
	Revision     string    `json:"revision,omitempty"` // as Flux writes it
	Origin       string    `json:"origin,omitempty"`   // commit that an OCI artifact says it was made from
	OriginCommit string    `json:"origin_commit,omitempty"`
	Digest       string    `json:"digest,omitempty"` // of the manifests
	Reason       string    `json:"reason,omitempty"`
	Action       string    `json:"action,omitempty"`     // HelmRelease: install, upgrade, rollback, ...
	Release      string    `json:"release,omitempty"`    // Helm's: namespace/name.vN
	Chart        string    `json:"chart,omitempty"`      // name@version
	OCIDigest    string    `json:"oci_digest,omitempty"` // of the chart
	DeletedAt    time.Time `json:"deleted_at,omitzero"`  // the release was uninstalled
	Requested    bool      `json:"requested,omitempty"`  // a request to reconcile was handled then
	Initiator    string    `json:"initiator"`            // why nobody is named
}
