package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
	"evidenced/evidence/problem"
)

// Log is one tenant's log. Its methods take no tenant. It may be used by
// several goroutines. Its files are open while it is used and for a while
// after; see residence.go.
type Log struct {
	st     *Store
	tenant evidence.Tenant
	origin string
	keys   TenantKeys
	names  names

	simulated bool

	backlog backlog
	ret     retirement // what was retired

	life        sync.Mutex // guards the next six
	lifeChanged sync.Cond
	resident    bool
	opened      bool // once at least
	users       int  // operations at work
	used        time.Time
	ended       error // why it is not opened again

	// What follows is there while the log is resident.
	file    LogFile
	index   Index
	sign    *signState
	queue   *queue
	flush   chan struct{} // wakes the indexer
	indexed chan struct{} // wakes a committer that waits for the indexer
	quit    chan struct{}
	done    sync.WaitGroup

	flushMu sync.Mutex   // one flush of the index at a time
	signMu  sync.Mutex   // one checkpoint at a time, so that sizes only rise
	asked   bool         // Options.BeforeFirstSign has let it be signed; under signMu
	viewMu  sync.RWMutex // held for reading while a view of the index is open

	ciphersMu  sync.Mutex
	ciphers    map[string]*claim.Cipher
	ciphersGen int // rises when keys were destroyed

	// Owned by the committer; known remembers which people's names were
	// offered to the log already, so that most batches offer none.
	known  map[evidence.ID]evidence.Names
	recent recents
	intake IntakeMark // newest part of the intake among the items at work
	flight *flight    // batch on its way to the disk; nil when there is none
	pace   pace
	mended bool // the index was found damaged and derived again

	flushed atomic.Uint64 // records in the stored index

	// mu guards what follows; the committer writes, readers read.
	mu       sync.RWMutex
	head     Head
	edge     *edge
	tail     *tail
	flushErr error            // why the index could not be written last time
	stopped  error            // why nothing more may be appended
	unopened error            // why it could not be opened when it was tried last
	unsigned error            // why nothing more may be signed
	signed   evidence.LogHead // newest checkpoint
	signedAt time.Time
	logKeys  chain.LogKeys
	rotating atomic.Bool // a log.key record is on its way
	lostTail lostTail    // records that went with a crash, until told
}

// Item is a draft with what the runner decided about it.
type Item struct {
	Draft evidence.Draft
	Actor evidence.ActorTenant
	Run   evidence.ID
	// Carries names the record whose state in force this item states again
	// because its segment is retired. Such an item is never dropped as
	// unchanged.
	Carries *evidence.At
	// From names the record of another log that this item copies.
	From *evidence.At

	// restated is set with Carries: what the record had that no draft can say.
	restated *restated
}

// Fate says what became of an item.
type Fate uint8

// The fates.
const (
	Appended  Fate = iota // a new record
	Amended               // a record that amends an earlier one
	Repeated              // the log had it already; other content under the key of a kind that is not revisable counts as that
	Unchanged             // a state that holds already
	Expired               // about a time whose records were retired: never appended again
)

// Result is the fate of each item, in order, and the seq of new records.
type Result struct {
	Fates []Fate
	Seqs  []uint64 // valid where the fate is Appended or Amended
	Size  uint64   // of the log after the append
}

// maxBatch is how many items one durable transaction takes at most.
const maxBatch = 8192

// newLog makes the handle of a log; nothing is opened yet.
func newLog(s *Store, t evidence.Tenant, keys TenantKeys) (*Log, error) {
	ik, err := keys.Derived("index")
	if err != nil {
		return nil, err
	}
	dk, err := keys.Derived("dedup")
	if err != nil {
		return nil, err
	}
	l := &Log{
		st: s, tenant: t, keys: keys, origin: s.o.Installation + "/" + keys.LogID(),
		names: names{newMACPool(ik), newMACPool(dk)}, simulated: s.o.Simulated,
	}
	l.lifeChanged.L = &l.life
	return l, nil
}

