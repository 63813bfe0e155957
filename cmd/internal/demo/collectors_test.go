package demo_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"evidenced/cmd/internal/demo"
	"evidenced/collectors"
	"evidenced/collectors/certmanager"
	"evidenced/collectors/certs"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/externalsecrets"
	"evidenced/collectors/github"
	"evidenced/collectors/gitrepo"
	"evidenced/collectors/harbor"
	"evidenced/collectors/kubeaudit"
	"evidenced/collectors/kubernetes"
	"evidenced/collectors/vault"
	"evidenced/collectors/velero"
	"evidenced/evidence"
	"evidenced/testdata/world"
)

// looker runs one real collector against the platform, look after look, as the
// daemon does.
type looker struct {
	t    *testing.T
	p    *demo.Platform
	c    collectors.Collector
	rec  collectortest.Recorder
	last time.Time
}

func start(t *testing.T) *demo.Platform {
	t.Helper()
	w, err := world.Load()
	if err != nil {
		t.Fatal(err)
	}
	p, err := demo.New(t.TempDir(), w, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// look makes the collector of a source from the platform's own configuration,
// read the way the daemon reads it.
func look(t *testing.T, p *demo.Platform, spec collectors.Spec, more ...string) *looker {
	t.Helper()
	l := &looker{t: t, p: p}
	for _, s := range p.Sources() {
		if s.Type != spec.Type {
			continue
		}
		for i := 0; i+1 < len(more); i += 2 {
			s.Values[more[i]] = more[i+1]
		}
		b, err := yaml.Marshal(s.Values)
		if err != nil {
			t.Fatal(err)
		}
		cfg := spec.Config()
		dec := yaml.NewDecoder(strings.NewReader(string(b)))
		dec.KnownFields(true)
		if err := dec.Decode(cfg); err != nil {
			t.Fatalf("configuration of %s: %v\n%s", s.Name, err, b)
		}
		l.c, err = spec.New(cfg, collectors.Env{Source: evidence.SourceID(s.Name), Clock: p.Now,
			Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	t.Fatalf("no source of type %s", spec.Type)
	return nil
}

// to advances the platform and looks once.
func (l *looker) to(when string) error {
	l.t.Helper()
	at, err := time.Parse(time.RFC3339, when)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := l.p.Advance(at); err != nil {
		l.t.Fatal(err)
	}
	err = l.c.Poll(context.Background(), evidence.Period{From: l.last, To: at}, l.rec.Resume(), &l.rec)
	if err == nil {
		l.last = at
	}
	return err
}

func (l *looker) must(when string) {
	l.t.Helper()
	if err := l.to(when); err != nil {
		l.t.Fatalf("look at %s: %v", when, err)
	}
}

// observation is the last one committed.
func (l *looker) observation() evidence.Observation {
	return l.rec.Commits[len(l.rec.Commits)-1].Observation
}

func facts[T any](t *testing.T, d evidence.Draft) T {
	t.Helper()
	var f T
	if err := json.Unmarshal(d.Content, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// find returns the newest draft of a kind that fits.
func find[T any](t *testing.T, l *looker, kind evidence.Kind, fits func(T) bool) (evidence.Draft, T) {
	t.Helper()
	ds := l.rec.Of(kind)
	for i := len(ds) - 1; i >= 0; i-- {
		if len(ds[i].Content) == 0 {
			continue
		}
		if f := facts[T](t, ds[i]); fits(f) {
			return ds[i], f
		}
	}
	t.Fatalf("no %s among %d drafts fits", kind, len(ds))
	panic("unreachable")
}

// owners tells how many drafts each tenant gets by the platform's own rules,
// and fails when one belongs to nobody. Audit devices do: tenancy has no
// pattern for them.
func owners(t *testing.T, l *looker) map[string]int {
	t.Helper()
	var rules []collectors.TenantRules
	for _, c := range append(l.p.Tenants(), l.p.PlatformOwns()) {
		tenant, err := evidence.ParseTenant(c.Name)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, collectors.TenantRules{Tenant: tenant, Owns: []collectors.Owns{{Namespaces: c.Namespaces,
			Projects: c.Projects, Paths: c.Paths, Hosts: c.Hosts, Labels: c.Labels, Mounts: c.Mounts, Policies: c.Policies, Entities: c.Entities}}})
	}
	rs, err := collectors.NewRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, d := range l.rec.Drafts {
		ts := rs.Tenants(d.Source, d.Scope)
		for _, x := range ts {
			got[x.String()]++
		}
		if len(ts) == 0 && d.Kind != evidence.SecretDevice {
			if got["nobody"]++; got["nobody"] <= 5 {
				t.Errorf("%s %s with scope %v belongs to nobody", d.Kind, d.Subject, d.Scope)
			}
		}
	}
	t.Logf("drafts by tenant: %v", got)
	return got
}

func person(t *testing.T, d evidence.Draft, i int) evidence.Names {
	t.Helper()
	if i < 0 || i >= len(d.People) {
		t.Fatalf("draft %s names nobody at %d", d.Kind, i)
	}
	return d.People[i].Names
}

func TestGitHubCollector(t *testing.T) {
	p := start(t)
	l := look(t, p, github.Spec())
	l.must("2026-10-17T06:00:00Z")
	l.must("2026-10-26T16:00:00Z")
	_, f := find(t, l, evidence.ChangeMerge, func(f evidence.MergeFacts) bool { return f.MergedAt.Format("0102T1504") == "1026T1531" })
	if f.State != "merged" || len(f.Reviews) != 0 || !f.ReviewsSeen {
		t.Errorf("request without approval: %+v", f)
	}
	l.must("2026-10-28T16:30:00Z")
	_, g := find(t, l, evidence.ChangeProtection, func(f evidence.ProtectionFacts) bool { return f.Branch == "main" })
	if g.AllowForcePush == nil || !*g.AllowForcePush || g.RequiredApprovals != 1 {
		t.Errorf("guard in the weak hour: %+v", g)
	}
	l.must("2026-11-08T22:00:00Z")
	d, _ := find(t, l, evidence.ChangeCommit, func(f evidence.CommitFacts) bool { return f.CommittedAt.Format("0102T1504") == "1108T2147" })
	if !strings.HasPrefix(string(d.Text), "🚑 tenant-7") {
		t.Errorf("text of the hotfix: %q", d.Text)
	}
	l.must("2026-11-14T14:00:00Z")
	d, f = find(t, l, evidence.ChangeMerge, func(f evidence.MergeFacts) bool { return f.MergedAt.Format("0102T1504") == "1114T1349" })
	if a, m := person(t, d, f.Author), person(t, d, f.Merger); a.Login != "eleni-p" || m.Login != "kaethe-w" {
		t.Errorf("release by %v, merged by %v", a, m)
	}
	if n := len(f.Reviews); n != 2 || f.Reviews[1].State != "approved" || person(t, d, f.Reviews[1].Person).Login != "gen-lefevre" {
		t.Errorf("reviews of the release: %+v", f.Reviews)
	}
	if o := l.observation(); o.Incomplete != "" || !o.OffsetOK || o.Offset.Abs() > 2*time.Second {
		t.Errorf("observation %+v: want complete, with the clock's offset", o)
	}
	owners(t, l)
	keys := map[string]bool{}
	for _, d := range l.rec.Of(evidence.ChangeCommit) {
		keys[d.Key] = true
	}
	t.Logf("%d drafts, %d commits, %d requests", len(l.rec.Drafts), len(keys), len(l.rec.Of(evidence.ChangeMerge)))
}

func TestGitCollector(t *testing.T) {
	p := start(t)
	l := look(t, p, gitrepo.Spec())
	l.must("2026-10-17T06:00:00Z")
	l.must("2026-10-22T11:00:00Z")
	l.must("2026-10-22T12:00:00Z")
	rewritten := false
	for _, d := range l.rec.Of(evidence.ChangeRewrite) {
		f := facts[evidence.RewriteFacts](t, d)
		rewritten = rewritten || f.After != "" && len(f.Lost) == 2
	}
	if !rewritten {
		t.Error("the force-push with two lost commits was not seen")
	}
	l.must("2026-11-14T14:00:00Z")
	d, f := find(t, l, evidence.ChangeCommit, func(f evidence.CommitFacts) bool { return f.CommittedAt.Format("0102T1504") == "1114T1231" })
	owners(t, l)
	if person(t, d, f.Author).Display != "Ελένη Παπαδάκη" {
		t.Errorf("author of the release: %v", person(t, d, f.Author))
	}
}

// The collector pauses for real between two answers of the state side; a server
// on loopback needs none.
const paceless = "1us"

func TestVaultLog(t *testing.T) {
	p := start(t)
	l := look(t, p, vault.Spec(), "state_every", "2000h", "pace", paceless)
	for _, when := range []string{"2026-10-17T00:01:00Z", "2026-10-22T00:00:00Z", "2026-10-29T12:00:00Z", "2026-10-30T00:00:00Z",
		"2026-11-02T00:00:00Z", "2026-11-10T05:00:00Z"} {
		l.must(when)
		l.must(p.Now().Add(30 * time.Second).Format(time.RFC3339)) // the probe is read
	}
	for _, when := range []string{"2026-11-10T07:00:00Z", "2026-11-10T08:30:00Z"} {
		if err := l.to(when); err != nil {
			t.Logf("blind look at %s: %v", when, err)
		}
	}
	blind := false
	for _, c := range l.rec.Commits {
		for _, s := range c.Observation.Seen {
			blind = blind || s.Class == evidence.Blind && s.To.After(at("2026-11-10T05:30:00Z"))
		}
	}
	if !blind {
		t.Error("the time without the audit device is not blind")
	}
	l.must("2026-11-10T10:00:00Z")
	l.must("2026-11-14T14:00:00Z")
	l.must("2026-11-14T14:00:30Z")
	readers := map[string]string{}
	for _, d := range l.rec.Of(evidence.SecretAccess) {
		f := facts[evidence.AccessFacts](t, d)
		if d.OccurredAt.After(at("2026-11-14T13:00:00Z")) && strings.HasPrefix(f.Secret, "kv/tenant-7/") {
			readers[person(t, d, f.Who).Login] = f.Outcome
		}
	}
	for who, want := range map[string]string{"joerg": "ok", "reporting": "ok", "tenant-6/worker": "denied", "tenant-7/web": "ok"} {
		if readers[who] != want {
			t.Errorf("reader %s: %q, want %q (all: %v)", who, readers[who], want, readers)
		}
	}
	owners(t, l)
	if o := l.observation(); o.Incomplete != "" {
		t.Errorf("observation is incomplete: %s", o.Incomplete)
	}
	t.Logf("%d drafts, %d accesses, notes %v", len(l.rec.Drafts), len(l.rec.Of(evidence.SecretAccess)), l.observation().Notes)
}

func TestVaultState(t *testing.T) {
	p := start(t)
	l := look(t, p, vault.Spec(), "pace", paceless)
	l.must("2026-11-14T14:00:00Z")
	_, pol := find(t, l, evidence.SecretPolicy, func(f evidence.PolicyFacts) bool { return f.Name == "reporting" })
	if pol.Unparsed || len(pol.Rules) != 2 {
		t.Errorf("policy reporting: %+v, want two rules", pol)
	}
	_, role := find(t, l, evidence.SecretRole, func(f evidence.RoleFacts) bool { return f.Role == "tenant-7" })
	if len(role.ServiceAccounts) != 3 || len(role.Namespaces) != 1 {
		t.Errorf("role tenant-7: %+v, want three accounts of one namespace", role)
	}
	for k, want := range map[evidence.Kind]int{evidence.SecretIdentity: 8 + 3 + 27 + 9, evidence.SecretRole: 8 + 2*9 + 3,
		evidence.SecretPolicy: 6 + 3*9, evidence.SecretDevice: 2, evidence.SecretMount: 8} {
		if got := len(l.rec.Of(k)); got != want {
			t.Errorf("%d of %s, want %d", got, k, want)
		}
	}
	owners(t, l)
	if o := l.observation(); o.Incomplete != "" {
		t.Errorf("observation is incomplete: %s", o.Incomplete)
	}
}

func at(s string) time.Time {
	x, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return x
}

func TestCertsCollector(t *testing.T) {
	p := start(t)
	l := look(t, p, certs.Spec())
	expired := func(f evidence.CertFacts) bool { return f.SNI == "tenant-3.apps.platform.example" }
	l.must("2026-11-04T12:00:00Z")
	if _, f := find(t, l, evidence.CertState, expired); f.Trusted != "yes" || !f.NameMatches {
		t.Errorf("before the end: %+v", f)
	}
	l.must("2026-11-05T12:00:00Z")
	if _, f := find(t, l, evidence.CertState, expired); f.Trusted != "no" || !f.NotAfter.Equal(at("2026-11-05T08:00:00Z")) {
		t.Errorf("after the end: trusted %s, not after %s", f.Trusted, f.NotAfter)
	}
	l.must("2026-11-06T12:00:00Z")
	if _, f := find(t, l, evidence.CertState, expired); f.Trusted != "yes" {
		t.Errorf("after the renewal: %+v", f)
	}
	owners(t, l)
	if n := len(l.rec.Of(evidence.CertState)); n != 3*9 {
		t.Errorf("%d states of nine endpoints in three looks", n)
	}
}

func TestFailingLookIsNoSilence(t *testing.T) {
	p := start(t)
	l := look(t, p, github.Spec())
	l.must("2026-10-17T06:00:00Z")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.c.Poll(ctx, evidence.Period{}, l.rec.Resume(), &l.rec); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled look ended with %v", err)
	}
}

func TestHarborCollector(t *testing.T) {
	p := start(t)
	l := look(t, p, harbor.Spec())
	l.must("2026-11-08T20:00:00Z")
	l.must("2026-11-09T08:00:00Z")
	l.must("2026-11-14T14:00:00Z")
	owners(t, l)
	scans, signed, digests := 0, 0, map[string]evidence.ArtifactFacts{}
	for _, d := range l.rec.Drafts {
		switch d.Kind {
		case evidence.ArtifactImage:
			f := facts[evidence.ArtifactFacts](t, d)
			digests[f.Project+"/"+f.Repository+":"+f.Tags[0].Name] = f
		case evidence.ArtifactScan:
			scans++
		case evidence.ArtifactSigned:
			signed++
		}
	}
	release, hotfix := digests["tenant-7/web:3.10.0"], digests["tenant-7/web:3.9.1-hotfix.1"]
	if release.Revision == "" || release.Scan != "success" || !release.Signed {
		t.Errorf("the release's image %+v", release)
	}
	if hotfix.Digest == "" || hotfix.Revision != "" || hotfix.Signed {
		t.Errorf("the hotfix's image %+v: want no commit and no signature", hotfix)
	}
	if scans < len(digests) || signed == 0 {
		t.Errorf("%d images, %d scans, %d signatures", len(digests), scans, signed)
	}
}

func TestKubernetesCollector(t *testing.T) {
	p := start(t)
	l := look(t, p, kubernetes.Spec())
	running := func() string {
		_, f := find(t, l, evidence.RuntimePod, func(f evidence.PodFacts) bool {
			return f.Namespace == "tenant-2" && f.Workload == "Deployment/worker"
		})
		return f.Containers[0].Digest
	}
	l.must("2026-11-06T12:00:00Z")
	declared := running()
	l.must("2026-11-06T14:00:00Z") // a hand has reached into tenant-2
	if got := running(); got == declared || got == "" {
		t.Errorf("after the hand's reach the pods run %q, before it %q", got, declared)
	}
	l.must("2026-11-14T14:00:00Z")
	owners(t, l)
	kinds := map[evidence.Kind]int{}
	for _, d := range l.rec.Drafts {
		kinds[d.Kind]++
	}
	for _, k := range []evidence.Kind{evidence.RuntimeNamespace, evidence.RuntimeWorkload, evidence.RuntimePod, evidence.RuntimeNode, evidence.AccessRBAC} {
		if kinds[k] == 0 {
			t.Errorf("no %s: %v", k, kinds)
		}
	}
	if o := l.observation(); o.Incomplete != "" {
		t.Errorf("incomplete: %s", o.Incomplete)
	}
}

func TestClusterLog(t *testing.T) {
	p := start(t)
	l := look(t, p, kubeaudit.Spec())
	l.must("2026-11-14T13:00:00Z")
	l.must("2026-11-14T14:00:00Z")
	owners(t, l)
	_, f := find(t, l, evidence.AccessAudit, func(f evidence.AuditFacts) bool { return f.Resource == "secrets" })
	if f.Namespace != "tenant-7" || f.Outcome != "ok" || !strings.Contains(f.AuthorizedBy, "break-glass-debug") {
		t.Errorf("%+v", f)
	}
	for _, s := range l.observation().Seen {
		if s.Class != evidence.Continuous {
			t.Errorf("between two sightings of our own probe: %+v", s)
		}
	}
}

// The story's restores, each worth what it is worth.
func TestVeleroCollector(t *testing.T) {
	p := start(t)
	l := look(t, p, velero.Spec())
	for _, at := range []string{"2026-11-01T01:30:00Z", "2026-11-01T03:00:00Z", "2026-11-02T10:00:00Z", "2026-11-04T14:00:00Z", "2026-11-06T16:00:00Z", "2026-11-08T16:00:00Z"} {
		l.must(at)
	}
	owners(t, l)
	grades := map[string]evidence.RestoreTestFacts{}
	for _, d := range l.rec.Of(evidence.BackupTest) {
		f := facts[evidence.RestoreTestFacts](t, d)
		grades[f.Restore] = f
	}
	for restore, want := range map[string]int{"velero/drill-tenant-7-20261101": 5, "velero/drill-tenant-3-20261102": 2, "velero/drill-tenant-5-20261104": 1} {
		if f, ok := grades[restore]; !ok || f.Grade != want {
			t.Errorf("%s: %v %+v, want grade %d", restore, ok, f, want)
		}
	}
	if len(grades) != 9 {
		t.Errorf("%d verdicts, want 9: the restore that was no exercise has none", len(grades))
	}
	_, f := find(t, l, evidence.BackupRestore, func(f evidence.RestoreFacts) bool { return strings.HasPrefix(f.Name, "incident-") })
	if f.Purpose != "unknown" {
		t.Errorf("the incident's restore %+v", f)
	}
}

func TestCertManagerCollector(t *testing.T) {
	p := start(t)
	l := look(t, p, certmanager.Spec())
	l.must("2026-11-06T09:00:00Z")
	_, f := find(t, l, evidence.CertDeclared, func(f evidence.CertDeclaredFacts) bool { return f.Namespace == "tenant-3" })
	if f.Revision != 1 || !f.NotAfter.Equal(time.Date(2026, 11, 5, 8, 0, 0, 0, time.UTC)) {
		t.Errorf("before the late renewal: %+v", f)
	}
	l.must("2026-11-06T10:30:00Z")
	_, r := find(t, l, evidence.CertRequest, func(f evidence.CertRequestFacts) bool { return f.Namespace == "tenant-3" && f.Revision == 2 })
	if r.Approval != "approved" || r.Status != "issued" || r.Cert == nil || r.Cert.Fingerprint == "" || r.Account != "cert-manager/cert-manager" {
		t.Errorf("the renewal: %+v", r)
	}
	owners(t, l)
}

func TestExternalSecretsCollector(t *testing.T) {
	p := start(t)
	l := look(t, p, externalsecrets.Spec())
	l.must("2026-11-14T14:00:00Z")
	d, f := find(t, l, evidence.SecretSync, func(f evidence.SecretSyncFacts) bool { return f.Namespace == "tenant-7" })
	if f.Target != "db-proxy-upstream" || f.Ready != "True" || f.RefreshedAt.IsZero() {
		t.Errorf("%+v", f)
	}
	// The reference is the one by which the audit log names the same secret.
	if want := evidence.NewRef("secret", "prod", "kv/tenant-7/db-proxy/upstream"); !slices.Contains(d.Links, want) {
		t.Errorf("links %v, want %v among them", d.Links, want)
	}
	owners(t, l)
}
