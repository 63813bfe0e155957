package evidence

import "time"

// Facts of clusters: what runs, who may, what is backed up, which secrets are
// copied in and which certificates are asked for. See facts.go for the rules.

// NamespaceFacts are the facts of runtime.namespace.
type NamespaceFacts struct {
	Cluster         string            `json:"cluster"`
	Name            string            `json:"name"`
	UID             string            `json:"uid"`
	Labels          map[string]string `json:"labels,omitempty"`
	Phase           string            `json:"phase,omitempty"` // Active, Terminating
	CreatedAt       time.Time         `json:"created_at,omitzero"`
	ResourceVersion string            `json:"resource_version,omitempty"`
}

// WorkloadFacts are the facts of runtime.workload.
type WorkloadFacts struct {
	Cluster            string           `json:"cluster"`
	Kind               string           `json:"kind"` // Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob
	Namespace          string           `json:"namespace"`
	Name               string           `json:"name"`
	UID                string           `json:"uid"`
	Generation         int64            `json:"generation,omitempty"`
	ObservedGeneration int64            `json:"observed_generation,omitempty"`
	Rollout            string           `json:"rollout,omitempty"` // deployment.kubernetes.io/revision
	Owner              *OwnerRef        `json:"owner,omitempty"`
	App                string           `json:"app,omitempty"` // Argo CD application that tracks it, namespace/name where it says so
	Containers         []ContainerFacts `json:"containers,omitempty"`
	ServiceAccount     string           `json:"service_account,omitempty"`
	Secrets            []string         `json:"secrets,omitempty"`          // names of Secrets its pods mount or take variables from
	SecretProviders    []string         `json:"secret_providers,omitempty"` // SecretProviderClasses through which they mount secrets from elsewhere
	ImageVolumes       []string         `json:"image_volumes,omitempty"`    // images whose files they mount and do not run, as asked for
	Replicas           *int32           `json:"replicas,omitempty"`
	Ready              *int32           `json:"ready,omitempty"`
	CreatedAt          time.Time        `json:"created_at,omitzero"`
	ResourceVersion    string           `json:"resource_version,omitempty"`
}

// OwnerRef names the controller of an object.
type OwnerRef struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// ContainerFacts is one container, as declared or as it runs.
type ContainerFacts struct {
	Name      string    `json:"name"`
	Init      bool      `json:"init,omitempty"`
	Image     string    `json:"image"`               // what was asked for
	ImageID   string    `json:"image_id,omitempty"`  // what the runtime reports, as it writes it
	Digest    string    `json:"digest,omitempty"`    // algorithm:hex out of ImageID
	DigestOf  string    `json:"digest_of,omitempty"` // manifest, or unknown: some runtimes report the configuration's digest
	State     string    `json:"state,omitempty"`     // waiting, running, terminated
	Reason    string    `json:"reason,omitempty"`
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
}

// PodFacts are the facts of runtime.pod.
type PodFacts struct {
	Cluster         string           `json:"cluster"`
	Namespace       string           `json:"namespace"`
	Name            string           `json:"name"`
	UID             string           `json:"uid"`
	Node            string           `json:"node,omitempty"`
	Phase           string           `json:"phase"`
	ServiceAccount  string           `json:"service_account,omitempty"`
	Owner           *OwnerRef        `json:"owner,omitempty"`
	Workload        string           `json:"workload,omitempty"` // Kind/name at the top of its owners, where known
	App             string           `json:"app,omitempty"`
	Containers      []ContainerFacts `json:"containers,omitempty"`
	Secrets         []string         `json:"secrets,omitempty"`
	SecretProviders []string         `json:"secret_providers,omitempty"`
	ImageVolumes    []string         `json:"image_volumes,omitempty"` // as a workload's
	Privileged      bool             `json:"privileged,omitempty"`
	HostNetwork     bool             `json:"host_network,omitempty"`
	CreatedAt       time.Time        `json:"created_at,omitzero"`
	StartedAt       time.Time        `json:"started_at,omitzero"`
	Restarts        int32            `json:"restarts,omitempty"`
	ResourceVersion string           `json:"resource_version,omitempty"`
}

