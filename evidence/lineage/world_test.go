package lineage_test

import (
	"slices"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// The world of these tests. A developer proposes commit head in request 412,
// which lands as commit main; pipeline 77 runs on it; an image index with one
// child is built from it, scanned and signed; the application web is synced to
// it and makes a Deployment and a pod that runs the child, is given the Secret
// web-db, which an operator fills from kv/tenant-7/web/db; the pod's account
// and the operator read it. The certificate web-tls is asked for, requested,
// issued and shown at the host. A backup of the namespace is restored and
// tested. Before that, the application ran commit old with image oldImage.
const (
	head     = "c0ffee0000000000000000000000000000000001"
	main     = "a41c9e2f00000000000000000000000000000002"
	old      = "5d0f3b1f00000000000000000000000000000003"
	index    = "sha256:9b4c1d0000000000000000000000000000000000000000000000000000000011"
	child    = "sha256:77e0aa0000000000000000000000000000000000000000000000000000000022"
	oldImage = "sha256:0c11de0000000000000000000000000000000000000000000000000000000033"
)

func at(hour, minute int) time.Time {
	return time.Date(2026, 11, 14, hour, minute, 0, 0, time.UTC)
}

var (
	newRef = evidence.NewRef
	yes    = true
)

func commit(sha string) evidence.Ref   { return newRef("commit", "", sha) }
func image(digest string) evidence.Ref { return newRef("image", "", digest) }
func object(name, uid string) evidence.Ref {
	return newRef("object", "prod", name).WithUID(uid)
}

var (
	change    = newRef("change", "acme", "acme/shop!412")
	pipeline  = newRef("pipeline", "acme", "acme/shop/77/1")
	tag       = newRef("imagetag", "", "registry.example/acme/web:1.4")
	app       = newRef("app", "prod", "argocd/web").WithUID("app-1")
	appNamed  = newRef("app", "prod", "argocd/web")
	namespace = newRef("namespace", "prod", "tenant-7")
	deploy    = newRef("workload", "prod", "tenant-7/Deployment/web").WithUID("dep-1")
	pod       = newRef("pod", "prod", "tenant-7/web-7d9f-x2x").WithUID("pod-1")
	oldPod    = newRef("pod", "prod", "tenant-7/web-5c44-aaa").WithUID("pod-0")
	copyRef   = newRef("copy", "prod", "tenant-7/web-db")
	account   = newRef("account", "prod", "tenant-7/web")
	operator  = newRef("account", "prod", "external-secrets/eso")
	secret    = newRef("secret", "prod", "kv/tenant-7/web/db")
	external  = object("ExternalSecret.external-secrets.io/tenant-7/web-db", "es-1")
	store     = object("SecretStore.external-secrets.io/tenant-7/vault", "st-1")
	cert      = object("Certificate.cert-manager.io/tenant-7/web-tls", "ct-1")
	request   = object("CertificateRequest.cert-manager.io/tenant-7/web-tls-1", "cr-1")
	issuer    = object("ClusterIssuer.cert-manager.io//corporate", "is-1")
	host      = newRef("host", "prod", "web.tenant-7.example")
	hostEdge  = newRef("host", "edge", "web.tenant-7.example")
	probe     = newRef("cert", "edge", "web.tenant-7.example:443")
	schedule  = object("Schedule.velero.io/velero/daily", "sc-1")
	backup    = object("Backup.velero.io/velero/daily-1", "bk-1")
	restore   = object("Restore.velero.io/velero/test-1", "rs-1")
)

// story adds drafts to a log; without names what to leave out.
type story struct {
	log     *evidencetest.Log
	without []string
}

func newLog(t testing.TB) *evidencetest.Log {
	t.Helper()
	tenant, err := evidence.ParseTenant("tenant-7")
	if err != nil {
		t.Fatal(err)
	}
	return evidencetest.NewLog(tenant)
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

func (s *story) skip(name string) bool { return slices.Contains(s.without, name) }

// add adds one record under a name by which a test may leave it out.
func (s *story) add(name string, kind evidence.Kind, op evidence.Op, when time.Time, subject evidence.Ref, facts any, people []evidence.Person, links ...evidence.Ref) evidence.Record {
	if s.skip(name) {
		return evidence.Record{}
	}
	return s.log.AddDraft(evidence.Draft{
		Kind: kind, Op: op, Source: sourceOf[kind], Key: name, Subject: subject, People: people, OccurredAt: when, Basis: evidence.BasisSource,
		ObservedAt: when.Add(time.Second), Links: links, Content: evidencetest.Facts(facts),
	})
}

func person(role evidence.Role, realm, login string, proof evidence.Proof) evidence.Person {
	return evidence.Person{Role: role, Realm: realm, NativeID: "id-" + login, Names: evidence.Names{Login: login}, Proof: proof}
}

func people(ps ...evidence.Person) []evidence.Person { return ps }

// tell adds the whole story.
func (s *story) tell() *evidencetest.Log {
	s.change()
	s.build()
	s.deploy()
	s.secrets()
	s.certificates()
	s.backups()
	s.cover()
	return s.log
}

func (s *story) change() {
	dev := person(evidence.RoleAuthor, "git:claimed", "carol@example.org", evidence.ProofClaimed)
	for _, c := range []struct {
		sha  string
		when time.Time
	}{{old, at(7, 0)}, {head, at(9, 0)}, {main, at(10, 0)}} {
		if s.skip("commit " + c.sha) {
			continue
		}
		s.log.AddDraft(evidence.Draft{
			Kind: evidence.ChangeCommit, Op: evidence.OpEvent, Source: "github/acme", Key: "acme/shop@" + c.sha, Subject: commit(c.sha), People: people(dev),
			OccurredAt: c.when, Basis: evidence.BasisClaimed, ObservedAt: c.when.Add(time.Minute),
			Content: evidencetest.Facts(evidence.CommitFacts{Repo: "acme/shop", SHA: c.sha, Author: 0, Committer: -1}), Text: []byte("raise limits"),
		})
	}
	crew := people(person(evidence.RoleAuthor, "github:acme", "carol", evidence.ProofAuthenticated),
		person(evidence.RoleReviewer, "github:acme", "bob", evidence.ProofAuthenticated), person(evidence.RoleMerger, "github:acme", "alice", evidence.ProofAuthenticated))
	s.add("merge", evidence.ChangeMerge, evidence.OpEvent, at(10, 0), change, evidence.MergeFacts{
		Repo: "acme/shop", Number: 412, State: "merged", Base: "main", HeadSHA: head, MergeSHA: main, Commits: []string{head},
		OpenedAt: at(9, 5), MergedAt: at(10, 0), Author: 0, Merger: 2, ReviewsSeen: true,
		Reviews: []evidence.ReviewState{{ID: "1", Person: 1, State: "approved", Commit: head, At: at(9, 50)}},
	}, crew, commit(main), commit(head))
	s.add("review", evidence.ChangeReview, evidence.OpEvent, at(9, 50), newRef("review", "acme", "acme/shop!412/1"), evidence.ReviewFacts{
		Repo: "acme/shop", Number: 412, ID: "1", State: "approved", Commit: head, Person: 0,
	}, people(crew[1]), change, commit(head))
}

func (s *story) build() {
	s.add("pipeline", evidence.PipelineRun, evidence.OpEvent, at(10, 1), pipeline, evidence.PipelineFacts{
		Repo: "acme/shop", ID: "77", Attempt: 1, SHA: main, Status: "success", Native: "success", Actor: -1, Trigger: -1,
	}, nil, commit(main))
	s.add("check", evidence.PipelineCheck, evidence.OpEvent, at(10, 3), newRef("check", "acme", "acme/shop/9001"), evidence.CheckFacts{
		Repo: "acme/shop", ID: "9001", Name: "unit", SHA: main, Status: "success", Native: "success", Form: "check-run",
	}, nil, commit(main), pipeline)
	facts := evidence.ArtifactFacts{Registry: "registry.example", Project: "acme", Repository: "web", Digest: index, PushedAt: at(10, 10), Revision: main,
		Tags: []evidence.ArtifactTag{{Name: "1.4"}}, Children: []evidence.ArtifactChild{{Digest: child, Platform: "linux/amd64"}}, Scan: "success"}
	links := []evidence.Ref{image(index), image(child), commit(main), tag}
	if s.skip("revision") {
		facts.Revision, links = "", []evidence.Ref{image(index), image(child), tag}
	}
	s.add("image", evidence.ArtifactImage, evidence.OpSet, at(10, 10), newRef("artifact", "main", "acme/web@"+index), facts, nil, links...)
	s.add("scan", evidence.ArtifactScan, evidence.OpEvent, at(10, 12), newRef("artifact", "main", "acme/web@"+child), evidence.ScanFacts{
		Registry: "registry.example", Project: "acme", Repository: "web", Digest: child, Status: "success", Severity: "Low", Total: 2,
	}, nil, image(child))
	s.add("signature", evidence.ArtifactSigned, evidence.OpSet, at(10, 13), newRef("artifact", "main", "acme/web@sha256:51"), evidence.SignatureFacts{
		Registry: "registry.example", Project: "acme", Repository: "web", Subject: child, Digest: "sha256:51", Type: "signature.cosign",
	}, nil, image(child))
	s.add("pull", evidence.RegistryAudit, evidence.OpEvent, at(12, 59), newRef("line", "main", "555"), evidence.RegistryAuditFacts{
		Registry: "registry.example", ID: "555", Operation: "pull", ResourceType: "artifact", Resource: "acme/web", Digest: child, Who: -1, Robot: "puller",
	}, nil, image(child))
}

func (s *story) state(name, sha, digest string, when time.Time) {
	s.add(name, evidence.DeployState, evidence.OpSet, when, app, evidence.DeployFacts{
		App: "argocd/web", UID: "app-1", Project: "tenant-7", Namespace: "tenant-7", Revisions: []string{sha}, SyncedRevisions: []string{sha}, SyncedAt: when,
		Sync: "Synced", Health: "Healthy", Images: []string{"registry.example/acme/web@" + digest},
	}, nil, commit(sha), namespace, image(digest))
}

func (s *story) deploy() {
	s.state("state-old", old, oldImage, at(8, 0))
	s.add("old-pod", evidence.RuntimePod, evidence.OpSet, at(8, 1), oldPod, podFacts("web-5c44-aaa", "pod-0", oldImage), nil,
		image(oldImage), deploy, copyRef, account, appNamed)
	s.add("workload-old", evidence.RuntimeWorkload, evidence.OpSet, at(8, 0), deploy, workloadFacts(oldImage), nil, appNamed, copyRef, account, image(oldImage))
	s.add("sync", evidence.DeploySync, evidence.OpEvent, at(12, 57), app, evidence.SyncFacts{
		App: "argocd/web", UID: "app-1", Project: "tenant-7", Seen: "both", HistoryID: 7, Phase: "Succeeded", StartedAt: at(12, 57), FinishedAt: at(12, 58),
		Revisions: []string{main}, Initiator: 0,
	}, people(person(evidence.RoleInitiator, "argocd:prod", "alice", evidence.ProofAuthenticated)),
		newRef("sync", "prod", "argocd/web/7").WithUID("app-1"), commit(main), namespace)
	s.state("state", main, index, at(12, 58))
	s.add("workload", evidence.RuntimeWorkload, evidence.OpSet, at(12, 58), deploy, workloadFacts(index), nil, appNamed, copyRef, account, image(index))
	s.add("old-pod-end", evidence.RuntimePod, evidence.OpEnd, at(12, 58), oldPod, podFacts("web-5c44-aaa", "pod-0", oldImage), nil)
	s.add("pod", evidence.RuntimePod, evidence.OpSet, at(12, 59), pod, podFacts("web-7d9f-x2x", "pod-1", child), nil,
		image(child), tag, deploy, newRef("node", "prod", "node-a"), copyRef, account, appNamed)
}

func podFacts(name, uid, digest string) evidence.PodFacts {
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

func (s *story) secrets() {
	s.add("secret-sync", evidence.SecretSync, evidence.OpSet, at(8, 0), external, evidence.SecretSyncFacts{
		Cluster: "prod", Kind: "ExternalSecret", Namespace: "tenant-7", Name: "web-db", UID: "es-1", StoreKind: "SecretStore", StoreName: "vault",
		Remote: []evidence.RemoteKey{{Key: "tenant-7/web/db", Property: "password"}}, Target: "web-db", Ready: "True",
	}, nil, copyRef, secret, object("SecretStore.external-secrets.io/tenant-7/vault", ""))
	s.add("store", evidence.SecretStore, evidence.OpSet, at(8, 0), store, evidence.SecretStoreFacts{
		Cluster: "prod", Kind: "SecretStore", Namespace: "tenant-7", Name: "vault", UID: "st-1", Provider: "vault", Path: "kv", Role: "eso", Account: "external-secrets/eso",
	}, nil, newRef("role", "prod", "kubernetes/eso"), operator)
	s.access("read-operator", at(13, 0), operator, "eso", "external-secrets")
	s.access("read-pod", at(13, 5), account, "web", "tenant-7")
	s.access("read-old", at(9, 0), operator, "eso", "external-secrets")
	s.add("exec", evidence.AccessAudit, evidence.OpEvent, at(13, 10), newRef("line", "prod", "audit-1"), evidence.AuditFacts{
		Platform: "kubernetes", ID: "audit-1", Action: "create", Resource: "pods", Subresource: "exec", Namespace: "tenant-7", Name: "web-7d9f-x2x", Outcome: "ok", Who: 0, Behind: -1,
	}, people(person(evidence.RoleActor, "kubernetes:prod", "dave", evidence.ProofAuthenticated)), newRef("pod", "prod", "tenant-7/web-7d9f-x2x"))
}

func requestRef(name string) evidence.Ref { return newRef("request", "prod", "req-"+name) }

func (s *story) access(name string, when time.Time, from evidence.Ref, sa, ns string) {
	s.add(name, evidence.SecretAccess, evidence.OpEvent, when, secret, evidence.AccessFacts{
		RequestID: "req-" + name, Operation: "read", Path: "kv/data/tenant-7/web/db", Mount: "kv", Outcome: "ok", Reading: true, Secret: secret.Name, Who: -1,
		SANamespace: ns, SAName: sa, Role: sa,
	}, nil, requestRef(name), secret, newRef("mount", "prod", "kv"), from)
}

func (s *story) certificates() {
	s.add("certificate", evidence.CertDeclared, evidence.OpSet, at(8, 0), cert, evidence.CertDeclaredFacts{
		Cluster: "prod", Namespace: "tenant-7", Name: "web-tls", UID: "ct-1", Secret: "web-tls", Names: []string{host.Name}, IssuerKind: "ClusterIssuer", IssuerName: "corporate", Ready: "True",
	}, nil, newRef("copy", "prod", "tenant-7/web-tls"), host, issuer.WithUID(""))
	s.add("request", evidence.CertRequest, evidence.OpEvent, at(8, 1), request, evidence.CertRequestFacts{
		Cluster: "prod", Namespace: "tenant-7", Name: "web-tls-1", UID: "cr-1", Certificate: "web-tls", IssuerKind: "ClusterIssuer", IssuerName: "corporate", Requester: -1, Approval: "approved", Status: "issued",
	}, nil, cert, issuer.WithUID(""))
	s.add("issuer", evidence.CertIssuer, evidence.OpSet, at(7, 0), issuer, evidence.CertIssuerFacts{Cluster: "prod", Kind: "ClusterIssuer", Name: "corporate", UID: "is-1", Type: "ca", Ready: "True"}, nil)
	s.add("probe", evidence.CertState, evidence.OpSet, at(9, 0), probe, evidence.CertFacts{Endpoint: probe.Name, Subject: "CN=web", Issuer: "CN=corporate", Serial: "01", Key: "ECDSA-P-256", Trusted: "yes", NameMatches: true}, nil, hostEdge)
}

func (s *story) backups() {
	s.add("schedule", evidence.BackupSchedule, evidence.OpSet, at(6, 0), schedule, evidence.ScheduleFacts{Cluster: "prod", Namespace: "velero", Name: "daily", UID: "sc-1", Cron: "0 1 * * *",
		Scope: evidence.BackupScope{Namespaces: []string{"tenant-7"}}}, nil, namespace)
	s.add("backup", evidence.BackupRun, evidence.OpEvent, at(6, 30), backup, evidence.BackupFacts{Cluster: "prod", Namespace: "velero", Name: "daily-1", UID: "bk-1", Schedule: "daily", Phase: "Completed", Terminal: true,
		Scope: evidence.BackupScope{Namespaces: []string{"tenant-7"}}}, nil, object("Schedule.velero.io/velero/daily", ""), namespace)
	s.add("restore", evidence.BackupRestore, evidence.OpEvent, at(11, 0), restore, evidence.RestoreFacts{Cluster: "prod", Namespace: "velero", Name: "test-1", UID: "rs-1", Backup: "daily-1", Purpose: "test", Requester: -1, Phase: "Completed", Terminal: true},
		nil, object("Backup.velero.io/velero/daily-1", ""))
	s.add("restore-test", evidence.BackupTest, evidence.OpEvent, at(11, 5), restore, evidence.RestoreTestFacts{Restore: "velero/test-1", UID: "rs-1", Cluster: "prod", Backup: "daily-1", Grade: 3}, nil, restore)
}

// cover claims that every source was looked at all day, but for what is left
// out as "cover KIND".
func (s *story) cover() {
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
		s.log.Cover(id, evidence.Continuous, evidence.Period{From: at(5, 0), To: at(15, 0)}, "", bySource[id]...)
	}
}
