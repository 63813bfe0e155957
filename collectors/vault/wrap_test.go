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

// TestPieces: what a runtime split is one line again, among lines of the other
// stream; what a shipper wrapped anew, or does not end, is told as lost, and the
// lines around it are read.
func TestPieces(t *testing.T) {
	g := newGen()
	q, p := g.pair(g.kvRead("alice", "tenant-7/db"))
	want := collectFile(t, q+p).Drafts[0]
	cri := func(stream, tag, l string) string {
		return "2026-03-02T14:00:00Z " + stream + " " + tag + " " + strings.TrimSuffix(l, "\n") + "\n"
	}
	docker := func(l, more string) string {
		b, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		return `{"log":` + string(b) + `,"stream":"stdout"` + more + "}\n"
	}
	at := `,"time":"2026-03-02T14:00:01Z"`
	own := "2026-03-02T14:00:00.123Z [INFO]  core: vault is unsealed"
	half, most := len(q)/2, len(p)-10
	for _, tt := range []struct {
		name, text, told string
		drafts           int
	}{
		{"CRI", cri("stdout", "P", q[:half]) + cri("stderr", "F", own) + cri("stdout", "F", q[half:]) +
			cri("stdout", "P", p[:half]) + cri("stdout", "P", p[half:most]) + cri("stdout", "F", p[most:]), "", 1},
		{"Docker", docker(q[:half], at) + docker(q[half:], at) + docker(p, at), "", 1},
		{"own log split", cri("stderr", "P", own) + cri("stdout", "F", q) + cri("stderr", "F", own) + cri("stdout", "F", p), "", 1},
		{"wrapped anew", cri("stdout", "F", q) + docker(q[:half], "") + docker(q[half:], "") + cri("stdout", "F", p), "split", 1},
		{"no end", q + docker(q[:half], at) + docker(p, at), "does not end", 1},
	} {
		rec := collectFile(t, tt.text)
		if len(rec.Drafts) != tt.drafts {
			t.Errorf("%s: %d drafts, want %d", tt.name, len(rec.Drafts), tt.drafts)
		}
		for _, d := range rec.Drafts {
			if string(d.Content) != string(want.Content) || string(d.Raw) != string(want.Raw) || d.Key != want.Key {
				t.Errorf("%s: the draft differs from that of the bare lines:\n%s\n%s", tt.name, d.Content, want.Content)
			}
		}
		if inc := last(rec).Incomplete; (inc == "") != (tt.told == "") || !strings.Contains(inc, tt.told) {
			t.Errorf("%s: incomplete %q, want %q", tt.name, inc, tt.told)
		}
	}
}

// TestPiecesResume: a request line that was put together waits for its response,
// and is put together again after a restart.
func TestPiecesResume(t *testing.T) {
	g := newGen()
	q, p := g.pair(g.kvRead("alice", "tenant-7/db"))
	cri := func(tag, l string) string {
		return "2026-03-02T14:00:00Z stdout " + tag + " " + strings.TrimSuffix(l, "\n") + "\n"
	}
	path := t.TempDir() + "/0.log"
	text := cri("P", q[:99]) + cri("F", q[99:])
	write(t, path, text)
	cfg := Config{AuditFiles: []string{path}}
	first := pollAt(t, cfg, nil, g.t)
	if len(first.Drafts) != 0 {
		t.Fatalf("%d drafts before the response", len(first.Drafts))
	}
	write(t, path, text+cri("F", p))
	rec := poll(t, cfg, first.Commits[len(first.Commits)-1].Resume)
	if len(rec.Drafts) != 1 || facts(t, rec.Drafts[0]).Outcome != "ok" || strings.Count(string(rec.Drafts[0].Raw), "\n") != 1 {
		t.Fatalf("%d drafts after the response, want one of both lines", len(rec.Drafts))
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
