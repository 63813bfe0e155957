package intake

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"evidenced/store"
)

// Nothing that was taken is on the disk afterwards; what waits still is, and
// positions go on rising, also while others write.
func TestForget(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "intake")
	i := reopen(t, dir)
	put := func(text string) uint64 {
		var at uint64
		must(t, i.Put([]store.IntakeFrame{{Log: "log0", Body: bytes.Repeat([]byte(text), 40)}}, func(fs []store.IntakeFrame) { at = fs[0].Pos }))
		return at
	}
	first, waits, last := put("taken-one "), put("waiting "), put("taken-two ")
	must(t, i.Taken(first, last))
	must(t, i.Forget())
	var all []byte
	for _, path := range files(t, dir) {
		b, err := os.ReadFile(path)
		must(t, err)
		all = append(all, b...)
	}
	if bytes.Contains(all, []byte("taken-")) || !bytes.Contains(all, []byte("waiting ")) {
		t.Errorf("on the disk: %q", all)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				if at := put("more "); at <= last {
					t.Errorf("position %d after %d", at, last)
				}
			}
		})
	}
	for range 20 {
		must(t, i.Forget())
	}
	wg.Wait()
	must(t, i.Close())
	i = reopen(t, dir)
	if w := i.Waiting(); len(w) != 201 || w[0].Pos != waits {
		t.Errorf("%d wait, the first at %d", len(w), w[0].Pos)
	}
	if b, err := i.Body(waits); err != nil || !bytes.HasPrefix(b, []byte("waiting ")) {
		t.Errorf("what waited: %q, %v", b, err)
	}
}
