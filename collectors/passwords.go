package collectors

import (
	"regexp"
	"strings"
)

// A password has no form of its own. In a text it is known by the word before it, and
// by a form that words of prose do not have: the word alone says little. "password:
// must have 12 characters" tells how things are, and that must not be lost. So
// "password: swordfish", which looks the same, is kept.

// said finds a word for a password and what stands behind it: a colon or an equals
// sign, a quote, or a blank where the word is an option of a command line. A name
// may end in the word: PGPASSWORD, db_password.
var said = regexp.MustCompile(`(?i)(--[\w-]*)?(?:password|passwd|passphrase|passcode)` +
	"(\\\\*[\"'`]?(?:[ \\t]*[:=][ \\t]*\\\\*[\"'`]?|[ \\t]+\\\\*[\"'`]|[ \\t]+))([^\\s\"'`,;\\\\]+)")

// dialled finds a login without a scheme before an address that is known as one by
// its port, or by how Go's drivers of databases write it.
var dialled = regexp.MustCompile(`[\w.+%-]:([^\s:/"'<>\\(){}\[\]]+)@(?:(?:tcp|unix)(\()|[\w.-]+:\d{2,5}\b)`)

// withoutPasswords puts [removed] where a password is said.
func withoutPasswords(s string) string {
	return replaceParts(s, said, func(m []int) (begin, end int) {
		begin, end = m[6], m[6]+len(strings.TrimRight(s[m[6]:m[7]], ".!?)]}>"))
		sep, quoted := s[m[4]:m[5]], strings.ContainsAny(s[m[4]:m[5]], "\"'`")
		switch value := s[begin:end]; {
		case passwordLike(value):
			// A word behind another is none, whatever it looks like.
			if strings.TrimSpace(sep) != "" || m[2] >= 0 {
				return begin, end
			}
		case strings.Trim(sep, "\\\"'`") == "=" && !unset.MatchString(value) && (!quoted || quoteAt(s, end)):
			return begin, end
		}
		return 0, 0
	})
}

// withoutDialled puts [removed] where the password of a login without a scheme
// stands.
func withoutDialled(s string) string {
	return replaceParts(s, dialled, func(m []int) (begin, end int) {
		if m[4] >= 0 || passwordLike(s[m[2]:m[3]]) {
			return m[2], m[3]
		}
		return 0, 0
	})
}

// dials reports whether a text, or JSON that holds it, may hold an address behind a
// login without a scheme. Images and their digests look the same.
func dials[T string | []byte](s T) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '@' {
			continue
		}
		end := i + 1
		for end < len(s) && (inWord(s[end]) || s[end] == '.') {
			end++
		}
		switch host := s[i+1 : end]; {
		case len(host) == 0 || end+1 >= len(s):
		case s[end] == '(':
			return true
		case s[end] == ':' && '0' <= s[end+1] && s[end+1] <= '9' && string(host) != "sha256" && string(host) != "sha512":
			return true
		}
	}
	return false
}

// unset is what a parameter of such a name is set to when that is no password: a yes
// or no, a variable, and what was hidden before.
var unset = regexp.MustCompile(`(?i)^(?:true|false|yes|no|on|off|null|nil|none|\d?)$|^[\[<{($%~=*]`)

func quoteAt(s string, i int) bool { return i < len(s) && strings.IndexByte("\\\"'`", s[i]) >= 0 }

var (
	// odd is what passwords have and words do not: a digit, or a sign within.
	odd = regexp.MustCompile(`\d|[A-Za-z][@!$^]+[A-Za-z]`)
	// ordinary is what has one and is no password.
	ordinary = regexp.MustCompile(strings.Join([]string{
		`^[^A-Za-z]+$`,                     // a number, a date
		`^[^\w!@]|^_`,                      // a path, a variable, a placeholder, what was hidden
		`[(){}<>\[\]]`,                     // code
		`:$|^[A-Z]+[-_]?\d+$`,              // ORA-01017: and other errors, numbers of tickets
		`^[a-z0-9]+(?:[-._/:][a-z0-9]+)+$`, // a name of several parts: orders-db-2, secret/db1
		`^\d{4}-\d\d-\d\d`,
		`^(?:\d+(?:\.\d+)?(?:[nuµm]?s|m|h|d|w|st|nd|rd|th|[kmg]b|(?:day|hour|minute|second|week|month|year|char|character|letter|digit|byte|time|bit)s?))+$`,
		`^[^@]+@[^@]+\.[A-Za-z]+$`, // a mail address
		`^(?i:(?:sha|md|base|utf-?|oauth|pkcs|argon|pbkdf|aes|rsa|krb|ipv|http|rfc|mfa)\d|x509|2fa|[bs]crypt|v\d+(?:alpha|beta|rc)?\d*$)`, // how it is kept or asked for
	}, "|"))
)

// passwordLike reports whether a text has the form of a password: it is no word,
// name, number, time or kind of hash.
func passwordLike(s string) bool {
	return len(s) >= 6 && odd.MatchString(s) && !ordinary.MatchString(s)
}

// replaceParts puts [removed] at a part of each match; nowhere where that is empty.
func replaceParts(s string, re *regexp.Regexp, part func(m []int) (begin, end int)) string {
	var out strings.Builder
	done := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
		if begin, end := part(m); begin < end {
			out.WriteString(s[done:begin])
			out.WriteString(leftOut)
			done = end
		}
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}
