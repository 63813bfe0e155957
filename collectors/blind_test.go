package collectors

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
)

// told is what a tenant's log tells of one kind, without stretches of no length
// and with those put together that touch and say the same.
func (b *bench) told(t *testing.T, tenant string, kind evidence.Kind) []string {
	t.Helper()
	spans, _ := coverageOf(t, b.mem, tenantOf(t, tenant))
	return stretches(spans, kind)
}

func stretches(spans []evidence.CoverageSpan, kind evidence.Kind) (out []string) {
	var of []evidence.CoverageSpan
	spans = slices.SortedStableFunc(slices.Values(spans), func(a, b evidence.CoverageSpan) int { return a.From.Compare(b.From) })
	for _, s := range spans {
		if !slices.Contains(s.Kinds, kind) || !s.From.Before(s.To) {
			continue
		}
		if n := len(of); n > 0 && of[n-1].Class == s.Class && of[n-1].Cause == s.Cause && !s.From.After(of[n-1].To) {
			of[n-1].To = maxTime(of[n-1].To, s.To)
			continue
		}
		of = append(of, s)
	}
	for _, s := range of {
		out = append(out, strings.TrimSuffix(fmt.Sprintf("%v-%v %s: %s", s.From.Sub(t0).Minutes(), s.To.Sub(t0).Minutes(), s.Class, s.Cause), ": "))
	}
	return out
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// sees is a run that claims an instant of the kinds, and misses what it says.
func (b *bench) sees(t *testing.T, incomplete string, kinds ...evidence.Kind) {
	t.Helper()
	b.run(t, func(s Sink) error {
		o := evidence.Observation{At: b.now, Total: -1, Incomplete: incomplete}
		if len(kinds) > 0 {
			o.Seen = []evidence.Seen{{Kinds: kinds, Class: evidence.Instants, From: b.now, To: b.now}}
		}
		return s.Commit(t.Context(), nil, o)
	})
	b.now = b.now.Add(time.Minute)
}

func (b *bench) fails(t *testing.T, n int) {
	t.Helper()
	for range n {
		b.run(t, func(Sink) error { return errors.New("503 from server") })
		b.now = b.now.Add(time.Minute)
	}
}

func (b *bench) flush(t *testing.T) {
	t.Helper()
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// again is the daemon that is started again.
func (b *bench) again() { b.state, b.states, b.driven = nil, nil, false }

// A kind that stays refused is blind from the first run on, by its own causes,
// however well the other kinds of its source are seen, over restarts and records.
func TestBlindBeginningOfOneKind(t *testing.T) {
	b := newBench(t)
	const refused = "may not list syncs (403)"
	b.fails(t, 2)
	b.sees(t, refused, evidence.DeployState)
	b.sees(t, refused, evidence.DeployState)
	b.flush(t)
	b.again()
	b.sees(t, refused, evidence.DeployState)
	b.flush(t)
	b.now = b.now.Add(9 * time.Minute)
	if err := b.Missed(t.Context(), b.now.Add(-9*time.Minute), b.now.Add(-time.Minute), 9, "daemon down"); err != nil {
		t.Fatal(err)
	}
	b.sees(t, refused, evidence.DeployState)
	b.fails(t, 1)
	b.sees(t, "", evidence.DeployState, evidence.DeploySync)
	b.sees(t, "", evidence.DeployState, evidence.DeploySync)
	b.flush(t)
	for _, tn := range []string{"tenant-1", "tenant-2"} {
		same(t, tn+", refused at first", b.told(t, tn, evidence.DeploySync),
			"0-1 blind: the look failed", "1-4 blind: the look was incomplete", "4-13 blind: daemon down",
			"13-14 blind: the look was incomplete", "14-16 blind: the look failed", "16-17 instants",
		)
		same(t, tn+", seen early", b.told(t, tn, evidence.DeployState),
			"0-2 blind: the look failed", "2-4 instants", "4-14 blind: daemon down", "14-16 blind: the look failed", "16-17 instants",
		)
	}
}

// What a source does not have is no blindness: a look that missed nothing says
// nothing of it, and later failures are none of it.
func TestNoBlindnessOfWhatIsNotThere(t *testing.T) {
	b := newBench(t)
	b.fails(t, 2)
	for range 3 {
		b.sees(t, "", evidence.DeployState)
	}
	b.fails(t, 2)
	b.sees(t, "", evidence.DeployState)
	b.flush(t)
	same(t, "never there", b.told(t, "tenant-1", evidence.DeploySync), "0-2 blind: the look failed")
	// Looks that are now whole and now not tell of it what they miss, without a
	// record for each.
	before := len(b.mem.logs[tenantOf(t, "tenant-1")])
	for range 20 {
		b.sees(t, "a page is missing", evidence.DeployState)
		b.sees(t, "", evidence.DeployState)
	}
	if n := len(b.mem.logs[tenantOf(t, "tenant-1")]) - before; n != 0 {
		t.Errorf("%d records of looks that are now whole and now not", n)
	}
}

// A state that was kept before kinds were told apart is read.
func TestOldBeginningIsRead(t *testing.T) {
	for text, want := range map[string]int{
		`{"n":1,"unseen":{"kinds":["deploy.state","deploy.sync"],"from":"2026-11-01T08:00:00Z","to":"2026-11-01T08:01:00Z","class":"blind","cause":"503"}}`: 2,
		`{"n":1}`:               0,
		`{"n":1,"unseen":null}`: 0,
	} {
		var old tally
		if err := json.Unmarshal([]byte(text), &old); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, u := range old.Unseen {
			n += len(u.Kinds)
		}
		if n != want {
			t.Errorf("%s: %d kinds, want %d", text, n, want)
		}
		again, _ := json.Marshal(old)
		var back tally
		if err := json.Unmarshal(again, &back); err != nil || !cmp.Equal(old, back) {
			t.Errorf("%s comes back as %s (%v)", text, again, err)
		}
	}
}

// What is blind is so until the next look, when that comes in time; when it does
// not, nobody looked in between.
func TestBlindUntilTheNextLook(t *testing.T) {
	for _, tc := range []struct {
		pause time.Duration // between the last look that failed and the next
		want  string
	}{{time.Minute, "1-4 blind: the look failed"}, {2 * time.Minute, "1-5 blind: the look failed"}, {3 * time.Minute, "1-3 blind: the look failed"}} {
		b := newBench(t)
		both := b.sc.Kinds()
		b.sees(t, "", both...)
		b.sees(t, "", both...)
		b.fails(t, 2)
		b.now = b.now.Add(tc.pause - time.Minute)
		b.sees(t, "", both...)
		b.sees(t, "", both...)
		b.flush(t)
		seen := b.now.Sub(t0).Minutes()
		same(t, fmt.Sprint(tc.pause), b.told(t, "tenant-1", evidence.DeployState), "0-1 instants", tc.want, fmt.Sprintf("%v-%v instants", seen-2, seen-1))
	}
}

// A source that failed did not fail because of what was before: a daemon that was
// down, or the other way round. To be left alone after failures is no cause.
func TestBlindWhileNobodyLooked(t *testing.T) {
	for _, seen := range []bool{true, false} {
		b := newBench(t)
		idle := func(minutes int, miss func(context.Context, time.Time, time.Time, int, string) error, cause string) {
			t.Helper()
			first := b.now
			b.now = b.now.Add(time.Duration(minutes) * time.Minute)
			if err := miss(t.Context(), first, b.now.Add(-time.Minute), minutes, cause); err != nil {
				t.Fatal(err)
			}
		}
		if seen {
			b.sees(t, "", b.sc.Kinds()...)
		} else {
			b.fails(t, 1)
		}
		idle(10, b.Missed, "daemon down")
		b.fails(t, 2)
		idle(4, b.Held, "backing off after 2 failed runs in a row")
		b.fails(t, 1)
		idle(8, b.Held, "backing off after 3 failed runs in a row")
		idle(10, b.Missed, "daemon down")
		idle(10, b.Missed, "paused: it moves")
		b.fails(t, 1)
		b.sees(t, "", b.sc.Kinds()...)
		b.flush(t)
		want := []string{"0-10 blind: daemon down", "10-25 blind: the look failed", "25-35 blind: daemon down", "35-45 blind: paused: it moves", "45-47 blind: the look failed"}
		same(t, fmt.Sprint("seen before: ", seen), b.told(t, "tenant-1", evidence.DeployState), want...)
	}
}

// A look at other kinds does not show a part that was not seen.
func TestPartStaysBlindForItsKinds(t *testing.T) {
	b := newBench(t)
	part := evidence.Seen{Kinds: []evidence.Kind{evidence.DeploySync}, Scope: evidence.NewRef("ns", "prod", "tenant-1"), Class: evidence.Blind, Cause: "no answer", Every: 10 * time.Minute}
	for i := range 20 {
		b.run(t, func(s Sink) error {
			o := evidence.Observation{At: b.now, Total: -1, Seen: []evidence.Seen{{Kinds: []evidence.Kind{evidence.DeployState}, Class: evidence.Instants, From: b.now, To: b.now}}}
			if i%10 == 0 {
				p := part
				p.From, p.To = b.now, b.now
				o.Seen = append(o.Seen, p, evidence.Seen{Kinds: p.Kinds, Class: evidence.Instants, From: b.now, To: b.now, Every: p.Every})
			}
			return s.Commit(t.Context(), nil, o)
		})
		b.now = b.now.Add(time.Minute)
	}
	b.flush(t)
	spans, _ := coverageOf(t, b.mem, tenantOf(t, "tenant-1"))
	for _, s := range spans {
		if slices.Contains(s.Kinds, evidence.DeploySync) && s.Class != evidence.Blind {
			t.Errorf("the part is told as seen: %+v", s)
		}
	}
	records := 0
	for _, d := range b.mem.logs[tenantOf(t, "tenant-2")] {
		if d.Draft.Kind == evidence.CollectionCoverage {
			records++
		}
	}
	if records > 3 {
		t.Errorf("%d records of one part that was never seen", records)
	}
}

// Whoever looks after a source says that it is blind until now, also when it is
// left alone for a while; nobody says so who does not.
func TestBlindUntilNow(t *testing.T) {
	b := newBench(t)
	b.sees(t, "", b.sc.Kinds()...)
	b.fails(t, 3)
	b.flush(t)
	end := func() string {
		t.Helper()
		all, err := b.Ahead(tenantOf(t, "tenant-1"))
		if err != nil {
			t.Fatal(err)
		}
		var to time.Time
		for _, s := range all {
			to = maxTime(to, s.Period.To)
		}
		return to.Sub(t0).String()
	}
	b.now = t0.Add(3*time.Minute + 40*time.Second)
	if got := end(); got != "3m0s" {
		t.Errorf("before a look is due, blind until %s", got)
	}
	before := len(b.mem.logs[evidence.Platform])
	b.flush(t)
	if n := len(b.mem.logs[evidence.Platform]); n != before {
		t.Error("a question before a look was due made a record")
	}
	b.now = t0.Add(12 * time.Minute)
	if got := end(); got != "12m0s" {
		t.Errorf("while the source is left alone, blind until %s", got)
	}
	b.flush(t)
	same(t, "told", b.told(t, "tenant-1", evidence.DeployState), "0-12 blind: the look failed")
	b.again()
	b.now = t0.Add(20 * time.Minute)
	if got := end(); got != "12m0s" {
		t.Errorf("while nobody looks after it, blind until %s", got)
	}
}

// A clock that is set back hides no run, keeps no follower in one run for ever,
// asks for no window that ends before it begins, and puts no roll-up off.
func TestClockSetBack(t *testing.T) {
	b := newBench(t)
	for range 5 {
		b.sees(t, "", b.sc.Kinds()...)
	}
	b.flush(t)
	b.now = t0.Add(time.Minute)
	windows := 0
	for range 5 {
		b.sc.poll = func(_ context.Context, w evidence.Period, _ []byte, s Sink) error {
			if windows++; w.From.After(w.To) {
				t.Errorf("window %s", w)
			}
			return s.Commit(t.Context(), nil, b.look())
		}
		if _, err := b.Poll(t.Context(), b.now); err != nil {
			t.Fatal(err)
		}
		b.now = b.now.Add(time.Minute)
	}
	if n := b.mem.count(evidence.Platform, evidence.CollectionRun, evidence.OpEvent); n != 10 {
		t.Errorf("%d records of 10 runs", n)
	}

	far := newBench(t)
	far.now = t0.AddDate(1, 0, 0)
	far.sees(t, "", far.sc.Kinds()...)
	far.flush(t)
	for far.now = t0; far.now.Before(t0.AddDate(0, 0, 3)); far.now = far.now.Add(59 * time.Minute) {
		far.sees(t, "", far.sc.Kinds()...)
	}
	days := map[string]bool{}
	for _, d := range far.mem.logs[tenantOf(t, "tenant-1")] {
		if d.Draft.Kind == evidence.CollectionCoverage {
			days[d.Draft.ObservedAt.Format(time.DateOnly)] = true
		}
	}
	if len(days) < 4 {
		t.Errorf("coverage was told on %d days of 3 and the one ahead", len(days))
	}
}

func TestFollowerWhoseClockIsSetBack(t *testing.T) {
	b := newBench(t)
	b.Collector = follower{b.sc, func(s Sink) error {
		for i := range 12 {
			if i == 3 {
				b.now = b.now.Add(-time.Hour)
			}
			if err := s.Commit(t.Context(), nil, b.look()); err != nil {
				return err
			}
			b.now = b.now.Add(time.Minute)
		}
		return nil
	}}
	if err := b.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := b.mem.count(evidence.Platform, evidence.CollectionRun, evidence.OpEvent); n < 10 {
		t.Errorf("%d runs in 12 minutes", n)
	}
}

// A daemon that is stopped just after a run ended did not fail to look.
func TestFollowerIsStopped(t *testing.T) {
	for _, tc := range []struct {
		name    string
		commits int
		want    evidence.Outcome
	}{{"just after a run", 4, evidence.RunEmpty}, {"before anything", 0, evidence.RunFailed}} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			ctx, stop := context.WithCancel(t.Context())
			var last evidence.Outcome
			b.Done = func(r evidence.RunFacts) { last = r.Outcome }
			b.Collector = follower{b.sc, func(s Sink) error {
				for range tc.commits {
					if err := s.Commit(ctx, nil, b.look()); err != nil {
						return err
					}
					b.now = b.now.Add(time.Minute)
				}
				if tc.commits > 0 {
					if err := s.Commit(ctx, nil, b.look()); err != nil {
						return err
					}
				}
				b.now = b.now.Add(20 * time.Second)
				stop()
				return ctx.Err()
			}}
			_ = b.Follow(ctx)
			b.flush(t)
			if last != tc.want {
				t.Errorf("the last run ended %s, want %s", last, tc.want)
			}
			if tc.commits > 0 {
				same(t, "told", b.told(t, "tenant-1", evidence.DeployState), "0-4 instants")
			}
		})
	}
}

