package api

import (
	"context"
	"fmt"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/reports"
)

// Anchors tells who outside holds checkpoints of a tenant's log, and so what of
// it cannot be cut off or rewritten unseen.
type Anchors struct {
	Tenant evidence.Tenant `json:"tenant"`
	Origin string          `json:"origin"`
	Size   uint64          `json:"size"`
	At     time.Time       `json:"at"`
	Demo   bool            `json:"demonstration,omitempty"`
	// Places are the configured anchors in their order.
	Places []AnchorPlace `json:"anchors"`
	// Reaches are the rungs that runs of records reach, in order of the log;
	// together they are the whole log.
	Reaches []AnchorReach `json:"reaches"`
	// Unanchored is how many records at the end nobody outside holds.
	Unanchored uint64       `json:"unanchored"`
	Open       []AnchorRung `json:"leaves_open"` // of the rungs in Reaches
	Refused    string       `json:"signing_refused,omitempty"`
}

// AnchorPlace is one anchor and what it holds of the log.
type AnchorPlace struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Place string `json:"place"`
	Every string `json:"every"`
	// Rung is what it reaches as verified now; Says tells how that was done.
	Rung int    `json:"rung"`
	Says string `json:"says"`
	// Size is how many records of this log it covers; Via is _platform when it
	// does so by that log's records of other checkpoints.
	Size uint64 `json:"size"`
	Via  string `json:"via,omitempty"`
	// Taken is when it took that checkpoint, by our clock; Vouched the time it
	// signed itself.
	Taken   time.Time `json:"taken,omitzero"`
	Vouched time.Time `json:"vouched,omitzero"`
	// Failures in a row, and why the newest one, while a daemon runs.
	Failures int         `json:"failures,omitempty"`
	Why      string      `json:"why,omitempty"`
	Gaps     []AnchorGap `json:"gaps,omitempty"`
	// Contradicts says that it holds another log than this one.
	Contradicts string `json:"contradicts,omitempty"`
}

// AnchorGap is a time in which records of _platform, which covers every log,
// waited for longer than three times the anchor's schedule.
type AnchorGap struct {
	From time.Time `json:"from"` // the first record that waited
	To   time.Time `json:"to"`   // when the anchor took it
}

// AnchorReach is a run of records [From, To) with the rung it reaches.
type AnchorReach struct {
	From  uint64    `json:"from"`
	To    uint64    `json:"to"`
	First time.Time `json:"first"` // record times
	Last  time.Time `json:"last"`
	Rung  int       `json:"rung"`
	By    []string  `json:"by"` // anchors that reach it
}

// AnchorRung is a step of the ladder in words.
type AnchorRung struct {
	Rung int    `json:"rung"`
	What string `json:"what"`
	Open string `json:"open"` // the attack it leaves open
}

// AnchorsParams ask who holds checkpoints.
type AnchorsParams struct {
	Tenant string `json:"tenant,omitempty"` // "": all
	JSON   bool   `json:"json,omitempty"`
	Width  int    `json:"width,omitempty"`
	Colour bool   `json:"colour,omitempty"`
}

func tellAnchors(ctx context.Context, c *call) error {
	var p AnchorsParams
	if err := c.decode(&p); err != nil {
		return err
	}
	ts, err := c.tenantOrAll(ctx, p.Tenant)
	if err != nil {
		return err
	}
	all := []*Anchors{}
	for _, t := range ts {
		a, err := c.World.Anchors(ctx, t)
		if err != nil {
			return fmt.Errorf("anchors of %s: %w", t, err)
		}
		all = append(all, a)
	}
	if p.JSON {
		if err := c.document(map[string]any{"logs": all}); err != nil {
			return err
		}
	} else {
		out := c.page(reports.Style{Width: p.Width, Colour: p.Colour})
		for i, a := range all {
			if i > 0 {
				out.Line("")
			}
			a.text(out)
		}
		if err := out.Err(); err != nil {
			return err
		}
	}
	for _, a := range all {
		if a.bad() {
			return problem.New(problem.Corrupt, "the log of %s is not the one that was shown to others", a.Tenant).
				WithHint("stop the daemon, copy the data directory as it is, and run evidenced verify --tenant %s", a.Tenant)
		}
	}
	return nil
}

// bad reports whether somebody outside knows of another log.
func (a *Anchors) bad() bool {
	for _, p := range a.Places {
		if p.Contradicts != "" {
			return true
		}
	}
	return a.Refused != ""
}

