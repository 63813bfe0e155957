package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"evidenced/collectors"
)

// settings compares the config of one source before and after a change, key by
// key, in the way that the key's declaration says (see collectors.Way).
type settings struct {
	*loosener
	source string
}

// place is where a value stands: as every tenant may read it, and in full,
// which may hold the names of other tenants' things.
type place struct{ short, full string }

func (p place) key(name string) place { return place{join(p.short, name), join(p.full, name)} }

func (p place) item(id string) place { return place{p.short + "[]", p.full + "[" + id + "]"} }

// say tells a change at the place, with what it does: the short form to the
// tenants and the full one to the platform where they are not the same.
func (s settings) say(p place, short, full, does string) {
	if does != "" {
		does = ": " + does
	}
	text := func(at, what string) string { return fmt.Sprintf("source %s: %s %s%s", s.source, at, what, does) }
	if short, full := text(p.short, short), text(p.full, full); short != full {
		s.detail(short, full)
	} else {
		s.all("%s", full)
	}
}

func (s settings) compare(keys []collectors.Key, p place, old, young, preset map[string]any) {
	for _, k := range keys {
		s.key(&k, p.key(k.Name), old[k.Name], young[k.Name], preset[k.Name])
	}
}

func (s settings) key(k *collectors.Key, p place, old, young, preset any) {
	switch k.Way {
	case collectors.Never, collectors.Names:
	case "":
		before := asMap(old)
		if !isSet(before) {
			return // what was not used before is not weaker now
		}
		s.compare(k.Inside, p, before, asMap(young), asMap(preset))
	case collectors.Limits, collectors.Chooses, collectors.Keeps, collectors.Skips, collectors.Opens, collectors.First:
		s.list(k, p, asList(old), asList(young))
	default:
		if k.Type.Kind() == reflect.Map {
			s.values(k, p, asMap(old), asMap(young), asMap(preset))
			return
		}
		s.value(k, p, old, young, preset)
	}
}

// values compares the values of a map that both forms have, and tells those
// that are gone.
func (s settings) values(k *collectors.Key, p place, old, young, preset map[string]any) {
	var gone []any
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, ok := young[name]; !ok {
			gone = append(gone, name)
			continue
		}
		at := p.item(name)
		if k.Type.Elem().Kind() != reflect.String { // a part of the source's own
			at = p.key(name)
		}
		s.value(k, at, old[name], young[name], preset[name])
	}
	s.items(p, "no longer names", gone)
}

func (s settings) value(k *collectors.Key, p place, old, young, preset any) {
	if !s.weaker(k, old, young, preset) {
		return
	}
	short := fmt.Sprintf("is %s instead of %s", shown(k, young), shown(k, old))
	full := short
	if k.Way == collectors.Changed || k.Way == collectors.Differs || k.Way == collectors.Gone {
		short = "was changed"
	}
	s.say(p, short, full, k.Says)
}

// weaker reports whether the young value is. A form of a program that did not
// have the key says nothing.
func (s settings) weaker(k *collectors.Key, old, young, preset any) bool {
	switch k.Way {
	case collectors.Less, collectors.More:
		o, ok1 := amount(k, old, preset)
		y, ok2 := amount(k, young, preset)
		return ok1 && ok2 && (k.Way == collectors.Less && y < o || k.Way == collectors.More && y > o)
	case collectors.WhenOn, collectors.WhenOff:
		o, ok1 := old.(bool)
		y, ok2 := young.(bool)
		return ok1 && ok2 && o != y && y == (k.Way == collectors.WhenOn)
	case collectors.Down:
		o, y := slices.Index(k.Words, asString(old)), slices.Index(k.Words, asString(young))
		return o >= 0 && y > o
	case collectors.Gone:
		return asString(old) != "" && asString(young) == ""
	case collectors.Changed:
		return asString(old) != "" && asString(young) != asString(old)
	case collectors.Differs:
		return old != nil && asString(young) != asString(old)
	}
	return false
}

// amount is a number or a duration that can be compared; a zero is what it
// stands for.
func amount(k *collectors.Key, v, preset any) (float64, bool) {
	n, ok := number(v)
	if !ok || n != 0 {
		return n, ok
	}
	const endless = 1 << 62
	switch k.Zero {
	case collectors.ZeroIsDefault:
		return number(preset)
	case collectors.ZeroIsNone, collectors.ZeroIsAll:
		return endless, true
	}
	return n, true
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case string:
		d, err := time.ParseDuration(v)
		return float64(d), err == nil
	case float64:
		return v, true
	case int:
		return float64(v), true
	}
	return 0, false
}

