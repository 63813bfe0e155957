package mappings

import (
	"maps"
	"math"
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
)

// Some fields change by themselves while the end of what is judged moves: how
// long a drift that goes on has lasted, how old the newest report is. A rule
// mostly holds such a field against a fixed duration, so the moment is known at
// which its answer may turn, and until then the item need not be made again.

// motion is how a field of an item changes while the clock goes on and the log
// says nothing new.
type motion struct {
	// grown is how much of the field's duration has grown by now. It grows on as
	// fast as the clock; the field is the larger of it and of what stopped growing.
	grown time.Duration
	other bool // it changes in another way
	looks bool // it changes only when somebody looks again; grown is what a look could show now
	falls bool // it shrinks instead; grown is what a look could take away now
	older bool // it is of something else, which a look may show to be the shorter one
}

// grows notes that a duration of the item goes on growing. grown is the part
// that does, the whole of it or a shorter one that will be the longest one day.
func (it *item) grows(field string, grown time.Duration) *item {
	return it.moves(field, motion{grown: grown})
}

// follows notes that a duration of the item grows when the next look shows that
// what was seen last went on. grown is the most that a look could show now; older
// says that the field is not about that, but about something longer before it.
func (it *item) follows(field string, grown time.Duration, older bool) *item {
	return it.moves(field, motion{grown: grown, looks: true, older: older})
}

// falls notes that a duration of the item shrinks when the next look shows that
// what was seen last went on. by is the most that a look could take away now.
func (it *item) falls(field string, by time.Duration) *item {
	return it.moves(field, motion{grown: by, looks: true, falls: true})
}

// drifts notes that a field changes with the clock in a way that cannot be told
// beforehand.
func (it *item) drifts(field string) *item { return it.moves(field, motion{other: true}) }

func (it *item) moves(field string, m motion) *item {
	if it.moving == nil {
		it.moving = map[string]motion{}
	}
	it.moving[field] = m
	return it
}

// turns is when a verdict may turn by itself.
type turns struct {
	first time.Time // the earliest moment behind which it may have; zero: never
	open  bool      // at any moment
}

func (t *turns) after(at time.Time) {
	if t.first.IsZero() || at.Before(t.first) {
		t.first = at
	}
}

func (t *turns) join(o turns) {
	if !o.first.IsZero() {
		t.after(o.first)
	}
	t.open = t.open || o.open
}

// passed reports whether the moment lies behind now.
func (t turns) passed(now time.Time) bool {
	return t.open || !t.first.IsZero() && t.first.Before(now)
}

// turns tells when the answers of the rules about the item may turn: by the clock
// alone, and once somebody has looked again. end is the end of what is judged.
func (it *item) turns(end time.Time, rules ...*rule) (clock, looked turns) {
	for f, m := range it.moving {
		t := &clock
		if m.looks {
			t = &looked
		}
		value, isLong := it.fields[f].(time.Duration)
		for _, r := range rules {
			switch limits, fixed := r.limits[f]; {
			case !slices.Contains(r.fields, f):
				continue
			case m.other || !fixed || !isLong:
				t.open = true
			default:
				for _, l := range limits {
					least, most, known := l.of(it)
					switch {
					case !known:
						t.open = true
					case m.falls && least <= value: // a field may be cut to whole seconds
						t.after(end.Add(value - most - m.grown - time.Second))
					case !m.falls && most >= value: // at the limit and past it may differ
						t.after(end.Add(least - m.grown - time.Nanosecond))
					}
				}
			}
		}
		if isLong && !m.other && (m.older || !m.looks && m.grown < value) {
			t.after(end.Add(value - m.grown - time.Nanosecond)) // another part is the longest then
		}
	}
	return clock, looked
}

// concerns reports whether a test of the rules judges the item in its period. A
// limit belongs to the period in which it ends: what was left undone counts for
// the tests that hold one of its durations against a limit which was not over
// when the period began. Where that was over, the period before has judged it.
func (it *item) concerns(rules ...*rule) bool {
	if it.left == nil {
		return true
	}
	for f, waited := range it.left {
		for _, r := range rules {
			stands := waited <= 0 && slices.Contains(r.fields, f)
			if stands || slices.ContainsFunc(r.limits[f], func(l limit) bool { return l.field == "" && waited <= l.fixed }) {
				return true
			}
		}
	}
	return false
}

// comparing are CEL's comparisons.
var comparing = []string{"_<_", "_<=_", "_>_", "_>=_", "_==_", "_!=_"}

