package mappings

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

var alertsView = &view{
	View: View{
		Name:  "alerts",
		Doc:   "Alerts that fired at some time in the period: one item for each start of each, whenever it began. An alert ends when it is listed no more, which is also how it looks when nobody tells of it any more.",
		Kinds: []evidence.Kind{evidence.AlertInstance},
		Fields: []Field{
			{Name: "name", Type: "string", Doc: "its label alertname"},
			{Name: "severity", Type: "string", Doc: "its label severity; empty without one"},
			{Name: "lasted", Type: "duration", Doc: "how long it surely fired: from its start, as its sender says, to the last look that showed it, at most to the end of the period"},
			{Name: "possibly_lasted", Type: "duration", Doc: "how long it may have fired: up to the first look that did not show it"},
			{Name: "ended", Type: "bool", Optional: true, Doc: "it was listed no more at the end of the period; missing where the Alertmanager began anew in between, and may have forgotten it"},
			{Name: "hidden", Type: "bool", Doc: "for some of the time in the period a silence, another alert or a time interval hid it"},
			{Name: "blind", Type: "bool", Doc: "for some of the time that it may have fired in the period nobody looked"},
			{Name: "incident", Type: "bool", Doc: "an act of an incident names a record of it, up to the end of the period"},
			{Name: "incident_after", Type: "duration", Optional: true, Doc: "from its start to when that incident was declared; zero when it was declared before; missing without one"},
		},
	},
	build: buildAlerts,
}

func buildAlerts(ctx context.Context, s *scene, yield func(*item) error) error {
	flat, err := stretches[evidence.AlertFacts](ctx, s, evidence.AlertInstance)
	if err != nil || len(flat) == 0 {
		return err
	}
	incidents, err := s.incidentsOf(ctx, flat)
	if err != nil {
		return err
	}
	var its []*item
	for sts := range perSubject(flat) {
		it, err := s.alertItem(ctx, sts, incidents)
		if err != nil {
			return err
		}
		its = append(its, it)
	}
	return yieldSorted(its, yield)
}

// firedAt is when an alert began, as its sender says, or when it was first seen.
func firedAt(st *stretch[evidence.AlertFacts]) time.Time {
	if at := st.facts.StartsAt; !at.IsZero() && at.Before(st.from) {
		return at.UTC()
	}
	return st.from
}

func (s *scene) alertItem(ctx context.Context, sts []stretch[evidence.AlertFacts], incidents *incidentsNamed) (*item, error) {
	last, inForce := newestOf(sts)
	f := &last.facts
	it := subjectItem(sts, evidence.AlertInstance, "alert "+cmp.Or(f.Name, f.Fingerprint))
	began := firedAt(&sts[0])
	it.at = began
	it.set("happened", began).set("name", f.Name).set("severity", f.Severity)
	delete(it.fields, "at_end")

	sure, end := s.cover.lastLook(last.source, evidence.AlertInstance, s.period.To), s.period.To
	switch {
	case inForce:
		it.set("ended", false)
	default:
		sure, end = last.lastLook, last.end(s.period)
		why, err := s.endReason(ctx, last.endSeq)
		if err != nil {
			return nil, err
		}
		if why == evidence.AlertGoneRestart {
			end = s.period.To
			it.lacks("ended", "the Alertmanager began anew while it fired, and did not list it again")
		} else {
			it.set("ended", true)
		}
	}
	sure = earlier(later(sure, last.from), end)
	lasted := max(sure.Sub(began), 0)
	it.set("lasted", lasted).set("possibly_lasted", max(end.Sub(began), lasted))
	it.why["lasted"] = fmt.Sprintf("it fired for %s at least, from %s", human(lasted.Truncate(time.Second)), evidence.FormatTime(began))
	it.why["possibly_lasted"] = it.why["lasted"]

	it.set("hidden", slices.ContainsFunc(sts, func(st stretch[evidence.AlertFacts]) bool { return st.facts.Status == "suppressed" }))
	blind := false
	if in, ok := (evidence.Period{From: began, To: end}).Intersect(s.period); ok {
		blind = slices.ContainsFunc(s.cover.blind(last.source, evidence.AlertInstance, in), in.Overlaps)
	}
	it.set("blind", blind)
	incidents.tell(it, sts, began)
	return it, nil
}

