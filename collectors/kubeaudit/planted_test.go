package kubeaudit

import (
	"path/filepath"
	"strings"
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
)

// TestSecrets plants secrets in every text of the log.
func TestSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	p := collectortest.Secrets(collectortest.Suite{
		Source: "kubernetes-audit/prod", Now: now,
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			c, err := New(fileConfig(path), w.Env)
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	})
	p.Lines = strings.Split(strings.TrimSpace(string(recorded(t))), "\n")
	p.Write = func(lines []string) { write(t, path, []byte(strings.Join(lines, "\n")+"\n")) }
	p.Run(t)
}
