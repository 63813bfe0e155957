package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The page of the command names every flag of it.
func TestControlsPageNamesFlags(t *testing.T) {
	page, err := os.ReadFile("../../docs/controls.md")
	if err != nil {
		t.Fatal(err)
	}
	p := &program{parts: wired(), getenv: func(string) string { return "" }, stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
	found := 0
	for _, flag := range regexp.MustCompile(`--[a-z]+`).FindAllString(p.controlsCommand().Flags().FlagUsages(), -1) {
		found++
		if !strings.Contains(string(page), flag) {
			t.Errorf("docs/controls.md does not name %s", flag)
		}
	}
	if found < 8 {
		t.Errorf("%d flags, want all of them", found)
	}
}
