package daemon

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/telemetry"
	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Words that stand in names of another tenant. The first is in every name that
// says nothing about alpha, and nothing that alpha can get may hold it. The
// second is in the names of what reached into alpha's things: who read its
// secret and by which right. Alpha must be able to find it.
const (
	strange = "zzqplant"
	reached = "qxreached"
)

// strangers is a source of things that tenants share, and of things of others.
type strangers struct {
	clock func() time.Time
	ds    []evidence.Draft
	fail  bool
	less  bool // the credential sees less than before
}

func (s *strangers) Kinds() []evidence.Kind {
	return []evidence.Kind{
		evidence.SecretAccess, evidence.SecretAuth, evidence.SecretIdentity, evidence.SecretRole, evidence.SecretPolicy, evidence.ChangeMerge, evidence.ChangeCommit,
		evidence.DeployProject, evidence.DeployState, evidence.RegistryRobot, evidence.ArtifactImage, evidence.BackupRun, evidence.BackupSchedule, evidence.BackupRestore,
		evidence.AccessRBAC, evidence.RuntimeNode, evidence.RuntimePod, evidence.CertState, evidence.CertIssuer, evidence.SecretStore, evidence.AlertSilence,
		evidence.PolicyInForce, evidence.PolicyResult,
	}
}

func (s *strangers) Poll(ctx context.Context, w evidence.Period, _ []byte, sk collectors.Sink) error {
	if s.fail {
		return problem.New(problem.Source, "503 from https://forge.example/%s", strange)
	}
	for _, d := range s.ds {
		if err := sk.Emit(ctx, d); err != nil {
			return err
		}
	}
	now := s.clock()
	blind := func(scope evidence.Ref) evidence.Seen {
		return evidence.Seen{Kinds: s.Kinds(), Scope: scope, Class: evidence.Blind, From: now.Add(-time.Minute), To: now, Cause: scope.Name + " answers 403"}
	}
	o := evidence.Observation{
		At: now, Total: -1, Notes: []string{"policy " + strange + "-note cannot be read"}, Sees: []string{"shared", strange + "-project"},
		Counts: []evidence.SourceCount{{What: "repositories of " + strange, Ours: 1, Source: 2}},
		Seen: []evidence.Seen{
			{Kinds: s.Kinds(), Class: evidence.Instants, From: now, To: now},
			blind(evidence.NewRef("ns", "prod", strange+"-web")), blind(evidence.NewRef("ns", "prod", "nobody-"+strange)),
		},
	}
	if s.less {
		o.Sees = o.Sees[:1]
	}
	return sk.Commit(ctx, []byte(`{}`), o)
}

