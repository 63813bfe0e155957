package argocd

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
)

// planted are the names in testdata that may stand in people, text and raw
// alone.
var planted = []string{"planted-owner", "mira.planted", "jonas.planted", "planted-pass", "planted-value"}

// completed are the scopes in which the list of applications was full.
func completed(rec *collectortest.Recorder) (scopes []evidence.Ref) {
	for _, c := range rec.Completed {
		if c.Kind == evidence.DeployState {
			scopes = append(scopes, c.Scope)
		}
	}
	return scopes
}

func suite(conversation string, projects ...string) collectortest.Suite {
	return collectortest.Suite{
		Source: "argocd/prod", Now: t0.Add(time.Minute), Conversation: filepath.Join("testdata", conversation),
		Wants: []evidence.Kind{evidence.DeploySync, evidence.DeployState, evidence.DeployProject}, Planted: planted,
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := *newConfig().(*Config)
			cfg.URL, cfg.TokenFile, cfg.MaxListBytes, cfg.Projects = w.URL, w.TokenFile, w.MaxBody, projects
			c, err := newWith(cfg, w.Env, func(o *fetch.Options) { o.Sleep, o.Timeout = w.Sleep, w.Timeout })
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
		// A server that does not tell its version is as good as another.
		Means: func(status int, line string) bool { return status == http.StatusNotFound && line == "GET /api/version" },
	}
}

func TestConformance(t *testing.T) { collectortest.Run(t, suite("all.txtar")) }
func TestConformanceProjects(t *testing.T) {
	collectortest.Run(t, suite("projects.txtar", "tenant-7", "tenant-8"))
}

