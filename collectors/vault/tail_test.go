package vault

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/collectors/collectortest"
	"evidenced/evidence"

	"github.com/google/go-cmp/cmp"
)

// step changes the files between two looks.
type step func(t *testing.T, path string, g *gen)

func appendReads(n int) step {
	return func(t *testing.T, path string, g *gen) { add(t, path, g.reads(n)) }
}

func rename(from, to string) step {
	return func(t *testing.T, path string, _ *gen) {
		if err := os.Rename(path+from, path+to); err != nil {
			t.Fatal(err)
		}
	}
}

// pack compresses a rotated file, as logrotate does.
func pack(suffix string) step {
	return func(t *testing.T, path string, _ *gen) {
		b, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path+suffix+".gz", gz(t, string(b)))
		if err := os.Remove(path + suffix); err != nil {
			t.Fatal(err)
		}
	}
}

func copyAside(suffix string) step {
	return func(t *testing.T, path string, _ *gen) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path+suffix, string(b))
	}
}

func truncate(t *testing.T, path string, _ *gen) {
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
}

func remove(suffix string) step {
	return func(t *testing.T, path string, _ *gen) {
		if err := os.Remove(path + suffix); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRotation runs through what happens to log files. A look is made at each
// nil step; restarts are the same, since every look uses a fresh collector in
// one half of the runs.
func TestRotation(t *testing.T) {
	for _, tc := range []struct {
		name  string
		steps []step // nil: look
		want  int    // drafts
		lost  int    // blind windows told
		cause string
	}{
		{"grows", []step{appendReads(3), nil, appendReads(2), nil, nil}, 5, 0, ""},
		{"rename and SIGHUP", []step{appendReads(3), nil, appendReads(2), rename("", ".1"), appendReads(4), nil}, 9, 0, ""},
		{"lines after the rename, before SIGHUP", []step{appendReads(3), nil, rename("", ".1"), nil,
			func(t *testing.T, path string, g *gen) { add(t, path+".1", g.reads(2)) }, nil,
			func(t *testing.T, path string, g *gen) { add(t, path+".1", g.reads(1)) }, appendReads(4), nil}, 10, 0, ""},
		{"two rotations between looks", []step{appendReads(3), nil, appendReads(1), rename("", ".1"), appendReads(2),
			rename(".1", ".2"), rename("", ".1"), appendReads(4), nil}, 10, 0, ""},
		{"rotated and compressed while away", []step{appendReads(3), nil, appendReads(2), rename("", ".1"), pack(".1"), appendReads(4), nil}, 9, 0, ""},
		{"compressed after it was read", []step{appendReads(3), rename("", ".1"), appendReads(2), nil, pack(".1"), appendReads(1), nil}, 6, 0, ""},
		{"history of compressed files", []step{appendReads(2), rename("", "-20260301"), pack("-20260301"), appendReads(3),
			rename("", "-20260302"), appendReads(1), nil}, 6, 0, ""},
		{"old file dropped after it was read", []step{appendReads(3), rename("", ".1"), appendReads(2), nil, remove(".1"), appendReads(1), nil}, 6, 0, ""},
		{"copytruncate", []step{appendReads(3), nil, appendReads(2), copyAside(".1"), truncate, appendReads(4), nil}, 9, 1, "truncated in place"},
		{"truncate without a copy", []step{appendReads(3), nil, truncate, appendReads(2), nil}, 5, 1, "truncated or replaced in place"},
		{"truncated, seen while empty", []step{appendReads(3), nil, truncate, nil, appendReads(2), nil}, 5, 1, "truncated or replaced in place"},
		{"truncated and grown past the old place", []step{appendReads(2), nil, truncate, appendReads(9), nil}, 11, 1, "truncated or replaced in place"},
		{"rotated away unread", []step{appendReads(3), nil, appendReads(2), rename("", ".1"), appendReads(4), remove(".1"), nil}, 7, 1, "rotated away"}, // held open without a restart: see below
		{"torn end of a rotated file", []step{appendReads(3), func(t *testing.T, path string, _ *gen) { add(t, path, `{"time":"2026`) },
			rename("", ".1"), appendReads(2), nil}, 5, 0, ""},
	} {
		for _, restart := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s restart=%v", tc.name, restart), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "audit.log")
				g := newGen()
				write(t, path, "")
				cfg := Config{AuditFiles: []string{path}}
				c := fileCollector(t, cfg, later)
				var all []evidence.Draft
				var lost []evidence.Seen
				var resume []byte
				for _, s := range tc.steps {
					if s != nil {
						s(t, path, g)
						continue
					}
					var rec collectortest.Recorder
					if restart {
						c = fileCollector(t, cfg, later)
					}
					if err := c.Poll(t.Context(), evidence.Period{To: later}, resume, &rec); err != nil {
						t.Fatal(err)
					}
					resume = rec.Resume()
					all = append(all, rec.Drafts...)
					for _, cm := range rec.Commits {
						for _, s := range cm.Observation.Seen {
							if s.Class == evidence.Blind {
								lost = append(lost, s)
							}
						}
					}
				}
				if tc.name == "rotated away unread" && !restart {
					tc.want, tc.lost = 9, 0 // the open handle still reads the deleted file
				}
				keys := map[string]int{}
				for _, d := range all {
					keys[d.Key]++
				}
				if len(all) != tc.want || len(keys) != tc.want {
					t.Errorf("%d drafts of %d requests, want %d", len(all), len(keys), tc.want)
				}
				if len(lost) != tc.lost {
					t.Errorf("blind windows: %+v, want %d", lost, tc.lost)
				}
				for _, s := range lost {
					if !strings.Contains(s.Cause, tc.cause) || !s.To.After(s.From) {
						t.Errorf("blind %s to %s because %q, want %q", s.From, s.To, s.Cause, tc.cause)
					}
				}
			})
		}
	}
}

