package store_test

import (
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"evidenced/evidence"
	"evidenced/store"
)

// retiring is a backend whose logs have lost their oldest records; the tiles
// over them are kept.
type retiring struct {
	store.Backend
	first *atomic.Uint64
}

func (b retiring) Open(logID string, create bool) (store.LogFile, store.Index, error) {
	f, ix, err := b.Backend.Open(logID, create)
	return retiredFile{f, b.first}, ix, err
}

type retiredFile struct {
	store.LogFile
	first *atomic.Uint64
}

func (f retiredFile) First() uint64 { return f.first.Load() }

func (f retiredFile) Scan(from, to uint64, fn func(store.Entry) error) error {
	if from < f.first.Load() {
		return store.ErrNoEntry
	}
	return f.LogFile.Scan(from, to, fn)
}

func (f retiredFile) Entry(seq uint64) (store.Entry, error) {
	if seq < f.first.Load() {
		return store.Entry{}, store.ErrNoEntry
	}
	return f.LogFile.Entry(seq)
}

// A log whose oldest records are retired is verified from where it begins, with
// checkpoints and anchors of before against the hashes that were kept.
func TestVerifyRetiredLog(t *testing.T) {
	first := &atomic.Uint64{}
	_, log := newLog(t, filepath.Join(t.TempDir(), "data"), func(o *store.Options) { o.Backend = retiring{o.Backend, first} })
	fill(t, log, 0, 13_000, small)
	size := log.Size()
	for _, at := range []uint64{1, 300, 4_001, 4_096, 8_192, 9_999} {
		first.Store(at)
		anchors := []store.Anchored{{Rung: 2, Name: "file", Size: 200, Root: rootAt(t, log, 200)}, {Rung: 2, Name: "file", Size: size, Root: rootAt(t, log, size)}}
		r := mustVerify(t, log, store.VerifyOptions{Deep: true, Anchors: anchors})
		if len(untold(t, r)) > 0 || r.From != at || r.Records != size-at || r.Checkpoints != 4 || len(r.Anchors) != 2 {
			t.Errorf("from %d on: from %d, %d records, %d checkpoints, %d anchors, %q", at, r.From, r.Records, r.Checkpoints, len(r.Anchors), r.Failures)
		}
		// What was verified up to before the begin is no place to start from.
		r = mustVerify(t, log, store.VerifyOptions{Since: &store.Since{Size: 1, Root: rootAt(t, log, 1)}})
		if len(untold(t, r)) > 0 || r.From != at {
			t.Errorf("since 1, from %d on: from %d, %q", at, r.From, r.Failures)
		}
		r = mustVerify(t, log, store.VerifyOptions{Anchors: []store.Anchored{{Rung: 2, Name: "file", Size: 200, Root: evidence.Hash{1}}}})
		if wrong := untold(t, r); len(wrong) != 1 || !strings.Contains(wrong[0], "another tree: file") {
			t.Errorf("from %d on, another root at 200: %q", at, r.Failures)
		}
	}
}

// untold returns what else is wrong with a log of which records are gone without
// a record that they were retired.
func untold(t *testing.T, r *store.Report) []string {
	t.Helper()
	if len(r.Failures) == 0 || !strings.Contains(r.Failures[0], "no record says that they were retired") {
		t.Errorf("records are gone and nothing tells of it: %q", r.Failures)
		return nil
	}
	return r.Failures[1:]
}

// Records that are retired while they are read are no damage.
func TestVerifyWhileRetiring(t *testing.T) {
	first := &atomic.Uint64{}
	_, log := newLog(t, filepath.Join(t.TempDir(), "data"), func(o *store.Options) { o.Backend = retiring{o.Backend, first} })
	fill(t, log, 0, 13_000, small)
	r := mustVerify(t, log, store.VerifyOptions{Workers: 1, Progress: func(done, _ uint64) {
		if done == 4_096 {
			first.Store(13_000)
		}
	}})
	if r.From != 13_000 || len(untold(t, r)) > 0 {
		t.Errorf("from %d, %q", r.From, r.Failures)
	}
	if _, err := log.Snapshot().Record(t.Context(), 5); !errors.Is(err, store.ErrNoEntry) {
		t.Errorf("record 5 is still there: %v", err)
	}
}
