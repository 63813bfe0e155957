package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/store/durable"
)

// Succession is a Keyring that can give a tenant a new log when the one it has
// may not be signed any more.
type Succession interface {
	// Succeed makes the new log's id and keys durable and keeps the end of the
	// old one, JSON of evidence.LogEnd, until the new genesis tells it.
	Succeed(t evidence.Tenant, end []byte) error
	// Prior returns the keys of the logs before, the oldest first.
	Prior(t evidence.Tenant) ([]TenantKeys, error)
}

// lineage is what the keys of a log say about the logs beside it.
type lineage interface {
	Ended() bool
	Continues() []byte
}

// begins reports whether the log has never held a record, so that its
// sign-state may be made. A log whose records were lost is told by its data
// key: that is durable before the first record.
func (l *Log) begins() bool {
	if l.head.Size > 0 {
		return false
	}
	_, err := l.keys.Key("d1")
	return errors.Is(err, ErrKeyMissing)
}

// former reports whether another log continues this one.
func (l *Log) former() bool {
	k, ok := l.keys.(lineage)
	return ok && k.Ended()
}

const acceptHint = "stop the daemon, then evidenced restore --accept compares it with what is known elsewhere; until then it can be verified"

// checkSignState compares the log with what was signed of it. A log that has
// less, or another tree, or of which that is not known, must not grow or sign.
func (l *Log) checkSignState() error {
	if l.former() {
		return problem.New(problem.Refused, "log %s of %s is continued by another log", l.origin, l.tenant).
			WithHint("it can be read and verified; nothing is appended to it")
	}
	if l.st.o.Restored {
		return problem.New(problem.Refused, "log of %s came from a backup", l.tenant).WithHint(acceptHint)
	}
	if l.sign.absent && l.head.Size == 0 {
		return problem.New(problem.Corrupt, "log of %s had records, and has none and no sign-state: it is lost", l.tenant).WithHint(acceptHint)
	}
	size, root := l.sign.size, l.sign.root
	// A stored checkpoint is written after the sign-state, so one that the
	// sign-state does not know came with a copy brought to another place.
	newest, err := l.file.NoteAt(maxSize)
	if err != nil {
		return fmt.Errorf("newest checkpoint: %w", err)
	}
	if l.sign.absent {
		return problem.New(problem.Refused, "log of %s has %d records and no sign-state: this is a restored copy", l.tenant, l.head.Size).WithHint(acceptHint)
	}
	if newest.Signed != nil && newest.Size > size {
		return problem.New(problem.Refused, "log of %s has a checkpoint of size %d, the sign-state knows of %d: this is a restored copy, or its sign-state is", l.tenant, newest.Size, size).WithHint(acceptHint)
	}
	if size == 0 {
		return nil
	}
	if l.head.Size < size {
		return problem.New(problem.Corrupt, "log of %s has %d records, but %d were signed: the end is lost", l.tenant, l.head.Size, size).
			WithHint("bring back the newest copy; without one, " + acceptHint)
	}
	got, err := chain.Root(size, l.hashes())
	if err != nil {
		return fmt.Errorf("compare with the sign-state: %w", err)
	}
	if got != root {
		return problem.New(problem.Corrupt, "log of %s has root %s at size %d, but %s was signed: the records were changed", l.tenant, got, size, root).
			WithHint("run evidenced verify --tenant %s; nothing is appended until the signed log is back", l.tenant)
	}
	return nil
}

// Known is a checkpoint of a log that is known of.
type Known struct {
	From    string        `json:"from"`    // sign-state, stored checkpoint, _platform, or the name of a file or anchor
	Outside bool          `json:"outside"` // it did not come with the copy
	Size    uint64        `json:"size"`
	Root    evidence.Hash `json:"root"`
}

// Stand says how a log stands to what was signed of it.
type Stand string

// The stands.
const (
	Whole     Stand = "whole"      // everything known to be signed is there
	TailLost  Stand = "tail-lost"  // more was signed than is there
	OtherTree Stand = "other-tree" // something else was signed at a size it has
	NotKnown  Stand = "not-known"  // nothing outside the copy says what was signed
)

