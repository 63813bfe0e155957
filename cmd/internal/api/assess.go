package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings"
	"evidenced/reports"
)

// AssessParams ask for the verdicts on a period.
type AssessParams struct {
	Common
	Span
	Controls []string `json:"controls,omitempty"`
	Rules    string   `json:"rules,omitempty"` // now or then: those recorded for the end of the period; "" is now
	All      bool     `json:"all,omitempty"`   // the text shows satisfied controls too
}

// Assessment is the JSON document of evidenced assess.
type Assessment struct {
	Tenant   evidence.Tenant    `json:"tenant"`
	Origin   string             `json:"origin"`
	Period   evidence.Period    `json:"period"`
	Size     uint64             `json:"as_known_at_size"`
	Catalog  evidence.Hash      `json:"catalog"`
	Demo     bool               `json:"demonstration,omitempty"`
	Controls []AssessedControl  `json:"controls"`
	Findings []evidence.Finding `json:"findings"`
	// Names opens the person tokens of the findings.
	Names map[evidence.ID]string `json:"names,omitempty"`

	Now time.Time `json:"-"`
}

// AssessedControl is the verdict on one control.
type AssessedControl struct {
	ID       evidence.ControlID `json:"id"`
	Article  string             `json:"article"`
	Title    string             `json:"title"`
	Status   evidence.Status    `json:"status"`
	Reason   evidence.Reason    `json:"reason,omitempty"`
	Why      string             `json:"why"`
	Since    time.Time          `json:"since,omitzero"` // since when, by the recorded findings; zero: they do not say so
	Findings []int              `json:"findings"`       // indices into findings
	Standing
	Said
}

func assess(ctx context.Context, c *call) error {
	var p AssessParams
	if err := c.decode(&p); err != nil {
		return err
	}
	q, period, err := c.questionOver(ctx, p.Common, p.Span, "30d")
	if err != nil {
		return err
	}
	r, err := c.open(ctx, q, period, p.Purpose)
	if err != nil {
		return err
	}
	in, err := c.Judging(ctx, q.tenant)
	if err != nil {
		return err
	}
	in.Reader, in.Period, in.Now = r, period, q.now
	if err := c.rules(ctx, &in, p.Rules); err != nil {
		return err
	}
	if in.Controls, err = controls(in.Catalog, p.Controls); err != nil {
		return err
	}
	findings, results, err := mappings.Assess(ctx, in)
	if err != nil {
		return err
	}
	a := &Assessment{
		Tenant: q.tenant, Origin: r.Origin(), Period: period, Size: r.Size(), Catalog: in.Catalog.Hash(),
		Now: q.now, Demo: r.Simulated(), Findings: findings, Controls: []AssessedControl{},
	}
	recorded, _, err := mappings.Standings(ctx, r)
	if err != nil {
		return err
	}
	words, err := said(ctx, &in, findings, results)
	if err != nil {
		return err
	}
	for i, res := range results {
		a.Controls = append(a.Controls, AssessedControl{
			ID: res.Control.ID, Article: res.Control.Reference(), Title: res.Control.Title, Status: res.Status, Reason: res.Reason,
			Why: res.Why, Since: sinceWhen(res, findings, recorded), Findings: res.Findings, Standing: standing(&in, res.Control), Said: words[i],
		})
	}
	if a.Names, err = namesIn(ctx, r, a); err != nil {
		return err
	}
	if p.JSON {
		return c.document(a)
	}
	return a.text(c.page(q.style), p.All)
}

// rules puts the rules in place that are asked for.
func (c *call) rules(ctx context.Context, in *mappings.Input, which string) (err error) {
	switch which {
	case "", "now":
		return nil
	case "then":
		at := in.Period.To
		if at.After(in.Now) {
			at = in.Now
		}
		in.Catalog, err = c.Rules(ctx, at)
		return err
	}
	return problem.New(problem.Usage, "--rules %q", which).WithHint("use now, or then for those in force at the end of the period")
}

// sinceWhen returns since when the control has its verdict by the findings that
// were recorded as the daemon went on. It judges another period, so its finding
// may be another: then nothing is said.
func sinceWhen(res mappings.ControlResult, findings []evidence.Finding, standing []mappings.Standing) time.Time {
	var since time.Time
	for _, i := range res.Findings {
		f := &findings[i]
		for _, s := range standing {
			if s.Control == f.Control && s.Test == f.Test && s.Status == f.Status && f.Status == res.Status && (since.IsZero() || s.Since.Before(since)) {
				since = s.Since
			}
		}
	}
	return since
}

