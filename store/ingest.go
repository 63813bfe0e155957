package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Part is what of a batch belongs to one tenant.
type Part struct {
	Tenant evidence.Tenant
	Items  []Item
}

// ErrKept says that a part is durable in the intake and not yet in its log,
// because the log is stopped or is still taking what was kept before. It is
// taken, in order, once the log goes on.
var ErrKept = errors.New("kept in the intake: the log has not taken it yet")

// ErrQuota says that the intake keeps as much for a stopped log as it may, and
// that the part was refused. [ErrKeysLost] refuses a part too.
var ErrQuota = errors.New("the intake is full for this log")

// Ingested is a batch that is durable. Its parts become records one by one.
type Ingested struct{ parts []*ingest }

// ingest is one part on its way.
type ingest struct {
	log  *Log
	done chan struct{} // closed when all is known

	mu   sync.Mutex
	left int
	res  Result
	err  error
}

// Wait returns what became of part i once its log has taken it. An error that
// is ErrKept means that it is durable and will be taken later; any other, that
// it is not durable.
func (in *Ingested) Wait(ctx context.Context, i int) (Result, error) {
	p := in.parts[i]
	select {
	case <-p.done:
		return p.res, p.err
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
}

// finish notes the outcome of one request of the part.
func (p *ingest) finish(rp reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if rp.err != nil && p.err == nil {
		p.err = rp.err
	}
	p.res.Fates, p.res.Seqs = append(p.res.Fates, rp.res.Fates...), append(p.res.Seqs, rp.res.Seqs...)
	p.res.Size = max(p.res.Size, rp.res.Size)
	if p.left--; p.left == 0 {
		close(p.done)
	}
}

// Ingest makes a batch for several tenants durable and returns. A batch for
// one log goes straight to it; one for many goes to the intake, with one sync
// for all, and the logs take their parts from there. A tenant stands in one
// part only. A log that is stopped has its part kept, up to the quota, and
// holds nobody up; Wait tells. An error means that nothing is promised.
func (s *Store) Ingest(ctx context.Context, parts []Part) (*Ingested, error) {
	in := &Ingested{parts: make([]*ingest, len(parts))}
	for i, p := range parts {
		l, err := s.Create(p.Tenant)
		if errors.Is(err, ErrKeysLost) { // it has no log that could keep the part
			s.o.Log.Error("part refused", "tenant", p.Tenant.String(), "err", err)
			in.parts[i] = &ingest{done: make(chan struct{}), err: err}
			close(in.parts[i].done)
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := l.check(p.Items); err != nil {
			return nil, err
		}
		in.parts[i] = &ingest{log: l, done: make(chan struct{})}
		if len(p.Items) == 0 {
			close(in.parts[i].done)
		}
	}
	if s.o.Intake == nil || len(parts) == 1 && in.parts[0].err == nil && in.parts[0].log.takes() {
		return in, s.direct(ctx, in, parts)
	}
	return in, s.viaIntake(ctx, in, parts)
}

// writers is how many logs are written at a time: their syncs overlap.
const writers = 8

// direct appends every part to its log and waits.
func (s *Store) direct(ctx context.Context, in *Ingested, parts []Part) error {
	var wg sync.WaitGroup
	slots := make(chan struct{}, writers)
	for i, p := range in.parts {
		if len(parts[i].Items) == 0 || p.err != nil {
			continue
		}
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			p.res, p.err = p.log.Append(ctx, parts[i].Items)
			close(p.done)
		})
	}
	wg.Wait()
	return nil
}

// viaIntake puts the parts into the intake; in the order in which it took
// them, they are handed to the committers.
func (s *Store) viaIntake(ctx context.Context, in *Ingested, parts []Part) error {
	type piece struct {
		part  *ingest
		items []Item
	}
	var pieces []piece
	var used []*Log
	release := func() {
		for _, l := range used {
			if l != nil {
				l.release()
			}
		}
	}
	for i, p := range in.parts {
		items := parts[i].Items
		if len(items) == 0 || p.err != nil {
			continue
		}
		if err := p.log.room(ctx, s.o.IntakeQuota, s.o.Intake.Bytes(p.log.keys.LogID())); err != nil {
			if !errors.Is(err, ErrQuota) {
				release()
				return err
			}
			s.o.Log.Error("intake refuses a part", "tenant", p.log.tenant.String(), "kept_bytes", s.o.Intake.Bytes(p.log.keys.LogID()))
			p.err = err
			close(p.done)
			continue
		}
		for chunk := range slices.Chunk(items, maxBatch) {
			pieces = append(pieces, piece{p, chunk})
			p.left++
			// Held by the request until it is answered. A log that does not
			// open keeps its part in the intake.
			if err := p.log.use(); err == nil {
				used = append(used, p.log)
			} else {
				s.o.Log.Error("log not opened", "tenant", p.log.tenant.String(), "err", err)
				used = append(used, nil)
			}
		}
	}
	frames := make([]IntakeFrame, len(pieces))
	work := time.Duration(0)
	for _, p := range pieces {
		work += workOn(p.items, sealing)
	}
	if err := inOrder(len(pieces), 1, work, func(i int) (err error) {
		id := pieces[i].part.log.keys.LogID()
		frames[i].Log = id
		frames[i].Body, err = s.o.Keys.Seal("intake/"+id, encodeItems(pieces[i].items))
		return err
	})(len(pieces) - 1); err != nil {
		release()
		return fmt.Errorf("seal for the intake: %w", err)
	}
	err := s.o.Intake.Put(frames, func(frames []IntakeFrame) {
		for i, fr := range frames {
			p := pieces[i]
			rq := newRequest(p.items)
			rq.intake = IntakeMark{s.o.Intake.Epoch(), fr.Pos}
			rq.part = p.part
			p.part.log.accept(rq, used[i] != nil)
		}
	})
	if err != nil {
		release()
		// Nothing is durable there. The logs may still be able to take it.
		s.o.Log.Error("intake not written, the logs are written one by one", "err", err)
		return s.direct(ctx, in, parts)
	}
	return nil
}

