package anchor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/address"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/evidence/witness"
)

// WitnessOptions configure a [Witness]. Name, URL, Key, Open and Now are
// required.
type WitnessOptions struct {
	Name string
	// URL is the submission prefix of C2SP tlog-witness. It is https; http only
	// to loopback, or with PlainHTTP: nobody can forge a cosignature on the way,
	// but anybody there can say that the witness knows more than it does.
	URL       string
	PlainHTTP bool
	Monitor   string          // monitoring prefix; default URL
	Key       witness.Witness // whose cosignature is believed
	Roots     *x509.CertPool  // of the witness's certificate; nil: the system's
	Open      Opener
	// Stored returns the newest signed checkpoint that the store has of a log,
	// nil for none. With it Newest also asks witnesses that show no checkpoints.
	Stored  func(ctx context.Context, origin string) ([]byte, error)
	Timeout time.Duration // of one request; default 10 s
	Now     func() time.Time
}

// Witness is a C2SP witness run by somebody else. It cosigns a checkpoint when
// that extends the one it cosigned last, so it refuses a second history even to
// who holds the log's key. Its cosignature is verified before a receipt is made
// of it.
type Witness struct {
	o       WitnessOptions
	submit  string
	monitor string
	place   string
	host    string
	client  *http.Client

	mu    sync.Mutex
	known map[string]uint64 // by origin: the size it cosigned last, as far as we saw
}

// NewWitness makes the anchor. It touches nothing yet.
func NewWitness(o WitnessOptions) (*Witness, error) {
	if o.Monitor == "" {
		o.Monitor = o.URL
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	submit, err := witnessURL(o.URL, o.PlainHTTP)
	if err == nil {
		_, err = witnessURL(o.Monitor, o.PlainHTTP)
	}
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "anchor %s", o.Name)
	}
	if o.Key.Name() == "" || o.Open == nil || o.Now == nil {
		return nil, fmt.Errorf("anchor %s: the witness's key, the log's key or the clock is missing", o.Name)
	}
	dial := net.Dialer{Timeout: o.Timeout, Control: address.Guard}
	w := &Witness{o: o, place: submit.String(), host: submit.Hostname(), known: map[string]uint64{}}
	w.submit = strings.TrimSuffix(o.URL, "/") + witness.AddPath
	w.monitor = strings.TrimSuffix(o.Monitor, "/")
	w.client = &http.Client{
		Timeout: o.Timeout,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dial.DialContext, TLSClientConfig: &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: o.Timeout, ResponseHeaderTimeout: o.Timeout, MaxResponseHeaderBytes: 64 << 10,
			IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 2,
		},
		// A witness that has moved is configured anew.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return w, nil
}

// witnessURL reads a prefix.
func witnessURL(s string, plain bool) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("the address of the witness is no https URL without a query")
	case u.User != nil:
		return nil, fmt.Errorf("the address of the witness holds a user name or password; it needs none")
	case u.Scheme == "http" && !plain && onOtherHost(u.Hostname()):
		return nil, fmt.Errorf("the address of the witness is not https")
	}
	return u, nil
}

// Name implements Anchor.
func (w *Witness) Name() string { return w.o.Name }

// Rung implements Anchor: 5, but for a witness on this machine, whose key
// whoever owns the machine has as well.
func (w *Witness) Rung() int {
	if onOtherHost(w.host) {
		return 5
	}
	return 0
}

// Put implements Anchor. The receipt's note carries the cosignature, and
// Vouched is its time.
func (w *Witness) Put(ctx context.Context, c Checkpoint, prove func(oldSize uint64) ([]evidence.Hash, error)) (Receipt, error) {
	r := c.receipt(w, "witness", w.place, w.o.Now())
	cp, err := w.own(c.Signed, c.Origin)
	if err != nil {
		return r, fmt.Errorf("anchor %s: %w", w.o.Name, err)
	}
	if cp.Size != c.Size || cp.Root != c.Root {
		return r, fmt.Errorf("anchor %s: the note is of another size or root than the checkpoint", w.o.Name)
	}
	cosig, err := w.cosigned(ctx, c, cp, prove)
	if err != nil {
		return r, err
	}
	if r.Note, err = witness.Attach(c.Signed, cosig.Line); err != nil {
		return r, fmt.Errorf("anchor %s: %w", w.o.Name, err)
	}
	r.Vouched, r.Answer, r.Done = cosig.Time, "cosigned by "+cosig.Name, w.o.Now().UTC()
	return r, nil
}