// NodeFacts are the facts of runtime.node. Region and Zone are where data is.
type NodeFacts struct {
	Cluster         string    `json:"cluster"`
	Name            string    `json:"name"`
	UID             string    `json:"uid"`
	Region          string    `json:"region,omitempty"`
	Zone            string    `json:"zone,omitempty"`
	Provider        string    `json:"provider,omitempty"` // scheme of the provider id
	Type            string    `json:"type,omitempty"`
	OS              string    `json:"os,omitempty"`
	Kernel          string    `json:"kernel,omitempty"`
	Runtime         string    `json:"runtime,omitempty"`
	Kubelet         string    `json:"kubelet,omitempty"`
	Ready           string    `json:"ready,omitempty"` // True, False, Unknown
	Unschedulable   bool      `json:"unschedulable,omitempty"`
	CreatedAt       time.Time `json:"created_at,omitzero"`
	ResourceVersion string    `json:"resource_version,omitempty"`
}

// RBACFacts are the facts of access.rbac: one role or binding. Users stand in
// the draft's people with role holder.
type RBACFacts struct {
	Cluster         string        `json:"cluster"`
	Kind            string        `json:"kind"` // Role, ClusterRole, RoleBinding, ClusterRoleBinding
	Namespace       string        `json:"namespace,omitempty"`
	Name            string        `json:"name"`
	UID             string        `json:"uid"`
	Rules           []RBACRule    `json:"rules,omitempty"`
	RulesCut        int           `json:"rules_cut,omitempty"`
	Aggregates      bool          `json:"aggregates,omitempty"` // the rules are gathered from other roles
	RoleKind        string        `json:"role_kind,omitempty"`  // of a binding
	RoleName        string        `json:"role_name,omitempty"`
	Subjects        []RBACSubject `json:"subjects,omitempty"`
	SubjectsCut     int           `json:"subjects_cut,omitempty"`
	CreatedAt       time.Time     `json:"created_at,omitzero"`
	ResourceVersion string        `json:"resource_version,omitempty"`
}

// RBACRule is one rule of a role.
type RBACRule struct {
	Verbs     []string `json:"verbs"`
	Groups    []string `json:"groups,omitempty"`
	Resources []string `json:"resources,omitempty"`
	Names     []string `json:"names,omitempty"`
	URLs      []string `json:"urls,omitempty"`
}

// RBACSubject is one holder of a binding. A User is person number Person of the
// record; the others stand here by name.
type RBACSubject struct {
	Kind      string `json:"kind"` // User, Group, ServiceAccount
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"` // of a group or service account
	Person    int    `json:"person"`         // -1 unless User
}

// MemberFacts are the facts of access.member.
type MemberFacts struct {
	Container string    `json:"container"`      // repository, project, group or organisation path
	Level     string    `json:"level"`          // repository, project, group, organisation, instance
	Type      string    `json:"type"`           // user, team, group, deploy-key, token, app, robot
	Name      string    `json:"name,omitempty"` // of what is not a person
	Role      string    `json:"role"`           // in the platform's words
	Rank      string    `json:"rank"`           // none, read, write, maintain, admin, unknown
	Holder    int       `json:"holder"`         // -1 unless a user
	Inherited bool      `json:"inherited,omitempty"`
	Outside   bool      `json:"outside,omitempty"` // of the repository, not of its organisation
	Scopes    []string  `json:"scopes,omitempty"`  // of a token
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Disabled  bool      `json:"disabled,omitempty"`
}

