package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/cli"
)

// Every command a person can call shows an example and its exit codes, and
// every example is a command line that the program has.
func TestEveryCommandHelps(t *testing.T) {
	p := &program{parts: wired(), getenv: func(string) string { return "" }, stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
	root := p.root()
	commands := 0
	each(root, func(cmd *cobra.Command) {
		if !cmd.Runnable() || cmd.Hidden {
			return
		}
		commands++
		if cmd.Short == "" || cmd.Example == "" || !strings.Contains(cmd.Long, "Exit codes:") {
			t.Errorf("%s: help without a summary, an example or exit codes", cmd.CommandPath())
		}
		var help bytes.Buffer
		cmd.SetOut(&help)
		if err := cmd.Help(); err != nil || !strings.HasPrefix(help.String(), cmd.Short+"\n\n"+cmd.Long) {
			t.Errorf("%s: %v, its help does not begin with what it is for: %.100s", cmd.CommandPath(), err, &help)
		}
		for _, line := range strings.Split(cmd.Example, "\n") {
			checkExample(t, root, cmd, strings.TrimSpace(line))
		}
	})
	if commands < 14 {
		t.Errorf("%d commands, want all of them", commands)
	}
}

func each(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, c := range cmd.Commands() {
		each(c, f)
	}
}

func checkExample(t *testing.T, root, cmd *cobra.Command, line string) {
	t.Helper()
	words := shellWords(line)
	if len(words) == 0 || words[0] == "evidence-verify" {
		return
	}
	found, rest, err := root.Find(words[1:])
	if err != nil || found != cmd {
		t.Errorf("%s: example %q calls %v, %v", cmd.CommandPath(), line, found.CommandPath(), err)
		return
	}
	if err := found.ParseFlags(rest); err != nil {
		t.Errorf("%s: example %q: %v", cmd.CommandPath(), line, err)
	}
}

// shellWords splits a line at spaces outside double quotes, up to a redirect.
func shellWords(line string) []string {
	var words []string
	quoted := false
	for _, w := range strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	}) {
		if w == ">" {
			break
		}
		words = append(words, strings.Trim(w, `"`))
	}
	return words
}

// Every reading command takes --json; --tenant where it asks about one.
func TestReadingCommandsTakeJSON(t *testing.T) {
	p := &program{parts: wired(), getenv: func(string) string { return "" }, stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
	for _, cmd := range p.root().Commands() {
		if !slices.Contains([]string{"ask", "check"}, cmd.GroupID) {
			continue
		}
		if cmd.Flags().Lookup("json") == nil {
			t.Errorf("%s takes no --json", cmd.Name())
		}
		if cmd.GroupID == "ask" && cmd.Name() != "tenants" && (cmd.Flags().Lookup("tenant") == nil || cmd.Flags().Lookup("tz") == nil) {
			t.Errorf("%s takes no --tenant or no --tz", cmd.Name())
		}
	}
}

// A stop by signal while an answer is made ends with its own code.
func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	p := wired()
	p.socket = func(string) string { return filepath.Join(dir, "none") }
	var stdout, stderr bytes.Buffer
	code := run(ctx, p, []string{"tenants", "--data-dir", dir}, func(string) string { return "" }, &stdout, &stderr)
	if code != cli.ExitStopped {
		t.Errorf("exit code %d, stderr %s", code, &stderr)
	}
}
