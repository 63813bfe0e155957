package reports_test

import (
	"fmt"
	"strings"
	"testing"

	"evidenced/evidence/evidencetest"
	"evidenced/reports"
)

// gapsTable has what a table can have: names that are copied, times, numbers, a
// column that explains, foreign scripts, and words longer than a line.
func gapsTable() *reports.Table {
	t := &reports.Table{Columns: []reports.Column{
		{Title: "CONTROL"}, {Title: "STATUS", Keep: true}, {Title: "SINCE", Keep: true}, {Title: "RECORD", Right: true, Keep: true}, {Title: "OWNER"}, {Title: "WHY"},
	}}
	t.Row("dora-art-9-4-e", "not-satisfied", "14 Nov 11:02", "40101", "payments", "1 of 38 changes had no review by another person: change.merge 40101 (hotfix by dave)")
	t.Row("dora-art-12-6", "gap", "2 Nov", "7", "storage and databases, on call", "no restore test in 92 days; limit 90")
	t.Row("nis2-art-21-2-c", "stale", "2 Nov", "1200", "Łukasz Żółć", "registry.example/acme/web@sha256:"+strings.Repeat("9b4c1d0e", 8)+" was not scanned")
	t.Row("gdpr-art-32-1-d", "gap", "1 Nov", "3", "漢字の担当者がここに", "バックアップの復元試験が行われていません。 最後の試験は三か月前でした。 ✅ 🚀 e\u0301te\u0301")
	t.Row("\x1b[2J", "satisfied")
	return t
}

func written(t *testing.T, tab *reports.Table, style reports.Style) string {
	t.Helper()
	var b strings.Builder
	if err := tab.Write(&b, style); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// On a terminal nothing is cut and no line is wider than it; elsewhere a row is
// one line.
func TestTable(t *testing.T) {
	for _, width := range []int{0, 60, 80, 100, 140} {
		name := fmt.Sprintf("table-%d.txt", width)
		if width == 0 {
			name = "table-piped.txt"
		}
		evidencetest.Golden(t, name, []byte(written(t, gapsTable(), reports.Style{Width: width})))
	}
	whole := map[rune]int{}
	for _, r := range written(t, gapsTable(), reports.Style{}) {
		whole[r]++
	}
	for width := 50; width < 300; width++ {
		text := written(t, gapsTable(), reports.Style{Width: width})
		for l := range strings.Lines(text) {
			if w := reports.TextWidth(strings.TrimSuffix(l, "\n")); w > width {
				t.Errorf("at %d: line of %d columns: %q", width, w, l)
			}
		}
		for r, n := range whole {
			if r != ' ' && r != '\n' && strings.Count(text, string(r)) != n {
				t.Errorf("at %d: %d times %q, want %d:\n%s", width, strings.Count(text, string(r)), r, n, text)
			}
		}
	}
	if got, want := strings.Count(written(t, gapsTable(), reports.Style{}), "\n"), gapsTable().Len()+1; got != want {
		t.Errorf("%d lines for a pipe, want %d", got, want)
	}
}

// Each line that a row takes is painted by itself, so that no colour runs into
// the next row.
func TestTableIsPaintedByLine(t *testing.T) {
	style := reports.Style{Width: 50, Colour: true}
	tab := &reports.Table{Columns: []reports.Column{{Title: "CONTROL"}, {Title: "WHY"}}}
	tab.PaintedRow(style.Bad, "dora-art-9-4-e", strings.Repeat("because ", 10))
	for i, l := range strings.Split(strings.TrimSuffix(written(t, tab, style), "\n"), "\n") {
		code := "\x1b[31m"
		if l = strings.TrimSuffix(l, "\x1b[0m"); strings.Contains(l, "CONTROL") || strings.Contains(l, "WHY") {
			code = "\x1b[2m"
		}
		if !strings.HasPrefix(l, code) || strings.Count(l, "\x1b") != 1 {
			t.Errorf("line %d is %q", i, l)
		}
	}
}

// A long word of somebody else's must not push everybody's columns away.
func TestTableOfAHostileWord(t *testing.T) {
	tab := &reports.Table{Columns: []reports.Column{{Title: "NAME"}, {Title: "LOGIN"}, {Title: "WHY"}}}
	tab.Row("a", strings.Repeat("x", 1<<20), "late")
	for range 1000 {
		tab.Row("b", "y", "late")
	}
	if n := len(written(t, tab, reports.Style{})); n > 2<<20 {
		t.Errorf("%d bytes for a pipe", n)
	}
	if n := len(written(t, tab, reports.Style{Width: 80})); n > 2<<20 {
		t.Errorf("%d bytes for a terminal", n)
	}
}

func TestTextWidth(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "Żółć": 4, "e\u0301te\u0301": 3, "漢字": 4, "ｆｕｌｌ": 8, "ｱｲ": 2, "한글": 4, "\u1112\u1161\u11ab": 2,
		"🚀": 2, "✅": 2, "⚠": 1, "→": 1, "…": 1, "🇩🇪": 2, "か\u3099": 2, "\u2e9a": 2,
	} {
		if got := reports.TextWidth(text); got != want {
			t.Errorf("TextWidth(%q) = %d, want %d", text, got, want)
		}
	}
}
