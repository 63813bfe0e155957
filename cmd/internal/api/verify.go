package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/reports"
	"evidenced/store"
)

// VerifyParams ask for a verification of logs.
type VerifyParams struct {
	Tenant string `json:"tenant,omitempty"` // "": all
	Deep   bool   `json:"deep,omitempty"`   // open every claim too
	// SinceLast reads only what came after the last verification.
	SinceLast bool `json:"since_last,omitempty"`
	// Checkpoints are signed checkpoints that the caller kept, each for the log
	// that it names.
	Checkpoints []store.Kept `json:"checkpoints,omitempty"`
	JSON        bool         `json:"json,omitempty"`
	Width       int          `json:"width,omitempty"`
	Colour      bool         `json:"colour,omitempty"`
}

// FsckParams ask for a look at the whole data directory.
type FsckParams struct {
	Deep        bool `json:"deep,omitempty"`
	RepairIndex bool `json:"repair_index,omitempty"`
	JSON        bool `json:"json,omitempty"`
	Width       int  `json:"width,omitempty"`
	Colour      bool `json:"colour,omitempty"`
}

// Verified is the JSON document of evidenced verify and fsck.
type Verified struct {
	OK     bool        `json:"ok"`
	Logs   []Verdict   `json:"logs"`
	Sealed []SealedLog `json:"sealed,omitempty"` // logs that there are no keys for
	Checks []Check     `json:"checks,omitempty"`

	unread int // logs that could not be verified; each is one of Checks
}

// Verdict is the report on one log, with its answers in words.
type Verdict struct {
	OK       bool            `json:"ok"` // nothing is wrong; see completeness for what that leaves open
	Verdicts []store.Verdict `json:"verdicts"`
	*store.Report
}

func verify(ctx context.Context, c *call) error {
	var p VerifyParams
	if err := c.decode(&p); err != nil {
		return err
	}
	var ts []evidence.Tenant
	if p.Tenant != "" {
		t, err := c.tenant(ctx, p.Tenant)
		if err != nil {
			return err
		}
		ts = []evidence.Tenant{t}
	}
	v, err := c.logs(ctx, ts, VerifyRequest{Deep: p.Deep, SinceLast: p.SinceLast, Kept: p.Checkpoints})
	if err != nil {
		return err
	}
	return c.verified(v, p.JSON, reports.Style{Width: p.Width, Colour: p.Colour})
}

func fsck(ctx context.Context, c *call) error {
	var p FsckParams
	if err := c.decode(&p); err != nil {
		return err
	}
	checks, err := c.Fsck(ctx, p.RepairIndex)
	if err != nil {
		return err
	}
	v, err := c.logs(ctx, nil, VerifyRequest{Deep: p.Deep})
	if err != nil {
		return err
	}
	v.Checks = append(checks, v.Checks...)
	for _, check := range checks {
		v.OK = v.OK && (check.OK || check.Repaired)
	}
	return c.verified(v, p.JSON, reports.Style{Width: p.Width, Colour: p.Colour})
}

// logs verifies the logs of the tenants, all when there are none given: then one
// that cannot be read keeps no other from its verdict. A kept checkpoint goes to
// the log that it names; one that no log has for its own is a failure: the log
// that it was made of is not here any more.
func (c *call) logs(ctx context.Context, ts []evidence.Tenant, r VerifyRequest) (*Verified, error) {
	v := &Verified{OK: true, Logs: []Verdict{}}
	all := ts == nil
	if all {
		var err error
		if ts, err = c.Tenants(ctx); err != nil && !errors.Is(err, store.ErrNoKeyring) {
			return nil, err
		}
		if err := c.sealed(ctx, v); err != nil {
			return nil, err
		}
	}
	kept := map[string][]store.Kept{}
	for _, k := range r.Kept {
		kept[k.Origin()] = append(kept[k.Origin()], k)
	}
	const share = 1000 // of one log in the whole, for progress
	for i, t := range ts {
		r.Progress = func(done, total uint64) {
			c.progress(uint64(i)*share+done*share/max(total, 1), uint64(len(ts))*share)
		}
		err := c.logsOf(ctx, t, r, kept, v)
		if err != nil && (!all || ctx.Err() != nil) {
			return nil, fmt.Errorf("verify the log of %s: %w", t, err)
		}
		if err != nil {
			v.OK = false
			v.unread++
			v.Checks = append(v.Checks, Check{What: "log of " + t.String(), Says: fmt.Sprintf("cannot be verified: %v", err)})
		}
	}
	for _, origin := range slices.Sorted(maps.Keys(kept)) {
		for _, k := range kept[origin] {
			v.OK = false
			v.Checks = append(v.Checks, Check{What: k.Name, Says: fmt.Sprintf("is a checkpoint of log %q, which is none of those verified", origin)})
		}
	}
	return v, nil
}