// AuditFacts are the facts of access.audit: one line of a platform's own audit
// log. Outcome is the answer: ok, denied, failed, unchanged (a conflict or a
// dry run), unknown.
type AuditFacts struct {
	Platform      string    `json:"platform"` // kubernetes, github, gitlab
	ID            string    `json:"id"`
	Stage         string    `json:"stage,omitempty"`
	Action        string    `json:"action"` // verb, or the forge's name of the event
	Container     string    `json:"container,omitempty"`
	Group         string    `json:"group,omitempty"`
	Resource      string    `json:"resource,omitempty"`
	Subresource   string    `json:"subresource,omitempty"`
	Namespace     string    `json:"namespace,omitempty"`
	Name          string    `json:"name,omitempty"`
	UID           string    `json:"uid,omitempty"`
	URI           string    `json:"uri,omitempty"` // path; of a query only its keys
	Outcome       string    `json:"outcome"`
	Code          int       `json:"code,omitempty"`
	Who           int       `json:"who"`                      // the actor: who was impersonated, if somebody was
	Behind        int       `json:"behind"`                   // who impersonated
	Account       string    `json:"account,omitempty"`        // actor that is a service account, namespace/name
	BehindAccount string    `json:"behind_account,omitempty"` // service account that impersonated
	Masters       bool      `json:"masters,omitempty"`        // passed every check as a member of the group system:masters
	PodUID        string    `json:"pod_uid,omitempty"`
	Credential    string    `json:"credential,omitempty"` // id of the token used
	Issued        string    `json:"issued,omitempty"`     // id of the token that was made for the asker: the credential of what it is used for
	Groups        []string  `json:"groups,omitempty"`
	Decision      string    `json:"decision,omitempty"`      // allow, forbid
	AuthorizedBy  string    `json:"authorized_by,omitempty"` // binding and role that let it pass
	Level         string    `json:"level,omitempty"`
	Remote        []string  `json:"remote,omitempty"`
	Agent         string    `json:"agent,omitempty"`
	EndedAt       time.Time `json:"ended_at,omitzero"`
	Changed       []string  `json:"changed,omitempty"`        // what of a setting changed, from and to
	SecretContent bool      `json:"secret_content,omitempty"` // the line held a secret's content: it was not kept
	// Unauthenticated: whoever sent the line did not prove to be the platform.
	Unauthenticated bool `json:"unauthenticated,omitempty"`
}

// SecretSyncFacts are the facts of secret.sync: an ExternalSecret or its like.
type SecretSyncFacts struct {
	Cluster         string      `json:"cluster"`
	Kind            string      `json:"kind"` // ExternalSecret, PushSecret
	Namespace       string      `json:"namespace"`
	Name            string      `json:"name"`
	UID             string      `json:"uid"`
	StoreKind       string      `json:"store_kind"` // SecretStore, ClusterSecretStore
	StoreName       string      `json:"store_name"`
	Remote          []RemoteKey `json:"remote,omitempty"`
	Target          string      `json:"target"` // name of the Kubernetes Secret
	Interval        string      `json:"interval,omitempty"`
	Policy          string      `json:"policy,omitempty"`    // Periodic, OnChange, CreatedOnce
	Windows         string      `json:"windows,omitempty"`   // allow: periodic refreshes in named windows alone; deny: not in them
	Immutable       bool        `json:"immutable,omitempty"` // the target stays as it was made, though refreshes go on
	Ready           string      `json:"ready,omitempty"`     // True, False, Unknown
	Reason          string      `json:"reason,omitempty"`
	ReadySince      time.Time   `json:"ready_since,omitzero"`
	RefreshedAt     time.Time   `json:"refreshed_at,omitzero"` // newest successful refresh
	SyncedVersion   string      `json:"synced_version,omitempty"`
	Generated       bool        `json:"generated,omitempty"` // some of it comes from a generator or a search, not from a named key
	ResourceVersion string      `json:"resource_version,omitempty"`
}

