package evidence_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// lattice says what each package may import: packages of this module, then
// modules of others. Floors point down only; every heavy library has one owner.
// A new package adds its line here; a line nobody needs any more is an error
// too.
//
// The rules behind the lines:
//   - evidence is the standard library alone; chain and claim do no I/O.
//   - Collectors, mappings and reports never see a store: they are handed a
//     Sink or an evidence.Reader.
//   - Only collectors/all links every source, and only cmd/evidenced links
//     collectors/all: Argo CD's types alone are most of the binary.
//   - What the auditor runs links evidence, reports/pack and x/mod.
var lattice = map[string]struct{ ours, others string }{
	"evidence":              {"", ""},
	"evidence/problem":      {"", ""},
	"evidence/strictjson":   {"", ""},
	"evidence/pointer":      {"", ""},
	"evidence/sample":       {"evidence", ""},
	"evidence/reach":        {"evidence", ""},
	"evidence/address":      {"evidence/problem", ""},
	"evidence/chain":        {"evidence", "golang.org/x/mod"},
	"evidence/claim":        {"evidence", ""},
	"evidence/evidencetest": {"evidence", "github.com/google/go-cmp"},
	"evidence/lineage":      {"evidence evidence/pointer", ""},
	"evidence/incident":     {"evidence evidence/problem evidence/strictjson", ""},
	"evidence/remedy":       {"evidence evidence/problem", ""},

	"evidence/lineage/lineagetest": {"evidence evidence/evidencetest", ""},

	"evidence/witness": {"evidence evidence/chain", "golang.org/x/mod"},

	"evidence/timestamp":               {"", "golang.org/x/mod"},
	"evidence/timestamp/timestamptest": {"", "github.com/digitorus/timestamp github.com/digitorus/pkcs7"},

	"store":           {"evidence evidence/chain evidence/claim evidence/problem store/durable", "golang.org/x/mod github.com/tidwall/btree"},
	"store/anchor":    {"evidence evidence/address evidence/chain evidence/problem evidence/timestamp evidence/witness store/durable store/mapped", "github.com/go-git/go-git/v5 go.etcd.io/bbolt golang.org/x/mod"},
	"store/backup":    {"evidence evidence/chain evidence/claim evidence/problem store store/bolt store/durable", "golang.org/x/mod"},
	"store/bolt":      {"evidence evidence/chain evidence/problem store store/durable store/index store/journal store/mapped", "go.etcd.io/bbolt golang.org/x/sys"},
	"store/cosigner":  {"evidence/chain evidence/problem evidence/witness", "go.etcd.io/bbolt golang.org/x/mod golang.org/x/time"},
	"store/durable":   {"", ""},
	"store/index":     {"evidence/problem store store/durable", "golang.org/x/sys"},
	"store/intake":    {"evidence/problem store store/durable", "golang.org/x/sys"},
	"store/journal":   {"evidence/problem store/durable", "golang.org/x/sys"},
	"store/keyring":   {"evidence evidence/claim evidence/problem store store/durable store/mapped", "go.etcd.io/bbolt golang.org/x/crypto golang.org/x/mod"},
	"store/local":     {"evidence evidence/problem store store/bolt store/durable store/intake store/keyring", "golang.org/x/sys"},
	"store/mapped":    {"evidence/problem", "go.etcd.io/bbolt"},
	"store/storetest": {"evidence evidence/chain store", "pgregory.net/rapid"},

	"store/keyring/transit": {"evidence/address evidence/problem store/keyring", "github.com/hashicorp/vault/api"},

	"collectors":                 {"evidence evidence/pointer evidence/problem", ""},
	"collectors/alertmanager":    {"collectors collectors/fetch evidence evidence/problem", ""},
	"collectors/alertrules":      {"collectors collectors/alertmanager collectors/fetch evidence evidence/problem", ""},
	"collectors/argocd":          {"collectors collectors/fetch collectors/kube evidence evidence/pointer evidence/problem", "github.com/argoproj/argo-cd/v2"},
	"collectors/certs":           {"collectors evidence evidence/address evidence/problem", ""},
	"collectors/collectortest":   {"collectors evidence", "github.com/google/go-cmp github.com/rogpeppe/go-internal"},
	"collectors/fetch":           {"evidence evidence/address evidence/problem", ""},
	"collectors/flux":            {"collectors collectors/kube evidence evidence/problem", ""},
	"collectors/forge":           {"collectors collectors/fetch evidence evidence/problem", ""},
	"collectors/github":          {"collectors collectors/fetch collectors/forge evidence evidence/problem", "github.com/google/go-github/v60"},
	"collectors/gitlab":          {"collectors collectors/fetch collectors/forge evidence evidence/problem", "github.com/xanzy/go-gitlab"},
	"collectors/gitrepo/signed":  {"evidence/problem", "github.com/ProtonMail/go-crypto github.com/hiddeco/sshsig golang.org/x/crypto"},
	"collectors/gitrepo":         {"collectors collectors/fetch collectors/forge collectors/gitrepo/signed evidence evidence/address evidence/problem", "github.com/go-git/go-git/v5 github.com/go-git/go-billy/v5 golang.org/x/crypto"},
	"collectors/harbor":          {"collectors collectors/fetch collectors/forge collectors/jsonstream evidence evidence/problem", ""},
	"collectors/jsonstream":      {"", ""},
	"collectors/kube":            {"collectors collectors/fetch evidence evidence/pointer evidence/problem", "k8s.io/client-go"},
	"collectors/kube/kubetest":   {"collectors collectors/collectortest evidence", "github.com/rogpeppe/go-internal"},
	"collectors/kube/looktest":   {"collectors collectors/collectortest collectors/kube collectors/kube/kubetest evidence", "github.com/google/go-cmp go.yaml.in/yaml/v3"},
	"collectors/kubeaudit":       {"collectors collectors/fetch collectors/kube collectors/spool collectors/tail evidence evidence/pointer evidence/problem", ""},
	"collectors/kubernetes":      {"collectors collectors/kube evidence evidence/problem", ""},
	"collectors/network":         {"collectors collectors/kube evidence evidence/problem", ""},
	"collectors/policies":        {"collectors collectors/kube evidence evidence/problem", ""},
	"collectors/spool":           {"collectors evidence/problem", ""},
	"collectors/spool/spooltest": {"", ""},
	"collectors/tail":            {"evidence", ""},
	"collectors/terraform":       {"collectors collectors/fetch collectors/forge collectors/jsonstream evidence evidence/problem", ""},
	"collectors/vault":           {"collectors collectors/fetch collectors/spool collectors/tail evidence evidence/problem", "github.com/hashicorp/vault/api"},
	"collectors/workflows":       {"collectors collectors/fetch collectors/kube evidence evidence/problem", ""},
	"collectors/all":             {"collectors collectors/alertmanager collectors/alertrules collectors/argocd collectors/certmanager collectors/certs collectors/externalsecrets collectors/flux collectors/github collectors/gitlab collectors/gitrepo collectors/harbor collectors/kubeaudit collectors/kubernetes collectors/network collectors/policies collectors/terraform collectors/vault collectors/velero collectors/workflows", ""},

	"collectors/bucket": {"collectors/fetch evidence evidence/problem", "github.com/minio/minio-go/v7"},
	"collectors/velero": {"collectors collectors/bucket collectors/fetch collectors/kube evidence evidence/problem", ""},
	// A certificate has the same facts wherever it is seen, and a secret the
	// same name: these two take both from the collectors that own them.
	"collectors/certmanager":     {"collectors collectors/certs collectors/kube evidence evidence/problem", ""},
	"collectors/externalsecrets": {"collectors collectors/certs collectors/kube collectors/vault evidence evidence/problem", ""},

	// A backup schedule's cron means what the parser that Velero takes says.
	"mappings": {"evidence evidence/incident evidence/problem evidence/reach mappings/deadline mappings/notice", "cel.dev/cel-go go.yaml.in/yaml/v3 github.com/robfig/cron/v3"},

	"mappings/classify":  {"evidence evidence/incident", ""},
	"mappings/statement": {"evidence evidence/problem mappings", ""},
	"mappings/notice":    {"evidence evidence/incident mappings/classify mappings/deadline", ""},
	"mappings/deadline":  {"evidence/problem", "github.com/rickar/cal/v2 go.yaml.in/yaml/v3"},

	"reports":          {"evidence", ""},
	"reports/coverage": {"evidence reports", ""},
	"reports/filing":   {"evidence evidence/incident evidence/problem mappings/classify mappings/deadline mappings/notice reports", ""},
	"reports/pack":     {"evidence evidence/chain evidence/claim evidence/problem evidence/remedy evidence/sample evidence/timestamp evidence/witness", "golang.org/x/mod"},
	"reports/gaps":     {"evidence evidence/remedy mappings mappings/statement reports", ""},
	"reports/today":    {"evidence evidence/remedy mappings mappings/statement reports reports/gaps", ""},
	"reports/pdf":      {"evidence reports", "github.com/jung-kurt/gofpdf github.com/go-fonts/dejavu"},
	"reports/people":   {"evidence reports reports/timeline", ""},
	"reports/ran":      {"evidence evidence/reach reports", ""},
	"reports/timeline": {"evidence reports", ""},
	"reports/trace":    {"evidence evidence/lineage reports", ""},
	"reports/xlsx":     {"reports", "github.com/xuri/excelize/v2"},

	"cmd/internal/cli":             {"evidence evidence/problem reports", "github.com/vbauerster/mpb/v8 golang.org/x/term"},
	"cmd/internal/fieldfile":       {"evidence/problem evidence/strictjson", "go.yaml.in/yaml/v3"},
	"cmd/internal/schedule":        {"evidence", "github.com/robfig/cron/v3"},
	"cmd/internal/spelling":        {"", ""},
	"cmd/internal/telemetry":       {"evidence", "github.com/VictoriaMetrics/metrics"},
	"cmd/internal/config":          {"cmd/internal/schedule cmd/internal/spelling collectors evidence evidence/problem evidence/witness store/anchor", "go.yaml.in/yaml/v3"},
	"cmd/internal/alert":           {"collectors/fetch evidence evidence/problem store/durable", "github.com/wneessen/go-mail"},
	"cmd/internal/controls":        {"evidence evidence/problem mappings reports", ""},
	"cmd/internal/doctor":          {"collectors evidence evidence/problem reports", ""},
	"cmd/internal/api":             {"cmd/internal/cli cmd/internal/doctor evidence evidence/incident evidence/lineage evidence/problem evidence/remedy mappings mappings/classify mappings/deadline mappings/notice mappings/statement reports reports/coverage reports/filing reports/gaps reports/pdf reports/people reports/ran reports/timeline reports/today reports/trace reports/xlsx store", "golang.org/x/sys"},
	"cmd/internal/api/apitest":     {"cmd/internal/api cmd/internal/doctor evidence evidence/evidencetest evidence/problem mappings mappings/deadline mappings/statement reports/today store", ""},
	"cmd/internal/alert/alerttest": {"", ""},

	"cmd/internal/config/configtest": {"", ""},

	"cmd/internal/daemon": {"cmd/internal/alert cmd/internal/api cmd/internal/config cmd/internal/doctor cmd/internal/schedule cmd/internal/telemetry collectors collectors/fetch collectors/gitrepo/signed " +
		"evidence evidence/chain evidence/incident evidence/problem evidence/remedy evidence/sample evidence/timestamp evidence/witness mappings mappings/deadline mappings/notice mappings/statement reports reports/coverage reports/pack reports/pdf reports/timeline reports/today store store/anchor store/backup store/keyring store/keyring/transit store/local", "golang.org/x/time"},
	// The demonstration builds a git repository, so it shares gitrepo's library.
	"cmd/internal/demo": {"cmd/internal/api cmd/internal/config cmd/internal/daemon cmd/internal/schedule collectors evidence evidence/problem testdata/world",
		"github.com/go-git/go-git/v5 go.yaml.in/yaml/v3"},
	"cmd/evidenced": {"cmd/internal/api cmd/internal/cli cmd/internal/config cmd/internal/controls cmd/internal/daemon cmd/internal/demo cmd/internal/doctor cmd/internal/fieldfile cmd/internal/spelling cmd/internal/telemetry " +
		"collectors collectors/all evidence evidence/problem evidence/remedy evidence/witness mappings mappings/statement reports store store/backup store/cosigner store/local", "github.com/spf13/cobra github.com/spf13/pflag"},
	"cmd/evidence-verify": {"evidence reports/pack", ""},

	"cmd/bench":      {"evidence evidence/chain evidence/claim store store/bolt store/index store/local", "github.com/google/pprof golang.org/x/sys"},
	"testdata/world": {"", "go.yaml.in/yaml/v3"},
}

