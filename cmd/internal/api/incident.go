package api

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"evidenced/cmd/internal/cli"
	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
	"evidenced/mappings/classify"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
	"evidenced/reports/filing"
)

// Incidents is what a World does for incidents.
type Incidents interface {
	// Act hands the tenant's log as it stands to decide and appends what it
	// returns, all or nothing. No other act on that log comes between. It
	// returns the records' numbers.
	Act(ctx context.Context, t evidence.Tenant, decide func(r evidence.Reader) ([]evidence.Draft, error)) ([]uint64, error)
	// Calendars are the holidays that limits are computed with.
	Calendars() *deadline.Calendars
}

// IncidentParams ask for an act on an incident, or for what is known of one.
// Times are as somebody typed them.
type IncidentParams struct {
	Common
	Act string `json:"act"` // declare, update, classify, clock, notify, contact, close, list, show
	ID  string `json:"id,omitempty"`

	Reason  string              `json:"reason,omitempty"`
	Decider string              `json:"decider,omitempty"` // REALM|NATIVEID
	Fields  json.RawMessage     `json:"fields,omitempty"`
	Records map[string][]uint64 `json:"records,omitempty"`
	Affects []string            `json:"affects,omitempty"` // TENANT or TENANT=ROLE,ROLE
	Resume  bool                `json:"resume,omitempty"`  // declare the parts that are missing

	// What a declaration says at least, in place of fields: narrative.summary,
	// times.detected and reporter.roles.
	What     string   `json:"what,omitempty"`
	Detected string   `json:"detected,omitempty"`
	Roles    []string `json:"roles,omitempty"`

	PassOn bool `json:"pass_on,omitempty"` // to the parts

	Law       string   `json:"law,omitempty"`
	Aware     string   `json:"aware,omitempty"`
	Decide    string   `json:"decide,omitempty"`
	At        string   `json:"at,omitempty"` // of a decision or a close
	Recurring []string `json:"recurring,omitempty"`
	DryRun    bool     `json:"dry_run,omitempty"`

	Stage     string        `json:"stage,omitempty"`
	Sent      string        `json:"sent,omitempty"`
	Received  string        `json:"received,omitempty"`
	Delayed   string        `json:"delayed,omitempty"`
	Requested string        `json:"requested,omitempty"`
	Channel   string        `json:"channel,omitempty"`
	Reference string        `json:"reference,omitempty"`
	File      evidence.Hash `json:"file,omitzero"`
	Of        uint64        `json:"of,omitempty"`

	Place string `json:"place,omitempty"`
	Name  string `json:"name,omitempty"`
	Mail  string `json:"mail,omitempty"`
	Phone string `json:"phone,omitempty"`
	Team  bool   `json:"team,omitempty"`

	Reopen bool `json:"reopen,omitempty"`
	Closed bool `json:"closed,omitempty"` // list closed ones too
}

// Acted says what an act left in the log.
type Acted struct {
	Tenant  evidence.Tenant `json:"tenant"`
	ID      string          `json:"id"`
	Act     string          `json:"act"`
	Records []uint64        `json:"records,omitempty"`
	Says    []string        `json:"says"`
	// Parts are those in other tenants' logs.
	Parts []Acted `json:"parts,omitempty"`
	// Working is that of a classification.
	Working *Working `json:"working,omitempty"`
}

// incidents is the operation: one act, or an answer.
func incidents(ctx context.Context, c *call) error {
	var p IncidentParams
	if err := c.decode(&p); err != nil {
		return err
	}
	if p.Act == "list" {
		return c.listIncidents(ctx, p)
	}
	q, err := c.question(ctx, p.Common)
	if err != nil {
		return err
	}
	a := &acting{call: c, q: q, p: p}
	switch p.Act {
	case "show":
		return a.show(ctx)
	case "clock":
		if p.Aware == "" {
			return a.clocks(ctx)
		}
	}
	do := map[string]func(context.Context) (*Acted, error){
		"declare": a.declare, "update": a.update, "classify": a.classify, "clock": a.aware, "notify": a.notify, "contact": a.contact, "close": a.close,
	}[p.Act]
	if do == nil {
		return problem.New(problem.Usage, "incident %.20q", p.Act).WithHint("use declare, update, classify, clock, notify, contact, close, list or show")
	}
	res, err := do(ctx)
	if err != nil {
		return err
	}
	res.Act = p.Act
	if p.JSON {
		return c.document(res)
	}
	return res.text(c.page(q.style))
}

