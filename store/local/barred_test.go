package local

import (
	"os"
	"path/filepath"
	"testing"

	"evidenced/evidence/problem"
)

// What may not be looked at is not said to be empty.
func TestBarred(t *testing.T) {
	dir := t.TempDir()
	if err := Barred(filepath.Join(dir, "none")); err != nil {
		t.Errorf("not there: got %v", err)
	}
	if os.Geteuid() == 0 {
		t.Skip("root may look at everything")
	}
	if err := os.Chmod(dir, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) })
	err := Barred(dir)
	if p := problem.Of(err); p == nil || p.Code != problem.Storage || p.Hint == "" {
		t.Errorf("got %v, want a problem with a hint", err)
	}
}
