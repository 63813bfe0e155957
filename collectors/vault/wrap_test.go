package vault

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestWrapped: the lines of a device that writes to standard output, as
// container runtimes and shippers store them, give what the bare lines give.
func TestWrapped(t *testing.T) {
	g := newGen()
	text := ""
	for range 3 {
		text += g.both(g.kvRead("alice", "tenant-7/db"))
	}
	want := collectFile(t, text)
	quote := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for name, wrap := range map[string]func(string) string{
		"CRI": func(l string) string { return "2026-03-02T14:00:00.123456789+01:00 stdout F " + l },
		"Docker": func(l string) string {
			return `{"log":` + quote(l+"\n") + `,"stream":"stdout","time":"2026-03-02T14:00:01Z"}`
		},
		"Fluent Bit": func(l string) string { return `{"date":1.5,"kubernetes":{"pod":"vault-0"},"log":` + quote(l) + `}` },
		"Filebeat":   func(l string) string { return `{"@timestamp":"2026-03-02T14:00:01Z","message":` + quote(l) + `}` },
	} {
		t.Run(name, func(t *testing.T) {
			out := wrap("==> Vault server started! Log data will stream in below:") + "\n" +
				wrap(`{"@level":"info","@message":"core: post-unseal setup complete","@timestamp":"2026-03-02T14:00:00Z"}`) + "\n"
			for l := range strings.Lines(text) {
				out += wrap(strings.TrimSuffix(l, "\n")) + "\n"
			}
			rec := collectFile(t, out)
			if inc := last(rec).Incomplete; inc != "" {
				t.Errorf("incomplete: %s", inc)
			}
			if len(rec.Drafts) != len(want.Drafts) {
				t.Fatalf("%d drafts, want %d", len(rec.Drafts), len(want.Drafts))
			}
			for i, d := range rec.Drafts {
				if w := want.Drafts[i]; d.Key != w.Key || string(d.Content) != string(w.Content) || string(d.Raw) != string(w.Raw) || !d.OccurredAt.Equal(w.OccurredAt) {
					t.Errorf("draft %d differs from that of the bare lines:\n%s\n%s", i, d.Content, w.Content)
				}
			}
		})
	}
}

// TestWrappedPrefix: a prefix stands inside the wrapping; one that is not
// configured makes the look incomplete, and never passes for the server's own
// log.
func TestWrappedPrefix(t *testing.T) {
	g := newGen()
	q, p := g.pair(g.kvRead("alice", "tenant-7/db"))
	text := "2026-03-02T14:00:00Z stdout F @cee: " + q + "2026-03-02T14:00:00Z stdout F @cee: " + p
	for _, tc := range []struct {
		prefix string
		drafts int
	}{{"@cee: ", 1}, {"", 0}} {
		path := t.TempDir() + "/0.log"
		write(t, path, text)
		rec := poll(t, Config{AuditFiles: []string{path}, Prefix: tc.prefix}, nil)
		if inc := last(rec).Incomplete; len(rec.Drafts) != tc.drafts || (inc == "") != (tc.drafts == 1) {
			t.Errorf("prefix %q: %d drafts, incomplete %q; want %d", tc.prefix, len(rec.Drafts), inc, tc.drafts)
		}
	}
}

// TestPieces: what a runtime split is told as lost, and the lines around it are
// read.
func TestPieces(t *testing.T) {
	g := newGen()
	q, p := g.pair(g.kvRead("alice", "tenant-7/db"))
	long, _ := g.pair(g.kvRead("bob", "tenant-7/other"))
	half := len(long) / 2
	cri := func(tag, l string) string {
		return "2026-03-02T14:00:00Z stdout " + tag + " " + strings.TrimSuffix(l, "\n") + "\n"
	}
	quoted, err := json.Marshal(long[:half])
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"CRI":    cri("F", q) + cri("P", long[:half]) + cri("F", long[half:]) + cri("F", p),
		"Docker": q + `{"log":` + string(quoted) + `,"stream":"stdout"}` + "\n" + p,
	} {
		rec := collectFile(t, text)
		if len(rec.Drafts) != 1 || facts(t, rec.Drafts[0]).Outcome != "ok" {
			t.Errorf("%s: %d drafts, want the one whole request", name, len(rec.Drafts))
		}
		if inc := last(rec).Incomplete; !strings.Contains(inc, "split") {
			t.Errorf("%s: incomplete %q, want the piece", name, inc)
		}
	}
}

// TestWrappedResume: a wrapped request line that waits is read again from its
// file after a restart.
func TestWrappedResume(t *testing.T) {
	g := newGen()
	q, p := g.pair(g.kvRead("alice", "tenant-7/db"))
	cri := func(l string) string { return "2026-03-02T14:00:00Z stdout F " + l }
	path := t.TempDir() + "/0.log"
	write(t, path, cri(q))
	cfg := Config{AuditFiles: []string{path}}
	first := pollAt(t, cfg, nil, g.t)
	if len(first.Drafts) != 0 {
		t.Fatalf("%d drafts before the response", len(first.Drafts))
	}
	write(t, path, cri(q)+cri(p))
	rec := poll(t, cfg, first.Commits[len(first.Commits)-1].Resume)
	if len(rec.Drafts) != 1 || facts(t, rec.Drafts[0]).Outcome != "ok" || strings.Count(string(rec.Drafts[0].Raw), "\n") != 1 {
		t.Fatalf("%d drafts after the response, want one of both lines", len(rec.Drafts))
	}
}

// FuzzUnwrap: whatever a line is, what read returns without an error is an audit
// line of its own, and wrapping a line the way a runtime does changes nothing.
func FuzzUnwrap(f *testing.F) {
	q, p := newGen().pair(call{who: "alice", op: "read", path: "kv/data/x", mount: "kv/", mountType: "kv"})
	for _, l := range []string{q, p, "", "{", `{"log":"x"}`, `{"log":"{}","type":"request"}`, "2026-03-02T14:00:00Z stdout P {", `{"message":"{\"@level\":\"info\"}"}`} {
		f.Add(strings.TrimSuffix(l, "\n"))
		f.Add("2026-03-02T14:00:00Z stderr F " + strings.TrimSuffix(l, "\n"))
	}
	f.Fuzz(func(t *testing.T, line string) {
		var bare, wrapped, again entry
		text, err := bare.read([]byte(line), nil)
		if err == nil && (!json.Valid(text) || again.decode(text) != nil || string(again.req.id) != string(bare.req.id)) {
			t.Fatalf("read returned %q", text)
		}
		if bare.decode([]byte(line)) != nil {
			return
		}
		text, err = wrapped.read([]byte("2026-03-02T14:00:00.5Z stdout F "+line), nil)
		if err != nil || string(text) != strings.TrimSpace(line) {
			t.Fatalf("wrapped line %q gives %q, %v", line, text, err)
		}
	})
}
