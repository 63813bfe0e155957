package daemon

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/schedule"
	"evidenced/cmd/internal/telemetry"
	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/evidence/timestamp"
	"evidenced/evidence/witness"
	"evidenced/store"
	"evidenced/store/anchor"
)

// anchors are the configured places for checkpoints, at work. The checkpoint of
// _platform goes to each on a schedule of its own: its log.checkpoints records
// cover every other log. The closing checkpoint of a pack goes to all at once.
type anchors struct {
	e        *Engine
	places   []*place
	receipts *anchor.Receipts // nil when there are no places
	asking   asking

	mu       sync.Mutex
	told     map[string]bool // alarms recorded already
	tasks    sync.WaitGroup  // asking
	recorded sync.WaitGroup  // alarms being recorded
}

// place is one anchor with how it is doing.
type place struct {
	anchor.Anchor
	config *config.Anchor
	asks   bool // it can be asked for what it knows
	// check verifies again what the place signed in a receipt and returns the
	// time it vouches for; nil where a receipt holds nothing but our own note.
	check func(anchor.Receipt) (time.Time, error)
	turn  chan struct{} // holds one token: one exchange at a time

	mu       sync.Mutex
	failures int // in a row
	why      string
	said     map[string]said // by origin, for reports; emptied by every exchange
}

// openAnchors makes the places and begins to ask them. A demonstration has
// none: what it signs is nobody's evidence.
func (e *Engine) openAnchors() error {
	s := &anchors{e: e, told: map[string]bool{}}
	if !e.local.Simulated && len(e.o.Config.Anchors) > 0 {
		for i := range e.o.Config.Anchors {
			p, err := e.place(s, &e.o.Config.Anchors[i])
			if err != nil {
				return err
			}
			s.places = append(s.places, p)
		}
		var err error
		if s.receipts, err = anchor.OpenReceipts(e.local.Dir); err != nil {
			return err
		}
		for _, f := range anchor.DamagedReceipts(e.local.Dir) {
			e.o.Log.Error("damaged file moved aside", "file", f)
		}
	}
	handle := e.local.Store.Create
	if e.o.ReadOnly {
		handle = e.local.Store.Log
	}
	l, err := handle(evidence.Platform)
	switch {
	case err == nil:
		e.platform = l.Origin()
	case !problem.Is(err, problem.NotFound):
		return errors.Join(err, s.close())
	}
	if err := s.startAsking(l); err != nil {
		return errors.Join(err, s.close())
	}
	e.anchors, e.receipts = s, s.forPack
	return nil
}

func (e *Engine) place(s *anchors, c *config.Anchor) (*place, error) {
	p := &place{config: c, asks: true, turn: make(chan struct{}, 1), said: map[string]said{}}
	p.turn <- struct{}{}
	open := e.local.Store.OpenNote
	switch c.Type {
	case "file":
		p.Anchor = anchor.NewFile(anchor.FileOptions{Name: c.Name, Dir: c.Dir, Data: e.local.Dir, Open: open, Now: e.Now})
	case "git":
		p.Anchor = anchor.NewGit(anchor.GitOptions{Name: c.Name, Repository: c.Repository, Branch: c.Branch, User: c.User,
			TokenFile: c.TokenFile, CAFile: c.CAFile, Data: e.local.Dir, Open: open, Now: e.Now})
	case "syslog":
		a, err := anchor.NewSyslog(anchor.SyslogOptions{Name: c.Name, Address: c.Address, Forwarded: c.Forwarded, Now: e.Now})
		if err != nil {
			return nil, problem.Wrap(problem.Config, err, "anchor %s", c.Name)
		}
		p.Anchor, p.asks = a, false
	case "rfc3161":
		return p, e.authority(p)
	case "witness":
		return p, e.witness(s, p, open)
	default:
		return nil, problem.New(problem.Config, "anchor %s: unknown type %q", c.Name, c.Type)
	}
	return p, nil
}

// authority makes the place of a time-stamping authority.
func (e *Engine) authority(p *place) error {
	c := p.config
	pem, err := os.ReadFile(c.RootsFile)
	if err != nil {
		return problem.Wrap(problem.Config, err, "anchor %s: roots_file", c.Name)
	}
	roots, between, err := timestamp.Certificates(pem)
	if err != nil {
		return problem.Wrap(problem.Config, err, "anchor %s: roots_file %s", c.Name, c.RootsFile)
	}
	o := anchor.TSAOptions{Name: c.Name, URL: c.URL, Roots: roots, Intermediates: between, LogKey: newestKey{e.local.Store}, Clock: e.Now}
	want := timestamp.Options{Roots: roots, Intermediates: between}
	if c.Policy != "" {
		if o.Policy, err = config.ParseOID(c.Policy); err != nil {
			return problem.Wrap(problem.Config, err, "anchor %s: policy", c.Name)
		}
		want.Policies = []asn1.ObjectIdentifier{o.Policy}
	}
	p.asks = false
	p.check = func(r anchor.Receipt) (time.Time, error) {
		key, err := e.local.Store.NoteVerifier(r.Note)
		if err != nil {
			return time.Time{}, err
		}
		imprint, err := timestamp.Imprint(r.Note, key)
		if err != nil {
			return time.Time{}, err
		}
		token, err := timestamp.Verify(r.Token, imprint, want)
		if err != nil {
			return time.Time{}, err
		}
		return token.NotAfter(), nil
	}
	p.Anchor, err = anchor.NewTSA(o)
	return err
}