// endReason reads why a state ended.
func (s *scene) endReason(ctx context.Context, seq uint64) (string, error) {
	r, err := s.reader.Record(ctx, seq)
	if err != nil {
		return "", fmt.Errorf("end of a state: %w", err)
	}
	var f struct {
		Reason string `json:"reason"`
	}
	if r.Op != evidence.OpEnd { // another state followed
		return "", nil
	}
	return f.Reason, r.Decode(&f)
}

// incidentsNamed are the records that acts of incidents name, and when the
// incidents were declared.
type incidentsNamed struct {
	of       map[uint64]namedBy
	declared map[evidence.Ref]time.Time
}

type namedBy struct {
	incident evidence.Ref
	seq      uint64 // the act
}

// incidentsOf reads the acts from the first start of an alert to the end of the
// period. What was declared before that is not known by time, and was before.
func (s *scene) incidentsOf(ctx context.Context, alerts []stretch[evidence.AlertFacts]) (*incidentsNamed, error) {
	from := s.period.From
	for i := range alerts {
		from = earlier(from, firedAt(&alerts[i]))
	}
	x := &incidentsNamed{of: map[uint64]namedBy{}, declared: map[evidence.Ref]time.Time{}}
	q := evidence.Query{Kinds: []evidence.Kind{evidence.IncidentDeclared, evidence.IncidentUpdated}, Period: evidence.Period{From: from, To: s.period.To}}
	for r, err := range s.reader.Records(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("acts of incidents: %w", err)
		}
		if r.Kind == evidence.IncidentDeclared {
			if _, twice := x.declared[r.Subject]; !twice {
				x.declared[r.Subject] = r.Occurred
			}
			continue
		}
		var f evidence.IncidentUpdatedFacts
		if err := r.Decode(&f); err != nil {
			return nil, err
		}
		for _, seqs := range f.Records {
			for _, seq := range seqs {
				if by, named := x.of[seq]; !named || x.declared[r.Subject].Before(x.declared[by.incident]) {
					x.of[seq] = namedBy{r.Subject, r.Seq}
				}
			}
		}
	}
	return x, nil
}

func (x *incidentsNamed) tell(it *item, sts []stretch[evidence.AlertFacts], began time.Time) {
	found, after := false, time.Duration(0)
	for i := range sts {
		for _, seq := range []uint64{sts[i].seq, sts[i].endSeq} {
			by, ok := x.of[seq]
			if !ok {
				continue
			}
			d := max(x.declared[by.incident].Sub(began), 0)
			if !found || d < after {
				after = d
			}
			found = true
			it.also(by.seq)
		}
	}
	it.set("incident", found)
	if found {
		it.set("incident_after", after)
	} else {
		it.lacks("incident_after", "no act of an incident names it")
	}
}

var silencesView = &view{
	View: View{
		Name:  "silences",
		Doc:   "Silences in force at some time in the period, of those that may hide alerts of the tenant: one item for each.",
		Kinds: []evidence.Kind{evidence.AlertSilence},
		Fields: []Field{
			{Name: "matchers", Type: "string", Doc: "what it hides, as far as it was kept and may be told: name, operator and values of each condition"},
			{Name: "broad", Type: "bool", Doc: "no condition limits it to tenants: it may hide alerts of all"},
			{Name: "length", Type: "duration", Doc: "from its begin to its end: when it ended, else when it is to"},
			{Name: "comment_letters", Type: "int", Doc: "letters of its comment"},
			{Name: "author_named", Type: "bool", Doc: "it says who made it; anybody may write anything there"},
			{Name: "expires", Type: "timestamp", Doc: "when it ended, or is to"},
		},
	},
	build: buildSilences,
}

func buildSilences(ctx context.Context, s *scene, yield func(*item) error) error {
	flat, err := stretches[evidence.SilenceFacts](ctx, s, evidence.AlertSilence)
	if err != nil {
		return err
	}
	var its []*item
	for sts := range perSubject(flat) {
		if it := s.silenceItem(sts); it != nil {
			its = append(its, it)
		}
	}
	return yieldSorted(its, yield)
}

