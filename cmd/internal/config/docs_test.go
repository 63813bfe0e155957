package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// Every key stands in the reference and in the sample; what the sample calls
// the default is the default.
func TestEveryKeyIsDocumented(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	page, sample := read("../../../docs/configuration.md"), read("../../../deploy/evidenced.yaml")
	keysOf(reflect.TypeFor[Config](), "", func(path string) {
		last := path[strings.LastIndexByte(path, '.')+1:]
		if !strings.Contains(page, "`"+path+"`") && !strings.Contains(page, "`"+last+"`") {
			t.Errorf("docs/configuration.md does not name %s", path)
		}
		if !strings.Contains(sample, last+":") && !strings.Contains(sample, last+",") {
			t.Errorf("deploy/evidenced.yaml does not show %s", path)
		}
	})
}

// keysOf calls f with the path of every key below the type.
func keysOf(t reflect.Type, path string, f func(string)) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if !field.IsExported() || name == "-" || name == "" {
			continue
		}
		p := join(path, name)
		f(p)
		elem := field.Type
		if elem.Kind() == reflect.Slice {
			elem = elem.Elem()
		}
		if elem.Kind() == reflect.Struct && elem.PkgPath() == t.PkgPath() {
			keysOf(elem, p, f)
		}
	}
}
