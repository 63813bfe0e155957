// Package pdf draws the document of an evidence pack. It is the only importer
// of the PDF library and of the fonts.
//
// Write draws a reports.PackDoc, twice the same document as twice the same
// bytes: the dates in the file are the document's own, the library's tables
// are sorted, and nothing is random. Text is foreign until it is drawn; every
// string goes through reports.PDF with the glyphs that the fonts hold, so a
// rune without a glyph is spelled out instead of vanishing, and none above
// U+FFFF reaches the library, which would panic on it. Should it panic all the
// same, Write returns that as an error.
//
// No text is clipped and none overflows: lines are measured and broken here,
// long words inside, tables across pages with their header repeated. "Page x
// of y" and the contents are drawn last, when the pages are known; no alias is
// used, so evidence that holds one stays as it is.
//
// The file is PDF 1.3 with embedded font subsets. It is not PDF/A.
package pdf

import (
	"bytes"
	"fmt"
	"io"

	"evidenced/reports"
)

// Write draws doc and writes the file to w. Nothing is written unless the
// whole document could be drawn. Errors are those of w, and a defect in doc or
// in the PDF library, as one error.
func Write(w io.Writer, doc *reports.PackDoc) error {
	data, err := draw(doc)
	if err != nil {
		return fmt.Errorf("draw PDF for tenant %s: %w", doc.Tenant, err)
	}
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("write PDF: %w", err)
	}
	return nil
}

func draw(doc *reports.PackDoc) (data []byte, err error) {
	defer catch(&data, &err)
	if doc.Tenant.IsZero() {
		return nil, fmt.Errorf("document names no tenant")
	}
	c, err := newCanvas(doc.Generated)
	if err != nil {
		return nil, err
	}
	p := &pack{canvas: c, doc: doc, law: "\x00", told: map[string]told{}}
	p.info()
	p.pageOne()
	p.contents()
	p.controls()
	p.lawTexts()
	p.incidents()
	p.happened()
	p.registers()
	p.coverage()
	p.loosened()
	p.changes()
	p.custody()
	p.verify()
	p.finish()
	var b bytes.Buffer
	if err := c.pdf.Output(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// catch turns a panic below into an error.
func catch(data *[]byte, err *error) {
	if p := recover(); p != nil {
		*data, *err = nil, fmt.Errorf("PDF library: %v", p)
	}
}

// pack draws one document.
type pack struct {
	*canvas
	doc     *reports.PackDoc
	entries []entry // of the contents, in order
	tocFrom int     // first page kept free for the contents
	tocLen  int     // pages kept free
	law     string  // of the control drawn last
	told    map[string]told
}

// told is where the items of a finding were told: several controls share a
// test, and each of its exceptions is told once.
type told struct {
	article string
	page    int
}

// entry is one line of the contents.
type entry struct {
	level int
	shape string // status shape of a control
	text  string
	page  int
	link  int
	quiet bool // of a law that does not apply yet: no colour of alarm
}

// open turns person tokens in a text into names.
func (p *pack) open(s string) string { return reports.OpenNames(s, p.doc.Names) }
