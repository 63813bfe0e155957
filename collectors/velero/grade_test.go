package velero

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

func ptr[T any](v T) *T { return &v }

var drillStart = time.Date(2026, 3, 1, 2, 3, 0, 0, time.UTC)

// proven is a test that reaches grade 5.
func proven() *test {
	return &test{
		Restore: restoreSum{
			Name: "drill-tenant-7", Namespace: "velero", UID: "r-1", Backup: "tenant-7-daily", Plan: "core",
			Phase: completed, Start: drillStart, End: drillStart.Add(14 * time.Minute), Warnings: 3, Handled: ptr(214),
			Ops: &evidence.Tries{Attempted: 4, Completed: 4}, Hooks: &evidence.Tries{Attempted: 1, Completed: 1},
			Sources: []string{"tenant-7"}, Known: true, Into: map[string]string{"tenant-7": "drill-tenant-7"},
		},
		Seen: drillStart.Add(15 * time.Minute),
		Backup: &backupSum{Name: "tenant-7-daily", Namespace: "velero", UID: "b-1", Namespaces: []string{"tenant-7"},
			Phase: completed, End: drillStart.Add(-time.Hour), Items: ptr(219)},
		Fresh:   map[string]string{"drill-tenant-7": yes},
		Volumes: volumeSum{Wanted: 2, Done: 2, Bytes: 4096},
		Checks:  []evidence.RestoreProof{{What: "job", Name: "drill-tenant-7/orders-present", Passed: true, At: drillStart.Add(20 * time.Minute)}},
		Looked:  true,
	}
}

func agreed() *Config {
	c := defaults()
	c.Limits = []Limit{{Plan: "core", RTO: 4 * time.Hour, RPO: 24 * time.Hour}}
	return c
}

