package pdf

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unicode"

	"evidenced/evidence"
	"evidenced/reports"
)

var keep = flag.String("keep", "", "write the sample document to this file, to look at")

func write(t testing.TB, doc *reports.PackDoc) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, doc); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func all(ps []placed) string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(p.text)
		b.WriteByte('\n')
	}
	return b.String()
}

// TestPage looks at every piece of text of a document full of hostile text:
// inside the margins, only runes that have a glyph, marks on each page.
func TestPage(t *testing.T) {
	data := write(t, sampleDoc(t, 60))
	if *keep != "" {
		if err := os.WriteFile(*keep, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := extract(t, data)
	sets, err := glyphSets()
	if err != nil {
		t.Fatal(err)
	}
	pages, last := map[int]string{}, 0
	for _, p := range text {
		if p.x < left-0.1 || p.x+p.w > right+0.1 || p.y < 10 || p.y > pageH-8 {
			t.Errorf("outside the margins: %s", p)
		}
		for _, r := range p.text {
			if !sets[regular].has(r) || unicode.IsControl(r) {
				t.Errorf("rune %U has no glyph: %s", r, p)
			}
		}
		pages[p.page] += p.text + "\n"
		last = max(last, p.page)
	}
	for n := 1; n <= last; n++ {
		for _, want := range []string{"tenant-7", "8 Nov to 21 Nov 2026", "INTERIM", "DEMONSTRATION", fmt.Sprintf("page %d of %d", n, last)} {
			if !strings.Contains(pages[n], want) {
				t.Errorf("page %d lacks %q", n, want)
			}
		}
	}
}

// TestNothingLost checks that texts come through whole, or spelled out.
func TestNothingLost(t *testing.T) {
	got := strings.ReplaceAll(all(extract(t, write(t, sampleDoc(t, 14)))), "\n", "")
	got = strings.ReplaceAll(got, " ", "")
	for _, want := range []string{
		"Müßig & Söhne", "François Lefèvre", "Παπαδοπούλου", "Zofia Święcicka", "Łukasz Wąsik",
		"page {nb} of {nb}", "(unbalanced ) and \\ back\\slash", "[U+1F680]", "[U+202E]gnp.exe", "[U+001B][31mred", "[U+6F22][U+5B57]", "[0xFF][0xFE]",
		"merged by its own author 4 minutes after", "record 40101", "40099, 40100, 40102", "by carol: hotfix [U+1F525]",
		"What this cannot prove", "The evidence supports 2 of 7 controls", "Left open: whoever holds the signing key", hashOf("data").String(),
		"loosens the evidence: certs/edge", "503 from server", "migration weekend, by dave", "1 person claim (erased, record 39870)",
	} {
		if !strings.Contains(got, strings.ReplaceAll(want, " ", "")) {
			t.Errorf("the document does not hold %q", want)
		}
	}
	if n := strings.Count(got, strings.Repeat("x", 20)); n < 10 {
		t.Errorf("of 300 unbroken letters %d twenties are left", n)
	}
	if strings.Contains(strings.ToLower(got), "compliant") {
		t.Error("the document calls something compliant")
	}
}

// TestRepeatable: the same document gives the same bytes, whatever was drawn
// before it.
func TestRepeatable(t *testing.T) {
	first := write(t, sampleDoc(t, 30))
	write(t, sampleDoc(t, 3))
	if !bytes.Equal(first, write(t, sampleDoc(t, 30))) {
		t.Error("two writings of one document differ")
	}
	later := sampleDoc(t, 30)
	later.Generated = later.Generated.Add(time.Second)
	if bytes.Equal(first, write(t, later)) {
		t.Error("the time of making is not in the file")
	}
}

// TestRegister counts the rows of a long register and its repeated header.
func TestRegister(t *testing.T) {
	const rows = 2000
	doc := sampleDoc(t, rows)
	text := extract(t, write(t, doc))
	seen, heads, pages := 0, map[int]bool{}, map[int]bool{}
	for _, p := range text {
		if strings.HasPrefix(p.text, "acme/gitops!") {
			seen++
			pages[p.page] = true
		}
		if p.text == "Merged (UTC)" {
			heads[p.page] = true
		}
	}
	if seen != rows {
		t.Errorf("%d rows in the file, want %d", seen, rows)
	}
	for n := range pages {
		if !heads[n] {
			t.Errorf("page %d of the register has no header", n)
		}
	}
}

// TestNamesOfOneLength: of two names of the same number of letters the wider one
// gets its room too, though it comes second and other columns would take it.
func TestNamesOfOneLength(t *testing.T) {
	doc := sampleDoc(t, 0)
	long := strings.Repeat("a title that takes what it gets ", 4)
	doc.Registers = []reports.Register{{
		Title:   "Changes",
		Columns: []reports.RegisterColumn{{Title: "Record", Right: true}, {Title: "Title", Weight: 4}, {Title: "By", Weight: 2}, {Title: "Merged by", Weight: 2}},
		Rows:    [][]string{{"1", long, "nil-ill-illil", "nil-ill-illil"}, {"2", long, "mmm-mom[mmow]", "mmm-mom[mmow]"}},
	}}
	n := 0
	for _, p := range extract(t, write(t, doc)) {
		if p.text == "mmm-mom[mmow]" {
			n++
		}
	}
	if n != 2 {
		t.Errorf("the name stands whole %d times, want 2", n)
	}
}

// TestTallRow: a cell taller than a page goes on over pages, nothing is cut.
func TestTallRow(t *testing.T) {
	doc := sampleDoc(t, 1)
	doc.Registers[0].Rows[0][3] = strings.Repeat("wordy ", 5000) + "end-of-cell"
	got := all(extract(t, write(t, doc)))
	if n := strings.Count(got, "wordy"); n != 5000 || !strings.Contains(got, "end-of-cell") {
		t.Errorf("%d of 5000 words in the file", n)
	}
}

// TestEmpty draws a document with next to nothing in it.
func TestEmpty(t *testing.T) {
	tenant := sampleDoc(t, 0).Tenant
	text := all(extract(t, write(t, &reports.PackDoc{Tenant: tenant})))
	for _, want := range []string{"SELECTION", "no control was judged", "No source claims any coverage"} {
		if !strings.Contains(text, want) {
			t.Errorf("an empty document does not say %q", want)
		}
	}
	var b bytes.Buffer
	if err := Write(&b, &reports.PackDoc{}); err == nil || b.Len() > 0 {
		t.Errorf("no tenant: error %v and %d bytes", err, b.Len())
	}
}

// TestStatuses draws each status with hostile text in every field, another in
// each document.
func TestStatuses(t *testing.T) {
	statuses := []evidence.Status{evidence.NotSatisfied, evidence.Satisfied, evidence.Undetermined, evidence.NotObserved, evidence.Stale, evidence.Gap, evidence.NotApplicable, ""}
	for i, s := range statuses {
		n := 2 * i
		next := func() string { n++; return hostile[n%len(hostile)] }
		doc := sampleDoc(t, 1)
		doc.Origin, doc.Purpose, doc.Recipient, doc.Program, doc.Interim = next(), next(), next(), next(), next()
		doc.Maker.Name, doc.Anchor.Says, doc.Anchor.LeavesOpen = next(), next(), next()
		c := &doc.Controls[0]
		c.Status, c.Law, c.Article, c.Title, c.Objective, c.Limits, c.ID = s, next(), next(), next(), next(), next(), evidence.ControlID(next())
		c.Findings[0].Summary, c.Findings[0].Test, c.Findings[0].Failed[0].Label = next(), next(), next()
		doc.Controls = doc.Controls[:1]
		doc.Registers[0].Title, doc.Registers[0].Note, doc.Registers[0].Columns[0].Title = next(), next(), next()
		doc.Changes[0].Summary, doc.Changes[0].Diff = next(), []string{next()}
		doc.Coverage.Rows[0].Source, doc.Coverage.Blind[0].Cause = evidence.SourceID(next()), next()
		for _, p := range extract(t, write(t, doc)) {
			if p.x < left-0.1 || p.x+p.w > right+0.1 {
				t.Fatalf("status %q, document %d: outside the margins: %s", s, i, p)
			}
		}
	}
}

// TestManyControls fills several pages of contents.
func TestManyControls(t *testing.T) {
	doc := sampleDoc(t, 1)
	one := doc.Controls[1]
	for i := range 80 {
		one.ID, one.Title = evidence.ControlID(fmt.Sprintf("c-%d", i)), fmt.Sprintf("Control number %d", i)
		doc.Controls = append(doc.Controls, one)
	}
	on := map[int]int{}
	for _, p := range extract(t, write(t, doc)) {
		if strings.Contains(p.text, "Control number ") {
			on[p.page]++
		}
	}
	if n := on[2] + on[3] + on[4] + on[5] + on[6]; n < 80 {
		t.Errorf("%d of 80 controls in the contents", n)
	}
}

// TestPanic turns a panic below into an error: bounds of the library that the
// escaping would not catch.
func TestPanic(t *testing.T) {
	doc := sampleDoc(t, 1)
	doc.Anchor.Rung = -1
	doc.Controls[0].Findings[0].Population = -5
	write(t, doc)
	_, err := func() (data []byte, err error) {
		defer catch(&data, &err)
		c, err := newCanvas(time.Time{})
		if err != nil {
			return nil, err
		}
		c.newPage()
		c.use(body)
		c.pdf.SplitText("\U0001F680", 10)
		return []byte("x"), nil
	}()
	if err == nil || !strings.Contains(err.Error(), "PDF library") {
		t.Errorf("a panic of the library gives %v", err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriterError(t *testing.T) {
	if err := Write(brokenWriter{}, sampleDoc(t, 1)); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("got %v, want disk full", err)
	}
}

func TestGlyphs(t *testing.T) {
	sets, err := glyphSets()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range "aÄßœŁżΩЖ✓▲◇–…" {
		if !sets[regular].has(r) {
			t.Errorf("%c is said to have no glyph", r)
		}
	}
	for _, r := range "漢か\x00\ufffe\U0001F680" {
		if sets[regular].has(r) {
			t.Errorf("%U is said to have a glyph", r)
		}
	}
	if _, err := readGlyphs([]byte("not a font at all")); err == nil {
		t.Error("no font: no error")
	}
}

func FuzzText(f *testing.F) {
	for _, h := range hostile {
		f.Add(h)
	}
	c, err := newCanvas(time.Time{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c.newPage()
		for _, f := range []font{body, strong, code} {
			for _, line := range c.wrap(f, 40, s) {
				if w := c.measure(f, line); w > 40.01 && len([]rune(line)) > 1 {
					t.Errorf("line %q is %.2f wide", line, w)
				}
				c.putClean(f, left, 50, line)
			}
		}
		if c.pdf.Error() != nil {
			t.Errorf("library: %v", c.pdf.Error())
		}
	})
}

func benchmark(b *testing.B, rows int) {
	doc := sampleDoc(b, rows)
	b.ReportAllocs()
	for b.Loop() {
		var w bytes.Buffer
		if err := Write(&w, doc); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(w.Len()), "bytes")
	}
}

func BenchmarkPack1000Rows(b *testing.B)  { benchmark(b, 1000) }
func BenchmarkPack10000Rows(b *testing.B) { benchmark(b, 10000) }
