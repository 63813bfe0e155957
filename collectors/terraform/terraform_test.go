package terraform

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	now     = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	planted = []string{"mira-kostka9", "jonas-weber3", "api-team_pipeline-x7", secret}
)

// secret is in everything that the conversation holds and nothing may keep:
// addresses of downloads, values of variables and attributes, keys of instances,
// traces of policies, descriptions.
const secret = "s3cr3t"

func config(url, token string) Config {
	c := *Spec().Config().(*Config)
	c.URL, c.Organization, c.TokenFile, c.AuditTokenFile = url+"/tfe", "acme", token, token
	return c
}

// meaning are the answers that are a fact by themselves: a platform without lists
// of events or policies, or that does not show them, and one that refuses to tell
// tag bindings.
func meaning(status int, line string) bool {
	switch status {
	case 404:
		return strings.Contains(line, "/run-events") || strings.Contains(line, "/policy-checks") || strings.Contains(line, "/task-stages")
	case 400, 422:
		return strings.Contains(line, "effective_tag_bindings")
	}
	return false
}

// says reports whether a run says itself that its details were not read, though
// they are asked for: it ended, and could have been applied.
func says(d evidence.Draft) bool {
	has := func(s string) bool { return bytes.Contains(d.Content, []byte(s)) }
	return d.Kind == evidence.InfraRun && !has(`"plan_only":true`) && !has(`"status":"waiting"`) && (has(`"events_seen":false`) || has(`"policies_seen":false`))
}

func suite() collectortest.Suite {
	return collectortest.Suite{
		Source: "terraform/acme", Now: now, Conversation: "testdata/organization.txtar", Planted: planted, Also: []int{409, 410, 422, 503},
		Wants: []evidence.Kind{evidence.InfraWorkspace, evidence.InfraRun, evidence.InfraState, evidence.AccessAudit}, Means: meaning, Says: says,
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := config(w.URL, w.TokenFile)
			cfg.Timeout = w.Timeout
			c, err := newWith(cfg, w.Env, fetch.Options{Sleep: w.Sleep, MaxBody: w.MaxBody})
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	}
}

func TestConformance(t *testing.T) { collectortest.Run(t, suite()) }

// lab is a collector against a conversation that can be changed.
type lab struct {
	*collectortest.Replay
	t     *testing.T
	cfg   Config
	clock time.Time
	desk  collectortest.World
	log   bytes.Buffer
	c     *Collector
}

func newLab(t *testing.T, change func(*Config)) *lab {
	t.Helper()
	l := &lab{Replay: collectortest.NewReplay(t, "testdata/organization.txtar", now), t: t, clock: now}
	l.desk = collectortest.Desk(t, "terraform/acme", l.URL, &l.clock)
	l.desk.Env.Log = slog.New(slog.NewJSONHandler(&l.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	l.cfg = config(l.URL, l.desk.TokenFile)
	if change != nil {
		change(&l.cfg)
	}
	l.restart()
	return l
}

// restart makes a fresh collector, as after a restart of the daemon.
func (l *lab) restart() {
	l.t.Helper()
	var err error
	l.c, err = newWith(l.cfg, l.desk.Env, fetch.Options{Sleep: l.desk.Sleep})
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) poll(resume []byte) (*collectortest.Recorder, error) {
	rec := &collectortest.Recorder{}
	err := l.c.Poll(l.t.Context(), evidence.Period{To: l.clock}, resume, rec)
	return rec, err
}

func (l *lab) must(resume []byte) *collectortest.Recorder {
	l.t.Helper()
	rec, err := l.poll(resume)
	if err != nil {
		l.t.Fatal(err)
	}
	return rec
}

func last(rec *collectortest.Recorder) evidence.Observation {
	return rec.Commits[len(rec.Commits)-1].Observation
}

// TestGolden compares the drafts and the last observation of a first look.
func TestGolden(t *testing.T) {
	l := newLab(t, nil)
	collectortest.Golden{File: "testdata/organization.golden", Update: *update, URL: l.URL}.Check(t, l.must(nil))
}

// Nothing of what is secret is kept, told or logged, in whatever part of a draft,
// nor that the source's bytes hold it.
func TestNothingSecretIsKept(t *testing.T) {
	l := newLab(t, nil)
	first := l.must(nil)
	second := l.must(first.Resume())
	var errs []error
	// The same when answers turn up as errors, and when they are not what they
	// should be.
	for _, bad := range []string{`status: 422` + "\nX-A: b\n\n" + `{"errors":[{"status":"422","title":"s3cr3t","detail":"s3cr3t"}]}`, `{"data":[{"id":"s3cr3t x","type":"runs"},{"id":7}]}`, `{"data":"s3cr3t"}`, `s3cr3t`} {
		lb := newLab(t, nil)
		for _, line := range []string{
			"GET /tfe/api/v2/workspaces/ws-Db94tR8yUw6sEdFg/runs?include=plan%2Capply%2Ccreated_by%2Cconfiguration_version.ingress_attributes&page%5Bnumber%5D=1&page%5Bsize%5D=20",
			"GET /tfe/api/v2/state-versions?filter%5Borganization%5D%5Bname%5D=acme&filter%5Bworkspace%5D%5Bname%5D=tenant-7-network&page%5Bnumber%5D=1&page%5Bsize%5D=20",
			"GET /tfe/api/v2/runs/run-NetA7kQ1vBn2xZcP/run-events?include=actor&page%5Bnumber%5D=1&page%5Bsize%5D=100",
		} {
			lb.Replace(line, bad)
		}
		rec, err := lb.poll(nil)
		errs = append(errs, err)
		if err == nil && last(rec).Incomplete == "" {
			t.Errorf("%q: the look says it is complete", bad)
		}
		second.Drafts = append(second.Drafts, rec.Drafts...)
		second.Commits = append(second.Commits, rec.Commits...)
		l.log.Write(lb.log.Bytes())
	}
	for _, rec := range []*collectortest.Recorder{first, second} {
		for _, d := range rec.Drafts {
			whole := fmt.Sprintf("%+v %s %s %s", d, d.Content, d.Text, d.Raw)
			if strings.Contains(whole, secret) {
				t.Errorf("%s %s holds a secret: %s", d.Kind, d.Key, whole)
			}
			if strings.Contains(whole, "archivist") {
				t.Errorf("%s %s holds an address to download from", d.Kind, d.Key)
			}
			if len(d.Raw) > 0 && !json.Valid(d.Raw) || len(d.Raw) > 0 && len(d.Removed) == 0 {
				t.Errorf("%s %s: raw %q, removed %q", d.Kind, d.Key, d.Raw, d.Removed)
			}
		}
		for _, c := range rec.Commits {
			if o := fmt.Sprintf("%+v %s", c.Observation, c.Resume); strings.Contains(o, secret) {
				t.Errorf("a commit holds a secret: %s", o)
			}
		}
	}
	for _, err := range errs {
		if err != nil && strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
			t.Errorf("an error holds a secret: %v", err)
		}
	}
	if strings.Contains(l.log.String(), secret) {
		t.Errorf("the log holds a secret: %s", l.log.String())
	}
	for _, line := range l.Requests() {
		if strings.Contains(line, "archivist") || strings.Contains(line, "json-output") || strings.Contains(line, "download") {
			t.Errorf("asked for %s", line)
		}
	}
}
