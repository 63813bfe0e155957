package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Options is what a Store is made of. All fields without a default are
// required.
type Options struct {
	Backend      Backend
	Keys         Keyring
	Intake       Intake // nil: a batch for many logs is written to each of them
	LogKey       note.Signer
	LogVerifier  string // note verifier key of LogKey
	PackVerifier string // note verifier key of the pack key
	SignDir      string // directory of the sign-state files, outside backups
	Installation string // first part of every origin
	Clock        func() time.Time
	Simulated    bool // genesis records say so
	Restored     bool // the directory came from a backup: nothing is appended or signed before it is accepted
	Log          *slog.Logger
	// Lost is told, before it is recorded, that a log came back without
	// records that no signature covers, and when the newest one left was
	// recorded. What it was told must be durable when it returns; it is called
	// while the log opens and must not use it. May be nil.
	Lost func(t evidence.Tenant, since time.Time) error

	// BeforeFirstSign is asked before a log is signed for the first time since
	// the start, until it returns nil once; nil lets every log be signed. An
	// error leaves the log unsigned for now; one of code refused lets it never
	// be signed again. It may wait, within bounds of its own, and must not call
	// this or another log: it may be asked while one is being closed.
	BeforeFirstSign func(ctx context.Context, f First) error

	SegmentBytes      int64         // a new segment begins above it; default 1 GiB
	SegmentRecords    uint64        // and after so many records; 0: no limit
	SegmentMonthly    bool          // and with each UTC month of record time
	CheckpointRecords uint64        // a checkpoint is due after so many records; default 10,000
	CheckpointEvery   time.Duration // and after so long, when grown; default 60 s
	OpenLogs          int           // logs kept open at a time, or half as many more while others are closed; default 512
	IntakeQuota       int64         // bytes kept for a stopped log; default 1 GiB
}

// Store hands out logs. It may be used by several goroutines.
type Store struct {
	o       Options
	signers signers

	mu       sync.Mutex
	logs     map[evidence.Tenant]*Log
	prior    map[string]*Log // logs that others continue, by log id
	ending   map[string]bool // log ids that are not handed out any more
	closed   bool
	noStrays atomic.Bool // it was looked for logs without keys, and there are none

	residentMu sync.Mutex // taken after a log's life
	resident   map[*Log]bool
	restMu     sync.Mutex
	erasing    sync.Mutex // one erasure at a time
	background sync.WaitGroup

	drains chan struct{} // places of logs that write what the intake keeps
}

// maxDrains is how many logs write what the intake keeps at a time. Nobody waits
// for them: the longer each waits, the more it writes with one sync, and the
// less it takes from those that somebody waits for.
const maxDrains = 4

// New makes a Store. It opens no log but those that the intake keeps something
// for, in the background.
func New(o Options) (*Store, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 1 << 30
	}
	if o.CheckpointRecords == 0 {
		o.CheckpointRecords = 10_000
	}
	if o.CheckpointEvery == 0 {
		o.CheckpointEvery = time.Minute
	}
	if o.OpenLogs == 0 {
		o.OpenLogs = 512
	}
	if o.IntakeQuota == 0 {
		o.IntakeQuota = 1 << 30
	}
	if _, err := note.NewVerifier(o.LogVerifier); err != nil {
		return nil, fmt.Errorf("store: log verifier key: %w", err)
	}
	s := &Store{o: o, logs: map[evidence.Tenant]*Log{}, prior: map[string]*Log{}, resident: map[*Log]bool{}, drains: make(chan struct{}, maxDrains)}
	s.signers.add(o.LogVerifier, o.LogKey)
	return s, s.recoverIntake()
}

// Simulated reports whether this store's logs say that their clock is
// simulated.
func (s *Store) Simulated() bool { return s.o.Simulated }

// Verifier is the public half of the newest log key. A checkpoint made before
// that key is verified by the log's own keys (Log.LogKeys).
func (s *Store) Verifier() note.Verifier {
	v, err := note.NewVerifier(s.signers.newestKey())
	if err != nil { // every key was checked when it was taken in
		panic(err)
	}
	return v
}

// Cursors returns the daemon's small sealed values.
func (s *Store) Cursors() SealedCursors { return SealedCursors{s.o.Backend, s.o.Keys} }

// Sealer seals what is kept outside the store as cursors are sealed in it.
func (s *Store) Sealer() interface {
	Seal(name string, plain []byte) ([]byte, error)
	Open(name string, sealed []byte) ([]byte, error)
} {
	return s.o.Keys
}

// SealedCursorsOf returns the small values of a store that is yet to be made.
func SealedCursorsOf(b Cursors, k Keyring) SealedCursors { return SealedCursors{b, k} }

// SealedCursors keeps values sealed under the keyring's wrapping key.
type SealedCursors struct {
	b Cursors
	k Keyring
}

