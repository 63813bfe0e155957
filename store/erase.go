package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// EraseRequest asks for a person to be erased in every tenant.
type EraseRequest struct {
	Subject   Identity
	Authority string // on what the erasure rests; names nobody
	Reason    string // names nobody
	By        string // user id of the process that asks
	DryRun    bool   // only say what would be done
	Progress  func(done, total uint64)
}

// Erased is what an erasure did, or with DryRun would do.
type Erased struct {
	DryRun     bool                  `json:"dry_run,omitempty"`
	Identities int                   `json:"identities"` // of the person, by links in force
	Level      evidence.ErasureLevel `json:"level,omitempty"`
	Why        string                `json:"why,omitempty"` // why the level is not cryptographic
	Logs       []ErasedLog           `json:"logs"`
	// Elsewhere are logs that never knew the person and have claims that name
	// them all the same: a colleague's text, an address. Unsearched are the
	// tenants of logs that could not be read to find out.
	Elsewhere  []ErasedLog       `json:"elsewhere,omitempty"`
	Unsearched []evidence.Tenant `json:"unsearched,omitempty"`
}

// ErasedLog is what an erasure did in one tenant's log.
type ErasedLog struct {
	Tenant  evidence.Tenant `json:"tenant"`
	Former  bool            `json:"former,omitempty"` // another log of the tenant continues it and has the record
	Tokens  []evidence.ID   `json:"tokens"`
	Records uint64          `json:"records"`          // that name the person, by token
	Record  uint64          `json:"record,omitempty"` // the erasure record
	Packs   []PackNaming    `json:"packs,omitempty"`  // issued before, with the person in them
	// Searched counts the claims that open still. Still are those that name the
	// person all the same, at most maxNamings; More counts the others. Damaged
	// counts claims and records that could not be read, and so not searched.
	Searched uint64   `json:"searched"`
	Still    []Naming `json:"still,omitempty"`
	More     uint64   `json:"more,omitempty"`
	Damaged  uint64   `json:"damaged,omitempty"`
}

// PackNaming is a pack that discloses the person. It is out of reach: whoever
// got it has to be asked to drop it.
type PackNaming struct {
	Seq       uint64        `json:"record"`
	Manifest  evidence.Hash `json:"manifest"`
	Issued    time.Time     `json:"issued"`
	Recipient string        `json:"recipient,omitempty"`
}

// maxStatement bounds authority and reason, in bytes.
const maxStatement = 512

// Erase finds the person by every linked identity in every tenant, destroys
// keys and tokens, and appends an erasure record to each log that knew them. A
// legal hold on any of these logs, or one that is stopped, forbids it: then
// nothing has happened. After any other error the rest is done at the next
// start.
func (s *Store) Erase(ctx context.Context, rq EraseRequest) (*Erased, error) {
	s.erasing.Lock()
	defer s.erasing.Unlock()
	asked := s.o.Clock().UTC()
	traces, identities, err := s.trace(ctx, rq.Subject)
	if err != nil {
		return nil, err
	}
	out := &Erased{DryRun: rq.DryRun, Identities: identities}
	for _, t := range traces {
		if err := t.describe(ctx); err != nil {
			return nil, err
		}
	}
	if err := rq.check(ctx, traces); err != nil {
		return nil, err
	}
	if !rq.DryRun {
		d, records, err := s.destroy(ctx, rq, asked, traces)
		if err != nil {
			return nil, err
		}
		out.Level, out.Why = d.Level, d.Why
		for _, t := range traces {
			t.out.Record = records[t.log.tenant]
		}
	}
	return out, s.searchAll(ctx, rq, traces, out)
}

// check refuses what must not be done. Names of one tenant count in all: what
// the person is called elsewhere must not stand in a record here either.
func (rq *EraseRequest) check(ctx context.Context, traces []*trace) error {
	var all needles
	for _, t := range traces {
		for _, n := range t.names {
			all.put(n)
		}
	}
	for _, t := range traces {
		t.names = all
		now, err := t.log.st.Log(t.log.tenant) // which is another one when the log was continued
		if err != nil {
			return err
		}
		if err := t.refuseHeld(ctx); err != nil {
			return err
		}
		// What the intake kept over a restart is older than the erasure.
		if err := now.CaughtUp(ctx); err != nil {
			return err
		}
		if err := now.Stopped(); err != nil && !rq.DryRun {
			return problem.Wrap(problem.Refused, err, "the erasure could not be recorded in the log of %s", t.log.tenant)
		}
		if n := now.Kept(); n > 0 && !rq.DryRun {
			return now.keptBehind(n)
		}
	}
	for name, text := range map[string]string{"authority": rq.Authority, "reason": rq.Reason} {
		if len(text) > maxStatement {
			return problem.New(problem.Usage, "the %s has %d bytes, at most %d", name, len(text), maxStatement)
		}
		if found := all.find([]byte(text)); len(found) > 0 {
			return problem.New(problem.Usage, "the %s names the person (%s), and it is kept", name, strings.Join(found, ", ")).
				WithHint("give a file number instead")
		}
	}
	return nil
}

