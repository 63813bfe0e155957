package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"evidenced/cmd/internal/telemetry"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/anchor"
)

// asking is what others knew of the logs when the program started. Before a log
// is signed for the first time it is compared with the checkpoints of it that
// _platform recorded, with the receipts, and with what every anchor that can be
// asked says. A machine brought back whole from an older image differs in
// nothing but the last.
type asking struct {
	limit time.Duration // how long a first signature waits for answers
	heads map[string]evidence.LogHead
	stop  context.CancelFunc
	timer *time.Timer

	answered chan struct{} // closed when every place has answered
	compared chan struct{} // closed when every answer was compared with the log
	expired  chan struct{} // closed when the limit has passed

	mu      sync.Mutex
	answers map[string]answer
	waiting map[string]bool  // places whose answer was not compared yet
	refused map[string]error // by origin
}

// answer is what a place knows of _platform's log.
type answer struct {
	size     uint64
	root     evidence.Hash
	ok       bool
	conflict *anchor.Conflict // what it holds contradicts itself
	receipt  uint64           // size of our newest receipt from it when it was asked; 0 when there was none
}

// tree is a log to be compared with what others know of it. Within
// store.Options.BeforeFirstSign it must not be used in any other way.
type tree struct {
	tenant evidence.Tenant
	origin string
	size   uint64
	rootAt func(uint64) (evidence.Hash, error)
	refuse func(error) // stops its signing
}

func treeOf(l *store.Log) tree {
	return tree{l.Tenant(), l.Origin(), l.Size(), l.RootAt, l.RefuseToSign}
}

// How long is waited for answers before a first signature, by default. A
// command that only reads waits less, and leaves the signing to the next start
// when somebody did not answer.
const (
	askLimit     = 30 * time.Second
	askLimitRead = 5 * time.Second
)

// startAsking asks every place that can be asked, beside everything else, until
// it answers or the engine is closed. The log is that of _platform; nil when
// there is none yet.
func (s *anchors) startAsking(l *store.Log) error {
	a := &s.asking
	a.limit = s.e.o.AskLimit
	if a.limit == 0 {
		a.limit = askLimit
		if s.e.o.ReadOnly {
			a.limit = askLimitRead
		}
	}
	a.answers, a.refused, a.waiting = map[string]answer{}, map[string]error{}, map[string]bool{}
	a.answered, a.compared, a.expired = make(chan struct{}), make(chan struct{}), make(chan struct{})
	var err error
	if a.heads, err = s.e.knownHeads(context.Background()); err != nil {
		return err
	}
	for _, p := range s.places {
		if p.asks && l != nil {
			a.waiting[p.Name()] = true
		}
	}
	if len(a.waiting) == 0 {
		close(a.answered)
		close(a.compared)
		return nil
	}
	a.timer = time.AfterFunc(a.limit, func() { close(a.expired) })
	ctx, stop := context.WithCancel(context.Background())
	a.stop = stop
	places := len(a.waiting)
	for _, p := range s.places {
		if p.asks {
			s.tasks.Go(func() { s.askUntilAnswered(ctx, p, l, places) })
		}
	}
	return nil
}

// end stops asking.
func (a *asking) end() {
	if a.stop != nil {
		a.stop()
		a.timer.Stop()
	}
}

// settle waits until nothing more of _platform's log is needed to let others
// be signed.
func (a *asking) settle() {
	select {
	case <-a.compared:
	case <-a.expired:
	}
}

func (s *anchors) askUntilAnswered(ctx context.Context, p *place, l *store.Log, places int) {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		got, err := s.ask(ctx, p, l.Origin())
		if err == nil {
			s.asking.keep(p.Name(), got, places)
			err = s.compare(p, treeOf(l), got)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		s.e.o.Log.Warn("anchor does not say what it knows", "anchor", p.Name(), "outcome", outcomeOf(err), "again_in", wait.String())
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

// keep stores the answer of one of so many places.
func (a *asking) keep(name string, got answer, places int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, again := a.answers[name]; again {
		return
	}
	a.answers[name] = got
	if len(a.answers) == places {
		close(a.answered)
	}
}

func (a *asking) answer(name string) (answer, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	got, ok := a.answers[name]
	return got, ok
}

func (a *asking) wasCompared(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.waiting[name] {
		return
	}
	delete(a.waiting, name)
	if len(a.waiting) == 0 {
		close(a.compared)
	}
}

// over reports whether a first signature would no longer wait for answers.
func (a *asking) over() bool {
	select {
	case <-a.compared:
	case <-a.expired:
	default:
		return false
	}
	return true
}

// silent lists the places whose answer is missing.
func (a *asking) silent() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.waiting))
}