// TestDeletedFile: the file is deleted while the server goes on writing to it;
// a daemon that held it open loses nothing.
func TestDeletedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	g := newGen()
	write(t, path, g.reads(2))
	c := fileCollector(t, Config{AuditFiles: []string{path}}, later)
	server, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var resume []byte
	n := 0
	look := func(want int) {
		t.Helper()
		var rec collectortest.Recorder
		if err := c.Poll(t.Context(), evidence.Period{To: later}, resume, &rec); err != nil {
			t.Fatal(err)
		}
		resume = rec.Resume()
		if n += len(rec.Drafts); n != want {
			t.Errorf("%d drafts so far, want %d", n, want)
		}
		for _, s := range last(&rec).Seen {
			if s.Class == evidence.Blind {
				t.Errorf("blind: %+v", s)
			}
		}
	}
	look(2)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	server.WriteString(g.reads(3))
	look(5)
	server.WriteString(g.reads(1))
	write(t, path, g.reads(4))
	look(10)
	add(t, path, g.reads(1))
	look(11)
}

// scenario is a log with rotated files and everything in it that has state.
func scenario(t testing.TB, dir string) string {
	path := filepath.Join(dir, "audit.log")
	g := newGen()
	var lines []string
	push := func(s string) { lines = append(lines, s) }
	for i := range 30 {
		c := g.kvRead([]string{"alice", "app", "pod", "root"}[i%4], fmt.Sprintf("tenant-%d/x", i%5))
		q, p := g.pair(c)
		push(q)
		if i%9 != 8 {
			push(p)
		}
		if i%10 == 4 {
			push(g.both(g.login("alice")))
			g.t = g.t.Add(50 * time.Second)
		}
		if i == 17 {
			push("not JSON\n")
		}
		if i%6 == 5 { // an answer that comes after its neighbours
			n := len(lines)
			lines[n-1], lines[n-2] = lines[n-2], lines[n-1]
		}
	}
	third := len(lines) / 3
	write(t, path+".2.gz", gz(t, strings.Join(lines[:third], "")))
	write(t, path+".1", strings.Join(lines[third:2*third], ""))
	write(t, path, strings.Join(lines[2*third:], ""))
	return path
}

