package evidence

import "time"

// Facts of pipelines, artifacts and registries. See facts.go for the rules.

// PipelineFacts are the facts of pipeline.run. People with role initiator
// started the run or ran it again.
type PipelineFacts struct {
	Repo       string        `json:"repo"` // owner/name or group path
	ID         string        `json:"id"`
	Attempt    int           `json:"attempt,omitempty"` // from 1, where the forge counts them
	Number     int64         `json:"number,omitempty"`  // within the repository
	Name       string        `json:"name,omitempty"`    // workflow
	Path       string        `json:"path,omitempty"`    // its definition in the repository
	Event      string        `json:"event,omitempty"`   // what started it, in the forge's words
	Ref        string        `json:"ref,omitempty"`
	SHA        string        `json:"sha"`
	Change     int           `json:"change,omitempty"` // number of the merge or pull request it ran for
	Status     string        `json:"status"`           // waiting, running, success, failure, cancelled, skipped, neutral, unknown
	Native     string        `json:"native"`           // status and conclusion in the forge's words
	CreatedAt  time.Time     `json:"created_at,omitzero"`
	StartedAt  time.Time     `json:"started_at,omitzero"`
	FinishedAt time.Time     `json:"finished_at,omitzero"`
	UpdatedAt  time.Time     `json:"updated_at,omitzero"`
	Actor      int           `json:"actor"`   // who started the first attempt
	Trigger    int           `json:"trigger"` // who started this attempt
	Parent     string        `json:"parent,omitempty"`
	JobsSeen   bool          `json:"jobs_seen"`
	Jobs       []PipelineJob `json:"jobs,omitempty"`
	JobsCut    int           `json:"jobs_cut,omitempty"`
}

// PipelineJob is one job of a run.
type PipelineJob struct {
	ID           string    `json:"id"`
	Name         string    `json:"name"`
	Stage        string    `json:"stage,omitempty"`
	Status       string    `json:"status"` // as PipelineFacts.Status
	AllowFailure bool      `json:"allow_failure,omitempty"`
	Retried      bool      `json:"retried,omitempty"`
	StartedAt    time.Time `json:"started_at,omitzero"`
	FinishedAt   time.Time `json:"finished_at,omitzero"`
	Why          string    `json:"why,omitempty"` // the forge's reason of a failure
}

