package mappings

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
)

// What an ordinary item holds, for the price of a rule. Larger ones meet the
// limit when they are evaluated.
const (
	ordinaryList = 16  // members
	ordinaryText = 256 // bytes
)

// dear reports whether a rule would cost more than one evaluation may even on
// an ordinary item. Such a rule could never decide anything, so it is refused
// when the file is read, and not item by item.
func dear(env *cel.Env, ast *cel.Ast) bool {
	price, err := env.EstimateCost(ast, ordinary{})
	return err == nil && price.Max > costLimit
}

// bounded reports whether no item, whatever it holds, makes an evaluation of the
// rule cost more than it may: then nobody needs to count.
func bounded(env *cel.Env, ast *cel.Ast) bool {
	price, err := env.EstimateCost(ast, whatever{})
	return err == nil && price.Max <= costLimit
}

// whatever implements cost.Estimator: what is not known is without end.
type whatever struct{}

func (whatever) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

func (whatever) EstimateSize(n cost.AstNode) *cost.SizeEstimate { return n.ComputedSize() }

// ordinary implements cost.Estimator.
type ordinary struct{}

func (ordinary) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

func (ordinary) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	if s := n.ComputedSize(); s != nil {
		return s
	}
	switch n.Type().Kind() {
	case types.ListKind, types.MapKind:
		return &cost.SizeEstimate{Max: ordinaryList}
	case types.StringKind, types.BytesKind:
		return &cost.SizeEstimate{Max: ordinaryText}
	}
	return nil
}
