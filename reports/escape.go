package reports

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// hidden reports runes that must not reach a reader as they are: controls (C0,
// DEL, C1), line and paragraph separators, everything that changes direction
// (UAX 9) and everything that has no shape of its own and so can make two
// different texts look the same.
func hidden(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r <= 0x9f:
		return true
	case r == 0x061c, r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f:
		return true
	case r == 0x00ad, r == 0xfeff, r >= 0xfff9 && r <= 0xfffb, r == 0x034f, r == 0x115f, r == 0x1160, r == 0x3164, r == 0xffa0:
		return true
	case r >= 0xe0000 && r <= 0xe0fff: // tags and further selectors
		return true
	}
	return unicode.Is(unicode.Cs, r)
}

// Terminal makes foreign text safe for a terminal: one line, every control,
// direction mark and invisible rune spelled out as \n, \t, \x1b or \u202e, an
// invalid byte as \xff, and the backslash of such a spelling doubled where
// the text already holds one, so that nothing can pretend to be escaped.
func Terminal(s string) string { return spellOut(s, "") }

// spellOut is Terminal, but for the runes in keep, which stay.
func spellOut(s, keep string) string {
	if plainText(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case strings.ContainsRune(keep, r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\\' && spelling(s[i+1:]):
			b.WriteString(`\\`)
		case hidden(r) && r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case hidden(r) && r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		case hidden(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

func spelling(s string) bool {
	return s != "" && strings.IndexByte(`nrtxuU\`, s[0]) >= 0
}

func plainText(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '\\' {
			return false
		}
	}
	return true
}

// CSV makes foreign text safe as a cell that a spreadsheet opens: a text that
// begins with = + - @ (or their full-width forms), tab, carriage return or
// line feed would be run as a formula, so an apostrophe goes before it. A text
// that already begins with an apostrophe gets one too, so that the original
// can be told. Controls other than line ends and tabs are spelled out, because
// people also print such files to a terminal. The quoting of commas and lines
// is the CSV writer's. Numbers of our own do not go through CSV.
func CSV(s string) string {
	s = spellOut(s, "\n\r\t")
	r, _ := utf8.DecodeRuneInString(s)
	switch r {
	case '=', '+', '-', '@', '\t', '\r', '\n', '\'', '＝', '＋', '－', '＠':
		return "'" + s
	}
	return s
}

// PDF makes foreign text safe for a PDF font: has tells whether the font has a
// glyph for a rune of the basic plane. Whatever it lacks, every rune above
// U+FFFF, every control and direction mark stands as [U+1F680], an invalid
// byte as [0xFF]. Line feeds stay (the drawing code breaks lines there), a
// carriage return before one goes, tabs become a space.
func PDF(s string, has func(rune) bool) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, "[0x%02X]", s[i])
		case r == '\n':
			b.WriteByte('\n')
		case r == '\r' && strings.HasPrefix(s[i+1:], "\n"):
		case r == '\t':
			b.WriteByte(' ')
		case hidden(r) || r > 0xffff || !has(r):
			fmt.Fprintf(&b, "[U+%04X]", r)
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

// FirstLine returns the first line of a text, without space around it and at
// most max runes long; a cut shows as an ellipsis. It does not escape.
func FirstLine(text string, max int) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return Shorten(strings.TrimSpace(line), max)
}

// Shorten cuts s to at most max runes, the last an ellipsis when it cut.
func Shorten(s string, max int) string {
	if max <= 0 || utf8.RuneCountInString(s) <= max {
		return s
	}
	rs := []rune(s)
	return strings.TrimRight(string(rs[:max-1]), " ") + "…"
}

// ShortID returns the begin of a git object id (7 digits) or of a digest
// (algorithm and 8 digits), as people say it; anything else whole.
func ShortID(s string) string {
	if alg, hex, ok := strings.Cut(s, ":"); ok && len(hex) >= 32 && isHex(hex) {
		return alg + ":" + hex[:8] + ".."
	}
	if (len(s) == 40 || len(s) == 64) && isHex(s) {
		return s[:7]
	}
	return s
}

// IsCommit reports whether s is a full git object id.
func IsCommit(s string) bool { return (len(s) == 40 || len(s) == 64) && isHex(s) }

func isHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
