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

func (h hider) holds(s string) bool { return h.hide(s) != s }

// prose hides names in the sentences of decoded facts: why a backup failed. What
// holds no blank is no sentence and stays as it is, a path above all.
func (h hider) prose(v any) any {
	switch v := v.(type) {
	case string:
		if strings.Contains(v, " ") {
			return h.hide(v)
		}
	case []any:
		for i := range v {
			v[i] = h.prose(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = h.prose(v[k])
		}
	}
	return v
}

// replaceName replaces a name where it is not a part of a longer word: the
// policy ops is not in "devops".
func replaceName(s, name string) string {
	var out strings.Builder
	rest, before := s, byte(' ')
	for {
		i := strings.Index(rest, name)
		if i < 0 {
			break
		}
		end := i + len(name)
		if i > 0 {
			before = rest[i-1]
		}
		if inWord(before) && inWord(name[0]) || end < len(rest) && inWord(rest[end]) && inWord(name[len(name)-1]) {
			out.WriteString(rest[:i+1])
			before, rest = rest[i], rest[i+1:]
			continue
		}
		out.WriteString(rest[:i])
		out.WriteString(leftOut)
		before, rest = name[len(name)-1], rest[end:]
	}
	if out.Len() == 0 {
		return s
	}
	out.WriteString(rest)
	return out.String()
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
		if start < i && h.words[s[start:i]] {
			out.WriteString(s[done:start])
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
// bytes, which are one JSON value or several, one after the other, and says
// where. Bytes of another form that hold one, and damaged JSON, which may spell
// one otherwise, go whole.
func (h hider) raw(d *evidence.Draft) {
	if len(h.words)+len(h.phrases) == 0 || len(d.Raw) == 0 {
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
			if looksLikeJSON(d.Raw) || h.holds(string(d.Raw)) {
				d.Raw, d.Removed = nil, []string{viewer, ""}
			}
			return
		}
		v, removed = h.scrub(v, "", removed)
		if out.Len() > 0 {
			out.WriteByte('\n')
		}
		out.Write(encode(v))
	}
	if len(removed) == 0 {
		return // the bytes as they came
	}
	slices.Sort(removed)
	d.Raw, d.Removed = out.Bytes(), declare(d.Removed, slices.Compact(removed))
}

func looksLikeJSON(b []byte) bool {
	b = bytes.TrimSpace(b)
	return len(b) > 0 && (b[0] == '{' || b[0] == '[' || b[0] == '"')
}

// scrub replaces what holds a name and adds where it stood.
func (h hider) scrub(v any, at string, removed []string) (any, []string) {
	switch v := v.(type) {
	case string:
		if h.holds(v) {
			return leftOut, append(removed, at)
		}
	case []any:
		for i := range v {
			v[i], removed = h.scrub(v[i], at+"/"+strconv.Itoa(i), removed)
		}
	case map[string]any:
		for k, x := range v {
			if h.holds(k) {
				// It is called by a name: it goes whole, and its pointer would tell.
				delete(v, k)
				removed = append(removed, at)
				continue
			}
			v[k], removed = h.scrub(x, at+"/"+pointer.Escape(k), removed)
		}
	}
	return v, removed
}

// declare adds places to what was removed before, by the collector. The first
// element names who removed; where two did it names both.
func declare(before, at []string) []string {
	if len(before) == 0 {
		return append([]string{viewer}, at...)
	}
	return append(append([]string{before[0] + " " + viewer}, before[1:]...), at...)
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