func TestGrade(t *testing.T) {
	now := drillStart.Add(30 * time.Minute)
	for _, tc := range []struct {
		name   string
		change func(*test, *Config)
		grade  int
		rungs  string // y, n or u of each rung
		why    string // in what stopped it
	}{
		{"proven in time", nil, 5, "yyyyyy", ""},
		{"could not run", func(t *test, _ *Config) { t.Restore.Phase = failed }, 0, "ynnyyy", "its phase is Failed"},
		{"was refused", func(t *test, _ *Config) { t.Restore.Phase = failedValidation }, 0, "ynnyyy", "FailedValidation"},
		{"deleted while it ran", func(t *test, _ *Config) { t.Restore.Phase, t.Restore.Gone = "InProgress", true }, 0, "ynnyyy", "deleted in phase InProgress"},
		{"partly failed", func(t *test, _ *Config) { t.Restore.Phase, t.Restore.Errors = partiallyFailed, 2 }, 1, "yynyyy", "PartiallyFailed with 2 errors"},
		{"a hook failed though Completed", func(t *test, _ *Config) { t.Restore.Hooks = &evidence.Tries{Attempted: 2, Completed: 1, Failed: 1} }, 1, "yynyyy", "1 of 2 hooks failed"},
		{"no hooks", func(t *test, _ *Config) { t.Restore.Hooks = nil }, 5, "yyyyyy", ""},
		{"an operation failed", func(t *test, _ *Config) {
			t.Restore.Ops = &evidence.Tries{Attempted: 4, Completed: 3, Failed: 1}
		}, 1, "yynyyy", "of 4 item operations 3 were completed"},
		{"an operation never ended", func(t *test, _ *Config) { t.Restore.Ops = &evidence.Tries{Attempted: 4, Completed: 3} }, 1, "yynyyy", "of 4 item operations 3"},
		{"marked as failed, then Completed", func(t *test, _ *Config) { t.Restore.Failed = true }, 1, "yynyyy", "marked as failed on the way"},
		{"errors though Completed", func(t *test, _ *Config) { t.Restore.Errors = 1 }, 1, "yynyyy", "1 errors"},

		{"volumes left out", func(t *test, _ *Config) { t.Restore.Metadata = "volumes were left out (restorePVs: false)" }, 2, "yyynyy", "metadata only: volumes were left out"},
		{"backup without volumes", func(t *test, _ *Config) {
			t.Backup.NoVolumes, t.Volumes = true, volumeSum{}
		}, 2, "yyynyy", "metadata only: the backup was told to keep no volumes"},
		{"backup without volumes, of what has none", func(t *test, _ *Config) {
			t.Backup.NoVolumes, t.Volumes, t.Files.Claims = true, volumeSum{}, ptr(false)
		}, 5, "yyyyyy", ""},
		{"nothing came back", func(t *test, _ *Config) { t.Restore.Handled = ptr(0) }, 2, "yyynyy", "no item was brought back"},
		{"no progress told", func(t *test, _ *Config) { t.Restore.Handled = nil }, 2, "yyyuyy", "tells no count"},
		{"too few", func(t *test, _ *Config) { t.Restore.Handled = ptr(150) }, 2, "yyynyy", "150 of 219 items"},
		{"another share was agreed", func(t *test, c *Config) { t.Restore.Handled, c.CompleteShare = ptr(150), 0.6 }, 5, "yyyyyy", ""},
		{"into a live namespace", func(t *test, _ *Config) { t.Fresh = map[string]string{"drill-tenant-7": no} }, 2, "yyynyy", "was there before"},
		{"into a live namespace, objects existed", func(t *test, _ *Config) {
			t.Fresh, t.Files.Existing = map[string]string{"drill-tenant-7": no}, 3
		}, 2, "yyynyy", "3 warnings say that an object was there already"},
		{"target not seen", func(t *test, _ *Config) { t.Fresh = nil }, 2, "yyyuyy", "was not seen"},
		{"target not seen, file refused", func(t *test, _ *Config) {
			t.Fresh, t.Files.Why = nil, []string{"resource list of the restore: the credential may not read it"}
		}, 2, "yyyuyy", "the credential may not read it"},
		{"live namespace, but each object was created", func(t *test, _ *Config) {
			t.Fresh = map[string]string{"drill-tenant-7": no}
			t.Files = fileSum{Read: true, Brought: ptr(230), BackedUp: ptr(219), Missing: ptr(4)}
		}, 5, "yyyyyy", ""},
		{"handled all, created none", func(t *test, _ *Config) {
			t.Fresh = map[string]string{"drill-tenant-7": no}
			t.Files = fileSum{Read: true, Brought: ptr(0), BackedUp: ptr(219), Missing: ptr(219)}
		}, 2, "yyynyy", "no item was brought back"},
		{"the list of the restore alone", func(t *test, _ *Config) { t.Files = fileSum{Read: true, Brought: ptr(210)} }, 5, "yyyyyy", ""},
		{"part of a backup without its list", func(t *test, _ *Config) { t.Restore.Part = true }, 2, "yyyuyy", "covers a part of the backup"},
		{"part of a backup with its list", func(t *test, _ *Config) { t.Restore.Part, t.Files.BackedUp = true, ptr(214) }, 5, "yyyyyy", ""},
		{"narrowed by labels", func(t *test, _ *Config) { t.Restore.Selects = true }, 2, "yyyuyy", "labels narrow"},
		{"backup gone", func(t *test, _ *Config) { t.Backup = nil }, 2, "yyyuyu", "the backup was not seen"},
		{"scope unknown", func(t *test, _ *Config) { t.Restore.Known = false }, 2, "yyyuyy", "which namespaces it covered is not known"},
		{"a volume is missing", func(t *test, _ *Config) {
			t.Volumes = volumeSum{Wanted: 2, Done: 1, Failed: 1, Example: "volume x: nothing restored it"}
		}, 2, "yyynyy", "1 of 2 volumes did not come back: volume x"},
		{"a volume is not known", func(t *test, _ *Config) {
			t.Volumes = volumeSum{Wanted: 2, Done: 1, Unknown: 1, Example: "volume x: its restore was not seen"}
		}, 2, "yyyuyy", "of 2 volumes 1 are not known"},
		{"volumes not known", func(t *test, _ *Config) { t.Volumes = volumeSum{Wanted: -1, Why: "they could not be listed"} }, 2, "yyyuyy", "they could not be listed"},
		{"claims without data", func(t *test, _ *Config) { t.Volumes, t.Files.Claims = volumeSum{}, ptr(true) }, 2, "yyynyy", "holds volume claims, and the data of none"},
		{"no claims at all", func(t *test, _ *Config) { t.Volumes, t.Files.Claims = volumeSum{}, ptr(false) }, 5, "yyyyyy", ""},
		{"no outweighs unknown", func(t *test, _ *Config) {
			t.Fresh, t.Volumes = nil, volumeSum{Wanted: 1, Failed: 1, Example: "volume x: gone"}
		}, 2, "yyynyy", "did not come back"},

		{"a check failed", func(t *test, _ *Config) {
			t.Checks = append(t.Checks, evidence.RestoreProof{What: "job", Name: "drill/sum", At: drillStart.Add(time.Hour)})
		}, 3, "yyyyny", "check drill/sum failed"},
		{"no check yet", func(t *test, _ *Config) { t.Checks = nil }, 3, "yyyyuy", "was seen yet"},
		{"no check in time", func(t *test, _ *Config) { t.Checks, t.Seen = nil, drillStart.Add(-48*time.Hour) }, 3, "yyyyny", "no check that names it was seen"},
		{"checks not readable", func(t *test, _ *Config) { t.Checks, t.Looked = nil, false }, 3, "yyyyuy", "could not be looked for"},
		{"checks off", func(t *test, c *Config) { t.Checks, c.Checks.Jobs = nil, false }, 3, "yyyyuy", "no checks are looked for"},

		{"too slow", func(_ *test, c *Config) { c.Limits[0].RTO = 10 * time.Minute }, 4, "yyyyyn", "it took 14m0s, more than the recovery time of 10m0s (agreed)"},
		{"too old", func(_ *test, c *Config) { c.Limits[0].RPO = 30 * time.Minute }, 4, "yyyyyn", "an age of 1h0m0s, more than the recovery point"},
		{"no limits", func(_ *test, c *Config) { c.Limits = nil }, 4, "yyyyyu", "no recovery time is given"},
		{"limits of another plan", func(_ *test, c *Config) { c.Limits[0].Plan = "other" }, 4, "yyyyyu", "no recovery time is given"},
		{"limits on the restore itself", func(t *test, c *Config) { c.Limits, t.Restore.RTO, t.Restore.RPO = nil, time.Hour, 2*time.Hour }, 5, "yyyyyy", ""},
		{"agreed limits win", func(t *test, c *Config) { c.Limits[0].RTO, t.Restore.RTO = time.Minute, time.Hour }, 4, "yyyyyn", "(agreed)"},
		{"end before start", func(t *test, _ *Config) { t.Restore.End = drillStart.Add(-time.Minute) }, 4, "yyyyyu", "the clocks disagree"},
		{"backup complete after the restore began", func(t *test, _ *Config) { t.Backup.End = drillStart.Add(time.Minute) }, 4, "yyyyyu", "the clocks disagree"},
		{"limits by namespace", func(_ *test, c *Config) {
			c.Limits = []Limit{{Namespaces: []string{"shop-*"}, RTO: time.Second, RPO: time.Second}, {Namespaces: []string{"tenant-*"}, RTO: time.Hour, RPO: 2 * time.Hour}}
		}, 5, "yyyyyy", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x, cfg := proven(), agreed()
			if tc.change != nil {
				tc.change(x, cfg)
			}
			f := grade(x, cfg, now)
			got := ""
			for i, r := range f.Rungs {
				if r.Grade != i || r.Why == "" {
					t.Errorf("rung %d: %+v", i, r)
				}
				got += r.Holds[:1]
			}
			if f.Grade != tc.grade || got != tc.rungs {
				t.Errorf("grade %d with rungs %s, want %d with %s\nstopped: %s", f.Grade, got, tc.grade, tc.rungs, f.Stopped)
			}
			if (tc.why == "") != (f.Stopped == "") || !strings.Contains(f.Stopped, tc.why) {
				t.Errorf("stopped %q, want %q in it", f.Stopped, tc.why)
			}
			if n := strings.Count(got, "u"); n != len(f.Unknown) {
				t.Errorf("%d rungs are unknown, and Unknown holds %q", n, f.Unknown)
			}
		})
	}
}

