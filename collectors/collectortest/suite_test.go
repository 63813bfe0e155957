package collectortest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

var now = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)

// toy is a small collector with one defect, or none.
type toy struct {
	defect string
	w      collectortest.World
	c      *fetch.Client
	token  func() (evidence.Secret, error)
}

func newToy(t testing.TB, defect string, w collectortest.World) *toy {
	token := fetch.TokenFile(w.TokenFile)
	c, err := fetch.New(fetch.Options{
		BaseURL: w.URL, Header: fetch.Bearer(token), Clock: w.Env.Clock, Log: w.Env.Log,
		Sleep: w.Sleep, Timeout: w.Timeout, MaxBody: w.MaxBody,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &toy{defect, w, c, token}
}

func (c *toy) Kinds() []evidence.Kind {
	if c.defect == "kinds" {
		return nil
	}
	return []evidence.Kind{evidence.ChangeRef}
}

func (c *toy) Poll(ctx context.Context, _ evidence.Period, resume []byte, s collectors.Sink) error {
	page := "/branches"
	if resume != nil && c.defect != "fresh start" {
		if err := json.Unmarshal(resume, &page); err != nil {
			return err
		}
	}
	if page == "" {
		page = "/branches"
	}
	o := evidence.Observation{At: now, Total: -1, Seen: []evidence.Seen{{Kinds: c.Kinds(), Class: evidence.Instants, From: now, To: now}}}
	whole := page == "/branches"
	for page != "" {
		next, err := c.page(ctx, page, s)
		switch {
		case err == nil:
		case c.defect == "ignores sink" && ctx.Err() == nil && fetch.Status(err) == 0 && strings.Contains(err.Error(), "recorder"):
		case c.defect == "swallows errors" && ctx.Err() == nil:
		case c.defect == "partial list" && ctx.Err() == nil:
			o.Incomplete, page = "the list broke off", ""
			continue
		case c.defect == "leaks in error":
			tok, _ := c.token()
			return fmt.Errorf("with %s: %w", tok.Reveal(), err)
		case c.defect == "stubborn" && ctx.Err() != nil:
			return nil
		default:
			return err
		}
		page = next
		if c.defect == "commits ahead" && page != "" {
			b, _ := json.Marshal(c.w.URL + "/branches?page=3") // whether page 2 was read or not
			if err := s.Commit(ctx, b, evidence.Observation{At: now, Total: -1}); err != nil {
				return err
			}
		}
	}
	if whole {
		s.Complete(evidence.ChangeRef, evidence.Ref{})
	}
	if c.defect == "no claims" {
		o.Seen = nil
	}
	return s.Commit(ctx, []byte(`""`), o)
}

func (c *toy) page(ctx context.Context, path string, s collectors.Sink) (string, error) {
	r, err := c.c.Get(ctx, path, nil)
	if err != nil {
		return "", err
	}
	var list []struct{ Name, SHA, Owner string }
	if err := json.Unmarshal(r.Body, &list); err != nil {
		return "", err
	}
	for _, b := range list {
		if err := s.Emit(ctx, c.draft(b.Name, b.SHA, b.Owner)); err != nil {
			return "", err
		}
	}
	return fetch.NextLink(r.Header), nil
}

var runs int

func (c *toy) draft(name, sha, owner string) evidence.Draft {
	f := evidence.RefFacts{Repo: "r", Ref: name, SHA: sha}
	d := evidence.Draft{
		Kind: evidence.ChangeRef, Op: evidence.OpSet, Source: c.w.Env.Source, Key: name,
		Subject: evidence.NewRef("branch", "x", name), OccurredAt: now, Basis: evidence.BasisObserved, ObservedAt: now,
		People: []evidence.Person{{Role: evidence.RoleTagger, Realm: "x:y", NativeID: owner, Proof: evidence.ProofClaimed}},
	}
	switch c.defect {
	case "name in content":
		f.Ref += owner
	case "name in log":
		c.w.Env.Log.Info("branch", "owner", owner)
	case "token in draft":
		tok, _ := c.token()
		d.Text = []byte(tok.Reveal())
	case "new each time":
		runs++
		f.Repo = fmt.Sprint(runs)
	case "other source":
		d.Source = "other"
	case "local time":
		d.OccurredAt = now.In(time.FixedZone("x", 3600))
	}
	d.Content, _ = json.Marshal(f)
	return d
}

// defects pairs each defect with what the suite must say about it.
var defects = map[string]string{
	"":                "",
	"kinds":           "which Kinds does not list",
	"no claims":       "claims no coverage at all",
	"fresh start":     "a resume that cannot be read is taken",
	"ignores sink":    "the run ends without an error",
	"swallows errors": "the run says it is complete",
	"partial list":    "after a list that is not full",
	"leaks in error":  "found in the error",
	"commits ahead":   "and resumed",
	"name in content": "outside people, text and raw",
	"name in log":     "found in the log",
	"token in draft":  "found in a draft",
	"new each time":   "gives something new",
	"other source":    `has source "other"`,
	"local time":      "time is not UTC",
	"stubborn":        "cancelled",
}

const defectEnv = "COLLECTORTEST_DEFECT"

// TestToy runs the suite over the toy, with the defect that the environment
// names.
func TestToy(t *testing.T) {
	collectortest.Run(t, collectortest.Suite{
		Source: "toy/x", Now: now, Conversation: "testdata/toy.txtar",
		Wants: []evidence.Kind{evidence.ChangeRef}, Planted: []string{"Planted Person"},
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			return newToy(t, os.Getenv(defectEnv), w)
		},
	})
}

// TestSuiteFindsDefects runs the suite in a process of its own over each
// defect: it must fail, and say why.
func TestSuiteFindsDefects(t *testing.T) {
	if os.Getenv(defectEnv) != "" {
		return // we are that process
	}
	for defect, want := range defects {
		t.Run(defect, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestToy$")
			cmd.Env = append(os.Environ(), defectEnv+"="+defect)
			out, err := cmd.CombinedOutput()
			if (err != nil) != (want != "") || !strings.Contains(string(out), want) {
				t.Errorf("the suite says %v, want %q:\n%.2000s", err, want, out)
			}
		})
	}
}

