package cli

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The table of exit codes in the docs is the one of the program.
func TestExitCodesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range ExitCodes {
		if row := fmt.Sprintf("| %d | %s |", e.Code, e.Says); !strings.Contains(string(page), row) {
			t.Errorf("docs/configuration.md has no row %q", row)
		}
	}
}
