package daemon

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// offboarded is how far an offboarding came, by the records of _platform.
type offboarded struct {
	tenant evidence.Tenant
	origin string
	steps  map[evidence.OffboardStep]evidence.Record
	facts  map[evidence.OffboardStep]evidence.OffboardFacts
}

func (o *offboarded) done(s evidence.OffboardStep) bool {
	_, ok := o.facts[s]
	return ok
}

// over reports whether nothing is left to do.
func (o *offboarded) over() bool { return o.done(evidence.OffboardSegments) }

// offboardings reads the offboardings that _platform tells of, in the order
// they began.
func (e *Engine) offboardings(ctx context.Context) ([]*offboarded, error) {
	if _, ok, err := e.local.Store.Has(evidence.Platform); err != nil || !ok {
		return nil, err
	}
	log, err := e.local.Store.Log(evidence.Platform)
	if err != nil {
		return nil, err
	}
	var out []*offboarded
	for rec, err := range log.Snapshot().Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.TenantOffboard}}) {
		if err != nil {
			return nil, fmt.Errorf("read offboardings: %w", err)
		}
		var f evidence.OffboardFacts
		if err := rec.Decode(&f); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(out, func(o *offboarded) bool { return o.origin == f.Origin })
		if i < 0 {
			i = len(out)
			out = append(out, &offboarded{f.Tenant, f.Origin, map[evidence.OffboardStep]evidence.Record{}, map[evidence.OffboardStep]evidence.OffboardFacts{}})
		}
		out[i].steps[f.Step], out[i].facts[f.Step] = rec, f
	}
	return out, nil
}

// offboarding finds the offboarding that a request is about: the one begun and
// not over, else one of the log that the tenant has.
func (e *Engine) offboarding(ctx context.Context, t evidence.Tenant) (*offboarded, error) {
	all, err := e.offboardings(ctx)
	if err != nil {
		return nil, err
	}
	var last *offboarded
	for _, o := range all {
		if o.tenant != t {
			continue
		}
		if last = o; !o.over() {
			return o, nil
		}
	}
	origin, ok, err := e.local.Store.Has(t)
	switch {
	case err != nil:
		return nil, err
	case !ok && last != nil:
		return nil, problem.New(problem.NotFound, "tenant %s was offboarded on %s", t, evidence.FormatTime(last.steps[evidence.OffboardSegments].Occurred)).
			WithHint("evidenced records --tenant _platform --kind tenant.offboard tells how")
	case !ok:
		return nil, problem.New(problem.NotFound, "there is no log of tenant %s", t).WithHint("evidenced tenants lists them")
	}
	return &offboarded{tenant: t, origin: origin, steps: map[evidence.OffboardStep]evidence.Record{}, facts: map[evidence.OffboardStep]evidence.OffboardFacts{}}, nil
}

// mayOffboard refuses what a rule forbids. Past the final checkpoint nothing
// does: the end was promised and its first half may be done.
func (e *Engine) mayOffboard(ctx context.Context, o *offboarded) error {
	if o.tenant.IsPseudo() {
		return problem.New(problem.Refused, "%s is no tenant that can be offboarded", o.tenant)
	}
	if o.done(evidence.OffboardClosed) {
		return nil
	}
	for _, t := range e.o.Config.Tenants {
		if t.Name == o.tenant {
			return problem.New(problem.Refused, "tenant %s stands in %s: evidence would go on to reach its log", o.tenant, e.o.Config.File()).
				WithHint("take it out of tenants:, restart the daemon, then offboard it")
		}
	}
	log, err := e.local.Store.Log(o.tenant)
	if err != nil {
		return err
	}
	return log.RefuseHeld(ctx, "take off the tenant")
}

// step tells a step: in the tenant's own log while that takes records, then in
// _platform. A step that _platform tells of is not told again.
func (e *Engine) step(ctx context.Context, o *offboarded, f evidence.OffboardFacts, own bool) error {
	if o.done(f.Step) {
		return nil
	}
	now := e.Now().UTC()
	key, subject := o.origin+"/"+string(f.Step), evidence.NewRef("tenant", "", o.tenant.String())
	if own {
		log, err := e.local.Store.Log(o.tenant)
		if err == nil {
			err = tell(ctx, log, evidence.TenantOffboard, key, subject, f, now)
		}
		if err != nil {
			return err
		}
	}
	log, err := e.local.Store.Create(evidence.Platform)
	if err == nil {
		err = tell(ctx, log, evidence.TenantOffboard, key, subject, f, now)
	}
	if err != nil {
		return fmt.Errorf("tell %s in %s: %w", f.Step, evidence.Platform, err)
	}
	o.facts[f.Step] = f
	return nil
}

