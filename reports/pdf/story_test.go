package pdf

import (
	"os"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/reports"
)

// storyDoc is the sample document with what happened: incidents, a timeline and
// samples.
func storyDoc(t *testing.T) *reports.PackDoc {
	doc := sampleDoc(t, 3)
	for i := range doc.Controls {
		for range doc.Controls[i].Findings {
			doc.Controls[i].Samples = append(doc.Controls[i].Samples, "")
		}
	}
	doc.Controls[0].Samples[0] = "sample for people to look at: 38 of 38 items, seed under the operator's control"
	doc.Incidents = []reports.PackIncident{
		{ID: "7kq2m4x1", Reference: "INC-2026-1", Declared: at(14, 11, 20), Clocks: []reports.PackClock{
			{Stage: "dora.initial", Article: "2025/301 Art 5(1)(a)", State: "met late", Bad: true, Safe: at(14, 15, 0), Latest: at(14, 15, 0), Sent: at(14, 16, 2), Receipt: at(14, 16, 4)},
			{Stage: "dora.intermediate", Article: "2025/301 Art 5(1)(b)", State: "running", Open: true, Safe: at(17, 16, 2), Latest: at(17, 16, 2)},
			{Stage: "gdpr.authority", Article: "GDPR Art 33(1)", State: "met", Safe: at(17, 11, 0), Latest: at(17, 11, 0), Sent: at(15, 9, 0), Receipt: at(15, 9, 1)},
		}, Notes: []string{"of DE weekends alone are known, no holidays: add them with a file (incidents.holidays)"}},
		{ID: "p0aa11bb", Kind: "threat", Declared: at(16, 8, 0), Closed: at(18, 9, 0), Part: true},
	}
	doc.Timeline = &sampleTimeline(120).TimelinePart
	doc.Timeline.Left = 40
	return doc
}

func TestPackTellsWhatHappened(t *testing.T) {
	data := write(t, storyDoc(t))
	if name := os.Getenv("EVIDENCED_PAGE"); name != "" { // to be looked at
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	whole := ""
	for _, p := range extract(t, data) {
		if p.x < left-0.1 || p.x+p.w > right+0.1 || p.y > pageH-8 {
			t.Errorf("outside the margins: %s", p)
		}
		whole += p.text + " "
	}
	whole = strings.Join(strings.Fields(whole), " ")
	for want, n := range map[string]int{
		"38 of 38 items, seed under the operator's control": 1,
		"Incident 7kq2m4x1":                         2, // and in the contents
		"Cyber threat p0aa11bb":                     2,
		"INC-2026-1":                                1,
		"met late":                                  1,
		"14 Nov 2026 16:02":                         1,
		"of an incident of the platform":            1,
		"No clock runs: neither role nor awareness": 1,
		"What happened":                             2,
		"40 lines more stand in the timeline":       1,
		"Monday 16 November 2026 (UTC)":             2, // and continued
		"DORA Art. 9(2)":                            5, // contents, overview, outline and twice on its page
		"3 controls judged.":                        1,
		"34 of 38, 3 failed, 1 undecided":           1,
		"210 of 210":                                2, // and in the finding's own words
	} {
		if got := strings.Count(whole, want); got != n {
			t.Errorf("%q stands there %d times, want %d", want, got, n)
		}
	}
}

// A law's picture with nothing judged, and a very long one, are drawn.
func TestOverviewOfManyControls(t *testing.T) {
	doc := sampleDoc(t, 1)
	c := doc.Controls[1]
	doc.Controls = nil
	for i := range 80 {
		c.ID = evidence.ControlID(strings.Repeat("x", 1+i%5))
		c.Title = hostile[i%len(hostile)]
		c.Article = "Art. " + strings.Repeat("9(4)(e), ", 1+i%6)
		doc.Controls = append(doc.Controls, c)
	}
	n := 0
	for _, p := range extract(t, write(t, doc)) {
		if p.x < left-0.1 || p.x+p.w > right+0.1 || p.y > pageH-8 {
			t.Errorf("outside the margins: %s", p)
		}
		if p.text == "ARTICLE" {
			n++
		}
	}
	if n < 3 {
		t.Errorf("the overview's head stands on %d pages, want it on each of several", n)
	}
}

// A bar keeps its length, and shows what failed, whatever the numbers are.
func TestItemBars(t *testing.T) {
	c, err := newCanvas(at(1, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	p := &pack{canvas: c, doc: sampleDoc(t, 0), told: map[string]told{}}
	p.newPage()
	items := func(n int) []evidence.Item { return make([]evidence.Item, n) }
	for _, f := range []evidence.Finding{
		{Population: 100000, Passed: 99999, Failed: items(1)}, {Population: 1000, Failed: items(999), Unknown: items(1)}, {Population: 1, Failed: items(1)},
		{Population: 2000, Passed: 1998, Failed: items(1), Unknown: items(1)}, {Population: 5, Passed: 5}, {},
	} {
		from := c.pdf.PageCount()
		p.itemBar([]evidence.Finding{f}, left, 50, bad)
		pw, fw, uw := p.barParts(f.Passed, len(f.Failed), len(f.Unknown), f.Population)
		if sum := pw + fw + uw; pw < 0 || sum > overBar+1e-9 || (len(f.Failed) > 0) != (fw > 0.3) || (len(f.Unknown) > 0) != (uw > 0.3) {
			t.Errorf("%d passed, %d failed, %d undecided: parts of %.2f, %.2f and %.2f in a bar of %.2f", f.Passed, len(f.Failed), len(f.Unknown), pw, fw, uw, overBar)
		}
		if c.pdf.PageCount() != from {
			t.Error("a bar turned the page")
		}
	}
}
