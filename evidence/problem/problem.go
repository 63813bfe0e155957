// Package problem is the error that a person reads: what went wrong, with
// which field, file or source, and what to do about it.
//
// A Problem has a stable code (for exit codes, tests and problem documents), a
// message in one sentence, a hint that starts with a verb, and the cause it
// wraps. Errors that only programs see stay plain errors.
package problem

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Code names a class of problem. Codes are stable: scripts match on them.
type Code string

// The codes in use. Each is documented by the exit code it leads to.
const (
	Usage      Code = "usage"      // the command line is off
	Config     Code = "config"     // the configuration is off
	NotFound   Code = "not-found"  // the named tenant, record or file is not there
	Locked     Code = "locked"     // another process holds the data directory
	Corrupt    Code = "corrupt"    // stored bytes do not verify
	Refused    Code = "refused"    // a rule of the product forbids the act
	Credential Code = "credential" // a source refused the credential (401, 403)
	Throttled  Code = "throttled"  // a source asked us to come back later (429)
	Source     Code = "source"     // a source is down or answers nonsense
	Incomplete Code = "incomplete" // the work was done in part
	Storage    Code = "storage"    // the disk refused a write
	Internal   Code = "internal"   // our own mistake
)

// Problem is an error for people. The zero Cause is allowed.
type Problem struct {
	Code    Code
	Message string // one sentence, lower case, no final stop
	Hint    string // what to do; may be empty
	Cause   error
}

// New makes a Problem with a formatted message.
func New(code Code, format string, args ...any) *Problem {
	return &Problem{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes a Problem around cause. The cause's text follows the message.
func Wrap(code Code, cause error, format string, args ...any) *Problem {
	return &Problem{Code: code, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// WithHint returns p with the hint set.
func (p *Problem) WithHint(format string, args ...any) *Problem {
	p.Hint = fmt.Sprintf(format, args...)
	return p
}

// Error gives message and cause on one line; the hint is printed by Format.
func (p *Problem) Error() string {
	if p.Cause != nil {
		return p.Message + ": " + p.Cause.Error()
	}
	return p.Message
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// Of returns the first Problem in err's chain, or nil.
func Of(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	return nil
}

// Is reports whether err, or any error that it wraps or joins, is a Problem
// with the code.
func Is(err error, code Code) bool {
	if p, ok := err.(*Problem); ok && p.Code == code {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return Is(e.Unwrap(), code)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), func(err error) bool { return Is(err, code) })
	}
	return false
}

// Text renders err for a terminal: the message, then indented hints of every
// Problem in the chain, outermost first.
func Text(program string, err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v\n", program, err)
	for e := err; e != nil; {
		var p *Problem
		if !errors.As(e, &p) {
			break
		}
		if p.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", p.Hint)
		}
		e = p.Cause
	}
	return b.String()
}
