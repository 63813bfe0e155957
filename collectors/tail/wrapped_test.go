package tail

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func cri(stream, tag, text string) string {
	return "2026-03-02T14:00:00.123456789+01:00 " + stream + " " + tag + " " + text + "\n"
}

func docker(stream, text string) string {
	return fmt.Sprintf(`{"log":%q,"stream":%q,"time":"2026-03-02T14:00:00Z"}`, text, stream) + "\n"
}

// joining is a world whose lines a runtime wrote, and what is to be read of them:
// the texts, without what wraps them.
type joining struct {
	*world
}

func newJoining(t *testing.T) *joining {
	j := &joining{newWorld(t)}
	j.restart(nil)
	return j
}

func (j *joining) restart(kept []byte) {
	j.world.restart(kept)
	j.s.opt.Join, j.s.opt.Prefix = true, []byte("@cee: ")
}

// texts takes up to n lines, each of which is read again as well, and stops the
// look there.
func (j *joining) texts(n int) string {
	j.t.Helper()
	j.do(j.s.Refresh())
	defer j.s.Stop()
	var out []string
	for len(out) < n {
		l, err := j.s.Next(j.t.Context())
		j.do(err)
		if l == nil {
			break
		}
		text := string(l.Text)
		if again, err := j.s.Reread(l.Place); err != nil || string(again) != text {
			j.t.Errorf("read again: %q, %v, want %q", again, err, text)
		}
		if w, ok := Unwrap(l.Text); ok {
			text = string(w.Text)
		} else if !l.Joined {
			text = "bare " + text
		}
		j.s.Take(time.Unix(1, 0))
		out = append(out, text)
	}
	return strings.Join(out, "|")
}

const all = 1 << 20

// Split lines are one again, each stream's for itself, in the order in which they
// end; wherever a reader stops, nothing is lost.
func TestJoin(t *testing.T) {
	for name, tt := range map[string]struct{ file, want string }{
		"CRI": {cri("stdout", "F", `{"a":1}`) + cri("stdout", "P", `{"b`) + cri("stdout", "P", `":`) + cri("stdout", "F", `2}`) + cri("stdout", "F", `{"c":3}`),
			`{"a":1}|{"b":2}|{"c":3}`},
		"two streams": {cri("stdout", "P", `{"b`) + cri("stderr", "F", "I0302 own") + cri("stderr", "P", "own ") + cri("stdout", "F", `":2}`) + cri("stdout", "F", `{"c":3}`) + cri("stderr", "F", "line"),
			`I0302 own|{"b":2}|{"c":3}|own line`},
		"bare between": {cri("stdout", "P", `{"b`) + "nothing of a runtime's\n" + cri("stdout", "F", `":2}`),
			`bare nothing of a runtime's|{"b":2}`},
		"Docker": {docker("stdout", `{"a":1}`+"\n") + docker("stdout", `@cee: {"b`) + docker("stderr", "own\n") + docker("stdout", `":`) + docker("stdout", "2}\n"),
			`{"a":1}|own|@cee: {"b":2}`},
		"a shipper took the newlines away": {docker("stdout", `{"a":1}`) + docker("stdout", "plain") + docker("stdout", `{"b":2}`),
			`{"a":1}|plain|{"b":2}`},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJoining(t)
			j.do(os.WriteFile(j.path, []byte(tt.file), 0o600))
			if got := j.texts(all); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if kept := j.keep(); j.texts(all) != "" || len(j.partial) > 0 {
				t.Errorf("after it: %q, state %s", j.partial, kept)
			}
			// Ended after each line: what is read then goes on with it, or begins
			// at most one split line's stretch earlier.
			n := strings.Count(tt.want, "|") + 1
			for stop := range n {
				j.restart(nil)
				first := j.texts(stop)
				j.restart(j.keep())
				rest := j.texts(all)
				if !strings.HasSuffix(tt.want, rest) || strings.Count(first, "|")+strings.Count(rest, "|")+2 < n || len(j.partial) > 0 {
					t.Errorf("stopped after %d: %q, then %q, told %q", stop, first, rest, j.partial)
				}
			}
		})
	}
}