// The grade is the highest rung with every rung below it: no order of answers
// skips one.
func TestGradeIsALadder(t *testing.T) {
	now := drillStart.Add(30 * time.Minute)
	breaks := []func(*test){
		nil,
		func(t *test) { t.Restore.Phase = failed },
		func(t *test) { t.Restore.Errors = 1 },
		func(t *test) { t.Fresh = nil },
		func(t *test) { t.Checks = nil },
		func(t *test) { t.Restore.Plan = "none" },
	}
	for set := range 1 << 5 {
		x := proven()
		want := 5
		for i := 5; i >= 1; i-- {
			if set&(1<<(i-1)) != 0 {
				breaks[i](x)
				want = i - 1
			}
		}
		if x.Restore.Phase == failed { // a failed restore is not clean either
			want = 0
		}
		if f := grade(x, agreed(), now); f.Grade != want {
			t.Errorf("with rungs %05b broken: grade %d, want %d", set, f.Grade, want)
		}
	}
}

func TestVolumes(t *testing.T) {
	pod := func(ns, phase string, total, done int64) volume {
		return volume{key: podVolumeKey(ns, "db-0", "data"), phase: phase, told: true, total: total, done: done}
	}
	r := &restoreSum{Sources: []string{"tenant-7"}, Into: map[string]string{"tenant-7": "drill"}}
	kept := map[string]volume{"1": pod("tenant-7", completed, 10, 10), "2": pod("tenant-8", completed, 10, 10)}
	for name, tc := range map[string]struct {
		got   map[string]volume
		whole bool
		want  volumeSum
	}{
		"whole":         {map[string]volume{"9": pod("drill", completed, 10, 10)}, true, volumeSum{Wanted: 1, Done: 1, Bytes: 10}},
		"other target":  {map[string]volume{"9": pod("tenant-7", completed, 10, 10)}, true, volumeSum{Wanted: 1, Failed: 1, Example: "volume pod/drill/db-0/data: nothing restored it"}},
		"not seen":      {nil, false, volumeSum{Wanted: 1, Unknown: 1, Example: "volume pod/drill/db-0/data: its restore was not seen"}},
		"failed":        {map[string]volume{"9": pod("drill", "Failed", 10, 3)}, true, volumeSum{Wanted: 1, Failed: 1, Example: "volume pod/drill/db-0/data: its restore is Failed"}},
		"short":         {map[string]volume{"9": pod("drill", completed, 10, 3)}, true, volumeSum{Wanted: 1, Failed: 1, Example: "volume pod/drill/db-0/data: 3 of 10 bytes came back"}},
		"empty":         {map[string]volume{"9": pod("drill", completed, 0, 0)}, true, volumeSum{Wanted: 1, Failed: 1, Example: "volume pod/drill/db-0/data: 0 of 0 bytes came back"}},
		"no bytes told": {map[string]volume{"9": {key: podVolumeKey("drill", "db-0", "data"), phase: completed}}, true, volumeSum{Wanted: 1, Unknown: 1, Example: "volume pod/drill/db-0/data: its restore tells no bytes"}},
		"second try":    {map[string]volume{"8": pod("drill", "Failed", 10, 3), "9": pod("drill", completed, 10, 10)}, true, volumeSum{Wanted: 1, Done: 1, Bytes: 10}},
	} {
		if got := settle(wishesOf(r, kept), tc.got, tc.whole, nil); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
}

// A volumeinfo file tells of what no object does: snapshots, and volumes that
// the backup left out.
func TestVolumesByFile(t *testing.T) {
	infos, err := parseVolumes([]byte(`[
		{"pvcName":"data-db-0","pvcNamespace":"tenant-7","pvName":"pv-1","backupMethod":"CSISnapshot","snapshotDataMoved":false,"result":"succeeded"},
		{"pvcName":"files","pvcNamespace":"tenant-7","pvName":"pv-2","backupMethod":"CSISnapshot","snapshotDataMoved":true,"result":"succeeded"},
		{"pvcName":"logs","pvcNamespace":"tenant-7","backupMethod":"PodVolumeBackup","pvbInfo":{"volumeName":"logs","podName":"web-1","podNamespace":"tenant-7","snapshotHandle":"k-1","size":6},"result":"succeeded"},
		{"pvcName":"tmp","pvcNamespace":"tenant-7","backupMethod":"PodVolumeBackup","pvbInfo":{"volumeName":"tmp","podName":"web-1","podNamespace":"tenant-7","snapshotHandle":"k-2"},"result":"succeeded"},
		{"pvcName":"cache","pvcNamespace":"tenant-7","skipped":true,"skippedReason":"not wanted"},
		{"pvcName":"data","pvcNamespace":"tenant-8","backupMethod":"NativeSnapshot","result":"succeeded"}]`))
	if err != nil {
		t.Fatal(err)
	}
	r := &restoreSum{Sources: []string{"tenant-7"}, Into: map[string]string{"tenant-7": "drill"}}
	ws := wishes(r, infos)
	got := map[string]volume{
		"1": {key: claimKey("drill", "files"), phase: completed, told: true, total: 5, done: 5},
		"2": {key: podVolumeKey("drill", "web-1", "logs"), phase: completed, told: true, total: 6, done: 6},
	}
	back, err := parseVolumes([]byte(`[{"pvcName":"data-db-0","pvcNamespace":"drill","restoreMethod":"CSISnapshot","snapshotDataMoved":false}]`))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		snapshots map[string]bool
		want      volumeSum
	}{
		"file of the restore read":     {fromSnapshots(back), volumeSum{Wanted: 4, Done: 3, Failed: 1, Bytes: 11, Example: "volume claim/drill/cache: the backup left it out"}},
		"file of the restore not read": {nil, volumeSum{Wanted: 4, Done: 2, Failed: 1, Unknown: 1, Bytes: 11, Example: "volume claim/drill/cache: the backup left it out"}},
		"not made from its snapshot":   {map[string]bool{}, volumeSum{Wanted: 4, Done: 2, Failed: 2, Bytes: 11, Example: "volume claim/drill/data-db-0: it was not made from its snapshot"}},
	} {
		if s := settle(ws, got, true, tc.snapshots); s != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, s, tc.want)
		}
	}
	if infos[0].Namespace != "tenant-7" || infos[2].PVB.Namespace != "tenant-7" {
		t.Error("making wishes changed what was parsed")
	}
}

