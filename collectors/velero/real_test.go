package velero

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"
)

func TestMain(m *testing.M) { os.Exit(kubetest.Main(m)) }

// drill is a cluster with Velero's own resource definitions, in which a test
// plays what Velero and its users write.
type drill struct {
	*kubetest.Server
	t      *testing.T
	resume []byte
	drafts []evidence.Draft // of all runs
}

const veleroPath = "/apis/velero.io/v1/namespaces/velero/"

func newDrill(t *testing.T) *drill {
	d := &drill{Server: kubetest.Start(t), t: t}
	const module = "github.com/vmware-tanzu/velero@v1.15.2"
	for _, version := range []string{"v1", "v2alpha1"} {
		for _, crd := range kubetest.CRDs(t, module, "config/crd/"+version+"/bases/*.yaml") {
			d.Install(crd)
		}
	}
	for _, ns := range []string{"velero", "tenant-7"} {
		d.namespace(ns)
	}
	return d
}

func (d *drill) namespace(name string) {
	d.Create("/api/v1/namespaces", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name, "labels": map[string]any{"tenant": name}}})
}

type object = map[string]any

// make creates an object of Velero and returns its uid.
func (d *drill) make(resource, kind, name string, labels, spec, status object) string {
	d.t.Helper()
	o := d.Create(veleroPath+resource, object{
		"apiVersion": "velero.io/v1", "kind": kind, "metadata": object{"name": name, "namespace": "velero", "labels": labels}, "spec": spec, "status": status,
	})
	uid, _ := o["metadata"].(object)["uid"].(string)
	if uid == "" {
		d.t.Fatalf("%s %s was made without a uid", kind, name)
	}
	return uid
}

// collector makes a fresh one, as a daemon that has just started.
func (d *drill) collector() collectors.Collector {
	d.t.Helper()
	cfg := *defaults()
	cfg.Server, cfg.CAFile, cfg.TokenFile = d.URL, d.CAFile, d.TokenFile("reader")
	cfg.Limits = []Limit{{RTO: time.Hour, RPO: 24 * time.Hour}}
	k, err := New(cfg, collectors.Env{Source: "velero/prod", Clock: func() time.Time { return time.Now().UTC() }})
	if err != nil {
		d.t.Fatal(err)
	}
	return k
}

// follow runs a fresh collector until stop.
func (d *drill) follow() (s *tapped, stop func()) {
	d.t.Helper()
	k := d.collector()
	ctx, cancel := context.WithCancel(d.t.Context())
	s = &tapped{drafts: make(chan evidence.Draft, 1000), looked: make(chan struct{}, 1)}
	done := make(chan error, 1)
	go func() { done <- k.(collectors.Follower).Follow(ctx, d.resume, s) }()
	return s, func() {
		cancel()
		<-done
		d.drafts = append(d.drafts, s.Drafts...)
		if n := len(s.Commits); n > 0 {
			d.resume = s.Commits[n-1].Resume
		}
	}
}