// A record does not outgrow what one may hold, however often a source is looked
// at in a day.
func TestRecordStaysSmall(t *testing.T) {
	b := newBench(t)
	b.Every = 5 * time.Second
	for b.now = t0; b.now.Before(t0.Add(15 * time.Hour)); b.now = b.now.Add(5 * time.Second) {
		b.run(t, func(s Sink) error {
			o := evidence.Observation{At: b.now, Total: -1}
			for _, k := range b.sc.Kinds() {
				o.Seen = append(o.Seen, evidence.Seen{Kinds: []evidence.Kind{k}, Class: evidence.Instants, From: b.now, To: b.now})
			}
			return s.Commit(t.Context(), nil, o)
		})
		// What a run leaves in _platform is no matter of this test.
		b.mem.logs[evidence.Platform] = nil
	}
	b.flush(t)
	for _, d := range b.mem.logs[tenantOf(t, "tenant-1")] {
		if n := len(d.Draft.Content); n > evidence.MaxContent {
			t.Errorf("a record of %d bytes", n)
		}
	}
	same(t, "told", b.told(t, "tenant-1", evidence.DeployState), "0-899.9166666666666 instants")
}

// How often a kind is due stands in what is told of it, also while it is blind.
func TestIntervalIsTold(t *testing.T) {
	b := newBench(t)
	b.fails(t, 1)
	b.run(t, func(s Sink) error {
		return s.Commit(t.Context(), nil, evidence.Observation{At: b.now, Total: -1, Seen: []evidence.Seen{
			{Kinds: []evidence.Kind{evidence.DeployState}, Class: evidence.Instants, From: b.now, To: b.now},
			{Kinds: []evidence.Kind{evidence.DeploySync}, Class: evidence.Instants, From: b.now, To: b.now, Every: time.Hour},
		}})
	})
	b.now = b.now.Add(time.Minute)
	b.Every = 2 * time.Minute // the configuration changed
	b.fails(t, 2)
	b.flush(t)
	spans, _ := coverageOf(t, b.mem, tenantOf(t, "tenant-1"))
	got := map[evidence.Kind][]string{}
	for _, s := range spans {
		for _, k := range s.Kinds {
			got[k] = append(got[k], s.Interval().String())
		}
	}
	same(t, "of the source", got[evidence.DeployState], "1m0s", "1m0s", "1m0s", "1m0s", "2m0s", "2m0s")
	same(t, "of a kind", got[evidence.DeploySync], "1m0s", "1m0s", "1h0m0s", "1h0m0s", "1h0m0s", "1h0m0s")
}

