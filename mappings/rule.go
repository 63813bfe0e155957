package mappings

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Limits on one evaluation of a rule. The cost is CEL's own measure: about one
// unit for each step.
const (
	costLimit     = 100_000
	maxExpression = 8 << 10 // bytes
)

// rule is one compiled CEL expression over an item of a view.
type rule struct {
	prog   cel.Program
	fields []string // of the item, that the expression looks at, sorted
	vars   []string // variables it looks at, sorted
	// limits are what a field is held against, of those fields that it uses in
	// no other way.
	limits map[string][]limit
}

// itemType is the CEL type of the variable item. Its fields are those of the
// view, so that a misspelt one is found when the rule is compiled.
const itemType = "evidenced.Item"

// fieldProvider knows the fields of one view's items beside CEL's own types.
type fieldProvider struct {
	types.Provider
	fields map[string]*types.FieldType
}

func (p *fieldProvider) FindStructType(name string) (*types.Type, bool) {
	if name == itemType {
		return types.NewTypeTypeWithParam(types.NewObjectType(itemType)), true
	}
	return p.Provider.FindStructType(name)
}

func (p *fieldProvider) FindStructFieldNames(name string) ([]string, bool) {
	if name != itemType {
		return p.Provider.FindStructFieldNames(name)
	}
	var names []string
	for n := range p.fields {
		names = append(names, n)
	}
	sort.Strings(names)
	return names, true
}

func (p *fieldProvider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if name == itemType {
		f, ok := p.fields[field]
		return f, ok
	}
	return p.Provider.FindStructFieldType(name, field)
}

// newEnv makes the CEL environment of a view: item, from, to, at and the
// functions undetermined and unobserved.
func newEnv(fields []Field) (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	p := &fieldProvider{Provider: registry, fields: map[string]*types.FieldType{}}
	for _, f := range fields {
		p.fields[f.Name] = &types.FieldType{Type: celType(f.Type)}
	}
	return cel.NewEnv(
		cel.CustomTypeAdapter(registry),
		cel.CustomTypeProvider(p),
		cel.Variable("item", cel.ObjectType(itemType)),
		cel.Variable("from", cel.TimestampType),
		cel.Variable("to", cel.TimestampType),
		cel.Variable("at", cel.TimestampType),
		cel.Function("undetermined", cel.Overload("undetermined_string", []*cel.Type{cel.StringType}, cel.BoolType,
			cel.UnaryBinding(func(why ref.Val) ref.Val { return types.WrapErr(undetermined(fmt.Sprint(why.Value()))) }))),
		cel.Function("unobserved", cel.Overload("unobserved_string", []*cel.Type{cel.StringType}, cel.BoolType,
			cel.UnaryBinding(func(why ref.Val) ref.Val { return types.WrapErr(unobserved(fmt.Sprint(why.Value()))) }))),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(64),
	)
}

func celType(name string) *types.Type {
	switch name {
	case "bool":
		return types.BoolType
	case "int":
		return types.IntType
	case "string":
		return types.StringType
	case "timestamp":
		return types.TimestampType
	case "duration":
		return types.DurationType
	case "list(string)":
		return types.NewListType(types.StringType)
	}
	panic("mappings: no CEL type " + name)
}

// undetermined is the error of the CEL function: why an item cannot be decided.
type undetermined string

func (u undetermined) Error() string { return string(u) }

// unobserved is the error of the CEL function: what nobody saw, so that an
// item cannot be decided.
type unobserved string

func (u unobserved) Error() string { return string(u) }

