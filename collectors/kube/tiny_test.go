package kube

import (
	"context"
	"errors"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

// tiny is a collector of two resources: pods, which are states, and restores,
// which are revisable events.
func tiny() []Resource {
	return []Resource{
		{
			Resource: "pods", Kind: "Pod", Versions: []string{"v1"}, Kinds: []evidence.Kind{evidence.RuntimePod},
			Remove: []string{"/spec/containers/*/env/*/value"},
			Drafts: func(_ context.Context, o *Object, l *Look) ([]evidence.Draft, error) {
				var p struct {
					Spec struct {
						NodeName   string `json:"nodeName"`
						Containers []struct{ Name, Image string }
					} `json:"spec"`
					Status struct {
						Phase string `json:"phase"`
					} `json:"status"`
				}
				if err := o.Decode(&p); err != nil {
					return nil, err
				}
				facts := evidence.PodFacts{Cluster: l.Authority, Namespace: o.Namespace, Name: o.Name, UID: o.UID, Node: p.Spec.NodeName, Phase: p.Status.Phase, ResourceVersion: o.ResourceVersion}
				d, err := l.Draft(evidence.RuntimePod, o, facts)
				return []evidence.Draft{d}, err
			},
		},
		{
			Group: "velero.io", Resource: "restores", Kind: "Restore", Versions: []string{"v2", "v1"}, Optional: true,
			Kinds: []evidence.Kind{evidence.BackupRestore},
			Drafts: func(_ context.Context, o *Object, l *Look) ([]evidence.Draft, error) {
				var r struct {
					Spec struct {
						BackupName string `json:"backupName"`
					} `json:"spec"`
					Status struct {
						Phase string `json:"phase"`
					} `json:"status"`
				}
				if err := o.Decode(&r); err != nil {
					return nil, err
				}
				if r.Status.Phase == "unreadable" {
					return nil, errors.New("phase is not known")
				}
				facts := evidence.RestoreFacts{Cluster: l.Authority, Namespace: o.Namespace, Name: o.Name, UID: o.UID, Backup: r.Spec.BackupName, Phase: r.Status.Phase, Requester: -1, ResourceVersion: o.ResourceVersion}
				d, err := l.Draft(evidence.BackupRestore, o, facts)
				return []evidence.Draft{d}, err
			},
		},
	}
}

func TestConformance(t *testing.T) {
	collectortest.Run(t, collectortest.Suite{
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := DefaultConfig()
			cfg.Server, cfg.TokenFile, cfg.PageSize, cfg.QPS = w.URL, w.TokenFile, 2, 1e6
			c, err := New(cfg, w.Env, "tiny/1", tiny(), Client(func(o *fetch.Options) {
				o.Sleep, o.Timeout, o.MaxBody = w.Sleep, w.Timeout, w.MaxBody
			}))
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		Source:       "kubernetes/prod",
		Now:          time.Date(2026, 11, 14, 14, 0, 0, 0, time.UTC),
		Conversation: "testdata/cluster.txtar",
		Wants:        []evidence.Kind{evidence.RuntimePod, evidence.BackupRestore},
		Planted:      []string{"ines.okafor@example.org", "hunter2"},
	})
}