// Standing is how a log stands to what was signed of it.
type Standing struct {
	Tenant  evidence.Tenant  `json:"tenant"`
	Origin  string           `json:"origin"`
	Size    uint64           `json:"size"`
	Verdict Stand            `json:"verdict"`
	Known   []Known          `json:"known"`          // the largest size first
	Lost    *Known           `json:"lost,omitempty"` // what the log does not reach, or contradicts
	Common  evidence.LogHead `json:"common"`         // newest stored checkpoint that holds; size 0: none
}

// Standing compares the log with its sign-state, its stored checkpoints and
// the ones given, which were verified and are of this log's origin.
func (l *Log) Standing(given []Known) (Standing, error) {
	s := Standing{Tenant: l.tenant, Origin: l.origin, Known: slices.Clone(given)}
	if err := l.use(); err != nil {
		return s, err
	}
	defer l.release()
	s.Size = l.size()
	inside := uint64(0)
	for _, k := range given {
		if !k.Outside {
			inside = max(inside, k.Size)
		}
	}
	note, err := l.file.NoteAt(maxSize)
	if err != nil {
		return s, fmt.Errorf("newest checkpoint: %w", err)
	}
	if note.Signed != nil {
		c, err := l.heldKeys().Open(note.Signed)
		if err != nil {
			return s, problem.Wrap(problem.Corrupt, err, "newest checkpoint of %s", l.tenant)
		}
		s.Known = append(s.Known, Known{From: "stored checkpoint", Size: c.Size, Root: c.Root})
		inside = max(inside, c.Size)
	}
	if !l.sign.absent {
		// One that a checkpoint of the copy overtook is a copy itself.
		s.Known = append(s.Known, Known{From: "sign-state", Outside: l.sign.size >= inside, Size: l.sign.size, Root: l.sign.root})
	}
	slices.SortStableFunc(s.Known, func(a, b Known) int { return cmp.Compare(b.Size, a.Size) })
	if err := l.judge(&s, inside); err != nil {
		return s, err
	}
	return s, l.findCommon(&s)
}

// judge sets the verdict and what is lost.
func (l *Log) judge(s *Standing, inside uint64) error {
	s.Verdict = NotKnown
	for i := range s.Known {
		k := &s.Known[i]
		switch {
		case k.Size > s.Size:
			if s.Lost == nil {
				s.Verdict, s.Lost = TailLost, k
			}
			continue
		case k.Size == 0:
		default:
			got, err := chain.Root(k.Size, l.hashes())
			if err != nil {
				return fmt.Errorf("root at size %d: %w", k.Size, err)
			}
			if got != k.Root {
				s.Verdict, s.Lost = OtherTree, k
				return nil
			}
		}
		if k.Outside && k.Size >= inside && s.Lost == nil {
			s.Verdict = Whole
		}
	}
	return nil
}

// findCommon finds the newest stored checkpoint that the records still bear
// out, and that is older than what is contradicted.
func (l *Log) findCommon(s *Standing) error {
	at := s.Size
	if s.Verdict == OtherTree {
		at = s.Lost.Size - 1
	}
	for {
		c, signed, err := l.NoteAt(at)
		if err != nil || signed == nil {
			return err
		}
		root, err := chain.Root(c.Size, l.hashes())
		if err != nil {
			return fmt.Errorf("root at size %d: %w", c.Size, err)
		}
		if root == c.Root {
			s.Common = evidence.LogHead{Origin: c.Origin, Size: c.Size, Root: c.Root}
			return nil
		}
		if c.Size == 0 {
			return nil
		}
		at = c.Size - 1
	}
}

// Acceptance is how somebody lets a restored copy go on.
type Acceptance struct {
	Given     []Known // checkpoints of this tenant's log from elsewhere, verified
	LostTail  bool    // a lost tail is known of: go on in a new log
	Reason    string
	Authority string
}

// Accept lets the log of a tenant go on after its data directory came back
// from a backup or lost its sign-state. A log that has everything known to be
// signed keeps its origin. Of one that has not, or of which that is not known,
// nothing may be signed any more: with LostTail the tenant gets a new log, whose
// genesis names the last common and the lost checkpoint; without, it is a
// problem of code refused. The standing is that before the act.
func (s *Store) Accept(ctx context.Context, t evidence.Tenant, a Acceptance) (Standing, error) {
	l, err := s.Log(t)
	if err != nil {
		return Standing{}, err
	}
	st, err := l.Standing(a.Given)
	if err != nil {
		return st, err
	}
	if stopped := l.Stopped(); errors.Is(stopped, errStopped) {
		return st, stopped
	}
	outcome := "whole"
	switch {
	case st.Verdict == Whole:
		err = s.acceptWhole(l, st)
	case !a.LostTail:
		return st, refuse(st)
	default:
		outcome = "continued"
		err = s.succeed(l, st, a.Reason)
	}
	if err != nil {
		return st, err
	}
	if l, err = s.Log(t); err != nil {
		return st, err
	}
	return st, l.tellRecovered(ctx, evidence.RecoveredFacts{
		Outcome: outcome, Size: st.Size, Compared: compared(st.Known), Reason: a.Reason, Authority: a.Authority,
	})
}

