// Package cosigner is the witness's side of C2SP tlog-witness: it remembers the
// newest checkpoint of each log that it follows and cosigns a newer one only
// when that extends the one it remembers.
//
// # Promise
//
// For one log it never cosigns two roots of one size, never a smaller log than
// it cosigned before, and never a log that does not extend what it cosigned.
// What it is about to cosign is durable first, in one bbolt file that one
// process holds; a crash in between costs an answer and no promise. After a
// failed write it cosigns nothing until it is started again.
//
// The promise is as good as the file: a witness whose state was brought back
// from a backup, or begun anew under the same key, can cosign a second history.
// So [Open] begins a state only when it is told to.
//
// # State
//
// Bucket "state": hash of the origin in hex -> the time of the newest
// cosignature in decimal seconds, a line end, and the checkpoint as the log
// signed it. The cosignature itself is made of both again when it is asked for.
package cosigner

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/time/rate"

	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/evidence/witness"
)

// Options configure a Cosigner. Dir, Key and Logs are required.
type Options struct {
	Dir  string // of the state; made 0700 when New
	New  bool   // begin the state; refused where there is one
	Key  *witness.Signer
	Logs *Logs
	// Rate is how many checkpoints a second each line of Logs may hand in over
	// time, ten times as many at once; 0 means 10.
	Rate  float64
	Clock func() time.Time // default time.Now
	Log   *slog.Logger     // default: none

	afterWrite func() // tests end the process here: durable, not yet signed
}

// Cosigner is an open witness. Its methods may be called by several goroutines.
type Cosigner struct {
	o       Options
	db      *bolt.DB
	stopped atomic.Bool

	origins map[*logLine]int // known ones; owned by the writing transaction

	mu       sync.Mutex
	limiters map[*logLine]*rate.Limiter
}

var stateBucket = []byte("state")

// maxOrigins bounds the logs that one line with a wildcard may bring in.
const maxOrigins = 10_000

// maxBack is how far the clock may have gone back since the newest cosignature
// of a log; then that time is used again.
const maxBack = time.Minute

// Open opens the state. A state that is missing is a problem of code refused
// unless o.New is set; one that another process holds is of code locked.
func Open(o Options) (*Cosigner, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Rate == 0 {
		o.Rate = 10
	}
	path := filepath.Join(o.Dir, "witness.db")
	if err := checkState(o.Dir, path, o.New); err != nil {
		return nil, err
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: 100 * time.Millisecond, NoFreelistSync: true})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, problem.New(problem.Locked, "witness state %s is held by another process", path).
			WithHint("stop the other witness first; two with one key could cosign two histories")
	}
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "open witness state %s", path)
	}
	c := &Cosigner{o: o, db: db, limiters: map[*logLine]*rate.Limiter{}, origins: map[*logLine]int{}}
	err = db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(stateBucket)
		if err != nil {
			return err
		}
		return b.ForEach(func(k, v []byte) error {
			s, err := parseState(v)
			if err == nil && witness.OriginHash(s.Origin) != string(k) {
				err = fmt.Errorf("an entry stands under another log's name")
			}
			if err != nil {
				return problem.Wrap(problem.Corrupt, err, "witness state %s", path).
					WithHint("bring back the newest copy of the file; a witness must not forget what it cosigned")
			}
			if line, ok := o.Logs.find(s.Origin); ok {
				c.origins[line]++
			}
			return nil
		})
	})
	if err != nil {
		db.Close()
		return nil, err
	}
	return c, nil
}

// checkState sees to the directory, and that a state is where one should be and
// only there.
func checkState(dir, path string, begin bool) error {
	if begin {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return problem.Wrap(problem.Storage, err, "make witness state %s", dir)
		}
	}
	st, err := os.Stat(dir)
	if err == nil && st.Mode().Perm()&0o077 != 0 {
		return problem.New(problem.Refused, "witness state %s has mode %#o: others may look into it", dir, st.Mode().Perm()).
			WithHint("chmod 700 %s", dir)
	}
	_, err = os.Stat(path)
	switch {
	case err == nil && begin:
		return problem.New(problem.Refused, "there is a witness state in %s already", dir).
			WithHint("leave the flag for a new state away")
	case os.IsNotExist(err) && !begin:
		return problem.New(problem.Refused, "there is no witness state in %s", dir).
			WithHint("begin one with --new-state, but only for a key that has cosigned nothing yet: a witness that forgot can cosign a second history")
	case err != nil && !os.IsNotExist(err):
		return problem.Wrap(problem.Storage, err, "look at witness state %s", path)
	}
	return nil
}

