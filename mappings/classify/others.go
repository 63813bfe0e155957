package classify

import (
	"evidenced/evidence/incident"
)

// bar is a criterion of a type of entity in 2024/2690: which questions, with
// which numbers. A negative number is no question.
type bar struct {
	article     string
	unavailable int64 // more than so many minutes completely unavailable
	week        int64 // in a calendar week
	limited     int64 // more than so many minutes limited or slow
	// share and number are the users that the limit, or a compromise, needs;
	// the smaller of the two is the bar, so more than either is more than it.
	share    float64
	users    int64
	anyUsers bool // limited for whomever
	harm     bool // compromised by suspectedly malicious action
	data     float64
	dataN    int64
	anyData  bool // compromised for whomever
	physical bool
}

// bars are the criteria of Articles 5 to 14, by the names of
// reporter.nis2_type. Platform is marketplaces, search engines and social
// networks.
var bars = map[string]bar{
	"cloud":       {article: "2024/2690 Art 7", unavailable: 30, week: -1, limited: 60, share: 5, users: 1_000_000, harm: true, data: 5, dataN: 1_000_000},
	"cdn":         {article: "2024/2690 Art 9", unavailable: 30, week: -1, limited: 60, share: 5, users: 1_000_000, harm: true, data: 5, dataN: 1_000_000},
	"managed":     {article: "2024/2690 Art 10", unavailable: 30, week: -1, limited: 60, share: 5, users: 1_000_000, harm: true, data: 5, dataN: 1_000_000},
	"data-centre": {article: "2024/2690 Art 8", unavailable: 0, week: -1, limited: 60, anyUsers: true, harm: true, data: -1, dataN: -1, physical: true},
	"dns":         {article: "2024/2690 Art 5", unavailable: 30, week: -1, limited: 60, anyUsers: true, data: -1, dataN: -1, anyData: true},
	"tld":         {article: "2024/2690 Art 6", unavailable: 0, week: -1, limited: 60, anyUsers: true, data: -1, dataN: -1, anyData: true},
	"platform":    {article: "2024/2690 Art 11, 12, 13", unavailable: -1, week: -1, limited: 0, share: 5, users: 1_000_000, harm: true, data: 5, dataN: 1_000_000},
	"trust":       {article: "2024/2690 Art 14", unavailable: 20, week: 60, limited: 0, share: 1, users: 200_000, data: 0.1, dataN: 100, physical: true},
}

// nis2 decides by Article 3 of 2024/2690 for the types of entity it names, by
// Article 23(3) of NIS-2 for the others.
func nis2(f *incident.Fields, others []*incident.Fields) Result {
	r := Result{}
	planned := r.add("2024/2690 Art 3(2)", "a scheduled interruption or a planned consequence of maintenance", flag(f.Harm.Planned, "harm.planned", "scheduled or planned"))
	if planned.answer == Yes {
		r.Outcome = NotSignificant
		return r
	}
	severe := flag(f.Harm.Disruption, "harm.severe_disruption", "severe operational disruption or financial loss, caused or possible")
	var ps []part
	b, typed := bars[f.Reporter.NIS2Type]
	switch {
	case f.Reporter.NIS2Type == "":
		p := r.add("2024/2690 Art 1", "which type of entity it is", unknown("reporter.nis2_type"))
		r.undecided(p)
		return r
	case !typed:
		ps = append(ps,
			r.add("NIS-2 Art 23(3)(a)", "severe operational disruption or financial loss to the entity", severe),
			r.add("NIS-2 Art 23(3)(b)", "considerable damage to others", flag(f.Harm.Others, "harm.others", "considerable material or non-material damage to others")))
	default:
		ps = append(ps,
			r.add("2024/2690 Art 3(1)(a)", "direct financial loss of more than EUR 500000 or 5 % of turnover, the lower", loss(f)),
			r.add("2024/2690 Art 3(1)(b)", "trade secrets were taken", flag(f.Data.TradeSecrets, "data.trade_secrets", "trade secrets")),
			r.add("2024/2690 Art 3(1)(c)", "a death", flag(f.Harm.Death, "harm.death", "a death, caused or possible")),
			r.add("2024/2690 Art 3(1)(d)", "considerable damage to health", flag(f.Harm.Health, "harm.health", "considerable damage to health")),
			r.add("2024/2690 Art 3(1)(e)", "malicious access able to cause severe disruption", all(
				flag(f.Business.Intrusion, "business.malicious_access", "a successful, suspectedly malicious and unauthorised access"), severe)),
			r.add("2024/2690 Art 3(1)(f), 4", "recurring, and together above the financial bar", again(f, others)))
		ps = append(ps, r.add(b.article, "the type's own criteria", b.ask(f)))
	}
	whole := either(ps...)
	switch {
	case whole.answer == Yes && planned.answer == No:
		r.Outcome = Significant
	case whole.answer == No:
		r.Outcome = NotSignificant
	default:
		r.undecided(append(ps, planned)...)
		if whole.answer == Yes {
			r.Missing = nil
			r.undecided(planned)
		}
	}
	return r
}

