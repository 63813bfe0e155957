package api

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/evidence/remedy"
	"evidenced/mappings"
)

// RemedyParams ask for a remedy to be planned, said to be done or withdrawn, or
// for those that there are.
type RemedyParams struct {
	Common
	Act  string `json:"act"` // set, done, end, list, show
	Name string `json:"name,omitempty"`
	RemedyFields
	Maker string `json:"maker,omitempty"` // who says it, REALM|NATIVEID
	All   bool   `json:"all,omitempty"`   // list those that are over too
}

// RemedyFields are what is said of a plan, by the names of a file of fields. Of a
// plan that there is, what is left empty stays as it was.
type RemedyFields struct {
	Controls []string `json:"controls,omitempty"` // all their tests, or those of Tests
	Tests    []string `json:"tests,omitempty"`
	Records  []uint64 `json:"records,omitempty"` // none: all items that fail now
	Owner    string   `json:"owner,omitempty"`   // REALM|NATIVEID
	Team     string   `json:"team,omitempty"`
	Cause    string   `json:"cause,omitempty"`
	Detail   string   `json:"cause_detail,omitempty"`
	Remedy   string   `json:"remedy,omitempty"`
	Ticket   string   `json:"ticket,omitempty"`
	Due      string   `json:"due,omitempty"` // a day, as typed
	Reason   string   `json:"reason,omitempty"`
}

// Over returns the fields with those that others give in their place.
func (f RemedyFields) Over(others RemedyFields) RemedyFields {
	if len(others.Controls) > 0 {
		f.Controls = others.Controls
	}
	if len(others.Tests) > 0 {
		f.Tests = others.Tests
	}
	if len(others.Records) > 0 {
		f.Records = others.Records
	}
	for _, x := range []struct{ to, from *string }{
		{&f.Owner, &others.Owner}, {&f.Team, &others.Team}, {&f.Cause, &others.Cause}, {&f.Detail, &others.Detail}, {&f.Remedy, &others.Remedy},
		{&f.Ticket, &others.Ticket}, {&f.Due, &others.Due}, {&f.Reason, &others.Reason},
	} {
		*x.to = cmp.Or(*x.from, *x.to)
	}
	return f
}

// RemedySaid says what an act left in the log.
type RemedySaid struct {
	Tenant evidence.Tenant `json:"tenant"`
	Act    string          `json:"act"`
	Record uint64          `json:"record"`
	Remedy remedy.Told     `json:"remedy"`
}

// RemedyList is the plans of a tenant.
type RemedyList struct {
	Listed
	Remedies []remedy.Told `json:"remedies"`
	Over     int           `json:"not_listed,omitempty"` // that are over
}

func remedies(ctx context.Context, c *call) error {
	var p RemedyParams
	if err := c.decode(&p); err != nil {
		return err
	}
	if p.Act == "list" {
		return c.listRemedies(ctx, p)
	}
	q, err := c.question(ctx, p.Common)
	if err != nil {
		return err
	}
	r := &remedying{call: c, q: q, p: p}
	do := map[string]func(context.Context, *remedy.Book) (evidence.Draft, error){"set": r.set, "done": r.done, "end": r.end}[p.Act]
	switch {
	case p.Act == "show":
		return r.show(ctx)
	case do == nil:
		return problem.New(problem.Usage, "remedy %.20q", p.Act).WithHint("use set, done, end, list or show")
	}
	return r.act(ctx, do)
}

// remedying is one act at work.
type remedying struct {
	*call
	q *question
	p RemedyParams
}

// act records what do makes of the log as it stands, and tells it.
func (r *remedying) act(ctx context.Context, do func(context.Context, *remedy.Book) (evidence.Draft, error)) error {
	log, rec, err := r.actOne(ctx, r.q.tenant, func(log evidence.Reader) (evidence.Draft, error) {
		b, err := remedy.Load(ctx, log, r.q.now)
		if err != nil {
			return evidence.Draft{}, err
		}
		return do(ctx, b)
	})
	if err != nil {
		return err
	}
	b, err := remedy.Load(ctx, log, rec.Recorded)
	if err != nil {
		return err
	}
	res := &RemedySaid{Tenant: r.q.tenant, Act: r.p.Act, Record: rec.Seq, Remedy: b.Plan(r.p.Name).TellAll(rec.Recorded)}
	if r.p.JSON {
		return r.document(res)
	}
	return res.text(r.page(r.q.style))
}

// maker reads who says it; nil when nobody is named.
func (r *remedying) maker() (*evidence.Person, error) { return account("--maker", r.p.Maker) }

// account reads a person by realm and native id; nil for "".
func account(flag, text string) (*evidence.Person, error) {
	if text == "" {
		return nil, nil
	}
	id, err := parseIdentity(flag, text)
	return &evidence.Person{Realm: id.Realm, NativeID: id.NativeID}, err
}