// own verifies a note by the log's own key, and that it is of the log.
func (w *Witness) own(signed []byte, origin string) (chain.Checkpoint, error) {
	cp, err := w.o.Open(signed)
	if err == nil && cp.Origin != origin {
		err = fmt.Errorf("the checkpoint is of another log")
	}
	return cp, err
}

// maxTries bounds how often a witness may name another size: another of our
// processes may be handing checkpoints in beside this one.
const maxTries = 4

// cosigned hands the checkpoint in from the size that the witness was last seen
// to know; when it names another, from that.
func (w *Witness) cosigned(ctx context.Context, c Checkpoint, cp chain.Checkpoint, prove func(uint64) ([]evidence.Hash, error)) (witness.Cosignature, error) {
	old := w.lastSeen(c.Origin)
	if old > c.Size {
		old = 0 // it will name what it knows
	}
	for range maxTries {
		body, err := w.add(ctx, c, old, prove)
		var conflict *witness.ConflictError
		switch {
		case err == nil:
			cosig, err := witness.ParseAnswer(body, cp, w.o.Key)
			if err != nil {
				return cosig, problem.Wrap(problem.Source, err, "anchor %s", w.o.Name).
					WithHint("ask the operator of the witness for its verifier key")
			}
			w.saw(c.Origin, c.Size)
			return cosig, nil
		case errors.As(err, &conflict) && conflict.Size > c.Size:
			return witness.Cosignature{}, w.ahead(ctx, c, conflict.Size)
		case errors.As(err, &conflict) && conflict.Size == old:
			return witness.Cosignature{}, problem.New(problem.Source, "anchor %s: the witness contradicts itself about the size it knows", w.o.Name)
		case errors.As(err, &conflict):
			old = conflict.Size
			w.saw(c.Origin, old)
		case errors.Is(err, witness.ErrInconsistent):
			return witness.Cosignature{}, w.parted(ctx, c, old)
		default:
			return witness.Cosignature{}, w.failed(err)
		}
	}
	return witness.Cosignature{}, problem.New(problem.Source, "anchor %s: the witness names another size each time", w.o.Name).
		WithHint("does another copy of this log hand in checkpoints?")
}

// add sends one add-checkpoint request and returns the body of its answer.
func (w *Witness) add(ctx context.Context, c Checkpoint, old uint64, prove func(uint64) ([]evidence.Hash, error)) ([]byte, error) {
	req := witness.Request{Old: old, Signed: c.Signed}
	if old > 0 && old < c.Size {
		var err error
		if req.Proof, err = prove(old); err != nil {
			return nil, fmt.Errorf("prove that size %d extends %d: %w", c.Size, old, err)
		}
	}
	body, err := req.Encode()
	if err != nil {
		return nil, err
	}
	return w.do(ctx, http.MethodPost, w.submit, body)
}

// do sends a request and returns the body of an answer 200; any other is what
// witness.Refusal says of it.
func (w *Witness) do(ctx context.Context, method, to string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "evidenced")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, int64(witness.MaxAnswer)+1))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if len(answer) > witness.MaxAnswer {
		return nil, fmt.Errorf("the answer has more than %d bytes", witness.MaxAnswer)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, witness.Refusal(resp.StatusCode, resp.Header.Get("Content-Type"), answer)
	}
	return answer, nil
}

// failed tells a refusal or failure that may pass, with what to do.
func (w *Witness) failed(err error) error {
	p := problem.Wrap(problem.Source, err, "anchor %s", w.o.Name)
	switch {
	case errors.Is(err, witness.ErrUnknownLog):
		p = p.WithHint("give the operator of the witness the log's origin and verifier key; both stand in record 0")
	case errors.Is(err, witness.ErrSignature):
		p = p.WithHint("the operator of the witness has another key of this log; give the new one")
	case errors.Is(err, witness.ErrBusy):
		p.Code = problem.Throttled
	}
	return p
}

