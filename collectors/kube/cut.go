package kube

import (
	"encoding/json"
	"errors"
	"evidenced/evidence/pointer"
	"fmt"
	"slices"
	"strings"
)

// always is what is taken out of every object: managed fields are who wrote
// which field, as large as the object itself and no proof of a person; what
// kubectl keeps of the applied file repeats the object, and with it whatever
// else had to be removed.
var always = []string{
	"/metadata/managedFields",
	"/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration",
}

// cutter takes members out of an object's bytes and leaves every other byte as
// it is. Each node holds what lies below one segment of the pointers.
type cutter struct {
	whole string             // the pointer that ends here: the member goes
	by    map[string]*cutter // by unescaped segment
	any   *cutter            // below the segment *
}

// parseCuts reads JSON pointers (RFC 6901) whose segments may be *. A pointer
// ends in the name of a member, so that no element of an array changes place.
func parseCuts(pointers []string) (*cutter, error) {
	root := &cutter{}
	for _, p := range slices.Concat(always, pointers) {
		if !strings.HasPrefix(p, "/") || strings.HasSuffix(p, "/*") || strings.HasSuffix(p, "/") {
			return nil, fmt.Errorf("pointer %q does not lead from / to the name of a member", p)
		}
		at := root
		for _, seg := range pointer.Split(p) {
			at = at.add(seg)
		}
		at.whole = p
	}
	return root, nil
}

func (c *cutter) add(seg string) *cutter {
	if seg == "*" {
		if c.any == nil {
			c.any = &cutter{}
		}
		return c.any
	}
	if c.by == nil {
		c.by = map[string]*cutter{}
	}
	if c.by[seg] == nil {
		c.by[seg] = &cutter{}
	}
	return c.by[seg]
}

// below returns the nodes for a member or element of the given name.
func below(nodes []*cutter, name string) (next []*cutter) {
	for _, n := range nodes {
		if c := n.by[name]; c != nil {
			next = append(next, c)
		}
		if n.any != nil {
			next = append(next, n.any)
		}
	}
	return next
}

// errForm is the error for bytes that are JSON but no object as the API server
// writes them.
var errForm = errors.New("object has a member twice or is no object")

// cut returns raw, which is valid JSON, without the members, and the pointers
// that took something out, in order of their text. An object that names a
// member twice on the way is refused: what one reader sees another would not.
func (c *cutter) cut(raw []byte) ([]byte, []string, error) {
	w := &cutting{raw: raw}
	end, err := w.value(skipSpace(raw, 0), []*cutter{c})
	if err != nil {
		return nil, nil, err
	}
	if len(w.ranges) == 0 {
		return raw, nil, nil
	}
	out := make([]byte, 0, len(raw))
	from := 0
	for _, r := range w.ranges {
		out = append(out, raw[from:r[0]]...)
		from = r[1]
	}
	out = append(out, raw[from:end]...)
	slices.Sort(w.took)
	return out, slices.Compact(w.took), nil
}

// cutting is one object on its way through a cutter.
type cutting struct {
	raw    []byte
	ranges [][2]int // to leave out, in order
	took   []string
}

// value walks the value that begins at i and returns where it ends.
func (w *cutting) value(i int, nodes []*cutter) (int, error) {
	if i >= len(w.raw) {
		return 0, errForm
	}
	switch {
	case len(nodes) > 0 && w.raw[i] == '{':
		return w.object(i, nodes)
	case len(nodes) > 0 && w.raw[i] == '[':
		return w.array(i, nodes)
	}
	return skipValue(w.raw, i), nil
}

