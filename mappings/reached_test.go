package mappings

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"evidenced/evidence"
)

// alwaysTold are the tests whose rules look only at what their sources always
// give, or else say that nobody looked: they are never undetermined.
var alwaysTold = []string{
	"registry-integrity", "chg-attributed", "chg-history-kept", "cert-renewed", "vault-audit", "vault-audit-sealed",
	"backup-expired", "vault-device-always", "vault-unsealed", "offboard-order", "collect-clock", "silence-bounded",
	"incident-dora-followed",
}

// TestEveryTestReachesItsStatuses expects of every test of the catalog a case
// that it ends in, for each status it can have.
func TestEveryTestReachesItsStatuses(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	reached := map[string][]evidence.Status{}
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(ar.Files[len(ar.Files)-1].Data)) {
			id, rest, ok := strings.Cut(line, ": ")
			if !ok || strings.HasPrefix(line, " ") {
				continue
			}
			status, _, _ := strings.Cut(rest, ",")
			status, _, _ = strings.Cut(status, " ")
			reached[id] = append(reached[id], evidence.Status(status))
		}
	}
	for _, x := range mustLoad(t).Tests() {
		want := []evidence.Status{evidence.Satisfied, evidence.NotSatisfied, evidence.Stale, evidence.NotObserved}
		told := slices.Contains(alwaysTold, x.ID)
		if !told {
			want = append(want, evidence.Undetermined)
		}
		for _, s := range want {
			if !slices.Contains(reached[x.ID], s) {
				t.Errorf("no case of %s ends in %s", x.ID, s)
			}
		}
		if told && slices.Contains(reached[x.ID], evidence.Undetermined) {
			t.Errorf("a case of %s ends in undetermined, which is said not to be", x.ID)
		}
	}
}
