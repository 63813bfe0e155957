package evidence

import "time"

// The facts of each kind: the JSON that stands in a draft's Content and in a
// record's Facts. Facts never hold a person's name, login or mail address;
// where a fact belongs to a person it holds the index of that person in the
// draft's People (the record's People has the same order). -1 means that the
// source named nobody.
//
// Optional facts are omitted when the source does not say; a pointer tells
// "no" from "not said". Times are RFC 3339 in UTC.

// CommitFacts are the facts of change.commit. Author and committer are people
// of the draft with proof claimed, or signed when a configured signer's
// signature was verified. The message is the draft's Text.
type CommitFacts struct {
	Repo        string       `json:"repo"` // configured name or owner/name
	SHA         string       `json:"sha"`
	Parents     []string     `json:"parents,omitempty"`
	Branch      string       `json:"branch,omitempty"` // where it was first seen
	AuthoredAt  time.Time    `json:"authored_at,omitzero"`
	CommittedAt time.Time    `json:"committed_at,omitzero"`
	Files       []FileChange `json:"files,omitempty"`
	FilesCut    int          `json:"files_cut,omitempty"` // files beyond the listed ones
	Merge       bool         `json:"merge,omitempty"`
	Signature   string       `json:"signature,omitempty"` // none, openpgp, ssh, x509
	Verified    *bool        `json:"verified,omitempty"`  // the forge's own verdict, or ours against configured signers
	VerifiedWhy string       `json:"verified_why,omitempty"`
	// Of our own verdict: as if it were signed when we looked, the key's
	// fingerprint, and the hash of the list of signers it was held against.
	VerifiedNow *bool  `json:"verified_now,omitempty"`
	SignerKey   string `json:"signer_key,omitempty"`
	Signers     string `json:"signers,omitempty"`
	Author      int    `json:"author"`
	Committer   int    `json:"committer"`
}

// FileChange is one changed path. Status is added, modified, removed, renamed
// or type (mode or kind changed).
type FileChange struct {
	Path   string `json:"path"`
	From   string `json:"from,omitempty"`
	Status string `json:"status"`
}

// RefFacts are the facts of change.ref and change.tag.
type RefFacts struct {
	Repo   string `json:"repo"`
	Ref    string `json:"ref"` // full name, refs/heads/main
	SHA    string `json:"sha"`
	Target string `json:"target,omitempty"` // of an annotated tag: the commit
	Tagger int    `json:"tagger"`
	// Of an annotated tag, as in CommitFacts.
	Signature   string `json:"signature,omitempty"`
	Verified    *bool  `json:"verified,omitempty"`
	VerifiedWhy string `json:"verified_why,omitempty"`
	SignerKey   string `json:"signer_key,omitempty"`
	Signers     string `json:"signers,omitempty"`
}

// RewriteFacts are the facts of change.rewrite.
type RewriteFacts struct {
	Repo    string   `json:"repo"`
	Ref     string   `json:"ref"`
	Before  string   `json:"before"`
	After   string   `json:"after,omitempty"` // empty: the branch is gone
	Lost    []string `json:"lost,omitempty"`  // commits no branch reaches any more, newest first
	LostCut int      `json:"lost_cut,omitempty"`
}

// MergeFacts are the facts of change.merge. Reviews lists every review state
// seen, in the source's order. People with role author is who opened the
// request (authenticated), merger who merged it (authenticated), reviewer who
// reviewed, committer the claimed authors of its commits.
type MergeFacts struct {
	Repo          string        `json:"repo"`
	Number        int           `json:"number"`
	State         string        `json:"state"` // open, closed, merged
	Base          string        `json:"base"`
	HeadSHA       string        `json:"head_sha,omitempty"`
	MergeSHA      string        `json:"merge_sha,omitempty"` // the landed commit; empty before merging
	Commits       []string      `json:"commits,omitempty"`
	CommitsCut    bool          `json:"commits_cut,omitempty"`
	OpenedAt      time.Time     `json:"opened_at,omitzero"`
	ClosedAt      time.Time     `json:"closed_at,omitzero"`
	MergedAt      time.Time     `json:"merged_at,omitzero"`
	UpdatedAt     time.Time     `json:"updated_at,omitzero"`
	Author        int           `json:"author"`
	Merger        int           `json:"merger"`
	CommitAuthors []int         `json:"commit_authors,omitempty"`
	AutoMerge     bool          `json:"auto_merge,omitempty"`
	Reviews       []ReviewState `json:"reviews,omitempty"`
	ReviewsSeen   bool          `json:"reviews_seen"` // the review list was read; false: unknown, not none
	// Required is how many approvals the forge asked for, nil where it does not
	// say for a single request; Rules are its approval rules as it judged them.
	Required *int         `json:"approvals_required,omitempty"`
	Rules    []MergeRule  `json:"approval_rules,omitempty"`
	Files    []FileChange `json:"files,omitempty"`
	FilesCut int          `json:"files_cut,omitempty"`
}

