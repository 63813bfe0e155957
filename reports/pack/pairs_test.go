package pack

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"evidenced/evidence"
)

// judgedOf reads judged.json of a pack that was taken apart.
func judgedOf(t *testing.T, u *unpacked) []Judged {
	t.Helper()
	var list []Judged
	if err := json.Unmarshal(u.members[memberJudged], &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// shared is the first test that was judged for two controls at least.
func shared(t *testing.T, list []Judged) *Judged {
	t.Helper()
	for i := range list {
		if len(list[i].Controls) > 1 {
			return &list[i]
		}
	}
	t.Fatal("the sample has no test of two controls")
	return nil
}

// catalogOf reads catalog.json of a pack that was taken apart.
func catalogOf(t *testing.T, u *unpacked) *evidence.RuleTable {
	t.Helper()
	var c evidence.RuleTable
	if err := json.Unmarshal(u.members[memberCatalog], &c); err != nil {
		t.Fatal(err)
	}
	return &c
}

// judgement is what a pack says of what was judged, and by which rules.
type judgement struct {
	fs    []Finding
	list  []Judged
	table *evidence.RuleTable
	rules []json.RawMessage
}

func judgementOf(t *testing.T, u *unpacked) *judgement {
	t.Helper()
	j := &judgement{fs: findingsOf(t, u), list: judgedOf(t, u), table: catalogOf(t, u)}
	if err := json.Unmarshal(u.members[memberRules], &j.rules); err != nil {
		t.Fatal(err)
	}
	return j
}

// put writes it into the pack.
func (j *judgement) put(t *testing.T, u *unpacked) {
	t.Helper()
	for name, v := range map[string]any{memberFindings: j.fs, memberJudged: j.list, memberCatalog: j.table, memberRules: j.rules} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		u.members[name] = b
	}
}

// ruleID reads the id of a test of rules.json.
func ruleID(text json.RawMessage) string {
	var r testRule
	if err := json.Unmarshal(text, &r); err != nil {
		return ""
	}
	return r.ID
}

// ruleEmpty reads what an empty population means to a test of rules.json.
func ruleEmpty(text json.RawMessage) evidence.Status {
	var r testRule
	if err := json.Unmarshal(text, &r); err != nil {
		return ""
	}
	return r.Empty
}

// forget takes a pair out of findings, judged.json and, with the table, the
// catalog too; a test without a pair leaves the rules.
func (j *judgement) forget(p pair, table bool) {
	j.fs = slices.DeleteFunc(j.fs, func(f Finding) bool { return f.pair() == p })
	for i := range j.list {
		if x := &j.list[i]; x.Test == p.test {
			x.Controls = slices.DeleteFunc(x.Controls, func(id evidence.ControlID) bool { return id == p.control })
		}
	}
	for i := range j.table.Controls {
		if c := &j.table.Controls[i]; table && c.Control == p.control {
			c.Tests = slices.DeleteFunc(c.Tests, func(r evidence.TableRef) bool { return r.Test == p.test })
		}
	}
	j.list = slices.DeleteFunc(j.list, func(x Judged) bool {
		if len(x.Controls)+len(x.LeftOut) > 0 {
			return false
		}
		j.rules = slices.DeleteFunc(j.rules, func(r json.RawMessage) bool { return ruleID(r) == x.Test })
		return true
	})
}

// failing is a pair that failed.
func (j *judgement) failing(t *testing.T) pair {
	t.Helper()
	i := slices.IndexFunc(j.fs, func(f Finding) bool { return f.Status == evidence.NotSatisfied })
	if i < 0 {
		t.Fatal("nothing failed in the sample")
	}
	return j.fs[i].pair()
}

// A maker with all keys leaves out a pair of control and test, or makes the lists
// of what was judged say another thing.
func TestMakerCannotDropAPair(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, j *judgement)
		want   string
	}{
		{"a failed finding of one control of several", func(t *testing.T, j *judgement) {
			i := slices.IndexFunc(j.fs, func(f Finding) bool {
				return f.Status == evidence.NotSatisfied && slices.ContainsFunc(j.fs, func(g Finding) bool { return g.Test == f.Test && g.Control != f.Control })
			})
			j.fs = slices.Delete(j.fs, i, i+1)
		}, "there is no finding cra-art-13-5/chg-approved, although judged.json names that control and test as judged"},
		{"a failed pair, from findings and judged.json", func(t *testing.T, j *judgement) { j.forget(j.failing(t), false) },
			"judged.json does not name cra-art-13-5/chg-approved, which the catalog of record "},
		{"a failed pair, from the table too", func(t *testing.T, j *judgement) { j.forget(j.failing(t), true) }, "another table than that of the catalog in force"},
		{"a whole test with its rule, from all but the table", func(t *testing.T, j *judgement) {
			test := j.failing(t).test
			for _, f := range slices.Clone(j.fs) {
				if f.Test == test {
					j.forget(f.pair(), false)
				}
			}
		}, "chg-approved was judged for 7 controls, and stands among the rules: false"},
		{"a failed pair said not to apply", func(t *testing.T, j *judgement) {
			p := j.failing(t)
			j.forget(p, false)
			i := slices.IndexFunc(j.list, func(x Judged) bool { return x.Test == p.test })
			j.list[i].LeftOut = append(j.list[i].LeftOut, LeftOut{p.control, evidence.OutByTier})
		}, `leaves cra-art-13-5/chg-approved out ("tier"), but it applies`},
		{"a failed pair said not to apply, for a reason of the maker's own", func(t *testing.T, j *judgement) {
			p := j.failing(t)
			j.forget(p, false)
			i := slices.IndexFunc(j.list, func(x Judged) bool { return x.Test == p.test })
			j.list[i].LeftOut = append(j.list[i].LeftOut, LeftOut{p.control, "agreed by telephone"})
		}, "but it applies"},
		{"a pair that nobody has a finding of", func(t *testing.T, j *judgement) {
			x := shared(t, j.list)
			x.Controls = append(x.Controls, "zz-art-1")
		}, "names zz-art-1/"},
		{"a pair of nobody, with a finding and in the table", func(t *testing.T, j *judgement) {
			f := j.fs[0]
			f.Control = "zz-art-1"
			j.fs = append(j.fs, f)
			i := slices.IndexFunc(j.list, func(x Judged) bool { return x.Test == f.Test })
			j.list[i].Controls = append(j.list[i].Controls, f.Control)
			j.table.Controls = append(j.table.Controls, evidence.TableControl{Control: f.Control, Severity: f.Severity, Tests: []evidence.TableRef{{Test: f.Test, Strength: f.Strength}}})
		}, "another table than that of the catalog in force"},
		{"a control in another case", func(t *testing.T, j *judgement) {
			p := j.failing(t)
			for i := range j.list {
				for k, id := range j.list[i].Controls {
					if (pair{id, j.list[i].Test}) == p {
						j.list[i].Controls[k] = "CRA-art-13-5"
					}
				}
			}
			for i := range j.fs {
				if j.fs[i].pair() == p {
					j.fs[i].Control = "CRA-art-13-5"
				}
			}
		}, "names CRA-art-13-5/chg-approved, which the catalog of record "},
		{"a control in another case, in the table too", func(t *testing.T, j *judgement) {
			for i := range j.table.Controls {
				j.table.Controls[i].Control = evidence.ControlID(strings.ToUpper(string(j.table.Controls[i].Control)))
			}
		}, "another table than that of the catalog in force"},
		{"a pair taken out, its finding kept", func(t *testing.T, j *judgement) {
			x := shared(t, j.list)
			x.Controls = x.Controls[1:]
		}, "does not name"},
		{"a finding of a control beside", func(t *testing.T, j *judgement) {
			f := j.fs[0]
			f.Control = "zz-art-1"
			j.fs = append(j.fs, f)
		}, "finding zz-art-1/vuln-deploy is of a control and a test that judged.json does not name as judged"},
		{"a finding twice", func(t *testing.T, j *judgement) { j.fs = append(j.fs, j.fs[0]) }, "there are two findings " + "cra-annex1-1-2-a/vuln-deploy"},
		{"a pair twice", func(t *testing.T, j *judgement) {
			x := shared(t, j.list)
			x.Controls = slices.Insert(x.Controls, 0, x.Controls[0])
		}, " twice"},
		{"a test twice", func(t *testing.T, j *judgement) { j.list = slices.Insert(j.list, 1, j.list[0]) }, " twice"},
		{"a pair twice in the table", func(t *testing.T, j *judgement) {
			c := &j.table.Controls[slices.IndexFunc(j.table.Controls, func(c evidence.TableControl) bool { return len(c.Tests) > 0 })]
			c.Tests = append(c.Tests, c.Tests[0])
		}, "another table than that of the catalog in force"},
		{"controls unsorted", func(t *testing.T, j *judgement) { slices.Reverse(shared(t, j.list).Controls) }, "not in its one form"},
		{"tests unsorted", func(t *testing.T, j *judgement) { j.list[0], j.list[1] = j.list[1], j.list[0] }, "not in its one form"},
		{"a test for no control", func(t *testing.T, j *judgement) { j.list = append(j.list, Judged{Test: "zz-nothing"}) }, "not in its one form"},
		{"a test left away with all its findings", func(t *testing.T, j *judgement) {
			gone := j.list[0].Test
			j.list = j.list[1:]
			j.fs = slices.DeleteFunc(j.fs, func(f Finding) bool { return f.Test == gone })
		}, "judged.json does not name"},
		{"a test of the maker's own", func(t *testing.T, j *judgement) {
			j.list = append(j.list, Judged{Test: "zz-all-is-well", Controls: []evidence.ControlID{"dora-art-9-1"}})
		}, "names dora-art-9-1/zz-all-is-well, which the catalog of record "},
		{"nothing at all", func(t *testing.T, j *judgement) { j.list, j.fs, j.rules = nil, nil, nil }, "stands among the rules: false"},
		{"the table of nothing", func(t *testing.T, j *judgement) {
			j.list, j.fs, j.rules, j.table = []Judged{}, nil, nil, &evidence.RuleTable{}
		}, "another table than that of the catalog in force"},
		{"a softer rule, with a finding that says so", func(t *testing.T, j *judgement) {
			test := j.failing(t).test
			i := slices.IndexFunc(j.rules, func(r json.RawMessage) bool { return ruleID(r) == test })
			k := slices.IndexFunc(j.fs, func(f Finding) bool { return f.Test == test })
			was, err := json.Marshal(j.fs[k].Assertion)
			if err != nil {
				t.Fatal(err)
			}
			if j.rules[i] = bytes.Replace(j.rules[i], was, []byte(`"true"`), 1); !bytes.Contains(j.rules[i], []byte(`"true"`)) {
				t.Fatal("the rule has no assertion to soften")
			}
			soft, err := textHash(j.rules[i])
			if err != nil {
				t.Fatal(err)
			}
			for k := range j.fs {
				if j.fs[k].Test == test {
					j.fs[k].Assertion, j.fs[k].RuleHash = "true", soft
				}
			}
		}, "is not that of the catalog in force"},
		{"a rule that nothing is judged by", func(t *testing.T, j *judgement) {
			j.rules = append(j.rules, json.RawMessage(`{"id": "zz-all-is-well"}`))
		}, "is not that of the catalog in force"},
		{"less severe than the catalog has it", func(t *testing.T, j *judgement) { j.fs[0].Severity = "low" }, "the catalog in force has"},
		{"a direct test called supporting", func(t *testing.T, j *judgement) {
			j.fs[slices.IndexFunc(j.fs, func(f Finding) bool { return f.Strength == "direct" })].Strength = "supporting"
		}, "the catalog in force has"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u := unpack(t)
			j := judgementOf(t, u)
			tc.change(t, j)
			j.put(t, u)
			if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

// The table and the list of pairs are needed, and say one thing.
func TestPairsAreWhole(t *testing.T) {
	for _, name := range []string{memberJudged, memberCatalog} {
		u := unpack(t)
		u.remove(name)
		if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), "member "+name+" is missing") {
			t.Errorf("without %s: got %v", name, err)
		}
	}
	for _, tc := range []struct{ name, member, text string }{
		{"a name twice", memberJudged, `[{"test":"a","test":"b","controls":["c"]}]`},
		{"an unknown name", memberJudged, `[{"test":"a","controls":["c"],"but":[]}]`},
		{"two lists", memberJudged, `[][]`},
		{"no list", memberJudged, `{"test":"a"}`},
		{"controls of one", memberJudged, `[{"test":"a","controls":"c"}]`},
		{"a name twice in the table", memberCatalog, `{"controls":[],"controls":[],"tests":[]}`},
		{"a table with more", memberCatalog, `{"controls":[],"tests":[],"but":[]}`},
		{"two tables", memberCatalog, `{"controls":[],"tests":[]}{}`},
		{"no table", memberCatalog, `[]`},
	} {
		u := unpack(t)
		u.members[tc.member] = []byte(tc.text)
		if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), "member "+tc.member) {
			t.Errorf("%s: got %v", tc.name, err)
		}
	}
	u := unpack(t)
	u.members[memberJudged] = []byte("[null]")
	if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), "does not name") {
		t.Errorf("nothing, as null: got %v", err)
	}
}

