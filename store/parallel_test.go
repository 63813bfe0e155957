package store

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
)

// Whatever is ready was run, once, whichever core ran it.
func TestInOrder(t *testing.T) {
	for _, n := range []int{0, 1, 2, 15, 16, 17, 100, 1000, 1037} {
		for _, chunk := range []int{1, 3, 16, 64} {
			ran := make([]atomic.Int32, n)
			ready := inOrder(n, chunk, func(i int) error {
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
		for _, chunk := range []int{1, 16} {
			ready := inOrder(n, chunk, func(i int) error {
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
