package deadline

import (
	"slices"
	"time"
)

// Exception says that the noon rule is not for an entity, and why.
type Exception struct {
	Applies bool
	Rule    Rule
}

// exempt are the types of entity that Article 5(5) of 2025/301 names.
var exempt = []string{"credit_institution", "central_counterparty", "trading_venue"}

// NoNoon decides whether Article 5(5) or 5(6) of 2025/301 keeps an entity from
// the noon rule. Types are those of list A of 2025/302, nis2 is essential,
// important or "", notified is when the authority told the entity that 5(6)
// applies and reported when the incident is reported: the decision is for
// incidents after it. An entity of which no type is known may be one of those
// named, so the earlier limit is taken.
func NoNoon(types []string, nis2 string, notified, reported time.Time) Exception {
	for _, t := range types {
		if slices.Contains(exempt, t) {
			return Exception{true, Rule{Article: "2025/301 Art 5(5)", Says: "no extension to noon for a " + t}}
		}
	}
	if len(types) == 0 {
		return Exception{true, Rule{Article: "2025/301 Art 5(5)", Says: "no extension to noon while the type of entity is not known (reporter.types)"}}
	}
	if nis2 == "essential" || nis2 == "important" {
		return Exception{true, Rule{Article: "2025/301 Art 5(5)", Says: "no extension to noon for an " + nis2 + " entity of NIS-2 Art 3"}}
	}
	if !notified.IsZero() && reported.After(notified) {
		return Exception{true, Rule{Article: "2025/301 Art 5(6)", Says: "no extension to noon, by the authority's decision of " + notified.UTC().Format(time.DateOnly)}}
	}
	return Exception{}
}

// early applies the noon rule to the initial notification and the intermediate
// report.
func (b *builder) early(d Due) Due {
	if b.c.NoNoon.Applies {
		d.Rules = append(d.Rules, b.c.NoNoon.Rule)
		return d
	}
	return b.c.Authority.noon(d)
}

// threat is the one stage of a threat that has not become an incident. No limit
// runs (DORA Art 19(2)); what is sent needs its receipt all the same.
func (b *builder) threat() {
	b.owed(DORAThreat, b.aware(DORA))
	if k := &b.out[len(b.out)-1]; k.Sent.IsZero() {
		k.State = Voluntary
	}
}

func (b *builder) dora() {
	if b.c.Threat && b.c.Classified.IsZero() {
		b.threat()
		return
	}
	if !b.c.Reclassified.IsZero() {
		const why = "reclassified: it never met the criteria"
		for _, s := range []Stage{DORAInitial, DORAIntermediate, DORAFinal} {
			b.void(s, why)
		}
		b.owed(DORAReclassified, start{at: b.c.Reclassified, what: "decision that it is not major"})
		return
	}
	b.initial()
	if !b.c.NotMajor.IsZero() && b.c.Classified.IsZero() {
		// The reports are those of major incidents: what is not one waits for none.
		b.void(DORAIntermediate, "classified as not major")
		b.void(DORAFinal, "classified as not major")
		b.afterwards()
		return
	}
	sent, ok := b.first(DORAInitial)
	s := start{what: "submission of the initial notification"}
	if ok {
		s.at = sent.Sent
	}
	var notes []string
	if _, told := b.first(DORAIntermediate); !told && !b.c.Recovered.IsZero() {
		notes = append(notes, "regular activities are recovered since "+b.c.Recovered.UTC().Format(time.RFC3339)+": the report that says so is owed without undue delay")
	}
	b.clock(DORAIntermediate, s, func(from time.Time) Due {
		return b.early(exact(from, 72, Rule{Article: "2025/301 Art 5(1)(b)", Says: "72 h from the actual submission"}))
	}, notes...)
	b.update()
	s = start{what: "submission of the latest intermediate report"}
	if f, ok := b.last(DORAIntermediate, DORAUpdate); ok {
		s.at = f.Sent
	}
	b.clock(DORAFinal, s, func(from time.Time) Due {
		d := b.c.Authority.month(from, Rule{Article: "2025/301 Art 5(1)(c)", Says: "one month from the latest intermediate report"})
		return b.c.Authority.noon(d) // for everyone: 5(5) and 5(6) are for the first two
	})
	b.afterwards()
}