// headline is the answer in one sentence.
func (a *Anchors) headline() string {
	covered := a.Size - a.Unanchored
	switch {
	case a.bad():
		return fmt.Sprintf("%s: somebody outside knows of another log than this one", a.Tenant)
	case len(a.Places) == 0:
		return fmt.Sprintf("%s: no anchor is configured; nobody outside holds a checkpoint", a.Tenant)
	case covered == 0:
		return fmt.Sprintf("%s: nobody outside holds a checkpoint yet", a.Tenant)
	}
	lowest := a.Reaches[0].Rung
	for _, r := range a.Reaches {
		if r.To <= covered {
			lowest = min(lowest, r.Rung)
		}
	}
	s := fmt.Sprintf("%s: %s of %s are anchored, at rung %d or higher", a.Tenant, reports.Number(int64(covered)), reports.Count(int(a.Size), "record"), lowest)
	if lowest == 0 {
		s = fmt.Sprintf("%s: %s of %s are anchored, some of them on this machine alone", a.Tenant, reports.Number(int64(covered)), reports.Count(int(a.Size), "record"))
	}
	if a.Unanchored > 0 {
		s += fmt.Sprintf("; the newest %s not yet", reports.Number(int64(a.Unanchored)))
	}
	return s
}

func (a *Anchors) text(p *page) {
	style := p.Style
	paint := style.Bold
	if a.bad() {
		paint = style.Bad
	}
	p.Head(paint, a.headline())
	if a.Demo {
		p.Head(style.Bad, reports.Demonstration)
	}
	if a.Refused != "" {
		p.PaintedPara(style.Bad("SIGNS NOTHING  "), style.Bad, a.Refused)
	}
	p.Line("")
	reach := reports.Table{Columns: []reports.Column{{Title: "RECORDS", Keep: true}, {Title: "RECORDED (UTC)", Keep: true}, {Title: "RUNG", Right: true, Keep: true}, {Title: "HELD BY"}}}
	for _, r := range a.Reaches {
		by := "nobody outside"
		if len(r.By) > 0 {
			by = strings.Join(r.By, ", ")
		}
		records := reports.Number(int64(r.From))
		if r.To > r.From+1 {
			records += " to " + reports.Number(int64(r.To-1))
		}
		reach.Row(records, reports.Span(r.First, r.Last), fmt.Sprint(r.Rung), by)
	}
	if reach.Len() > 0 {
		p.Table(&reach)
	}
	a.places(p)
	for _, o := range a.Open {
		p.Para(fmt.Sprintf("RUNG %d  ", o.Rung), o.What)
		p.Para("        ", "leaves open: "+o.Open)
	}
}

func (a *Anchors) places(p *page) {
	if len(a.Places) == 0 {
		return
	}
	p.Line("")
	t := reports.Table{Columns: []reports.Column{{Title: "ANCHOR", Keep: true}, {Title: "TYPE", Keep: true}, {Title: "RUNG", Right: true, Keep: true},
		{Title: "RECORDS", Right: true, Keep: true}, {Title: "TAKEN (UTC)", Keep: true}, {Title: "HOW WE KNOW"}}}
	for _, pl := range a.Places {
		taken := "never"
		if !pl.Taken.IsZero() {
			taken = pl.Taken.UTC().Format("2 Jan 2006 15:04:05")
		}
		says := pl.Says
		if pl.Via != "" {
			says += ", through " + pl.Via
		}
		t.Row(pl.Name, pl.Type, fmt.Sprint(pl.Rung), reports.Number(int64(pl.Size)), taken, says)
	}
	p.Table(&t)
	for _, pl := range a.Places {
		if pl.Contradicts != "" {
			p.PaintedPara(p.Style.Bad("CONTRADICTS  "), p.Style.Bad, pl.Name+": "+pl.Contradicts)
		}
		if !pl.Vouched.IsZero() {
			p.Para("VOUCHED  ", fmt.Sprintf("%s signed that the log stood so by %s", pl.Name, pl.Vouched.UTC().Format("2 Jan 2006 15:04:05 UTC")))
		}
		if pl.Failures > 0 {
			p.PaintedPara(p.Style.Warn("FAILING  "), p.Style.Warn, fmt.Sprintf("%s: %s in a row: %s", pl.Name, reports.Count(pl.Failures, "failure"), pl.Why))
		}
		for _, g := range pl.Gaps {
			p.Para("GAP  ", fmt.Sprintf("%s: records waited %s", pl.Name, reports.Span(g.From, g.To)))
		}
	}
	p.Line("")
}

// ReceiptParams ask for a receipt of a record.
type ReceiptParams struct {
	Common
	Seq uint64 `json:"seq"`
}

// giveReceipt writes a C2SP tlog-proof that the record is in the log.
func giveReceipt(ctx context.Context, c *call) error {
	var p ReceiptParams
	if err := c.decode(&p); err != nil {
		return err
	}
	q, err := c.question(ctx, p.Common)
	if err != nil {
		return err
	}
	r, err := c.open(ctx, q, evidence.Period{}, p.Purpose)
	if err != nil {
		return err
	}
	if p.Seq >= r.Size() {
		return problem.New(problem.NotFound, "%s has no record %d", q.tenant, p.Seq).
			WithHint("its log has %s", reports.Count(int(r.Size()), "record"))
	}
	text, err := c.Receipt(ctx, q.tenant, p.Seq)
	if err != nil {
		return err
	}
	if p.JSON {
		return c.document(map[string]any{"tenant": q.tenant, "record": p.Seq, "receipt": string(text)})
	}
	_, err = c.begin(MediaText).Write(text)
	return err
}
