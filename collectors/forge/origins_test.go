package forge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestChanged(t *testing.T) {
	all := Changed{Paths: []string{"tenant-1/a"}, Whole: true}
	own := all
	all.Join(Changed{Paths: []string{"tenant-2/b", "tenant-1/a"}, Whole: true})
	if got := fmt.Sprint(all.Scope("a", "o/r")); got != "[project:a/o/r path:a%2Fo%2Fr/tenant-1/a path:a%2Fo%2Fr/tenant-2/b]" {
		t.Errorf("scope %s", got)
	}
	all.Join(Changed{})
	if got := fmt.Sprint(all.Scope("a", "o/r")); got != "[project:a/o/r path:a%2Fo%2Fr/*]" {
		t.Errorf("scope with what is not known: %s", got)
	}
	if len(own.Paths) != 1 {
		t.Errorf("what the commit itself changed became %v", own.Paths)
	}
}

func TestMemory(t *testing.T) {
	var m Memory
	if _, ok := m.Get("a"); ok {
		t.Error("an empty one knows something")
	}
	m.Keep("a", Read{Changed: Changed{Paths: []string{"x"}, Whole: true}, Parent: "b"})
	m.Keep(RequestKey(7), Read{Gone: true})
	m.Keep("large", Read{Changed: Changed{Paths: make([]string, MaxMemory)}})
	if r, ok := m.Get("a"); !ok || r.Parent != "b" || len(r.Paths) != 1 {
		t.Errorf("of a is kept %v, %v", r, ok)
	}
	if r, ok := m.Get("!7"); !ok || !r.Gone {
		t.Errorf("of request 7 is kept %v, %v", r, ok)
	}
	if _, ok := m.Get("large"); ok {
		t.Error("more is kept than may be")
	}
}

func TestCleanPath(t *testing.T) {
	for in, want := range map[string]string{
		"tenants/a/app.yaml": "tenants/a/app.yaml", "keys/mira@planted.example.pub": "keys/{mail}", "@scope/x": "@scope/x", "a@b/c.d": "a@b/c.d", "x\x00": "x\uFFFD",
	} {
		if got := CleanPath(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestOrigins(t *testing.T) {
	at := time.Date(2026, 11, 14, 12, 0, 0, 0, time.UTC)
	a, b, zero := strings.Repeat("a", 40), strings.Repeat("b", 40), strings.Repeat("0", 40)
	c, d := strings.Repeat("c", 40), strings.Repeat("d", 40)
	var o Origins
	o.Offered(zero, 1, at)
	o.Moved(a, "", at)
	o.Offered(a, 7, at)
	o.Offered(a, 7, at.Add(time.Minute))
	o.Offered(a, 8, at)
	o.Moved(zero, c, at)
	delete(o, c)
	o.Moved(a, b, at)
	o.Since(c, b, at) // a push is known
	o.Since(c, d, at)
	o.Moved(b, d, at) // told again, more exactly
	want := Origins{a: {Changes: []int{7, 8}, At: at.Add(time.Minute)}, b: {Before: a, At: at}, d: {Before: b, At: at}}
	if diff := cmp.Diff(want, o); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i := range 3 * MaxOrigins {
		o.Offered(fmt.Sprintf("%040x", i+1), i, at.Add(time.Duration(i)*time.Hour))
	}
	if n := len(o); n < MaxOrigins || n > MaxOrigins+MaxOrigins/4 {
		t.Errorf("%d are remembered", n)
	}
	if _, ok := o[fmt.Sprintf("%040x", 3*MaxOrigins)]; !ok {
		t.Error("the newest is forgotten")
	}
	if _, ok := o[a]; ok {
		t.Error("the oldest is remembered")
	}
	for i := range 2 * maxChanges {
		o.Offered(a, i, at)
	}
	if n := len(o[a].Changes); n != maxChanges {
		t.Errorf("%d requests of one commit", n)
	}
}
