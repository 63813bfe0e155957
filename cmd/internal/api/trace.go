package api

import (
	"context"
	"fmt"
	"strings"
	"time"

	"evidenced/cmd/internal/cli"
	"evidenced/evidence"
	"evidenced/evidence/lineage"
	"evidenced/evidence/problem"
	"evidenced/reports"
	"evidenced/reports/trace"
)

// TraceParams ask how a thing came to be and what came of it. Without At and
// without a span all time is meant; without a tenant each that knows the thing is
// told by itself.
type TraceParams struct {
	Common
	Span
	Ref       string `json:"ref"` // as typed
	At        string `json:"at,omitempty"`
	Around    string `json:"around,omitempty"`    // stretch around At in which uses are told; "" is one hour
	Direction string `json:"direction,omitempty"` // forward, backward, both; "" is both
	Format    string `json:"format,omitempty"`    // text, json, dot, svg; "" is text
}

func tellTrace(ctx context.Context, c *call) error {
	var p TraceParams
	if err := c.decode(&p); err != nil {
		return err
	}
	q, err := c.anyQuestion(p.Common)
	if err != nil {
		return err
	}
	opt, period, err := p.options(q)
	if err != nil {
		return err
	}
	wanted, err := lineage.Parse(p.Ref)
	if err != nil {
		return problem.Wrap(problem.Usage, err, "cannot trace").
			WithHint("name a commit id, a digest, an application, pod, namespace or host, a secret's path, a record's number or a reference as records show it; evidenced who tells what a person did")
	}
	if wanted.Number && p.Tenant == "" {
		return problem.New(problem.Usage, "a record's number means something in one log alone").WithHint("give --tenant")
	}
	ts, err := c.tenantOrAll(ctx, p.Tenant)
	if err != nil {
		return err
	}
	var all []*trace.Answer
	for _, q.tenant = range ts {
		r, err := c.open(ctx, q, period, p.Purpose)
		if err != nil {
			return err
		}
		from, err := c.traceable(ctx, r, wanted, opt.At)
		if p.Tenant == "" && problem.Is(err, problem.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		a, err := trace.Build(ctx, r, wanted.Text, from, opt)
		if err != nil {
			return err
		}
		all = append(all, a)
	}
	if len(all) == 0 {
		return problem.New(problem.NotFound, "no log knows %s", reports.Terminal(wanted.Text)).
			WithHint("give the whole name, with its namespace or path, or a reference as evidenced records shows it")
	}
	return p.answer(c, q, all)
}

// answer writes the traces of the tenants that know the thing, as the format
// asks. A drawing is of one tenant.
func (p *TraceParams) answer(c *call, q *question, all []*trace.Answer) error {
	asJSON := p.JSON || p.Format == "json"
	if !asJSON && p.Format != "" && p.Format != "text" && len(all) > 1 {
		var names []string
		for _, a := range all {
			names = append(names, a.Tenant.String())
		}
		return problem.New(problem.Usage, "%s know %s, and a drawing is of one", reports.Count(len(all), "tenant"), reports.Terminal(p.Ref)).
			WithHint("give --tenant, one of %s", strings.Join(names, ", "))
	}
	switch {
	case asJSON && p.Tenant != "":
		return c.document(all[0])
	case asJSON:
		return c.document(map[string]any{"tenants": all})
	case p.Format == "dot":
		return all[0].DOT(c.begin(MediaDOT))
	case p.Format == "svg":
		return all[0].SVG(c.begin(MediaSVG))
	}
	w := c.begin(MediaText)
	for i, a := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := a.Text(w, q.style); err != nil {
			return err
		}
	}
	return nil
}

// Media types of drawings.
const (
	MediaDOT = "text/vnd.graphviz; charset=utf-8"
	MediaSVG = "image/svg+xml"
)

// options reads what a trace is asked for; the period is what it reads of the
// log, zero for all of it.
func (p *TraceParams) options(q *question) (opt trace.Options, period evidence.Period, err error) {
	opt.Zone = q.zone
	switch opt.Direction = lineage.Direction(p.Direction); opt.Direction {
	case "", lineage.Forward, lineage.Backward, lineage.Both:
	default:
		return opt, period, problem.New(problem.Usage, "there is no direction %q", p.Direction).WithHint("use forward, backward or both")
	}
	switch p.Format {
	case "", "text", "json", "dot", "svg":
	default:
		return opt, period, problem.New(problem.Usage, "--format %q", p.Format).WithHint("use text, json, dot or svg")
	}
	if p.At != "" && !p.Span.isZero() {
		return opt, period, problem.New(problem.Usage, "--at asks about an instant, --from, --to and --last about a period").WithHint("give one of the two")
	}
	opt.Around = time.Hour
	if p.Around != "" {
		if opt.Around, err = cli.ParseSpan(p.Around); err != nil {
			return opt, period, err
		}
	}
	switch {
	case p.At != "":
		if opt.At, err = cli.ParseTime(p.At, q.now, q.zone); err != nil {
			return opt, period, err
		}
		if opt.At.After(q.now) {
			return opt, period, problem.New(problem.Usage, "%s lies ahead: it is %s", cli.SayTime(opt.At, q.zone), cli.SayTime(q.now, q.zone)).
				WithHint("ask for a time that has passed")
		}
		period = evidence.Period{From: opt.At.Add(-opt.Around / 2), To: opt.At.Add(opt.Around / 2)}
	case !p.Span.isZero():
		if period, err = q.period(p.Span); err == nil {
			err = q.begun(period)
		}
		if err != nil {
			return opt, period, err
		}
		opt.Window = period
	}
	return opt, period, nil
}

// maxCandidates is how many things a name that means several is answered with.
const maxCandidates = 12

// traceable finds the one thing that is meant.
func (c *call) traceable(ctx context.Context, r evidence.Reader, w lineage.Wanted, at time.Time) (lineage.Found, error) {
	found, err := lineage.Resolve(ctx, r, w, at)
	if err != nil {
		return lineage.Found{}, err
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return lineage.Found{}, problem.New(problem.NotFound, "the log of %s knows no %s", r.Tenant(), reports.Terminal(w.Text)).
			WithHint("give the whole name, with its namespace or path, or a reference as evidenced records shows it")
	}
	var names []string
	for i, f := range found {
		if i == maxCandidates {
			names = append(names, reports.Count(len(found)-i, "more thing"))
			break
		}
		names = append(names, reports.Terminal(f.Says))
	}
	return lineage.Found{}, problem.New(problem.Usage, "%s names %s", reports.Terminal(w.Text), reports.Count(len(found), "thing")).
		WithHint("ask for one of them: %s", strings.Join(names, ", "))
}
