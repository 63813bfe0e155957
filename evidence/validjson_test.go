package evidence

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// What encoding/json says is the rule.
func asJSON(b []byte) bool {
	return len(b) > 0 && b[0] == '{' && utf8.Valid(b) && json.Valid(b)
}

var objects = []string{
	``, `{`, `{}`, `{ }`, "{\n\t\"a\" : [ 1 , 2 ] }\r\n", `{} `, `{}x`, `{}{}`, `[]`, ` {}`, `"a"`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{"a":1 "b":2}`, `{a:1}`, `{1:1}`,
	`{"a":true,"b":false,"c":null}`, `{"a":tru}`, `{"a":True}`, `{"a":nul`, `{"a":nulll}`,
	`{"a":0}`, `{"a":-0}`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":.5}`, `{"a":1.5e+10}`, `{"a":1E5}`, `{"a":1e}`, `{"a":1e+}`, `{"a":+1}`, `{"a":0x10}`, `{"a":1e400}`, `{"a":NaN}`,
	`{"a":"\u00e4\"\\\/\b\f\n\r\t"}`, `{"a":"\u00g0"}`, `{"a":"\u12"}`, `{"a":"\x"}`, `{"a":"\`, `{"a":"`, `{"a":"ends \"}`, "{\"a\":\"\x1f\"}", "{\"a\":\"\x7f\"}", "{\"a\":\"eight by\x00\"}", "{\"a\":\"\xff\"}",
	`{"ä":"ö, and a string that is longer than eight bytes \" with an escape"}`, `{"a":[]}`, `{"a":[1,]}`, `{"a":[,1]}`, `{"a":[1 2]}`, `{"a":[[[{"b":[{}]}]]]}`, `{"a":[}`, `{"a":]}`,
	"{\"a\":\"aaaaaaa!aaaaaaa \x80\"}", "{\"!#[]^\":\"!#[]^!#[]^!#[]^\"}",
}

func TestValidObject(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + `1` + strings.Repeat(`}`, n) }
	mixed := func(n int) string { return `{"a":` + strings.Repeat(`[`, n) + strings.Repeat(`]`, n) + `}` }
	for _, s := range append(objects, deep(maxNesting), deep(maxNesting+1), mixed(maxNesting-1), mixed(maxNesting)) {
		if got, want := validObject([]byte(s)), asJSON([]byte(s)); got != want {
			t.Errorf("%.60q (%d bytes): got %v, want %v", s, len(s), got, want)
		}
		// No byte behind the text is looked at.
		for n := range min(len(s), 100) {
			if got, want := validObject([]byte(s)[:n:n]), asJSON([]byte(s)[:n]); got != want {
				t.Errorf("%q: got %v, want %v", s[:n], got, want)
			}
		}
	}
}

func FuzzValidObject(f *testing.F) {
	for _, s := range objects {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, want := validObject(b), asJSON(b); got != want {
			t.Errorf("%q: got %v, want %v", b, got, want)
		}
	})
}

func BenchmarkValidObject(b *testing.B) {
	text := []byte(`{"items":[` + strings.Repeat(`{"kind":"Deployment","namespace":"app-1","name":"app-1","status":"Synced","n":17},`, 11) + `null]}`)
	for name, valid := range map[string]func([]byte) bool{"here": validObject, "encoding-json": asJSON} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if !valid(text) {
					b.Fatal("not valid")
				}
			}
		})
	}
}
