//go:build !race

package kube

import (
	"context"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"testing"
)

// inUse is the memory that the process has from the system, in bytes.
func inUse() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// The first list of 50,000 objects of 100 tenants takes less than 300 MB of
// process memory, the runner's book of open states and the server that plays
// the cluster included; following costs nothing more. The race detector
// multiplies memory, so that the test is not built with it.
func TestMemory(t *testing.T) {
	const limit = 300 << 20
	more := make(chan int)
	srv := httptest.NewServer(largeServer(more))
	defer srv.Close()
	var peak uint64
	c := &counter{changed: make(chan struct{})}
	c.each = func() { peak = max(peak, inUse()) }
	r := largeRunner(t, c, srv.URL)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Follow(ctx) }()
	c.until(t, largePods)
	c.mu.Lock()
	first := peak
	c.mu.Unlock()
	t.Logf("first list of %d objects: %d MB of process memory", largePods, first>>20)
	if first > limit {
		t.Errorf("first list took %d MB, at most %d", first>>20, limit>>20)
	}
	const batch = 5000
	var after []uint64
	for i := range 5 {
		more <- batch
		c.until(t, largePods+(i+1)*batch)
		after = append(after, heap())
	}
	t.Logf("live heap after each %d changes: %d", batch, after)
	if grown := int64(after[4]) - int64(after[0]); grown > 16<<20 {
		t.Errorf("following grew the heap by %d MB", grown>>20)
	}
	cancel()
	if err := <-done; err != nil && err != context.Canceled {
		t.Error(err)
	}
}
