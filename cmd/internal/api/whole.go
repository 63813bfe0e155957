package api

import (
	"reflect"
	"strings"
	"unicode/utf8"

	"evidenced/evidence/problem"
)

// whole refuses parameters of which a text is no UTF-8: writing them as JSON
// would put other characters in their place, and what is recorded would not be
// what was said.
func whole(params any) error {
	name := broken(reflect.ValueOf(params), "")
	if name == "" {
		return nil
	}
	return problem.New(problem.Usage, "%s is not UTF-8", name).WithHint("see what the terminal or the script writes its text in")
}

// broken names the first parameter that holds a text which is no UTF-8.
func broken(v reflect.Value, name string) string {
	switch v.Kind() {
	case reflect.String:
		if !utf8.ValidString(v.String()) {
			return name
		}
	case reflect.Pointer, reflect.Interface:
		return broken(v.Elem(), name)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return "" // bytes, or JSON that was read already
		}
		for i := range v.Len() {
			if bad := broken(v.Index(i), name); bad != "" {
				return bad
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			if bad := broken(k, name) + broken(v.MapIndex(k), name); bad != "" {
				return name
			}
		}
	case reflect.Struct:
		for f, x := range v.Fields() {
			if !f.IsExported() {
				continue
			}
			in := name
			if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag != "" {
				in = "--" + strings.ReplaceAll(tag, "_", "-")
			}
			if bad := broken(x, in); bad != "" {
				return bad
			}
		}
	}
	return ""
}
