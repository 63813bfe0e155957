package reports

import (
	"strings"
	"unicode/utf8"
)

// DOT makes foreign text a quoted string of the DOT language, quotes included.
// In a label a backslash begins an escape, so each one that is there is
// doubled; what must not be shown is spelled out as for a terminal.
func DOT(s string) string {
	s = Terminal(s)
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
	return `"` + s + `"`
}

// SVG makes foreign text safe as character data or as an attribute's value in
// quotes of an XML document: what must not be shown is spelled out as for a
// terminal, markup is escaped, and the few runes that XML 1.0 has no place for
// become a question mark.
func SVG(s string) string { return SVGShown(Terminal(s)) }

// SVGShown is SVG for text that Terminal has been over already.
func SVGShown(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&#34;")
		case r == '\'':
			b.WriteString("&#39;")
		case r == 0xfffe || r == 0xffff || r == utf8.RuneError || r < ' ':
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// HTML makes foreign text safe as text or as an attribute's value in quotes of
// an HTML document, by the rules of SVG.
func HTML(s string) string { return SVG(s) }