func factsOf(o *offboarded, r api.OffboardRequest, s evidence.OffboardStep) evidence.OffboardFacts {
	return evidence.OffboardFacts{
		Step: s, Tenant: o.tenant, Origin: o.origin, Reason: r.Reason, Authority: r.Authority, By: fmt.Sprintf("uid %d", r.By.UID),
	}
}

// cut tells that no rule names the tenant any more.
func (e *Engine) cut(ctx context.Context, o *offboarded, r api.OffboardRequest) error {
	f := factsOf(o, r, evidence.OffboardCut)
	f.Config = e.o.Config.Hash().String()
	return e.step(ctx, o, f, true)
}

// OffboardExport implements api.Retainer.
func (e *Engine) OffboardExport(ctx context.Context, r api.OffboardRequest, w io.Writer) (api.PackResult, error) {
	e.keeping.Lock()
	defer e.keeping.Unlock()
	o, err := e.offboarding(ctx, r.Tenant)
	if err != nil {
		return api.PackResult{}, err
	}
	if o.done(evidence.OffboardClosed) {
		return api.PackResult{}, problem.New(problem.Refused, "the log of %s is closed: nothing can be exported any more", r.Tenant).
			WithHint("--no-export in place of --export lets the offboarding go on; the export told before stands")
	}
	if err := e.mayOffboard(ctx, o); err != nil {
		return api.PackResult{}, err
	}
	if err := e.cut(ctx, o, r); err != nil {
		return api.PackResult{}, err
	}
	p, err := e.whole(ctx, r.Tenant)
	if err != nil {
		return api.PackResult{}, err
	}
	return e.Pack(ctx, api.PackRequest{
		Tenant: r.Tenant, Period: p, Raw: "all", Purpose: "offboarding: " + r.Reason, By: r.By, Progress: r.Progress,
	}, w)
}

// whole is the period of all that the tenant's log keeps.
func (e *Engine) whole(ctx context.Context, t evidence.Tenant) (evidence.Period, error) {
	now := e.Now().UTC()
	p := evidence.Period{From: now, To: now}
	log, err := e.local.Store.Log(t)
	if err != nil {
		return p, err
	}
	if gone := log.Retired(); gone.Next > 0 {
		p.From = gone.Until.Add(time.Microsecond)
		return p, nil
	}
	for rec, err := range log.Snapshot().Records(ctx, evidence.Query{Limit: 1}) {
		if err != nil {
			return p, err
		}
		if rec.Occurred.Before(p.From) {
			p.From = rec.Occurred.UTC()
		}
	}
	return p, nil
}

// Offboard implements api.Retainer.
func (e *Engine) Offboard(ctx context.Context, r api.OffboardRequest) (api.Offboarded, error) {
	e.keeping.Lock()
	defer e.keeping.Unlock()
	o, err := e.offboarding(ctx, r.Tenant)
	if err != nil {
		return api.Offboarded{}, err
	}
	if err := e.mayOffboard(ctx, o); err != nil {
		return api.Offboarded{}, err
	}
	if err := e.exported(ctx, o, r); err != nil {
		return api.Offboarded{}, err
	}
	if err := e.closeTenant(ctx, o, r); err != nil {
		return api.Offboarded{}, err
	}
	if err := e.endTenant(ctx, o); err != nil {
		return api.Offboarded{}, fmt.Errorf("the offboarding of %s goes on at the next start, or when it is asked for again: %w", r.Tenant, err)
	}
	return e.tellOffboarded(ctx, o)
}

// exported tells that access is cut and what was handed over.
func (e *Engine) exported(ctx context.Context, o *offboarded, r api.OffboardRequest) error {
	if o.done(evidence.OffboardExport) {
		return nil
	}
	switch {
	case r.Manifest.IsZero() == (r.NoExport == ""): // both or none
		return problem.New(problem.Usage, "an offboarding exports the evidence, or says why it does not").WithHint("give --export DIR, where no earlier export lies, or --no-export REASON")
	case !r.Manifest.IsZero():
		if err := e.wasIssued(ctx, o.tenant, r.Manifest); err != nil {
			return err
		}
	}
	if err := e.cut(ctx, o, r); err != nil {
		return err
	}
	f := factsOf(o, r, evidence.OffboardExport)
	f.Manifest, f.NoExport = r.Manifest, r.NoExport
	return e.step(ctx, o, f, true)
}