// TestGolden compares every draft of a look at a list with many shapes.
func TestGolden(t *testing.T) {
	r := collectortest.NewReplay(t, filepath.Join("testdata", "all.txtar"), t0.Add(time.Minute))
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := *newConfig().(*Config)
	cfg.URL, cfg.TokenFile = r.URL, file
	c, err := New(cfg, collectors.Env{Source: "argocd/prod", Clock: func() time.Time { return r.Now }})
	if err != nil {
		t.Fatal(err)
	}
	rec := &collectortest.Recorder{}
	if err := c.Poll(t.Context(), evidence.Period{To: r.Now}, nil, rec); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for _, d := range rec.Drafts {
		b, err := json.MarshalIndent(struct {
			evidence.Draft
			Content   json.RawMessage
			Text, Raw string
			Request   any `json:",omitempty"`
		}{Draft: d, Content: d.Content, Text: string(d.Text), Raw: string(d.Raw)}, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		got.Write(append(b, '\n'))
	}
	evidencetest.Golden(t, "all.golden", got.Bytes())
}

func TestPollTwice(t *testing.T) {
	s := newServer(t, application("tenant-7-web", slot("Succeeded", sha1st, 10, by("mira.planted@example.test")), history(0, sha1st, 11, by("mira.planted@example.test")), reconciled(50)))
	c, rec := s.collector(), &collectortest.Recorder{}
	ds, o := s.mustPoll(c, rec)
	if len(ds) != 2 {
		t.Fatalf("first look gives %d drafts, want a sync and a state", len(ds))
	}
	p := ds[0].People[0]
	want := evidence.Person{Role: "initiator", Realm: "argocd:prod", NativeID: "mira.planted@example.test", Names: evidence.Names{Mail: "mira.planted@example.test"}, Proof: "authenticated"}
	if d := cmp.Diff(want, p); d != "" {
		t.Errorf("initiator (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"sync reconstructed  -86400..60", "sync instants  60..60", "state instants  60..60"}, claimed(o)); d != "" {
		t.Errorf("claims of the first look (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]collectortest.Completed{{Kind: evidence.DeployState}, {Kind: evidence.DeployProject}}, rec.Completed); d != "" {
		t.Errorf("complete lists (-want +got):\n%s", d)
	}

	// Nothing but reconciledAt: the state is said again, so that it does not
	// end, and no sync.
	s.at(120, application("tenant-7-web", gen(2), slot("Succeeded", sha1st, 10, by("x")), history(0, sha1st, 11, by("x")), reconciled(110)))
	ds, o = s.mustPoll(c, rec)
	if len(ds) != 1 || ds[0].Kind != evidence.DeployState || !ds[0].NotBefore.Equal(t0.Add(time.Minute)) {
		t.Fatalf("second look gives %+v", ds)
	}
	if d := cmp.Diff([]string{"sync instants  120..120", "state instants  120..120"}, claimed(o)); d != "" {
		t.Errorf("claims of a quiet second look (-want +got):\n%s", d)
	}

	// An automated sync without a name, and drift at the same look.
	s.at(180, application("tenant-7-web", gen(3), slot("Succeeded", sha2nd, 150, automated), history(0, sha1st, 11, by("x")), history(1, sha2nd, 151, automated),
		set("OutOfSync", "status", "sync", "status"), reconciled(170)))
	ds, _ = s.mustPoll(c, rec)
	sync := evidencetest.Decode[evidence.SyncFacts](t, ds[0])
	if len(ds) != 2 || sync.Initiator != -1 || !sync.Automated || sync.Seen != "both" || len(ds[0].People) != 0 {
		t.Errorf("an automated sync: %+v", sync)
	}
	if ds[1].Basis != evidence.BasisObserved || !ds[1].NotBefore.Equal(t0.Add(2*time.Minute)) {
		t.Errorf("drift has no time at the source: %s, not before %s", ds[1].Basis, ds[1].NotBefore)
	}
}

func TestInitiators(t *testing.T) {
	c := &Collector{realm: "argocd:prod", authority: "prod"}
	c.env.Mark = func(_, id, _ string) (bot, shared bool) { return id == "ci", id == "admin" }
	for _, tc := range []struct {
		by   obj
		want []evidence.Person
	}{
		{obj{}, nil},
		{automated, nil},
		{by("alice"), []evidence.Person{{Role: "initiator", Realm: "argocd:prod", NativeID: "alice", Names: evidence.Names{Login: "alice"}, Proof: "authenticated"}}},
		{by("ci"), []evidence.Person{{Role: "initiator", Realm: "argocd:prod", NativeID: "ci", Names: evidence.Names{Login: "ci", Bot: true}, Proof: "authenticated"}}},
		{by("admin"), []evidence.Person{{Role: "initiator", Realm: "argocd:prod", NativeID: "admin", Names: evidence.Names{Login: "admin", Shared: true}, Proof: "authenticated"}}},
		{by("proj:tenant-7:deploy"), []evidence.Person{{Role: "initiator", Realm: "argocd:prod", NativeID: "proj:tenant-7:deploy", Names: evidence.Names{Login: "proj:tenant-7:deploy", Bot: true}, Proof: "authenticated"}}},
		{obj{"username": "applicationset-controller", "automated": true}, []evidence.Person{{Role: "initiator", Realm: "argocd:prod", NativeID: "applicationset-controller", Names: evidence.Names{Login: "applicationset-controller", Bot: true}, Proof: "claimed"}}},
	} {
		a := decoded(t, application("tenant-7-web", slot("Succeeded", sha1st, 1, tc.by)))
		if d := cmp.Diff(tc.want, c.initiator(a.Status.OperationState.Operation.InitiatedBy)); d != "" {
			t.Errorf("%v (-want +got):\n%s", tc.by, d)
		}
	}
}

func TestLostHistoryIsBlind(t *testing.T) {
	s := newServer(t, application("tenant-7-web", history(3, sha1st, 11, automated), reconciled(50)), application("tenant-8-web", reconciled(50)))
	c, rec := s.collector(), &collectortest.Recorder{}
	s.mustPoll(c, rec)
	s.at(120, application("tenant-7-web", gen(2), history(9, sha2nd, 100, automated), reconciled(110)), application("tenant-8-web", reconciled(110)))
	_, o := s.mustPoll(c, rec)
	want := []string{"sync blind project:prod/tenant-7 60..120", "sync blind ns:prod/tenant-7 60..120", "sync instants  120..120", "state instants  120..120"}
	if d := cmp.Diff(want, claimed(o)); d != "" {
		t.Errorf("claims (-want +got):\n%s", d)
	}
	if cause := o.Seen[0].Cause; cause != "5 entries of the history are lost: id 3 is followed by 9" {
		t.Errorf("cause: %s", cause)
	}
}

func TestFrozenVerdicts(t *testing.T) {
	web, api := application("tenant-7-web", reconciled(-1200)), application("tenant-8-web", reconciled(-1500))
	s := newServer(t, web, api)
	c, rec := s.collector(), &collectortest.Recorder{}
	ds, o := s.mustPoll(c, rec)
	if len(ofKind(ds, evidence.DeployState)) != 2 {
		t.Errorf("states are recorded all the same: got %d", len(ds))
	}
	want := []string{"state blind  -1200..60", "sync reconstructed  -86400..60", "sync instants  60..60"}
	if d := cmp.Diff(want, claimed(o)); d != "" {
		t.Errorf("claims (-want +got):\n%s", d)
	}
	if !strings.Contains(o.Seen[0].Cause, "Argo CD has not reconciled since 2026-03-02T12:40:00Z") || len(o.Notes) < 2 {
		t.Errorf("cause %q, notes %q", o.Seen[0].Cause, o.Notes)
	}
	s.at(120, web, api)
	_, o = s.mustPoll(c, rec)
	if d := cmp.Diff([]string{"state blind  60..120", "sync instants  120..120"}, claimed(o)); d != "" {
		t.Errorf("still frozen (-want +got):\n%s", d)
	}
	// One project's shard is back.
	s.at(180, application("tenant-7-web", gen(2), reconciled(170)), api)
	_, o = s.mustPoll(c, rec)
	want = []string{"state blind project:prod/tenant-8 120..180", "state blind ns:prod/tenant-8 120..180",
		"sync instants  180..180", "state instants project:prod/tenant-7 180..180", "state instants ns:prod/tenant-7 180..180"}
	if d := cmp.Diff(want, claimed(o)); d != "" {
		t.Errorf("one project frozen (-want +got):\n%s", d)
	}
	// What Argo CD leaves alone on purpose freezes nothing.
	left := application("tenant-8-web", reconciled(-1500), set(obj{skipReconcile: "true"}, "metadata", "annotations"))
	s.at(240, application("tenant-7-web", gen(3), reconciled(230)), left)
	_, o = s.mustPoll(c, rec)
	if d := cmp.Diff([]string{"sync instants  240..240", "state instants  240..240"}, claimed(o)); d != "" {
		t.Errorf("left alone on purpose (-want +got):\n%s", d)
	}
}

// When the controller is back, the stretch up to the look that sees it was
// blind too.
func TestVerdictsAliveAgain(t *testing.T) {
	s := newServer(t, application("tenant-7-web", reconciled(-1200)))
	c, rec := s.collector(), &collectortest.Recorder{}
	s.mustPoll(c, rec)
	s.at(120, application("tenant-7-web", gen(2), reconciled(110)))
	_, o := s.mustPoll(c, rec)
	if d := cmp.Diff([]string{"state blind  60..120", "sync instants  120..120", "state instants  120..120"}, claimed(o)); d != "" {
		t.Errorf("claims (-want +got):\n%s", d)
	}
	if !strings.Contains(o.Seen[0].Cause, "since 2026-03-02T12:40:00Z") {
		t.Errorf("cause %q", o.Seen[0].Cause)
	}
}

func TestScopeShrank(t *testing.T) {
	seven, eight, api := application("tenant-7-web", reconciled(50)), application("tenant-8-web", reconciled(50)), application("tenant-7-api", reconciled(50))
	for _, tc := range []struct {
		name      string
		can       map[string]string
		then      []obj
		shrank    bool
		completed []evidence.Ref
	}{
		{"a project is hidden", map[string]string{"tenant-8/*": "no"}, []obj{seven, api}, true, []evidence.Ref{projectRef("prod", "tenant-7")}},
		{"a project is gone and the server does not say why", nil, []obj{seven, api}, true, []evidence.Ref{projectRef("prod", "tenant-7")}},
		{"a project is empty", map[string]string{"tenant-8/*": "yes"}, []obj{seven, api}, false, []evidence.Ref{{}}},
		{"an application is hidden", map[string]string{"tenant-7/tenant-7-api": "no"}, []obj{seven, eight}, true, []evidence.Ref{projectRef("prod", "tenant-8")}},
		{"an application is gone", map[string]string{"tenant-7/tenant-7-api": "yes"}, []obj{seven, eight}, false, []evidence.Ref{{}}},
		{"nothing is visible", map[string]string{"tenant-7/*": "no", "tenant-8/*": "no"}, nil, true, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t, seven, eight, api)
			c, rec := s.collector(), &collectortest.Recorder{}
			s.mustPoll(c, rec)
			for look := range 2 { // the second look after it says the same
				rec.Completed = nil
				s.can = tc.can
				s.at(120+60*look, tc.then...)
				_, o := s.mustPoll(c, rec)
				if got := strings.Contains(o.Incomplete, "scope shrank"); got != tc.shrank {
					t.Errorf("look %d: incomplete is %q", look, o.Incomplete)
				}
				scopes := completed(rec)
				if d := cmp.Diff(tc.completed, scopes); d != "" {
					t.Errorf("look %d: complete lists (-want +got):\n%s", look, d)
				}
				for _, s := range o.Seen {
					if tc.shrank && s.Scope.IsZero() && !slices.Contains(s.Kinds, evidence.DeployProject) {
						t.Errorf("look %d claims everything: %+v", look, s)
					}
				}
			}
			// It comes back: whole again, and nothing was ended or doubled.
			rec.Completed = nil
			s.at(300, seven, eight, api)
			_, o := s.mustPoll(c, rec)
			if o.Incomplete != "" || len(completed(rec)) != 1 || len(o.Sees) != 2 {
				t.Errorf("back: %q, %v, sees %v", o.Incomplete, rec.Completed, o.Sees)
			}
		})
	}
}

func TestRefusedAndBroken(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int
		body   string
		code   problem.Code
	}{
		{"no token", 401, `{"error":"no session information","code":16,"message":"no session information"}`, problem.Credential},
		{"denied", 403, `{"error":"permission denied","code":7,"message":"permission denied"}`, problem.Credential},
		{"not there", 404, `404 page not found`, problem.NotFound},
		{"ingress", 502, `<html>Bad Gateway</html>`, problem.Source},
		{"login page", 200, `<html>Log in</html>`, problem.Source},
		{"error body with a good status", 200, `{"error":"x","code":13,"message":"x"}`, problem.Source},
		{"cut", 200, `{"metadata":{},"items":[{"metadata":`, problem.Source},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newServer(t)
			s.list = func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				w.Write([]byte(tc.body))
			}
			rec := &collectortest.Recorder{}
			err := s.poll(s.collector(), rec)
			if !problem.Is(err, tc.code) {
				t.Errorf("got %v, want a problem %s", err, tc.code)
			}
			if err != nil && strings.Contains(err.Error(), token) || len(rec.Commits) > 0 || len(rec.Completed) > 0 {
				t.Errorf("error %v, %d commits, %d complete lists", err, len(rec.Commits), len(rec.Completed))
			}
		})
	}
}