// What was judged is told by number.
func TestJudgedIsCounted(t *testing.T) {
	rep, err := VerifyFile(samplePack, Options{})
	if err != nil {
		t.Fatal(err)
	}
	u := unpack(t)
	controls := map[evidence.ControlID]bool{}
	fs := findingsOf(t, u)
	for _, f := range fs {
		controls[f.Control] = true
	}
	tests := map[string]bool{}
	for _, f := range fs {
		tests[f.Test] = true
	}
	out := 0
	for _, j := range judgedOf(t, u) {
		out += len(j.LeftOut)
	}
	if want := (JudgedCount{len(controls), len(tests), len(fs), out}); rep.Judged != want || want.Pairs <= want.Tests {
		t.Errorf("judged %+v, want %+v, and more pairs than tests", rep.Judged, want)
	}
	if r := rep.Rules; r.Record < rep.First || r.Catalog.IsZero() || r.Controls != len(catalogOf(t, u).Controls) || r.Tenancy == nil {
		t.Errorf("rules in force: %+v", r)
	}
}

// tiered is a table of controls for some tenants, and what a tenant of the basic
// tier without tags is judged by.
func tiered() (*evidence.RuleTable, *stated, evidence.Period, []Judged) {
	period := evidence.Period{From: evidence.Day("2026-03-01"), To: evidence.Day("2026-04-01")}
	ref := []evidence.TableRef{{Test: "x-1", Strength: "direct"}}
	table := &evidence.RuleTable{
		Controls: []evidence.TableControl{
			{Control: "a-all", Tests: append(ref, evidence.TableRef{Test: "x-2", Strength: "partial"})},
			{Control: "a-basic", Applicability: evidence.Applicability{Tiers: []string{"basic", "advanced"}}, Tests: ref},
			{Control: "a-bound", Applicability: evidence.Applicability{Entities: []string{"dns"}}, Tests: ref},
			{Control: "a-critical", Applicability: evidence.Applicability{Tags: []string{"critical"}}, Tests: ref},
			{Control: "a-ended", Applicability: evidence.Applicability{ValidTo: "2026-03-01"}, Tests: ref},
			{Control: "a-later", Applicability: evidence.Applicability{ValidFrom: "2026-04-01"}, Tests: ref},
			{Control: "a-premium", Applicability: evidence.Applicability{Tiers: []string{"premium"}}, Tests: ref},
			{Control: "a-untested"},
			{Control: "a-within", Applicability: evidence.Applicability{ValidFrom: "2026-03-31", ValidTo: "2026-04-01"}, Tests: ref},
		},
		Tests: []evidence.TableTest{{Test: "x-1"}, {Test: "x-2"}, {Test: "x-unused"}},
	}
	s := &stated{7, catalogFacts{Tenancy: &evidence.Tenancy{Tier: "basic"}, Entities: []string{"financial-entity"}}}
	return table, s, period, []Judged{
		{"x-1", []evidence.ControlID{"a-all", "a-basic", "a-bound", "a-within"},
			[]LeftOut{{"a-critical", "tags"}, {"a-ended", "wording"}, {"a-later", "wording"}, {"a-premium", "tier"}}},
		{Test: "x-2", Controls: []evidence.ControlID{"a-all"}},
	}
}

