package telemetry

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const deploy = "../../../deploy"

var metric = regexp.MustCompile(`evidenced_[a-z0-9_]+`)

// metricsOf lists the metrics that the program tells: what its own files name.
func metricsOf(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`"(evidenced_[a-z0-9_]+)"`).FindAllStringSubmatch(string(b), -1) {
			names[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// The real promtool takes every rule, and the rules fire when they should.
func TestRulesByPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatalf("Debian's promtool is needed (sh deploy/test-tools.sh installs it): %v", err)
	}
	files, err := filepath.Glob(deploy + "/alerts/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files of rules, err %v", len(files), err)
	}
	for _, args := range [][]string{append([]string{"check", "rules"}, files...), {"test", "rules", "testdata/rules.yaml"}} {
		out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput()
		if err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args[:2], " "), err, out)
		}
	}
}

// Rules and dashboards ask only for metrics that the program tells.
func TestRulesAndDashboardsAskForRealMetrics(t *testing.T) {
	known := metricsOf(t)
	n := 0
	for _, pattern := range []string{"/alerts/*.yaml", "/dashboards/*.json"} {
		files, err := filepath.Glob(deploy + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range metric.FindAllString(string(b), -1) {
				if n++; !known[name] {
					t.Errorf("%s asks for %s, which nothing tells", file, name)
				}
			}
			if strings.HasSuffix(file, ".json") && !json.Valid(b) {
				t.Errorf("%s is no JSON", file)
			}
		}
	}
	if n == 0 {
		t.Error("no rule asks for anything")
	}
}
