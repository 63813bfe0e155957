package incident

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

// lookBack is how far before awareness candidates are looked for when nobody
// has said when the incident occurred or was detected.
const lookBack = 24 * time.Hour

// shown bounds the records that an offer or a search spells out.
const shown = 20

// Candidates looks for instants at which somebody may have known of the
// incident before until: the first alert or failing verdict, and the first act
// of a person on one of the incident's systems, from its occurrence on. Limits
// says what was not looked at.
func Candidates(ctx context.Context, r evidence.Reader, inc *Incident, until time.Time) (found []evidence.IncidentCandidate, limits []string, err error) {
	p := inc.window(until)
	if !p.From.Before(p.To) {
		return nil, nil, nil
	}
	if inc.Fields.Times.Occurred.IsZero() && inc.Fields.Times.FirstTrace.IsZero() && inc.Fields.Times.Detected.IsZero() {
		limits = append(limits, "nobody said when it occurred: the day before was looked at")
	}
	alert, err := firstAlert(ctx, r, p)
	if err != nil {
		return nil, nil, err
	}
	if alert != nil {
		found = append(found, *alert)
	}
	refs := inc.Fields.Systems.Refs
	if len(refs) == 0 {
		return found, append(limits, "no systems are named (systems.refs): acts of people were not looked for"), nil
	}
	for _, ref := range refs {
		act, err := firstHumanAct(ctx, r, p, ref)
		if err != nil {
			return nil, nil, err
		}
		if act != nil && !slices.ContainsFunc(found, func(c evidence.IncidentCandidate) bool { return c.Seq == act.Seq }) {
			found = append(found, *act)
		}
	}
	slices.SortFunc(found, func(a, b evidence.IncidentCandidate) int { return a.At.Compare(b.At) })
	return found, limits, nil
}

// FirstSign is the earliest instant at which somebody may have known of the
// incident, as of now: what the evidence shows, its detection or else its
// declaration, or the instant declared for any law. It stands in for the laws
// that nobody has declared awareness for.
func FirstSign(ctx context.Context, r evidence.Reader, inc *Incident, now time.Time) (time.Time, error) {
	found, _, err := Candidates(ctx, r, inc, now)
	if err != nil {
		return time.Time{}, err
	}
	first := inc.Fields.Times.Detected
	if first.IsZero() {
		first = inc.Declared
	}
	earlier := func(t time.Time) {
		if t.Before(first) {
			first = t
		}
	}
	for _, f := range found {
		earlier(f.At)
	}
	for law := range inc.Aware {
		m, _ := inc.AwareSince(law)
		earlier(m.At)
	}
	return first, nil
}

// window is from the first sign of the incident to until.
func (inc *Incident) window(until time.Time) evidence.Period {
	from := until.Add(-lookBack)
	for _, t := range []time.Time{inc.Fields.Times.Detected, inc.Fields.Times.FirstTrace, inc.Fields.Times.Occurred} {
		if !t.IsZero() {
			from = t
		}
	}
	return evidence.Period{From: from, To: until}
}

// calm are severities of alerts that ask for nobody: those that always fire, to
// show that alerting works, and those that others are told with.
var calm = []string{"none", "info"}

