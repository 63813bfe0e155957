// Package lineagetest tells one story into a log in memory, for tests of what
// joins records and of what draws it.
//
// A developer proposes commit Head in request 412, which lands as commit Main;
// pipeline 77 runs on it; an image index with one child is built from it,
// scanned and signed; the application web is synced to it and makes a
// Deployment and a pod that runs the child, is given the Secret web-db, which
// an operator fills from kv/tenant-7/web/db; the pod's account and the operator
// read it. The certificate web-tls is asked for, requested, issued and shown at
// the host. A backup of the namespace is restored and tested. Before that, the
// application ran commit Old with image OldImage.
package lineagetest

import (
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// What the story is about.
const (
	Head     = "c0ffee0000000000000000000000000000000001"
	Main     = "a41c9e2f00000000000000000000000000000002"
	Old      = "5d0f3b1f00000000000000000000000000000003"
	Index    = "sha256:9b4c1d0000000000000000000000000000000000000000000000000000000011"
	Child    = "sha256:77e0aa0000000000000000000000000000000000000000000000000000000022"
	OldImage = "sha256:0c11de0000000000000000000000000000000000000000000000000000000033"
)

// At is a time of the day of the story, in UTC.
func At(hour, minute int) time.Time {
	return time.Date(2026, 11, 14, hour, minute, 0, 0, time.UTC)
}

var newRef = evidence.NewRef

// Commit, Image and RequestRef name a thing of the kind.
func Commit(sha string) evidence.Ref   { return newRef("commit", "", sha) }
func Image(digest string) evidence.Ref { return newRef("image", "", digest) }

// Object names an object of the cluster, kind.group/namespace/name.
func Object(name, uid string) evidence.Ref {
	return newRef("object", "prod", name).WithUID(uid)
}

var (
	Change      = newRef("change", "acme", "acme/shop!412")
	Pipeline    = newRef("pipeline", "acme", "acme/shop/77/1")
	Tag         = newRef("imagetag", "", "registry.example/acme/web:1.4")
	App         = newRef("app", "prod", "argocd/web").WithUID("app-1")
	AppNamed    = newRef("app", "prod", "argocd/web")
	Namespace   = newRef("namespace", "prod", "tenant-7")
	Workload    = newRef("workload", "prod", "tenant-7/Deployment/web").WithUID("dep-1")
	Pod         = newRef("pod", "prod", "tenant-7/web-7d9f-x2x").WithUID("pod-1")
	OldPod      = newRef("pod", "prod", "tenant-7/web-5c44-aaa").WithUID("pod-0")
	Copy        = newRef("copy", "prod", "tenant-7/web-db")
	Account     = newRef("account", "prod", "tenant-7/web")
	Operator    = newRef("account", "prod", "external-secrets/eso")
	Secret      = newRef("secret", "prod", "kv/tenant-7/web/db")
	External    = Object("ExternalSecret.external-secrets.io/tenant-7/web-db", "es-1")
	Store       = Object("SecretStore.external-secrets.io/tenant-7/vault", "st-1")
	Certificate = Object("Certificate.cert-manager.io/tenant-7/web-tls", "ct-1")
	CertRequest = Object("CertificateRequest.cert-manager.io/tenant-7/web-tls-1", "cr-1")
	Issuer      = Object("ClusterIssuer.cert-manager.io//corporate", "is-1")
	Host        = newRef("host", "prod", "web.tenant-7.example")
	HostEdge    = newRef("host", "edge", "web.tenant-7.example")
	Probe       = newRef("cert", "edge", "web.tenant-7.example:443")
	Schedule    = Object("Schedule.velero.io/velero/daily", "sc-1")
	Backup      = Object("Backup.velero.io/velero/daily-1", "bk-1")
	Restore     = Object("Restore.velero.io/velero/test-1", "rs-1")
)

// Story adds records to a log; Without names what to leave out: the name of a
// record, "commit SHA", "revision" (the label that names the commit) or "cover
// KIND".
type Story struct {
	Log     *evidencetest.Log
	Without []string
}

// NewLog makes an empty log of tenant-7.
func NewLog() *evidencetest.Log {
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		panic(err)
	}
	return evidencetest.NewLog(tenant)
}

// Tell returns a log with the whole story but for what is left out.
func Tell(without ...string) *evidencetest.Log {
	return (&Story{Log: NewLog(), Without: without}).tell()
}