// refuse keeps that the log of the origin must not be signed.
func (a *asking) refuse(origin string, why error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.refused[origin] == nil {
		a.refused[origin] = why
	}
}

func (a *asking) refusal(origin string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refused[origin]
}

// askTimeout bounds one question.
const askTimeout = 20 * time.Second

// ask asks the place what it knows of the log of the origin. What it must know
// are the receipts held before: one that comes while it answers, or before the
// answer is compared, says nothing against it.
func (s *anchors) ask(ctx context.Context, p *place, origin string) (got answer, err error) {
	had, _, err := s.receipts.Newest(p.Name(), origin)
	if err != nil {
		return got, err
	}
	got.receipt = had.Size
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	got.size, got.root, got.ok, err = p.Newest(ctx, origin)
	if errors.As(err, &got.conflict) {
		err = nil
	}
	return got, err
}

// compare compares what the place knows with the log and raises the alarm when
// they differ. The error is for what could not be compared.
func (s *anchors) compare(p *place, t tree, got answer) error {
	if got.conflict == nil && got.size < got.receipt {
		s.tell("anchor.lost", map[string]string{
			"anchor": p.Name(), "type": p.config.Type, "origin": t.origin,
			"receipt_size": strconv.FormatUint(got.receipt, 10), "known_size": strconv.FormatUint(got.size, 10),
		})
	}
	c := got.conflict
	if c == nil && got.ok {
		why, err := t.differs(got.size, got.root)
		if err != nil {
			return err
		}
		if why != "" {
			c = &anchor.Conflict{Anchor: p.Name(), Origin: t.origin, Size: t.size, Known: got.size, Root: got.root, Why: why}
		}
	}
	if c != nil {
		s.alarm(t, p, c)
	}
	if t.origin == s.e.platform {
		s.asking.wasCompared(p.Name())
	}
	return nil
}

// differs compares the log with a size and root known elsewhere and says how
// they differ; "" when they do not. A zero root is not compared.
func (t tree) differs(size uint64, root evidence.Hash) (string, error) {
	if size > t.size {
		return "the end of the log is lost, or an older copy was brought back", nil
	}
	if size == 0 || root.IsZero() {
		return "", nil
	}
	got, err := t.rootAt(size)
	if err != nil || got == root {
		return "", err
	}
	return "the records before that size are not those that were signed", nil
}

// beforeFirstSign implements store.Options.BeforeFirstSign.
func (e *Engine) beforeFirstSign(ctx context.Context, f store.First) error {
	if e.anchors == nil {
		return errors.New("the data directory was not opened whole")
	}
	return e.anchors.beforeFirstSign(ctx, tree{f.Tenant, f.Origin, f.Size, f.RootAt, func(error) {}})
}

// beforeFirstSign lets a log be signed, or says why not.
func (s *anchors) beforeFirstSign(ctx context.Context, t tree) error {
	if err := s.compareKnown(t); err != nil {
		return err
	}
	if err := s.hearAnswers(ctx, t); err != nil {
		return err
	}
	if err := s.refusedOf(t); err != nil {
		return err
	}
	silent := s.asking.silent()
	if t.origin != s.e.platform {
		more, err := s.askDirectly(ctx, t, silent)
		if err != nil {
			return err
		}
		silent = append(silent, more...)
	}
	if err := s.refusedOf(t); err != nil || len(silent) == 0 {
		return err
	}
	if s.e.o.Config.AnchorsRequired || s.e.o.ReadOnly {
		return problem.New(problem.Source, "anchors do not say what they know of the log of %s: %s", t.tenant, strings.Join(silent, ", ")).
			WithHint("records are kept; they are signed when the anchors answer")
	}
	for _, name := range silent {
		if m := s.e.o.Metrics; m != nil {
			m.Add("evidenced_anchor_unasked_total", telemetry.Labels{Anchor: name}, 1)
		}
		s.tell("anchor.unasked", map[string]string{"anchor": name, "waited": s.asking.limit.String()})
	}
	return nil
}

