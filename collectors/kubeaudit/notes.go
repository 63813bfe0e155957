package kubeaudit

import (
	"fmt"
	"slices"
	"strings"
)

// maxNotes is how many notes one commit carries; the rest is counted.
const maxNotes = 50

// notes gathers what an operator should know until the next commit.
type notes struct {
	list    []string
	more    int
	why     []string // of what makes the look incomplete
	skipped int
}

// add notes something once per commit.
func (n *notes) add(format string, args ...any) {
	t := fmt.Sprintf(format, args...)
	switch {
	case slices.Contains(n.list, t):
	case len(n.list) >= maxNotes:
		n.more++
	default:
		n.list = append(n.list, t)
	}
}

// partial notes something that makes the look incomplete.
func (n *notes) partial(format string, args ...any) {
	n.skipped++
	n.add(format, args...)
	if len(n.why) < 3 {
		n.why = append(n.why, fmt.Sprintf(format, args...))
	}
}

// flush returns what was gathered and begins anew.
func (n *notes) flush() (list []string, incomplete string) {
	list = n.list
	if n.more > 0 {
		list = append(list, fmt.Sprintf("and %d more notes", n.more))
	}
	incomplete = strings.Join(n.why, "; ")
	if n.skipped > len(n.why) {
		incomplete += fmt.Sprintf("; and %d more", n.skipped-len(n.why))
	}
	*n = notes{}
	return list, incomplete
}
