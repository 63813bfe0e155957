package local

import (
	"context"
	"testing"
	"time"

	"evidenced/store"
)

// How many records a log has is known while it is closed, once it was opened.
func TestGrownOfAClosedLog(t *testing.T) {
	l := openDir(t, t.TempDir()+"/data", &clock{start})
	log, err := l.Store.Create(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if _, err := log.Append(context.Background(), []store.Item{event(string(rune('a'+n)), start.Add(time.Hour), map[string]any{"n": n})}); err != nil {
			t.Fatal(err)
		}
		want := log.Snapshot().Size()
		l.Store.Rest(context.Background(), 0)
		if got, known := log.Grown(); !known || got != want {
			t.Errorf("closed after %d records: %d, known %v, want %d", n+1, got, known, want)
		}
	}
}
