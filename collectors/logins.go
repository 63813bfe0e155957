package collectors

import (
	"bytes"
	"regexp"
	"strings"

	"evidenced/evidence"
)

// userPart finds the user part of addresses inside any text. It is greedy up to
// the last @ before a slash or blank, so that a password with an @ goes whole.
var userPart = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s/"'<>]*@`)

// WithoutUser takes user and password out of every address in a text.
func WithoutUser(s string) string {
	if !strings.Contains(s, "://") {
		return s // most texts, and there are many
	}
	return userPart.ReplaceAllString(s, "$1")
}

// userInRaw finds an address with a user part within JSON, where slashes may be
// escaped, in JSON within a string twice, and a password may hold escapes of a
// backslash and of an ampersand. Any other escape ends the address: it stands for a
// quote, a bracket or a blank.
var userInRaw = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*:(?:\\*/){2}(?:[^\s/"'<>\\]|\\\\|\\u0026)*@`)

// HoldsUser reports whether an address in an object's bytes has a user part. Most
// bytes with an @ hold mail addresses, and no other.
func HoldsUser(raw []byte) bool {
	return bytes.IndexByte(raw, '@') >= 0 && (bytes.Contains(raw, []byte(":/")) || bytes.Contains(raw, []byte(`:\`))) && userInRaw.Match(raw)
}

// WithoutLogins takes out a draft's bytes, whole, when an address in them may hold a
// login, and something does; the ssh://git@ of a repository is none. Agent names who did, and its
// version.
func WithoutLogins(d *evidence.Draft, agent string) {
	if !HoldsUser(d.Raw) {
		return
	}
	holds := false
	v, err := decode(d.Raw)
	eachString(v, func(s string) string {
		holds = holds || holdsCredential(s)
		return s
	})
	if holds || err != nil {
		d.Raw, d.Removed = []byte("null"), []string{agent, ""}
	}
}
