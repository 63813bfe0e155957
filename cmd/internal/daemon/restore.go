package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
	"evidenced/reports/pack"
	"evidenced/store"
	"evidenced/store/backup"
	"evidenced/store/keyring"
	"evidenced/store/local"
)

// Backup implements api.World.
func (e *Engine) Backup(ctx context.Context, dir string, progress func(done, total uint64)) (api.BackupResult, error) {
	e.keeping.Lock()
	defer e.keeping.Unlock()
	if e.local.Restored {
		return api.BackupResult{}, problem.New(problem.Refused, "%s came from a backup and was not accepted yet", e.local.Dir).
			WithHint("keep the backup it came from; make a new one after evidenced restore --accept")
	}
	r, err := backup.Write(ctx, dir, backup.Source{Dir: e.local.Dir, Store: e.local.Store, Program: e.o.Program, Now: e.Now()}, progress)
	if err != nil {
		return api.BackupResult{}, err
	}
	return api.BackupResult{Dir: dir, Logs: r.Logs, Records: r.Records, Bytes: r.Bytes, Copied: r.Copied}, nil
}

// RotateLogKey implements api.World.
func (e *Engine) RotateLogKey(ctx context.Context, reason string, compromised bool) (string, error) {
	e.keeping.Lock()
	defer e.keeping.Unlock()
	e.mu.Lock() // a pack is signed by one key from its closing to its issue
	defer e.mu.Unlock()
	return e.local.RotateLogKey(ctx, keyring.Rotation{Reason: reason, Compromised: compromised})
}

// keyChanges are the log's keys, and how they changed up to the size.
func keyChanges(log *store.Log, size uint64) (chain.LogKeys, []pack.KeyChange, error) {
	changes, err := log.KeyChanges(size)
	if err != nil {
		return nil, nil, err
	}
	var out []pack.KeyChange
	for _, c := range changes {
		out = append(out, pack.KeyChange{Seq: c.Seq, Size: c.Size, Handover: c.Handover})
	}
	return log.LogKeys(), out, nil
}

// resumeRotation ends a rotation of the log key that was cut. A log that cannot
// take the new key holds it up, and the daemon goes on with both keys.
func (e *Engine) resumeRotation(ctx context.Context) error {
	there, err := e.local.ResumeRotation(ctx)
	switch {
	case problem.Is(err, problem.Incomplete):
		e.o.Log.Error("log key rotation held up", "code", codeOf(err))
		return nil
	case err != nil:
		return err
	case there:
		e.o.Log.Info("log key rotation ended")
	}
	return nil
}

// Acceptance asks to let a restored or rolled-back data directory go on.
type Acceptance struct {
	Notes     map[string][]byte // signed checkpoints kept elsewhere, by file name
	LostTail  bool
	Reason    string
	Authority string
}

// Accepted says how one log was dealt with.
type Accepted struct {
	store.Standing
	Outcome string `json:"outcome"`        // went on, new log, nothing to do, refused
	Log     string `json:"log,omitempty"`  // origin it goes on in
	Why     string `json:"why,omitempty"`  // of a refusal
	Hint    string `json:"hint,omitempty"` // of a refusal
}

