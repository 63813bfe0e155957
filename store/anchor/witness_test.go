package anchor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/evidence/witness"
	"evidenced/store"
	"evidenced/store/anchor"
	"evidenced/store/cosigner"
	"evidenced/store/local"
)

var afternoon = time.Date(2026, 11, 14, 14, 0, 0, 0, time.UTC)

// witnessed is a whole installation whose log is witnessed.
type witnessed struct {
	*local.Local
	t   testing.TB
	log *store.Log
	n   int
}

func installWitnessed(t testing.TB, tenant string) *witnessed {
	t.Helper()
	l, err := local.Open(local.Options{Dir: filepath.Join(t.TempDir(), "data")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	tn, err := evidence.ParseTenant(tenant)
	if err != nil {
		t.Fatal(err)
	}
	log, err := l.Store.Create(tn)
	if err != nil {
		t.Fatal(err)
	}
	return &witnessed{l, t, log, 0}
}

// grow appends records and signs the log.
func (w *witnessed) grow(n int) anchor.Checkpoint {
	w.t.Helper()
	var items []store.Item
	for range n {
		w.n++
		content, err := json.Marshal(map[string]int{"number": w.n})
		if err != nil {
			w.t.Fatal(err)
		}
		items = append(items, store.Item{Draft: evidence.Draft{
			Kind: evidence.ChangeMerge, Op: evidence.OpEvent, Source: "github/prod", Key: fmt.Sprint(w.n),
			Subject: evidence.NewRef("change", "prod", fmt.Sprintf("acme/app!%d", w.n)), OccurredAt: afternoon, Basis: evidence.BasisSource,
			ObservedAt: afternoon, Content: content,
		}})
	}
	if _, err := w.log.Append(w.t.Context(), items); err != nil {
		w.t.Fatal(err)
	}
	c, signed, err := w.log.Checkpoint()
	if err != nil {
		w.t.Fatal(err)
	}
	return anchor.Checkpoint{Origin: c.Origin, Size: c.Size, Root: c.Root, Signed: signed}
}

func (w *witnessed) proveTo(size uint64) func(uint64) ([]evidence.Hash, error) {
	return func(old uint64) ([]evidence.Hash, error) { return w.log.ProveConsistency(old, size) }
}

func (w *witnessed) put(a anchor.Anchor, c anchor.Checkpoint) (anchor.Receipt, error) {
	return a.Put(w.t.Context(), c, w.proveTo(c.Size))
}

func (w *witnessed) mustPut(a anchor.Anchor, c anchor.Checkpoint) anchor.Receipt {
	w.t.Helper()
	r, err := w.put(a, c)
	if err != nil {
		w.t.Fatalf("size %d: %v", c.Size, err)
	}
	return r
}

// forge signs, with the log's own key, a checkpoint of a tree that never was.
func (w *witnessed) forge(size uint64) anchor.Checkpoint {
	w.t.Helper()
	c := chain.Checkpoint{Origin: w.log.Origin(), Size: size, Root: evidence.Hash{1}}
	signed, err := c.Sign(w.LogKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return anchor.Checkpoint{Origin: c.Origin, Size: c.Size, Root: c.Root, Signed: signed}
}

func (w *witnessed) open(signed []byte) (chain.Checkpoint, error) {
	return chain.OpenCheckpoint(signed, w.Store.Verifier())
}

func (w *witnessed) stored(_ context.Context, origin string) ([]byte, error) {
	if origin != w.log.Origin() {
		return nil, nil
	}
	_, signed, err := w.log.NoteAt(1 << 52)
	return signed, err
}

func (w *witnessed) newWitness(url string, key witness.Witness, edit func(*anchor.WitnessOptions)) *anchor.Witness {
	w.t.Helper()
	o := anchor.WitnessOptions{Name: "witness/one", URL: url, Key: key, Open: w.open, Now: func() time.Time { return afternoon }}
	if edit != nil {
		edit(&o)
	}
	a, err := anchor.NewWitness(o)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// verified opens the receipt's note as an auditor does.
func (w *witnessed) verified(r anchor.Receipt, key witness.Witness) {
	w.t.Helper()
	c, cs, err := witness.Open(r.Note, w.LogKey.Verifier, []witness.Witness{key})
	if err != nil || c.Size != r.Size || c.Root != r.Root || len(cs) != 1 {
		w.t.Fatalf("receipt of size %d: %+v, %v, %v", r.Size, c, cs, err)
	}
	if !cs[0].Time.Equal(r.Vouched) || r.Type != "witness" || r.Origin != w.log.Origin() {
		w.t.Errorf("receipt %+v of a cosignature at %v", r, cs[0].Time)
	}
}

// ownWitness starts the witness of this repository, for the logs in the text.
func ownWitness(t testing.TB, logs string) (url string, key witness.Witness, srv *httptest.Server) {
	t.Helper()
	dir := t.TempDir()
	s, err := cosigner.MakeKey(filepath.Join(dir, "key"), "witness.example/"+strings.ReplaceAll(t.Name(), "/", "-"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := cosigner.ParseLogs("logs", logs)
	if err != nil {
		t.Fatal(err)
	}
	c, err := cosigner.Open(cosigner.Options{Dir: filepath.Join(dir, "state"), New: true, Key: s, Logs: l, Rate: 1e6, Clock: func() time.Time { return afternoon.Add(time.Second) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	srv = httptest.NewServer(c.Handler())
	t.Cleanup(srv.Close)
	if key, err = witness.ParseWitness("Example", s.Key()); err != nil {
		t.Fatal(err)
	}
	return srv.URL, key, srv
}

func wantWitnessConflict(t testing.TB, err error, known uint64, root evidence.Hash, why string) {
	t.Helper()
	var c *anchor.Conflict
	if !errors.As(err, &c) {
		t.Errorf("got %v, want a conflict", err)
	} else if c.Known != known || c.Root != root || !strings.HasPrefix(c.Why, why) {
		t.Errorf("got a conflict with size %d, root %s, %q; want %d, %s, %q", c.Known, c.Root, c.Why, known, root, why)
	}
}

const (
	whyLost   = "the end of the log is lost, or an older copy was brought back"
	whyTwo    = "two trees of one size were signed"
	whyParted = "the log does not extend what was anchored: records before it were changed"
)

func TestWitness(t *testing.T) {
	w := installWitnessed(t, "tenant-1")
	url, key, _ := ownWitness(t, w.log.Origin()+" "+w.LogKey.Verifier)
	a := w.newWitness(url, key, nil)
	if a.Name() != "witness/one" || a.Rung() != 0 {
		t.Errorf("%s on this machine is at rung %d", a.Name(), a.Rung())
	}
	if _, _, ok, err := a.Newest(t.Context(), w.log.Origin()); ok || err != nil {
		t.Errorf("before the first: %v, %v", ok, err)
	}
	first := w.grow(5)
	w.verified(w.mustPut(a, first), key)
	second := w.grow(70)
	r := w.mustPut(a, second)
	w.verified(r, key)
	if r.Vouched != afternoon.Add(time.Second) || r.Done.IsZero() || r.Place != url {
		t.Errorf("receipt %+v", r)
	}
	w.verified(w.mustPut(a, second), key) // again
	size, root, ok, err := a.Newest(t.Context(), w.log.Origin())
	if err != nil || !ok || size != second.Size || root != second.Root {
		t.Errorf("newest: %d %s %v %v", size, root, ok, err)
	}
	// One that was just started knows nothing of what the witness knows.
	third := w.grow(1)
	fresh := w.newWitness(url, key, nil)
	w.verified(w.mustPut(fresh, third), key)
	// The first did not see that, and goes on.
	fourth := w.grow(2)
	w.verified(w.mustPut(a, fourth), key)

	for range 2 { // what the anchor believes of the witness is no different after a conflict
		for _, x := range []*anchor.Witness{a, fresh} {
			_, err = w.put(x, third)
			wantWitnessConflict(t, err, fourth.Size, fourth.Root, whyLost)
			_, err = w.put(x, w.forge(fourth.Size))
			wantWitnessConflict(t, err, fourth.Size, fourth.Root, whyTwo)
			_, err = x.Put(t.Context(), w.forge(fourth.Size+1), func(uint64) ([]evidence.Hash, error) { return nil, errors.New("disk") })
			if err == nil || isConflict(err) {
				t.Errorf("a proof that cannot be made: %v", err)
			}
			_, err = x.Put(t.Context(), w.forge(fourth.Size+1), func(uint64) ([]evidence.Hash, error) { return make([]evidence.Hash, 3), nil })
			wantWitnessConflict(t, err, fourth.Size, fourth.Root, whyParted)
		}
	}
	w.verified(w.mustPut(a, fourth), key)
}

// What is not a checkpoint of this log by its own key is never handed in.
func TestWitnessGetsOwnCheckpointsOnly(t *testing.T) {
	w, other := installWitnessed(t, "tenant-1"), installWitnessed(t, "tenant-1")
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("something was sent") }))
	defer srv.Close()
	_, key, _ := ownWitness(t, "a/b "+w.LogKey.Verifier)
	a := w.newWitness(srv.URL, key, func(o *anchor.WitnessOptions) {
		o.Stored = func(context.Context, string) ([]byte, error) { return nil, errors.New("disk") }
	})
	c := w.grow(3)
	for why, x := range map[string]anchor.Checkpoint{
		"signed by another key": {Origin: c.Origin, Size: c.Size, Root: c.Root, Signed: other.grow(3).Signed},
		"another origin":        {Origin: other.log.Origin(), Size: c.Size, Root: c.Root, Signed: c.Signed},
		"another size":          {Origin: c.Origin, Size: c.Size + 1, Root: c.Root, Signed: c.Signed},
		"another root":          {Origin: c.Origin, Size: c.Size, Signed: c.Signed},
		"nothing":               {},
	} {
		if _, err := w.put(a, x); err == nil {
			t.Errorf("%s: accepted", why)
		}
	}
	if _, _, _, err := a.Newest(t.Context(), c.Origin); err == nil {
		t.Error("a store that cannot be read passes for one without a checkpoint")
	}
}

// Before its first signature a log asks for the size that the witness knows.
func TestWitnessIsAsked(t *testing.T) {
	w := installWitnessed(t, "tenant-1")
	url, key, srv := ownWitness(t, w.log.Origin()+" "+w.LogKey.Verifier)
	// A witness that shows no checkpoints: many do not.
	mute := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			rw.WriteHeader(http.StatusNotFound)
			return
		}
		srv.Config.Handler.ServeHTTP(rw, r)
	}))
	defer mute.Close()
	withStored := func(o *anchor.WitnessOptions) { o.Stored = w.stored }
	first := w.grow(4)
	// Only what was stored can be handed in; the witness cosigns it.
	size, root, ok, err := w.newWitness(mute.URL, key, withStored).Newest(t.Context(), w.log.Origin())
	if err != nil || !ok || size != first.Size || root != first.Root {
		t.Errorf("a witness that knew nothing: %d %s %v %v", size, root, ok, err)
	}
	second := w.grow(9)
	w.mustPut(w.newWitness(url, key, nil), second)
	for _, tc := range []struct {
		why    string
		url    string
		stored bool
		ok     bool
		root   evidence.Hash
	}{
		{"it shows", url, false, true, second.Root},
		{"it shows and is asked", url, true, true, second.Root},
		{"it only answers", mute.URL, true, true, evidence.Hash{}},
		{"it cannot be asked", mute.URL, false, false, evidence.Hash{}},
	} {
		edit := withStored
		if !tc.stored {
			edit = nil
		}
		size, root, ok, err := w.newWitness(tc.url, key, edit).Newest(t.Context(), w.log.Origin())
		if err != nil || ok != tc.ok || root != tc.root || ok && size != second.Size {
			t.Errorf("%s: %d %s %v %v", tc.why, size, root, ok, err)
		}
	}
	// An older copy of the log has an older checkpoint, and is told.
	old := w.newWitness(mute.URL, key, func(o *anchor.WitnessOptions) {
		o.Stored = func(context.Context, string) ([]byte, error) { return first.Signed, nil }
	})
	if size, _, ok, err := old.Newest(t.Context(), w.log.Origin()); err != nil || !ok || size != second.Size {
		t.Errorf("an older copy: %d %v %v, want size %d", size, ok, err, second.Size)
	}
	_, err = w.put(old, first)
	wantWitnessConflict(t, err, second.Size, evidence.Hash{}, whyLost+" (the witness says so, and shows no such checkpoint)")
	// One that does not follow the log could never warn.
	otherURL, otherKey, _ := ownWitness(t, "a/b "+w.LogKey.Verifier)
	if _, _, _, err := w.newWitness(otherURL, otherKey, withStored).Newest(t.Context(), w.log.Origin()); !errors.Is(err, witness.ErrUnknownLog) || problem.Of(err).Hint == "" {
		t.Errorf("a witness that does not follow the log: %v", err)
	}
}

func TestWitnessMisbehaves(t *testing.T) {
	w := installWitnessed(t, "tenant-1")
	c := w.grow(21)
	_, key, srv := ownWitness(t, w.log.Origin()+" "+w.LogKey.Verifier)
	_, otherKey, otherSrv := ownWitness(t, w.log.Origin()+" "+w.LogKey.Verifier)
	// forward answers as the real witness does.
	forward := func(to *httptest.Server) http.HandlerFunc { return to.Config.Handler.ServeHTTP }
	status := func(code int, typ, body string) http.HandlerFunc {
		return func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", typ)
			rw.WriteHeader(code)
			fmt.Fprint(rw, body)
		}
	}
	var asked atomic.Uint64
	for _, tc := range []struct {
		why     string
		handler http.HandlerFunc
		want    func(error) bool
	}{
		{"another witness answers", forward(otherSrv), isSource},
		{"nothing", status(200, "", ""), isSource},
		{"a web page", status(200, "text/html", "<html>\n</html>\n"), isSource},
		{"an answer without end", status(200, "", strings.Repeat("\u2014 x y\n", 1<<16)), isSource},
		{"a redirect to a good witness", func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, srv.URL+r.URL.Path, http.StatusTemporaryRedirect)
		}, isSource},
		{"another size each time", func(rw http.ResponseWriter, _ *http.Request) {
			status(409, witness.SizeType, fmt.Sprintf("%d\n", 1+asked.Add(1)%15))(rw, nil)
		}, isSource},
		{"the size it was told, as a conflict", status(409, witness.SizeType, "0\n"), isSource},
		{"a size that is none", status(409, witness.SizeType, "-1\n"), isSource},
		{"it claims to know more", status(409, witness.SizeType, "99\n"), isConflict},
		{"a conflict without a size", status(409, "", ""), isConflict},
		{"it is busy", status(429, "", ""), func(err error) bool { return problem.Is(err, problem.Throttled) }},
		{"it does not follow the log", status(404, "", ""), func(err error) bool { return errors.Is(err, witness.ErrUnknownLog) }},
		{"it has another key of the log", status(403, "", ""), func(err error) bool { return errors.Is(err, witness.ErrSignature) }},
		{"it does not understand", status(400, "", ""), isSource},
		{"it fails", status(500, "text/plain", "secret text"), isSource},
	} {
		server := httptest.NewServer(tc.handler)
		_, err := w.put(w.newWitness(server.URL, key, nil), c)
		server.Close()
		if !tc.want(err) {
			t.Errorf("%s: %v", tc.why, err)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "html")) {
			t.Errorf("%s: the error quotes the answer: %v", tc.why, err)
		}
	}
	// What it shows must be signed by the log and by the witness itself.
	w.mustPut(w.newWitness(srv.URL, key, nil), c)
	for why, shown := range map[string]string{
		"not cosigned": string(c.Signed), "of another log": string(w.forgeAs("ffffffffffffffff/1", 21)), "nothing": "", "a web page": "<html>", "signed by nobody": c.Root.String(),
		"without end": strings.Repeat("a", 1<<20),
	} {
		server := httptest.NewServer(status(200, "", shown))
		if _, _, ok, err := w.newWitness(server.URL, key, nil).Newest(t.Context(), c.Origin); ok || err == nil {
			t.Errorf("shown %s: %v", why, err)
		}
		server.Close()
	}
	if _, _, ok, err := w.newWitness(srv.URL, otherKey, nil).Newest(t.Context(), c.Origin); ok || err == nil {
		t.Errorf("shown with another witness's signature: %v", err)
	}
}

