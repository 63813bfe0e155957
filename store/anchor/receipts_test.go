package anchor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReceipts(t *testing.T) {
	dir := t.TempDir()
	rs, err := OpenReceipts(dir)
	if err != nil {
		t.Fatal(err)
	}
	put := func(anchor, origin string, size uint64, answer string) {
		t.Helper()
		if err := rs.Put(Receipt{Anchor: anchor, Origin: origin, Size: size, Answer: answer, Sent: noon, Done: noon.Add(time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []uint64{1, 256, 255, 1 << 40} {
		put("a", origin, size, "")
		put("a/b", origin, size+1, "")
	}
	put("a", other, 7, "")
	put("b", origin, 256, "first")
	put("b", origin, 256, "second")

	newest := func(anchor, origin string) uint64 {
		t.Helper()
		r, ok, err := rs.Newest(anchor, origin)
		if err != nil || ok != (r.Size > 0) {
			t.Fatal(ok, err)
		}
		return r.Size
	}
	for _, c := range []struct {
		anchor, origin string
		want           uint64
	}{{"a", origin, 1 << 40}, {"a/b", origin, 1<<40 + 1}, {"a", other, 7}, {"b", origin, 256}, {"b", other, 0}, {"", origin, 0}, {"c", origin, 0}, {"a", "x/y", 0}} {
		if got := newest(c.anchor, c.origin); got != c.want {
			t.Errorf("newest of %q for %q: got %d, want %d", c.anchor, c.origin, got, c.want)
		}
	}
	if r, _, _ := rs.Newest("b", origin); r.Answer != "first" || !r.Done.Equal(noon.Add(time.Second)) {
		t.Errorf("got %+v, want what was kept first", r)
	}
	var sizes []uint64
	err = rs.Each("a", origin, func(r Receipt) error { sizes = append(sizes, r.Size); return nil })
	if err != nil || len(sizes) != 4 || sizes[0] != 1 || sizes[1] != 255 || sizes[2] != 256 {
		t.Errorf("got %v, %v", sizes, err)
	}
	for _, c := range []struct{ at, want uint64 }{{0, 0}, {1, 1}, {254, 1}, {255, 255}, {256, 256}, {1 << 39, 256}, {1<<64 - 1, 1 << 40}} {
		if r, ok, err := rs.AtMost("a", origin, c.at); r.Size != c.want || ok != (c.want > 0) || err != nil {
			t.Errorf("at most %d: got %d %t %v, want %d", c.at, r.Size, ok, err, c.want)
		}
	}
	sizes = nil
	err = rs.Back("a", origin, func(r Receipt) bool { sizes = append(sizes, r.Size); return len(sizes) < 3 })
	if err != nil || len(sizes) != 3 || sizes[0] != 1<<40 || sizes[1] != 256 || sizes[2] != 255 {
		t.Errorf("backwards: got %v, %v", sizes, err)
	}
	n := 0
	if err := rs.Each("", origin, func(Receipt) error { n++; return nil }); err != nil || n != 9 {
		t.Errorf("%d receipts of the log, want 9 (%v)", n, err)
	}
	stop := errors.New("stop")
	if err := rs.Each("", origin, func(Receipt) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	of, err := rs.Of(origin, 256)
	if err != nil || len(of) != 3 || of[0].Anchor != "a" || of[1].Anchor != "a/b" || of[2].Anchor != "b" {
		t.Errorf("receipts of size 256: %+v, %v", of, err)
	}

	st, err := os.Stat(filepath.Join(dir, "anchors", "receipts.db"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	if err := rs.Close(); err != nil {
		t.Fatal(err)
	}
	if rs, err = OpenReceipts(dir); err != nil {
		t.Fatal(err)
	}
	defer rs.Close()
	if got := newest("a", origin); got != 1<<40 {
		t.Errorf("after opening again: %d", got)
	}
}

// A damaged file of receipts is moved aside: it keeps nothing that is evidence
// from going on, and it is named.
func TestDamagedReceipts(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "anchors", "receipts.db")
	for name, damage := range map[string]func([]byte) []byte{
		"zeros": func(b []byte) []byte { return make([]byte, len(b)) },
		"half":  func(b []byte) []byte { return b[:len(b)/3] },
		"noise": func(b []byte) []byte { return []byte(strings.Repeat("noise", len(b)/5)) },
	} {
		rs, err := OpenReceipts(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := rs.Put(Receipt{Anchor: "a", Origin: origin, Size: 7, Sent: noon, Done: noon}); err != nil {
			t.Fatal(err)
		}
		if err := rs.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, damage(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if rs, err = OpenReceipts(dir); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, ok, err := rs.Newest("a", origin); ok || err != nil {
			t.Errorf("%s: a receipt is there, or %v", name, err)
		}
		if got := DamagedReceipts(dir); len(got) != 1 || got[0] != "anchors/receipts.db.damaged" {
			t.Errorf("%s: moved aside: %q", name, got)
		}
		if err := errors.Join(rs.Close(), os.Remove(path+damagedSuffix)); err != nil {
			t.Fatal(err)
		}
	}
	if got := DamagedReceipts(dir); len(got) != 0 {
		t.Errorf("nothing is moved aside, and %q is named", got)
	}
}
