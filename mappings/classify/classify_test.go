package classify_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"evidenced/evidence/incident"
	"evidenced/mappings/classify"
)

func fields(t *testing.T, texts ...string) *incident.Fields {
	t.Helper()
	f := &incident.Fields{}
	for _, s := range texts {
		p, err := incident.ParsePatch([]byte(s))
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		b, err := json.Marshal(p)
		if err == nil {
			err = json.Unmarshal(b, f)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// below is an incident of critical services about which everything is known
// and nothing exceeds a bar: each number stands exactly on it.
const below = `{
	"business": {"critical_services": true, "authorised_services": false, "malicious_access": false,
		"clients": {"number": 100000, "share": 10}, "counterparts": {"share": 30}, "transactions": {"share": 10}, "transactions_value_share": 10,
		"relevant_clients": false, "no_reputation": true},
	"duration": {"minutes": 1440, "downtime_minutes": 120, "downtime_critical": true},
	"place": {"states": ["DE"]},
	"data": {"not_affected": true, "may_lose": false},
	"money": {"costs": 100000, "likely_above_100000": false},
	"reporter": {"state": "DE", "currency": "EUR"}}`

// The six criteria, each by its smallest excess.
var excess = map[string]string{
	"clients by share":     `{"business": {"clients": {"share": 10.1}}}`,
	"clients by number":    `{"business": {"clients": {"number": 100001}}}`,
	"counterparts":         `{"business": {"counterparts": {"share": 30.1}}}`,
	"transactions":         `{"business": {"transactions": {"share": 10.1}}}`,
	"value":                `{"business": {"transactions_value_share": 10.1}}`,
	"relevant":             `{"business": {"relevant_clients": true}}`,
	"reputation":           `{"business": {"reputation": ["the_major_ict-related_incident_has_been_reflected_in_the_media"]}}`,
	"duration":             `{"duration": {"minutes": 1441}}`,
	"downtime":             `{"duration": {"downtime_minutes": 121}}`,
	"spread, home and one": `{"place": {"states": ["DE", "FR"]}}`,
	"data":                 `{"data": {"affected": ["integrity"], "adverse": true}}`,
	"costs":                `{"money": {"costs": 100001}}`,
	"costs to come":        `{"money": {"likely_above_100000": true}}`,
}

// criterion says which of the six an excess is of.
func criterion(name string) string {
	switch {
	case strings.HasPrefix(name, "clients"), name == "counterparts", name == "transactions", name == "value", name == "relevant":
		return "1"
	case name == "duration", name == "downtime":
		return "3"
	case strings.HasPrefix(name, "costs"):
		return "6"
	}
	return name
}

func outcome(t *testing.T, law string, f *incident.Fields, others ...*incident.Fields) classify.Result {
	t.Helper()
	r, err := classify.Run(law, f, others)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Steps {
		if s.Rule == "" || s.Asks == "" || s.Why == "" || !slices.Contains([]string{"yes", "no", "unknown"}, s.Answer) {
			t.Errorf("step %+v shows no working", s)
		}
	}
	if (r.Outcome == classify.Undecided) != (len(r.Missing) > 0) {
		t.Errorf("%s with missing %v", r.Outcome, r.Missing)
	}
	return r
}

// Exactly on every bar is not major; one criterion is not either; two of
// different criteria are, two of the same are not.
func TestTwoCriteria(t *testing.T) {
	if r := outcome(t, "dora", fields(t, below)); r.Outcome != classify.NotMajor {
		t.Errorf("exactly on the bars: %+v", r)
	}
	for a, x := range excess {
		if r := outcome(t, "dora", fields(t, below, x)); r.Outcome != classify.NotMajor {
			t.Errorf("%s alone: %s", a, r.Outcome)
		}
		for b, y := range excess {
			want := classify.Major
			if criterion(a) == criterion(b) {
				want = classify.NotMajor
			}
			if r := outcome(t, "dora", fields(t, below, x, y)); r.Outcome != want {
				t.Errorf("%s and %s: got %s, want %s", a, b, r.Outcome, want)
			}
		}
	}
}

func TestDORA(t *testing.T) {
	for _, tc := range []struct {
		name    string
		texts   []string
		want    string
		missing string
	}{
		{"nothing is known", []string{`{}`}, classify.Undecided, "business.critical_services"},
		{"no critical service", []string{`{"business": {"critical_services": false, "authorised_services": false, "malicious_access": false}}`}, classify.NotMajor, ""},
		{"an access that may lose data is enough alone", []string{`{"business": {"malicious_access": true}, "data": {"may_lose": true, "not_affected": true}}`}, classify.Major, ""},
		{"an access that lost data is a criterion, not enough alone", []string{below, `{"business": {"malicious_access": true}, "data": {"may_lose": true, "affected": ["confidentiality"], "adverse": true}}`}, classify.NotMajor, ""},
		{"one unknown that could turn it", []string{below, excess["downtime"], `{"place": {"states": []}}`}, classify.Undecided, "place.states"},
		{"unknowns that cannot turn it", []string{below, excess["downtime"], excess["data"], `{"place": {"states": []}}`}, classify.Major, ""},
		{"two criteria, critical not known", []string{excess["downtime"], `{"duration": {"downtime_critical": true}}`, excess["data"], `{"business": {"malicious_access": false}}`}, classify.Undecided, "business.critical_services"},
		{"a downtime of services that are not critical", []string{below, `{"duration": {"downtime_minutes": 500, "downtime_critical": false}}`, excess["data"]}, classify.NotMajor, ""},
		{"costs in another currency are not compared", []string{below, excess["data"], `{"reporter": {"currency": "SEK"}, "money": {"costs": 900000}}`}, classify.NotMajor, ""},
		{"no transactions at all", []string{`{"business": {"critical_services": true, "malicious_access": false, "clients": {"number": 0}, "counterparts": {"number": 0}, "transactions": {"number": 0}, "relevant_clients": false, "no_reputation": true},
			"duration": {"minutes": 30, "downtime_minutes": 0}, "place": {"states": ["DE"]}, "data": {"not_affected": true}, "money": {"likely_above_100000": false}}`}, classify.NotMajor, ""},
	} {
		r := outcome(t, "dora", fields(t, tc.texts...))
		if r.Outcome != tc.want || tc.missing != "" && !slices.Contains(r.Missing, tc.missing) {
			t.Errorf("%s: got %s, missing %v; want %s, %s\n%+v", tc.name, r.Outcome, r.Missing, tc.want, tc.missing, r.Steps)
		}
	}
}

// Each input that is taken away from an incident just below the bar makes it
// undecided or leaves it: never major, and what is missing is named.
func TestUnknownIsNeverGuessed(t *testing.T) {
	for _, x := range excess {
		base := fields(t, below, x)
		paths, _ := incident.Paths()
		for _, path := range paths {
			if !base.Has(path) {
				continue
			}
			f := without(t, base, path)
			r := outcome(t, "dora", f)
			if r.Outcome == classify.Major {
				t.Errorf("without %s it is major", path)
			}
			if r.Outcome == classify.Undecided && len(r.Missing) == 0 {
				t.Errorf("without %s: undecided, nothing missing", path)
			}
		}
	}
}

func without(t *testing.T, f *incident.Fields, path string) *incident.Fields {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	doc := map[string]any{}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	obj := doc
	parts := strings.Split(path, ".")
	for _, p := range parts[:len(parts)-1] {
		obj = obj[p].(map[string]any)
	}
	delete(obj, parts[len(parts)-1])
	b, err = json.Marshal(doc)
	out := &incident.Fields{}
	if err == nil {
		err = json.Unmarshal(b, out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRecurring(t *testing.T) {
	part := func(day, group string, more ...string) *incident.Fields {
		return fields(t, append([]string{below, `{"times": {"occurred": "` + day + `T10:00:00Z"}, "causes": {"recurring_group": "` + group + `"}}`, `{"duration": {"minutes": 800, "downtime_minutes": 70}, "money": {"costs": 60000}}`}, more...)...)
	}
	// short leaves the costs and the downtime to decide, and of these the downtime.
	const short = `{"business": {"clients": {"number": 10, "share": 1}}, "duration": {"minutes": 100}}`
	for _, tc := range []struct {
		name   string
		f      *incident.Fields
		others []*incident.Fields
		want   string
	}{
		{"alone", part("2026-06-01", "a"), nil, classify.NotMajor},
		{"twice in six months, together above", part("2026-06-01", "a"), []*incident.Fields{part("2026-11-30", "a")}, classify.Major},
		{"six months to the day", part("2026-06-01", "a"), []*incident.Fields{part("2026-12-01", "a")}, classify.Major},
		{"more than six months", part("2026-06-01", "a"), []*incident.Fields{part("2026-12-02", "a")}, classify.NotMajor},
		{"another cause", part("2026-06-01", "a"), []*incident.Fields{part("2026-07-01", "b")}, classify.NotMajor},
		{"a microenterprise", part("2026-06-01", "a", `{"reporter": {"microenterprise": true}}`), []*incident.Fields{part("2026-07-01", "a")}, classify.NotMajor},
		{"six months from a 31st end with the month", part("2026-08-31", "a"), []*incident.Fields{part("2027-02-28", "a")}, classify.Major},
		{"and not a day later", part("2026-08-31", "a"), []*incident.Fields{part("2027-03-01", "a")}, classify.NotMajor},
		{"what one meets alone needs no sum", part("2026-06-01", "a", `{"duration": {"minutes": 2000, "downtime_minutes": 500}, "money": {"costs": 100001}}`),
			[]*incident.Fields{fields(t, `{"times": {"occurred": "2026-07-01T10:00:00Z"}, "causes": {"recurring_group": "a"}}`)}, classify.Major},
		{"downtimes of other services do not add up", part("2026-06-01", "a", short), []*incident.Fields{part("2026-07-01", "a", short, `{"duration": {"downtime_critical": false}}`)}, classify.NotMajor},
		{"downtimes of critical services do", part("2026-06-01", "a", short), []*incident.Fields{part("2026-07-01", "a", short)}, classify.Major},
		{"of a downtime it is not known", part("2026-06-01", "a", short), []*incident.Fields{without(t, part("2026-07-01", "a", short), "duration.downtime_critical")}, classify.Undecided},
		{"cause not known", fields(t, below), []*incident.Fields{part("2026-07-01", "a")}, classify.Undecided},
	} {
		if r := outcome(t, "dora", tc.f, tc.others...); r.Outcome != tc.want {
			t.Errorf("%s: got %s, want %s\n%+v", tc.name, r.Outcome, tc.want, r.Steps)
		}
	}
}

// The working of a look says again which criteria it found.
func TestFound(t *testing.T) {
	for name, x := range excess {
		f := fields(t, below, x)
		got, want := classify.Found(outcome(t, "dora", f).Steps), classify.Criteria(f)
		for _, c := range incident.ListB {
			if got[c] != want[c] {
				t.Errorf("%s: %s is %s, found again %s", name, c, want[c], got[c])
			}
		}
	}
	for _, c := range incident.ListB {
		if a := classify.Found(nil)[c]; a != classify.Unknown {
			t.Errorf("%s without a look: %s", c, a)
		}
	}
}

// calm is known to be nothing for NIS-2.
const calm = `{
	"harm": {"planned": false, "severe_disruption": false, "others": false, "death": false, "health": false, "physical_access": false},
	"business": {"malicious_access": false},
	"duration": {"unavailable_minutes": 0, "unavailable_week_minutes": 0, "limited_minutes": 0},
	"data": {"not_affected": true, "trade_secrets": false},
	"money": {"direct_loss": 0}}`

func TestNIS2(t *testing.T) {
	for _, tc := range []struct {
		name, kind string
		texts      []string
		want       string
	}{
		{"nothing", "cloud", []string{calm}, classify.NotSignificant},
		{"no type", "", []string{calm}, classify.Undecided},
		{"nothing is known", "cloud", []string{`{}`}, classify.Undecided},
		{"30 min is not more than 30", "cloud", []string{calm, `{"duration": {"unavailable_minutes": 30}}`}, classify.NotSignificant},
		{"31 min", "cloud", []string{calm, `{"duration": {"unavailable_minutes": 31}}`}, classify.Significant},
		{"a data centre: any time", "data-centre", []string{calm, `{"duration": {"unavailable_minutes": 1}}`}, classify.Significant},
		{"trust services: 21 min", "trust", []string{calm, `{"duration": {"unavailable_minutes": 21}}`}, classify.Significant},
		{"trust services: the week", "trust", []string{calm, `{"duration": {"unavailable_week_minutes": 61}}`}, classify.Significant},
		{"limited for few", "cloud", []string{calm, `{"duration": {"limited_minutes": 61, "limited_users": {"share": 5, "number": 400}}}`}, classify.NotSignificant},
		{"limited for more than 5 %", "cloud", []string{calm, `{"duration": {"limited_minutes": 61, "limited_users": {"share": 5.1, "number": 400}}}`}, classify.Significant},
		{"limited for more than a million", "cloud", []string{calm, `{"duration": {"limited_minutes": 61, "limited_users": {"share": 1, "number": 1000001}}}`}, classify.Significant},
		{"limited for an hour sharp", "cloud", []string{calm, `{"duration": {"limited_minutes": 60, "limited_users": {"share": 50, "number": 400}}}`}, classify.NotSignificant},
		{"malicious compromise", "managed", []string{calm, `{"data": {"not_affected": false, "affected": ["integrity"], "malicious": true}}`}, classify.Significant},
		{"availability of data is no compromise", "managed", []string{calm, `{"data": {"not_affected": false, "affected": ["availability"], "malicious": true}}`}, classify.NotSignificant},
		{"physical access", "data-centre", []string{calm, `{"harm": {"physical_access": true}}`}, classify.Significant},
		{"physical access is no criterion of a cloud", "cloud", []string{calm, `{"harm": {"physical_access": true}}`}, classify.NotSignificant},
		{"loss of 500000", "cloud", []string{calm, `{"money": {"direct_loss": 500000, "turnover": 10000000}}`}, classify.NotSignificant},
		{"loss above 5 %", "cloud", []string{calm, `{"money": {"direct_loss": 500000, "turnover": 9999980}}`}, classify.Significant},
		{"loss, turnover not known", "cloud", []string{calm, `{"money": {"direct_loss": 400000}}`}, classify.Undecided},
		{"loss above 500000, turnover not known", "cloud", []string{calm, `{"money": {"direct_loss": 500001}}`}, classify.Significant},
		{"trade secrets", "dns", []string{calm, `{"data": {"trade_secrets": true}}`}, classify.Significant},
		{"DNS: few domains, misconfigured", "dns", []string{calm, `{"data": {"not_affected": false, "affected": ["integrity"], "few_domains_misconfigured": true}}`}, classify.NotSignificant},
		{"TLD: the same", "tld", []string{calm, `{"data": {"not_affected": false, "affected": ["integrity"], "few_domains_misconfigured": true}}`}, classify.Significant},
		{"planned", "cloud", []string{calm, `{"harm": {"planned": true}, "duration": {"unavailable_minutes": 600}}`}, classify.NotSignificant},
		{"planned is not known", "cloud", []string{`{"duration": {"unavailable_minutes": 600}}`}, classify.Undecided},
		{"another type: general rule", "other", []string{calm, `{"harm": {"others": true}}`}, classify.Significant},
		{"another type: nothing", "other", []string{calm, `{"duration": {"unavailable_minutes": 600}}`}, classify.NotSignificant},
		{"access and disruption", "platform", []string{calm, `{"business": {"malicious_access": true}, "harm": {"severe_disruption": true}}`}, classify.Significant},
		{"access alone", "platform", []string{calm, `{"business": {"malicious_access": true}}`}, classify.NotSignificant},
	} {
		texts := tc.texts
		if tc.kind != "" {
			texts = append(texts, `{"reporter": {"nis2_type": "`+tc.kind+`"}}`)
		}
		if r := outcome(t, "nis2", fields(t, texts...)); r.Outcome != tc.want {
			t.Errorf("%s (%s): got %s, want %s, missing %v\n%+v", tc.name, tc.kind, r.Outcome, tc.want, r.Missing, r.Steps)
		}
	}
	pair := func(day string) *incident.Fields {
		return fields(t, calm, `{"reporter": {"nis2_type": "cloud"}, "money": {"direct_loss": 300000, "turnover": 90000000}, "causes": {"recurring_group": "a"}, "times": {"occurred": "`+day+`T00:00:00Z"}}`)
	}
	if r := outcome(t, "nis2", pair("2026-05-01"), pair("2026-06-01")); r.Outcome != classify.Significant {
		t.Errorf("recurring: %s", r.Outcome)
	}
}

func TestGDPRAndCRA(t *testing.T) {
	for _, tc := range []struct{ law, text, want string }{
		{"gdpr", `{"data": {"personal": false}}`, classify.NoBreach},
		{"gdpr", `{"data": {"personal": true, "encrypted": true, "special_categories": false, "people": {"number": 4}, "consequences": "none seen"}}`, classify.Undecided},
		{"cra", `{}`, classify.Undecided},
		{"cra", `{"product": {"protection": false, "malicious_code": false}}`, classify.NotSevere},
		{"cra", `{"product": {"malicious_code": true}}`, classify.Severe},
		{"cra", `{"identity": {"kind": "vulnerability"}, "product": {"exploited": true}}`, classify.Exploited},
		{"cra", `{"identity": {"kind": "vulnerability"}, "product": {"exploited": false}}`, classify.NotSevere},
	} {
		if r := outcome(t, tc.law, fields(t, tc.text)); r.Outcome != tc.want {
			t.Errorf("%s %s: got %s, want %s", tc.law, tc.text, r.Outcome, tc.want)
		}
	}
	if _, err := classify.Run("x", fields(t, `{}`), nil); err == nil {
		t.Error("a law without a procedure")
	}
}
