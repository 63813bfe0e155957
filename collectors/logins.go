package kube

import (
	"bytes"
	"regexp"
	"strings"
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

// userInRaw finds an address with a user part within JSON.
var userInRaw = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*:(?:\\?/){2}[^\s/"'<>\\]*@`)

// HoldsUser reports whether an address in an object's bytes has a user part.
func HoldsUser(raw []byte) bool { return bytes.IndexByte(raw, '@') >= 0 && userInRaw.Match(raw) }