func (w *cutting) object(i int, nodes []*cutter) (int, error) {
	i = skipSpace(w.raw, i+1)
	kept := i // end of the last member that stays, or of the opening brace
	seen := map[string]bool{}
	for i < len(w.raw) && w.raw[i] == '"' {
		begin := i
		i = skipString(w.raw, i)
		name, err := unquote(w.raw[begin:i])
		if err != nil || seen[name] {
			return 0, errForm
		}
		seen[name] = true
		i = skipSpace(w.raw, i)
		if i >= len(w.raw) || w.raw[i] != ':' {
			return 0, errForm
		}
		next := below(nodes, name)
		gone := slices.IndexFunc(next, func(c *cutter) bool { return c.whole != "" })
		if gone >= 0 {
			w.took = append(w.took, next[gone].whole)
			next = nil
		}
		if i, err = w.value(skipSpace(w.raw, i+1), next); err != nil {
			return 0, err
		}
		end := i
		i = skipSpace(w.raw, i)
		more := i < len(w.raw) && w.raw[i] == ','
		if more {
			i = skipSpace(w.raw, i+1)
		}
		switch {
		case gone < 0:
			kept = end
		case more:
			w.leaveOut(begin, i)
		default:
			w.leaveOut(kept, end) // with the comma before it
		}
	}
	if i >= len(w.raw) || w.raw[i] != '}' {
		return 0, errForm
	}
	return i + 1, nil
}

// leaveOut adds a range; one that reaches back over earlier ones takes them in.
func (w *cutting) leaveOut(from, to int) {
	for n := len(w.ranges); n > 0 && w.ranges[n-1][0] >= from; n-- {
		w.ranges = w.ranges[:n-1]
	}
	w.ranges = append(w.ranges, [2]int{from, to})
}

func (w *cutting) array(i int, nodes []*cutter) (int, error) {
	// The segment * is all that pointers may say of an element.
	next := below(nodes, "")
	i = skipSpace(w.raw, i+1)
	for i < len(w.raw) && w.raw[i] != ']' {
		var err error
		if i, err = w.value(i, next); err != nil {
			return 0, err
		}
		i = skipSpace(w.raw, i)
		if i < len(w.raw) && w.raw[i] == ',' {
			i = skipSpace(w.raw, i+1)
		}
	}
	return i + 1, nil
}

// top returns the values of three members of the object itself, by their exact
// names: the decoder of the standard library would also take "Metadata" for
// "metadata", and with it a namespace that the server never checked.
func top(raw []byte) (apiVersion, kind, meta []byte, err error) {
	i := skipSpace(raw, 0)
	if i >= len(raw) || raw[i] != '{' {
		return nil, nil, nil, errForm
	}
	i = skipSpace(raw, i+1)
	for i < len(raw) && raw[i] == '"' {
		begin := i
		i = skipString(raw, i)
		name := raw[begin:i]
		i = skipSpace(raw, i)
		if i >= len(raw) || raw[i] != ':' {
			return nil, nil, nil, errForm
		}
		i = skipSpace(raw, i+1)
		from := i
		i = skipValue(raw, i)
		switch string(name) {
		case `"apiVersion"`:
			apiVersion = raw[from:i]
		case `"kind"`:
			kind = raw[from:i]
		case `"metadata"`:
			meta = raw[from:i]
		}
		i = skipSpace(raw, i)
		if i < len(raw) && raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
	}
	return apiVersion, kind, meta, nil
}

// The functions below step over parts of valid JSON; on anything else they end
// within raw and the caller finds another byte than it needs.

func skipSpace(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index behind the string that begins at i.
func skipString(raw []byte, i int) int {
	for i++; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}

// skipValue returns the index behind the value that begins at i.
func skipValue(raw []byte, i int) int {
	depth := 0
	for i < len(raw) {
		switch raw[i] {
		case '"':
			i = skipString(raw, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		default:
			if depth > 0 {
				i++
				continue
			}
			for i < len(raw) && !strings.ContainsRune(",}] \n\t\r", rune(raw[i])) {
				i++
			}
		}
		if depth <= 0 {
			return i
		}
	}
	return i
}

// unquote reads a member's name.
func unquote(b []byte) (string, error) {
	if len(b) < 2 {
		return "", errForm
	}
	if !slices.Contains(b, '\\') {
		return string(b[1 : len(b)-1]), nil
	}
	var s string
	err := json.Unmarshal(b, &s)
	return s, err
}
