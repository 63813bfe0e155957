package harbor

import (
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
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

func TestConformance(t *testing.T) {
	collectortest.Run(t, collectortest.Suite{
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
	})
}

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
	l := &lab{Replay: collectortest.NewReplay(t, "testdata/registry.txtar", now), t: t, clock: now}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a-token-of-the-test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.cfg = config(l.URL, token)
	if change != nil {
		change(&l.cfg)
	}
	l.restart()
	return l
}

// restart makes a fresh collector, as after a restart of the daemon.
func (l *lab) restart() {
	l.t.Helper()
	env := collectors.Env{Source: "harbor/prod", Clock: func() time.Time { return l.clock }, Log: slog.New(slog.DiscardHandler)}
	var err error
	l.c, err = newWith(l.cfg, env, fetch.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
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
	rec := l.must(nil)
	var b strings.Builder
	for _, d := range rec.Drafts {
		d.Request.URL = strings.ReplaceAll(d.Request.URL, l.URL, "{{url}}")
		type golden struct {
			Kind, Op, Key, Subject, Basis     string
			OccurredAt, NotBefore, ObservedAt string
			People                            []evidence.Person
			Links, Scope, ActorScope          []evidence.Ref
			Content                           json.RawMessage
			Text, URL                         string
			Raw                               int
			Removed                           []string
		}
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", " ")
		if err := enc.Encode(golden{
			string(d.Kind), string(d.Op), d.Key, d.Subject.String(), string(d.Basis),
			evidence.FormatTime(d.OccurredAt), evidence.FormatTime(d.NotBefore), evidence.FormatTime(d.ObservedAt),
			d.People, d.Links, d.Scope, d.ActorScope, d.Content, string(d.Text), d.Request.URL, len(d.Raw), d.Removed,
		}); err != nil {
			t.Fatal(err)
		}
	}
	o, err := json.MarshalIndent(last(rec), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	b.Write(o)
	b.WriteString("\n")
	file := "testdata/registry.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("drafts of the first look (-want +got):\n%s", d)
	}
}