// acting is one act at work.
type acting struct {
	*call
	q *question
	p IncidentParams
}

// who reads the common parameters of all acts.
func (a *acting) who() (incident.Who, error) {
	decider, err := account("--decider", a.p.Decider)
	return incident.Who{By: a.by(), Reason: a.p.Reason, Decider: decider}, err
}

// at reads a typed time; def stands for none.
func (a *acting) at(flag, text string, def time.Time) (time.Time, error) {
	if text == "" {
		return def, nil
	}
	return a.q.typed(flag, text)
}

// patch reads the fields that were given.
func (a *acting) patch() (incident.Patch, error) {
	if len(a.p.Fields) == 0 {
		return nil, nil
	}
	fields, err := recordOf(a.p.Fields)
	if err != nil {
		return nil, err
	}
	p, err := incident.ParsePatch(fields)
	if err != nil {
		return nil, problem.Wrap(problem.Usage, err, "fields").WithHint("docs/incidents.md lists every field")
	}
	return p, nil
}

// recordOf takes the record out of a notification that incident export --form
// json wrote, after its SHA-256 was checked; fields of another file stay as
// they are.
func recordOf(fields json.RawMessage) (json.RawMessage, error) {
	var head struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(fields, &head); err != nil || head.Format == "" {
		return fields, nil // what is wrong with fields is said where they are read
	}
	f, err := filing.Read(fields)
	if err != nil {
		return nil, err
	}
	return json.Marshal(f.Record)
}

// act loads the incident, lets do make drafts of it, and appends them.
func (a *acting) act(ctx context.Context, do func(r evidence.Reader, inc *incident.Incident, w incident.Who) ([]evidence.Draft, error)) (*Acted, error) {
	w, err := a.who()
	if err != nil {
		return nil, err
	}
	if a.p.ID == "" {
		return nil, missingID(a.q.tenant)
	}
	res := &Acted{Tenant: a.q.tenant}
	res.Records, err = a.Act(ctx, a.q.tenant, func(r evidence.Reader) ([]evidence.Draft, error) {
		inc, err := incident.Load(ctx, r, a.p.ID)
		if err != nil {
			return nil, err
		}
		res.ID = inc.ID
		return do(r, inc, w)
	})
	return res, err
}

// actOne records the one draft that decide makes of the tenant's log. It returns
// the log as it stands after it, and the record: the log may have given it a
// later time than that of the question.
func (c *call) actOne(ctx context.Context, t evidence.Tenant, decide func(r evidence.Reader) (evidence.Draft, error)) (evidence.Reader, evidence.Record, error) {
	var none evidence.Record
	seqs, err := c.Act(ctx, t, func(r evidence.Reader) ([]evidence.Draft, error) {
		d, err := decide(r)
		return []evidence.Draft{d}, err
	})
	if err != nil {
		return nil, none, err
	}
	r, err := c.Reader(ctx, t)
	if err != nil {
		return nil, none, err
	}
	rec, err := r.Record(ctx, seqs[0])
	return r, rec, err
}

func missingID(t evidence.Tenant) error {
	return problem.New(problem.Usage, "no incident is given").WithHint("evidenced incident list --tenant %s lists them", t)
}

