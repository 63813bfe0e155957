package api

import (
	"context"
	"io"
	"slices"
	"time"

	"evidenced/cmd/internal/cli"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/evidence/remedy"
	"evidenced/mappings"
	"evidenced/mappings/statement"
	"evidenced/reports"
	"evidenced/reports/gaps"
	"evidenced/reports/today"
)

// Judge knows of the verdicts that stand in the logs.
type Judge interface {
	// Judged returns when the tenant was judged last, so that its finding.state
	// records are what holds; zero when it never was.
	Judged(ctx context.Context, t evidence.Tenant) (time.Time, error)
	// Rules returns the catalog that was in force at the instant, as it was
	// recorded; a problem of code not-found when none was.
	Rules(ctx context.Context, at time.Time) (*mappings.Catalog, error)
	// Dues find what falls due beside what the logs' own states tell.
	Dues() []today.Dues
}

// allTenants stands for every tenant in place of a name.
const allTenants = "all"

// judgedTenants returns the named tenant alone, and for none or "all" every one
// that is judged; several says which it was.
func (c *call) judgedTenants(ctx context.Context, name string) (ts []evidence.Tenant, several bool, err error) {
	if name == allTenants {
		if ts, err = c.Tenants(ctx); err != nil {
			return nil, false, err
		}
		if !slices.ContainsFunc(ts, func(t evidence.Tenant) bool { return t.String() == allTenants }) {
			name = "" // one that is called so is asked alone
		}
	}
	if ts, err = c.tenantOrAll(ctx, name); name != "" {
		return ts, false, err
	}
	// What is nobody's has no coverage and is not judged.
	return slices.DeleteFunc(slices.Clone(ts), func(t evidence.Tenant) bool { return t == evidence.Unassigned }), true, err
}

// GapsParams ask for what needs somebody.
type GapsParams struct {
	Common          // no tenant, or all: every tenant that is judged
	Law      string `json:"law,omitempty"`
	Severity string `json:"severity,omitempty"`
}

func tellGaps(ctx context.Context, c *call) error {
	var p GapsParams
	if err := c.decode(&p); err != nil {
		return err
	}
	q, err := c.anyQuestion(p.Common)
	if err != nil {
		return err
	}
	ts, _, err := c.judgedTenants(ctx, p.Tenant)
	if err != nil {
		return err
	}
	r := &gaps.Report{At: q.now, Law: p.Law, Level: p.Severity, Tenants: []gaps.Tenant{}}
	f := gaps.Filter{Law: p.Law, Severity: p.Severity}
	for _, t := range ts {
		in, err := c.Judging(ctx, t)
		if err != nil {
			return err
		}
		if err := checkFilter(in.Catalog, f); err != nil {
			return err
		}
		one, demo, err := c.gapsOf(ctx, t, in, f, p.Purpose)
		if err != nil {
			return err
		}
		r.Tenants, r.Demo = append(r.Tenants, one), r.Demo || demo
		if r.Unanswered == nil {
			r.Unanswered = gaps.UnansweredBy(in.Catalog, f, collectable(in))
		}
	}
	return c.tell(r, r.Text, p.JSON, q)
}

func (c *call) gapsOf(ctx context.Context, t evidence.Tenant, in mappings.Input, f gaps.Filter, purpose string) (_ gaps.Tenant, demo bool, _ error) {
	r, err := c.standing(ctx, t, purpose)
	if err != nil {
		return gaps.Tenant{}, false, err
	}
	out := gaps.Tenant{Tenant: t, Origin: r.Origin(), Size: r.Size(), Needs: []gaps.Gap{}, Untold: []gaps.Gap{}}
	if out.Judged, err = c.Judged(ctx, t); err != nil {
		return out, false, err
	}
	standing, _, err := mappings.Standings(ctx, r)
	if err != nil {
		return out, false, err
	}
	b, err := statement.Load(ctx, r, c.Now())
	if err != nil {
		return out, false, err
	}
	said, err := b.Beside(ctx, standing)
	if err != nil {
		return out, false, err
	}
	plans, err := remedy.Load(ctx, r, c.Now())
	if err != nil {
		return out, false, err
	}
	out.Of(in.Catalog, f, standing, said, plans)
	return out, r.Simulated(), nil
}

