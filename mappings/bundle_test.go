package mappings

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestBundleComesBack(t *testing.T) {
	cat := mustLoad(t)
	b, err := cat.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseBundle(b)
	if err != nil {
		t.Fatal(err)
	}
	if back.Hash() != cat.Hash() {
		t.Errorf("catalog %s came back as %s", cat.Hash(), back.Hash())
	}
	for _, bad := range []string{"", "[]", `{"files":[{"name":"a.yaml","text":"version: 2"}]}`, `{"files":[{"name":"a.yaml","text":"version: 1\ntests: [{id: a-b}]"}]}`} {
		if _, err := ParseBundle([]byte(bad)); err == nil {
			t.Errorf("ParseBundle(%q): no error", bad)
		}
	}
}

func FuzzParseBundle(f *testing.F) {
	f.Add([]byte(`{"files":[{"name":"own.yaml","text":"version: 1"}]}`))
	f.Add([]byte(`{"files":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		cat, err := ParseBundle(b)
		if err != nil {
			return
		}
		again, err := cat.Bundle()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseBundle(again); err != nil || back.Hash() != cat.Hash() {
			t.Fatalf("%q comes back another: %v", b, err)
		}
	})
}

const ownRules = `version: 1
acts:
  - {id: house, name: House rules, title: Rules of our own house, in_force_since: 2026-01-01, addressee: us}
tests:
  - id: house-one
    title: One
    says: one holds
    view: changes
    assert: item.reviewed_by_other
    window: 90d
    freshness: 24h
    least: instants
    empty: gap
  - id: house-two
    title: Two
    says: two holds
    view: running
    assert: item.at_end
    window: period
    freshness: 1h
    least: instants
    empty: gap
controls:
  - id: house-1
    act: house
    article: Art. 1
    title: One
    objective: Hold one.
    severity: low
    cannot_prove: Much.
    tests: [{test: house-one, strength: direct}, {test: house-two, strength: partial}]
`

func TestCompare(t *testing.T) {
	load := func(text string) *Catalog {
		t.Helper()
		cat, err := LoadOnly(fstest.MapFS{"own.yaml": {Data: []byte(text)}})
		if err != nil {
			t.Fatal(err)
		}
		return cat
	}
	for _, tc := range []struct {
		name                       string
		pairs                      []string
		changed, loosen, rewritten []string
	}{
		{name: "nothing"},
		{"older", []string{"freshness: 24h", "freshness: 72h"}, []string{"test house-one changed"}, []string{"test house-one accepts evidence as old as 3 days instead of 24h"}, nil},
		{"fresher", []string{"freshness: 24h", "freshness: 1h"}, []string{"test house-one changed"}, nil, nil},
		{"weaker", []string{"window: 90d\n    freshness: 24h\n    least: instants", "window: 30d\n    freshness: 24h\n    least: reconstructed"},
			[]string{"test house-one changed"}, []string{"test house-one accepts coverage of class reconstructed instead of instants", "test house-one looks back less far"}, nil},
		{"content", []string{"least: instants\n    empty: gap\n  - id", "least: instants\n    empty: satisfied\n  - id"}, []string{"test house-one changed"}, []string{"test house-one is content when there is nothing"}, nil},
		{"not missed", []string{"least: instants\n    empty: gap\n  - id", "least: instants\n    empty: not-observed\n  - id"}, []string{"test house-one changed"}, []string{"test house-one misses nothing when there is nothing"}, nil},
		{"optional", []string{"least: instants\n    empty: gap\n  - id", "least: instants\n    empty: gap\n    optional: true\n  - id"}, []string{"test house-one changed"}, []string{"test house-one says nothing beside others while no source is configured for it"}, nil},
		{"untested", []string{", {test: house-two, strength: partial}", ""}, []string{"control house-1 no longer has test house-two"}, []string{"control house-1 is no longer tested by house-two"}, nil},
		{"renamed", []string{"id: house-1\n", "id: house-9\n"}, []string{"control house-1 is gone", "control house-9 is new"}, []string{"control house-1 was dropped"}, nil},
		{"a limit relaxed", []string{"assert: item.at_end", "assert: item.at_end || item.longest_drift < duration('24h')"}, []string{"test house-two changed"},
			[]string{"test house-two asks for less: \"item.at_end || item.longest_drift < duration('24h')\" instead of \"item.at_end\""}, nil},
		{"a filter narrowed", []string{"view: running\n    assert", "view: running\n    population: item.project != 'edge'\n    assert"}, []string{"test house-two changed"},
			[]string{"test house-two looks at fewer items: \"item.project != 'edge'\" instead of no filter"}, nil},
		{"a rule rewritten", []string{"assert: item.at_end", "assert: item.source != ''"}, []string{"test house-two changed"}, nil, []string{"test house-two asks for \"item.source != ''\" instead of \"item.at_end\""}},
		{"another view", []string{"view: changes\n    assert: item.reviewed_by_other", "view: running\n    assert: item.at_end"}, []string{"test house-one changed"}, nil,
			[]string{"test house-one looks at the view running instead of changes"}},
		{"a threshold", []string{"assert: item.at_end", "assert: item.at_end\n    threshold: {failed_percent: 5}"}, []string{"test house-two changed"},
			[]string{"test house-two names 5 % of failed items as its threshold instead of 0 %"}, nil},
		{"tier", []string{"severity: low", "severity: low\n    applies: {tiers: [premium]}"}, nil, []string{"control house-1 no longer applies to every tenant"}, nil},
		{"sort of entity", []string{"severity: low", "severity: low\n    applies: {entities: [cloud]}"}, nil, []string{"control house-1 no longer binds every sort of entity"}, nil},
	} {
		changed, loosen, rewritten := Compare(load(ownRules), load(strings.NewReplacer(tc.pairs...).Replace(ownRules)))
		if d := cmp.Diff(tc.changed, changed); d != "" {
			t.Errorf("%s: changed (-want +got):\n%s", tc.name, d)
		}
		if d := cmp.Diff(tc.loosen, loosen); d != "" {
			t.Errorf("%s: loosens (-want +got):\n%s", tc.name, d)
		}
		if d := cmp.Diff(tc.rewritten, rewritten); d != "" {
			t.Errorf("%s: rewritten (-want +got):\n%s", tc.name, d)
		}
	}
	severe := strings.NewReplacer("severity: low", "severity: high\n    applies: {tiers: [basic, premium]}").Replace(ownRules)
	for _, tc := range []struct {
		name, from, to string
		loosen         []string
	}{
		{"milder", "severity: high", "severity: medium", []string{"control house-1 is of severity medium instead of high"}},
		{"fewer tiers", "[basic, premium]", "[premium]", []string{"control house-1 applies to fewer tenants"}},
		{"more tiers", "[basic, premium]", "[basic, advanced, premium]", nil},
	} {
		_, loosen, _ := Compare(load(severe), load(strings.Replace(severe, tc.from, tc.to, 1)))
		if d := cmp.Diff(tc.loosen, loosen); d != "" {
			t.Errorf("%s: loosens (-want +got):\n%s", tc.name, d)
		}
	}
	two := strings.Replace(ownRules, "severity: low", "severity: low\n    applies: {entities: [cloud, dns]}", 1)
	if _, loosen, _ := Compare(load(two), load(strings.Replace(two, "cloud, dns", "dns, cdn", 1))); !slices.Equal(loosen, []string{"control house-1 no longer binds cloud"}) {
		t.Errorf("a sort of entity less: %q", loosen)
	}
	if _, loosen, _ := Compare(load(two), load(ownRules)); len(loosen) > 0 {
		t.Errorf("bound wider: %q", loosen)
	}
}
