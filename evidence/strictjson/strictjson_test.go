package strictjson_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"evidenced/evidence/strictjson"
)

func TestValue(t *testing.T) {
	got, err := strictjson.Value([]byte(` {"a": [1, {"b": null}, "c"], "d": 1e400} `), 3)
	want := map[string]any{"a": []any{json.Number("1"), map[string]any{"b": nil}, "c"}, "d": json.Number("1e400")}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%#v, %v", got, err)
	}
	for text, says := range map[string]string{
		`{"a": 1, "a": 1}`:               `"a" stands there twice`,
		`[{"x": {"a": 1, "\u0061": 2}}]`: `"a" stands there twice`,
		`{"a": 1} {}`:                    "more than one JSON document",
		`{} x`:                           "more than one JSON document",
		`[[[[]]]]`:                       "nested more than 3 deep",
		`{"a": `:                         "no JSON",
		``:                               "no JSON",
		`{"a": 1]`:                       "",
		`{"a": tru}`:                     "",
	} {
		if v, err := strictjson.Value([]byte(text), 3); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %v; want %q", text, v, err, says)
		}
	}
}

// What is read is what encoding/json reads, and it reads all that is not refused.
func FuzzValue(f *testing.F) {
	f.Add([]byte(`{"a": [1, {"b": null}, "c"]}`))
	f.Add([]byte(`{"a": 1, "a": 2}`))
	f.Add([]byte(`[[[1]]] 2`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := strictjson.Value(data, 16)
		if err != nil {
			return
		}
		var want any
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		if err := dec.Decode(&want); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is %#v, encoding/json says %#v, %v", data, got, want, err)
		}
	})
}