var sourceOf = map[evidence.Kind]evidence.SourceID{
	evidence.ChangeCommit: "github/acme", evidence.ChangeMerge: "github/acme", evidence.ChangeReview: "github/acme",
	evidence.PipelineRun: "github/acme", evidence.PipelineCheck: "github/acme", evidence.PipelineReport: "github/acme",
	evidence.ArtifactImage: "harbor/main", evidence.ArtifactScan: "harbor/main", evidence.ArtifactSigned: "harbor/main", evidence.ArtifactSBOM: "harbor/main", evidence.RegistryAudit: "harbor/main",
	evidence.DeploySync: "argocd/prod", evidence.DeployState: "argocd/prod",
	evidence.RuntimeWorkload: "kubernetes/prod", evidence.RuntimePod: "kubernetes/prod", evidence.AccessAudit: "kubernetes/prod", evidence.RuntimeNamespace: "kubernetes/prod",
	evidence.SecretSync: "kubernetes/prod", evidence.SecretStore: "kubernetes/prod", evidence.SecretAccess: "vault/prod",
	evidence.CertDeclared: "certmanager/prod", evidence.CertRequest: "certmanager/prod", evidence.CertIssuer: "certmanager/prod", evidence.CertState: "certs/edge",
	evidence.BackupSchedule: "velero/prod", evidence.BackupRun: "velero/prod", evidence.BackupRestore: "velero/prod", evidence.BackupTest: "velero/prod",
}

func (s *Story) skip(name string) bool { return slices.Contains(s.Without, name) }

// Add adds one record under a name by which a test may leave it out.
func (s *Story) Add(name string, kind evidence.Kind, op evidence.Op, when time.Time, subject evidence.Ref, facts any, people []evidence.Person, links ...evidence.Ref) evidence.Record {
	if s.skip(name) {
		return evidence.Record{}
	}
	source, ok := sourceOf[kind]
	if !ok {
		source = "other/prod" // of which the story tells nothing by itself
	}
	return s.Log.AddDraft(evidence.Draft{
		Kind: kind, Op: op, Source: source, Key: name, Subject: subject, People: people, OccurredAt: when, Basis: evidence.BasisSource,
		ObservedAt: when.Add(time.Second), Links: links, Content: evidencetest.Facts(facts),
	})
}

func person(role evidence.Role, realm, login string, proof evidence.Proof) evidence.Person {
	return evidence.Person{Role: role, Realm: realm, NativeID: "id-" + login, Names: evidence.Names{Login: login}, Proof: proof}
}

func people(ps ...evidence.Person) []evidence.Person { return ps }

// tell adds the whole story.
func (s *Story) tell() *evidencetest.Log {
	s.change()
	s.build()
	s.deploy()
	s.secrets()
	s.certificates()
	s.backups()
	s.cover()
	return s.Log
}

func (s *Story) change() {
	dev := person(evidence.RoleAuthor, "git:claimed", "carol@example.org", evidence.ProofClaimed)
	for _, c := range []struct {
		sha  string
		when time.Time
	}{{Old, At(7, 0)}, {Head, At(9, 0)}, {Main, At(10, 0)}} {
		if s.skip("commit " + c.sha) {
			continue
		}
		s.Log.AddDraft(evidence.Draft{
			Kind: evidence.ChangeCommit, Op: evidence.OpEvent, Source: "github/acme", Key: "acme/shop@" + c.sha, Subject: Commit(c.sha), People: people(dev),
			OccurredAt: c.when, Basis: evidence.BasisClaimed, ObservedAt: c.when.Add(time.Minute),
			Content: evidencetest.Facts(evidence.CommitFacts{Repo: "acme/shop", SHA: c.sha, Author: 0, Committer: -1}), Text: []byte("raise limits"),
		})
	}
	crew := people(person(evidence.RoleAuthor, "github:acme", "carol", evidence.ProofAuthenticated),
		person(evidence.RoleReviewer, "github:acme", "bob", evidence.ProofAuthenticated), person(evidence.RoleMerger, "github:acme", "alice", evidence.ProofAuthenticated))
	s.Add("merge", evidence.ChangeMerge, evidence.OpEvent, At(10, 0), Change, evidence.MergeFacts{
		Repo: "acme/shop", Number: 412, State: "merged", Base: "main", HeadSHA: Head, MergeSHA: Main, Commits: []string{Head},
		OpenedAt: At(9, 5), MergedAt: At(10, 0), Author: 0, Merger: 2, ReviewsSeen: true,
		Reviews: []evidence.ReviewState{{ID: "1", Person: 1, State: "approved", Commit: Head, At: At(9, 50)}},
	}, crew, Commit(Main), Commit(Head))
	s.Add("review", evidence.ChangeReview, evidence.OpEvent, At(9, 50), newRef("review", "acme", "acme/shop!412/1"), evidence.ReviewFacts{
		Repo: "acme/shop", Number: 412, ID: "1", State: "approved", Commit: Head, Person: 0,
	}, people(crew[1]), Change, Commit(Head))
}

