package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"evidenced/cmd/internal/spelling"
	"evidenced/evidence"
)

// The decoder walks the document beside the Go type, so that every unknown key
// and every value of the wrong form is reported with its own line and column,
// all at once; yaml.v3's own decoder knows the line alone and stops caring
// about keys below a struct it cannot fill.

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	yamlType     = reflect.TypeFor[yaml.Unmarshaler]()
	nodeType     = reflect.TypeFor[yaml.Node]()
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[evidence.Secret]()
)

// decode fills v from n. An empty value leaves the default. The path names the
// place for people: "sources[2].config".
func (r *reading) decode(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return
	}
	switch {
	case v.Type() == nodeType:
		v.Set(reflect.ValueOf(*n))
	case v.Type() == secretType:
		r.at(n, "%s: a secret never stands in the configuration; name a file that holds it", path)
	case v.Type() == durationType:
		r.duration(n, v, path)
	case v.Kind() != reflect.Pointer && (v.Addr().Type().Implements(yamlType) || v.Addr().Type().Implements(textType)):
		r.scalar(n, v, path)
	default:
		r.decodeKind(n, v, path)
	}
}

func (r *reading) decodeKind(n *yaml.Node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		r.decode(n, v.Elem(), path)
	case reflect.Struct:
		if r.want(n, yaml.MappingNode, path) {
			r.decodeStruct(n, v, path)
		}
	case reflect.Slice:
		if r.want(n, yaml.SequenceNode, path) {
			list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
			for i, c := range n.Content {
				r.decode(c, list.Index(i), fmt.Sprintf("%s[%d]", path, i))
			}
			v.Set(list)
		}
	case reflect.Map:
		if r.want(n, yaml.MappingNode, path) {
			r.decodeMap(n, v, path)
		}
	default:
		r.scalar(n, v, path)
	}
}

func (r *reading) want(n *yaml.Node, kind yaml.Kind, path string) bool {
	if n.Kind == kind {
		return true
	}
	r.at(n, "%s: want %s, got %s", orTop(path), kindWord(kind), kindWord(n.Kind))
	return false
}

func kindWord(k yaml.Kind) string {
	switch k {
	case yaml.MappingNode:
		return "a mapping (key: value)"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

func orTop(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (r *reading) decodeStruct(n *yaml.Node, v reflect.Value, path string) {
	fields := fieldsOf(v)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		f, ok := fields.byName[k.Value]
		if !ok {
			r.unknown(k, path, fields.names)
			continue
		}
		r.decode(val, f, join(path, k.Value))
	}
}

// unknown reports a key that no field has.
func (r *reading) unknown(k *yaml.Node, path string, known []string) {
	where := ""
	if path != "" {
		where = " in " + path
	}
	for _, name := range known {
		if name == k.Value+"_file" {
			r.at(k, "unknown key %q%s: a secret never stands in the configuration; use %q with the path of a file that holds it", k.Value, where, name)
			return
		}
	}
	if near := spelling.Nearest(k.Value, known); near != "" {
		r.at(k, "unknown key %q%s (did you mean %q?)", k.Value, where, near)
		return
	}
	r.at(k, "unknown key %q%s (known: %s)", k.Value, where, strings.Join(known, ", "))
}

func (r *reading) decodeMap(n *yaml.Node, v reflect.Value, path string) {
	if v.Type().Key().Kind() != reflect.String {
		panic("config: map keys must be strings at " + path)
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		elem := reflect.New(v.Type().Elem()).Elem()
		r.decode(val, elem, join(path, k.Value))
		v.SetMapIndex(reflect.ValueOf(k.Value).Convert(v.Type().Key()), elem)
	}
}

func (r *reading) duration(n *yaml.Node, v reflect.Value, path string) {
	if !r.want(n, yaml.ScalarNode, path) {
		return
	}
	d, err := time.ParseDuration(n.Value)
	if err != nil {
		r.at(n, "%s: %q is no duration such as 90s, 5m or 6h", path, n.Value)
		return
	}
	v.SetInt(int64(d))
}

// scalar lets the YAML library or the type itself read a value.
func (r *reading) scalar(n *yaml.Node, v reflect.Value, path string) {
	custom := v.Addr().Type().Implements(yamlType)
	if !custom && v.Kind() != reflect.Interface && !r.want(n, yaml.ScalarNode, path) {
		return
	}
	err := n.Decode(v.Addr().Interface())
	if err == nil {
		return
	}
	if v.Addr().Type().Implements(textType) || custom {
		r.at(n, "%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	r.at(n, "%s: %q is not %s", path, n.Value, typeWord(v.Type()))
}

func typeWord(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint8, reflect.Uint16:
		return fmt.Sprintf("a whole number from 0 to %d", 1<<t.Bits()-1)
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		return "a whole number from 0"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a text"
}

// fields are the keys a struct takes, those of inlined structs among them.
type fields struct {
	names  []string
	byName map[string]reflect.Value
}

func fieldsOf(v reflect.Value) fields {
	fs := fields{byName: map[string]reflect.Value{}}
	fs.add(v)
	return fs
}

func (fs *fields) add(v reflect.Value) {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case name == "-":
		case strings.Contains(opts, "inline"):
			fs.add(v.Field(i))
		default:
			if name == "" {
				name = strings.ToLower(f.Name)
			}
			fs.names = append(fs.names, name)
			fs.byName[name] = v.Field(i)
		}
	}
}
