package daemon

import (
	"context"
	"errors"
)

// Alerting opens the destinations of the configuration for a program that
// drives the engine itself instead of serving, such as a demonstration on its
// own clock. What is judged from then on is alerted: each call of tell brings
// the alerts up to date and tells every destination what is due at the engine's
// time, one after the other. It returns what destinations refused; the next
// call tries those again. Without destinations it does nothing.
//
// It must not be used beside Serve, which does the same on the wall clock.
func (e *Engine) Alerting() (tell func(context.Context) error, err error) {
	if e.alerts, err = e.openAlerts(); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		a := e.alerts
		if a == nil {
			return nil
		}
		now := e.Now()
		a.bring(ctx, e, now)
		var errs []error
		for _, s := range a.senders {
			errs = append(errs, a.send(ctx, e, s, now))
		}
		return errors.Join(errs...)
	}, nil
}
