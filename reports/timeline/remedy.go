package timeline

import (
	"fmt"
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
)

// remedy tells who puts right what failed, and by when. What is done stands in
// the text.
func (t *teller) remedy(f evidence.RemedyFacts) string {
	if f.Done {
		return fmt.Sprintf("remedy %s is said to be done; it was due %s", f.Name, f.Due)
	}
	n := 0
	var tests []string
	for _, x := range f.For {
		n += max(1, len(x.Records)+x.Cut)
		tests = append(tests, x.Test)
	}
	owner := "a role or a team"
	if f.Owner >= 0 {
		owner = t.name(f.Owner)
	}
	s := fmt.Sprintf("remedy %s for %s of %s is due %s, owner %s, root cause %s", f.Name, reports.Count(n, "failed item"), strings.Join(tests, ", "), f.Due, owner, f.Cause)
	if f.Due != f.FirstDue {
		s += "; at first it was due " + f.FirstDue
	}
	return s
}
