package timeline_test

import (
	"strings"
	"testing"

	"evidenced/reports"
	"evidenced/reports/timeline"
)

// Nothing is wider than a terminal of eighty columns.
func TestFitsATerminal(t *testing.T) {
	l := world(t)
	var b strings.Builder
	if err := timeline.Text(&b, timeline.HeadOf(l, period), timeline.Group(timeline.Build(t.Context(), l, period, timeline.Options{})), reports.Style{Width: 80}); err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(b.String()) {
		n++
		if w := reports.TextWidth(strings.TrimSuffix(line, "\n")); w > 80 {
			t.Errorf("%d columns: %s", w, line)
		}
	}
	if n < 20 {
		t.Errorf("%d lines", n)
	}
}
