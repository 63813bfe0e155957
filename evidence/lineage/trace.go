package lineage

import (
	"strings"
	"time"

	"evidenced/evidence"
)

// Stage says what sort of thing a node is.
type Stage string

// The stages, in the order in which a chain usually passes them.
const (
	Commit      Stage = "commit"
	Review      Stage = "review"
	Change      Stage = "change"
	Pipeline    Stage = "pipeline"
	Check       Stage = "check"
	Report      Stage = "report"
	Release     Stage = "release"
	InfraRun    Stage = "infra-run"
	InfraState  Stage = "infra-state"
	Image       Stage = "image"
	Tag         Stage = "tag"
	Scan        Stage = "scan"
	SBOM        Stage = "sbom"
	Signature   Stage = "signature"
	Namespace   Stage = "namespace"
	Sync        Stage = "sync"
	App         Stage = "application"
	Workload    Stage = "workload"
	Pod         Stage = "pod"
	Machine     Stage = "node"
	Account     Stage = "account"
	Copy        Stage = "copy"
	SecretSync  Stage = "secret-sync"
	Store       Stage = "store"
	Role        Stage = "role"
	Secret      Stage = "secret"
	Access      Stage = "access"
	Audit       Stage = "audit"
	Certificate Stage = "certificate"
	CertRequest Stage = "certificate-request"
	Issuer      Stage = "issuer"
	Host        Stage = "host"
	Probe       Stage = "probe"
	Schedule    Stage = "schedule"
	Location    Stage = "location"
	Backup      Stage = "backup"
	Restore     Stage = "restore"
	RestoreTest Stage = "restore-test"
	Workflow    Stage = "workflow" // one run
	Planned     Stage = "workflow-schedule"
	Other       Stage = "other"
)

// Stages lists all stages in the order of a chain.
var Stages = []Stage{
	Commit, Review, Change, Pipeline, Check, Report, Release, InfraRun, InfraState, Image, Tag, Scan, SBOM, Signature, Namespace, Sync, App,
	Workload, Pod, Machine, Account, Copy, SecretSync, Store, Role, Certificate, CertRequest, Issuer, Host, Probe,
	Secret, Access, Audit, Schedule, Location, Backup, Restore, RestoreTest, Planned, Workflow, Other,
}

// Step says what a link means, read from its From to its To.
type Step string

// The steps.
const (
	StepSame      Step = "is"           // the thing by name, and one that bears the name
	StepProposed  Step = "proposed in"  // commit, change
	StepReviewed  Step = "reviewed in"  // commit, review
	StepReviews   Step = "reviews"      // review, change
	StepLanded    Step = "landed as"    // change, commit
	StepPushed    Step = "pushed in"    // commit, audit line
	StepContained Step = "contained in" // commit, a later one that was deployed; found going forward alone
	StepRan       Step = "ran"          // commit, change or pipeline, pipeline
	StepChecked   Step = "checked by"   // commit or pipeline, check; restore test, workflow
	StepReported  Step = "reported in"  // commit or pipeline, report
	StepNamed     Step = "names"        // pipeline or report, image or tag
	StepReleased  Step = "released as"  // commit or pipeline, release
	StepApplied   Step = "applied by"   // commit, run of infrastructure whose apply began
	StepPlanned   Step = "planned by"   // commit, run of infrastructure that applied nothing
	StepWrote     Step = "wrote"        // run of infrastructure, version of a state
	StepBuilt     Step = "built into"   // commit, image
	StepChild     Step = "holds"        // index of images, image
	StepTagged    Step = "tagged"       // image, tag
	StepScanned   Step = "scanned"      // image, scan
	StepDescribed Step = "described"    // image, bill of materials
	StepSigned    Step = "signed"       // image, signature
	StepSynced    Step = "synced"       // commit or image, sync
	StepDeployed  Step = "deployed to"  // sync, application
	StepRunBy     Step = "run by"       // commit, image or tag, application, workload, pod or workflow
	StepDeclared  Step = "declared in"  // commit, application that does not run it
	StepMade      Step = "made"         // application or workload, workload or pod; schedule of workflows, workflow
	StepOn        Step = "runs on"      // pod, node
	StepAs        Step = "runs as"      // workload, pod or workflow, account
	StepGiven     Step = "is given"     // workload or pod, copy
	StepFilled    Step = "filled by"    // copy, secret sync or certificate
	StepFetches   Step = "fetches"      // secret sync, secret
	StepThrough   Step = "through"      // secret sync, store; store, role
	StepRead      Step = "read in"      // secret or account, access
	StepDenied    Step = "denied in"    // secret or account, access
	StepTouched   Step = "touched in"   // the same, neither read nor denied; copy, pod, image ..., audit line
	StepAsked     Step = "asked by"     // certificate, its request
	StepIssued    Step = "issued by"    // certificate or request, issuer
	StepServes    Step = "serves"       // certificate, host
	StepShown     Step = "showed"       // host, probe
	StepHolds     Step = "has"          // namespace, application, backup or schedule
	StepBackedUp  Step = "made backup"  // schedule, backup
	StepKept      Step = "kept at"      // schedule or backup, location
	StepRestored  Step = "restored as"  // backup or schedule, restore
	StepTested    Step = "tested in"    // restore, test
)

