package daemon

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/mappings"
	"evidenced/reports/pack"
)

func TestJudgedPairs(t *testing.T) {
	control := func(id evidence.ControlID, tests ...string) mappings.ControlResult {
		c := &mappings.Control{ID: id}
		for _, test := range tests {
			c.Tests = append(c.Tests, mappings.TestRef{Test: &mappings.Test{ID: test}})
		}
		return mappings.ControlResult{Control: c}
	}
	for _, tc := range []struct {
		name string
		in   []mappings.ControlResult
		want []pack.Judged
	}{
		{"none", nil, []pack.Judged{}},
		{"a control without tests", []mappings.ControlResult{control("a")}, []pack.Judged{}},
		{"sorted, whatever the order", []mappings.ControlResult{control("b", "y", "x"), control("a", "y"), control("c")},
			[]pack.Judged{{Test: "x", Controls: []evidence.ControlID{"b"}}, {Test: "y", Controls: []evidence.ControlID{"a", "b"}}}},
	} {
		if got := judgedPairs(tc.in); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// No pack is made whose findings are not those of the controls that were judged.
func TestPackNeedsEveryPair(t *testing.T) {
	m := newMachine(t)
	m.hours(8, 0)
	q := api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: evidence.Period{From: hour(1), To: hour(5)}, Raw: "none", Progress: func(_, _ uint64) {}}
	for _, tc := range []struct {
		name  string
		forge func(in *pack.Input)
		want  string // in the error; "" verifies
	}{
		{"as it is", func(*pack.Input) {}, ""},
		{"a finding dropped", func(in *pack.Input) { in.Findings = in.Findings[1:] }, "there is no finding "},
		{"a finding twice", func(in *pack.Input) { in.Findings = append(in.Findings, in.Findings[0]) }, "there are two findings "},
		{"a pair dropped", func(in *pack.Input) { in.Judged = in.Judged[1:] }, "does not name as judged"},
		{"unsorted", func(in *pack.Input) { slices.Reverse(in.Judged) }, "must be sorted"},
	} {
		b, err := m.e.newPackBuild(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		tc.forge(&b.in)
		zip, err := zipOf(t, b)
		if tc.want == "" && err == nil {
			_, err = verifyBytes(zip, "")
		}
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

// zipOf makes the pack and reads it.
func zipOf(t *testing.T, b *packBuild) ([]byte, error) {
	t.Helper()
	made, err := pack.Make(t.Context(), b.in)
	if err != nil {
		return nil, err
	}
	defer made.Close()
	var buf bytes.Buffer
	err = made.Send(&buf)
	return buf.Bytes(), err
}
