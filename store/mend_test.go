package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"evidenced/store"
)

// spoil changes a byte of every block of the stored index but the last of each
// file, so that it opens, and is damaged wherever it is read.
func spoil(t *testing.T, dir string) {
	t.Helper()
	runs, err := filepath.Glob(filepath.Join(dir, "tenants", "*", "index", "*.run"))
	if err != nil || len(runs) == 0 {
		t.Fatalf("no index: %q, %v", runs, err)
	}
	const block = 4096
	for _, path := range runs {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := 100; at < len(b)-block; at += block {
			b[at] ^= 1
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// An append that meets damage in the index has it derived again, and finds
// what the log had.
func TestDamagedIndexIsDerivedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	l, log := newLog(t, dir, nil)
	items := merges(0, 2000)
	if _, err := log.Append(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	size := log.Size()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	spoil(t, dir)
	l, log = newLog(t, dir, nil)
	if _, err := log.CheckIndex(t.Context()); !errors.Is(err, store.ErrIndexDamaged) {
		t.Fatalf("the damage is not met: %v", err)
	}
	res, err := log.Append(t.Context(), append(items, merge(5000, 1)))
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range res.Fates[:len(items)] {
		if f != store.Repeated {
			t.Fatalf("item %d has fate %d, the log had it", i, f)
		}
	}
	if res.Fates[len(items)] != store.Appended || log.Size() != size+1 {
		t.Errorf("fate %d, %d records, want %d", res.Fates[len(items)], log.Size(), size+1)
	}
	if missing, err := log.CheckIndex(t.Context()); err != nil || missing != 0 {
		t.Errorf("%d records are not in the index, %v", missing, err)
	}
	if r := mustVerify(t, log, store.VerifyOptions{Deep: true}); !r.OK() {
		t.Errorf("not verified: %q", r.Failures)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