func (r *remedying) set(ctx context.Context, b *remedy.Book) (evidence.Draft, error) {
	var none evidence.Draft
	s := remedy.Saying{
		Name: r.p.Name, By: r.by(), Records: slices.Clone(r.p.Records), Cause: r.p.Cause, Each: len(r.p.Tests) > 0,
		Words: remedy.Words{
			Team: strings.TrimSpace(r.p.Team), Detail: strings.TrimSpace(r.p.Detail), Remedy: strings.TrimSpace(r.p.Remedy),
			Ticket: strings.TrimSpace(r.p.Ticket), Reason: strings.TrimSpace(r.p.Reason),
		},
	}
	var err error
	if s.Maker, err = r.maker(); err != nil {
		return none, err
	}
	if s.Owner, err = account("--owner", r.p.Owner); err != nil {
		return none, err
	}
	if s.Due, err = r.due(); err != nil {
		return none, err
	}
	if s.Tests, err = r.tests(ctx); err != nil {
		return none, err
	}
	return b.Set(ctx, &s)
}

// due reads the day that was typed; zero for none.
func (r *remedying) due() (time.Time, error) {
	if r.p.Due == "" {
		return time.Time{}, nil
	}
	t, err := r.q.typed("--due", r.p.Due)
	if err != nil {
		return t, err
	}
	y, m, d := t.In(r.q.zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, r.q.zone), nil
}

// tests are those that are named, of the named controls, or all of these.
func (r *remedying) tests(ctx context.Context) ([]string, error) {
	if len(r.p.Controls)+len(r.p.Tests) == 0 {
		return nil, nil
	}
	in, err := r.Judging(ctx, r.q.tenant)
	if err != nil {
		return nil, err
	}
	known, err := testsOf(in.Catalog, r.p.Controls)
	if err != nil || len(r.p.Tests) == 0 {
		return known, err
	}
	for _, id := range r.p.Tests {
		if !slices.Contains(known, id) {
			what := "the catalog"
			if len(r.p.Controls) > 0 {
				what = strings.Join(r.p.Controls, ", ")
			}
			return nil, problem.New(problem.NotFound, "there is no test %.80q in %.200s", id, what).WithHint("evidenced controls explain ID lists the tests of a control")
		}
	}
	return r.p.Tests, nil
}

// testsOf lists the tests of the named controls, each once, or all that there
// are.
func testsOf(cat *mappings.Catalog, ids []string) ([]string, error) {
	named, err := controls(cat, ids)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, c := range cat.Controls() {
		if len(named) > 0 && !slices.Contains(named, c.ID) {
			continue
		}
		for _, ref := range c.Tests {
			if !slices.Contains(out, ref.Test.ID) {
				out = append(out, ref.Test.ID)
			}
		}
	}
	if len(out) == 0 {
		return nil, problem.New(problem.Refused, "nothing of %s can fail: no test is about it", strings.Join(ids, ", "))
	}
	return out, nil
}

func (r *remedying) done(ctx context.Context, b *remedy.Book) (evidence.Draft, error) {
	maker, err := r.maker()
	if err != nil {
		return evidence.Draft{}, err
	}
	return b.Done(ctx, r.p.Name, r.by(), strings.TrimSpace(r.p.Reason), maker)
}

func (r *remedying) end(_ context.Context, b *remedy.Book) (evidence.Draft, error) {
	maker, err := r.maker()
	if err != nil {
		return evidence.Draft{}, err
	}
	return b.Withdraw(r.p.Name, r.by(), strings.TrimSpace(r.p.Reason), maker)
}

// listRemedies answers over one tenant, or over all.
func (c *call) listRemedies(ctx context.Context, p RemedyParams) error {
	lists := []RemedyList{}
	q, err := c.eachStanding(ctx, p.Common, func(q *question, r evidence.Reader) error {
		b, err := remedy.Load(ctx, r, q.now)
		if err != nil {
			return err
		}
		l := RemedyList{Listed: listedOf(r, q.now), Remedies: b.Tell()}
		if !p.All {
			all := len(l.Remedies)
			l.Remedies = slices.DeleteFunc(l.Remedies, func(x remedy.Told) bool { return !x.State.Live() })
			l.Over = all - len(l.Remedies)
		}
		lists = append(lists, l)
		return nil
	})
	if err != nil {
		return err
	}
	if p.JSON {
		return c.document(map[string]any{"tenants": lists})
	}
	return tellRemedies(c.page(q.style), lists)
}

// show tells everything about one.
func (r *remedying) show(ctx context.Context) error {
	log, err := r.standing(ctx, r.q.tenant, r.p.Purpose)
	if err != nil {
		return err
	}
	b, err := remedy.Load(ctx, log, r.q.now)
	if err != nil {
		return err
	}
	x := b.Plan(r.p.Name)
	if x == nil {
		return remedy.NoPlan(r.p.Name, r.q.tenant)
	}
	t := x.TellAll(r.q.now)
	if r.p.JSON {
		return r.document(RemedyList{Listed: listedOf(log, r.q.now), Remedies: []remedy.Told{t}})
	}
	return showRemedy(r.page(r.q.style), &t)
}