// loss compares with the lower of two bars. Without the turnover only the
// fixed one can be exceeded for sure.
func loss(f *incident.Fields) part {
	m := &f.Money
	fixed := above(m.Loss, 500_000, "money.direct_loss", " EUR")
	if fixed.answer != No {
		return fixed
	}
	if m.Turnover == nil {
		if *m.Loss == 0 {
			return no("no direct loss")
		}
		return unknown("money.turnover")
	}
	if share := *m.Turnover / 20; *m.Loss > share {
		return yes("money.direct_loss %d EUR is more than 5 %% of money.turnover (%d EUR)", *m.Loss, share)
	}
	return no("money.direct_loss %d EUR is neither more than 500000 EUR nor than 5 %% of the turnover", *m.Loss)
}

func again(f *incident.Fields, others []*incident.Fields) part {
	if len(others) == 0 {
		return no("no other incident was named")
	}
	together := combine(f, others)
	return all(recurs(f, others), loss(&together))
}

// ask answers the criteria of a type of entity.
func (b bar) ask(f *incident.Fields) part {
	d := &f.Duration
	var ps []part
	if b.unavailable >= 0 {
		ps = append(ps, above(d.Unavailable, b.unavailable, "duration.unavailable_minutes", " min"))
	}
	if b.week >= 0 {
		ps = append(ps, above(d.WeekMinutes, b.week, "duration.unavailable_week_minutes", " min"))
	}
	limited := above(d.Limited, b.limited, "duration.limited_minutes", " min")
	if !b.anyUsers {
		limited = all(limited, figure(d.LimitedUsers, "duration.limited_users", b.share, b.users))
	}
	ps = append(ps, limited)
	compromised := compromised(f)
	if b.harm {
		ps = append(ps, all(compromised, flag(f.Data.Malicious, "data.malicious", "by suspectedly malicious action")))
	}
	if b.data >= 0 {
		ps = append(ps, all(compromised, figure(f.Data.Users, "data.users", b.data, b.dataN)))
	}
	if b.anyData {
		p := compromised
		if b.article == bars["dns"].article && f.Data.Misconfigured != nil && *f.Data.Misconfigured {
			p = no("fewer than 1000 domains and at most 1 %%, by misconfiguration")
		}
		ps = append(ps, p)
	}
	if b.physical {
		ps = append(ps, flag(f.Harm.Physical, "harm.physical_access", "physical access or protection compromised"))
	}
	return either(ps...)
}

// compromised asks for integrity, confidentiality or authenticity of data.
func compromised(f *incident.Fields) part {
	if f.Data.NotAffected && len(f.Data.Affected) == 0 {
		return no("no property of data was lost")
	}
	if len(f.Data.Affected) == 0 {
		return unknown("data.affected")
	}
	for _, a := range f.Data.Affected {
		if a != "availability" {
			return yes("%s of data is compromised", a)
		}
	}
	return no("availability of data alone")
}

// gdpr shows what a person weighs: whether a risk to people is likely is
// nobody's arithmetic.
func gdpr(f *incident.Fields) Result {
	r := Result{Outcome: Undecided}
	personal := r.add("GDPR Art 4(12)", "personal data are affected", flag(f.Data.Personal, "data.personal", "personal data"))
	if personal.answer == No {
		r.Outcome = NoBreach
		return r
	}
	r.add("GDPR Art 34(3)(a)", "the data are unintelligible to whoever got them", flag(f.Data.Encrypted, "data.encrypted", "encrypted"))
	r.add("GDPR Art 9", "special categories of data", flag(f.Data.Special, "data.special_categories", "special categories"))
	people := unknown("data.people.number")
	if n := f.Data.People.Number; n != nil {
		people = no("nobody")
		if *n > 0 {
			people = yes("%d people", *n)
		}
	}
	r.add("GDPR Art 33(3)(a)", "people concerned", people)
	consequences := unknown("data.consequences")
	if f.Data.Consequences != "" {
		consequences = yes("described")
	}
	r.add("GDPR Art 33(3)(c)", "likely consequences are described", consequences)
	r.Missing = []string{"a person's decision: is a risk to people unlikely, likely or high?"}
	return r
}

// cra decides by Article 14(1) and (5) of the Cyber Resilience Act.
func cra(f *incident.Fields) Result {
	r := Result{}
	p := &f.Product
	if f.Identity.Kind == "vulnerability" {
		e := r.add("CRA Art 14(1)", "the vulnerability is actively exploited", flag(p.Exploited, "product.exploited", "actively exploited"))
		switch e.answer {
		case Yes:
			r.Outcome = Exploited
		case No:
			r.Outcome = NotSevere
		default:
			r.undecided(e)
		}
		return r
	}
	a := r.add("CRA Art 14(5)(a)", "the product's ability to protect data or functions is or can be harmed", flag(p.Protection, "product.protection", "its protection of sensitive or important data or functions"))
	b := r.add("CRA Art 14(5)(b)", "malicious code in the product or in a user's systems, led to or possible", flag(p.Code, "product.malicious_code", "malicious code"))
	switch whole := either(a, b); whole.answer {
	case Yes:
		r.Outcome = Severe
	case No:
		r.Outcome = NotSevere
	default:
		r.undecided(a, b)
	}
	return r
}