// newestKey is the log key in force at each use: it may be changed meanwhile.
type newestKey struct{ st *store.Store }

func (k newestKey) Name() string                { return k.st.Verifier().Name() }
func (k newestKey) KeyHash() uint32             { return k.st.Verifier().KeyHash() }
func (k newestKey) Verify(msg, sig []byte) bool { return k.st.Verifier().Verify(msg, sig) }

// witness makes the place of a witness.
func (e *Engine) witness(s *anchors, p *place, open anchor.Opener) error {
	c := p.config
	key, err := witness.ParseWitness(c.Operator, c.Key)
	if err != nil {
		return problem.Wrap(problem.Config, err, "anchor %s: key", c.Name)
	}
	o := anchor.WitnessOptions{Name: c.Name, URL: c.URL, PlainHTTP: c.PlainHTTP, Key: key, Open: open, Now: e.Now}
	// What it cosigned before is shown to it again. The log is not asked: it
	// may be held by whoever waits for the witness.
	o.Stored = func(_ context.Context, origin string) ([]byte, error) {
		r, _, err := s.receipts.Newest(c.Name, origin)
		return r.Note, err
	}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return problem.Wrap(problem.Config, err, "anchor %s: ca_file", c.Name)
		}
		if o.Roots, err = x509.SystemCertPool(); err != nil {
			o.Roots = x509.NewCertPool()
		}
		if !o.Roots.AppendCertsFromPEM(pem) {
			return problem.New(problem.Config, "anchor %s: ca_file %s holds no certificate", c.Name, c.CAFile)
		}
	}
	p.check = func(r anchor.Receipt) (time.Time, error) {
		cs, err := witness.Verify(r.Note, []witness.Witness{key})
		if err != nil {
			return time.Time{}, err
		}
		if len(cs) == 0 {
			return time.Time{}, errors.New("the witness did not sign it")
		}
		return cs[0].Time, nil
	}
	p.Anchor, err = anchor.NewWitness(o)
	return err
}

// close ends what still runs and closes the receipts. The logs must be closed
// first.
func (s *anchors) close() error {
	if s == nil {
		return nil
	}
	s.asking.end()
	s.tasks.Wait()
	s.recorded.Wait()
	if s.receipts == nil {
		return nil
	}
	return s.receipts.Close()
}

// putTimeout bounds one exchange with a place.
const putTimeout = time.Minute

// run gives the place the checkpoint of _platform again and again until ctx
// ends; sooner after a failure, but ever less so.
func (s *anchors) run(ctx context.Context, p *place) {
	for ctx.Err() == nil {
		wait := p.config.Every
		if err := s.tick(ctx, p); err != nil {
			wait = min(wait, schedule.Backoff{}.After(p.failed()))
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
		case <-t.C:
		}
	}
}

// all gives every place the checkpoint of _platform once, within the time.
func (s *anchors) all(ctx context.Context, within time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var wg sync.WaitGroup
	for _, p := range s.places {
		wg.Go(func() { _ = s.tick(ctx, p) }) // told where it happens
	}
	wg.Wait()
}

// tick gives the place the checkpoint of _platform, unless it has it already.
func (s *anchors) tick(ctx context.Context, p *place) error {
	l, err := s.e.local.Store.Log(evidence.Platform)
	if err != nil {
		return s.ended(p, err)
	}
	c, signed, err := l.Checkpoint()
	if err != nil {
		return s.ended(p, err)
	}
	_, err = s.put(ctx, p, l, c, signed)
	return err
}

