package collectors

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/pointer"
)

// A draft that several tenants share names things of all of them: the policies
// of an operator who works for two, the files of a change to both. Each gets
// its own view: what the rules give to it, to the platform or to nobody, and
// how many more there are of others. What makes the draft what it is (source,
// kind, key, subject, times) is the same in every view.

// shares is a draft on its way into several logs, with whose its parts are: that
// is asked once for all of them.
type shares struct {
	s        *sink
	draft    evidence.Draft // without its mentions
	mentions []evidence.Mention
	owners   []evidence.Tenant
	// Nil until they are needed.
	lists        []mentioned
	scope, links []told
}

// mentioned is a mention with whose its elements are.
type mentioned struct {
	evidence.Mention
	elements []element
}

// element is one of a mentioned list.
type element struct {
	owners []evidence.Tenant
	within []evidence.Tenant // who owns all of the list
	free   bool              // told to everyone: nobody's or the platform's, unless the mention says otherwise
	named  bool              // of a mention without a list: the draft may spell its name
}

func (e *element) stays(t evidence.Tenant) bool {
	return e.free || slices.Contains(e.owners, t) || slices.Contains(e.within, t)
}

// told is a reference of Scope or Links with the elements that it stands for.
type told struct {
	ref    evidence.Ref
	owners []evidence.Tenant
	by     []teller
	always bool
}

type teller struct {
	element *element
	first   bool // it is the element's own reference
}

// share begins the views of a draft. owners are the tenants of its scope.
func (s *sink) share(d evidence.Draft, owners []evidence.Tenant) shares {
	v := shares{s: s, draft: d, mentions: d.Mentions, owners: owners}
	v.draft.Mentions = nil
	return v
}

// judge finds whose the elements of the mentioned lists are.
func (v *shares) judge() {
	if v.lists != nil || len(v.mentions) == 0 {
		return
	}
	v.lists = make([]mentioned, len(v.mentions))
	var spells func(string) bool // made for the first mention without a list
	for i, m := range v.mentions {
		v.lists[i] = mentioned{m, make([]element, len(m.Of))}
		if m.At == "" && spells == nil {
			spells = speller(&v.draft)
		}
		var within []evidence.Tenant
		if !m.Within.IsZero() {
			within = v.s.owners(m.Within)
		}
		for j, refs := range m.Of {
			e := &v.lists[i].elements[j]
			e.owners, e.within = v.s.ownersOf(refs), within
			e.free = len(refs) == 0 || !m.Own && (len(e.owners) == 0 || slices.Contains(e.owners, evidence.Platform))
			e.named = m.At == "" && !e.free && spells(refs[0].Name)
		}
	}
}

// speller tells of a name whether the facts, the text or the raw bytes of a
// draft may hold it. A thing of a whole cluster mentions every namespace and
// spells few of them.
func speller(d *evidence.Draft) func(name string) bool {
	parts := [][]byte{d.Content, d.Text, d.Raw}
	escapes := slices.ContainsFunc(parts, func(b []byte) bool {
		return bytes.Contains(b, []byte(`\u`)) || bytes.Contains(b, []byte(`\/`)) || bytes.Contains(b, []byte(`%2`))
	})
	return func(name string) bool {
		return escapes || strings.ContainsAny(name, `"\<>&`) || slices.ContainsFunc(parts, func(b []byte) bool { return bytes.Contains(b, []byte(name)) })
	}
}

// view returns what the tenant's log gets of the draft. What mentions nothing
// and belongs to one tenant goes as it is, and so does everything that the
// platform gets, or the log of what nobody owns, which the platform reads.
func (v *shares) view(t evidence.Tenant) evidence.Draft {
	d := v.draft
	if t == evidence.Platform || t == evidence.Unassigned {
		return d
	}
	v.judge()
	var cut cutting
	goes := false
	for _, m := range v.lists {
		var out []int
		for i := range m.elements {
			e := &m.elements[i]
			if e.stays(t) {
				continue
			}
			if goes = true; m.At != "" || e.named {
				out = append(out, i)
			}
		}
		if len(out) > 0 {
			cut = append(cut, cutList{m.Mention, out})
		}
	}
	if goes || foreign(t, v.owners) {
		v.refs()
		d.Scope, d.Links = keep(v.scope, t), keep(v.links, t)
	}
	if len(cut) > 0 {
		cut.apply(&d)
	}
	return d
}

// refs finds whose the references of Scope and Links are.
func (v *shares) refs() {
	if v.scope != nil || v.links != nil {
		return
	}
	by := map[evidence.Ref][]teller{}
	for _, m := range v.lists {
		for i, refs := range m.Of {
			for j, ref := range refs {
				by[ref] = append(by[ref], teller{&m.elements[i], j == 0})
			}
		}
	}
	for _, ref := range v.draft.Scope {
		v.scope = append(v.scope, told{ref: ref, owners: v.s.owners(ref), by: by[ref]})
	}
	for _, ref := range v.draft.Links {
		// Who acted is told: it is what the record says of the tenant's own things.
		always := ref == v.draft.Subject || slices.Contains(v.draft.ActorScope, ref)
		v.links = append(v.links, told{ref, v.s.owners(ref), by[ref], always})
	}
}