// noIO are packages without a network or a file system, by what they must not
// import of the standard library.
var noIO = map[string]string{
	"evidence": "os net net/http os/exec", "evidence/problem": "os net net/http", "evidence/chain": "os net net/http os/exec",
	"evidence/claim": "os net net/http os/exec", "evidence/incident": "os net net/http os/exec", "mappings/classify": "os net net/http os/exec", "mappings/statement": "os net net/http os/exec", "mappings/notice": "os net net/http os/exec", "evidence/lineage": "os net/http os/exec", "evidence/witness": "os net net/http os/exec", "mappings": "net net/http os/exec", "mappings/deadline": "os net net/http os/exec", "reports": "os net net/http os/exec",
	"reports/ran": "os net net/http", "reports/trace": "os net net/http os/exec", "reports/people": "os net net/http os/exec", "reports/timeline": "os net net/http", "reports/coverage": "os net net/http",
	"reports/gaps": "os net net/http os/exec", "reports/today": "os net net/http os/exec",
	"reports/pack": "net net/http os/exec", "reports/pdf": "net net/http os/exec", "reports/xlsx": "os net net/http os/exec", "store": "net net/http os/exec",
	"cmd/evidence-verify": "net net/http os/exec", "evidence/timestamp": "os net net/http os/exec",
}

