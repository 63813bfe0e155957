package main

import (
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