func (a *acting) update(ctx context.Context) (*Acted, error) {
	p, err := a.patch()
	if err != nil {
		return nil, err
	}
	var parts []evidence.IncidentPart
	res, err := a.act(ctx, func(_ evidence.Reader, inc *incident.Incident, w incident.Who) ([]evidence.Draft, error) {
		parts = inc.Affected
		if a.p.PassOn {
			if len(parts) == 0 {
				return nil, problem.New(problem.Usage, "incident %s has no parts to pass fields on to", inc.ID)
			}
			if err := a.nameless(ctx, p); err != nil {
				return nil, err
			}
		}
		return inc.Update(w, p, a.p.Records, a.q.now)
	})
	if err != nil {
		return nil, err
	}
	res.Says = append(res.Says, fmt.Sprintf("%s set", plural(len(p.Paths()), "field")))
	if a.p.PassOn {
		err = a.passOn(ctx, res, parts, p)
	}
	return res, err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// passOn sets the shared fields in the parts too.
func (a *acting) passOn(ctx context.Context, res *Acted, parts []evidence.IncidentPart, p incident.Patch) error {
	p = shared(p)
	if len(p.Paths()) == 0 {
		return problem.New(problem.Usage, "none of these fields is passed on: reporter and identity are each entity's own")
	}
	w := incident.Who{By: a.by()}
	for _, part := range parts {
		seqs, err := a.Act(ctx, part.Tenant, func(r evidence.Reader) ([]evidence.Draft, error) {
			inc, err := incident.Load(ctx, r, part.ID)
			if err != nil {
				return nil, err
			}
			return inc.Update(w, p, nil, a.q.now)
		})
		if err != nil {
			return problem.Wrap(problem.Incomplete, err, "the home and %s are done, %s is not", plural(len(res.Parts), "part"), part.Tenant)
		}
		res.Parts = append(res.Parts, Acted{Tenant: part.Tenant, ID: part.ID, Act: "update", Records: seqs})
	}
	return nil
}

// shared are the fields that reach the parts: all but the reporter's own.
func shared(p incident.Patch) incident.Patch {
	out := incident.Patch{}
	maps.Copy(out, p)
	delete(out, "reporter")
	delete(out, "identity")
	return out
}

// nameless refuses fields that name a tenant: what is passed on reaches all
// parts, and no tenant learns of another.
func (a *acting) nameless(ctx context.Context, p incident.Patch) error {
	all, err := a.Tenants(ctx)
	if err != nil {
		return err
	}
	p = shared(p)
	for _, t := range all {
		if !t.IsPseudo() && p.Mentions(t.String()) {
			return problem.New(problem.Refused, "the fields name %s, and they would reach other tenants' logs", t).
				WithHint("say it without the tenant's name, or set it in the home alone")
		}
	}
	return nil
}

func (a *acting) aware(ctx context.Context) (*Acted, error) {
	at, err := a.at("--aware", a.p.Aware, time.Time{})
	if err != nil {
		return nil, err
	}
	says := []string{fmt.Sprintf("aware for %s since %s", a.p.Law, cli.SayTime(at, a.q.zone))}
	res, err := a.act(ctx, func(r evidence.Reader, inc *incident.Incident, w incident.Who) ([]evidence.Draft, error) {
		found, limits, err := incident.Candidates(ctx, r, inc, at)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			says = append(says, fmt.Sprintf("earlier candidate: %s, %s (record %d)", cli.SayTime(f.At, a.q.zone), f.What, f.Seq))
		}
		for _, l := range limits {
			says = append(says, "not looked at: "+l)
		}
		d, err := inc.BecomeAware(w, a.p.Law, at, found, a.q.now)
		return []evidence.Draft{d}, err
	})
	if err != nil {
		return nil, err
	}
	more, err := a.limits(ctx, res.ID, a.p.Law)
	res.Says = append(says, more...)
	return res, err
}

// Working is a procedure's result with what the evidence offers.
type Working struct {
	Law      string                   `json:"law"`
	Outcome  string                   `json:"procedure"`
	Decision string                   `json:"decision,omitempty"`
	Steps    []evidence.IncidentStep  `json:"steps"`
	Missing  []string                 `json:"missing,omitempty"`
	Offered  []evidence.IncidentOffer `json:"offered,omitempty"`
	Version  string                   `json:"version"`
}

func (a *acting) classify(ctx context.Context) (*Acted, error) {
	if _, ok := classify.Decisions[a.p.Law]; !ok {
		return nil, problem.New(problem.Usage, "--law %.20q", a.p.Law).WithHint("give --law dora, nis2, gdpr or cra")
	}
	at, err := a.at("--at", a.p.At, a.q.now)
	if err != nil {
		return nil, err
	}
	var work Working
	res, err := a.act(ctx, func(r evidence.Reader, inc *incident.Incident, w incident.Who) ([]evidence.Draft, error) {
		if err := a.mayDecide(inc); err != nil {
			return nil, err
		}
		f, err := a.decision(ctx, r, inc)
		if err != nil {
			return nil, err
		}
		f.At, f.Decision = at, a.p.Decide
		work = Working{f.Law, f.Procedure, f.Decision, f.Steps, f.Missing, f.Offered, f.Version}
		if a.p.DryRun {
			return nil, nil
		}
		d, err := inc.Decide(w, f, a.q.now)
		return []evidence.Draft{d}, err
	})
	if err != nil {
		return nil, err
	}
	res.Working = &work
	switch {
	case a.p.DryRun:
		res.Says = []string{"nothing is recorded: a dry run"}
	case a.p.Decide == "":
		res.Says = []string{"the look is recorded; nobody has decided: give --decide"}
	default:
		more, err := a.limits(ctx, res.ID, a.p.Law)
		if err != nil {
			return nil, err
		}
		res.Says = append([]string{fmt.Sprintf("decided: %s, at %s", a.p.Decide, cli.SayTime(at, a.q.zone))}, more...)
	}
	return res, nil
}