// RemoteKey is one secret at the provider.
type RemoteKey struct {
	Key      string `json:"key"` // as the operator asks for it, below the store's path
	Property string `json:"property,omitempty"`
	Version  string `json:"version,omitempty"`
}

// SecretStoreFacts are the facts of secret.store.
type SecretStoreFacts struct {
	Cluster         string   `json:"cluster"`
	Kind            string   `json:"kind"`
	Namespace       string   `json:"namespace,omitempty"`
	Name            string   `json:"name"`
	UID             string   `json:"uid"`
	Provider        string   `json:"provider"` // vault, or the operator's name of another
	Server          string   `json:"server,omitempty"`
	Path            string   `json:"path,omitempty"`    // mount
	Version         string   `json:"version,omitempty"` // of the kv engine
	VaultNamespace  string   `json:"vault_namespace,omitempty"`
	AuthMethod      string   `json:"auth_method,omitempty"`
	AuthMount       string   `json:"auth_mount,omitempty"`
	Role            string   `json:"role,omitempty"`
	Account         string   `json:"account,omitempty"` // service account it logs in as, namespace/name
	Conditions      int      `json:"conditions"`        // rules that limit which namespaces may use it
	Namespaces      []string `json:"namespaces,omitempty"`
	Ready           string   `json:"ready,omitempty"`
	Reason          string   `json:"reason,omitempty"`
	ResourceVersion string   `json:"resource_version,omitempty"`
}

// RotationFacts are the facts of secret.rotation.
type RotationFacts struct {
	Path            string    `json:"path"`
	Type            string    `json:"type"` // database-static-role, ldap-static-role, aws-static-role, transit-key, pki-issuer, barrier-key, kv
	Namespace       string    `json:"namespace,omitempty"`
	Version         int64     `json:"version,omitempty"`
	LastRotated     time.Time `json:"last_rotated,omitzero"`
	PeriodSeconds   int64     `json:"period_seconds,omitempty"` // 0: not rotated by itself
	Schedule        string    `json:"schedule,omitempty"`
	ExpiresAt       time.Time `json:"expires_at,omitzero"` // of an issuer
	MinDecryption   int64     `json:"min_decryption_version,omitempty"`
	Exportable      *bool     `json:"exportable,omitempty"`
	DeletionAllowed *bool     `json:"deletion_allowed,omitempty"`
	PlainBackup     *bool     `json:"plaintext_backup,omitempty"` // the key may leave in clear as a backup
	KeyType         string    `json:"key_type,omitempty"`
	Revoked         bool      `json:"revoked,omitempty"` // an issuer
}

// LeaseFacts are the facts of secret.lease.
type LeaseFacts struct {
	Prefix    string `json:"prefix"`
	Namespace string `json:"namespace,omitempty"`
	Count     int    `json:"count"`
	Cut       bool   `json:"cut,omitempty"` // there are more than were counted
	// Irrevocable counts only leases that could not be revoked when they should
	// have been: what they opened may still be open.
	Irrevocable bool      `json:"irrevocable,omitempty"`
	LookedAt    time.Time `json:"looked_at,omitzero"`
}

// ScheduleFacts are the facts of backup.schedule.
type ScheduleFacts struct {
	Cluster         string      `json:"cluster"`
	Namespace       string      `json:"namespace"`
	Name            string      `json:"name"`
	UID             string      `json:"uid"`
	Cron            string      `json:"cron"`
	Paused          bool        `json:"paused,omitempty"`
	Phase           string      `json:"phase,omitempty"`
	Scope           BackupScope `json:"scope"`
	Location        string      `json:"location,omitempty"`
	TTLSeconds      int64       `json:"ttl_seconds,omitempty"`
	LastBackup      time.Time   `json:"last_backup,omitzero"`
	LastSkipped     time.Time   `json:"last_skipped,omitzero"`
	Problems        []string    `json:"problems,omitempty"`
	ResourceVersion string      `json:"resource_version,omitempty"`
}

