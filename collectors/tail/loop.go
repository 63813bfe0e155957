package tail

import (
	"context"
	"time"
)

// Loop calls once at each tick, beginning now, until ctx ends, once fails, or
// lost tells that what is read from is gone; lost may be nil. It returns the
// cause, which is ctx's own error when ctx ended, also in the middle of once: to
// be broken off there is a clean end.
func Loop(ctx context.Context, every time.Duration, lost <-chan error, once func(context.Context) error) error {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		if err := once(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-lost:
			return err
		case <-t.C:
		}
	}
}
