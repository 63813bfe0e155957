package forge

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// Decode reads JSON into v. A client library's types have many members that
// nothing reads; those named in unread do not keep the rest from being read when
// they come in a form that the type does not have, wherever they stand. Whatever
// else is of another form is an error.
func Decode(raw []byte, v any, unread []string) error {
	err := json.Unmarshal(raw, v)
	for range unread {
		var te *json.UnmarshalTypeError
		if !errors.As(err, &te) {
			return err
		}
		path := members(te.Field)
		i := slices.IndexFunc(path, func(name string) bool { return slices.Contains(unread, name) })
		if i < 0 {
			return err
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		var tree any
		if dec.Decode(&tree) != nil {
			return err
		}
		drop(tree, path[:i+1])
		raw = Encode(tree)
		err = json.Unmarshal(raw, v)
	}
	return err
}

// members are the names on the way to a member, as JSON has them. The path of an
// error also names embedded types, whose names begin with a capital.
func members(field string) []string {
	return slices.DeleteFunc(strings.Split(field, "."), func(name string) bool {
		return name == "" || 'A' <= name[0] && name[0] <= 'Z'
	})
}

// drop takes a member out of a value. The path of an error does not tell lists.
func drop(v any, path []string) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			drop(item, path)
		}
	case map[string]any:
		if len(path) == 1 {
			delete(v, path[0])
			return
		}
		drop(v[path[0]], path[1:])
	}
}
