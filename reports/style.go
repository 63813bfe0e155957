package reports

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// Style says how text is to be written. The zero value is plain text of 100
// columns with times in UTC.
type Style struct {
	Width  int            // columns; 0 means 100
	Colour bool           // ANSI colours; words say the same without
	Zone   *time.Location // beside UTC; nil for UTC alone
}

// Columns returns the width to write to, never less than 60.
func (s Style) Columns() int {
	switch {
	case s.Width == 0:
		return 100
	case s.Width < 60:
		return 60
	}
	return s.Width
}

// Bold, Dim, Warn and Bad colour text that is already escaped and already says
// in words what the colour stresses.
func (s Style) Bold(t string) string { return s.paint("1", t) }

// Dim is for what may be skipped.
func (s Style) Dim(t string) string { return s.paint("2", t) }

// Warn is for what somebody should look at.
func (s Style) Warn(t string) string { return s.paint("33", t) }

// Bad is for what is wrong.
func (s Style) Bad(t string) string { return s.paint("31", t) }

// Plain leaves text as it is, where a colour could be.
func Plain(t string) string { return t }

func (s Style) paint(code, t string) string {
	if !s.Colour || t == "" {
		return t
	}
	return "\x1b[" + code + "m" + t + "\x1b[0m"
}

// TextWidth returns how many columns of a terminal the escaped text s takes:
// marks that combine none, wide and emoji runes two.
func TextWidth(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me), r == 0x200d, r >= 0xfe00 && r <= 0xfe0f:
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3,
		r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60,
		r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// CutText shortens s to at most n columns, the last an ellipsis when it cut.
func CutText(s string, n int) string {
	if n <= 0 || TextWidth(s) <= n {
		return s
	}
	w := 0
	for i, r := range s {
		if w+runeWidth(r) > n-1 {
			return s[:i] + "…"
		}
		w += runeWidth(r)
	}
	return s
}

// Wrap breaks escaped text into lines of at most width columns, between words
// where it can and inside a word that is longer than a line.
func Wrap(s string, width int) []string {
	var lines []string
	line, w := "", 0
	flush := func() {
		lines = append(lines, line)
		line, w = "", 0
	}
	for _, word := range strings.Fields(s) {
		n := TextWidth(word)
		if w > 0 && w+1+n > width {
			flush()
		}
		if w > 0 {
			line, w = line+" ", w+1
		}
		for n > width-w {
			head := headOf(word, width-w)
			line += head
			word = word[len(head):]
			n -= TextWidth(head)
			flush()
		}
		line, w = line+word, w+n
	}
	if w > 0 || len(lines) == 0 {
		flush()
	}
	return lines
}

// headOf returns the longest begin of s in n columns, one rune at least.
func headOf(s string, n int) string {
	w := 0
	for i, r := range s {
		w += runeWidth(r)
		if w > n && i > 0 {
			return s[:i]
		}
	}
	return s
}

// Headline writes escaped text that opens an answer, each line painted: wrapped
// to a terminal, and on one line where there is none, so that a program which
// takes the first line has the answer.
func (s Style) Headline(w io.Writer, paint func(string) string, text string) error {
	lines := []string{text}
	if s.Width > 0 {
		lines = Wrap(text, s.Columns())
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(w, paint(l)); err != nil {
			return err
		}
	}
	return nil
}

// Paragraph writes escaped text wrapped to the style's width. First begins the
// first line, and as many columns of space each further one.
func (s Style) Paragraph(w io.Writer, first, text string) error {
	return s.paragraph(w, first, Plain, text)
}

func (s Style) paragraph(w io.Writer, first string, paint func(string) string, text string) error {
	indent := TextWidth(first)
	lines := Wrap(text, max(20, s.Columns()-indent))
	var b strings.Builder
	for i, l := range lines {
		if i == 0 {
			b.WriteString(first)
		} else {
			b.WriteString(strings.Repeat(" ", indent))
		}
		b.WriteString(paint(l))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}
