package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings"
	"evidenced/store"
)

var _ api.World = (*Engine)(nil)

// Now implements api.World.
func (e *Engine) Now() time.Time { return e.o.Clock() }

// Zone implements api.World.
func (e *Engine) Zone() *time.Location { return e.o.Config.Zone() }

// Tenants implements api.World. Which log is whose stands in the keyring alone:
// without one nobody knows, and no answer may read as if there were no tenants.
func (e *Engine) Tenants(context.Context) ([]evidence.Tenant, error) {
	if e.local.Keys == nil {
		return nil, store.ErrNoKeyring
	}
	return e.local.Store.Tenants()
}

// Reader implements api.World.
func (e *Engine) Reader(_ context.Context, t evidence.Tenant) (evidence.Reader, error) {
	log, err := e.local.Store.Log(t)
	if err != nil {
		return nil, err
	}
	return log.Snapshot(), nil
}

// Flush implements api.World.
func (e *Engine) Flush(ctx context.Context, of ...evidence.Tenant) error {
	var errs []error
	for _, s := range e.sources {
		errs = append(errs, s.runner.Flush(ctx, of...))
	}
	return errors.Join(errs...)
}

// Read implements api.World: it seals who asked what, in the log that was asked.
func (e *Engine) Read(ctx context.Context, t evidence.Tenant, f evidence.ReadFacts) error {
	log, err := e.local.Store.Log(t)
	if err != nil {
		return err
	}
	return tell(ctx, log, evidence.AccessRead, newID().String(), evidence.NewRef("log", "", log.Origin()), f, e.Now().UTC())
}

// Judging implements api.World.
func (e *Engine) Judging(ctx context.Context, t evidence.Tenant) (mappings.Input, error) {
	r, err := e.Reader(ctx, t)
	if err != nil {
		return mappings.Input{}, err
	}
	in, err := e.judging(t)
	if err != nil {
		return in, err
	}
	in.Reader = r
	_, err = e.said(ctx, &in)
	return in, err
}

// judging is Judging without a reader.
func (e *Engine) judging(t evidence.Tenant) (mappings.Input, error) {
	in := mappings.Input{Catalog: e.catalog, Entities: e.o.Config.EntityTypesOf(t), Days: e.calendars}
	for _, c := range e.o.Config.Tenants {
		if c.Name == t {
			in.Tenancy = &evidence.Tenancy{Tier: c.Tier, Tags: c.Tags}
		}
	}
	if e.o.ReadOnly && len(e.o.Config.Sources) == 0 {
		return in, nil // opened by its directory alone: coverage tells the sources
	}
	in.Configured = map[evidence.Kind][]evidence.SourceID{}
	for _, s := range e.sources {
		for _, k := range s.runner.Collector.Kinds() {
			in.Configured[k] = append(in.Configured[k], s.runner.Source)
		}
	}
	if len(e.sources) == 0 {
		in.Configured = nil
	}
	return in, nil
}

// Verify implements api.World.
func (e *Engine) Verify(ctx context.Context, t evidence.Tenant, r api.VerifyRequest) (*store.Report, error) {
	log, err := e.local.Store.Log(t)
	if err != nil {
		return nil, err
	}
	if rep, old, err := e.verifyOld(ctx, log, r.Progress); old || err != nil {
		return rep, err
	}
	held, err := e.anchors.anchored(ctx, log)
	if err != nil {
		return nil, err
	}
	return e.verify(ctx, log, store.VerifyOptions{Deep: r.Deep, Kept: r.Kept, Anchors: held, Progress: r.Progress}, r.SinceLast)
}

// Fsck implements api.World.
func (e *Engine) Fsck(ctx context.Context, repairIndex bool) ([]api.Check, error) {
	checks := []api.Check{
		{What: "installation", OK: true, Says: fmt.Sprintf("format 1, clock %s", map[bool]string{true: "simulated", false: "real"}[e.local.Simulated])},
	}
	if e.local.Keys == nil {
		return append(checks, api.Check{What: "keyring", Says: "there is none: the logs can be verified, not read and not continued"}), nil
	}
	ts, err := e.local.Store.Tenants()
	if err != nil {
		return append(checks, api.Check{What: "keyring", Says: err.Error()}), nil
	}
	checks = append(checks, api.Check{What: "keyring", OK: true, Says: fmt.Sprintf("%d tenants, wrapping key opens it", len(ts))})
	for _, t := range ts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		checks = append(checks, e.checkLog(ctx, t, repairIndex)...)
		prior, err := e.checkPrior(ctx, t)
		if err != nil {
			return nil, err
		}
		checks = append(checks, prior...)
	}
	return append(append(checks, e.checkCursors()...), e.checkDamaged()...), nil
}