// Proof says what a link rests on.
type Proof string

// The proofs.
const (
	BySource Proof = "source"  // the platform's own word on its own things
	ByClaim  Proof = "claimed" // a label or note that whoever made the thing wrote
	ByName   Proof = "name"    // a name that may be given to something else: a tag, a host
	ByOrder  Proof = "order"   // both landed on one branch, this one later: so long as it was not rewritten
)

// Cause is one record that makes a link, and the field of it that does.
type Cause struct {
	Seq    uint64            `json:"record"`
	Kind   evidence.Kind     `json:"kind"`
	Source evidence.SourceID `json:"source"`
	Field  string            `json:"field"` // JSON pointer into the record
}

// Node is one thing on a chain.
type Node struct {
	ID      string       `json:"id"` // its reference, or kind, source and key of a record that has none of its own
	Ref     evidence.Ref `json:"ref,omitzero"`
	Stage   Stage        `json:"stage"`
	Records []uint64     `json:"records,omitempty"` // about the thing itself, newest first
	Spans   []Span       `json:"when,omitempty"`    // when it is on a path; nil: at any time asked for
	Start   bool         `json:"start,omitempty"`
	Forward bool         `json:"forward,omitempty"`  // the start leads to it
	Back    bool         `json:"backward,omitempty"` // it leads to the start
	Beside  bool         `json:"beside,omitempty"`   // on no path: told because it belongs to a node that is
	Steps   int          `json:"steps"`              // links from the start, the shortest way
}

// Link joins two nodes by what records say.
type Link struct {
	From    string  `json:"from"`
	To      string  `json:"to"`
	Step    Step    `json:"step"`
	Proof   Proof   `json:"proof"`
	Because []Cause `json:"because,omitempty"` // newest first, at most MaxCauses
	More    int     `json:"more,omitempty"`    // causes that are not listed
	Spans   []Span  `json:"when,omitempty"`
	Beside  bool    `json:"beside,omitempty"`

	spans spans
}

// MaxCauses is how many causes a link lists.
const MaxCauses = 4

// Why says why a link is missing.
type Why string

// The reasons.
const (
	NoRecord      Why = "no-record"      // its source was looked at throughout and told none
	NotObserved   Why = "not-observed"   // its source was not looked at for some of the time
	NotConfigured Why = "not-configured" // no source of this log tells such things
	Ambiguous     Why = "ambiguous"      // more than one thing bears the name
)

