// Package cli is how evidenced behaves on a command line: exit codes, times as
// people type them, colour and progress on terminals alone, errors with hints.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"evidenced/evidence/problem"
)

// Exit codes of evidenced. They are stable: scripts depend on them. The
// auditor's evidence-verify has its own, smaller table (0 OK, 2 FAILED, 3
// SELECTION).
const (
	ExitOK         = 0 // done; answers, also those that say what is not known
	ExitError      = 1 // could not be done: storage, a source, our own mistake
	ExitUsage      = 2 // the command line or the configuration is off
	ExitIncomplete = 3 // done in part; what was good is kept
	ExitVerify     = 4 // stored bytes do not verify
	ExitLocked     = 5 // another process holds the data directory
	ExitNotFound   = 6 // the named tenant, record or file is not there
	ExitRefused    = 7 // a rule of the product forbids it
	ExitStopped    = 130
)

// ExitCodes is the table for people; help texts show its lines.
var ExitCodes = []struct {
	Code int
	Says string
}{
	{ExitOK, "done"},
	{ExitError, "it could not be done"},
	{ExitUsage, "the command line or the configuration is off"},
	{ExitIncomplete, "done in part; what was good is kept"},
	{ExitVerify, "stored bytes do not verify"},
	{ExitLocked, "another process holds the data directory and does not answer"},
	{ExitNotFound, "the named tenant, record or file is not there"},
	{ExitRefused, "a rule of evidenced forbids it"},
	{ExitStopped, "stopped by a signal"},
}

// ExitHelp returns the lines of the table for the codes, for a help text; 0, 1
// and 2 are always among them. A command that can find a data directory locked
// opens it, and so can also find it damaged, not there, or with keys that are
// missing or that others may read: 4, 6 and 7 come with 5.
func ExitHelp(codes ...int) string {
	if slices.Contains(codes, ExitLocked) {
		codes = append([]int{ExitVerify, ExitNotFound, ExitRefused}, codes...)
	}
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, e := range ExitCodes {
		always := e.Code <= ExitUsage
		if always || slices.Contains(codes, e.Code) {
			fmt.Fprintf(&b, "  %-4d %s\n", e.Code, e.Says)
		}
	}
	return b.String()
}

// ExitCode returns the code for an error; 0 for nil. The outermost problem in
// the chain decides.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	p := problem.Of(err)
	if p == nil {
		if errors.Is(err, context.Canceled) {
			return ExitStopped
		}
		return ExitError
	}
	switch p.Code {
	case problem.Usage, problem.Config:
		return ExitUsage
	case problem.Incomplete:
		return ExitIncomplete
	case problem.Corrupt:
		return ExitVerify
	case problem.Locked:
		return ExitLocked
	case problem.NotFound:
		return ExitNotFound
	case problem.Refused:
		return ExitRefused
	}
	return ExitError
}

// PrintError writes the error with its hints, safe for a terminal: a cause may
// quote a source.
func PrintError(w io.Writer, program string, err error) {
	text := problem.Text(program, err)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, l := range lines {
		if l != "" {
			fmt.Fprintln(w, safeLine(l))
		}
	}
}