func (s *Story) build() {
	s.Add("push", evidence.AccessAudit, evidence.OpEvent, At(10, 0), newRef("line", "acme", "acme/shop/push-7"), evidence.AuditFacts{
		Platform: "github", ID: "7", Action: "push", Container: "acme/shop", Resource: "ref", Name: "refs/heads/main", Outcome: "ok", Who: 0, Behind: -1,
		Changed: []string{"from " + Old, "to " + Main},
	}, people(person(evidence.RoleInitiator, "github:acme", "alice", evidence.ProofAuthenticated)), Commit(Old), Commit(Main))
	s.Add("pipeline", evidence.PipelineRun, evidence.OpEvent, At(10, 1), Pipeline, evidence.PipelineFacts{
		Repo: "acme/shop", ID: "77", Attempt: 1, SHA: Main, Status: "success", Native: "success", Actor: -1, Trigger: -1,
	}, nil, Commit(Main))
	s.Add("check", evidence.PipelineCheck, evidence.OpEvent, At(10, 3), newRef("check", "acme", "acme/shop/9001"), evidence.CheckFacts{
		Repo: "acme/shop", ID: "9001", Name: "unit", SHA: Main, Status: "success", Native: "success", Form: "check-run",
	}, nil, Commit(Main), Pipeline)
	facts := evidence.ArtifactFacts{Registry: "registry.example", Project: "acme", Repository: "web", Digest: Index, PushedAt: At(10, 10), Revision: Main,
		Tags: []evidence.ArtifactTag{{Name: "1.4"}}, Children: []evidence.ArtifactChild{{Digest: Child, Platform: "linux/amd64"}}, Scan: "success"}
	links := []evidence.Ref{Image(Index), Image(Child), Commit(Main), Tag}
	if s.skip("revision") {
		facts.Revision, links = "", []evidence.Ref{Image(Index), Image(Child), Tag}
	}
	s.Add("image", evidence.ArtifactImage, evidence.OpSet, At(10, 10), newRef("artifact", "main", "acme/web@"+Index), facts, nil, links...)
	s.Add("scan", evidence.ArtifactScan, evidence.OpEvent, At(10, 12), newRef("artifact", "main", "acme/web@"+Child), evidence.ScanFacts{
		Registry: "registry.example", Project: "acme", Repository: "web", Digest: Child, Status: "success", Severity: "Low", Total: 2,
	}, nil, Image(Child))
	s.Add("signature", evidence.ArtifactSigned, evidence.OpSet, At(10, 13), newRef("artifact", "main", "acme/web@sha256:51"), evidence.SignatureFacts{
		Registry: "registry.example", Project: "acme", Repository: "web", Subject: Child, Digest: "sha256:51", Type: "signature.cosign",
	}, nil, Image(Child))
	s.Add("pull", evidence.RegistryAudit, evidence.OpEvent, At(12, 59), newRef("line", "main", "555"), evidence.RegistryAuditFacts{
		Registry: "registry.example", ID: "555", Operation: "pull", ResourceType: "artifact", Resource: "acme/web", Digest: Child, Who: -1, Robot: "puller",
	}, nil, Image(Child))
}

func (s *Story) state(name, sha, digest string, when time.Time) {
	s.Add(name, evidence.DeployState, evidence.OpSet, when, App, evidence.DeployFacts{
		App: "argocd/web", UID: "app-1", Project: "tenant-7", Namespace: "tenant-7", Revisions: []string{sha}, SyncedRevisions: []string{sha}, SyncedAt: when,
		Sync: "Synced", Health: "Healthy", Images: []string{"registry.example/acme/web@" + digest},
	}, nil, Commit(sha), Namespace, Image(digest))
}

