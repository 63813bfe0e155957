package kubeaudit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
)

// eventOf is one line of the log: a read of a Secret by a person.
func eventOf(id, at string, more string) string {
	return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":%q,"stage":"ResponseComplete",`+
		`"requestURI":"/api/v1/namespaces/tenant-7/secrets/db","verb":"get","user":{"username":"mira@acme.example"},`+
		`"objectRef":{"resource":"secrets","namespace":"tenant-7","name":"db"},"responseStatus":{"code":200},`+
		`"requestReceivedTimestamp":%q,"stageTimestamp":%q%s}`+"\n", id, at, at, more)
}

// A client may choose the Audit-Id of its requests: one that it uses again, or
// one of any length, hides none of them.
func TestChosenAuditID(t *testing.T) {
	long := strings.Repeat("x", 4000)
	lines := eventOf("same", "2026-03-02T14:00:00.000001Z", "") + eventOf("same", "2026-03-02T14:00:00.000002Z", "") +
		eventOf(long+"1", "2026-03-02T14:00:01Z", "") + eventOf(long+"2", "2026-03-02T14:00:01Z", "")
	ks := keys(poll(t, fileConfig(logFile(t, []byte(lines))), nil).Drafts)
	slices.Sort(ks)
	if got := slices.Compact(slices.Clone(ks)); len(got) != 4 {
		t.Errorf("4 requests make %d keys: %q", len(got), got)
	}
	for _, k := range ks {
		if len(k) > evidence.MaxKey {
			t.Errorf("key of %d bytes", len(k))
		}
	}
	again := keys(poll(t, fileConfig(logFile(t, []byte(lines+lines))), nil).Drafts)
	slices.Sort(again)
	if got := slices.Compact(again); !slices.Equal(got, ks) {
		t.Errorf("lines that come twice have keys %q, want %q", got, ks)
	}

	// Nor does it cost the other events of a batch.
	f := follow(t, listenConfig(t), nil)
	if got := send(t, http.DefaultClient, "http://"+f.addr, "", batch([]byte(lines))); got != 200 {
		t.Fatalf("batch: status %d", got)
	}
	f.until(t, 4)
	f.stop()
}

// What a path names as its namespace is the client's word: one that no cluster
// can have belongs to nobody but the cluster's owner.
func TestImpossibleNamespace(t *testing.T) {
	for _, ns := range []string{"*", "tenant-7\n", "Tenant-7", strings.Repeat("a", 64)} {
		quoted, err := json.Marshal(ns)
		if err != nil {
			t.Fatal(err)
		}
		line := strings.Replace(eventOf("a", "2026-03-02T14:00:00Z", ""), `"namespace":"tenant-7"`, `"namespace":`+string(quoted), 1)
		for _, d := range poll(t, fileConfig(logFile(t, []byte(line))), nil).Drafts {
			if got := fmt.Sprint(d.Scope); got != "[ns:prod/kube-system]" {
				t.Errorf("namespace %q: scope %s", ns, got)
			}
		}
	}
}

// The API server writes what a webhook changed in an object into the event's
// annotations, from level Request on: values of variables and of Secrets.
func TestPatchAnnotations(t *testing.T) {
	more := `,"annotations":{"authorization.k8s.io/decision":"allow","patch.webhook.admission.k8s.io/round_0_index_0":"{\"patch\":[{\"value\":\"planted-value\"}]}"}`
	d := poll(t, fileConfig(logFile(t, []byte(eventOf("a", "2026-03-02T14:00:00Z", more)))), nil).Drafts[0]
	if strings.Contains(string(d.Raw), "planted-value") || !strings.Contains(string(d.Raw), `"authorization.k8s.io/decision":"allow"`) {
		t.Errorf("raw %s", d.Raw)
	}
	if want := "/annotations/patch.webhook.admission.k8s.io~1round_0_index_0"; !slices.Contains(d.Removed, want) {
		t.Errorf("removed %q lacks %s", d.Removed, want)
	}
	again := poll(t, fileConfig(logFile(t, append(d.Raw, '\n'))), nil).Drafts[0]
	if !bytes.Equal(again.Raw, d.Raw) || !slices.Equal(again.Removed, d.Removed) {
		t.Errorf("a second time: %s, removed %q", again.Raw, again.Removed)
	}
}

// Some clients escape the name of an object in the path.
func TestEscapedNames(t *testing.T) {
	line := strings.Replace(eventOf("a", "2026-03-02T14:00:00Z", ""), "secrets/db", "secrets/mira%40acme.example", 1)
	line = strings.Replace(line, `"name":"db"`, `"name":"mira@acme.example"`, 1)
	d := poll(t, fileConfig(logFile(t, []byte(line))), nil).Drafts[0]
	if s := string(d.Content) + fmt.Sprint(d.Links, d.Subject, d.Scope); strings.Contains(s, "mira") {
		t.Errorf("the name of a person stands in %s", s)
	}
}

// badSink takes no commit until it is told to.
type badSink struct {
	collectortest.Recorder
	bad bool
}

func (s *badSink) Commit(ctx context.Context, resume []byte, o evidence.Observation) error {
	if s.bad {
		return errors.New("disk full")
	}
	return s.Recorder.Commit(ctx, resume, o)
}