// sharedThings are things of which alpha has a part.
func sharedThings(t *testing.T, at time.Time) []evidence.Draft {
	ref := func(scheme, name string) evidence.Ref { return evidence.NewRef(scheme, "prod", name) }
	each := func(scheme string, names ...string) (all []evidence.Ref, of [][]evidence.Ref) {
		for _, n := range names {
			all = append(all, ref(scheme, n))
			of = append(of, []evidence.Ref{ref(scheme, n)})
		}
		return all, of
	}
	draft := func(kind evidence.Kind, subject evidence.Ref, facts any) evidence.Draft {
		d := evidence.Draft{Kind: kind, Op: evidence.OpEvent, Key: subject.String(), Subject: subject, OccurredAt: at, Basis: evidence.BasisSource, ObservedAt: at}
		if info, _ := evidence.KindInfo(kind); info.State {
			d.Op = evidence.OpSet
		}
		var err error
		if d.Content, err = json.Marshal(facts); err != nil {
			t.Fatal(err)
		}
		d.Raw = bytes.Clone(d.Content) // as most sources tell it: much the same once more
		return d
	}
	holder := evidence.Person{Role: evidence.RoleReader, Realm: "vault:prod/entity", NativeID: "e-1", Names: evidence.Names{Login: "otto"}, Proof: evidence.ProofAuthenticated}
	alphas, bravos := "alpha-ops", strange+"-ops"
	held, whose := each("policy", alphas, bravos, reached+"-reads-alpha", "default")

	access := draft(evidence.SecretAccess, ref("secret", "kv/alpha/db"), evidence.AccessFacts{
		RequestID: "r-1", Operation: "read", Path: "kv/data/alpha/db", Mount: "kv", MountType: "kv", Outcome: "ok", Reading: true, Secret: "kv/alpha/db", Entity: "e-1",
		SANamespace: reached + "-web", SAName: "reader", Policies: []string{alphas, bravos, reached + "-reads-alpha", "default"}, Granting: []string{reached + "-reads-alpha"},
	})
	access.People, access.ActorScope = []evidence.Person{holder}, append([]evidence.Ref{ref("ns", reached+"-web")}, held...)
	access.Scope, access.Links = []evidence.Ref{ref("path", "kv/alpha/db"), ref("mount", "kv")}, []evidence.Ref{ref("policy", reached+"-reads-alpha"), ref("account", reached+"-web/reader")}
	access.Mentions = []evidence.Mention{{At: "/policies", Of: [][]evidence.Ref{whose[0], whose[1], nil, whose[3]}}}

	login := draft(evidence.SecretAuth, ref("entity", "e-1"), evidence.AccessFacts{
		RequestID: "r-2", Operation: "update", Path: "auth/approle/login", Outcome: "ok", Who: 0, Entity: "e-1", Policies: []string{alphas, bravos},
	})
	login.People, login.ActorScope, login.Scope = access.People, held[:2], append([]evidence.Ref{ref("mount", "auth/approle")}, held[:2]...)
	login.Mentions = []evidence.Mention{{At: "/policies", Of: whose[:2]}}

	identity := draft(evidence.SecretIdentity, ref("entity", "e-1"), evidence.IdentityFacts{
		Entity: "e-1", Policies: []string{alphas, bravos}, GroupPolicies: []string{bravos},
		Groups: []evidence.IdentityGroup{{ID: "g-1", Name: strange + "-team", Policies: []string{bravos}}}, Holder: 0,
	})
	holder.Role = evidence.RoleHolder
	identity.People, identity.Scope, identity.Links = []evidence.Person{holder}, append([]evidence.Ref{ref("path", "kv/"+strange+"/*")}, held[:2]...), held[:2]
	identity.Mentions = []evidence.Mention{
		{At: "/policies", Of: whose[:2]}, {At: "/group_policies", Of: whose[1:2]}, {At: "/groups/0/policies", Of: whose[1:2]},
		{At: "/groups", Names: []string{"id", "name"}, Of: whose[1:2]},
	}

	role := draft(evidence.SecretRole, ref("role", "auth/kubernetes/sync"), evidence.RoleFacts{Mount: "auth/kubernetes", MountType: "kubernetes", Role: "sync", Policies: []string{alphas, bravos}, Holder: -1})
	role.Scope, role.Links, role.Mentions = held[:2], held[:2], []evidence.Mention{{At: "/policies", Of: whose[:2]}}

	policy := draft(evidence.SecretPolicy, ref("policy", "common"), evidence.PolicyFacts{Name: "common", Rules: []evidence.PolicyRule{{Path: "kv/data/alpha/*", Capabilities: []string{"read"}}, {Path: "kv/data/" + strange + "/*", Capabilities: []string{"read"}}}})
	policy.Text = []byte(`path "kv/data/alpha/*" { capabilities = ["read"] }` + "\n" + `path "kv/data/` + strange + `/*" { capabilities = ["read"] }`)
	paths, of := each("path", "kv/alpha/*", "kv/"+strange+"/*")
	policy.Scope, policy.Mentions = append(paths, ref("policy", "common")), []evidence.Mention{{At: "/rules", Names: []string{"path"}, Of: of}}
	granting := draft(evidence.SecretPolicy, ref("policy", reached+"-reads-alpha"), evidence.PolicyFacts{Name: reached + "-reads-alpha", Rules: []evidence.PolicyRule{{Path: "kv/data/alpha/*", Capabilities: []string{"read"}}}})
	granting.Scope = []evidence.Ref{ref("policy", reached+"-reads-alpha"), ref("path", "kv/alpha/*")}

	merge := mergeDraft("acme/gitops", 7, at, true)
	var f evidence.MergeFacts
	if err := json.Unmarshal(merge.Content, &f); err != nil {
		t.Fatal(err)
	}
	f.Files = []evidence.FileChange{{Path: "apps/alpha/web.yaml", Status: "modified"}, {Path: "apps/" + strange + "/web.yaml", From: "apps/" + strange + "/old.yaml", Status: "renamed"}}
	merge.Content, _ = json.Marshal(f)
	merge.Raw = merge.Content
	paths, of = each("path", "apps/alpha/web.yaml", "apps/"+strange+"/web.yaml")
	merge.Scope, merge.Mentions = append(paths, ref("project", "acme/gitops")), []evidence.Mention{{At: "/files", Names: []string{"path", "from"}, Of: of, Within: ref("project", "acme/gitops")}}
	merge.Text = []byte("Raise limits in apps/" + strange + "/web.yaml")
	commit := draft(evidence.ChangeCommit, evidence.NewRef("commit", "", fmt.Sprintf("%040x", 7)), evidence.CommitFacts{Repo: "acme/gitops", SHA: fmt.Sprintf("%040x", 7), Files: f.Files, Author: -1, Committer: -1})
	commit.Scope, commit.Mentions, commit.Links, commit.Raw = merge.Scope, merge.Mentions, paths, []byte("tree 1\n")

	project := draft(evidence.DeployProject, ref("object", "AppProject.argoproj.io/argocd/shared"), evidence.ProjectFacts{
		Name: "shared", Namespace: "argocd", UID: "u-1", Destinations: []evidence.ProjectTarget{{Server: "https://cluster.example", Namespace: "alpha-web"}, {Server: "https://cluster.example", Namespace: strange + "-web"}},
	})
	spaces, inSpaces := each("ns", "alpha-web", strange+"-web")
	project.Scope, project.Links = append([]evidence.Ref{ref("project", "shared")}, spaces...), []evidence.Ref{ref("namespace", "alpha-web"), ref("namespace", strange+"-web")}
	project.Mentions = []evidence.Mention{{At: "/destinations", Names: []string{"namespace"}, Of: inSpaces, Within: ref("project", "shared")}}

	robot := draft(evidence.RegistryRobot, ref("robot", "1"), evidence.RobotFacts{Registry: "prod", ID: "1", Name: "robot$pull", Level: "system", Grants: []evidence.RobotGrant{
		{Kind: "project", Project: "alpha", May: []string{"repository:pull"}}, {Kind: "project", Project: strange, May: []string{"repository:pull"}}}})
	robots, inRobots := each("project", "alpha", strange)
	robot.Scope, robot.Mentions = append([]evidence.Ref{ref("host", "prod")}, robots...), []evidence.Mention{{At: "/grants", Names: []string{"project"}, Of: inRobots}}

	covers := evidence.BackupScope{Namespaces: []string{"alpha-web", strange + "-web"}, ExcludedNamespaces: []string{strange + "-tmp"}}
	tmp := [][]evidence.Ref{{ref("ns", strange+"-tmp")}}
	backed := []evidence.Mention{{At: "/scope/namespaces", Of: inSpaces}, {At: "/scope/excluded_namespaces", Of: tmp}}
	backup := draft(evidence.BackupRun, ref("object", "Backup.velero.io/velero/nightly-1"), evidence.BackupFacts{Cluster: "prod", Namespace: "velero", Name: "nightly-1", UID: "u-2", Scope: covers, Phase: "PartiallyFailed", Terminal: true, Failure: "namespace " + strange + "-web: volume is gone"})
	schedule := draft(evidence.BackupSchedule, ref("object", "Schedule.velero.io/velero/nightly"), evidence.ScheduleFacts{Cluster: "prod", Namespace: "velero", Name: "nightly", UID: "u-3", Cron: "0 1 * * *", Scope: covers})
	restore := draft(evidence.BackupRestore, ref("object", "Restore.velero.io/velero/r-1"), evidence.RestoreFacts{Cluster: "prod", Namespace: "velero", Name: "r-1", UID: "u-4", Backup: "nightly-1", Scope: covers, Phase: "Completed", Terminal: true, Requester: -1, Purpose: "unknown",
		Into: map[string]string{"alpha-web": "alpha-test", strange + "-web": strange + "-test"}})
	for _, d := range []*evidence.Draft{&backup, &schedule, &restore} {
		d.Scope, d.Links, d.Mentions = spaces, project.Links, backed
	}
	restore.Mentions = append(slices.Clip(backed), evidence.Mention{At: "/into", Of: inSpaces})

	store := draft(evidence.SecretStore, ref("object", "ClusterSecretStore.external-secrets.io//vault"), evidence.SecretStoreFacts{Cluster: "prod", Kind: "ClusterSecretStore", Name: "vault", UID: "u-5", Provider: "vault", Conditions: 1, Namespaces: []string{"alpha-web", strange + "-web"}})
	store.Scope, store.Mentions = spaces, []evidence.Mention{{At: "/namespaces", Of: inSpaces}}

	// What covers the whole cluster lists nobody, and its words and bytes do.
	full := draft(evidence.BackupRun, ref("object", "Backup.velero.io/velero/full-1"), evidence.BackupFacts{Cluster: "prod", Namespace: "velero", Name: "full-1", UID: "u-7", Phase: "PartiallyFailed", Terminal: true, Failure: "namespace " + strange + "-web: volume is gone"})
	full.Scope, full.Links, full.Mentions = spaces, project.Links, []evidence.Mention{{Of: inSpaces}}
	issuer := draft(evidence.CertIssuer, ref("object", "ClusterIssuer.cert-manager.io//acme"), evidence.CertIssuerFacts{Cluster: "prod", Kind: "ClusterIssuer", Name: "acme", UID: "u-8", Type: "acme"})
	issuer.Scope, issuer.Raw = []evidence.Ref{ref("ns", "*")}, []byte(`{"spec":{"acme":{"solvers":[{"selector":{"dnsNames":["alpha.example","`+strange+`.example"]}}]}}}`)
	_, hosts := each("host", "alpha.example", strange+".example")
	issuer.Mentions = []evidence.Mention{{Of: hosts}}

	// A policy of the cluster is told to everybody, and leaves out others' namespaces.
	guard := draft(evidence.PolicyInForce, ref("object", "ClusterPolicy.kyverno.io//signed"), evidence.AdmissionPolicyFacts{Cluster: "prod", Engine: "kyverno", Kind: "ClusterPolicy", Name: "signed", UID: "u-9", Mode: evidence.PolicyEnforces, Ready: "True",
		Excludes: evidence.PolicyReach{Namespaces: []string{"alpha-web", strange + "-web"}}})
	guard.Scope, guard.Raw = []evidence.Ref{ref("ns", "*")}, []byte(`{"spec":{"exclude":["alpha-web","`+strange+`-web"]}}`)
	guard.Mentions = []evidence.Mention{{At: "/excludes/namespaces", Of: inSpaces}, {Of: inSpaces}}
	broken := draft(evidence.PolicyResult, ref("result", "alpha-web|Deployment.apps|web|kyverno|signed|verify"), evidence.PolicyResultFacts{Cluster: "prod", Engine: "kyverno", Policy: "signed", Rule: "verify", Result: "fail",
		Resource: evidence.PolicySubject{Kind: "Deployment", Namespace: "alpha-web", Name: "web"}})
	broken.Scope, broken.Text, broken.Raw = []evidence.Ref{ref("ns", "alpha-web")}, []byte("as in "+strange+"-web"), []byte(`{"message":"as in `+strange+`-web"}`)
	broken.Mentions = []evidence.Mention{{Of: inSpaces}}

	// A binding of the cluster gives an account of another tenant a right in
	// alpha's namespaces; a certificate shows all its names to whoever connects.
	binding := draft(evidence.AccessRBAC, ref("object", "ClusterRoleBinding.rbac.authorization.k8s.io//all"), evidence.RBACFacts{Cluster: "prod", Kind: "ClusterRoleBinding", Name: "all", UID: "u-6", RoleKind: "ClusterRole", RoleName: "view",
		Subjects: []evidence.RBACSubject{{Kind: "ServiceAccount", Namespace: reached + "-web", Name: "viewer", Person: -1}}})
	binding.Scope = []evidence.Ref{ref("ns", "*")}
	cert := draft(evidence.CertState, ref("cert", "alpha.example:443"), evidence.CertFacts{Endpoint: "alpha.example:443", Subject: "CN=alpha.example", SANs: []string{"alpha.example", reached + ".example"}, NotBefore: at, NotAfter: at.AddDate(0, 3, 0)})
	cert.Scope = []evidence.Ref{ref("host", "alpha.example")}
	node := draft(evidence.RuntimeNode, ref("node", "node-1"), evidence.NodeFacts{})
	node.Scope = []evidence.Ref{ref("ns", "*")}
	silence := draft(evidence.AlertSilence, ref("silence", "s-1"), evidence.SilenceFacts{ID: "s-1", Author: -1, StartsAt: at, EndsAt: at.Add(time.Hour), Matchers: []evidence.AlertMatcher{
		{Name: "namespace", Op: "=~", Values: []string{"alpha-web", strange + "-web"}}}})
	silence.Scope, silence.Mentions = spaces, []evidence.Mention{{At: "/matchers/0/values", Of: inSpaces}}
	return []evidence.Draft{access, login, identity, role, policy, granting, merge, commit, project, robot, backup, schedule, restore, store, full, issuer, guard, broken, binding, cert, node, silence}
}

