package collectortest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
)

// Suite describes a collector to the conformance suite. Fields that are nil or
// empty leave out what needs them, so that collectors of files or sockets use
// it too.
type Suite struct {
	// New makes a fresh collector, as after a restart of the daemon.
	New func(t testing.TB, w World) collectors.Collector
	// Source is the configured name.
	Source evidence.SourceID
	// Now is the clock of every run; Window.To when Window is set.
	Now time.Time
	// Window is given to Poll; the zero value stands for the first look, up to
	// Now.
	Window evidence.Period
	// Conversation is the txtar file of a Replay; empty: no HTTP.
	Conversation string
	// Wants are kinds of which the uncut run must give at least one draft.
	Wants []evidence.Kind
	// Planted are names, logins and mail addresses that the source's data
	// holds: they may appear in People, Text and Raw only.
	Planted []string
	// Means reports whether an answer of the status has a meaning of its own
	// for the request line, so that the run may stay complete (a 404 that
	// says "not protected"). May be nil.
	Means func(status int, line string) bool
	// Says reports whether a draft says itself that something it builds on could
	// not be read. A run that was cut may give such drafts beside those of the
	// uncut one, which must all come once everything can be read. May be nil.
	Says func(d evidence.Draft) bool
	// Also are statuses to try beyond 401, 403, 404, 429, 500 and 502, which
	// every source is tried with: those that this one is known to answer with.
	Also []int
}

// World is what a collector under test gets.
type World struct {
	URL       string // of the replay server; "" without HTTP
	TokenFile string // holds a token that must turn up nowhere
	Env       collectors.Env
	// Sleep, Timeout and MaxBody belong into fetch.Options, else retries make
	// the suite slow.
	Sleep   func(context.Context, time.Duration) error
	Timeout time.Duration
	MaxBody int64
}

// plantedToken stands in World.TokenFile.
const plantedToken = "planted-token-8d1f6c0b3a"

