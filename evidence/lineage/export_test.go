package lineage

// Reached returns the ids of all that a walk in one direction came to, names
// that were joined with their one bearer included.
func Reached(t *Trace) map[string]bool { return t.reached }
