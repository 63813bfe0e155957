package kube

import (
	"encoding/json"
	"testing"
	"time"
)

func TestConditions(t *testing.T) {
	var cs Conditions
	err := json.Unmarshal([]byte(`[{"type":"Ready","status":"True","reason":"old","lastTransitionTime":"2026-01-01T00:00:00+02:00"},
		{"type":"Issuing","status":"True"},{"type":"Ready","status":"False","reason":"new","lastTransitionTime":"2026-01-02T00:00:00Z"}]`), &cs)
	if err != nil {
		t.Fatal(err)
	}
	if c := cs.Of("Ready"); c.Reason != "new" || !c.At().Equal(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("of two the newest: got %+v", c)
	}
	if cs.Is("Ready") || !cs.Is("Issuing") || cs.Is("Failed") {
		t.Error("Issuing alone is true")
	}
	if c := cs.Of("Failed"); c != (Condition{}) || !c.At().IsZero() {
		t.Errorf("of none: %+v", c)
	}
	if at := cs[0].At(); at.Location() != time.UTC || at.Hour() != 22 {
		t.Errorf("%v is not UTC", at)
	}
	for _, none := range []time.Time{{}, time.Unix(0, 0)} {
		if at := Time(&none); !at.IsZero() {
			t.Errorf("%v is told as a time", none)
		}
	}
	if len(cs) != 3 || cs[1].Type != "Issuing" {
		t.Error("asking changed the conditions")
	}
}
