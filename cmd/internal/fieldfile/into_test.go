package fieldfile_test

import (
	"encoding/json"
	"reflect"
	"slices"
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
	for _, text := range []string{
		"tests: [a, b]\nrecords: [7]\ndue: 2026-11-30\n",
		"{\"tests\": [\"a\", \"b\"],\n\t\"records\": [7], \"due\": \"2026-11-30\"}\n",
	} {
		var got fields
		if err := fieldfile.Into("a.yaml", []byte(text), &got, "hint"); err != nil || !reflect.DeepEqual(got, fields{[]string{"a", "b"}, []uint64{7}, "2026-11-30"}) {
			t.Errorf("%s: %v %+v", text, err, got)
		}
	}
	// A file that is JSON is read as JSON: YAML takes neither of these.
	var got fields
	if err := fieldfile.Into("a.json", []byte("{\"due\": \"\\ud83d\\ude00 a\u2028b\"}"), &got, "hint"); err != nil || got.Due != "\U0001F600 a\u2028b" {
		t.Errorf("%v %q", err, got.Due)
	}
	for name, tc := range map[string]struct{ text, want string }{
		"an unknown name": {"dues: 2026-11-30\n", `unknown field "dues"`}, "a number for words": {"due: 7\n", "due"}, "words for numbers": {"records: [a]\n", "records"},
		"an unknown name in JSON": {`{"dues": "2026-11-30"}`, `unknown field "dues"`}, "a number for words in JSON": {`{"due": 7}`, "due"}, "twice in JSON": {`{"due": "a", "due": "b"}`, `"due" stands there twice`},
		"twice, deeper": {`{"tests": [{"a": 1, "a": 2}]}`, `"a" stands there twice`}, "too deep": {strings.Repeat(`{"due":`, 20) + "1" + strings.Repeat("}", 20), "nested more than"},
		"a list in JSON": {`["due"]`, "want an object"}, "half a character": {`{"due": "\ud83d"}`, "half"}, "no UTF-8": {"due: \xff\n", "UTF-8"}, "too long": {strings.Repeat("#", fieldfile.MaxFile+1), "at most"},
		"twice": {"due: a\ndue: b\n", "twice"}, "an alias": {"due: &a x\ntests: [*a]\n", "anchors"}, "nothing": {"", "empty"}, "no names": {"- a\n", "want names"},
	} {
		var x fields
		err := fieldfile.Into("a.yaml", []byte(tc.text), &x, "write 100% of it")
		if s := problem.Text("x", err); !problem.Is(err, problem.Usage) || !strings.Contains(s, tc.want) || !strings.Contains(s, "write 100% of it") || !strings.Contains(s, "a.yaml") {
			t.Errorf("%s: %s", name, s)
		}
	}
}

// What was read says the same when it is written and read again.
func FuzzInto(f *testing.F) {
	f.Add([]byte("tests: [a, b]\nrecords: [7]\ndue: 2026-11-30\n"))
	f.Add([]byte(`{"tests": ["\ud83d\ude00"], "due": "a", "due": "b"}`))
	f.Add([]byte(`{"tests": [[{"a": 1}]]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		type fields struct {
			Tests   []string `json:"tests,omitempty"`
			Records []uint64 `json:"records,omitempty"`
			Due     string   `json:"due,omitempty"`
		}
		var got, again fields
		if fieldfile.Into("f", data, &got, "hint") != nil {
			return
		}
		b, err := json.Marshal(got)
		if err == nil {
			err = fieldfile.Into("f", b, &again, "hint")
		}
		if err != nil || !slices.Equal(got.Tests, again.Tests) || !slices.Equal(got.Records, again.Records) || got.Due != again.Due {
			t.Errorf("%+v became %+v: %v", got, again, err)
		}
	})
}
