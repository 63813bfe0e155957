package main

import (
	"encoding/json"
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
