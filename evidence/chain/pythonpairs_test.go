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
class Zip:
    plain = {k: v.encode() for k, v in json.loads(sys.argv[2]).items()}
p = verify.Pack(Zip, None, None)
said = {"table": verify.text_hash(sys.argv[3].encode()), "tenancy": {"tier": "basic"}}
p.rules = [(5, verify.read(said, verify.RULES, "record 5"))]
p.m = {"start": {"size": 0}, "period": verify.read({"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}, verify.PERIOD, "period")}
try:
    findings = verify.member(p, "findings.json", [verify.FINDING])
    verify.check_catalog(p)
    verify.check_rules(p)
    verify.check_judged(p, findings)
    for f in findings:
        verify.check_weight(p, f)
    print("OK  %d" % len(findings))
except verify.Bad as e:
    print("FAILED  %s" % e)
`

// judgedMembers are members of a pack with two tests and four controls, of which
// two are judged: one by both tests, one by the first alone.
func judgedMembers() map[string]string {
	a, b := `{"id":"a","threshold":2.5}`, `{"id":"b"}`
	hash := func(rule string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(rule))) }
	finding := func(control, test, rule, severity string) string {
		return fmt.Sprintf(`{"control":%q,"test":%q,"rule":%q,"severity":%q,"strength":"full"}`, control, test, hash(rule), severity)
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
	for _, tc := range []struct{ name, member, old, new, want string }{
		{"as it is", "", "", "", "OK  3"},
		{"another table than is stated", "catalog.json", `"severity":"high"`, `"severity":"low"`, "FAILED  catalog.json is another table"},
		{"a pair left out", "judged.json", `["x","y"]`, `["x"]`, "FAILED  judged.json does not name y/a, which the catalog of record 5 has"},
		{"a pair added", "judged.json", `"y"]`, `"y","z"]`, "FAILED  judged.json names z/a, which the catalog of record 5 does not have"},
		{"a pair twice", "judged.json", `"y"]`, `"y","y"]`, "FAILED  judged.json names y/a twice"},
		{"another reason", "judged.json", `"tier"`, `"tags"`, `FAILED  judged.json says of z/b "tags", but by the catalog of record 5 it is left out: tier`},
		{"what is left out kept quiet", "judged.json", `,"left_out":[{"control":"z","why":"tier"}]`, "", "FAILED  judged.json does not name z/b, which the catalog of record 5 has"},
		{"more than pairs", "judged.json", `{"test":"b"`, `{"but":1,"test":"b"`, "FAILED  member judged.json: unknown name"},
		{"a name twice", "judged.json", `"test":"b"`, `"test":"b","test":"b"`, `FAILED  member judged.json: name "test" stands twice`},
		{"a finding of another pair", "findings.json", `"control":"y","test":"a"`, `"control":"y","test":"b"`, "FAILED  finding y/b is of a control and a test that judged.json does not name as judged"},
		{"a finding twice", "findings.json", `"control":"y"`, `"control":"x"`, "FAILED  there are two findings x/a"},
		{"a finding of less weight", "findings.json", `"severity":"high"`, `"severity":"low"`, `FAILED  finding x/a: severity "low" and strength "full", the catalog in force has "high" and "full"`},
		{"a finding of less strength", "findings.json", `"full"`, `"partial"`, `FAILED  finding x/a: severity "high" and strength "partial", the catalog in force has "high" and "full"`},
		{"a finding by no rule", "findings.json", `"rule":"`, `"rule":"00`, "FAILED  member findings.json: bad value"},
		{"a softer rule", "rules.json", `2.5`, `9.5`, "FAILED  test a of rules.json is not that of the catalog in force"},
		{"a rule too many", "rules.json", `{"id":"b"}`, `{"id":"b"},{"id":"c"}`, "FAILED  test c of rules.json is not that of the catalog in force"},
		{"a rule too few", "rules.json", `,{"id":"b"}`, ``, "FAILED  test b was judged for 1 controls, and stands among the rules: false"},
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
	checkPairs(t, "controls unsorted", members, members["catalog.json"], "FAILED  member catalog.json: control x stands after zz; they must be sorted")
	members = judgedMembers()
	findings := members["findings.json"]
	members["findings.json"] = findings[:strings.Index(findings, `,{"control":"y"`)] + "]"
	checkPairs(t, "a finding missing", members, members["catalog.json"], "FAILED  there is no finding y/a")
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