// CheckFacts are the facts of pipeline.check.
type CheckFacts struct {
	Repo       string    `json:"repo"`
	ID         string    `json:"id"`
	Name       string    `json:"name"`
	SHA        string    `json:"sha"`
	Status     string    `json:"status"` // as PipelineFacts.Status
	Native     string    `json:"native"`
	App        string    `json:"app,omitempty"` // who reports it
	AppID      int64     `json:"app_id,omitempty"`
	Suite      string    `json:"suite,omitempty"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	Form       string    `json:"form"` // check-run or commit-status
}

// ReportFacts are the facts of pipeline.report.
type ReportFacts struct {
	Repo       string         `json:"repo"`
	Pipeline   string         `json:"pipeline"`
	SHA        string         `json:"sha,omitempty"`
	Job        string         `json:"job"`
	Type       string         `json:"type"`             // sast, dependency_scanning, container_scanning, secret_detection, ...
	Image      string         `json:"image,omitempty"`  // what a container scan looked at
	Digest     string         `json:"digest,omitempty"` // of that image, where the report says
	Scanner    ScannerFacts   `json:"scanner"`
	Total      int            `json:"total"`
	BySeverity map[string]int `json:"by_severity,omitempty"`
	Findings   []ScanFinding  `json:"findings,omitempty"` // worst first
	Cut        int            `json:"findings_cut,omitempty"`
	FinishedAt time.Time      `json:"finished_at,omitzero"`
	ExpiresAt  time.Time      `json:"expires_at,omitzero"` // when the forge drops the report
}

// ArtifactFacts are the facts of artifact.image. Revision and Source are what
// whoever built the image wrote into its labels or annotations
// (org.opencontainers.image.revision and .source): a claim.
type ArtifactFacts struct {
	Registry   string          `json:"registry"` // host as images name it
	Project    string          `json:"project"`
	Repository string          `json:"repository"` // without the project
	Digest     string          `json:"digest"`
	Type       string          `json:"type,omitempty"` // IMAGE, CHART, ...
	MediaType  string          `json:"media_type,omitempty"`
	Size       int64           `json:"size,omitempty"` // bytes
	PushedAt   time.Time       `json:"pushed_at,omitzero"`
	PulledAt   time.Time       `json:"pulled_at,omitzero"`
	Built      time.Time       `json:"built,omitzero"` // as the image says
	Revision   string          `json:"revision,omitempty"`
	Source     string          `json:"source,omitempty"`
	Tags       []ArtifactTag   `json:"tags,omitempty"`
	Children   []ArtifactChild `json:"children,omitempty"` // of an index: what a node really runs
	Scan       string          `json:"scan"`               // never, waiting, running, success, partial (of an index, some of its images), error, stopped, unknown
	Severity   string          `json:"severity,omitempty"` // of the newest successful scan
	SBOM       string          `json:"sbom,omitempty"`     // as Scan
	Signed     bool            `json:"signed,omitempty"`   // a signature accessory is there; nobody verified it
}

// ArtifactTag is one tag at an artifact.
type ArtifactTag struct {
	Name      string    `json:"name"`
	PushedAt  time.Time `json:"pushed_at,omitzero"`
	Immutable bool      `json:"immutable,omitempty"`
}

// ArtifactChild is one platform's image of an index.
type ArtifactChild struct {
	Digest   string `json:"digest"`
	Platform string `json:"platform,omitempty"` // os/arch
}

// ScannerFacts names a scanner and what it knew.
type ScannerFacts struct {
	Name      string    `json:"name,omitempty"`
	Vendor    string    `json:"vendor,omitempty"`
	Version   string    `json:"version,omitempty"`
	DBUpdated time.Time `json:"db_updated,omitzero"` // its vulnerability database
}

// ScanFacts are the facts of artifact.scan: a scan that ended, with its report
// as it stood before a rescan replaced it.
type ScanFacts struct {
	Registry    string         `json:"registry"`
	Project     string         `json:"project"`
	Repository  string         `json:"repository"`
	Digest      string         `json:"digest"`
	ReportID    string         `json:"report_id,omitempty"`
	MIME        string         `json:"mime,omitempty"`
	Status      string         `json:"status"`             // success, error, stopped
	Severity    string         `json:"severity,omitempty"` // the worst
	Scanner     ScannerFacts   `json:"scanner"`
	GeneratedAt time.Time      `json:"generated_at,omitzero"`
	StartedAt   time.Time      `json:"started_at,omitzero"`
	FinishedAt  time.Time      `json:"finished_at,omitzero"`
	Total       int            `json:"total"`
	Fixable     int            `json:"fixable"`
	BySeverity  map[string]int `json:"by_severity,omitempty"`
	// CompletePercent is, of an index, how many of its images were scanned; left
	// out when all were, or the registry does not say.
	CompletePercent int           `json:"complete_percent,omitempty"`
	ReportSeen      bool          `json:"report_seen"`        // the full report was read; false: only its summary
	Findings        []ScanFinding `json:"findings,omitempty"` // worst first
	Cut             int           `json:"findings_cut,omitempty"`
}

// ScanFinding is one weakness a scanner reports.
type ScanFinding struct {
	ID       string  `json:"id"` // CVE or the scanner's own
	Package  string  `json:"package,omitempty"`
	Version  string  `json:"version,omitempty"`
	Fixed    string  `json:"fixed,omitempty"` // version that mends it
	Severity string  `json:"severity"`        // Critical, High, Medium, Low, Negligible, None, Unknown
	Score    float64 `json:"score,omitempty"` // CVSS 3
	Status   string  `json:"status,omitempty"`
	Place    string  `json:"place,omitempty"` // path or location within the artifact or repository
}

// SBOMFacts are the facts of artifact.sbom.
type SBOMFacts struct {
	Registry   string       `json:"registry"`
	Project    string       `json:"project"`
	Repository string       `json:"repository"`
	Subject    string       `json:"subject"` // digest it describes
	Digest     string       `json:"digest"`
	Maker      string       `json:"maker"` // registry: made by a scan there; build: attached by whoever pushed
	Type       string       `json:"type"`
	Size       int64        `json:"size,omitempty"`
	CreatedAt  time.Time    `json:"created_at,omitzero"`
	Scanner    ScannerFacts `json:"scanner,omitzero"`

	// Content says whether the document itself was read: read, refused (to this
	// credential), gone, unsupported (the registry does not hand it out),
	// too-large, unreadable; empty in records made before documents were read.
	// What follows was read from it, and stands in the record that first says
	// read.
	Content      string          `json:"content,omitempty"`
	SHA256       string          `json:"sha256,omitempty"` // of the document, lower-case hex
	Format       string          `json:"format,omitempty"` // spdx, cyclonedx
	SpecVersion  string          `json:"spec_version,omitempty"`
	Components   int             `json:"components,omitempty"`    // all of them, nested ones too
	Top          []SBOMComponent `json:"top,omitempty"`           // what stands directly below what the document is about
	TopCut       int             `json:"top_cut,omitempty"`       // of those, not listed
	Names        []string        `json:"names,omitempty"`         // digests by which the document names what it is about
	NamesSubject *bool           `json:"names_subject,omitempty"` // whether Subject is one of them; nil: it names none
}

// SBOMComponent is one component of a bill of materials, as the document names
// it.
type SBOMComponent struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Type    string `json:"type,omitempty"`
}

// SignatureFacts are the facts of artifact.signature.
type SignatureFacts struct {
	Registry   string    `json:"registry"`
	Project    string    `json:"project"`
	Repository string    `json:"repository"`
	Subject    string    `json:"subject"` // digest it belongs to
	Digest     string    `json:"digest"`
	Type       string    `json:"type"` // signature.cosign, signature.notation, or another accessory
	Size       int64     `json:"size,omitempty"`
	CreatedAt  time.Time `json:"created_at,omitzero"`
	Inherited  bool      `json:"inherited,omitempty"` // stands at the index that holds the subject
}

// RegistryProjectFacts are the facts of registry.project. A pointer is nil
// where the registry did not say.
type RegistryProjectFacts struct {
	Registry          string    `json:"registry"`
	Project           string    `json:"project"`
	ID                string    `json:"id"`
	Public            *bool     `json:"public,omitempty"`
	ScanOnPush        *bool     `json:"scan_on_push,omitempty"`
	SBOMOnPush        *bool     `json:"sbom_on_push,omitempty"`
	PreventVulnerable *bool     `json:"prevent_vulnerable,omitempty"`
	PreventSeverity   string    `json:"prevent_severity,omitempty"` // pulls at or above it are refused
	RequireCosign     *bool     `json:"require_cosign,omitempty"`
	RequireNotation   *bool     `json:"require_notation,omitempty"`
	ProxyCache        bool      `json:"proxy_cache,omitempty"`
	QuotaBytes        int64     `json:"quota_bytes,omitempty"` // -1: without limit; 0: not said
	UsedBytes         int64     `json:"used_bytes,omitempty"`
	Scanner           string    `json:"scanner,omitempty"`
	SystemAllowlist   *bool     `json:"system_allowlist,omitempty"` // the registry's own list applies
	Allowlist         []string  `json:"allowlist,omitempty"`        // weaknesses accepted
	AllowlistExpires  time.Time `json:"allowlist_expires,omitzero"`
	CreatedAt         time.Time `json:"created_at,omitzero"`
	UpdatedAt         time.Time `json:"updated_at,omitzero"`
}

// RegistryRuleFacts are the facts of registry.rule.
type RegistryRuleFacts struct {
	Registry string   `json:"registry"`
	Project  string   `json:"project,omitempty"` // empty: the whole registry
	Type     string   `json:"type"`              // immutability, retention, replication, scan-all, garbage-collection, audit-purge, webhook, scanner, audit-log
	ID       string   `json:"id"`
	Name     string   `json:"name,omitempty"`
	Enabled  *bool    `json:"enabled,omitempty"`
	Schedule string   `json:"schedule,omitempty"` // as the registry writes it
	Target   string   `json:"target,omitempty"`   // host of another registry or of a hook
	Says     []string `json:"says,omitempty"`     // the rule's parts, in the registry's words
}

// RegistryRunFacts are the facts of registry.run.
type RegistryRunFacts struct {
	Registry   string    `json:"registry"`
	Project    string    `json:"project,omitempty"`
	Type       string    `json:"type"` // as RegistryRuleFacts.Type
	ID         string    `json:"id"`
	Rule       string    `json:"rule,omitempty"`
	Status     string    `json:"status"` // running, success, failure, stopped, unknown
	Native     string    `json:"native"`
	Trigger    string    `json:"trigger,omitempty"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	Total      int       `json:"total,omitempty"`
	Succeeded  int       `json:"succeeded,omitempty"`
	Failed     int       `json:"failed,omitempty"`
	DryRun     bool      `json:"dry_run,omitempty"`
}

