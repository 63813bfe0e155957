package forge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"evidenced/evidence/problem"
)

func TestAddOnce(t *testing.T) {
	var list []string
	for i := range 3 * maxMissed {
		list = AddOnce(AddOnce(list, fmt.Sprint(i)), "0")
	}
	if len(list) != maxMissed+1 || list[0] != "0" || list[1] != "1" || list[maxMissed] != "and more" {
		t.Errorf("%d texts: %q", len(list), list)
	}
}

func TestMissed(t *testing.T) {
	var m Missed
	if m.String() != "" || m.First != nil {
		t.Errorf("nothing is %q, %v", m.String(), m.First)
	}
	cause := errors.New("it broke")
	for i := range maxMissed + 5 {
		if err := m.Miss(t.Context(), cause, "list %d", i); err != nil {
			t.Fatal(err)
		}
	}
	if s := m.String(); m.N != maxMissed+5 || !strings.HasPrefix(s, "list 0: it broke; list 1: ") || !strings.HasSuffix(s, fmt.Sprintf("list %d: it broke; and more", maxMissed-1)) {
		t.Errorf("%d missed: %q", m.N, s)
	}
	if !errors.Is(m.First, cause) || m.First.Error() != "list 0: it broke" {
		t.Errorf("first %v", m.First)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	ends := problem.New(problem.Throttled, "come back later")
	if m.Miss(t.Context(), ends, "a list") != error(ends) || m.Miss(over, cause, "a list") != cause || m.N != maxMissed+5 {
		t.Errorf("what ends a run is taken for a part of it")
	}
}

func TestFact(t *testing.T) {
	for in, want := range map[string]string{
		"a\x1b[31m": "a\uFFFD[31m", "by mira@planted.example, once": "by {mail}, once", "a@b": "a@b", "\xff": "\uFFFD",
	} {
		if got := Fact(in); got != want {
			t.Errorf("Fact(%q) = %q, want %q", in, got, want)
		}
	}
	if got := Fact(strings.Repeat("é", 200)); len(got) > maxName || !strings.HasSuffix(got, "...") {
		t.Errorf("a text of %d bytes", len(got))
	}
}