func (w *witnessed) forgeAs(origin string, size uint64) []byte {
	w.t.Helper()
	signed, err := chain.Checkpoint{Origin: origin, Size: size}.Sign(w.LogKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return signed
}

func isSource(err error) bool { return problem.Is(err, problem.Source) && !isConflict(err) }

func isConflict(err error) bool {
	var c *anchor.Conflict
	return errors.As(err, &c)
}

// A witness that does not answer holds nobody.
func TestWitnessHangs(t *testing.T) {
	w := installWitnessed(t, "tenant-1")
	c := w.grow(3)
	_, key, _ := ownWitness(t, "a/b "+w.LogKey.Verifier)
	entered, release := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-release
	}))
	defer srv.Close()
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-entered
		cancel()
	}()
	if _, err := w.newWitness(srv.URL, key, nil).Put(ctx, c, w.proveTo(c.Size)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWitnessOptions(t *testing.T) {
	w := installWitnessed(t, "tenant-1")
	_, key, _ := ownWitness(t, "a/b "+w.LogKey.Verifier)
	for _, tc := range []struct {
		url, monitor string
		plain        bool
		rung         int // -1: refused
	}{
		{"https://witness.example/w1", "", false, 5}, {"https://witness.example/w1/", "https://cdn.example", false, 5},
		{"http://127.0.0.1:9321", "", false, 0}, {"http://localhost:9321/x", "", false, 0}, {"http://witness.example", "", true, 5},
		{"http://witness.example", "", false, -1}, {"https://witness.example", "http://witness.example", false, -1},
		{"https://user:secret@witness.example", "", false, -1}, {"https://witness.example?x=1", "", false, -1}, {"https://witness.example#x", "", false, -1},
		{"witness.example", "", false, -1}, {"", "", false, -1}, {"ftp://witness.example", "", false, -1}, {"https://", "", false, -1}, {"https://a b", "", false, -1},
	} {
		a, err := anchor.NewWitness(anchor.WitnessOptions{Name: "x", URL: tc.url, Monitor: tc.monitor, PlainHTTP: tc.plain, Key: key, Open: w.open, Now: time.Now})
		if (err == nil) != (tc.rung >= 0) || err == nil && a.Rung() != tc.rung {
			t.Errorf("%s %s: %v", tc.url, tc.monitor, err)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || !problem.Is(err, problem.Config)) {
			t.Errorf("%s: %v", tc.url, err)
		}
	}
	good := anchor.WitnessOptions{Name: "x", URL: "https://witness.example", Key: key, Open: w.open, Now: time.Now}
	for why, edit := range map[string]func(*anchor.WitnessOptions){
		"no key": func(o *anchor.WitnessOptions) { o.Key = witness.Witness{} }, "no log key": func(o *anchor.WitnessOptions) { o.Open = nil }, "no clock": func(o *anchor.WitnessOptions) { o.Now = nil },
	} {
		o := good
		edit(&o)
		if _, err := anchor.NewWitness(o); err == nil {
			t.Errorf("%s: accepted", why)
		}
	}
	// Whatever a name resolves to, the neighbours of a machine are not dialled.
	c := w.grow(1)
	for _, url := range []string{"http://169.254.169.254", "http://[fe80::1%25lo]", "http://224.0.0.1", "http://0.0.0.0:1"} {
		o := good
		o.URL, o.PlainHTTP = url, true
		a, err := anchor.NewWitness(o)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if _, err := w.put(a, c); err == nil || !strings.Contains(err.Error(), "never dialled") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// Two installations witness each other: each runs a witness that follows all
// logs of the other, and hands its own checkpoints to the other's.
func TestTwoInstallationsWitnessEachOther(t *testing.T) {
	one, two := installWitnessed(t, "tenant-1"), installWitnessed(t, "tenant-1")
	all := func(w *witnessed) string {
		installation, _, _ := strings.Cut(w.log.Origin(), "/")
		return installation + "/* " + w.LogKey.Verifier
	}
	urlOfOne, keyOfOne, _ := ownWitness(t, all(two))
	urlOfTwo, keyOfTwo, _ := ownWitness(t, all(one))
	byTwo, byOne := one.newWitness(urlOfTwo, keyOfTwo, nil), two.newWitness(urlOfOne, keyOfOne, nil)
	var newest anchor.Receipt
	for range 4 {
		newest = one.mustPut(byTwo, one.grow(7))
		one.verified(newest, keyOfTwo)
		two.verified(two.mustPut(byOne, two.grow(3)), keyOfOne)
	}
	// One's own witness does not follow one's own log.
	if _, err := one.put(one.newWitness(urlOfOne, keyOfOne, nil), one.grow(1)); !errors.Is(err, witness.ErrUnknownLog) {
		t.Errorf("one's own log: %v", err)
	}
	// With the log's key in hand, one still cannot give two another history.
	_, err := one.put(byTwo, one.forge(newest.Size))
	wantWitnessConflict(t, err, newest.Size, newest.Root, whyTwo)

	// A receipt of a record, verified with nothing but keys.
	rec, err := one.log.Snapshot().Record(t.Context(), 5)
	if err != nil {
		t.Fatal(err)
	}
	text := receiptOf(t, one, newest, 5)
	p, err := witness.ParseProof(text)
	if err != nil {
		t.Fatal(err)
	}
	_, cs, err := p.Verify(one.log.Origin(), one.LogKey.Verifier, rec.Leaf, []witness.Witness{keyOfTwo, keyOfOne})
	policy := witness.Policy{Witnesses: []witness.Witness{keyOfTwo}, Quorum: 1}
	if at, ok := policy.Reached(cs); err != nil || !ok || !at.Equal(newest.Vouched) {
		t.Errorf("the proof: %v %v %v", at, ok, err)
	}
}

// receiptOf writes the proof that a record is in the receipt's checkpoint.
func receiptOf(t testing.TB, w *witnessed, r anchor.Receipt, seq uint64) []byte {
	t.Helper()
	path, err := w.log.ProveInclusion(r.Size, seq)
	if err != nil {
		t.Fatal(err)
	}
	text, err := witness.Proof{Index: seq, Path: path, Signed: r.Note}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(text, []byte("\u2014 ")) != 2 {
		t.Errorf("the proof has not the log's and the witness's signature:\n%s", text)
	}
	return text
}
