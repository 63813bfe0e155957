package store

import (
	"errors"
	"slices"
)

var errNotObject = errors.New("not a JSON object")

// withoutFields returns the JSON object without the named members, in the
// order and spelling in which they stand. The object must be valid JSON
// without white space between its tokens, as every collector's encoder writes
// it; with none named, or none there, it is returned as it is.
func withoutFields(object []byte, names []string) ([]byte, error) {
	if len(names) == 0 {
		return object, nil
	}
	if len(object) < 2 || object[0] != '{' || object[len(object)-1] != '}' {
		return nil, errNotObject
	}
	var out []byte // made with the first member that is left out
	kept := 1      // up to here out has what it keeps
	for i := 1; i < len(object)-1; {
		start := i
		end, err := skipString(object, i)
		if err != nil || end >= len(object) || object[end] != ':' {
			return nil, errNotObject
		}
		name := object[start+1 : end-1]
		if i, err = skipValue(object, end+1); err != nil {
			return nil, err
		}
		if i > len(object)-1 {
			return nil, errNotObject // the value took the closing brace
		}
		if i < len(object)-1 {
			if object[i] != ',' {
				return nil, errNotObject
			}
			i++
		}
		if slices.Contains(names, string(name)) {
			if out == nil {
				out = append(make([]byte, 0, len(object)), '{')
			}
			out = append(out, object[kept:start]...)
			kept = i
		}
	}
	if out == nil {
		return object, nil
	}
	out = append(out, object[kept:len(object)-1]...)
	if n := len(out); out[n-1] == ',' { // the last member was left out
		out = out[:n-1]
	}
	return append(out, '}'), nil
}

// skipString returns the index after the string that begins at i.
func skipString(b []byte, i int) (int, error) {
	if i >= len(b) || b[i] != '"' {
		return 0, errNotObject
	}
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1, nil
		}
	}
	return 0, errNotObject
}

// skipValue returns the index after the value that begins at i.
func skipValue(b []byte, i int) (int, error) {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			end, err := skipString(b, i)
			if err != nil {
				return 0, err
			}
			if i = end; depth == 0 {
				return i, nil
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i, nil // after a number or a word
			}
			if depth--; depth == 0 {
				return i + 1, nil
			}
		case ',':
			if depth == 0 {
				return i, nil
			}
		}
		i++
	}
	return 0, errNotObject
}
