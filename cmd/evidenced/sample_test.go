package main

import (
	"testing"
	"time"

	"evidenced/cmd/internal/config"
	"evidenced/collectors/all"
)

// The sample configuration is one that the program accepts.
func TestSampleConfiguration(t *testing.T) {
	c, err := config.Load("../../deploy/evidenced.yaml", all.Specs())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Sources) != len(all.Specs()) {
		t.Errorf("the sample shows %d sources, the program reads %d types", len(c.Sources), len(all.Specs()))
	}
	for i := range c.Sources {
		s := &c.Sources[i]
		if s.Due.Next(time.Now()).IsZero() {
			t.Errorf("source %s is never due", s.Name)
		}
	}
}