// set is what the log must hold whatever the cuts: identity, op, content, raw.
func set(ds []evidence.Draft) []string {
	var out []string
	for _, d := range ds {
		out = append(out, fmt.Sprintf("%s %s %s %s %s %d", d.Kind, d.Op, d.Key, d.OccurredAt, d.Content, len(d.Raw)))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestCutAnywhere lets every emit and every commit fail once, with commits
// after each draft or few, and compares what a restart brings together with an
// uncut run.
func TestCutAnywhere(t *testing.T) {
	cfg := Config{AuditFiles: []string{scenario(t, t.TempDir())}}
	whole := poll(t, cfg, nil)
	want := set(whole.Drafts)
	for _, batch := range []int{1, 2, 7, 1000} {
		for fail := 1; fail <= len(whole.Drafts)+2; fail++ {
			for _, rec := range []*collectortest.Recorder{{FailEmit: fail}, {FailCommit: fail}} {
				c := fileCollector(t, cfg, later)
				c.batch = batch
				err := c.Poll(t.Context(), evidence.Period{To: later}, nil, rec)
				rest := fileCollector(t, cfg, later)
				var rec2 collectortest.Recorder
				if err := rest.Poll(t.Context(), evidence.Period{To: later}, rec.Resume(), &rec2); err != nil {
					t.Fatal(err)
				}
				got := set(append(slices.Clone(rec.Drafts), rec2.Drafts...))
				if d := cmp.Diff(want, got); d != "" {
					t.Fatalf("batch %d, emit %d or commit %d fails (%v): other drafts (-uncut +cut):\n%s", batch, rec.FailEmit, rec.FailCommit, err, d)
				}
				if n := len(rec.Resume()); n > 8<<10 {
					t.Errorf("cursor of %d bytes", n)
				}
			}
		}
	}
}

// TestGrowing reads a file that grows by odd pieces, with a restart after each.
func TestGrowing(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile(scenario(t, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "audit.log")
	now := newGen().t.Add(200 * time.Second) // nothing expires by the clock
	write(t, path, string(text))
	want := set(pollAt(t, Config{AuditFiles: []string{path}}, nil, now).Drafts)
	for _, piece := range []int{777, 4099} {
		write(t, path, "")
		var resume []byte
		var all []evidence.Draft
		for off := 0; off < len(text); off += piece {
			add(t, path, string(text[off:min(off+piece, len(text))]))
			rec := pollAt(t, Config{AuditFiles: []string{path}}, resume, now)
			resume = rec.Resume()
			all = append(all, rec.Drafts...)
		}
		if d := cmp.Diff(want, set(all)); d != "" {
			t.Errorf("pieces of %d bytes (-whole +pieces):\n%s", piece, d)
		}
	}
}

// A log without a probe to which nothing is written tells that it was read, as long
// as it is there and whole, and claims nothing for it.
func TestQuietFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	write(t, path, newGen().reads(3))
	cfg := Config{AuditFiles: []string{path}}
	rec := poll(t, cfg, nil)
	quiet := func(what string, want int) {
		t.Helper()
		now := last(rec).At.Add(time.Hour)
		rec = pollAt(t, cfg, rec.Resume(), now)
		if o := last(rec); len(o.Quiet) != want || len(o.Seen) != 0 || want > 0 && (o.Quiet[0].Cause != evidence.CauseQuiet || !o.Quiet[0].To.Equal(now)) {
			t.Errorf("%s: quiet %+v, seen %+v", what, o.Quiet, o.Seen)
		}
	}
	quiet("nothing written", 1)
	quiet("nothing written still", 1)
	remove("")(t, path, nil)
	quiet("the file is gone", 0)
}
