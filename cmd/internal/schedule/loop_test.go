package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
)

// A bubble's clock begins at midnight UTC 2000-01-01.
var begin = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// journal notes what the loop did, with the time since begin.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf("%s ", time.Since(begin))+fmt.Sprintf(format, args...))
}

func (j *journal) missed(_ context.Context, m Missed) {
	j.note("missed %d of %s from %s to %s: %s", m.Count, m.Source, m.First.Sub(begin), m.Last.Sub(begin), m.Cause)
}

func (j *journal) job(name string, work func(n int) error) Job {
	n := 0
	return func(ctx context.Context, slot time.Time) error {
		n++
		j.note("%s takes slot %s", name, slot.Sub(begin))
		if work == nil {
			return nil
		}
		return work(n)
	}
}

// drive runs the loop for d of fake time.
func drive(l *Loop, d time.Duration, entries ...Entry) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	l.Run(ctx, entries)
}

func check(t *testing.T, got []string, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("what the loop did (-want +got):\n%s", d)
	}
}

func TestFirstStartRunsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(7 * time.Second)
		j := &journal{}
		drive(&Loop{Missed: j.missed}, 2*time.Minute, Entry{Source: "a", Schedule: must(t, "@every 1m"), Job: j.job("a", nil)})
		check(t, j.lines, "7s a takes slot 7s", "1m0s a takes slot 1m0s", "2m0s a takes slot 2m0s")
	})
}

func TestCatchUpAfterDowntime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(26*time.Minute + 3*time.Second)
		j := &journal{}
		drive(&Loop{Missed: j.missed}, 4*time.Minute, Entry{Source: "a", Schedule: must(t, "@every 5m"), Job: j.job("a", nil), Last: begin})
		check(t, j.lines,
			"26m3s missed 4 of a from 5m0s to 20m0s: the daemon was not running",
			"26m3s a takes slot 25m0s",
			"30m0s a takes slot 30m0s")
	})
}

func TestNoOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		slow := func(n int) error {
			if n == 2 {
				time.Sleep(3*time.Minute + 30*time.Second)
			}
			return nil
		}
		drive(&Loop{Missed: j.missed}, 6*time.Minute+time.Second, Entry{Source: "a", Schedule: must(t, "@every 1m"), Job: j.job("a", slow), Last: begin})
		check(t, j.lines,
			"1m0s a takes slot 1m0s",
			"2m0s a takes slot 2m0s",
			"5m30s missed 2 of a from 3m0s to 4m0s: the run before took longer than the schedule allows",
			"5m30s a takes slot 5m0s",
			"6m0s a takes slot 6m0s")
	})
}

func TestFailingSourceBacksOffAndDisturbsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		var states []string
		l := &Loop{
			Missed: j.missed,
			State: func(s evidence.SourceID, st State) {
				states = append(states, fmt.Sprintf("%s %s %s", time.Since(begin), s, st))
			},
			Backoff: Backoff{Base: 90 * time.Second, Max: 4 * time.Minute, Open: 3},
		}
		fails := func(n int) error {
			if n <= 4 {
				return errors.New("503")
			}
			return nil
		}
		healthy := &journal{}
		drive(l, 14*time.Minute+time.Second,
			Entry{Source: "bad", Schedule: must(t, "@every 1m"), Job: j.job("bad", fails), Last: begin},
			Entry{Source: "good", Schedule: must(t, "@every 1m"), Job: healthy.job("good", nil), Last: begin})
		check(t, j.lines,
			"1m0s bad takes slot 1m0s",  // +1m30s
			"2m30s bad takes slot 2m0s", // +3m
			"5m30s missed 2 of bad from 3m0s to 4m0s: backing off after 2 failed runs in a row",
			"5m30s bad takes slot 5m0s", // open: +4m
			"9m30s missed 3 of bad from 6m0s to 8m0s: backing off after 3 failed runs in a row",
			"9m30s bad takes slot 9m0s", // still open
			"13m30s missed 3 of bad from 10m0s to 12m0s: backing off after 4 failed runs in a row",
			"13m30s bad takes slot 13m0s",
			"14m0s bad takes slot 14m0s")
		if d := cmp.Diff([]string{"1m0s bad backing-off", "5m30s bad open", "13m30s bad working"}, states); d != "" {
			t.Errorf("states (-want +got):\n%s", d)
		}
		if len(healthy.lines) != 14 {
			t.Errorf("the healthy source ran %d times in 14 minutes, want 14", len(healthy.lines))
		}
	})
}

func TestHangingSourceDisturbsNobodyAndStopsWithTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		hang := func(ctx context.Context, _ time.Time) error { <-ctx.Done(); return ctx.Err() }
		drive(&Loop{}, 3*time.Minute+time.Second,
			Entry{Source: "hang", Schedule: must(t, "@every 1m"), Job: hang, Last: begin},
			Entry{Source: "good", Schedule: must(t, "@every 1m"), Job: j.job("good", nil), Last: begin})
		if len(j.lines) != 3 {
			t.Errorf("the healthy source ran %d times, want 3", len(j.lines))
		}
	})
}

func TestPanicStopsTheRunOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		drive(&Loop{Backoff: Backoff{Base: time.Second}}, 2*time.Minute+time.Second,
			Entry{Source: "a", Schedule: must(t, "@every 1m"), Last: begin, Job: j.job("a", func(n int) error {
				if n == 1 {
					panic("off by one")
				}
				return nil
			})})
		check(t, j.lines, "1m0s a takes slot 1m0s", "2m0s a takes slot 2m0s")
	})
}

func TestPausedSourceReportsItsSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		drive(&Loop{Missed: j.missed}, 90*time.Minute,
			Entry{Source: "a", Schedule: must(t, "@every 10m"), Paused: "maintenance", Job: j.job("a", nil), Last: begin})
		check(t, j.lines,
			"10m0s missed 1 of a from 10m0s to 10m0s: paused: maintenance",
			"1h10m0s missed 6 of a from 20m0s to 1h10m0s: paused: maintenance",
			"1h30m0s missed 2 of a from 1h20m0s to 1h30m0s: paused: maintenance")
	})
}

func TestRetryAtIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		later := begin.Add(7 * time.Minute)
		l := &Loop{Missed: j.missed, RetryAt: func(err error) (time.Time, bool) { return later, err.Error() == "429" }}
		drive(l, 8*time.Minute+time.Second, Entry{Source: "a", Schedule: must(t, "@every 1m"), Last: begin, Job: j.job("a", func(n int) error {
			if n == 1 {
				return errors.New("429")
			}
			return nil
		})})
		check(t, j.lines,
			"1m0s a takes slot 1m0s",
			"7m0s missed 5 of a from 2m0s to 6m0s: backing off after 1 failed run",
			"7m0s a takes slot 7m0s",
			"8m0s a takes slot 8m0s")
	})
}

func TestJitterStaysWithinATenth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var late []time.Duration
		job := func(_ context.Context, slot time.Time) error {
			late = append(late, time.Since(slot))
			return nil
		}
		drive(&Loop{Jitter: time.Hour}, 200*time.Minute, Entry{Source: "a", Schedule: must(t, "@every 1m"), Job: job, Last: begin})
		if len(late) < 199 {
			t.Fatalf("%d runs in 200 minutes", len(late))
		}
		if m := slices.Max(late); m == 0 || m >= 6*time.Second {
			t.Errorf("latest start %s after its slot, want more than 0 and less than 6s", m)
		}
	})
}

// A clock that is set forward makes missed slots; one that is set back by a
// lot must not silence the source.
func TestClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var offset time.Duration
		shift := func(d time.Duration) { mu.Lock(); offset += d; mu.Unlock() }
		clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(offset) }
		j := &journal{}
		go func() {
			time.Sleep(5*time.Minute + 30*time.Second)
			shift(2 * time.Hour)
			time.Sleep(5 * time.Minute)
			shift(-4 * time.Hour)
		}()
		drive(&Loop{Clock: clock, Missed: j.missed}, 25*time.Minute, Entry{Source: "a", Schedule: must(t, "@every 10m"), Job: j.job("a", nil), Last: begin})
		check(t, j.lines,
			"6m0s missed 11 of a from 10m0s to 1h50m0s: the machine was asleep or its clock was set forward",
			"6m0s a takes slot 2h0m0s",
			"10m0s a takes slot 2h10m0s",
			"20m0s a takes slot -1h40m0s")
	})
}

func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		n := 0
		var ends []string
		(&Loop{Backoff: Backoff{Base: 10 * time.Second, Max: time.Minute}}).Keep(ctx, func(ctx context.Context) error {
			n++
			switch n {
			case 1:
				return errors.New("lost")
			case 2:
				panic("broken")
			case 3:
				time.Sleep(2 * time.Minute)
				return errors.New("lost after a long while")
			}
			<-ctx.Done()
			return ctx.Err()
		}, func(err error, next time.Duration) { ends = append(ends, fmt.Sprint(err, " ", next)) })
		want := []string{"lost 10s", "panic: broken 20s", "lost after a long while 10s"}
		if d := cmp.Diff(want, ends); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	})
}

func TestDrive(t *testing.T) {
	now := time.Time{}
	var got []string
	job := func(name string) Job {
		return func(_ context.Context, slot time.Time) error {
			if !now.Equal(slot) {
				t.Errorf("%s takes slot %s while the clock shows %s", name, slot, now)
			}
			got = append(got, name+" "+slot.Format("15:04"))
			return nil
		}
	}
	entries := []Entry{
		{Source: "a", Schedule: must(t, "@every 20m"), Job: job("a")},
		{Source: "b", Schedule: must(t, "15,40 * * * *"), Job: job("b")},
		{Source: "c", Schedule: must(t, "@every 1m"), Job: job("c"), Paused: "yes"},
	}
	p := evidence.Period{From: begin, To: begin.Add(time.Hour)}
	if err := Drive(t.Context(), p, entries, func(t time.Time) { now = t }); err != nil {
		t.Fatal(err)
	}
	want := "a 00:00, b 00:15, a 00:20, a 00:40, b 00:40"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
	entries[0].Job = func(context.Context, time.Time) error { return errors.New("broken") }
	err := Drive(t.Context(), p, entries, func(time.Time) {})
	if err == nil || !strings.Contains(err.Error(), "run a at 2000-01-01T00:00:00Z: broken") {
		t.Errorf("got %v", err)
	}
}
