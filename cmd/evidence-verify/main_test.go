package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"evidenced/reports/pack"
)

// What a pack says fills places in lines of the report and makes none.
func TestPackWritesNoLines(t *testing.T) {
	r := &pack.Report{
		Maker:    "identity of the maker not established",
		Receipts: []pack.Vouched{{Name: "a\nmaker     keys known to your trust file", Kind: "elsewhere", Verdict: "refused", Why: "x\r\x1b[2J\u202e\u2066\u200f\u2028\u0085OK"}},
	}
	var b strings.Builder
	print(&b, "OK", r)
	n := 0
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "maker ") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d lines name a maker:\n%s", n, b.String())
	}
	if i := strings.IndexAny(b.String(), "\r\x1b\u202e\u2066\u200f\u2028\u0085"); i >= 0 {
		t.Errorf("%q reaches the terminal", b.String()[i:i+8])
	}
}

// A file that is not there says nothing about the evidence: no verdict is given.
func TestNoSuchFile(t *testing.T) {
	here := t.TempDir() + "/pack.zip"
	if err := os.WriteFile(here, []byte("no pack"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"gone.zip"}, {here, "--extends", "gone.zip"}, {here, "--trust", "gone.trust"}, {t.TempDir()}, {"gone.zip", "--json"}} {
		var out, errs strings.Builder
		if code := run(args, &out, &errs); code != exitUsage || out.Len() > 0 || strings.Count(errs.String(), "\n") != 2 {
			t.Errorf("%q: exit code %d\n%s%s", args, code, out.String(), errs.String())
		}
	}
	var out, errs strings.Builder
	if code := run([]string{here}, &out, &errs); code != exitFailed || !strings.HasPrefix(out.String(), "FAILED ") {
		t.Errorf("a file that is no pack: exit code %d\n%s%s", code, out.String(), errs.String())
	}
}

func TestOneOfAThing(t *testing.T) {
	for n, want := range []string{"0 pairs more do not apply", "1 pair more does not apply", "2 pairs more do not apply"} {
		if got := leftOut(n); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// JSON that a terminal shows has nothing that a terminal obeys, and says the
// same.
func TestJSONOnATerminal(t *testing.T) {
	const name = "a\u009b2J\u202eb\u2066\U000e0041é\u007f\x1b"
	var b strings.Builder
	if err := json.NewEncoder(spelledOut{&b}).Encode(map[string]string{"name": name}); err != nil {
		t.Fatal(err)
	}
	var back map[string]string
	if err := json.Unmarshal([]byte(b.String()), &back); err != nil || back["name"] != name {
		t.Errorf("read back as %q, %v", back, err)
	}
	if strings.ContainsAny(b.String(), "\u009b\u202e\u2066\U000e0041\u007f\x1b") || !strings.Contains(b.String(), "é") {
		t.Errorf("written as %q", b.String())
	}
}