func (s *Story) deploy() {
	s.state("state-old", Old, OldImage, At(8, 0))
	s.Add("old-pod", evidence.RuntimePod, evidence.OpSet, At(8, 1), OldPod, PodFacts("web-5c44-aaa", "pod-0", OldImage), nil,
		Image(OldImage), Workload, Copy, Account, AppNamed)
	s.Add("workload-old", evidence.RuntimeWorkload, evidence.OpSet, At(8, 0), Workload, workloadFacts(OldImage), nil, AppNamed, Copy, Account, Image(OldImage))
	s.Add("sync", evidence.DeploySync, evidence.OpEvent, At(12, 57), App, evidence.SyncFacts{
		App: "argocd/web", UID: "app-1", Project: "tenant-7", Seen: "both", HistoryID: 7, Phase: "Succeeded", StartedAt: At(12, 57), FinishedAt: At(12, 58),
		Revisions: []string{Main}, Initiator: 0,
	}, people(person(evidence.RoleInitiator, "argocd:prod", "alice", evidence.ProofAuthenticated)),
		newRef("sync", "prod", "argocd/web/7").WithUID("app-1"), Commit(Main), Namespace)
	s.state("state", Main, Index, At(12, 58))
	s.Add("workload", evidence.RuntimeWorkload, evidence.OpSet, At(12, 58), Workload, workloadFacts(Index), nil, AppNamed, Copy, Account, Image(Index))
	s.Add("old-pod-end", evidence.RuntimePod, evidence.OpEnd, At(12, 58), OldPod, PodFacts("web-5c44-aaa", "pod-0", OldImage), nil)
	s.Add("pod", evidence.RuntimePod, evidence.OpSet, At(12, 59), Pod, PodFacts("web-7d9f-x2x", "pod-1", Child), nil,
		Image(Child), Tag, Workload, newRef("node", "prod", "node-a"), Copy, Account, AppNamed)
}

// PodFacts are those of a pod of the application.
func PodFacts(name, uid, digest string) evidence.PodFacts {
	return evidence.PodFacts{
		Cluster: "prod", Namespace: "tenant-7", Name: name, UID: uid, Node: "node-a", Phase: "Running", ServiceAccount: "web",
		Owner: &evidence.OwnerRef{Kind: "Deployment", Name: "web", UID: "dep-1"}, App: "argocd/web", Secrets: []string{"web-db"},
		Containers: []evidence.ContainerFacts{{Name: "web", Image: "registry.example/acme/web:1.4", Digest: digest, DigestOf: "manifest", State: "running"}},
	}
}

func workloadFacts(digest string) evidence.WorkloadFacts {
	return evidence.WorkloadFacts{
		Cluster: "prod", Kind: "Deployment", Namespace: "tenant-7", Name: "web", UID: "dep-1", App: "argocd/web", ServiceAccount: "web", Secrets: []string{"web-db"},
		Containers: []evidence.ContainerFacts{{Name: "web", Image: "registry.example/acme/web@" + digest}},
	}
}

func (s *Story) secrets() {
	s.Add("secret-sync", evidence.SecretSync, evidence.OpSet, At(8, 0), External, evidence.SecretSyncFacts{
		Cluster: "prod", Kind: "ExternalSecret", Namespace: "tenant-7", Name: "web-db", UID: "es-1", StoreKind: "SecretStore", StoreName: "vault",
		Remote: []evidence.RemoteKey{{Key: "tenant-7/web/db", Property: "password"}}, Target: "web-db", Ready: "True",
	}, nil, Copy, Secret, Object("SecretStore.external-secrets.io/tenant-7/vault", ""))
	s.Add("store", evidence.SecretStore, evidence.OpSet, At(8, 0), Store, evidence.SecretStoreFacts{
		Cluster: "prod", Kind: "SecretStore", Namespace: "tenant-7", Name: "vault", UID: "st-1", Provider: "vault", Path: "kv", Role: "eso", Account: "external-secrets/eso",
	}, nil, newRef("role", "prod", "kubernetes/eso"), Operator)
	s.access("read-operator", At(13, 0), Operator, "eso", "external-secrets")
	s.access("read-pod", At(13, 5), Account, "web", "tenant-7")
	s.access("read-old", At(9, 0), Operator, "eso", "external-secrets")
	s.Add("exec", evidence.AccessAudit, evidence.OpEvent, At(13, 10), newRef("line", "prod", "audit-1"), evidence.AuditFacts{
		Platform: "kubernetes", ID: "audit-1", Action: "create", Resource: "pods", Subresource: "exec", Namespace: "tenant-7", Name: "web-7d9f-x2x", Outcome: "ok", Who: 0, Behind: -1,
	}, people(person(evidence.RoleActor, "kubernetes:prod", "dave", evidence.ProofAuthenticated)), newRef("pod", "prod", "tenant-7/web-7d9f-x2x"))
}

