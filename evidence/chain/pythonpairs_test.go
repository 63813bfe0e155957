package chain_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// heldPairs asks the second implementation about the members of a pack that
// tell what was judged. The record in force states the table of argument 3.
const heldPairs = `
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import verify
class Pack:
    plain = {k: v.encode() for k, v in json.loads(sys.argv[2]).items()}
said = {"table": verify.text_hash(sys.argv[3].encode()), "tenancy": {"tier": "basic"}}
m = {"period": {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}}
try:
    print("OK  %d" % verify.check_judged(Pack, m, said))
except verify.Bad as e:
    print("FAILED  %s" % e)
`

// judgedMembers are members of a pack with two tests and four controls, of which
// two are judged: one by both tests, one by the first alone.
func judgedMembers() map[string]string {
	a, b := `{"id":"a","threshold":2.5}`, `{"id":"b"}`
	hash := func(rule string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(rule))) }
	finding := func(control, test, rule, severity string) string {
		return fmt.Sprintf(`{"control":%q,"test":%q,"rule":%q,"severity":%q,"strength":"full","share":1.5}`, control, test, hash(rule), severity)
	}
	return map[string]string{
		"rules.json": "[" + a + "," + b + "]",
		"catalog.json": `{"tests":[{"test":"a","rule":"` + hash(a) + `"},{"test":"b","rule":"` + hash(b) + `"}],"controls":[` +
			`{"control":"w","severity":"low","valid_from":"2026-12-01","tests":[{"test":"a","strength":"full"}]},` +
			`{"control":"x","severity":"high","tests":[{"test":"a","strength":"full"},{"test":"b","strength":"full"}]},` +
			`{"control":"y","severity":"low","tiers":["basic"],"tests":[{"test":"a","strength":"full"}]},` +
			`{"control":"z","severity":"low","tiers":["gold"],"tests":[{"test":"b","strength":"full"}]}]}`,
		"judged.json": `[{"test":"a","controls":["x","y"],"left_out":[{"control":"w","why":"wording"}]},` +
			`{"test":"b","controls":["x"],"left_out":[{"control":"z","why":"tier"}]}]`,
		"findings.json": "[" + finding("x", "a", a, "high") + "," + finding("x", "b", b, "high") + "," + finding("y", "a", a, "low") + "]",
	}
}

func TestPythonHoldsFindingsToPairs(t *testing.T) {
	const (
		follows = "FAILED  judged.json is not what follows from the catalog in force"
		rules   = "FAILED  rules.json holds other tests than those judged"
	)
	for _, tc := range []struct{ name, member, old, new, want string }{
		{"as it is", "", "", "", "OK  3"},
		{"another table than is stated", "catalog.json", `"severity":"high"`, `"severity":"low"`, "FAILED  catalog.json is another table"},
		{"a pair left out", "judged.json", `["x","y"]`, `["x"]`, follows},
		{"a pair added", "judged.json", `"y"]`, `"y","z"]`, follows},
		{"a pair twice", "judged.json", `"y"]`, `"y","y"]`, follows},
		{"another reason", "judged.json", `"tier"`, `"tags"`, follows},
		{"what is left out kept quiet", "judged.json", `,"left_out":[{"control":"z","why":"tier"}]`, "", follows},
		{"more than pairs", "judged.json", `{"test":"b"`, `{"but":1,"test":"b"`, follows},
		{"a name twice", "judged.json", `"test":"b"`, `"test":"b","test":"b"`, "FAILED  a name stands twice"},
		{"a finding of another pair", "findings.json", `"control":"y","test":"a"`, `"control":"y","test":"b"`, "FAILED  finding y/b is not of what was judged"},
		{"a finding twice", "findings.json", `"control":"y"`, `"control":"x"`, "FAILED  two findings x/a"},
		{"a finding of less weight", "findings.json", `"severity":"high"`, `"severity":"low"`, "FAILED  finding x/a has another weight"},
		{"a finding of less strength", "findings.json", `"full"`, `"partial"`, "FAILED  finding x/a has another weight"},
		{"a finding by another rule", "findings.json", `"rule":"`, `"rule":"00`, "FAILED  finding x/a is by another rule"},
		{"a softer rule", "rules.json", `2.5`, `9.5`, "FAILED  a rule of rules.json is not that of the catalog"},
		{"a rule too many", "rules.json", `{"id":"b"}`, `{"id":"b"},{"id":"c"}`, rules},
		{"a rule too few", "rules.json", `,{"id":"b"}`, ``, rules},
	} {
		members := judgedMembers()
		stated := members["catalog.json"]
		if tc.member != "" {
			changed := strings.Replace(members[tc.member], tc.old, tc.new, 1)
			if changed == members[tc.member] {
				t.Fatalf("%s changes nothing", tc.name)
			}
			members[tc.member] = changed
		}
		checkPairs(t, tc.name, members, stated, tc.want)
	}
	// A table that the record states and that is in no order of its own.
	members := judgedMembers()
	members["catalog.json"] = strings.Replace(members["catalog.json"], `"control":"w"`, `"control":"zz"`, 1)
	checkPairs(t, "controls unsorted", members, members["catalog.json"], "FAILED  catalog.json: controls: out of order")
	members = judgedMembers()
	findings := members["findings.json"]
	members["findings.json"] = findings[:strings.Index(findings, `,{"control":"y"`)] + "]"
	checkPairs(t, "a finding missing", members, members["catalog.json"], "FAILED  finding y/a is missing")
}

func checkPairs(t *testing.T, name string, members map[string]string, stated, want string) {
	t.Helper()
	packed, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "python3", "-c", heldPairs, vectorDir, string(packed), stated).CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("%s: %v, want %q:\n%s", name, err, want, out)
	}
}