// limit is what a rule holds a field against: a fixed duration, or a share of
// another field where both are counted in seconds.
type limit struct {
	fixed time.Duration
	field string // the other one; "" for a fixed duration
	share float64
}

// truncated is how far a field may be from a limit in whole seconds, and be held
// to have reached it.
const truncated = 2 * time.Second

// of returns between what the limit lies for the item; false when that changes
// too, or cannot be told.
func (l limit) of(it *item) (least, most time.Duration, known bool) {
	if l.field == "" {
		return l.fixed, l.fixed, true
	}
	other, isLong := it.fields[l.field].(time.Duration)
	at := l.share * float64(other.Truncate(time.Second))
	if _, moves := it.moving[l.field]; moves || !isLong || !(math.Abs(at) < math.MaxInt64/2) {
		return 0, 0, false
	}
	return time.Duration(at) - truncated, time.Duration(at) + truncated, true
}

// limitsOf lists what the expression holds each field of item against. A field
// that it uses in any other way is not in it; whether it is there at all does not
// count as a use.
func limitsOf(ast *cel.Ast) map[string][]limit {
	limits := map[string][]limit{}
	held := map[int64]bool{} // uses of fields that are comparisons
	celast.PostOrderVisit(ast.NativeRep().Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		if e.Kind() != celast.CallKind || !slices.Contains(comparing, e.AsCall().FunctionName()) {
			return
		}
		args := e.AsCall().Args()
		for i, a := range args {
			if d, ok := fixedDuration(args[1-i]); ok && itemField(a) != "" {
				limits[itemField(a)] = append(limits[itemField(a)], limit{fixed: d})
				held[a.ID()] = true
			}
		}
		x, y := secondsOf(args[0]), secondsOf(args[1])
		if x.field != "" && y.field != "" && x.field != y.field {
			limits[x.field] = append(limits[x.field], limit{field: y.field, share: y.times / x.times})
			limits[y.field] = append(limits[y.field], limit{field: x.field, share: x.times / y.times})
			held[x.use], held[y.use] = true, true
		}
	}))
	otherwise := map[string]bool{}
	celast.PostOrderVisit(ast.NativeRep().Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		switch f := itemField(e); {
		case f == "":
		case held[e.ID()], e.AsSelect().IsTestOnly():
			if _, known := limits[f]; !known {
				limits[f] = nil // named, and so far without a limit
			}
		default:
			otherwise[f] = true
		}
	}))
	maps.DeleteFunc(limits, func(f string, _ []limit) bool { return otherwise[f] })
	return limits
}

// seconds is a field of item counted in whole seconds, some times over.
type seconds struct {
	field string // "" when an expression is something else
	use   int64  // where it stands
	times float64
}

// secondsOf reads item.f.getSeconds(), or that times a number above zero.
func secondsOf(e celast.Expr) seconds {
	if e.Kind() != celast.CallKind {
		return seconds{}
	}
	c := e.AsCall()
	switch {
	case c.FunctionName() == "getSeconds" && c.IsMemberFunction():
		return seconds{itemField(c.Target()), c.Target().ID(), 1}
	case c.FunctionName() == "_*_":
		for i, a := range c.Args() {
			n, ok := wholeNumber(c.Args()[1-i])
			if s := secondsOf(a); ok && n > 0 && s.field != "" {
				s.times *= float64(n)
				return s
			}
		}
	}
	return seconds{}
}

func wholeNumber(e celast.Expr) (int64, bool) {
	if e.Kind() != celast.LiteralKind {
		return 0, false
	}
	n, ok := e.AsLiteral().Value().(int64)
	return n, ok
}

// itemField returns the field of item that the expression is, "" when it is
// something else.
func itemField(e celast.Expr) string {
	if e.Kind() != celast.SelectKind {
		return ""
	}
	s := e.AsSelect()
	if o := s.Operand(); o.Kind() != celast.IdentKind || o.AsIdent() != "item" {
		return ""
	}
	return s.FieldName()
}

// fixedDuration reads duration("...").
func fixedDuration(e celast.Expr) (time.Duration, bool) {
	if e.Kind() != celast.CallKind || e.AsCall().FunctionName() != "duration" || len(e.AsCall().Args()) != 1 {
		return 0, false
	}
	arg := e.AsCall().Args()[0]
	if arg.Kind() != celast.LiteralKind {
		return 0, false
	}
	text, ok := arg.AsLiteral().Value().(string)
	if !ok {
		return 0, false
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}
