package github

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
		"jweiss-x1", "mira-kostka9", "tomas-lind3", "renovate-acme",
		"Jürgen Weißhaupt", "Mira Kostka", "Tomáš Lindqvist", "planted.example", "users.noreply.example",
	}
)

func config(url, token string) Config {
	c := *Spec().Config().(*Config)
	c.URL, c.TokenFile = url+"/api/v3/", token
	c.Repos = []string{"acme/platform", "acme/tools"}
	c.Branches = []string{"main", "release"}
	c.Skip = []string{partPipelines, partChecks, partDeployments, partPushes, partMembers, partAudit} // see parts_test.go
	return c
}

func suite() collectortest.Suite {
	return collectortest.Suite{
		Source: "github/acme", Now: now, Conversation: "testdata/acme.txtar", Planted: planted, Also: []int{410, 422, 503, 504},
		Wants: []evidence.Kind{evidence.ChangeCommit, evidence.ChangeRef, evidence.ChangeMerge, evidence.ChangeReview, evidence.ChangeProtection},
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := config(w.URL, w.TokenFile)
			cfg.Timeout = w.Timeout
			c, err := newWith(cfg, w.Env, fetch.Options{Sleep: w.Sleep, MaxBody: w.MaxBody})
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		// What these answers say is a fact by itself: no account, no such
		// branch, guards or who dismissed a review not visible.
		Means: func(status int, line string) bool {
			if strings.Contains(line, "/issues/") {
				return status == 403 || status == 404 || status == 410
			}
			if status != 403 && status != 404 {
				return false
			}
			return strings.HasSuffix(line, "/user") || strings.Contains(line, "/protection") || strings.Contains(line, "/rules/") ||
				strings.Contains(line, "/rulesets/") || status == 404 && strings.HasSuffix(line, "/branches/release")
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
	c     *Collector
}

func newLab(t *testing.T, change func(*Config)) *lab {
	t.Helper()
	l := &lab{Replay: collectortest.NewReplay(t, "testdata/acme.txtar", now), t: t, clock: now}
	w := collectortest.Desk(t, "github/acme", l.URL, &l.clock)
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
