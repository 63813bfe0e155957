package classify

import (
	"fmt"
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/incident"
)

// The rules whose answers say which criteria of list B of 2025/302 are met.
const (
	ruleCritical   = "2024/1772 Art 6"
	ruleClients    = "2024/1772 Art 9(1)"
	ruleReputation = "2024/1772 Art 9(2)"
	ruleDuration   = "2024/1772 Art 9(3)"
	ruleSpread     = "2024/1772 Art 9(4)"
	ruleLosses     = "2024/1772 Art 9(5)(a)"
	ruleAccess     = "2024/1772 Art 9(5)(b)"
	ruleEconomic   = "2024/1772 Art 9(6)"
)

// dora decides by Articles 6, 8 and 9 of 2024/1772.
func dora(f *incident.Fields, others []*incident.Fields) Result {
	r := Result{}
	if len(others) == 0 {
		r.major(f)
		return r
	}
	if f.Reporter.Micro {
		r.add("2024/1772 Art 8(2)", "recurring incidents are looked at together", no("not for microenterprises"))
		r.major(f)
		return r
	}
	again := r.add("2024/1772 Art 8(2)", "at least twice within 6 months with the same apparent root cause", recurs(f, others))
	switch again.answer {
	case Yes:
		together := combine(f, others)
		r.major(&together, append([]*incident.Fields{f}, others...)...)
	case No:
		r.major(f)
	default:
		r.major(f)
		if r.Outcome == NotMajor { // alone; together it may be
			r.undecided(again)
		}
	}
	return r
}

// major runs the steps on one incident, or on several taken as one: what each of
// these meets by itself they meet together, also where a sum is not known.
func (r *Result) major(f *incident.Fields, each ...*incident.Fields) {
	look := func(ask func(*incident.Fields) part) part {
		for _, one := range each {
			if p := ask(one); p.answer == Yes {
				return p
			}
		}
		return ask(f)
	}
	critical := r.add(ruleCritical, "critical services are or were affected", look(criticalServices))
	if critical.answer == No {
		r.Outcome = NotMajor
		return
	}
	losses := r.add(ruleLosses, "data losses with adverse effect on business objectives or regulatory duties", look(dataLosses))
	access := r.add(ruleAccess, "a successful, malicious and unauthorised access, not covered by (a), that may result in data losses", look(accessLoss))
	criteria := []part{
		r.add(ruleClients, "clients, financial counterparts or transactions", look(clients)),
		r.add(ruleReputation, "reputational impact", look(reputation)),
		r.add(ruleDuration, "duration or service downtime", look(duration)),
		r.add(ruleSpread, "geographical spread", look(spread)),
		losses,
		r.add(ruleEconomic, "economic impact", look(economic)),
	}
	met, open := 0, 0
	for _, c := range criteria {
		switch c.answer {
		case Yes:
			met++
		case Unknown:
			open++
		}
	}
	count := part{answer: No, why: fmt.Sprintf("%d of 6 are met, %d not known", met, open)}
	switch {
	case met >= 2:
		count.answer = Yes
	case met+open >= 2:
		count.answer = Unknown
	}
	whole := part{answer: No, why: "access: " + string(access.answer) + "; criteria: " + count.why}
	switch {
	case access.answer == Yes || count.answer == Yes:
		whole.answer = Yes
	case access.answer == Unknown || count.answer == Unknown:
		whole.answer = Unknown
	}
	r.add("2024/1772 Art 8(1)", "one access of 9(5)(b), or two criteria", whole)
	switch {
	case whole.answer == No:
		r.Outcome = NotMajor
	case whole.answer == Yes && critical.answer == Yes:
		r.Outcome = Major
	case whole.answer == Yes:
		r.undecided(critical)
	default:
		open := []part{critical, access}
		if count.answer == Unknown {
			open = append(open, criteria...)
		}
		r.undecided(open...)
	}
}

func criticalServices(f *incident.Fields) part {
	b := &f.Business
	return either(
		flag(b.Critical, "business.critical_services", "systems supporting critical or important functions"),
		flag(b.Authorised, "business.authorised_services", "financial services that are authorised or supervised"),
		flag(b.Intrusion, "business.malicious_access", "a successful, malicious and unauthorised access"))
}