func compared(ks []Known) (out []evidence.LogKnown) {
	for _, k := range ks {
		out = append(out, evidence.LogKnown{From: k.From, Size: k.Size, Root: k.Root})
	}
	return out
}

func refuse(st Standing) error {
	switch st.Verdict {
	case TailLost:
		return problem.New(problem.Refused, "log of %s has %d records, but %s knows of %d that were signed", st.Tenant, st.Size, st.Lost.From, st.Lost.Size).
			WithHint("bring back a newer copy; or --lost-tail goes on in a new log that says what was lost")
	case OtherTree:
		return problem.New(problem.Refused, "log of %s is not the one that %s knows at size %d", st.Tenant, st.Lost.From, st.Lost.Size).
			WithHint("bring back the right copy; or --lost-tail goes on in a new log that says so")
	}
	return problem.New(problem.Refused, "nothing outside the copy says what was signed of the log of %s", st.Tenant).
		WithHint("give its newest checkpoint from elsewhere with --checkpoint, or bring the sign-state; or --lost-tail goes on in a new log")
}

// acceptWhole writes the sign-state anew and opens the log again.
func (s *Store) acceptWhole(l *Log, st Standing) error {
	var newest Known
	if len(st.Known) > 0 {
		newest = st.Known[0]
	}
	if l.sign.absent || l.sign.size != newest.Size {
		line := ""
		if newest.Size > 0 {
			line = fmt.Sprintf("%d %s\n", newest.Size, newest.Root)
		}
		if err := durable.Replace(filepath.Join(s.o.SignDir, l.keys.LogID()), []byte(line)); err != nil {
			return problem.Wrap(problem.Storage, err, "write sign-state")
		}
	}
	return s.reopen(l)
}

// succeed begins the log that continues l.
func (s *Store) succeed(l *Log, st Standing, why string) error {
	k, ok := s.o.Keys.(Succession)
	if !ok {
		return fmt.Errorf("this keyring cannot give %s a new log", l.tenant)
	}
	end := evidence.LogEnd{Origin: l.origin, Size: st.Common.Size, Root: st.Common.Root, Why: why}
	if st.Lost != nil {
		end.Lost = &evidence.LogHead{Origin: l.origin, Size: st.Lost.Size, Root: st.Lost.Root}
	}
	b, err := json.Marshal(end)
	if err != nil {
		return err
	}
	if err := k.Succeed(l.tenant, b); err != nil {
		return err
	}
	return s.reopen(l)
}

// reopen closes the log, so that the next who asks opens it as it stands now.
func (s *Store) reopen(l *Log) error {
	s.mu.Lock()
	delete(s.logs, l.tenant)
	s.mu.Unlock()
	if err := l.close(); err != nil {
		return fmt.Errorf("close log of %s: %w", l.tenant, err)
	}
	return nil
}

// predecessor is what the genesis says of the log before; nil for the first.
func (l *Log) predecessor() *evidence.LogEnd {
	k, ok := l.keys.(lineage)
	if !ok || len(k.Continues()) == 0 {
		return nil
	}
	var end evidence.LogEnd
	if err := json.Unmarshal(k.Continues(), &end); err != nil {
		return nil // our own JSON, sealed: it cannot have been changed
	}
	return &end
}

// Prior opens the logs that the tenant's log continues, the oldest first, for
// reading and verifying. They are the store's, like the others.
func (s *Store) Prior(t evidence.Tenant) ([]*Log, error) {
	k, ok := s.o.Keys.(Succession)
	if !ok {
		return nil, nil
	}
	keys, err := k.Prior(t)
	if errors.Is(err, ErrKeyMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("store is closed")
	}
	var logs []*Log
	for _, tk := range keys {
		l := s.prior[tk.LogID()]
		if l == nil {
			if l, err = newLog(s, t, tk); err != nil {
				return logs, fmt.Errorf("earlier log of tenant %s: %w", t, err)
			}
			s.prior[tk.LogID()] = l
		}
		logs = append(logs, l)
	}
	return logs, nil
}

