package mappings

import (
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/parser"
)

// relation is how what an expression lets through changed.
type relation int

const (
	alike   relation = iota
	looser           // everything as before, and more
	tighter          // some of what was before
	other            // cannot be told by form alone
)

func (r relation) turned() relation {
	switch r {
	case looser:
		return tighter
	case tighter:
		return looser
	}
	return r
}

// relate compares two CEL expressions by their form: conditions joined by && or
// || that came or went, literals of a comparison or of a list that moved. What
// it calls looser lets everything through that the old one did. It looks at no
// data, so most rewritings are other, even those that mean the same.
func relate(old, young string) relation {
	old, young = unless(old, "true"), unless(young, "true")
	switch {
	case old == young:
		return alike
	case young == "":
		return looser // no filter lets everything through
	case old == "":
		return tighter
	}
	env, err := cel.NewEnv()
	if err != nil {
		return other
	}
	a, issues := env.Parse(old)
	if issues.Err() != nil {
		return other
	}
	b, issues := env.Parse(young)
	if issues.Err() != nil {
		return other
	}
	return relateExpr(form{a.NativeRep(), a.NativeRep().Expr()}, form{b.NativeRep(), b.NativeRep().Expr()})
}

func unless(s, none string) string {
	if s = strings.TrimSpace(s); s == none {
		return ""
	}
	return s
}

// form is a part of an expression.
type form struct {
	ast  *celast.AST
	expr celast.Expr
}

func (f form) String() string {
	s, err := parser.Unparse(f.expr, f.ast.SourceInfo())
	if err != nil {
		return "" // alike nothing
	}
	return s
}

func (f form) same(o form) bool { s := f.String(); return s != "" && s == o.String() }

// call returns the arguments of an operator, and false for anything else.
func (f form) call(op string) ([]form, bool) {
	if f.expr.Kind() != celast.CallKind || f.expr.AsCall().FunctionName() != op || f.expr.AsCall().IsMemberFunction() {
		return nil, false
	}
	var args []form
	for _, e := range f.expr.AsCall().Args() {
		args = append(args, form{f.ast, e})
	}
	return args, true
}

// parts cuts an expression at an operator that joins conditions.
func (f form) parts(op string) []form {
	args, ok := f.call(op)
	if !ok {
		return []form{f}
	}
	var out []form
	for _, a := range args {
		out = append(out, a.parts(op)...)
	}
	return out
}

func relateExpr(a, b form) relation {
	if a.same(b) {
		return alike
	}
	x, isNot := a.call(operators.LogicalNot)
	if y, also := b.call(operators.LogicalNot); isNot && also {
		return relateExpr(x[0], y[0]).turned()
	}
	for _, op := range []string{operators.LogicalAnd, operators.LogicalOr} {
		p, q := a.parts(op), b.parts(op)
		if len(p)+len(q) == 2 {
			continue
		}
		gone, come := without(p, q), without(q, p)
		r := other
		switch {
		case len(come) == 0 && len(gone) == 0:
			return alike // in another order
		case len(come) == 0:
			r = looser // a condition less
		case len(gone) == 0:
			r = tighter
		case len(gone) == 1 && len(come) == 1:
			return relateExpr(gone[0], come[0]) // both operators let more through when a part does
		}
		if op == operators.LogicalOr {
			r = r.turned() // an alternative less
		}
		return r
	}
	if r := relateLimit(a, b); r != other {
		return r
	}
	return relateList(a, b)
}

// without returns the parts of p that q lacks, each as often as it lacks them.
func without(p, q []form) []form {
	rest := slices.Clone(q)
	var out []form
	for _, x := range p {
		if i := slices.IndexFunc(rest, x.same); i >= 0 {
			rest = slices.Delete(rest, i, i+1)
			continue
		}
		out = append(out, x)
	}
	return out
}

var lessThan = []string{operators.Less, operators.LessEquals}
var moreThan = []string{operators.Greater, operators.GreaterEquals}

// relateLimit compares two comparisons of one thing with literals.
func relateLimit(a, b form) relation {
	for _, ops := range [][]string{lessThan, moreThan} {
		x, ox, okX := compared(a, ops)
		y, oy, okY := compared(b, ops)
		if !okX || !okY || !x[0].same(y[0]) {
			continue
		}
		n, ok := order(x[1], y[1])
		if !ok {
			return other
		}
		switch {
		case n == 0 && ox == oy:
			return alike
		case n == 0 && len(oy) > len(ox): // < became <=
			return looser
		case n == 0:
			return tighter
		}
		r := looser // a larger limit of what must be less
		if n > 0 {
			r = tighter
		}
		if ops[0] == operators.Greater {
			r = r.turned()
		}
		return r
	}
	return other
}

func compared(f form, ops []string) (args []form, op string, ok bool) {
	for _, op := range ops {
		if args, ok := f.call(op); ok {
			return args, op, true
		}
	}
	return nil, "", false
}

// order compares two literals of one kind: numbers, or duration("...").
func order(a, b form) (int, bool) {
	x, okX := number(a)
	y, okY := number(b)
	if !okX || !okY {
		return 0, false
	}
	switch {
	case x < y:
		return -1, true
	case x > y:
		return 1, true
	}
	return 0, true
}

func number(f form) (float64, bool) {
	if d, ok := fixedDuration(f.expr); ok {
		return float64(d), true
	}
	if args, ok := f.call(operators.Negate); ok {
		n, ok := number(args[0])
		return -n, ok
	}
	if f.expr.Kind() != celast.LiteralKind {
		return 0, false
	}
	switch v := f.expr.AsLiteral().Value().(type) {
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// relateList compares x in [..] with x in [..].
func relateList(a, b form) relation {
	x, okX := a.call(operators.In)
	y, okY := b.call(operators.In)
	if !okX || !okY || !x[0].same(y[0]) || x[1].expr.Kind() != celast.ListKind || y[1].expr.Kind() != celast.ListKind {
		return other
	}
	items := func(f form) (out []form) {
		for _, e := range f.expr.AsList().Elements() {
			out = append(out, form{f.ast, e})
		}
		return out
	}
	gone, come := without(items(x[1]), items(y[1])), without(items(y[1]), items(x[1]))
	switch {
	case len(gone)+len(come) == 0:
		return alike // in another order
	case len(gone) == 0:
		return looser
	case len(come) == 0:
		return tighter
	}
	return other
}
