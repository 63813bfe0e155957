package forge

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"evidenced/collectors"
	"evidenced/evidence"
)

const maxName = 256 // bytes of a name or mail address

// Clean replaces control characters and what is no UTF-8 with U+FFFD.
func Clean(s string) string {
	ok := utf8.ValidString(s)
	for i := 0; ok && i < len(s); i++ {
		ok = s[i] >= 0x20 && s[i] != 0x7f
	}
	if ok {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// Short cuts a name to 256 bytes; a cut one ends in three dots.
func Short(s string) string {
	if len(s) <= maxName {
		return s
	}
	return strings.ToValidUTF8(s[:maxName-3], "") + "..."
}

var mail = regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+`)

// Fact makes a text of a source fit for facts: no credentials, which would not be
// known as such once it is cut, no control characters, no mail addresses, not long.
func Fact(s string) string {
	s = Clean(collectors.WithoutCredentials(s))
	if strings.Contains(s, "@") {
		s = mail.ReplaceAllString(s, "{mail}")
	}
	return Short(s)
}

// Text makes a draft's Text: what people wrote, cut at the limit with a mark;
// nil of nothing.
func Text(parts ...string) []byte {
	var some []string
	for _, p := range parts {
		if p != "" {
			some = append(some, strings.ToValidUTF8(p, "\uFFFD"))
		}
	}
	s := strings.Join(some, "\n\n")
	if s == "" {
		return nil
	}
	if len(s) <= evidence.MaxText {
		return []byte(s)
	}
	mark := "\n[cut here: the text has " + strconv.Itoa(len(s)) + " bytes]"
	s = collectors.WithoutCredentials(s) // half of one would not be known as such
	return []byte(strings.ToValidUTF8(s[:min(len(s), evidence.MaxText-len(mark))], "") + mark)
}

// HashID stands for a name that facts must not hold: 16 hex digits.
func HashID(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// Encode writes facts as JSON without HTML escaping; nil for what JSON cannot
// hold, such as a year beyond 9999: the sink refuses a draft without content.
func Encode(facts any) []byte {
	b, err := evidence.EncodeFacts(facts)
	if err != nil {
		return nil
	}
	return b
}

// Without takes members out of a JSON object and says which were there, as
// evidence.Draft.Removed wants it: remover, then JSON pointers. What is no
// object is not kept at all.
func Without(remover string, raw json.RawMessage, names ...string) (kept []byte, removed []string) {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return nil, nil
	}
	for _, n := range names {
		if _, ok := m[n]; ok {
			delete(m, n)
			removed = append(removed, "/"+n)
		}
	}
	if removed == nil {
		return raw, nil
	}
	return Encode(m), append([]string{remover}, removed...)
}
