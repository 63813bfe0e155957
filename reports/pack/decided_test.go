package pack

import (
	"testing"

	"evidenced/evidence"
)

// TestAllowedOfNothing holds what a finding without items may say, by what its
// test makes of an empty population.
func TestAllowedOfNothing(t *testing.T) {
	all := []evidence.Status{evidence.Satisfied, evidence.Gap, evidence.NotApplicable, evidence.NotObserved}
	for empty, want := range map[evidence.Status][]bool{
		evidence.Satisfied:     {true, false, false, true},
		evidence.Gap:           {false, true, false, true},
		evidence.NotApplicable: {false, true, true, true},
		evidence.NotObserved:   {false, false, true, true},
	} {
		for i, s := range all {
			f := &Finding{}
			f.Status = s
			if known, allowed := f.allowed(&testRule{Empty: empty}, false); !known || allowed != want[i] {
				t.Errorf("empty: %s, status %s: allowed %v (known %v), want %v", empty, s, allowed, known, want[i])
			}
		}
	}
}
