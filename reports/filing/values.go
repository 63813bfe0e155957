package filing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
	"evidenced/mappings/classify"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
)

func unknownStage(s deadline.Stage) error {
	var known []string
	for _, k := range deadline.Stages {
		if items, _ := notice.Items(k); len(items) > 0 {
			known = append(known, string(k))
		}
	}
	return problem.New(problem.Usage, "there is nothing to export for stage %.40q", string(s)).WithHint("stages: %s", strings.Join(known, ", "))
}

// values reads the fields of a notification from the record of an incident.
// Nothing stands for "not known": a value is never made up.
type values struct {
	inc   *incident.Incident
	stage deadline.Stage
	o     Options
}

// submissions are the values of 1.1.
var submissions = map[deadline.Stage]string{
	deadline.DORAInitial: "initial_notification", deadline.DORAIntermediate: "intermediate_report", deadline.DORAUpdate: "intermediate_report",
	deadline.DORAFinal: "final_report", deadline.DORAReclassified: "major_incident_reclassified_as_non-major",
}

// dora returns the value of a field of Annex I of 2025/302.
func (v *values) dora(number string) any {
	f := &v.inc.Fields
	rep, b := &f.Reporter, &f.Business
	switch number {
	case "1.1":
		return text(submissions[v.stage])
	case "1.2":
		return text(rep.Name)
	case "1.3":
		return text(cmp.Or(rep.LEI, rep.Code))
	case "1.4":
		return list(v.entityTypes())
	case "1.5":
		return joined(rep.Affected, func(e incident.Entity) string { return e.Name })
	case "1.6":
		return joined(rep.Affected, func(e incident.Entity) string { return e.LEI })
	case "1.7", "1.8", "1.9", "1.10", "1.11", "1.12":
		return v.contact(number)
	case "1.13":
		return text(rep.Parent.Name)
	case "1.14":
		return text(rep.Parent.LEI)
	case "1.15":
		return text(rep.Currency)
	case "2.1":
		return text(f.Identity.Reference)
	case "2.2":
		m, _ := v.inc.AwareSince("dora")
		return instant(m.At)
	case "2.3":
		d, _ := v.inc.Reported()
		return instant(d.At)
	case "2.4":
		return text(f.Narrative.Description)
	case "2.5":
		if _, ok := v.inc.Reported(); !ok {
			return nil
		}
		return list(v.criteria())
	case "2.6":
		return v.when("geographical_spread", list(v.states()))
	case "2.7":
		return text(f.Nature.Discovery)
	case "2.8":
		return v.origin()
	case "2.9":
		return yes(f.Response.Continuity)
	case "2.10":
		return text(f.Narrative.Other)
	case "3.1":
		return text(v.authorityCode())
	case "3.2":
		return instant(f.Times.Occurred)
	case "3.3":
		if f.Times.Recovered.IsZero() {
			return instant(f.Times.Restored)
		}
		return instant(f.Times.Recovered)
	case "3.4":
		return number64(b.Clients.Number)
	case "3.5":
		return percent(b.Clients.Share)
	case "3.6":
		return number64(b.Counterparts.Number)
	case "3.7":
		return percent(b.Counterparts.Share)
	case "3.8":
		return yes(b.Relevant)
	case "3.9":
		return number64(b.Transactions.Number)
	case "3.10":
		return percent(b.Transactions.Share)
	case "3.11":
		return number64(b.Value)
	case "3.12":
		return list(v.figures())
	case "3.13":
		return v.when("reputational_impact", list(b.Reputation))
	case "3.14":
		return v.when("reputational_impact", text(b.ReputationText))
	case "3.15":
		return lasting(f.Duration.Minutes)
	case "3.16":
		if n := f.Duration.Downtime; n != nil && *n == 0 {
			return nil // there was none: the field, and with it 3.3, is not asked for
		}
		return lasting(f.Duration.Downtime)
	case "3.17":
		return text(figuresWords[f.Duration.Estimate])
	case "3.18":
		return v.when("geographical_spread", list(f.Place.Impacts))
	case "3.19":
		return v.when("geographical_spread", text(f.Place.Text))
	case "3.20":
		return v.when("data_losses", list(f.Data.Affected))
	case "3.21":
		return v.when("data_losses", text(f.Data.Text))
	case "3.22":
		return text(b.Services)
	case "3.23":
		return list(f.Nature.Types)
	case "3.24":
		return text(f.Nature.OtherType)
	case "3.25":
		return list(f.Nature.Techniques)
	case "3.26":
		return text(f.Nature.OtherTechnique)
	case "3.27":
		return text(b.Areas)
	case "3.28":
		return text(threeWay[f.Systems.Infrastructure])
	case "3.29":
		return text(f.Systems.Text)
	case "3.30":
		return text(threeWay[b.Interest])
	case "3.31":
		return list(f.Response.Told)
	case "3.32":
		return text(f.Response.ToldOther)
	case "3.33":
		return yes(f.Response.Temporary)
	case "3.34":
		return text(f.Response.TemporaryText)
	case "3.35":
		return text(f.Nature.Indicators)
	case "4.1":
		return list(f.Causes.High)
	case "4.2":
		return list(f.Causes.Detailed)
	case "4.3":
		return list(f.Causes.Additional)
	case "4.4":
		return text(f.Causes.Other)
	case "4.5":
		return text(f.Narrative.Cause)
	case "4.6":
		if f.Narrative.Resolution == "" {
			return nil
		}
		return text(paragraphs(f.Narrative.Resolution, f.Narrative.Lessons))
	case "4.7":
		return instant(f.Times.Addressed)
	case "4.8":
		return instant(f.Times.Resolved)
	case "4.9":
		return text(f.Narrative.Difference)
	case "4.10":
		return text(f.Resolving.Functions)
	case "4.11":
		return text(f.Resolving.Resolvability)
	case "4.12":
		// Mandatory in the final report, also where the bar is not reached: then
		// it says so. The published form has a place for it below the criterion alone.
		return text(f.Money.Text)
	case "4.13":
		return number64(f.Money.Costs)
	case "4.14":
		return number64(f.Money.Recoveries)
	case "4.15":
		return text(f.Causes.Recurring)
	case "4.16":
		return instant(f.Times.FirstOfMany)
	}
	return nil
}

