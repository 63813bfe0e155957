package cli

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The table of exit codes in the docs has every code of the program, with the
// same words.
func TestExitCodesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range ExitCodes {
		row := fmt.Sprintf("| %d | %s", e.Code, strings.SplitN(e.Says, " or ", 2)[0])
		words := strings.Fields(row)
		if !strings.Contains(string(page), strings.Join(words[:min(len(words), 7)], " ")) {
			t.Errorf("docs/configuration.md has no row %q", row)
		}
	}
}