func RequestRef(name string) evidence.Ref { return newRef("request", "prod", "req-"+name) }

func (s *Story) access(name string, when time.Time, from evidence.Ref, sa, ns string) {
	s.Add(name, evidence.SecretAccess, evidence.OpEvent, when, Secret, evidence.AccessFacts{
		RequestID: "req-" + name, Operation: "read", Path: "kv/data/tenant-7/web/db", Mount: "kv", Outcome: "ok", Reading: true, Secret: Secret.Name, Who: -1,
		SANamespace: ns, SAName: sa, Role: sa,
	}, nil, RequestRef(name), Secret, newRef("mount", "prod", "kv"), from)
}

func (s *Story) certificates() {
	s.Add("certificate", evidence.CertDeclared, evidence.OpSet, At(8, 0), Certificate, evidence.CertDeclaredFacts{
		Cluster: "prod", Namespace: "tenant-7", Name: "web-tls", UID: "ct-1", Secret: "web-tls", Names: []string{Host.Name}, IssuerKind: "ClusterIssuer", IssuerName: "corporate", Ready: "True",
	}, nil, newRef("copy", "prod", "tenant-7/web-tls"), Host, Issuer.WithUID(""))
	s.Add("request", evidence.CertRequest, evidence.OpEvent, At(8, 1), CertRequest, evidence.CertRequestFacts{
		Cluster: "prod", Namespace: "tenant-7", Name: "web-tls-1", UID: "cr-1", Certificate: "web-tls", IssuerKind: "ClusterIssuer", IssuerName: "corporate", Requester: -1, Approval: "approved", Status: "issued",
	}, nil, Certificate, Issuer.WithUID(""))
	s.Add("issuer", evidence.CertIssuer, evidence.OpSet, At(7, 0), Issuer, evidence.CertIssuerFacts{Cluster: "prod", Kind: "ClusterIssuer", Name: "corporate", UID: "is-1", Type: "ca", Ready: "True"}, nil)
	s.Add("probe", evidence.CertState, evidence.OpSet, At(9, 0), Probe, evidence.CertFacts{Endpoint: Probe.Name, Subject: "CN=web", Issuer: "CN=corporate", Serial: "01", Key: "ECDSA-P-256", Trusted: "yes", NameMatches: true}, nil, HostEdge)
}

func (s *Story) backups() {
	s.Add("schedule", evidence.BackupSchedule, evidence.OpSet, At(6, 0), Schedule, evidence.ScheduleFacts{Cluster: "prod", Namespace: "velero", Name: "daily", UID: "sc-1", Cron: "0 1 * * *",
		Scope: evidence.BackupScope{Namespaces: []string{"tenant-7"}}}, nil, Namespace)
	s.Add("backup", evidence.BackupRun, evidence.OpEvent, At(6, 30), Backup, evidence.BackupFacts{Cluster: "prod", Namespace: "velero", Name: "daily-1", UID: "bk-1", Schedule: "daily", Phase: "Completed", Terminal: true,
		Scope: evidence.BackupScope{Namespaces: []string{"tenant-7"}}}, nil, Object("Schedule.velero.io/velero/daily", ""), Namespace)
	s.Add("restore", evidence.BackupRestore, evidence.OpEvent, At(11, 0), Restore, evidence.RestoreFacts{Cluster: "prod", Namespace: "velero", Name: "test-1", UID: "rs-1", Backup: "daily-1", Purpose: "test", Requester: -1, Phase: "Completed", Terminal: true},
		nil, Object("Backup.velero.io/velero/daily-1", ""))
	s.Add("restore-test", evidence.BackupTest, evidence.OpEvent, At(11, 5), Restore, evidence.RestoreTestFacts{Restore: "velero/test-1", UID: "rs-1", Cluster: "prod", Backup: "daily-1", Grade: 3}, nil, Restore)
}

// cover claims that every source was looked at all day, but for what is left
// out as "cover KIND".
func (s *Story) cover() {
	bySource := map[evidence.SourceID][]evidence.Kind{}
	for k, id := range sourceOf {
		if !s.skip("cover " + string(k)) {
			bySource[id] = append(bySource[id], k)
		}
	}
	var ids []evidence.SourceID
	for id := range bySource {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		slices.Sort(bySource[id])
		s.Log.Cover(id, evidence.Continuous, evidence.Period{From: At(5, 0), To: At(15, 0)}, "", bySource[id]...)
	}
}
