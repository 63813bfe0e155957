package tail

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestLoop ends a loop in each way: by its context between two rounds and within
// one, by a round that fails, and by the loss of what is read.
func TestLoop(t *testing.T) {
	failed, gone := errors.New("failed"), errors.New("gone")
	for name, tc := range map[string]struct {
		round  func(n int, cancel func()) error
		lose   bool
		rounds int
		want   error
	}{
		"cancelled between":    {func(n int, cancel func()) error { time.AfterFunc(2500*time.Millisecond, cancel); return nil }, false, 3, context.Canceled},
		"cancelled within":     {func(n int, cancel func()) error { cancel(); return failed }, false, 1, context.Canceled},
		"a round fails":        {func(n int, _ func()) error { return map[int]error{2: failed}[n] }, false, 2, failed},
		"what is read is gone": {func(int, func()) error { return nil }, true, 2, gone},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				lost := make(chan error, 1)
				if tc.lose {
					time.AfterFunc(1500*time.Millisecond, func() { lost <- gone })
				}
				n := 0
				err := Loop(ctx, time.Second, lost, func(context.Context) error {
					n++
					return tc.round(n, cancel)
				})
				if !errors.Is(err, tc.want) || n != tc.rounds {
					t.Errorf("%v after %d rounds, want %v after %d", err, n, tc.want, tc.rounds)
				}
			})
		})
	}
}