// mayDecide refuses a decision that the law does not know, and one on a threat
// that has become an incident.
func (a *acting) mayDecide(inc *incident.Incident) error {
	allowed := classify.Allowed(a.p.Law, &inc.Fields)
	if a.p.Decide != "" && !slices.Contains(allowed, a.p.Decide) {
		return problem.New(problem.Usage, "--decide %.40q is none of %s", a.p.Decide, strings.Join(allowed, ", "))
	}
	if major, ok := inc.Major(); ok && a.ofThreat(inc) && a.p.Decide != "" {
		return problem.New(problem.Refused, "the threat was classified as major (record %d): it has become an incident", major.Seq).
			WithHint("decide major or not-major")
	}
	return nil
}

// ofThreat reports whether a look is one at a cyber threat: DORA asks of it
// whether it is significant, and once somebody says that it happened whether it
// is major.
func (a *acting) ofThreat(inc *incident.Incident) bool {
	return a.p.Law == "dora" && classify.IsThreat(&inc.Fields) && a.p.Decide != classify.Major && a.p.Decide != classify.NotMajor
}

// decision runs the procedure on the incident as it stands.
func (a *acting) decision(ctx context.Context, r evidence.Reader, inc *incident.Incident) (evidence.IncidentDecisionFacts, error) {
	f := evidence.IncidentDecisionFacts{Law: a.p.Law, Version: classify.Version, Records: inc.Filled}
	var others []*incident.Fields
	for _, id := range a.p.Recurring {
		o, err := incident.Load(ctx, r, id)
		if err != nil {
			return f, err
		}
		if o.ID == inc.ID {
			return f, problem.New(problem.Usage, "--recurring names the incident itself")
		}
		others, f.Recurring = append(others, &o.Fields), append(f.Recurring, o.ID)
	}
	res, err := a.procedure(inc, others)
	if err != nil {
		return f, err
	}
	f.Procedure, f.Steps, f.Missing = res.Outcome, res.Steps, res.Missing
	if f.Offered, err = incident.Offers(ctx, r, inc, a.q.now); err != nil {
		return f, err
	}
	f.Inputs, err = inc.Inputs()
	return f, err
}

func (a *acting) procedure(inc *incident.Incident, others []*incident.Fields) (classify.Result, error) {
	if a.ofThreat(inc) {
		return classify.Threat(&inc.Fields), nil
	}
	return classify.Run(a.p.Law, &inc.Fields, others)
}

func (a *acting) contact(ctx context.Context) (*Acted, error) {
	c := evidence.Person{Names: evidence.Names{Display: a.p.Name, Mail: a.p.Mail}}
	res, err := a.act(ctx, func(_ evidence.Reader, inc *incident.Incident, w incident.Who) ([]evidence.Draft, error) {
		d, err := inc.SetContact(w, a.p.Place, c, a.p.Phone, a.p.Team, a.q.now)
		return []evidence.Draft{d}, err
	})
	if err != nil {
		return nil, err
	}
	res.Says = []string{"the " + a.p.Place + " contact is recorded"}
	return res, nil
}

func (a *acting) close(ctx context.Context) (*Acted, error) {
	at, err := a.at("--at", a.p.At, a.q.now)
	if err != nil {
		return nil, err
	}
	res, err := a.act(ctx, func(r evidence.Reader, inc *incident.Incident, w incident.Who) ([]evidence.Draft, error) {
		clocks, _, err := notice.Clocks(inc, a.Calendars(), time.Time{}, a.q.now)
		if err != nil {
			return nil, err
		}
		var open []string
		for _, k := range clocks {
			if k.IsOpen() && k.Stage != deadline.DORARecurring && k.Stage != deadline.NIS2Recurring {
				open = append(open, string(k.Stage))
			}
		}
		d, err := inc.Close(w, at, a.p.Reopen, open, a.q.now)
		return []evidence.Draft{d}, err
	})
	if err != nil {
		return nil, err
	}
	if a.p.Reopen {
		res.Says = []string{"open again"}
		return res, nil
	}
	res.Says = []string{"closed at " + cli.SayTime(at, a.q.zone)}
	more, err := a.limits(ctx, res.ID, "")
	if len(more) > 0 {
		res.Says = append(append(res.Says, "closing ends no duty:"), more...)
	}
	return res, err
}