// open opens files, catches the index up and starts the goroutines. The caller
// holds life.
func (l *Log) open() (err error) {
	l.queue, l.quit = newQueue(), make(chan struct{})
	l.flush, l.indexed = make(chan struct{}, 1), make(chan struct{}, 1)
	l.ciphers, l.known, l.recent = map[string]*claim.Cipher{}, map[evidence.ID]evidence.Names{}, recents{}
	l.mended = false
	if l.file, l.index, err = l.st.o.Backend.Open(l.keys.LogID(), true); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = l.index.Close()
			_ = l.file.Close()
			if l.sign != nil {
				_ = l.sign.close()
			}
		}
	}()
	head, err := l.file.Head()
	if err != nil {
		return err
	}
	e, err := loadEdge(l.file, head)
	if err != nil {
		return problem.Wrap(problem.Corrupt, err, "end of the log of %s", l.tenant)
	}
	l.mu.Lock()
	l.head, l.edge = head, e
	l.mu.Unlock()
	if err := l.loadRetired(); err != nil {
		return err
	}
	if l.sign, err = openSignState(l.st.o.SignDir, l.keys.LogID(), l.begins()); err != nil {
		return err
	}
	// A log that was stopped stays so until the next start: after a failed
	// sync what is read back may never have reached the disk.
	l.stopAtOpening(l.checkSignState())
	l.stopAtOpening(l.checkHead())
	if err := l.noteLostTail(); err != nil {
		return err
	}
	if err := l.catchUpIndex(); err != nil {
		return err
	}
	if err := l.loadSigned(); err != nil {
		return err
	}
	// The keyring first: one that is older than the log does not open what tells
	// of retirements either.
	if !l.opened {
		if err := l.checkKeyring(); err != nil {
			return err
		}
	}
	if err := l.resumeRetired(context.Background()); err != nil {
		return err
	}
	l.done.Add(2)
	go l.commitLoop()
	go l.indexLoop()
	return nil
}

// begin appends the genesis record.
func (l *Log) begin() error {
	now := l.st.o.Clock().UTC()
	clock := "real"
	if l.st.o.Simulated {
		clock = "simulated"
	}
	facts, err := json.Marshal(evidence.GenesisFacts{
		Format: chain.Version, Origin: l.origin, Tenant: l.tenant, Created: now,
		LogKey: l.st.signers.newestKey(), PackKey: l.st.o.PackVerifier, Clock: clock,
		Predecessor: l.predecessor(),
	})
	if err != nil {
		return err
	}
	rq := newRequest([]Item{{Draft: evidence.Draft{
		Kind: evidence.LogGenesis, Op: evidence.OpEvent, Source: evidence.SelfSource,
		Key: "genesis", Subject: evidence.NewRef("log", "", l.origin),
		OccurredAt: now, Basis: evidence.BasisSource, ObservedAt: now, Content: facts,
	}}})
	if err := l.queue.put(context.Background(), rq); err != nil {
		return err
	}
	return (<-rq.reply).err
}

// Tenant returns whose log it is.
func (l *Log) Tenant() evidence.Tenant { return l.tenant }

// Origin returns the log's opaque name.
func (l *Log) Origin() string { return l.origin }

// Size returns the number of records; of a log that cannot be opened what was
// known of it last.
func (l *Log) Size() uint64 {
	if err := l.use(); err == nil {
		defer l.release()
	}
	return l.size()
}

func (l *Log) size() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.head.Size
}

// Stopped returns why nothing more may be appended; nil while it may. A log
// that was never opened is opened to find out.
func (l *Log) Stopped() error {
	l.life.Lock()
	known := l.opened
	l.life.Unlock()
	if !known {
		if err := l.use(); err != nil {
			return err
		}
		l.release()
	}
	return l.stoppedBy()
}

// Failure is Stopped as far as it is known: it opens nothing. A log that could
// not be opened when it was tried last takes nothing either.
func (l *Log) Failure() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.stopped != nil {
		return l.stopped
	}
	return l.unopened
}

func (l *Log) stoppedBy() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.stopped
}

