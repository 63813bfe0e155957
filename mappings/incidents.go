package mappings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
)

// Incidents are judged as the acts on record tell them, see evidence/incident.
// What happened in the world counts when it happened, whenever it was recorded:
// a notice that was sent in time and recorded late was in time. What has to be
// written down counts when it was recorded. Limits are those of mappings/deadline
// and of no other place.

// incidents loads every incident of the log, once for all views and periods.
func (s *scene) incidents(ctx context.Context) ([]*incident.Incident, error) {
	all, err := s.joins.incidents.get(s, func() (*[]*incident.Incident, error) {
		l, err := incident.List(ctx, s.reader)
		if err != nil {
			return nil, fmt.Errorf("incidents: %w", err)
		}
		return &l, nil
	})
	if err != nil {
		return nil, err
	}
	return *all, nil
}

// incidentBegan returns when an incident began to matter to its entity: when it
// became aware for the first law, or declared it without saying. Zero when the
// log holds neither: the record that declared it was dropped.
func incidentBegan(inc *incident.Incident) time.Time {
	began := inc.Declared
	for law := range inc.Aware {
		if m, ok := inc.AwareSince(law); ok && (began.IsZero() || m.At.Before(began)) {
			began = m.At
		}
	}
	return began
}

// incidentItem is an item of an incident, that stands on the record of an act.
func incidentItem(inc *incident.Incident, seq uint64, at time.Time, label string) *item {
	act, ok := inc.Act(seq)
	if !ok {
		act = inc.Acts[0]
	}
	it := &item{
		seqs: []uint64{act.Seq}, kind: act.Kind, at: at, label: label,
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	return it.set("source", string(evidence.SelfSource)).set("happened", at).set("incident", inc.ID).set("part", inc.Part)
}

var incidentsView = &view{
	View: View{
		Name: "incidents",
		Doc: "Declared incidents: one item for each that was open at some time in the period. " +
			"One that was closed before counts for the tests of the fields `age` and `recipients_wait` whose limit was not over when the period began, and, while the cause and what was learnt were not on record then, for those of `over`, `reviewed` and `review_took`. " +
			"Decisions are those that people made before the end. An incident that nobody declared is not there.",
		Kinds:  []evidence.Kind{evidence.IncidentDeclared, evidence.IncidentUpdated, evidence.IncidentDecision, evidence.IncidentClosed},
		Fields: incidentFields,
	},
	build:  buildIncidents,
	steady: true,
}

var incidentFields = []Field{
	{Name: "incident", Type: "string", Doc: "id of the incident"},
	{Name: "part", Type: "bool", Doc: "it is a tenant's part in an incident of the platform"},
	{Name: "type", Type: "string", Doc: "incident, threat, vulnerability or breach; empty where nobody said"},
	{Name: "in_period", Type: "bool", Doc: "open at some time in the period"},
	{Name: "closed", Type: "bool", Doc: "closed before the end"},
	{Name: "laws", Type: "list(string)", Doc: "laws whose clocks run for it, by the entity's roles and by what was declared and decided"},
	{Name: "roles_known", Type: "bool", Doc: "somebody said in which roles the entity reports (reporter.roles)"},
	{Name: "controller", Type: "bool", Doc: "the entity is a controller of personal data, or nobody said that it is a processor"},
	{Name: "dora", Type: "string", Doc: "what was decided for DORA, such as major; empty while nobody has"},
	{Name: "nis2", Type: "string", Doc: "what was decided for NIS-2"},
	{Name: "gdpr", Type: "string", Doc: "what was decided of the risk to people for the GDPR"},
	{Name: "cra", Type: "string", Doc: "what was decided for the CRA"},
	{Name: "age", Type: "duration", Doc: "from when it was declared to the end"},
	{Name: "longest_idle", Type: "duration", Doc: "longest pause between two acts on it while it was open, of those that reach into the period"},
	{Name: "documented", Type: "bool", Optional: true, Doc: "facts, effects and remedy were written down before the end (docs/filing.md tells in which fields); missing where a text cannot be opened any more"},
	{Name: "over", Type: "bool", Doc: "closed, or resolved or handled as its record says, before the end"},
	{Name: "reviewed", Type: "bool", Optional: true, Doc: "cause (causes.high or narrative.cause) and what was learnt (narrative.lessons) were written down before the end; missing where a text cannot be opened any more"},
	{Name: "review_took", Type: "duration", Optional: true, Doc: "from when it was over (resolved or handled, whichever came first, or else closed for the first time) to when both were written down, or to the end; zero where that came before. Missing while it is not over, and where a text cannot be opened any more"},
	{Name: "recipients_told", Type: "bool", Doc: "a notice to recipients of the service is on record as sent"},
	{Name: "recipients_wait", Type: "duration", Optional: true, Doc: "from awareness for NIS-2, or else from the decision, to that notice, or to the end while there is none; missing where neither is on record"},
}

func buildIncidents(ctx context.Context, s *scene, yield func(*item) error) error {
	all, err := s.incidents(ctx)
	if err != nil {
		return err
	}
	var its []*item
	for _, inc := range all {
		if it := s.incident(inc); it != nil {
			its = append(its, it)
		}
	}
	return yieldSorted(its, yield)
}

// incident makes the item of an incident; nil when it is not of the period.
func (s *scene) incident(now *incident.Incident) *item {
	inc, next := now.Until(s.period.To)
	s.later(next)
	began := incidentBegan(inc)
	if began.IsZero() {
		began = inc.Acts[0].At
	}
	if !began.Before(s.period.To) {
		s.later(began)
		return nil
	}
	inPeriod := inc.Closed.IsZero() || !inc.Closed.Before(s.period.From)
	r := s.hindsight(inc)
	it := incidentItem(inc, inc.Acts[0].Seq, began, "incident "+inc.ID)
	it.set("type", inc.Fields.Identity.Kind).set("in_period", inPeriod).set("closed", !inc.Closed.IsZero())
	laws := []string{}
	for _, l := range notice.Laws(inc) {
		laws = append(laws, string(l))
	}
	roles := inc.Fields.Reporter.Roles
	it.set("laws", laws).set("roles_known", len(roles) > 0)
	it.set("controller", slices.Contains(roles, "controller") || !slices.Contains(roles, "processor"))
	for _, law := range incident.Laws {
		d, ok := inc.Decided(law)
		if ok {
			it.also(d.Seq)
		} else {
			it.why[law] = "nobody decided"
		}
		it.set(law, d.Decision)
	}
	age := max(0, s.period.To.Sub(firstTime(inc.Declared, began)))
	s.later(inc.Declared)
	it.set("age", age).grows("age", age)
	s.idle(it, inc)
	s.documented(it, inc)
	s.reviewed(it, inc, r)
	s.recipients(it, inc)
	if !inPeriod {
		s.leaves(it, inc, r)
	}
	return it
}

// leaves notes what of an incident that was closed before the period may still
// fail in it.
func (s *scene) leaves(it *item, inc *incident.Incident, r hindsight) {
	it.left = map[string]time.Duration{"age": s.period.From.Sub(inc.Declared)}
	if told, since := toldRecipients(inc); !since.IsZero() && (told.IsZero() || !told.Before(s.period.From)) {
		it.left["recipients_wait"] = s.period.From.Sub(since)
	}
	if r.is != yes || !r.at.Before(s.period.From) {
		it.left["over"], it.left["reviewed"], it.left["review_took"] = 0, 0, 0
	}
}

// idle sets how long nobody did anything about the incident while it was open.
func (s *scene) idle(it *item, inc *incident.Incident) {
	var longest, last time.Duration
	var from, until time.Time
	for _, open := range openIn(inc, s.period.To) {
		at := open.From
		pause := func(to time.Time) {
			if last = to.Sub(at); !to.Before(s.period.From) && last > longest {
				longest, from, until = last, at, to
			}
			at = to
		}
		for _, a := range inc.Acts {
			if open.Contains(a.At) {
				pause(a.At)
			}
		}
		pause(open.To)
		if open.To.Equal(s.period.To) {
			it.grows("longest_idle", last)
		}
	}
	for _, a := range inc.Acts {
		if !a.At.Before(s.period.To) {
			s.later(a.At)
		}
	}
	it.set("longest_idle", longest)
	if longest > 0 {
		it.why["longest_idle"] = fmt.Sprintf("nothing was done from %s to %s", evidence.FormatTime(from), evidence.FormatTime(until))
	}
}

// openIn returns when an incident was open before an instant: from its first act,
// and from each that opened it again, until it was closed.
func openIn(inc *incident.Incident, end time.Time) (ps []evidence.Period) {
	from := inc.Acts[0].At
	until := func(to time.Time) {
		if !from.IsZero() && from.Before(to) {
			ps = append(ps, evidence.Period{From: from, To: to})
		}
	}
	for _, c := range inc.Closings {
		if c.Reopen {
			from = c.At
			continue
		}
		until(c.At)
		from = time.Time{}
	}
	until(end)
	return ps
}

// written tells whether one of the fields was written down before the end, since
// when, and in which record. Unknown: one was, and cannot be opened any more.
func (s *scene) written(inc *incident.Incident, paths ...string) (is tri, at time.Time, seq uint64) {
	is = no
	for _, p := range paths {
		act, ok := inc.Written(p)
		switch {
		case !ok:
		case !act.At.Before(s.period.To):
			s.later(act.At)
		case inc.Lost[p] != "":
			if is == no {
				is = unknown
			}
		case is != yes || act.At.Before(at):
			is, at, seq = yes, act.At, act.Seq
		}
	}
	return is, at, seq
}

const whyLost = "a text that was written cannot be opened any more"

func (s *scene) documented(it *item, inc *incident.Incident) {
	all, lacks := yes, []string{}
	for _, part := range notice.Breach {
		is, _, seq := s.written(inc, part.Fields...)
		switch {
		case is == yes:
			it.also(seq)
			continue
		case is == no:
			all = no
			lacks = append(lacks, part.Name)
		case all == yes:
			all = unknown
		}
	}
	switch all {
	case yes:
		it.set("documented", true)
	case no:
		it.set("documented", false)
		it.why["documented"] = "not written down: " + strings.Join(lacks, ", ")
	default:
		it.lacks("documented", whyLost)
	}
}

// hindsight is whether the cause of an incident and what was learnt are on record.
type hindsight struct {
	is    tri
	at    time.Time // when both were there
	seqs  []uint64
	lacks []string
}

func (s *scene) hindsight(inc *incident.Incident) hindsight {
	r := hindsight{is: yes}
	for _, part := range []struct {
		name   string
		fields []string
	}{{"its cause", []string{"causes.high", "narrative.cause"}}, {"what was learnt", []string{"narrative.lessons"}}} {
		is, at, seq := s.written(inc, part.fields...)
		switch {
		case is == yes:
			r.at, r.seqs = later(r.at, at), append(r.seqs, seq)
		case is == no:
			r.is, r.lacks = no, append(r.lacks, part.name)
		case r.is == yes:
			r.is = unknown
		}
	}
	return r
}

func (s *scene) reviewed(it *item, inc *incident.Incident, r hindsight) {
	switch r.is {
	case yes:
		it.set("reviewed", true).also(r.seqs...)
	case no:
		it.set("reviewed", false)
	default:
		it.lacks("reviewed", whyLost)
	}
	over := endOf(inc)
	it.set("over", !over.IsZero())
	switch {
	case over.IsZero():
		it.lacks("review_took", "it is not over")
	case r.is == unknown:
		it.lacks("review_took", whyLost)
	case r.is == yes:
		it.set("review_took", max(0, r.at.Sub(over)))
		it.why["review_took"] = "it was over " + evidence.FormatTime(over) + ", and was reviewed by " + evidence.FormatTime(r.at)
	default:
		took := s.period.To.Sub(over)
		it.set("review_took", took).grows("review_took", took)
		it.why["review_took"] = "it was over " + evidence.FormatTime(over) + "; not written down: " + strings.Join(r.lacks, ", ")
	}
}

// endOf returns when an incident was over; zero while it is not. One that was
// opened again, as it has to be for a review to be written down, was over when it
// was closed first, unless people said when it was resolved or handled.
func endOf(inc *incident.Incident) time.Time {
	t := &inc.Fields.Times
	switch {
	case !t.Resolved.IsZero() && !t.Handled.IsZero():
		return earlier(t.Resolved, t.Handled)
	case !t.Resolved.IsZero() || !t.Handled.IsZero():
		return later(t.Resolved, t.Handled)
	case inc.Closed.IsZero():
		return time.Time{}
	}
	return inc.Closings[0].At
}

// toldRecipients returns when those who use the service were told first, and
// since when the entity knew; zero times for what is not on record.
func toldRecipients(inc *incident.Incident) (told, since time.Time) {
	for _, f := range inc.Sent(string(deadline.NIS2Recipients)) {
		if told.IsZero() || f.At.Before(told) {
			told = f.At
		}
	}
	if m, ok := inc.AwareSince(string(deadline.NIS2)); ok {
		since = m.At
	} else if d, ok := inc.Decided(string(deadline.NIS2)); ok {
		since = d.At
	}
	return told, since
}

// recipients sets when those who use the service were told (NIS-2 Art 23(1)).
func (s *scene) recipients(it *item, inc *incident.Incident) {
	for _, f := range inc.Sent(string(deadline.NIS2Recipients)) {
		it.also(f.Seq)
	}
	told, from := toldRecipients(inc)
	it.set("recipients_told", !told.IsZero())
	switch {
	case from.IsZero():
		it.lacks("recipients_wait", "nobody declared awareness or decided for NIS-2")
	case told.IsZero():
		wait := s.period.To.Sub(from)
		it.set("recipients_wait", wait).grows("recipients_wait", wait)
	default:
		it.set("recipients_wait", max(0, told.Sub(from)))
		it.why["recipients_wait"] = "the entity knew since " + evidence.FormatTime(from) + ", and told them " + evidence.FormatTime(told)
	}
}
