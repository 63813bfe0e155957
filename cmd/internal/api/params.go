package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/cmd/internal/cli"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/reports"
)

// Common are the parameters of every question about a tenant.
type Common struct {
	Tenant  string `json:"tenant"`
	JSON    bool   `json:"json,omitempty"`
	Zone    string `json:"zone,omitempty"` // "": the configured one
	Width   int    `json:"width,omitempty"`
	Colour  bool   `json:"colour,omitempty"`
	Purpose string `json:"purpose,omitempty"` // why the person asks; goes into access.read
}

// Span are the parameters of a period, as typed.
type Span struct {
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	Last string `json:"last,omitempty"`
}

func (s Span) isZero() bool { return s == Span{} }

// question is a decoded Common.
type question struct {
	tenant evidence.Tenant
	zone   *time.Location
	style  reports.Style
	now    time.Time
}

func (c *call) question(ctx context.Context, p Common) (*question, error) {
	q, err := c.anyQuestion(p)
	if err != nil {
		return nil, err
	}
	q.tenant, err = c.tenant(ctx, p.Tenant)
	return q, err
}

// questionOver is question with its period; last, when not "", stands for one
// that was not given.
func (c *call) questionOver(ctx context.Context, p Common, s Span, last string) (*question, evidence.Period, error) {
	q, err := c.question(ctx, p)
	if err != nil {
		return nil, evidence.Period{}, err
	}
	if s.isZero() {
		s.Last = last
	}
	period, err := q.period(s)
	if err == nil {
		err = q.begun(period)
	}
	return q, period, err
}

// begun refuses a period that lies ahead: of it "nobody looked" would be as
// wrong as "nothing happened".
func (q *question) begun(p evidence.Period) error {
	if p.From.After(q.now) {
		return problem.New(problem.Usage, "the period begins %s and so lies ahead: it is %s", cli.SayTime(p.From, q.zone), cli.SayTime(q.now, q.zone)).
			WithHint("choose a period that has begun")
	}
	return nil
}

// passed is as much of a period as is over.
func (q *question) passed(p evidence.Period) evidence.Period {
	if p.To.After(q.now) {
		p.To = q.now
	}
	return p
}

// anyQuestion is question before its tenant is known.
func (c *call) anyQuestion(p Common) (*question, error) {
	q := &question{zone: c.Zone(), now: c.Now().UTC()}
	if p.Zone != "" {
		z, err := cli.Zone(p.Zone)
		if err != nil {
			return nil, err
		}
		q.zone = z
	}
	q.style = reports.Style{Width: p.Width, Colour: p.Colour, Zone: q.zone}
	return q, nil
}

// typed reads a time that was typed behind the flag.
func (q *question) typed(flag, text string) (time.Time, error) {
	t, err := cli.ParseTime(text, q.now, q.zone)
	if err != nil {
		return t, problem.Wrap(problem.Usage, err, "%s", flag)
	}
	return t, nil
}

// tenantOrAll returns the named tenant alone, and all of them when none is
// named.
func (c *call) tenantOrAll(ctx context.Context, name string) ([]evidence.Tenant, error) {
	if name == "" {
		return c.Tenants(ctx)
	}
	t, err := c.tenant(ctx, name)
	if err != nil {
		return nil, err
	}
	return []evidence.Tenant{t}, nil
}

// tenant reads a tenant's name and says which there are when it has no log.
func (c *call) tenant(ctx context.Context, name string) (evidence.Tenant, error) {
	all, err := c.Tenants(ctx)
	if err != nil {
		return evidence.Tenant{}, err
	}
	if name == "" {
		return evidence.Tenant{}, problem.New(problem.Usage, "no tenant is given").WithHint("give --tenant; there are %s", listed(all))
	}
	t, err := evidence.ParseTenant(name)
	if err != nil {
		return t, problem.Wrap(problem.Usage, err, "cannot read the tenant").WithHint("there are %s", listed(all))
	}
	if !slices.Contains(all, t) {
		return t, problem.New(problem.NotFound, "there is no log of tenant %s", t).WithHint("there are %s", listed(all))
	}
	return t, nil
}

// listed names tenants, not too many.
func listed(ts []evidence.Tenant) string {
	if len(ts) == 0 {
		return "no tenants yet"
	}
	var names []string
	for _, t := range ts {
		if len(names) == 12 {
			names = append(names, fmt.Sprintf("and %d more (evidenced tenants lists them)", len(ts)-12))
			break
		}
		names = append(names, t.String())
	}
	return strings.Join(names, ", ")
}

// open opens the log for an answer about the period. Coverage not yet told is
// written first when the period reaches into what daily roll-ups have not told;
// that somebody read is sealed before the answer.
func (c *call) open(ctx context.Context, q *question, p evidence.Period, purpose string) (evidence.Reader, error) {
	if p.To.IsZero() || q.now.Sub(p.To) < 48*time.Hour {
		if err := c.Flush(ctx, q.tenant); err != nil {
			return nil, fmt.Errorf("write coverage before the answer: %w", err)
		}
	}
	r, err := c.Reader(ctx, q.tenant)
	if err != nil {
		return nil, err
	}
	if err := notRetired(ctx, r, p); err != nil {
		return nil, err
	}
	return c.sealAsked(ctx, r, p, purpose)
}

// sealAsked returns the log when it is sealed that somebody asked: no answer is
// given before.
func (c *call) sealAsked(ctx context.Context, r evidence.Reader, p evidence.Period, purpose string) (evidence.Reader, error) {
	read := evidence.ReadFacts{Command: c.op, Period: p, Via: c.Via, UID: c.UID, Size: r.Size(), Purpose: purpose}
	if err := c.Read(ctx, r.Tenant(), read); err != nil {
		return nil, fmt.Errorf("seal who asked, before the answer: %w", err)
	}
	return r, nil
}

func (q *question) period(s Span) (evidence.Period, error) {
	return cli.ParsePeriod(s.From, s.To, s.Last, q.now, q.zone)
}
