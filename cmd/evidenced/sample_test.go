package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
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

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// Every configuration shown on a collector's page is one that loads.
func TestDocumentedConfigurations(t *testing.T) {
	pages, err := filepath.Glob("../../docs/collectors/*.md")
	if err != nil || len(pages) < len(all.Specs()) {
		t.Fatalf("%d pages for %d types of sources: %v", len(pages), len(all.Specs()), err)
	}
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		shown := 0
		for _, m := range yamlBlock.FindAllSubmatch(b, -1) {
			if !bytes.Contains(m[1], []byte("sources:")) {
				continue
			}
			shown++
			if _, err := config.Parse(page, m[1], all.Specs()); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
		if shown == 0 {
			t.Errorf("%s shows no configuration", page)
		}
	}
}