// strangeThings are other tenants' alone: whatever names them names the word.
func strangeThings(t *testing.T, at time.Time) (ds []evidence.Draft) {
	for i, kind := range (&strangers{}).Kinds() {
		name := fmt.Sprintf("%s-thing-%d", strange, i)
		d := evidence.Draft{
			Kind: kind, Op: evidence.OpEvent, Key: name, Subject: evidence.NewRef("object", "prod", name), OccurredAt: at, Basis: evidence.BasisSource, ObservedAt: at,
			Scope: []evidence.Ref{evidence.NewRef("ns", "prod", strange+"-web"), evidence.NewRef("project", "prod", strange)}, Content: []byte(`{"name":"` + name + `"}`),
			Text: []byte(name), Raw: []byte(`"` + name + `"`), Links: []evidence.Ref{evidence.NewRef("image", "", "sha256:"+strings.Repeat("ab", 32))},
			People: []evidence.Person{{Role: evidence.RoleAuthor, Realm: "github:prod", NativeID: "77", Names: evidence.Names{Login: strange + ".person", Mail: strange + "@mail.example"}, Proof: evidence.ProofAuthenticated}},
		}
		if info, _ := evidence.KindInfo(kind); info.State {
			d.Op = evidence.OpSet
		}
		ds = append(ds, d)
	}
	return ds
}

