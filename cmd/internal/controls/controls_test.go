package controls

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
	"evidenced/mappings"
	"evidenced/reports"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// house is a catalog with one of everything.
const house = `version: 1
acts:
  - id: house
    name: House rules
    title: Rules of our own house
    celex: 39999R0001
    in_force_since: 2026-01-01
    text_read: 2026-02-01
    language: en
    entities: [cloud, dns]
    addressee: our platform team
    unverified: Nobody read the second page.
  - {id: later, name: Later rules, title: Rules that come, in_force_since: 2027-06-01, addressee: everybody}
tests:
  - id: house-eyes
    title: Requests come with an approval
    says: every merged request was approved by another person
    view: changes
    population: item.watched && item.type == "request"
    assert: |
      item.reviewed_by_other &&
      item.commits <= 50
    window: 366d
    freshness: 24h
    least: reconstructed
    empty: not-applicable
    shared: true
    optional: true
    threshold: {failed_percent: 5}
    numbers:
      - {value: 366d, origin: law, source: House rules Art. 4(2), says: how often}
      - {value: "50", origin: default, says: commits of a request}
    limits: The quality of a review is not measured.
  - id: house-drift
    title: No drift
    says: nothing drifts
    view: running
    assert: item.longest_drift < duration("60m")
    window: 30d
    freshness: 90m
    least: instants
    empty: gap
controls:
  - id: house-art-4-1
    act: house
    article: Art. 4(1)
    title: No merge without a look
    objective: Have another person look at every request before it is merged.
    role: platform
    applies: {tiers: [premium, advanced], tags: critical}
    severity: high
    cannot_prove: How closely somebody looked.
    unverified: The meaning of a look.
    valid_from: 2026-01-01
    replaces: house-art-4
    tests:
      - {test: house-eyes, strength: direct}
      - {test: house-drift, strength: supporting}
  - {id: house-art-4, act: house, article: Art. 4, title: Old wording, objective: Look., severity: low, cannot_prove: much, valid_to: 2026-01-01, tests: [{test: house-drift, strength: partial}]}
  - {id: house-art-5, act: house, article: Art. 5, title: Guests, objective: Greet guests., severity: low, cannot_prove: much, answered_by: a doorman (visit.guest)}
  - {id: later-annex-1, act: later, article: Annex 1, title: To come, objective: Be ready., severity: medium, cannot_prove: much, applies: {entities: manufacturer}, tests: [{test: house-drift, strength: partial}]}
`

