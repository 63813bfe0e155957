package pdf

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// sampleTimeline is a timeline of three days with lines of every kind.
func sampleTimeline(lines int) *reports.TimelineDoc {
	p := evidence.Period{From: at(14, 0, 0), To: at(17, 0, 0)}
	d := &reports.TimelineDoc{
		Title: "What happened in tenant-7", Lead: "14 to 16 Nov 2026 (UTC), all sources merged.", Owner: "tenant-7", Span: reports.Span(p.From, p.To), Marks: []string{"DEMONSTRATION"},
		Facts:   [][2]string{{"As known at", "log size 41,902 of example.org/log/" + strings.Repeat("ab", 16)}, {"Made", "2026-11-17T09:00:00Z"}, {"Only", "kinds " + strings.Repeat("change.merge, deploy.sync, ", 9)}},
		Program: "test", Generated: at(17, 9, 0),
	}
	d.Period = p
	for _, title := range []string{"changes", "builds and images", "deployments and workloads", "secrets and access", "backups and certificates", "verdicts and incidents", "the evidence itself"} {
		d.Families = append(d.Families, reports.TimelineFamily{Title: title})
	}
	sources := []string{"argocd/prod", "github/acme", "harbor/prod", "vault/prod", "a-source-with-a-rather-long-name/production-cluster"}
	for i, s := range sources {
		l := reports.TimelineLane{Source: s, Counts: make([][]int, 240)}
		for b := i; b < 240; b += 3 + i {
			l.Counts[b] = make([]int, 7)
			l.Counts[b][(b+i)%7] = 1 + b%50
			l.Counts[b][i] += b % 7
		}
		if i == 0 {
			l.Blind = []evidence.Period{{From: at(15, 11, 2), To: at(15, 15, 40)}}
		}
		d.Lanes = append(d.Lanes, l)
	}
	says := []string{
		"merge request #412 \"raise worker limits\" was merged into main by alice, opened by carol (claimed), approved by bob",
		"argocd/prod synced web to a41c9e2, started by alice",
		"secret/tenant-7/db was read by role tenant-7-web",
		"the certificate of web.tenant-7.example was issued, it ends on 12 Feb 2027",
		"dora-9-4-e came to not-satisfied: 1 of 38 changes had no review by another person",
		"image web@sha256:9b4c1d0e was scanned: 2 high, 1 of them can be mended",
	}
	for i := range lines {
		when := p.From.Add(time.Duration(i) * p.To.Sub(p.From) / time.Duration(lines))
		day := when.Truncate(24 * time.Hour)
		if n := len(d.Days); n == 0 || !d.Days[n-1].Day.Equal(day) {
			d.Days = append(d.Days, reports.TimelineDay{Day: day})
		}
		l := reports.TimelineLine{At: when, Record: uint64(40000 + i), Says: says[i%len(says)], Source: sources[i%len(sources)], Family: i % 7}
		switch i % 9 {
		case 2:
			l.Mark, l.Times = "~", "12 times until 13:04:10"
		case 4:
			l.Mark, l.After = "?", "39998, 40001"
		case 6:
			l.Says = hostile[(i/9)%len(hostile)]
		case 7:
			l = reports.TimelineLine{At: when, Blind: true, Says: "nothing seen of argocd/prod for 4 h 38 min: 503 from server (deploy.state, deploy.sync)"}
			d.Gaps++
		}
		d.Families[l.Family].Lines++
		d.Records++
		k := &d.Days[len(d.Days)-1]
		k.Lines = append(k.Lines, l)
	}
	return d
}

func TestTimeline(t *testing.T) {
	doc := sampleTimeline(300)
	doc.Left = 1234
	doc.Days[1].Lines[3].Says = strings.Repeat("a long sentence of a source that did not know when to stop. ", 120)
	var b, again bytes.Buffer
	if err := Timeline(&b, doc); err != nil {
		t.Fatal(err)
	}
	if name := os.Getenv("EVIDENCED_PAGE"); name != "" { // to be looked at
		if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Timeline(&again, doc); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Errorf("drawn twice, the bytes differ (%v)", err)
	}
	var pages []string
	for _, p := range extract(t, b.Bytes()) {
		if p.page > len(pages) {
			pages = append(pages, "")
		}
		pages[p.page-1] += p.text + " "
		if p.x < left-0.1 || p.x+p.w > right+0.1 || p.y > pageH-8 {
			t.Errorf("text beyond the margins: %s", p)
		}
	}
	for i, page := range pages {
		for _, want := range []string{fmt.Sprintf("page %d of %d", i+1, len(pages)), "tenant-7", "DEMONSTRATION"} {
			if !strings.Contains(page, want) {
				t.Errorf("page %d does not say %q", i+1, want)
			}
		}
	}
	text := strings.Join(pages, " ")
	for _, want := range []string{
		"What happened in tenant-7", "Saturday 14 November 2026 (UTC)", "Saturday 14 November 2026 (UTC), continued", "Monday 16 November 2026 (UTC)", "12 times until 13:04:10",
		"(after 39998, 40001)", "BLIND", "not seen (33)", "deployments and workloads", "1,234 lines more stand in the timeline and not here", "[U+1F680]", "40299",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the document does not say %q", want)
		}
	}
	// Every word of the long sentence is there, over its page breaks.
	if n := strings.Count(strings.Join(strings.Fields(text), " "), "did not know"); n < 100 {
		t.Errorf("the long sentence stands there %d times of 120", n)
	}
}

// A timeline without a line and one without anything are documents too.
func TestEmptyTimeline(t *testing.T) {
	for name, doc := range map[string]*reports.TimelineDoc{"no lines": {Title: "x", TimelinePart: reports.TimelinePart{Period: evidence.Period{From: at(14, 0, 0), To: at(15, 0, 0)}}}, "nothing": {}} {
		var b bytes.Buffer
		if err := Timeline(&b, doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		said := ""
		for _, p := range extract(t, b.Bytes()) {
			said += p.text
		}
		if !strings.Contains(said, "Nothing is told of this window.") {
			t.Errorf("%s: it says %q", name, said)
		}
	}
}

func BenchmarkTimeline(b *testing.B) {
	doc := sampleTimeline(5000)
	b.ReportAllocs()
	for b.Loop() {
		var out bytes.Buffer
		if err := Timeline(&out, doc); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(out.Len()), "bytes")
	}
}
