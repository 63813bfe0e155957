package tail

import (
	"strings"
	"testing"
)

func TestNotes(t *testing.T) {
	var n Notes
	for i := range 60 {
		n.Add("note %d", i)
		n.Add("note %d", i)
	}
	for i := range 5 {
		n.Partial("lost %d", i)
	}
	list, incomplete := n.Flush()
	if len(list) != maxNotes+1 || list[maxNotes] != "and 25 more notes" {
		t.Errorf("%d notes, the last %q", len(list), list[len(list)-1])
	}
	if incomplete != "lost 0; lost 1; lost 2; and 2 more" {
		t.Errorf("incomplete %q", incomplete)
	}
	if list, incomplete := n.Flush(); len(list) > 0 || incomplete != "" {
		t.Errorf("told twice: %s, %s", strings.Join(list, ";"), incomplete)
	}
}