// BackupScope is what a backup or restore covers. No namespace listed means all.
type BackupScope struct {
	Namespaces         []string `json:"namespaces,omitempty"`
	ExcludedNamespaces []string `json:"excluded_namespaces,omitempty"`
	Resources          []string `json:"resources,omitempty"`
	ExcludedResources  []string `json:"excluded_resources,omitempty"`
	Selector           bool     `json:"selector,omitempty"` // labels narrow it further
	Volumes            *bool    `json:"volumes,omitempty"`
	Policy             string   `json:"policy,omitempty"` // ConfigMap of rules that may leave out volumes and kinds of objects
}

// LocationFacts are the facts of backup.location.
type LocationFacts struct {
	Cluster         string    `json:"cluster"`
	Namespace       string    `json:"namespace"`
	Name            string    `json:"name"`
	UID             string    `json:"uid"`
	Provider        string    `json:"provider"`
	Bucket          string    `json:"bucket,omitempty"`
	Prefix          string    `json:"prefix,omitempty"`
	Region          string    `json:"region,omitempty"`
	AccessMode      string    `json:"access_mode,omitempty"` // ReadWrite, ReadOnly
	Default         bool      `json:"default,omitempty"`
	Phase           string    `json:"phase,omitempty"` // Available, Unavailable
	ValidatedAt     time.Time `json:"validated_at,omitzero"`
	ResourceVersion string    `json:"resource_version,omitempty"`
}

// Tries counts parts of a backup or restore.
type Tries struct {
	Attempted int `json:"attempted"`
	Completed int `json:"completed"`
	Failed    int `json:"failed,omitempty"`
}

// BackupFacts are the facts of backup.run.
type BackupFacts struct {
	Cluster         string      `json:"cluster"`
	Namespace       string      `json:"namespace"`
	Name            string      `json:"name"`
	UID             string      `json:"uid"`
	Schedule        string      `json:"schedule,omitempty"`
	Location        string      `json:"location,omitempty"`
	Scope           BackupScope `json:"scope"`
	Phase           string      `json:"phase"`
	Terminal        bool        `json:"terminal"`
	StartedAt       time.Time   `json:"started_at,omitzero"`
	FinishedAt      time.Time   `json:"finished_at,omitzero"`
	ExpiresAt       time.Time   `json:"expires_at,omitzero"`
	Errors          int         `json:"errors"`
	Warnings        int         `json:"warnings"`
	Items           *int        `json:"items,omitempty"` // backed up; nil: not said
	ItemsTotal      *int        `json:"items_total,omitempty"`
	Snapshots       *Tries      `json:"snapshots,omitempty"`
	Operations      *Tries      `json:"operations,omitempty"`
	Hooks           *Tries      `json:"hooks,omitempty"`
	Failure         string      `json:"failure,omitempty"`
	Problems        []string    `json:"problems,omitempty"`
	Synced          bool        `json:"synced,omitempty"`     // the object was made from what the bucket holds: the backup may be another cluster's
	GCFailure       string      `json:"gc_failure,omitempty"` // why it outlives its expiry, as the tool says
	DeletedAt       time.Time   `json:"deleted_at,omitzero"`
	DeletedAfter    time.Time   `json:"deleted_after,omitzero"` // it was there then: that it was gone was found at deleted_at. Unset when the source told of the deletion
	DeletedHow      string      `json:"deleted_how,omitempty"`  // expired, requested (before its expiry), unexplained (nobody was seen to ask)
	ResourceVersion string      `json:"resource_version,omitempty"`
}

