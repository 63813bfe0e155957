package collectors

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Way says which change of a key of a source's config weakens the evidence
// that the source gives. It stands beside the key's declaration, in the struct
// tag "loosens":
//
//	PollEvery time.Duration `yaml:"poll_every" loosens:"more: lists are read less often"`
//
// The part behind the colon says what a change in that direction does; a
// sentence of the change's record ends with it. What only makes a look faster
// or slower is no loosening: a look that does not end in time is told in the
// coverage, and so is a credential that sees less than before.
type Way string

// The ways. Those of lists say in their names what an empty list means.
const (
	Never   Way = "none"    // no value sees less than another
	Less    Way = "less"    // a smaller number or shorter time is weaker
	More    Way = "more"    // a larger number or longer time is weaker
	WhenOn  Way = "on"      // true is weaker
	WhenOff Way = "off"     // false is weaker
	Changed Way = "change"  // another value in place of one that was set reads something else
	Differs Way = "differs" // any other value, also one in place of none
	Gone    Way = "gone"    // set before and not any more
	Down    Way = "down"    // one of the words in brackets, each weaker than those before it
	Limits  Way = "limits"  // a list of what is looked at; empty: everything
	Chooses Way = "chooses" // the same; empty: the source's own choice
	Keeps   Way = "keeps"   // the same; empty: nothing
	Skips   Way = "skips"   // a list of what is left out
	Opens   Way = "opens"   // a list of who may hand in evidence; empty: nobody from elsewhere
	First   Way = "first"   // a list of structs of which the first that fits counts; empty: none does
	Names   Way = "id"      // names an item of a list of structs; its other keys belong to it
)

// listWays are the ways of a list. A map has the way of its values.
var listWays = []Way{Limits, Chooses, Keeps, Skips, Opens, First}

// What a zero may stand for instead of itself.
const (
	ZeroIsAll     = "0=all"     // everything: more than any number
	ZeroIsNone    = "0=none"    // no limit: more than any number
	ZeroIsDefault = "0=default" // what Spec.Config sets
)

// Key is a key of a source's config.
type Key struct {
	Name  string
	Type  reflect.Type
	Way   Way
	Zero  string   // what a zero stands for; "" for itself
	Words []string // of Down, the strongest first
	Says  string   // what a change in that direction does
	// Inside are the keys of a struct, or of the structs of a list.
	Inside []Key
}

// Keys lists the keys that a config takes, a pointer to a struct with yaml
// tags as Spec.Config gives it, in order of their declaration; those of inlined
// structs stand among them. The error names every key without a way, or with
// one that does not fit.
func Keys(config any) ([]Key, error) {
	t := reflect.TypeOf(config)
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("keys of %T: want a pointer to a struct", config)
	}
	var wrong []string
	keys := keysOf(t.Elem(), "", &wrong)
	if len(wrong) > 0 {
		return nil, fmt.Errorf("keys of %T: %s", config, strings.Join(wrong, "; "))
	}
	return keys, nil
}

func keysOf(t reflect.Type, path string, wrong *[]string) []Key {
	var keys []Key
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if strings.Contains(opts, "inline") {
			keys = append(keys, keysOf(f.Type, path, wrong)...)
			continue
		}
		if name == "" {
			name = strings.ToLower(f.Name)
		}
		k := parseKey(name, f)
		if inner := insideOf(f.Type); inner != nil {
			k.Inside = keysOf(inner, path+name+".", wrong)
		}
		if why := k.wrong(); why != "" {
			*wrong = append(*wrong, path+name+" "+why)
		}
		keys = append(keys, k)
	}
	return keys
}

// insideOf is the struct that a key holds, or holds a list of; nil for others.
func insideOf(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") != "" {
			return t
		}
	}
	return nil
}

// parseKey reads "way", "way,zero" or "way(a b c)", and behind a colon what it
// says.
func parseKey(name string, f reflect.StructField) Key {
	k := Key{Name: name, Type: f.Type}
	way, says, _ := strings.Cut(f.Tag.Get("loosens"), ":")
	k.Says = strings.TrimSpace(says)
	way, k.Zero, _ = strings.Cut(way, ",")
	way, words, _ := strings.Cut(strings.TrimSuffix(way, ")"), "(")
	k.Way, k.Words = Way(way), strings.Fields(words)
	return k
}

// wrong says why the way does not fit the key, "" when it does.
func (k *Key) wrong() string {
	value := k.Type
	if value.Kind() == reflect.Map {
		value = value.Elem()
	}
	isList := value.Kind() == reflect.Slice
	number := value.Kind() >= reflect.Int && value.Kind() <= reflect.Float64
	fits := false
	switch k.Way {
	case "":
		if k.Inside != nil && !isList {
			return "" // its own keys say it
		}
		return `says nothing of how a change weakens the evidence: add loosens:"..."`
	case Never, Names:
		return ""
	case Less, More:
		fits = number
	case WhenOn, WhenOff:
		fits = value.Kind() == reflect.Bool
	case Changed, Differs, Gone:
		fits = value.Kind() == reflect.String
	case Down:
		fits = value.Kind() == reflect.String && len(k.Words) > 1
	case First:
		fits = isList && k.Inside != nil
	default:
		fits = isList && slices.Contains(listWays, k.Way)
	}
	switch {
	case !fits:
		return fmt.Sprintf("of type %s cannot have the way %q", k.Type, k.Way)
	case isList && k.Inside != nil && !slices.ContainsFunc(k.Inside, func(in Key) bool { return in.Way == Names }):
		return "is a list of structs of which no key has the way id"
	case !slices.Contains([]string{"", ZeroIsAll, ZeroIsNone, ZeroIsDefault}, k.Zero) || k.Zero != "" && !number:
		return fmt.Sprintf("cannot say of zero %q", k.Zero)
	case k.Says == "" && !isList:
		return "does not say what a change does"
	}
	return ""
}
