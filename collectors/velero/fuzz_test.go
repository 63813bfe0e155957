package velero

import (
	"context"
	"encoding/json"
	"testing"

	"evidenced/collectors/kube"

	"github.com/rogpeppe/go-internal/txtar"
)

func FuzzResults(f *testing.F) {
	f.Add([]byte(`{"errors":{"velero":["a"]},"warnings":{"cluster":["b already exists"],"namespaces":{"x":["c"]}}}`))
	f.Add([]byte(`{"errors":null,"warnings":{"namespaces":null}}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`{}{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseResults(b, nil)
		if err != nil && r != (results{}) {
			t.Errorf("an error and %+v", r)
		}
		if part, _ := parseResults(b, []string{"x"}); part.Errors > r.Errors || part.Warnings > r.Warnings {
			t.Errorf("a part counts more than the whole: %+v of %+v", part, r)
		}
		if r.Existing > r.Warnings || r.Warnings > len(b) || r.Errors > len(b) {
			t.Errorf("%d bytes gave %+v", len(b), r)
		}
	})
}

func FuzzResourceList(f *testing.F) {
	a, err := txtar.ParseFile("testdata/results.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range a.Files {
		f.Add(file.Data)
	}
	f.Add([]byte(`{"v1/Pod":["(created)"]}`))
	f.Add([]byte(`{"v1/Pod":["a/b)","a/b("]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseList(b)
		if err != nil && list != nil {
			t.Error("an error and a list")
		}
		for it := range list {
			if it.Name == "" {
				t.Errorf("an item without a name: %+v", it)
			}
		}
		// Counting never claims more than there was.
		fs := fileSum{}
		fs.count(&restoreSum{Sources: []string{"tenant-8"}, Known: true}, list, list)
		if list != nil && (*fs.Missing > *fs.BackedUp || *fs.Brought > len(list)) {
			t.Errorf("counted %d missing of %d, %d brought of %d", *fs.Missing, *fs.BackedUp, *fs.Brought, len(list))
		}
	})
}

func FuzzVolumes(f *testing.F) {
	f.Add([]byte(`[{"pvcName":"a","pvcNamespace":"tenant-7","backupMethod":"CSISnapshot","snapshotDataMoved":true,"result":"succeeded"}]`))
	f.Add([]byte(`[{"backupMethod":"PodVolumeBackup","pvbInfo":{"volumeName":"v","podName":"p","podNamespace":"tenant-7"}},{"backupMethod":"PodVolumeBackup","pvbInfo":null}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		infos, err := parseVolumes(b)
		if err != nil {
			return
		}
		ws := wishes(&restoreSum{Sources: []string{"tenant-7"}}, infos)
		s := settle(ws, nil, true, fromSnapshots(infos))
		if s.Done+s.Failed+s.Unknown != s.Wanted || s.Wanted > len(infos) {
			t.Errorf("%d volumes gave %+v", len(infos), s)
		}
	})
}

// FuzzObjects plays any object to every function: none panics, and whatever is
// handed over keeps the rules of a draft.
func FuzzObjects(f *testing.F) {
	for _, items := range lists(f) {
		for _, raw := range items {
			f.Add([]byte(raw))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s := newStage(t, "", nil)
		for _, r := range s.c.resources() {
			o, err := kube.ParseObject(raw, s.l.Now, r.Remove...)
			if err != nil {
				return
			}
			o.APIVersion, o.Kind = r.Group+"/"+r.Versions[0], r.Kind
			for _, do := range []func(context.Context, *kube.Object, *kube.Look) error{
				func(ctx context.Context, o *kube.Object, l *kube.Look) error {
					ds, err := r.Drafts(ctx, o, l)
					for i := range ds {
						if e := ds[i].Check(); e != nil {
							t.Errorf("%s: %v", r.Resource, e)
						}
					}
					return err
				},
				func(ctx context.Context, o *kube.Object, l *kube.Look) error {
					if r.Gone == nil {
						return nil
					}
					_, err := r.Gone(ctx, o, l)
					return err
				},
			} {
				if err := do(context.Background(), o, s.l); err != nil && len(err.Error()) > 300 {
					t.Errorf("an error of %d bytes may hold content: %v", len(err.Error()), err)
				}
			}
		}
		s.after()
		b, err := json.Marshal(&s.c.memory)
		if err != nil {
			t.Fatal(err)
		}
		var again memory
		if err := json.Unmarshal(b, &again); err != nil {
			t.Errorf("the cursor cannot be read again: %v", err)
		}
	})
}

func BenchmarkBackup(b *testing.B) { benchmark(b, "backups") }

func BenchmarkRestore(b *testing.B) { benchmark(b, "restores") }

func BenchmarkVolume(b *testing.B) { benchmark(b, "podvolumebackups") }

func benchmark(b *testing.B, resource string) {
	s := newStage(b, "", nil)
	r := s.resource(resource)
	raw := lists(b)[resource][0]
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := r.Drafts(b.Context(), s.object(r, raw), s.l); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResourceList(b *testing.B) {
	a, err := txtar.ParseFile("testdata/results.txtar")
	if err != nil {
		b.Fatal(err)
	}
	list := map[string][]string{}
	if err := json.Unmarshal(a.Files[0].Data, &list); err != nil {
		b.Fatal(err)
	}
	for range 5000 {
		list["v1/Pod"] = append(list["v1/Pod"], "tenant-8/web-5d9c77-abcde(created)")
	}
	raw, err := json.Marshal(list)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := parseList(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGrade(b *testing.B) {
	x, cfg := proven(), agreed()
	for b.Loop() {
		if f := grade(x, cfg, now); f.Grade != 5 {
			b.Fatal(f.Grade)
		}
	}
}
