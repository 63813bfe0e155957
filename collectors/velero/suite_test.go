package velero

import (
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/bucket"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

func TestConformance(t *testing.T) { collectortest.Run(t, suite(t)) }

func suite(t *testing.T) collectortest.Suite {
	files := resultFiles(t)
	return collectortest.Suite{
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := *defaults()
			cfg.Server, cfg.TokenFile, cfg.QPS = w.URL, w.TokenFile, 1e6
			cfg.Limits = []Limit{{Plan: "core", RTO: 4 * time.Hour, RPO: 24 * time.Hour}}
			cfg.Results = bucket.Config{Directory: files}
			c, err := newWith(cfg, w.Env, func(o *fetch.Options) { o.Sleep, o.Timeout, o.MaxBody = w.Sleep, w.Timeout, w.MaxBody })
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		Source:       "velero/prod",
		Now:          now,
		Conversation: "testdata/cluster.txtar",
		Wants: []evidence.Kind{
			evidence.BackupSchedule, evidence.BackupLocation, evidence.BackupRun, evidence.BackupRestore, evidence.BackupTest,
		},
		Planted: []string{"carla-quint", "nadia.okafor@platform.example", "planted-hook-password", "planted-job-password"},
	}
}