// theirRules says what the configuration has of the other tenant.
type theirRules int

const (
	allRules theirRules = iota
	fewRules            // not the rule for what has the strange word in its name
	noTenant
)

// strangeWorld opens an installation of three tenants, with more lines of
// configuration.
func strangeWorld(t *testing.T, dir string, clock *testClock, src *strangers, log io.Writer, of theirRules, more string) (*Engine, *telemetry.Metrics) {
	t.Helper()
	src.clock = clock.now
	spec := collectors.Spec{Type: "test", Says: "a test", Config: func() any { return &struct{}{} }, Every: "@every 1m",
		New: func(any, collectors.Env) (collectors.Collector, error) { return src, nil }}
	file := filepath.Join(dir, "evidenced.yaml")
	owns := func(name string) string {
		return fmt.Sprintf("      - namespaces: [%[1]s-*]\n        policies: [%[1]s-*]\n        projects: [%[1]s]\n        paths: [kv/%[1]s, apps/%[1]s]\n        hosts: [%[1]s.example]\n", name)
	}
	text := "data_dir: data\nlisten: \"\"\n" + more + "tenants:\n  - name: alpha\n    owns:\n" + owns("alpha")
	if of != noTenant {
		text += "  - name: bravo-" + strange + "\n    owns:\n" + owns(reached)
	}
	if of == allRules {
		text += owns(strange)
	}
	text += "  - name: charlie\n    owns:\n      - namespaces: [charlie]\nsources:\n  - name: shared/prod\n    type: test\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, []collectors.Spec{spec})
	if err != nil {
		t.Fatal(err)
	}
	m := telemetry.NewMetrics()
	e, err := Open(t.Context(), Options{Config: cfg, Clock: clock.now, Program: "evidenced test", Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: m})
	if err != nil {
		t.Fatal(err)
	}
	return e, m
}

