package evidence

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// maxNesting is how deep encoding/json goes; what it cannot decode is not
// valid here either.
const maxNesting = 10_000

// validObject reports whether b is one JSON object (RFC 8259) in UTF-8, with at
// most white space behind it. It says what json.Valid says of such bytes, in a
// quarter of the time: it runs for every draft of every source.
func validObject(b []byte) bool {
	if len(b) == 0 || b[0] != '{' || !utf8.Valid(b) {
		return false
	}
	i := jsonObject(b, 1, 1)
	return i > 0 && jsonSpace(b, i) == len(b)
}

// The functions below read from index i on and return the index after what they
// read, or -1 when it is not there.

func jsonSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// jsonObject reads on behind the opening brace of an object at the depth.
func jsonObject(b []byte, i, depth int) int {
	if i = jsonSpace(b, i); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i = jsonSpace(b, i); i >= len(b) || b[i] != '"' {
			return -1
		}
		if i = jsonString(b, i+1); i < 0 {
			return -1
		}
		if i = jsonSpace(b, i); i >= len(b) || b[i] != ':' {
			return -1
		}
		if i = jsonValue(b, i+1, depth); i < 0 {
			return -1
		}
		if i = jsonSpace(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case ',':
			i++
		case '}':
			return i + 1
		default:
			return -1
		}
	}
}

func jsonArray(b []byte, i, depth int) int {
	if i = jsonSpace(b, i); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = jsonValue(b, i, depth); i < 0 {
			return -1
		}
		if i = jsonSpace(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case ',':
			i++
		case ']':
			return i + 1
		default:
			return -1
		}
	}
}

// jsonValue reads a value that stands within something of the depth.
func jsonValue(b []byte, i, depth int) int {
	if i = jsonSpace(b, i); i >= len(b) {
		return -1
	}
	switch c := b[i]; c {
	case '"':
		return jsonString(b, i+1)
	case '{', '[':
		if depth == maxNesting {
			return -1
		}
		if c == '{' {
			return jsonObject(b, i+1, depth+1)
		}
		return jsonArray(b, i+1, depth+1)
	case 't':
		return jsonWord(b, i, "true")
	case 'f':
		return jsonWord(b, i, "false")
	case 'n':
		return jsonWord(b, i, "null")
	default:
		return jsonNumber(b, i)
	}
}

func jsonWord(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

const (
	everyByte = 0x0101010101010101
	everyHigh = 0x8080808080808080
)

// jsonString reads on behind the opening quote. It looks at eight bytes at a
// time for a quote, a backslash or a control character. The lowest byte that
// is marked is one of these; above it the subtraction may mark others.
func jsonString(b []byte, i int) int {
	for {
		for ; i+8 <= len(b); i += 8 {
			x := binary.LittleEndian.Uint64(b[i:])
			quote, slash := x^everyByte*'"', x^everyByte*'\\'
			mark := (x - everyByte*0x20) & ^x
			mark |= (quote - everyByte) & ^quote
			mark |= (slash - everyByte) & ^slash
			if mark &= everyHigh; mark != 0 {
				i += bits.TrailingZeros64(mark) / 8
				break
			}
		}
		if i >= len(b) {
			return -1
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < 0x20:
			return -1
		case c == '\\':
			if i = jsonEscape(b, i+1); i < 0 {
				return -1
			}
		default:
			i++
		}
	}
}

func jsonEscape(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if len(b)-i < 5 {
			return -1
		}
		for _, c := range b[i+1 : i+5] {
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return -1
			}
		}
		return i + 5
	}
	return -1
}

func jsonNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if i = jsonDigits(b, i); i < 0 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		if i = jsonDigits(b, i+1); i < 0 {
			return -1
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return jsonDigits(b, i)
	}
	return i
}

// jsonDigits reads one digit and more.
func jsonDigits(b []byte, i int) int {
	begin := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i == begin {
		return -1
	}
	return i
}
