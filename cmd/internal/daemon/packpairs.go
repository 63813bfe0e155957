package daemon

import (
	"cmp"
	"slices"

	"evidenced/evidence"
	"evidenced/mappings"
	"evidenced/reports/pack"
)

// judgedPairs lists the tests of the controls that were judged, sorted, and of
// each its controls, sorted. It looks at the controls, not at the findings: a
// finding that is missing must be missed.
func judgedPairs(controls []mappings.ControlResult) []pack.Judged {
	by := map[string][]evidence.ControlID{}
	for _, c := range controls {
		for _, ref := range c.Control.Tests {
			by[ref.Test.ID] = append(by[ref.Test.ID], c.Control.ID)
		}
	}
	list := make([]pack.Judged, 0, len(by))
	for test, ids := range by {
		slices.Sort(ids)
		list = append(list, pack.Judged{Test: test, Controls: ids})
	}
	slices.SortFunc(list, func(a, b pack.Judged) int { return cmp.Compare(a.Test, b.Test) })
	return list
}
