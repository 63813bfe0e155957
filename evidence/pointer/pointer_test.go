package pointer

import (
	"slices"
	"testing"
)

// The pointers of RFC 6901, section 5, and one whose escapes may be read twice.
func TestPointers(t *testing.T) {
	for p, names := range map[string][]string{
		"": nil, "/foo": {"foo"}, "/foo/0": {"foo", "0"}, "/": {""}, "/a~1b": {"a/b"}, "/c%d": {"c%d"}, "/ ": {" "}, "/m~0n": {"m~n"},
		"/~01": {"~1"}, "/a//b": {"a", "", "b"},
	} {
		if got := Join(names...); got != p {
			t.Errorf("%q make %q, want %q", names, got, p)
		}
		if got := Split(p); !slices.Equal(got, names) {
			t.Errorf("%q splits into %q, want %q", p, got, names)
		}
	}
}
