//go:build !race

package demo_test

// Argo CD's types bring more than a thousand packages; with the race detector
// they are built in the collector's own package only.

import (
	"testing"
	"time"

	"evidenced/cmd/internal/config"
	"evidenced/collectors/all"
	"evidenced/collectors/argocd"
	"evidenced/evidence"
)

func TestArgoCDCollector(t *testing.T) {
	p := start(t)
	l := look(t, p, argocd.Spec())
	l.must("2026-10-17T06:00:00Z")
	if n := len(l.rec.Of(evidence.DeployState)); n != 27 {
		t.Errorf("%d applications at the first look, want 27", n)
	}
	worker := func(f evidence.DeployFacts) bool { return f.App == "argocd/tenant-2-worker" }
	if err := l.to("2026-11-03T10:05:00Z"); err == nil {
		t.Error("a look into the 503 window ended well")
	}
	l.must("2026-11-06T13:00:00Z")
	if _, f := find(t, l, evidence.DeployState, worker); f.Sync != "Synced" {
		t.Errorf("before the drift: %s", f.Sync)
	}
	l.must("2026-11-06T14:00:00Z")
	if _, f := find(t, l, evidence.DeployState, worker); f.Sync != "OutOfSync" {
		t.Errorf("in the drift: %s", f.Sync)
	}
	l.must("2026-11-12T10:00:00Z")
	failed := func(f evidence.SyncFacts) bool { return f.App == "argocd/tenant-5-db-proxy" && f.Phase == "Failed" }
	if _, f := find(t, l, evidence.DeploySync, failed); f.HistoryID != -1 {
		t.Errorf("the failed sync stands in history: %+v", f)
	}
	l.must("2026-11-14T14:00:00Z")
	d, f := find(t, l, evidence.DeploySync, func(f evidence.SyncFacts) bool {
		return f.App == "argocd/tenant-7-web" && f.FinishedAt.Equal(at("2026-11-14T13:58:00Z"))
	})
	if f.Phase != "Succeeded" || f.Automated || person(t, d, f.Initiator).Mail != "lukasz@people.platform.example" {
		t.Errorf("the release's sync: %+v", f)
	}
	_, s := find(t, l, evidence.DeployState, func(f evidence.DeployFacts) bool { return f.App == "argocd/tenant-7-web" })
	if s.Sync != "Synced" || len(s.Images) != 1 || len(s.SyncedRevisions) != 1 || s.SyncedRevisions[0] != f.Revisions[0] {
		t.Errorf("tenant-7 web at two o'clock: %+v", s)
	}
	_, m := find(t, l, evidence.DeployState, func(f evidence.DeployFacts) bool { return f.App == "argocd/tenant-4-web" })
	if len(m.Sources) != 2 || len(m.Revisions) != 2 || m.Revisions[0] != "4.2.1" {
		t.Errorf("the application with two sources: %+v", m)
	}
	if o := l.observation(); o.Incomplete != "" || o.Offset.Abs() > 2*time.Second {
		t.Errorf("observation: %+v", o)
	}
	owners(t, l)
	t.Logf("%d drafts, %d syncs", len(l.rec.Drafts), len(l.rec.Of(evidence.DeploySync)))
}

// The daemon accepts the platform's configuration as it is.
func TestConfigurationIsAccepted(t *testing.T) {
	p := start(t)
	b, err := p.ConfigYAML()
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("evidenced.yaml", append([]byte("data_dir: "+t.TempDir()+"\n"), b...), all.Specs())
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if len(c.Sources) != 16 || len(c.Tenants) != 8 {
		t.Errorf("%d sources and %d tenants, want 16 and 8", len(c.Sources), len(c.Tenants))
	}
}
