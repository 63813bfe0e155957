//go:build race

package collectortest

// racing: under the race detector a request takes ten times as long, so the
// fault matrix is thinned. See harness.skips.
const racing = true
