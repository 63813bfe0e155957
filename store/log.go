package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidwall/btree"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
	"evidenced/evidence/problem"
)

// Log is one tenant's log. Its methods take no tenant. It may be used by
// several goroutines.
type Log struct {
	st     *Store
	tenant evidence.Tenant
	origin string
	keys   TenantKeys
	names  names
	file   LogFile
	index  Index
	sign   *signState

	requests chan *request
	rebuild  chan chan error
	flush    chan struct{}
	quit     chan struct{}
	done     sync.WaitGroup

	flushMu sync.Mutex // one flush of the index at a time
	signMu  sync.Mutex // one checkpoint at a time, so that sizes only rise

	ciphersMu sync.Mutex
	ciphers   map[string]*claim.Cipher

	// Owned by the committer; known remembers which people's names were
	// offered to the log already, so that most batches offer none.
	known map[evidence.ID]evidence.Names

	// mu guards what follows; the committer writes, readers read.
	mu        sync.RWMutex
	head      Head
	edge      *edge
	active    *btree.BTreeG[Posting] // postings not yet being indexed
	flushing  *btree.BTreeG[Posting] // postings being indexed, immutable
	activeN   int                    // records in active
	flushed   uint64                 // records in the stored index
	flushErr  error                  // why the index could not be written last time
	stopped   error                  // why nothing more may be appended
	signed    evidence.LogHead       // newest checkpoint
	signedAt  time.Time
	simulated bool
	closing   bool
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
}

// Fate says what became of an item.
type Fate uint8

// The fates.
const (
	Appended  Fate = iota // a new record
	Amended               // a record that amends an earlier one
	Repeated              // the log had it already
	Unchanged             // a state that holds already
	Ignored               // other content under the key of a kind that is not revisable
)

// Result is the fate of each item, in order, and the seq of new records.
type Result struct {
	Fates []Fate
	Seqs  []uint64 // valid where the fate is Appended or Amended
	Size  uint64   // of the log after the append
}

type request struct {
	items []Item
	reply chan reply
}

type reply struct {
	res Result
	err error
}

// maxBatch is how many items one durable transaction takes at most.
const maxBatch = 8192

// maxTail is how many un-indexed records stop the committer until the indexer
// has caught up.
const maxTail = 64 << 10

// flushAt is how many un-indexed records wake the indexer.
const flushAt = 4096

func openLog(s *Store, t evidence.Tenant, keys TenantKeys) (_ *Log, err error) {
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
		names:    names{newMACPool(ik), newMACPool(dk)},
		requests: make(chan *request, 64), rebuild: make(chan chan error), flush: make(chan struct{}, 1), quit: make(chan struct{}),
		ciphers: map[string]*claim.Cipher{}, known: map[evidence.ID]evidence.Names{},
		active: newTree(), simulated: s.o.Simulated,
	}
	if l.file, l.index, err = s.o.Backend.Open(keys.LogID(), true); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			l.index.Close()
			l.file.Close()
			if l.sign != nil {
				l.sign.close()
			}
		}
	}()
	if l.head, err = l.file.Head(); err != nil {
		return nil, err
	}
	if l.edge, err = loadEdge(l.file, l.head); err != nil {
		return nil, err
	}
	if l.sign, err = openSignState(s.o.SignDir, keys.LogID()); err != nil {
		return nil, err
	}
	if err := l.checkSignState(); err != nil {
		l.stopped = err
		s.o.Log.Error("log stopped", "tenant", t.String(), "err", err)
	}
	if err := l.catchUpIndex(); err != nil {
		return nil, err
	}
	l.done.Add(2)
	go l.commitLoop()
	go l.indexLoop()
	if l.head.Size == 0 && l.stopped == nil {
		if err := l.begin(); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, l.loadSigned()
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
		LogKey: l.st.o.LogVerifier, PackKey: l.st.o.PackVerifier, Clock: clock,
	})
	if err != nil {
		return err
	}
	_, err = l.Append(context.Background(), []Item{{Draft: evidence.Draft{
		Kind: evidence.LogGenesis, Op: evidence.OpEvent, Source: evidence.SelfSource,
		Key: "genesis", Subject: evidence.NewRef("log", "", l.origin),
		OccurredAt: now, Basis: evidence.BasisSource, ObservedAt: now, Content: facts,
	}}})
	return err
}

