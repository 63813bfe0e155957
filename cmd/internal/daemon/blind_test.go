package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/schedule"
	"evidenced/evidence"
	"evidenced/mappings"
	"evidenced/reports/coverage"
	"evidenced/reports/today"
)

// A list that shrank and a daemon that slept show in the coverage and in the
// pack, and no verdict over them is satisfied.
func TestBlindnessReachesAnswers(t *testing.T) {
	for _, tc := range []struct {
		name, cause string
		act         func(t *testing.T, e *Engine, clock *testClock, src *testSource)
	}{
		{"list shrank", "scope shrank", func(t *testing.T, e *Engine, clock *testClock, src *testSource) {
			src.instants = true
			collectAt(t, e, clock, evidence.RunEmpty)
			src.sees = []string{"acme/one"}
			for range 6 {
				collectAt(t, e, clock, evidence.RunPartial)
			}
			src.sees = []string{"acme/one", "acme/two"}
		}},
		{"daemon slept", "daemon down", func(t *testing.T, e *Engine, clock *testClock, src *testSource) {
			src.instants = true
			collectAt(t, e, clock, evidence.RunEmpty)
			from := clock.t
			clock.t = clock.t.Add(6 * time.Hour)
			if err := e.sources[0].runner.Missed(t.Context(), from, clock.t, 360, "daemon down"); err != nil {
				t.Fatal(err)
			}
		}},
		{"source failed", "refused the credential", func(t *testing.T, e *Engine, clock *testClock, src *testSource) {
			src.instants = true
			collectAt(t, e, clock, evidence.RunEmpty)
			src.fail = true
			for range 6 {
				collectAt(t, e, clock, evidence.RunFailed)
			}
			src.fail = false
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			clock, src := &testClock{begin}, &testSource{sees: []string{"acme/one", "acme/two"}}
			e := newEngine(t, clock, src)
			src.emit = []evidence.Draft{mergeDraft("acme/one", 1, clock.t.Add(-time.Minute), true)}
			collectAt(t, e, clock, evidence.RunDone)
			src.emit = nil
			for range 3 {
				collectAt(t, e, clock, evidence.RunEmpty)
			}
			tc.act(t, e, clock, src)
			collectAt(t, e, clock, evidence.RunEmpty)
			checkBlind(t, e, evidence.Period{From: begin, To: clock.t.Add(-time.Hour)}, tc.cause)
		})
	}
}

func collectAt(t *testing.T, e *Engine, clock *testClock, want evidence.Outcome) {
	t.Helper()
	fs, err := e.Collect(t.Context(), "", false)
	if err != nil || len(fs) != 1 || fs[0].Outcome != want {
		t.Fatalf("collect: %+v %v, want %s", fs, err, want)
	}
	clock.t = clock.t.Add(time.Hour)
}

