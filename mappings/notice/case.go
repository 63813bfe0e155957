package notice

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/mappings/classify"
	"evidenced/mappings/deadline"
)

// Clocks computes the incident's clocks as of now, and what has to be said of
// them all: settings that are missing, calendars that know weekends alone.
func Clocks(inc *incident.Incident, cals *deadline.Calendars, candidate, now time.Time) ([]deadline.Clock, []string, error) {
	c, notes, err := Case(inc, cals, candidate)
	if err != nil {
		return nil, nil, err
	}
	return deadline.Clocks(c, now), notes, nil
}

// Outlasts reports whether the limit of a clock stands when the incident is closed,
// as those of the law do. Nobody is asked to classify a closed incident, which the
// initial notification of DORA waits for, or to look at it again.
func Outlasts(inc *incident.Incident, k *deadline.Clock) bool {
	_, major := inc.Major()
	switch k.Stage {
	case deadline.DORAInitial:
		return major
	case deadline.DORARecurring, deadline.NIS2Recurring:
		return false
	}
	return !k.Due.Safe.IsZero()
}

// Case reads from the incident what its clocks stand on. Candidate stands in
// for awareness nobody has declared; zero when there is none.
func Case(inc *incident.Incident, cals *deadline.Calendars, candidate time.Time) (deadline.Case, []string, error) {
	rep, t := &inc.Fields.Reporter, &inc.Fields.Times
	c := deadline.Case{
		Laws: Laws(inc), TrustService: rep.NIS2Type == "trust", HourRule: rep.NIS2Hours, Microenterprise: rep.Micro,
		Processor: slices.Contains(rep.Roles, "processor"), Controller: slices.Contains(rep.Roles, "controller"),
		Threat: inc.Fields.Identity.Kind == "threat", Target: time.Duration(rep.TargetHours) * time.Hour,
		Aware: map[deadline.Law]time.Time{}, Candidate: candidate, Void: map[deadline.Law]string{}, Requested: map[deadline.Stage]time.Time{},
		Delays: map[deadline.Stage]time.Time{}, Recovered: t.Recovered, Handled: t.Handled, Available: t.Available, ClientsHit: t.ClientsHit, Home: inc.Home,
	}
	var notes []string
	var err error
	if c.Authority, notes, err = authority(rep, cals); err != nil {
		return c, nil, err
	}
	for law := range inc.Aware {
		m, _ := inc.AwareSince(law)
		c.Aware[deadline.Law(law)] = m.At
	}
	decisions(inc, &c)
	for _, f := range inc.Sent("") {
		c.Filings = append(c.Filings, filing(f))
	}
	for _, n := range inc.Notices {
		switch n.Act {
		case incident.NoticeDelay:
			c.Delays[deadline.Stage(n.Stage)] = n.At
		case incident.NoticeRequest:
			c.Requested[deadline.Stage(n.Stage)] = n.At
		}
	}
	reported := inc.Declared
	if sent := inc.Sent(string(deadline.DORAInitial)); len(sent) > 0 {
		reported = sent[0].At
	}
	c.NoNoon = deadline.NoNoon(types(rep), rep.NIS2Status, rep.Exception, reported)
	if slices.Contains(c.Laws, deadline.DORA) && !c.NoNoon.Applies && rep.NIS2Status == "" {
		notes = append(notes, "reporter.nis2_status is not set: limits of DORA are moved from days off as for an entity that NIS-2 calls neither essential nor important")
	}
	return c, notes, nil
}

// types are those of the entity and of all it reports for: one that the rule
// excepts is enough, because that is the earlier limit.
func types(rep *incident.Reporter) []string {
	out := slices.Clone(rep.Types)
	for _, e := range rep.Affected {
		out = append(out, e.Types...)
	}
	return out
}

func authority(rep *incident.Reporter, cals *deadline.Calendars) (deadline.Authority, []string, error) {
	a := deadline.Authority{State: rep.State, Zone: time.UTC, Calendars: cals}
	notes := []string{}
	switch {
	case rep.Zone != "":
		z, err := time.LoadLocation(rep.Zone)
		if err != nil {
			return a, nil, fmt.Errorf("reporter.zone: %w", err)
		}
		a.Zone = z
	case rep.State != "":
		z, err := cals.Zone(rep.State)
		if err != nil {
			return a, nil, err
		}
		a.Zone = z
	default:
		notes = append(notes, "reporter.state is not set: whose days and days off count is not known, so none are added to a limit")
	}
	return a, notes, nil
}

