package mappings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Limits on a catalog file.
const (
	maxFile   = 1 << 20 // bytes
	maxDepth  = 32      // of nested lists and maps
	maxFaults = 50      // reported of one file
)

// Fault is one thing wrong in a catalog file.
type Fault struct {
	File   string
	Line   int // from 1; 0 when the whole file is meant
	Column int // from 1, in bytes
	Text   string
}

// Error gives FILE:LINE:COLUMN: text.
func (f Fault) Error() string {
	if f.Line == 0 {
		return f.File + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Text)
}

// Faults are all things wrong in a catalog, in order of file and place.
type Faults []Fault

// Error gives one fault a line.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// place is where a value stands in a file.
type place struct {
	file      string
	line, col int
}

func (p place) fault(format string, args ...any) Fault {
	return Fault{File: p.file, Line: p.line, Column: p.col, Text: fmt.Sprintf(format, args...)}
}

// text is a string with its place. lines tells where the bytes of a CEL
// expression stand, for a literal block.
type text struct {
	s      string
	at     place
	indent int // columns before each line of a literal block
	block  bool
	exact  bool // the value stands in the file byte for byte
}

// span is a duration with its place: what time.ParseDuration reads, or a whole
// number of days such as 90d.
type span struct {
	d    time.Duration
	at   place
	text string // as it is written
}

// list is a list of strings; one string stands for a list of one.
type list []text

func (l list) strings() []string {
	var ss []string
	for _, t := range l {
		ss = append(ss, t.s)
	}
	return ss
}

// decoder reads one file's nodes into structs and collects every fault.
type decoder struct {
	file   string
	lines  []string
	faults Faults
}

// lineBreak is what YAML takes for the end of a line.
var lineBreak = regexp.MustCompile("\r\n|[\n\r\u0085\u2028\u2029]")

// decodeFile reads one YAML document strictly into dst, a pointer to a struct.
func decodeFile(file string, data []byte, dst any) Faults {
	d := &decoder{file: file}
	whole := place{file: file}
	if len(data) > maxFile {
		return Faults{whole.fault("file of %d bytes, at most %d", len(data), maxFile)}
	}
	d.lines = lineBreak.Split(string(data), -1)
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return Faults{whole.fault("file holds no YAML document")}
	case err != nil:
		return Faults{d.syntax(err)}
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		return Faults{d.at(&second).fault("second YAML document; a file holds one")}
	case !errors.Is(err, io.EOF):
		return Faults{d.syntax(err)}
	}
	if !d.plain(&doc, 0) {
		return d.faults
	}
	d.value(doc.Content[0], reflect.ValueOf(dst).Elem(), "")
	return d.faults
}

// syntax turns the parser's "yaml: line 3: text" into a fault.
func (d *decoder) syntax(err error) Fault {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	p := place{file: d.file}
	if rest, ok := strings.CutPrefix(msg, "line "); ok {
		if n, tail, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(n); err == nil {
				p.line, p.col, msg = line, 1, tail
			}
		}
	}
	return p.fault("%s", msg)
}

func (d *decoder) at(n *yaml.Node) place { return place{d.file, n.Line, n.Column} }

func (d *decoder) fault(n *yaml.Node, format string, args ...any) {
	if len(d.faults) < maxFaults {
		d.faults = append(d.faults, d.at(n).fault(format, args...))
	}
}

var coreTags = []string{"!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!map", "!!seq"}

// plain refuses what a catalog may not use: anchors, aliases, merge keys,
// tags, deep nesting. It reports whether the tree may be walked further.
func (d *decoder) plain(n *yaml.Node, depth int) bool {
	switch {
	case depth > maxDepth:
		d.fault(n, "nested deeper than %d", maxDepth)
		return false
	case n.Kind == yaml.AliasNode:
		d.fault(n, "alias *%s: aliases are not allowed", n.Value)
		return false
	case n.Anchor != "":
		d.fault(n, "anchor &%s: anchors are not allowed", n.Anchor)
		return false
	case n.Tag == "!!merge":
		d.fault(n, "merge key <<: merge keys are not allowed")
		return false
	case n.Kind != yaml.DocumentNode && (n.Style&yaml.TaggedStyle != 0 || !slices.Contains(coreTags, n.Tag)):
		d.fault(n, "tag %s: tags are not allowed", n.Tag)
		return false
	}
	ok := true
	for _, c := range n.Content {
		ok = d.plain(c, depth+1) && ok
	}
	return ok
}

var (
	textType = reflect.TypeFor[text]()
	spanType = reflect.TypeFor[span]()
	listType = reflect.TypeFor[list]()
)

