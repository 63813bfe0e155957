package evidence_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Some mistakes about tenants are impossible because they do not compile. The
// test builds small programs, each with one mistake, as if they stood in this
// module, and wants the compiler to refuse them for that mistake. The first
// program has none, so that a broken set-up is not taken for a refusal.
func TestTenantMisusesDoNotCompile(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		imports []string
		body    string
		want    string // in the compiler's words; empty: it compiles
	}{
		{"right", []string{"evidenced/evidence", "evidenced/store"},
			`func use(s *store.Store) (uint64, error) {
				t, err := evidence.ParseTenant("tenant-1")
				if err != nil {
					return 0, err
				}
				l, err := s.Log(t)
				if err != nil {
					return 0, err
				}
				return l.Snapshot().Size(), nil
			}`, ""},
		{"a tenant built by hand", []string{"evidenced/evidence"}, `var T = evidence.Tenant{name: "tenant-1"}`, "unexported field name"},
		{"a tenant built by hand, without the field's name", []string{"evidenced/evidence"}, `var T = evidence.Tenant{"tenant-1"}`, "unexported field name"},
		{"a tenant's name changed", []string{"evidenced/evidence"}, `func use(t evidence.Tenant) { t.name = "tenant-2" }`, "name undefined"},
		{"a string converted to a tenant", []string{"evidenced/evidence"}, `var T = evidence.Tenant("tenant-1")`, "cannot convert"},
		{"a string passed as a tenant", []string{"evidenced/store"}, `func use(s *store.Store) { s.Log("tenant-1") }`, "as evidence.Tenant value in argument"},
		{"a tenant compared with a string", []string{"evidenced/evidence"}, `func use(t evidence.Tenant) bool { return t == "tenant-1" }`, "mismatched types"},
		{"records read from the store", []string{"context", "evidenced/evidence", "evidenced/store"},
			`func use(s *store.Store) { s.Records(context.Background(), evidence.Query{}) }`, "s.Records undefined"},
		{"the store passed as a reader", []string{"evidenced/evidence", "evidenced/store"},
			`func use(s *store.Store) evidence.Reader { return s }`, "does not implement evidence.Reader"},
		{"a log asked for another tenant", []string{"evidenced/evidence", "evidenced/store"},
			`func use(l *store.Log) { l.Append(nil, evidence.Platform, nil) }`, "too many arguments"},
		{"a query over tenants", []string{"evidenced/evidence"}, `var Q = evidence.Query{Tenant: evidence.Platform}`, "unknown field Tenant"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			src := "package misuse\n\nimport (\n"
			for _, i := range tc.imports {
				src += "\t\"" + i + "\"\n"
			}
			src += ")\n\n" + tc.body + "\n"
			file, overlay := filepath.Join(dir, "misuse.go"), filepath.Join(dir, "overlay.json")
			b, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, "evidence", "zz_misuse", "misuse.go"): file}})
			if err != nil {
				t.Fatal(err)
			}
			for path, text := range map[string][]byte{file: []byte(src), overlay: b} {
				if err := os.WriteFile(path, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "./evidence/zz_misuse")
			cmd.Dir = root
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
			out, err := cmd.CombinedOutput()
			switch {
			case tc.want == "" && err != nil:
				t.Errorf("the right use does not compile: %v\n%s", err, out)
			case tc.want != "" && err == nil:
				t.Errorf("this compiles:\n%s", src)
			case tc.want != "" && !strings.Contains(string(out), tc.want):
				t.Errorf("it does not compile, but not for %q:\n%s", tc.want, out)
			}
		})
	}
}
