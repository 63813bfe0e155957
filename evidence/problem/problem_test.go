package problem_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"evidenced/evidence/problem"
)

func chainOf() error {
	inner := problem.Wrap(problem.Credential, io.ErrUnexpectedEOF, "token expired").WithHint("issue a new token in %s", "the forge")
	return fmt.Errorf("run: %w", problem.Wrap(problem.Source, fmt.Errorf("look: %w", inner), "source %s", "github/prod").WithHint("look at the source"))
}

func TestProblem(t *testing.T) {
	err := chainOf()
	if got, want := err.Error(), "run: source github/prod: look: token expired: unexpected EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for code, want := range map[problem.Code]bool{problem.Source: true, problem.Credential: true, problem.Config: false} {
		if problem.Is(err, code) != want {
			t.Errorf("Is %s: %v", code, !want)
		}
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if p := problem.Of(err); p == nil || p.Code != problem.Source {
		t.Errorf("outermost problem: %v", p)
	}
	if problem.Of(io.EOF) != nil || problem.Of(nil) != nil || problem.Is(nil, problem.Usage) || problem.Is(io.EOF, problem.Usage) {
		t.Error("a plain error is a problem")
	}
}

func TestText(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{chainOf(), "evidenced: run: source github/prod: look: token expired: unexpected EOF\n  hint: look at the source\n  hint: issue a new token in the forge\n"},
		{io.EOF, "evidenced: EOF\n"},
		{problem.New(problem.Usage, "no tenant %q", "x"), "evidenced: no tenant \"x\"\n"},
	} {
		if got := problem.Text("evidenced", tc.err); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

// Problems joined into one error are all found.
func TestJoined(t *testing.T) {
	err := errors.Join(problem.New(problem.Storage, "disk full"), problem.New(problem.Locked, "held"))
	for _, code := range []problem.Code{problem.Storage, problem.Locked} {
		if !problem.Is(fmt.Errorf("close: %w", err), code) {
			t.Errorf("%s is not found", code)
		}
	}
}