// refuseHeld returns a problem of code refused while a legal hold on the tenant
// is in force.
func (t *trace) refuseHeld(ctx context.Context) error {
	now, err := t.log.st.Log(t.log.tenant) // which is another one when the log was continued
	if err != nil {
		return err
	}
	if why, held := now.Held(ctx); held {
		return problem.New(problem.Refused, "a legal hold on %s forbids to erase: %s", t.log.tenant, why).
			WithHint("release the hold first, or keep the request until it ends; nothing was erased")
	}
	return nil
}

// keptBehind says that drafts that may name the person would outlive an
// erasure, because the log cannot take them.
func (l *Log) keptBehind(bytes int64) error {
	return problem.New(problem.Refused, "the intake keeps %d bytes that the log of %s has not taken: they may name the person", bytes, l.tenant).
		WithHint("bring the log of %s back, which takes them at the next start", l.tenant)
}

// erasureNote is what a destruction keeps until its records are appended.
type erasureNote struct {
	Tokens    map[string][]evidence.ID `json:"tokens"` // by tenant
	Authority string                   `json:"authority,omitempty"`
	Reason    string                   `json:"reason,omitempty"`
	By        string                   `json:"by"`
	Asked     time.Time                `json:"asked"`
}

// destroy destroys the keys while nothing is appended to the logs concerned,
// so that no record under way takes the old token along, and records it.
func (s *Store) destroy(ctx context.Context, rq EraseRequest, asked time.Time, traces []*trace) (Destroyed, map[evidence.Tenant]uint64, error) {
	n := erasureNote{Tokens: map[string][]evidence.ID{}, Authority: rq.Authority, Reason: rq.Reason, By: rq.By, Asked: asked}
	var ds []Destruction
	var logs []*Log
	for _, t := range traces {
		var ids []string
		for _, p := range t.people {
			ids = append(ids, p.KeyID)
		}
		ds = append(ds, Destruction{Tenant: t.log.tenant, Keys: ids})
		name := t.log.tenant.String()
		n.Tokens[name] = append(n.Tokens[name], t.out.Tokens...)
		logs = append(logs, t.log)
	}
	note, err := json.Marshal(n)
	if err != nil {
		return Destroyed{}, nil, err
	}
	// A retirement states records again that it read before, keys and all.
	for _, l := range logs {
		if !l.ret.busy.TryLock() {
			return Destroyed{}, nil, problem.New(problem.Refused, "segments of %s are being retired", l.tenant).
				WithHint("ask again when that is done; nothing was erased")
		}
		defer l.ret.busy.Unlock()
	}
	var d Destroyed
	err = held(logs, func() (err error) {
		// Placed since it was looked for: to look takes long where much was kept.
		for _, t := range traces {
			if err := t.refuseHeld(ctx); err != nil {
				return err
			}
		}
		d, err = s.o.Keys.Destroy(ctx, ds, note)
		return err
	})
	ctx = context.WithoutCancel(ctx) // the keys may be gone: record that they are
	if err != nil {
		return d, nil, errors.Join(err, s.SettleErasures(ctx))
	}
	records, err := s.settle(ctx, Unsettled{Note: note, Destroyed: d})
	return d, records, err
}

// held runs fn while the committers of the logs stand still. Before it and
// after it, everything they remember of people and keys is dropped.
func held(logs []*Log, fn func() error) error {
	if len(logs) == 0 {
		return fn()
	}
	return logs[0].between(func() error {
		logs[0].forgetPeople()
		defer logs[0].forgetPeople()
		return held(logs[1:], fn)
	})
}

// forgetPeople drops names and ciphers from memory. Only work between appends
// may call it.
func (l *Log) forgetPeople() {
	clear(l.known)
	l.ciphersMu.Lock()
	clear(l.ciphers)
	l.ciphersGen++
	l.ciphersMu.Unlock()
}

