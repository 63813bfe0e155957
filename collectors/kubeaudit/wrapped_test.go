package kubeaudit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// An API server that writes its audit log to standard output has it wrapped by
// the container runtime, its long lines split, and its own log in between. What
// is made of it is what is made of the bare lines.
func TestWrapped(t *testing.T) {
	bare := recorded(t)
	want := poll(t, fileConfig(logFile(t, bare)), nil)
	const own = "I0302 14:00:00.000000       1 httplog.go:132] \"HTTP\" verb=\"GET\" audit-ID=\"a\""
	cri := func(stream, tag, text string) string {
		return "2026-03-02T14:00:00.5Z " + stream + " " + tag + " " + text + "\n"
	}
	docker := func(text string) string {
		b, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`{"log":%s,"stream":"stdout","time":"2026-03-02T14:00:01Z"}`, b) + "\n"
	}
	for name, wrap := range map[string]func(line string) string{
		"CRI": func(l string) string { return cri("stdout", "F", l) },
		"CRI, split": func(l string) string {
			return cri("stdout", "P", l[:100]) + cri("stderr", "F", own) + cri("stdout", "P", l[100:110]) + cri("stdout", "F", l[110:])
		},
		"CRI, split nowhere": func(l string) string { return cri("stdout", "P", l) + cri("stdout", "F", "") },
		"Docker":             func(l string) string { return docker(l + "\n") },
		"Docker, split":      func(l string) string { return docker(l[:200]) + docker(l[200:]+"\n") },
	} {
		t.Run(name, func(t *testing.T) {
			text := cri("stderr", "F", own) + docker("own\n")
			for line := range bytes.Lines(bare) {
				text += wrap(strings.TrimSuffix(string(line), "\n"))
			}
			got := poll(t, fileConfig(logFile(t, []byte(text))), nil)
			o, w := got.Commits[0].Observation, want.Commits[0].Observation
			if o.Incomplete != w.Incomplete {
				t.Errorf("incomplete %q, want %q", o.Incomplete, w.Incomplete)
			}
			if len(got.Drafts) != len(want.Drafts) {
				t.Fatalf("%d drafts, want %d", len(got.Drafts), len(want.Drafts))
			}
			for i, d := range got.Drafts {
				if w := want.Drafts[i]; d.Key != w.Key || string(d.Content) != string(w.Content) || string(d.Raw) != string(w.Raw) || !d.OccurredAt.Equal(w.OccurredAt) {
					t.Errorf("draft %d differs from that of the bare line:\n%s\n%s", i, d.Content, w.Content)
				}
			}
		})
	}
}

// A piece whose rest never comes is told as lost, and so is a wrapped line that is
// no event; neither passes for a line of the server's own log.
func TestWrappedLost(t *testing.T) {
	event := func(id, at string) string { return strings.TrimSpace(eventOf(id, at, "")) }
	first, lost, second := event("a", "2026-03-02T14:00:00Z"), event("b", "2026-03-02T14:00:01Z"), event("c", "2026-03-02T14:00:05Z")
	for name, tt := range map[string]struct{ middle, told string }{
		"cut":    {"2026-03-02T14:00:00.5Z stdout P " + lost[:100] + "\n", "does not end"},
		"odd":    {"2026-03-02T14:00:00.5Z stdout F " + lost[:200] + "\n", "no JSON"},
		"legacy": {"2026-03-02T14:00:00.5Z stdout F 2026-03-02T14:00:01Z AUDIT: id=\"b\" stage=\"ResponseComplete\"\n", "no JSON"},
	} {
		text := first + "\n" + tt.middle + "2026-03-02T14:00:05Z stdout F " + second + "\n"
		got := poll(t, fileConfig(logFile(t, []byte(text))), nil)
		o := got.Commits[0].Observation
		if len(got.Drafts) != 2 || !strings.Contains(o.Incomplete, tt.told) {
			t.Errorf("%s: %d drafts, incomplete %q, want 2 and %q", name, len(got.Drafts), o.Incomplete, tt.told)
		}
	}
}
