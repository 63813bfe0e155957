package classify

import (
	"slices"
	"strings"

	"evidenced/evidence/incident"
)

// What a person may decide of a cyber threat.
const (
	SignificantThreat    = "significant-threat"
	NotSignificantThreat = "not-significant-threat"
)

// IsThreat reports whether the record is of a cyber threat that has not become
// an incident.
func IsThreat(f *incident.Fields) bool { return f.Identity.Kind == "threat" }

// Allowed are the decisions that a person may make by the law: of a cyber
// threat whether it is significant too. Nil when there is no such law.
func Allowed(law string, f *incident.Fields) []string {
	allowed := Decisions[law]
	if law == "dora" && IsThreat(f) {
		allowed = append(slices.Clone(allowed), SignificantThreat, NotSignificantThreat)
	}
	return allowed
}

// wouldMeet are the values of list B (threat.criteria) that Article 10 asks
// for, by what they stand for. The others may be considered and do not decide.
var wouldMeet = []struct{ value, rule string }{
	{incident.CriterionCritical, "Art 6"},
	{incident.CriterionClients, "Art 9(1)"},
	{incident.CriterionSpread, "Art 9(4)"},
}

// Threat decides by Article 10 of 2024/1772 whether a cyber threat is
// significant, so that it may be notified voluntarily (DORA Art 19(2)): all of
// three must hold. Whether a threat is likely is a person's judgement of the
// vulnerabilities, of the actor's capability and intent, and of how it
// persists; the procedure takes it as given. The order of the three is that of
// our notes on the article, whose own points are not verified.
func Threat(f *incident.Fields) Result {
	t := &f.Threat
	r := Result{}
	ps := []part{
		r.add("2024/1772 Art 10", "it could affect critical or important functions, other entities, providers, clients or counterparts",
			flag(t.May, "threat.may_affect", "such an effect is possible")),
		r.add("2024/1772 Art 10", "a high probability that it materialises: vulnerabilities, the actor's capability and intent, persistence",
			flag(t.Likely, "threat.likely", "highly probable")),
		r.add("2024/1772 Art 10", "if it materialised, critical services would be affected (Art 6), or a threshold of Art 9(1) or 9(4) be met", would(t.Criteria)),
	}
	switch whole := all(ps...); whole.answer {
	case Yes:
		r.Outcome = SignificantThreat
	case No:
		r.Outcome = NotSignificantThreat
	default:
		r.undecided(ps...)
	}
	return r
}

func would(criteria []string) part {
	if len(criteria) == 0 {
		return unknown("threat.criteria")
	}
	var met []string
	for _, w := range wouldMeet {
		if slices.Contains(criteria, w.value) {
			met = append(met, w.rule)
		}
	}
	if len(met) == 0 {
		return no("threat.criteria names none of these")
	}
	return yes("threat.criteria names %s", strings.Join(met, ", "))
}