// An account without rights gets an empty list with a good status.
func TestEmptyList(t *testing.T) {
	for can, want := range map[string]problem.Code{"yes": "", "": "", "no": problem.Credential} {
		s := newServer(t)
		if can != "" {
			s.can["*/*"] = can
		}
		rec := &collectortest.Recorder{}
		err := s.poll(s.collector(), rec)
		if want != "" && (!problem.Is(err, want) || len(rec.Commits) > 0) {
			t.Errorf("can-i %q: got %v and %d commits", can, err, len(rec.Commits))
		}
		if want == "" && (err != nil || len(completed(rec)) != 1) {
			t.Errorf("can-i %q: got %v, complete %v", can, err, rec.Completed)
		}
	}
}

// An item that cannot be read costs the claim, not the other items.
func TestUnreadableItem(t *testing.T) {
	s := newServer(t, application("tenant-7-web", reconciled(50)), application("tenant-8-web", set("not a time", "status", "reconciledAt")))
	c, rec := s.collector(), &collectortest.Recorder{}
	ds, o := s.mustPoll(c, rec)
	if len(ofKind(ds, evidence.DeployState)) != 1 || o.Incomplete != "1 of 2 applications in the list could not be read" || len(completed(rec)) > 0 {
		t.Errorf("%d drafts, incomplete %q, complete %v", len(ds), o.Incomplete, rec.Completed)
	}
	for _, s := range o.Seen {
		if s.Class != evidence.Blind && !slices.Contains(s.Kinds, evidence.DeployProject) {
			t.Errorf("claims %+v", s)
		}
	}
}

