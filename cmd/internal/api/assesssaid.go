package api

import (
	"context"
	"fmt"

	"evidenced/evidence"
	"evidenced/evidence/remedy"
	"evidenced/mappings"
	"evidenced/mappings/statement"
	"evidenced/reports"
)

// Said is what people said of a control, beside what the evidence says.
type Said struct {
	// Waived are, by test, the failures that are accepted for a while. Accepted
	// says that all of the control's are; the status is what it is.
	Waived   map[string]*statement.ToldWaived `json:"waived,omitempty"`
	Accepted bool                             `json:"all_waived,omitempty"`
	Attested []statement.Told                 `json:"attested,omitempty"`
	Scoped   []statement.Told                 `json:"scope_statements,omitempty"`
	// Remedies are, by test, what is planned for the failures, as of now: a plan
	// for what failed then may have been made since.
	Remedies map[string]*remedy.Beside `json:"remedies,omitempty"`
}

// said tells, for each control, what people said that was in force at the end of
// what is judged.
func said(ctx context.Context, in *mappings.Input, findings []evidence.Finding, results []mappings.ControlResult) ([]Said, error) {
	at := in.Period.To
	if !in.Now.IsZero() && in.Now.Before(at) {
		at = in.Now
	}
	b, err := statement.Load(ctx, in.Reader, at)
	if err != nil {
		return nil, err
	}
	beside, err := b.BesideFindings(ctx, findings)
	if err != nil {
		return nil, err
	}
	plans, err := remedy.Load(ctx, in.Reader, in.Now)
	if err != nil {
		return nil, err
	}
	out := make([]Said, len(results))
	for i, res := range results {
		s := Said{Attested: beside.Attested[res.Control.ID], Scoped: beside.Scoped[res.Control.ID]}
		failing, accepted := 0, 0
		for _, n := range res.Findings {
			f := &findings[n]
			w := beside.Of(f.Control, f.Test)
			if needs(f.Status) {
				failing++
				if w != nil && w.Whole {
					accepted++
				}
			}
			if w != nil {
				if s.Waived == nil {
					s.Waived = map[string]*statement.ToldWaived{}
				}
				s.Waived[f.Test] = w
			}
			if x := plans.Beside(remedy.OfFinding(f)); x != nil {
				if s.Remedies == nil {
					s.Remedies = map[string]*remedy.Beside{}
				}
				s.Remedies[f.Test] = x
			}
		}
		s.Accepted = failing > 0 && failing == accepted
		out[i] = s
	}
	return out, nil
}

// waivers tells what is accepted of a test's failures.
func (p *page) waivers(w *statement.ToldWaived, a *Assessment) {
	if w == nil {
		return
	}
	if len(w.By) > 0 {
		of := fmt.Sprintf("%d of %s", w.Items, reports.Count(w.Of, "failure"))
		if w.Of == 0 {
			of = "that nothing was found"
		}
		for _, x := range w.By {
			p.Para("  = ", fmt.Sprintf("waived until %s, of %s: %s by %s, approved by %s (record %d)", reports.Near(x.Until, a.Now), of, x.Name, x.By, x.Approved, x.Seq))
		}
	}
	for _, r := range w.Not {
		p.Para("  = ", fmt.Sprintf("not waived by %s (record %d): %s", r.Name, r.Seq, r.Why))
	}
}

// remedies tells what is planned for a test's failures, and for how many nothing
// is.
func (p *page) remedies(x *remedy.Beside) {
	if x == nil {
		return
	}
	for _, o := range x.Plans {
		what := "what was found"
		if len(o.Records) > 0 {
			what = recordsOf(o.Records)
		}
		p.Para("  + ", fmt.Sprintf("remedy %s (record %d), %s: owner %s, due %s, for %s: %s%s", o.Name, o.Seq, o.Short(), o.Owner, o.DueDay(), what, o.Cause, because(o.Remedy)))
	}
	if x.Without > 0 {
		p.Para("  + ", fmt.Sprintf("no remedy is planned for %d of %s", x.Without, reports.Count(x.Of, "failed item")))
	}
}
