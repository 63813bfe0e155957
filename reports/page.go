package reports

import (
	"fmt"
	"io"
)

// Page writes an answer for people, part by part. It keeps the first error and
// writes nothing after it.
type Page struct {
	Style Style
	w     io.Writer
	err   error
}

// NewPage begins a page on w.
func NewPage(w io.Writer, style Style) *Page { return &Page{Style: style, w: w} }

// Err returns the first error.
func (p *Page) Err() error { return p.err }

// Line writes escaped text as it is, on a line of its own.
func (p *Page) Line(text string) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, text)
	}
}

// Head writes escaped text that opens an answer, see [Style.Headline].
func (p *Page) Head(paint func(string) string, text string) {
	if p.err == nil {
		p.err = p.Style.Headline(p.w, paint, text)
	}
}

// Headline opens an answer with what it says, and tells when it is about a
// demonstration's data.
func (p *Page) Headline(text string, demo bool) {
	p.Head(p.Style.Bold, text)
	if demo {
		p.Head(p.Style.Bad, Demonstration)
	}
}

// Sentence is Headline for a sentence that may hold foreign words, which are
// escaped here, in the colour given.
func (p *Page) Sentence(paint func(string) string, text string, demo bool) {
	p.PaintedPara("", paint, text)
	if demo {
		p.PaintedPara("", p.Style.Bad, Demonstration)
	}
}

// Para writes foreign or own text, which is escaped here, wrapped beside first,
// which is own text that may be painted; see [Style.Paragraph].
func (p *Page) Para(first, text string) { p.PaintedPara(first, Plain, text) }

// PaintedPara is Para with each line of the text painted.
func (p *Page) PaintedPara(first string, paint func(string) string, text string) {
	if p.err == nil {
		p.err = p.Style.paragraph(p.w, first, paint, Terminal(text))
	}
}

// Table writes a table; of one without rows its titles.
func (p *Page) Table(t *Table) {
	if p.err == nil {
		p.err = t.Write(p.w, p.Style)
	}
}
