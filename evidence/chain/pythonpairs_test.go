package chain_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// heldPairs asks the second implementation about the three members of a pack that
// tell what was judged.
const heldPairs = `
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import verify
class Pack:
    plain = {k: v.encode() for k, v in json.loads(sys.argv[2]).items()}
try:
    print("OK  %d" % verify.check_judged(Pack))
except verify.Bad as e:
    print("FAILED  %s" % e)
`

func TestPythonHoldsFindingsToPairs(t *testing.T) {
	const (
		rules    = `[{"id":"a","threshold":2.5},{"id":"b"}]`
		judged   = `[{"test":"a","controls":["x","y"]},{"test":"b","controls":["x"]}]`
		findings = `[{"control":"x","test":"a","share":1.5},{"control":"x","test":"b"},{"control":"y","test":"a"}]`
	)
	for _, tc := range []struct{ name, rules, judged, findings, want string }{
		{"as it is", rules, judged, findings, "OK  3"},
		{"nothing judged", `[]`, `[]`, `[]`, "OK  0"},
		{"a finding of one control dropped", rules, judged, `[{"control":"x","test":"a"},{"control":"x","test":"b"}]`, "FAILED  finding y/a is missing"},
		{"a pair added", rules, strings.Replace(judged, `"y"]`, `"y","z"]`, 1), findings, "FAILED  finding z/a is missing"},
		{"a pair taken out", rules, strings.Replace(judged, `,"y"]`, `]`, 1), findings, "FAILED  finding y/a is not of what was judged"},
		{"a finding twice", rules, judged, strings.Replace(findings, `"test":"b"`, `"test":"a"`, 1), "FAILED  two findings"},
		{"a pair twice", rules, strings.Replace(judged, `"y"]`, `"y","y"]`, 1), findings, "FAILED  judged.json: controls of test a are out of order"},
		{"controls unsorted", rules, strings.Replace(judged, `"x","y"`, `"y","x"`, 1), findings, "FAILED  judged.json: controls of test a are out of order"},
		{"tests unsorted", rules, `[{"test":"b","controls":["x"]},{"test":"a","controls":["x","y"]}]`, findings, "FAILED  judged.json: test a is out of order"},
		{"a test twice", rules, strings.Replace(judged, `"b"`, `"a"`, 1), findings, "FAILED  judged.json: test a is out of order"},
		{"no control", rules, strings.Replace(judged, `["x"]`, `[]`, 1), findings, "FAILED  judged.json: test b without controls"},
		{"a rule that nothing was judged by", `[{"id":"a"},{"id":"b"},{"id":"c"}]`, judged, findings, "FAILED  judged.json is not about the tests"},
		{"a test without a rule", `[{"id":"a"}]`, judged, findings, "FAILED  judged.json is not about the tests"},
		{"more than pairs", rules, strings.Replace(judged, `{"test":"b"`, `{"but":1,"test":"b"`, 1), findings, "FAILED  judged.json: bad entry"},
		{"a name twice", rules, strings.Replace(judged, `"test":"b"`, `"test":"b","test":"b"`, 1), findings, "FAILED  a name stands twice"},
	} {
		members, err := json.Marshal(map[string]string{"rules.json": tc.rules, "judged.json": tc.judged, "findings.json": tc.findings})
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), "python3", "-c", heldPairs, vectorDir, string(members)).CombinedOutput()
		if err != nil || !strings.HasPrefix(string(out), tc.want) {
			t.Errorf("%s: %v, want %q:\n%s", tc.name, err, tc.want, out)
		}
	}
}