// wasIssued checks that a pack with the manifest was issued from the log.
func (e *Engine) wasIssued(ctx context.Context, t evidence.Tenant, manifest evidence.Hash) error {
	log, err := e.local.Store.Log(t)
	if err != nil {
		return err
	}
	for _, err := range log.Snapshot().Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.PackIssued}, Subject: evidence.NewRef("pack", "", manifest.String())}) {
		return err
	}
	return problem.New(problem.Usage, "no pack with the manifest %s was issued of %s", manifest, t)
}

// closeTenant seals the last record of the tenant's log and signs it.
func (e *Engine) closeTenant(ctx context.Context, o *offboarded, r api.OffboardRequest) error {
	if o.done(evidence.OffboardClosed) {
		return nil
	}
	log, err := e.local.Store.Log(o.tenant)
	if err != nil {
		return err
	}
	f := factsOf(o, r, evidence.OffboardClosed)
	earlier, err := e.local.Store.Prior(o.tenant)
	if err != nil {
		return err
	}
	for _, l := range earlier {
		f.Earlier = append(f.Earlier, l.Origin())
	}
	key, subject := o.origin+"/"+string(f.Step), evidence.NewRef("tenant", "", o.tenant.String())
	if err := tell(ctx, log, evidence.TenantOffboard, key, subject, f, e.Now().UTC()); err != nil {
		return err
	}
	cp, signed, err := log.Checkpoint()
	if err != nil {
		return err
	}
	f.Checkpoint = &evidence.LogHead{Origin: cp.Origin, Size: cp.Size, Root: cp.Root}
	f.Note = string(signed)
	return e.step(ctx, o, f, false)
}

// endTenant does what follows the final checkpoint. It may be repeated from
// any point.
func (e *Engine) endTenant(ctx context.Context, o *offboarded) error {
	closed := o.facts[evidence.OffboardClosed]
	r := api.OffboardRequest{Tenant: o.tenant, Reason: closed.Reason, Authority: closed.Authority}
	f := factsOf(o, r, evidence.OffboardKeys)
	f.By = closed.By
	if !o.done(evidence.OffboardKeys) {
		if err := e.local.Store.DestroyTenant(o.tenant, o.origin, closed.Earlier); err != nil {
			return err
		}
		if err := e.shred(); err != nil {
			return err
		}
		// The wrapping key lies beside the keyring and an older copy of both
		// would open: that is a deletion, not a cryptographic one.
		f.Level = "logical"
		if err := e.step(ctx, o, f, false); err != nil {
			return err
		}
	}
	if o.over() {
		return nil
	}
	for _, origin := range append([]string{o.origin}, closed.Earlier...) {
		if err := e.local.Store.End(origin); err != nil {
			return err
		}
	}
	head, _, ended, err := e.local.Store.Ended(o.origin)
	if err != nil {
		return err
	}
	if !ended {
		return problem.New(problem.Internal, "the log %s has segments left", o.origin)
	}
	f.Step, f.Level, f.Records = evidence.OffboardSegments, "", head.Size
	if err := e.step(ctx, o, f, false); err != nil {
		return err
	}
	log, err := e.local.Store.Log(evidence.Platform)
	if err == nil {
		_, _, err = log.Checkpoint()
	}
	return err
}

// resumeOffboardings finishes what a crash cut off after the final checkpoint
// of a tenant.
func (e *Engine) resumeOffboardings(ctx context.Context) error {
	all, err := e.offboardings(ctx)
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.over() || !o.done(evidence.OffboardClosed) {
			continue
		}
		if err := e.endTenant(ctx, o); err != nil {
			return fmt.Errorf("finish the offboarding of %s: %w", o.tenant, err)
		}
		e.o.Log.Info("offboarding finished", "tenant", o.tenant.String())
	}
	return nil
}

func (e *Engine) tellOffboarded(ctx context.Context, o *offboarded) (api.Offboarded, error) {
	res := api.Offboarded{Tenant: o.tenant, Origin: o.origin, Checkpoint: o.facts[evidence.OffboardClosed].Checkpoint}
	all, err := e.offboardings(ctx)
	if err != nil {
		return res, err
	}
	for _, told := range all {
		if told.origin != o.origin {
			continue
		}
		for _, s := range evidence.OffboardSteps {
			if rec, ok := told.steps[s]; ok {
				res.Steps = append(res.Steps, api.OffboardedAt{Step: s, At: rec.Occurred, Seq: rec.Seq})
			}
		}
	}
	return res, nil
}