// The rest of a split line is waited for, and nothing is told meanwhile.
func TestJoinWaits(t *testing.T) {
	j := newJoining(t)
	j.do(os.WriteFile(j.path, []byte(cri("stdout", "F", `{"a":1}`)+cri("stdout", "P", `{"b`)+cri("stderr", "F", "own")), 0o600))
	if got := j.texts(all); got != `{"a":1}` {
		t.Errorf("before its end: %s", got)
	}
	j.restart(j.keep())
	j.do(appendText(j.path, cri("stdout", "F", `":2}`)))
	if got := j.texts(all); got != `own|{"b":2}` || len(j.partial) > 0 {
		t.Errorf("its end: %s, told %q", got, j.partial)
	}
}

// A split line that does not end is told as lost, and what stands beside it is
// read.
func TestJoinCut(t *testing.T) {
	long := strings.Repeat("x", 1500)
	for name, tt := range map[string]struct {
		file  string
		after func(j *joining)
		want  string
		told  string
	}{
		"the file is left alone": {cri("stdout", "P", `{"b`) + cri("stderr", "F", "own"),
			func(j *joining) { j.do(os.Chtimes(j.path, time.Time{}, time.Now().Add(-time.Hour))) }, "own", "does not end"},
		"the file is rotated": {cri("stdout", "P", `{"b`) + cri("stderr", "F", "own"), func(j *joining) {
			j.do(os.Rename(j.path, j.path+".1"))
			j.do(os.WriteFile(j.path, []byte(cri("stdout", "F", `{"c":3}`)), 0o600))
		}, `own|{"c":3}`, "does not end"},
		"the file is packed": {cri("stdout", "P", `{"b`) + cri("stderr", "F", "own"), func(j *joining) {
			j.do(os.Rename(j.path, j.path+".1"))
			j.pack(j.path+".1", j.path+".1.gz")
		}, "own", "does not end"},
		"the program begins anew": {docker("stdout", `{"b`) + docker("stdout", `{"c":3}`+"\n"), nil, `{"c":3}`, "does not end"},
		"it is too long": {cri("stdout", "P", `{"`+long) + cri("stdout", "P", long) + cri("stderr", "F", "own") + cri("stdout", "P", long) + cri("stdout", "F", `{"c":3}`),
			nil, `own|{"c":3}`, "longer than max_line"},
		"the other stream goes on": {cri("stdout", "P", "{") + strings.Repeat(cri("stderr", "F", ""), maxBetween+5), nil, strings.Repeat("|", maxBetween+4), "does not end"},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJoining(t)
			if strings.HasPrefix(name, "the other") {
				j.s.opt.MaxLine = 1 << 20
			}
			j.do(os.WriteFile(j.path, []byte(cri("stdout", "F", `{"a":1}`)+tt.file), 0o600))
			if got := j.texts(1); got != `{"a":1}` {
				t.Fatalf("first %s", got)
			}
			if tt.after != nil {
				tt.after(j)
			}
			if got := j.texts(all); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if len(j.partial) != 1 || !strings.Contains(j.partial[0], tt.told) {
				t.Errorf("told %q, want %q", j.partial, tt.told)
			}
			if j.partial = nil; j.texts(all) != "" || len(j.partial) > 0 {
				t.Errorf("told again: %q", j.partial)
			}
		})
	}
}

// What is lost of a split line is a loss before the next one.
func TestJoinLoss(t *testing.T) {
	j := newJoining(t)
	j.do(os.WriteFile(j.path, []byte("1 line\n"+docker("stdout", `{"b`)+docker("stdout", "{}\n")+"9 line\n"), 0o600))
	got := strings.Fields(j.read()) // the line after it has no time but the file's
	if len(got) != 4 || got[0] != "1" || !strings.HasPrefix(got[1], "-") || got[2] != "?" || got[3] != "9" {
		t.Errorf("got %q, want a loss behind the first line", got)
	}
}

