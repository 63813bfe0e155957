package mappings

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	celcommon "cel.dev/cel-go/common"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/parser"
	"github.com/rogpeppe/go-internal/txtar"

	"evidenced/evidence"
)

// TestMutation changes every rule of the catalog in every way that makes it
// weaker or turns it round, and expects that some case feels it: that some item
// passes, fails or stays undetermined where it did not before. A change that no
// case feels stands for a part of a rule that nothing tests.
func TestMutation(t *testing.T) {
	cat := mustLoad(t)
	ms := mutants(t, cat)
	mutated := mutantCatalog(t, ms)
	files, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	felt := map[string]bool{}
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := parseCase(t, string(ar.Files[0].Data), mutated)
		for _, id := range c.tests {
			c.in.Controls = append(c.in.Controls, evidence.ControlID("mutants-"+id))
		}
		found, err := c.assess(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for i := range ms {
			m := &ms[i]
			was, is := found[m.of.ID], found[m.id]
			if !slices.Contains(c.tests, m.of.ID) {
				continue // the case is not about it
			}
			if is.Test == "" || was.Test == "" {
				t.Fatalf("%s: no finding of %s or of its mutant %s", file, m.of.ID, m.id)
			}
			// Statuses are not compared: a rule that looks at less also needs less
			// to be seen.
			if was.Passed != is.Passed || len(was.Failed) != len(is.Failed) || len(was.Unknown) != len(is.Unknown) {
				felt[m.id] = true
			}
		}
	}
	for _, m := range ms {
		if !felt[m.id] && implied[m.of.ID] != m.without {
			t.Errorf("%s: no case feels that %s is changed to\n\t%s", m.of.ID, m.key, m.text)
		}
	}
	t.Logf("%d mutants of %d tests over %d cases", len(ms), len(cat.Tests()), len(files))
}

// implied are parts of rules that other parts of the same rule imply; they
// stand there for whoever reads the rule, and the reason for a failure.
var implied = map[string]string{
	"vault-audit":         "item.least_devices >= 1", // no device on: none writes all entries
	"vault-device-always": "item.least_devices >= 1",
}

// mutant is a test with one of its rules changed.
type mutant struct {
	id      string
	of      *Test
	key     string // assert or population
	text    string
	without string // the part that was taken out or relaxed; "" for the rule turned round
}

// change is one way to weaken an expression.
type change struct{ text, without string }

func mutants(t testing.TB, cat *Catalog) (ms []mutant) {
	t.Helper()
	for _, x := range cat.Tests() {
		for _, rule := range []struct{ key, text string }{{"assert", x.Assertion}, {"population", x.Population}} {
			if rule.key == "population" && rule.text == "true" {
				continue // nothing to weaken
			}
			for _, c := range changed(t, rule.text) {
				ms = append(ms, mutant{fmt.Sprintf("%s-mutant-%d", x.ID, len(ms)), x, rule.key, c.text, c.without})
			}
		}
	}
	return ms
}