// hearAnswers waits for the answers about _platform's log, within the limit.
// The log itself compares them here: it may be held while it is being closed,
// and nobody else could.
func (s *anchors) hearAnswers(ctx context.Context, t tree) error {
	wait := s.asking.compared
	if t.origin == s.e.platform {
		wait = s.asking.answered
	}
	select {
	case <-wait:
	case <-s.asking.expired:
	case <-ctx.Done():
		return ctx.Err()
	}
	if t.origin != s.e.platform {
		return nil
	}
	for _, p := range s.places {
		if got, ok := s.asking.answer(p.Name()); ok {
			if err := s.compare(p, t, got); err != nil {
				return err
			}
		}
	}
	return nil
}

// refusedOf returns why the log must not be signed: itself, or _platform, is
// not what others know. When _platform was rolled back every other log may
// have been as well, and what it knew of them is gone.
func (s *anchors) refusedOf(t tree) error {
	if err := s.asking.refusal(t.origin); err != nil {
		return err
	}
	if err := s.asking.refusal(s.e.platform); err != nil {
		s.unsigned(t.tenant)
		return refusal(t.tenant, fmt.Errorf("that of %s was rolled back or changed, so this one may have been as well: %w", evidence.Platform, err))
	}
	return nil
}

// compareKnown compares the log with what _platform recorded of it and with
// the receipts.
func (s *anchors) compareKnown(t tree) error {
	refuse := func(by string, size uint64, root evidence.Hash) error {
		why, err := t.differs(size, root)
		if err != nil || why == "" {
			return err
		}
		c := &anchor.Conflict{Anchor: by, Origin: t.origin, Size: t.size, Known: size, Root: root, Why: why}
		s.tell("anchor.conflict", conflictDetail(c))
		s.unsigned(t.tenant)
		return refusal(t.tenant, c)
	}
	if h, ok := s.asking.heads[t.origin]; ok {
		if err := refuse(evidence.Platform.String(), h.Size, h.Root); err != nil {
			return err
		}
	}
	for _, p := range s.places {
		r, ok, err := s.receipts.Newest(p.Name(), t.origin)
		if err != nil {
			return err
		}
		if ok {
			if err := refuse("receipt of "+p.Name(), r.Size, r.Root); err != nil {
				return err
			}
		}
	}
	return nil
}

// askDirectly asks the places that were given checkpoints of this very log, as
// packs do. It returns those that did not answer, but for the silent ones,
// which are not asked again.
func (s *anchors) askDirectly(ctx context.Context, t tree, silent []string) ([]string, error) {
	var out []string
	for _, p := range s.places {
		if !p.asks || slices.Contains(silent, p.Name()) {
			continue
		}
		_, had, err := s.receipts.Newest(p.Name(), t.origin)
		if err != nil {
			return nil, err
		}
		if !had {
			continue
		}
		got, err := s.ask(ctx, p, t.origin)
		if err != nil {
			out = append(out, p.Name())
			continue
		}
		if err := s.compare(p, t, got); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// recentHeads is how many of the newest log.checkpoints records are read.
const recentHeads = 100

// knownHeads returns the newest checkpoint of each log that _platform recorded:
// those of the list sealed last, and of the newest records, which may be ahead
// of it after a crash.
func (e *Engine) knownHeads(ctx context.Context) (map[string]evidence.LogHead, error) {
	heads := map[string]evidence.LogHead{}
	add := func(list []evidence.LogHead) {
		for _, h := range list {
			if h.Size > heads[h.Origin].Size {
				heads[h.Origin] = h
			}
		}
	}
	if e.local.Keys == nil {
		return heads, nil // no keyring: nothing opens, and nothing is signed
	}
	b, err := e.local.Store.Cursors().Cursor("checkpoints")
	if err != nil {
		return nil, fmt.Errorf("checkpoints sealed before: %w", err)
	}
	var f evidence.CheckpointsFacts
	if b != nil {
		if err := json.Unmarshal(b, &f); err != nil {
			return nil, fmt.Errorf("checkpoints sealed before: %w", err)
		}
		add(f.Logs)
	}
	l, err := e.local.Store.Log(evidence.Platform)
	if problem.Is(err, problem.NotFound) {
		return heads, nil
	}
	if err != nil {
		return nil, err
	}
	q := evidence.Query{Kinds: []evidence.Kind{evidence.LogCheckpoints}, BySeq: true, Backward: true, Limit: recentHeads}
	for rec, err := range l.Snapshot().Records(ctx, q) {
		if err != nil {
			return nil, err
		}
		var f evidence.CheckpointsFacts
		if err := rec.Decode(&f); err != nil {
			return nil, err
		}
		add(f.Logs)
	}
	return heads, nil
}
