package kube

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"evidenced/evidence"
)

// Spelled says whose the names are that the text and the bytes of a draft spell
// beyond its lists: in a selector, an annotation, the sentence of a status. They are
// the namespaces that the look knows, and any word where unknown says that there may
// be more of them; and the values of their labels, which tell of a tenant that rules
// know by its labels. The object's own namespace is not among them. It returns
// nothing and false when there are more than most of them.
func (l *Look) Spelled(d *evidence.Draft, own string, unknown bool, most int) (m evidence.Mention, ok bool) {
	values := l.labelled()
	var found map[string]bool // of most objects none is made
	find := func(word []byte) {
		// A byte slice as a key is looked up without a copy.
		if found[string(word)] || string(word) == own || len(word) > maxLabel {
			return
		}
		_, space := l.namespaces[string(word)]
		if !space && values[string(word)] == nil && (!unknown || !lower(word)) {
			return
		}
		if found == nil {
			found = map[string]bool{}
		}
		found[string(word)] = true
	}
	eachWord(d.Text, find)
	eachString(d.Raw, func(s []byte) { eachWord(s, find) })
	if len(found) > most {
		return m, false
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		var refs []evidence.Ref
		if _, space := l.namespaces[name]; space || unknown && lower([]byte(name)) {
			refs = append(l.Scope(name), l.Ref("", "Namespace", "", name))
		} else {
			refs = []evidence.Ref{evidence.NewRef("label", l.Authority, name)} // what it is called
		}
		for _, ref := range values[name] {
			if !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
		m.Of = append(m.Of, refs)
	}
	return m, true
}

// Spell adds to the mentions of a draft that several tenants are told whose the names
// of known namespaces and the values of their labels are that its text and bytes
// spell, but for namespaces that are mentioned already.
func (l *Look) Spell(d *evidence.Draft) {
	m, _ := l.Spelled(d, "", false, len(d.Text)+len(d.Raw))
	if len(m.Of) == 0 {
		return
	}
	called := map[string]bool{}
	for _, of := range d.Mentions {
		for _, refs := range of.Of {
			if len(refs) > 0 && refs[0].Scheme == "ns" {
				called[refs[0].Name] = true
			}
		}
	}
	m.Of = slices.DeleteFunc(m.Of, func(refs []evidence.Ref) bool { return called[refs[0].Name] })
	if len(m.Of) > 0 {
		d.Mentions = append(d.Mentions, m)
	}
}

// labelled are the labels of namespaces that tenancy looks at, by their values.
func (l *Look) labelled() map[string][]evidence.Ref {
	if l.values != nil {
		return l.values
	}
	l.values = map[string][]evidence.Ref{}
	for _, n := range l.namespaces {
		for k, v := range n.Labels {
			ref := evidence.NewRef("label", l.Authority, k+"="+v)
			if v != "" && l.labels(k) && !slices.Contains(l.values[v], ref) {
				l.values[v] = append(l.values[v], ref)
			}
		}
	}
	return l.values
}

// maxLabel is how long the name of a namespace may be (RFC 1123), and the value of
// a label.
const maxLabel = 63

// eachWord calls f with what may be names of namespaces and values of labels in a
// text, which may be escaped once more: behind \n and %22 a word begins too. A value
// may hold dots, and so may a host that a name is a part of.
func eachWord(text []byte, f func([]byte)) {
	for begin := 0; begin < len(text); {
		if !inWord(text[begin]) {
			begin++
			continue
		}
		end := begin
		dots := false
		for end < len(text) && (inWord(text[end]) || text[end] == '.') {
			dots = dots || text[end] == '.'
			end++
		}
		word := text[begin:end]
		if dots {
			f(bytes.Trim(word, "."))
			for part := range bytes.SplitSeq(word, []byte(".")) {
				f(part)
			}
		} else {
			f(word)
		}
		if begin > 0 && (text[begin-1] == '\\' || text[begin-1] == '%') {
			for _, n := range []int{1, 2, 5} { // \n, %22, \u003c
				if n < len(word) {
					f(word[n:])
				}
			}
		}
		begin = end
	}
}

func inWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// lower reports whether a namespace may be called so.
func lower(word []byte) bool {
	return len(word) > 0 && bytes.IndexFunc(word, func(r rune) bool { return ('a' > r || r > 'z') && ('0' > r || r > '9') && r != '-' }) < 0
}

// eachString calls f with the strings of a JSON value, as they read without their
// escapes; with all of it where it has none.
func eachString(raw []byte, f func([]byte)) {
	if !bytes.ContainsRune(raw, '\\') {
		f(raw)
		return
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	for {
		t, err := dec.Token()
		if err != nil {
			return // its end: an object was read as JSON before
		}
		if s, ok := t.(string); ok {
			f([]byte(s))
		}
	}
}
