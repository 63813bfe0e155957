package reports

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Style says how text is to be written. The zero value is plain text for a file
// or a pipe with times in UTC.
type Style struct {
	Width  int            // columns of the terminal; 0: there is none, and no sentence and no row is wrapped
	Colour bool           // ANSI colours; words say the same without
	Zone   *time.Location // beside UTC; nil for UTC alone
}

// Columns returns the width to draw to: never less than 50, and 100 where there
// is no terminal.
func (s Style) Columns() int {
	switch {
	case s.Width == 0:
		return 100
	case s.Width < 50:
		return 50
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

// unpainted returns t without the colours that a style gave it.
func unpainted(t string) string {
	before, rest, _ := strings.Cut(t, "\x1b[")
	_, after, painted := strings.Cut(rest, "m")
	if !painted {
		return t
	}
	return before + unpainted(after)
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

// Paragraph writes escaped text wrapped to a terminal, and on one line where
// there is none. First begins the first line, and as many columns of space each
// further one.
func (s Style) Paragraph(w io.Writer, first, text string) error {
	return s.paragraph(w, first, Plain, text)
}

func (s Style) paragraph(w io.Writer, first string, paint func(string) string, text string) error {
	indent := TextWidth(unpainted(first))
	lines := []string{text}
	if room := max(20, s.Columns()-indent); s.Width > 0 && TextWidth(text) > room {
		lines = Wrap(text, room)
	}
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
