package pack

import (
	"os"
	"testing"
)

// The first pack ever issued in this format verifies for ever.
func TestOldSampleVerifies(t *testing.T) {
	f, err := os.Open("../../testdata/vectors/pack.trust")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	trust, err := ParseTrust(f)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := VerifyFile("../../testdata/vectors/pack.zip", Options{Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	if !rep.Known || !rep.Complete || rep.Records == 0 || rep.Disclosed == 0 {
		t.Errorf("report of the old sample: %+v", rep)
	}
}
