package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

func TestBranches(t *testing.T) {
	b := Branches{"main": {Head: "m"}, "next": {Head: "n", Walk: &Walk{Head: "o"}}, "old": {Head: "p"}, "gone": {}}
	watched := []string{"next", "fresh", "main", "last"}
	for name, want := range map[string]string{
		"next":  "",  // the first
		"fresh": "",  // the one before it is in the middle of a walk
		"main":  "",  // nor is its own head a place to stop at
		"last":  "m", // the first before it that was walked
	} {
		if got := b.Start(name, watched); got != want {
			t.Errorf("%s starts from %q, want %q", name, got, want)
		}
	}
	if got := b.Unwatched(watched); !slices.Equal(got, []string{"gone", "old"}) {
		t.Errorf("watched no longer: %q", got)
	}
	s := b.Of("fresh")
	if s.Head = "f"; b["fresh"] != s || b.Of("fresh") != s {
		t.Error("a position that was begun is not kept")
	}
}

// What was lost for good is not made less by what is lost less.
func TestRewritten(t *testing.T) {
	for _, tc := range []struct {
		name string
		gone []bool
		want evidence.Class
	}{
		{"once", []bool{false}, evidence.Reconstructed},
		{"and gone", []bool{true}, evidence.Blind},
		{"gone after", []bool{false, true}, evidence.Blind},
		{"gone before", []bool{true, false}, evidence.Blind},
	} {
		s := &BranchState{}
		for _, gone := range tc.gone {
			s.Rewritten(gone)
		}
		if s.Class != tc.want || s.Cause == "" {
			t.Errorf("%s: %s, %q", tc.name, s.Class, s.Cause)
		}
		at := time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)
		if s.Claimed(at); s.Class != "" || s.Cause != "" || !s.Looked.Equal(at) {
			t.Errorf("%s: claimed: %+v", tc.name, s)
		}
	}
}

func TestWeakest(t *testing.T) {
	early, late := time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC), time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)
	seen := []evidence.Seen{
		{Class: evidence.Continuous, From: late}, {Class: evidence.Reconstructed, From: early}, {Class: evidence.Reconstructed, From: late}, {Class: evidence.Continuous, From: early},
	}
	if got := Weakest(seen); got.Class != evidence.Reconstructed || !got.From.Equal(late) {
		t.Errorf("of all %+v", got)
	}
	if got := Weakest(seen[:1]); got.Class != evidence.Continuous {
		t.Errorf("of one %+v", got)
	}
}

// What ends a run, and what costs one repository alone.
func TestEnds(t *testing.T) {
	at, err := url.Parse("https://forge.example/api")
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	status := func(code int) error { return fetch.StatusProblem(http.MethodGet, at, code) }
	for _, tc := range []struct {
		name string
		ctx  context.Context
		err  error
		want bool
	}{
		{"cancelled", over, errors.New("cut"), true},
		{"the sink", t.Context(), fmt.Errorf("commits: %w", collectors.Ending(errors.New("the store stopped"))), true},
		{"the sink said nothing", t.Context(), collectors.Ending(nil), false},
		{"too many requests", t.Context(), status(http.StatusTooManyRequests), true},
		{"the token is dead", t.Context(), status(http.StatusUnauthorized), true},
		{"no token", t.Context(), problem.New(problem.Credential, "the token file is empty"), true},
		{"the configuration", t.Context(), problem.New(problem.Config, "a key is wrong"), true},
		{"hidden", t.Context(), status(http.StatusForbidden), false},
		{"not there", t.Context(), status(http.StatusNotFound), false},
		{"broken", t.Context(), status(http.StatusBadGateway), false},
	} {
		if got := Ends(tc.ctx, tc.err); got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
}