// SettleErasures records destructions that were carried out and, because the
// process ended, not recorded. It is to be called at the start.
func (s *Store) SettleErasures(ctx context.Context) error {
	if s.o.Restored {
		return nil // nothing is appended to a copy before it is accepted
	}
	list, err := s.o.Keys.Unsettled(ctx)
	if err != nil {
		return fmt.Errorf("look for unsettled erasures: %w", err)
	}
	var errs []error
	for _, u := range list {
		if _, err := s.settle(ctx, u); err != nil {
			errs = append(errs, err)
			continue
		}
		s.o.Log.Warn("an erasure that was cut off is recorded now", "tenants", len(u.Keys), "level", string(u.Level))
	}
	return errors.Join(errs...)
}

// maxErasedKeys is how many keys one erasure record names.
const maxErasedKeys = evidence.MaxLinks - 1

// settle appends the erasure records of a destruction, writes out what memory
// holds of records that named the person, and drops the drafts that the intake
// has on the disk. Only then is the destruction settled: after a crash all of
// it is done again. Doing it again appends nothing new: a record's key is the
// destruction's id.
func (s *Store) settle(ctx context.Context, u Unsettled) (map[evidence.Tenant]uint64, error) {
	var n erasureNote
	if err := json.Unmarshal(u.Note, &n); err != nil {
		return nil, problem.Wrap(problem.Corrupt, err, "note of an erasure")
	}
	now := s.o.Clock().UTC()
	seqs := map[evidence.Tenant]uint64{}
	var errs []error // one tenant's failure keeps no other's record back
	for _, t := range slices.SortedFunc(maps.Keys(u.Keys), func(a, b evidence.Tenant) int { return strings.Compare(a.String(), b.String()) }) {
		seq, recorded, err := s.settleIn(ctx, t, u, n, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("record the erasure in the log of %s: %w", t, err))
		} else if recorded {
			seqs[t] = seq
		}
	}
	if err := errors.Join(append(errs, s.ForgetIntake())...); err != nil {
		return nil, err
	}
	return seqs, s.o.Keys.Settle(u.ID)
}

// settleIn appends the erasure records of one tenant and returns the first. A
// tenant that was offboarded since has no log that could take one.
func (s *Store) settleIn(ctx context.Context, t evidence.Tenant, u Unsettled, n erasureNote, now time.Time) (seq uint64, recorded bool, err error) {
	if _, has, err := s.Has(t); err != nil || !has || len(u.Keys[t]) == 0 {
		return 0, false, err
	}
	l, err := s.Log(t)
	if err != nil {
		return 0, false, err
	}
	var items []Item
	for i := 0; i < len(u.Keys[t]); i += maxErasedKeys {
		f := evidence.ErasureFacts{
			Keys: u.Keys[t][i:min(i+maxErasedKeys, len(u.Keys[t]))], Tokens: n.Tokens[t.String()], Level: u.Level, Why: u.Why,
			Authority: n.Authority, Reason: n.Reason, By: n.By, Asked: n.Asked, Destroyed: now,
		}
		item, err := erasureItem(fmt.Sprintf("%s/%d", u.ID, i), f)
		if err != nil {
			return 0, false, err
		}
		items = append(items, item)
	}
	res, err := l.Append(ctx, items)
	if err != nil {
		return 0, false, err
	}
	if _, _, err := l.Checkpoint(); err != nil {
		return 0, false, err
	}
	if err := errors.Join(l.WaitIndexed(ctx), l.CaughtUp(ctx)); err != nil {
		return 0, false, err
	}
	if kept := l.Kept(); kept > 0 {
		return 0, false, l.keptBehind(kept)
	}
	return res.Seqs[0], true, nil
}

func erasureItem(key string, f evidence.ErasureFacts) (Item, error) {
	content, err := json.Marshal(f)
	if err != nil {
		return Item{}, err
	}
	d := evidence.Draft{
		Kind: evidence.Erasure, Op: evidence.OpEvent, Source: evidence.SelfSource, Key: key,
		Subject: evidence.NewRef("key", "", f.Keys[0]), OccurredAt: f.Destroyed, Basis: evidence.BasisSource, ObservedAt: f.Destroyed, Content: content,
	}
	for _, id := range f.Keys {
		d.Links = append(d.Links, evidence.NewRef("key", "", id))
	}
	return Item{Draft: d}, nil
}
