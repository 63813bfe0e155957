package remedy_test

import (
	"os"
	"strings"
	"testing"

	"evidenced/evidence/remedy"
)

// The page lists exactly the root causes that there are, in the same words.
func TestCausesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/remedies.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "| Root cause | |\n|---|---|\n")
	table, _, _ := strings.Cut(rest, "\n\n")
	var want []string
	for _, c := range remedy.Causes {
		want = append(want, "| `"+c.ID+"` | "+c.Says+" |")
	}
	if got := strings.Join(want, "\n"); table != got {
		t.Errorf("docs/remedies.md lists\n%s\nwant\n%s", table, got)
	}
}