func tokenFile(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(plantedToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// sleepless does not wait.
func sleepless(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// run is one run of a fresh collector.
type run struct {
	rec Recorder
	err error
	log string
}

type harness struct {
	Suite
	t      *testing.T
	replay *Replay
	token  string
}

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	h := &harness{Suite: s, t: t}
	if h.Window.IsZero() {
		h.Window.To = s.Now
	}
	h.token = tokenFile(t)
	if s.Conversation != "" {
		h.replay = NewReplay(t, s.Conversation, s.Now)
	}
	whole := h.poll(t.Context(), nil, Recorder{})
	var lines []string
	if h.replay != nil {
		lines = h.replay.Requests()
	}
	t.Run("uncut", func(t *testing.T) { h.uncut(t, whole) })
	if t.Failed() {
		return
	}
	t.Run("again", func(t *testing.T) { h.again(t, whole) })
	t.Run("sink", func(t *testing.T) { h.sinkFails(t, whole) })
	t.Run("cancelled", func(t *testing.T) { h.cancelled(t, lines) })
	if h.replay == nil {
		return
	}
	t.Run("cut", func(t *testing.T) { h.cut(t, whole, lines) })
	t.Run("faults", func(t *testing.T) { h.faults(t, whole, lines) })
	t.Run("passing", func(t *testing.T) { h.passing(t, whole, lines) })
}

func (h *harness) poll(ctx context.Context, resume []byte, rec Recorder) *run {
	h.t.Helper()
	var log syncBuffer
	w := h.world("", h.token, &log)
	if h.replay != nil {
		w.URL = h.replay.URL
	}
	if ctx.Value(quick{}) != nil {
		w.Timeout = 40 * time.Millisecond
	}
	c := h.New(h.t, w)
	r := &run{rec: rec}
	r.err = c.Poll(ctx, h.Window, resume, &r.rec)
	r.log = log.String()
	kinds := c.Kinds()
	for _, d := range append(slices.Clone(r.rec.Drafts), r.rec.Pending...) {
		if !slices.Contains(kinds, d.Kind) {
			h.t.Errorf("draft of kind %s, which Kinds does not list", d.Kind)
		}
	}
	h.clean(r)
	return r
}

// quick asks for a short timeout.
type quick struct{}

// uncut checks the run that everything else is compared with.
func (h *harness) uncut(t *testing.T, r *run) {
	if r.err != nil {
		t.Fatalf("uncut run: %v", r.err)
	}
	if len(r.rec.Commits) == 0 || len(r.rec.Pending) > 0 {
		t.Fatalf("uncut run: %d commits, %d drafts not committed", len(r.rec.Commits), len(r.rec.Pending))
	}
	for _, k := range h.Wants {
		if len(r.rec.Of(k)) == 0 {
			t.Errorf("no draft of kind %s", k)
		}
	}
	for _, d := range r.rec.Drafts {
		if d.Source != h.Source {
			t.Errorf("draft %s has source %q, want %q", d.Kind, d.Source, h.Source)
		}
		if d.OccurredAt.Location() != time.UTC {
			t.Errorf("draft %s %s: time is not UTC", d.Kind, d.Key)
		}
	}
	var claims int
	for i, c := range r.rec.Commits {
		o := c.Observation
		if o.Incomplete != "" {
			t.Errorf("commit %d of the uncut run is incomplete: %s", i, o.Incomplete)
		}
		if o.At.IsZero() || o.Total < -1 {
			t.Errorf("commit %d: At %v, Total %d", i, o.At, o.Total)
		}
		for _, s := range o.Seen {
			claims += len(s.Kinds)
			if s.To.Before(s.From) || s.To.After(h.Now) || len(s.Kinds) == 0 || s.Class.Rank() == 0 && s.Class != evidence.Blind {
				t.Errorf("commit %d claims %+v", i, s)
			}
			if s.Class == evidence.Blind && s.Cause == "" {
				t.Errorf("commit %d: blind without a cause: %+v", i, s)
			}
		}
	}
	if claims == 0 {
		t.Error("the uncut run claims no coverage at all")
	}
}

// again looks a second time: nothing that is new may come of it.
func (h *harness) again(t *testing.T, whole *run) {
	r := h.poll(t.Context(), whole.rec.Resume(), Recorder{})
	if r.err != nil {
		t.Fatalf("second look: %v", r.err)
	}
	first := identities(whole.rec.Drafts)
	for id := range identities(r.rec.Drafts) {
		if !first[id] {
			t.Errorf("second look at an unchanged source gives something new: %s", id)
		}
	}
	if h.replay != nil {
		h.replay.Requests()
	}
	// A resume that cannot be read is an error, never a fresh start.
	if len(whole.rec.Resume()) > 0 {
		if r := h.poll(t.Context(), []byte("\x00 no cursor"), Recorder{}); r.err == nil {
			t.Error("a resume that cannot be read is taken without an error")
		}
		if h.replay != nil {
			h.replay.Requests()
		}
	}
}

// sinkFails makes each kind of call of the sink fail: the run must end with
// that error, and the next one must bring what is missing.
func (h *harness) sinkFails(t *testing.T, whole *run) {
	n := len(whole.rec.Drafts)
	cuts := []Recorder{}
	for i := range n {
		if n <= 20 || i%(n/20) == 0 {
			cuts = append(cuts, Recorder{FailEmit: i + 1})
		}
	}
	for i := range whole.rec.Commits {
		cuts = append(cuts, Recorder{FailCommit: i + 1})
	}
	for _, rec := range cuts {
		name := fmt.Sprintf("emit %d commit %d", rec.FailEmit, rec.FailCommit)
		r := h.poll(t.Context(), nil, rec)
		if r.err == nil {
			t.Errorf("%s fails: the run ends without an error", name)
		}
		h.resumed(t, name, whole, r)
	}
}

// resumed runs again from the last commit of r and compares both with whole.
// A run that committed nothing leaves nothing to resume: the next is the whole.
func (h *harness) resumed(t *testing.T, name string, whole, r *run) {
	t.Helper()
	if h.replay != nil {
		h.replay.SetFault(nil)
		defer h.replay.Requests()
	}
	if len(r.rec.Commits) == 0 {
		return
	}
	r2 := h.poll(t.Context(), r.rec.Resume(), Recorder{})
	if r2.err != nil {
		t.Errorf("%s: resumed run: %v", name, r2.err)
		return
	}
	first := slices.Clone(r.rec.Drafts)
	if h.Says != nil {
		first = slices.DeleteFunc(first, h.Says)
	}
	got := identities(append(first, r2.rec.Drafts...))
	if d := cmp.Diff(identities(whole.rec.Drafts), got); d != "" {
		t.Errorf("%s and resumed, other drafts than uncut (-want +got):\n%s", name, d)
	}
}

// identities gives the set of drafts: source, kind, key, op, subject, content. Of
// a state, facts that may change without beginning another one are no part.
func identities(ds []evidence.Draft) map[string]bool {
	m := map[string]bool{}
	for _, d := range ds {
		content := d.Content
		if info, ok := evidence.KindInfo(d.Kind); ok && info.State && len(info.Volatile) > 0 {
			var facts map[string]json.RawMessage
			if json.Unmarshal(content, &facts) == nil {
				for _, name := range info.Volatile {
					delete(facts, name)
				}
				content, _ = json.Marshal(facts) // of a map that was just read
			}
		}
		sum := sha256.Sum256(content)
		m[fmt.Sprintf("%s %s %q %s %s %x", d.Source, d.Kind, d.Key, d.Op, d.Subject, sum[:6])] = true
	}
	return m
}

func (h *harness) cut(t *testing.T, whole *run, lines []string) {
	for k := range lines {
		h.replay.SetFault(func(n int, _ string, w http.ResponseWriter, _ *http.Request) bool {
			if n < k {
				return false
			}
			hangUp(w)
			return true
		})
		r := h.poll(t.Context(), nil, Recorder{})
		h.replay.Requests()
		h.failed(t, fmt.Sprintf("cut at request %d", k), whole, r)
		h.resumed(t, fmt.Sprintf("cut at request %d", k), whole, r)
	}
}

// failed checks a run that could not read everything: it says so, and claims
// no complete list that it does not have.
func (h *harness) failed(t *testing.T, name string, whole, r *run) {
	t.Helper()
	incomplete := false
	for _, c := range r.rec.Commits {
		incomplete = incomplete || c.Observation.Incomplete != ""
	}
	if r.err == nil && !incomplete {
		t.Errorf("%s: the run says it is complete", name)
	}
	h.lists(t, name, whole, r)
	for id := range identities(r.rec.Drafts) {
		if r.err != nil && !incomplete && !identities(whole.rec.Drafts)[id] {
			t.Errorf("%s: a draft that the uncut run does not have: %s", name, id)
		}
	}
}

// lists checks that each list called complete is as long as in the uncut run.
func (h *harness) lists(t *testing.T, name string, whole, r *run) {
	t.Helper()
	for _, c := range r.rec.Completed {
		want, got := subjects(whole.rec.Drafts, c), subjects(r.rec.Drafts, c)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: Complete(%s, %s) after a list that is not full (-want +got):\n%s", name, c.Kind, c.Scope, d)
		}
	}
}

func subjects(ds []evidence.Draft, c Completed) map[string]bool {
	m := map[string]bool{}
	for _, d := range ds {
		if d.Kind == c.Kind && (c.Scope.IsZero() || slices.Contains(d.Scope, c.Scope)) {
			m[d.Subject.String()] = true
		}
	}
	return m
}

func (h *harness) cancelled(t *testing.T, lines []string) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r := h.poll(ctx, nil, Recorder{}); !errors.Is(r.err, context.Canceled) {
		t.Errorf("cancelled before the run: got %v", r.err)
	}
	if h.replay == nil {
		return
	}
	h.replay.Requests()
	for _, k := range some(len(lines)) {
		ctx, cancel := context.WithCancel(t.Context())
		h.replay.SetFault(func(n int, _ string, w http.ResponseWriter, req *http.Request) bool {
			if n < k {
				return false
			}
			cancel()
			<-req.Context().Done()
			return true
		})
		start := time.Now()
		r := h.poll(ctx, nil, Recorder{})
		if d := time.Since(start); d > 3*time.Second || !errors.Is(r.err, context.Canceled) {
			t.Errorf("cancelled at request %d: returned %v after %s", k, r.err, d)
		}
		h.replay.Requests()
	}
	h.replay.SetFault(nil)
}

