package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/config"
	"evidenced/collectors/all"
)

// What the page about installing says to type is there: its configurations load,
// its commands are the program's, its files are the repository's.
func TestInstallPage(t *testing.T) {
	b, err := os.ReadFile(top + "docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllSubmatch(b, -1)
	if len(blocks) != 2 {
		t.Fatalf("%d configurations, want that of systemd and what a container has more", len(blocks))
	}
	for _, text := range [][]byte{blocks[0][1], append(bytes.Clone(blocks[0][1]), blocks[1][1]...)} {
		if _, err := config.Parse("docs/install.md", text, all.Specs()); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}

	p := &program{parts: wired(), getenv: func(string) string { return "" }, stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
	root, commands := p.root(), 0
	for _, m := range regexp.MustCompile("(?m)(?:^|`|(?:--|exec) evidenced-0 -- |-- |exec evidenced )(evidenced [a-z].*?)(?: +#.*)?(?:`|$)").FindAllStringSubmatch(string(b), -1) {
		commands++
		words := shellWords(m[1])
		cmd, rest, err := root.Find(words[1:])
		if err != nil || cmd == root {
			t.Errorf("%s: no such command (%v)", m[1], err)
			continue
		}
		known(t, cmd, rest, m[1])
	}
	if commands < 10 {
		t.Errorf("%d commands found", commands)
	}

	for _, m := range regexp.MustCompile(`deploy/[a-z/.-]*[a-z]`).FindAllString(string(b), -1) {
		if _, err := os.Stat(filepath.Join(top, m)); err != nil {
			t.Error(err)
		}
	}
}

// known fails the test when a command lacks one of the flags.
func known(t *testing.T, cmd *cobra.Command, words []string, line string) {
	t.Helper()
	for _, w := range words {
		name, long := strings.CutPrefix(w, "--")
		if long && cmd.Flag(name) == nil {
			t.Errorf("%s: it has no flag %s", line, w)
		}
	}
}