// silenceItem returns nil for a silence that hid nothing in the period.
func (s *scene) silenceItem(sts []stretch[evidence.SilenceFacts]) *item {
	last, inForce := newestOf(sts)
	f := &last.facts
	starts, ends := f.StartsAt.UTC(), f.EndsAt.UTC()
	if !inForce && last.until.Before(ends) {
		ends = last.until.UTC()
	}
	if !ends.After(starts) || !starts.Before(s.period.To) || !ends.After(s.period.From) {
		return nil
	}
	it := subjectItem(sts, evidence.AlertSilence, "silence "+f.ID)
	it.at = starts
	it.set("happened", starts).set("matchers", matchersOf(f.Matchers)).set("broad", f.Broad).set("length", ends.Sub(starts)).set("expires", ends)
	it.set("comment_letters", f.CommentLetters).set("author_named", f.Author >= 0)
	delete(it.fields, "at_end")
	it.why["length"] = fmt.Sprintf("it hides alerts for %s, until %s", human(ends.Sub(starts).Truncate(time.Second)), evidence.FormatTime(ends))
	it.why["comment_letters"] = "its comment has " + plural(f.CommentLetters, "letter")
	return it
}

func matchersOf(ms []evidence.AlertMatcher) string {
	var parts []string
	for _, m := range ms {
		v := strings.Join(m.Values, "|")
		if m.Left {
			v = "(not kept)"
		}
		parts = append(parts, m.Name+m.Op+v)
	}
	return strings.Join(parts, ", ")
}

var alertRulesView = &view{
	View: View{
		Name:  "alert_rules",
		Doc:   "Rules that make alerts, and those that these stand on: one item for each that was there in the period. A rule is blind while its evaluation fails or it is not evaluated.",
		Kinds: []evidence.Kind{evidence.AlertRule},
		Fields: []Field{
			atEnd,
			{Name: "name", Type: "string", Doc: "name of the alert, or of the series that it records"},
			{Name: "group", Type: "string", Doc: "group it is evaluated in"},
			{Name: "type", Type: "string", Doc: "alerting or recording; unknown where the server does not say"},
			{Name: "severity", Type: "string", Doc: "its label severity; empty without one"},
			{Name: "expressions", Type: "int", Doc: "different expressions that it had in the period"},
			{Name: "longest_blind", Type: "duration", Doc: "longest stretch in which it was seen blind, without a stretch in it that nobody saw"},
			{Name: "longest_possible_blind", Type: "duration", Doc: "as longest_blind, counting stretches that nobody saw in between"},
			{Name: "unwatched", Type: "bool", Doc: "for some of the time that it was there in the period nobody looked at it"},
		},
	},
	build: subjectItems(evidence.AlertRule, (*scene).alertRuleItem),
}

// blindWords say what the words of a rule mean.
var blindWords = map[string]string{
	evidence.RuleErr: "its evaluation failed", evidence.RuleStale: "it was evaluated no more", evidence.RuleNever: "the server had not evaluated it since it began",
}

func (s *scene) alertRuleItem(sts []stretch[evidence.AlertRuleFacts]) *item {
	last, _ := newestOf(sts)
	f := &last.facts
	it := subjectItem(sts, evidence.AlertRule, "rule "+f.Group+"/"+f.Name)
	expressions := map[string]bool{}
	for i := range sts {
		expressions[sts[i].facts.ExpressionSHA256] = true
	}
	it.set("name", f.Name).set("group", f.Group).set("type", f.Type).set("severity", f.Severity).set("expressions", len(expressions))
	out := longest(s, evidence.AlertRule, sts, func(f *evidence.AlertRuleFacts) tri {
		if f.Blind != "" {
			return yes
		}
		return no
	})
	it.set("longest_blind", out.sure).set("longest_possible_blind", out.possible).set("unwatched", out.blind)
	if out.sure > 0 {
		word := f.Blind
		for i := range sts {
			if len(out.seqs) > 0 && sts[i].seq == out.seqs[0] {
				word = sts[i].facts.Blind
			}
		}
		it.why["longest_blind"] = fmt.Sprintf("%s, for %s from %s", blindWords[word], human(out.sure.Truncate(time.Second)), evidence.FormatTime(out.from))
		it.front(out.seqs...)
	}
	return it
}
