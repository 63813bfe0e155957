package pdf

import (
	"strings"
	"time"

	"github.com/jung-kurt/gofpdf"

	"evidenced/reports"
)

// The page, in millimetres: A4 with generous margins.
const (
	pageW, pageH = 210.0, 297.0
	left         = 22.0
	right        = pageW - 22.0
	top          = 30.0
	bottom       = pageH - 24.0
	width        = right - left
	ptToMM       = 25.4 / 72
)

// colour is red, green, blue.
type colour [3]int

// The few colours. None says anything that a word or a shape does not.
var (
	ink    = colour{28, 33, 40}
	soft   = colour{96, 104, 114}
	rule   = colour{205, 210, 216}
	wash   = colour{244, 246, 248}
	white  = colour{255, 255, 255}
	accent = colour{38, 70, 110}
	good   = colour{52, 112, 86}
	warn   = colour{168, 104, 16}
	bad    = colour{160, 48, 40}
)

// font is a face at a size in points with a colour and a line height.
type font struct {
	face   face
	size   float64
	colour colour
}

// The fonts of the document.
var (
	body   = font{regular, 9, ink}
	strong = font{bold, 9, ink}
	small  = font{regular, 7.5, soft}
	tiny   = font{regular, 6.5, soft}
	label  = font{bold, 7.5, soft}
	head1  = font{bold, 17, ink}
	head2  = font{bold, 11.5, ink}
	code   = font{mono, 7.5, ink}
)

func (f font) in(c colour) font     { f.colour = c; return f }
func (f font) at(size float64) font { f.size = size; return f }
func (f font) height() float64      { return f.size * ptToMM * 1.38 }
func (f font) ascent() float64      { return f.size * ptToMM * 1.02 }

// canvas is a cursor on pages. y is the top of what is drawn next.
type canvas struct {
	pdf    *gofpdf.Fpdf
	glyphs [faces]glyphs
	widths [faces][]uint16 // of a rune in thousandths, plus one; 0: not measured yet
	now    font
	y      float64
	page   int
	after  func() // draws what each new page begins with, may be nil
}

func newCanvas(made time.Time) (*canvas, error) {
	sets, err := glyphSets()
	if err != nil {
		return nil, err
	}
	c := &canvas{pdf: gofpdf.New("P", "mm", "A4", ""), glyphs: sets}
	c.pdf.SetCatalogSort(true)
	c.pdf.SetCreationDate(made.UTC())
	c.pdf.SetModificationDate(made.UTC())
	c.pdf.SetAutoPageBreak(false, 0)
	c.pdf.SetMargins(left, top, pageW-right)
	for f, file := range fontFiles {
		c.pdf.AddUTF8FontFromBytes(file.family, file.style, file.ttf)
		c.widths[f] = make([]uint16, 1<<16)
	}
	return c, c.pdf.Error()
}

// newPage begins a page and puts the cursor at its top.
func (c *canvas) newPage() {
	c.pdf.AddPage()
	c.page = c.pdf.PageNo()
	c.now = font{}
	c.y = top
	if c.after != nil {
		c.after()
	}
}

// need begins a new page unless h millimetres are left; it reports whether it
// did.
func (c *canvas) need(h float64) bool {
	if c.y+h <= bottom {
		return false
	}
	c.newPage()
	return true
}

func (c *canvas) space(h float64) { c.y += h }

func (c *canvas) use(f font) {
	if c.now == f {
		return
	}
	file := fontFiles[f.face]
	c.pdf.SetFont(file.family, file.style, f.size)
	c.pdf.SetTextColor(f.colour[0], f.colour[1], f.colour[2])
	c.now = f
}

// clean makes text safe for the face.
func (c *canvas) clean(f font, s string) string {
	return reports.PDF(s, c.glyphs[f.face].has)
}

// measure returns the width of clean text in millimetres.
func (c *canvas) measure(f font, s string) float64 {
	n := 0
	for _, r := range s {
		n += c.runeWidth(f, r)
	}
	return float64(n) * f.size * ptToMM / 1000
}

func (c *canvas) runeWidth(f font, r rune) int {
	if r > 0xffff {
		r = 0xfffd
	}
	if w := c.widths[f.face][r]; w != 0 {
		return int(w) - 1
	}
	c.use(f)
	w := c.pdf.GetStringSymbolWidth(string(r))
	c.widths[f.face][r] = uint16(w + 1)
	return w
}