// A stretch that is longer than a line may be, and whose lines are not, is no
// loss. A line that passes the bound with its last piece is told as too long, as
// one that was not split is, and not read.
func TestJoinAtTheBound(t *testing.T) {
	long := strings.Repeat("x", 1400)
	j := newJoining(t)
	n := j.s.opt.MaxLine
	// Each stream begins a line before the other's ends.
	chain := cri("stdout", "P", long) + cri("stderr", "P", long) + cri("stdout", "F", "1") + cri("stdout", "P", "2") + cri("stderr", "F", "1") + cri("stdout", "F", long)
	if len(chain) <= n {
		t.Fatalf("a stretch of %d bytes, want more than %d", len(chain), n)
	}
	j.do(os.WriteFile(j.path, []byte(cri("stdout", "F", "0")+chain), 0o600))
	j.do(j.s.Refresh())
	defer j.s.Stop()
	for _, want := range []string{"0", long + "1", long + "1", "2" + long} {
		l, err := j.s.Next(t.Context())
		j.do(err)
		text := string(l.Text)
		if w, ok := Unwrap(l.Text); ok {
			text = string(w.Text)
		}
		if _, _, lost := j.s.Take(time.Unix(1, 0)); text != want || lost != nil || len(j.partial) > 0 {
			t.Errorf("got %.9q, want %.9q, loss %v, told %q", text, want, lost, j.partial)
		}
	}

	j = newJoining(t)
	j.do(os.WriteFile(j.path, []byte(cri("stdout", "P", long)+cri("stdout", "P", long)+cri("stdout", "F", long)+cri("stdout", "F", "next")), 0o600))
	j.do(j.s.Refresh())
	defer j.s.Stop()
	l, err := j.s.Next(t.Context())
	j.do(err)
	if w, _ := Unwrap(l.Text); string(w.Text) != "next" || len(j.partial) != 1 || !strings.Contains(j.partial[0], cutLong) || j.s.Gap != cutLong {
		t.Errorf("got %.20q, told %q, loss %q", l.Text, j.partial, j.s.Gap)
	}
}

// However long lines are split, they are what they were.
func FuzzJoin(f *testing.F) {
	f.Add("{\"a\":1}\n{\"b\":2}", "own\nlines", uint8(3))
	f.Fuzz(func(t *testing.T, out, own string, size uint8) {
		if len(out)+len(own) > 500 || strings.ContainsAny(out+own, "\r") {
			return
		}
		j := newJoining(t)
		j.s.opt.MaxLine = 1 << 20
		var file [2][]string
		var want [2][]string
		for i, text := range []string{out, own} {
			for line := range strings.SplitSeq(text, "\n") {
				want[i] = append(want[i], line)
				for n := int(size%16) + 1; len(line) > n && !j.s.whole([]byte(line[n:])); line = line[n:] {
					file[i] = append(file[i], cri([]string{"stdout", "stderr"}[i], "P", line[:n]))
				}
				file[i] = append(file[i], cri([]string{"stdout", "stderr"}[i], "F", line))
			}
		}
		var b strings.Builder
		for k := range max(len(file[0]), len(file[1])) {
			for i := range file {
				if k < len(file[i]) {
					b.WriteString(file[i][k])
				}
			}
		}
		j.do(os.WriteFile(j.path, []byte(b.String()), 0o600))
		got := strings.Split(j.texts(all), "|")
		if n := len(want[0]) + len(want[1]); !strings.Contains(out+own, "|") && len(got) != n || len(j.partial) > 0 {
			t.Fatalf("%d lines, want %d, told %q", len(got), n, j.partial)
		}
		if !strings.Contains(out+own, "|") {
			for i := range want {
				rest := got
				for _, l := range want[i] { // in order
					k := 0
					for k < len(rest) && rest[k] != l {
						k++
					}
					if k == len(rest) {
						t.Fatalf("line %q is missing in %q", l, got)
					}
					rest = rest[k+1:]
				}
			}
		}
	})
}
