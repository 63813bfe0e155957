package collectors

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/pointer"
)

// viewer names who took names of other tenants out of raw bytes.
const viewer = "tenancy/1"

// leftOut stands where a name of another tenant stood.
const leftOut = "[removed]"

// hider puts [removed] where one of its names stands. Most names are one word, and a
// thing of the whole cluster may name thousands: words are looked up as they come.
type hider struct {
	words map[string]bool
	// The others, longest first: one may begin another. They go before the words,
	// for one that holds a word holds all of it, and is longer.
	phrases []string
}

func hiderOf(names map[string]bool) hider {
	h := hider{words: map[string]bool{}}
	for name := range names {
		if oneWord(name) {
			h.words[name] = true
		} else {
			h.phrases = append(h.phrases, name)
		}
	}
	slices.SortFunc(h.phrases, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
	return h
}

func (h hider) hide(s string) string {
	for _, name := range h.phrases {
		s = replaceName(s, name)
	}
	return h.replaceWords(s)
}

// holds reports whether one of the names stands in a string, be it escaped once
// more: in the query of an address, or in JSON that a string holds.
func (h hider) holds(s string) bool {
	if h.hide(s) != s {
		return true
	}
	plain := unescaped(s)
	return plain != s && h.hide(plain) != plain
}

// prose hides names in the sentences of decoded facts: why a backup failed. What
// holds no blank is no sentence and stays as it is, a path above all.
func (h hider) prose(v any) any {
	return eachString(v, func(s string) string {
		if strings.Contains(s, " ") {
			return h.hide(s)
		}
		return s
	})
}

// replaceName replaces a name where it is not a part of a longer word: the
// policy ops is not in "devops".
func replaceName(s, name string) string {
	var out strings.Builder
	done := 0
	for at := 0; ; {
		i := strings.Index(s[at:], name)
		if i < 0 {
			break
		}
		i += at
		end := i + len(name)
		if inWord(name[0]) && !begins(s, i) || end < len(s) && inWord(s[end]) && inWord(name[len(name)-1]) {
			at = i + 1
			continue
		}
		out.WriteString(s[done:i])
		out.WriteString(leftOut)
		at, done = end, end
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// begins reports whether a word may begin at a place: behind no part of one, or
// behind an escape, which ends in letters or digits that are no part of it.
func begins(s string, i int) bool {
	return i == 0 || !inWord(s[i-1]) || escape(s[max(0, i-6):i])
}

// escape reports whether a text ends in an escape of JSON or of addresses: \n,
// \u003c or %22.
func escape(s string) bool {
	n := len(s)
	return n >= 2 && s[n-2] == '\\' && strings.IndexByte("nrtbf", s[n-1]) >= 0 ||
		n >= 3 && s[n-3] == '%' && hexadecimal(s[n-2:]) ||
		n >= 6 && s[n-6:n-4] == `\u` && hexadecimal(s[n-4:])
}

func hexadecimal(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (c < 'a' || c > 'f') && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return true
}

// unescaped is a text without the escapes of addresses, and with the slashes that
// JSON may escape: a name of several words may hold what they stand for.
func unescaped(s string) string {
	if strings.Contains(s, `\/`) {
		s = strings.ReplaceAll(s, `\/`, "/")
	}
	if !strings.Contains(s, "%") {
		return s // most
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && hexadecimal(s[i+1:i+3]) {
			c, _ := strconv.ParseUint(s[i+1:i+3], 16, 8)
			out = append(out, byte(c))
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

// replaceWords replaces the words that are names.
func (h hider) replaceWords(s string) string {
	var out strings.Builder
	done := 0
	for i := 0; len(h.words) > 0 && i < len(s); i++ {
		start := i
		for i < len(s) && inWord(s[i]) {
			i++
		}
		if start == i {
			continue
		}
		if begin := start + h.named(s, start, i); begin < i {
			out.WriteString(s[done:begin])
			out.WriteString(leftOut)
			done = i
		}
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// named tells where in a word of a text a name begins that goes to the word's end:
// at its own begin, or behind the rest of an escape. It is the word's length for none.
func (h hider) named(s string, start, end int) int {
	if h.words[s[start:end]] {
		return 0
	}
	if start > 0 && (s[start-1] == '\\' || s[start-1] == '%') {
		for _, n := range []int{1, 2, 5} { // \n, %22, \u003c
			if start+n < end && h.words[s[start+n:end]] && begins(s, start+n) {
				return n
			}
		}
	}
	return end - start
}

func oneWord(s string) bool {
	for i := range len(s) {
		if !inWord(s[i]) {
			return false
		}
	}
	return s != ""
}

func inWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c >= 0x80
}

// raw takes every string and member that holds one of the names out of the raw
// bytes.
func (h hider) raw(d *evidence.Draft) {
	if len(h.words)+len(h.phrases) > 0 {
		takeOut(d, viewer, h.holds)
		d.Removed = untell(d.Removed, h.holds)
	}
}

// untell shortens the places of what a collector removed to where no name holds
// something: it removes what stands in members of any name.
func untell(removed []string, holds func(string) bool) []string {
	var out []string
	for i, at := range removed {
		names := pointer.Split(at)
		n := slices.IndexFunc(names, holds)
		if i == 0 || n < 0 {
			continue // the remover itself, and most
		}
		if out == nil {
			out = slices.Clone(removed)
		}
		out[i] = pointer.Join(names[:n]...)
	}
	if out == nil {
		return removed
	}
	for i := 1; i < len(out); i++ {
		if slices.Contains(out[1:i], out[i]) {
			out = slices.Delete(out, i, i+1)
			i--
		}
	}
	return out
}

// takeOut takes the strings and members that hold something out of the raw bytes,
// which are one JSON value or several, one after the other, and says where, and
// who did. Bytes of another form that hold it, and damaged JSON, which may spell
// it otherwise, go whole.
func takeOut(d *evidence.Draft, who string, holds func(string) bool) {
	if len(d.Raw) == 0 {
		return
	}
	var out bytes.Buffer
	var removed []string
	dec := json.NewDecoder(bytes.NewReader(d.Raw))
	dec.UseNumber()
	for {
		var v any
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if looksLikeJSON(d.Raw) || holds(string(d.Raw)) {
				d.Raw, d.Removed = nil, []string{who, ""}
			}
			return
		}
		v, removed = scrub(v, "", removed, holds)
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		out.Write(encode(v))
	}
	if len(removed) == 0 {
		return // the bytes as they came
	}
	slices.Sort(removed)
	d.Raw, d.Removed = out.Bytes(), declare(d.Removed, who, slices.Compact(removed))
}

func looksLikeJSON(b []byte) bool {
	b = bytes.TrimSpace(b)
	return len(b) > 0 && (b[0] == '{' || b[0] == '[' || b[0] == '"')
}

// scrub replaces the strings that hold something and adds where they stood.
func scrub(v any, at string, removed []string, holds func(string) bool) (any, []string) {
	switch v := v.(type) {
	case string:
		if holds(v) {
			return leftOut, append(removed, at)
		}
	case []any:
		for i := range v {
			v[i], removed = scrub(v[i], at+"/"+strconv.Itoa(i), removed, holds)
		}
	case map[string]any:
		for k, x := range v {
			if holds(k) {
				// It is called by one: it goes whole, and its pointer would tell.
				delete(v, k)
				removed = append(removed, at)
				continue
			}
			v[k], removed = scrub(x, at+"/"+pointer.Escape(k), removed, holds)
		}
	}
	return v, removed
}

// declare adds places to what was removed before, by the collector. The first
// element names who removed; where two did it names both.
func declare(before []string, who string, at []string) []string {
	if len(before) == 0 {
		return append([]string{who}, at...)
	}
	return append(append([]string{before[0] + " " + who}, before[1:]...), at...)
}

// decode reads one JSON value and keeps numbers as they are written.
func decode(b []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return v, dec.Decode(&v)
}

// encode writes a decoded JSON value.
func encode(v any) []byte {
	b, err := evidence.EncodeFacts(v)
	if err != nil {
		panic("collectors: " + err.Error()) // it was decoded from JSON
	}
	return b
}
