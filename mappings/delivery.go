package mappings

// delivery is what the views of the delivery chain share over one period. Each
// part is built by the first view that asks for it, through the scene's method
// of the same name.
type delivery struct {
	fleet *fleet // what ran
	shelf *shelf // what registries hold
	scans *scans // how it was scanned
	bound *bound // what is attached to it
	built *built // where it comes from
}
