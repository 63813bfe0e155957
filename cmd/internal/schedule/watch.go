package schedule

import (
	"context"
	"sync"
	"time"
)

// Asleep is why nobody looked while the clock went further than time did.
const Asleep = "the machine was asleep or its clock was set forward"

// ranAhead reports whether a clock went further than the time that passed.
func ranAhead(clock, passed time.Duration) bool { return clock-passed > clockStep }

// Watch notices that the machine slept, or that its clock was set forward, for
// whoever stays with a source and so waits for no slot. It tells nothing before
// it runs.
type Watch struct {
	Clock func() time.Time // nil means time.Now

	mu    sync.Mutex
	at    time.Time // the newest look at the clock, as it showed
	mono  time.Time // the same as time counts on, whatever the clock is set to
	slept time.Time // an instant of the newest sleep, by the clock
}

// Run looks at the clock in steps until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	for {
		w.mu.Lock()
		w.look()
		w.mu.Unlock()
		if !wait(ctx, step) {
			return
		}
	}
}

// Slept reports whether the machine slept after the instant.
func (w *Watch) Slept(since time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.at.IsZero() {
		return false
	}
	w.look() // it may be awake for less than a step
	return w.slept.After(since)
}

// look compares how far the clock and time went since the look before; the
// caller holds mu.
func (w *Watch) look() {
	now := w.Clock
	if now == nil {
		now = time.Now
	}
	at, mono := now().UTC(), time.Now() // UTC drops what counts on
	if at.Before(w.slept) {
		w.slept = time.Time{} // the clock was set back: it says nothing of what comes
	}
	if passed := mono.Sub(w.mono); !w.at.IsZero() && ranAhead(at.Sub(w.at), passed) {
		// The machine was awake for no longer than a step since: this instant is
		// after all that was done before the sleep, and before all that was after.
		w.slept = w.at.Add(passed)
	}
	w.at, w.mono = at, mono
}
