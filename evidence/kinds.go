package evidence

import "slices"

// Kind names what a record is about, dotted: "change.merge".
type Kind string

// The kinds that collectors make.
const (
	ChangeCommit     Kind = "change.commit"      // a commit exists
	ChangeTag        Kind = "change.tag"         // a tag points at an object
	ChangeRef        Kind = "change.ref"         // a branch points at a commit
	ChangeRewrite    Kind = "change.rewrite"     // a branch moved to a commit that does not descend from the old one
	ChangeMerge      Kind = "change.merge"       // a merge or pull request, from opening to landing
	ChangeReview     Kind = "change.review"      // a person reviewed a request
	ChangeProtection Kind = "change.protection"  // the guard in force on a branch
	PipelineRun      Kind = "pipeline.run"       // one run of a forge's pipeline or workflow
	PipelineCheck    Kind = "pipeline.check"     // one check that an app reports on a commit
	PipelineReport   Kind = "pipeline.report"    // one security report that a pipeline left
	ArtifactImage    Kind = "artifact.image"     // an artifact in a registry, by digest
	ArtifactScan     Kind = "artifact.scan"      // one finished scan of an artifact
	ArtifactSBOM     Kind = "artifact.sbom"      // a bill of materials attached to an artifact
	ArtifactSigned   Kind = "artifact.signature" // a signature or other accessory of an artifact
	RegistryProject  Kind = "registry.project"   // a registry project and its settings
	RegistryRule     Kind = "registry.rule"      // a rule in force: immutability, retention, replication, schedule
	RegistryRun      Kind = "registry.run"       // one run of such a rule
	RegistryRobot    Kind = "registry.robot"     // a machine account of a registry
	RegistryAudit    Kind = "registry.audit"     // one line of a registry's audit log
	DeploySync       Kind = "deploy.sync"        // one sync operation
	DeployProject    Kind = "deploy.project"     // what an Argo CD project lets applications do, where and when
	DeployRelease    Kind = "deploy.release"     // one deployment as a forge tells it
	InfraWorkspace   Kind = "infra.workspace"    // a workspace of infrastructure as code and its settings
	InfraRun         Kind = "infra.run"          // one run of Terraform: plan, confirmation, apply
	InfraState       Kind = "infra.state"        // one version of a workspace's state
	RuntimeNamespace Kind = "runtime.namespace"  // a namespace, by uid, and the labels that say whose it is
	RuntimeWorkload  Kind = "runtime.workload"   // what a Deployment, StatefulSet, ... declares
	RuntimePod       Kind = "runtime.pod"        // a pod and the digests it really runs
	RuntimeNode      Kind = "runtime.node"       // a node and where it stands
	NetworkPolicy    Kind = "network.policy"     // one object of network rules, in one form
	NetworkNamespace Kind = "network.namespace"  // a namespace whose network rules are read
	NetworkMode      Kind = "network.mode"       // how a network agent applies rules
	AccessMember     Kind = "access.member"      // a person, team or machine with a role on a container
	AccessRBAC       Kind = "access.rbac"        // a Kubernetes role or binding
	AccessAudit      Kind = "access.audit"       // one line of a platform's own audit log
	BackupSchedule   Kind = "backup.schedule"    // when what is backed up where
	BackupLocation   Kind = "backup.location"    // a place backups are kept
	BackupRun        Kind = "backup.run"         // one backup
	BackupRestore    Kind = "backup.restore"     // one restore, whatever for
	BackupTest       Kind = "backup.test"        // the graded verdict on a restore that was a test
	DeployState      Kind = "deploy.state"       // what an application declares and runs
	SecretAccess     Kind = "secret.access"      // one audited request to a secret store
	SecretAuth       Kind = "secret.auth"        // a login or a token operation
	SecretPolicy     Kind = "secret.policy"      // an access policy in force
	SecretRole       Kind = "secret.role"        // an authentication role and the policies it gives
	SecretIdentity   Kind = "secret.identity"    // an identity entity, its logins and policies
	SecretDevice     Kind = "secret.device"      // an audit device
	SecretMount      Kind = "secret.mount"       // a secret or auth engine
	SecretSync       Kind = "secret.sync"        // which remote secrets an operator copies into which Kubernetes Secret
	SecretStore      Kind = "secret.store"       // from where and as whom such an operator fetches
	SecretRotation   Kind = "secret.rotation"    // a rotated credential or key: its version and when it last changed
	SecretLease      Kind = "secret.lease"       // how many leases stand below a prefix
	SecretServer     Kind = "secret.server"      // a secret store's server: version, cluster, sealed or not
	CertState        Kind = "cert.state"         // the certificate an endpoint shows or a file holds
	CertDeclared     Kind = "cert.declared"      // a certificate that is asked to exist, and its renewal
	CertRequest      Kind = "cert.request"       // one request for a certificate, its approval and what came of it
	CertIssuer       Kind = "cert.issuer"        // who signs certificates
	AlertInstance    Kind = "alert.instance"     // one firing of an alert, and whether it is hidden
	AlertSilence     Kind = "alert.silence"      // a silence that hides alerts
	AlertRule        Kind = "alert.rule"         // a rule that makes alerts, and whether it is evaluated
	PolicyInForce    Kind = "policy.rule"        // a policy of a policy engine, and whether it refuses or only tells
	PolicyException  Kind = "policy.exception"   // what is excepted from such policies
	PolicyResult     Kind = "policy.result"      // what a rule of one found at one thing
	WorkflowRun      Kind = "workflow.run"       // one run of a workflow of Argo Workflows
	WorkflowSchedule Kind = "workflow.schedule"  // when such workflows are due
)

