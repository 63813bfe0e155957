package tail

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

// Lines of these tests begin with their second of the day.
func lineTime(b []byte) time.Time {
	var n int
	if _, err := fmt.Sscanf(string(b), "%d ", &n); err != nil {
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}

type world struct {
	t       *testing.T
	path    string
	s       *Stream
	partial []string
	once    bool // lines are not read again: there are many
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, path: filepath.Join(t.TempDir(), "a.log")}
	w.restart(nil)
	return w
}

// restart makes a new stream from a state that was kept.
func (w *world) restart(kept []byte) {
	w.s = New(w.path, Options{MaxLine: 4096, Silence: time.Minute, Time: lineTime,
		Note: func(string, ...any) {}, Partial: func(f string, a ...any) { w.partial = append(w.partial, fmt.Sprintf(f, a...)) }})
	st := &State{}
	if kept != nil {
		if err := json.Unmarshal(kept, st); err != nil {
			w.t.Fatal(err)
		}
	}
	w.s.Use(st)
	w.s.Watch = true
}

func (w *world) keep() []byte {
	w.s.Seal()
	b, err := json.Marshal(w.s.State)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func (w *world) add(from, to int) {
	w.t.Helper()
	f, err := os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	for i := from; i < to; i++ {
		fmt.Fprintf(f, "%d line\n", i)
	}
}

// read takes everything there is and returns the times, and a - with its
// length for each loss.
func (w *world) read() string {
	w.t.Helper()
	if err := w.s.Refresh(); err != nil {
		w.t.Fatal(err)
	}
	defer w.s.Stop()
	var out []string
	for {
		l, err := w.s.Next(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if l == nil {
			return strings.Join(out, " ")
		}
		text, place := string(l.Text), l.Place
		at, guessed, lost := w.s.Take(lineTime(l.Text))
		if lost != nil {
			out = append(out, fmt.Sprintf("-%s", lost.To.Sub(lost.From)))
		}
		if guessed {
			out = append(out, "?")
		} else {
			out = append(out, fmt.Sprint(at.Unix()))
		}
		if w.once {
			continue
		}
		if again, err := w.s.Reread(place); err != nil || string(again) != text {
			w.t.Errorf("read again: %q, %v, want %q", again, err, text)
		}
	}
}

func (w *world) mustRead(what, want string) {
	w.t.Helper()
	if got := w.read(); got != want {
		w.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func (w *world) do(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) pack(from, to string) {
	w.t.Helper()
	b, err := os.ReadFile(from)
	w.do(err)
	var z bytes.Buffer
	zw := gzip.NewWriter(&z)
	_, err = zw.Write(b)
	w.do(err)
	w.do(zw.Close())
	w.do(os.WriteFile(to, z.Bytes(), 0o600))
	w.do(os.Remove(from))
}

// Each line comes once, whatever happens to the file between two looks, with a
// restart at each look or without.
func TestRotate(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		w := newWorld(t)
		again := func() {
			if restarts {
				w.restart(w.keep())
			}
		}
		w.add(1, 4)
		w.mustRead("first look", "1 2 3")
		again()
		w.mustRead("nothing new", "")
		w.add(4, 6)
		again()
		w.mustRead("grown", "4 5")
		w.add(6, 7)
		w.do(os.Rename(w.path, w.path+".1"))
		w.add(7, 9)
		again()
		w.mustRead("rotated", "6 7 8")
		w.pack(w.path+".1", w.path+".1.gz")
		again()
		w.mustRead("packed", "")
		w.add(9, 10)
		w.do(os.Rename(w.path, w.path+".2"))
		w.pack(w.path+".2", w.path+".2.gz")
		w.add(10, 11)
		again()
		w.mustRead("packed before it was read to its end", "9 10")
		if len(w.partial) > 0 {
			t.Errorf("restarts %v: %q", restarts, w.partial)
		}
	}
}

// What cannot be read any more is a loss before the next line.
func TestLosses(t *testing.T) {
	w := newWorld(t)
	w.add(1, 4)
	w.mustRead("first", "1 2 3")
	kept := w.keep()

	w.do(os.Remove(w.path))
	w.add(50, 52)
	w.restart(kept)
	w.mustRead("rotated away unread", "-47s 50 51")
	w.do(os.Truncate(w.path, 0))
	w.restart(w.keep())
	w.add(60, 61)
	w.mustRead("truncated in place", "-9s 60")
	kept = w.keep()
	w.do(os.Rename(w.path, w.path+".1"))
	w.add(600, 601)
	w.restart(kept)
	w.mustRead("a long silence between two files", "-9m0s 600")
}

// A half line waits for its end; one too long, or torn by rotation, is told.
func TestOddLines(t *testing.T) {
	w := newWorld(t)
	w.add(1, 2)
	w.do(appendText(w.path, "2 ha"))
	w.mustRead("half a line", "1")
	w.do(appendText(w.path, "lf\n3 "+strings.Repeat("x", 9000)+"\n4 next\nno time\n"))
	w.mustRead("its end, and one too long", "2 4 ?")
	if len(w.partial) != 1 || !strings.Contains(w.partial[0], "9002 bytes") {
		t.Errorf("told %q", w.partial)
	}
	w.do(appendText(w.path, "5 torn"))
	w.do(os.Rename(w.path, w.path+".1"))
	w.add(6, 7)
	w.partial = nil
	if got := w.read(); !strings.HasSuffix(got, "6") || strings.Contains(got, "5") {
		t.Errorf("after a torn line: %q", got)
	}
	if len(w.partial) != 1 || !strings.Contains(w.partial[0], "half line of 6 bytes") {
		t.Errorf("told %q", w.partial)
	}
}

func appendText(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func TestSkip(t *testing.T) {
	w := newWorld(t)
	w.add(1, 3)
	w.do(w.s.Refresh())
	l, err := w.s.Next(t.Context())
	if err != nil || l == nil {
		t.Fatal(l, err)
	}
	if path, off := w.s.Where(); path != w.path || off != 0 {
		t.Errorf("line stands at %s %d", path, off)
	}
	w.s.Skip()
	if !w.s.At.IsZero() {
		t.Error("a skipped line has a time")
	}
	w.restart(w.keep())
	w.mustRead("after a skipped line", "2")
}

func TestExpand(t *testing.T) {
	dir := t.TempDir()
	for _, n := range []string{"a.log", "a.log.1", "a-2026-03-02.log", "b.log"} {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Expand([]string{filepath.Join(dir, "*.log"), filepath.Join(dir, "c.log")})
	want := []string{filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log"), filepath.Join(dir, "c.log")}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if _, err := Expand([]string{"[a"}); err == nil {
		t.Error("a bad pattern is taken")
	}
}

// Without a probe what was read is claimed, and the time since its newest line is not;
// what was claimed by an earlier configuration's probes says nothing of it.
func TestCoverWithoutProbe(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 1, 8, minute, 0, 0, time.UTC) }
	c := &Cover{CoverState: &CoverState{}, Kinds: []evidence.Kind{evidence.SecretAccess}, Probing: true, Limit: time.Minute}
	if q := c.Quiet(at(0)); q != nil {
		t.Errorf("quiet before the first line: %+v", q)
	}
	c.Line([]byte("x"), at(0), nil)
	c.Sent("p1", at(1))
	c.Line([]byte("p1"), at(1), nil)
	c.Commit(at(2), true)
	if q := c.Quiet(at(2)); q != nil {
		t.Errorf("quiet although probes tell more: %+v", q)
	}
	c.Probing = false
	c.Line([]byte("y"), at(10), nil)
	seen, _ := c.Commit(at(12), true)
	if len(seen) != 1 || seen[0].Class != evidence.Reconstructed || !seen[0].From.Equal(at(1)) || !seen[0].To.Equal(at(10)) {
		t.Errorf("claimed of lines without a probe: %+v", seen)
	}
	if q := c.Quiet(at(12)); len(q) != 1 || !q[0].From.Equal(at(10)) || !q[0].To.Equal(at(12)) || q[0].Cause != evidence.CauseQuiet {
		t.Errorf("quiet since the newest line: %+v", q)
	}
	c.Probing = true
	c.Sent("p2", at(20))
	c.Line([]byte("p2"), at(20), nil)
	if seen, _ = c.Commit(at(21), true); len(seen) != 1 || seen[0].Class != evidence.Reconstructed || !seen[0].From.Equal(at(10)) {
		t.Errorf("the first sighting after a time without probes claims %+v", seen)
	}
}