func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	switch {
	case v.Type() == textType:
		if s, ok := d.scalar(n, path); ok {
			v.Set(reflect.ValueOf(d.text(n, s)))
		}
	case v.Type() == spanType:
		d.duration(n, v, path)
	case v.Type() == listType && n.Kind == yaml.ScalarNode:
		if s, ok := d.scalar(n, path); ok {
			v.Set(reflect.ValueOf(list{d.text(n, s)}))
		}
	case v.Kind() == reflect.Struct:
		d.mapping(n, v, path)
	case v.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			d.fault(n, "%s must be a list", orRoot(path))
			return
		}
		for i, c := range n.Content {
			e := reflect.New(v.Type().Elem()).Elem()
			d.value(c, e, fmt.Sprintf("%s[%d]", path, i))
			v.Set(reflect.Append(v, e))
		}
	case v.Kind() == reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
			d.fault(n, "%s must be true or false", path)
			return
		}
		v.SetBool(n.Value == "true")
	case v.Kind() == reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil {
			d.fault(n, "%s must be a whole number", path)
			return
		}
		v.SetInt(int64(i))
	case v.Kind() == reflect.Float64:
		f, err := strconv.ParseFloat(n.Value, 64)
		if n.Kind != yaml.ScalarNode || err != nil {
			d.fault(n, "%s must be a number", path)
			return
		}
		v.SetFloat(f)
	default:
		panic("mappings: no decoder for " + v.Type().String())
	}
}

func orRoot(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

func (d *decoder) scalar(n *yaml.Node, path string) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode || n.Tag == "!!null":
		d.fault(n, "%s must be a text", path)
	case n.Tag == "!!bool":
		d.fault(n, "%s must be a text: put %s in quotes", path, n.Value)
	default:
		return n.Value, true
	}
	return "", false
}

// text notes where the bytes of the value stand. A literal block begins on the
// line after its mark, indented as its first line that is not blank.
func (d *decoder) text(n *yaml.Node, s string) text {
	t := text{s: s, at: d.at(n)}
	switch n.Style {
	case yaml.LiteralStyle:
		t.block, t.exact = true, true
		for _, line := range d.lines[min(n.Line, len(d.lines)):] {
			if trimmed := strings.TrimLeft(line, " "); trimmed != "" {
				t.indent = len(line) - len(trimmed)
				break
			}
		}
	case yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle:
		line := d.lines[min(n.Line, len(d.lines))-1]
		from := min(n.Column, len(line))
		t.exact = strings.HasPrefix(line[from:], s)
		t.at.col++
	default:
		line := d.lines[min(n.Line, len(d.lines))-1]
		t.exact = strings.HasPrefix(line[min(n.Column-1, len(line)):], s)
		if n.Column < 1 {
			t.exact = false
		}
	}
	return t
}

// place returns where line and column (both from 1) of the value stand in the
// file; for a folded or escaped value, where the value begins.
func (t text) place(line, col int) place {
	switch {
	case t.block:
		return place{t.at.file, t.at.line + line, t.indent + col}
	case t.exact && line == 1:
		return place{t.at.file, t.at.line, t.at.col + col - 1}
	}
	return t.at
}

func (d *decoder) duration(n *yaml.Node, v reflect.Value, path string) {
	s, ok := d.scalar(n, path)
	if !ok {
		return
	}
	t, err := parseDuration(s)
	if err != nil {
		d.fault(n, "%s: %q is no duration: write 15m, 24h or 90d", path, s)
		return
	}
	v.Set(reflect.ValueOf(span{t, d.at(n), s}))
}

// parseDuration reads a positive duration, days included.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.Atoi(days)
		if err != nil || n < 1 || n > 36525 {
			return 0, fmt.Errorf("bad number of days %q", days)
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	t, err := time.ParseDuration(s)
	if err == nil && t <= 0 {
		err = errors.New("not positive")
	}
	return t, err
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.fault(n, "%s must be a map of keys and values", orRoot(path))
		return
	}
	if f := v.FieldByName("At"); f.IsValid() && f.Type() == reflect.TypeFor[place]() {
		f.Set(reflect.ValueOf(d.at(n)))
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch f := fieldOf(v, key.Value); {
		case key.Kind != yaml.ScalarNode:
			d.fault(key, "a key must be a word")
		case seen[key.Value]:
			d.fault(key, "key %q stands twice", key.Value)
		case !f.IsValid():
			d.fault(key, "unknown key %q in %s%s", key.Value, orRoot(path), meant(v, key.Value))
		default:
			d.value(n.Content[i+1], f, strings.TrimPrefix(path+"."+key.Value, "."))
		}
		seen[key.Value] = true
	}
}

func fieldOf(v reflect.Value, key string) reflect.Value {
	for i := range v.NumField() {
		if tag := v.Type().Field(i).Tag.Get("yaml"); tag != "" && tag == key {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// meant proposes the key that a misspelt one probably stands for.
func meant(v reflect.Value, key string) string {
	var keys []string
	for i := range v.NumField() {
		if tag := v.Type().Field(i).Tag.Get("yaml"); tag != "" {
			keys = append(keys, tag)
		}
	}
	if k := nearest(key, keys); k != "" {
		return fmt.Sprintf(" (did you mean %q?)", k)
	}
	return ""
}

// nearest returns the word at most two edits away from s, or "".
func nearest(s string, words []string) string {
	best, found := 3, ""
	for _, w := range words {
		if n := edits(s, w); n < best {
			best, found = n, w
		}
	}
	return found
}

// edits is the Levenshtein distance; 3 for words that differ much in length.
func edits(a, b string) int {
	if len(a)-len(b) > 2 || len(b)-len(a) > 2 || len(a) > 64 {
		return 3
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diag, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diag+cost)
		}
	}
	return row[len(b)]
}
