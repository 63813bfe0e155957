package local

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/store"
	"evidenced/store/storetest"
)

// A log that is retired month by month answers, about every time after its
// horizon, what the same log answers that keeps everything.
func TestRetirementChangesNoKeptAnswer(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { keepAndRetire(t, rand.New(rand.NewPCG(seed, 17))) })
	}
}

func keepAndRetire(t *testing.T, r *rand.Rand) {
	c := &clock{start}
	dirs := [2]string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")}
	var locs [2]*Local
	for i, dir := range dirs {
		locs[i] = months(t, dir, c, nil)
	}
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	n := 0
	for m := range 6 {
		c.t = month(m)
		for range r.IntN(12) {
			c.t = c.t.Add(time.Duration(r.IntN(60)) * time.Hour)
			n++
			at := c.t.Add(time.Duration([]int{0, 0, 0, -1, -500, -1500, 30}[r.IntN(7)]) * time.Hour)
			it := by(state(pick("p", "q", "r"), at, map[string]string{"sync": pick("A", "B")}), person(pick("1", "2"), "login"))
			if r.IntN(4) == 0 {
				it = ended(it, at)
			}
			for _, loc := range locs {
				mustAppend(t, theLog(t, loc), it, event(fmt.Sprint(n), c.t, map[string]int{"v": n}))
			}
		}
		if m < 2 {
			continue
		}
		c.t = month(m + 1).Add(-time.Minute)
		log := theLog(t, locs[1])
		if _, err := log.Retire(t.Context(), store.RetireOptions{Before: month(m), Authority: "rule"}); err != nil {
			t.Fatal(err)
		}
		if r.IntN(2) == 0 {
			locs[1].Close()
			locs[1] = months(t, dirs[1], c, nil)
			log = theLog(t, locs[1])
		}
		if r.IntN(2) == 0 {
			if err := log.RebuildIndex(); err != nil {
				t.Fatal(err)
			}
		}
		from := log.Retired().Until
		if from.IsZero() {
			continue
		}
		for at := from.Add(time.Nanosecond); at.Before(month(m + 2)); at = at.Add(29 * time.Hour) {
			if want, got := states(t, theLog(t, locs[0]), at), states(t, log, at); got != want {
				t.Fatalf("states at %s, horizon %s: got %s, want %s", at, from, got, want)
			}
		}
		verified(t, log)
	}
	if theLog(t, locs[1]).Retired().Next == 0 {
		t.Error("nothing was retired: the test tests nothing")
	}
}

// A crash at any write of a retirement leaves a log that verifies, proves what
// it proved, answers as before, and is done with when it is opened, or asked,
// again.
func TestCrashWhileRetiring(t *testing.T) {
	ctx := context.Background()
	steps := 0
	for k := 0; ; k++ {
		over := false
		for _, done := range []bool{false, true} {
			over = crashWhileRetiring(t, ctx, k, done)
		}
		if over {
			steps = k
			break
		}
	}
	if steps < 10 {
		t.Errorf("a retirement of two segments had %d writes: the test tests nothing", steps)
	}
}

// crashWhileRetiring reports whether the retirement ended before the crash.
func crashWhileRetiring(t *testing.T, ctx context.Context, k int, done bool) bool {
	t.Helper()
	c := &clock{start}
	dir := filepath.Join(t.TempDir(), "data")
	cr := &storetest.Crash{Done: done}
	loc := months(t, dir, c, cr.Options)
	log := theLog(t, loc)
	story(t, c, log)
	before := remember(t, log)
	want := states(t, log, month(3))
	early := states(t, log, month(2).Add(-time.Second))
	cr.After(k)
	_, err := log.Retire(ctx, retireAll)
	over := err == nil
	if !over && !errors.Is(err, storetest.ErrCrash) {
		t.Fatalf("write %d: %v", k, err)
	}
	if over {
		cr.Never()
	}
	loc.Close()

	loc = months(t, dir, c, nil)
	defer loc.Close()
	log = theLog(t, loc)
	check := func(stage string) {
		t.Helper()
		verified(t, log)
		before.proves(t, log)
		if got := states(t, log, month(3)); got != want {
			t.Errorf("write %d, %s: states: got %s, want %s", k, stage, got, want)
		}
		if got := states(t, log, month(2).Add(-time.Second)); got != early {
			t.Errorf("write %d, %s: states before the last month: got %s, want %s", k, stage, got, early)
		}
	}
	check("opened again")
	keys, err := loc.Keys.Tenant(tenant(t, "tenant-1"), false)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"d1", "d2"} {
		if _, err := keys.Key(id); (err == nil) != (segmentsOf(t, log)[0].Number <= i+1) {
			t.Errorf("write %d: key %s after the crash: %v", k, id, err)
		}
	}
	if _, err := log.Retire(ctx, retireAll); err != nil {
		t.Fatalf("write %d: retire again: %v", k, err)
	}
	check("retired")
	carried := 0
	for rec, err := range log.Snapshot().Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.DeployState}}) {
		if err != nil {
			t.Fatal(err)
		}
		if rec.Carries != nil {
			carried++
		}
	}
	if got := segmentsOf(t, log)[0].Number; got != 3 || carried != 3 {
		t.Errorf("write %d: kept from segment %d, %d states carried", k, got, carried)
	}
	return over
}