func (e *Engine) checkLog(ctx context.Context, t evidence.Tenant, repairIndex bool) []api.Check {
	name := "log of " + t.String()
	log, err := e.local.Store.Log(t)
	if err != nil {
		return []api.Check{{What: name, Says: err.Error()}}
	}
	if stopped := log.Stopped(); stopped != nil {
		return []api.Check{{What: name, Says: stopped.Error()}}
	}
	checks := []api.Check{{What: name, OK: true, Says: fmt.Sprintf("%d records, head and sign-state agree", log.Size())}}
	ix := api.Check{What: "index of " + t.String()}
	missing, err := log.CheckIndex(ctx)
	switch {
	case err != nil:
		ix.Says = err.Error()
	case missing == 0:
		ix.OK, ix.Says = true, "every record is found, as what it is"
	default:
		ix.Says = fmt.Sprintf("%d records are not found, or found as something else", missing)
	}
	if !ix.OK && repairIndex {
		if err := log.RebuildIndex(); err != nil {
			ix.Says += "; not repaired: " + err.Error()
		} else {
			ix.OK, ix.Repaired, ix.Says = true, true, ix.Says+"; derived again from the records"
		}
	}
	return append(checks, ix)
}

func (e *Engine) checkCursors() []api.Check {
	var checks []api.Check
	for _, s := range e.sources {
		c := api.Check{What: "cursor of " + string(s.runner.Source), OK: true, Says: "never looked"}
		last, err := s.runner.LastSlot()
		switch {
		case err != nil:
			c.OK, c.Says = false, err.Error()
		case !last.IsZero():
			c.Says = "last slot " + evidence.FormatTime(last)
		}
		checks = append(checks, c)
	}
	return checks
}

// Look does the run of the named source that was due at slot.
func (e *Engine) Look(ctx context.Context, name evidence.SourceID, slot time.Time) (evidence.RunFacts, error) {
	s := e.source(name)
	if s == nil {
		return evidence.RunFacts{}, problem.New(problem.NotFound, "no source %s", name)
	}
	return e.run(ctx, s, slot)
}

func (e *Engine) run(ctx context.Context, s *source, slot time.Time) (evidence.RunFacts, error) {
	s.busy.Lock()
	defer s.busy.Unlock()
	return s.runner.Poll(ctx, slot)
}

// Checkpoints signs every log that has grown and seals the list of the others'
// checkpoints in _platform.
func (e *Engine) Checkpoints(ctx context.Context) error {
	// One stopped log must not keep the others' checkpoints from being sealed.
	return errors.Join(e.local.Store.CheckpointAll(ctx), e.sealCheckpoints(ctx))
}

func (e *Engine) sealCheckpoints(ctx context.Context) error {
	heads := e.local.Store.Heads(evidence.Platform)
	cursors := e.local.Store.Cursors()
	content, err := json.Marshal(evidence.CheckpointsFacts{Logs: heads})
	if err != nil || len(heads) == 0 {
		return err
	}
	before, err := cursors.Cursor("checkpoints")
	if err != nil || string(before) == string(content) {
		return err
	}
	changed, err := changedHeads(before, heads)
	if err != nil {
		return err
	}
	if err := e.sealHeads(ctx, changed); err != nil {
		return err
	}
	return cursors.PutCursor("checkpoints", content)
}

func changedHeads(before []byte, heads []evidence.LogHead) ([]evidence.LogHead, error) {
	var f evidence.CheckpointsFacts
	if before != nil {
		if err := json.Unmarshal(before, &f); err != nil {
			return nil, fmt.Errorf("checkpoints sealed before: %w", err)
		}
	}
	var out []evidence.LogHead
	for _, h := range heads {
		if !slices.Contains(f.Logs, h) {
			out = append(out, h)
		}
	}
	return out, nil
}

func (e *Engine) sealHeads(ctx context.Context, heads []evidence.LogHead) error {
	if len(heads) == 0 {
		return nil
	}
	log, err := e.local.Store.Create(evidence.Platform)
	if err != nil {
		return err
	}
	d, err := ownEvent(evidence.LogCheckpoints, "", evidence.NewRef("log", "", log.Origin()), evidence.CheckpointsFacts{Logs: heads}, e.Now().UTC())
	if err != nil {
		return err
	}
	d.Key = hashOf(d.Content).String()
	if _, err := log.Append(ctx, []store.Item{{Draft: d}}); err != nil {
		return fmt.Errorf("seal checkpoints: %w", err)
	}
	_, _, err = log.Checkpoint()
	return err
}
