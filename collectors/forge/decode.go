package forge

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Decode reads JSON into v. A client library's types have many members that
// nothing reads; those named in unread do not keep the rest from being read when
// they come in a form that the type does not have, wherever they stand. A time
// beyond the year 9999 is left out too: whoever makes a commit chooses its dates, and
// must not hide it and what comes after it. Whatever else is of another form is an
// error.
func Decode(raw []byte, v any, unread []string) error {
	err := json.Unmarshal(raw, v)
	for far := false; err != nil; {
		var te *json.UnmarshalTypeError
		var pe *time.ParseError
		var mend func(tree any)
		switch {
		case errors.As(err, &te):
			path := members(te.Field)
			i := slices.IndexFunc(path, func(name string) bool { return slices.Contains(unread, name) })
			if i < 0 {
				return err
			}
			mend = func(tree any) { drop(tree, path[:i+1]) }
		case errors.As(err, &pe) && !far:
			far, mend = true, dropFar
		default:
			return err
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		var tree any
		if dec.Decode(&tree) != nil {
			return err
		}
		mend(tree)
		mended := Encode(tree)
		if len(mended) >= len(raw) && bytes.Equal(mended, raw) {
			return err
		}
		raw, err = mended, json.Unmarshal(mended, v)
	}
	return nil
}

// farTime is a time of a year that no time has here.
var farTime = regexp.MustCompile(`^[+-]?[0-9]{5,}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)$`)

// dropFar takes the members out of a value that are such times.
func dropFar(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			dropFar(item)
		}
	case map[string]any:
		for name, x := range v {
			if s, ok := x.(string); ok && farTime.MatchString(s) {
				delete(v, name)
				continue
			}
			dropFar(x)
		}
	}
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
