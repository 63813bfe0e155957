package filing

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence/incident"
	"evidenced/mappings/classify"
	"evidenced/mappings/notice"
)

// checkDORA looks at the fields together. Errors break a rule of the annex to
// 2025/302; warnings are what supervisors' own instructions ask for, as far as
// they are known at second hand: an authority may see them otherwise.
func checkDORA(f *Filing, v *values) []Check {
	c := checking{f: f}
	inc := &v.inc.Fields

	if v.inc.Fields.Reporter.LEI == "" && v.inc.Fields.Reporter.Code != "" && slices.Contains(inc.Reporter.Roles, "financial-entity") {
		c.add(Error, "1.3", "a financial entity names itself by its LEI; another code is for third parties that submit")
	}
	if n, m := strings.Count(c.text("1.5"), ";"), strings.Count(c.text("1.6"), ";"); c.has("1.5") && c.has("1.6") && n != m {
		c.add(Error, "1.6", "1.5 names %d entities and 1.6 has %d codes; the order must be the same", n+1, m+1)
	}
	for _, n := range []string{"1.9", "1.12"} {
		if s := c.text(n); s != "" && !strings.HasPrefix(strings.TrimSpace(s), "+") {
			c.add(Error, n, "a telephone number has its international prefix, such as +33")
		}
	}
	c.times(v)
	c.criteria(v)
	if c.has("3.16") && !c.has("3.3") && c.asked("3.3") {
		c.add(Error, "3.3", "there was downtime (3.16), so the time of recovery is due")
	}
	for _, n := range []string{"3.5", "3.7"} {
		if p, ok := c.value(n).(float64); ok && (p < 0 || p > 100) {
			c.add(Error, n, "%v is no percentage", p)
		}
	}
	// More transactions may be hit than there are on an average day.
	if p, ok := c.value("3.10").(float64); ok && p > 100 {
		c.add(Warning, "3.10", "%v %% of the daily average; the published JSON form takes at most 100", p)
	}
	c.codes()
	c.conditions(v)
	c.published()
	for _, n := range []string{"3.11", "4.13", "4.14"} {
		if m, ok := c.value(n).(int64); ok && m < 0 {
			c.add(Error, n, "an amount of money is positive")
		}
	}
	c.causes()
	if c.asked("3.17") && !c.has("3.17") {
		c.add(Warning, "3.17", "some authorities want it in every intermediate and final report")
	}
	for _, x := range c.f.Fields {
		if s, ok := x.Value.(string); ok && len([]rune(s)) > maxText {
			c.add(Error, x.Number, "a text of %d characters, at most %d", len([]rune(s)), maxText)
		}
	}
	return c.found
}

// codes looks at the forms of codes.
func (c *checking) codes() {
	for _, n := range []string{"1.3", "1.6", "1.14"} {
		for lei := range strings.SplitSeq(c.text(n), ";") {
			if incident.IsLEI(lei) && !incident.LEIChecks(lei) {
				c.add(Warning, n, "the check digits of %s do not fit (ISO 17442)", lei)
			}
		}
	}
	if ref := c.text("2.1"); strings.ContainsFunc(ref, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-'
	}) {
		c.add(Warning, "2.1", "some authorities take letters, digits and hyphens alone")
	}
}

// conditions looks for values that stand against the condition of their field:
// who reads "no" in one field and the answer to "yes" in the next cannot tell
// which is meant.
func (c *checking) conditions(v *values) {
	items, column := notice.Items(c.f.Stage)
	for i := range items {
		it := &items[i]
		if it.NeedAt(column) != notice.Conditional || it.Number == "2.10" || it.When(v.inc) != classify.No {
			continue
		}
		switch value := c.value(it.Number); value {
		case nil, false, int64(0), float64(0): // says itself that there is nothing
		default:
			c.add(Warning, it.Number, "it is given, and belongs into the report only if %s, which the record denies", it.If)
		}
	}
}

// published tells what the published JSON form has no place for.
func (c *checking) published() {
	if cur := c.text("1.15"); cur != "" && !slices.Contains(currencies, cur) {
		c.add(Warning, "1.15", "the published JSON form takes %s alone", strings.Join(currencies, ", "))
	}
}