// Missing is a link that one would expect and that no record makes.
type Missing struct {
	Node    string              `json:"node"`
	What    string              `json:"what"` // "the pipeline that ran on it"
	Kinds   []evidence.Kind     `json:"kinds,omitempty"`
	Why     Why                 `json:"why"`
	Says    string              `json:"says"`
	Sources []evidence.SourceID `json:"sources,omitempty"` // that would tell
	Windows []evidence.Window   `json:"windows,omitempty"` // not looked at, at most maxWindows
	Among   []string            `json:"among,omitempty"`   // of an ambiguous name: nodes
	Seqs    []uint64            `json:"records,omitempty"` // that were looked into
}

// Trace is what a walk found.
type Trace struct {
	Nodes   []Node    `json:"nodes"`
	Links   []Link    `json:"links"`
	Missing []Missing `json:"missing,omitempty"`
	// Limits says what was cut, in words; empty when the trace is whole.
	Limits []string `json:"limits,omitempty"`
	Reads  int      `json:"records_read"`

	// Records are the records that nodes and links cite, by number, as read.
	Records map[uint64]evidence.Record `json:"-"`

	reached map[string]bool // before names were joined with their bearers
}

// Node returns the node with the id.
func (t *Trace) Node(id string) (*Node, bool) {
	for i := range t.Nodes {
		if t.Nodes[i].ID == id {
			return &t.Nodes[i], true
		}
	}
	return nil, false
}

// objectStages are the stages of objects by their kind. The group is left out:
// no two of these share a kind.
var objectStages = map[string]Stage{
	"ExternalSecret": SecretSync, "ClusterExternalSecret": SecretSync, "PushSecret": SecretSync,
	"SecretStore": Store, "ClusterSecretStore": Store,
	"Certificate": Certificate, "CertificateRequest": CertRequest, "Issuer": Issuer, "ClusterIssuer": Issuer,
	"Schedule": Schedule, "Backup": Backup, "Restore": Restore, "BackupStorageLocation": Location,
	"Workflow": Workflow, "CronWorkflow": Planned,
}

var schemeStages = map[string]Stage{
	"commit": Commit, "change": Change, "review": Review, "pipeline": Pipeline, "check": Check, "release": Release,
	"tfrun": InfraRun, "tfstate": InfraState,
	"image": Image, "artifact": Image, "imagetag": Tag, "namespace": Namespace, "sync": Sync, "app": App, "workload": Workload, "pod": Pod,
	"node": Machine, "account": Account, "copy": Copy, "role": Role, "secret": Secret, "request": Access, "line": Audit,
	"host": Host, "cert": Probe,
}

// StageOf returns the stage of what a reference names.
func StageOf(r evidence.Ref) Stage {
	if r.Scheme == "object" {
		kind, _, _ := strings.Cut(r.Name, "/")
		kind, _, _ = strings.Cut(kind, ".")
		if s, ok := objectStages[kind]; ok {
			return s
		}
		return Other
	}
	if s, ok := schemeStages[r.Scheme]; ok {
		return s
	}
	return Other
}

// Traceable reports whether a chain can pass what the reference names.
func Traceable(r evidence.Ref) bool { return StageOf(r) != Other }

// Direction says which way to walk.
type Direction string

// The directions.
const (
	Forward  Direction = "forward"  // to what came of it
	Backward Direction = "backward" // to where it came from
	Both     Direction = "both"
)

// Options of a walk. The zero value walks both ways over all time.
type Options struct {
	Direction Direction // "" is both
	// At asks about an instant: what is linked at that moment. Window asks
	// about a period instead; both zero: all time that the log knows.
	At     time.Time
	Window evidence.Period
	// Around is the stretch around At, half before and half after, in which
	// what was done with a thing (secret reads, audit lines) is told; 0 is an
	// hour.
	Around time.Duration
	// MaxNodes bounds the nodes, 0 is 500. MaxReads bounds the records read, 0
	// is 20,000.
	MaxNodes, MaxReads int
}
