package collectors

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

// brokenLog is a ledger in which the log of one tenant cannot be opened: its
// drafts are kept, and everything else is refused.
type brokenLog struct {
	*memory
	tenant evidence.Tenant // the zero tenant: none
}

var errBroken = errors.New("the file is damaged")

func (l *brokenLog) Append(ctx context.Context, t evidence.Tenant, ds []Placed) ([]bool, error) {
	if t == l.tenant {
		return nil, errBroken
	}
	return l.memory.Append(ctx, t, ds)
}

func (l *brokenLog) OpenStates(ctx context.Context, t evidence.Tenant, k evidence.Kind) iter.Seq2[evidence.Record, error] {
	if t == l.tenant {
		return func(yield func(evidence.Record, error) bool) { yield(evidence.Record{}, errBroken) }
	}
	return l.memory.OpenStates(ctx, t, k)
}

func (l *brokenLog) becomes(t evidence.Tenant) {
	l.tenant = t
	if l.stopped = nil; !t.IsZero() {
		l.stopped = map[evidence.Tenant]Taken{t: {Kept: true}}
	}
}

// A log that cannot be opened keeps no other tenant from its evidence, neither
// at the first look after a start nor at the ones that follow, and does not make
// the source be looked at less often.
func TestBrokenLogHoldsNobodyUp(t *testing.T) {
	b := newBench(t)
	t1, t2 := tenantOf(t, "tenant-1"), tenantOf(t, "tenant-2")
	broken := &brokenLog{memory: b.mem}
	b.Ledger = broken
	b.list(t, "tenant-1 a", "tenant-1 b", "tenant-2 c", "tenant-2 d")

	broken.becomes(t1)
	b.states = nil // as after a start
	for round := range 3 {
		b.now = b.now.Add(25 * time.Hour) // another day: coverage is due
		f := b.list(t, "tenant-1 a", "tenant-2 d")
		if f.Outcome == evidence.RunFailed || len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "the states in force of tenant-1 could not be read") {
			t.Errorf("look %d: %s, notes %q", round, f.Outcome, f.Notes)
		}
	}
	if got := b.mem.count(t2, evidence.DeployState, evidence.OpEnd); got != 1 {
		t.Errorf("the other tenant: %d states ended, want that of c", got)
	}
	if got := b.mem.count(t2, evidence.CollectionCoverage, evidence.OpEvent); got < 3 {
		t.Errorf("the other tenant: %d records of coverage, want one for each look", got)
	}
	if got := b.mem.count(t1, evidence.DeployState, evidence.OpEnd); got != 0 {
		t.Errorf("%d states of a log that could not be read were ended", got)
	}
	if err := b.Flush(t.Context()); !errors.Is(err, errBroken) {
		t.Errorf("asked for, what waits is told: got %v", err)
	}

	// Once it can be read again, what is absent ends there, and it gets what waited.
	broken.becomes(evidence.Tenant{})
	b.now = b.now.Add(time.Minute)
	b.list(t, "tenant-1 a", "tenant-2 d")
	if got := b.mem.count(t1, evidence.DeployState, evidence.OpEnd); got != 1 {
		t.Errorf("mended: %d states ended, want that of b", got)
	}
	if one, two := b.mem.count(t1, evidence.CollectionCoverage, evidence.OpEvent), b.mem.count(t2, evidence.CollectionCoverage, evidence.OpEvent); one != two {
		t.Errorf("mended: %d records of coverage, the other tenant has %d", one, two)
	}
}

// A follower that turns its run over while a log is broken stays with its
// source.
func TestBrokenLogLeavesFollowers(t *testing.T) {
	b := newBench(t)
	broken := &brokenLog{memory: b.mem}
	b.Ledger = broken
	broken.becomes(tenantOf(t, "tenant-1"))
	turned := 0
	b.Done = func(evidence.RunFacts) { turned++ }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b.Collector = follower{b.sc, func(s Sink) error {
		for range 4 {
			b.now = b.now.Add(25 * time.Hour)
			if err := s.Emit(ctx, app("tenant-2", "a", b.now)); err != nil {
				return err
			}
			if err := s.Commit(ctx, []byte("x"), b.look()); err != nil {
				return err
			}
		}
		err := s.Commit(ctx, []byte("x"), b.look())
		cancel()
		return errors.Join(err, ctx.Err())
	}}
	if err := b.Follow(ctx); err != nil {
		t.Errorf("the follower left its source: %v", err)
	}
	if turned < 4 {
		t.Errorf("%d runs were told, want one for each turn", turned)
	}
}

type follower struct {
	*script
	follow func(Sink) error
}

func (f follower) Follow(_ context.Context, _ []byte, s Sink) error { return f.follow(s) }
