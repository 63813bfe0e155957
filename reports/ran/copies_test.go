package ran_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/reach"
	"evidenced/reports/ran"
)

const dbSecret = "kv/tenant-7/web/db"

// addSync lets an ExternalSecret fill tenant-7/web-db from Vault.
func addSync(l *evidencetest.Log, kind, store string) {
	f := evidence.SecretSyncFacts{
		Cluster: "prod", Kind: kind, Namespace: "tenant-7", Name: "web-db", UID: "uid-es", StoreKind: store, StoreName: "vault",
		Remote: []evidence.RemoteKey{{Key: "tenant-7/web/db"}}, Target: "web-db", Ready: "True",
	}
	d := object(evidence.SecretSync, at(3, 0, 0, 0), evidence.NewRef("object", "prod", kind+".external-secrets.io/tenant-7/web-db").WithUID("uid-es"), f)
	d.Links = []evidence.Ref{evidence.NewRef("copy", "prod", "tenant-7/web-db"), evidence.NewRef("secret", "prod", dbSecret)}
	l.AddDraft(d)
}

func addStore(l *evidencetest.Log, role string) {
	f := evidence.SecretStoreFacts{Cluster: "prod", Kind: "SecretStore", Namespace: "tenant-7", Name: "vault", UID: "uid-st", Provider: "vault", AuthMount: "kubernetes", Role: role, Account: "tenant-7/eso"}
	l.AddDraft(object(evidence.SecretStore, at(2, 0, 0, 0), evidence.NewRef("object", "prod", "SecretStore.external-secrets.io/tenant-7/vault").WithUID("uid-st"), f))
}

func addRBAC(l *evidencetest.Log, f evidence.RBACFacts, people ...evidence.Person) {
	f.Cluster, f.UID = "prod", "uid-"+f.Kind+f.Name
	l.AddDraft(object(evidence.AccessRBAC, at(2, 0, 0, 0), evidence.NewRef("object", "prod", f.Kind+"."+"rbac.authorization.k8s.io/"+f.Namespace+"/"+f.Name).WithUID(f.UID), f, people...))
}

// addRights: dana may get the one Secret, the group oidc:sre may go into pods,
// the account of the operator may do all in its namespace, and mallory may
// read a Secret of another name.
func addRights(l *evidencetest.Log) {
	rule := func(verbs, resources []string, names ...string) []evidence.RBACRule {
		return []evidence.RBACRule{{Verbs: verbs, Groups: []string{""}, Resources: resources, Names: names}}
	}
	holder := func(login string) evidence.Person {
		return person(evidence.RoleHolder, "kubernetes:prod", login, evidence.ProofClaimed)
	}
	user := []evidence.RBACSubject{{Kind: "User", Person: 0}}
	addRBAC(l, evidence.RBACFacts{Kind: "Role", Namespace: "tenant-7", Name: "read-db", Rules: rule([]string{"get"}, []string{"secrets"}, "web-db")})
	addRBAC(l, evidence.RBACFacts{Kind: "RoleBinding", Namespace: "tenant-7", Name: "dana", RoleKind: "Role", RoleName: "read-db", Subjects: user}, holder("dana"))
	addRBAC(l, evidence.RBACFacts{Kind: "Role", Namespace: "tenant-7", Name: "read-other", Rules: rule([]string{"get"}, []string{"secrets"}, "other")})
	addRBAC(l, evidence.RBACFacts{Kind: "RoleBinding", Namespace: "tenant-7", Name: "mallory", RoleKind: "Role", RoleName: "read-other", Subjects: user}, holder("mallory"))
	addRBAC(l, evidence.RBACFacts{Kind: "ClusterRole", Name: "debug", Rules: rule([]string{"create"}, []string{"pods/exec"})})
	addRBAC(l, evidence.RBACFacts{Kind: "ClusterRoleBinding", Name: "sre", RoleKind: "ClusterRole", RoleName: "debug", Subjects: []evidence.RBACSubject{{Kind: "Group", Name: "oidc:sre", Person: -1}}})
	addRBAC(l, evidence.RBACFacts{Kind: "ClusterRole", Name: "secrets", Rules: rule([]string{"*"}, []string{"secrets"})})
	addRBAC(l, evidence.RBACFacts{Kind: "RoleBinding", Namespace: "tenant-7", Name: "eso", RoleKind: "ClusterRole", RoleName: "secrets", Subjects: []evidence.RBACSubject{{Kind: "ServiceAccount", Namespace: "tenant-7", Name: "eso", Person: -1}}})
}

