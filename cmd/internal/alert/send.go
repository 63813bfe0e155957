package alert

import (
	"context"
	"log/slog"
	"time"
)

// Destination is somewhere alerts go.
type Destination interface {
	// Send hands a message over. It returns nil only when the other side took
	// it; otherwise the same news comes again, later and perhaps more of it. An
	// error names no content.
	Send(ctx context.Context, m Message) error
}

// Sender tells one destination.
type Sender struct {
	Name  string
	To    Destination
	Board *Board
	// Every is how often a destination that forgets (Alertmanager) is told all
	// that fires; zero tells news alone.
	Every time.Duration
	// Beat is how often a sign of life is due when there is no news; zero: none.
	Beat time.Duration
	// Least is the time between two messages: news of it is told together.
	Least time.Duration
	Log   *slog.Logger

	last     time.Time // message taken
	tried    time.Time
	failures int
}

// sendTimeout bounds one message.
const sendTimeout = 30 * time.Second

// longest wait after failures in a row.
const maxPause = 10 * time.Minute

// Outcome of a step of a sender.
type Outcome string

// The outcomes.
const (
	Quiet  Outcome = ""       // nothing was due
	Taken  Outcome = "done"   // the destination took a message
	Failed Outcome = "failed" // it did not
)

// Step sends what is due. It returns the error of a destination after telling
// it to the log; the message is tried again, after a pause that grows.
func (s *Sender) Step(ctx context.Context, now time.Time) (Outcome, error) {
	if s.tried.After(now) || s.last.After(now) { // the clock was set back: waiting for it would be silence
		s.tried, s.last = time.Time{}, time.Time{}
	}
	if now.Sub(s.tried) < s.pause() {
		return Quiet, nil
	}
	m := s.Board.For(s.Name, now)
	since := now.Sub(s.last)
	m.Beat = s.Beat > 0 && since >= s.Beat
	switch {
	case m.Beat, s.Every > 0 && since >= s.Every:
	case len(m.Changed) > 0 && since >= s.Least:
	default:
		return Quiet, nil
	}
	s.tried = now
	limited, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if err := s.To.Send(limited, m); err != nil {
		s.failures++
		s.Log.Warn("alerts not told", "destination", s.Name, "failures", s.failures, "again_in", s.pause().String())
		return Failed, err
	}
	s.failures, s.last = 0, now
	return Taken, s.Board.Told(s.Name, m)
}

// pause is how long to wait after failures: 5 s, 10 s, 20 s, ... to ten minutes.
func (s *Sender) pause() time.Duration {
	if s.failures == 0 {
		return 0
	}
	return min(5*time.Second<<min(s.failures-1, 10), maxPause)
}