// Append seals the items and returns when all of them are durable, or none is
// promised to be. Concurrent callers share a transaction. After an error of
// the disk the log is stopped.
func (l *Log) Append(ctx context.Context, items []Item) (Result, error) {
	var res Result
	if err := l.check(items); err != nil {
		return res, err
	}
	if err := l.use(); err != nil {
		return res, err
	}
	defer l.release()
	for {
		n := min(len(items), maxBatch)
		rq := newRequest(items[:n])
		if err := l.queue.put(ctx, rq); err != nil {
			return res, err
		}
		// From here on the outcome is awaited even when ctx ends: the records
		// may become durable, and a caller must not be told that they did not.
		rp := <-rq.reply
		if rp.err != nil {
			return res, rp.err
		}
		res.Fates, res.Seqs, res.Size = append(res.Fates, rp.res.Fates...), append(res.Seqs, rp.res.Seqs...), rp.res.Size
		if items = items[n:]; len(items) == 0 {
			return res, nil
		}
	}
}

func (l *Log) check(items []Item) error {
	return inOrder(len(items), identifyChunk, workOn(items, checking), func(i int) error {
		if err := items[i].Draft.Check(); err != nil {
			return problem.Wrap(problem.Internal, err, "append to log of %s", l.tenant)
		}
		return nil
	})(len(items) - 1)
}

func (l *Log) commitLoop() {
	defer l.done.Done()
	defer l.settle()
	// Callers that are answered together come back together. The committer
	// waits a moment for as many as there were, so that they do not fall into
	// two groups of which one always waits for the other's sync.
	callers, took := 0, time.Duration(0)
	for l.queue.await(l.quit) {
		done := l.queue.turn(l.st.drains, l.quit)
		if done == nil {
			return
		}
		if callers > 1 && l.flight == nil { // else some of them wait for that
			l.queue.gather(callers, min(took, maxPatience), l.quit)
		}
		batch := l.queue.front(maxBatch, min(2*l.pace.piece(maxBatch, 0), maxBatch))
		callers = callersOf(batch)
		begun := time.Now()
		l.commit(batch)
		done()
		took = time.Since(begun)
		_, n := l.queue.waiting()
		callers += n
	}
}

// maxPatience bounds how long a committer waits for callers.
const maxPatience = time.Millisecond

// commit makes one durable transaction of several requests, or several of one
// large one.
func (l *Log) commit(batch []*request) {
	if work := batch[0].work; work != nil {
		l.settle()
		batch[0].reply <- reply{err: work()}
		return
	}
	l.waitForIndex()
	if err := l.stoppedBy(); err != nil {
		l.settle()
		for _, rq := range batch {
			l.answer(rq, reply{err: err})
		}
		return
	}
	if len(batch) == 1 && batch[0].intake.Epoch == "" {
		l.commitLarge(batch[0])
		return
	}
	n := 0
	for _, rq := range batch {
		n += len(rq.items)
	}
	items := batch[0].items
	if len(batch) > 1 {
		items = make([]Item, 0, n)
		for _, rq := range batch {
			items = append(items, rq.items...)
		}
	}
	l.intake = newest(batch)
	res, m, err := l.batch(items)
	if err != nil {
		l.settle()
		l.commitEach(batch, err)
		return
	}
	l.write(m, l.intake.Epoch == "" && l.queue.ahead() >= aheadItems, func(err error) {
		at := 0
		for _, rq := range batch {
			n := len(rq.items)
			rp := reply{err: l.keepIntake(rq, err)}
			if err == nil {
				rp.res = Result{res.Fates[at : at+n], res.Seqs[at : at+n], res.Size}
			}
			l.answer(rq, rp)
			at += n
		}
	})
}

// batch is process, timed, and with an index that is found damaged mended.
func (l *Log) batch(items []Item) (Result, *batchMade, error) {
	begun := time.Now()
	res, m, err := l.process(items)
	if errors.Is(err, ErrIndexDamaged) && l.mend(err) == nil {
		begun = time.Now()
		res, m, err = l.process(items)
	}
	if len(items) > 0 {
		l.pace.making = time.Since(begun) / time.Duration(len(items))
	}
	return res, m, err
}

// aheadItems is how many items must wait for the next batch to be made while
// one is on its way. With fewer it is better to wait for the disk: what comes
// meanwhile shares the next sync.
const aheadItems = pieceItems / 2

