package all

import (
	"testing"

	"evidenced/collectors"
)

// Every key of every source says how a change of it weakens the evidence, else
// a loosened configuration is not told.
func TestEveryKeySaysHowItLoosens(t *testing.T) {
	for _, s := range Specs() {
		keys, err := collectors.Keys(s.Config())
		if err != nil {
			t.Errorf("source type %s: %v", s.Type, err)
		}
		if err == nil && len(keys) == 0 {
			t.Errorf("source type %s has no keys", s.Type)
		}
	}
}
