package api

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"evidenced/cmd/internal/cli"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/reports"
	"evidenced/store"
)

// Retainer decides what is kept and for how long. It is part of a World.
type Retainer interface {
	// Holds lists the legal holds in force on the tenant's log.
	Holds(ctx context.Context, t evidence.Tenant) ([]store.Hold, error)
	// PlaceHold and ReleaseHold begin and end a hold. They return it as it
	// stands, or stood.
	PlaceHold(ctx context.Context, t evidence.Tenant, f evidence.HoldFacts) (store.Hold, error)
	ReleaseHold(ctx context.Context, t evidence.Tenant, f evidence.HoldFacts) (store.Hold, error)
	// Retain drops what no tenant's retention keeps; a dry run only tells. The
	// result has every tenant that has a log, also when an error is returned.
	Retain(ctx context.Context, dry bool) ([]Retained, error)
	// OffboardExport cuts the tenant off and writes a pack of all that its log
	// keeps.
	OffboardExport(ctx context.Context, r OffboardRequest, w io.Writer) (PackResult, error)
	// Offboard takes the tenant off. What a former call has done is not done
	// again.
	Offboard(ctx context.Context, r OffboardRequest) (Offboarded, error)
}

// Retained is what a retention did with one tenant's log.
type Retained struct {
	Tenant  evidence.Tenant        `json:"tenant"`
	Keep    string                 `json:"keep"`             // "36 months", forever
	Horizon time.Time              `json:"horizon,omitzero"` // what was recorded before is not kept
	Retired []store.RetiredSegment `json:"retired"`
	Held    string                 `json:"held,omitempty"`  // the hold that kept them
	Error   string                 `json:"error,omitempty"` // why it was not done
}

// OffboardRequest asks to take a tenant off.
type OffboardRequest struct {
	Tenant    evidence.Tenant
	Reason    string
	Authority string
	Manifest  evidence.Hash // of the pack that was handed over; zero with NoExport
	NoExport  string        // why none is
	By        Caller
	Progress  func(done, total uint64) // never nil
}

// Offboarded says what became of a tenant.
type Offboarded struct {
	Tenant     evidence.Tenant   `json:"tenant"`
	Origin     string            `json:"origin"`
	Steps      []OffboardedAt    `json:"steps"`
	Checkpoint *evidence.LogHead `json:"final_checkpoint,omitempty"`
}

// OffboardedAt is a step and the record of _platform that tells it.
type OffboardedAt struct {
	Step evidence.OffboardStep `json:"step"`
	At   time.Time             `json:"at"`
	Seq  uint64                `json:"record"`
}

// notRetired refuses a question about a period of which every record was
// dropped: an empty answer would read as if nothing had happened.
func notRetired(ctx context.Context, r evidence.Reader, p evidence.Period) error {
	if p.To.IsZero() {
		return nil
	}
	until, err := evidence.RetiredUntil(ctx, r)
	if err != nil || until.IsZero() || p.To.After(until) {
		return err
	}
	return problem.New(problem.NotFound, "nothing is known of %s %s any more: what was recorded until %s was retired under retention",
		r.Tenant(), reports.Span(p.From, p.To), evidence.FormatTime(until)).WithHint("packs issued before then still hold it and still verify")
}

// HoldParams place, release or list legal holds.
type HoldParams struct {
	Common
	Act       string `json:"act"` // place, release, list
	Name      string `json:"name,omitempty"`
	Reason    string `json:"reason,omitempty"`
	Authority string `json:"authority,omitempty"`
}

func hold(ctx context.Context, c *call) error {
	var p HoldParams
	if err := c.decode(&p); err != nil {
		return err
	}
	q, err := c.question(ctx, p.Common)
	if err != nil {
		return err
	}
	f := evidence.HoldFacts{Name: p.Name, Reason: p.Reason, Authority: p.Authority, By: c.by()}
	var hs []store.Hold
	switch p.Act {
	case "list":
		if hs, err = c.Holds(ctx, q.tenant); err != nil {
			return err
		}
	case "place", "release":
		do := c.PlaceHold
		if p.Act == "release" {
			do = c.ReleaseHold
		}
		h, err := do(ctx, q.tenant, f)
		if err != nil {
			return err
		}
		hs = []store.Hold{h}
	default:
		return problem.New(problem.Usage, "hold %q", p.Act).WithHint("use place, release or list")
	}
	if p.JSON {
		return c.document(map[string]any{"tenant": q.tenant, "holds": hs})
	}
	t := c.page(q.style)
	switch {
	case p.Act == "place":
		t.Para("", fmt.Sprintf("hold %s is in force on %s: nothing is retired, erased or offboarded until it is released", hs[0].Name, q.tenant))
	case p.Act == "release":
		t.Para("", fmt.Sprintf("hold %s on %s, in force since %s, is released", hs[0].Name, q.tenant, cli.SayTime(hs[0].Since, q.zone)))
	case len(hs) == 0:
		t.Line(fmt.Sprintf("no hold is in force on %s", q.tenant))
	default:
		t.Line(fmt.Sprintf("%s in force on %s", reports.Count(len(hs), "hold"), q.tenant))
		for _, h := range hs {
			t.Para("", fmt.Sprintf("%s  since %s  by %s: %s  (record %d)", h.Name, cli.SayTime(h.Since, q.zone), h.Authority, h.Reason, h.Seq))
		}
	}
	return t.Err()
}

