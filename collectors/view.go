package collectors

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"evidenced/evidence"
)

// A draft that several tenants share names things of all of them: the policies
// of an operator who works for two, the files of a change to both. Each gets
// its own view: what the rules give to it, to the platform or to nobody, and
// how many more there are of others. What makes the draft what it is (source,
// kind, key, subject, times) is the same in every view.

// viewer names what was left out of Raw by it.
const viewer = "tenancy/1"

// leftOut stands where a name of another tenant stood.
const leftOut = "[removed]"

// view returns what the tenant's log gets of the draft. owners are the tenants
// of its scope. A draft that mentions nothing and belongs to one tenant goes as
// it is, and so does every one that the platform gets, or the log of what
// nobody owns, which the platform reads.
func (s *sink) view(t evidence.Tenant, d evidence.Draft, owners []evidence.Tenant) evidence.Draft {
	mentions := d.Mentions
	d.Mentions = nil
	if t == evidence.Platform || t == evidence.Unassigned {
		return d
	}
	var cut cutting
	for _, m := range mentions {
		s.judge(t, m, &cut)
	}
	if foreign(t, owners) || cut.gone != nil {
		actors := d.ActorScope
		d.Scope = keep(d.Scope, func(ref evidence.Ref) bool { return !s.hides(t, &cut, ref) })
		// Who acted is told: it is what the record says of the tenant's own things.
		d.Links = keep(d.Links, func(ref evidence.Ref) bool {
			return ref == d.Subject || !s.hides(t, &cut, ref) || slices.Contains(actors, ref)
		})
	}
	if len(cut.lists) > 0 {
		cut.apply(&d)
	}
	return d
}

// keep returns those references that are kept, in memory of their own: a view
// of a thing of a thousand tenants has few of them.
func keep(refs []evidence.Ref, kept func(evidence.Ref) bool) (out []evidence.Ref) {
	for _, ref := range refs {
		if kept(ref) {
			out = append(out, ref)
		}
	}
	return out
}

// foreign reports whether the owners name another tenant than t and the
// platform.
func foreign(t evidence.Tenant, owners []evidence.Tenant) bool {
	return slices.ContainsFunc(owners, func(o evidence.Tenant) bool { return o != t && o != evidence.Platform })
}

// foreign reports whether what the references name is other tenants' alone.
func (s *sink) foreign(t evidence.Tenant, refs ...evidence.Ref) bool {
	owned := false
	for _, ref := range refs {
		owners := s.owners(ref)
		if slices.Contains(owners, t) || slices.Contains(owners, evidence.Platform) {
			return false
		}
		owned = owned || len(owners) > 0
	}
	return owned
}

// maxOwners bounds what is remembered of whose single references are.
const maxOwners = 8192

// owners are the tenants of one reference. The same few names come again and
// again: the policies of a token with every request it makes.
func (s *sink) owners(ref evidence.Ref) []evidence.Tenant {
	if ts, ok := s.whose[ref]; ok {
		return ts
	}
	if s.whose == nil || len(s.whose) >= maxOwners {
		s.whose = map[evidence.Ref][]evidence.Tenant{}
	}
	ts := s.r.Rules.Tenants(s.r.Source, []evidence.Ref{ref})
	s.whose[ref] = ts
	return ts
}

// judge finds the elements of one list that are other tenants' alone.
func (s *sink) judge(t evidence.Tenant, m evidence.Mention, cut *cutting) {
	if !m.Within.IsZero() && slices.Contains(s.owners(m.Within), t) {
		return
	}
	var out []int
	for i, refs := range m.Of {
		if s.foreign(t, refs...) {
			out = append(out, i)
		}
	}
	if len(out) == 0 {
		return
	}
	if cut.gone == nil {
		cut.gone, cut.kept, cut.names = map[evidence.Ref]bool{}, map[evidence.Ref]bool{}, map[string]bool{}
	}
	l := cutList{m.At, m.Names, out}
	if m.At != "" {
		cut.lists = append(cut.lists, l)
	}
	for i, refs := range m.Of {
		if l.has(i) && m.At != "" {
			cut.names[refs[0].Name] = true
		}
		for j, ref := range refs {
			switch {
			case l.has(i):
				cut.gone[ref] = true
			case j == 0 || !s.foreign(t, ref):
				cut.kept[ref] = true
			}
		}
	}
}

// cutting is what one tenant's view leaves out of a draft.
type cutting struct {
	lists []cutList
	gone  map[evidence.Ref]bool // of elements that go
	kept  map[evidence.Ref]bool // of elements that stay
	names map[string]bool       // what those of lists that go are called
}

// hides reports whether a reference goes from Scope and Links.
func (s *sink) hides(t evidence.Tenant, cut *cutting, ref evidence.Ref) bool {
	return !cut.kept[ref] && (cut.gone[ref] || s.foreign(t, ref))
}

// cutList are elements of the list at a JSON pointer, in ascending order, and
// the members that name them.
type cutList struct {
	at       string
	names    []string
	elements []int
}

