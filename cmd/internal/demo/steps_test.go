package demo

import (
	"strings"
	"testing"

	"evidenced/testdata/world"
)

func TestIncidentSteps(t *testing.T) {
	steps, err := ParseIncidentSteps(incidentSteps)
	if err != nil {
		t.Fatal(err)
	}
	w, err := world.Load()
	if err != nil {
		t.Fatal(err)
	}
	stages := map[string]int{}
	for _, s := range steps {
		if s.When.Before(w.Start) || s.When.After(w.End) {
			t.Errorf("%s at %s is outside the story", s.Act, s.When)
		}
		if s.Stage != "" {
			stages[s.Tenant+" "+s.Stage]++
		}
	}
	// Each that is sent has its receipt.
	for stage, n := range stages {
		if n != 2 {
			t.Errorf("%s has %d acts, want a sending and a receipt", stage, n)
		}
	}
	for bad, says := range map[string]string{
		"steps: [":              "steps of an incident",
		"steps: [{wen: 1}]":     "wen",
		"else: []":              "else",
		"steps: [{when: noon}]": "noon",
		"steps: [{when: 2026-11-08T19:12:00Z, act: declare}, {when: 2026-11-08T19:11:00Z, act: close}]": "comes before",
	} {
		if _, err := ParseIncidentSteps([]byte(bad)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want an error that says %q", bad, err, says)
		}
	}
}
