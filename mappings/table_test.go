package mappings

import (
	"slices"
	"testing"

	"evidenced/evidence"
)

// The table of the program's own catalog is in its one form, and has every pair
// once.
func TestTable(t *testing.T) {
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	table := c.Table()
	if err := table.Check(); err != nil {
		t.Fatal(err)
	}
	pairs, want := 0, 0
	for _, x := range table.Controls {
		pairs += len(x.Tests)
	}
	for _, x := range c.Controls() {
		want += len(x.Tests)
	}
	if pairs != want || len(table.Controls) != len(c.Controls()) || len(table.Tests) != len(c.Tests()) {
		t.Errorf("%d pairs of %d controls and %d tests, want %d, %d and %d", pairs, len(table.Controls), len(table.Tests), want, len(c.Controls()), len(c.Tests()))
	}
}

// What a tenant is no longer judged by is named, what it is judged by besides is
// not.
func TestFewer(t *testing.T) {
	c := &Catalog{controls: []*Control{
		{ID: "a-all"}, {ID: "a-premium", Tiers: []string{"premium"}}, {ID: "a-critical", Tags: []string{"critical"}}, {ID: "a-dns", Entities: []string{"dns"}},
	}}
	premium, basic := &evidence.Tenancy{Tier: "premium"}, &evidence.Tenancy{Tier: "basic", Tags: []string{"critical"}}
	for _, tc := range []struct {
		name        string
		was, is     *evidence.Tenancy
		wasOf, isOf []string
		want        []evidence.ControlID
	}{
		{"the same", premium, premium, nil, nil, nil},
		{"another tier and a tag", premium, basic, nil, nil, []evidence.ControlID{"a-premium"}},
		{"the tag gone", basic, premium, nil, nil, []evidence.ControlID{"a-critical"}},
		{"named by the configuration", nil, basic, nil, nil, []evidence.ControlID{"a-premium"}},
		{"named no more", basic, nil, nil, nil, nil},
		{"said to be a bank", basic, basic, nil, []string{"bank"}, []evidence.ControlID{"a-dns"}},
		{"a bank said to be of the domain name system", basic, basic, []string{"bank"}, []string{"dns"}, nil},
	} {
		if got := c.Fewer(tc.was, tc.is, tc.wasOf, tc.isOf); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