func controls(cat *mappings.Catalog, ids []string) ([]evidence.ControlID, error) {
	var out []evidence.ControlID
	for _, id := range ids {
		c, err := cat.Named(id)
		if err != nil {
			return nil, err
		}
		out = append(out, c.ID)
	}
	return out, nil
}

// namesIn opens the tokens of the people that stand in the findings.
func namesIn(ctx context.Context, r evidence.Reader, a *Assessment) (map[evidence.ID]string, error) {
	names := map[evidence.ID]string{}
	dir := reports.NewPeople(r)
	for _, f := range a.Findings {
		for _, item := range slices.Concat(f.Failed, f.Unknown) {
			rec, err := r.Record(ctx, item.Seq)
			if err != nil {
				return nil, err
			}
			who, err := dir.All(ctx, &rec)
			if err != nil {
				return nil, err
			}
			for _, p := range who {
				names[p.Token] = p.Label
			}
		}
	}
	return names, nil
}

// needs reports whether a person has to do something about the status.
func needs(s evidence.Status) bool {
	return s == evidence.NotSatisfied || s == evidence.Gap || s == evidence.Stale
}

// tells reports whether the status could be told at all.
func tells(s evidence.Status) bool { return s != evidence.Undetermined && s != evidence.NotObserved }

// text writes the verdicts for people, those that need someone first.
func (a *Assessment) text(p *page, all bool) error {
	p.Headline(a.headline(), a.Demo)
	p.Line("")
	p.table(a, all)
	told := map[string]evidence.ControlID{}
	whole := false // the line above ends a story that was told in full
	for _, control := range a.inForceFirst() {
		if needs(control.Status) || !tells(control.Status) {
			p.stories(a, control, told, &whole)
		}
	}
	p.Line("")
	p.Head(reports.Plain, fmt.Sprintf("as known at log size %d; catalog %s; the evidence supports or does not support, it does not say that anybody complies", a.Size, a.Catalog.String()[:12]))
	return p.Err()
}

func (a *Assessment) headline() string {
	someone, untold, judged, waived := 0, 0, 0, 0
	for _, c := range a.Controls {
		if !c.judged() || c.Preparing != "" {
			continue
		}
		judged++
		switch {
		case needs(c.Status) && c.Accepted:
			waived++
		case needs(c.Status):
			someone++
		case !tells(c.Status):
			untold++
		}
	}
	over := " over " + reports.Span(a.Period.From, a.Period.To) + " (UTC)"
	rest := "."
	if waived > 0 {
		rest = fmt.Sprintf("; %s more failed and %s waived.", reports.Number(int64(waived)), reports.Are(waived))
	}
	switch {
	case someone == 0 && untold == 0:
		return fmt.Sprintf("No control of %s needs someone%s (%s)%s", a.Tenant, over, reports.Count(judged, "control"), rest)
	case untold == 0:
		return fmt.Sprintf("%s of %s %s someone%s%s", reports.Count(someone, "control"), a.Tenant, need(someone), over, rest)
	}
	return fmt.Sprintf("%s of %s %s someone%s; %s cannot be told%s", reports.Count(someone, "control"), a.Tenant, need(someone), over, reports.Number(int64(untold)), rest)
}

// need is the verb for so many controls.
func need(n int) string {
	if n == 1 {
		return "needs"
	}
	return "need"
}

func order(s evidence.Status) int {
	return slices.Index([]evidence.Status{evidence.NotSatisfied, evidence.Gap, evidence.Stale, evidence.Undetermined,
		evidence.NotObserved, evidence.Satisfied, evidence.NotApplicable}, s)
}