// Kinds that are claimed in other company than before are not blind for as long as
// they were not claimed together.
func TestKindsInOtherCompany(t *testing.T) {
	b := newBench(t)
	b.sees(t, "", b.sc.Kinds()...)
	b.fails(t, 1)
	b.again() // with another version, which claims each kind for itself
	alone := func() {
		b.run(t, func(s Sink) error {
			o := evidence.Observation{At: b.now, Total: -1}
			for _, k := range b.sc.Kinds() {
				o.Seen = append(o.Seen, evidence.Seen{Kinds: []evidence.Kind{k}, Class: evidence.Instants, From: b.now, To: b.now})
			}
			return s.Commit(t.Context(), nil, o)
		})
		b.now = b.now.Add(time.Minute)
	}
	for range 5 {
		alone()
	}
	if err := b.Missed(t.Context(), b.now, b.now.Add(4*time.Minute), 5, "daemon down"); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(5 * time.Minute)
	alone()
	alone()
	b.flush(t)
	same(t, "told", b.told(t, "tenant-1", evidence.DeployState), "0-2 blind: the look failed", "2-6 instants", "6-12 blind: daemon down", "12-13 instants")
}

// A span that does not say how often its kinds are due, as one from an older
// cursor, is no news each time somebody asks, and says it once it grew.
func TestQuestionsOverAnOldCursor(t *testing.T) {
	for _, tc := range []struct {
		name        string
		seen, grown bool
	}{
		{"seen before, asked at once", true, false}, {"seen before, looked at again", true, true},
		{"never seen, asked at once", false, false}, {"never seen, looked at again", false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			if tc.seen {
				b.sees(t, "", b.sc.Kinds()...)
			}
			b.fails(t, 2)
			b.flush(t)
			c := &b.state.Coverage
			for _, spans := range [][]evidence.CoverageSpan{c.Open, c.Unseen} {
				for i := range spans {
					spans[i].Every = 0
				}
			}
			if tc.grown {
				b.fails(t, 1)
			}
			b.now = b.now.Add(-58 * time.Second)
			coverage := func() int {
				return b.mem.count(tenantOf(t, "tenant-1"), evidence.CollectionCoverage, evidence.OpEvent)
			}
			b.flush(t)
			before := coverage()
			for range 57 {
				b.now = b.now.Add(time.Second)
				b.flush(t)
			}
			if n := coverage() - before; n != 0 {
				t.Errorf("57 questions within the minute of a look made %d records", n)
			}
			b.now = b.now.Add(2 * time.Minute)
			b.flush(t)
			spans, _ := coverageOf(t, b.mem, tenantOf(t, "tenant-1"))
			if last := spans[len(spans)-1]; last.Interval() != time.Minute || last.To != b.now {
				t.Errorf("the newest span ends at %s and is due every %s", last.To, last.Interval())
			}
		})
	}
}

