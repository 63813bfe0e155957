package daemon

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bbolt "go.etcd.io/bbolt"
	"go.yaml.in/yaml/v3"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/telemetry"
	"evidenced/evidence"
)

// scrubbed is an engine with some records, its clock, and what it logged.
func scrubbed(t *testing.T) (*Engine, *testClock, *bytes.Buffer) {
	t.Helper()
	clock, src := &testClock{begin}, &testSource{sees: []string{"acme/one"}}
	e := newEngine(t, clock, src)
	var lines bytes.Buffer
	e.o.Metrics, e.o.Log = telemetry.NewMetrics(), slog.New(slog.NewTextHandler(&lines, nil))
	src.emit = []evidence.Draft{mergeDraft("acme/one", 1, clock.t.Add(-time.Minute), true), mergeDraft("acme/one", 2, clock.t.Add(-time.Minute), true)}
	collectAt(t, e, clock, evidence.RunDone)
	return e, clock, &lines
}

// verifyMetrics are the lines about verification, without the count of records.
func verifyMetrics(e *Engine) string {
	var b bytes.Buffer
	e.o.Metrics.Write(&b)
	var out []string
	for _, l := range strings.Split(b.String(), "\n") {
		if strings.HasPrefix(l, "evidenced_verify_") && !strings.HasPrefix(l, "evidenced_verify_records") || strings.HasPrefix(l, "evidenced_log_") {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}

func wantMetrics(t *testing.T, e *Engine, want ...string) {
	t.Helper()
	got := verifyMetrics(e)
	for _, w := range want {
		if !strings.Contains("\n"+got+"\n", "\n"+w+"\n") {
			t.Errorf("no line %s in\n%s", w, got)
		}
	}
}

func TestScrubReadsEachLogWhenDue(t *testing.T) {
	e, clock, _ := scrubbed(t)
	s := e.newScrubber()
	s.round(t.Context())
	first := clock.t
	wantMetrics(t, e,
		`evidenced_verify_passes_total{tenant="tenant-1",outcome="ok"} 1`, `evidenced_verify_passes_total{tenant="_platform",outcome="ok"} 1`,
		`evidenced_verify_failures{tenant="tenant-1"} 0`, `evidenced_log_stopped{tenant="tenant-1"} 0`,
		fmt.Sprintf(`evidenced_verify_last_complete_timestamp_seconds{tenant="tenant-1"} %d`, first.Unix()))
	clock.t = first.Add(23 * time.Hour)
	s.round(t.Context())
	wantMetrics(t, e, `evidenced_verify_passes_total{tenant="tenant-1",outcome="ok"} 1`)
	// After a restart the last pass still counts, and its time is told.
	e.o.Metrics = telemetry.NewMetrics()
	s = e.newScrubber()
	s.round(t.Context())
	if got := verifyMetrics(e); strings.Contains(got, "passes") {
		t.Errorf("verified again before it is due:\n%s", got)
	}
	wantMetrics(t, e, fmt.Sprintf(`evidenced_verify_last_complete_timestamp_seconds{tenant="tenant-1"} %d`, first.Unix()))
	clock.t = first.Add(24 * time.Hour)
	s.round(t.Context())
	wantMetrics(t, e, `evidenced_verify_passes_total{tenant="tenant-1",outcome="ok"} 1`,
		fmt.Sprintf(`evidenced_verify_last_complete_timestamp_seconds{tenant="tenant-1"} %d`, clock.t.Unix()))
}

// damage flips a bit of a record of the tenant's log.
func damage(t *testing.T, e *Engine, tenant string, seq uint64) {
	t.Helper()
	log, err := e.local.Store.Log(mustTenant(t, tenant))
	if err != nil {
		t.Fatal(err)
	}
	e.local.Store.Rest(t.Context(), 0)
	path := filepath.Join(e.local.Dir, "tenants", filepath.Base(log.Origin()), "log", "0001.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, key := tx.Bucket([]byte("r")), binary.BigEndian.AppendUint64(nil, seq)
		v := bytes.Clone(b.Get(key))
		v[len(v)-1] ^= 1
		return b.Put(key, v)
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func damages(t *testing.T, e *Engine) []evidence.DamageFacts {
	t.Helper()
	log, err := e.local.Store.Log(evidence.Platform)
	if err != nil {
		t.Fatal(err)
	}
	var out []evidence.DamageFacts
	for rec, err := range log.Snapshot().Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.LogDamage}}) {
		if err != nil {
			t.Fatal(err)
		}
		var f evidence.DamageFacts
		if err := rec.Decode(&f); err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

// A damaged record is a metric, a line and, once, a record of _platform. The
// other logs are verified all the same.
func TestScrubTellsDamage(t *testing.T) {
	e, clock, lines := scrubbed(t)
	damage(t, e, "tenant-1", 2)
	s := e.newScrubber()
	for range 3 {
		s.round(t.Context())
		clock.t = clock.t.Add(25 * time.Hour)
	}
	wantMetrics(t, e, `evidenced_verify_failures{tenant="tenant-1"} 1`, `evidenced_verify_passes_total{tenant="tenant-1",outcome="failed"} 3`,
		`evidenced_verify_passes_total{tenant="tenant-2",outcome="ok"} 3`,
		fmt.Sprintf(`evidenced_verify_last_complete_timestamp_seconds{tenant="tenant-1"} %d`, clock.t.Add(-25*time.Hour).Unix()))
	found := damages(t, e)
	if len(found) != 1 || len(found[0].Failures) != 1 || !strings.HasPrefix(found[0].Failures[0], "record 2 (") || found[0].Origin == "" {
		t.Errorf("records of damage: %+v, want one that names record 2", found)
	}
	if got := lines.String(); strings.Count(got, "log does not verify") != 3 || !strings.Contains(got, "tenant=tenant-1 failures=1") || strings.Contains(got, "sealed one") {
		t.Errorf("log lines:\n%s", got)
	}
	// What is wrong is never taken for verified.
	log, err := e.local.Store.Log(mustTenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	if last, err := e.lastVerified(log); err != nil || last != nil {
		t.Errorf("a damaged log has a verified point: %+v, %v", last, err)
	}
}

// Verifying since the last time reads what came after, until a full pass
// renews the point.
func TestVerifySinceLast(t *testing.T) {
	e, clock, _ := scrubbed(t)
	tn := mustTenant(t, "tenant-1")
	log, err := e.local.Store.Log(tn)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(since bool) uint64 {
		t.Helper()
		rep, err := e.Verify(t.Context(), tn, api.VerifyRequest{SinceLast: since})
		if err != nil || !rep.OK() {
			t.Fatalf("%v, %+v", err, rep)
		}
		return rep.Records
	}
	size := log.Size()
	if got := verify(true); got != size {
		t.Errorf("with no earlier verification %d records are read, want %d", got, size)
	}
	full, err := e.lastVerified(log)
	if err != nil || full == nil || full.Size != size || !full.Full.Equal(clock.t) {
		t.Fatalf("kept point %+v, %v", full, err)
	}
	clock.t = clock.t.Add(time.Hour)
	if err := e.Read(t.Context(), tn, evidence.ReadFacts{Command: "ran"}); err != nil {
		t.Fatal(err)
	}
	if got := verify(true); got != 1 {
		t.Errorf("after one more record %d are read", got)
	}
	if last, err := e.lastVerified(log); err != nil || last.Size != size+1 || !last.Full.Equal(full.Full) || !last.At.Equal(clock.t) {
		t.Errorf("point after an incremental pass %+v, %v", last, err)
	}
	if got := verify(false); got != size+1 {
		t.Errorf("a full pass reads %d records, want %d", got, size+1)
	}
	if last, err := e.lastVerified(log); err != nil || !last.Full.Equal(clock.t) {
		t.Errorf("point after a full pass %+v, %v", last, err)
	}
}

// Every metric that an alert rule asks for is one that the daemon tells.
func TestAlertRules(t *testing.T) {
	b, err := os.ReadFile("../../../deploy/alerts/evidenced.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		t.Fatal(err)
	}
	e, clock, _ := scrubbed(t)
	s := e.newScrubber()
	s.round(t.Context())
	damage(t, e, "tenant-1", 2)
	clock.t = clock.t.Add(25 * time.Hour)
	s.round(t.Context())
	s.count(mustTenant(t, "tenant-2"), "broken")
	told := verifyMetrics(e)
	metric := regexp.MustCompile(`evidenced_[a-z_]+`)
	alerts := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			alerts[r.Alert] = true
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s has no severity, summary or description", r.Alert)
			}
			names := metric.FindAllString(r.Expr, -1)
			if len(names) == 0 {
				t.Errorf("%s asks for nothing: %s", r.Alert, r.Expr)
			}
			for _, n := range names {
				if !strings.Contains(told, n+"{") {
					t.Errorf("%s asks for %s, which nobody tells:\n%s", r.Alert, n, told)
				}
			}
		}
	}
	for _, want := range []string{"EvidencedLogDoesNotVerify", "EvidencedScrubStale", "EvidencedLogStopped"} {
		if !alerts[want] {
			t.Errorf("no alert %s", want)
		}
	}
}

// files hashes what fsck must never touch.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		if err != nil || d.IsDir() || strings.Contains(rel, "/index") || filepath.Base(rel) == "lock" {
			return err
		}
		b, err := os.ReadFile(path)
		out[rel] = fmt.Sprintf("%x", sha256.Sum256(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Repairing changes no file but those of the index, whatever is wrong.
func TestFsckRepairsTheIndexAlone(t *testing.T) {
	e, _, _ := scrubbed(t)
	damage(t, e, "tenant-1", 2)
	e.local.Store.Rest(t.Context(), 0)
	before := files(t, e.local.Dir)
	if len(before) < 8 {
		t.Fatalf("only %d files", len(before))
	}
	if _, err := e.Fsck(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	log, err := e.local.Store.Log(mustTenant(t, "tenant-2"))
	if err != nil {
		t.Fatal(err)
	}
	if err := log.RebuildIndex(); err != nil {
		t.Fatal(err)
	}
	e.local.Store.Rest(t.Context(), 0)
	if d := cmp.Diff(before, files(t, e.local.Dir)); d != "" {
		t.Errorf("files changed (-before +after):\n%s", d)
	}
}