// The kinds that evidenced makes itself.
const (
	LogGenesis         Kind = "log.genesis"
	LogKey             Kind = "log.key"
	LogCheckpoints     Kind = "log.checkpoints" // in _platform: checkpoints of the other logs
	LogDamage          Kind = "log.damage"      // in _platform: a log that does not verify
	LogRecovered       Kind = "log.recovered"   // what came back after a crash or from a backup
	LogSegment         Kind = "log.segment"     // a segment was sealed or retired
	LogHold            Kind = "log.hold"        // a legal hold on the log
	TenantOffboard     Kind = "tenant.offboard" // a step of taking a tenant off
	PersonKnown        Kind = "person"          // who a token stands for, and each change of name
	CollectionRun      Kind = "collection.run"
	CollectionCoverage Kind = "collection.coverage"
	PlatformConfig     Kind = "platform.config"
	PlatformCatalog    Kind = "platform.catalog"
	PlatformAdmin      Kind = "platform.admin"
	AccessRead         Kind = "access.read" // a person read evidence
	FindingState       Kind = "finding.state"
	Waiver             Kind = "waiver"             // failures of a test are accepted for a while
	ScopeStatement     Kind = "scope.statement"    // a control does not apply to the tenant
	Attestation        Kind = "attestation.manual" // a person's word on what no source shows
	RemedyPlan         Kind = "remedy.plan"        // who puts right what failed, and by when
	PackIssued         Kind = "pack.issued"
	Erasure            Kind = "erasure"
	IdentityLink       Kind = "identity.link" // two persons of a log are one

	IncidentDeclared Kind = "incident.declared" // the acts of an incident
	IncidentUpdated  Kind = "incident.updated"
	IncidentMoment   Kind = "incident.moment"
	IncidentDecision Kind = "incident.decision"
	IncidentNotice   Kind = "incident.notice"
	IncidentContact  Kind = "incident.contact"
	IncidentClosed   Kind = "incident.closed"
)

// Info describes a kind.
type Info struct {
	Kind      Kind
	Version   int  // of its content schema
	State     bool // a state with begin and end; otherwise an event
	Revisable bool // an event whose facts may change under the same key: amend
	// Volatile names top-level facts that may change without beginning a new
	// state or amending an event; they say when or how we looked.
	Volatile []string
	Own      bool // made by evidenced, never by a collector
	// Lasting records stay when their segment is retired: without them what is
	// kept could not be read rightly. They hold nothing personal.
	Lasting bool
	Says    string
}

