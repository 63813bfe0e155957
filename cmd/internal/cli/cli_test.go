package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := Zone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

var now = time.Date(2026, 11, 14, 23, 30, 0, 0, time.UTC) // already the 15th in Berlin

func TestParseTime(t *testing.T) {
	for _, tc := range []struct{ zone, in, want string }{
		{"UTC", "2026-11-14T14:00:00Z", "2026-11-14T14:00:00Z"},
		{"Europe/Berlin", "2026-11-14T14:00:00Z", "2026-11-14T14:00:00Z"},
		{"Europe/Berlin", "2026-11-14t14:00:00.25z", "2026-11-14T14:00:00.25Z"},
		{"UTC", "2026-11-14T14:00:00+01:00", "2026-11-14T13:00:00Z"},
		{"Europe/Berlin", "2026-11-14 14:00", "2026-11-14T13:00:00Z"},
		{"Europe/Berlin", "2026-11-14 14:00:30", "2026-11-14T13:00:30Z"},
		{"Europe/Berlin", "2026-11-14T14:00", "2026-11-14T13:00:00Z"},
		{"Europe/Berlin", "2026-07-14 14:00", "2026-07-14T12:00:00Z"},
		{"Europe/Berlin", "2026-11-14", "2026-11-13T23:00:00Z"},
		{"UTC", "14:00", "2026-11-14T14:00:00Z"},
		{"Europe/Berlin", "14:00", "2026-11-15T13:00:00Z"},
		{"Europe/Berlin", "yesterday 14:00", "2026-11-14T13:00:00Z"},
		{"Europe/Berlin", " Yesterday  14:00 ", "2026-11-14T13:00:00Z"},
		{"Europe/Berlin", "yesterday", "2026-11-13T23:00:00Z"},
		{"Europe/Berlin", "today 08:15", "2026-11-15T07:15:00Z"},
		{"UTC", "now", "2026-11-14T23:30:00Z"},
		{"Asia/Kathmandu", "2026-11-14 14:00", "2026-11-14T08:15:00Z"},
		// The hour before and after the change are plain.
		{"Europe/Berlin", "2026-10-25 01:59", "2026-10-24T23:59:00Z"},
		{"Europe/Berlin", "2026-10-25 03:00", "2026-10-25T02:00:00Z"},
		{"Europe/Berlin", "2026-03-29 03:00", "2026-03-29T01:00:00Z"},
		{"Europe/Berlin", "2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00Z"},
	} {
		got, err := ParseTime(tc.in, now, zone(t, tc.zone))
		if err != nil || evidence.FormatTime(got) != tc.want {
			t.Errorf("ParseTime(%q) in %s: got %s, %v, want %s", tc.in, tc.zone, evidence.FormatTime(got), err, tc.want)
		}
	}
}

func TestParseTimeRefuses(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", `cannot read the time ""`},
		{"noon", `cannot read the time "noon"`},
		{"25:00", "cannot read"},
		{"14:00 yesterday", "cannot read"},
		{"14.11.2026 14:00", "cannot read"},
		{"2026-11-31", "cannot read"},
		{"2026-11-14 14", "cannot read"},
		{"2026-11-14T", "cannot read"},
		{"0001-01-01T00:00:00Z", "out of range"},
		{"\x1b[31m", `"\x1b[31m"`},
		{"2026-03-29 02:30", "2026-03-29 02:30 does not exist in Europe/Berlin: clocks go from CET to CEST that day and skip it"},
		{"2026-10-25 02:30", "2026-10-25 02:30 comes twice in Europe/Berlin: clocks go back that day"},
	} {
		_, err := ParseTime(tc.in, now, zone(t, "Europe/Berlin"))
		if err == nil || !strings.Contains(err.Error(), tc.want) || ExitCode(err) != ExitUsage {
			t.Errorf("ParseTime(%q): got %v, want %q", tc.in, err, tc.want)
		}
	}
	_, err := ParseTime("2026-10-25 02:30", now, zone(t, "Europe/Berlin"))
	want := "give the offset: 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00"
	if got := problem.Of(err).Hint; got != want {
		t.Errorf("hint %q, want %q", got, want)
	}
	_, err = ParseTime("noon", now, time.UTC)
	for _, form := range TimeForms {
		if !strings.Contains(problem.Of(err).Hint, form) {
			t.Errorf("the hint does not show %s", form)
		}
		if _, err := ParseTime(strings.Trim(form, `"`), now, time.UTC); err != nil {
			t.Errorf("the shown form %s is not accepted: %v", form, err)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range append(TimeForms, "2026-10-25 02:30", "T", "2026-11-14T1:2") {
		f.Add(s, "Europe/Berlin")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		z, err := Zone(name)
		if err != nil {
			return
		}
		got, err := ParseTime(text, now, z)
		if err != nil {
			if ExitCode(err) != ExitUsage {
				t.Fatalf("ParseTime(%q): %v is not a usage problem", text, err)
			}
			return
		}
		again, err := ParseTime(evidence.FormatTime(got), now, z)
		if err != nil || !again.Equal(got) {
			t.Fatalf("ParseTime(%q) is %s, which reads as %s, %v", text, got, again, err)
		}
	})
}

