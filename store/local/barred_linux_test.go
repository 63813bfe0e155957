package local

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"evidenced/evidence/problem"
)

// What may not be looked at is not said to be empty.
func TestBarred(t *testing.T) {
	dir := t.TempDir()
	if err := Barred(filepath.Join(dir, "none")); err != nil {
		t.Errorf("not there: got %v", err)
	}
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	var err error
	asNobody(t, func() { err = Barred(dir) })
	if p := problem.Of(err); p == nil || p.Code != problem.Storage || p.Hint == "" {
		t.Errorf("got %v, want a problem with a hint", err)
	}
}

// asNobody runs f with the rights to files of somebody who is not root, who may
// look at everything.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	runtime.LockOSThread() // the rights are the thread's
	defer runtime.UnlockOSThread()
	if err := unix.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	defer unix.Setfsuid(0)
	f()
}