// commitLarge makes the items of one request durable, in pieces when there are
// many: while one piece is on its way the next is made. The request is answered
// when all of it is durable. What of it is durable when a later piece fails is
// found again when it is sent again.
func (l *Log) commitLarge(rq *request) {
	l.intake = IntakeMark{}
	var all Result
	for items := rq.items; ; {
		n := l.pace.piece(len(items), l.queue.ahead())
		res, m, err := l.batch(items[:n])
		if err != nil {
			l.settle()
			l.answer(rq, reply{err: err})
			return
		}
		if n == len(rq.items) {
			all = res
		} else {
			all.Fates, all.Seqs, all.Size = append(all.Fates, res.Fates...), append(all.Seqs, res.Seqs...), res.Size
		}
		if items = items[n:]; len(items) > 0 {
			l.write(m, true, func(error) {}) // that it failed is told with the last piece
			continue
		}
		l.write(m, l.queue.ahead() >= aheadItems, func(err error) {
			if err != nil {
				all = Result{}
			}
			l.answer(rq, reply{all, err})
		})
		return
	}
}

// commitEach makes a transaction of each of several requests that failed
// together: one caller's bad item must not fail another's good ones. Of one
// request it only tells the failure.
func (l *Log) commitEach(batch []*request, failed error) {
	if len(batch) == 1 || errors.Is(failed, errStopped) {
		for _, rq := range batch {
			l.answer(rq, reply{err: l.keepIntake(rq, failed)})
		}
		return
	}
	for i, rq := range batch {
		// A log that one of them has stopped takes none after it: its mark
		// would pass a part that it does not have.
		if err := l.stoppedBy(); err != nil {
			l.answer(rq, reply{err: err})
			continue
		}
		l.intake = newest(batch[:i+1])
		res, m, err := l.batch(rq.items)
		if err != nil {
			l.answer(rq, reply{err: l.keepIntake(rq, err)})
			continue
		}
		l.write(m, false, func(err error) {
			if err != nil {
				res = Result{}
			}
			l.answer(rq, reply{res, l.keepIntake(rq, err)})
		})
	}
}

// keepIntake stops the log when it cannot take a part of the intake: the part
// was promised to be kept, and a later one must not be taken before it.
func (l *Log) keepIntake(rq *request, err error) error {
	if err == nil || rq.intake.Epoch == "" || errors.Is(err, errStopped) {
		return err
	}
	return l.stop(fmt.Errorf("take what the intake keeps: %w", err))
}

var errStopped = errors.New("log is stopped")

// stop records that the disk refused a write. Nothing is retried: after a
// failed fsync the kernel may have dropped what it could not write.
func (l *Log) stop(err error) error {
	p := problem.Wrap(problem.Storage, fmt.Errorf("%w: %w", errStopped, err), "log of %s stopped", l.tenant).
		WithHint("look at the disk (space, errors), then restart; nothing acknowledged is lost")
	l.mu.Lock()
	l.stopped = p
	l.mu.Unlock()
	l.st.o.Log.Error("log stopped", "tenant", l.tenant.String(), "err", err)
	return p
}

// cipher returns the cipher for a set of keys, cached.
func (l *Log) cipher(ids []string, keys func() ([][]byte, error)) (*claim.Cipher, error) {
	name := ids[0]
	for _, id := range ids[1:] {
		name += " " + id
	}
	l.ciphersMu.Lock()
	c, gen := l.ciphers[name], l.ciphersGen
	l.ciphersMu.Unlock()
	if c != nil {
		return c, nil
	}
	ks, err := keys()
	if err != nil {
		return nil, err
	}
	if c, err = claim.NewCipher(ids, ks); err != nil {
		return nil, err
	}
	l.ciphersMu.Lock()
	if len(l.ciphers) >= 4096 {
		l.ciphers = map[string]*claim.Cipher{}
	}
	if gen == l.ciphersGen { // else one of the keys may be gone by now
		l.ciphers[name] = c
	}
	l.ciphersMu.Unlock()
	return c, nil
}