// Cursor returns a value, nil when there is none.
func (c SealedCursors) Cursor(name string) ([]byte, error) {
	v, err := c.b.Cursor(name)
	if err != nil || v == nil {
		return nil, err
	}
	return c.k.Open("cursor/"+name, v)
}

// PutCursor stores a value durably.
func (c SealedCursors) PutCursor(name string, value []byte) error {
	v, err := c.k.Seal("cursor/"+name, value)
	if err != nil {
		return err
	}
	return c.b.PutCursor(name, v)
}

// Tenants lists the tenants that have a log, sorted, pseudo-tenants first.
func (s *Store) Tenants() ([]evidence.Tenant, error) {
	ts, err := s.o.Keys.Tenants()
	if err != nil {
		return nil, err
	}
	sort.Slice(ts, func(i, j int) bool {
		if a, b := ts[i].IsPseudo(), ts[j].IsPseudo(); a != b {
			return a
		}
		return ts[i].String() < ts[j].String()
	})
	return ts, nil
}

// everyLog returns the logs of all tenants, those too that others continue.
func (s *Store) everyLog() ([]*Log, error) {
	ts, err := s.Tenants()
	if err != nil {
		return nil, err
	}
	var logs []*Log
	for _, t := range ts {
		l, err := s.Log(t)
		if err != nil {
			return nil, err
		}
		prior, err := s.Prior(t)
		if err != nil {
			return nil, err
		}
		logs = append(append(logs, l), prior...)
	}
	return logs, nil
}

// Log returns the log of a tenant that has one; an unknown tenant is a
// problem of code not-found.
func (s *Store) Log(t evidence.Tenant) (*Log, error) { return s.log(t, false) }

// Create returns the log of a tenant. One that does not exist yet begins, with
// its genesis record, when it is first used; it does not while there is a log that
// the keyring has no keys for, because that may be the tenant's.
func (s *Store) Create(t evidence.Tenant) (*Log, error) {
	if _, err := s.o.Keys.Tenant(t, false); errors.Is(err, ErrKeyMissing) {
		if err := s.refuseSecond(t); err != nil {
			return nil, err
		}
	}
	return s.log(t, true)
}

func (s *Store) log(t evidence.Tenant, create bool) (*Log, error) {
	if t.IsZero() {
		return nil, fmt.Errorf("store: no tenant given")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	if l := s.logs[t]; l != nil {
		return l, nil
	}
	keys, err := s.o.Keys.Tenant(t, create)
	if errors.Is(err, ErrKeyMissing) {
		return nil, problem.New(problem.NotFound, "no log of tenant %s", t).
			WithHint("evidenced verify lists the tenants that have one")
	}
	if err != nil {
		return nil, err
	}
	if s.ending[keys.LogID()] {
		return nil, problem.New(problem.Refused, "tenant %s is being offboarded", t)
	}
	l, err := newLog(s, t, keys)
	if err != nil {
		return nil, fmt.Errorf("log of tenant %s: %w", t, err)
	}
	s.logs[t] = l
	return l, nil
}

var errClosed = errors.New("store is closed")

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// handles returns the logs that were asked for so far.
func (s *Store) handles() []*Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(slices.Collect(maps.Values(s.logs)), slices.Collect(maps.Values(s.prior))...)
}

// CheckpointAll signs a checkpoint of every log that has grown. A log that is
// closed was signed when it was closed.
func (s *Store) CheckpointAll(ctx context.Context) error {
	s.residentMu.Lock()
	logs := slices.Collect(maps.Keys(s.resident))
	s.residentMu.Unlock()
	var errs []error
	for _, l := range logs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if l.stoppedBy() != nil {
			continue // told when it stopped
		}
		if _, _, err := l.Checkpoint(); err != nil {
			errs = append(errs, fmt.Errorf("checkpoint of %s: %w", l.tenant, err))
		}
	}
	return errors.Join(errs...)
}

// Heads returns the newest signed checkpoint of every log used so far but the
// given tenant's, sorted by origin.
func (s *Store) Heads(but evidence.Tenant) []evidence.LogHead {
	var hs []evidence.LogHead
	for _, l := range s.handles() {
		if l.tenant == but {
			continue
		}
		if h := l.lastSigned(); h.Size > 0 {
			hs = append(hs, h)
		}
	}
	sort.Slice(hs, func(i, j int) bool { return hs[i].Origin < hs[j].Origin })
	return hs
}

// Close waits for operations at work, signs what has grown and closes every
// log.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.background.Wait()
	var errs []error
	for _, l := range s.handles() {
		errs = append(errs, l.close())
	}
	if s.o.Intake != nil {
		errs = append(errs, s.o.Intake.Close())
	}
	errs = append(errs, s.o.Backend.Close())
	return errors.Join(errs...)
}