func checkBlind(t *testing.T, e *Engine, p evidence.Period, cause string) {
	t.Helper()
	tn := mustTenant(t, "tenant-1")
	r, err := e.Reader(t.Context(), tn)
	if err != nil {
		t.Fatal(err)
	}
	chart, err := coverage.Build(t.Context(), r, p)
	if err != nil {
		t.Fatal(err)
	}
	told := false
	for _, b := range chart.Blind {
		told = told || strings.Contains(b.Cause, cause)
	}
	if !told {
		t.Errorf("the coverage does not tell %q: %+v", cause, chart.Blind)
	}
	in, err := e.Judging(t.Context(), tn)
	if err != nil {
		t.Fatal(err)
	}
	in.Period, in.Now = p, e.Now()
	fs, _, err := mappings.Assess(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	bySource, satisfied := 0, 0
	for _, f := range fs {
		i := slices.IndexFunc(in.Catalog.Tests(), func(x *mappings.Test) bool { return x.ID == f.Test })
		if own := !slices.ContainsFunc(in.Catalog.Tests()[i].Needs(), func(k evidence.Kind) bool { info, _ := evidence.KindInfo(k); return !info.Own }); own {
			if f.Status == evidence.Satisfied {
				satisfied++
			}
			continue // what evidenced records of itself is no matter of a source
		}
		if bySource++; f.Status == evidence.Satisfied {
			t.Errorf("%s is satisfied over a blind stretch: %s", f.Test, f.Summary)
		}
	}
	if bySource == 0 {
		t.Error("no finding stands on a source")
	}
	var b bytes.Buffer
	if _, err := e.Pack(t.Context(), api.PackRequest{Tenant: tn, Period: p, Progress: func(_, _ uint64) {}}, &b); err != nil {
		t.Fatal(err)
	}
	sameVerdict(t, b.Bytes())
	rep, err := verifyBytes(b.Bytes(), "")
	if err != nil || rep.Findings[string(evidence.Satisfied)] != satisfied {
		t.Errorf("the pack: %+v %v", rep, err)
	}
}

// A source that is down reads as one stretch with its cause up to now, whether it
// ever was seen or not, and is recorded once however often it is looked at; a
// daemon that stopped, and one that begins again, tells that nobody looked.
func TestDownIsOneStretch(t *testing.T) {
	for _, seen := range []bool{false, true} {
		t.Run(fmt.Sprint("seen before ", seen), func(t *testing.T) {
			clock, src := &testClock{begin}, &testSource{sees: []string{"acme/one"}, instants: true}
			dir := t.TempDir()
			e := openEngine(t, dir, clock, src)
			tn := mustTenant(t, "tenant-1")
			run := func() {
				t.Helper()
				if _, err := e.run(t.Context(), e.sources[0], clock.t.Add(-time.Second)); err != nil {
					t.Fatal(err)
				}
			}
			blind := func() []string {
				t.Helper()
				if err := e.Judge(t.Context()); err != nil {
					t.Fatal(err)
				}
				in, err := e.Judging(t.Context(), tn)
				if err != nil {
					t.Fatal(err)
				}
				r, err := today.Build(t.Context(), today.Input{Reader: in.Reader, Catalog: in.Catalog, Now: clock.t, Since: clock.t.Add(-time.Hour)})
				if err != nil {
					t.Fatal(err)
				}
				var out []string
				for _, b := range r.Blind {
					out = append(out, b.Cause)
				}
				return out
			}
			told := func() string {
				t.Helper()
				if err := e.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				r, err := e.Reader(t.Context(), tn)
				if err != nil {
					t.Fatal(err)
				}
				chart, err := coverage.Build(t.Context(), r, evidence.Period{From: begin.Add(time.Minute), To: clock.t})
				if err != nil {
					t.Fatal(err)
				}
				var out []string
				for _, b := range chart.Blind {
					out = append(out, b.Cause+" until "+b.To.Sub(begin).String())
				}
				return strings.Join(out, ", ")
			}
			findings := func() (n int) {
				t.Helper()
				r, err := e.Reader(t.Context(), tn)
				if err != nil {
					t.Fatal(err)
				}
				for _, err := range r.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.FindingState}}) {
					if err != nil {
						t.Fatal(err)
					}
					n++
				}
				return n
			}
			if seen {
				run()
			}
			src.fail = true
			const refused = "the source refused the credential"
			var records int
			for i := range 6 {
				clock.t = clock.t.Add(time.Minute)
				run()
				clock.t = clock.t.Add(25 * time.Second)
				if got := blind(); !slices.Equal(got, []string{refused}) {
					t.Errorf("today, 25 seconds after look %d, tells %q", i, got)
				}
				if i == 0 {
					records = findings()
				}
				clock.t = clock.t.Add(-25 * time.Second)
			}
			if n := findings(); n != records {
				t.Errorf("%d findings were recorded again, though nothing changed", n-records)
			}
			clock.t = clock.t.Add(40 * time.Second)
			if got, want := told(), refused+" until 6m40s"; got != want {
				t.Errorf("between two looks: %s, want %s", got, want)
			}
			clock.t = begin.Add(15 * time.Minute)
			if got := blind(); !slices.Equal(got, []string{refused}) {
				t.Errorf("today, while the source is left alone, tells %q", got)
			}
			if got, want := told(), refused+" until 15m0s"; got != want {
				t.Errorf("while the source is left alone: %s, want %s", got, want)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			clock.t = begin.Add(30 * time.Minute)
			e = openEngine(t, dir, clock, src)
			if got, want := told(), refused+" until 15m0s, nobody looked until 30m0s"; got != want {
				t.Errorf("after the daemon stopped: %s, want %s", got, want)
			}
			if err := e.sources[0].runner.Missed(t.Context(), begin.Add(16*time.Minute), begin.Add(30*time.Minute), 15, "the daemon was not running"); err != nil {
				t.Fatal(err)
			}
			if got, want := told(), refused+" until 15m0s, the daemon was not running until 30m0s"; got != want {
				t.Errorf("when it began again: %s, want %s", got, want)
			}
		})
	}
}

