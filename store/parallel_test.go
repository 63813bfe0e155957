package store

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// Whatever is ready was run, once, whichever core ran it.
func TestInOrder(t *testing.T) {
	for _, n := range []int{0, 1, 2, 15, 16, 17, 100, 1000, 1037} {
		for k := range 8 {
			chunk, work := []int{1, 3, 16, 64}[k/2], []time.Duration{0, wakeUp}[k%2]
			ran := make([]atomic.Int32, n)
			ready := inOrder(n, chunk, work, func(i int) error {
				ran[i].Add(1)
				return nil
			})
			for i := range n {
				if err := ready(i); err != nil {
					t.Fatal(err)
				}
				for j := range i + 1 {
					if got := ran[j].Load(); got != 1 {
						t.Fatalf("%d in chunks of %d: when %d is ready, %d was run %d times", n, chunk, i, j, got)
					}
				}
			}
			if err := ready(n - 1); err != nil {
				t.Errorf("%d in chunks of %d: asked again: %v", n, chunk, err)
			}
		}
	}
}

// Of several errors the first in order is told, to everybody who waits for it
// or for a later one.
func TestInOrderErrors(t *testing.T) {
	odd := errors.New("refused")
	for _, n := range []int{41, 100, 1000} {
		for k := range 4 {
			chunk, work := []int{1, 16}[k/2], []time.Duration{0, wakeUp}[k%2]
			ready := inOrder(n, chunk, work, func(i int) error {
				if i >= 40 {
					return fmt.Errorf("%d: %w", i, odd)
				}
				return nil
			})
			if err := ready(n - 1); err == nil || err.Error() != "40: refused" {
				t.Errorf("%d in chunks of %d: got %v", n, chunk, err)
			}
		}
	}
}
