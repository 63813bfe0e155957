package spelling

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	known := []string{"tenant", "config", "coverage", "data-dir", "at", "json"}
	for word, want := range map[string]string{
		"tenent": "tenant", "Tenant": "tenant", "tenants": "tenant", "ocnfig": "config", "cov": "coverage", "data_dir": "data-dir",
		"ta": "at", "": "", "subject": "", "findings": "", strings.Repeat("tenant", 20): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
	if got := Nearest("tenant", nil); got != "" {
		t.Errorf("of nothing known %q is near", got)
	}
}