// afterwards adds what is owed beside the three reports.
func (b *builder) afterwards() {
	if !b.c.ClientsHit.IsZero() {
		b.owed(DORAClients, start{at: b.c.ClientsHit, what: "awareness that clients' financial interests are hit"})
	}
	if !b.c.NotMajor.IsZero() && b.c.Classified.IsZero() && !b.c.Microenterprise {
		b.clock(DORARecurring, start{at: b.c.NotMajor, what: "latest look at whether it comes again"}, func(from time.Time) Due {
			return b.c.Authority.month(from, Rule{Article: "2024/1772 Art 8(2)", Says: "monthly"})
		})
	}
}

// initial is the one clock with two starts.
func (b *builder) initial() {
	if !b.c.NotMajor.IsZero() && b.c.Classified.IsZero() {
		b.void(DORAInitial, "classified as not major on "+b.c.NotMajor.UTC().Format(time.RFC3339)+"; a new fact starts it again")
		return
	}
	aware, class := b.aware(DORA), b.c.Classified
	if class.IsZero() {
		// No limit runs before the classification, but one that comes within
		// 24 h of awareness is bound by them: that is when to be ready.
		aware.what += "; the limit itself waits for the classification"
		b.clock(DORAInitial, aware, func(from time.Time) Due {
			d := exact(from, 24, Rule{Article: "2025/301 Art 5(1)(a)", Says: "at most 24 h from awareness, if it is classified by then"})
			return b.early(d)
		}, "not classified: classify it with evidenced incident classify")
		k := &b.out[len(b.out)-1]
		if k.State == Overdue {
			k.State, k.Late = PastSafe, false
			k.Notes = append(k.Notes, "24 h are over without classification: 4 h will run from the classification (2025/301 Art 5(2))")
		}
		return
	}
	s := start{at: class, what: "classification as major", provisional: aware.provisional}
	b.clock(DORAInitial, s, func(from time.Time) Due { return b.early(initialLimit(from, aware.at)) })
}

func initialLimit(class, aware time.Time) Due {
	four := exact(class, 4, Rule{Article: "2025/301 Art 5(1)(a)", Says: "4 h from classification as major"})
	if aware.IsZero() {
		return four
	}
	cap24 := exact(aware, 24, Rule{Article: "2025/301 Art 5(1)(a)", Says: "at most 24 h from awareness"})
	switch {
	case class.After(cap24.Safe):
		four.Rules = []Rule{{Article: "2025/301 Art 5(2)", Says: "not classified within 24 h of awareness: 4 h from the classification"}}
		return four
	case cap24.Safe.Before(four.Safe):
		return cap24
	}
	return four
}

// update is owed when regular activities are recovered and the first report since
// then is not another one that says so. Before the first intermediate report there
// is nothing to update: that report tells it. An update that was sent before the
// recovery could not tell it, and is not what this clock waits for.
func (b *builder) update() {
	if _, told := b.first(DORAIntermediate); !told || b.c.Recovered.IsZero() {
		return
	}
	since := &builder{c: b.c, now: b.now}
	since.c.Filings = slices.DeleteFunc(slices.Clone(b.c.Filings), func(f Filing) bool { return f.Sent.Before(b.c.Recovered) })
	u, updated := since.first(DORAUpdate)
	for _, other := range []Stage{DORAIntermediate, DORAFinal} {
		if f, told := since.first(other); told && (!updated || f.Sent.Before(u.Sent)) {
			return
		}
	}
	since.owed(DORAUpdate, start{at: b.c.Recovered, what: "recovery of regular activities"})
	b.out = append(b.out, since.out...)
}

func (b *builder) national(d Due) Due {
	if b.c.HourRule {
		return fullHours(d)
	}
	return d
}

func (b *builder) nis2() {
	aware := b.aware(NIS2)
	hours := func(n int, says string) func(time.Time) Due {
		return func(from time.Time) Due {
			return b.national(exact(from, n, Rule{Article: "NIS-2 Art 23(4)", Says: says}))
		}
	}
	b.clock(NIS2Early, aware, hours(24, "24 h from awareness"))
	if b.c.TrustService {
		b.clock(NIS2Notification, aware, hours(24, "24 h from awareness, for trust services"))
	} else {
		b.clock(NIS2Notification, aware, hours(72, "72 h from awareness"))
	}
	b.request(NIS2Intermediate)
	s := start{what: "submission of the notification"}
	sent, ok := b.first(NIS2Notification)
	if !ok {
		b.clock(NIS2Final, s, nil)
		return
	}
	s.at = sent.Sent
	b.nis2Final(s)
}