// A volume that was empty when it was backed up is not missed: there is nothing
// to bring back. One whose backup failed without a byte is.
func TestEmptyVolumes(t *testing.T) {
	const object = `{"kind":"PodVolumeBackup","metadata":{"namespace":"velero","name":"b","uid":"u-1"},"spec":{"pod":{"namespace":"tenant-7","name":"db-0"},"volume":"data"},"status":%s}`
	r := &restoreSum{Sources: []string{"tenant-7"}}
	for status, want := range map[string]int{
		`{"phase":"Completed","message":"volume was empty so no snapshot was taken","progress":{}}`: 0,
		`{"phase":"Completed","message":"volume was empty so no snapshot was taken"}`:               0,
		`{"phase":"Completed","snapshotID":"k-1","progress":{}}`:                                    0,
		`{"phase":"Completed","snapshotID":"k-1"}`:                                                  1,
		`{"phase":"Completed","snapshotID":"k-1","progress":{"totalBytes":7,"bytesDone":7}}`:        1,
		`{"phase":"Failed","progress":{}}`:                                                          1,
		`{"phase":"InProgress","progress":{}}`:                                                      1,
		`{}`:                                                                                        1,
	} {
		o, err := kube.ParseObject(fmt.Appendf(nil, object, status), now)
		if err != nil {
			t.Fatal(err)
		}
		v, err := readVolume(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(wishesOf(r, map[string]volume{"u-1": v})); got != want {
			t.Errorf("%s: %d volumes to bring back, want %d", status, got, want)
		}
	}
}

func TestBetter(t *testing.T) {
	seen := volumeSum{Wanted: 2, Done: 2}
	for name, tc := range map[string]struct {
		now  volumeSum
		want bool
	}{
		"objects vanished":       {volumeSum{Wanted: 2, Failed: 2}, false},
		"list refused":           {volumeSum{Wanted: -1}, false},
		"fewer wanted":           {volumeSum{Wanted: 1, Done: 1}, false},
		"the same":               {volumeSum{Wanted: 2, Done: 2}, true},
		"a volume came to light": {volumeSum{Wanted: 3, Done: 2, Failed: 1}, true},
	} {
		if got := tc.now.better(&seen); got != tc.want {
			t.Errorf("%s: better is %v", name, got)
		}
	}
}

// A restore brings back what its backup holds, whatever it asks for; a backup
// of all namespaces may have held one that is gone by now.
func TestSources(t *testing.T) {
	of7 := &backupSum{Namespaces: []string{"tenant-7"}}
	everything := &backupSum{Namespaces: []string{"tenant-7", "tenant-8"}, Open: true}
	for name, tc := range map[string]struct {
		included []string
		into     map[string]string
		b        *backupSum
		want     []string
	}{
		"all of a backup":              {nil, nil, of7, []string{"tenant-7"}},
		"another tenant's namespace":   {[]string{"tenant-7", "tenant-8"}, nil, of7, []string{"tenant-7"}},
		"mapped, but not in it":        {nil, map[string]string{"tenant-8": "x"}, of7, []string{"tenant-7"}},
		"one of everything":            {[]string{"tenant-8"}, nil, everything, []string{"tenant-8"}},
		"one that is gone":             {[]string{"tenant-9"}, nil, everything, []string{"tenant-9"}},
		"backup not known":             {nil, nil, nil, nil},
		"backup not known, but mapped": {nil, map[string]string{"tenant-8": "x"}, nil, []string{"tenant-8"}},
		"backup not known, but named":  {[]string{"tenant-8"}, nil, nil, []string{"tenant-8"}},
	} {
		if got := sourcesOf(&selection{IncludedNamespaces: tc.included}, tc.into, tc.b); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}

func TestSelection(t *testing.T) {
	known := []string{"kube-system", "tenant-1", "tenant-7", "velero"}
	for name, tc := range map[string]struct {
		s    selection
		want []string
	}{
		"all":             {selection{}, known},
		"star":            {selection{IncludedNamespaces: []string{"*"}}, known},
		"all but":         {selection{ExcludedNamespaces: []string{"kube-system", "velero"}}, []string{"tenant-1", "tenant-7"}},
		"named":           {selection{IncludedNamespaces: []string{"tenant-7"}}, []string{"tenant-7"}},
		"gone by now":     {selection{IncludedNamespaces: []string{"tenant-9"}}, []string{"tenant-9"}},
		"pattern":         {selection{IncludedNamespaces: []string{"tenant-*"}, ExcludedNamespaces: []string{"tenant-1"}}, []string{"tenant-7"}},
		"pattern of none": {selection{IncludedNamespaces: []string{"shop-*"}}, nil},
	} {
		if got := tc.s.within(known); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
	if (&selection{ExcludedResources: leftOut}).narrowed() != "" {
		t.Error("what Velero itself leaves out narrows a restore")
	}
	if (&selection{IncludedResources: []string{"*"}}).narrowed() != "" || (&selection{IncludedResources: []string{"deployments"}}).narrowed() == "" ||
		(&selection{ExcludedResources: []string{"persistentvolumeclaims"}}).narrowed() == "" {
		t.Error("narrowed is wrong")
	}
}

// A restore that names why it failed keeps that, whatever its phase says later.
func TestFailedThenCompleted(t *testing.T) {
	for reason, want := range map[string]bool{"": false, "found running when the server started": true} {
		s := newStage(t, "", nil)
		raw := `{"apiVersion":"velero.io/v1","kind":"Restore","metadata":{"name":"drill","namespace":"velero","uid":"u-1","resourceVersion":"9",
			"creationTimestamp":"2026-03-01T02:03:00Z","labels":{"` + s.c.cfg.LabelPrefix + `/restore-test":"true"}},
			"spec":{"backupName":"b","includedNamespaces":["tenant-7"]},
			"status":{"phase":"Completed","startTimestamp":"2026-03-01T02:03:00Z","completionTimestamp":"2026-03-01T02:09:00Z","failureReason":"` + reason + `"}}`
		d, sum, err := s.c.restoreDraft(s.object(s.resource("restores"), []byte(raw)), s.l, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if f := facts[evidence.RestoreFacts](t, &d); sum.Failed != want || f.Failure != reason || f.Phase != completed {
			t.Errorf("reason %q: failed %v, facts say %q in phase %s", reason, sum.Failed, f.Failure, f.Phase)
		}
	}
}
