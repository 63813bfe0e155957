package deadline

import (
	"maps"
	"slices"
)

// States returns the codes of the states that a limit can be computed for.
func States() []string { return slices.Sorted(maps.Keys(states)) }