// A replica that lags shows older applications: no state turns back, and none
// ends for it. A restored cluster stays older and is believed in the end.
func TestLaggingReplica(t *testing.T) {
	s := newServer(t, application("tenant-7-web", gen(9), set("OutOfSync", "status", "sync", "status"), reconciled(50)))
	c, rec := s.collector(), &collectortest.Recorder{}
	s.mustPoll(c, rec)
	for i, want := range []int{0, 0, 1} {
		rec.Completed = nil
		s.at(120+i, application("tenant-7-web", gen(8), reconciled(50)))
		ds, _ := s.mustPoll(c, rec)
		if len(ds) != want || len(completed(rec)) != want {
			t.Errorf("look %d: %d drafts, %d complete lists, want %d", i, len(ds), len(rec.Completed), want)
		}
	}
}

func TestBadResume(t *testing.T) {
	for _, b := range []string{"{", "null", `{"v":2,"apps":{}}`, `{"v":1}`, `{"v":1,"apps":{"x":null}}`, `{"v":1,"apps":{},"more":1}`, `{"v":1,"apps":{"x":{"ops":[null]}}}`} {
		if _, err := loadResume([]byte(b)); !problem.Is(err, problem.Corrupt) {
			t.Errorf("%s: got %v", b, err)
		}
	}
}

