package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
)

// signers are the private log keys at hand, by verifier key. There is one, and
// a second while a rotation is under way.
type signers struct {
	mu     sync.RWMutex
	by     map[string]note.Signer
	newest string
}

func (s *signers) add(key string, signer note.Signer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[string]note.Signer{}
	}
	s.by[key], s.newest = signer, key
}

func (s *signers) get(key string) (note.Signer, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	signer, ok := s.by[key]
	return signer, ok
}

// only drops every key but one.
func (s *signers) only(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.by {
		if k != key {
			delete(s.by, k)
		}
	}
}

func (s *signers) newestKey() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.newest
}

// AddLogKey takes a new log key in beside the one in force: logs begun from now
// on name it, the others are to be rotated to it.
func (s *Store) AddLogKey(verifier string, signer note.Signer) error {
	if _, err := note.NewVerifier(verifier); err != nil {
		return fmt.Errorf("store: log verifier key: %w", err)
	}
	s.signers.add(verifier, signer)
	return nil
}

// DropOldLogKeys forgets every private log key but the newest.
func (s *Store) DropOldLogKeys() { s.signers.only(s.signers.newestKey()) }

// LogKeys returns the keys that sign the log, by size. Of a log that cannot be
// opened it returns what was known last.
func (l *Log) LogKeys() chain.LogKeys {
	if err := l.use(); err == nil {
		defer l.release()
	}
	return l.heldKeys()
}

// OpenNote verifies a signed checkpoint by the keys of the log that it names. It
// uses no log, so it may be called while one is being signed or closed; of a log
// that was not opened since the start the newest key is taken for its only one.
func (s *Store) OpenNote(signed []byte) (chain.Checkpoint, error) {
	keys, err := s.keysOf(signed)
	if err != nil {
		return chain.Checkpoint{}, err
	}
	return keys.Open(signed)
}

// NoteVerifier returns the key that must have signed the checkpoint.
func (s *Store) NoteVerifier(signed []byte) (note.Verifier, error) {
	keys, err := s.keysOf(signed)
	if err != nil {
		return nil, err
	}
	c, err := keys.Open(signed)
	if err != nil {
		return nil, err
	}
	return note.NewVerifier(keys.At(c.Size).Key)
}

func (s *Store) keysOf(signed []byte) (chain.LogKeys, error) {
	origin, _, _ := strings.Cut(string(signed), "\n")
	for _, l := range s.handles() {
		if keys := l.heldKeys(); l.origin == origin && len(keys) > 0 {
			return keys, nil
		}
	}
	return chain.NewLogKeys(s.signers.newestKey())
}

func (l *Log) heldKeys() chain.LogKeys {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.logKeys
}

// loadKeys reads the log's keys from its own records: the genesis and the
// log.key records. Where they cannot be opened, or are retired, the key at hand
// is taken for the only one. The log is open.
func (l *Log) loadKeys() error {
	ks, err := l.readKeys(l.size())
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.logKeys = ks
	l.mu.Unlock()
	return nil
}

type keyChange struct {
	seq   uint64
	facts evidence.KeyFacts
}

// readKeys reads the keys that the first size records name.
func (l *Log) readKeys(size uint64) (chain.LogKeys, error) {
	changes, err := l.readChanges(size)
	if err != nil {
		return nil, err
	}
	var g evidence.GenesisFacts
	if size > 0 && l.file.First() == 0 {
		if _, err := l.ownFacts(0, evidence.LogGenesis, &g); err != nil {
			return nil, err
		}
		// The installation file is not sealed: whoever edits it must not make
		// a demonstration look real.
		if g.Clock != "" && (g.Clock == "simulated") != l.simulated {
			return nil, problem.New(problem.Corrupt, "log of %s began with a %s clock, the installation file says otherwise", l.tenant, g.Clock).
				WithHint("the file installation in the data directory was changed; put back the one that belongs there")
		}
	}
	first := g.LogKey
	if first == "" && len(changes) > 0 {
		first = changes[0].facts.Old
	}
	if first == "" {
		if first = l.st.o.LogVerifier; size == 0 {
			first = l.st.signers.newestKey()
		}
	}
	ks, err := chain.NewLogKeys(first)
	if err != nil {
		return nil, problem.Wrap(problem.Corrupt, err, "genesis of %s", l.tenant)
	}
	for _, c := range changes {
		if ks, err = ks.Change(c.seq, c.facts.Old, c.facts.New, c.facts.Compromised); err != nil {
			return nil, problem.Wrap(problem.Corrupt, err, "log keys of %s", l.tenant)
		}
	}
	return ks, nil
}

// readChanges finds the log.key records by the index and the tail.
func (l *Log) readChanges(size uint64) (out []keyChange, err error) {
	l.mu.RLock()
	tail := l.tail.postings()
	l.mu.RUnlock()
	v, err := l.openView()
	if err != nil {
		return nil, err
	}
	ls := layers{tail, v}
	prefix := append([]byte(evidence.LogKey), 0)
	var seqs []uint64
	for next := prefix; ; {
		k, _ := ls.seekGE(bucketTime, next)
		if len(k) != len(prefix)+16 || !bytes.HasPrefix(k, prefix) {
			break
		}
		if seq := binary.BigEndian.Uint64(k[len(prefix)+8:]); seq < size {
			seqs = append(seqs, seq)
		}
		next = append(bytes.Clone(k), 0)
	}
	if err := v.Close(); err != nil {
		return nil, fmt.Errorf("log keys of %s: %w", l.tenant, err)
	}
	slices.Sort(seqs)
	for _, seq := range seqs {
		c := keyChange{seq: seq}
		ok, err := l.ownFacts(seq, evidence.LogKey, &c.facts)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, c)
		}
	}
	return out, nil
}