func TestReplay(t *testing.T) {
	r := collectortest.ReplayOf(t, []byte(`
-- GET /a?x=1&b=2 --
status: 404
X-Test: {{url}}

gone
-- GET /twice --
one
-- GET /twice --
two
`), now)
	get := func(path, tag string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", r.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-None-Match", tag)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var b strings.Builder
		if _, err := fmt.Fprint(&b, resp.Header.Get("X-Test")); err != nil {
			t.Fatal(err)
		}
		return resp, b.String()
	}
	resp, h := get("/a?b=2&x=1", "")
	if resp.StatusCode != 404 || h != r.URL || resp.Header.Get("Date") != now.Format(http.TimeFormat) {
		t.Errorf("got %d, %q, %v", resp.StatusCode, h, resp.Header)
	}
	one, _ := get("/twice", "")
	two, _ := get("/twice", "")
	if one.Header.Get("ETag") == two.Header.Get("ETag") {
		t.Error("the second answer is the first")
	}
	if again, _ := get("/twice", two.Header.Get("ETag")); again.StatusCode != 304 {
		t.Errorf("the last answer does not stay: %d", again.StatusCode)
	}
	if d := len(r.Requests()); d != 4 || len(r.Requests()) != 0 {
		t.Errorf("%d requests", d)
	}
}

// What every tenant is told of a source quotes nothing of it.
func TestCausesInOurWords(t *testing.T) {
	claim := func(scope evidence.Ref, cause string) error {
		var rec collectortest.Recorder
		return rec.Commit(t.Context(), nil, evidence.Observation{At: now, Seen: []evidence.Seen{{Kinds: []evidence.Kind{evidence.ChangeCommit}, Scope: scope, Class: evidence.Blind, From: now, To: now, Cause: cause}}})
	}
	for _, cause := range []string{"Get \"https://forge.example/acme\": refused", "the source answers 503 Service Unavailable", "GET sys/audit failed", "dial tcp 127.0.0.1:8200: refused"} {
		if claim(evidence.Ref{}, cause) == nil {
			t.Errorf("%q passes", cause)
		}
		if err := claim(evidence.NewRef("project", "prod", "acme"), cause); err != nil {
			t.Errorf("of a part, for its owners alone: %v", err)
		}
	}
	if err := claim(evidence.Ref{}, "the source refused the credential, after 5000 looks"); err != nil {
		t.Error(err)
	}
}