func TestParsePeriod(t *testing.T) {
	for _, tc := range []struct{ from, to, last, want string }{
		{"2026-11-01", "2026-11-14", "", "2026-10-31T23:00:00Z/2026-11-14T23:00:00Z"},
		{"2026-11-14 13:00", "2026-11-14 14:00", "", "2026-11-14T12:00:00Z/2026-11-14T13:00:00Z"},
		{"2026-11-14", "", "", "2026-11-13T23:00:00Z/2026-11-14T23:30:00Z"},
		{"", "", "24h", "2026-11-13T23:30:00Z/2026-11-14T23:30:00Z"},
		{"", "2026-11-08", "7d", "2026-11-01T23:00:00Z/2026-11-08T23:00:00Z"},
		// The day on which clocks go back has 25 hours.
		{"2026-10-25", "2026-10-25", "", "2026-10-24T22:00:00Z/2026-10-25T23:00:00Z"},
		{"", "", "", "no period is given"},
		{"2026-11-14", "", "7d", "exclude each other"},
		{"2026-11-14", "2026-11-01", "", "before it begins"},
		{"2026-11-14 13:00", "2026-11-14 12:00", "", "ends 2026-11-14 12:00:00 CET (11:00:00 UTC) before it begins 2026-11-14 13:00:00 CET"},
		{"2026-11-14 13:00", "2026-11-14 13:00", "", "the period is empty: it begins and ends 2026-11-14 13:00:00 CET"},
		{"2026-12-01", "", "", "lies ahead: it is 2026-11-15 00:30:00 CET"},
		{"x", "", "", "--from: cannot read"},
		{"2026-11-01", "x", "", "--to: cannot read"},
		{"", "", "7 days", "cannot read the duration"},
		{"", "", "-1h", "cannot read the duration"},
	} {
		p, err := ParsePeriod(tc.from, tc.to, tc.last, now, zone(t, "Europe/Berlin"))
		got := p.String()
		if err != nil {
			got = err.Error()
		}
		if got != tc.want && (err == nil || !strings.Contains(got, tc.want)) {
			t.Errorf("ParsePeriod(%q, %q, %q): got %s, want %s", tc.from, tc.to, tc.last, got, tc.want)
		}
	}
}

func TestZoneRefuses(t *testing.T) {
	for _, name := range []string{"", "Local", "Europe/Berln", "../etc/passwd"} {
		if _, err := Zone(name); ExitCode(err) != ExitUsage {
			t.Errorf("Zone(%q): got %v", name, err)
		}
	}
}

func TestSayTime(t *testing.T) {
	at := time.Date(2026, 11, 14, 13, 0, 0, 0, time.UTC)
	for z, want := range map[string]string{
		"Europe/Berlin": "2026-11-14 14:00:00 CET (13:00:00 UTC)",
		"UTC":           "2026-11-14 13:00:00 UTC",
	} {
		if got := SayTime(at, zone(t, z)); got != want {
			t.Errorf("in %s: got %s, want %s", z, got, want)
		}
	}
}

