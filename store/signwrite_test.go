package store_test

import (
	"context"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
)

// After a failed write part of a line may stand in the sign-state. What is
// written behind it would be damage, and the log lost to the next start.
func TestFailedSignStateStopsTheLog(t *testing.T) {
	dir := t.TempDir() + "/data"
	l, log := newLog(t, dir, nil)
	fill(t, log, 0, 3, small)
	log.BreakSignState()
	d := evidence.Draft{Kind: evidence.ChangeMerge, Op: evidence.OpEvent, Source: "github/prod", Key: "last",
		Subject: evidence.NewRef("change", "prod", "acme/app!last"), OccurredAt: start, Basis: evidence.BasisSource, ObservedAt: start, Content: []byte(`{}`)}
	if _, err := log.Append(context.Background(), []store.Item{{Draft: d}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := log.Checkpoint(); !problem.Is(err, problem.Storage) {
		t.Fatalf("checkpoint without sign-state: %v", err)
	}
	if err := log.Failure(); err == nil {
		t.Error("the log goes on after its sign-state could not be written")
	}
	l.Close()
	l = openDir(t, dir, nil)
	log, err := l.Store.Log(tenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	if c, _, err := log.Checkpoint(); err != nil || c.Size != log.Size() {
		t.Errorf("after a restart: checkpoint of %d records of %d, %v", c.Size, log.Size(), err)
	}
}

// The index is not sealed: what it says of an erasure counts only when the
// record says so too.
func TestForgedErasureIsNone(t *testing.T) {
	_, log := newLog(t, t.TempDir()+"/data", nil)
	fill(t, log, 0, 3, small)
	const id = "p-lost"
	log.ForgeErasure(2, start, id)
	if why := log.WhyClosed(id); why != "key missing" {
		t.Errorf("a key that no erasure record names is %q", why)
	}
}
