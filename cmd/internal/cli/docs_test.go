package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
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

var pageLink = regexp.MustCompile(`\]\(([^)#:]+\.md)(#[^)]*)?\)`)

// Who begins at the README reaches every page, and no link on the way leads
// nowhere.
func TestEveryPageIsReached(t *testing.T) {
	root := os.DirFS("../../..")
	reached := map[string]bool{}
	var follow func(page string)
	follow = func(page string) {
		if reached[page] {
			return
		}
		reached[page] = true
		text, err := fs.ReadFile(root, page)
		if err != nil {
			t.Errorf("a link leads to %s: %v", page, err)
			return
		}
		for _, m := range pageLink.FindAllSubmatch(text, -1) {
			follow(path.Join(path.Dir(page), string(m[1])))
		}
	}
	follow("README.md")
	pages := 0
	err := fs.WalkDir(root, "docs", func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".md") {
			if pages++; !reached[name] {
				t.Errorf("nobody who begins at the README reaches %s", name)
			}
		}
		return err
	})
	if err != nil || pages < 20 {
		t.Errorf("%d pages found, %v", pages, err)
	}
}
