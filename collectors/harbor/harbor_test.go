package harbor

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
		"jweiss-x1", "mira-kostka9", "tomas-lind3", "Jürgen Weißhaupt", "planted.example",
		// No names, but as little to be found in facts.
		"secret-of-the-hook", "secret-path-of-the-hook", "scanner-credential", "not-to-be-kept", "redis://",
	}
)

func config(url, token string) Config {
	c := *Spec().Config().(*Config)
	c.URL, c.TokenFile, c.User, c.Registry = url+"/registry", token, "robot$evidenced", "harbor.example"
	return c
}

// meaning are the answers that are a fact by themselves: a registry without
// that form of the audit log, a report or rule that is gone, a right that no
// robot can have, and rights without which less is told, with a note.
func meaning(status int, line string) bool {
	_, path, _ := strings.Cut(line, "/api/v2.0/")
	path, _, _ = strings.Cut(path, "?")
	switch status {
	case 404:
		return path == "auditlog-exts" || path == "audit-logs" || path == "configurations" || path == "system/purgeaudit" ||
			strings.HasPrefix(path, "retentions/") || strings.HasSuffix(path, "/scanner") || strings.HasSuffix(path, "/vulnerabilities") || strings.HasSuffix(path, "/sbom")
	case 422:
		return strings.HasSuffix(path, "/sbom")
	case 403:
		return path == "configurations" || path == "quotas" || strings.HasSuffix(path, "/scanner") || strings.HasSuffix(path, "/vulnerabilities") || strings.HasSuffix(path, "/sbom")
	}
	return false
}

func suite() collectortest.Suite {
	return collectortest.Suite{
		Source: "harbor/prod", Now: now, Conversation: "testdata/registry.txtar", Planted: planted, Also: []int{410, 422, 503, 504},
		Wants: (&Collector{}).Kinds(), Means: meaning,
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
	c     *Collector
}

func newLab(t *testing.T, change func(*Config)) *lab {
	t.Helper()
	l := &lab{Replay: collectortest.NewReplay(t, "testdata/registry.txtar", now), t: t, clock: now}
	l.desk = collectortest.Desk(t, "harbor/prod", l.URL, &l.clock)
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
	collectortest.Golden{File: "testdata/registry.golden", Update: *update, URL: l.URL}.Check(t, l.must(nil))
}