// RetentionParams ask to apply the retention.
type RetentionParams struct {
	DryRun bool `json:"dry_run,omitempty"`
	JSON   bool `json:"json,omitempty"`
}

func retention(ctx context.Context, c *call) error {
	var p RetentionParams
	if err := c.decode(&p); err != nil {
		return err
	}
	rs, rerr := c.Retain(ctx, p.DryRun)
	if rs == nil {
		return rerr
	}
	var err error
	if p.JSON {
		err = c.document(map[string]any{"dry_run": p.DryRun, "tenants": rs})
	} else {
		t := c.page(reports.Style{})
		for _, r := range rs {
			t.retained(r, p.DryRun)
		}
		err = t.Err()
	}
	if err == nil {
		err = rerr
	}
	return err
}

func (p *page) retained(r Retained, dry bool) {
	if r.Horizon.IsZero() {
		p.Line(fmt.Sprintf("%s: kept for ever", r.Tenant))
		return
	}
	s := fmt.Sprintf("%s: kept for %s, from %s on: ", r.Tenant, r.Keep, r.Horizon.UTC().Format("2 Jan 2006 15:04 UTC"))
	switch {
	case r.Held != "":
		p.Line(reports.Terminal(s + "nothing is dropped, " + r.Held))
		return
	case r.Error != "":
		p.Line(reports.Terminal(s + "NOT DONE: " + r.Error))
	case len(r.Retired) == 0:
		p.Line(s + "nothing is older")
		return
	default:
		p.Line(s + reports.Count(len(r.Retired), "segment") + map[bool]string{true: " would be dropped", false: " dropped"}[dry])
	}
	for _, seg := range r.Retired {
		carried := 0
		for _, k := range slices.Sorted(maps.Keys(seg.Carried)) {
			carried += seg.Carried[k]
		}
		p.Line(fmt.Sprintf("  segment %d: records %d to %d, recorded %s; %s carried over, %s kept whole", seg.Number, seg.First, seg.Next-1,
			reports.Span(seg.Oldest, seg.Newest), reports.Count(carried, "state"), reports.Count(len(seg.Kept), "record")))
	}
}

// OffboardParams ask to take a tenant off.
type OffboardParams struct {
	Tenant    string        `json:"tenant"`
	Reason    string        `json:"reason"`
	Authority string        `json:"authority"`
	Manifest  evidence.Hash `json:"manifest,omitzero"`
	NoExport  string        `json:"no_export,omitempty"`
	JSON      bool          `json:"json,omitempty"`
}

func (c *call) offboarding() (OffboardParams, OffboardRequest, error) {
	var p OffboardParams
	if err := c.decode(&p); err != nil {
		return p, OffboardRequest{}, err
	}
	t, err := evidence.ParseTenant(p.Tenant)
	if err != nil {
		return p, OffboardRequest{}, problem.Wrap(problem.Usage, err, "cannot read the tenant")
	}
	if p.Reason == "" || p.Authority == "" {
		return p, OffboardRequest{}, problem.New(problem.Usage, "a tenant is offboarded with a reason and an authority").WithHint("give --reason and --authority")
	}
	return p, OffboardRequest{Tenant: t, Reason: p.Reason, Authority: p.Authority, Manifest: p.Manifest, NoExport: p.NoExport, By: c.Caller, Progress: c.progress}, nil
}

// offboardExport streams the zip; the result is a PackResult.
func offboardExport(ctx context.Context, c *call) error {
	_, r, err := c.offboarding()
	if err != nil {
		return err
	}
	if err := c.Flush(ctx, r.Tenant); err != nil {
		return fmt.Errorf("write coverage before the export: %w", err)
	}
	res, err := c.OffboardExport(ctx, r, c.begin(MediaZip))
	if err != nil {
		return err
	}
	return c.finish(res)
}

func offboard(ctx context.Context, c *call) error {
	p, r, err := c.offboarding()
	if err != nil {
		return err
	}
	res, err := c.Offboard(ctx, r)
	if err != nil {
		return err
	}
	if p.JSON {
		return c.document(res)
	}
	t := c.page(reports.Style{})
	t.Line(fmt.Sprintf("%s is offboarded: its keys are destroyed, its records are gone; hashes and checkpoints stay", res.Tenant))
	for _, s := range res.Steps {
		t.Line(fmt.Sprintf("  %-17s %s  record %d of %s", s.Step, s.At.UTC().Format("2006-01-02 15:04:05 UTC"), s.Seq, evidence.Platform))
	}
	if res.Checkpoint != nil {
		t.Line(fmt.Sprintf("last checkpoint: %s, size %d, root %s", reports.Terminal(res.Origin), res.Checkpoint.Size, res.Checkpoint.Root))
	}
	return t.Err()
}