// A stranger plants a word in every name of another tenant and searches all that
// alpha's auditor can get.
func TestStrangersFindNothing(t *testing.T) {
	if _, err := exec.LookPath("pdftotext"); err != nil {
		t.Fatalf("%v: sh deploy/test-tools.sh installs it", err)
	}
	dir, clock, src := t.TempDir(), &testClock{begin}, &strangers{}
	var logged bytes.Buffer
	e, m := strangeWorld(t, dir, clock, src, &logged, allRules, "")
	collect := func() {
		t.Helper()
		if _, err := e.Collect(t.Context(), "", false); err != nil {
			t.Fatal(err)
		}
		clock.t = clock.t.Add(time.Hour)
	}
	src.ds = append(sharedThings(t, begin.Add(-time.Hour)), strangeThings(t, begin.Add(-time.Hour))...)
	collect()
	src.ds, src.less = nil, true
	collect()
	src.less, src.fail = false, true
	collect()
	src.fail = false
	collect()
	if err := errors.Join(e.Judge(t.Context()), e.Close()); err != nil {
		t.Fatal(err)
	}
	// Another tenant's rule goes: what loosens the evidence is told to whom it
	// concerns.
	e, m2 := strangeWorld(t, dir, clock, src, &logged, fewRules, "")
	t.Cleanup(func() { e.Close() })
	collect()
	if err := errors.Join(e.Flush(t.Context()), e.Judge(t.Context()), e.Checkpoints(t.Context())); err != nil {
		t.Fatal(err)
	}

	given := everythingOf(t, e, "alpha")
	var shown bytes.Buffer
	m.Write(&shown)
	m2.Write(&shown)
	for name, text := range given {
		if strings.HasSuffix(name, " error") {
			t.Errorf("%s: %s", name, text)
		}
		for _, l := range strings.Split(text, "\n") {
			if i := strings.Index(strings.ToLower(l), strange); i >= 0 {
				t.Errorf("%s tells of another tenant: …%s…", name, l[max(0, i-120):min(len(l), i+120)])
			}
		}
	}
	// Tenants' names label lines and series, which the platform reads; nothing
	// else of theirs does.
	tenant := "bravo-" + strange
	for name, text := range map[string]string{"log lines": logged.String(), "metrics": shown.String()} {
		for _, l := range strings.Split(strings.ReplaceAll(text, tenant, "bravo"), "\n") {
			if strings.Contains(l, strange) || strings.Contains(l, reached) {
				t.Errorf("%s: %s", name, l)
			}
		}
	}
	// The search can find: what concerns alpha is there, and the other tenant's
	// own answers are full of the word.
	for _, name := range []string{"records", "timeline json", "ran", "pack claims.jsonl", "pack registers/secret.access.csv"} {
		if !strings.Contains(given[name], reached+"-reads-alpha") {
			t.Errorf("%s lacks what granted access to alpha's secret", name)
		}
	}
	if text := given["records"]; !strings.Contains(text, reached+"-web") || !strings.Contains(text, reached+".example") || !strings.Contains(text, `"others":{"policies":1}`) {
		t.Errorf("the records lack what concerns alpha: %s", text)
	}
	theirs := everythingOf(t, e, tenant)
	for _, name := range []string{"records", "timeline.pdf", "pack claims.jsonl", "pack report.pdf"} {
		if !strings.Contains(theirs[name], strange) {
			t.Errorf("%s of the other tenant lacks the word: nothing is found in it", name)
		}
	}
}

