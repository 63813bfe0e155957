package vault

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
	skipped int // lines and files that could not be read in full
	why     []string
	keys    map[string]bool // unknown keys that were told
}

func newNotes() *notes { return &notes{keys: map[string]bool{}} }

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

// key notes a top-level key that we do not know, once per run of the daemon.
func (n *notes) key(k string) {
	if len(n.keys) < 64 && !n.keys[k] {
		n.keys[k] = true
		n.add("unknown key %q in audit lines; it is kept in the raw line only", k)
	}
}

// flush returns what was gathered and begins anew.
func (n *notes) flush() (list []string, incomplete string) {
	list = n.list
	if n.more > 0 {
		list = append(list, fmt.Sprintf("and %d more notes", n.more))
	}
	if n.skipped > 0 {
		incomplete = strings.Join(n.why, "; ")
		if n.skipped > len(n.why) {
			incomplete += fmt.Sprintf("; and %d more", n.skipped-len(n.why))
		}
	}
	n.list, n.more, n.skipped, n.why = nil, 0, 0, nil
	return list, incomplete
}
