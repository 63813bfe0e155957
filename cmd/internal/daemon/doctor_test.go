package daemon_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/config/configtest"
	"evidenced/cmd/internal/daemon"
	"evidenced/collectors"
)

// The doctor tells files with secrets that others may read, of the sources that
// it is asked for.
func TestExamineFiles(t *testing.T) {
	dir := configtest.OpenDir(t)
	file := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	type settings struct {
		TokenFile string `yaml:"token_file"`
	}
	spec := collectors.Spec{Type: "none", New: func(any, collectors.Env) (collectors.Collector, error) { return nil, errors.New("none") }}
	c := config.Default()
	c.Keys.Wrapping.Transit.TokenFile = file("transit", 0o644)
	c.Sources = []config.Source{
		{Name: "none/a", Spec: spec, Config: &settings{file("a", 0o644)}},
		{Name: "none/b", Spec: spec, Config: &settings{file("b", 0o600)}},
	}
	for _, tt := range []struct {
		names []string
		want  string
	}{{nil, "keys.wrapping.transit.token_file 0644, sources.none/a.token_file 0644, "}, {[]string{"none/a"}, "sources.none/a.token_file 0644, "}, {[]string{"none/b"}, ""}} {
		r, err := daemon.Examine(context.Background(), c, time.Now, tt.names, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range r.Files {
			got += f.Field + " " + f.Mode + ", "
		}
		if got != tt.want {
			t.Errorf("%v: %s, want %s", tt.names, got, tt.want)
		}
	}
}