// logsOf verifies the tenant's log, and those before it of which a checkpoint
// was kept. What of kept is theirs is taken out.
func (c *call) logsOf(ctx context.Context, t evidence.Tenant, r VerifyRequest, kept map[string][]store.Kept, v *Verified) error {
	reader, err := c.Reader(ctx, t)
	if err != nil {
		return err
	}
	r.Kept = kept[reader.Origin()]
	delete(kept, reader.Origin())
	rep, err := c.Verify(ctx, t, r)
	if err != nil {
		return err
	}
	done := []*store.Report{rep}
	if len(kept) > 0 {
		earlier, err := c.VerifyEarlier(ctx, t, kept)
		if err != nil {
			return err
		}
		done = append(done, earlier...)
	}
	for _, rep := range done {
		delete(kept, rep.Origin)
		v.Logs = append(v.Logs, Verdict{rep.OK(), rep.Verdicts(), rep})
		v.OK = v.OK && rep.OK()
	}
	return nil
}

// verified writes the verdicts; the error is a problem of code corrupt when
// any is bad.
func (c *call) verified(v *Verified, asJSON bool, style reports.Style) error {
	var err error
	if asJSON {
		err = c.document(v)
	} else {
		err = v.text(c.page(style))
	}
	if err != nil || v.OK {
		return err
	}
	bad := v.unread
	for _, l := range v.Logs {
		if !l.OK {
			bad++
		}
	}
	for _, s := range v.Sealed {
		if !s.Report.OK() {
			bad++
		}
	}
	if bad == 0 {
		return problem.New(problem.Corrupt, "the logs verify, but something around them does not").
			WithHint("evidenced fsck --repair-index derives an index again; the rest needs you")
	}
	return problem.New(problem.Corrupt, "%s verify", countDoNot(bad)).
		WithHint("stop the daemon, copy the data directory as it is, and compare the records named with a backup")
}

func countDoNot(n int) string {
	if n == 1 {
		return "1 log does not"
	}
	return fmt.Sprintf("%d logs do not", n)
}

func (v *Verified) text(p *page) error {
	style := p.Style
	for _, c := range v.Checks {
		word := style.Bold("OK      ")
		switch {
		case c.Repaired:
			word = style.Warn("REPAIRED")
		case !c.OK:
			word = style.Bad("FAILED  ")
		}
		p.Para(word+"  ", c.What+": "+c.Says)
	}
	for _, l := range v.Logs {
		p.log(l)
	}
	p.sealedLogs(v.Sealed)
	return p.Err()
}

// below stands in front of what is said below a word, such as FAILED.
const below = "          "

func (p *page) log(l Verdict) {
	style := p.Style
	word := style.Bold("OK      ")
	if !l.OK {
		word = style.Bad("FAILED  ")
	}
	p.Para(word+"  ", fmt.Sprintf("%s: %s verified, %s", l.Tenant, reports.Count(int(l.Records), "record"), reports.Count(int(l.Claims), "sealed claim")))
	if l.Clock == "simulated" {
		p.PaintedPara(below, style.Bad, reports.Demonstration)
	}
	for _, f := range l.Failures {
		p.PaintedPara(below, style.Bad, f)
	}
	if l.MoreFailed > 0 {
		p.Para(below, fmt.Sprintf("and %s more", reports.Count(l.MoreFailed, "failure")))
	}
	for _, v := range l.Verdicts {
		p.verdict(v)
	}
	p.Para(fmt.Sprintf("%s%-14s", below, "log"), fmt.Sprintf("%s, size %d, root %s", l.Origin, l.Size, l.Root))
}

// verdict writes one answer of a report.
func (p *page) verdict(v store.Verdict) {
	paint := reports.Plain
	if v.Bad {
		paint = p.Style.Bad
	}
	p.PaintedPara(below+paint(fmt.Sprintf("%-14s", v.About)), paint, v.Word+": "+v.Says)
}