// backlog is what the intake keeps for a log that could not take it at once.
type backlog struct {
	mu      sync.Mutex
	behind  bool          // parts go to the list below, not to the committer
	kept    []keptPart    // in order
	drained chan struct{} // closed when what was kept over a restart was tried; nil when nothing was
}

// keptPart is a part that the intake keeps.
type keptPart struct {
	pos uint64
	log string // id of the log that it was promised to: this one or one that it continues
}

// takes reports whether the log takes parts at once.
func (l *Log) takes() bool {
	l.backlog.mu.Lock()
	behind := l.backlog.behind
	l.backlog.mu.Unlock()
	return !behind && l.stoppedBy() == nil
}

// room waits until the committer has room for another part, or refuses when
// the log is stopped and its quota is used up.
func (l *Log) room(ctx context.Context, quota, kept int64) error {
	if !l.takes() {
		if kept >= quota {
			return problem.Wrap(problem.Storage, ErrQuota, "log of %s is stopped and %d bytes wait for it", l.tenant, kept).
				WithHint("bring the log of %s back, or raise intake.quota; until then its evidence is missing from the sources that go on", l.tenant)
		}
		return nil
	}
	l.life.Lock()
	q := l.queue
	l.life.Unlock()
	if q == nil {
		return nil
	}
	return q.room(ctx)
}

// accept takes a part that is durable in the intake. It does not wait.
func (l *Log) accept(rq *request, resident bool) {
	l.backlog.mu.Lock()
	defer l.backlog.mu.Unlock()
	if l.backlog.behind || !resident {
		l.backlog.behind = true
		l.keep(rq)
		if resident {
			l.release()
		}
		return
	}
	l.queue.push(rq)
}

// keep notes that a part stays in the intake. The caller holds backlog.mu.
func (l *Log) keep(rq *request) {
	l.backlog.kept = append(l.backlog.kept, keptPart{rq.intake.Pos, l.keys.LogID()})
	if rq.part != nil {
		rq.part.finish(reply{err: ErrKept})
	}
}

// answer tells a request what became of it.
func (l *Log) answer(rq *request, rp reply) {
	if rq.intake.Epoch == "" {
		rq.reply <- rp
		return
	}
	defer l.release()
	if rp.err == nil {
		if err := l.st.o.Intake.Taken(rq.intake.Pos); err != nil {
			l.st.o.Log.Error("intake not tidied", "err", err) // what is offered twice is found out by its mark
		}
	}
	switch {
	case rq.part == nil: // the one that drains waits, and keeps its own count
		rq.reply <- rp
	case rp.err == nil:
		rq.part.finish(rp)
	default:
		// The log has stopped: what it was promised stays where it is.
		l.backlog.mu.Lock()
		l.backlog.behind = true
		l.keep(rq)
		l.backlog.mu.Unlock()
	}
}

// recoverIntake hands what the intake kept over a restart to the logs, in the
// background; new parts of a log wait behind the old ones. What a log was
// promised that another continues now goes to that one.
func (s *Store) recoverIntake() error {
	if s.o.Intake == nil {
		return nil
	}
	waiting := s.o.Intake.Waiting()
	if len(waiting) == 0 {
		return nil
	}
	ts, err := s.o.Keys.Tenants()
	if err != nil {
		return err
	}
	logs := map[string]*Log{}
	for _, t := range ts {
		l, err := s.Log(t)
		if err != nil {
			return err
		}
		logs[l.keys.LogID()] = l
		former, err := s.Prior(t)
		if err != nil {
			return err
		}
		for _, f := range former {
			logs[f.keys.LogID()] = l
		}
	}
	strange := 0
	for _, fr := range waiting {
		l := logs[fr.Log]
		if l == nil {
			strange++ // its tenant's keys are gone: nobody can read it
			continue
		}
		if !l.backlog.behind {
			l.backlog.behind, l.backlog.drained = true, make(chan struct{})
		}
		l.backlog.kept = append(l.backlog.kept, keptPart{fr.Pos, fr.Log})
	}
	if strange > 0 {
		s.o.Log.Warn("intake keeps parts of logs whose keys are gone", "parts", strange)
	}
	for id, l := range logs {
		if l.backlog.behind && id == l.keys.LogID() {
			s.background.Go(func() {
				defer close(l.backlog.drained)
				if err := l.drain(); err != nil {
					s.o.Log.Error("intake not drained", "tenant", l.tenant.String(), "err", err)
				}
			})
		}
	}
	return nil
}