// Where nobody knows how often a kind is due, a question alone makes nothing blind.
func TestNoIntervalAtAll(t *testing.T) {
	c := tally{Open: []evidence.CoverageSpan{{Kinds: []evidence.Kind{evidence.DeployState}, From: t0, To: t0, Class: evidence.Blind}}}
	if got := c.alive(t0.Add(time.Second), 0, longestWait).Open[0].To; got != t0 {
		t.Errorf("blind until %s", got)
	}
}

// A schedule that changed while a source is down is told with the next run. What
// was never claimed, or claimed as often as its source was due, is due as often as
// its source is now.
func TestScheduleChangesWhileBlind(t *testing.T) {
	for _, tc := range []struct {
		seen              bool
		before, now, want time.Duration
	}{
		{true, time.Minute, time.Hour, time.Hour}, {true, time.Hour, time.Minute, time.Minute},
		{false, time.Minute, time.Hour, time.Hour}, {false, time.Hour, time.Minute, time.Minute},
	} {
		b := newBench(t)
		b.Every = tc.before
		if tc.seen {
			b.sees(t, "", b.sc.Kinds()...)
		}
		b.fails(t, 2)
		b.Every = tc.now
		b.fails(t, 1)
		b.flush(t)
		end := func() time.Duration {
			spans, _ := coverageOf(t, b.mem, tenantOf(t, "tenant-1"))
			return spans[len(spans)-1].Interval()
		}
		if got := end(); got != tc.want {
			t.Errorf("seen before %v, from %s to %s: %s, want %s", tc.seen, tc.before, tc.now, got, tc.want)
		}
		b.sees(t, "", b.sc.Kinds()...)
		b.flush(t)
		if got := end(); got != tc.now {
			t.Errorf("seen before %v, from %s to %s, claimed again: %s", tc.seen, tc.before, tc.now, got)
		}
	}
}

