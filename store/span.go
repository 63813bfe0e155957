package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
)

// spanLevel is the level of the subtree over a full range.
const spanLevel = 12

// spanWidth is how many records one worker verifies at a time: whole tiles, and
// few enough that the hashes of some ranges fit into a cache.
const spanWidth = 1 << spanLevel

// span is a range of records on its way through the verification: a worker
// fills it in, the verifier merges it.
type span struct {
	from, to uint64
	base     uint64 // from, rounded down to a full range
	before   uint64 // leaf hashes known before from, to the begin of its tile

	// nodes are the hashes of the tree by level, from base on; what is not
	// wholly within the range is not set.
	nodes [spanLevel + 1][]evidence.Hash
	done  chan struct{} // closed when the worker is through
	err   error         // the verification cannot go on

	head                        *link // of the first record, to be compared with the one before
	notes                       []signedNote
	failures                    []failure
	more                        int
	unreadable                  string // where reading ended
	records, claims, tiles      uint64
	opened, erased, missing     uint64
	bytes                       int
	firstRecorded, lastRecorded time.Time
}

type link struct {
	seq      uint64
	prev     evidence.Hash
	recorded time.Time
}

type failure struct {
	about int
	says  string
}

var spans = sync.Pool{New: func() any {
	s := &span{}
	for k := range s.nodes {
		s.nodes[k] = make([]evidence.Hash, spanWidth>>k)
	}
	return s
}}

func newSpan(from, to uint64) *span {
	s := spans.Get().(*span)
	*s = span{from: from, to: to, base: from - from%spanWidth, nodes: s.nodes, done: make(chan struct{})}
	return s
}

func (s *span) fail(format string, args ...any) {
	if len(s.failures) == 20 {
		s.more++
		return
	}
	s.failures = append(s.failures, failure{ofIntegrity, fmt.Sprintf(format, args...)})
}

// build makes the subtrees within the range.
func (s *span) build() {
	lo, hi := s.from-s.before-s.base, s.to-s.base
	for k := 1; k <= spanLevel; k++ {
		for j := (lo + 1<<k - 1) >> k; (j+1)<<k <= hi; j++ {
			s.nodes[k][j] = chain.NodeHash(s.nodes[k-1][2*j], s.nodes[k-1][2*j+1])
		}
	}
}

// grow appends the records [at, to) of the range to the frontier, which has
// size at, by the largest subtrees that fit.
func (s *span) grow(f *chain.Frontier, at, to uint64) {
	for at < to {
		k := min(bits.TrailingZeros64(at), bits.Len64(to-at)-1, spanLevel)
		if err := f.AppendTree(k, s.nodes[k][(at-s.base)>>k]); err != nil {
			panic(err) // the level was chosen to fit
		}
		at += 1 << k
	}
}

// worker verifies ranges, one at a time, with buffers of its own.
type worker struct {
	v       *verifier
	s       *span
	prev    evidence.Hash
	view    chain.View
	hasher  chain.Hasher
	checker claim.Checker
	openers map[string]*opener // by list of key ids
}

// opener is how claims with certain keys open; without a cipher they do not.
type opener struct {
	cipher *claim.Cipher
	closed string // why: erased or missing
	err    error
}

func newWorker(v *verifier) *worker { return &worker{v: v, openers: map[string]*opener{}} }

// verify fills the range in.
func (w *worker) verify(ctx context.Context, s *span) {
	w.s = s
	if err := guarded(func() error { return w.read(ctx, s) }); err != nil {
		if ctx.Err() != nil {
			s.err = ctx.Err()
			return
		}
		s.unreadable = fmt.Sprintf("records cannot be read from %d on: %v", s.from+s.records, err)
	} else {
		s.build()
		s.err = guarded(func() error {
			w.tiles(s)
			var err error
			s.notes, err = readNotes(w.v.l, s.from, s.to, w.v.ownFrom)
			return err
		})
	}
	if s.err == nil && w.v.o.Pace != nil {
		s.err = w.v.o.Pace(ctx, s.bytes)
	}
}

func (w *worker) read(ctx context.Context, s *span) error {
	return w.v.l.file.Scan(s.from, s.to, func(e Entry) error {
		if e.Seq%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		w.record(e)
		return nil
	})
}

// record checks one record and goes on after a failure with what is stored, so
// that each damage is named once.
func (w *worker) record(e Entry) {
	s, v := w.s, &w.view
	s.records++
	s.bytes += len(e.Leaf)
	hash := w.hasher.LeafHash(e.Leaf)
	prev := w.prev
	w.prev = hash
	s.nodes[0][e.Seq-s.base] = hash
	if err := v.Read(e.Leaf); err != nil {
		s.fail("record %d: %v", e.Seq, err)
		return
	}
	switch {
	case string(v.Origin) != w.v.l.origin:
		s.fail("record %d belongs to log %s", e.Seq, v.Origin)
	case v.Seq != e.Seq:
		s.fail("record %d says it is record %d", e.Seq, v.Seq)
	case e.Seq == s.from:
		s.head = &link{e.Seq, v.Prev, v.Recorded}
	case v.Prev != prev:
		s.fail("record %d does not follow record %d: it was made after another one", e.Seq, e.Seq-1)
	case v.Recorded.Before(s.lastRecorded):
		s.fail("record %d was recorded at %s, before its predecessor", e.Seq, evidence.FormatTime(v.Recorded))
	}
	if s.firstRecorded.IsZero() {
		s.firstRecorded = v.Recorded
	}
	s.lastRecorded = v.Recorded
	claims := v.Claims()
	if len(claims) != len(e.Claims) {
		s.fail("record %d (%s): %d claims are stored, the leaf has %d", e.Seq, v.Kind, len(e.Claims), len(claims))
		return
	}
	for i := range claims {
		c := &claims[i]
		s.bytes += len(e.Claims[i])
		if len(e.Claims[i]) != c.Size || evidence.Hash(sha256.Sum256(e.Claims[i])) != c.Sealed {
			s.fail("record %d (%s, %s): the stored %s is not the sealed one", e.Seq, v.Kind, evidence.FormatTime(v.Occurred), c.Name)
			continue
		}
		s.claims++
		if w.v.o.Deep {
			w.open(c, e, i)
		}
	}
}