// Close closes the state.
func (c *Cosigner) Close() error { return c.db.Close() }

// Key returns the verifier key.
func (c *Cosigner) Key() string { return c.o.Key.Key() }

// state is what is remembered of a log.
type state struct {
	chain.Checkpoint
	at     time.Time // of the newest cosignature
	signed []byte    // by the log
}

func (s state) encode() []byte {
	return append(strconv.AppendInt(nil, s.at.Unix(), 10), append([]byte{'\n'}, s.signed...)...)
}

func parseState(b []byte) (state, error) {
	head, signed, _ := bytes.Cut(b, []byte("\n"))
	at, err := strconv.ParseInt(string(head), 10, 64)
	if err != nil {
		return state{}, fmt.Errorf("an entry has no time")
	}
	text, _, ok := bytes.Cut(signed, []byte("\n\n"))
	if !ok {
		return state{}, fmt.Errorf("an entry has no signed checkpoint")
	}
	c, err := chain.ParseCheckpoint(string(text) + "\n")
	if err != nil {
		return state{}, err
	}
	return state{c, time.Unix(at, 0).UTC(), bytes.Clone(signed)}, nil
}

// Add cosigns the checkpoint of the request and returns the signature line. A
// refusal is one of the errors of package witness.
func (c *Cosigner) Add(r witness.Request) (string, error) {
	line, next, err := c.check(r)
	if err != nil {
		return "", err
	}
	if c.stopped.Load() {
		return "", witness.ErrBusy
	}
	if !c.limiter(line).AllowN(c.o.Clock(), 1) {
		return "", witness.ErrBusy
	}
	if next, err = c.remember(r, line, next); err != nil {
		return "", err
	}
	if c.o.afterWrite != nil {
		c.o.afterWrite()
	}
	return c.o.Key.Cosign(next.Checkpoint, next.at)
}

// check looks at what needs no state: which log it is, its signature, its form.
func (c *Cosigner) check(r witness.Request) (*logLine, state, error) {
	origin, _, _ := strings.Cut(string(r.Signed), "\n")
	line, ok := c.o.Logs.find(origin)
	if !ok {
		return nil, state{}, witness.ErrUnknownLog
	}
	n, err := note.Open(r.Signed, note.VerifierList(line.keys...))
	var none *note.UnverifiedNoteError
	var bad *note.InvalidSignatureError
	if errors.As(err, &none) || errors.As(err, &bad) {
		return nil, state{}, witness.ErrSignature
	}
	if err != nil {
		return nil, state{}, witness.ErrMalformed
	}
	cp, err := chain.ParseCheckpoint(n.Text)
	if err != nil || cp.Origin != origin || r.Old > cp.Size {
		return nil, state{}, witness.ErrMalformed
	}
	if cp.Size == 0 && cp.Root != (&chain.Frontier{}).Root() {
		return nil, state{}, witness.ErrInconsistent
	}
	// Kept with the log's own signature alone, however many came along.
	signed, err := note.Sign(&note.Note{Text: n.Text, Sigs: n.Sigs[:1]})
	if err != nil {
		return nil, state{}, witness.ErrMalformed
	}
	return line, state{Checkpoint: cp, signed: signed}, nil
}

func (c *Cosigner) limiter(line *logLine) *rate.Limiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.limiters[line]
	if l == nil {
		l = rate.NewLimiter(rate.Limit(c.o.Rate), max(1, int(10*c.o.Rate)))
		c.limiters[line] = l
	}
	return l
}

