package incident

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"evidenced/evidence/strictjson"
)

// MaxPatch is the longest set of fields in one act, in bytes of JSON: a
// record's content and text both hold it.
const MaxPatch = 128 << 10

// A Patch sets fields: a JSON object in the shape of Fields, where null takes
// a field back (RFC 7396). A list is set whole.
type Patch map[string]any

// ParsePatch reads a patch strictly: one JSON object in UTF-8 whose names are
// those of Fields, each once, with values of the right type.
func ParsePatch(data []byte) (Patch, error) {
	if len(data) > MaxPatch {
		return nil, fmt.Errorf("fields of %d bytes, at most %d: put long reports beside and name them", len(data), MaxPatch)
	}
	v, err := strictjson.Value(data, maxDepth)
	if err != nil {
		return nil, err
	}
	obj, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("want an object of fields")
	}
	p := Patch(obj)
	if err := p.check(reflect.TypeFor[Fields](), obj, ""); err != nil {
		return nil, err
	}
	return p, nil
}

// maxDepth is deeper than any field.
const maxDepth = 8

// field is one field of the schema.
type field struct {
	name string
	text bool
	typ  reflect.Type
}

// fieldsOf lists the fields of a struct, embedded ones among them.
func fieldsOf(t reflect.Type) []field {
	var fs []field
	for f := range t.Fields() {
		if f.Anonymous {
			fs = append(fs, fieldsOf(f.Type)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		fs = append(fs, field{name, f.Tag.Get("text") != "", f.Type})
	}
	return fs
}

func fieldOf(t reflect.Type, name string) (field, bool) {
	fs := fieldsOf(t)
	i := slices.IndexFunc(fs, func(f field) bool { return f.name == name })
	if i < 0 {
		return field{}, false
	}
	return fs[i], true
}

// group reports whether fields of the type are set one by one.
func group(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[interface{ UnmarshalText([]byte) error }]())
}

// check reports the first name that is no field or value that has another
// type. Names are said as they stand in Go's quotes: they may be hostile.
func (p Patch) check(t reflect.Type, obj map[string]any, at string) error {
	for _, name := range slices.Sorted(maps.Keys(obj)) {
		path := join(at, name)
		f, ok := fieldOf(t, name)
		if !ok {
			return fmt.Errorf("%q is no field: there are %s", path, fieldNames(t, at))
		}
		v := obj[name]
		if v == nil {
			continue
		}
		if group(f.typ) {
			sub, ok := v.(map[string]any)
			if !ok {
				return fmt.Errorf("%s: want an object of fields", path)
			}
			if err := p.check(f.typ, sub, path); err != nil {
				return err
			}
			continue
		}
		if err := typed(f.typ, v); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// typed reports whether the value fits the type, in words for people.
func typed(t reflect.Type, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if dec.Decode(reflect.New(t).Interface()) == nil {
		if s, is := v.(string); is {
			return plainText(s)
		}
		return nil
	}
	if s, is := v.(string); is && t == reflect.TypeFor[time.Time]() {
		return badTime(s)
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	want := map[reflect.Kind]string{
		reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.Int64: "a whole number", reflect.Float64: "a number",
		reflect.String: "text", reflect.Slice: "a list", reflect.Map: "names with whole numbers",
	}[t.Kind()]
	if want == "" {
		want = t.Name()
	}
	return fmt.Errorf("%.40s does not fit: want %s", b, want)
}

// badTime says what is wrong with a time.
func badTime(s string) error {
	if _, err := time.Parse("2006-01-02 15:04", s); err == nil {
		return fmt.Errorf("%q has no time zone: write it as 2026-12-18T18:20:00+01:00", s)
	}
	return fmt.Errorf("%.40q is no time that exists: write it as 2026-12-18T17:20:00Z or 2026-12-18T18:20:00+01:00", s)
}

// errNUL is the one thing that no text can hold; everything else is kept as it
// came and made harmless where it is shown.
var errNUL = errors.New("text with a NUL character")

func plainText(s string) error {
	if strings.ContainsRune(s, 0) {
		return errNUL
	}
	return nil
}

// meant reports the first field that would be recorded as something else than
// was written: the first instant of the calendar reads as not known, and a text
// in a list or an object may hold what no text can. It is asked of what is about
// to be recorded, never of what a log holds.
func (p Patch) meant() error {
	values := map[string]any{}
	p.leaves(func(path string, f field, v any) {
		if s, is := v.(string); is && f.typ == reflect.TypeFor[time.Time]() {
			if t, err := time.Parse(time.RFC3339, s); err == nil && t.IsZero() {
				v = t
			}
		}
		values[path] = v
	})
	for _, path := range slices.Sorted(maps.Keys(values)) {
		if t, zero := values[path].(time.Time); zero {
			return fmt.Errorf("%s: %w", path, badTime(t.Format(time.RFC3339)))
		}
		if holdsNUL(values[path]) {
			return fmt.Errorf("%s: %w", path, errNUL)
		}
	}
	return nil
}

func holdsNUL(v any) bool {
	switch v := v.(type) {
	case string:
		return plainText(v) != nil
	case []any:
		return slices.ContainsFunc(v, holdsNUL)
	case map[string]any:
		for name, x := range v {
			if plainText(name) != nil || holdsNUL(x) {
				return true
			}
		}
	}
	return false
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

// fieldNames lists the fields of a group.
func fieldNames(t reflect.Type, at string) string {
	var ns []string
	for _, f := range fieldsOf(t) {
		ns = append(ns, join(at, f.name))
	}
	return strings.Join(ns, ", ")
}

// Paths lists every field, groups resolved, and which are free text.
func Paths() (paths []string, text map[string]bool) {
	text = map[string]bool{}
	walkType(reflect.TypeFor[Fields](), "", func(path string, f field) {
		paths = append(paths, path)
		if f.text {
			text[path] = true
		}
	})
	return paths, text
}

func walkType(t reflect.Type, at string, do func(path string, f field)) {
	for _, f := range fieldsOf(t) {
		path := join(at, f.name)
		if group(f.typ) {
			walkType(f.typ, path, do)
			continue
		}
		do(path, f)
	}
}

// Paths lists the fields that the patch sets or takes back, sorted.
func (p Patch) Paths() []string {
	var out []string
	p.leaves(func(path string, _ field, _ any) { out = append(out, path) })
	slices.Sort(out)
	return out
}

// leaves calls do for every field of the patch. A group that is taken back
// whole is every field of it.
func (p Patch) leaves(do func(path string, f field, v any)) {
	var walk func(t reflect.Type, obj map[string]any, at string)
	walk = func(t reflect.Type, obj map[string]any, at string) {
		for name, v := range obj {
			f, ok := fieldOf(t, name)
			if !ok {
				continue
			}
			path := join(at, name)
			switch sub, is := v.(map[string]any); {
			case !group(f.typ):
				do(path, f, v)
			case is:
				walk(f.typ, sub, path)
			case v == nil:
				walkType(f.typ, path, func(path string, f field) { do(path, f, nil) })
			}
		}
	}
	walk(reflect.TypeFor[Fields](), p, "")
}

// Split parts the patch into what stands in the content and what stands in the
// text claim.
func (p Patch) Split() (content, text Patch) {
	content, text = Patch{}, Patch{}
	p.leaves(func(path string, f field, v any) {
		to := content
		if f.text {
			to = text
		}
		to.put(path, v)
	})
	return content, text
}

// Says reports whether the patch sets the field to more than nothing.
func (p Patch) Says(path string) bool { return stands(map[string]any(p), path) }

// With returns the patch with fields of another one set beside, values and lists
// as they are there.
func (p Patch) With(q Patch) Patch {
	out := Patch{}
	merge(out, p)
	merge(out, q)
	return out
}

func (p Patch) put(path string, v any) {
	obj := map[string]any(p)
	parts := strings.Split(path, ".")
	for _, name := range parts[:len(parts)-1] {
		sub, ok := obj[name].(map[string]any)
		if !ok {
			sub = map[string]any{}
			obj[name] = sub
		}
		obj = sub
	}
	obj[parts[len(parts)-1]] = v
}

// merge applies the patch to a document.
func merge(doc map[string]any, p map[string]any) {
	for name, v := range p {
		sub, is := v.(map[string]any)
		if !is {
			if v == nil {
				delete(doc, name)
			} else {
				doc[name] = v
			}
			continue
		}
		old, ok := doc[name].(map[string]any)
		if !ok {
			old = map[string]any{}
			doc[name] = old
		}
		merge(old, sub)
	}
}

// fieldsFrom decodes a merged document.
func fieldsFrom(doc map[string]any) (Fields, error) {
	var f Fields
	b, err := json.Marshal(doc)
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(b, &f)
}

// Mentions reports whether any text or name of the patch holds the word with no
// letter or digit beside it: whatever its case, its kind of hyphen, and what is
// not seen within it. A hyphen ends a word, so that what is called after a
// tenant names the tenant.
func (p Patch) Mentions(word string) bool { return mentions(map[string]any(p), bare(word)) }

func mentions(v any, word string) bool {
	switch v := v.(type) {
	case string:
		return names(bare(v), word)
	case []any:
		return slices.ContainsFunc(v, func(x any) bool { return mentions(x, word) })
	case map[string]any:
		for name, x := range v {
			if names(bare(name), word) || mentions(x, word) {
				return true
			}
		}
	}
	return false
}

// bare is a text as people read it: in lower case, with one kind of hyphen and
// without format characters, which show nothing.
func bare(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.Cf, r):
			return -1
		case unicode.Is(unicode.Pd, r):
			return '-'
		}
		return unicode.ToLower(r)
	}, s)
}

// names reports whether the bare text holds the bare word as a whole.
func names(text, word string) bool {
	inner := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		i += from
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+len(word):])
		if !inner(before) && !inner(after) {
			return true
		}
		from = i + 1
	}
}
