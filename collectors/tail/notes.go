package tail

import (
	"fmt"
	"slices"
	"strings"
)

// maxNotes is how many notes one commit carries; the rest is counted. maxWhy is
// how many of them say why a look is incomplete.
const (
	maxNotes = 50
	maxWhy   = 3
)

// Notes gathers what an operator should know until the next commit. Neither
// names of people nor lines belong into it. The zero value is ready to use.
type Notes struct {
	list    []string
	more    int
	why     []string // of what makes the look incomplete
	skipped int
}

// Add notes something once per commit.
func (n *Notes) Add(format string, args ...any) {
	t := fmt.Sprintf(format, args...)
	switch {
	case slices.Contains(n.list, t):
	case len(n.list) >= maxNotes:
		n.more++
	default:
		n.list = append(n.list, t)
	}
}

// Partial notes something that makes the look incomplete.
func (n *Notes) Partial(format string, args ...any) {
	n.skipped++
	n.Add(format, args...)
	if len(n.why) < maxWhy {
		n.why = append(n.why, fmt.Sprintf(format, args...))
	}
}

// Why says why the look is incomplete so far, in a few of its reasons.
func (n *Notes) Why() string { return strings.Join(n.why, "; ") }

// Flush returns what was gathered, and why the look is incomplete ("" when it is
// not), and begins anew.
func (n *Notes) Flush() (list []string, incomplete string) {
	list = n.list
	if n.more > 0 {
		list = append(list, fmt.Sprintf("and %d more notes", n.more))
	}
	incomplete = n.Why()
	if n.skipped > len(n.why) {
		incomplete += fmt.Sprintf("; and %d more", n.skipped-len(n.why))
	}
	*n = Notes{}
	return list, incomplete
}