// Batches that were refused are told until a commit that tells them is durable.
func TestRefusalsAreTold(t *testing.T) {
	c := must(New(listenConfig(t), testEnv()))
	c.spool.refuse()
	s := &badSink{bad: true}
	if err := c.Poll(t.Context(), evidence.Period{To: now}, nil, s); err == nil {
		t.Fatal("a commit that failed is no error")
	}
	s.bad = false
	for _, want := range []bool{true, false} {
		if err := c.Poll(t.Context(), evidence.Period{To: now}, s.Resume(), s); err != nil {
			t.Fatal(err)
		}
		o := s.Commits[len(s.Commits)-1].Observation
		if got := strings.Contains(o.Incomplete, "1 batches were refused"); got != want {
			t.Errorf("told: %t, want %t: %q", got, want, o.Incomplete)
		}
	}
}

// An event too long to read costs none of the others in its batch, and a batch
// that the disk does not take is told.
func TestLongEventInBatch(t *testing.T) {
	cfg := listenConfig(t)
	cfg.MaxLine = 4096
	long := eventOf("a", "2026-03-02T14:00:00Z", `,"userAgent":"`+strings.Repeat("a", 5000)+`"`)
	body := batch([]byte(long + eventOf("b", "2026-03-02T14:00:01Z", "")))
	f := follow(t, cfg, nil)
	if got := send(t, http.DefaultClient, "http://"+f.addr, "", body); got != 200 {
		t.Fatalf("status %d", got)
	}
	f.until(t, 1)
	f.stop()

	c := must(New(listenConfig(t), testEnv())) // its folder was never made
	w := httptest.NewRecorder()
	(&listener{c: c, open: true, slots: make(chan struct{}, 1)}).ServeHTTP(w, httptest.NewRequest("POST", "/", bytes.NewReader(body)))
	if _, n, _ := c.spool.refusals(); w.Code != 503 || n != 1 {
		t.Errorf("without a folder: status %d, %d refusals, want 503 and 1", w.Code, n)
	}
}

// Labels decide whose an event is: they are known before the first event is
// placed, asked for when a new namespace turns up, and kept when one is gone.
func TestLabelsInTime(t *testing.T) {
	var mu sync.Mutex
	down, spaces := true, ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if down {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Audit-Id", "probe")
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"kind":"NamespaceList","items":[%s]}`, spaces)
	}))
	defer srv.Close()
	const tenant7 = `{"metadata":{"name":"tenant-7","uid":"7","labels":{"tenant":"seven"}}}`
	path := logFile(t, []byte(eventOf("a", "2026-03-02T14:00:00Z", "")))
	cfg := fileConfig(path)
	cfg.Server, cfg.TokenFile = srv.URL, logFile(t, []byte("token"))
	clock := now
	env := testEnv()
	env.Clock = func() time.Time { return clock }
	c := must(build(cfg, env, func(o *fetch.Options) { o.Retries = -1 }))
	var rec collectortest.Recorder
	look := func(want int) {
		t.Helper()
		if err := c.Poll(t.Context(), evidence.Period{To: clock}, rec.Resume(), &rec); err != nil {
			t.Fatal(err)
		}
		if len(rec.Drafts) != want {
			t.Fatalf("%d drafts, want %d", len(rec.Drafts), want)
		}
		for _, d := range rec.Drafts {
			if got := fmt.Sprint(d.Scope); got != "[ns:prod/tenant-7 label:prod/tenant=seven]" {
				t.Errorf("%s: scope %s", d.Key, got)
			}
		}
	}
	look(0)
	if o := rec.Commits[0].Observation; !strings.Contains(o.Incomplete, "before the namespaces are known") {
		t.Errorf("incomplete %q", o.Incomplete)
	}
	down, spaces = false, tenant7
	look(1)
	spaces = "" // and it is gone
	write(t, path, []byte(eventOf("a", "2026-03-02T14:00:00Z", "")+eventOf("b", "2026-03-02T14:00:01Z", "")))
	look(2)

	// A namespace that was made after the last list.
	c = must(build(cfg, env, func(o *fetch.Options) { o.Retries = -1 }))
	r, err := c.begin(rec.Resume(), &rec)
	if err != nil {
		t.Fatal(err)
	}
	defer r.end()
	r.probe(t.Context())
	clock, spaces = clock.Add(5*time.Second), tenant7
	write(t, path, []byte(eventOf("a", "2026-03-02T14:00:00Z", "")+eventOf("b", "2026-03-02T14:00:01Z", "")+eventOf("c", "2026-03-02T15:00:04Z", "")))
	if err := r.follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := rec.Drafts[len(rec.Drafts)-1]; len(rec.Drafts) != 3 || fmt.Sprint(d.Scope) != "[ns:prod/tenant-7 label:prod/tenant=seven]" {
		t.Errorf("%d drafts, scope %s", len(rec.Drafts), d.Scope)
	}
}

// Senders that nobody knows take no place: they are refused even when all are
// taken, and so never take one.
func TestUnknownSendersTakeNoPlace(t *testing.T) {
	l := &listener{token: func() ([]byte, error) { return []byte("right"), nil }, slots: make(chan struct{}, 1)}
	l.slots <- struct{}{} // a known sender is at it
	for header, want := range map[string]int{"": 401, "Bearer wrong": 401, "Bearer right": 503} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/", bytes.NewReader([]byte("{}")))
		r.Header.Set("Authorization", header)
		if l.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%q: status %d, want %d", header, w.Code, want)
		}
	}
}