// mutantCatalog holds the program's tests, and for each of them a control with
// it and its mutants.
func mutantCatalog(t testing.TB, ms []mutant) *Catalog {
	t.Helper()
	var tests, controls strings.Builder
	last := ""
	for _, m := range ms {
		if m.of.ID != last {
			last = m.of.ID
			fmt.Fprintf(&controls, "  - id: mutants-%s\n    act: mutants\n    article: Art. 1\n    title: T\n    objective: O\n    severity: low\n    cannot_prove: much\n    tests:\n      - {test: %[1]s, strength: direct}\n", last)
		}
		population, assert := m.of.Population, m.of.Assertion
		if m.key == "assert" {
			assert = m.text
		} else {
			population = m.text
		}
		fmt.Fprintf(&tests, "  - id: %s\n    title: T\n    says: s\n    view: %s\n    population: %s\n    assert: %s\n    window: period\n    freshness: 24h\n    least: %s\n    empty: %s\n",
			m.id, m.of.View, strconv.Quote(oneLine(population)), strconv.Quote(oneLine(assert)), m.of.Least, m.of.Empty)
		fmt.Fprintf(&controls, "      - {test: %s, strength: direct}\n", m.id)
	}
	text := "version: 1\nacts:\n  - {id: mutants, name: M, title: M, in_force_since: 2020-01-01, addressee: this test}\ntests:\n" + tests.String() +
		"controls:\n" + controls.String()
	c, err := Load(fstest.MapFS{"mutants.yaml": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// changed gives the expression turned round, without each of its parts, and
// with each of its limits relaxed.
func changed(t testing.TB, expression string) []change {
	t.Helper()
	p, err := parser.NewParser(parser.Macros(parser.AllMacros...))
	if err != nil {
		t.Fatal(err)
	}
	tree := newTree(t, p, expression)
	changes := []change{{"!(" + tree.text() + ")", ""}}
	tree.walk(func(n *node) {
		switch n.op {
		case operators.LogicalAnd, operators.LogicalOr:
			for i, kid := range n.kids {
				if !kid.speaks() {
					continue // who only says why something is unknown
				}
				n.kids[i] = &node{leaf: map[string]string{operators.LogicalAnd: "true", operators.LogicalOr: "false"}[n.op]}
				changes = append(changes, change{tree.text(), kid.text()})
				n.kids[i] = kid
			}
		default:
			for _, relaxed := range n.relaxed {
				was := n.leaf
				n.leaf = relaxed
				changes = append(changes, change{tree.text(), was})
				n.leaf = was
			}
		}
	})
	slices.SortFunc(changes, func(a, b change) int { return strings.Compare(a.text, b.text) })
	return slices.CompactFunc(changes, func(a, b change) bool { return a.text == b.text })
}

// node is one part of an expression: a logical operation over others, or a
// leaf.
type node struct {
	op      string
	kids    []*node
	leaf    string
	relaxed []string // of a comparison with a limit: with weaker ones
}

func newTree(t testing.TB, p *parser.Parser, expression string) *node {
	t.Helper()
	parsed, errs := p.Parse(celcommon.NewTextSource(expression))
	if len(errs.GetErrors()) > 0 {
		t.Fatalf("%s: %s", expression, errs.ToDisplayString())
	}
	var build func(e celast.Expr) *node
	build = func(e celast.Expr) *node {
		if e.Kind() == celast.CallKind {
			c := e.AsCall()
			switch c.FunctionName() {
			case operators.LogicalAnd, operators.LogicalOr:
				n := &node{op: c.FunctionName()}
				for _, a := range c.Args() {
					kid := build(a)
					if kid.op == n.op {
						n.kids = append(n.kids, kid.kids...)
					} else {
						n.kids = append(n.kids, kid)
					}
				}
				return n
			case operators.LogicalNot:
				return &node{op: operators.LogicalNot, kids: []*node{build(c.Args()[0])}}
			}
		}
		text, err := parser.Unparse(e, parsed.SourceInfo())
		if err != nil {
			t.Fatal(err)
		}
		n := &node{leaf: text}
		n.relaxed = relax(t, e, parsed.SourceInfo())
		return n
	}
	return build(parsed.Expr())
}

// relax gives a comparison with a limit with a weaker one: twice the duration,
// or the next number.
func relax(t testing.TB, e celast.Expr, info *celast.SourceInfo) []string {
	t.Helper()
	if e.Kind() != celast.CallKind || len(e.AsCall().Args()) != 2 {
		return nil
	}
	c := e.AsCall()
	op, ok := map[string]string{
		operators.LessEquals: "<=", operators.Less: "<", operators.GreaterEquals: ">=", operators.Greater: ">",
	}[c.FunctionName()]
	if !ok {
		return nil
	}
	left, err := parser.Unparse(c.Args()[0], info)
	if err != nil {
		t.Fatal(err)
	}
	up := strings.HasPrefix(op, "<")
	limit := c.Args()[1]
	switch {
	case limit.Kind() == celast.LiteralKind:
		n, ok := limit.AsLiteral().Value().(int64)
		if !ok {
			return nil
		}
		if up {
			return []string{fmt.Sprintf("%s %s %d", left, op, n+1)}
		}
		return []string{fmt.Sprintf("%s %s %d", left, op, n-1)}
	case limit.Kind() == celast.CallKind && limit.AsCall().FunctionName() == "duration":
		s, _ := limit.AsCall().Args()[0].AsLiteral().Value().(string)
		d, err := time.ParseDuration(s)
		if err != nil || d == 0 {
			return nil
		}
		if up {
			return []string{fmt.Sprintf("%s %s duration(%q)", left, op, 2*d)}
		}
		return []string{fmt.Sprintf("%s %s duration(%q)", left, op, d/2)}
	}
	return nil
}

func (n *node) text() string {
	switch n.op {
	case "":
		return n.leaf
	case operators.LogicalNot:
		return "!(" + n.kids[0].text() + ")"
	}
	var parts []string
	for _, k := range n.kids {
		parts = append(parts, "("+k.text()+")")
	}
	return strings.Join(parts, map[string]string{operators.LogicalAnd: " && ", operators.LogicalOr: " || "}[n.op])
}

// speaks reports whether a part decides anything beside giving a reason.
func (n *node) speaks() bool {
	return !strings.HasPrefix(n.leaf, "undetermined(") && !strings.HasPrefix(n.leaf, "unobserved(")
}

func (n *node) walk(f func(*node)) {
	f(n)
	for _, k := range n.kids {
		k.walk(f)
	}
}

// TestChanged holds what the mutation check makes of an expression.
func TestChanged(t *testing.T) {
	var got []string
	for _, c := range changed(t, `item.a && !(item.b || item.n >= 2) && item.d <= duration("24h") || undetermined("why")`) {
		got = append(got, c.text)
	}
	want := []string{
		`!(((item.a) && (!((item.b) || (item.n >= 2))) && (item.d <= duration("24h"))) || (undetermined("why")))`,
		`((item.a) && (!((false) || (item.n >= 2))) && (item.d <= duration("24h"))) || (undetermined("why"))`,
		`((item.a) && (!((item.b) || (false))) && (item.d <= duration("24h"))) || (undetermined("why"))`,
		`((item.a) && (!((item.b) || (item.n >= 1))) && (item.d <= duration("24h"))) || (undetermined("why"))`,
		`((item.a) && (!((item.b) || (item.n >= 2))) && (item.d <= duration("48h0m0s"))) || (undetermined("why"))`,
		`((item.a) && (!((item.b) || (item.n >= 2))) && (true)) || (undetermined("why"))`,
		`((item.a) && (true) && (item.d <= duration("24h"))) || (undetermined("why"))`,
		`((true) && (!((item.b) || (item.n >= 2))) && (item.d <= duration("24h"))) || (undetermined("why"))`,
		`(false) || (undetermined("why"))`,
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