func load(t testing.TB, text string) *mappings.Catalog {
	t.Helper()
	c, err := mappings.LoadOnly(fstest.MapFS{"own.yaml": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFilters(t *testing.T) {
	cat := load(t, house)
	for _, tt := range []struct {
		name string
		f    Filter
		want string
	}{
		{"all", Filter{}, "house-art-4-1 house-art-4 house-art-5 later-annex-1"},
		{"law by id", Filter{Laws: []string{"later"}}, "later-annex-1"},
		{"law by name", Filter{Laws: []string{"house RULES"}}, "house-art-4-1 house-art-4 house-art-5"},
		{"two laws", Filter{Laws: []string{"house", "later"}}, "house-art-4-1 house-art-4 house-art-5 later-annex-1"},
		{"in force", Filter{Status: "in-force"}, "house-art-4-1 house-art-4 house-art-5"},
		{"preparing", Filter{Status: "preparing"}, "later-annex-1"},
		{"tier", Filter{Tiers: []string{"advanced"}}, "house-art-4-1 house-art-4 house-art-5 later-annex-1"},
		{"tier without", Filter{Tiers: []string{"basic"}}, "house-art-4 house-art-5 later-annex-1"},
		{"tag without", Filter{Tags: []string{"pci"}}, "house-art-4 house-art-5 later-annex-1"},
		{"entity of the act", Filter{Entities: []string{"dns"}}, "house-art-4-1 house-art-4 house-art-5"},
		{"entity of the control", Filter{Entities: []string{"manufacturer"}}, "later-annex-1"},
		{"kind", Filter{Sources: []string{"change.merge"}}, "house-art-4-1"},
		{"begin of a kind", Filter{Sources: []string{"deploy"}}, "house-art-4-1 house-art-4 later-annex-1"},
		{"begin with a star", Filter{Sources: []string{"change.*"}}, "house-art-4-1"},
		{"unanswered", Filter{Unanswered: true}, "house-art-5"},
		{"together", Filter{Laws: []string{"house"}, Sources: []string{"deploy"}, Tiers: []string{"basic"}}, "house-art-4"},
		{"nothing", Filter{Laws: []string{"later"}, Status: "in-force"}, ""},
	} {
		l, err := Build(cat, tt.f, now)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var ids []string
		for _, c := range l.Controls {
			ids = append(ids, string(c.ID))
		}
		if got := strings.Join(ids, " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if l.Answered+l.Unanswered != len(l.Controls) {
			t.Errorf("%s: %d answered and %d not of %d", tt.name, l.Answered, l.Unanswered, len(l.Controls))
		}
	}
	for _, f := range []Filter{{Laws: []string{"hous"}}, {Status: "satisfied"}, {Entities: []string{"dragon"}}, {Tiers: []string{"gold"}}, {Sources: []string{"artefact"}}, {Sources: []string{""}}, {Sources: []string{"dep"}}} {
		if _, err := Build(cat, f, now); !problem.Is(err, problem.Usage) {
			t.Errorf("%+v: got %v, want a problem of code usage", f, err)
		}
	}
	if l, _ := Build(cat, Filter{Status: "preparing"}, now.AddDate(1, 0, 0)); len(l.Controls) != 0 {
		t.Errorf("a year on: got %v, want none preparing", l.Controls)
	}
}

// feedsOf is a configuration that gives some kinds.
var feedsOf = Sources{evidence.ChangeCommit: {{Name: "forge/main"}, {Name: "git/mirror", Paused: true}}, evidence.DeployState: {{Name: "argocd/prod"}}}

// TestText holds how lists and explanations read, and their documents.
func TestText(t *testing.T) {
	cat := load(t, house)
	l, err := Build(cat, Filter{}, now)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "list", l.Text, l)
	for _, tt := range []struct {
		id, name string
		sources  Sources
		sorts    Sorts
	}{
		{"house-art-4-1", "explain", feedsOf, Sorts{"tenant-7": {"cloud", "manufacturer"}, "tenant-8": {"manufacturer"}, "tenant-9": nil, "_platform": {"none"}}},
		{"house-art-4", "explain-ended", nil, nil}, {"house-art-5", "explain-unanswered", nil, nil}, {"later-annex-1", "explain-preparing", Sources{}, nil},
	} {
		e, err := Explain(cat, tt.id, now, tt.sources, tt.sorts)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, tt.name, e.Text, e)
	}
	_, err = Explain(cat, "house-art-44", now, nil, nil)
	if !problem.Is(err, problem.NotFound) || !strings.Contains(fmt.Sprint(problem.Of(err).Hint), "house-art-4, house-art-4-1") {
		t.Errorf("got %v with hint %q", err, problem.Of(err).Hint)
	}
}

func golden(t *testing.T, name string, text func(io.Writer, reports.Style) error, doc any) {
	t.Helper()
	var b bytes.Buffer
	if err := text(&b, reports.Style{Width: 100}); err != nil {
		t.Fatal(err)
	}
	evidencetest.Golden(t, name+".txt", b.Bytes())
	j, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	evidencetest.Golden(t, name+".json", append(j, '\n'))
}

// TestBuiltin tells everything about every built-in control: what a reader
// must find stands there.
func TestBuiltin(t *testing.T) {
	cat, err := mappings.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cat.Controls() {
		for _, width := range []int{60, 100, 200} {
			e, err := Explain(cat, string(c.ID), now, Sources{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := e.Text(&b, reports.Style{Width: width}); err != nil {
				t.Fatal(err)
			}
			flat := strings.Join(strings.Fields(b.String()), " ")
			want := []string{string(c.ID), c.Article, c.Act.CELEX, "as of " + c.Act.TextRead, c.Objective, c.CannotProve, c.AnsweredBy}
			for _, r := range c.Tests {
				want = append(want, r.Test.Says, strings.Join(strings.Fields(r.Test.Assertion), " "), r.Test.Limits, r.Test.Hash().String()[:32])
				for _, n := range r.Test.Numbers {
					want = append(want, n.Value+": "+n.Says)
				}
			}
			if c.ForceAt(now) == mappings.Preparing {
				want = append(want, "the law does not apply yet", "preparing: applies from")
			}
			for _, w := range want {
				if !strings.Contains(flat, strings.Join(strings.Fields(w), " ")) {
					t.Errorf("%s at width %d does not say %q", c.ID, width, w)
				}
			}
		}
	}
}

// TestHostile puts texts into every field that would change what a reader
// sees: none reaches the terminal as it is.
func TestHostile(t *testing.T) {
	const evil = `"=HYPERLINK(\"http://x\")\n\tline two \e[31mred\e[0m \u202Eesrever\u202C \u200B <b>bold</b> (BT) Tj \u0645\u0631\u062D\u0628\u0627 \u4E2D\u6587 \x07 end"`
	text := house
	for _, field := range []string{"name: House rules", "title: Rules of our own house", "celex: 39999R0001", "addressee: our platform team", "unverified: Nobody read the second page.",
		"title: Requests come with an approval", "says: every merged request was approved by another person", "limits: The quality of a review is not measured.",
		"title: No merge without a look", "objective: Have another person look at every request before it is merged.", "role: platform",
		"cannot_prove: How closely somebody looked.", "unverified: The meaning of a look."} {
		key, _, _ := strings.Cut(field, ":")
		if !strings.Contains(text, field+"\n") {
			t.Fatalf("the catalog has no %q", field)
		}
		text = strings.Replace(text, field+"\n", key+": "+evil+"\n", 1)
	}
	for was, is := range map[string]string{"answered_by: a doorman (visit.guest)": "answered_by: " + evil, "source: House rules Art. 4(2)": "source: " + evil,
		"says: commits of a request": "says: " + evil, "tags: critical": "tags: " + evil, "tiers: [premium, advanced]": "tiers: [" + evil + ", premium]"} {
		if !strings.Contains(text, was) {
			t.Fatalf("the catalog has no %q", was)
		}
		text = strings.Replace(text, was, is, 1)
	}
	cat := load(t, text)
	var b bytes.Buffer
	l, err := Build(cat, Filter{}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Text(&b, reports.Style{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range cat.Controls() {
		e, err := Explain(cat, string(c.ID), now, feedsOf, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Text(&b, reports.Style{}); err != nil {
			t.Fatal(err)
		}
		if j, err := json.Marshal(e); err != nil || !json.Valid(j) {
			t.Errorf("document of %s: %v", c.ID, err)
		}
	}
	for _, r := range b.String() {
		if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
			t.Fatalf("%q reached the terminal", r)
		}
	}
	if n := strings.Count(b.String(), `\u202e`); n < 15 {
		t.Errorf("%d of the texts are shown spelled out, want every one", n)
	}
}
