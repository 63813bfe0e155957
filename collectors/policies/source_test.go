package policies

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// served makes a source of a server that serves the recorded objects.
func served(t *testing.T) (*source, *collectortest.Replay) {
	t.Helper()
	srv := collectortest.NewReplay(t, kubetest.Conversation(t, objectsFile, spaces), now)
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("token"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig()
	cfg.Server, cfg.TokenFile, cfg.QPS, cfg.Watch = srv.URL, token, 1e6, false
	env := collectors.Env{Source: "policies/prod", Clock: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	c, err := newWith(cfg, env, kube.Client(func(o *fetch.Options) {
		o.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	}))
	if err != nil {
		t.Fatal(err)
	}
	return c.(*source), srv
}

func ofConstraints(rec *collectortest.Recorder) (n int) {
	for _, d := range rec.Drafts {
		if d.Kind == evidence.PolicyInForce && len(d.Scope) > 0 && slices.Contains(d.Scope, evidence.NewRef("object", "prod", "k8srequiredlabels.constraints.gatekeeper.sh")) {
			n++
		}
	}
	return n
}

// A run finds that there is a kind of constraints that it does not read, and goes
// on with it; nothing is lost and nothing ends for that.
func TestNewKindOfConstraints(t *testing.T) {
	s, _ := served(t)
	rec := &collectortest.Recorder{}
	err := s.run(nil, rec, func(e collectors.Collector, resume []byte, sink collectors.Sink) error {
		return e.Poll(t.Context(), evidence.Period{To: now}, resume, sink)
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := ofConstraints(rec); n != 2 || !slices.Equal(s.kinds, []string{"K8sRequiredLabels"}) {
		t.Errorf("%d constraints of kinds %v", n, s.kinds)
	}
	for _, d := range rec.Drafts {
		if d.Op == evidence.OpEnd {
			t.Errorf("%s ended", d.Subject)
		}
	}
	if o := rec.Commits[len(rec.Commits)-1].Observation; o.Incomplete != "" {
		t.Errorf("incomplete: %s", o.Incomplete)
	}
}

// A kind of constraints whose template went while nobody looked is still read once:
// what it told ends, and no policy counts as there for it.
func TestKindOfConstraintsGone(t *testing.T) {
	s, srv := served(t)
	rec := &collectortest.Recorder{}
	if err := s.Poll(t.Context(), evidence.Period{To: now}, nil, rec); err != nil || ofConstraints(rec) != 2 {
		t.Fatalf("%d constraints, %v", ofConstraints(rec), err)
	}
	kept := rec.Resume()
	srv.Replace("GET /readyz", "ok")
	for _, version := range []string{"v1", "v1beta1"} {
		srv.Replace("GET /apis/templates.gatekeeper.sh/"+version+"/constrainttemplates?limit=500", `{"kind":"List","metadata":{"resourceVersion":"1001"},"items":[]}`)
		srv.Replace("GET /apis/constraints.gatekeeper.sh/"+version, `{"kind":"APIResourceList","groupVersion":"constraints.gatekeeper.sh/`+version+`","resources":[]}`)
	}
	for _, what := range []string{"the same process", "after a restart"} {
		if what == "after a restart" {
			s, _ = served(t)
			s.r.cfg.Server = srv.URL
			if err := s.build(nil); err != nil {
				t.Fatal(err)
			}
		}
		rec := &collectortest.Recorder{}
		if err := s.Poll(t.Context(), evidence.Period{To: now}, kept, rec); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		list := evidence.NewRef("object", "prod", "k8srequiredlabels.constraints.gatekeeper.sh")
		for _, kind := range []evidence.Kind{evidence.PolicyInForce, evidence.PolicyResult} {
			if !slices.ContainsFunc(rec.Completed, func(c collectortest.Completed) bool { return c.Kind == kind && c.Scope == list }) {
				t.Errorf("%s: %s of the constraints is open for ever", what, kind)
			}
		}
		if told := s.r.told(); len(told) > 0 {
			t.Errorf("%s: it remembers %q", what, told)
		}
	}
}

// With kinds that change all the time a run ends and says so.
func TestKindsThatNeverRest(t *testing.T) {
	s, _ := served(t)
	err := s.run(nil, &collectortest.Recorder{}, func(collectors.Collector, []byte, collectors.Sink) error { return errKinds })
	if err == nil || errors.Is(err, errKinds) {
		t.Errorf("got %v", err)
	}
}

// A look before the run finds the kinds, so that they are read at once.
func TestPrepare(t *testing.T) {
	s, _ := served(t)
	if err := s.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s.engine.Kinds(), s.Kinds()); d != "" {
		t.Errorf("the engine makes other kinds (-engine +source):\n%s", d)
	}
	if !slices.Equal(s.kinds, []string{"K8sRequiredLabels"}) {
		t.Errorf("kinds %v", s.kinds)
	}
}

// beginning is a sink that is told where lists begin.
type beginning struct {
	collectortest.Recorder
	began int
}

func (b *beginning) Begin(evidence.Kind, evidence.Ref) { b.began++ }

// Another engine goes on where the one before it committed, and the sink keeps its
// abilities.
func TestGoesOnAfterCommit(t *testing.T) {
	s, _ := served(t)
	sink := &beginning{}
	var resumes []string
	err := s.run([]byte("first"), sink, func(_ collectors.Collector, resume []byte, k collectors.Sink) error {
		resumes = append(resumes, string(resume))
		if len(resumes) == 3 {
			return nil
		}
		k.(collectors.Beginner).Begin(evidence.PolicyResult, evidence.Ref{})
		if len(resumes) == 1 {
			if err := k.Commit(t.Context(), []byte("second"), evidence.Observation{At: now}); err != nil {
				return err
			}
		}
		return errKinds
	})
	if err != nil || !slices.Equal(resumes, []string{"first", "second", "second"}) || sink.began != 2 {
		t.Errorf("went on from %q, %d lists begun: %v", resumes, sink.began, err)
	}
	plain := &collectortest.Recorder{}
	if err := s.run(nil, plain, func(_ collectors.Collector, _ []byte, k collectors.Sink) error {
		if _, ok := k.(collectors.Beginner); ok {
			t.Error("a sink without that ability got it")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// Under a role of before, which gives no mutating webhook configurations, nothing is
// blind for that: it is noted, and told as not known while a policy verifies images.
func TestMutatingWebhooksRefused(t *testing.T) {
	s, srv := served(t)
	var refused atomic.Bool
	refused.Store(true)
	srv.SetFault(func(_ int, line string, w http.ResponseWriter, _ *http.Request) bool {
		if !refused.Load() || !strings.Contains(line, "/mutatingwebhookconfigurations") {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	poll := func(kept []byte) (*collectortest.Recorder, string) {
		t.Helper()
		rec := &collectortest.Recorder{}
		if err := s.Poll(t.Context(), evidence.Period{To: now}, kept, rec); err != nil {
			t.Fatal(err)
		}
		o := rec.Commits[len(rec.Commits)-1].Observation
		if o.Incomplete != "" {
			t.Errorf("incomplete: %s", o.Incomplete)
		}
		if got := strings.Contains(strings.Join(o.Notes, "\n"), "may not list and watch mutatingwebhookconfigurations.admissionregistration.k8s.io (403)"); got != refused.Load() {
			t.Errorf("refused %t, notes %q", refused.Load(), o.Notes)
		}
		if !slices.ContainsFunc(o.Seen, func(x evidence.Seen) bool {
			return x.Class != evidence.Blind && slices.Contains(x.Kinds, evidence.PolicyInForce)
		}) {
			t.Errorf("policies are not covered: %+v", o.Seen)
		}
		told := ""
		for _, d := range rec.Drafts {
			if d.Subject.Name == "MutatingWebhookConfiguration//kyverno-resource-mutating-webhook-cfg" {
				told += string(d.Op)
				if d.Op == evidence.OpSet {
					f := evidencetest.Decode[evidence.AdmissionPolicyFacts](t, d)
					told += " " + f.Ready + " " + f.Reason
				}
			}
		}
		return rec, told
	}
	rec, told := poll(nil)
	if told != "set Unknown NotRead" {
		t.Errorf("refused: told %q", told)
	}
	rec, told = poll(rec.Resume())
	if told != "" {
		t.Errorf("refused still: told %q", told)
	}
	refused.Store(false)
	if _, told = poll(rec.Resume()); told != "end" {
		t.Errorf("given: told %q", told)
	}
}
