package daemon

import (
	"errors"
	"testing"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
)

// stopped is a reader that went away in the middle of a pack.
type stopped func()

var errStopped = errors.New("nobody reads")

func (s stopped) Write([]byte) (int, error) { s(); return 0, errStopped }

// Whoever asks for a pack and does not read it holds up nobody: neither another
// pack nor a rotation of a log key that was broken.
func TestUnreadPackHoldsNoLock(t *testing.T) {
	e, _, _ := makePackOf(t, 10)
	asked := false
	_, err := e.Pack(t.Context(), api.PackRequest{
		Tenant: mustTenant(t, "tenant-1"), Period: evidence.Period{From: begin, To: e.Now()}, Progress: func(_, _ uint64) {},
	}, stopped(func() {
		asked = true
		if !e.mu.TryLock() {
			t.Error("the pack is sent under the lock that packs and key rotations wait for")
			return
		}
		e.mu.Unlock()
	}))
	if !errors.Is(err, errStopped) || !asked {
		t.Errorf("got %v, want the reader's error", err)
	}
}