// currencies are those of the published JSON form.
var currencies = []string{"EUR", "BGN", "CZK", "DKK", "HUF", "PLN", "RON", "ISK", "CHF", "NOK", "SEK"}

// maxText is the longest text of the published JSON form, in characters.
const maxText = 32767

type checking struct {
	f     *Filing
	found []Check
}

func (c *checking) add(grade, number, format string, args ...any) {
	c.found = append(c.found, Check{number, grade, fmt.Sprintf(format, args...)})
}

func (c *checking) value(n string) any {
	if x := c.f.Field(n); x != nil {
		return x.Value
	}
	return nil
}

func (c *checking) has(n string) bool    { return c.value(n) != nil }
func (c *checking) text(n string) string { return Words(c.value(n)) }
func (c *checking) asked(n string) bool {
	x := c.f.Field(n)
	return x != nil && x.Need != "not asked for"
}
func (c *checking) list(n string) []string { l, _ := c.value(n).([]string); return l }

// times asks for occurrence before detection before classification, and for
// ends after beginnings.
func (c *checking) times(v *values) {
	at := func(n string) time.Time {
		t, _ := time.Parse(time.RFC3339, c.text(n))
		return t
	}
	for _, x := range []struct{ early, late, says string }{
		{"3.2", "2.2", "the incident was detected before it occurred"},
		{"2.2", "2.3", "it was classified as major before it was detected"},
		{"3.2", "3.3", "services were recovered before the incident occurred"},
		{"3.2", "4.8", "it was resolved before it occurred"},
		{"4.7", "4.8", "it was resolved before its root cause was addressed"},
	} {
		a, b := at(x.early), at(x.late)
		if !a.IsZero() && !b.IsZero() && b.Before(a) {
			c.add(Warning, x.late, "%s (%s and %s)", x.says, x.early, x.late)
		}
	}
	d := &v.inc.Fields.Duration
	if d.Minutes != nil && d.Downtime != nil && *d.Downtime > *d.Minutes {
		c.add(Warning, "3.16", "the downtime is longer than the incident (3.15)")
	}
}

func (c *checking) criteria(v *values) {
	if !c.has("2.5") {
		return
	}
	l := c.list("2.5")
	if !slices.Contains(l, "critical_services_affected") {
		c.add(Warning, "2.5", "critical services affected is a condition of every major incident, and is not among the criteria")
	}
	if len(l) < 2 {
		c.add(Warning, "2.5", "a major incident has at least one criterion beside critical services affected")
	}
	met := notice.Criteria(v.inc)
	for _, name := range incident.ListB {
		if met[name] == classify.Unknown {
			c.add(Warning, "2.5", "whether %s is met cannot be told: inputs are missing", strings.ReplaceAll(name, "_", " "))
		}
	}
	if home := v.inc.Fields.Reporter.State; home != "" && slices.Contains(c.list("2.6"), home) {
		c.add(Warning, "2.6", "the list holds the home state %s; instructions known of say to leave it out", home)
	}
	if c.has("2.8") && strings.Count(c.text("2.8"), ";") < 2 {
		c.add(Warning, "2.8", "name, code and kind of code are asked for, with semicolons between")
	}
}

// causes asks that a value of a list stands below one of the list above it.
func (c *checking) causes() {
	heads := map[string]string{
		"malicious_actions": "malicious_actions_", "process_failure": "process_failure_", "system_failure_malfunction": "system_failure_",
		"human_error": "human_error_", "external_event": "external_event_",
	}
	for _, high := range c.list("4.1") {
		if !slices.ContainsFunc(c.list("4.2"), func(d string) bool { return strings.HasPrefix(d, heads[high]) }) && c.asked("4.2") {
			c.add(Error, "4.2", "there is no detailed cause below %s (4.1)", high)
		}
	}
	for _, d := range c.list("4.2") {
		if !slices.ContainsFunc(c.list("4.1"), func(h string) bool { return strings.HasPrefix(d, heads[h]) }) {
			c.add(Error, "4.1", "the high-level cause above %s (4.2) is missing", d)
		}
	}
}