func (p *page) table(a *Assessment, all bool) {
	style := p.Style
	t := reports.Table{Columns: []reports.Column{{Title: "CONTROL", Keep: true}, {Title: "STATUS", Keep: true}, {Title: "SINCE", Keep: true}, {Title: "WHY"}}}
	hidden := 0
	for _, c := range a.inForceFirst() {
		paint := reports.Plain
		switch {
		case needs(c.Status):
			paint = style.Bad
		case !tells(c.Status):
			paint = style.Warn
		case !all:
			hidden++
			continue
		}
		status := string(c.Status)
		if c.Accepted {
			status, paint = status+", waived", style.Warn
		}
		if c.Preparing != "" {
			status, paint = status+", preparing", style.Dim
		}
		since := ""
		if !c.Since.IsZero() {
			since = reports.Near(c.Since, a.Now)
		}
		t.PaintedRow(paint, string(c.ID), status, since, reports.OpenNames(a.why(c), a.Names))
	}
	if t.Len() > 0 {
		p.Table(&t)
	}
	if hidden > 0 {
		p.PaintedPara("", style.Dim, reports.Count(hidden, "control")+" supported or not applicable; --all shows them")
	}
	for _, c := range a.Controls {
		for _, x := range c.Attested {
			p.PaintedPara("", style.Dim, fmt.Sprintf("%s: a person's word, no verdict stands on it: %s by %s, approved by %s, until %s (record %d)", c.ID, x.Name, x.By, x.Approved, reports.Near(x.Until, a.Now), x.Seq))
		}
	}
	for _, l := range a.apart() {
		p.PaintedPara("", style.Dim, l)
	}
}

// why is what the table says of a control beside its status: of what failed the
// number first, since the sentence behind it says what should be; of what cannot
// be told the reason.
func (a *Assessment) why(c AssessedControl) string {
	says := core(c.Why)
	if c.Reason != "" {
		return string(c.Reason) + ": " + says
	}
	for _, i := range c.Findings {
		if f := &a.Findings[i]; c.Status == evidence.NotSatisfied && f.Status == c.Status {
			return fmt.Sprintf("failed %s of %s: %s", reports.Number(int64(len(f.Failed))), reports.Number(int64(f.Population)), says)
		}
	}
	return says
}

// core is what a verdict's sentence says beyond its status, which stands beside
// it in the table.
func core(why string) string {
	for _, intro := range []string{"The evidence contradicts that ", "The evidence supports that ", "It was not observed whether ", "It cannot be told whether "} {
		if rest, ok := strings.CutPrefix(why, intro); ok {
			return rest
		}
	}
	return why
}

// stories tells what failed, a few items of each finding. Controls share
// tests; each is told once.
func (p *page) stories(a *Assessment, control AssessedControl, told map[string]evidence.ControlID, whole *bool) {
	const most = 5
	for _, i := range control.Findings {
		f := a.Findings[i]
		if !needs(f.Status) && tells(f.Status) {
			continue
		}
		if before, ok := told[f.Test]; ok {
			if *whole {
				p.Line("")
			}
			*whole = false
			p.Head(reports.Plain, reports.Terminal(fmt.Sprintf("%s  %s  %s: as told under %s", control.ID, f.Test, f.Status, before)))
			p.waivers(control.Waived[f.Test], a)
			p.remedies(control.Remedies[f.Test])
			continue
		}
		p.Line("")
		*whole = true
		told[f.Test] = control.ID
		p.PaintedPara("", p.Style.Bold, fmt.Sprintf("%s  %s  %s", control.ID, f.Test, f.Status))
		p.Para("  ", reports.OpenNames(f.Summary, a.Names))
		p.waivers(control.Waived[f.Test], a)
		p.remedies(control.Remedies[f.Test])
		items := slices.Concat(f.Failed, f.Unknown)
		for n, item := range items {
			if n == most {
				p.Line(fmt.Sprintf("  and %d more; --json has all", len(items)-most))
				break
			}
			text := fmt.Sprintf("record %d, %s: %s", item.Seq, reports.Stamp(item.At, p.Style.Zone), reports.OpenNames(item.Label, a.Names))
			if item.Why != "" {
				text += ": " + reports.OpenNames(item.Why, a.Names)
			}
			p.Para("  - ", text)
		}
		for n, u := range f.Uncovered {
			if n == most {
				p.Line(fmt.Sprintf("  and %d more windows", len(f.Uncovered)-most))
				break
			}
			who := string(u.Kind)
			if u.Source != "" {
				who = string(u.Source) + ", " + who
			}
			p.Para("  ~ ", fmt.Sprintf("%s: %s UTC: %s", who, reports.Span(u.Period.From, u.Period.To), u.Cause))
		}
	}
}
