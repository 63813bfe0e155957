package collectors

import (
	"regexp"
	"slices"
	"strings"
)

// A password has no form of its own. In a text it is known by the word before it, and
// by a form that words of prose do not have: the word alone says little. "password:
// must have 12 characters" tells how things are, and that must not be lost. So
// "password: swordfish", which looks the same, is kept.

// said finds a word for a password and what stands before its value: a colon or an
// equals sign, a quote, or a blank where the word is an option of a command line. A
// name may end in the word: PGPASSWORD, db_password.
var said = regexp.MustCompile(`(?i)(password|passwd|passphrase|passcode|pwd)` +
	"(\\\\*[\"'`]?[ \\t]*[:=][ \\t]*|[ \\t]+|\\\\*[\"'`][ \\t]+)(\\\\*[\"'`])?")

// dialled finds a login without a scheme before an address that is known as one by
// its port, or by how Go's drivers of databases write it.
var dialled = regexp.MustCompile(`[\w.+%-]:([^\s:/"'<>\\(){}\[\]]+)@(?:(?:tcp|unix)(\()|[\w.-]+:\d{2,5}\b)`)

// withoutPasswords puts [removed] where a password is said. What is set to a word
// counts as one where the name is that for a password alone (password=), an option,
// all in capitals (DB_PASSWORD=), or a parameter: reset_password=required tells a rule.
func withoutPasswords(s string) string {
	const long = 256
	seen := 0 // up to there a long value goes: what it holds is not looked at again
	return replaceParts(s, said, func(m []int) (begin, end int) {
		if m[1] < seen {
			return 0, 0
		}
		at := m[0]
		for at > 0 && inWord(s[at-1]) {
			at--
		}
		name, word, sep := s[at:m[3]], strings.ToLower(s[m[2]:m[3]]), s[m[4]:m[5]]
		assigned, option := strings.TrimLeft(sep, "\\\"'`") == "=", strings.HasPrefix(name, "--")
		bare := assigned && len(strings.TrimLeft(name, "-")) == len(word)
		param := at > 0 && strings.IndexByte("?&;", s[at-1]) >= 0 // of an address, or a connection
		opened, quoted := m[6] >= 0, false
		if begin = m[1]; opened {
			end, quoted = closing(s, begin, s[m[6]:m[7]])
		}
		if !quoted {
			end = begin + valueLen(s[begin:], assigned)
			if !bare {
				end = begin + len(strings.TrimRight(s[begin:end], ".!?)]}>,;"))
			}
			if end-begin > long {
				seen = end
			}
		}
		switch value := s[begin:end]; {
		case word == "pwd" && !param && name != "MYSQL_PWD" && directory.MatchString(value):
		case holdsPassword(value, quoted):
			// A word behind another is none, whatever it looks like.
			if opened || option || strings.TrimSpace(sep) != "" {
				return begin, end
			}
		case !assigned || opened && !quoted || unset.MatchString(value) || !bare && number.MatchString(value):
		case bare && !quoted && !strings.HasPrefix(value, leftOut):
			return begin, end
		case !placeholder.MatchString(value) && (bare || option || param || name == strings.ToUpper(name)):
			return begin, end // a setting that is meant for one, in whatever form
		}
		return 0, 0
	})
}

// closing finds the quote that ends what a quote, escaped or not, begins on a line.
func closing(s string, from int, quote string) (int, bool) {
	escapes, q := len(quote)-1, quote[len(quote)-1]
	for i := from; i < len(s) && s[i] != '\n'; i++ {
		if s[i] != q {
			continue
		}
		end := i
		for end > from && s[end-1] == '\\' {
			end--
		}
		if i-end <= escapes {
			return end, true
		}
	}
	return 0, false
}

var (
	// follows begins what stands behind a value: a sign of a sentence, or the next of
	// several settings. Passwords hold such signs too.
	follows = regexp.MustCompile(`^(?:[,;](?:\s|$|[A-Za-z_][\w.-]*=[^=\s])|;[A-Za-z][\w ]*=[^=\s])`)
	// member is the same where a colon stands behind a name.
	member = regexp.MustCompile(`^[,;][A-Za-z_][\w.-]*:`)
)

// valueLen returns how long the value is that a text without quotes begins with.
func valueLen(s string, assigned bool) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ', '\t', '\n', '\r', '\f', '"', '\'', '`', '\\':
			return i
		case '&':
			if assigned {
				return i
			}
		case ',', ';':
			if follows.MatchString(s[i:]) || !assigned && member.MatchString(s[i:]) {
				return i
			}
		}
	}
	return len(s)
}

// holdsPassword reports whether a value has the form of a password: one of its parts,
// or of a text in quotes the first word.
func holdsPassword(value string, quoted bool) bool {
	if quoted {
		words := strings.Fields(value)
		return len(words) > 0 && passwordLike(words[0])
	}
	return slices.ContainsFunc(strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ';' }), passwordLike)
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

var (
	// unset is what a parameter of such a name is set to when that is no password: a
	// yes or no, or a rule.
	unset = regexp.MustCompile(`(?i)^(?:true|false|yes|no|on|off|null|nil|none|\d?|` +
		`required|optional|enabled?|disabled?|allow(?:ed)?|den(?:y|ied)|forbidden|prohibited|mandatory|expired?|unset|` +
		`always|never|once|hourly|daily|weekly|monthly|quarterly|yearly|annually)$`)
	// number is how long one must be, or holds.
	number = regexp.MustCompile(`(?i)^\d{1,4}(?:[smhdwy]|(?:char|day|week|month|year)s?)?$`)
	// placeholder is a variable, what was hidden before, and the code between two texts.
	placeholder = regexp.MustCompile("^[\\[<{($%~=*\\s+,;)}\"'`\\\\]")
	// directory is what a shell keeps in PWD.
	directory = regexp.MustCompile(`^[/~.$%]|^[A-Za-z]:`)
)

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
		if m[0] < done {
			continue // within what went
		}
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
