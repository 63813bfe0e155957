package store

import (
	"context"
	"slices"
	"sync"
	"time"
)

// request asks the committer to append items, or to do other work that must
// not run beside an append.
type request struct {
	items  []Item
	intake IntakeMark // of a part that the intake keeps; else zero
	part   *ingest    // whose piece it is
	work   func() error
	reply  chan reply // takes one
}

type reply struct {
	res Result
	err error
}

func newRequest(items []Item) *request { return &request{items: items, reply: make(chan reply, 1)} }

// newest returns the newest position of the intake among the requests.
func newest(batch []*request) (m IntakeMark) {
	for _, rq := range batch {
		if rq.intake.Epoch != "" {
			m = rq.intake
		}
	}
	return m
}

// maxWaiting is how many requests of callers wait for a committer before the
// next caller is held back.
const maxWaiting = 64

// queue holds requests for a committer, first come, first served.
type queue struct {
	slots chan struct{} // taken by callers that are held back when none is left
	wake  chan struct{}

	mu       sync.Mutex
	list     []*request
	items    int       // in the list
	expected int       // callers without whom the committer need not be woken
	less     sync.Cond // told when there are fewer
}

func newQueue() *queue {
	q := &queue{slots: make(chan struct{}, maxWaiting), wake: make(chan struct{}, 1)}
	q.less.L = &q.mu
	return q
}

// room waits until the committer is no more than two batches behind.
func (q *queue) room(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		q.mu.Lock() // not between a look at ctx and the waiting
		defer q.mu.Unlock()
		q.less.Broadcast()
	})
	defer stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.items > 2*maxBatch && ctx.Err() == nil {
		q.less.Wait()
	}
	return ctx.Err()
}

// put adds a caller's request, waiting for its turn.
func (q *queue) put(ctx context.Context, rq *request) error {
	select {
	case q.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		<-q.slots
		return err
	}
	q.push(rq)
	return nil
}

// push adds a request without waiting.
func (q *queue) push(rq *request) {
	q.mu.Lock()
	q.list = append(q.list, rq)
	q.items += len(rq.items)
	enough := q.expected == 0 || callersOf(q.list) >= q.expected
	q.mu.Unlock()
	if !enough {
		return
	}
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// await waits until there is a request; false when quit is closed before.
func (q *queue) await(quit <-chan struct{}) bool {
	for {
		if n, _ := q.waiting(); n > 0 {
			return true
		}
		select {
		case <-quit:
			return false
		case <-q.wake:
		}
	}
}

// waiting returns how many requests wait, and how many of them somebody waits
// for: the others are durable in the intake.
func (q *queue) waiting() (all, callers int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.list), callersOf(q.list)
}

// ahead returns how many items wait.
func (q *queue) ahead() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.items
}

func callersOf(list []*request) (n int) {
	for _, rq := range list {
		if rq.intake.Epoch == "" {
			n++
		}
	}
	return n
}

// gather waits until so many callers wait, but no longer than patience: those
// that were answered at once are about to come again, and what comes together
// is made durable together.
func (q *queue) gather(callers int, patience time.Duration, quit <-chan struct{}) {
	if n := q.expect(callers); n >= callers || n == 0 {
		q.expect(0)
		return
	}
	defer q.expect(0)
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case <-quit:
			return
		case <-late.C:
			return
		case <-q.wake:
		}
		if _, n := q.waiting(); n >= callers {
			return
		}
	}
}

// expect says how many callers must wait before the committer is woken, 0 that any
// request wakes it. It returns how many wait now.
func (q *queue) expect(callers int) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expected = callers
	return callersOf(q.list)
}

// turn takes a place among those that write what the intake keeps. A log that a
// caller waits for takes none, and does not wait either. It returns what gives
// the place back; nil when quit is closed.
func (q *queue) turn(places chan struct{}, quit <-chan struct{}) (done func()) {
	for {
		if _, n := q.waiting(); n > 0 {
			return func() {}
		}
		select {
		case places <- struct{}{}:
			return func() { <-places }
		case <-q.wake:
		case <-quit:
			return nil
		}
	}
}

// front takes the requests at the front; nil when there is none. They are of up
// to kept items where the first is kept by the intake, and of up to asked where
// somebody waits for it, or it alone. Other work is taken alone.
func (q *queue) front(kept, asked int) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	max := kept
	if len(q.list) > 0 && q.list[0].intake.Epoch == "" {
		max = asked
	}
	n, items := 0, 0
	for n < len(q.list) && (n == 0 || items+len(q.list[n].items) <= max && q.list[n].work == nil && q.list[0].work == nil) {
		items += len(q.list[n].items)
		n++
	}
	if n == 0 {
		return nil
	}
	batch := slices.Clone(q.list[:n])
	clear(q.list[:n]) // an idle log must not keep its last batch alive
	q.list = q.list[n:]
	q.items -= items
	q.less.Broadcast()
	for _, rq := range batch {
		if rq.intake.Epoch == "" && rq.work == nil {
			<-q.slots
		}
	}
	return batch
}