// Laws are those whose clocks run for the incident, by the entity's roles and
// what was declared or decided for it.
func Laws(inc *incident.Incident) []deadline.Law {
	roles := inc.Fields.Reporter.Roles
	runs := map[deadline.Law]bool{}
	for _, r := range roles {
		switch r {
		case "financial-entity":
			runs[deadline.DORA] = true
		case "controller", "processor":
			runs[deadline.GDPR] = inc.Fields.Data.Personal == nil || *inc.Fields.Data.Personal
		case "operator":
			runs[deadline.NIS2] = true
		case "manufacturer":
			runs[deadline.CRA] = true
		case "ict-provider":
			runs[deadline.Contract] = true
		}
	}
	for law := range inc.Aware {
		runs[deadline.Law(law)] = true
	}
	for _, d := range inc.Decisions {
		if d.Decision != "" {
			runs[deadline.Law(d.Law)] = true
		}
	}
	for _, n := range inc.Notices {
		if l, ok := deadline.StageLaw(deadline.Stage(n.Stage)); ok {
			runs[l] = true
		}
	}
	if inc.Part {
		runs[deadline.Contract] = true
	}
	var out []deadline.Law
	for _, l := range deadline.Laws {
		if runs[l] {
			out = append(out, l)
		}
	}
	return out
}

// vulnerability reports which of its two reports the Cyber Resilience Act asks
// for: what a person decided, and else what the incident was declared as.
func vulnerability(inc *incident.Incident) bool {
	switch d, _ := inc.Decided("cra"); d.Decision {
	case classify.Exploited:
		return true
	case classify.Severe:
		return false
	}
	return inc.Fields.Identity.Kind == "vulnerability"
}

func decisions(inc *incident.Incident, c *deadline.Case) {
	if d, ok := inc.Major(); ok {
		c.Classified = d.At
	}
	if d, ok := inc.Decided("dora"); ok && d.Decision == classify.NotMajor {
		c.NotMajor = d.At
		if len(inc.Sent(string(deadline.DORAInitial))) > 0 {
			since, _ := inc.DecidedSince("dora", classify.NotMajor)
			c.Reclassified = since.At
		}
	}
	if d, ok := inc.Decided("nis2"); ok && d.Decision == classify.NotSignificant {
		c.Void[deadline.NIS2], c.NotSignificant = "decided: not significant", d.At
	}
	// The look at recurrence counts from the newest one, decided or not.
	for law, looked := range map[string]*time.Time{"dora": &c.NotMajor, "nis2": &c.NotSignificant} {
		for _, d := range inc.Decisions {
			if d.Law == law && !looked.IsZero() && d.At.After(*looked) {
				*looked = d.At
			}
		}
	}
	c.Vulnerability = vulnerability(inc)
	if d, ok := inc.Decided("cra"); ok && d.Decision == classify.NotSevere {
		c.Void[deadline.CRA] = "decided: neither severe nor exploited"
	}
	switch d, _ := inc.Decided("gdpr"); d.Decision {
	case classify.NoBreach:
		c.Void[deadline.GDPR] = "decided: no breach of personal data"
	case classify.RiskUnlikely:
		c.RiskUnlikely = true
	case classify.HighRisk:
		since, _ := inc.DecidedSince("gdpr", classify.HighRisk)
		c.HighRisk = since.At
	}
}

func filing(f incident.Filing) deadline.Filing {
	out := deadline.Filing{Stage: deadline.Stage(f.Stage), Sent: f.At, Receipt: f.Received()}
	if k := f.Clock; k != nil {
		out.Late = k.Late
		out.Fixed = deadline.Due{Safe: k.Safe, Latest: k.Latest, EndOfDay: k.EndOfDay}
		for _, r := range k.Rules {
			article, says, _ := strings.Cut(r, ": ")
			out.Fixed.Rules = append(out.Fixed.Rules, deadline.Rule{Article: article, Says: says, Unverified: strings.HasSuffix(r, unverified)})
		}
	}
	return out
}

const unverified = " [unverified]"

// Fix is what the record of a sending keeps of its clock: the first filing
// decides lateness, and later facts do not.
func Fix(k deadline.Clock, sent time.Time, cals *deadline.Calendars) *evidence.IncidentDue {
	d := &evidence.IncidentDue{From: k.From, Safe: k.Due.Safe, Latest: k.Due.Latest, EndOfDay: k.Due.EndOfDay, Calendars: cals.Version()}
	for _, r := range k.Due.Rules {
		line := r.Article + ": " + r.Says
		if r.Unverified {
			line += unverified
		}
		d.Rules = append(d.Rules, line)
	}
	d.Late = !d.Latest.IsZero() && k.Due.Late(sent)
	return d
}