// ownFacts reads the facts of one of the log's own records, which must be of
// the kind; false when its key is gone or the record is.
func (l *Log) ownFacts(seq uint64, kind evidence.Kind, into any) (bool, error) {
	e, err := l.file.Entry(seq)
	if errors.Is(err, ErrNoEntry) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read record %d of %s: %w", seq, l.tenant, err)
	}
	lf, err := chain.Decode(e.Leaf)
	if err != nil {
		return false, problem.Wrap(problem.Corrupt, err, "record %d of %s", seq, l.tenant)
	}
	if lf.Kind != kind {
		return false, problem.New(problem.Corrupt, "record %d of %s is %s, not %s", seq, l.tenant, lf.Kind, kind)
	}
	c, err := l.openContent(lf, e)
	if errors.Is(err, ErrKeyMissing) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(c.Facts, into)
	}
	if err != nil {
		return false, problem.Wrap(problem.Corrupt, err, "record %d of %s", seq, l.tenant)
	}
	return true, nil
}

// checkKey stops a log whose key in force is not at hand.
func (l *Log) checkKey() error {
	ks := l.heldKeys()
	if _, ok := l.st.signers.get(ks[len(ks)-1].Key); ok {
		return nil
	}
	return problem.New(problem.Refused, "the log key in force of %s is not at hand", l.tenant).
		WithHint("put back the log.key this installation signs with; nothing is signed by another")
}

// signNote signs a checkpoint by the key for its size; a handover by the key
// before, too.
func (l *Log) signNote(c chain.Checkpoint) ([]byte, error) {
	ks := l.heldKeys()
	if l.rotating.Load() {
		// The log.key record may be within c already, or not yet.
		var err error
		if ks, err = l.readKeys(c.Size); err != nil {
			return nil, err
		}
	}
	key := ks.At(c.Size)
	signer, ok := l.st.signers.get(key.Key)
	if !ok {
		return nil, l.checkKey()
	}
	by := []note.Signer{signer}
	if before, ok := ks.Before(c.Size); ok && !key.Broken && l.lastSigned().Size < key.From {
		old, ok := l.st.signers.get(before.Key)
		if !ok {
			return nil, problem.New(problem.Refused, "the log key before is gone, and the new one of %s has not its word yet", l.tenant)
		}
		by = append(by, old)
	}
	return c.Sign(by...)
}

// RotateKey records the store's newest log key in the log and signs a
// checkpoint that hands over: by the old and the new key, or after a compromise
// by the new one alone. Called again it does what is missing.
func (l *Log) RotateKey(ctx context.Context, reason string, compromised bool) error {
	if err := l.use(); err != nil {
		return err
	}
	defer l.release()
	if err := l.stoppedBy(); err != nil {
		return err
	}
	next, ks := l.st.signers.newestKey(), l.heldKeys()
	if ks[len(ks)-1].Key != next {
		l.rotating.Store(true)
		defer l.rotating.Store(false)
		if err := l.tellKey(ctx, ks[len(ks)-1].Key, next, reason, compromised); err != nil {
			return err
		}
	}
	if _, _, err := l.Checkpoint(); err != nil {
		return fmt.Errorf("hand over the log key of %s: %w", l.tenant, err)
	}
	return l.loadKeys()
}

func (l *Log) tellKey(ctx context.Context, old, next, reason string, compromised bool) error {
	facts, err := json.Marshal(evidence.KeyFacts{Old: old, New: next, From: l.Size() + 1, Compromised: compromised, Reason: reason})
	if err != nil {
		return err
	}
	now := l.st.o.Clock().UTC()
	_, err = l.Append(ctx, []Item{{Draft: evidence.Draft{
		Kind: evidence.LogKey, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: next,
		Subject: evidence.NewRef("log", "", l.origin), OccurredAt: now, Basis: evidence.BasisSource, ObservedAt: now, Content: facts,
	}}})
	if err != nil {
		return fmt.Errorf("record the new log key of %s: %w", l.tenant, err)
	}
	return nil
}

// KeyChange is a log.key record with the checkpoint that hands over.
type KeyChange struct {
	Seq      uint64
	Handover []byte // signed note
	Size     uint64 // of the handover
}

// KeyChanges returns the changes of the log key below the size, the oldest
// first. A change whose handover is not signed is an error.
func (l *Log) KeyChanges(size uint64) ([]KeyChange, error) {
	if err := l.use(); err != nil {
		return nil, err
	}
	defer l.release()
	ks := l.heldKeys()
	var out []KeyChange
	for i := 1; i < len(ks) && ks[i].From <= size; i++ {
		c, signed, err := l.handover(ks, i)
		if err != nil {
			return nil, err
		}
		out = append(out, KeyChange{Seq: ks[i].From - 1, Handover: signed, Size: c.Size})
	}
	return out, nil
}

// handover finds the oldest stored checkpoint signed by the i-th key.
func (l *Log) handover(ks chain.LogKeys, i int) (chain.Checkpoint, []byte, error) {
	end := uint64(maxSize)
	if i+1 < len(ks) {
		end = ks[i+1].From - 1
	}
	var first Note
	for {
		n, err := l.file.NoteAt(end)
		if err != nil {
			return chain.Checkpoint{}, nil, err
		}
		if n.Signed == nil || n.Size < ks[i].From {
			break
		}
		first = n
		end = n.Size - 1
	}
	if first.Signed == nil {
		return chain.Checkpoint{}, nil, problem.New(problem.Corrupt, "the log key of %s from size %d on has no checkpoint", l.tenant, ks[i].From)
	}
	c, err := ks.OpenHandover(first.Signed, i)
	if err != nil {
		return c, nil, problem.Wrap(problem.Corrupt, err, "log keys of %s", l.tenant)
	}
	return c, first.Signed, nil
}