// firstAlert finds the first alert that began to fire and was told to people, or
// the first verdict that somebody is needed.
func firstAlert(ctx context.Context, r evidence.Reader, p evidence.Period) (*evidence.IncidentCandidate, error) {
	kinds := []evidence.Kind{evidence.FindingState, evidence.LogDamage, evidence.AlertInstance}
	for rec, err := range r.Records(ctx, evidence.Query{Kinds: kinds, Period: p}) {
		if err != nil {
			return nil, err
		}
		var what string
		switch rec.Kind {
		case evidence.AlertInstance:
			var f evidence.AlertFacts
			if rec.Op != evidence.OpSet || rec.Decode(&f) != nil || f.Status == "suppressed" || slices.Contains(calm, f.Severity) ||
				!f.StartsAt.IsZero() && f.StartsAt.Before(p.From) {
				continue
			}
			what = "the first alert: " + cmp.Or(f.Name, f.Fingerprint)
		case evidence.FindingState:
			var f evidence.FindingFacts
			if rec.Op != evidence.OpSet || rec.Decode(&f) != nil || f.Status != evidence.NotSatisfied && f.Status != evidence.Gap {
				continue
			}
			what = "a finding: " + string(f.Control) + " " + string(f.Status)
		case evidence.LogDamage:
			what = "a log that does not verify"
		}
		return &evidence.IncidentCandidate{At: rec.Occurred, What: what, Seq: rec.Seq}, nil
	}
	return nil, nil
}

// firstHumanAct finds the first record about the thing that a person, not a
// machine, acted in. A git header alone is nobody's act.
func firstHumanAct(ctx context.Context, r evidence.Reader, p evidence.Period, ref evidence.Ref) (*evidence.IncidentCandidate, error) {
	for rec, err := range r.Records(ctx, evidence.Query{Link: ref, Period: p}) {
		if err != nil {
			return nil, err
		}
		if slices.Contains(Kinds, rec.Kind) {
			continue
		}
		for _, party := range rec.People {
			if party.Proof == evidence.ProofClaimed || party.Role == evidence.RoleHolder || party.Role == evidence.RoleSubject {
				continue
			}
			who, err := r.Identity(ctx, party.Token)
			if err != nil && ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil || who.Names.Bot {
				continue
			}
			return &evidence.IncidentCandidate{At: rec.Occurred, What: "a person acted on " + ref.String() + " (" + string(rec.Kind) + ")", Seq: rec.Seq}, nil
		}
	}
	return nil, nil
}

// Offers reads what the evidence shows of the incident's inputs, from its
// occurrence to its resolution or until. It decides nothing.
func Offers(ctx context.Context, r evidence.Reader, inc *Incident, until time.Time) ([]evidence.IncidentOffer, error) {
	p := inc.window(until)
	if end := inc.Fields.Times.Resolved; !end.IsZero() && end.Before(p.To) && end.After(p.From) {
		p.To = end
	}
	if !p.From.Before(p.To) {
		return nil, nil
	}
	var out []evidence.IncidentOffer
	down, err := downtime(ctx, r, inc.Fields.Systems.Refs, p)
	if err != nil {
		return nil, err
	}
	out = append(out, down...)
	read, err := foreignReads(ctx, r, p)
	if err != nil {
		return nil, err
	}
	out = append(out, read)
	if n := len(inc.Affected); n > 0 {
		out = append(out, evidence.IncidentOffer{What: "tenants affected", Value: fmt.Sprint(n), Count: n, Limits: "as they were declared"})
	}
	blind, err := blindness(ctx, r, p)
	if err != nil {
		return nil, err
	}
	return append(out, blind...), nil
}

// unhealthy are the words of a deployment whose service is not there in full.
var unhealthy = []string{"Degraded", "Missing"}

