package store

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"testing"
)

func TestWithoutFields(t *testing.T) {
	names := []string{"etag", "n"}
	for in, want := range map[string]string{
		`{}`:                              `{}`,
		`{"a":1}`:                         `{"a":1}`,
		`{"etag":"x"}`:                    `{}`,
		`{"etag":"x","a":1}`:              `{"a":1}`,
		`{"a":1,"etag":"x"}`:              `{"a":1}`,
		`{"a":1,"etag":"x","b":[1,2]}`:    `{"a":1,"b":[1,2]}`,
		`{"n":{"etag":[{}]},"a":"}\",{"}`: `{"a":"}\",{"}`,
		`{"a":{"etag":1},"n":-1.5e3}`:     `{"a":{"etag":1}}`,
		`{"n":null,"etag":true}`:          `{}`,
	} {
		got, err := withoutFields([]byte(in), names)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "{", "[]", `{"a"}`, `{"a":1"b":2}`, `{"a`} {
		if got, err := withoutFields([]byte(in), names); err == nil {
			t.Errorf("%s: got %s, want an error", in, got)
		}
	}
}

// FuzzWithoutFields holds it against encoding/json.
func FuzzWithoutFields(f *testing.F) {
	f.Add([]byte(`{"a":1,"etag":"x","b":{"etag":[1,"}"]},"n":null}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var m map[string]json.RawMessage
		if json.Unmarshal(in, &m) != nil || m == nil {
			_, _ = withoutFields(in, []string{"etag", "n"}) // must not panic
			return
		}
		compact, err := json.Marshal(m) // one spelling of names, no white space
		if err != nil {
			t.Fatal(err)
		}
		got, err := withoutFields(compact, []string{"etag", "n"})
		if err != nil {
			t.Fatalf("%s: %v", compact, err)
		}
		delete(m, "etag")
		delete(m, "n")
		var left map[string]json.RawMessage
		if err := json.Unmarshal(got, &left); err != nil {
			t.Fatalf("%s became %s: %v", compact, got, err)
		}
		if !slices.Equal(slices.Sorted(maps.Keys(m)), slices.Sorted(maps.Keys(left))) {
			t.Fatalf("%s became %s", compact, got)
		}
		for k := range m {
			var a, b any
			_, _ = json.Unmarshal(m[k], &a), json.Unmarshal(left[k], &b)
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("%s: member %q became %s", compact, k, left[k])
			}
		}
	})
}