// shown prints a value for people, durations as they are written.
func shown(k *collectors.Key, v any) string {
	if n, ok := number(v); ok && n == 0 && k.Zero != "" {
		_, what, _ := strings.Cut(k.Zero, "=")
		return "0 (" + map[string]string{"all": "everything", "none": "no limit", "default": "the default"}[what] + ")"
	}
	text, ok := v.(string)
	switch {
	case ok && k.Way != collectors.Less && k.Way != collectors.More:
		return fmt.Sprintf("%q", text)
	case ok:
		return text
	case v == nil:
		return "unset"
	}
	return asText(v)
}

// list compares a list as a whole, then the items that both forms have.
func (s settings) list(k *collectors.Key, p place, old, young []any) {
	gone, more := missing(k, old, young), missing(k, young, old)
	switch k.Way {
	case collectors.Skips:
		s.items(p, "leaves out more", more)
	case collectors.Opens:
		s.items(p, "lets in more", more)
	case collectors.Limits, collectors.Chooses:
		switch {
		case len(old) == 0 && k.Way == collectors.Limits:
			s.items(p, "was without limit and is limited", more)
		case len(old) == 0:
			s.items(p, "was left to the source and is limited", more)
		case len(young) > 0 || k.Way == collectors.Chooses:
			s.items(p, "no longer names", gone)
		}
	case collectors.First:
		s.items(p, "no longer names", gone)
		s.items(p, "are asked first", overtaking(k, old, young))
	default:
		s.items(p, "no longer names", gone)
	}
	if k.Inside == nil {
		return
	}
	before := map[string]map[string]any{}
	for _, x := range old {
		before[idOf(k, x)] = asMap(x)
	}
	for _, x := range young {
		if was, ok := before[idOf(k, x)]; ok {
			s.compare(k.Inside, p.item(idOf(k, x)), was, asMap(x), nil)
		}
	}
}

// items tells items of a list by their number, and to the platform by name.
func (s settings) items(p place, what string, items []any) {
	if len(items) == 0 {
		return
	}
	var names []string
	for _, x := range items {
		names = append(names, asText(x))
	}
	s.say(p, fmt.Sprintf("%s (%d)", what, len(items)), what+": "+strings.Join(names, ", "), "")
}

// missing returns the items of a that b lacks.
func missing(k *collectors.Key, a, b []any) []any {
	have := map[string]bool{}
	for _, x := range b {
		have[idOf(k, x)] = true
	}
	var out []any
	for _, x := range a {
		if !have[idOf(k, x)] {
			out = append(out, x)
		}
	}
	return out
}

// overtaking returns the items of young that stand before one of old they did
// not stand before: where the first that fits counts, they may decide in its
// place.
func overtaking(k *collectors.Key, old, young []any) []any {
	at := map[string]int{}
	for i, x := range old {
		at[idOf(k, x)] = i
	}
	var out []any
	least := len(old) // the first of the old items that stands behind
	for _, x := range slices.Backward(young) {
		was, ok := at[idOf(k, x)]
		switch {
		case !ok && least < len(old), ok && was > least:
			out = append(out, x)
		case ok:
			least = was
		}
	}
	slices.Reverse(out)
	return out
}

// idOf is the text by which an item of a list is the same in both forms.
func idOf(k *collectors.Key, item any) string {
	m := asMap(item)
	if k.Inside == nil || m == nil {
		return asText(item)
	}
	id := map[string]any{}
	for _, in := range k.Inside {
		if in.Way == collectors.Names {
			id[in.Name] = m[in.Name]
		}
	}
	return asText(id)
}

// isSet reports whether a value is there and no zero.
func isSet(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case map[string]any:
		for _, x := range v {
			if isSet(x) {
				return true
			}
		}
		return false
	case []any:
		return len(v) > 0
	case bool:
		return v
	}
	n, isNumber := number(v)
	return v != "" && !(isNumber && n == 0)
}

func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}

func asString(v any) string {
	s, _ := v.(string)
	return s
}

func asText(v any) string {
	text, _ := json.Marshal(v) // plain values always marshal
	return string(text)
}