// lostTail is what is known of records that a crash took: no signature covers
// them, because the sign-state and the checkpoints agree with what is left.
type lostTail struct {
	records uint64 // at least
	at      uint64 // size of the log without them
}

func (l *Log) lostPath() string { return filepath.Join(l.st.o.SignDir, l.keys.LogID()+".lost") }

// noteLostTail tells an unsigned tail that was lost by the index, which follows
// the log and is now ahead of it: the disk did not keep what it had confirmed.
// What is found is kept until it is recorded, because the index is made anew.
func (l *Log) noteLostTail() error {
	var known, at uint64
	if b, err := os.ReadFile(l.lostPath()); err == nil {
		if _, err := fmt.Sscanf(string(b), "%d %d\n", &known, &at); err == nil && at <= l.head.Size {
			l.lostTail = lostTail{known, at}
		}
	} else if !os.IsNotExist(err) {
		return problem.Wrap(problem.Storage, err, "read what was lost")
	}
	if l.stopped != nil || l.lostTail.records > 0 {
		return nil
	}
	mark, err := l.index.Watermark()
	if err != nil || mark <= l.head.Size {
		return nil // a damaged index says nothing; it is derived again
	}
	l.lostTail = lostTail{mark - l.head.Size, l.head.Size}
	l.st.o.Log.Error("records lost", "tenant", l.tenant.String(), "seq", l.head.Size, "count", l.lostTail.records)
	if err := durable.Replace(l.lostPath(), fmt.Appendf(nil, "%d %d\n", l.lostTail.records, l.lostTail.at)); err != nil {
		return problem.Wrap(problem.Storage, err, "keep what was lost")
	}
	return nil
}

// tellLostTail records the loss, once. The caller holds life, the log is open.
func (l *Log) tellLostTail() error {
	if l.lostTail.records == 0 || l.stoppedBy() != nil {
		return nil
	}
	if tell := l.st.o.Lost; tell != nil {
		l.mu.RLock()
		since := l.head.Recorded
		l.mu.RUnlock()
		if err := tell(l.tenant, since); err != nil {
			return err
		}
	}
	item, err := l.recovered(evidence.RecoveredFacts{
		Outcome: "unsigned-tail-lost", Size: l.lostTail.at, Lost: l.lostTail.records,
		Reason: "the index knew of more records than the log has; no signature covers them",
	})
	if err != nil {
		return err
	}
	rq := newRequest([]Item{item})
	if err := l.queue.put(context.Background(), rq); err != nil {
		return err
	}
	if rp := <-rq.reply; rp.err != nil {
		return rp.err
	}
	l.lostTail = lostTail{}
	if err := os.Remove(l.lostPath()); err != nil && !os.IsNotExist(err) {
		return problem.Wrap(problem.Storage, err, "forget what was lost")
	}
	return nil
}

// tellRecovered appends a log.recovered record.
func (l *Log) tellRecovered(ctx context.Context, f evidence.RecoveredFacts) error {
	item, err := l.recovered(f)
	if err != nil {
		return err
	}
	_, err = l.Append(ctx, []Item{item})
	return err
}

func (l *Log) recovered(f evidence.RecoveredFacts) (Item, error) {
	facts, err := json.Marshal(f)
	now := l.st.o.Clock().UTC()
	return Item{Draft: evidence.Draft{
		Kind: evidence.LogRecovered, Op: evidence.OpEvent, Source: evidence.SelfSource,
		Key:     fmt.Sprintf("%s/%d/%s", f.Outcome, f.Size, now.Format(time.RFC3339Nano)),
		Subject: evidence.NewRef("log", "", l.origin), OccurredAt: now, Basis: evidence.BasisSource, ObservedAt: now, Content: facts,
	}}, err
}

// VerifyEnded verifies a log that another one continues, and holds it against
// the checkpoints of it that somebody kept. That it takes nothing more is no
// failure of it; that it lacks what was signed was told by the log that continues
// it.
func (l *Log) VerifyEnded(ctx context.Context, kept ...Kept) (*Report, error) {
	return l.Verify(ctx, VerifyOptions{Kept: kept, ended: true})
}