var kinds = map[Kind]Info{}

func init() {
	for _, k := range []Info{
		{Kind: ChangeCommit, Says: "a commit, with claimed authorship and changed files"},
		{Kind: ChangeTag, State: true, Says: "a tag and the object it points at"},
		{Kind: ChangeRef, State: true, Says: "a branch and the commit at its head"},
		{Kind: ChangeRewrite, Says: "a branch whose head no longer descends from the former head"},
		{Kind: ChangeMerge, Revisable: true, Volatile: []string{"updated_at"}, Says: "a merge or pull request with its reviews and who merged it"},
		{Kind: ChangeReview, Revisable: true, Says: "one review of a merge or pull request"},
		{Kind: ChangeProtection, State: true, Volatile: []string{"etag"}, Says: "branch protection and rulesets in force on a branch"},
		{Kind: PipelineRun, Revisable: true, Volatile: []string{"updated_at"}, Says: "one run of a pipeline or workflow on a commit, with its jobs"},
		{Kind: PipelineCheck, Revisable: true, Says: "one check that an app reports on a commit"},
		{Kind: PipelineReport, Says: "one security report that a pipeline left"},
		{Kind: ArtifactImage, State: true, Volatile: []string{"pulled_at"}, Says: "an artifact in a registry by digest, its tags and scan state"},
		{Kind: ArtifactScan, Says: "one finished scan of an artifact, with what it found"},
		{Kind: ArtifactSBOM, State: true, Volatile: []string{"sha256", "format", "spec_version", "components", "top", "top_cut", "names", "names_subject"}, Says: "a bill of materials attached to an artifact"},
		{Kind: ArtifactSigned, State: true, Says: "a signature or other accessory attached to an artifact; presence, not verification"},
		{Kind: RegistryProject, State: true, Volatile: []string{"used_bytes"}, Says: "a registry project and its settings"},
		{Kind: RegistryRule, State: true, Says: "a rule of a registry in force"},
		{Kind: RegistryRun, Revisable: true, Says: "one run of a rule of a registry"},
		{Kind: RegistryRobot, State: true, Says: "a machine account of a registry and what it may do"},
		{Kind: RegistryAudit, Says: "one line of a registry's audit log"},
		{Kind: DeployProject, State: true, Volatile: []string{"resource_version"}, Says: "what an Argo CD project allows: sources, destinations, roles, sync windows"},
		{Kind: DeployRelease, Revisable: true, Volatile: []string{"updated_at"}, Says: "one deployment as a forge tells it, with who approved it"},
		{Kind: InfraWorkspace, State: true, Volatile: []string{"updated_at"}, Says: "a workspace of infrastructure as code and its settings"},
		{Kind: InfraRun, Revisable: true, Says: "one run of Terraform: what it planned, who confirmed it, what it applied"},
		{Kind: InfraState, Revisable: true, Says: "one version of a workspace's state: its serial, resources and providers, never their values"},
		{Kind: RuntimeNamespace, State: true, Volatile: []string{"resource_version"}, Says: "a namespace by uid, and the labels that say whose it is"},
		{Kind: RuntimeWorkload, State: true, Volatile: []string{"resource_version", "ready", "observed_generation"}, Says: "what a workload declares: images, service account, secrets it mounts"},
		{Kind: RuntimePod, State: true, Volatile: []string{"resource_version", "restarts"}, Says: "a pod, where it runs, and the digests it really runs"},
		{Kind: RuntimeNode, State: true, Volatile: []string{"resource_version"}, Says: "a node, its region and software"},
		{Kind: NetworkPolicy, State: true, Volatile: []string{"resource_version"}, Says: "an object of network rules: whom it isolates, and whom it lets in and out"},
		{Kind: NetworkNamespace, State: true, Volatile: []string{"resource_version"}, Says: "a namespace whose network rules are read, and the labels that rules choose it by"},
		{Kind: NetworkMode, State: true, Volatile: []string{"resource_version"}, Says: "how a network agent applies rules: enforced, logged or not at all"},
		{Kind: AccessMember, State: true, Says: "a person, team or machine with a role on a repository, project or organisation"},
		{Kind: AccessRBAC, State: true, Volatile: []string{"resource_version"}, Says: "a Kubernetes role or binding and what it opens to whom"},
		{Kind: AccessAudit, Says: "one line of a platform's own audit log"},
		{Kind: BackupSchedule, State: true, Volatile: []string{"resource_version", "last_backup", "last_skipped"}, Says: "when what is backed up where"},
		{Kind: BackupLocation, State: true, Volatile: []string{"resource_version", "validated_at"}, Says: "a place backups are kept, and whether it can be reached"},
		{Kind: BackupRun, Revisable: true, Volatile: []string{"resource_version"}, Says: "one backup, from start to expiry"},
		{Kind: BackupRestore, Revisable: true, Volatile: []string{"resource_version"}, Says: "one restore, whatever for"},
		{Kind: BackupTest, Revisable: true, Says: "the graded verdict, 0 to 5, on a restore that was a test"},
		{Kind: DeploySync, Revisable: true, Says: "one sync operation, from start to outcome"},
		{Kind: DeployState, State: true, Volatile: []string{"reconciled_at", "resource_version", "generation"}, Says: "revision, images, sync and health of an application"},
		{Kind: SecretAccess, Revisable: true, Says: "one audited request to a secret engine or a system path"},
		{Kind: SecretAuth, Revisable: true, Says: "one login, token or identity request"},
		{Kind: SecretPolicy, State: true, Says: "an access policy and what it opens"},
		{Kind: SecretRole, State: true, Says: "an authentication role, whom it binds and which policies it gives"},
		{Kind: SecretIdentity, State: true, Says: "an identity entity, its logins, groups and policies"},
		{Kind: SecretDevice, State: true, Says: "an audit device and its options"},
		{Kind: SecretMount, State: true, Says: "a mounted secret or auth engine"},
		{Kind: SecretSync, State: true, Volatile: []string{"resource_version", "refreshed_at", "synced_version"}, Says: "which remote secrets an operator copies into which Kubernetes Secret"},
		{Kind: SecretStore, State: true, Volatile: []string{"resource_version"}, Says: "from where and as whom an operator fetches secrets"},
		{Kind: SecretRotation, State: true, Says: "a rotated credential or key, its version and when it last changed"},
		{Kind: SecretLease, State: true, Volatile: []string{"looked_at"}, Says: "how many leases stand below a prefix"},
		{Kind: SecretServer, State: true, Volatile: []string{"standby", "performance_standby"}, Says: "a secret store's server: version, cluster, sealed or not"},
		{Kind: CertDeclared, State: true, Volatile: []string{"resource_version"}, Says: "a certificate that is asked to exist, its expiry and renewal"},
		{Kind: CertRequest, Revisable: true, Volatile: []string{"resource_version"}, Says: "one request for a certificate, its approval and outcome"},
		{Kind: CertIssuer, State: true, Volatile: []string{"resource_version"}, Says: "who signs certificates, and whether it is ready"},
		{Kind: AlertInstance, State: true, Says: "one firing of an alert, from its start, and what hides it"},
		{Kind: AlertSilence, State: true, Says: "a silence: what it hides, from when to when, and who says to have made it"},
		{Kind: AlertRule, State: true, Volatile: []string{"last_evaluation", "state", "query_series"}, Says: "a rule that makes alerts or what they stand on, and whether it is evaluated"},
		{Kind: CertState, State: true, Volatile: []string{"dialled", "looked_at"}, Says: "the certificate an endpoint showed or a file held"},
		{Kind: PolicyInForce, State: true, Volatile: []string{"resource_version", "violations", "listed", "audited_at"}, Says: "a policy of a policy engine, and whether it refuses or only tells"},
		{Kind: PolicyException, State: true, Volatile: []string{"resource_version"}, Says: "what is excepted from the policies of a policy engine"},
		{Kind: PolicyResult, State: true, Volatile: []string{"checked_at", "times"}, Says: "what a rule of a policy found at one thing of the cluster"},
		{Kind: WorkflowRun, Revisable: true, Says: "one run of a workflow: what ran, its steps and how it ended"},
		{Kind: WorkflowSchedule, State: true, Volatile: []string{"last_scheduled", "resource_version"}, Says: "when which workflow is due"},

		{Kind: LogGenesis, Own: true, Lasting: true, Says: "the first record of a log"},
		{Kind: LogKey, Own: true, Lasting: true, Says: "a new log key"},
		{Kind: LogCheckpoints, Own: true, Says: "checkpoints of the other logs"},
		{Kind: LogDamage, Own: true, Says: "a verification found a log wrong"},
		{Kind: LogRecovered, Own: true, Lasting: true, Says: "what a log came back with after a crash or from a backup"},
		{Kind: LogSegment, Own: true, Lasting: true, Says: "a segment of the log was sealed or retired"},
		{Kind: LogHold, State: true, Own: true, Says: "a legal hold: nothing is retired, erased or offboarded"},
		{Kind: TenantOffboard, Own: true, Lasting: true, Says: "a step of taking a tenant off"},
		{Kind: PersonKnown, State: true, Own: true, Says: "who a person token stands for"},
		{Kind: CollectionRun, Own: true, Says: "how a due run of a source ended"},
		{Kind: CollectionCoverage, Own: true, Says: "what a source was seen of"},
		{Kind: PlatformConfig, Own: true, Says: "an effective configuration, with its difference to the one before"},
		{Kind: PlatformCatalog, Own: true, Says: "the rules that tenants are judged by, with the difference to those before"},
		{Kind: PlatformAdmin, Own: true, Says: "an act of an administrator"},
		{Kind: AccessRead, Own: true, Says: "a person read evidence"},
		{Kind: FindingState, State: true, Own: true, Volatile: []string{"summary", "period", "size", "population", "passed", "class", "newest", "newest_of"}, Says: "the verdict of a test"},
		{Kind: Waiver, State: true, Own: true, Says: "failures of a test are accepted for a while, as somebody else approved"},
		{Kind: ScopeStatement, State: true, Own: true, Says: "a control does not apply, as somebody else approved"},
		{Kind: Attestation, State: true, Own: true, Says: "a person's word or document on what no source shows, as somebody else approved"},
		{Kind: RemedyPlan, State: true, Own: true, Says: "who puts right what failed, why it failed and by when"},
		{Kind: PackIssued, Own: true, Says: "an evidence pack was issued"},
		{Kind: Erasure, Own: true, Lasting: true, Says: "keys of a person or a period were destroyed"},
		{Kind: IncidentDeclared, Own: true, Says: "an incident was declared"},
		{Kind: IncidentUpdated, Own: true, Says: "fields of an incident were set"},
		{Kind: IncidentMoment, Own: true, Says: "when the entity became aware of an incident, as somebody declared"},
		{Kind: IncidentDecision, Own: true, Says: "an incident was classified, with the working"},
		{Kind: IncidentNotice, Own: true, Says: "a notification of an incident: sent, received, delayed, asked for"},
		{Kind: IncidentContact, Own: true, Says: "whom an authority may call about an incident"},
		{Kind: IncidentClosed, Own: true, Says: "an incident was closed or opened again"},
		{Kind: IdentityLink, State: true, Own: true, Says: "two persons of different realms are one, as somebody else approved"},
	} {
		k.Version = 1
		kinds[k.Kind] = k
	}
}

// KindInfo returns what is known of a kind; false for an unknown one.
func KindInfo(k Kind) (Info, bool) {
	i, ok := kinds[k]
	return i, ok
}

// Kinds returns all kinds, sorted by name.
func Kinds() []Info {
	var is []Info
	for _, i := range kinds {
		is = append(is, i)
	}
	slices.SortFunc(is, func(a, b Info) int {
		if a.Kind < b.Kind {
			return -1
		}
		return 1
	})
	return is
}