// A run that is over before anything was claimed, as in the middle of a first
// list, does not say that the source has nothing: the failures before and after
// it stay told.
func TestRunWithoutAClaim(t *testing.T) {
	none := func(b *bench, s Sink) error {
		return s.Commit(context.Background(), nil, evidence.Observation{At: b.now, Total: -1})
	}
	for _, tc := range []struct {
		name string
		run  func(t *testing.T, b *bench)
	}{
		{"polled", func(t *testing.T, b *bench) { b.run(t, func(s Sink) error { return none(b, s) }) }},
		{"follower stopped", func(t *testing.T, b *bench) {
			ctx, stop := context.WithCancel(t.Context())
			b.Collector = follower{b.sc, func(s Sink) error {
				stop()
				if err := none(b, s); err != nil {
					return err
				}
				return ctx.Err()
			}}
			if err := b.Follow(ctx); err != nil {
				t.Fatal(err)
			}
		}},
		{"follower in the next slot", func(t *testing.T, b *bench) {
			ctx, stop := context.WithCancel(t.Context())
			b.Collector = follower{b.sc, func(s Sink) error {
				b.now = b.now.Add(time.Minute)
				if err := none(b, s); err != nil {
					return err
				}
				stop()
				return ctx.Err()
			}}
			if err := b.Follow(ctx); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			b.fails(t, 5)
			b.now = t0.Add(6 * time.Minute)
			tc.run(t, b)
			b.again()
			b.Collector = b.sc
			b.now = t0.Add(60 * time.Minute)
			if err := b.Missed(t.Context(), t0.Add(8*time.Minute), b.now, 53, "daemon down"); err != nil {
				t.Fatal(err)
			}
			b.fails(t, 2)
			b.flush(t)
			same(t, "told", b.told(t, "tenant-1", evidence.DeployState),
				"0-4 blind: the look failed", "4-60 blind: daemon down", "60-61 blind: the look failed")
		})
	}
}

