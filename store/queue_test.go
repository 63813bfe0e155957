package store

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// kept makes a request for what the intake keeps.
func kept() *request {
	rq := newRequest(make([]Item, 1))
	rq.intake = IntakeMark{Epoch: "e", Pos: 1}
	return rq
}

func asked() *request { return newRequest(make([]Item, 1)) }

// A committer waits for callers that it has reason to expect, no longer than
// it has patience, and not at all where nobody waits for it.
func TestGather(t *testing.T) {
	for _, tc := range []struct {
		name     string
		waiting  []*request
		expected int
		come     int           // callers that come one after the other, a tick apart
		took     time.Duration // until the committer goes on
	}{
		{"all are there", []*request{asked(), asked()}, 2, 0, 0},
		{"nobody waits", []*request{kept()}, 4, 0, 0},
		{"the others come", []*request{asked()}, 3, 2, 2 * time.Microsecond},
		{"more come than needed", []*request{asked()}, 2, 5, time.Microsecond},
		{"one does not come", []*request{asked()}, 4, 2, time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue()
				for _, rq := range tc.waiting {
					q.push(rq)
				}
				var callers sync.WaitGroup
				callers.Go(func() {
					for range tc.come {
						time.Sleep(time.Microsecond) // of the bubble's clock
						q.push(asked())
					}
				})
				begun := time.Now()
				q.gather(tc.expected, time.Millisecond, make(chan struct{}))
				if took := time.Since(begun); took != tc.took {
					t.Errorf("went on after %s, want %s", took, tc.took)
				}
				callers.Wait()
			})
		})
	}
}

func TestGatherEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, quit := newQueue(), make(chan struct{})
		q.push(asked())
		close(quit)
		begun := time.Now()
		<-q.wake
		q.gather(2, time.Hour, quit)
		if took := time.Since(begun); took != 0 {
			t.Errorf("a log that is closed waits %s", took)
		}
	})
}

// Logs that write what the intake keeps take turns; one that a caller waits for
// does not wait for its turn.
func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places, quit := make(chan struct{}, 1), make(chan struct{})
		first, second := newQueue(), newQueue()
		first.push(kept())
		second.push(kept())
		done := first.turn(places, quit)
		if len(places) != 1 {
			t.Fatal("the first log takes no place")
		}
		var got func()
		go func() { got = second.turn(places, quit) }()
		synctest.Wait()
		if got != nil {
			t.Fatal("the second log does not wait")
		}
		second.push(asked())
		synctest.Wait()
		if got == nil || len(places) != 1 {
			t.Fatalf("a caller waits for its log's turn; %d places are taken", len(places))
		}
		got() // gives back nothing, because it took nothing
		if len(places) != 1 {
			t.Error("a place was given back that was another log's")
		}
		got, second = nil, newQueue()
		second.push(kept())
		go func() { got = second.turn(places, quit) }()
		synctest.Wait()
		done()
		synctest.Wait()
		if got == nil || len(places) != 1 {
			t.Fatal("the place that was given back is not taken")
		}
		third := newQueue()
		third.push(kept())
		ended := false
		go func() { ended = third.turn(places, quit) == nil }()
		close(quit)
		synctest.Wait()
		if !ended {
			t.Error("a log that is closed still waits for its turn")
		}
	})
}

// What is taken together depends on whether somebody waits for it.
func TestFront(t *testing.T) {
	of := func(items int, kept bool) *request {
		rq := newRequest(make([]Item, items))
		if kept {
			rq.intake = IntakeMark{Epoch: "e", Pos: 1}
		}
		return rq
	}
	work := newRequest(nil)
	work.work = func() error { return nil }
	for _, tc := range []struct {
		name string
		list []*request
		want int // requests at the front
	}{
		{"nothing", nil, 0},
		{"callers", []*request{of(4, false), of(6, false), of(1, false)}, 2},
		{"one large caller", []*request{of(50, false), of(1, false)}, 1},
		{"kept", []*request{of(40, true), of(50, true), of(11, true)}, 2},
		{"callers before what is kept", []*request{of(4, false), of(6, true), of(1, true)}, 2},
		{"what is kept before callers", []*request{of(40, true), of(6, false), of(1, false)}, 3},
		{"work", []*request{work, of(1, false)}, 1},
		{"before work", []*request{of(1, false), work}, 1},
	} {
		q := newQueue()
		for _, rq := range tc.list {
			if rq.intake.Epoch == "" && rq.work == nil {
				q.slots <- struct{}{}
			}
			q.push(rq)
		}
		items := q.ahead()
		got := q.front(100, 10)
		for _, rq := range got {
			items -= len(rq.items)
		}
		if len(got) != tc.want || q.ahead() != items {
			t.Errorf("%s: took %d requests, want %d; %d items are left, want %d", tc.name, len(got), tc.want, q.ahead(), items)
		}
	}
}
