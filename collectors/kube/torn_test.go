package kube

import (
	"context"
	"testing"

	"evidenced/evidence"
)

// What a collector remembers to have told is kept with it or not at all: a run
// that is asked to end between an object and its drafts tells of the object again.
func TestEndedBetweenObjectAndDraft(t *testing.T) {
	for name, where := range map[string]string{"at an object": "object", "at a commit": "after"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var told map[string]bool // as the cursor has it
			end := func() {}
			once := func(at, key string, make func() ([]evidence.Draft, error)) ([]evidence.Draft, error) {
				if told[key] {
					return nil, nil
				}
				if told == nil {
					told = map[string]bool{}
				}
				told[key] = true
				if at == where {
					end()
				}
				return make()
			}
			rs := tiny()
			drafts := rs[1].Drafts
			rs[1].Drafts = func(ctx context.Context, o *Object, l *Look) ([]evidence.Draft, error) {
				return once("object", o.UID, func() ([]evidence.Draft, error) { return drafts(ctx, o, l) })
			}
			w.resources = rs
			ended := make(chan struct{})
			w.opts = []Option{State(&told), After([]evidence.Kind{evidence.BackupRestore}, func(ctx context.Context, l *Look) ([]evidence.Draft, error) {
				return once("after", "joined", func() ([]evidence.Draft, error) {
					o := &Object{APIVersion: "velero.io/v1", Kind: "Restore", Namespace: "shop", Name: "joined", UID: "j", ObservedAt: l.Now}
					d, err := l.Draft(evidence.BackupRestore, o, evidence.RestoreFacts{Name: "joined", UID: "j", Requester: -1})
					return []evidence.Draft{d}, err
				})
			})}
			w.fake.put("restores.velero.io", object("shop", "drill-1", "r1"))

			ctx, cancel := context.WithCancel(t.Context())
			r := w.runner()
			end = func() { cancel(); close(ended) }
			done := make(chan error, 1)
			go func() { done <- r.Follow(ctx) }()
			<-ended
			<-done
			end = func() {}
			stop := w.follow()
			w.until("both are told", func() bool { return len(w.log.told(tenant("tenant-1"), restoreKind)) == 2 })
			if err := stop(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