// put draws one line of text with its top at y and returns its width. The
// text must fit; callers wrap or measure first.
func (c *canvas) put(f font, x, y float64, s string) float64 {
	return c.putClean(f, x, y, c.clean(f, strings.ReplaceAll(s, "\n", " ")))
}

func (c *canvas) putClean(f font, x, y float64, s string) float64 {
	if s == "" {
		return 0
	}
	c.use(f)
	c.pdf.Text(x, y+f.ascent(), s)
	return c.measure(f, s)
}

// putRight draws one line that ends at x.
func (c *canvas) putRight(f font, x, y float64, s string) {
	s = c.clean(f, s)
	c.putClean(f, x-c.measure(f, s), y, s)
}

// wrap makes foreign text safe and breaks it into lines of at most w
// millimetres: at line feeds, between words, and inside a word that is longer
// than a line, after a slash, hyphen, dot or colon where there is one.
func (c *canvas) wrap(f font, w float64, s string) []string {
	var lines []string
	for para := range strings.SplitSeq(c.clean(f, s), "\n") {
		lines = append(lines, c.wrapLine(f, w, para)...)
	}
	return lines
}

func (c *canvas) wrapLine(f font, w float64, s string) []string {
	var lines []string
	line, have := "", 0.0
	blank := c.measure(f, " ")
	for _, word := range strings.Fields(s) {
		n := c.measure(f, word)
		if line != "" && have+blank+n > w {
			// A word that fills lines by itself begins on this one.
			if n <= w || have > w*0.6 {
				lines = append(lines, line)
				line, have = "", 0
			}
		}
		if line != "" {
			line, have = line+" ", have+blank
		}
		for n > w-have {
			head := c.fit(f, w-have, word)
			if head == word {
				break
			}
			lines = append(lines, line+head)
			word, line, have = word[len(head):], "", 0
			n -= c.measure(f, head)
		}
		line, have = line+word, have+n
	}
	return append(lines, line)
}

// fit returns the longest begin of a word that is at most w wide, one rune at
// least, cut after a mark where people expect a break if one is near.
func (c *canvas) fit(f font, w float64, word string) string {
	limit := int(w * 1000 / (f.size * ptToMM))
	n, mark := 0, 0
	for i, r := range word {
		n += c.runeWidth(f, r)
		if n > limit && i > 0 {
			if mark > i*2/3 {
				return word[:mark]
			}
			return word[:i]
		}
		if strings.ContainsRune("/-.:_,@", r) {
			mark = i + len(string(r))
		}
	}
	return word
}

// text draws wrapped text in a column and moves the cursor below it, over page
// breaks where needed.
func (c *canvas) text(f font, x, w float64, s string) {
	for _, line := range c.wrap(f, w, s) {
		c.need(f.height())
		c.putClean(f, x, c.y, line)
		c.y += f.height()
	}
}

// para draws text over the whole width with a gap below.
func (c *canvas) para(f font, s string) {
	c.text(f, left, width, s)
	c.space(2)
}

func (c *canvas) stroke(col colour, w float64) {
	c.pdf.SetDrawColor(col[0], col[1], col[2])
	c.pdf.SetLineWidth(w)
}

func (c *canvas) line(x1, y1, x2, y2 float64) { c.pdf.Line(x1, y1, x2, y2) }

// hline draws a thin rule over the width at the cursor.
func (c *canvas) hline() {
	c.stroke(rule, 0.2)
	c.line(left, c.y, right, c.y)
}

// fill draws a filled box. Filling does not change the text's colour, but the
// library compares the two, so the font is selected anew.
func (c *canvas) fill(col colour, x, y, w, h float64) {
	if w <= 0 {
		return
	}
	c.pdf.SetFillColor(col[0], col[1], col[2])
	c.pdf.Rect(x, y, w, h, "F")
	c.now = font{}
}

func (c *canvas) box(col colour, lw, x, y, w, h float64) {
	c.stroke(col, lw)
	c.pdf.Rect(x, y, w, h, "D")
}

// hatch fills a box with slanted lines.
func (c *canvas) hatch(col colour, x, y, w, h, step float64) {
	if w <= 0 {
		return
	}
	c.stroke(col, 0.22)
	for d := step / 2; d < w+h; d += step {
		x1, y1 := x+d, y
		if x1 > x+w {
			y1 += x1 - (x + w)
			x1 = x + w
		}
		x2, y2 := x, y+d
		if y2 > y+h {
			x2 += y2 - (y + h)
			y2 = y + h
		}
		c.line(x1, y1, x2, y2)
	}
}
