package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"sync"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
)

// verified is the newest point up to which a log was found good. It is sealed
// among the cursors, so that whoever can write the log alone cannot move it.
type verified struct {
	store.Since
	// Signed is the newest checkpoint that it found: records after it may be lost
	// with a disk that lied, those before it may not.
	Signed store.Since `json:"signed,omitzero"`
	At     time.Time   `json:"at"`   // of the verification that ended there
	Full   time.Time   `json:"full"` // of the newest one that read the whole log
}

// verifiedName is the cursor of a log's point.
func verifiedName(log *store.Log) string { return "verified/" + path.Base(log.Origin()) }

// lastVerified returns the point of the log, nil when there is none.
func (e *Engine) lastVerified(log *store.Log) (*verified, error) {
	b, err := e.local.Store.Cursors().Cursor(verifiedName(log))
	if err != nil || b == nil {
		return nil, err
	}
	var v verified
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, fmt.Errorf("last verified point of %s: %w", log.Tenant(), err)
	}
	return &v, nil
}

// verify verifies a log and keeps the point when nothing is wrong. With
// sinceLast it begins where the last one ended, if there was one.
func (e *Engine) verify(ctx context.Context, log *store.Log, o store.VerifyOptions, sinceLast bool) (*store.Report, error) {
	last, err := e.lastVerified(log)
	if err != nil {
		return nil, err
	}
	if sinceLast && last != nil {
		o.Since = &last.Since
	}
	if o.Known, err = e.recorded(ctx, log); err != nil {
		return nil, err
	}
	if last != nil && last.Signed.Size > 0 {
		o.Known = append(o.Known, store.Known{From: "an earlier verification", Size: last.Signed.Size, Root: last.Signed.Root})
	}
	rep, err := log.Verify(ctx, o)
	if err != nil || !rep.OK() {
		return rep, err
	}
	now := e.Now().UTC()
	point := verified{Since: store.Since{Size: rep.Size, Root: rep.Root}, At: now, Full: now}
	if rep.Since != nil {
		point.Full = last.Full
	}
	if point.Signed.Size = rep.Signed; rep.Signed > 0 {
		if point.Signed.Root, err = log.RootAt(rep.Signed); err != nil {
			return rep, err
		}
	}
	b, err := json.Marshal(point)
	if err != nil {
		return nil, err
	}
	if err := e.local.Store.Cursors().PutCursor(verifiedName(log), b); err != nil {
		// The verdict stands; the next verification reads more than it must.
		e.o.Log.Warn("verified point not kept", "tenant", log.Tenant().String(), "code", codeOf(err))
	}
	return rep, nil
}

// recorded is what _platform recorded of the log: one that was brought back alone
// from an older copy, sign-state and all, agrees with itself and not with that.
// When _platform cannot be read nothing is known, which its own verification tells.
func (e *Engine) recorded(ctx context.Context, log *store.Log) ([]store.Known, error) {
	if log.Tenant() == evidence.Platform {
		return nil, nil
	}
	heads, err := e.heads.get(ctx, e)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		e.o.Log.Error("recorded checkpoints not read", "tenant", evidence.Platform.String(), "code", codeOf(err))
		return nil, nil
	}
	h, ok := heads[log.Origin()]
	if !ok {
		return nil, nil
	}
	return []store.Known{{From: "the record of its checkpoints in " + evidence.Platform.String(), Size: h.Size, Root: h.Root}}, nil
}

// recordedHeads remembers what _platform recorded of all logs until it grows: to
// verify a thousand logs it is read once.
type recordedHeads struct {
	mu    sync.Mutex
	size  uint64 // of _platform, when it was read
	heads map[string]evidence.LogHead
}

func (r *recordedHeads) get(ctx context.Context, e *Engine) (map[string]evidence.LogHead, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	size := uint64(0)
	switch l, err := e.local.Store.Log(evidence.Platform); {
	case err == nil:
		size = l.Size()
	case !problem.Is(err, problem.NotFound):
		return nil, err
	}
	if r.heads != nil && size == r.size {
		return r.heads, nil
	}
	heads, err := e.knownHeads(ctx)
	if err != nil {
		return nil, err
	}
	r.heads, r.size = heads, size
	return heads, nil
}

// sealDamage records in _platform that a log does not verify. The same damage
// found again is not recorded again.
func (e *Engine) sealDamage(ctx context.Context, rep *store.Report) error {
	facts := evidence.DamageFacts{
		Origin: rep.Origin, Size: rep.Size, Root: rep.Root, Records: rep.Records,
		Failures: rep.Failures, More: rep.MoreFailed, Missing: rep.Missing,
	}
	same, err := json.Marshal([]any{facts.Origin, facts.Failures, facts.More, facts.Missing})
	if err != nil {
		return err
	}
	log, err := e.local.Store.Create(evidence.Platform)
	if err != nil {
		return err
	}
	return tell(ctx, log, evidence.LogDamage, hashOf(same).String(), evidence.NewRef("log", "", rep.Origin), facts, e.Now().UTC())
}
