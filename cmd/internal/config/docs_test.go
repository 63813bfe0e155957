package config

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every key stands in the reference and in the sample.
func TestEveryKeyIsDocumented(t *testing.T) {
	page, sample := read(t, "../../../docs/configuration.md"), read(t, "../../../deploy/evidenced.yaml")
	keysOf(reflect.TypeFor[Config](), "", func(path string) {
		last := path[strings.LastIndexByte(path, '.')+1:]
		if !strings.Contains(page, "`"+path+"`") && !strings.Contains(page, "`"+last+"`") {
			t.Errorf("docs/configuration.md does not name %s", path)
		}
		if !strings.Contains(sample, last+":") {
			t.Errorf("deploy/evidenced.yaml does not show %s", path)
		}
	})
}

// keysOf calls f with the path of every key below the type that has a value
// of its own.
func keysOf(t reflect.Type, path string, f func(string)) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if !field.IsExported() || name == "-" || name == "" {
			continue
		}
		p, elem := join(path, name), field.Type
		if elem.Kind() == reflect.Slice {
			elem = elem.Elem()
		}
		inside := elem.Kind() == reflect.Struct && elem.PkgPath() == t.PkgPath()
		if !inside || field.Type.Kind() == reflect.Slice {
			f(p)
		}
		if inside {
			keysOf(elem, p, f)
		}
	}
}

var defaultRow = regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| `([^`|]*)` \\|")

// What the reference calls a default is the default, and so is what the sample
// marks with "# default".
func TestDocumentedDefaults(t *testing.T) {
	found := 0
	_, table, _ := strings.Cut(read(t, "../../../docs/configuration.md"), "| Key | Default |")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, m := range defaultRow.FindAllStringSubmatch(table, -1) {
		if strings.HasPrefix(m[2], "DATA_DIR") || strings.HasPrefix(m[2], "@") {
			continue
		}
		found++
		if got := valueAt(t, m[1]); got != strings.Trim(m[2], `"`) {
			t.Errorf("docs/configuration.md says the default of %s is %s, it is %q", m[1], m[2], got)
		}
	}
	if found < 8 {
		t.Errorf("%d defaults found in the reference", found)
	}
	marked := regexp.MustCompile(`(?m)^( *)([a-z_]+): +(\S+) +# default(?:;.*)?$`)
	section := regexp.MustCompile(`(?m)^([a-z_]+):\n(?:(?:[ #].*|)\n)*`)
	sample := read(t, "../../../deploy/evidenced.yaml")
	for _, m := range marked.FindAllStringSubmatch(sample, -1) {
		path := m[2]
		if m[1] != "" {
			for _, s := range section.FindAllStringSubmatch(sample, -1) {
				if strings.Contains(s[0], m[0]) {
					path = s[1] + "." + m[2]
				}
			}
		}
		if got := valueAt(t, path); got != strings.Trim(m[3], `"`) {
			t.Errorf("deploy/evidenced.yaml says the default of %s is %s, it is %q", path, m[3], got)
		}
	}
}

// valueAt returns the default of a key, durations as people write them.
func valueAt(t *testing.T, path string) string {
	t.Helper()
	v := reflect.ValueOf(Default()).Elem()
	for _, key := range strings.Split(path, ".") {
		f, ok := fieldsOf(v).byName[key]
		if !ok {
			t.Errorf("there is no key %s", path)
			return ""
		}
		v = f
	}
	if d, ok := v.Interface().(time.Duration); ok {
		return strings.NewReplacer("m0s", "m", "h0m0s", "h").Replace(d.String())
	}
	return fmt.Sprint(v.Interface())
}
