//go:build !race

package demo_test

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/daemon"
	"evidenced/cmd/internal/demo"
	"evidenced/collectors/all"
	"evidenced/evidence"
	"evidenced/reports"
	"evidenced/reports/pack"
	"evidenced/reports/ran"
	"evidenced/store"
	"evidenced/testdata/world"
)

// The whole way, from a source's bytes to an auditor's verification.
func TestDemonstration(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	var logs bytes.Buffer
	if _, err := demo.Run(t.Context(), demo.RunOptions{
		Dir: dir, Specs: all.Specs(), Program: "evidenced test", Log: slog.New(slog.NewJSONHandler(&logs, nil)),
		Then: func(_ context.Context, p *demo.Platform, s *demo.Summary) error {
			checkDemonstration(t, s, dir, logs.Bytes())
			// From here on the story goes on.
			t.Run("alertmanager", func(t *testing.T) { checkDemoAlerts(t, p, s) })
			t.Run("incident", func(t *testing.T) { checkDemoIncident(t, s) })
			return nil
		},
	}); err != nil {
		t.Fatal(err)
	}
}

func checkDemonstration(t *testing.T, s *demo.Summary, dir string, logs []byte) {
	cfg, err := config.Load(s.Config, all.Specs())
	if err != nil {
		t.Fatal(err)
	}
	e, err := daemon.Open(t.Context(), daemon.Options{Config: cfg, Program: "evidenced test", ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	t.Run("pack", func(t *testing.T) { checkDemoPack(t, s) })
	t.Run("ran", func(t *testing.T) { checkDemoRan(t, e, s) })
	t.Run("traces", func(t *testing.T) { checkDemoTraces(t, e, s) })
	t.Run("verify", func(t *testing.T) { checkDemoLogs(t, e) })
	t.Run("findings", func(t *testing.T) { checkDemoFindings(t, e, s) })
	t.Run("gaps", func(t *testing.T) { checkDemoGaps(t, e) })
	t.Run("remedies", func(t *testing.T) { checkDemoRemedies(t, e, s) })
	t.Run("names", func(t *testing.T) { checkNoNames(t, e, dir, logs) })
}

func checkDemoPack(t *testing.T, s *demo.Summary) {
	f, err := os.Open(s.Trust)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	trust, err := pack.ParseTrust(f)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := pack.VerifyFile(s.Pack, pack.Options{Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	if !rep.Known || !rep.Simulated || rep.Counts["change.merge"] == 0 || rep.Cited == 0 {
		t.Errorf("report: %+v", rep)
	}
}

func checkDemoRan(t *testing.T, e *daemon.Engine, s *demo.Summary) {
	r, err := e.Reader(t.Context(), s.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	a, err := ran.Build(t.Context(), r, s.Instant, ran.Options{Window: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := a.Text(&b, reports.Style{Width: 200}); err != nil {
		t.Fatal(err)
	}
	// What the story says of 14 November: written by Eleni, reviewed by
	// Geneviève, merged by Käthe, synced by Łukasz, read by an outsider.
	for _, want := range []string{reports.Demonstration[:13], "tenant-7-web", "@sha256:", "lukasz", "eleni", "gen-lefevre", "kaethe-w", "role tenant-7", "not this tenant's identity", "copies", "as known at log size"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the answer does not hold %q:\n%s", want, b.String())
		}
	}
}

func checkDemoLogs(t *testing.T, e *daemon.Engine) {
	ts, err := e.Tenants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(ts) < 9 {
		t.Errorf("%d logs", len(ts))
	}
	for _, tn := range ts {
		rep, err := e.Verify(t.Context(), tn, api.VerifyRequest{Deep: true})
		if err != nil || !rep.OK() {
			t.Errorf("%s: %v %+v", tn, err, rep)
		}
	}
}

// A stretch in which a source was blind is never satisfied.
func checkDemoFindings(t *testing.T, e *daemon.Engine, s *demo.Summary) {
	in, err := e.Judging(t.Context(), s.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	blind := evidence.Period{From: time.Date(2026, 11, 10, 5, 40, 0, 0, time.UTC), To: time.Date(2026, 11, 10, 9, 0, 0, 0, time.UTC)}
	cov, err := evidence.LoadCoverage(t.Context(), in.Reader, blind)
	if err != nil {
		t.Fatal(err)
	}
	if ws := cov.Uncovered(evidence.SecretAccess, evidence.Reconstructed, blind); len(ws) == 0 {
		t.Error("the audit device was off and its file counts as seen")
	}
	argo := evidence.Period{From: time.Date(2026, 11, 3, 9, 40, 0, 0, time.UTC), To: time.Date(2026, 11, 3, 12, 20, 0, 0, time.UTC)}
	if cov, err = evidence.LoadCoverage(t.Context(), in.Reader, argo); err != nil {
		t.Fatal(err)
	}
	if ws := cov.Uncovered(evidence.DeployState, evidence.Reconstructed, argo); len(ws) == 0 {
		t.Error("Argo CD answered 503 and its applications count as seen")
	}
}

// Names, logins and mail addresses of people stand nowhere but in person
// records, texts and raw bytes: in no leaf, index, cursor, log line or content.
func checkNoNames(t *testing.T, e *daemon.Engine, dir string, logs []byte) {
	w, err := world.Load()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range w.People {
		if p.Human() {
			names = append(names, p.Login, p.Email(), p.Name)
		}
	}
	find := func(where string, b []byte) {
		for _, n := range names {
			if n != "" && bytes.Contains(b, []byte(n)) {
				t.Errorf("%s holds the name %q", where, n)
			}
		}
	}
	find("the daemon's log", logs)
	if err := filepath.WalkDir(filepath.Join(dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		find(path, b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	ts, err := e.Tenants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tn := range ts {
		log, err := e.Local().Store.Log(tn)
		if err != nil {
			t.Fatal(err)
		}
		snap := log.Snapshot()
		if err := snap.Export(context.Background(), 0, snap.Size(), []string{"content"}, func(o store.Opened) error {
			if !bytes.Contains(o.Leaf, []byte(`"kind":"person"`)) {
				find(tn.String()+" content", o.Openings["content"].Plain)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
}
