// Package configtest helps to try what is said of the files that a
// configuration names.
package configtest

import (
	"os"
	"path/filepath"
	"testing"
)

// OpenDir makes a folder that everybody on the machine may come to, with all
// above it, wherever TMPDIR stands. Its path holds no link.
func OpenDir(t testing.TB) string {
	t.Helper()
	places := []string{os.TempDir(), "/tmp", "/var/tmp", "/dev/shm"}
	for _, place := range places {
		place, err := filepath.EvalSymlinks(place)
		if err != nil || !passable(place) {
			continue
		}
		dir, err := os.MkdirTemp(place, "open-*")
		if err != nil {
			continue // everybody may come there, and we may not write
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	t.Fatalf("no folder is open to everybody: tried %q", places)
	return ""
}

// passable reports whether everybody may pass a folder and all above it.
func passable(dir string) bool {
	for {
		fi, err := os.Stat(dir)
		if err != nil || fi.Mode().Perm()&0o001 == 0 {
			return false
		}
		up := filepath.Dir(dir)
		if up == dir {
			return true
		}
		dir = up
	}
}
