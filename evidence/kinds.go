package evidence

import "slices"

// Kind names what a record is about, dotted: "change.merge".
type Kind string

// The kinds that collectors make.
const (
	ChangeCommit     Kind = "change.commit"     // a commit exists
	ChangeTag        Kind = "change.tag"        // a tag points at an object
	ChangeRef        Kind = "change.ref"        // a branch points at a commit
	ChangeRewrite    Kind = "change.rewrite"    // a branch moved to a commit that does not descend from the old one
	ChangeMerge      Kind = "change.merge"      // a merge or pull request, from opening to landing
	ChangeReview     Kind = "change.review"     // a person reviewed a request
	ChangeProtection Kind = "change.protection" // the guard in force on a branch
	DeploySync       Kind = "deploy.sync"       // one sync operation
	DeployState      Kind = "deploy.state"      // what an application declares and runs
	SecretAccess     Kind = "secret.access"     // one audited request to a secret store
	SecretAuth       Kind = "secret.auth"       // a login or a token operation
	SecretPolicy     Kind = "secret.policy"     // an access policy in force
	SecretRole       Kind = "secret.role"       // an authentication role and the policies it gives
	SecretIdentity   Kind = "secret.identity"   // an identity entity, its logins and policies
	SecretDevice     Kind = "secret.device"     // an audit device
	SecretMount      Kind = "secret.mount"      // a secret or auth engine
	CertState        Kind = "cert.state"        // the certificate an endpoint shows or a file holds
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
	PlatformAdmin      Kind = "platform.admin"
	AccessRead         Kind = "access.read" // a person read evidence
	FindingState       Kind = "finding.state"
	PackIssued         Kind = "pack.issued"
	Erasure            Kind = "erasure"
	IdentityLink       Kind = "identity.link" // two persons of a log are one
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
		{Kind: DeploySync, Revisable: true, Says: "one sync operation, from start to outcome"},
		{Kind: DeployState, State: true, Volatile: []string{"reconciled_at", "resource_version", "generation"}, Says: "revision, images, sync and health of an application"},
		{Kind: SecretAccess, Revisable: true, Says: "one audited request to a secret engine or a system path"},
		{Kind: SecretAuth, Revisable: true, Says: "one login, token or identity request"},
		{Kind: SecretPolicy, State: true, Says: "an access policy and what it opens"},
		{Kind: SecretRole, State: true, Says: "an authentication role, whom it binds and which policies it gives"},
		{Kind: SecretIdentity, State: true, Says: "an identity entity, its logins, groups and policies"},
		{Kind: SecretDevice, State: true, Says: "an audit device and its options"},
		{Kind: SecretMount, State: true, Says: "a mounted secret or auth engine"},
		{Kind: CertState, State: true, Volatile: []string{"dialled", "looked_at"}, Says: "the certificate an endpoint showed or a file held"},

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
		{Kind: PlatformAdmin, Own: true, Says: "an act of an administrator"},
		{Kind: AccessRead, Own: true, Says: "a person read evidence"},
		{Kind: FindingState, State: true, Own: true, Says: "the verdict of a test"},
		{Kind: PackIssued, Own: true, Says: "an evidence pack was issued"},
		{Kind: Erasure, Own: true, Lasting: true, Says: "keys of a person or a period were destroyed"},
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
