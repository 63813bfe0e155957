package fieldfile

import (
	"encoding/json"
	"strings"
	"testing"

	"evidenced/evidence/incident"
	"evidenced/evidence/problem"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"times:\n  detected: 2026-12-18T18:20:00+01:00\n":                   `{"times":{"detected":"2026-12-18T18:20:00+01:00"}}`,
		"times: {detected: 2026-12-18}":                                     `{"times":{"detected":"2026-12-18"}}`,
		"nature: {malicious: no}":                                           `{"nature":{"malicious":"no"}}`,
		"nature: {malicious: yes, types: [other]}":                          `{"nature":{"malicious":"yes","types":["other"]}}`,
		"business: {critical_services: true, clients: {share: 10.5}}":       `{"business":{"clients":{"share":10.5},"critical_services":true}}`,
		"identity: {reference: '0012'}":                                     `{"identity":{"reference":"0012"}}`,
		"identity: {reference: 0x12}":                                       `{"identity":{"reference":"0x12"}}`,
		"narrative: {cause: null}":                                          `{"narrative":{"cause":null}}`,
		`{"money": {"costs": 9007199254740991}}`:                            `{"money":{"costs":9007199254740991}}`,
		`{"narrative": {"summary": "\ud83d\ude00 \\ud83d"}}`:                `{"narrative":{"summary":"\ud83d\ude00 \\ud83d"}}`,
		"{\n\t\"narrative\": {\n\t\t\"cause\": \"a\u2028b\u0085c\"\n\t}\n}": "{\"narrative\":{\"cause\":\"a\u2028b\u0085c\"}}",
		"narrative: {cause: \"a\\u2028b\"}":                                 "{\"narrative\":{\"cause\":\"a\\u2028b\"}}",
		"narrative:\n  summary: |\n    =cmd\n    \u202eabc\n":               `{"narrative":{"summary":"=cmd\n` + "\u202e" + `abc\n"}}`,
	} {
		got, err := Parse("f.yaml", []byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if string(got) != want {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestBadFiles(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "empty",
		"- a":                    "want names",
		"a: 1\na: 2":             "twice",
		"a: &x 1\nb: *x":         "anchors",
		"a: !!binary aGk=":       "tags",
		"a: 1\n---\nb: 2":        "more than one",
		"<<: {a: 1}":             "plain name",
		"a: \xff":                "UTF-8",
		"a: 1\nb: x\u2028y":      "line 2: YAML reads the character U+2028",
		"a: \"x\u0085y\"":        "U+0085",
		"{\n\"a\": \"\\ud83d\"}": "line 2: half",
		`{"a": "\ude00\ud83d"}`:  "line 1: half",
		`{"a": "\ud83dx\ude00"}`: "half",
		`[1]`:                    "an object",
		`"a"`:                    "an object",
		"[a]: 1":                 "plain name",
		"a: [":                   "line",
		strings.Repeat("{a: ", 20) + "1" + strings.Repeat("}", 20): "deep",
		strings.Repeat("#", MaxFile+1):                             "at most",
	} {
		_, err := Parse("f.yaml", []byte(text))
		if !problem.Is(err, problem.Usage) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "f.yaml") {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
}

// Whatever the file, what is read is JSON, and a patch made of it says the
// same after it was written and read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte("times:\n  detected: 2026-12-18T18:20:00+01:00\nnarrative: {summary: \"\\u202e=x\"}"))
	f.Add([]byte(`{"narrative": {"summary": "\ud83d\ude00 \ud83d"}}`))
	f.Add([]byte("a: &b [1, .5, 0x1, ~]\nc: *b"))
	f.Add([]byte(`{"systems": {"refs": ["app:prod/argocd/web"]}, "money": {"by_type": {"redress": 5}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		raw, err := Parse("f", data)
		if err != nil {
			return
		}
		if !json.Valid(raw) {
			t.Fatalf("no JSON: %q", raw)
		}
		p, err := incident.ParsePatch(raw)
		if err != nil {
			return
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := incident.ParsePatch(b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if c, err := json.Marshal(again); err != nil || string(c) != string(b) {
			t.Errorf("%s became %s: %v", b, c, err)
		}
		content, text := p.Split()
		if n := len(content.Paths()) + len(text.Paths()); n != len(p.Paths()) {
			t.Errorf("%d fields, %d after the split", len(p.Paths()), n)
		}
	})
}
