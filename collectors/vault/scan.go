package vault

import (
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep an audit line may nest; real ones stay below ten.
const maxDepth = 200

// scan reads one JSON text without building values. It accepts what RFC 8259
// accepts, and bytes that are not UTF-8 inside strings, which are kept as they
// are. The first error sticks: every later call returns zero values.
type scan struct {
	b     []byte
	i     int
	depth int
	fresh bool // an object or array was just entered
	err   error
}

var errCut = errors.New("the line ends inside a value")

func (s *scan) fail(what string) {
	if s.err != nil {
		return
	}
	if s.i >= len(s.b) {
		s.err = errCut
		return
	}
	s.err = fmt.Errorf("byte %d: %s", s.i, what)
}

func (s *scan) ws() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// peek returns the first byte of the next value, 0 at the end.
func (s *scan) peek() byte {
	s.ws()
	if s.err != nil || s.i >= len(s.b) {
		return 0
	}
	return s.b[s.i]
}

// end reports an error unless nothing but white space is left.
func (s *scan) end() error {
	s.ws()
	if s.err == nil && s.i != len(s.b) {
		s.fail("text after the value")
	}
	return s.err
}

// enter goes into the object or array that begins with open. Any other value
// is skipped and false is returned.
func (s *scan) enter(open byte) bool {
	if s.peek() != open {
		s.skip()
		return false
	}
	if s.depth++; s.depth > maxDepth {
		s.fail("nested too deep")
		return false
	}
	s.i++
	s.fresh = true
	return true
}

// next moves to the next member of an object or array that ends with last;
// false at its end.
func (s *scan) next(last byte) bool {
	c := s.peek()
	if c == last {
		s.i++
		s.depth--
		s.fresh = false
		return false
	}
	if !s.fresh {
		if c != ',' {
			s.fail("no comma or end where one must stand")
			return false
		}
		s.i++
		s.ws()
	}
	s.fresh = false
	return s.err == nil
}

// key returns the next key of an object with the colon eaten; false at the
// end.
func (s *scan) key() ([]byte, bool) {
	if !s.next('}') {
		return nil, false
	}
	if s.peek() != '"' {
		s.fail("no key where one must stand")
		return nil, false
	}
	k := s.str()
	if s.peek() != ':' {
		s.fail("no colon after a key")
		return nil, false
	}
	s.i++
	return k, s.err == nil
}

// text returns the string that follows; another value is skipped and nil
// returned. The bytes are a view into the line unless it holds escapes.
func (s *scan) text() []byte {
	if s.peek() != '"' {
		s.skip()
		return nil
	}
	return s.str()
}

func (s *scan) str() []byte {
	s.i++
	from := s.i
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			v := s.b[from:s.i:s.i]
			s.i++
			return v
		case c == '\\':
			return s.unescape(from)
		case c < ' ':
			s.fail("control character in a string")
			return nil
		}
		s.i++
	}
	s.fail("")
	return nil
}

func (s *scan) unescape(from int) []byte {
	out := append(make([]byte, 0, s.i-from+32), s.b[from:s.i]...)
	for s.i < len(s.b) {
		c := s.b[s.i]
		switch {
		case c == '"':
			s.i++
			return out
		case c < ' ':
			s.fail("control character in a string")
			return nil
		case c != '\\':
			out = append(out, c)
			s.i++
			continue
		}
		if s.i++; s.i >= len(s.b) {
			break
		}
		c = s.b[s.i]
		s.i++
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := s.hex4()
			if utf16.IsSurrogate(r) {
				r = s.surrogate(r)
			}
			out = utf8.AppendRune(out, r)
		default:
			s.i--
			s.fail("unknown escape")
		}
		if s.err != nil {
			return nil
		}
	}
	s.fail("")
	return nil
}

// surrogate reads the second half of a pair; a lone half is the replacement
// character, as in encoding/json.
func (s *scan) surrogate(hi rune) rune {
	if s.i+6 <= len(s.b) && s.b[s.i] == '\\' && s.b[s.i+1] == 'u' {
		mark := s.i
		s.i += 2
		if r := utf16.DecodeRune(hi, s.hex4()); r != utf8.RuneError {
			return r
		}
		s.i = mark
	}
	return utf8.RuneError
}

func (s *scan) hex4() rune {
	var r rune
	for range 4 {
		if s.i >= len(s.b) {
			s.fail("")
			return 0
		}
		c := s.b[s.i]
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			s.fail("bad \\u escape")
			return 0
		}
		s.i++
	}
	return r
}

// number returns a non-negative integer of up to nine digits; any other value
// is skipped and gives -1.
func (s *scan) number() int {
	s.ws()
	from := s.i
	s.skip()
	if s.err != nil || s.i-from > 9 {
		return -1
	}
	n := 0
	for _, c := range s.b[from:s.i] {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// skip passes over one value and checks its grammar.
func (s *scan) skip() {
	switch c := s.peek(); {
	case s.err != nil:
	case c == '"':
		s.skipString()
	case c == '{':
		if s.enter('{') {
			for _, ok := s.key(); ok; _, ok = s.key() {
				s.skip()
			}
		}
	case c == '[':
		if s.enter('[') {
			for s.next(']') {
				s.skip()
			}
		}
	case c == 't':
		s.literal("true")
	case c == 'f':
		s.literal("false")
	case c == 'n':
		s.literal("null")
	case c == '-' || '0' <= c && c <= '9':
		s.skipNumber()
	default:
		s.fail("no value where one must stand")
	}
}

func (s *scan) skipString() {
	for i := s.i + 1; i < len(s.b); i++ {
		switch c := s.b[i]; {
		case c == '"':
			s.i = i + 1
			return
		case c == '\\' || c < ' ':
			s.str() // the slow way, with all checks
			return
		}
	}
	s.i = len(s.b)
	s.fail("")
}

func (s *scan) literal(want string) {
	if len(s.b)-s.i < len(want) || string(s.b[s.i:s.i+len(want)]) != want {
		s.fail("unknown literal")
		return
	}
	s.i += len(want)
}

func (s *scan) digits() bool {
	from := s.i
	for s.i < len(s.b) && '0' <= s.b[s.i] && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i > from
}

func (s *scan) skipNumber() {
	if s.b[s.i] == '-' {
		s.i++
	}
	ok := true
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else {
		ok = s.digits()
	}
	if ok && s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		ok = s.digits()
	}
	if ok && s.i < len(s.b) && (s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		ok = s.digits()
	}
	if !ok {
		s.fail("bad number")
	}
}