// compileRule compiles an expression that must be a bool. Faults carry the
// place in the catalog file.
func compileRule(v *view, key string, src text) (*rule, Faults) {
	env, err := v.env()
	if err != nil {
		return nil, Faults{src.at.fault("%s: %v", key, err)}
	}
	ast, issues := env.Compile(src.s)
	if issues.Err() != nil {
		var fs Faults
		for _, e := range issues.Errors() {
			p := src.place(e.Location.Line(), e.Location.Column()+1)
			fs = append(fs, p.fault("%s: %s%s", key, e.Message, v.meant(e.Message)))
		}
		return nil, fs
	}
	if !ast.OutputType().IsExactType(types.BoolType) {
		return nil, Faults{src.at.fault("%s: the expression is a %s, it must be a bool", key, cel.FormatCELType(ast.OutputType()))}
	}
	if dear(env, ast) {
		return nil, Faults{src.at.fault("%s: the expression costs more than the %d steps that one evaluation may take: leave out a loop in a loop", key, costLimit)}
	}
	limit := []cel.ProgramOption{cel.CostLimit(costLimit)}
	if bounded(env, ast) {
		limit = nil // counting takes a third of an evaluation
	}
	prog, err := env.Program(ast, limit...)
	if err != nil {
		return nil, Faults{src.at.fault("%s: %v", key, err)}
	}
	return &rule{prog: prog, fields: fieldsOf(ast), vars: varsOf(ast), limits: limitsOf(ast)}, nil
}

// fieldsOf lists the fields of item that the expression looks at.
func fieldsOf(ast *cel.Ast) []string {
	var names []string
	celast.PostOrderVisit(ast.NativeRep().Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		if f := itemField(e); f != "" && !slices.Contains(names, f) {
			names = append(names, f)
		}
	}))
	sort.Strings(names)
	return names
}

// varsOf lists the variables that the expression looks at.
func varsOf(ast *cel.Ast) []string {
	var names []string
	celast.PostOrderVisit(ast.NativeRep().Expr(), celast.NewExprVisitor(func(e celast.Expr) {
		if e.Kind() == celast.IdentKind && !slices.Contains(names, e.AsIdent()) {
			names = append(names, e.AsIdent())
		}
	}))
	sort.Strings(names)
	return names
}

// eval runs the rule on an item. An error means that it cannot be decided.
func (r *rule) eval(vars map[string]any) (bool, error) {
	out, _, err := r.prog.Eval(vars)
	if err != nil {
		return false, err
	}
	b, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Errorf("the rule gave a %s", out.Type().TypeName())
	}
	return b, nil
}

// explain says in a few words why a rule could not be decided on an item:
// what the rule itself says, else the missing fields it looks at, else the
// error of the evaluation.
func (r *rule) explain(err error, it *item) (why string, unseen bool) {
	var u undetermined
	if errors.As(err, &u) {
		return string(u), false
	}
	var n unobserved
	if errors.As(err, &n) {
		return string(n), true
	}
	var whys []string
	unseen = true
	for _, f := range r.fields {
		m, missing := it.missing[f]
		if _, there := it.fields[f]; there || !missing {
			continue
		}
		if !slices.Contains(whys, m.why) {
			whys = append(whys, m.why)
		}
		unseen = unseen && m.unobserved
	}
	if len(whys) > 0 {
		return strings.Join(whys, "; "), unseen
	}
	switch {
	case strings.Contains(err.Error(), "cost limit exceeded"):
		return "the rule costs more than one evaluation may", false
	}
	return "the rule failed: " + err.Error(), false
}

// because says in a few words why an item failed: what the view says of the
// fields the rule looks at, else their values.
func (r *rule) because(it *item) string {
	var whys, values []string
	for _, f := range r.fields {
		if why := it.why[f]; why != "" && !slices.Contains(whys, why) {
			whys = append(whys, why)
		}
		if v, ok := it.fields[f]; ok {
			values = append(values, f+" is "+short(v))
		}
	}
	if len(whys) > 0 {
		return strings.Join(whys, "; ")
	}
	return strings.Join(values, ", ")
}

func short(v any) string {
	var s string
	switch x := v.(type) {
	case time.Time:
		s = x.UTC().Format(time.RFC3339)
	case []string:
		s = strings.Join(x, " ")
	case string:
		s = fmt.Sprintf("%q", x)
	default:
		s = fmt.Sprint(x)
	}
	if r := []rune(s); len(r) > 80 {
		s = string(r[:77]) + "..."
	}
	return s
}
