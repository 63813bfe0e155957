package reports

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

const unshowable = "a\u009b31mb\u202ec\x7fd\u2066e\u200bf\U000e0041g\u00adh é 漢 😀 \x1b[2J\\u202e"

// What a terminal would obey is spelled out, and readers see the same values.
func TestJSON(t *testing.T) {
	want := map[string]any{"x": unshowable, unshowable: []any{1.5, unshowable}}
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(want); err != nil {
		t.Fatal(err)
	}
	for _, step := range []int{1, 2, 3, 1 << 20} { // runes cut by writes too
		var out bytes.Buffer
		w := JSON(&out)
		for p := plain.Bytes(); len(p) > 0; {
			n := min(step, len(p))
			if m, err := w.Write(p[:n]); err != nil || m != n {
				t.Fatalf("%d, %v", m, err)
			}
			p = p[n:]
		}
		if i := strings.IndexFunc(strings.TrimSuffix(out.String(), "\n"), hidden); i >= 0 {
			t.Errorf("in steps of %d: %q is shown", step, out.String()[i:])
		}
		var got map[string]any
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("in steps of %d: read back as %q, %v", step, got, err)
		}
		if !strings.Contains(out.String(), "é 漢 😀") {
			t.Errorf("in steps of %d: letters are spelled out", step)
		}
	}
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a":"b"}`), 3)
	f.Add([]byte("\"\u009b\xff\""), 1)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		var before, after any
		if step < 1 || json.Unmarshal(b, &before) != nil {
			return
		}
		b = append(b, '\n')
		var out bytes.Buffer
		w := JSON(&out)
		for p := b; len(p) > 0; {
			n := min(step, len(p))
			if _, err := w.Write(p[:n]); err != nil {
				t.Fatal(err)
			}
			p = p[n:]
		}
		if err := json.Unmarshal(out.Bytes(), &after); err != nil || !reflect.DeepEqual(before, after) {
			t.Errorf("%q is read as %v, before as %v (%v)", out.Bytes(), after, before, err)
		}
	})
}