// RobotFacts are the facts of registry.robot. ExpiresAt zero means never.
type RobotFacts struct {
	Registry  string       `json:"registry"`
	ID        string       `json:"id"`
	Name      string       `json:"name"`
	Level     string       `json:"level"` // system or project
	Disabled  bool         `json:"disabled,omitempty"`
	ExpiresAt time.Time    `json:"expires_at,omitzero"`
	Grants    []RobotGrant `json:"grants,omitempty"`
	GrantsCut int          `json:"grants_cut,omitempty"` // how many more there are
	CreatedAt time.Time    `json:"created_at,omitzero"`
}

// RobotGrant is what a machine account may do in one project or the system.
type RobotGrant struct {
	Kind    string   `json:"kind"` // system or project
	Project string   `json:"project,omitempty"`
	May     []string `json:"may"` // resource:action, denied ones with a leading !
}

// RegistryAuditFacts are the facts of registry.audit.
type RegistryAuditFacts struct {
	Registry     string `json:"registry"`
	ID           string `json:"id"`
	Form         string `json:"form"` // ext or legacy
	Operation    string `json:"operation"`
	ResourceType string `json:"resource_type"`
	Resource     string `json:"resource"`
	Project      string `json:"project,omitempty"`
	Digest       string `json:"digest,omitempty"`
	Tag          string `json:"tag,omitempty"`
	Succeeded    *bool  `json:"succeeded,omitempty"` // nil: this form does not say
	Who          int    `json:"who"`
	Robot        string `json:"robot,omitempty"` // name of a machine account
}

