package fieldfile_test

import (
	"strings"
	"testing"

	"evidenced/cmd/internal/fieldfile"
	"evidenced/evidence/problem"
)

// What a file says is read by the names and types of a struct, and nothing else
// is let through.
func TestInto(t *testing.T) {
	type fields struct {
		Tests   []string `json:"tests"`
		Records []uint64 `json:"records"`
		Due     string   `json:"due"`
	}
	var got fields
	if err := fieldfile.Into("a.yaml", []byte("tests: [a, b]\nrecords: [7]\ndue: 2026-11-30\n"), &got, "hint"); err != nil || len(got.Tests) != 2 || got.Records[0] != 7 || got.Due != "2026-11-30" {
		t.Errorf("%v %+v", err, got)
	}
	for name, tc := range map[string]struct{ text, want string }{
		"an unknown name": {"dues: 2026-11-30\n", `unknown field "dues"`}, "a number for words": {"due: 7\n", "due"}, "words for numbers": {"records: [a]\n", "records"},
		"twice": {"due: a\ndue: b\n", "twice"}, "an alias": {"due: &a x\ntests: [*a]\n", "anchors"}, "nothing": {"", "empty"}, "no names": {"- a\n", "want names"},
	} {
		var x fields
		err := fieldfile.Into("a.yaml", []byte(tc.text), &x, "write 100% of it")
		if s := problem.Text("x", err); !problem.Is(err, problem.Usage) || !strings.Contains(s, tc.want) || !strings.Contains(s, "write 100% of it") || !strings.Contains(s, "a.yaml") {
			t.Errorf("%s: %s", name, s)
		}
	}
}
