package store

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"evidenced/evidence"
)

// needles are the names of a person, to be searched for in opened claims.
type needles []needle

type needle struct {
	text  string // lower case, but for parts of a name
	what  string // login, mail, name, part of the name, native id
	exact bool   // letter for letter: a part of a name is a common word too
	word  bool   // only as a whole word, or a whole number
}

// wholeWord is the length in bytes below which a name counts only as a word of
// its own: a short one is a part of many words.
const wholeWord = 8

// add takes up the names of one person record.
func (ns *needles) add(f evidence.PersonFacts) {
	ns.name("native id", f.NativeID)
	ns.name("login", f.Names.Login)
	ns.name("name", f.Names.Display)
	for _, m := range []string{f.Names.Mail, f.NativeID} {
		if local, _, ok := strings.Cut(m, "@"); ok {
			ns.name("mail", m)
			if len(local) >= 6 {
				ns.put(needle{strings.ToLower(local), "a part of the mail address", false, true})
			}
		}
	}
	parts := strings.FieldsFunc(f.Names.Display, func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' && r != '-' })
	for _, p := range parts {
		if utf8.RuneCountInString(p) >= 4 && len(parts) > 1 {
			ns.put(needle{p, "a part of the name", true, true})
		}
	}
	ns.joined(parts)
}

// joins stand between the parts of a name in paths, branches, addresses and
// logins.
var joins = []string{"", ".", "-", "_", ", "}

// joined adds a name of several parts as such places have it: mira-kessler,
// kessler.mira, mkessler. Of more than two parts the first and the last are
// taken too, for that is how logins are made.
func (ns *needles) joined(parts []string) {
	if len(parts) < 2 {
		return
	}
	first, last := parts[0], parts[len(parts)-1]
	initial, _ := utf8.DecodeRuneInString(first)
	for _, join := range joins {
		for _, form := range []string{
			strings.Join(parts, join), first + join + last, last + join + first, string(initial) + join + last,
		} {
			if utf8.RuneCountInString(form) > minJoined {
				ns.put(needle{strings.ToLower(form), "the name, put together", false, true})
			}
		}
	}
}

// minJoined is the length in letters up to which what a name is put together to
// is taken for a common word.
const minJoined = 5

func (ns *needles) name(what, text string) {
	if len(text) >= 2 {
		number := strings.Trim(text, "0123456789") == ""
		ns.put(needle{strings.ToLower(text), what, false, number || len(text) < wholeWord})
	}
}

func (ns *needles) put(n needle) {
	if !slices.ContainsFunc(*ns, func(o needle) bool { return o.text == n.text && o.exact == n.exact }) {
		*ns = append(*ns, n)
	}
}

// find reports which of the names stand in the claim, however they are
// written: as they are, percent-encoded, escaped as in JSON, in base64, or
// some of these inside another.
func (ns needles) find(claim []byte) []string {
	var found []string
	ns.look(string(claim), 3, &found)
	return found
}

// look searches the text and what it encodes, so many layers deep.
func (ns needles) look(text string, deep int, found *[]string) {
	lower := strings.ToLower(text)
	for _, n := range ns {
		in := lower
		if n.exact {
			in = text
		}
		if !slices.Contains(*found, n.what) && n.in(in) {
			*found = append(*found, n.what)
		}
	}
	if deep == 0 {
		return
	}
	if strings.ContainsRune(text, '%') {
		ns.look(percentDecoded(text), deep-1, found)
	}
	if strings.ContainsRune(text, '\\') {
		ns.look(unescaped(text), deep-1, found)
	}
	for run := range base64Runs(text) {
		for off := 0; off < 4 && off < len(run); off++ {
			if plain := base64Decoded(run[off:]); len(plain) >= 2 {
				ns.look(plain, deep-1, found)
			}
		}
	}
}

func (n needle) in(text string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], n.text)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(n.text)
		if !n.word || !wordEndsIn(text[:start]) && !wordBeginsIn(text[end:]) {
			return true
		}
		from = start + 1
	}
}

func wordEndsIn(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return s != "" && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

func wordBeginsIn(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s != "" && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// percentDecoded decodes every %XX and takes + for a space, as forms do.
func percentDecoded(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+3 <= len(s) {
			if d, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(d))
				i += 2
				continue
			}
		}
		if s[i] == '+' {
			b.WriteByte(' ')
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// unescaped decodes the escapes of a JSON string wherever they stand.
func unescaped(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'n', 'r', 't', 'b', 'f':
			b.WriteByte(' ')
		case 'u':
			r, n := hexRune(s[i+1:])
			if n == 0 {
				b.WriteByte(c)
				continue
			}
			i += n
			b.WriteRune(r)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// hexRune reads four hex digits, or a surrogate pair, and returns how many
// bytes they take.
func hexRune(s string) (rune, int) {
	one := func(s string) (rune, bool) {
		if len(s) < 4 {
			return 0, false
		}
		v, err := strconv.ParseUint(s[:4], 16, 16)
		return rune(v), err == nil
	}
	r, ok := one(s)
	if !ok {
		return 0, 0
	}
	if r >= 0xd800 && r < 0xdc00 && strings.HasPrefix(s[4:], `\u`) {
		if low, ok := one(s[6:]); ok && low >= 0xdc00 && low < 0xe000 {
			return (r-0xd800)<<10 | (low - 0xdc00) + 0x10000, 10
		}
	}
	return r, 4
}

// base64Runs yields the stretches of at least 8 letters of either base64
// alphabet.
func base64Runs(s string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i := 0; i < len(s); {
			start := i
			for i < len(s) && isBase64(s[i]) {
				i++
			}
			if i-start >= 8 && !yield(s[start:i]) {
				return
			}
			if i == start {
				i++
			}
		}
	}
}

func isBase64(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '-' || c == '_'
}

func base64Decoded(s string) string {
	b := []byte(s)
	if len(b)%4 == 1 { // a letter that stands for nothing
		b = b[:len(b)-1]
	}
	b = bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("-"), []byte("+")), []byte("_"), []byte("/"))
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(b)))
	n, err := base64.RawStdEncoding.Decode(out, b)
	if err != nil {
		return ""
	}
	return string(out[:n])
}
