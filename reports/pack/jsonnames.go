package pack

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// encoding/json takes the last of two equal names and matches names in any
// case, and others take the first, or match exactly: one member would say two
// things, and which of them was verified would depend on the reader. So no name
// stands twice in an object, not in another case either, and names are written in
// ASCII, of which everybody knows what is the same in another case, and without
// escapes. Half of a surrogate pair, which one reader replaces and another keeps or
// refuses, stands in no string, and no number is -0.

// An element of two bytes can become one of hundreds in memory, and so can a
// name.
const (
	maxElements = 1 << 20 // of the arrays of a member together
	fewElements = 1 << 17 // of a member that holds no long lists
	maxNames    = 1 << 16 // of one object
)

// elementsIn is how many elements the arrays of a member may have together.
func elementsIn(name string) int {
	switch name {
	case memberFindings, memberCoverage, memberClaims, memberEarlier:
		return maxElements
	}
	return fewElements
}

// maxDepth is how deep a member nests.
const maxDepth = 64

// frame is an object or array that the walk stands in.
type frame struct {
	object bool
	count  int             // of its names
	names  [][]byte        // of an object, while there are few
	many   map[string]bool // of an object, folded, when there are many
}

// fewNames is how many names are compared one by one.
const fewNames = 16

// add notes a name; false says that it was there.
func (f *frame) add(name []byte) bool {
	if f.many == nil && len(f.names) < fewNames {
		for _, n := range f.names {
			if bytes.EqualFold(n, name) {
				return false
			}
		}
		f.names = append(f.names, name)
		return true
	}
	if f.many == nil {
		f.many = map[string]bool{}
		for _, n := range f.names {
			f.many[folded(n)] = true
		}
	}
	key := folded(name)
	if f.many[key] {
		return false
	}
	f.many[key] = true
	return true
}

func folded(b []byte) string { return strings.ToLower(string(b)) }

// checkNames refuses JSON that two readers could take for two things, and JSON
// that is small in a file and large in memory: with more elements in its arrays
// than most, or more names in an object than maxNames. Syntax is the decoder's to
// check: of what is no JSON at all this says nothing. With plain, a name is of
// a-z, 0-9 and _.-/ alone, as all that packs define are. It counts the elements.
func checkNames(b []byte, plain bool, most int) (elements int, err error) {
	if !utf8.Valid(b) {
		return 0, fmt.Errorf("text that is not UTF-8")
	}
	var stack []frame
	name := false // a string here is a name
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			if len(stack) == maxDepth {
				return 0, fmt.Errorf("nested more than %d deep", maxDepth)
			}
			name = b[i] == '{'
			stack = append(stack, frame{object: name})
			if !name {
				elements++
			}
		case '}', ']':
			if len(stack) == 0 {
				return elements, nil
			}
			stack, name = stack[:len(stack)-1], false
		case ',':
			if len(stack) == 0 {
				return elements, nil
			}
			if name = stack[len(stack)-1].object; !name {
				elements++
			}
		case '"':
			end := stringEnd(b, i+1)
			if end < 0 {
				return elements, nil
			}
			if halfPair(b[i+1 : end]) {
				return 0, fmt.Errorf("a string with half of a surrogate pair")
			}
			if name {
				if err := noteName(&stack[len(stack)-1], b[i+1:end], plain); err != nil {
					return 0, err
				}
				name = false
			}
			i = end
		case '-':
			if minusZero(b, i) {
				return 0, fmt.Errorf("a number that is written as -0")
			}
		}
		if elements > most {
			return 0, fmt.Errorf("more than %d elements", most)
		}
	}
	return elements, nil
}

// minusZero reports whether the sign at i begins the whole number -0, which is none
// to a reader that expects no sign. That of an exponent begins no number.
func minusZero(b []byte, i int) bool {
	if i > 0 && (b[i-1] == 'e' || b[i-1] == 'E') {
		return false
	}
	b = b[i:]
	return len(b) > 1 && b[1] == '0' && (len(b) == 2 || b[2] != '.' && b[2] != 'e' && b[2] != 'E')
}

// maxContentDepth is how deep the content of a record nests at most: readers in
// other languages end at some depth.
const maxContentDepth = 512

// checkTop is [checkNames] for the names of an object alone, and not for what
// stands in its values.
func checkTop(b []byte) error {
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) == 0 || t[0] != '{' {
		return fmt.Errorf("no object")
	}
	var top frame
	depth, name := 0, false
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			if depth++; depth > maxContentDepth {
				return fmt.Errorf("nested more than %d deep", maxContentDepth)
			}
			name = depth == 1
		case '}', ']':
			depth--
		case ',':
			name = depth == 1
		case '"':
			end := stringEnd(b, i+1)
			if end < 0 {
				return nil
			}
			if name {
				if err := noteName(&top, b[i+1:end], true); err != nil {
					return err
				}
				name = false
			}
			i = end
		}
	}
	return nil
}

func noteName(f *frame, name []byte, plain bool) error {
	if !asciiName(name) || plain && !plainName(name) {
		return fmt.Errorf("name %q is not written as it must be", name)
	}
	if !f.add(name) {
		return fmt.Errorf("name %q stands twice in one object", name)
	}
	if f.count++; f.count > maxNames {
		return fmt.Errorf("an object of more than %d names", maxNames)
	}
	return nil
}

func asciiName(name []byte) bool {
	for _, c := range name {
		if c < ' ' || c > '~' || c == '\\' {
			return false
		}
	}
	return true
}

// halfPair reports whether a string, as it is written, has an escape for one half
// of a surrogate pair without the other.
func halfPair(s []byte) bool {
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			return false
		}
		first := surrogate(s[i:])
		switch {
		case first < 0:
			s = s[i+2:]
		case first >= 0xdc00 || surrogate(s[i+6:]) < 0xdc00:
			return true
		default:
			s = s[i+12:]
		}
	}
}

// surrogate returns the half that the escape at the begin of s stands for, -1 when
// it is none.
func surrogate(s []byte) int64 {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(s[2:6]), 16, 16)
	if err != nil || n < 0xd800 || n > 0xdfff {
		return -1
	}
	return int64(n)
}

func plainName(name []byte) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("_.-/", rune(c)) {
			return false
		}
	}
	return true
}

// stringEnd returns the index of the quote that ends the string which begins at
// i, or -1.
func stringEnd(b []byte, i int) int {
	for i < len(b) {
		n := bytes.IndexAny(b[i:], `"\`)
		if n < 0 {
			return -1
		}
		if i += n; b[i] == '"' {
			return i
		}
		i += 2
	}
	return -1
}