// Slots that a follower missed are told by why nobody looked: the daemon was down,
// the machine slept, or the source was lost and is left alone for a while.
func TestMissedByFollower(t *testing.T) {
	const refused = "the source refused the credential"
	for _, tc := range []struct {
		name         string
		again, slept bool
		want         []string
	}{
		{"daemon was down", false, false, []string{refused + " until 1m0s", "the daemon was not running until 6h0m0s"}},
		{"machine slept", true, true, []string{refused + " until 1m0s", schedule.Asleep + " until 6h0m0s"}},
		{"source was lost", true, false, []string{refused + " until 6h0m0s"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			clock, src := &testClock{begin}, &testSource{sees: []string{"acme/one"}, instants: true}
			e := openEngine(t, t.TempDir(), clock, src)
			s := e.sources[0]
			run := func(slot time.Time) {
				t.Helper()
				if _, err := e.run(t.Context(), s, slot); err != nil {
					t.Fatal(err)
				}
			}
			run(clock.t)
			src.fail, clock.t = true, clock.t.Add(time.Minute)
			run(clock.t)
			if tc.slept {
				once, stop := context.WithCancel(t.Context())
				stop()
				e.watch.Run(once)
			}
			clock.t = begin.Add(6 * time.Hour)
			if err := e.missedByFollower(t.Context(), s, tc.again); err != nil {
				t.Fatal(err)
			}
			if got := s.runner.Away(begin) != ""; got != tc.slept {
				t.Errorf("the run is told of a sleep: %v, want %v", got, tc.slept)
			}
			if err := e.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := toldBlind(t, e, clock.t)
			if !slices.Equal(got, tc.want) {
				t.Errorf("told %q, want %q", got, tc.want)
			}
		})
	}
}

// toldBlind lists why tenant-1 was not seen, and until when after the begin.
func toldBlind(t *testing.T, e *Engine, now time.Time) (told []string) {
	t.Helper()
	r, err := e.Reader(t.Context(), mustTenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	chart, err := coverage.Build(t.Context(), r, evidence.Period{From: begin, To: now})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range chart.Blind {
		told = append(told, b.Cause+" until "+b.To.Sub(begin).String())
	}
	return told
}

// The time in which a source was not configured is told as that, and not as one in
// which the daemon was not running; where both were, each.
func TestNotConfigured(t *testing.T) {
	clock, src := &testClock{begin}, &testSource{sees: []string{"acme/one"}, instants: true}
	dir := t.TempDir()
	e := openEngine(t, dir, clock, src)
	look := func() {
		t.Helper()
		if _, err := e.run(t.Context(), e.sources[0], clock.t); err != nil {
			t.Fatal(err)
		}
	}
	again := func(at time.Duration, source string) {
		t.Helper()
		if err := errors.Join(e.Flush(t.Context()), e.Close()); err != nil {
			t.Fatal(err)
		}
		clock.t = begin.Add(at)
		e = openEngineOf(t, dir, source, clock, src)
	}
	look()
	again(time.Hour, "forge/other")
	again(2*time.Hour, "forge/other")
	again(5*time.Hour, "forge/prod")
	look()
	again(5*time.Hour+30*time.Second, "forge/prod")
	look()
	if err := e.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := toldBlind(t, e, clock.t)
	if want := []string{"the daemon was not running until 59m0s", notConfigured + " until 5h0m0s"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// A damaged list of what was configured keeps nobody from looking: it only says why
// nobody did.
func TestDamagedListOfSources(t *testing.T) {
	clock, src := &testClock{begin}, &testSource{sees: []string{"acme/one"}, instants: true}
	dir := t.TempDir()
	e := openEngine(t, dir, clock, src)
	if err := errors.Join(e.local.Store.Cursors().PutCursor(configuredCursor, []byte(`{"forge/prod":`)), e.Close()); err != nil {
		t.Fatal(err)
	}
	e = openEngine(t, dir, clock, src)
	if _, err := e.run(t.Context(), e.sources[0], clock.t); err != nil {
		t.Fatal(err)
	}
	text, err := e.local.Store.Cursors().Cursor(configuredCursor)
	if want := `{"forge/prod":"0001-01-01T00:00:00Z"}`; err != nil || string(text) != want {
		t.Errorf("the list is %s, %v; want %s", text, err, want)
	}
}