// some picks the first, a middle and the last of n.
func some(n int) []int {
	if n == 0 {
		return nil
	}
	ks := []int{0, n / 3, 2 * n / 3, n - 1}
	slices.Sort(ks)
	return slices.Compact(ks)
}

// clean checks that a run leaks neither the token nor planted names.
func (h *harness) clean(r *run) {
	h.t.Helper()
	check := func(where, text string, words ...string) {
		for _, w := range words {
			if w != "" && strings.Contains(text, w) {
				h.t.Errorf("%q found in %s", w, where)
			}
		}
	}
	if r.err != nil {
		check("the error", fmt.Sprintf("%v %#v", r.err, r.err), plantedToken)
	}
	check("the log", r.log, append([]string{plantedToken}, h.Planted...)...)
	for _, c := range r.rec.Commits {
		o, _ := json.Marshal(c.Observation)
		check("an observation", string(o), append([]string{plantedToken}, h.Planted...)...)
		check("the resume", string(c.Resume), append([]string{plantedToken}, h.Planted...)...)
	}
	for _, d := range append(slices.Clone(r.rec.Drafts), r.rec.Pending...) {
		content, text, raw := string(d.Content), string(d.Text), string(d.Raw)
		d.Content, d.Text, d.Raw = nil, nil, nil
		check("a draft of kind "+string(d.Kind), fmt.Sprintf("%+v", d)+content+text+raw, plantedToken)
		d.People = nil
		check("a draft of kind "+string(d.Kind)+" outside people, text and raw", fmt.Sprintf("%+v", d)+content, h.Planted...)
	}
}

// syncBuffer may be written by several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func cmpIdentities(whole, r *run) string {
	return cmp.Diff(identities(whole.rec.Drafts), identities(r.rec.Drafts))
}
