package pack

import (
	"encoding/json"
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

// A maker with all keys leaves out what a test says of one control while another
// keeps the test, or makes the list of what was judged say another thing.
func TestMakerCannotDropAPair(t *testing.T) {
	type scene struct {
		fs   []Finding
		list []Judged
	}
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, s *scene)
		want   string
	}{
		{"a failed finding of one control of several", func(t *testing.T, s *scene) {
			i := slices.IndexFunc(s.fs, func(f Finding) bool {
				return f.Status == evidence.NotSatisfied && slices.ContainsFunc(s.fs, func(g Finding) bool { return g.Test == f.Test && g.Control != f.Control })
			})
			s.fs = slices.Delete(s.fs, i, i+1)
		}, "there is no finding cra-art-13-5/chg-approved, although judged.json names that control and test as judged"},
		{"a pair that has no finding", func(t *testing.T, s *scene) {
			j := shared(t, s.list)
			j.Controls = append(j.Controls, "zz-art-1")
		}, "there is no finding zz-art-1/"},
		{"a pair taken out, its finding kept", func(t *testing.T, s *scene) {
			j := shared(t, s.list)
			j.Controls = j.Controls[1:]
		}, "does not name as judged"},
		{"a finding of a control beside", func(t *testing.T, s *scene) {
			f := s.fs[0]
			f.Control = "zz-art-1"
			s.fs = append(s.fs, f)
		}, "finding zz-art-1/vuln-deploy is of a control and a test that judged.json does not name as judged"},
		{"a finding twice", func(t *testing.T, s *scene) { s.fs = append(s.fs, s.fs[0]) }, "there are two findings " + "cra-annex1-1-2-a/vuln-deploy"},
		{"a pair twice", func(t *testing.T, s *scene) {
			j := shared(t, s.list)
			j.Controls = slices.Insert(j.Controls, 0, j.Controls[0])
		}, "stands there twice"},
		{"a test twice", func(t *testing.T, s *scene) { s.list = slices.Insert(s.list, 1, s.list[0]) }, "stands there twice"},
		{"controls unsorted", func(t *testing.T, s *scene) { slices.Reverse(shared(t, s.list).Controls) }, "must be sorted"},
		{"tests unsorted", func(t *testing.T, s *scene) { s.list[0], s.list[1] = s.list[1], s.list[0] }, "must be sorted"},
		{"a test for no control", func(t *testing.T, s *scene) { s.list[0].Controls = nil }, "for 0 controls"},
		{"a test without a name", func(t *testing.T, s *scene) { s.list[0].Test = "" }, `test ""`},
		{"a control without a name", func(t *testing.T, s *scene) { s.list[0].Controls[0] = "" }, "a control without a name"},
		{"a test left away with all its findings", func(t *testing.T, s *scene) {
			gone := s.list[0].Test
			s.list = s.list[1:]
			s.fs = slices.DeleteFunc(s.fs, func(f Finding) bool { return f.Test == gone })
		}, "does not say for which controls test backup-apart was judged"},
		{"a test that has no rule", func(t *testing.T, s *scene) {
			s.list = append(s.list, Judged{"zz-all-is-well", []evidence.ControlID{"dora-art-9-1"}})
		}, "names test zz-all-is-well, which does not stand among the rules"},
		{"nothing at all", func(t *testing.T, s *scene) { s.list, s.fs = nil, nil }, "does not say for which controls"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u := unpack(t)
			s := &scene{findingsOf(t, u), judgedOf(t, u)}
			tc.change(t, s)
			put(t, u, s.fs)
			var err error
			if u.members[memberJudged], err = json.Marshal(s.list); err != nil {
				t.Fatal(err)
			}
			if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

// The list of pairs is needed, and says one thing.
func TestPairsAreWhole(t *testing.T) {
	u := unpack(t)
	u.remove(memberJudged)
	if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), "member judged.json is missing") {
		t.Errorf("without the list: got %v", err)
	}
	for name, text := range map[string]string{
		"a name twice":     `[{"test":"a","test":"b","controls":["c"]}]`,
		"an unknown name":  `[{"test":"a","controls":["c"],"but":[]}]`,
		"two lists":        `[][]`,
		"no list":          `{"test":"a"}`,
		"controls of one":  `[{"test":"a","controls":"c"}]`,
		"nothing, as null": `[null]`,
	} {
		u := unpack(t)
		u.members[memberJudged] = []byte(text)
		if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), "member judged.json") {
			t.Errorf("%s: got %v", name, err)
		}
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
	if want := (JudgedCount{len(controls), len(judgedOf(t, u)), len(fs)}); rep.Judged != want || want.Pairs <= want.Tests {
		t.Errorf("judged %+v, want %+v, and more pairs than tests", rep.Judged, want)
	}
}

// Whatever a list says, reading it ends, and what is taken for a list of pairs is
// sorted and has none twice.
func FuzzPairs(f *testing.F) {
	f.Add([]byte(`[{"test":"a","controls":["b","c"]},{"test":"b","controls":["b"]}]`))
	f.Add([]byte(`[{"test":"a","controls":["c","b"]}]`))
	f.Add([]byte(`[{"test":"a","controls":[]}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var list []Judged
		if strict(memberJudged, b, &list) != nil {
			return
		}
		ps, err := pairsOf(list)
		if err != nil {
			return
		}
		seen := map[pair]bool{}
		for i, p := range ps {
			if seen[p] || i > 0 && (ps[i-1].test > p.test || ps[i-1].test == p.test && ps[i-1].control >= p.control) {
				t.Errorf("%s in %q", p, b)
			}
			seen[p] = true
		}
	})
}
