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
		name            string
		pairs           []string
		changed, loosen []string
	}{
		{name: "nothing"},
		{"older", []string{"freshness: 24h", "freshness: 72h"}, []string{"test house-one changed"}, []string{"test house-one accepts evidence as old as 3 days instead of 24h"}},
		{"fresher", []string{"freshness: 24h", "freshness: 1h"}, []string{"test house-one changed"}, nil},
		{"weaker", []string{"window: 90d\n    freshness: 24h\n    least: instants", "window: 30d\n    freshness: 24h\n    least: reconstructed"},
			[]string{"test house-one changed"}, []string{"test house-one accepts coverage of class reconstructed instead of instants", "test house-one looks back less far"}},
		{"content", []string{"least: instants\n    empty: gap\n  - id", "least: instants\n    empty: satisfied\n  - id"}, []string{"test house-one changed"}, []string{"test house-one is content when there is nothing"}},
		{"untested", []string{", {test: house-two, strength: partial}", ""}, []string{"control house-1 no longer has test house-two"}, []string{"control house-1 is no longer tested by house-two"}},
		{"renamed", []string{"id: house-1\n", "id: house-9\n"}, []string{"control house-1 is gone", "control house-9 is new"}, []string{"control house-1 was dropped"}},
		{"tier", []string{"severity: low", "severity: low\n    applies: {tiers: [premium]}"}, nil, []string{"control house-1 no longer applies to every tenant"}},
		{"sort of entity", []string{"severity: low", "severity: low\n    applies: {entities: [cloud]}"}, nil, []string{"control house-1 no longer binds every sort of entity"}},
	} {
		changed, loosen := Compare(load(ownRules), load(strings.NewReplacer(tc.pairs...).Replace(ownRules)))
		if d := cmp.Diff(tc.changed, changed); d != "" {
			t.Errorf("%s: changed (-want +got):\n%s", tc.name, d)
		}
		if d := cmp.Diff(tc.loosen, loosen); d != "" {
			t.Errorf("%s: loosens (-want +got):\n%s", tc.name, d)
		}
	}
	two := strings.Replace(ownRules, "severity: low", "severity: low\n    applies: {entities: [cloud, dns]}", 1)
	if _, loosen := Compare(load(two), load(strings.Replace(two, "cloud, dns", "dns, cdn", 1))); !slices.Equal(loosen, []string{"control house-1 no longer binds cloud"}) {
		t.Errorf("a sort of entity less: %q", loosen)
	}
	if _, loosen := Compare(load(two), load(ownRules)); len(loosen) > 0 {
		t.Errorf("bound wider: %q", loosen)
	}
}