// Tenant returns whose log it is.
func (l *Log) Tenant() evidence.Tenant { return l.tenant }

// Origin returns the log's opaque name.
func (l *Log) Origin() string { return l.origin }

// Size returns the number of records.
func (l *Log) Size() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.head.Size
}

// Stopped returns why nothing more may be appended; nil while it may.
func (l *Log) Stopped() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.stopped
}

// Append seals the items and returns when all of them are durable, or none is
// promised to be. Concurrent callers share a transaction. After an error of
// the disk the log is stopped.
func (l *Log) Append(ctx context.Context, items []Item) (Result, error) {
	var res Result
	for len(items) > maxBatch {
		r, err := l.Append(ctx, items[:maxBatch])
		if err != nil {
			return res, err
		}
		res.Fates, res.Seqs = append(res.Fates, r.Fates...), append(res.Seqs, r.Seqs...)
		items = items[maxBatch:]
	}
	for i := range items {
		if err := items[i].Draft.Check(); err != nil {
			return res, problem.Wrap(problem.Internal, err, "append to log of %s", l.tenant)
		}
	}
	rq := &request{items, make(chan reply, 1)}
	select {
	case l.requests <- rq:
	case <-ctx.Done():
		return res, ctx.Err()
	case <-l.quit:
		return res, fmt.Errorf("log of %s is closed", l.tenant)
	}
	// From here on the outcome is awaited even when ctx ends: the records may
	// become durable, and a caller must not be told that they did not.
	select {
	case rp := <-rq.reply:
		res.Fates, res.Seqs, res.Size = append(res.Fates, rp.res.Fates...), append(res.Seqs, rp.res.Seqs...), rp.res.Size
		return res, rp.err
	case <-l.quit:
		return res, fmt.Errorf("log of %s is closed", l.tenant)
	}
}

func (l *Log) commitLoop() {
	defer l.done.Done()
	for {
		select {
		case <-l.quit:
			return
		case done := <-l.rebuild:
			done <- l.rebuildNow()
		case first := <-l.requests:
			batch := []*request{first}
			n := len(first.items)
			for n < maxBatch {
				select {
				case next := <-l.requests:
					batch = append(batch, next)
					n += len(next.items)
					continue
				default:
				}
				break
			}
			l.commit(batch)
		}
	}
}

// commit makes one durable transaction of several requests.
func (l *Log) commit(batch []*request) {
	l.waitForIndex()
	if err := l.Stopped(); err != nil {
		for _, rq := range batch {
			rq.reply <- reply{err: err}
		}
		return
	}
	var items []Item
	for _, rq := range batch {
		items = append(items, rq.items...)
	}
	res, err := l.process(items)
	if err != nil && len(batch) > 1 && !errors.Is(err, errStopped) {
		// One caller's bad item must not fail another's good ones.
		for _, rq := range batch {
			r, err := l.process(rq.items)
			rq.reply <- reply{r, err}
		}
		return
	}
	at := 0
	for _, rq := range batch {
		n := len(rq.items)
		rp := reply{err: err}
		if err == nil {
			rp.res = Result{res.Fates[at : at+n], res.Seqs[at : at+n], res.Size}
		}
		rq.reply <- rp
		at += n
	}
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

func (l *Log) close() error {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return nil
	}
	l.closing = true
	stopped := l.stopped
	l.mu.Unlock()
	var errs []error
	if stopped == nil {
		_, _, err := l.Checkpoint()
		errs = append(errs, err)
	}
	close(l.quit)
	l.done.Wait()
	if stopped == nil {
		errs = append(errs, l.flushIndex())
	}
	errs = append(errs, l.index.Close(), l.file.Close(), l.sign.close())
	return errors.Join(errs...)
}

// cipher returns the cipher for a set of keys, cached.
func (l *Log) cipher(ids []string, keys func() ([][]byte, error)) (*claim.Cipher, error) {
	name := ids[0]
	for _, id := range ids[1:] {
		name += " " + id
	}
	l.ciphersMu.Lock()
	c := l.ciphers[name]
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
	l.ciphers[name] = c
	l.ciphersMu.Unlock()
	return c, nil
}