func TestConfig(t *testing.T) {
	good := *newConfig().(*Config)
	good.URL, good.TokenFile = "https://argocd.example.test", "/run/token"
	env := collectors.Env{Source: "argocd/prod", Clock: time.Now}
	if _, err := Spec().New(&good, env); err != nil {
		t.Fatalf("a good config: %v", err)
	}
	for name, change := range map[string]func(*Config){
		"url is missing":              func(c *Config) { c.URL = "" },
		"token_file is missing":       func(c *Config) { c.TokenFile = "" },
		"poll_every":                  func(c *Config) { c.PollEvery = 0 },
		"watch_timeout":               func(c *Config) { c.WatchTimeout = -1 },
		"stale_after":                 func(c *Config) { c.StaleAfter = 0 },
		"max_list_bytes":              func(c *Config) { c.MaxListBytes = 0 },
		"max_line_bytes":              func(c *Config) { c.MaxLineBytes = 10 },
		`project "a*"`:                func(c *Config) { c.Projects = []string{"a*"} },
		`project "a" is`:              func(c *Config) { c.Projects = []string{"a", "a"} },
		"holds a user":                func(c *Config) { c.URL = "https://u:p@argocd.example.test" },
		`url: base URL has scheme "f`: func(c *Config) { c.URL = "ftp://argocd.example.test" },
	} {
		cfg := good
		change(&cfg)
		_, err := New(cfg, env)
		if !problem.Is(err, problem.Config) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