func addAudit(l *evidencetest.Log, i int, when time.Time, f evidence.AuditFacts, actor string, people ...evidence.Person) {
	f.Platform, f.ID, f.Behind, f.Namespace = "kubernetes", fmt.Sprint("audit-", i), -1, "tenant-7"
	if len(people) == 0 {
		f.Who = -1
	}
	d := object(evidence.AccessAudit, when, evidence.NewRef("line", "prod", f.ID), f, people...)
	d.Op, d.Key, d.Basis = evidence.OpEvent, f.ID, evidence.BasisSource
	d.ActorScope = []evidence.Ref{evidence.NewRef("tenant", "", actor)}
	l.AddDraft(d)
}

func coverCopies(l *evidencetest.Log, kinds ...evidence.Kind) {
	if len(kinds) == 0 {
		kinds = []evidence.Kind{evidence.SecretSync, evidence.SecretStore, evidence.AccessRBAC, evidence.AccessAudit}
	}
	l.Cover("kubernetes/prod", evidence.Continuous, evidence.Period{From: at(14, 0, 0, 0), To: at(15, 0, 0, 0)}, "", kinds...)
}

// copiedLog is the story with the whole third line.
func copiedLog(t testing.TB) *evidencetest.Log {
	l := clusterLog(t)
	addSecrets(l)
	addStore(l, "tenant-7-web")
	addSync(l, "ExternalSecret", "SecretStore")
	addRights(l)
	addPod(l, podSpec{name: "web-1", workload: "Deployment/web", owner: "uid-web", image: repo + "web@" + webIndex, digest: webAmd, node: "node-a", started: at(14, 12, 41, 0), secrets: []string{"web-db"}})
	erin := person(evidence.RoleReader, "kubernetes:prod", "erin", evidence.ProofAuthenticated)
	addAudit(l, 1, at(14, 12, 50, 0), evidence.AuditFacts{Action: "get", Resource: "secrets", Name: "web-db", Outcome: "ok", Account: "tenant-7/eso"}, "tenant-7")
	addAudit(l, 2, at(14, 12, 51, 0), evidence.AuditFacts{Action: "create", Resource: "pods", Subresource: "exec", Name: "web-1", Outcome: "ok"}, "_platform", erin)
	addAudit(l, 3, at(14, 12, 52, 0), evidence.AuditFacts{Action: "get", Resource: "secrets", Name: "web-db", Outcome: "denied"}, "tenant-2", person(evidence.RoleReader, "kubernetes:prod", "mallory", evidence.ProofAuthenticated))
	addAudit(l, 4, at(14, 12, 53, 0), evidence.AuditFacts{Action: "get", Resource: "configmaps", Name: "web", Outcome: "ok"}, "tenant-7", erin)
	addAudit(l, 5, at(14, 15, 0, 0), evidence.AuditFacts{Action: "list", Resource: "secrets", Outcome: "ok"}, "tenant-7", erin) // outside the hour
	coverCopies(l)
	return l
}

func TestCopies(t *testing.T) {
	a, text := build(t, copiedLog(t), asked, ran.Options{})
	evidencetest.Golden(t, "copies.txt", []byte(text))
	s := &a.Secrets
	if len(s.Copies) != 1 {
		t.Fatalf("%d copies, want that of web-db:\n%s", len(s.Copies), text)
	}
	c := s.Copies[0]
	if c.Name != "web-db" || !slices.Equal(c.From, []string{dbSecret}) || !c.StoreSeen || c.As != "tenant-7-web" || len(c.Mounted) != 1 || c.Mounted[0].Pods != 1 || !c.FilledAt.Equal(at(14, 12, 44, 0)) {
		t.Errorf("copy %+v", c)
	}
	could := map[string][]reach.Way{}
	for _, r := range c.Could {
		could[r.Who] = r.Ways
		if len(r.Seqs) < 2 || len(r.Through) == 0 {
			t.Errorf("%s: no binding and role behind it: %+v", r.Who, r)
		}
	}
	want := map[string][]reach.Way{"dana": {reach.Read}, "group oidc:sre": {reach.Exec}, "account tenant-7/eso": {reach.Read, reach.Answer}}
	if len(could) != len(want) {
		t.Errorf("could read %v, want %v", could, want)
	}
	for who, ways := range want {
		if !slices.Equal(could[who], ways) {
			t.Errorf("%s on %v, want %v", who, could[who], ways)
		}
	}
	for _, r := range s.Did {
		if fills := r.Who == "role tenant-7-web"; fills != r.FillsBy || fills != (len(r.Fills) > 0) {
			t.Errorf("%s: fills %v, by the operator %v", r.Who, r.Fills, r.FillsBy)
		}
	}
	if len(s.CopyDid) != 2 || len(s.CopyDenied) != 1 || s.CopyDenied[0].Who != "mallory" {
		t.Errorf("read a copy: %+v, denied %+v", s.CopyDid, s.CopyDenied)
	}
	for _, r := range s.CopyDid {
		if r.Who == "erin" && r.Actor != evidence.ActorPlatform {
			t.Errorf("erin's tenant is told as %q", r.Actor)
		}
	}
}