// ahead makes the conflict with a witness that says it knows a larger log.
func (w *Witness) ahead(ctx context.Context, c Checkpoint, size uint64) error {
	no := &Conflict{Anchor: w.o.Name, Origin: c.Origin, Size: c.Size, Known: size, Why: "the end of the log is lost, or an older copy was brought back"}
	if shown, err := w.shown(ctx, c.Origin); err == nil && shown != nil && shown.Size >= size {
		no.Known, no.Root = shown.Size, shown.Root
	} else {
		no.Why += " (the witness says so, and shows no such checkpoint)"
	}
	return no
}

// parted makes the conflict with a witness that refuses the proof from old.
func (w *Witness) parted(ctx context.Context, c Checkpoint, old uint64) error {
	no := &Conflict{Anchor: w.o.Name, Origin: c.Origin, Size: c.Size, Known: old, Why: "the log does not extend what was anchored: records before it were changed"}
	if old == c.Size {
		no.Why = "two trees of one size were signed"
	}
	if shown, err := w.shown(ctx, c.Origin); err == nil && shown != nil && shown.Size == old {
		no.Root = shown.Root
	}
	return no
}

// shown asks for the newest checkpoint that the witness shows of the log, and
// verifies both signatures; nil when it shows none.
func (w *Witness) shown(ctx context.Context, origin string) (*chain.Checkpoint, error) {
	signed, err := w.do(ctx, http.MethodGet, w.monitor+"/"+witness.OriginHash(origin)+"/checkpoint", nil)
	if errors.Is(err, witness.ErrUnknownLog) {
		return nil, nil
	}
	if err != nil {
		return nil, w.failed(err)
	}
	cp, err := w.own(signed, origin)
	if err != nil {
		return nil, w.failed(fmt.Errorf("what the witness shows: %w", err))
	}
	cs, err := witness.Verify(signed, []witness.Witness{w.o.Key})
	if err == nil && len(cs) == 0 {
		err = fmt.Errorf("it is not cosigned")
	}
	if err != nil {
		return nil, w.failed(fmt.Errorf("what the witness shows: %w", err))
	}
	return &cp, nil
}

// Newest implements Anchor. A witness may show its newest checkpoint late, or
// not at all; with Stored it is also asked for the size, by handing in the newest
// stored checkpoint as if the witness knew none. One that knew none cosigns it;
// one that does not follow the log is an error, since it can warn of nothing.
func (w *Witness) Newest(ctx context.Context, origin string) (uint64, evidence.Hash, bool, error) {
	var stored []byte
	if w.o.Stored != nil {
		var err error
		if stored, err = w.o.Stored(ctx, origin); err != nil {
			return 0, evidence.Hash{}, false, fmt.Errorf("anchor %s: newest checkpoint: %w", w.o.Name, err)
		}
	}
	shown, err := w.shown(ctx, origin)
	if stored == nil {
		if err != nil || shown == nil {
			return 0, evidence.Hash{}, false, err
		}
		return shown.Size, shown.Root, true, nil
	}
	size, root, ok, err := w.asked(ctx, origin, stored)
	if err == nil && ok && shown != nil && shown.Size == size {
		root = shown.Root
	}
	return size, root, ok, err
}

// asked hands the stored checkpoint in from size 0.
func (w *Witness) asked(ctx context.Context, origin string, stored []byte) (uint64, evidence.Hash, bool, error) {
	cp, err := w.own(stored, origin)
	if err != nil {
		return 0, evidence.Hash{}, false, fmt.Errorf("anchor %s: %w", w.o.Name, err)
	}
	body, err := w.add(ctx, Checkpoint{Origin: origin, Size: cp.Size, Root: cp.Root, Signed: stored}, 0, nil)
	var conflict *witness.ConflictError
	switch {
	case errors.As(err, &conflict):
		w.saw(origin, conflict.Size)
		return conflict.Size, evidence.Hash{}, true, nil
	case err != nil:
		return 0, evidence.Hash{}, false, w.failed(err)
	}
	if _, err := witness.ParseAnswer(body, cp, w.o.Key); err != nil {
		return 0, evidence.Hash{}, false, w.failed(err)
	}
	w.saw(origin, cp.Size)
	return cp.Size, cp.Root, true, nil
}

func (w *Witness) lastSeen(origin string) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.known[origin]
}

func (w *Witness) saw(origin string, size uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known[origin] = size
}