func dataLosses(f *incident.Fields) part {
	switch {
	case f.Data.NotAffected && len(f.Data.Affected) == 0:
		return no("no property of data was lost")
	case len(f.Data.Affected) == 0:
		return unknown("data.affected")
	}
	p := flag(f.Data.Adverse, "data.adverse", "adverse effect of the loss of "+strings.Join(f.Data.Affected, ", "))
	return p
}

// accessLoss is the threshold that is enough alone.
func accessLoss(f *incident.Fields) part {
	if dataLosses(f).answer == Yes {
		return no("covered by (a), which counts as a criterion")
	}
	return all(flag(f.Business.Intrusion, "business.malicious_access", "such an access"), flag(f.Data.MayLose, "data.may_lose", "it may result in data losses"))
}

func clients(f *incident.Fields) part {
	b := &f.Business
	transactions := figure(b.Transactions, "business.transactions", 10, -1)
	value := above(b.ValueShare, 10, "business.transactions_value_share", " %")
	if n := b.Transactions.Number; n != nil && *n == 0 {
		value = no("no transaction is affected")
	}
	return either(
		figure(b.Clients, "business.clients", 10, 100_000),
		figure(b.Counterparts, "business.counterparts", 30, -1),
		transactions, value,
		flag(b.Relevant, "business.relevant_clients", "a client or counterpart judged relevant"))
}

func reputation(f *incident.Fields) part {
	switch {
	case len(f.Business.Reputation) > 0:
		return yes("%d of 4 kinds", len(f.Business.Reputation))
	case f.Business.NoReputation:
		return no("somebody looked: none of the four kinds")
	}
	return unknown("business.reputation")
}

func duration(f *incident.Fields) part {
	d := &f.Duration
	down := all(above(d.Downtime, 120, "duration.downtime_minutes", " min"), flag(d.DownCritical, "duration.downtime_critical", "of services supporting critical or important functions"))
	return either(above(d.Minutes, 24*60, "duration.minutes", " min"), down)
}

// spread is the one threshold that is not strict: two or more states.
func spread(f *incident.Fields) part {
	states := f.Place.States
	switch {
	case len(states) == 0:
		return unknown("place.states")
	case len(unique(states)) < 2:
		return no("one state: %s", states[0])
	case len(unique(states)) == 2 && slices.Contains(states, f.Reporter.State):
		return yes("%s; that the home state counts is the cautious reading, the rule does not say", strings.Join(unique(states), ", "))
	}
	return yes("%s", strings.Join(unique(states), ", "))
}

func unique(ss []string) []string {
	out := slices.Clone(ss)
	slices.Sort(out)
	return slices.Compact(out)
}

func economic(f *incident.Fields) part {
	m := &f.Money
	likely := flag(m.Likely, "money.likely_above_100000", "costs and losses likely exceed EUR 100000")
	if c := f.Reporter.Currency; c != "" && c != "EUR" {
		return likely // a number in another currency is not compared
	}
	costs := above(m.Costs, 100_000, "money.costs", " EUR")
	if costs.answer == No {
		// Costs so far say nothing of those to come.
		return either(costs, likely)
	}
	if likely.answer == No && costs.answer == Unknown {
		return likely
	}
	return either(costs, likely)
}