// open opens a claim and checks its commitment.
func (w *worker) open(c *chain.ClaimView, e Entry, i int) {
	o := w.opener(c)
	switch {
	case o.cipher != nil:
		if err := w.checker.Check(o.cipher, w.v.l.origin, w.view.ID, string(c.Name), e.Claims[i], c.Commit); err != nil {
			w.s.fail("record %d (%s): %v", e.Seq, w.view.Kind, err)
			return
		}
		w.s.opened++
	case o.closed == closedErased:
		w.s.erased++
	case o.closed != "":
		w.s.missing++
	default:
		w.s.fail("record %d (%s): %v", e.Seq, w.view.Kind, o.err)
	}
}

// maxOpeners bounds the answers a worker remembers.
const maxOpeners = 4096

// opener returns how the claim opens. Most claims need the same few keys, and
// whether a key was erased or lost takes a look into the index: so the answer
// is kept for the worker's lifetime.
func (w *worker) opener(c *chain.ClaimView) *opener {
	if o := w.openers[string(c.KeyList())]; o != nil {
		return o
	}
	ids := c.Keys()
	o := &opener{}
	if o.cipher, o.err = w.v.l.claimCipher(ids); errors.Is(o.err, ErrKeyMissing) {
		o.closed = w.v.l.whyClosed(ids)
	}
	if len(w.openers) >= maxOpeners {
		clear(w.openers)
	}
	w.openers[string(c.KeyList())] = o
	return o
}

// tiles compares the stored tiles of leaf hashes, as far as the range reaches.
func (w *worker) tiles(s *span) {
	full := w.v.head.Size / TileWidth
	for i := s.from / TileWidth; i*TileWidth < s.to && i < full; i++ {
		stored, err := w.v.l.file.Tile(0, i)
		if err != nil {
			s.fail("%v", err)
			continue
		}
		same := true
		for at := max(i*TileWidth, s.from); same && at < min((i+1)*TileWidth, s.to); at++ {
			off := at % TileWidth * 32
			if evidence.Hash(stored[off:off+32]) != s.nodes[0][at-s.base] {
				s.fail("tile 0/%d has another hash than record %d", i, at)
				same = false
			}
		}
		if same && (i+1)*TileWidth <= s.to {
			s.tiles++
		}
	}
}

// signedNote is a stored checkpoint whose signature was checked, or is one that
// nobody here can check.
type signedNote struct {
	size      uint64
	root      evidence.Hash
	bad       string // why it is refused
	unchecked bool   // an earlier key may have signed it, which only the log's own records tell
}

// readNotes reads the stored checkpoints of sizes above after and up to the
// given one, by rising size, and accepts them by the log's own
// key for their size alone. Those below ownFrom are taken unchecked when that key
// did not sign them.
func readNotes(l *Log, after, upto, ownFrom uint64) ([]signedNote, error) {
	var out []signedNote
	for at := upto; at > after; {
		n, err := l.file.NoteAt(at)
		if err != nil {
			return nil, fmt.Errorf("read checkpoints: %w", err)
		}
		if n.Signed == nil || n.Size <= after {
			break
		}
		s := signedNote{size: n.Size}
		c, err := l.heldKeys().Open(n.Signed)
		if err != nil && n.Size < ownFrom {
			s.unchecked = true
			c, err = chain.UnverifiedCheckpoint(n.Signed)
		}
		switch {
		case err != nil:
			s.bad = fmt.Sprintf("checkpoint of size %d: %v", n.Size, err)
		case c.Origin != l.origin || c.Size != n.Size:
			s.bad = fmt.Sprintf("checkpoint of size %d is of log %s, size %d", n.Size, c.Origin, c.Size)
		default:
			s.root = c.Root
		}
		out = append(out, s)
		at = n.Size - 1
	}
	slices.Reverse(out)
	return out, nil
}

// oldestOwn returns the smallest size of a stored checkpoint that the key at
// hand signed, for a log that nobody has keys for: which keys signed before
// stands in its records alone, so that the older checkpoints cannot be checked.
// Of any other log, and when it signed none, it is 0.
func (l *Log) oldestOwn() (oldest uint64, err error) {
	if !l.keyless() {
		return 0, nil
	}
	for at := uint64(maxSize); at > 0; {
		n, err := l.file.NoteAt(at)
		if err != nil || n.Signed == nil || n.Size == 0 {
			return oldest, err
		}
		if _, err := l.heldKeys().Open(n.Signed); err == nil {
			oldest = n.Size
		}
		at = n.Size - 1
	}
	return oldest, nil
}
