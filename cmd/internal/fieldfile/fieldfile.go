// Package fieldfile reads the fields of an incident from a file that a person
// wrote, in YAML or JSON, into the JSON that the record takes.
//
// YAML reads more into a text than stands there: no becomes false, a date loses
// its zone, an alias repeats what stands elsewhere. Here a value is a number,
// true, false or null only where it is written as JSON writes it; a time is the
// text that was typed; anchors, aliases, merge keys, tags, second documents and
// names that come twice are refused. What a field takes is decided by its type,
// see evidence/incident.
//
// A file that is JSON is read as JSON: YAML takes most of it, but not an escaped
// character beyond the first plane, and folds what it takes for a line end.
package fieldfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"evidenced/evidence/problem"
)

// Limits on a file.
const (
	MaxFile  = 1 << 20 // bytes
	maxDepth = 16
)

// Parse reads one document. The name stands in errors, with the line.
func Parse(name string, data []byte) (json.RawMessage, error) {
	text, err := read(data)
	if err != nil {
		return nil, problem.Wrap(problem.Usage, err, "cannot read the fields in %s", name).
			WithHint("write groups of fields, such as\n  times:\n    detected: 2026-12-18T18:20:00+01:00\n  nature:\n    types: [cybersecurity-related]")
	}
	return text, nil
}

func read(data []byte) (json.RawMessage, error) {
	switch {
	case len(data) > MaxFile:
		return nil, fmt.Errorf("file of %d bytes, at most %d", len(data), MaxFile)
	case !utf8.Valid(data):
		return nil, fmt.Errorf("file is not UTF-8")
	case json.Valid(data):
		return readJSON(data)
	}
	v, err := parse(data)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// readJSON leaves the document as it is, but for space. Whether a name comes
// twice, and what it nests, is asked where fields are read.
func readJSON(data []byte) (json.RawMessage, error) {
	if data[bytes.IndexFunc(data, func(r rune) bool { return r != ' ' && r != '\t' && r != '\r' && r != '\n' })] != '{' {
		return nil, fmt.Errorf("want an object of names with values")
	}
	if line := halfCharacter(data); line > 0 {
		return nil, fmt.Errorf("line %d: half of an escaped character: one beyond \\uffff is written as two escapes", line)
	}
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// escapes finds the escapes of a JSON text; the lone halves among them would be
// read as another character.
var escapes = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.`)

// halfCharacter returns the line of the first escape of half a character; 0
// when there is none.
func halfCharacter(data []byte) int {
	for _, at := range escapes.FindAllIndex(data, -1) {
		if n := at[1] - at[0]; n == len(`\uXXXX`) {
			return 1 + bytes.Count(data[:at[0]], []byte("\n"))
		}
	}
	return 0
}

// breaks are line ends to YAML that are characters of a text to everybody else.
const breaks = "\u0085\u2028\u2029"

func parse(data []byte) (map[string]any, error) {
	if i := bytes.IndexAny(data, breaks); i >= 0 {
		r, _ := utf8.DecodeRune(data[i:])
		return nil, fmt.Errorf("line %d: YAML reads the character %U as a line end: write it as \"\\u%04x\" in double quotes", 1+bytes.Count(data[:i], []byte("\n")), r, r)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("file is empty")
	case err != nil:
		return nil, err
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("more than one document")
	}
	v, err := value(doc.Content[0], 0)
	if err != nil {
		return nil, err
	}
	obj, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("line %d: want names with values", doc.Content[0].Line)
	}
	return obj, nil
}

// number is how JSON writes one.
var number = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func value(n *yaml.Node, depth int) (any, error) {
	switch {
	case depth > maxDepth:
		return nil, fmt.Errorf("line %d: nested more than %d deep", n.Line, maxDepth)
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return nil, fmt.Errorf("line %d: anchors and aliases are refused", n.Line)
	case n.Style&yaml.TaggedStyle != 0:
		return nil, fmt.Errorf("line %d: tags are refused", n.Line)
	}
	switch n.Kind {
	case yaml.ScalarNode:
		return scalar(n), nil
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := value(c, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		obj := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if k.Kind != yaml.ScalarNode || k.Anchor != "" || k.Value == "<<" {
				return nil, fmt.Errorf("line %d: want a plain name before the colon", k.Line)
			}
			if _, twice := obj[k.Value]; twice {
				return nil, fmt.Errorf("line %d: %q stands there twice", k.Line, k.Value)
			}
			v, err := value(n.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			obj[k.Value] = v
		}
		return obj, nil
	}
	return nil, fmt.Errorf("line %d: cannot read this", n.Line)
}

func scalar(n *yaml.Node) any {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return n.Value
	}
	switch n.Value {
	case "true":
		return true
	case "false":
		return false
	case "null", "":
		return nil
	}
	if number.MatchString(n.Value) {
		return json.Number(n.Value)
	}
	return n.Value
}