// everythingOf asks all that can be asked of one tenant, and unpacks its pack.
func everythingOf(t *testing.T, e *Engine, tenant string) map[string]string {
	t.Helper()
	c := api.Common{Tenant: tenant}
	js := api.Common{Tenant: tenant, JSON: true}
	span := api.Span{From: "2026-10-31", To: "2026-11-02"}
	at := begin.Format(time.RFC3339)
	out := map[string]string{}
	for _, q := range []struct {
		name, op string
		params   any
	}{
		{"ran", "ran", api.RanParams{Common: c, At: at, Window: "12h"}},
		{"ran json", "ran", api.RanParams{Common: js, At: at, Window: "12h"}},
		{"ran of an image", "ran", api.RanParams{Common: js, At: at, Image: "sha256:" + strings.Repeat("ab", 32)}},
		{"records", "records", api.RecordsParams{Common: js, Span: span, Raw: true}},
		{"records text", "records", api.RecordsParams{Common: c, Span: span, Raw: true}},
		{"timeline", "timeline", api.TimelineParams{Common: c, Span: span, Each: true}},
		{"timeline json", "timeline", api.TimelineParams{Common: js, Span: span}},
		{"timeline csv", "timeline", api.TimelineParams{Common: c, Span: span, CSV: true}},
		{"timeline html", "timeline", api.TimelineParams{Common: c, Span: span, HTML: true, Each: true}},
		{"timeline.pdf", "timeline", api.TimelineParams{Common: c, Span: span, PDF: true, Each: true}},
		{"trace", "trace", api.TraceParams{Common: c, Span: span, Ref: fmt.Sprintf("%040x", 7)}},
		{"trace json", "trace", api.TraceParams{Common: c, Span: span, Ref: "kv/alpha/db", Format: "json"}},
		{"people", "people", api.PeopleParams{Common: c}},
		{"who", "who", api.WhoParams{Common: c, Span: span, Person: "otto"}},
		{"coverage", "coverage", api.CoverageParams{Common: c, Span: span}},
		{"coverage json", "coverage", api.CoverageParams{Common: js, Span: span}},
		{"assess", "assess", api.AssessParams{Common: c, Span: span, All: true}},
		{"assess json", "assess", api.AssessParams{Common: js, Span: span, All: true}},
		{"gaps", "gaps", api.GapsParams{Common: js}},
		{"today", "today", api.TodayParams{Common: c}},
		{"verify", "verify", api.VerifyParams{Tenant: tenant}},
		{"anchors", "anchors", api.AnchorsParams{Tenant: tenant}},
		{"pack", "pack", api.PackParams{Common: c, Span: span, Raw: "all"}},
	} {
		params, err := json.Marshal(q.params)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		err = api.Run(t.Context(), e, api.Caller{UID: 1000, Via: "direct"}, q.op, params, &api.Out{
			Header: func(string) error { return nil }, Body: &body,
			Result: func(v json.RawMessage) error {
				_, err := body.Write(nil)
				out[q.name+" result"] = string(v)
				return err
			},
		})
		if err != nil {
			out[q.name+" error"] = err.Error()
		}
		out[q.name] = body.String()
	}
	for name, text := range out {
		switch {
		case strings.HasSuffix(name, ".pdf"):
			out[name] = textOfPDF(t, []byte(text))
		case name == "pack":
			delete(out, name)
			if e := out["pack error"]; e != "" {
				t.Fatalf("pack: %s", e)
			}
			unpacked(t, name, text, out)
		}
	}
	for name, text := range out {
		out[name] = text + inBase64(text)
	}
	return out
}

// unpacked adds the members of a pack to out, each behind the pack's name.
func unpacked(t *testing.T, name, text string, out map[string]string) {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f.Name, ".pdf") {
			b = []byte(textOfPDF(t, b))
		}
		out[name+" "+f.Name] = string(b)
	}
}

// inBase64 is what stands encoded in a text, as the plaintexts of claims do.
func inBase64(text string) string {
	var out strings.Builder
	for _, word := range encoded.FindAllString(text, -1) {
		if plain, err := base64.RawURLEncoding.DecodeString(urlAlphabet.Replace(word)); err == nil {
			out.Write(plain)
			out.WriteByte('\n')
		}
	}
	return out.String()
}

var (
	encoded     = regexp.MustCompile(`[A-Za-z0-9+/_-]{16,}`)
	urlAlphabet = strings.NewReplacer("+", "-", "/", "_")
)

func textOfPDF(t *testing.T, b []byte) string {
	t.Helper()
	cmd := exec.Command("pdftotext", "-raw", "-", "-")
	cmd.Stdin = bytes.NewReader(b)
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
