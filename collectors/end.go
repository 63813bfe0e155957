package collectors

import "errors"

// End is an error that ends a run, whatever the source has left to tell: what the
// sink said, most of all. It is not the source's fault.
type End struct{ Err error }

// Error implements error.
func (e *End) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *End) Unwrap() error { return e.Err }

// Ending marks an error as one that ends the run. Nil stays nil.
func Ending(err error) error {
	if err == nil {
		return nil
	}
	return &End{err}
}

// EndOf returns what ends the run when err is that or wraps it; else nil.
func EndOf(err error) error {
	if end := (*End)(nil); errors.As(err, &end) {
		return end.Err
	}
	return nil
}
