package api

import (
	"bytes"
	"strings"
	"testing"
)

// JSON and lines of JSON reach a terminal without what it would obey; other
// media go as they are.
func TestJSONIsShowable(t *testing.T) {
	for media, shown := range map[string]bool{MediaJSON: true, MediaLines: true, MediaZip: false, MediaText: false} {
		var b bytes.Buffer
		o := &Out{Header: func(string) error { return nil }, Body: &b}
		if _, err := o.begin(media).Write([]byte("\"a\u009b\u202e\"\n")); err != nil {
			t.Fatal(err)
		}
		if got := !strings.ContainsAny(b.String(), "\u009b\u202e"); got != shown {
			t.Errorf("%s: %q", media, b.String())
		}
	}
}
