// Package rfc6962 gives the release's hasher under its own name.
package rfc6962

import "merkle.released/rfc6962"

// DefaultHasher is that of the release.
var DefaultHasher = rfc6962.DefaultHasher
