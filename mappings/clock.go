package mappings

import (
	"maps"
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
}

// grows notes that a duration of the item goes on growing. grown is the part
// that does, the whole of it or a shorter one that will be the longest one day.
func (it *item) grows(field string, grown time.Duration) *item {
	return it.moves(field, motion{grown: grown})
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

// turns tells when the answers of the rules about the item may turn. end is the
// end of what is judged.
func (it *item) turns(end time.Time, rules ...*rule) (t turns) {
	for f, m := range it.moving {
		value, isLong := it.fields[f].(time.Duration)
		for _, r := range rules {
			switch limits, fixed := r.limits[f]; {
			case !slices.Contains(r.fields, f):
				continue
			case m.other || !fixed || !isLong:
				t.open = true
			default:
				for _, limit := range limits {
					if limit >= value { // at the limit and past it may differ
						t.after(end.Add(limit - m.grown - time.Nanosecond))
					}
				}
			}
		}
		if isLong && !m.other && m.grown < value {
			t.after(end.Add(value - m.grown - time.Nanosecond)) // another part is the longest then
		}
	}
	return t
}

// comparing are CEL's comparisons.
var comparing = []string{"_<_", "_<=_", "_>_", "_>=_", "_==_", "_!=_"}

// limitsOf lists the fixed durations that the expression holds each field of
// item against. A field that it uses in any other way is not in it; whether it
// is there at all does not count as a use.
func limitsOf(ast *cel.Ast) map[string][]time.Duration {
	limits := map[string][]time.Duration{}
	held := map[int64]bool{} // uses of fields that are comparisons
	celast.PostOrderVisit(ast.NativeRep().Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		if e.Kind() != celast.CallKind || !slices.Contains(comparing, e.AsCall().FunctionName()) {
			return
		}
		args := e.AsCall().Args()
		for i, a := range args {
			if d, ok := fixedDuration(args[1-i]); ok && itemField(a) != "" {
				limits[itemField(a)] = append(limits[itemField(a)], d)
				held[a.ID()] = true
			}
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
	maps.DeleteFunc(limits, func(f string, _ []time.Duration) bool { return otherwise[f] })
	return limits
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
