package pdf

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"

	"evidenced/reports"
)

// Form draws a document of numbered fields and writes the file to w. Nothing
// is written unless the whole document could be drawn.
func Form(w io.Writer, doc *reports.FormDoc) error {
	data, err := drawForm(doc)
	if err != nil {
		return fmt.Errorf("draw PDF of %s: %w", doc.Title, err)
	}
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("write PDF: %w", err)
	}
	return nil
}

func drawForm(doc *reports.FormDoc) (data []byte, err error) {
	defer catch(&data, &err)
	c, err := newCanvas(doc.Generated)
	if err != nil {
		return nil, err
	}
	f := &form{canvas: c, doc: doc}
	clean := func(s string) string { return f.clean(body, s) }
	c.pdf.SetTitle(clean(doc.Title), true)
	c.pdf.SetCreator(clean(doc.Program), true)
	c.pdf.SetProducer(clean(doc.Program), true)
	c.pdf.SetKeywords(clean(strings.Join(doc.Marks, " ")), true)
	f.opening()
	for _, g := range doc.Groups {
		f.group(g)
	}
	c.frame(doc.Owner, doc.Title, doc.Marks, doc.Foot)
	var b bytes.Buffer
	if err := c.pdf.Output(&b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

type form struct {
	*canvas
	doc *reports.FormDoc
}

// Columns of a field: number, name, value.
const (
	formNumber = 15.0
	formName   = 52.0
	formValue  = width - formNumber - formName
)

func (f *form) opening() {
	f.newPage()
	f.text(head1, left, width, f.doc.Title)
	f.space(2)
	f.para(body.in(soft), f.doc.Lead)
	f.space(2)
	for _, x := range f.doc.Facts {
		lines := f.wrap(body, width-formNumber-formName+14, x[1])
		f.put(small.at(8), left, f.y+0.2, x[0])
		for _, l := range lines {
			f.need(body.height())
			f.putClean(body, left+formName, f.y, l)
			f.y += body.height()
		}
	}
	f.space(3)
	open := 0
	for _, g := range f.doc.Groups {
		for _, r := range g.Rows {
			if r.Open != "" {
				open++
			}
		}
	}
	if open > 0 {
		f.remark(warn, reports.Count(open, "field")+" open", "They are marked OPEN below, each with why it is needed. Nothing stands in for them.")
	}
	for _, c := range f.doc.Checks {
		col, word := warn, "Warning"
		if c.Bad {
			col, word = bad, "Error"
		}
		f.remark(col, word+" at "+c.Number, c.Says)
	}
}

// remark draws a framed note with a bar at its left.
func (f *form) remark(col colour, title, says string) {
	const pad = 2.2
	lines := f.wrap(body, width-2*pad-2, says)
	h := 2*pad + strong.height() + float64(len(lines))*body.height()
	f.need(h)
	f.fill(wash, left, f.y, width, h)
	f.fill(col, left, f.y, 1.2, h)
	y := f.y + pad
	f.put(strong.in(col), left+pad+1.5, y, title)
	y += strong.height()
	for _, l := range lines {
		f.putClean(body, left+pad+1.5, y, l)
		y += body.height()
	}
	f.y += h + 2
}

func (f *form) group(g reports.FormGroup) {
	f.space(3)
	f.need(head2.height() + 22)
	f.text(head2, left, width, g.Title)
	f.space(1.5)
	f.hline()
	for _, r := range g.Rows {
		f.row(r)
	}
}

// row draws a field. A long value goes on over pages; its number stands where
// it begins.
func (f *form) row(r reports.FormRow) {
	vf, value := body, r.Value
	if value == "" && r.Open != "" {
		vf, value = strong.in(warn), "OPEN: "+r.Open
	}
	if value == "" {
		vf, value = body.in(soft), cmp.Or(r.Why, "not asked for here, or does not apply")
	}
	values := f.wrap(vf, formValue, value)
	from := []string{}
	if r.From != "" {
		from = f.wrap(tiny, formValue, r.From)
	}
	names := f.wrap(body.in(soft), formName-3, r.Name)
	f.need(min(float64(max(len(values), len(names)))*body.height()+float64(len(from))*tiny.height()+2, 60))
	f.space(0.9)
	f.put(strong, left, f.y, r.Number)
	y, page := f.y, f.page
	for i, l := range names {
		f.putClean(body.in(soft), left+formNumber, y+float64(i)*body.height(), l)
	}
	for _, l := range values {
		f.need(body.height())
		f.putClean(vf, left+formNumber+formName, f.y, l)
		f.y += body.height()
	}
	for _, l := range from {
		f.need(tiny.height())
		f.putClean(tiny, left+formNumber+formName, f.y, l)
		f.y += tiny.height()
	}
	if f.page == page {
		f.y = max(f.y, y+float64(len(names))*body.height())
	}
	f.space(0.9)
	f.stroke(rule, 0.12)
	f.line(left, f.y, right, f.y)
}
