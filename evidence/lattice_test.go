package evidence_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// floors is a statement of policy: on which floor each folder stands. A folder
// imports from lower floors, from below itself, and from what peers names.
var floors = map[string]int{
	"evidence": 0, "evidence/problem": 0,
	"evidence/chain": 1, "evidence/claim": 1,
	"evidence/evidencetest": 2, "store": 2, "collectors": 2, "mappings": 2,
	"collectors/fetch": 2,
	"store/bolt":       3, "store/keyring": 3, "collectors/collectortest": 3,
	"collectors/argocd": 3, "collectors/certs": 3, "collectors/github": 3, "collectors/gitrepo": 3, "collectors/vault": 3,
	"reports": 3, "reports/pdf": 3, "reports/pack": 3, "reports/ran": 3, "reports/timeline": 3, "reports/coverage": 3,
	"store/local": 4, "collectors/all": 4, "testdata/world": 4,
	"cmd/internal/schedule": 4, "cmd/internal/telemetry": 4, "cmd/internal/cli": 4,
	"cmd/internal/config": 5, "cmd/internal/api": 5, "cmd/internal/api/apitest": 6, "cmd/evidence-verify": 5,
	"cmd/internal/daemon": 6, "cmd/internal/demo": 7, "cmd/evidenced": 8,
}

// peers may be imported on the same floor.
var peers = map[string][]string{
	"evidence":         {"evidence/problem"},
	"collectors/fetch": {}, "collectors": {},
	"store/bolt": {"store"}, "store/keyring": {"store"},
	"reports/pdf": {"reports"}, "reports/ran": {"reports"}, "reports/timeline": {"reports"}, "reports/coverage": {"reports"},
}

// owners are the only folders that import a heavy library.
var owners = map[string][]string{
	"go.etcd.io/bbolt":                   {"store/bolt", "store/keyring"},
	"github.com/google/go-github/":       {"collectors/github"},
	"github.com/argoproj/argo-cd/":       {"collectors/argocd"},
	"github.com/hashicorp/vault/api":     {"collectors/vault"},
	"github.com/jung-kurt/gofpdf":        {"reports/pdf"},
	"github.com/robfig/cron/":            {"cmd/internal/schedule"},
	"github.com/VictoriaMetrics/metrics": {"cmd/internal/telemetry"},
	"github.com/spf13/cobra":             {"cmd/evidenced"},
	"cel.dev/cel-go/":                    {"mappings"},
	"github.com/go-git/go-git/":          {"collectors/gitrepo", "cmd/internal/demo"},
	"github.com/tidwall/btree":           {"store"},
	"github.com/vbauerster/mpb/":         {"cmd/internal/cli"},
	"evidenced/collectors/all":           {"cmd/evidenced"},
	"evidenced/store":                    {"store", "store/bolt", "store/keyring", "store/local", "cmd/internal/api", "cmd/internal/api/apitest", "cmd/internal/daemon", "cmd/evidenced"},
}

func TestLattice(t *testing.T) {
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...", "./testdata/world")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		from := strings.TrimPrefix(p.ImportPath, "evidenced/")
		seen[from] = true
		floor, ok := floors[from]
		if !ok {
			t.Errorf("%s stands on no floor: add it to the table", from)
			continue
		}
		for _, imp := range p.Imports {
			checkOwner(t, from, imp)
			to, own := strings.CutPrefix(imp, "evidenced/")
			if !own {
				if from == "evidence" && strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
					t.Errorf("evidence imports %s: it may import the standard library alone", imp)
				}
				continue
			}
			if floors[to] > floor || floors[to] == floor && !slices.Contains(peers[from], to) && !strings.HasPrefix(to, from+"/") && !strings.HasPrefix(from, to+"/") {
				t.Errorf("%s (floor %d) imports %s (floor %d)", from, floor, to, floors[to])
			}
		}
	}
	for name := range floors {
		if !seen[name] {
			t.Errorf("the table names %s, which is not there", name)
		}
	}
}

func checkOwner(t *testing.T, from, imp string) {
	t.Helper()
	for lib, who := range owners {
		if imp != lib && !(strings.HasSuffix(lib, "/") && strings.HasPrefix(imp, lib)) || slices.Contains(who, from) {
			continue
		}
		t.Errorf("%s imports %s, which belongs to %s", from, imp, strings.Join(who, ", "))
	}
}

// The auditor's verifier links the format and nothing else.
func TestVerifierLinksNoStore(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./cmd/evidence-verify")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		switch {
		case strings.HasPrefix(dep, "evidenced/evidence"), dep == "evidenced/reports/pack", dep == "evidenced/cmd/evidence-verify":
		case strings.HasPrefix(dep, "evidenced/"):
			t.Errorf("evidence-verify links %s", dep)
		case strings.Contains(strings.SplitN(dep, "/", 2)[0], ".") && !strings.HasPrefix(dep, "golang.org/x/mod/") && !strings.HasPrefix(dep, "golang.org/x/crypto/"):
			t.Errorf("evidence-verify links %s", dep)
		}
	}
}