func (l cutList) has(i int) bool {
	_, ok := slices.BinarySearch(l.elements, i)
	return ok
}

// within reports whether the list stands in an element that goes as a whole.
func (c *cutting) within(at string) bool {
	return slices.ContainsFunc(c.lists, func(l cutList) bool {
		rest, ok := strings.CutPrefix(at, l.at+"/")
		if !ok {
			return false
		}
		i, err := strconv.Atoi(pointer(rest)[0])
		return err == nil && l.has(i)
	})
}

// from returns the list without the elements, how many these were, and adds what
// they are called to names.
func (l cutList) from(v any, names map[string]bool) (any, int) {
	n := 0
	switch v := v.(type) {
	case []any:
		kept := make([]any, 0, len(v))
		for i, x := range v {
			if l.has(i) {
				called(x, l.names, names)
				n++
			} else {
				kept = append(kept, x)
			}
		}
		return kept, n
	case map[string]any:
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if l.has(i) {
				names[k] = true
				called(v[k], l.names, names)
				delete(v, k)
				n++
			}
		}
	}
	return v, n
}

// apply takes the elements out of the facts, and what they are called out of
// the text and the raw bytes.
func (c *cutting) apply(d *evidence.Draft) {
	facts, err := decode(d.Content)
	if err != nil {
		panic("collectors: content of a checked draft: " + err.Error())
	}
	// Lists within lists come first, while their pointers still hold.
	slices.SortStableFunc(c.lists, func(a, b cutList) int { return strings.Count(b.at, "/") - strings.Count(a.at, "/") })
	names, others := c.names, evidence.Others{}
	for _, l := range c.lists {
		counted := !c.within(l.at)
		edit(facts, pointer(l.at), func(v any) any {
			v, n := l.from(v, names)
			if n > 0 && counted {
				others[place(l.at)] += n
			}
			return v
		})
	}
	// What the rest of the facts tells is no secret: the policy that granted the
	// access stands among the policies too.
	told := map[string]bool{"": true}
	strs(facts, told)
	maps.DeleteFunc(names, func(n string, _ bool) bool { return told[n] })
	if m, ok := facts.(map[string]any); ok && len(others) > 0 {
		m[evidence.OthersMember] = others
	}
	h := hiderOf(names)
	h.prose(facts)
	d.Content = encode(facts)
	if len(d.Text) > 0 {
		d.Text = []byte(h.hide(string(d.Text)))
	}
	h.raw(d)
}

// called adds what an element of a list is called by.
func called(x any, members []string, names map[string]bool) {
	switch x := x.(type) {
	case string:
		names[x] = true
	case map[string]any:
		for _, m := range members {
			if s, ok := x[m].(string); ok {
				names[s] = true
			}
		}
	}
}

// place is a list's pointer without its first slash and the numbers in it.
func place(at string) string {
	segs := slices.DeleteFunc(pointer(at), func(s string) bool { _, err := strconv.Atoi(s); return err == nil })
	return strings.Join(segs, "/")
}

func pointer(at string) []string { return strings.Split(strings.TrimPrefix(at, "/"), "/") }

// edit replaces what stands at the path of a decoded JSON value, if anything
// does.
func edit(v any, path []string, with func(any) any) any {
	if len(path) == 0 {
		return with(v)
	}
	switch v := v.(type) {
	case map[string]any:
		if x, ok := v[path[0]]; ok {
			v[path[0]] = edit(x, path[1:], with)
		}
	case []any:
		if i, err := strconv.Atoi(path[0]); err == nil && i >= 0 && i < len(v) {
			v[i] = edit(v[i], path[1:], with)
		}
	}
	return v
}

// strs gathers the strings that stand in a decoded JSON value.
func strs(v any, into map[string]bool) {
	switch v := v.(type) {
	case string:
		into[v] = true
	case []any:
		for _, x := range v {
			strs(x, into)
		}
	case map[string]any:
		for _, x := range v {
			strs(x, into)
		}
	}
}

// hider puts [removed] where one of its names stands, which are longest first:
// one may begin another.
type hider []string

func hiderOf(names map[string]bool) hider {
	return slices.SortedFunc(maps.Keys(names), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
}

func (h hider) hide(s string) string {
	for _, name := range h {
		s = replaceName(s, name)
	}
	return s
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

func inWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-' || c >= 0x80
}

// raw takes every string and member that holds one of the names out of the raw
// bytes, which are one JSON value or several, one after the other, and says
// where. Bytes of another form that hold one, and damaged JSON, which may spell
// one otherwise, go whole.
func (h hider) raw(d *evidence.Draft) {
	if len(h) == 0 || len(d.Raw) == 0 {
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
			v[k], removed = h.scrub(x, at+"/"+escapePointer.Replace(k), removed)
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

// escapePointer writes a member's name as part of a JSON pointer.
var escapePointer = strings.NewReplacer("~", "~0", "/", "~1")

// decode reads one JSON value and keeps numbers as they are written.
func decode(b []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return v, dec.Decode(&v)
}

func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("collectors: " + err.Error()) // it was decoded from JSON
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
