// Package compact gives the release's package under its own name; the release's
// package proof imports it so.
package compact

import "merkle.released/compact"

// The names that package proof uses.
type NodeID = compact.NodeID

var (
	NewNodeID  = compact.NewNodeID
	RangeNodes = compact.RangeNodes
	RangeSize  = compact.RangeSize
)
