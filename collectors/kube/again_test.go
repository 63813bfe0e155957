package kube

import (
	"context"
	"fmt"
	"testing"

	"evidenced/evidence"
)

// What is asked for again is read again while following, though nothing is told of
// it: the note on a restore says what the pods beside it are.
func TestAgain(t *testing.T) {
	w := newWorld(t)
	rs := tiny()
	word := "first"
	pods, restores := rs[0].Drafts, rs[1].Drafts
	if rs[0].name() != "pods" {
		pods, restores = restores, pods
	}
	for i := range rs {
		if rs[i].name() == "pods" {
			rs[i].Drafts = func(ctx context.Context, o *Object, l *Look) ([]evidence.Draft, error) {
				ds, err := pods(ctx, o, l)
				for j := range ds {
					ds[j].Content = []byte(fmt.Sprintf(`{"name":%q,"phase":%q}`, o.Name, word))
				}
				return ds, err
			}
			continue
		}
		rs[i].Drafts = func(ctx context.Context, o *Object, l *Look) ([]evidence.Draft, error) {
			word = "second"
			l.Again("pods", "shop")
			return restores(ctx, o, l)
		}
	}
	w.resources = rs
	w.fake.put("pods", pod("shop", "web-1", "u1", "x"))
	w.fake.put("pods", pod("desk", "mail-1", "u2", "x"))
	w.follow()
	w.tells("tenant-1", podKind, "set web-1 first")
	w.tells("tenant-2", podKind, "set mail-1 first")
	w.fake.put("restores.velero.io", object("shop", "r", "u3"))
	w.tells("tenant-1", podKind, "set web-1 first", "set web-1 second")
	w.tells("tenant-2", podKind, "set mail-1 first") // of another namespace
}

// So is what belongs to the cluster.
func TestAgainOfCluster(t *testing.T) {
	w := newWorld(t)
	word := "first"
	rs := []Resource{{
		Resource: "namespaces", Kind: "Namespace", Versions: []string{"v1"}, Cluster: true, Kinds: []evidence.Kind{evidence.RuntimeNamespace},
		Drafts: func(_ context.Context, o *Object, l *Look) ([]evidence.Draft, error) {
			d, err := l.Draft(evidence.RuntimeNamespace, o, map[string]string{"name": o.Name, "phase": word})
			return []evidence.Draft{d}, err
		},
	}}
	for _, r := range tiny() {
		if drafts := r.Drafts; r.Resource == "restores" {
			r.Drafts = func(ctx context.Context, o *Object, l *Look) ([]evidence.Draft, error) {
				word = "second"
				l.Again("namespaces", "")
				return drafts(ctx, o, l)
			}
		}
		rs = append(rs, r)
	}
	w.resources = rs
	w.follow()
	w.tells("tenant-1", evidence.RuntimeNamespace, "set shop first")
	w.fake.put("restores.velero.io", object("shop", "r", "u3"))
	w.tells("tenant-1", evidence.RuntimeNamespace, "set shop first", "set shop second")
}
