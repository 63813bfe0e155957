package mappings

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
)

func TestBuiltin(t *testing.T) {
	c := mustLoad(t)
	tested, kinds, used := 0, map[string]bool{}, map[string]bool{}
	acts := map[string]int{}
	for _, ctl := range c.Controls() {
		acts[ctl.Act.Name]++
		if len(ctl.Tests) > 0 {
			tested++
		}
		for _, r := range ctl.Tests {
			used[r.Test.ID] = true
			for _, k := range r.Test.Needs() {
				kinds[strings.SplitN(string(k), ".", 2)[0]] = true
			}
		}
	}
	if tested < 15 || len(used) < 12 {
		t.Errorf("got %d controls with tests and %d tests in use, want at least 15 and 12", tested, len(used))
	}
	for _, id := range unusedTests(c) {
		if !slices.Contains(platformTests(t), id) {
			t.Errorf("no control uses test %s", id)
		}
	}
	for _, k := range []string{"change", "deploy", "secret", "cert"} {
		if !kinds[k] {
			t.Errorf("no test looks at %s.*", k)
		}
	}
	t.Logf("%d controls with tests, %d tests, controls by act: %v", tested, len(used), acts)
}

// platformTests are the tests that wait for the controls of their laws.
func platformTests(t *testing.T) (ids []string) {
	t.Helper()
	for _, f := range mustLoad(t).Files() {
		if strings.HasPrefix(f.Name, "tests-") {
			for _, m := range regexp.MustCompile(`(?m)^  - id: (\S+)$`).FindAllStringSubmatch(string(f.Data), -1) {
				ids = append(ids, m[1])
			}
		}
	}
	return ids
}

// TestWording keeps to the rule that findings say what evidence supports.
func TestWording(t *testing.T) {
	bad := regexp.MustCompile(`(?i)complian|certif(y|ied)\b|guarantee`)
	for _, f := range mustLoad(t).Files() {
		if m := bad.Find(f.Data); m != nil {
			t.Errorf("%s says %q", f.Name, m)
		}
	}
}

// TestFaults reads every broken catalog of testdata/faults and compares what
// is said about it. The first file of an archive is the catalog.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/faults/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := fstest.MapFS{}
			for _, f := range ar.Files {
				if f.Name != "want" {
					dir[f.Name] = &fstest.MapFile{Data: f.Data}
				}
			}
			_, err = Load(dir)
			if err == nil {
				t.Fatal("the catalog was accepted")
			}
			if !problem.Is(err, problem.Config) {
				t.Errorf("got %v, want a problem of code config", err)
			}
			got := FaultsOf(err).Error() + "\n"
			if evidencetest.Updating() {
				n := len(ar.Files)
				if ar.Files[n-1].Name == "want" {
					n--
				}
				ar.Files = append(ar.Files[:n], txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(ar.Files[len(ar.Files)-1].Data), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

const tiny = `version: 1
acts:
  - {id: own, name: House rules, title: House rules, in_force_since: 2026-01-01, addressee: us}
tests:
  - {id: x-y, title: T, says: s, view: changes, assert: "true", window: period, freshness: 1h, least: instants, empty: gap}
controls:
  - {id: own-1, act: own, article: Art. 1, title: T, objective: O, severity: low, cannot_prove: much, tests: [{test: x-y, strength: direct}, {test: chg-approved, strength: partial}]}
`

func TestUserCatalog(t *testing.T) {
	c, err := Load(fstest.MapFS{"own.yaml": {Data: []byte(tiny)}, "README.md": {Data: []byte("no catalog")}})
	if err != nil {
		t.Fatal(err)
	}
	ctl, ok := c.Control("own-1")
	if !ok || len(ctl.Tests) != 2 || ctl.Tests[1].Test.ID != "chg-approved" {
		t.Fatalf("got %+v", ctl)
	}
	if ctl.InForceSince != "2026-01-01" {
		t.Errorf("got in force since %q, want that of the act", ctl.InForceSince)
	}
	if c.Hash() == mustLoad(t).Hash() {
		t.Error("another control left the catalog's hash the same")
	}
}

func TestLimits(t *testing.T) {
	long := "version: 1\n# " + strings.Repeat("x", maxFile)
	deep := "version: " + strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2)
	for _, tt := range []struct{ name, data, want string }{
		{"size", long, "at most 1048576"},
		{"depth", deep, "nested deeper than 32"},
		{"parser depth", "version: " + strings.Repeat("[", 20_000), "exceeded max depth"},
		{"empty", "", "no YAML document"},
		{"only a comment", "# nothing\n", "no YAML document"},
		{"binary", "\x00\x01", "control characters"},
	} {
		_, err := LoadOnly(fstest.MapFS{"a.yaml": {Data: []byte(tt.data)}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := LoadOnly(fstest.MapFS{}); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
}

func TestRuleHash(t *testing.T) {
	load := func(from, to string) evidence.Hash {
		c, err := Load(fstest.MapFS{"own.yaml": {Data: []byte(strings.Replace(tiny, from, to, 1))}})
		if err != nil {
			t.Fatal(err)
		}
		ctl, _ := c.Control("own-1")
		return ctl.Tests[0].Test.Hash()
	}
	same := load("", "")
	if same != load("objective: O", "objective: P") {
		t.Error("the test's hash changed with its control")
	}
	for _, change := range []string{`assert: "false"`, `assert: "true", population: item.watched`} {
		if same == load(`assert: "true"`, change) {
			t.Errorf("%s left the hash the same", change)
		}
	}
}

func FuzzLoad(f *testing.F) {
	tests, err := builtin.ReadFile("catalog/tests.yaml")
	if err != nil {
		f.Fatal(err)
	}
	one, _, _ := strings.Cut(string(tests), "  - id: chg-independent")
	f.Add([]byte(one))
	f.Add([]byte(strings.ReplaceAll(tiny, ", {test: chg-approved, strength: partial}", "")))
	f.Add([]byte("a: &x [*x]"))
	f.Add([]byte("\"000000\r\r0")) // YAML ends lines in more ways than one
	f.Add([]byte("version: 1\ntests:\n  - id: a-b\n    view: running\n    assert: |\n      item.\n"))
	f.Add([]byte("version: 1\ntests: [{id: a-b, view: changes, assert: 'item.watched &&\n  \"x\"'}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := LoadOnly(fstest.MapFS{"own.yaml": {Data: data}})
		if (c == nil) == (err == nil) {
			t.Fatalf("got catalog %v and error %v", c != nil, err)
		}
		if err == nil {
			return
		}
		var fs Faults
		if !errors.As(err, &fs) || len(fs) == 0 {
			t.Fatalf("error without faults: %v", err)
		}
		lines := len(lineBreak.Split(string(data), -1)) + 1
		for _, x := range fs {
			if x.Line > lines || x.Line < 0 || x.Line > 0 && x.Column < 1 {
				t.Errorf("fault outside the file of %d lines: %v", lines, x)
			}
		}
	})
}
