package forge

import (
	"fmt"
	"testing"
	"time"

	"evidenced/evidence"
)

func TestHomes(t *testing.T) {
	began := time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	later := began.Add(time.Hour)
	names := []string{"acme/platform", "acme/team-7"}
	members := map[int64][]string{11: {"acme/platform"}, 12: {"acme/platform", "acme/team-7"}}
	filled := func(names []string, st HomesState, now time.Time) (*Homes, HomesState) {
		h := NewHomes("github/acme", "acme", "github-team")
		h.Fill(names, members, &st, now)
		return h, st
	}
	first, st := filled(names, HomesState{}, began)
	second, st2 := filled([]string{names[1], names[0]}, st, later)
	if st2.Since != began {
		t.Errorf("the same homes in another order begin anew at %v", st2.Since)
	}
	changed, st3 := filled(append(names, "acme/new"), st, later)
	if st3.Since != later {
		t.Errorf("with another home known since %v, want %v", st3.Since, later)
	}
	none, st4 := filled(nil, st, later)
	if st4.Since != (time.Time{}) || st4.Names != nil {
		t.Errorf("without homes the position keeps %+v", st4)
	}
	const unknown = "[source:/github/acme]"
	for _, tt := range []struct {
		name    string
		h       *Homes
		account int64
		at      time.Time
		want    string
	}{
		{"one home", first, 11, began, "[label:acme/github-team=acme/platform]"},
		{"two homes", second, 12, later, "[label:acme/github-team=acme/platform label:acme/github-team=acme/team-7]"},
		{"no home", first, 13, later, unknown},
		{"nobody named", first, 0, later, unknown},
		{"before they were read", first, 11, began.Add(-time.Second), unknown},
		{"before a home was added", changed, 11, began, unknown},
		{"none configured", none, 11, later, unknown},
		{"never read", NewHomes("github/acme", "acme", "github-team"), 11, later, unknown},
		{"nothing is told", nil, 11, later, "[]"},
	} {
		if got := fmt.Sprint(tt.h.Scope(tt.account, tt.at)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	d := evidence.Draft{ActorScope: first.Scope(11, began)}
	if d.ActorScope[0].String() != "label:acme/github-team=acme/platform" {
		t.Errorf("a draft says %s", d.ActorScope[0])
	}
}
