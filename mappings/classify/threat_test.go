package classify_test

import (
	"slices"
	"testing"

	"evidenced/mappings/classify"
)

// Every answer of the three conditions that can turn the outcome.
func TestThreat(t *testing.T) {
	const (
		kind    = `{"identity": {"kind": "threat"}}`
		may     = `{"threat": {"may_affect": true}}`
		mayNot  = `{"threat": {"may_affect": false}}`
		likely  = `{"threat": {"likely": true}}`
		rare    = `{"threat": {"likely": false}}`
		spread  = `{"threat": {"criteria": ["geographical_spread"]}}`
		clients = `{"threat": {"criteria": ["reputational_impact", "clients_financial_counterparts_and_transactions_affected"]}}`
		service = `{"threat": {"criteria": ["critical_services_affected"]}}`
		others  = `{"threat": {"criteria": ["reputational_impact", "economic_impact", "data_losses", "duration_and_service_downtime"]}}`
	)
	for name, tc := range map[string]struct {
		fields  []string
		want    string
		missing []string
		answers []string
	}{
		"all three, by spread":  {[]string{may, likely, spread}, classify.SignificantThreat, nil, []string{"yes", "yes", "yes"}},
		"all three, by clients": {[]string{may, likely, clients}, classify.SignificantThreat, nil, []string{"yes", "yes", "yes"}},
		"all three, by service": {[]string{may, likely, service}, classify.SignificantThreat, nil, []string{"yes", "yes", "yes"}},
		"other criteria alone":  {[]string{may, likely, others}, classify.NotSignificantThreat, nil, []string{"yes", "yes", "no"}},
		"affects nothing":       {[]string{mayNot, likely, spread}, classify.NotSignificantThreat, nil, []string{"no", "yes", "yes"}},
		"improbable":            {[]string{may, rare, spread}, classify.NotSignificantThreat, nil, []string{"yes", "no", "yes"}},
		"one no is enough":      {[]string{rare}, classify.NotSignificantThreat, nil, []string{"unknown", "no", "unknown"}},
		"nothing known":         {nil, classify.Undecided, []string{"threat.may_affect", "threat.likely", "threat.criteria"}, []string{"unknown", "unknown", "unknown"}},
		"probability not known": {[]string{may, service}, classify.Undecided, []string{"threat.likely"}, []string{"yes", "unknown", "yes"}},
	} {
		f := fields(t, append([]string{kind}, tc.fields...)...)
		got := classify.Threat(f)
		var answers []string
		for _, s := range got.Steps {
			answers = append(answers, s.Answer)
			if s.Why == "" || s.Rule == "" || s.Asks == "" {
				t.Errorf("%s: a step without its working: %+v", name, s)
			}
		}
		if got.Outcome != tc.want || !slices.Equal(got.Missing, tc.missing) || !slices.Equal(answers, tc.answers) {
			t.Errorf("%s: %s, missing %v, answers %v; want %s, %v, %v", name, got.Outcome, got.Missing, answers, tc.want, tc.missing, tc.answers)
		}
	}
}

func TestAllowed(t *testing.T) {
	threat, inc := fields(t, `{"identity": {"kind": "threat"}}`), fields(t, `{"identity": {"kind": "incident"}}`)
	if got := classify.Allowed("dora", inc); !slices.Equal(got, []string{classify.Major, classify.NotMajor}) {
		t.Errorf("of an incident %v", got)
	}
	if got := classify.Allowed("dora", threat); !slices.Equal(got, []string{classify.Major, classify.NotMajor, classify.SignificantThreat, classify.NotSignificantThreat}) {
		t.Errorf("of a threat %v", got)
	}
	if got := classify.Allowed("nis2", threat); !slices.Equal(got, []string{classify.Significant, classify.NotSignificant}) {
		t.Errorf("of a threat by NIS-2 %v", got)
	}
	if len(classify.Decisions["dora"]) != 2 || classify.Allowed("no", inc) != nil {
		t.Error("the decisions of a law were changed")
	}
}
