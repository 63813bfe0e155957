package daemon

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/mappings"
	"evidenced/store"
)

// findingsIn lists the finding.state records of a tenant's log.
func findingsIn(t testing.TB, e *Engine, tenant string) []evidence.Record {
	t.Helper()
	r, err := e.Reader(t.Context(), mustTenant(t, tenant))
	if err != nil {
		t.Fatal(err)
	}
	var recs []evidence.Record
	for rec, err := range r.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.FindingState}}) {
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, rec)
	}
	return recs
}

func judgeNow(t testing.TB, e *Engine) {
	t.Helper()
	if err := e.Judge(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func verdictOf(t testing.TB, r evidence.Record) evidence.FindingFacts {
	t.Helper()
	var f evidence.FindingFacts
	if err := r.Decode(&f); err != nil {
		t.Fatal(err)
	}
	return f
}

// standing returns the finding of a test in force.
func standing(t testing.TB, e *Engine, tenant, test string) mappings.Standing {
	t.Helper()
	all, err := e.Findings(t.Context(), mustTenant(t, tenant))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(s mappings.Standing) bool { return s.Test == test })
	if i < 0 {
		t.Fatalf("%s has no finding of %s", tenant, test)
	}
	return all[i]
}

// A verdict is recorded when it changes and not otherwise: an approved change,
// then one that nobody approved, and time in between.
func TestFindingsAreRecordedWhenTheyChange(t *testing.T) {
	clock, src := &testClock{begin}, &testSource{sees: []string{"acme/one", "acme/two"}}
	e := newEngine(t, clock, src)
	src.emit = []evidence.Draft{mergeDraft("acme/one", 1, clock.t.Add(-time.Minute), true)}
	collectAt(t, e, clock, evidence.RunDone)
	src.emit = nil
	collectAt(t, e, clock, evidence.RunEmpty) // the first look was history alone
	judgeNow(t, e)
	first := findingsIn(t, e, "tenant-1")
	if len(first) == 0 {
		t.Fatal("nothing was recorded")
	}
	subjects := map[evidence.Ref]bool{}
	for _, r := range first {
		f := verdictOf(t, r)
		if r.Subject != mappings.FindingRef(f.Control, f.Test) || subjects[r.Subject] {
			t.Errorf("record %d of %s: %+v", r.Seq, r.Subject, f)
		}
		if f.Reason == evidence.ReasonNoCollector {
			t.Errorf("%s is recorded although no collector could answer it", r.Subject)
		}
		subjects[r.Subject] = true
	}
	if s := standing(t, e, "tenant-1", "chg-approved"); s.Status != evidence.Satisfied {
		t.Errorf("after an approved change: %s %s", s.Status, s.Summary)
	}
	for range 5 {
		collectAt(t, e, clock, evidence.RunEmpty)
		judgeNow(t, e)
		judgeNow(t, e)
	}
	for _, r := range findingsIn(t, e, "tenant-1")[len(first):] {
		t.Errorf("a quiet hour changed a verdict: %s", r.Facts)
	}
	src.emit = []evidence.Draft{mergeDraft("acme/one", 2, clock.t.Add(-time.Minute), false)}
	since := clock.t.Add(time.Hour)
	collectAt(t, e, clock, evidence.RunDone)
	other := len(findingsIn(t, e, "tenant-2"))
	judgeNow(t, e)
	s := standing(t, e, "tenant-1", "chg-approved")
	if s.Status != evidence.NotSatisfied || len(s.Failed) != 1 || !s.Since.Equal(since) {
		t.Errorf("after an unapproved change: %+v, want not-satisfied since %s", s, since)
	}
	if n := len(findingsIn(t, e, "tenant-2")); n != other {
		t.Errorf("another tenant got %d new findings", n-other)
	}
	rec := findingsIn(t, e, "tenant-1")
	last := rec[len(rec)-1]
	if last.NotBefore.IsZero() || !last.NotBefore.Before(last.Occurred) {
		t.Errorf("the change lies between %s and %s", last.NotBefore, last.Occurred)
	}
	// A restart records nothing again, and a failure stays what it is.
	n := len(rec)
	dir := e.o.Config.DataDir
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = openEngine(t, strings.TrimSuffix(dir, "/data"), clock, src)
	judgeNow(t, e)
	if got := len(findingsIn(t, e, "tenant-1")); got != n {
		t.Errorf("after a restart %d records, want %d", got, n)
	}
	if s := standing(t, e, "tenant-1", "chg-approved"); !s.Since.Equal(since) {
		t.Errorf("after a restart it fails since %s, want %s", s.Since, since)
	}
}

// What the catalog does not know any more is ended, once.
func TestFindingsEndWithTheirTest(t *testing.T) {
	clock, src := &testClock{begin}, &testSource{sees: []string{"acme/one"}}
	e := newEngine(t, clock, src)
	collectAt(t, e, clock, evidence.RunEmpty)
	log, err := e.local.Store.Log(mustTenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	ref := mappings.FindingRef("old-1", "gone-test")
	if _, err := log.Append(t.Context(), []store.Item{(&judged{}).item(evidence.OpSet, ref, clock.t, []byte(`{"control":"old-1","test":"gone-test","status":"gap"}`))}); err != nil {
		t.Fatal(err)
	}
	clock.t = clock.t.Add(time.Minute)
	for range 2 {
		judgeNow(t, e)
		clock.t = clock.t.Add(time.Minute)
	}
	ends := 0
	for _, r := range findingsIn(t, e, "tenant-1") {
		if r.Op == evidence.OpEnd {
			ends++
			if r.Subject != ref {
				t.Errorf("%s was ended", r.Subject)
			}
		}
	}
	if ends != 1 {
		t.Errorf("%d ends, want one", ends)
	}
}

// heard keeps what was told of assessments.
type heard struct {
	mu   sync.Mutex
	told map[evidence.Tenant]int
	news chan evidence.Tenant
}

func (h *heard) Judged(_ context.Context, t evidence.Tenant, _ time.Time, fs []evidence.FindingFacts) {
	h.mu.Lock()
	h.told[t] = len(fs)
	h.mu.Unlock()
	h.news <- t
}

// The daemon judges all tenants at its start and one again when it has new
// records; its own records of findings make it judge nothing.
func TestDaemonJudges(t *testing.T) {
	clock, src := &testClock{begin}, &testSource{sees: []string{"acme/one", "acme/two"}}
	e := newEngine(t, clock, src)
	h := &heard{told: map[evidence.Tenant]int{}, news: make(chan evidence.Tenant, 100)}
	e.o.Judged, e.o.Config.Assess.Delay = h, 0
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.judgeAlways(ctx) }()
	seen := map[evidence.Tenant]bool{}
	for range 3 {
		seen[<-h.news] = true
	}
	if len(seen) != 3 || !seen[evidence.Platform] {
		t.Errorf("at the start %v were judged, want all three", seen)
	}
	one := mustTenant(t, "tenant-1")
	e.judge.came(one)
	if got := <-h.news; got != one {
		t.Errorf("%s was judged, want %s", got, one)
	}
	if h.told[one] == 0 {
		t.Error("no findings were told")
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	// Everything recorded in between came from judging, and asked for nothing.
	if left := e.judge.takeDirty(); len(left) > 0 {
		t.Errorf("records of findings asked to judge %v", left)
	}
}

// Nobody is judged before a new source was looked at: "nobody looked" would be told
// and kept of a source whose first look is going on. A refused look is a look, and
// a source that hangs or is paused holds up nothing for good.
func TestFirstLooksBeforeVerdicts(t *testing.T) {
	for _, tc := range []struct {
		name   string
		looked bool
		fail   bool
		paused string
		most   time.Duration
		waits  bool
	}{
		{name: "not looked at yet", most: time.Hour, waits: true},
		{name: "looked at", looked: true, most: time.Hour},
		{name: "refused", looked: true, fail: true, most: time.Hour},
		{name: "paused", paused: "moved", most: time.Hour},
		{name: "time is up", most: time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEngine(t, &testClock{begin}, &testSource{sees: []string{"acme/one"}, fail: tc.fail})
			e.sources[0].config.Paused = tc.paused
			if tc.looked {
				if _, err := e.run(t.Context(), e.sources[0], begin); err != nil {
					t.Fatal(err)
				}
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			if tc.waits {
				time.AfterFunc(50*time.Millisecond, stop)
			}
			e.awaitFirstLooks(ctx, tc.most)
			if waited := ctx.Err() != nil; waited != tc.waits {
				t.Errorf("it waited: %t, want %t", waited, tc.waits)
			}
		})
	}
}

// Judging waits longer than it took, and never less than was configured.
func TestJudgingRests(t *testing.T) {
	for _, tc := range []struct{ delay, took, want time.Duration }{
		{15 * time.Second, 0, 15 * time.Second},
		{15 * time.Second, time.Second, 15 * time.Second},
		{15 * time.Second, 30 * time.Second, 2 * time.Minute},
		{0, time.Second, 4 * time.Second},
	} {
		if got := rest(tc.delay, tc.took); got != tc.want {
			t.Errorf("delay %s after %s of judging: %s, want %s", tc.delay, tc.took, got, tc.want)
		}
	}
}

// While judging rests, what is due by the clock is judged all the same, with the
// new records.
func TestJudgingIsDueWhileItRests(t *testing.T) {
	e := newEngine(t, &testClock{begin}, &testSource{sees: []string{"acme/one", "acme/two"}})
	h := &heard{told: map[evidence.Tenant]int{}, news: make(chan evidence.Tenant, 1000)}
	e.o.Judged, e.o.Config.Assess.Delay, e.o.Config.Assess.Every = h, time.Hour, 50*time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.judgeAlways(ctx) }()
	for range 3 {
		<-h.news
	}
	one := mustTenant(t, "tenant-1")
	it := (&judged{}).item(evidence.OpSet, evidence.NewRef("finding", "", "other"), begin, []byte(`{"control":"c","test":"t","status":"gap"}`))
	log, err := e.local.Store.Log(one)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(ctx, []store.Item{it}); err != nil {
		t.Fatal(err)
	}
	e.judge.came(one)
	for got := range h.news {
		if got == one {
			break
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// judgeDir names, for the child that is to be killed, where it works.
// judgeTry is how many were killed before it.
const (
	judgeDir = "EVIDENCED_JUDGE_DIR"
	judgeTry = "EVIDENCED_JUDGE_TRY"
)

// TestJudgesUntilKilled is that child: it has a new verdict at every step, and
// says so once it is recorded.
func TestJudgesUntilKilled(t *testing.T) {
	dir := os.Getenv(judgeDir)
	if dir == "" {
		return // it is the child of the next test
	}
	try, err := strconv.Atoi(os.Getenv(judgeTry))
	if err != nil {
		t.Fatal(err)
	}
	clock := &testClock{begin.Add(time.Duration(try) * 24 * time.Hour)}
	src := &testSource{sees: []string{"acme/one"}}
	e := openEngine(t, dir, clock, src)
	for n := try * 10_000; ; n++ {
		src.emit = []evidence.Draft{mergeDraft("acme/one", n, clock.t.Add(-time.Minute), n%2 == 0)}
		if _, err := e.Collect(t.Context(), "", false); err != nil {
			t.Fatal(err)
		}
		judgeNow(t, e)
		fmt.Println("judged")
		clock.t = clock.t.Add(time.Second)
	}
}

// A daemon that is killed anywhere leaves no verdict twice: every state of a
// finding differs from the one before, and what the log says is what a new
// start would judge.
func TestKilledWhileJudging(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for try := range 4 {
		cmd := exec.CommandContext(t.Context(), exe, "-test.run", "^TestJudgesUntilKilled$")
		cmd.Env = append(os.Environ(), judgeDir+"="+dir, fmt.Sprintf("%s=%d", judgeTry, try))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, n := bufio.NewScanner(out), 0
		for lines.Scan() {
			if lines.Text() == "judged" {
				n++
			}
			if n == 2+try {
				break
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed, as it was meant to be
		if n < 2 {
			t.Fatalf("the child judged %d times", n)
		}
	}
	clock, src := &testClock{begin.Add(1001 * time.Hour)}, &testSource{sees: []string{"acme/one"}}
	e := openEngine(t, dir, clock, src)
	was := map[evidence.Ref]evidence.Hash{}
	recs := findingsIn(t, e, "tenant-1")
	for _, r := range recs {
		sum := mappings.Verdict(verdictOf(t, r))
		if was[r.Subject] == sum {
			t.Errorf("record %d says of %s what the one before said", r.Seq, r.Subject)
		}
		was[r.Subject] = sum
	}
	if len(recs) <= len(was) {
		t.Errorf("%d records of %d findings: no verdict changed, the test tests nothing", len(recs), len(was))
	}
	judgeNow(t, e)
	n := len(findingsIn(t, e, "tenant-1"))
	judgeNow(t, e)
	if again := len(findingsIn(t, e, "tenant-1")); again != n {
		t.Errorf("judged twice at one instant: %d records, then %d", n, again)
	}
}

// A tenant of which nothing is new is not assessed again until a clock may run
// out for it. That it was judged is told all the same.
func TestWhatStandsIsNotAssessed(t *testing.T) {
	clock, src := &testClock{begin}, &testSource{sees: []string{"acme/one", "acme/two"}}
	e := newEngine(t, clock, src)
	h := &heard{told: map[evidence.Tenant]int{}, news: make(chan evidence.Tenant, 100)}
	e.o.Judged = h
	one := mustTenant(t, "tenant-1")
	judge := func(after time.Duration) (assessed []evidence.Tenant) {
		t.Helper()
		clock.t = clock.t.Add(after)
		if err := e.Judge(t.Context()); err != nil {
			t.Fatal(err)
		}
		for len(h.news) > 0 {
			assessed = append(assessed, <-h.news)
		}
		at, err := e.Judged(t.Context(), one)
		if err != nil || !at.Equal(clock.t) {
			t.Errorf("judged at %s (%v), the clock says %s", at, err, clock.t)
		}
		return assessed
	}
	if got := judge(0); len(got) != 3 {
		t.Fatalf("at first %v were assessed, want all three", got)
	}
	judge(time.Second) // the findings themselves are new records
	if got := judge(time.Second); len(got) != 0 {
		t.Errorf("nothing is new, and %v were assessed", got)
	}
	log, err := e.local.Store.Log(one)
	if err != nil {
		t.Fatal(err)
	}
	d := mergeDraft("acme/one", 1, clock.t, false)
	d.Source = "forge/prod"
	if _, err := log.Append(t.Context(), []store.Item{{Draft: d}}); err != nil {
		t.Fatal(err)
	}
	if got := judge(time.Second); !slices.Equal(got, []evidence.Tenant{one}) {
		t.Errorf("a record came to %s, and %v were assessed", one, got)
	}
	if got := judge(24 * time.Hour); len(got) != 3 {
		t.Errorf("with a new day %v were assessed, want all three", got)
	}
}
