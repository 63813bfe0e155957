package alert

import (
	"context"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

func client(t *testing.T, url string) *fetch.Client {
	t.Helper()
	c, err := fetch.New(fetch.Options{BaseURL: url, Retries: -1, CacheBytes: -1, AllowLoopback: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// receiver takes what is posted to it, unless it is told to fail.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	bodies []string
	heads  []http.Header
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{status: http.StatusOK}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.status == http.StatusOK {
			r.bodies, r.heads = append(r.bodies, string(b)), append(r.heads, req.Header)
		}
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (x *bench) sender(d Destination) *Sender {
	return &Sender{Name: "a", To: d, Board: x.b, Log: slog.New(slog.DiscardHandler)}
}

var secret = evidence.NewSecret("a shared secret of the receiver")

func TestWebhook(t *testing.T) {
	r := newReceiver(t)
	x := newBench(t)
	hook := NewWebhook(client(t, r.URL+"/hooks/evidence"), func() (evidence.Secret, error) { return secret, nil })
	s := x.sender(hook)
	s.Beat = time.Hour
	x.give("tenant-7", finding(evidence.NotSatisfied))
	if _, err := x.b.Step(t0); err != nil {
		t.Fatal(err)
	}

	// A receiver that refuses is told again, after pauses that grow, and nothing is lost.
	r.answer(http.StatusInternalServerError)
	var tries []time.Duration
	for d := time.Duration(0); d < 2*time.Minute; d += time.Second {
		if o, _ := s.Step(t.Context(), at(d)); o == Failed {
			tries = append(tries, d)
		}
	}
	if want := []time.Duration{0, 5 * time.Second, 15 * time.Second, 35 * time.Second, 75 * time.Second}; !slices.Equal(tries, want) {
		t.Errorf("tried at %v, want %v", tries, want)
	}
	r.answer(http.StatusOK)
	if o, err := s.Step(t.Context(), at(3*time.Minute)); o != Taken || err != nil {
		t.Fatalf("got %q, %v; want it taken", o, err)
	}
	if o, err := s.Step(t.Context(), at(4*time.Minute)); o != Quiet || err != nil {
		t.Fatalf("got %q, %v; want nothing to tell", o, err)
	}
	// Another sender on the same file, as after a restart, tells nothing again but lives.
	x.open()
	s = x.sender(hook)
	s.Beat, s.last = time.Hour, at(3*time.Minute)
	x.give("tenant-7", finding(evidence.NotSatisfied))
	if _, err := x.b.Step(at(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if o, err := s.Step(t.Context(), at(5*time.Minute)); o != Quiet || err != nil {
		t.Fatalf("after a restart: got %q, %v; want nothing to tell", o, err)
	}
	if o, err := s.Step(t.Context(), at(time.Hour+3*time.Minute)); o != Taken || err != nil {
		t.Fatalf("got %q, %v; want a sign of life", o, err)
	}

	if len(r.bodies) != 2 {
		t.Fatalf("%d messages arrived, want 2", len(r.bodies))
	}
	var first, beat struct {
		Version   int
		Heartbeat bool
		Firing    int
		Alerts    []Alert
	}
	for i, into := range []any{&first, &beat} {
		if err := json.Unmarshal([]byte(r.bodies[i]), into); err != nil {
			t.Fatal(err)
		}
	}
	if first.Version != 1 || len(first.Alerts) != 1 || first.Alerts[0].State != Firing || first.Firing != 1 {
		t.Errorf("first message: %s", r.bodies[0])
	}
	if !beat.Heartbeat || len(beat.Alerts) != 0 || beat.Firing != 1 || !strings.Contains(r.bodies[1], `"alerts":[]`) {
		t.Errorf("sign of life: %s", r.bodies[1])
	}
	sum := r.heads[0].Get(SignatureHeader)
	body := []byte(r.bodies[0])
	if err := check(secret, sum, body, at(3*time.Minute), time.Minute); err != nil {
		t.Errorf("a good signature: %v", err)
	}
	for name, err := range map[string]error{
		"other secret": check(evidence.NewSecret("x"), sum, body, at(3*time.Minute), time.Minute),
		"other body":   check(secret, sum, append(body, ' '), at(3*time.Minute), time.Minute),
		"too late":     check(secret, sum, body, at(10*time.Minute), time.Minute),
		"other time":   check(secret, strings.Replace(sum, "t=", "t=1", 1), body, at(3*time.Minute), 1<<62),
		"no header":    check(secret, "", body, at(3*time.Minute), time.Minute),
		"no hex":       check(secret, "t=1,v1=zz", body, at(3*time.Minute), time.Minute),
	} {
		if err == nil {
			t.Errorf("%s: the signature was taken", name)
		}
	}
}

// A secret that cannot be read sends nothing unsigned.
func TestWebhookWithoutSecret(t *testing.T) {
	r := newReceiver(t)
	hook := NewWebhook(client(t, r.URL), func() (evidence.Secret, error) { return evidence.Secret{}, errors.New("no file") })
	if err := hook.Send(t.Context(), Message{At: t0}); err == nil || len(r.bodies) != 0 {
		t.Errorf("got error %v and %d messages, want an error and none", err, len(r.bodies))
	}
}

type counting struct {
	messages []Message
	err      error
}

func (c *counting) Send(_ context.Context, m Message) error {
	c.messages = append(c.messages, m)
	return c.err
}

// News is told together, at most one message in the least time.
func TestSenderRate(t *testing.T) {
	x := newBench(t)
	to := &counting{}
	s := x.sender(to)
	s.Least = time.Minute
	for i := range 120 {
		now := time.Duration(i) * time.Second
		var fs []evidence.FindingFacts
		for j := range i + 1 {
			fs = append(fs, finding(evidence.NotSatisfied, of("a-b", "test-"+string(rune('a'+j%26))+string(rune('a'+j/26)), "high")))
		}
		x.give("tenant-7", fs...)
		if _, err := x.b.Step(at(now)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Step(t.Context(), at(now)); err != nil {
			t.Fatal(err)
		}
	}
	var sizes []int
	for _, m := range to.messages {
		sizes = append(sizes, len(m.Changed))
	}
	if want := []int{1, 60}; !slices.Equal(sizes, want) {
		t.Errorf("messages with %v alerts, want %v", sizes, want)
	}
}

// A message that was taken, but whose taking could not be kept, comes again
// after a restart: better twice than never.
func TestTakenButNotKept(t *testing.T) {
	x := newBench(t)
	x.give("tenant-7", finding(evidence.NotSatisfied))
	if _, err := x.b.Step(t0); err != nil {
		t.Fatal(err)
	}
	x.o.File += "/nowhere" // the file's folder is a file now
	x.b.o.File = x.o.File
	to := &counting{}
	if o, err := x.sender(to).Step(t.Context(), t0); o != Taken || err == nil {
		t.Errorf("got %q, %v; want it taken and the file's error", o, err)
	}
	x.o.File = x.file
	x.open()
	if m := x.b.For("a", at(time.Minute)); len(m.Changed) != 1 {
		t.Errorf("%d alerts are new after the restart, want 1", len(m.Changed))
	}
}

// A sign of life goes on when the clock is set back.
func TestBeatOverAClockSetBack(t *testing.T) {
	r, x := newReceiver(t), newBench(t)
	s := x.sender(NewAlertmanager(client(t, r.URL), time.Minute))
	s.Every = time.Minute
	for _, d := range []time.Duration{10 * time.Hour, 3 * time.Hour, 3*time.Hour + time.Minute} {
		if o, err := s.Step(t.Context(), at(d)); o != Taken || err != nil {
			t.Errorf("at +%s: %q, %v; want it taken", d, o, err)
		}
	}
}

// check verifies the header of a message that arrived at now, as a receiver
// would. One that is older or newer than tolerance is refused.
func check(secret evidence.Secret, header string, body []byte, now time.Time, tolerance time.Duration) error {
	seconds, sum, ok := strings.Cut(header, ",v1=")
	seconds, prefixed := strings.CutPrefix(seconds, "t=")
	n, err := strconv.ParseInt(seconds, 10, 64)
	want, herr := hex.DecodeString(sum)
	if !ok || !prefixed || err != nil || herr != nil {
		return problem.New(problem.Usage, "%s is not of the form t=SECONDS,v1=HEX", SignatureHeader)
	}
	if d := now.Sub(time.Unix(n, 0)).Abs(); d > tolerance {
		return problem.New(problem.Usage, "the message was signed %s from now, more than %s", d, tolerance)
	}
	if subtle.ConstantTimeCompare(mac(secret, seconds, body), want) != 1 {
		return fmt.Errorf("the signature does not fit the message")
	}
	return nil
}
