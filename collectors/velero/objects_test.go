package velero

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/bucket"
	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
	"evidenced/collectors/kube/looktest"
	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// now is when the cluster of testdata was looked at.
var now = time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)

// uid is the uid of object n in testdata.
func uid(n string) string { return "5b1e7a00-0000-4000-8000-" + strings.Repeat("0", 12-len(n)) + n }

// results unpacks testdata/results.txtar into a directory as Velero would keep
// it, each file compressed.
func resultFiles(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	a, err := txtar.ParseFile("testdata/results.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files {
		writeFile(t, dir, f.Name, pack(t, f.Data))
	}
	return dir
}

func writeFile(t testing.TB, dir, name string, b []byte) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func pack(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// lists returns the items of each list in testdata/cluster.txtar, by resource.
func lists(t testing.TB) map[string][]json.RawMessage {
	t.Helper()
	a, err := txtar.ParseFile("testdata/cluster.txtar")
	if err != nil {
		t.Fatal(err)
	}
	m := map[string][]json.RawMessage{}
	for _, f := range a.Files {
		u, err := url.Parse(strings.TrimPrefix(f.Name, "GET "))
		if err != nil {
			t.Fatal(err)
		}
		if u.RawQuery == "" {
			continue
		}
		var v struct {
			Items []json.RawMessage `json:"items"`
		}
		if err := json.Unmarshal(f.Data, &v); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		m[filepath.Base(u.Path)] = v.Items
	}
	return m
}

// stage plays objects to the functions of a collector, without a cluster.
type stage struct {
	t testing.TB
	c *collector
	l *kube.Look
}

func newStage(t testing.TB, results string, change func(*Config)) *stage {
	t.Helper()
	cfg := defaults()
	cfg.Limits = []Limit{{Plan: "core", RTO: 4 * time.Hour, RPO: 24 * time.Hour}}
	if change != nil {
		change(cfg)
	}
	if err := cfg.check(); err != nil {
		t.Fatal(err)
	}
	c := newCollector(*cfg)
	if results != "" {
		r, err := bucket.Open(bucket.Config{Directory: results}, bucket.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c.files = r
	}
	c.begin(true)
	l := kube.NewLook("velero/prod", agent, now,
		kube.Namespace{Name: "velero", UID: uid("1"), Labels: map[string]string{"team": "platform"}},
		kube.Namespace{Name: "tenant-7", UID: uid("2"), Labels: map[string]string{"tenant": "tenant-7"}},
		kube.Namespace{Name: "tenant-8", UID: uid("3"), Labels: map[string]string{"tenant": "tenant-8"}},
		kube.Namespace{Name: "drill-tenant-7", UID: uid("4"), Labels: map[string]string{"drill": "true"}})
	return &stage{t, c, l}
}

func (s *stage) resource(name string) kube.Resource {
	s.t.Helper()
	rs := s.c.resources()
	i := slices.IndexFunc(rs, func(r kube.Resource) bool { return r.Resource == name })
	if i < 0 {
		s.t.Fatalf("no resource %s", name)
	}
	return rs[i]
}

func (s *stage) object(r kube.Resource, raw []byte) *kube.Object {
	s.t.Helper()
	o, err := kube.ParseObject(raw, s.l.Now, r.Remove...)
	if err != nil {
		s.t.Fatal(err)
	}
	o.Listed = true
	return o
}

// all plays every list, and what after makes of them.
func (s *stage) all(ls map[string][]json.RawMessage) []evidence.Draft {
	s.t.Helper()
	var ds []evidence.Draft
	for _, r := range s.c.resources() {
		for _, raw := range ls[r.Resource] {
			got, err := r.Drafts(context.Background(), s.object(r, raw), s.l)
			if err != nil {
				s.t.Fatalf("%s: %v", r.Resource, err)
			}
			ds = append(ds, got...)
		}
	}
	return append(ds, s.after()...)
}

func (s *stage) after() []evidence.Draft {
	s.t.Helper()
	ds, err := s.c.after(context.Background(), s.l)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range ds {
		if err := ds[i].Check(); err != nil {
			s.t.Errorf("%s: %v", ds[i].Subject, err)
		}
	}
	return ds
}

func of(t testing.TB, ds []evidence.Draft, kind evidence.Kind, uid string) *evidence.Draft {
	t.Helper()
	for i := range ds {
		if ds[i].Kind == kind && ds[i].Subject.UID == uid {
			return &ds[i]
		}
	}
	t.Fatalf("no draft of %s about %s", kind, uid)
	return nil
}

func facts[T any](t testing.TB, d *evidence.Draft) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(d.Content, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestBackups(t *testing.T) {
	s := newStage(t, "", nil)
	ds := s.all(lists(t))
	for i := range ds {
		if err := ds[i].Check(); err != nil {
			t.Errorf("%s %s: %v", ds[i].Kind, ds[i].Subject, err)
		}
	}
	d := of(t, ds, evidence.BackupRun, uid("50"))
	f := facts[evidence.BackupFacts](t, d)
	want := evidence.BackupFacts{
		Cluster: "prod", Namespace: "velero", Name: "tenant-7-daily-20260301010000", UID: uid("50"), Schedule: "tenant-7-daily", Location: "default",
		Scope: evidence.BackupScope{Namespaces: []string{"tenant-7"}}, Phase: completed, Terminal: true,
		StartedAt: time.Date(2026, 3, 1, 1, 0, 2, 0, time.UTC), FinishedAt: time.Date(2026, 3, 1, 1, 9, 40, 0, time.UTC), ExpiresAt: time.Date(2026, 3, 31, 1, 0, 2, 0, time.UTC),
		Items: ptr(219), ItemsTotal: ptr(219), Operations: &evidence.Tries{Attempted: 1, Completed: 1}, Hooks: &evidence.Tries{Attempted: 1, Completed: 1},
		ResourceVersion: f.ResourceVersion,
	}
	if diff := cmp.Diff(want, f); diff != "" {
		t.Errorf("backup (-want +got):\n%s", diff)
	}
	if d.Key != uid("50") || !d.OccurredAt.Equal(f.StartedAt) || d.Basis != evidence.BasisSource {
		t.Errorf("key %s at %v by %s", d.Key, d.OccurredAt, d.Basis)
	}
	if got := refs(d.Scope); got != "ns:prod/tenant-7 label:prod/tenant=tenant-7" {
		t.Errorf("scope of a backup of one namespace: %s", got)
	}
	if got := refs(d.Links); got != "object:prod/Schedule.velero.io/velero/tenant-7-daily object:prod/BackupStorageLocation.velero.io/velero/default namespace:prod/tenant-7" {
		t.Errorf("links: %s", got)
	}

	if got, want := mentions(d), "/scope/excluded_namespaces:; :ns:prod/tenant-7 label:prod/tenant=tenant-7 namespace:prod/tenant-7; "+
		"/scope/namespaces:ns:prod/tenant-7 label:prod/tenant=tenant-7 namespace:prod/tenant-7"; got != want {
		t.Errorf("mentions %s, want %s", got, want)
	}

	all := of(t, ds, evidence.BackupRun, uid("52"))
	if got := refs(all.Scope); !strings.Contains(got, "tenant-7") || !strings.Contains(got, "tenant-8") || strings.Contains(got, "velero") {
		t.Errorf("a backup of all namespaces but one belongs to %s", got)
	}
	if f := facts[evidence.BackupFacts](t, all); !f.Synced || f.GCFailure != "BSLUnavailable" || f.Scope.Namespaces != nil || f.Snapshots.Attempted != 6 {
		t.Errorf("a backup made from the bucket: %+v", f)
	}
	if f := facts[evidence.BackupFacts](t, of(t, ds, evidence.BackupRun, uid("53"))); f.Phase != completed || !f.Terminal {
		t.Errorf("a backup that is being deleted lost its outcome: %s", f.Phase)
	}
	if f := facts[evidence.ScheduleFacts](t, of(t, ds, evidence.BackupSchedule, uid("21"))); !f.Paused || f.TTLSeconds != 2160*3600 || !f.LastSkipped.After(f.LastBackup) {
		t.Errorf("paused schedule: %+v", f)
	}
	if f := facts[evidence.LocationFacts](t, of(t, ds, evidence.BackupLocation, uid("11"))); f.Phase != "Unavailable" || f.AccessMode != "ReadOnly" || f.Bucket != "platform-backups-2" {
		t.Errorf("location: %+v", f)
	}
}

// TestScopedResources reads the lists by which backups since Velero 1.11 name
// kinds of objects: one that keeps Deployments alone is no backup of all.
func TestScopedResources(t *testing.T) {
	s := newStage(t, "", nil)
	raw := `{"apiVersion":"velero.io/v1","kind":"Backup","metadata":{"name":"part","namespace":"velero","uid":"b-9","resourceVersion":"1"},
		"spec":{"includedNamespaces":["tenant-7"],"includedNamespaceScopedResources":["deployments.apps"],"excludedNamespaceScopedResources":["secrets"]},
		"status":{"phase":"Completed","startTimestamp":"2026-03-01T01:00:02Z","completionTimestamp":"2026-03-01T01:01:00Z"}}`
	ds, err := s.resource("backups").Drafts(t.Context(), s.object(s.resource("backups"), []byte(raw)), s.l)
	if err != nil {
		t.Fatal(err)
	}
	want := evidence.BackupScope{Namespaces: []string{"tenant-7"}, Resources: []string{"deployments.apps"}, ExcludedResources: []string{"secrets"}}
	if diff := cmp.Diff(want, facts[evidence.BackupFacts](t, &ds[0]).Scope); diff != "" {
		t.Errorf("scope (-want +got):\n%s", diff)
	}
}

// TestLeftOutElsewhere reads what a backup leaves out by other means than lists of
// what belongs to namespaces, and the name that a setting had before.
func TestLeftOutElsewhere(t *testing.T) {
	s := newStage(t, "", nil)
	give := func(spec string) (evidence.BackupFacts, *backupSum) {
		t.Helper()
		raw := `{"apiVersion":"velero.io/v1","kind":"Backup","metadata":{"name":"part","namespace":"velero","uid":"b-9","resourceVersion":"1"},"spec":` + spec +
			`,"status":{"phase":"Completed","startTimestamp":"2026-03-01T01:00:02Z","completionTimestamp":"2026-03-01T01:01:00Z"}}`
		d, b, err := s.c.backupDraft(s.object(s.resource("backups"), []byte(raw)), s.l, time.Time{}, "")
		if err != nil {
			t.Fatal(err)
		}
		return facts[evidence.BackupFacts](t, &d), b
	}
	f, _ := give(`{"includedNamespaces":["tenant-7"],"excludedClusterScopedResources":["persistentvolumes"],"resourcePolicy":{"kind":"configmap","name":"no-caches"}}`)
	if diff := cmp.Diff(evidence.BackupScope{Namespaces: []string{"tenant-7"}, ExcludedResources: []string{"persistentvolumes"}, Policy: "no-caches"}, f.Scope); diff != "" {
		t.Errorf("scope (-want +got):\n%s", diff)
	}
	if f, _ = give(`{"includedNamespaces":["tenant-7"],"excludedClusterScopedResources":{},"includedNamespaceScopedResources":{},"excludedNamespaceScopedResources":null}`); f.Scope.ExcludedResources != nil || f.Scope.Resources != nil {
		t.Errorf("included %q, excluded %q", f.Scope.Resources, f.Scope.ExcludedResources)
	}
	for spec, want := range map[string]bool{
		`{"snapshotVolumes":false}`:                                 true,
		`{"snapshotVolumes":false,"defaultVolumesToRestic":true}`:   false,
		`{"snapshotVolumes":false,"defaultVolumesToRestic":false}`:  true,
		`{"snapshotVolumes":false,"defaultVolumesToFsBackup":true}`: false,
		`{"snapshotVolumes":true,"defaultVolumesToFsBackup":false}`: false,
		`{"snapshotVolumes":null,"defaultVolumesToFsBackup":null}`:  false,
	} {
		if _, b := give(spec); b.NoVolumes != want {
			t.Errorf("%s keeps no volume: %t", spec, b.NoVolumes)
		}
	}
}

func refs(rs []evidence.Ref) string {
	var out []string
	for _, r := range rs {
		out = append(out, r.String())
	}
	return strings.Join(out, " ")
}

// mentions renders whose the parts of a draft are: lists by a semicolon, elements
// by a comma.
func mentions(d *evidence.Draft) string {
	var lists []string
	for _, m := range d.Mentions {
		var elements []string
		for _, of := range m.Of {
			elements = append(elements, refs(of))
		}
		lists = append(lists, m.At+":"+strings.Join(elements, ", "))
	}
	return strings.Join(lists, "; ")
}

func TestRestores(t *testing.T) {
	s := newStage(t, resultFiles(t), nil)
	ds := s.all(lists(t))

	d := of(t, ds, evidence.BackupRestore, uid("70"))
	f := facts[evidence.RestoreFacts](t, d)
	if f.Purpose != "test" || f.Plan != "core" || f.Ticket != "OPS-2211" || f.Requester != 0 || f.Into["tenant-7"] != "drill-tenant-7" || f.Warnings != 3 || *f.Items != 214 {
		t.Errorf("restore: %+v", f)
	}
	if len(d.People) != 1 || d.People[0].NativeID != "carla-quint" || d.People[0].Proof != evidence.ProofClaimed || d.People[0].Realm != "velero:prod/claimed" {
		t.Errorf("people: %+v", d.People)
	}
	if got := refs(d.Scope); got != "ns:prod/tenant-7 label:prod/tenant=tenant-7" {
		t.Errorf("a restore belongs to whose data it holds, not to its target: %s", got)
	}
	if got, want := mentions(d), "/into:ns:prod/tenant-7 label:prod/tenant=tenant-7 ns:prod/drill-tenant-7 label:prod/drill=true namespace:prod/drill-tenant-7"; !strings.HasSuffix(got, want) {
		t.Errorf("mentions %s, want %s", got, want)
	}
	if got := refs(d.Links); got != "object:prod/Backup.velero.io/velero/tenant-7-daily-20260301010000 namespace:prod/tenant-7 namespace:prod/drill-tenant-7" {
		t.Errorf("links: %s", got)
	}
	if f := facts[evidence.RestoreFacts](t, of(t, ds, evidence.BackupRestore, uid("73"))); f.Purpose != "unknown" || f.Requester != -1 || f.Phase != partiallyFailed {
		t.Errorf("a restore without a label: %+v", f)
	}
	if f := facts[evidence.RestoreFacts](t, of(t, ds, evidence.BackupRestore, uid("74"))); f.Terminal || f.Purpose != "test" {
		t.Errorf("a restore that runs: %+v", f)
	}

	var tests []string
	for _, d := range ds {
		if d.Kind == evidence.BackupTest {
			tests = append(tests, d.Subject.UID)
		}
	}
	if want := []string{uid("70"), uid("71"), uid("72")}; !slices.Equal(tests, want) {
		t.Fatalf("tests %v, want %v: no verdict on what runs, or on what does not say that it is a test", tests, want)
	}
	good := facts[evidence.RestoreTestFacts](t, of(t, ds, evidence.BackupTest, uid("70")))
	if good.Grade != 5 || good.Stopped != "" || *good.Restored != 214 || *good.BackedUp != 219 || good.Volumes.Completed != 2 || good.Bytes != 5368709120+73400320 ||
		good.TookSeconds != 852 || good.RTOSeconds != 4*3600 || len(good.Checks) != 1 || good.Checks[0].Name != "drill-tenant-7/orders-present" {
		t.Errorf("the proven test: %+v", good)
	}
	live := facts[evidence.RestoreTestFacts](t, of(t, ds, evidence.BackupTest, uid("71")))
	if live.Grade != 2 || *live.Restored != 1 || *live.BackedUp != 10 || !strings.Contains(live.Stopped, "metadata only: the backup was told to keep no volumes") {
		t.Errorf("the test into a live namespace: %+v", live)
	}
	if bad := facts[evidence.RestoreTestFacts](t, of(t, ds, evidence.BackupTest, uid("72"))); bad.Grade != 0 || !strings.Contains(bad.Stopped, failedValidation) {
		t.Errorf("the refused test: %+v", bad)
	}
	if got := refs(of(t, ds, evidence.BackupTest, uid("70")).Links); !strings.Contains(got, "#"+uid("70")) || !strings.Contains(got, "Backup.velero.io/velero/tenant-7-daily-20260301010000#"+uid("50")) {
		t.Errorf("links of the test: %s", got)
	}
}

// Completed with "already exists" into a live namespace, from counters alone:
// all items were handled, and nothing proves that one came back.
func TestLiveNamespaceWithoutLists(t *testing.T) {
	ls := lists(t)
	for i, raw := range ls["backups"] { // volumes on, so that items decide
		ls["backups"][i] = bytes.Replace(raw, []byte(`"snapshotVolumes":false`), []byte(`"snapshotVolumes":true`), 1)
	}
	s := newStage(t, "", nil)
	f := facts[evidence.RestoreTestFacts](t, of(t, s.all(ls), evidence.BackupTest, uid("71")))
	if f.Grade != 2 || f.Rungs[3].Holds != no || !strings.Contains(f.Stopped, "namespace tenant-8 was there before") {
		t.Errorf("got %+v", f)
	}
	s = newStage(t, resultFiles(t), nil)
	f = facts[evidence.RestoreTestFacts](t, of(t, s.all(ls), evidence.BackupTest, uid("71")))
	if f.Rungs[3].Holds != no || !strings.Contains(f.Stopped, "1 of 10 items") || !strings.Contains(f.Stopped, "PartiallyFailed with 2 errors that concern them") || !strings.Contains(f.Stopped, "holds volume claims, and the data of none") {
		t.Errorf("with its lists: %+v", f)
	}
}

// Files that say nothing leave the rung unknown, with the reason.
func TestFilesThatSayNothing(t *testing.T) {
	key := restoreListKey("drill-tenant-8-20260301")
	whole := pack(t, []byte(`{"v1/Secret":["tenant-8/web-tls(created)"]}`))
	for name, tc := range map[string]struct {
		content []byte
		want    string
	}{
		"cut":     {whole[:len(whole)-5], "empty, cut short or damaged"},
		"empty":   {nil, "empty, cut short or damaged"},
		"no JSON": {pack(t, []byte("<html>")), "empty, cut short or damaged"},
		"other":   {pack(t, []byte(`[1,2]`)), "empty, cut short or damaged"},
		"two":     {pack(t, []byte(`{}{}`)), "empty, cut short or damaged"},
	} {
		dir := resultFiles(t)
		writeFile(t, dir, key, tc.content)
		s := newStage(t, dir, nil)
		s.all(lists(t))
		x := s.c.memory.Tests[uid("71")]
		if x.Files.Brought != nil || !slices.Contains(x.Files.Why, "resource list of the restore: "+tc.want) {
			t.Errorf("%s: %+v", name, x.Files)
		}
	}
	dir := resultFiles(t)
	if err := os.Remove(filepath.Join(dir, filepath.FromSlash(key))); err != nil {
		t.Fatal(err)
	}
	s := newStage(t, dir, nil)
	s.all(lists(t))
	if x := s.c.memory.Tests[uid("71")]; !slices.Contains(x.Files.Why, "resource list of the restore: there is none") || x.Files.Existing != 3 {
		t.Errorf("absent: %+v", x.Files)
	}
}

// A storage that is down is asked again, until the wait is over; meanwhile
// there is no verdict.
func TestStorageDown(t *testing.T) {
	s := newStage(t, "", nil)
	r, err := bucket.Open(bucket.Config{Directory: filepath.Join(t.TempDir(), "not-mounted")}, bucket.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.c.files = r
	for _, d := range s.all(lists(t)) {
		if d.Kind == evidence.BackupTest {
			t.Errorf("a verdict before the files could be read: %s", d.Content)
		}
	}
	s.l.Now = now.Add(s.c.cfg.Hold)
	ds := s.after()
	f := facts[evidence.RestoreTestFacts](t, of(t, ds, evidence.BackupTest, uid("70")))
	if f.Grade != 5 { // an empty target and counters prove it without files
		t.Errorf("grade %d: %s", f.Grade, f.Stopped)
	}
}

// What was seen stays seen: the drill's namespace, volumes and backup are
// deleted, a check arrives later, and the verdict only grows.
func TestProofIsKept(t *testing.T) {
	ls := lists(t)
	jobs := ls["jobs"]
	ls["jobs"] = nil
	s := newStage(t, "", nil)
	f := facts[evidence.RestoreTestFacts](t, of(t, s.all(ls), evidence.BackupTest, uid("70")))
	if f.Grade != 3 || !strings.Contains(f.Stopped, "seen yet") {
		t.Fatalf("before the check: grade %d, %s", f.Grade, f.Stopped)
	}
	if ds := s.after(); len(ds) != 0 {
		t.Errorf("an unchanged verdict was handed over again: %d drafts", len(ds))
	}

	// A restart: only the cursor is left, and the cluster has cleaned up.
	b, err := json.Marshal(&s.c.memory)
	if err != nil {
		t.Fatal(err)
	}
	s = newStage(t, "", nil)
	if err := json.Unmarshal(b, &s.c.memory); err != nil {
		t.Fatal(err)
	}
	s.l.Now = now.Add(time.Minute)
	clean := map[string][]json.RawMessage{"namespaces": ls["namespaces"][:3], "jobs": jobs, "restores": ls["restores"]}
	f = facts[evidence.RestoreTestFacts](t, of(t, s.all(clean), evidence.BackupTest, uid("70")))
	if f.Grade != 5 || f.Volumes.Completed != 2 || f.PointAt.IsZero() {
		t.Errorf("after the check: grade %d, %s", f.Grade, f.Stopped)
	}

	// A day later the test is settled; listing it again makes no new verdict.
	s.l.Now = now.Add(25 * time.Hour)
	s.after()
	s = func() *stage {
		b, err := json.Marshal(&s.c.memory)
		if err != nil {
			t.Fatal(err)
		}
		n := newStage(t, "", nil)
		if err := json.Unmarshal(b, &n.c.memory); err != nil {
			t.Fatal(err)
		}
		n.l.Now = s.l.Now.Add(time.Hour)
		return n
	}()
	for _, d := range s.all(map[string][]json.RawMessage{"restores": ls["restores"]}) {
		if d.Kind == evidence.BackupTest {
			t.Errorf("a settled verdict was made again: %s", d.Content)
		}
	}
}

func TestDeleted(t *testing.T) {
	ls := lists(t)
	backup := func(n string) []byte {
		for _, raw := range ls["backups"] {
			if bytes.Contains(raw, []byte(uid(n))) {
				return raw
			}
		}
		t.Fatalf("no backup %s", n)
		return nil
	}
	for name, tc := range map[string]struct {
		raw  []byte
		at   time.Time
		want string
	}{
		"asked for":          {backup("53"), now, "requested"},
		"nobody asked":       {backup("51"), now, "unexplained"},
		"after its expiry":   {backup("51"), now.Add(60 * 24 * time.Hour), "expired"},
		"seen being deleted": {bytes.Replace(backup("51"), []byte(`"phase":"PartiallyFailed"`), []byte(`"phase":"Deleting"`), 1), now, "requested"},
	} {
		s := newStage(t, "", nil)
		s.all(ls)
		s.l.Now = tc.at
		r := s.resource("backups")
		o := s.object(r, tc.raw)
		ds, err := r.Gone(t.Context(), o, s.l)
		if err != nil || len(ds) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		f := facts[evidence.BackupFacts](t, &ds[0])
		if f.DeletedHow != tc.want || !f.DeletedAt.Equal(tc.at) || !f.Terminal || ds[0].Op != evidence.OpEvent {
			t.Errorf("%s: %s at %v, phase %s, op %s", name, f.DeletedHow, f.DeletedAt, f.Phase, ds[0].Op)
		}
		if (len(s.l.Notes()) > 0) != (tc.want == "unexplained") {
			t.Errorf("%s: notes %q", name, s.l.Notes())
		}
	}

	// A test that is deleted before it ended was an attempt.
	s := newStage(t, "", nil)
	s.all(ls)
	r := s.resource("restores")
	for _, raw := range ls["restores"] {
		if bytes.Contains(raw, []byte(uid("74"))) {
			ds, err := r.Gone(t.Context(), s.object(r, raw), s.l)
			if err != nil {
				t.Fatal(err)
			}
			if f := facts[evidence.RestoreFacts](t, &ds[0]); f.DeletedAt.IsZero() || f.Phase != "WaitingForPluginOperations" {
				t.Errorf("deleted restore: %+v", f)
			}
		}
	}
	f := facts[evidence.RestoreTestFacts](t, of(t, s.after(), evidence.BackupTest, uid("74")))
	if f.Grade != 0 || !strings.Contains(f.Stopped, "before it had ended") {
		t.Errorf("grade %d: %s", f.Grade, f.Stopped)
	}
}

// A restart while the drill runs loses neither that its target was empty nor
// which volumes it has to bring back.
func TestRestartWhileItRuns(t *testing.T) {
	ls := lists(t)
	done := ls["restores"][0]
	ls["restores"] = []json.RawMessage{bytes.Replace(bytes.Replace(done, []byte(`"phase":"Completed"`), []byte(`"phase":"InProgress"`), 1),
		[]byte(`"completionTimestamp":"2026-03-01T02:17:12Z",`), nil, 1)}
	back := map[string][]json.RawMessage{"podvolumerestores": ls["podvolumerestores"], "datadownloads": ls["datadownloads"], "jobs": ls["jobs"]}
	for name := range back {
		ls[name] = nil
	}
	s := newStage(t, "", nil)
	for _, d := range s.all(ls) {
		if d.Kind == evidence.BackupTest {
			t.Errorf("a verdict before its end: %s", d.Content)
		}
	}
	b, err := json.Marshal(&s.c.memory)
	if err != nil {
		t.Fatal(err)
	}
	s = newStage(t, "", nil)
	s.c.begin(false) // the watches go on: nothing is listed again
	if err := json.Unmarshal(b, &s.c.memory); err != nil {
		t.Fatal(err)
	}
	back["restores"] = []json.RawMessage{done}
	f := facts[evidence.RestoreTestFacts](t, of(t, s.all(back), evidence.BackupTest, uid("70")))
	if f.Grade != 5 || f.Volumes.Completed != 2 {
		t.Errorf("grade %d: %s", f.Grade, f.Stopped)
	}
}

// The same name with a new uid is another restore with a verdict of its own.
func TestSameNameAgain(t *testing.T) {
	ls := lists(t)
	again := bytes.ReplaceAll(ls["restores"][0], []byte(uid("70")), []byte(uid("79")))
	again = bytes.ReplaceAll(again, []byte("2026-03-01T02:"), []byte("2026-03-01T04:"))
	ls["restores"] = append(ls["restores"], again)
	job := bytes.ReplaceAll(ls["jobs"][0], []byte(uid("70")), []byte("drill-tenant-7-20260301"))
	job = bytes.ReplaceAll(job, []byte("2026-03-01T02:"), []byte("2026-03-01T05:"))
	job = bytes.ReplaceAll(job, []byte(uid("80")), []byte(uid("89")))
	ls["jobs"] = [](json.RawMessage){job}
	s := newStage(t, "", nil)
	ds := s.all(ls)
	first := facts[evidence.RestoreTestFacts](t, of(t, ds, evidence.BackupTest, uid("70")))
	second := facts[evidence.RestoreTestFacts](t, of(t, ds, evidence.BackupTest, uid("79")))
	if len(first.Checks) != 0 || len(second.Checks) != 1 {
		t.Errorf("a check by name counts for the newest of the name alone: %d and %d", len(first.Checks), len(second.Checks))
	}
}

// A check that ended before the restore did proves nothing of it.
func TestCheckBefore(t *testing.T) {
	ls := lists(t)
	ls["jobs"][0] = bytes.ReplaceAll(ls["jobs"][0], []byte("2026-03-01T02:21:40Z"), []byte("2026-03-01T02:10:00Z"))
	s := newStage(t, "", nil)
	f := facts[evidence.RestoreTestFacts](t, of(t, s.all(ls), evidence.BackupTest, uid("70")))
	if len(f.Checks) != 0 || f.Grade != 3 {
		t.Errorf("grade %d, checks %+v", f.Grade, f.Checks)
	}
}

func TestWorkflow(t *testing.T) {
	s := newStage(t, "", func(c *Config) { c.Checks.Workflows = true })
	ls := lists(t)
	ls["jobs"] = nil
	ls["workflows"] = []json.RawMessage{json.RawMessage(`{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"name":"drill-9","namespace":"drills","uid":"w-1",
		"annotations":{"evidenced/restore":"drill-tenant-7-20260301"}},"spec":{"arguments":{"parameters":[{"name":"password","value":"x"}]}},"status":{"phase":"Succeeded","nodes":{
		"a":{"type":"Steps","name":"drill-9","displayName":"drill-9","phase":"Succeeded","finishedAt":"2026-03-01T02:40:00Z"},
		"b":{"type":"Pod","displayName":"restore","templateName":"restore","phase":"Succeeded","finishedAt":"2026-03-01T02:18:00Z"},
		"c":{"type":"Pod","name":"drill-9[0].orders(0:planted)","displayName":"planted-orders","boundaryID":"a","templateName":"check-orders","phase":"Succeeded","finishedAt":"2026-03-01T02:30:00Z"},
		"d":{"type":"Pod","displayName":"verify-sum","templateName":"sum","phase":"Failed","finishedAt":"2026-03-01T02:31:00Z"},
		"f":{"type":"Pod","displayName":"check-old","templateName":"check-old","phase":"Succeeded","finishedAt":"2026-03-01T02:30:30Z","memoizationStatus":{"hit":true,"key":"k","cacheName":"checks"}},
		"e":{"type":"Pod","displayName":"check-late","templateName":"late","phase":"Running","finishedAt":null}}}}`)}
	d := of(t, s.all(ls), evidence.BackupTest, uid("70"))
	if run := kube.RefOf("prod", "argoproj.io", "Workflow", "drills", "drill-9").WithUID("w-1"); !slices.Contains(d.Links, run) {
		t.Errorf("the run of the workflow that checked is not linked: %v", d.Links)
	}
	f := facts[evidence.RestoreTestFacts](t, d)
	want := []evidence.RestoreProof{
		{What: "workflow node", Name: "drills/drill-9/orders(0)", UID: "w-1", Passed: true, At: time.Date(2026, 3, 1, 2, 30, 0, 0, time.UTC)},
		{What: "workflow node", Name: "drills/drill-9/verify-sum", UID: "w-1", At: time.Date(2026, 3, 1, 2, 31, 0, 0, time.UTC)},
	}
	if diff := cmp.Diff(want, f.Checks); diff != "" || f.Grade != 3 || !strings.Contains(f.Stopped, "verify-sum failed") {
		t.Errorf("grade %d, %s (-want +got):\n%s", f.Grade, f.Stopped, diff)
	}
}

// Nodes that are called alike are checks of their own: none hides that another
// failed.
func TestWorkflowOfNodesAlike(t *testing.T) {
	s := newStage(t, "", func(c *Config) { c.Checks.Workflows = true })
	ls := lists(t)
	ls["jobs"] = nil
	ls["workflows"] = []json.RawMessage{json.RawMessage(`{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"name":"drill-9","namespace":"drills","uid":"w-1",
		"annotations":{"evidenced/restore":"drill-tenant-7-20260301"}},"status":{"phase":"Failed","nodes":{
		"a":{"type":"DAG","name":"drill-9.a","displayName":"a","phase":"Failed"},"b":{"type":"DAG","name":"drill-9.b","displayName":"b","phase":"Succeeded"},
		"c":{"type":"Pod","name":"drill-9.a.check-sum","displayName":"check-sum","boundaryID":"a","phase":"Failed","finishedAt":"2026-03-01T02:30:00Z"},
		"d":{"type":"Pod","name":"drill-9.b.check-sum","displayName":"check-sum","boundaryID":"b","phase":"Succeeded","finishedAt":"2026-03-01T02:31:00Z"}}}}`)}
	f := facts[evidence.RestoreTestFacts](t, of(t, s.all(ls), evidence.BackupTest, uid("70")))
	if len(f.Checks) != 2 || f.Checks[0].Passed || !f.Checks[1].Passed || f.Grade != 3 || f.Checks[0].Name != "drills/drill-9/check-sum (c)" {
		t.Errorf("grade %d, checks %+v", f.Grade, f.Checks)
	}
}

// A workflow whose nodes are packed, or kept in a database, may have failed in its
// checks or passed them: nobody says that there was none.
func TestWorkflowOfHiddenNodes(t *testing.T) {
	for more, hidden := range map[string]bool{`"compressedNodes":"H4sI"`: true, `"offloadNodeStatusVersion":"fnv:1"`: true, `"nodes":{}`: false} {
		s := newStage(t, "", func(c *Config) { c.Checks.Workflows = true })
		ls := lists(t)
		ls["workflows"] = []json.RawMessage{json.RawMessage(`{"apiVersion":"argoproj.io/v1alpha1","kind":"Workflow","metadata":{"name":"drill-9","namespace":"drills","uid":"w-1",
			"annotations":{"evidenced/restore":"drill-tenant-7-20260301"}},"status":{"phase":"Failed",` + more + `}}`)}
		f := facts[evidence.RestoreTestFacts](t, of(t, s.all(ls), evidence.BackupTest, uid("70")))
		if (f.Grade == 3) != hidden || strings.Contains(f.Stopped, "too large") != hidden {
			t.Errorf("%s: grade %d, %s", more, f.Grade, f.Stopped)
		}
	}
}

// Commands of hooks may hold passwords: they are in no draft, raw bytes
// included.
func TestHooksAreRemoved(t *testing.T) {
	s := newStage(t, "", nil)
	for _, d := range s.all(lists(t)) {
		if bytes.Contains(d.Raw, []byte("planted-")) || bytes.Contains(d.Content, []byte("planted-")) {
			t.Errorf("a password of a hook is in a draft of %s", d.Kind)
		}
	}
}

// A restore that is told before its backup is placed once more when it is known
// whose data it holds.
func TestPlacedLater(t *testing.T) {
	ls := lists(t)
	s := newStage(t, "", nil)
	s.c.complete = func(*kube.Look, string) bool { return false }
	r := s.resource("restores")
	ds, err := r.Drafts(t.Context(), s.object(r, bytes.Replace(ls["restores"][0], []byte(`"namespaceMapping":{"tenant-7":"drill-tenant-7"},`), nil, 1)), s.l)
	if err != nil {
		t.Fatal(err)
	}
	if got := refs(ds[0].Scope); strings.Contains(got, "tenant") {
		t.Errorf("placed with %s before it is known whose data it holds", got)
	}
	b := s.resource("backups")
	if _, err := b.Drafts(t.Context(), s.object(b, ls["backups"][0]), s.l); err != nil {
		t.Fatal(err)
	}
	again := s.after()
	if len(again) != 1 || again[0].Kind != evidence.BackupRestore || refs(again[0].Scope) != "ns:prod/tenant-7 label:prod/tenant=tenant-7" || !bytes.Equal(again[0].Content, ds[0].Content) {
		t.Errorf("placed again: %+v", again)
	}
	if len(s.after()) != 0 {
		t.Error("placed a third time")
	}
}

// Of what a restore maps beyond what its facts list, whose it is is said too: its
// bytes have it.
func TestMapsOfMany(t *testing.T) {
	c, l := &collector{}, kube.NewLook("velero/prod", agent, now)
	into := map[string]string{}
	for i := range maxNames + 1 {
		into[fmt.Sprintf("from-%04d", i)] = "to"
	}
	spec, err := json.Marshal(map[string]any{"backupName": "b", "includedNamespaces": []string{"from-0001"}, "namespaceMapping": into})
	if err != nil {
		t.Fatal(err)
	}
	o, err := kube.ParseObject([]byte(`{"apiVersion":"velero.io/v1","kind":"Restore","metadata":{"name":"r","namespace":"velero","uid":"r-1"},"spec":`+string(spec)+`}`), now)
	if err != nil {
		t.Fatal(err)
	}
	d, _, err := c.restoreDraft(o, l, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	m := d.Mentions[len(d.Mentions)-1]
	if f := facts[evidence.RestoreFacts](t, &d); len(f.Into) != maxNames || m.At != "/into" || len(m.Of) != maxNames+1 || m.Of[maxNames][0].Name != fmt.Sprintf("from-%04d", maxNames) {
		t.Errorf("%d in the facts, %d elements of %s", len(f.Into), len(m.Of), m.At)
	}
}

// Where a restore puts what is another tenant's stands in no link of a tenant's view.
func TestRestoreIntoOthers(t *testing.T) {
	s := newStage(t, "", nil)
	raw := `{"metadata":{"name":"drill","namespace":"velero","uid":"r1","creationTimestamp":"2026-03-01T01:00:00Z"},"spec":{"backupName":"b","includedNamespaces":["tenant-7","tenant-8"],
		"namespaceMapping":{"tenant-7":"drill-tenant-7","tenant-8":"zq-drill"}},"status":{"phase":"Completed"}}`
	ds, err := looktest.Give(t, s.c.resources(), s.l, "restores.velero.io", []byte(raw), false)
	if err != nil {
		t.Fatal(err)
	}
	rules := kubetest.ByLabel(t, "tenant-7", "tenant-8")
	for i, name := range []string{"platform", "tenant-7", "tenant-8"} {
		rules[i].Owns[0].Labels = []string{"tenant=" + name}
	}
	for who, other := range map[string]string{"tenant-7": "zq-drill", "tenant-8": "drill-tenant-7"} {
		d := kubetest.Views(t, "velero/prod", now, rules, ds...)[who][0]
		if text := fmt.Sprint(d.Scope, d.Links, string(d.Content), string(d.Raw)); strings.Contains(text, other) {
			t.Errorf("%s is told of %s: %s", who, other, text)
		}
	}
	if got := refs(kubetest.Views(t, "velero/prod", now, rules, ds...)["tenant-7"][0].Links); !strings.Contains(got, "namespace:prod/drill-tenant-7") {
		t.Errorf("tenant-7 is not told where its own went: %s", got)
	}
}
