package evidence

import (
	"strings"
	"testing"
)

func aTable() *RuleTable {
	return &RuleTable{
		Controls: []TableControl{
			{Control: "act-1", Article: "Act Art. 1", Severity: "high", InForce: "2025-01-17", Tests: []TableRef{{"seen-all", "direct"}, {"told-all", "partial"}}},
			{Control: "act-2", Severity: "low", Applicability: Applicability{Tiers: []string{"premium"}, ValidFrom: "2026-09-11"}},
		},
		Tests: []TableTest{{"seen-all", Hash{1}}, {"told-all", Hash{2}}},
	}
}

func TestRuleTableCheck(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*RuleTable)
		want   string
	}{
		{"as it is", func(*RuleTable) {}, ""},
		{"nothing", func(x *RuleTable) { *x = RuleTable{} }, ""},
		{"control twice", func(x *RuleTable) { x.Controls[1].Control = "act-1" }, "control act-1 stands there twice"},
		{"control in another case", func(x *RuleTable) { x.Controls[1].Control = "ACT-1" }, "in small letters"},
		{"control without a name", func(x *RuleTable) { x.Controls[0].Control = "" }, "in small letters"},
		{"controls unsorted", func(x *RuleTable) { x.Controls[0].Control = "act-3" }, "must be sorted"},
		{"test twice", func(x *RuleTable) { x.Tests[1].Test = "seen-all" }, "test seen-all stands there twice"},
		{"tests unsorted", func(x *RuleTable) { x.Tests[0].Test = "zz-all" }, "must be sorted"},
		{"test of a control twice", func(x *RuleTable) { x.Controls[0].Tests[1].Test = "seen-all" }, "control act-1: test seen-all stands there twice"},
		{"test that is not listed", func(x *RuleTable) { x.Controls[0].Tests[1].Test = "zz-all" }, "which is not in the list"},
		{"force from no day", func(x *RuleTable) { x.Controls[0].InForce = "soon" }, "is no date"},
		{"day that is none", func(x *RuleTable) { x.Controls[1].ValidTo = "2026-02-30" }, "is no date"},
	} {
		x := aTable()
		tc.change(x)
		err := x.Check()
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// Everything in a table is in its hash, and its order is not.
func TestRuleTableHash(t *testing.T) {
	want := aTable().Hash()
	for name, change := range map[string]func(*RuleTable){
		"severity":  func(x *RuleTable) { x.Controls[0].Severity = "low" },
		"article":   func(x *RuleTable) { x.Controls[0].Article = "Act Art. 2" },
		"force":     func(x *RuleTable) { x.Controls[0].InForce = "2026-01-17" },
		"tiers":     func(x *RuleTable) { x.Controls[1].Tiers = nil },
		"tags":      func(x *RuleTable) { x.Controls[1].Tags = []string{"x"} },
		"entities":  func(x *RuleTable) { x.Controls[1].Entities = []string{"x"} },
		"from":      func(x *RuleTable) { x.Controls[1].ValidFrom = "" },
		"to":        func(x *RuleTable) { x.Controls[1].ValidTo = "2027-01-01" },
		"strength":  func(x *RuleTable) { x.Controls[0].Tests[0].Strength = "partial" },
		"a test":    func(x *RuleTable) { x.Controls[0].Tests = x.Controls[0].Tests[:1] },
		"a control": func(x *RuleTable) { x.Controls = x.Controls[:1] },
		"a rule":    func(x *RuleTable) { x.Tests[0].Rule = Hash{9} },
	} {
		x := aTable()
		if change(x); x.Hash() == want {
			t.Errorf("%s is not in the hash", name)
		}
	}
	x := aTable()
	x.Controls[0], x.Controls[1] = x.Controls[1], x.Controls[0]
	x.Controls[1].Tests[0], x.Controls[1].Tests[1] = x.Controls[1].Tests[1], x.Controls[1].Tests[0]
	x.Tests[0], x.Tests[1] = x.Tests[1], x.Tests[0]
	if x.Sort(); x.Hash() != want {
		t.Error("sorted again it has another hash")
	}
}

func TestApplicability(t *testing.T) {
	tenancy := func(tier string, tags ...string) *Tenancy { return &Tenancy{tier, tags} }
	premium := Applicability{Tiers: []string{"advanced", "premium"}, Tags: []string{"critical", "pci"}}
	for _, tc := range []struct {
		a    Applicability
		t    *Tenancy
		want string
	}{
		{Applicability{}, tenancy("basic"), ""},
		{premium, nil, ""},
		{premium, tenancy("basic", "pci"), OutByTier},
		{premium, tenancy("premium"), OutByTags},
		{premium, tenancy("premium", "pci"), ""},
		{premium, tenancy("", "critical"), ""}, // a tier that nobody said
	} {
		if got := tc.a.Out(tc.t); got != tc.want {
			t.Errorf("%+v of %+v: %q, want %q", tc.a, tc.t, got, tc.want)
		}
	}
	march := Period{Day("2026-03-01"), Day("2026-04-01")}
	for _, tc := range []struct {
		from, to string
		want     bool
	}{{"", "", true}, {"2026-03-31", "", true}, {"2026-04-01", "", false}, {"", "2026-03-01", false}, {"", "2026-03-02", true}} {
		if got := (Applicability{ValidFrom: tc.from, ValidTo: tc.to}).StandsOver(march); got != tc.want {
			t.Errorf("from %q to %q: %t", tc.from, tc.to, got)
		}
	}
}