// Accept compares every log of the data directory with what is known of it
// elsewhere and lets those go on that may. No daemon may hold the directory.
// When a log is refused the others are accepted all the same, the directory
// still counts as restored, and the error is a problem of code refused.
func Accept(ctx context.Context, o Options, a Acceptance) (_ []Accepted, err error) {
	wrapping, err := wrappingOf(o.Config)
	if err != nil {
		return nil, err
	}
	l, err := local.Open(local.Options{
		Dir: o.Config.DataDir, KeysDir: o.Config.Keys.Dir, SignDir: o.Config.Keys.SignStateDir, Wrapping: wrapping,
		Clock: o.Clock, Accepting: true, Log: o.Log, Store: tellLosses,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	if l.Keys == nil {
		return nil, problem.New(problem.Refused, "there is no keyring: nothing can go on without it").
			WithHint("bring it back first: evidenced keyring restore")
	}
	ts, err := l.Store.Tenants()
	if err != nil {
		return nil, err
	}
	inside, err := platformHeads(ctx, l.Store)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	var out []Accepted
	refused := 0
	for _, t := range ts {
		got, err := acceptLog(ctx, l, t, a, inside, used)
		if err != nil {
			return out, err
		}
		if got.Outcome == outcomeRefused {
			refused++
		}
		out = append(out, *got)
	}
	for name := range a.Notes {
		if !used[name] {
			return out, problem.New(problem.Refused, "checkpoint %s is of no log here, or not signed by its key", name).
				WithHint("what it could show was not compared; the directory still counts as restored")
		}
	}
	if refused > 0 {
		return out, problem.New(problem.Refused, "%d of %d logs may not go on", refused, len(out))
	}
	return out, l.Accepted()
}

// tellLosses makes the store note since when records may be missing.
func tellLosses(so *store.Options) {
	cursors := store.SealedCursorsOf(so.Backend, so.Keys)
	so.Lost = func(_ evidence.Tenant, since time.Time) error { return noteLost(cursors, since) }
}

// The outcomes of an acceptance.
const (
	outcomeOn      = "went on"
	outcomeNew     = "new log"
	outcomeNothing = "nothing to do"
	outcomeRefused = "refused"
)

func acceptLog(ctx context.Context, l *local.Local, t evidence.Tenant, a Acceptance, inside map[string][]store.Known, used map[string]bool) (*Accepted, error) {
	log, err := l.Store.Log(t)
	if err != nil {
		return refusedLog(store.Standing{Tenant: t}, err), nil
	}
	given, err := knownNotes(log, l.LogKey.Verifier, a.Notes, used)
	if err != nil {
		return nil, err
	}
	given = append(given, inside[log.Origin()]...)
	st, err := log.Standing(given)
	if err != nil {
		return refusedLog(store.Standing{Tenant: t, Origin: log.Origin()}, err), nil
	}
	if !l.Restored && log.Stopped() == nil && st.Verdict == store.Whole {
		return &Accepted{Standing: st, Outcome: outcomeNothing, Log: log.Origin()}, nil
	}
	st, err = l.Store.Accept(ctx, t, store.Acceptance{Given: given, LostTail: a.LostTail, Reason: a.Reason, Authority: a.Authority})
	if err != nil {
		return refusedLog(st, err), nil
	}
	if log, err = l.Store.Log(t); err != nil {
		return nil, err
	}
	// What was collected after the copy was made is read again.
	if err := noteLost(l.Store.Cursors(), newestRecord(ctx, l.Store, t, st)); err != nil {
		return nil, err
	}
	got := &Accepted{Standing: st, Outcome: outcomeOn, Log: log.Origin()}
	if log.Origin() != st.Origin {
		got.Outcome = outcomeNew
	}
	return got, nil
}

// newestRecord is when the newest record that came with the copy was recorded;
// zero when there is none that can be read.
func newestRecord(ctx context.Context, s *store.Store, t evidence.Tenant, st store.Standing) time.Time {
	logs, err := s.Prior(t)
	if err != nil || st.Size == 0 {
		return time.Time{}
	}
	if log, err := s.Log(t); err == nil {
		logs = append(logs, log)
	}
	for _, log := range logs {
		if log.Origin() != st.Origin {
			continue
		}
		if rec, err := log.Snapshot().Record(ctx, st.Size-1); err == nil {
			return rec.Recorded
		}
	}
	return time.Time{}
}

func refusedLog(st store.Standing, err error) *Accepted {
	r := &Accepted{Standing: st, Outcome: outcomeRefused, Why: err.Error()}
	if p := problem.Of(err); p != nil {
		r.Hint = p.Hint
	}
	return r
}

// knownNotes are the checkpoints from elsewhere that are of this log. They may
// be signed by a key newer than the copy knows, which is then the one at hand.
func knownNotes(log *store.Log, newest string, notes map[string][]byte, used map[string]bool) ([]store.Known, error) {
	atHand, err := chain.NewLogKeys(newest)
	if err != nil {
		return nil, err
	}
	var out []store.Known
	for name, signed := range notes {
		c, err := log.LogKeys().Open(signed)
		if err != nil {
			c, err = atHand.Open(signed)
		}
		if err != nil || c.Origin != log.Origin() {
			continue
		}
		used[name] = true
		out = append(out, store.Known{From: filepath.Base(name), Outside: true, Size: c.Size, Root: c.Root})
	}
	return out, nil
}

// platformHeads are the checkpoints of the other logs that _platform holds, the
// newest of each. They came with the copy, so they show what is lost, never
// that nothing is.
func platformHeads(ctx context.Context, s *store.Store) (map[string][]store.Known, error) {
	out := map[string][]store.Known{}
	log, err := s.Log(evidence.Platform)
	if err != nil {
		return out, nil // refused with the others, and told there
	}
	for rec, err := range log.Snapshot().Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.LogCheckpoints}}) {
		if err != nil {
			return nil, err
		}
		var f evidence.CheckpointsFacts
		if err := json.Unmarshal(rec.Facts, &f); err != nil {
			return nil, problem.Wrap(problem.Corrupt, err, "record %d of _platform", rec.Seq)
		}
		for _, h := range f.Logs {
			if before := out[h.Origin]; len(before) == 0 || before[0].Size < h.Size {
				out[h.Origin] = []store.Known{{From: "_platform", Size: h.Size, Root: h.Root}}
			}
		}
	}
	return out, nil
}

// CheckBackup verifies the backup in dir, deep when keysDir names the key
// directory of the installation, and writes nothing into it.
func CheckBackup(ctx context.Context, dir, keysDir string, notes map[string][]byte, progress func(done, total uint64)) (*backup.Report, error) {
	o := backup.CheckOptions{Notes: notes, Progress: progress}
	if keysDir != "" {
		if _, err := os.Stat(filepath.Join(keysDir, "keyring.db")); err != nil {
			return nil, problem.Wrap(problem.NotFound, err, "no keyring in %s", keysDir).WithHint("--keys names the directory with keyring.db and log.key")
		}
		// However its wrapping key is kept: no configuration is at hand here.
		d, err := keyring.Describe(keysDir)
		if err != nil {
			return nil, err
		}
		w, err := wrappingBefore(d, d.File(keysDir))
		if err != nil {
			return nil, err
		}
		k, err := keyring.OpenWith(ctx, keyring.Options{Dir: keysDir, Wrapping: w})
		if err != nil {
			return nil, err
		}
		defer k.Close()
		byLog, err := keysByLog(k)
		if err != nil {
			return nil, err
		}
		o.Keys = func(id string) (store.TenantKeys, bool) {
			tk, ok := byLog[id]
			return tk, ok
		}
	}
	return backup.Check(ctx, dir, o)
}

func keysByLog(k *keyring.Keyring) (map[string]store.TenantKeys, error) {
	ts, err := k.Tenants()
	if err != nil {
		return nil, err
	}
	out := map[string]store.TenantKeys{}
	for _, t := range ts {
		tk, err := k.Tenant(t, false)
		if err != nil {
			return nil, err
		}
		prior, err := k.Prior(t)
		if err != nil {
			return nil, err
		}
		for _, tk := range append(prior, tk) {
			out[tk.LogID()] = tk
		}
	}
	return out, nil
}