// ReleaseFacts are the facts of deploy.release.
type ReleaseFacts struct {
	Repo        string            `json:"repo"`
	ID          string            `json:"id"`
	Environment string            `json:"environment"`
	SHA         string            `json:"sha"`
	Ref         string            `json:"ref,omitempty"`
	Status      string            `json:"status"` // waiting, running, success, failure, cancelled, inactive, unknown
	Native      string            `json:"native"`
	Pipeline    string            `json:"pipeline,omitempty"`
	CreatedAt   time.Time         `json:"created_at,omitzero"`
	FinishedAt  time.Time         `json:"finished_at,omitzero"`
	UpdatedAt   time.Time         `json:"updated_at,omitzero"`
	Actor       int               `json:"actor"`
	Approvals   []ReleaseApproval `json:"approvals,omitempty"`
	// Protected says whether the environment was guarded when we looked, nil
	// where that is not visible; Required is how many approvals its guards that
	// are visible asked for, by Rules where they have them, Pending how many of
	// them the deployment still lacked.
	Protected *bool         `json:"protected,omitempty"`
	Required  int           `json:"required_approvals,omitempty"`
	Rules     []ReleaseRule `json:"approval_rules,omitempty"`
	Pending   int           `json:"pending_approvals,omitempty"`
}

// ReleaseRule is one rule about who must approve a deployment.
type ReleaseRule struct {
	Group    string `json:"group,omitempty"` // full path of the group that laid it down; empty: the repository itself
	By       string `json:"by"`              // user, group-ID, or a role
	Required int    `json:"required"`
}