// stays reports whether the tenant is told the reference: an element that it
// keeps is called by it, or it is not other tenants' alone and no element that
// goes has it.
func (r *told) stays(t evidence.Tenant) bool {
	stranger := len(r.owners) > 0 && !slices.Contains(r.owners, t) && !slices.Contains(r.owners, evidence.Platform)
	goes := stranger
	for _, b := range r.by {
		if !b.element.stays(t) {
			goes = true
		} else if b.first || !stranger {
			return true
		}
	}
	return r.always || !goes
}

// keep returns those references that the tenant is told, in memory of their own:
// a view of a thing of a thousand tenants has few of them.
func keep(refs []told, t evidence.Tenant) (out []evidence.Ref) {
	for i := range refs {
		if refs[i].stays(t) {
			out = append(out, refs[i].ref)
		}
	}
	return out
}

// foreign reports whether the owners name another tenant than t and the
// platform.
func foreign(t evidence.Tenant, owners []evidence.Tenant) bool {
	return slices.ContainsFunc(owners, func(o evidence.Tenant) bool { return o != t && o != evidence.Platform })
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

// ownersOf are the tenants of any of the references.
func (s *sink) ownersOf(refs []evidence.Ref) []evidence.Tenant {
	var all []evidence.Tenant
	for i, ref := range refs {
		ts := s.owners(ref)
		if i == 0 {
			all = slices.Clip(ts) // most elements have one
			continue
		}
		for _, t := range ts {
			if !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	return all
}

// cutting is what one tenant's view leaves out of a draft's content.
type cutting []cutList

// cutList are elements of a mentioned list, in ascending order; without a list
// they are names alone.
type cutList struct {
	evidence.Mention
	elements []int
}

func (l *cutList) has(i int) bool {
	_, ok := slices.BinarySearch(l.elements, i)
	return ok
}

// byPlace are the lists by their pointers.
func (c cutting) byPlace() map[string][]cutList {
	by := make(map[string][]cutList, len(c))
	for _, l := range c {
		by[l.At] = append(by[l.At], l)
	}
	return by
}

// within reports whether a list stands in an element, of one of the lists by their
// pointers, that goes as a whole.
func within(at string, lists map[string][]cutList) bool {
	for i := 1; i < len(at); i++ {
		if at[i] != '/' || lists[at[:i]] == nil {
			continue
		}
		n, err := strconv.Atoi(pointer.Split(at[i:])[0])
		if err == nil && slices.ContainsFunc(lists[at[:i]], func(l cutList) bool { return l.has(n) }) {
			return true
		}
	}
	return false
}

// from returns the list without the elements, how many these were, and adds what
// they are called to names.
func (l *cutList) from(v any, names map[string]bool) (any, int) {
	n := 0
	switch v := v.(type) {
	case []any:
		kept := make([]any, 0, len(v))
		for i, x := range v {
			if l.has(i) {
				called(x, l.Names, names)
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
				called(v[k], l.Names, names)
				delete(v, k)
				n++
			}
		}
	}
	return v, n
}

// apply takes the elements out of the facts, and what they are called out of
// the text and the raw bytes.
func (c cutting) apply(d *evidence.Draft) {
	facts, err := decode(d.Content)
	if err != nil {
		panic("collectors: content of a checked draft: " + err.Error())
	}
	// Lists within lists come first, while their pointers still hold.
	slices.SortStableFunc(c, func(a, b cutList) int { return strings.Count(b.At, "/") - strings.Count(a.At, "/") })
	names, others, lists, places := map[string]bool{}, evidence.Others{}, false, c.byPlace()
	for _, l := range c {
		if l.InRaw && len(d.Raw) > 0 {
			d.Raw, d.Removed = nil, []string{viewer, ""}
		}
		for _, i := range l.elements {
			names[l.Of[i][0].Name] = true
		}
		if l.At == "" {
			continue
		}
		lists = true
		counted := !within(l.At, places)
		edit(facts, pointer.Split(l.At), func(v any) any {
			v, n := l.from(v, names)
			if n > 0 && counted {
				others[place(l.At)] += n
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
	if lists {
		d.Content = encode(h.prose(facts))
	} else if plain := encode(facts); !bytes.Equal(plain, encode(h.prose(facts))) {
		d.Content = encode(facts) // else as they came
	}
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
	segs := slices.DeleteFunc(pointer.Split(at), func(s string) bool { _, err := strconv.Atoi(s); return err == nil })
	return strings.Join(segs, "/")
}

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
