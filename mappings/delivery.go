package mappings

// delivery is what the views of the delivery chain, and those of secrets, share
// over one period. Each
// part is built by the first view that asks for it, through the scene's method
// of the same name.
type delivery struct {
	fleet shared[fleet] // what ran
	shelf shared[shelf] // what registries hold
	scans shared[scans] // how it was scanned
	bound shared[bound] // what is attached to it
	built shared[built] // where it comes from

	tokens shared[tokenLog] // what secret engines were asked with
}