// quarterly is the look at incidents that were not significant one by one.
func (b *builder) quarterly() {
	if b.c.NotSignificant.IsZero() {
		return
	}
	b.clock(NIS2Recurring, start{at: b.c.NotSignificant, what: "latest look at whether it comes again"}, func(from time.Time) Due {
		return b.c.Authority.months(from, 3, Rule{Article: "2024/2690 Art 4, Annex 3.4.2(b)", Says: "quarterly"})
	})
}

// nis2Final is one month from the notification; when the incident still goes
// on then, a progress report is, and the final one is owed one month after the
// end of handling. An incident that was handled within the month does not go on
// then, whatever was told of its progress before.
func (b *builder) nis2Final(s start) {
	month := func(article, says string) func(time.Time) Due {
		return func(from time.Time) Due {
			return b.c.Authority.working(b.c.Authority.month(from, Rule{Article: article, Says: says}))
		}
	}
	one := month("NIS-2 Art 23(4)(d)", "one month from the notification; national law may count otherwise")
	due := one(s.at)
	_, filed := b.first(NIS2Final)
	_, progress := b.first(NIS2Progress)
	ongoing := b.c.Handled.After(due.Latest) || b.c.Handled.IsZero() && (progress || b.now.After(due.Latest) && !filed)
	if !ongoing {
		b.clock(NIS2Final, s, one)
		return
	}
	b.clock(NIS2Progress, start{at: s.at, what: "the month is over and the incident goes on"}, one)
	b.clock(NIS2Final, start{at: b.c.Handled, what: "end of handling"}, month("NIS-2 Art 23(4)(e)", "one month from the end of handling"))
}

func (b *builder) gdpr() {
	aware := b.aware(GDPR)
	if b.c.Processor {
		b.owed(GDPRProcessor, aware)
		if !b.c.Controller {
			return
		}
	}
	switch {
	case b.c.RiskUnlikely:
		b.void(GDPRAuthority, "decided: a risk to people is unlikely; the breach is documented all the same (Art 33(5))")
	default:
		b.clock(GDPRAuthority, aware, func(from time.Time) Due {
			return fullHours(exact(from, 72, Rule{Article: "GDPR Art 33(1)", Says: "72 h from awareness; later with reasons"}))
		})
	}
	if !b.c.HighRisk.IsZero() {
		b.owed(GDPRPeople, start{at: b.c.HighRisk, what: "decision that the risk is high"})
	}
}

func (b *builder) cra() {
	aware := b.aware(CRA)
	hours := func(n int, says string) func(time.Time) Due {
		return func(from time.Time) Due { return fullHours(exact(from, n, Rule{Article: "CRA Art 14", Says: says})) }
	}
	b.clock(CRAEarly, aware, hours(24, "24 h from awareness"))
	b.clock(CRANotification, aware, hours(72, "72 h from awareness"))
	b.request(CRAIntermediate)
	if b.c.Vulnerability {
		var notes []string
		if !b.c.Available.IsZero() && b.c.Available.Before(aware.at) {
			notes = append(notes, "the measure was there before the entity became aware; that the 14 days run from it all the same is the cautious reading")
		}
		b.clock(CRAFinalVuln, start{at: b.c.Available, what: "a corrective or mitigating measure is available"}, func(from time.Time) Due {
			return b.c.Authority.working(b.c.Authority.days(from, 14, Rule{Article: "CRA Art 14(2)(c)", Says: "14 days after the measure is available"}))
		}, notes...)
	} else {
		s := start{what: "submission of the notification"}
		if f, ok := b.first(CRANotification); ok {
			s.at = f.Sent
		}
		b.clock(CRAFinalIncident, s, func(from time.Time) Due {
			return b.c.Authority.working(b.c.Authority.month(from, Rule{Article: "CRA Art 14(4)(c)", Says: "one month from the notification"}))
		})
	}
	b.owed(CRAUsers, aware)
}

func (b *builder) contract() {
	b.owed(CustomerNotice, start{at: b.c.Home, what: "the provider's own awareness"})
}