// ReleaseApproval is one person's word on a deployment.
type ReleaseApproval struct {
	Person int       `json:"person"`
	State  string    `json:"state"` // approved, rejected
	At     time.Time `json:"at,omitzero"`
}

// ProjectFacts are the facts of deploy.project: an Argo CD AppProject.
type ProjectFacts struct {
	Name              string              `json:"name"`
	Namespace         string              `json:"namespace"`
	UID               string              `json:"uid"`
	SourceRepos       []string            `json:"source_repos,omitempty"`
	SourceNamespaces  []string            `json:"source_namespaces,omitempty"`
	Destinations      []ProjectTarget     `json:"destinations,omitempty"`
	ClusterAllowed    []string            `json:"cluster_allowed,omitempty"`    // group/Kind, group/Kind/name
	ClusterDenied     []string            `json:"cluster_denied,omitempty"`     // as cluster_allowed, and it wins over that
	NamespacedAllowed []string            `json:"namespaced_allowed,omitempty"` // all when empty
	NamespacedDenied  []string            `json:"namespaced_denied,omitempty"`
	SignatureKeys     []string            `json:"signature_keys,omitempty"`
	Integrity         []ProjectIntegrity  `json:"integrity,omitempty"` // in place of signature_keys
	Roles             []ProjectRole       `json:"roles,omitempty"`
	SyncWindows       []ProjectSyncWindow `json:"sync_windows,omitempty"`
	OrphansWatched    bool                `json:"orphans_watched,omitempty"`
	ResourceVersion   string              `json:"resource_version,omitempty"`
}

// ProjectTarget is where applications of a project may deploy to.
type ProjectTarget struct {
	Server    string `json:"server,omitempty"`
	Name      string `json:"name,omitempty"`
	Namespace string `json:"namespace,omitempty"`
}

// ProjectRole is a role of an Argo CD project.
type ProjectRole struct {
	Name     string   `json:"name"`
	Policies []string `json:"policies,omitempty"`
	Groups   []string `json:"groups,omitempty"`
	Tokens   int      `json:"tokens,omitempty"`
	Lasting  int      `json:"tokens_without_expiry,omitempty"`
}

// ProjectIntegrity is what an Argo CD project asks of the commits of repositories.
type ProjectIntegrity struct {
	Repos []string `json:"repos,omitempty"` // patterns of addresses
	Mode  string   `json:"mode,omitempty"`  // none, head (the commit or tag that is deployed is signed), strict (its history too)
	Keys  []string `json:"keys,omitempty"`
}

// ProjectSyncWindow is when an Argo CD project lets applications sync, or not.
type ProjectSyncWindow struct {
	Kind         string   `json:"kind"` // allow or deny
	Schedule     string   `json:"schedule"`
	Duration     string   `json:"duration"`
	TimeZone     string   `json:"time_zone,omitempty"`
	Manual       bool     `json:"manual,omitempty"` // a person may sync all the same
	Applications []string `json:"applications,omitempty"`
	Namespaces   []string `json:"namespaces,omitempty"`
	Clusters     []string `json:"clusters,omitempty"`
	All          bool     `json:"all,omitempty"`     // it is for what fits applications, namespaces and clusters, and not for what fits one of them
	Overrun      bool     `json:"overrun,omitempty"` // a sync that began in time may go on after it
}
