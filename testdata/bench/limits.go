package main

import (
	"crypto/sha256"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// long is how long a limit or a figure is measured in one round.
const long = time.Second

// appendLimit is how many records a second a plain file takes: the bytes of a
// batch written at its end, then fdatasync.
func (b *bench) appendLimit(batch int) (float64, error) {
	f, err := os.Create(b.path("plain"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	buf := make([]byte, batch*b.entry)
	for i := range buf {
		buf[i] = byte(i * 7)
	}
	n, begun := 0, time.Now()
	for time.Since(begun) < long {
		if _, err := f.Write(buf); err != nil {
			return 0, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return 0, err
		}
		n += batch
	}
	return float64(n) / time.Since(begun).Seconds(), nil
}

// hashLimit is how many bytes a second all cores hash together, in pieces of
// the size.
func hashLimit(size int) float64 {
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0
	begun := time.Now()
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			buf, n := make([]byte, size), 0
			for time.Since(begun) < long {
				for range 256 {
					h := sha256.Sum256(buf)
					buf[0] = h[0]
				}
				n += 256 * size
			}
			mu.Lock()
			total += n
			mu.Unlock()
		})
	}
	wg.Wait()
	return float64(total) / time.Since(begun).Seconds()
}

// per runs fn until the time is over and returns how often a second it ran.
func per(fn func() error) (float64, error) {
	n, begun := 0, time.Now()
	for time.Since(begun) < long {
		if err := fn(); err != nil {
			return 0, err
		}
		n++
	}
	return float64(n) / time.Since(begun).Seconds(), nil
}