func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// A drill on a real API server with Velero's own resource definitions: it is
// graded as it proceeds, over restarts of the daemon and of the server, and
// nothing is told twice.
func TestRealServer(t *testing.T) {
	d := newDrill(t)
	x, err := d.collector().(collectors.Examiner).Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range x.Rights {
		if r.Access != collectors.Readable && r.Access != collectors.Untold {
			t.Errorf("a reader of everything: %s is %s", r.Name, r.Access)
		}
	}
	if len(x.Rights) < len(newCollector(*defaults()).resources()) {
		t.Errorf("%d rights were examined", len(x.Rights))
	}
	start := time.Now().UTC().Truncate(time.Second).Add(-time.Minute)
	end := start.Add(10 * time.Minute)
	backed := object{"phase": completed, "startTimestamp": at(start.Add(-2 * time.Hour)), "completionTimestamp": at(start.Add(-time.Hour)),
		"expiration": at(start.Add(720 * time.Hour)), "progress": object{"totalItems": 20, "itemsBackedUp": 20}}
	scope := object{"includedNamespaces": []string{"tenant-7"}, "ttl": "720h0m0s"}
	daily := d.make("backups", "Backup", "daily-1", object{"velero.io/storage-location": "default"}, scope, backed)
	manual := d.make("backups", "Backup", "manual", nil, scope, backed)
	d.make("podvolumebackups", "PodVolumeBackup", "daily-1-a", object{labelBackupName: "daily-1", labelBackupUID: daily},
		object{"pod": object{"namespace": "tenant-7", "name": "db-0"}, "volume": "data", "node": "a", "backupStorageLocation": "default", "repoIdentifier": "r"},
		object{"phase": completed, "progress": object{"totalBytes": 100, "bytesDone": 100}})

	first, stop := d.follow()
	first.await(t, evidence.BackupRun, daily, completed)
	restore := d.make("restores", "Restore", "drill-1", object{"evidenced/restore-test": "true"},
		object{"backupName": "daily-1", "includedNamespaces": []string{"*"}, "namespaceMapping": object{"tenant-7": "drill-7"}},
		object{"phase": "InProgress", "startTimestamp": at(start)})
	first.await(t, evidence.BackupRestore, restore, "InProgress")
	d.namespace("drill-7")
	d.Create("/apis/batch/v1/namespaces/drill-7/jobs", object{
		"apiVersion": "batch/v1", "kind": "Job", "metadata": object{"name": "orders-present", "namespace": "drill-7", "labels": object{"evidenced/restore": restore}},
		"spec":   object{"template": object{"spec": object{"restartPolicy": "Never", "containers": []object{{"name": "check", "image": "check:1"}}}}},
		"status": object{"completionTime": at(end.Add(time.Minute)), "conditions": []object{{"type": "Complete", "status": "True", "lastTransitionTime": at(end.Add(time.Minute))}}},
	})
	d.make("podvolumerestores", "PodVolumeRestore", "drill-1-a", object{labelRestoreName: "drill-1", labelRestoreUID: restore},
		object{"pod": object{"namespace": "drill-7", "name": "db-0"}, "volume": "data", "snapshotID": "s", "sourceNamespace": "tenant-7", "backupStorageLocation": "default", "repoIdentifier": "r"},
		object{"phase": completed, "progress": object{"totalBytes": 100, "bytesDone": 100}})
	d.Kill() // the server crashes and comes back under the watches
	d.Again()
	d.Ready()
	d.Change(veleroPath+"restores/drill-1", func(o map[string]any) {
		o["status"] = object{"phase": completed, "startTimestamp": at(start), "completionTimestamp": at(end), "progress": object{"totalItems": 20, "itemsRestored": 20}}
	})
	graded := first.await(t, evidence.BackupTest, restore, `"grade":5`)
	if f := facts[evidence.RestoreTestFacts](t, &graded); f.Volumes.Completed != 1 || len(f.Checks) != 1 || f.Backup != "daily-1" {
		t.Errorf("the verdict: %+v", f)
	}
	if got := refs(graded.Scope); got != "ns:prod/tenant-7 label:prod/tenant=tenant-7" {
		t.Errorf("the verdict belongs to %s", got)
	}
	stop()

	// While the daemon is down the drill is cleaned up. Once it is back, the
	// backups go: one was asked for, one vanishes.
	d.Delete("/api/v1/namespaces/drill-7")
	d.Delete(veleroPath + "podvolumerestores/drill-1-a")
	second, stop := d.follow()
	second.kept(t) // else a list lacks the backups, and it is not a watch that tells
	d.make("deletebackuprequests", "DeleteBackupRequest", "manual-x", object{labelBackupName: "manual", labelBackupUID: manual}, object{"backupName": "manual"}, object{"phase": "InProgress"})
	// Velero itself marks the backup before it deletes it.
	d.Change(veleroPath+"backups/manual", func(o map[string]any) { o["status"].(object)["phase"] = deleting })
	d.Delete(veleroPath + "backups/manual")
	d.Delete(veleroPath + "backups/daily-1")
	d.Delete(veleroPath + "restores/drill-1")
	for uid, how := range map[string]string{manual: "requested", daily: "unexplained"} {
		b := second.await(t, evidence.BackupRun, uid, "deleted_at")
		if f := facts[evidence.BackupFacts](t, &b); f.DeletedHow != how || f.Phase != completed {
			t.Errorf("backup %s: %s in phase %s, want %s", f.Name, f.DeletedHow, f.Phase, how)
		}
		second.again()
	}
	second.await(t, evidence.BackupRestore, restore, "deleted_at")
	stop()

	// What a list tells again the log drops: what is left is each change, once.
	revisions := map[string][]string{}
	for _, x := range d.drafts {
		if n := revisions[x.Key]; x.Kind == evidence.BackupRun && (len(n) == 0 || n[len(n)-1] != string(x.Content)) {
			revisions[x.Key] = append(n, string(x.Content))
		}
		if x.Kind == evidence.BackupTest && !strings.Contains(string(x.Content), `"grade":5`) {
			t.Errorf("a verdict was taken back: %s", x.Content)
		}
	}
	for uid, most := range map[string]int{daily: 2, manual: 3} { // manual was Deleting first, which only changes its version
		if n := len(revisions[uid]); n < 2 || n > most {
			t.Errorf("backup %s has %d revisions: %q", uid, n, revisions[uid])
		}
	}
}

