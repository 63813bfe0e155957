// Package pointer writes and reads the parts of JSON pointers (RFC 6901): names
// of members and numbers of elements, with a slash before each.
package pointer

import "strings"

var (
	escapes   = strings.NewReplacer("~", "~0", "/", "~1")
	unescapes = strings.NewReplacer("~1", "/", "~0", "~")
)

// Escape writes the name of a member as a part of a pointer (section 3).
func Escape(name string) string { return escapes.Replace(name) }

// Join writes the pointer to what the names lead to; "" is the whole document.
func Join(names ...string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteByte('/')
		b.WriteString(Escape(n))
	}
	return b.String()
}

// Split returns the names in a pointer (section 4); none for the whole document.
func Split(p string) []string {
	if p == "" {
		return nil
	}
	names := strings.Split(strings.TrimPrefix(p, "/"), "/")
	for i, n := range names {
		if strings.Contains(n, "~") { // few do, and views split pointers by the thousand
			names[i] = unescapes.Replace(n)
		}
	}
	return names
}