// RestoreFacts are the facts of backup.restore.
type RestoreFacts struct {
	Cluster         string            `json:"cluster"`
	Namespace       string            `json:"namespace"`
	Name            string            `json:"name"`
	UID             string            `json:"uid"`
	Backup          string            `json:"backup,omitempty"`
	Schedule        string            `json:"schedule,omitempty"`
	Scope           BackupScope       `json:"scope"`
	Into            map[string]string `json:"into,omitempty"`     // source namespace to target namespace
	Existing        string            `json:"existing,omitempty"` // what was done with objects that were there
	Purpose         string            `json:"purpose"`            // test, or unknown: it may have been needed
	Plan            string            `json:"plan,omitempty"`
	Ticket          string            `json:"ticket,omitempty"`
	Requester       int               `json:"requester"` // as a label claims; -1, also once it was found to be gone
	Phase           string            `json:"phase"`
	Terminal        bool              `json:"terminal"`
	StartedAt       time.Time         `json:"started_at,omitzero"`
	FinishedAt      time.Time         `json:"finished_at,omitzero"`
	Errors          int               `json:"errors"`
	Warnings        int               `json:"warnings"`
	Items           *int              `json:"items,omitempty"` // handled, which is not the same as restored
	Operations      *Tries            `json:"operations,omitempty"`
	Hooks           *Tries            `json:"hooks,omitempty"`
	Failure         string            `json:"failure,omitempty"`
	Problems        []string          `json:"problems,omitempty"`
	DeletedAt       time.Time         `json:"deleted_at,omitzero"`
	DeletedAfter    time.Time         `json:"deleted_after,omitzero"` // as of a backup
	ResourceVersion string            `json:"resource_version,omitempty"`
}

// RestoreTestFacts are the facts of backup.test. Grade is the highest rung all
// of whose conditions, and those of every rung below, hold:
//
//	0 attempted, 1 ran, 2 clean, 3 complete, 4 verified, 5 in time
//
// Stopped says why the next rung was not reached, and Unknown which of its
// conditions could not be told from what was observed.
type RestoreTestFacts struct {
	Restore     string         `json:"restore"` // namespace/name
	UID         string         `json:"uid"`
	Cluster     string         `json:"cluster"`
	Backup      string         `json:"backup,omitempty"`
	Plan        string         `json:"plan,omitempty"`
	Grade       int            `json:"grade"`
	Rungs       []RestoreRung  `json:"rungs"`
	Stopped     string         `json:"stopped,omitempty"`
	Unknown     []string       `json:"unknown,omitempty"`
	StartedAt   time.Time      `json:"started_at,omitzero"`
	FinishedAt  time.Time      `json:"finished_at,omitzero"`
	PointAt     time.Time      `json:"point_at,omitzero"` // when the backup that was used was complete
	TookSeconds int64          `json:"took_seconds,omitempty"`
	AgeSeconds  int64          `json:"age_seconds,omitempty"` // of the point used, at the start
	RTOSeconds  int64          `json:"rto_seconds,omitempty"` // limits it was held against; 0: none given
	RPOSeconds  int64          `json:"rpo_seconds,omitempty"`
	Restored    *int           `json:"restored,omitempty"`  // items restored, by the resource list where it could be read
	BackedUp    *int           `json:"backed_up,omitempty"` // items of the backup within the scope
	Volumes     *Tries         `json:"volumes,omitempty"`
	Bytes       int64          `json:"bytes,omitempty"`
	Checks      []RestoreProof `json:"checks,omitempty"`
}

// RestoreRung is one rung of the grade and whether it holds.
type RestoreRung struct {
	Grade int    `json:"grade"`
	Holds string `json:"holds"` // yes, no, unknown
	Why   string `json:"why"`
}

// RestoreProof is an application's own check after a restore.
type RestoreProof struct {
	What   string    `json:"what"` // workflow node, job, checksum
	Name   string    `json:"name"`
	UID    string    `json:"uid,omitempty"` // of the workflow
	Passed bool      `json:"passed"`
	At     time.Time `json:"at,omitzero"`
}

