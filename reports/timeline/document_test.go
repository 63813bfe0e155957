package timeline_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/reports"
	"evidenced/reports/pdf"
	"evidenced/reports/timeline"
)

// The document tells the lines of the text, in order and by day, and its
// picture counts those too that it has no room for.
func TestDocument(t *testing.T) {
	l := world(t)
	var all []timeline.Line
	for x, err := range timeline.Group(timeline.Build(context.Background(), l, period, timeline.Options{})) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
	build := func(opt timeline.Options, most int) *reports.TimelineDoc {
		t.Helper()
		d, err := timeline.Document(timeline.HeadOf(l, period), opt, timeline.Group(timeline.Build(context.Background(), l, period, opt)), most, "test", at(16, 9, 0))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	whole := build(timeline.Options{}, 1000)
	var told []reports.TimelineLine
	for i, d := range whole.Days {
		for _, x := range d.Lines {
			if !d.Day.Equal(x.At.UTC().Truncate(24 * 60 * 60 * 1e9)) {
				t.Errorf("a line of %s stands under %s", x.At, d.Day)
			}
		}
		if i > 0 && !whole.Days[i-1].Day.Before(d.Day) {
			t.Errorf("day %s comes after %s", d.Day, whole.Days[i-1].Day)
		}
		told = append(told, d.Lines...)
	}
	if len(told) != len(all) || len(all) < 5 {
		t.Fatalf("%d lines of %d", len(told), len(all))
	}
	for i, x := range told {
		if y := all[i]; x.Record != y.Seq || x.Blind != y.Gap || !strings.HasPrefix(x.Says, y.Says) || x.Source != string(y.Source) {
			t.Errorf("line %d is %+v, want %+v", i, x, y)
		}
	}
	if whole.Left != 0 || whole.Owner != l.Tenant().String() || whole.Records == 0 || whole.Gaps == 0 {
		t.Errorf("the document says %d left, owner %s, %d records, %d blind windows", whole.Left, whole.Owner, whole.Records, whole.Gaps)
	}
	cut := build(timeline.Options{}, 3)
	n := 0
	for _, d := range cut.Days {
		n += len(d.Lines)
	}
	if n != 3 || cut.Left != len(all)-3 || cut.Records != whole.Records || cut.Gaps != whole.Gaps || len(cut.Lanes) != len(whole.Lanes) {
		t.Errorf("cut at 3 it has %d lines and %d left, %d records of %d", n, cut.Left, cut.Records, whole.Records)
	}
	sum := 0
	for _, lane := range whole.Lanes {
		for _, b := range lane.Counts {
			for _, k := range b {
				sum += k
			}
		}
	}
	if sum != whole.Records {
		t.Errorf("the picture counts %d records of %d", sum, whole.Records)
	}
	var b bytes.Buffer
	if err := pdf.Timeline(&b, whole); err != nil {
		t.Error(err)
	}
	// What was asked for is said, so a part is not taken for the whole.
	narrow := build(timeline.Options{Kinds: []evidence.Kind{evidence.ChangeMerge}, Source: "github/acme", NoGaps: true}, 1000)
	if got := narrow.Facts[len(narrow.Facts)-1]; got != [2]string{"Only", "kinds change.merge; source github/acme; without blind windows"} || !strings.Contains(narrow.Lead, "narrowed down") {
		t.Errorf("a narrowed document says %q and %q", narrow.Lead, got)
	}
	broken := func(yield func(timeline.Line, error) bool) { yield(timeline.Line{}, errors.New("torn")) }
	if _, err := timeline.Document(timeline.HeadOf(l, period), timeline.Options{}, broken, 10, "test", at(16, 9, 0)); err == nil {
		t.Error("a timeline that broke off became a document")
	}
}
