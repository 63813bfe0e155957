package reports_test

import (
	"errors"
	"strings"
	"testing"

	"evidenced/reports"
)

// cutAt takes so many writes and fails the next.
type cutAt struct {
	got  strings.Builder
	left int
}

var errCut = errors.New("cut")

func (c *cutAt) Write(b []byte) (int, error) {
	if c.left--; c.left < 0 {
		return 0, errCut
	}
	return c.got.Write(b)
}

func answer(p *reports.Page) {
	p.Headline("Two of three hold.", true)
	p.Line("as it is \x1b[1mhere\x1b[0m")
	p.Para("  - ", "foreign \x1b[31mred\nwords that are wrapped beside their mark, on as many lines as they need")
	p.PaintedPara("! ", p.Style.Warn, "look")
	t := reports.Table{Columns: []reports.Column{{Title: "A"}, {Title: "B"}}}
	t.Row("1", "2")
	p.Table(&t)
}

func TestPage(t *testing.T) {
	var b strings.Builder
	p := reports.NewPage(&b, reports.Style{Width: 60, Colour: true})
	answer(p)
	if p.Err() != nil {
		t.Fatal(p.Err())
	}
	whole := b.String()
	for _, want := range []string{
		"\x1b[1mTwo of three hold.\x1b[0m\n\x1b[31m", reports.Demonstration[:20], "as it is \x1b[1mhere\x1b[0m\n", "\n  - foreign ", "\n    ", "\n! \x1b[33mlook\x1b[0m\n", "\x1b[2mA  B\x1b[0m\n1  2\n",
	} {
		if !strings.Contains(whole, want) {
			t.Errorf("%q is not in %q", want, whole)
		}
	}
	if strings.Contains(whole, "\x1b[31mred") {
		t.Errorf("foreign text is not escaped: %q", whole)
	}
}

// The first error is kept, and nothing is written after it.
func TestPageCut(t *testing.T) {
	var whole strings.Builder
	answer(reports.NewPage(&whole, reports.Style{}))
	for n := range 6 {
		w := &cutAt{left: n}
		p := reports.NewPage(w, reports.Style{})
		answer(p)
		w.left = 100
		answer(p)
		if !errors.Is(p.Err(), errCut) || !strings.HasPrefix(whole.String(), w.got.String()) || n < 4 && strings.Count(w.got.String(), "\n") != n {
			t.Errorf("after %d writes: %v, %q", n, p.Err(), w.got.String())
		}
	}
}

// A sentence wraps beside what it stands beside, painted or not, and is one line
// where there is no terminal. Spaces stay as they are where it fits.
func TestParagraph(t *testing.T) {
	colour := reports.Style{Width: 50, Colour: true}
	for _, tc := range []struct {
		style             reports.Style
		first, text, want string
	}{
		{reports.Style{}, "why  ", strings.Repeat("because ", 30) + "so", "why  " + strings.Repeat("because ", 30) + "so\n"},
		{reports.Style{Width: 50}, "why  ", strings.Repeat("because ", 6) + "so", "why  because because because because because\n     because so\n"},
		{colour, colour.Bad("why  "), strings.Repeat("because ", 6) + "so", "\x1b[31mwhy  \x1b[0mbecause because because because because\n     because so\n"},
		{reports.Style{Width: 50}, "", "done 1   empty 2", "done 1   empty 2\n"},
		{reports.Style{Width: 20}, "", "no terminal is taken for narrower than fifty", "no terminal is taken for narrower than fifty\n"},
	} {
		var b strings.Builder
		if err := tc.style.Paragraph(&b, tc.first, tc.text); err != nil || b.String() != tc.want {
			t.Errorf("got %q, %v, want %q", b.String(), err, tc.want)
		}
	}
}