// figuresWords are the values of 3.17, threeWay those of 3.28 and 3.30.
var (
	figuresWords = map[string]string{"actual": "actual_figures", "estimate": "estimates", "both": "actual_figures_and_estimates", "none": "no_information_available"}
	threeWay     = map[string]string{"yes": "yes", "no": "no", "unknown": "information_not_available"}
)

// when leaves a value out that belongs to a criterion which is not met.
func (v *values) when(criterion string, value any) any {
	if notice.Criteria(v.inc)[criterion] != classify.Yes {
		return nil
	}
	return value
}

// criteria are those that are met, in the order of list B.
func (v *values) criteria() []string {
	met := notice.Criteria(v.inc)
	var out []string
	for _, c := range incident.ListB {
		if met[c] == classify.Yes {
			out = append(out, c)
		}
	}
	return out
}

// entityTypes are those of the entity and of all it reports for, once each.
func (v *values) entityTypes() []string {
	all := slices.Clone(v.inc.Fields.Reporter.Types)
	for _, e := range v.inc.Fields.Reporter.Affected {
		all = append(all, e.Types...)
	}
	var out []string
	for _, t := range all {
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

func (v *values) states() []string {
	var out []string
	for _, s := range v.inc.Fields.Place.States {
		if s != v.inc.Fields.Reporter.State || v.o.HomeState {
			out = append(out, s)
		}
	}
	return out
}

// origin is 2.8: name, code, kind of code and what else is known, as
// supervisors ask for it.
func (v *values) origin() any {
	n := &v.inc.Fields.Nature
	if n.Origin.Name == "" {
		return nil
	}
	code, kind := n.Origin.LEI, "LEI"
	if code == "" {
		code, kind = n.Origin.Code, n.Origin.CodeType
	}
	return strings.TrimRight(strings.Join([]string{n.Origin.Name, code, kind, n.OriginNote}, ";"), ";")
}

func (v *values) authorityCode() string {
	if c := v.inc.Fields.Identity.Authority; c != "" {
		return c
	}
	for _, s := range v.inc.Sent(string(deadline.DORAInitial)) {
		for _, r := range s.Receipts {
			if r.Reference != "" {
				return r.Reference
			}
		}
	}
	return ""
}

// figures is 3.12: of what the numbers are actual, estimated, or nothing.
func (v *values) figures() []string {
	b := &v.inc.Fields.Business
	var out []string
	for _, x := range []struct {
		fig            incident.Figure
		affected, none string
	}{
		{b.Clients, "clients_affected", "clients"}, {b.Counterparts, "financial_counterparts_affected", "financial_counterparts"},
		{b.Transactions, "transactions_affected", "transactions"},
	} {
		switch {
		case x.fig.Number == nil:
		case *x.fig.Number == 0 && !x.fig.Estimate:
			out = append(out, "no_impact_on_"+x.none)
		case x.fig.Estimate:
			out = append(out, "estimates_for_"+x.affected)
		default:
			out = append(out, "actual_figures_for_"+x.affected)
		}
	}
	return out
}

func (v *values) contact(number string) any {
	if len(number) == 4 {
		return v.contactPart("secondary", number, "1.10", "1.11")
	}
	return v.contactPart("primary", number, "1.7", "1.8")
}

// plain reads an item of another law from its fields: the first that is set, or
// all of them where an item may be answered by several.
func (v *values) plain(it *notice.Item) any {
	if it.Acts != nil {
		for _, place := range []string{"dpo", "primary"} {
			if c, ok := v.o.Contacts[place]; ok && it.Answered(v.inc) {
				return strings.Join(slices.DeleteFunc([]string{c.Name, c.Mail, c.Phone}, func(s string) bool { return s == "" }), ", ")
			}
		}
		return nil
	}
	var found []any
	var parts []string
	for _, path := range it.Fields {
		x := v.inc.Fields.Value(path)
		if x == nil {
			continue
		}
		value := plainValue(x)
		words := Words(value)
		switch x.(type) { // one that says nothing bare, among others
		case *int64, *float64, *bool, time.Time:
			words = strings.ReplaceAll(path[strings.LastIndex(path, ".")+1:], "_", " ") + ": " + words
		}
		found, parts = append(found, value), append(parts, words)
	}
	switch len(found) {
	case 0:
		return nil
	case 1:
		return found[0]
	}
	return strings.Join(parts, "\n")
}

// plainValue turns what a record holds into what a filing holds.
func plainValue(x any) any {
	switch x := x.(type) {
	case time.Time:
		return instant(x)
	case *bool:
		return yes(x)
	case *int64:
		return number64(x)
	case *float64:
		return percent(x)
	case []evidence.Ref:
		var out []string
		for _, r := range x {
			out = append(out, r.String())
		}
		return list(out)
	}
	return x
}

// The kinds of values. Each gives nil for what is not known.

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func list(l []string) any {
	if len(l) == 0 {
		return nil
	}
	return slices.Clone(l)
}

// instant is ISO 8601 in UTC, to the second.
func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

func yes(b *bool) any {
	if b == nil {
		return nil
	}
	return *b
}

func number64(n *int64) any {
	if n == nil {
		return nil
	}
	return *n
}

// percent has one decimal, rounded half up (2025/302, Annex II).
func percent(p *float64) any {
	if p == nil {
		return nil
	}
	return float64(int64(*p*10+0.5+1e-9)) / 10
}

// lasting is DDD:HH:MM without leading zeros of the days beyond two.
func lasting(minutes *int64) any {
	if minutes == nil {
		return nil
	}
	m := *minutes
	return fmt.Sprintf("%02d:%02d:%02d", m/1440, m%1440/60, m%60)
}

func joined(es []incident.Entity, part func(incident.Entity) string) any {
	var parts []string
	some := false
	for _, e := range es {
		s := part(e)
		some = some || s != ""
		parts = append(parts, s)
	}
	if !some {
		return nil
	}
	return strings.Join(parts, ";")
}

func paragraphs(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "\n\n")
}

// Words writes a value for people and for tables: lists with commas, yes and
// no, nothing for what is open.
func Words(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case []string:
		return strings.Join(v, ", ")
	case []any: // a list that was read from JSON
		words := make([]string, len(v))
		for i, x := range v {
			words[i] = Words(x)
		}
		return strings.Join(words, ", ")
	case bool:
		if v {
			return "yes"
		}
		return "no"
	}
	return fmt.Sprint(v)
}
