package gitrepo

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"
)

// glob is a compiled pattern of ref names: * stands for anything, slashes too,
// ? for one character, [...] for one of a class.
type glob struct{ re *regexp.Regexp }

func compileGlob(pattern string) (glob, error) {
	if pattern == "" {
		return glob{}, errors.New("is empty")
	}
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			b.WriteString(`.*`)
		case '?':
			b.WriteString(`.`)
		case '[':
			end := strings.IndexByte(pattern[i:], ']')
			if end < 2 {
				return glob{}, errors.New("has [ without ]")
			}
			b.WriteString(pattern[i : i+end+1])
			i += end
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteString(`\z`)
	re, err := regexp.Compile(b.String())
	if err != nil {
		return glob{}, errors.New("has a class that cannot be read")
	}
	return glob{re}, nil
}

func compileGlobs(patterns []string) ([]glob, error) {
	var gs []glob
	for _, p := range patterns {
		g, err := compileGlob(p)
		if err != nil {
			return nil, err
		}
		gs = append(gs, g)
	}
	return gs, nil
}

func matchAny(gs []glob, s string) bool {
	for _, g := range gs {
		if g.re.MatchString(s) {
			return true
		}
	}
	return false
}

// refID is the stable identity of a ref in the resume and in the place of
// names that are not written: 16 hex digits over repository and full name.
func refID(repo, full string) string {
	h := sha256.Sum256([]byte("evidenced/git/ref\n" + repo + "\n" + full))
	return hex.EncodeToString(h[:8])
}

// hiddenRef is the public form of a ref whose name is not written. A ~ cannot
// stand in a ref's name, so it meets no real one.
func hiddenRef(prefix, id string) string { return prefix + "~" + id }

const (
	headPrefix = "refs/heads/"
	tagPrefix  = "refs/tags/"
)

// cleanText percent-encodes what JSON would fold or break: bytes that are not
// UTF-8, control characters, and % itself. Two different inputs never share an
// output.
func cleanText(s string) string {
	clean := utf8.ValidString(s)
	for i := 0; clean && i < len(s); i++ {
		if s[i] < 0x20 || s[i] == 0x7f || s[i] == '%' {
			clean = false
		}
	}
	if clean {
		return s
	}
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n <= 1 || r < 0x20 || r == 0x7f || r == '%' {
			b.WriteByte('%')
			b.WriteByte(digits[s[i]>>4])
			b.WriteByte(digits[s[i]&15])
			i++
			continue
		}
		b.WriteString(s[i : i+n])
		i += n
	}
	return b.String()
}

// textUTF8 returns b as UTF-8: Latin-1 where the encoding header says so, else
// with what is not UTF-8 replaced by U+FFFD. The exact bytes stay in Raw.
func textUTF8(b []byte, encoding string) []byte {
	if utf8.Valid(b) {
		return b
	}
	return []byte(strings.ToValidUTF8(decoded(string(b), encoding), "\uFFFD"))
}

// decoded reads s in the encoding of its commit, which is that of the names of
// people there too. What is UTF-8, or of an encoding that is not read, is left as
// it is.
func decoded(s, encoding string) string {
	if utf8.ValidString(s) {
		return s
	}
	switch strings.ToLower(encoding) {
	case "iso-8859-1", "iso8859-1", "latin1", "latin-1":
		out := make([]rune, len(s))
		for i := range len(s) {
			out[i] = rune(s[i])
		}
		return string(out)
	}
	return s
}
