package schedule

import (
	"context"
	"time"
)

// Backoff sets how failures in a row slow a source down. The zero value means
// the defaults.
type Backoff struct {
	Base time.Duration // after the first failure; doubles with each; default 30 s
	Max  time.Duration // at most; default 15 min
	// Open is how many failures in a row open the circuit: from then on one
	// trial is made every Max, until one succeeds. Default 6.
	Open int
}

func (b Backoff) orDefault() Backoff {
	if b.Base <= 0 {
		b.Base = 30 * time.Second
	}
	if b.Max <= 0 {
		b.Max = 15 * time.Minute
	}
	if b.Open <= 0 {
		b.Open = 6
	}
	return b
}

// After returns how long to stay away after so many failures in a row.
func (b Backoff) After(failures int) time.Duration {
	b = b.orDefault()
	if failures <= 0 {
		return 0
	}
	if failures >= b.Open || failures > 30 {
		return b.Max
	}
	return min(b.Base<<(failures-1), b.Max)
}

// State is how a source is doing.
type State string

// The states.
const (
	Working    State = "working"
	BackingOff State = "backing-off"
	Open       State = "open" // the circuit is open: one trial now and then
)

// health counts failures in a row.
type health struct {
	failures  int
	notBefore time.Time
	open      bool
}

func (h *health) ended(b Backoff, now time.Time, err error, retryAt func(error) (time.Time, bool)) {
	if err == nil {
		*h = health{}
		return
	}
	h.failures++
	h.notBefore = now.Add(pause(b, h.failures, now, err, retryAt))
	h.open = h.failures >= b.orDefault().Open
}

// maxRetryAt bounds how long a source may send us away.
const maxRetryAt = 24 * time.Hour

// pause is how long to stay away: the back-off, or longer when the source
// said so.
func pause(b Backoff, failures int, now time.Time, err error, retryAt func(error) (time.Time, bool)) time.Duration {
	d := b.After(failures)
	if retryAt == nil {
		return d
	}
	if at, ok := retryAt(err); ok {
		d = max(d, min(at.Sub(now), maxRetryAt))
	}
	return d
}

func (h *health) state() State {
	switch {
	case h.open:
		return Open
	case h.failures > 0:
		return BackingOff
	}
	return Working
}

// Keep calls follow again and again until ctx ends: after a second when it
// returned nil, after the back-off when it failed. ended is told each error
// (never nil; panics are among them) with the time until the next try. A follow
// that lasted longer than the longest back-off starts the count anew.
func (l *Loop) Keep(ctx context.Context, follow func(context.Context) error, ended func(err error, next time.Duration)) {
	failures := 0
	for ctx.Err() == nil {
		start := l.now()
		err := guarded(ctx, func(ctx context.Context, _ time.Time) error { return follow(ctx) }, start)
		if ctx.Err() != nil {
			return
		}
		now := l.now()
		if now.Sub(start) > l.Backoff.orDefault().Max {
			failures = 0
		}
		next := time.Second
		if err != nil {
			failures++
			next = pause(l.Backoff, failures, now, err, l.RetryAt)
			ended(err, next)
		}
		if !l.wait(ctx, next) {
			return
		}
	}
}