func TestExitCode(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{fmt.Errorf("x: %w", problem.New(problem.Usage, "x")), 2},
		{problem.New(problem.Config, "x"), 2},
		{problem.New(problem.Incomplete, "x"), 3},
		{problem.New(problem.Corrupt, "x"), 4},
		{problem.New(problem.Locked, "x"), 5},
		{problem.New(problem.NotFound, "x"), 6},
		{problem.New(problem.Refused, "x"), 7},
		{problem.New(problem.Source, "x"), 1},
		{problem.Wrap(problem.Incomplete, problem.New(problem.Refused, "y"), "x"), 3},
		{fmt.Errorf("x: %w", context.Canceled), 130},
	} {
		if got := ExitCode(tc.err); got != tc.want {
			t.Errorf("ExitCode(%v): got %d, want %d", tc.err, got, tc.want)
		}
	}
}

// Every code of the table has its own line, and a help text shows those asked
// for beside the three common ones.
func TestExitHelp(t *testing.T) {
	seen := map[int]bool{}
	for _, e := range ExitCodes {
		if seen[e.Code] || e.Says == "" {
			t.Errorf("exit code %d is there twice or says nothing", e.Code)
		}
		seen[e.Code] = true
	}
	want := "Exit codes:\n  0    done\n  1    it could not be done\n  2    the command line or the configuration is off\n  6    the named tenant, record or file is not there\n"
	if d := cmp.Diff(want, ExitHelp(ExitNotFound)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	opens := ExitHelp(ExitLocked)
	for _, want := range []string{"\n  4 ", "\n  5 ", "\n  6 ", "\n  7 "} {
		if !strings.Contains(opens, want) {
			t.Errorf("a command that opens a data directory does not tell %q:\n%s", want, opens)
		}
	}
}

func TestPrintError(t *testing.T) {
	var b bytes.Buffer
	err := problem.Wrap(problem.Config, errors.New("\n  e.yaml:1:1: a\n\n\te.yaml:2:1: \x1b[31mb"), "2 problems").WithHint("look\u202eagain")
	PrintError(&b, "evidenced", err)
	want := "evidenced: 2 problems: \n  e.yaml:1:1: a\n  e.yaml:2:1: \\x1b[31mb\n  hint: look\\u202eagain\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// Nothing but a terminal gets colour or a bar.
func TestNoTerminal(t *testing.T) {
	none := func(string) string { return "" }
	f, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b bytes.Buffer
	if got := Look(f, none); got != (Terminal{}) {
		t.Errorf("a file is taken for a terminal: %+v", got)
	}
	if got := Look(&b, none); got != (Terminal{}) {
		t.Errorf("a buffer is taken for a terminal: %+v", got)
	}
	p := NewProgress(&b, Look(&b, none), "verify")
	p.Set(1, 2)
	p.Done()
	w := NewWaiting(&b, Look(&b, none))
	w.For([]evidence.SourceID{"vault/prod"})
	w.Done()
	if b.Len() > 0 {
		t.Errorf("progress wrote %q", b.String())
	}
}

func TestProgressOnATerminal(t *testing.T) {
	var b bytes.Buffer
	p := NewProgress(&b, Terminal{Is: true, Width: 80}, "verify\x1b")
	p.Set(1, 4)
	p.Set(4, 4)
	p.Done()
	p.Done()
	if strings.Contains(b.String(), "verify\x1b") {
		t.Errorf("an escape went through: %q", b.String())
	}
}

func TestWaiting(t *testing.T) {
	var b bytes.Buffer
	w := NewWaiting(&b, Terminal{Is: true, Width: 80})
	w.For([]evidence.SourceID{"argocd/prod", "vault/prod"})
	w.Done()
	w.Done()
	left := []evidence.SourceID{"argocd/prod", "vault/\x1b[2J"}
	for _, tc := range []struct {
		left  []evidence.SourceID
		width int
		want  string
	}{
		{left, 80, `14 s, waiting for 2 sources: argocd/prod, vault/\x1b[2J`},
		{left[:1], 80, "14 s, waiting for 1 source: argocd/prod"},
		{left, 40, "14 s, waiting for 2 sources: argocd/pro…"},
		{nil, 80, ""},
	} {
		if got := waitingFor(tc.left, 14*time.Second+time.Millisecond, tc.width); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
