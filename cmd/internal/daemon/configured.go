package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"evidenced/evidence"
)

// configuredCursor keeps which sources were ever configured, and since when one is
// not any more.
const configuredCursor = "configured"

const notConfigured = "the source was not in the configuration"

// tellUnconfigured records, of sources that came back, the slots that went by while
// they were not configured: the daemon ran, and did not look. A crash on the way
// repeats what was not recorded.
func (e *Engine) tellUnconfigured(ctx context.Context) error {
	cursors := e.local.Store.Cursors()
	text, err := cursors.Cursor(configuredCursor)
	if err != nil {
		return fmt.Errorf("read which sources were configured: %w", err)
	}
	gone := map[evidence.SourceID]time.Time{} // zero: configured
	if len(text) > 0 && json.Unmarshal(text, &gone) != nil {
		// It says why nobody looked, and keeps nobody from looking: that time is told
		// as one in which the daemon was not running.
		e.o.Log.Error("the list of sources that were configured is damaged, it is begun anew")
		clear(gone)
	}
	now, changed := e.Now().UTC(), false
	for id, since := range gone {
		if since.IsZero() && e.source(id) == nil {
			gone[id], changed = now, true
		}
	}
	for _, s := range e.sources {
		since, known := gone[s.runner.Source]
		if known && since.IsZero() {
			continue
		}
		if known {
			if err := missedWithout(ctx, s, since, now); err != nil {
				// It keeps no other source from being looked at, and is tried again
				// at the next start.
				e.o.Log.Error("missed slots not recorded", "source", string(s.runner.Source), "code", codeOf(err))
				continue
			}
		}
		gone[s.runner.Source], changed = time.Time{}, true
	}
	if !changed {
		return nil
	}
	if text, err = json.Marshal(gone); err != nil {
		return err
	}
	return cursors.PutCursor(configuredCursor, text)
}

// missedWithout records the slots of a source that was not configured since then.
// The newest is left: it is run now.
func missedWithout(ctx context.Context, s *source, since, now time.Time) error {
	last, err := s.runner.LastSlot()
	if err != nil || last.IsZero() {
		return err
	}
	down, without := missed{}, missed{}
	for t := range s.config.Due.Due(evidence.Period{From: last.Add(time.Nanosecond), To: now}) {
		if t.Before(since) {
			down.add(t)
		} else {
			without.add(t)
		}
	}
	if without.n--; without.n > 0 {
		without.newest = without.before
	}
	if down.n > 0 {
		if err := s.runner.Missed(ctx, down.first, down.newest, down.n, daemonDown); err != nil {
			return err
		}
	}
	if without.n > 0 {
		return s.runner.Missed(ctx, without.first, without.newest, without.n, notConfigured)
	}
	return nil
}

// missed are slots that went by, in their order.
type missed struct {
	n                     int
	first, before, newest time.Time // the one before the newest, too
}

func (m *missed) add(slot time.Time) {
	if m.n++; m.n == 1 {
		m.first = slot
	}
	m.before, m.newest = m.newest, slot
}
