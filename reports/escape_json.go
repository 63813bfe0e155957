package reports

import (
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON returns a writer of JSON documents that people may print to a terminal:
// what must not be shown is spelled out as \u009b or \u202e inside the strings
// where it stands, and a byte that is no UTF-8 as \ufffd. Readers of JSON see
// the same values. (encoding/json escapes C0 alone, and terminals obey C1.) Each
// document must end in an ASCII character, as an encoder's does.
func JSON(w io.Writer) io.Writer { return &jsonWriter{w: w} }

type jsonWriter struct {
	w    io.Writer
	rest []byte // begin of a rune whose end is still to come
}

func (j *jsonWriter) Write(p []byte) (int, error) {
	if len(j.rest) == 0 && shown(p) {
		return j.w.Write(p)
	}
	in := append(j.rest, p...)
	out := make([]byte, 0, len(in)+16)
	for len(in) > 0 && utf8.FullRune(in) {
		r, n := utf8.DecodeRune(in)
		switch {
		case r == utf8.RuneError && n == 1:
			out = append(out, `\ufffd`...)
		case r < 0x7f || !hidden(r): // C0 in JSON is white space between values
			out = append(out, in[:n]...)
		case r > 0xffff:
			a, b := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, a, b)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		in = in[n:]
	}
	j.rest = append([]byte(nil), in...)
	if _, err := j.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// shown reports whether p is plain ASCII.
func shown(p []byte) bool {
	for _, c := range p {
		if c >= 0x7f {
			return false
		}
	}
	return true
}
