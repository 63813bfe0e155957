package gitlab

import (
	"flag"
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
	planted = []string{
		"hkoenig-x2", "pmarek7", "lvidal-ops", "Hanna König", "Petr Marek", "Léa Vidal", "planted.example",
	}
)

func config(url, token string) Config {
	c := *Spec().Config().(*Config)
	c.URL, c.TokenFile = url+"/forge/", token
	c.Groups, c.Include = []string{"acme"}, []string{"acme/platform", "acme/sub/"}
	c.History, c.PipelineHistory = 25*day, 10*day
	return c
}

// means: what these answers say is a fact by itself: no such signature, not in
// this edition, turned off, or hidden, each of which is told as a blind window,
// a note, or a missing list.
func means(status int, line string) bool {
	if status != 403 && status != 404 {
		return false
	}
	for _, part := range []string{
		"/personal_access_tokens/self", "/approval_state", "/push_rule", "/approval_rules", "/protected_branches", "/protected_environments", "/merge_request_approval_setting",
		"/members", "/access_tokens", "/deploy_keys", "/audit_events", "/artifacts/", "/vulnerability_findings", "/events?action=pushed",
	} {
		if strings.Contains(line, part) {
			return true
		}
	}
	path, query, _ := strings.Cut(strings.TrimPrefix(line, "GET "), "?")
	if query != "" && (strings.HasSuffix(path, "/merge_requests") || strings.HasSuffix(path, "/pipelines") || strings.HasSuffix(path, "/deployments")) {
		return true
	}
	return strings.HasSuffix(path, "/approvals") && !strings.Contains(path, "/merge_requests/") ||
		status == 404 && (strings.HasSuffix(path, "/signature") || strings.Contains(path, "/pipelines/55121"))
}

func suite() collectortest.Suite {
	return collectortest.Suite{
		Source: "gitlab/acme", Now: now, Conversation: "testdata/acme.txtar", Planted: planted, Also: []int{410, 422, 503, 504},
		Wants: []evidence.Kind{
			evidence.ChangeCommit, evidence.ChangeRef, evidence.ChangeMerge, evidence.ChangeReview, evidence.ChangeProtection,
			evidence.PipelineRun, evidence.PipelineReport, evidence.DeployRelease, evidence.AccessMember, evidence.AccessAudit,
		},
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := config(w.URL, w.TokenFile)
			cfg.Timeout, cfg.Include, cfg.Homes = w.Timeout, []string{"acme/platform"}, []string{"acme/ops"}
			c, err := newWith(cfg, w.Env, fetch.Options{Sleep: w.Sleep, MaxBody: w.MaxBody})
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		Means: means,
	}
}

func TestConformance(t *testing.T) { collectortest.Run(t, suite()) }

// lab is a collector against a conversation that can be changed.
type lab struct {
	*collectortest.Replay
	t     *testing.T
	cfg   Config
	clock time.Time
	c     *Collector
}

func newLab(t *testing.T, change func(*Config)) *lab {
	t.Helper()
	return labOf(t, collectortest.NewReplay(t, "testdata/acme.txtar", now), change)
}

func labOf(t *testing.T, replay *collectortest.Replay, change func(*Config)) *lab {
	t.Helper()
	l := &lab{Replay: replay, t: t, clock: now}
	w := collectortest.Desk(t, "gitlab/acme", l.URL, &l.clock)
	l.cfg = config(w.URL, w.TokenFile)
	if change != nil {
		change(&l.cfg)
	}
	var err error
	l.c, err = newWith(l.cfg, w.Env, fetch.Options{Sleep: w.Sleep})
	if err != nil {
		t.Fatal(err)
	}
	return l
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
	collectortest.Golden{File: "testdata/acme.golden", Update: *update, URL: l.URL}.Check(t, l.must(nil))
}