// downtime sums up how long each application among the systems, or every one
// when none is named, was not healthy.
func downtime(ctx context.Context, r evidence.Reader, refs []evidence.Ref, p evidence.Period) ([]evidence.IncidentOffer, error) {
	type app struct {
		since time.Time // not healthy since; zero: healthy
		sum   time.Duration
		seqs  []uint64
		n     int
	}
	apps := map[string]*app{}
	var order []string
	wanted := slices.DeleteFunc(slices.Clone(refs), func(r evidence.Ref) bool { return r.Scheme != "app" })
	named := func(ref evidence.Ref) bool {
		return len(wanted) == 0 || slices.Contains(wanted, ref) || slices.Contains(wanted, ref.WithUID(""))
	}
	step := func(rec *evidence.Record, at time.Time) error {
		if !named(rec.Subject) {
			return nil
		}
		name := rec.Subject.WithUID("").String()
		a := apps[name]
		if a == nil {
			a = &app{}
			apps[name], order = a, append(order, name)
		}
		bad := false
		if rec.Op != evidence.OpEnd {
			var f evidence.DeployFacts
			if err := rec.Decode(&f); err != nil {
				return nil // closed: nothing can be said of it
			}
			bad = slices.Contains(unhealthy, f.Health)
		}
		switch {
		case bad && a.since.IsZero():
			a.since = at
		case !bad && !a.since.IsZero():
			a.sum, a.since = a.sum+at.Sub(a.since), time.Time{}
		default:
			return nil
		}
		if a.n++; len(a.seqs) < shown {
			a.seqs = append(a.seqs, rec.Seq)
		}
		return nil
	}
	for rec, err := range r.States(ctx, evidence.DeployState, p.From) {
		if err == nil {
			err = step(&rec, p.From)
		}
		if err != nil {
			return nil, err
		}
	}
	for rec, err := range r.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.DeployState}, Period: p}) {
		if err == nil {
			err = step(&rec, rec.Occurred)
		}
		if err != nil {
			return nil, err
		}
	}
	var out []evidence.IncidentOffer
	for _, name := range order {
		a := apps[name]
		if !a.since.IsZero() {
			a.sum += p.To.Sub(a.since)
		}
		if a.sum > 0 {
			out = append(out, evidence.IncidentOffer{What: "not healthy: " + name, Value: fmt.Sprintf("%d min", int64(a.sum/time.Minute)), Records: a.seqs, Count: a.n,
				Limits: "health as the deployment tool saw it; a service may be down while it is healthy"})
		}
	}
	return out, nil
}

// foreignReads counts how often others got secrets of the tenant. A request that
// was denied, that found nothing, or that asked for a policy or for what is known
// of a secret beside its value gave none away.
func foreignReads(ctx context.Context, r evidence.Reader, p evidence.Period) (evidence.IncidentOffer, error) {
	o := evidence.IncidentOffer{What: "secrets read by others than the tenant", Limits: "requests that the secret store's audit log showed"}
	unsure := 0
	for rec, err := range r.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.SecretAccess}, Period: p}) {
		if err != nil {
			return o, err
		}
		if rec.Actor == evidence.ActorOwn || rec.Actor == evidence.ActorNone {
			continue
		}
		var f evidence.AccessFacts
		given, known := false, false
		if rec.Decode(&f) == nil {
			given, known = f.Gave()
		}
		if !known {
			unsure++
		}
		if !given {
			continue
		}
		if o.Count++; len(o.Records) < shown {
			o.Records = append(o.Records, rec.Seq)
		}
	}
	o.Value = fmt.Sprint(o.Count)
	if unsure > 0 {
		o.Limits += fmt.Sprintf("; of %d more it is not known whether they were given anything", unsure)
	}
	return o, nil
}

// blindness tells when sources were not seen: what is not shown may have
// happened then.
func blindness(ctx context.Context, r evidence.Reader, p evidence.Period) ([]evidence.IncidentOffer, error) {
	cov, err := evidence.LoadCoverage(ctx, evidence.CoverageNear(r, p), p)
	if err != nil {
		return nil, err
	}
	var out []evidence.IncidentOffer
	for _, k := range []evidence.Kind{evidence.DeployState, evidence.SecretAccess} {
		ws := cov.Uncovered(k, evidence.Instants, p)
		if len(ws) == 0 {
			continue
		}
		var sum time.Duration
		for _, w := range ws {
			sum += w.Period.Duration()
		}
		value := fmt.Sprintf("%d min", int64(sum/time.Minute))
		if sum < time.Minute {
			value = "less than a minute"
		}
		out = append(out, evidence.IncidentOffer{What: "not observed: " + string(k), Value: value, Count: len(ws),
			Limits: "nothing is known of these windows"})
	}
	return out, nil
}