// Backups go while the daemon is down, and the server loses its history: the list
// that follows tells it, once, whatever restarts after that.
func TestRealServerGone(t *testing.T) {
	d := newDrill(t)
	scope := object{"includedNamespaces": []string{"tenant-7"}, "ttl": "720h0m0s"}
	status := object{"phase": completed, "startTimestamp": at(time.Now()), "completionTimestamp": at(time.Now()), "expiration": at(time.Now().Add(720 * time.Hour))}
	kept := d.make("backups", "Backup", "kept", nil, scope, status)
	lost := d.make("backups", "Backup", "lost", nil, scope, status)
	restore := d.make("restores", "Restore", "lost", nil, object{"backupName": "lost"}, object{"phase": completed})
	first, stop := d.follow()
	for _, uid := range []string{kept, lost} {
		first.await(t, evidence.BackupRun, uid, completed)
		first.again()
	}
	first.await(t, evidence.BackupRestore, restore, completed)
	first.kept(t)
	stop()
	left := time.Now()

	d.Delete(veleroPath + "backups/lost")
	d.Delete(veleroPath + "restores/lost")
	d.Kill()
	d.Again()
	d.Ready()
	second, stop := d.follow()
	b := second.await(t, evidence.BackupRun, lost, "deleted_at")
	second.again()
	r := second.await(t, evidence.BackupRestore, restore, "deleted_at")
	stop()
	f := facts[evidence.BackupFacts](t, &b)
	if f.DeletedHow != "unexplained" || f.DeletedAfter.IsZero() || f.DeletedAfter.After(left) || !f.DeletedAt.After(left) {
		t.Errorf("the backup: %+v", f)
	}
	if f := facts[evidence.RestoreFacts](t, &r); f.DeletedAfter.IsZero() || f.DeletedAfter.After(left) || !f.DeletedAt.After(left) {
		t.Errorf("the restore: %+v", f)
	}
	if got := refs(b.Scope); got != "ns:prod/tenant-7 label:prod/tenant=tenant-7" {
		t.Errorf("it belongs to %s", got)
	}

	d.namespace("later")
	d.Change(veleroPath+"backups/kept", func(o map[string]any) { o["spec"].(object)["ttl"] = "48h0m0s" })
	d.Kill() // of what happened before nothing is told: once more it is listed
	d.Again()
	d.Ready()
	third, stop := d.follow()
	third.await(t, evidence.BackupRun, kept, completed)
	third.kept(t)
	stop()
	if again := gone(third.Drafts); len(again) > 0 {
		t.Errorf("told again: %v", again)
	}
}