// Days of runs that claim nothing are told as well, and their ids do not grow
// with the cursor for ever; nor does anything else.
func TestDayWithoutAClaim(t *testing.T) {
	b := newBench(t)
	for range 3*24 + 1 {
		b.run(t, func(s Sink) error {
			return s.Commit(t.Context(), nil, evidence.Observation{At: b.now, Total: -1})
		})
		b.now = b.now.Add(time.Hour)
	}
	if n := b.mem.count(tenantOf(t, "tenant-1"), evidence.CollectionCoverage, evidence.OpEvent); n != 3 {
		t.Errorf("%d records of 3 days that ended", n)
	}
	if n := len(b.state.Coverage.IDs); n > 24 {
		t.Errorf("%d runs wait for a record", n)
	}
	b.flush(t)
	if _, runs := coverageOf(t, b.mem, tenantOf(t, "tenant-1")); runs.Expected != 3*24+1 {
		t.Errorf("%d runs told of %d", runs.Expected, 3*24+1)
	}
	big := tally{Closed: []evidence.CoverageSpan{{Looks: make([]int64, maxWeight)}}}
	if !big.dayOver(t0) {
		t.Error("a tally without a begin may weigh anything")
	}
}

// A run in which the machine slept failed for that, and not because the source was
// down; what was claimed after the sleep shows that it did not.
func TestAsleepInARun(t *testing.T) {
	for _, tc := range []struct {
		name  string
		slept time.Duration // after the begin
		want  []string
	}{
		{"after its newest commit", 7 * time.Minute, []string{"0-0.5 instants", "0.5-60 blind: asleep", "60-62 blind: the look failed"}},
		{"before its newest commit", 15 * time.Second, []string{"0-0.5 instants", "0.5-62 blind: the look failed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			b.Away = func(since time.Time) string {
				if t0.Add(tc.slept).After(since) {
					return "asleep"
				}
				return ""
			}
			b.Collector = follower{b.sc, func(s Sink) error {
				for range 2 {
					if err := s.Commit(t.Context(), nil, b.look()); err != nil {
						return err
					}
					b.now = b.now.Add(30 * time.Second)
				}
				b.now = t0.Add(60 * time.Minute)
				return errors.New("connection reset")
			}}
			if err := b.Follow(t.Context()); err == nil {
				t.Fatal("the source was not lost")
			}
			b.Collector, b.now = b.sc, t0.Add(61*time.Minute)
			b.fails(t, 2)
			b.flush(t)
			same(t, "told", b.told(t, "tenant-1", evidence.DeployState), tc.want...)
		})
	}
}