// Which controls apply follows from the table and from what the tenant is said to
// be, and judged.json says just that.
func TestWhatApplies(t *testing.T) {
	table, s, period, want := tiered()
	r := rule(table, s, period)
	if !reflect.DeepEqual(r.judged, want) {
		t.Errorf("judged %+v, want %+v", r.judged, want)
	}
	if r.pairs[pair{"a-bound", "x-1"}].binds || !r.pairs[pair{"a-all", "x-1"}].binds {
		t.Errorf("who is bound: %+v", r.pairs)
	}
	s.Tenancy = nil
	if all := rule(table, s, period).judged; len(all[0].Controls) != 6 || len(all[0].LeftOut) != 2 {
		t.Errorf("a tenant that the configuration does not name: %+v", all)
	}
	for _, tc := range []struct {
		name   string
		change func(list []Judged) []Judged
		want   string
	}{
		{"as it is", func(list []Judged) []Judged { return list }, ""},
		{"one left out for no reason", func(list []Judged) []Judged {
			list[0].Controls, list[0].LeftOut = list[0].Controls[1:], append([]LeftOut{{"a-all", "tier"}}, list[0].LeftOut...)
			return list
		}, `leaves a-all/x-1 out ("tier"), but it applies by the catalog of record 7`},
		{"one left out and not named", func(list []Judged) []Judged { list[0].LeftOut = list[0].LeftOut[1:]; return list }, "does not name a-critical/x-1"},
		{"one judged that is left out", func(list []Judged) []Judged {
			list[0].LeftOut, list[0].Controls = list[0].LeftOut[:3], append(list[0].Controls, "a-premium")
			return list
		}, `says of a-premium/x-1 "", but by the catalog of record 7 it is left out: tier`},
		{"another reason", func(list []Judged) []Judged { list[0].LeftOut[0].Why = "tier"; return list }, "it is left out: tags"},
		{"judged and left out", func(list []Judged) []Judged {
			list[0].LeftOut = append(list[0].LeftOut, LeftOut{"a-all", "tier"})
			return list
		}, "names a-all/x-1 twice"},
		{"left out twice", func(list []Judged) []Judged {
			list[0].LeftOut = append(list[0].LeftOut, list[0].LeftOut[0])
			return list
		}, "names a-critical/x-1 twice"},
		{"a control without tests", func(list []Judged) []Judged {
			return append(list, Judged{"x-2", []evidence.ControlID{"a-untested"}, nil})
		}, "names a-untested/x-2, which the catalog of record 7 does not have"},
		{"a test that no control has", func(list []Judged) []Judged { return append(list, Judged{Test: "x-unused"}) }, "not in its one form"},
		{"left out unsorted", func(list []Judged) []Judged { slices.Reverse(list[0].LeftOut); return list }, "not in its one form"},
	} {
		_, _, _, list := tiered()
		err := r.same(tc.change(list))
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// Whatever a list says, what is taken for that of the catalog is that of the
// catalog.
func FuzzPairs(f *testing.F) {
	table := &evidence.RuleTable{
		Controls: []evidence.TableControl{
			{Control: "a-1", Tests: []evidence.TableRef{{Test: "x-1"}, {Test: "x-2"}}},
			{Control: "a-2", Applicability: evidence.Applicability{Tags: []string{"critical"}}, Tests: []evidence.TableRef{{Test: "x-1"}}},
		},
		Tests: []evidence.TableTest{{Test: "x-1"}, {Test: "x-2"}, {Test: "x-3"}},
	}
	r := rule(table, &stated{catalogFacts: catalogFacts{Tenancy: &evidence.Tenancy{}}}, evidence.Period{})
	good := `[{"test":"x-1","controls":["a-1"],"left_out":[{"control":"a-2","why":"tags"}]},{"test":"x-2","controls":["a-1"]}]`
	f.Add([]byte(good))
	f.Add([]byte(`[{"test":"x-1","controls":["a-1","a-2"]},{"test":"x-2","controls":["a-1"]}]`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var list []Judged
		if strict(memberJudged, b, &list) != nil || r.same(list) != nil {
			return
		}
		again, err := json.Marshal(list)
		if err != nil || string(again) != good {
			t.Errorf("%q is taken for %s", b, good)
		}
	})
}