// combine takes recurring incidents as one: what happened in any happened,
// lengths and amounts add up, states unite. Shares do not add, because the
// same clients may be hit twice: the largest is taken. Of downtimes those of
// critical services add up, because the bar is about them.
func combine(f *incident.Fields, others []*incident.Fields) incident.Fields {
	out := *f
	out.Duration.Downtime = criticalDowntime(&f.Duration)
	for _, o := range others {
		out.Duration.Downtime = sum(out.Duration.Downtime, criticalDowntime(&o.Duration))
		b, c := &out.Business, o.Business
		for _, x := range []struct{ to, from **bool }{
			{&b.Critical, &c.Critical}, {&b.Authorised, &c.Authorised}, {&b.Intrusion, &c.Intrusion}, {&b.Relevant, &c.Relevant},
			{&out.Data.Adverse, &o.Data.Adverse}, {&out.Data.MayLose, &o.Data.MayLose}, {&out.Duration.DownCritical, &o.Duration.DownCritical}, {&out.Money.Likely, &o.Money.Likely},
		} {
			*x.to = or(*x.to, *x.from)
		}
		for _, x := range []struct{ to, from **int64 }{
			{&b.Clients.Number, &c.Clients.Number}, {&b.Counterparts.Number, &c.Counterparts.Number}, {&b.Transactions.Number, &c.Transactions.Number},
			{&out.Duration.Minutes, &o.Duration.Minutes}, {&out.Money.Costs, &o.Money.Costs}, {&out.Money.Loss, &o.Money.Loss},
		} {
			*x.to = sum(*x.to, *x.from)
		}
		for _, x := range []struct{ to, from **float64 }{
			{&b.Clients.Share, &c.Clients.Share}, {&b.Counterparts.Share, &c.Counterparts.Share}, {&b.Transactions.Share, &c.Transactions.Share}, {&b.ValueShare, &c.ValueShare},
		} {
			*x.to = largest(*x.to, *x.from)
		}
		b.Reputation = unique(slices.Concat(b.Reputation, c.Reputation))
		b.NoReputation = b.NoReputation && c.NoReputation
		out.Place.States = unique(slices.Concat(out.Place.States, o.Place.States))
		out.Data.Affected = unique(slices.Concat(out.Data.Affected, o.Data.Affected))
		out.Data.NotAffected = out.Data.NotAffected && o.Data.NotAffected
	}
	return out
}

// criticalDowntime is how long critical services were down: not known when
// nobody said whether the services that were down are critical.
func criticalDowntime(d *incident.Duration) *int64 {
	switch {
	case d.Downtime == nil || *d.Downtime == 0:
		return d.Downtime
	case d.DownCritical == nil:
		return nil
	case !*d.DownCritical:
		return new(int64)
	}
	return d.Downtime
}

// or is unknown when neither is yes and one is unknown.
func or(a, b *bool) *bool {
	switch {
	case a != nil && *a:
		return a
	case b != nil && *b:
		return b
	case a == nil || b == nil:
		return nil
	}
	return a
}

// sum is unknown when one is: a sum of what is known would be too small.
func sum(a, b *int64) *int64 {
	if a == nil || b == nil {
		return nil
	}
	n := *a + *b
	return &n
}

func largest(a, b *float64) *float64 {
	if a == nil || b == nil {
		return nil
	}
	n := max(*a, *b)
	return &n
}

// Criteria answers each criterion of list B of 2025/302 for one incident.
func Criteria(f *incident.Fields) map[string]Answer {
	return map[string]Answer{
		incident.CriterionClients:    clients(f).answer,
		incident.CriterionReputation: reputation(f).answer,
		incident.CriterionDuration:   duration(f).answer,
		incident.CriterionSpread:     spread(f).answer,
		incident.CriterionLosses:     or3(dataLosses(f).answer, accessLoss(f).answer),
		incident.CriterionCritical:   criticalServices(f).answer,
		incident.CriterionEconomic:   economic(f).answer,
	}
}

// found says which criterion of list B an answer is of.
var found = map[string]string{
	ruleCritical: incident.CriterionCritical, ruleClients: incident.CriterionClients,
	ruleReputation: incident.CriterionReputation, ruleDuration: incident.CriterionDuration, ruleSpread: incident.CriterionSpread,
	ruleLosses: incident.CriterionLosses, ruleAccess: incident.CriterionLosses, ruleEconomic: incident.CriterionEconomic,
}

// Found answers each criterion of list B as the working of an earlier look did:
// of that incident, or of several that were looked at together. What the look
// did not ask is unknown.
func Found(steps []evidence.IncidentStep) map[string]Answer {
	out := map[string]Answer{}
	for _, name := range incident.ListB {
		out[name] = Unknown
	}
	for _, s := range steps {
		name, ok := found[s.Rule]
		switch {
		case !ok:
		case s.Rule == ruleAccess:
			out[name] = or3(out[name], Answer(s.Answer))
		default:
			out[name] = Answer(s.Answer)
		}
	}
	return out
}

func or3(a, b Answer) Answer {
	switch {
	case a == Yes || b == Yes:
		return Yes
	case a == Unknown || b == Unknown:
		return Unknown
	}
	return No
}