// TestCopiesNotObserved takes one kind of evidence away after the other: what
// is missing is said, and never told as nobody.
func TestCopiesNotObserved(t *testing.T) {
	base := func() *evidencetest.Log {
		l := clusterLog(t)
		addSecrets(l)
		addSync(l, "ExternalSecret", "ClusterSecretStore")
		return l
	}
	t.Run("store of nobody", func(t *testing.T) {
		l := base()
		coverCopies(l)
		a, text := build(t, l, asked, ran.Options{})
		if a.Secrets.Copies[0].StoreSeen || !strings.Contains(text, "ClusterSecretStore vault is") || !strings.Contains(strings.Join(strings.Fields(text), " "), "as whom that is fetched was not observed") {
			t.Errorf("a store that is not in the log is taken as known:\n%s", text)
		}
		if !strings.Contains(text, "by nobody that a role binding names") {
			t.Errorf("without a binding:\n%s", text)
		}
	})
	t.Run("no rights", func(t *testing.T) {
		l := base()
		coverCopies(l, evidence.SecretSync)
		a, text := build(t, l, asked, ran.Options{})
		if a.Secrets.CopyCould != ran.NotConfigured || !strings.Contains(text, "could be read: not observed: no source configured") || !strings.Contains(text, "read a copy  not observed: no source configured") {
			t.Errorf("observed %s:\n%s", a.Secrets.CopyCould, text)
		}
		if strings.Contains(a.Sentence, "it uses in the cluster") {
			t.Errorf("the sentence tells readers nobody looked for: %s", a.Sentence)
		}
	})
	t.Run("audit log of a forge", func(t *testing.T) {
		l := base()
		coverCopies(l, evidence.SecretSync, evidence.AccessRBAC)
		l.Cover("github/prod", evidence.Continuous, evidence.Period{From: at(14, 0, 0, 0), To: at(15, 0, 0, 0)}, "", evidence.AccessAudit, evidence.ChangeCommit)
		if a, text := build(t, l, asked, ran.Options{}); a.Secrets.CopyDidSeen != ran.NotConfigured {
			t.Errorf("a forge's audit log is taken for a cluster's (%s):\n%s", a.Secrets.CopyDidSeen, text)
		}
	})
	t.Run("blind for rights", func(t *testing.T) {
		l := base()
		addRights(l)
		coverCopies(l, evidence.SecretSync)
		l.Cover("kubernetes/prod", evidence.Blind, evidence.Period{From: at(14, 12, 0, 0), To: at(14, 14, 0, 0)}, "403", evidence.AccessRBAC, evidence.AccessAudit)
		_, text := build(t, l, asked, ran.Options{})
		flat := strings.Join(strings.Fields(text), " ")
		for _, want := range []string{"not observed at the instant; last known: dana (read)", "read a copy not observed for all of the hour"} {
			if !strings.Contains(flat, want) {
				t.Errorf("the text does not say %q:\n%s", want, text)
			}
		}
	})
	t.Run("another's read", func(t *testing.T) {
		l := base()
		addStore(l, "somebody-else")
		addSync(l, "ExternalSecret", "SecretStore")
		coverCopies(l)
		a, _ := build(t, l, asked, ran.Options{})
		for _, r := range a.Secrets.Did {
			if len(r.Fills) > 0 {
				t.Errorf("%s is told to fill %v, though the operator reads as another", r.Who, r.Fills)
			}
		}
	})
	t.Run("push", func(t *testing.T) {
		l := clusterLog(t)
		addSync(l, "PushSecret", "SecretStore")
		coverCopies(l)
		if a, text := build(t, l, asked, ran.Options{}); len(a.Secrets.Copies) != 0 || !strings.Contains(text, "none: no operator fills a Secret") {
			t.Errorf("a Secret that is pushed out is told as a copy:\n%s", text)
		}
	})
	t.Run("taken only", func(t *testing.T) {
		l := clusterLog(t)
		addPod(l, podSpec{name: "web-3", workload: "Deployment/web", owner: "uid-web", image: repo + "web@" + webIndex, digest: webAmd, started: at(14, 12, 41, 0), secrets: []string{"by-hand"}})
		addRights(l)
		coverCopies(l)
		if a, text := build(t, l, asked, ran.Options{}); len(a.Secrets.Copies) != 1 || !strings.Contains(text, "filled by no operator that was seen") {
			t.Errorf("copies %v:\n%s", a.Secrets.Copies, text)
		}
	})
}