// remember compares with what is known and makes the new checkpoint durable, in
// one transaction; bbolt lets only one of these run at a time.
func (c *Cosigner) remember(r witness.Request, line *logLine, next state) (state, error) {
	var refusal error
	err := c.db.Update(func(tx *bolt.Tx) error {
		b, key := tx.Bucket(stateBucket), []byte(witness.OriginHash(next.Origin))
		old := state{Checkpoint: chain.Checkpoint{Origin: next.Origin}}
		v := b.Get(key)
		if v != nil {
			var err error
			if old, err = parseState(v); err != nil {
				return err
			}
		} else if line.wildcard && c.origins[line] >= maxOrigins {
			refusal = witness.ErrUnknownLog
			return refusal
		}
		if next.at, refusal = c.time(old.at); refusal != nil {
			return refusal
		}
		if refusal = c.extends(r, old, next); refusal != nil {
			return refusal
		}
		if v == nil {
			c.origins[line]++
		}
		return b.Put(key, next.encode())
	})
	switch {
	case refusal != nil:
		return next, refusal
	case err != nil:
		// What of a failed write reached the disk is not known, so nothing is
		// signed until the state has been read again.
		c.stopped.Store(true)
		c.o.Log.Error("witness state cannot be written: nothing is cosigned until the next start", "err", err)
		return next, problem.Wrap(problem.Storage, err, "write witness state")
	}
	return next, nil
}

// extends decides whether next may follow old.
func (c *Cosigner) extends(r witness.Request, old, next state) error {
	if r.Old != old.Size {
		return &witness.ConflictError{Size: old.Size}
	}
	if err := chain.CheckConsistency(r.Proof, old.Size, old.Root, next.Size, next.Root); err != nil {
		if old.Size == next.Size && old.Root != next.Root {
			c.keepFork(old, next)
		} else {
			c.o.Log.Warn("a checkpoint is not shown to extend the one before", "origin", next.Origin, "old", old.Size, "size", next.Size)
		}
		return witness.ErrInconsistent
	}
	return nil
}

// time is that of a new cosignature: now, in whole seconds, and never before the
// one before of the same log.
func (c *Cosigner) time(last time.Time) (time.Time, error) {
	now := c.o.Clock().UTC().Truncate(time.Second)
	if !now.Before(last) {
		return now, nil
	}
	if last.Sub(now) > maxBack {
		c.o.Log.Error("the clock is behind the newest cosignature: nothing is cosigned until it is right", "behind", last.Sub(now))
		return time.Time{}, witness.ErrBusy
	}
	return last, nil
}

// maxForks bounds the files of keepFork.
const maxForks = 64

// keepFork keeps two checkpoints of one size with two roots, both signed by the
// log, in a file of their own: whoever reads it needs nobody's word for it. That
// it cannot be written changes nothing else.
func (c *Cosigner) keepFork(old, next state) {
	c.o.Log.Error("a log has signed two trees of one size", "origin", next.Origin, "size", next.Size)
	names, err := filepath.Glob(filepath.Join(c.o.Dir, "fork-*.txt"))
	if err != nil || len(names) >= maxForks {
		return
	}
	name := fmt.Sprintf("fork-%s-%d-%.16s.txt", witness.OriginHash(next.Origin), next.Size, next.Root)
	f, err := os.OpenFile(filepath.Join(c.o.Dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	_, err = f.Write(bytes.Join([][]byte{old.signed, next.signed}, []byte("\n")))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		c.o.Log.Error("the proof of a fork cannot be written", "err", err)
	}
}

// Latest returns the newest checkpoint of the log with that hash of its origin
// (see witness.OriginHash), signed by the log and cosigned as it was answered;
// false when none was cosigned.
func (c *Cosigner) Latest(originHash string) ([]byte, bool, error) {
	var s state
	found := false
	err := c.db.View(func(tx *bolt.Tx) (err error) {
		v := tx.Bucket(stateBucket).Get([]byte(originHash))
		if found = v != nil; found {
			s, err = parseState(v)
		}
		return err
	})
	if err != nil || !found {
		return nil, false, err
	}
	line, err := c.o.Key.Cosign(s.Checkpoint, s.at)
	if err != nil {
		return nil, false, err
	}
	signed, err := witness.Attach(s.signed, line)
	return signed, err == nil, err
}