const module = "evidenced/"

// imported returns the imports of every package of the module that is built
// outside tests.
func imported(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "./...", "./testdata/world")
	cmd.Dir = ".."
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	pkgs := map[string][]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err == io.EOF {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs[strings.TrimPrefix(p.ImportPath, module)] = p.Imports
	}
}

func isStd(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// under returns the entry of the list that is the path or a folder above it.
func under(path string, list []string) (string, bool) {
	for _, m := range list {
		if path == m || strings.HasPrefix(path, m+"/") {
			return m, true
		}
	}
	return "", false
}

func TestImportsPointDown(t *testing.T) {
	pkgs := imported(t)
	for _, pkg := range slices.Sorted(maps.Keys(pkgs)) {
		line, ok := lattice[pkg]
		if !ok {
			t.Errorf("package %s has no line in the lattice: say what it may import", pkg)
			continue
		}
		ours, others := strings.Fields(line.ours), strings.Fields(line.others)
		used := map[string]bool{}
		for _, path := range pkgs[pkg] {
			if own, is := strings.CutPrefix(path, module); is {
				if !slices.Contains(ours, own) {
					t.Errorf("%s must not import %s", pkg, own)
				}
				used[own] = true
			} else if !isStd(path) {
				mod, ok := under(path, others)
				if !ok {
					t.Errorf("%s must not import %s: it is not the owner of that library", pkg, path)
				}
				used[mod] = true
			} else if _, bad := under(path, strings.Fields(noIO[pkg])); bad {
				t.Errorf("%s must not import %s: it does no I/O of that kind", pkg, path)
			}
		}
		for _, allowed := range slices.Concat(ours, others) {
			if !used[allowed] {
				t.Errorf("%s no longer imports %s: take it out of its line", pkg, allowed)
			}
		}
	}
	for pkg := range lattice {
		if _, ok := pkgs[pkg]; !ok {
			t.Errorf("the lattice has a line for %s, which is not there", pkg)
		}
	}
}

// reach returns every package and module that pkg links, the standard library
// left out.
func reach(pkgs map[string][]string, pkg string, seen map[string]bool) {
	if seen[pkg] {
		return
	}
	seen[pkg] = true
	for _, path := range pkgs[pkg] {
		if own, is := strings.CutPrefix(path, module); is {
			reach(pkgs, own, seen)
		} else if !isStd(path) {
			mod, _ := under(path, strings.Fields(lattice[pkg].others))
			seen[mod] = true
		}
	}
}

// What an auditor runs must be small enough to read.
func TestVerifierLinksLittle(t *testing.T) {
	seen := map[string]bool{}
	reach(imported(t), "cmd/evidence-verify", seen)
	got := strings.Join(slices.Sorted(maps.Keys(seen)), " ")
	want := "cmd/evidence-verify evidence evidence/chain evidence/claim evidence/problem evidence/remedy evidence/sample evidence/timestamp evidence/witness golang.org/x/mod reports/pack"
	if got != want {
		t.Errorf("evidence-verify links\n%s\nwant\n%s", got, want)
	}
}

// The table itself has no way up: what sees a store is never handed to a
// collector, a mapping or a report, and nobody but the daemon's program links
// every source.
func TestLatticeKeepsItsRules(t *testing.T) {
	for pkg, line := range lattice {
		ours := strings.Fields(line.ours)
		top, _, _ := strings.Cut(pkg, "/")
		for _, imp := range ours {
			store := imp == "store" || strings.HasPrefix(imp, "store/")
			if store && (top == "collectors" || top == "mappings" || top == "reports" || top == "evidence") {
				t.Errorf("%s may import %s", pkg, imp)
			}
			if imp == "collectors/all" && pkg != "cmd/evidenced" {
				t.Errorf("%s may import %s", pkg, imp)
			}
			if strings.HasPrefix(imp, "cmd/") && top != "cmd" {
				t.Errorf("%s may import %s", pkg, imp)
			}
		}
	}
	owners := map[string]string{}
	shared := []string{"golang.org/x/mod", "golang.org/x/crypto", "github.com/hashicorp/vault/api", "golang.org/x/sys", "golang.org/x/time", "go.yaml.in/yaml/v3", "go.etcd.io/bbolt", "github.com/google/go-cmp", "github.com/rogpeppe/go-internal", "github.com/go-git/go-git/v5", "github.com/robfig/cron/v3"}
	for _, pkg := range slices.Sorted(maps.Keys(lattice)) {
		for _, mod := range strings.Fields(lattice[pkg].others) {
			if owner, taken := owners[mod]; taken && !slices.Contains(shared, mod) {
				t.Errorf("%s and %s both own %s", owner, pkg, mod)
			}
			owners[mod] = pkg
		}
	}
}
