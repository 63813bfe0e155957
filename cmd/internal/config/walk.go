package config

import (
	"net/url"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// pathKey reports whether the key of a source's config names a file or a
// folder on this machine.
func pathKey(key string) bool {
	return key == "file" || key == "files" || key == "dir" || strings.HasSuffix(key, "_file") || strings.HasSuffix(key, "_files") || strings.HasSuffix(key, "_dir")
}

// resolvePaths makes relative paths below v absolute, in place.
func resolvePaths(v reflect.Value, key, base string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			resolvePaths(v.Elem(), key, base)
		}
	case reflect.Struct:
		fs := fieldsOf(v)
		for _, name := range fs.names {
			resolvePaths(fs.byName[name], name, base)
		}
	case reflect.Slice:
		for i := range v.Len() {
			resolvePaths(v.Index(i), key, base)
		}
	case reflect.String:
		if pathKey(key) && v.CanSet() && v.Kind() == reflect.String {
			v.SetString(under(base, v.String()))
		}
	}
}

// scalars calls f for every plain value below n, keys left out.
func scalars(n *yaml.Node, f func(*yaml.Node)) {
	switch n.Kind {
	case yaml.ScalarNode:
		f(n)
	case yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			scalars(n.Content[i], f)
		}
	default:
		for _, c := range n.Content {
			scalars(c, f)
		}
	}
}

// hasPassword reports whether s is a URL with a password in it.
func hasPassword(s string) bool {
	if !strings.Contains(s, "://") || !strings.Contains(s, "@") {
		return false
	}
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	_, has := u.User.Password()
	return has
}

// find returns the node at the path of keys and list indexes below n, or the
// deepest one on the way.
func find(n *yaml.Node, path ...any) *yaml.Node {
	for _, p := range path {
		next := child(n, p)
		if next == nil {
			break
		}
		n = next
	}
	return n
}

func child(n *yaml.Node, p any) *yaml.Node {
	if n == nil {
		return nil
	}
	switch p := p.(type) {
	case int:
		if n.Kind == yaml.SequenceNode && p < len(n.Content) {
			return n.Content[p]
		}
	case string:
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == p {
				return n.Content[i+1]
			}
		}
	}
	return nil
}
