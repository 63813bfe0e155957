package mappings

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shownFields prints the fields of a view's items over a scene.
func shownFields(t *testing.T, view, text string, fields ...string) []string {
	t.Helper()
	c := parseCase(t, text, mustLoad(t))
	a := &assessment{in: c.in, people: newPeople(c.log)}
	if err := a.load(t.Context(), c.in.Catalog.controls); err != nil {
		t.Fatal(err)
	}
	var out []string
	s := &scene{reader: c.log, period: c.in.Period, cover: a.cover, people: a.people, joins: &joins{}}
	if err := views[view].build(t.Context(), s, func(it *item) error {
		var parts []string
		for _, f := range fields {
			v, ok := it.fields[f]
			if !ok {
				v = "-"
			}
			parts = append(parts, fmt.Sprint(v))
		}
		out = append(out, strings.Join(parts, " "))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// What no built-in test asks for is told rightly too.
func TestAlertFields(t *testing.T) {
	got := shownFields(t, "alerts", `
		cover alertmanager/prod instants 01T00:00 30T00:00 alert.instance
		alert.instance set 10T00:00 {"fingerprint":"1","name":"Down","severity":"critical","starts_at":"2026-11-10T00:00:00Z","status":"active"}
		alert.instance set 10T01:00 notbefore=10T00:59 {"fingerprint":"1","name":"Down","severity":"critical","starts_at":"2026-11-10T00:00:00Z","status":"suppressed","silenced_by":["s"]}
		alert.instance end 10T02:00 notbefore=10T01:59 {"fingerprint":"1","starts_at":"2026-11-10T00:00:00Z","reason":"absent"}
		alert.instance set 12T00:00 {"fingerprint":"2","name":"","starts_at":"2026-11-11T23:00:00Z","status":"active"}
		alert.instance end 12T01:00 notbefore=12T00:58 {"fingerprint":"2","starts_at":"2026-11-11T23:00:00Z","reason":"absent after a restart"}
		alert.instance set 29T00:00 {"fingerprint":"3","name":"Up","severity":"none","starts_at":"0001-01-01T00:00:00Z","status":"unknown"}
	`, "name", "severity", "ended", "hidden", "lasted", "possibly_lasted", "incident", "incident_after", "blind")
	want := []string{
		"Down critical true true 1h59m0s 2h0m0s false - false",
		"  - false 1h58m0s 433h0m0s false - false", // a restart: it may fire to this day
		"Up none false false 0s 24h0m0s false - false",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("alerts (-want +got):\n%s", d)
	}
	got = shownFields(t, "silences", `
		cover alertmanager/prod instants 01T00:00 30T00:00 alert.silence
		alert.silence set 05T08:00 {"id":"s2","matchers":[{"name":"alertname","op":"=~","values":["Disk.*"],"pattern":true},{"name":"pod","op":"!=","left":true}],"broad":true,"starts_at":"2026-11-05T08:00:00Z","ends_at":"2026-12-05T08:00:00Z","author":0,"comment_letters":14} author/claimed/alertmanager:prod|bob
		alert.silence end 06T08:00 {"id":"s2","reason":"expired"}
	`, "matchers", "broad", "length", "expires", "author_named", "comment_letters")
	if d := cmp.Diff([]string{"alertname=~Disk.*, pod!=(not kept) true 24h0m0s 2026-11-06 08:00:00 +0000 UTC true 14"}, got); d != "" {
		t.Errorf("silences (-want +got):\n%s", d)
	}
	got = shownFields(t, "alert_rules", `
		cover prometheus/prod instants 01T00:00 30T00:00 alert.rule
		alert.rule set 01T00:00 {"group":"g","name":"r","type":"alerting","severity":"page","health":"ok","expression_sha256":"aa"}
		alert.rule set 05T00:00 notbefore=04T23:00 {"group":"g","name":"r","type":"alerting","severity":"page","health":"err","expression_sha256":"bb","blind":"error"}
		alert.rule end 05T00:30 notbefore=05T00:29 {"group":"g","name":"r","reason":"absent"}
	`, "name", "group", "type", "severity", "expressions", "at_end", "longest_blind", "unwatched")
	if d := cmp.Diff([]string{"r g alerting page 2 false 29m0s false"}, got); d != "" {
		t.Errorf("alert_rules (-want +got):\n%s", d)
	}
}
