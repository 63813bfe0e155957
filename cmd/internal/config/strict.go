package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"evidenced/evidence/problem"
)

// Limits on a configuration file. They bound what a parser may be made to do.
const (
	maxFile  = 1 << 20 // bytes
	maxDepth = 32      // nested mappings and lists
)

// Issue is one thing that is wrong in a file.
type Issue struct {
	File    string
	Line    int // from 1; 0 when the place is not known
	Column  int
	Message string
}

// String gives file:line:column and the message.
func (i Issue) String() string {
	if i.Line == 0 {
		return i.File + ": " + i.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", i.File, i.Line, i.Column, i.Message)
}

// Issues is everything that is wrong in a file, in order of position.
type Issues []Issue

// Error gives a line for each.
func (is Issues) Error() string {
	if len(is) == 1 {
		return is[0].String()
	}
	var b strings.Builder
	for _, i := range is {
		b.WriteString("\n  ")
		b.WriteString(i.String())
	}
	return b.String()
}

// asError makes the error for people; nil when nothing is wrong.
func (is Issues) asError(file string) error {
	if len(is) == 0 {
		return nil
	}
	slices.SortStableFunc(is, func(a, b Issue) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	is = slices.Compact(is)
	if len(is) == 1 {
		return problem.Wrap(problem.Config, is, "the configuration cannot be used").
			WithHint("evidenced config check -c %s tries it again", file)
	}
	return problem.Wrap(problem.Config, is, "the configuration cannot be used: %d problems", len(is)).
		WithHint("evidenced config check -c %s tries it again", file)
}

// reading collects the issues of one file.
type reading struct {
	file   string
	issues Issues
}

func (r *reading) at(n *yaml.Node, format string, args ...any) {
	i := Issue{File: r.file, Message: fmt.Sprintf(format, args...)}
	if n != nil {
		i.Line, i.Column = n.Line, n.Column
	}
	r.issues = append(r.issues, i)
}

// parse reads one YAML document and refuses what a configuration does not
// need and a reader could be deceived by: a second document, anchors, aliases,
// merge keys, tags, duplicate keys, deep nesting, a large file. It returns nil
// for an empty file.
func (r *reading) parse(data []byte) *yaml.Node {
	if len(data) > maxFile {
		r.at(nil, "%d bytes, at most %d", len(data), maxFile)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if !errors.Is(err, io.EOF) {
			r.syntax(err)
		}
		return nil
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		r.at(&second, "a second YAML document begins here; one is allowed")
	case !errors.Is(err, io.EOF):
		r.syntax(err)
	}
	r.restrict(&doc, 0)
	if len(r.issues) > 0 || len(doc.Content) == 0 {
		return nil
	}
	return doc.Content[0]
}

// syntax takes the line out of the parser's own words.
func (r *reading) syntax(err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	i := Issue{File: r.file, Message: "not YAML: " + text}
	var line int
	if _, scan := fmt.Sscanf(text, "line %d:", &line); scan == nil {
		_, rest, _ := strings.Cut(text, ": ")
		i.Line, i.Column, i.Message = line, 1, "not YAML: "+rest
	}
	r.issues = append(r.issues, i)
}

func (r *reading) restrict(n *yaml.Node, depth int) {
	if depth > maxDepth {
		r.at(n, "nested more than %d deep", maxDepth)
		return
	}
	switch {
	case n.Kind == yaml.AliasNode:
		r.at(n, "alias *%s: aliases are not allowed", n.Value)
		return
	case n.Anchor != "":
		r.at(n, "anchor &%s: anchors are not allowed", n.Anchor)
	case n.Style&yaml.TaggedStyle != 0:
		r.at(n, "tag %s: tags are not allowed", n.ShortTag())
	}
	if n.Kind == yaml.MappingNode {
		r.keys(n)
	}
	for _, c := range n.Content {
		r.restrict(c, depth+1)
	}
}

func (r *reading) keys(n *yaml.Node) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		switch line, dup := seen[k.Value]; {
		case k.Kind != yaml.ScalarNode:
			r.at(k, "a key must be a plain word")
		case k.ShortTag() == "!!merge":
			r.at(k, "merge key <<: merge keys are not allowed")
		case dup:
			r.at(k, "duplicate key %q, first on line %d", k.Value, line)
		default:
			seen[k.Value] = k.Line
		}
	}
}
