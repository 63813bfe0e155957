package collectortest

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
)

// Golden holds the drafts of a run and its last observation against a file.
type Golden struct {
	File string
	// Update writes the file anew.
	Update bool
	// URL is the address of the stand-in, which differs from run to run: it
	// stands as {{url}}.
	URL string
	// Row says what of a draft is compared; nil is [Row].
	Row func(evidence.Draft) any
}

// Row is what of a draft a golden file holds: all but what the source's bytes
// repeat.
func Row(d evidence.Draft) any {
	return struct {
		Kind, Op, Key, Subject, Basis     string
		OccurredAt, NotBefore, ObservedAt string
		People                            []evidence.Person
		Links, Scope, ActorScope          []evidence.Ref
		Content                           json.RawMessage
		Text, URL                         string
		Raw                               int
		Removed                           []string
	}{
		string(d.Kind), string(d.Op), d.Key, d.Subject.String(), string(d.Basis),
		evidence.FormatTime(d.OccurredAt), evidence.FormatTime(d.NotBefore), evidence.FormatTime(d.ObservedAt),
		d.People, d.Links, d.Scope, d.ActorScope, d.Content, string(d.Text), d.Request.URL, len(d.Raw), d.Removed,
	}
}

// Check compares what a run left with the file.
func (g Golden) Check(t *testing.T, rec *Recorder) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	row := g.Row
	if row == nil {
		row = Row
	}
	for _, d := range rec.Drafts {
		if err := enc.Encode(row(d)); err != nil {
			t.Fatal(err)
		}
	}
	if len(rec.Commits) == 0 {
		t.Fatal("the run committed nothing")
	}
	if err := enc.Encode(rec.Commits[len(rec.Commits)-1].Observation); err != nil {
		t.Fatal(err)
	}
	got := strings.ReplaceAll(b.String(), g.URL, "{{url}}")
	if g.Update {
		if err := os.WriteFile(g.File, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(g.File)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", g.File, d)
	}
}