// put hands a checkpoint of the log to the place and keeps the receipt. A
// checkpoint that it took before is not sent again.
func (s *anchors) put(ctx context.Context, p *place, l *store.Log, c chain.Checkpoint, signed []byte) (anchor.Receipt, error) {
	select {
	case <-p.turn:
		defer func() { p.turn <- struct{}{} }()
	case <-ctx.Done():
		return anchor.Receipt{}, ctx.Err()
	}
	had, ok, err := s.receipts.Newest(p.Name(), c.Origin)
	switch {
	case err != nil:
		return had, s.ended(p, err)
	case ok && had.Size == c.Size && had.Root == c.Root:
		return had, s.ended(p, nil)
	case ok && had.Size > c.Size:
		return anchor.Receipt{}, fmt.Errorf("anchor %s holds a newer checkpoint already", p.Name())
	}
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	r, err := p.Put(ctx, anchor.Checkpoint{Origin: c.Origin, Size: c.Size, Root: c.Root, Signed: signed}, func(old uint64) ([]evidence.Hash, error) {
		return l.ProveConsistency(old, c.Size)
	})
	if err == nil {
		err = s.receipts.Put(r)
	}
	var conflict *anchor.Conflict
	if errors.As(err, &conflict) {
		s.alarm(treeOf(l), p, conflict)
	}
	return r, s.ended(p, err)
}

// ended keeps how an exchange ended and tells a failure; it returns err.
func (s *anchors) ended(p *place, err error) error {
	now := s.e.Now().UTC()
	p.mu.Lock()
	clear(p.said)
	if err == nil {
		p.failures, p.why = 0, ""
	} else {
		p.failures++
		p.why = err.Error()
	}
	failures := p.failures
	p.mu.Unlock()
	outcome := "done"
	if err != nil {
		outcome = outcomeOf(err)
		s.e.o.Log.Warn("anchor did not take the checkpoint", "anchor", p.Name(), "outcome", outcome, "failures", failures)
	}
	if m := s.e.o.Metrics; m != nil {
		m.Add("evidenced_anchor_puts_total", telemetry.Labels{Anchor: p.Name(), Outcome: outcome}, 1)
		m.Set("evidenced_anchor_every_seconds", telemetry.Labels{Anchor: p.Name()}, p.config.Every.Seconds())
		if err == nil {
			m.Time("evidenced_anchor_last_success_timestamp_seconds", telemetry.Labels{Anchor: p.Name()}, now)
		}
	}
	return err
}

func (p *place) failed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failures
}

// outcomeOf names a failure without what a place said.
func outcomeOf(err error) string {
	var conflict *anchor.Conflict
	switch {
	case errors.As(err, &conflict):
		return "conflict"
	case errors.Is(err, store.ErrNotSigned):
		return "not-signed"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "timeout"
	}
	return codeOf(err)
}

// refusal is what a person is told when somebody outside knows of another
// history of a log.
func refusal(t evidence.Tenant, why error) error {
	return problem.Wrap(problem.Refused, why, "the log of %s is not the one that was shown to others: it signs nothing", t).
		WithHint("this is an older copy, or records were changed: look at evidenced anchors --tenant %s, bring the newest copy back, or let evidenced restore --accept decide", t)
}

// alarm stops the log from signing and records why.
func (s *anchors) alarm(t tree, p *place, c *anchor.Conflict) {
	why := refusal(t.tenant, c)
	s.asking.refuse(t.origin, why)
	t.refuse(why)
	s.unsigned(t.tenant)
	detail := conflictDetail(c)
	detail["type"] = p.config.Type
	s.tell("anchor.conflict", detail)
}

func conflictDetail(c *anchor.Conflict) map[string]string {
	return map[string]string{
		"anchor": c.Anchor, "origin": c.Origin, "why": c.Why, "size": strconv.FormatUint(c.Size, 10),
		"known_size": strconv.FormatUint(c.Known, 10), "known_root": c.Root.String(),
	}
}

// unsigned shows operators that the tenant's log signs nothing.
func (s *anchors) unsigned(t evidence.Tenant) {
	if m := s.e.o.Metrics; m != nil {
		m.Set("evidenced_log_signing_refused", telemetry.Labels{Tenant: t}, 1)
	}
}

// tell records an alarm in _platform, once while the program runs, beside what
// goes on: who calls may hold what appending needs.
func (s *anchors) tell(act string, detail map[string]string) {
	b, err := json.Marshal(detail)
	if err != nil {
		panic(err) // strings always marshal
	}
	key := act + " " + string(b)
	s.mu.Lock()
	known := s.told[key]
	s.told[key] = true
	s.mu.Unlock()
	if known {
		return
	}
	s.e.o.Log.Error("alarm", "act", act, "anchor", detail["anchor"], "origin", detail["origin"])
	s.recorded.Go(func() {
		if err := s.e.admin(context.Background(), act, detail); err != nil {
			s.e.o.Log.Error("alarm not recorded", "act", act, "code", codeOf(err))
		}
	})
}

// admin records an act of the program itself or of an administrator.
func (e *Engine) admin(ctx context.Context, act string, detail map[string]string) error {
	l, err := e.local.Store.Create(evidence.Platform)
	if err != nil {
		return err
	}
	return tell(ctx, l, evidence.PlatformAdmin, newID().String(), evidence.NewRef("log", "", l.Origin()), evidence.AdminFacts{Act: act, Detail: detail}, e.Now().UTC())
}