// CertDeclaredFacts are the facts of cert.declared: a cert-manager Certificate.
type CertDeclaredFacts struct {
	Cluster         string    `json:"cluster"`
	Namespace       string    `json:"namespace"`
	Name            string    `json:"name"`
	UID             string    `json:"uid"`
	Secret          string    `json:"secret"`          // Kubernetes Secret that holds it
	Names           []string  `json:"names,omitempty"` // DNS names, addresses and URIs asked for
	IssuerKind      string    `json:"issuer_kind"`
	IssuerName      string    `json:"issuer_name"`
	IssuerGroup     string    `json:"issuer_group,omitempty"`
	NotBefore       time.Time `json:"not_before,omitzero"` // of what the controller last saw in the Secret, not of what is served
	NotAfter        time.Time `json:"not_after,omitzero"`
	RenewalAt       time.Time `json:"renewal_at,omitzero"`
	Revision        int64     `json:"revision,omitempty"`
	Ready           string    `json:"ready,omitempty"` // True, False, Unknown
	Reason          string    `json:"reason,omitempty"`
	Issuing         bool      `json:"issuing,omitempty"`
	LastFailure     time.Time `json:"last_failure,omitzero"`
	FailedAttempts  int       `json:"failed_attempts,omitempty"`
	Renewal         string    `json:"renewal,omitempty"`      // Disabled: it is not renewed; RenewBefore; empty: renewed, too
	KeyRotation     string    `json:"key_rotation,omitempty"` // Always, Never; empty: the version's default
	IsCA            bool      `json:"is_ca,omitempty"`
	ResourceVersion string    `json:"resource_version,omitempty"`
}

// CertRequestFacts are the facts of cert.request: a cert-manager
// CertificateRequest. It does not hold who approved it: that is in the cluster's
// audit log.
type CertRequestFacts struct {
	Cluster         string     `json:"cluster"`
	Namespace       string     `json:"namespace"`
	Name            string     `json:"name"`
	UID             string     `json:"uid"`
	Certificate     string     `json:"certificate,omitempty"` // name of the Certificate it is for
	Revision        int64      `json:"revision,omitempty"`
	Names           []string   `json:"names,omitempty"` // DNS names, addresses and URIs asked for
	IssuerKind      string     `json:"issuer_kind"`
	IssuerName      string     `json:"issuer_name"`
	IssuerGroup     string     `json:"issuer_group,omitempty"`
	Requester       int        `json:"requester"`         // -1 when a service account asked
	Account         string     `json:"account,omitempty"` // service account that asked, namespace/name
	Approval        string     `json:"approval"`          // approved, denied, waiting
	ApprovalReason  string     `json:"approval_reason,omitempty"`
	ApprovedAt      time.Time  `json:"approved_at,omitzero"`
	Status          string     `json:"status"` // waiting, issued, failed, denied, invalid
	Reason          string     `json:"reason,omitempty"`
	FailedAt        time.Time  `json:"failed_at,omitzero"`
	IssuedAt        time.Time  `json:"issued_at,omitzero"`
	RequestedKey    string     `json:"requested_key,omitempty"` // SHA-256 of the public key asked for, lower-case hex
	Cert            *CertFacts `json:"cert,omitempty"`          // of the certificate that came of it
	CreatedAt       time.Time  `json:"created_at,omitzero"`
	ResourceVersion string     `json:"resource_version,omitempty"`
}

// CertIssuerFacts are the facts of cert.issuer.
type CertIssuerFacts struct {
	Cluster         string `json:"cluster"`
	Kind            string `json:"kind"` // Issuer, ClusterIssuer
	Namespace       string `json:"namespace,omitempty"`
	Name            string `json:"name"`
	UID             string `json:"uid"`
	Type            string `json:"type"` // acme, ca, vault, venafi, self-signed, unknown
	Server          string `json:"server,omitempty"`
	Ready           string `json:"ready,omitempty"`
	Reason          string `json:"reason,omitempty"`
	ResourceVersion string `json:"resource_version,omitempty"`
}