// MergeRule is one approval rule of a request as the forge judged it.
type MergeRule struct {
	ID          int64  `json:"id"`
	Name        string `json:"name,omitempty"`
	Type        string `json:"type,omitempty"` // in the forge's words: regular, code_owner, any_approver, report_approver
	Required    int    `json:"required"`
	Approved    bool   `json:"approved"`
	By          []int  `json:"by,omitempty"`          // reviewers who count for it
	Overwritten bool   `json:"overwritten,omitempty"` // the request's own rules stand in place of the project's
}

// ReviewState is one review of a request as last seen.
type ReviewState struct {
	ID     string    `json:"id"`
	Person int       `json:"person"`
	State  string    `json:"state"` // approved, changes-requested, commented, dismissed, pending
	Commit string    `json:"commit,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// ReviewFacts are the facts of change.review: one state of one review. Person
// is a reviewer of the draft's People. A dismissal is a record of its own.
type ReviewFacts struct {
	Repo   string `json:"repo"`
	Number int    `json:"number"`
	ID     string `json:"id"`
	State  string `json:"state"`
	Commit string `json:"commit,omitempty"`
	Person int    `json:"person"`
}

// ProtectionFacts are the facts of change.protection, classic protection and
// rulesets together.
type ProtectionFacts struct {
	Repo               string         `json:"repo"`
	Branch             string         `json:"branch"`
	Protected          bool           `json:"protected"` // some rule stands in the way of a direct push
	RequiredApprovals  int            `json:"required_approvals"`
	DismissStale       *bool          `json:"dismiss_stale,omitempty"`
	CodeOwners         *bool          `json:"code_owners,omitempty"`
	LastPushApproval   *bool          `json:"last_push_approval,omitempty"`
	EnforceAdmins      *bool          `json:"enforce_admins,omitempty"`
	AllowForcePush     *bool          `json:"allow_force_push,omitempty"`
	AllowDeletion      *bool          `json:"allow_deletion,omitempty"`
	RequiredSignatures *bool          `json:"required_signatures,omitempty"`
	LinearHistory      *bool          `json:"linear_history,omitempty"`
	RequiredChecks     []string       `json:"required_checks,omitempty"`
	Classic            string         `json:"classic"` // yes, no, not-visible
	Rulesets           []RulesetFacts `json:"rulesets,omitempty"`
	RulesetsSeen       bool           `json:"rulesets_seen"`
}

// RulesetFacts is one ruleset that applies to the branch.
type RulesetFacts struct {
	ID          int64    `json:"id"`
	Name        string   `json:"name"`
	Source      string   `json:"source,omitempty"`
	Enforcement string   `json:"enforcement"` // active, evaluate, disabled
	Rules       []string `json:"rules,omitempty"`
	Bypass      string   `json:"bypass"` // none, some, not-visible
	BypassCount int      `json:"bypass_count,omitempty"`
}

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
	Initiator      int            `json:"initiator"` // -1: automated or not named
	Partial        bool           `json:"partial,omitempty"`
	DryRun         bool           `json:"dry_run,omitempty"`
	Prune          bool           `json:"prune,omitempty"`
	LocalManifests bool           `json:"local_manifests,omitempty"` // pushed by hand, not from git
	Retries        int64          `json:"retries,omitempty"`
	Images         []string       `json:"images,omitempty"`
	Objects        []DeployObject `json:"objects,omitempty"`
	ObjectsCut     int            `json:"objects_cut,omitempty"`
}

// AccessFacts are the facts of secret.access and secret.auth: one audited
// request with its answer. Hashed values stay as the source hashed them. A
// user name inside a path (userpass logins) is replaced by {user}.
type AccessFacts struct {
	RequestID   string   `json:"request_id"`
	Operation   string   `json:"operation"`
	Path        string   `json:"path"`
	Mount       string   `json:"mount,omitempty"`
	MountType   string   `json:"mount_type,omitempty"`
	Namespace   string   `json:"namespace,omitempty"`
	Outcome     string   `json:"outcome"`          // ok, denied, failed, missing, no-response, no-request
	Reading     bool     `json:"reading"`          // gave or would have given secret data to the caller
	Secret      string   `json:"secret,omitempty"` // path of the secret as the owner names it, without data/ and metadata/ infixes
	Who         int      `json:"who"`              // -1: unknown caller
	Entity      string   `json:"entity,omitempty"`
	AuthMethod  string   `json:"auth_method,omitempty"` // display name's kind: token, userpass, approle, kubernetes
	Role        string   `json:"role,omitempty"`
	SANamespace string   `json:"sa_namespace,omitempty"`
	SAName      string   `json:"sa_name,omitempty"`
	Policies    []string `json:"policies,omitempty"`
	Granting    []string `json:"granting,omitempty"`
	TokenType   string   `json:"token_type,omitempty"`
	Root        bool     `json:"root,omitempty"`
	Accessor    string   `json:"accessor,omitempty"` // hashed by the source
	Wrapped     bool     `json:"wrapped,omitempty"`
	WrapToken   string   `json:"wrap_token,omitempty"` // hashed by the source
	LeaseID     string   `json:"lease_id,omitempty"`
	Remote      string   `json:"remote,omitempty"`
	Error       string   `json:"error,omitempty"`
	Device      string   `json:"device,omitempty"`
	// Transport is empty when the device's own file was read, and "socket" when
	// any of it came over a socket, where nobody proves who is writing: such a
	// record alone satisfies nothing.
	Transport string `json:"transport,omitempty"`
	// TokenTTL is what the caller's token was given to live, in seconds; 0: not
	// said, or no end.
	TokenTTL    int64             `json:"token_ttl,omitempty"`
	TokenIssued time.Time         `json:"token_issued,omitzero"`
	NoExpiry    bool              `json:"no_expiry,omitempty"` // the line says who the caller is and that the token has no end
	RespondedAt time.Time         `json:"responded_at,omitzero"`
	Extra       map[string]string `json:"extra,omitempty"`
}

// PolicyFacts are the facts of secret.policy.
type PolicyFacts struct {
	Name      string       `json:"name"`
	Namespace string       `json:"namespace,omitempty"`
	SHA256    string       `json:"sha256"` // of the policy's text
	Rules     []PolicyRule `json:"rules,omitempty"`
	Unparsed  bool         `json:"unparsed,omitempty"` // the text could not be read: what it opens is unknown
}

// PolicyRule is one path stanza.
type PolicyRule struct {
	Path         string   `json:"path"` // may hold + and a trailing *
	Capabilities []string `json:"capabilities"`
}

// RoleFacts are the facts of secret.role.
type RoleFacts struct {
	Mount           string   `json:"mount"`
	MountType       string   `json:"mount_type"`
	Role            string   `json:"role"`
	Policies        []string `json:"policies,omitempty"`
	Namespaces      []string `json:"bound_namespaces,omitempty"`
	ServiceAccounts []string `json:"bound_service_accounts,omitempty"`
	TTLSeconds      int64    `json:"ttl_seconds,omitempty"`
	MaxTTLSeconds   int64    `json:"max_ttl_seconds,omitempty"`
	PeriodSeconds   int64    `json:"period_seconds,omitempty"` // its tokens live on for as long as they are renewed
	TokenType       string   `json:"token_type,omitempty"`     // service, batch, default-service, default-batch
	Orphan          bool     `json:"orphan,omitempty"`         // its tokens do not end with the one that made them
	SecretIDSeconds int64    `json:"secret_id_seconds,omitempty"`
	SecretIDForever bool     `json:"secret_id_forever,omitempty"` // approle: its secret ids never end
	BoundCIDRs      []string `json:"bound_cidrs,omitempty"`
	Holder          int      `json:"holder"` // -1: a machine role; else a person's own login
}

// IdentityFacts are the facts of secret.identity. Holder is the person, with
// role holder, whom the entity stands for.
type IdentityFacts struct {
	Entity        string          `json:"entity"`
	Disabled      bool            `json:"disabled,omitempty"`
	Policies      []string        `json:"policies,omitempty"`
	GroupPolicies []string        `json:"group_policies,omitempty"`
	Aliases       []IdentityAlias `json:"aliases,omitempty"`
	Groups        []IdentityGroup `json:"groups,omitempty"`
	MergedFrom    []string        `json:"merged_from,omitempty"` // entities that were merged into this one: older log lines name these
	Holder        int             `json:"holder"`
}

// IdentityGroup is a group that an entity is in, directly or through another.
// An external group takes its members from a login method.
type IdentityGroup struct {
	ID        string   `json:"id"`
	Name      string   `json:"name,omitempty"`
	External  bool     `json:"external,omitempty"`
	MountPath string   `json:"mount_path,omitempty"` // of an external group's alias
	MountType string   `json:"mount_type,omitempty"`
	Policies  []string `json:"policies,omitempty"`
}

// IdentityAlias is one login of an entity.
type IdentityAlias struct {
	MountAccessor string `json:"mount_accessor"`
	MountType     string `json:"mount_type"`
	MountPath     string `json:"mount_path,omitempty"`
	Role          string `json:"role,omitempty"` // machine roles only
}

// DeviceFacts are the facts of secret.device.
type DeviceFacts struct {
	Path    string            `json:"path"`
	Type    string            `json:"type"`
	Options map[string]string `json:"options,omitempty"`
	Local   bool              `json:"local,omitempty"`
	LogRaw  bool              `json:"log_raw,omitempty"`
	Filter  bool              `json:"filter,omitempty"` // entries or fields are left out
	Era     string            `json:"era,omitempty"`    // changes when the salt does
}

// MountFacts are the facts of secret.mount.
type MountFacts struct {
	Path     string `json:"path"`
	Class    string `json:"class"` // secret or auth
	Type     string `json:"type"`
	Accessor string `json:"accessor,omitempty"`
	UUID     string `json:"uuid,omitempty"`
	Version  string `json:"version,omitempty"` // kv version
	Local    bool   `json:"local,omitempty"`
	// Tuning. Zero seconds are the server's default.
	DefaultTTLSeconds int64    `json:"default_ttl_seconds,omitempty"`
	MaxTTLSeconds     int64    `json:"max_ttl_seconds,omitempty"`
	ClearRequest      []string `json:"clear_request_keys,omitempty"`  // keys whose values the audit log shows in clear
	ClearResponse     []string `json:"clear_response_keys,omitempty"` // and those of answers
	TokenType         string   `json:"token_type,omitempty"`          // of an auth method
	SealWrap          bool     `json:"seal_wrap,omitempty"`
	Plugin            string   `json:"plugin,omitempty"` // version and SHA-256 of a plugin that runs, where the server says
}

// ServerFacts are the facts of secret.server: what a secret store says of
// itself without a credential. Behind a balancer it is one node that answers.
type ServerFacts struct {
	Version            string `json:"version"`
	Initialized        bool   `json:"initialized"`
	Sealed             bool   `json:"sealed"`
	Standby            bool   `json:"standby,omitempty"`
	PerformanceStandby bool   `json:"performance_standby,omitempty"`
	Cluster            string `json:"cluster,omitempty"` // id; a sealed server does not know it
	ClusterName        string `json:"cluster_name,omitempty"`
	ReplicationDR      string `json:"replication_dr,omitempty"`
	ReplicationPerf    string `json:"replication_performance,omitempty"`
}

// CertFacts are the facts of cert.state.
type CertFacts struct {
	Endpoint    string      `json:"endpoint,omitempty"` // host:port
	SNI         string      `json:"sni,omitempty"`
	File        string      `json:"file,omitempty"`
	Dialled     string      `json:"dialled,omitempty"` // address connected to
	Protocol    string      `json:"protocol,omitempty"`
	Cipher      string      `json:"cipher,omitempty"`
	Subject     string      `json:"subject"`
	Issuer      string      `json:"issuer"`
	Serial      string      `json:"serial"` // lower-case hex
	SANs        []string    `json:"sans,omitempty"`
	NotBefore   time.Time   `json:"not_before"`
	NotAfter    time.Time   `json:"not_after"`
	Key         string      `json:"key"` // RSA-2048, ECDSA-P-256, Ed25519
	Signature   string      `json:"signature"`
	Fingerprint string      `json:"fingerprint"` // SHA-256 of the DER, lower-case hex
	SelfSigned  bool        `json:"self_signed,omitempty"`
	Chain       []ChainCert `json:"chain,omitempty"`
	NameMatches bool        `json:"name_matches"`
	Trusted     string      `json:"trusted"` // yes, no, not-checked
	TrustError  string      `json:"trust_error,omitempty"`
	LookedAt    time.Time   `json:"looked_at,omitzero"`
}

// ChainCert is one further certificate that was sent or stands in the file.
type ChainCert struct {
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	NotAfter    time.Time `json:"not_after"`
	Fingerprint string    `json:"fingerprint"`
}

// PersonFacts are the facts of person. The record's subject is person:/TOKEN.
type PersonFacts struct {
	Realm    string `json:"realm"`
	NativeID string `json:"native_id"`
	Names    Names  `json:"names"`
}

// GenesisFacts are the facts of log.genesis.
type GenesisFacts struct {
	Format      int       `json:"format"`
	Origin      string    `json:"origin"`
	Tenant      Tenant    `json:"tenant"`
	Created     time.Time `json:"created"`
	LogKey      string    `json:"log_key"`  // note verifier key
	PackKey     string    `json:"pack_key"` // note verifier key
	Clock       string    `json:"clock"`    // real or simulated
	Predecessor *LogEnd   `json:"predecessor,omitempty"`
}

// LogEnd names the last checkpoint of a log that another one continues.
type LogEnd struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   Hash   `json:"root"`
	Why    string `json:"why"`
	// Lost is the newest checkpoint known of the log that its records no
	// longer reach, when that is why it ended.
	Lost *LogHead `json:"lost,omitempty"`
}

// KeyFacts are the facts of log.key: the log key changes. The new key signs
// every tree that holds this record; the first such checkpoint is signed by the
// old key too, unless that was compromised.
type KeyFacts struct {
	Old         string `json:"old"`  // note verifier keys
	New         string `json:"new"`  // of the same name
	From        uint64 `json:"from"` // the new key signs no tree smaller than this
	Compromised bool   `json:"compromised,omitempty"`
	Reason      string `json:"reason"`
}

// RecoveredFacts are the facts of log.recovered: what an installation came back
// with after a crash or from a backup, and who let it go on.
type RecoveredFacts struct {
	Outcome   string     `json:"outcome"`            // whole, unsigned-tail-lost, continued
	Size      uint64     `json:"size"`               // records that were there
	Lost      uint64     `json:"lost,omitempty"`     // unsigned records known to be gone, at least
	Compared  []LogKnown `json:"compared,omitempty"` // checkpoints it was compared with
	Reason    string     `json:"reason,omitempty"`
	Authority string     `json:"authority,omitempty"`
}

// LogKnown is a checkpoint of a log and where it is known from.
type LogKnown struct {
	From string `json:"from"`
	Size uint64 `json:"size"`
	Root Hash   `json:"root"`
}

// RunFacts are the facts of collection.run: how one due slot of a source
// ended. Records counts new records over all tenants.
type RunFacts struct {
	Source   SourceID  `json:"source"`
	Slot     time.Time `json:"slot"` // when it was due
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Outcome  Outcome   `json:"outcome"`
	Cause    string    `json:"cause,omitempty"`
	Window   Period    `json:"window,omitzero"`
	Items    int       `json:"items"`
	Records  int       `json:"records"`
	Repeated int       `json:"repeated"` // seen before
	Ended_   int       `json:"states_ended,omitempty"`
	Kept     int       `json:"kept,omitempty"`    // durable, waiting for a log that is stopped
	Refused  int       `json:"refused,omitempty"` // not kept: too much waits for a log that is stopped
	Total    int64     `json:"source_total"`      // -1 when the source gives none
	// Counts are totals the source gave for single lists beside ours, those
	// that differ first; CountsCut more agree or did not fit.
	Counts    []SourceCount `json:"counts,omitempty"`
	CountsCut int           `json:"counts_cut,omitempty"`
	Identity  string        `json:"identity,omitempty"`
	Sees      int           `json:"sees,omitempty"` // containers visible
	OffsetMS  *int64        `json:"clock_offset_ms,omitempty"`
	TLS       string        `json:"tls,omitempty"`
	TLSKey    string        `json:"tls_key,omitempty"`
	Requests  int           `json:"requests"`
	Notes     []string      `json:"notes,omitempty"`
	Missed    int           `json:"missed_slots,omitempty"` // this record stands for so many missed slots
	Until     time.Time     `json:"missed_until,omitzero"`
}

// CoverageFacts are the facts of collection.coverage: what one source was seen
// of over one stretch of its own time, for one tenant.
type CoverageFacts struct {
	Source SourceID       `json:"source"`
	Period Period         `json:"period"`
	Spans  []CoverageSpan `json:"spans"`
	Counts map[Kind]int   `json:"counts,omitempty"` // this tenant's new records, zero included for every kind
	Runs   RunCounts      `json:"runs"`
	Hash   Hash           `json:"runs_hash"` // over the ids of the runs, in order
	RunIDs []ID           `json:"run_ids,omitempty"`
}

// RunCounts counts due slots by outcome.
type RunCounts struct {
	Expected int `json:"expected"`
	Done     int `json:"done"`
	Empty    int `json:"empty"`
	Partial  int `json:"partial"`
	Failed   int `json:"failed"`
	Missed   int `json:"missed"`
}

// Add adds d to c.
func (c *RunCounts) Add(d RunCounts) {
	c.Expected += d.Expected
	c.Done += d.Done
	c.Empty += d.Empty
	c.Partial += d.Partial
	c.Failed += d.Failed
	c.Missed += d.Missed
}

// CoverageSpan is a stretch of one class. For instants, Looks are the looks:
// the first at From, each following one so many milliseconds after the one
// before; the last look is at To.
type CoverageSpan struct {
	Kinds []Kind    `json:"kinds"`
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Class Class     `json:"class"`
	Cause string    `json:"cause,omitempty"`
	Looks []int64   `json:"looks_ms,omitempty"`
}

// ConfigFacts are the facts of platform.config.
type ConfigFacts struct {
	SHA256 string   `json:"sha256"` // of the effective configuration, secrets left out
	Before string   `json:"before,omitempty"`
	Diff   []string `json:"diff,omitempty"`    // lines removed (-) and added (+)
	Loosen []string `json:"loosens,omitempty"` // what of the change loosens the evidence
	By     string   `json:"by"`                // user id of the process that loaded it
	Config string   `json:"config,omitempty"`
}

// AdminFacts are the facts of platform.admin.
type AdminFacts struct {
	Act    string            `json:"act"`
	Detail map[string]string `json:"detail,omitempty"`
}

// ReadFacts are the facts of access.read: an answer was given to somebody.
type ReadFacts struct {
	Command string `json:"command"`
	Period  Period `json:"period,omitzero"`
	Via     string `json:"via"`  // socket or direct
	UID     int    `json:"uid"`  // user id of the asking process
	Size    uint64 `json:"size"` // log size answered from
	Purpose string `json:"purpose,omitempty"`
}

// PackFacts are the facts of pack.issued.
type PackFacts struct {
	Manifest  Hash      `json:"manifest"` // SHA-256 of the signed manifest
	Period    Period    `json:"period"`
	Size      uint64    `json:"size"`
	Root      Hash      `json:"root"`
	Records   uint64    `json:"records"`
	Complete  bool      `json:"complete"`
	Interim   bool      `json:"interim"`
	Purpose   string    `json:"purpose,omitempty"`
	Recipient string    `json:"recipient,omitempty"`
	Disclosed []ID      `json:"disclosed,omitempty"` // person tokens
	Withheld  int       `json:"withheld"`            // claims
	Issued    time.Time `json:"issued"`
}

// CheckpointsFacts are the facts of log.checkpoints.
type CheckpointsFacts struct {
	Logs []LogHead `json:"logs"`
}

// DamageFacts are the facts of log.damage. They name records by number and kind,
// never what they hold.
type DamageFacts struct {
	Origin   string   `json:"origin"`
	Size     uint64   `json:"size"`
	Root     Hash     `json:"root"`    // as the log's head says
	Records  uint64   `json:"records"` // read
	Failures []string `json:"failures,omitempty"`
	More     int      `json:"more,omitempty"`    // failures not listed
	Missing  uint64   `json:"missing,omitempty"` // claims without key and without erasure record
}

// LogHead is a checkpoint of a log, by its origin.
type LogHead struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   Hash   `json:"root"`
}