// drain hands the log what the intake keeps for it, one part after the other.
func (l *Log) drain() error {
	if err := l.use(); err != nil {
		return err
	}
	defer l.release()
	taken, err := l.takenBy()
	if err != nil {
		return err
	}
	for !l.st.isClosed() {
		l.backlog.mu.Lock()
		if len(l.backlog.kept) == 0 {
			l.backlog.behind = false
			l.backlog.mu.Unlock()
			return nil
		}
		next := l.backlog.kept[0]
		l.backlog.mu.Unlock()
		if next.pos > taken[next.log] {
			if err := l.takeKept(next); err != nil {
				return err
			}
		} else if err := l.st.o.Intake.Taken(next.pos); err != nil {
			return err
		}
		l.backlog.mu.Lock()
		l.backlog.kept = l.backlog.kept[1:]
		l.backlog.mu.Unlock()
	}
	return nil
}

// takenBy returns the newest position of the intake's row that this log and
// those it continues have taken of what was promised to each. A log that
// continues others takes what they were promised too.
func (l *Log) takenBy() (map[string]uint64, error) {
	epoch := l.st.o.Intake.Epoch()
	mark := func(o *Log) uint64 {
		o.mu.RLock()
		defer o.mu.RUnlock()
		if o.head.Intake.Epoch != epoch {
			return 0
		}
		return o.head.Intake.Pos
	}
	own := mark(l)
	taken := map[string]uint64{l.keys.LogID(): own}
	l.backlog.mu.Lock()
	others := slices.ContainsFunc(l.backlog.kept, func(k keptPart) bool { return k.log != l.keys.LogID() })
	l.backlog.mu.Unlock()
	if !others {
		return taken, nil
	}
	former, err := l.st.Prior(l.tenant)
	if err != nil {
		return nil, err
	}
	for _, f := range former {
		if err := f.use(); err != nil {
			return nil, err
		}
		taken[f.keys.LogID()] = max(own, mark(f))
		f.release()
	}
	return taken, nil
}

// takeKept appends one part that was kept.
func (l *Log) takeKept(k keptPart) error {
	sealed, err := l.st.o.Intake.Body(k.pos)
	if err != nil {
		return err
	}
	plain, err := l.st.o.Keys.Open("intake/"+k.log, sealed)
	if err != nil {
		return err
	}
	items, err := decodeItems(plain)
	if err != nil {
		return problem.Wrap(problem.Corrupt, err, "what the intake keeps for %s", l.tenant)
	}
	if err := l.use(); err != nil { // held by the request
		return err
	}
	rq := newRequest(items)
	rq.intake = IntakeMark{l.st.o.Intake.Epoch(), k.pos}
	l.queue.push(rq)
	return (<-rq.reply).err
}

// CaughtUp waits until what the intake kept for the log over a restart was
// taken, or could not be.
func (l *Log) CaughtUp(ctx context.Context) error {
	if l.backlog.drained == nil {
		return nil
	}
	select {
	case <-l.backlog.drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Kept returns how many bytes the intake keeps for the log because it is
// stopped.
func (l *Log) Kept() int64 {
	if l.st.o.Intake == nil || l.takes() {
		return 0
	}
	return l.st.o.Intake.Bytes(l.keys.LogID())
}

// ForgetIntake drops from the disk what the logs have taken from the intake:
// it opens with a key that outlives those of people, segments and tenants.
func (s *Store) ForgetIntake() error {
	in, ok := s.o.Intake.(interface{ Forget() error })
	if !ok {
		return nil
	}
	if err := in.Forget(); err != nil {
		return fmt.Errorf("drop what the logs have taken from the intake: %w", err)
	}
	return nil
}

// dropKept drops what the intake keeps for logs that are ended: nobody takes it
// any more, and it opens without the keys of their tenant.
func (s *Store) dropKept(ids map[string]bool) error {
	if s.o.Intake == nil {
		return nil
	}
	var gone []uint64
	for _, fr := range s.o.Intake.Waiting() {
		if ids[fr.Log] {
			gone = append(gone, fr.Pos)
		}
	}
	if err := s.o.Intake.Taken(gone...); err != nil {
		return err
	}
	return s.ForgetIntake()
}
