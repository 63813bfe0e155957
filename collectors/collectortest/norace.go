//go:build !race

package collectortest

const racing = false