// standing opens a log for an answer from its findings alone; that somebody
// read is sealed before.
func (c *call) standing(ctx context.Context, t evidence.Tenant, purpose string) (evidence.Reader, error) {
	r, err := c.Reader(ctx, t)
	if err != nil {
		return nil, err
	}
	return c.sealAsked(ctx, r, evidence.Period{}, purpose)
}

// eachStanding opens the log of the named tenant, or of every one that is judged,
// for an answer from its findings alone, and has look take that.
func (c *call) eachStanding(ctx context.Context, p Common, look func(q *question, r evidence.Reader) error) (*question, error) {
	q, err := c.anyQuestion(p)
	if err != nil {
		return nil, err
	}
	ts, _, err := c.judgedTenants(ctx, p.Tenant)
	if err != nil {
		return nil, err
	}
	for _, t := range ts {
		r, err := c.standing(ctx, t, p.Purpose)
		if err != nil {
			return nil, err
		}
		if err := look(q, r); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// Listed is the log that a list was read from.
type Listed struct {
	Tenant evidence.Tenant `json:"tenant"`
	At     time.Time       `json:"at"`
	Size   uint64          `json:"as_known_at_size"`
	Demo   bool            `json:"demonstration,omitempty"`
}

func listedOf(r evidence.Reader, at time.Time) Listed {
	return Listed{Tenant: r.Tenant(), At: at, Size: r.Size(), Demo: r.Simulated()}
}

func collectable(in mappings.Input) func(evidence.Kind) bool {
	return func(k evidence.Kind) bool {
		if info, ok := evidence.KindInfo(k); in.Collectable != nil && !(ok && info.Own) {
			return in.Collectable[k]
		}
		_, ok := evidence.KindInfo(k)
		return ok // what evidenced records itself needs no collector
	}
}

// checkFilter refuses a law or a severity that is not there.
func checkFilter(cat *mappings.Catalog, f gaps.Filter) error {
	if f.Severity != "" && !slices.Contains(mappings.Severities, f.Severity) {
		return problem.New(problem.Usage, "--severity %q", f.Severity).WithHint("use high, medium or low; each stands for itself and what is worse")
	}
	if f.Law == "" {
		return nil
	}
	_, err := cat.Law(f.Law)
	return err
}

// TodayParams ask for what is new, healed, blind and due.
type TodayParams struct {
	Common
	Last string `json:"last,omitempty"` // how far back is new; "" is 24h
}

func tellToday(ctx context.Context, c *call) error {
	var p TodayParams
	if err := c.decode(&p); err != nil {
		return err
	}
	q, err := c.anyQuestion(p.Common)
	if err != nil {
		return err
	}
	last := 24 * time.Hour
	if p.Last != "" {
		if last, err = cli.ParseSpan(p.Last); err != nil {
			return err
		}
	}
	ts, several, err := c.judgedTenants(ctx, p.Tenant)
	if err != nil {
		return err
	}
	all := &today.Several{At: q.now, Since: q.now.Add(-last), Until: q.now.Add(today.Horizon), Tenants: []*today.Report{}}
	for _, t := range ts {
		q.tenant = t
		r, err := c.todayOf(ctx, q, last, p.Purpose)
		if err != nil {
			return err
		}
		if !several {
			return c.tell(r, r.Text, p.JSON, q)
		}
		all.Tenants = append(all.Tenants, r)
	}
	return c.tell(all, all.Text, p.JSON, q)
}

// tell writes an answer as a document or as text.
func (c *call) tell(doc any, text func(io.Writer, reports.Style) error, asJSON bool, q *question) error {
	if asJSON {
		return c.document(doc)
	}
	return text(c.begin(MediaText), q.style)
}

func (c *call) todayOf(ctx context.Context, q *question, last time.Duration, purpose string) (*today.Report, error) {
	in, err := c.Judging(ctx, q.tenant)
	if err != nil {
		return nil, err
	}
	r, err := c.open(ctx, q, evidence.Period{From: q.now.Add(-last), To: q.now}, purpose)
	if err != nil {
		return nil, err
	}
	ti := today.Input{Reader: r, Catalog: in.Catalog, Now: q.now, Since: q.now.Add(-last)}
	if ti.Judged, err = c.Judged(ctx, q.tenant); err != nil {
		return nil, err
	}
	return today.Build(ctx, ti, c.Dues()...)
}
