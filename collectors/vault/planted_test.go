package vault

import (
	"path/filepath"
	"strings"
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
)

// both are whose the things of these tests are.
var (
	own   = collectors.Owns{Paths: []string{"kv/tenant-7"}, Policies: []string{"tenant-7-*"}, Mounts: []string{"auth/seven"}}
	other = collectors.Owns{Paths: []string{"kv/zq-other"}, Policies: []string{"zq-*"}, Mounts: []string{"auth/zq-auth"}}
)

// auditLines are of somebody with policies of two tenants who reads, is refused and
// writes a secret of the first, and makes a token.
func auditLines() []string {
	g := newGen()
	read, denied, failed := g.kvRead("carol", "tenant-7/web/db"), g.kvRead("carol", "tenant-7/web/key"), g.kvRead("carol", "tenant-7/web/old")
	denied.denied = true
	failed.op, failed.respErr = "update", "1 error occurred:\n\t* invalid request\n\n"
	text := g.both(read) + g.both(denied) + g.both(failed)
	req, resp := g.pair(call{who: "carol", op: "update", path: "auth/token/create", mount: "auth/token/", mountType: "token"})
	resp = strings.Replace(resp, `"response":{`, `"response":{"auth":{"accessor":"`+g.hash("new")+`","client_token":"`+g.hash("new")+`","display_name":"token","policies":["default","zq-made"],"token_policies":["default","zq-made"],"token_type":"service"},`, 1)
	text += req + resp
	text = strings.ReplaceAll(text, `"policies":["default","tenant-7-read"]`, `"policies":["default","tenant-7-read","zq-read"]`)
	return strings.Split(strings.TrimSpace(text), "\n")
}

// TestAuditApart plants the names of another tenant's policies in every text of the
// audit log.
func TestAuditApart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	collectortest.Apart{
		Suite: suiteOf(t, Config{AuditFiles: []string{path}}, collectortest.Suite{}),
		Lines: auditLines(), Write: func(lines []string) { write(t, path, strings.Join(lines, "\n")+"\n") },
		Own: own, Other: other, Names: []string{"zq-read", "zq-made"},
		Whole: []string{`/\d /(response/)?auth/(token_)?policies/.*`},
		Told: map[string]string{
			`/\d /(response/)?auth/(accessor|display_name|entity_id|client_token|token_type|token_issue_time|metadata/.*)`: "who acted on its secret, and the token that did",
			`/\d /auth/policy_results/.*`:                                   "what granted access to its secret",
			`/\d /((response|auth|response/auth)/)?~`:                       "names of members, which the server chooses",
			`/\d /(type|time|error)`:                                        "of its own request: what line this is, and what the server said",
			`/\d /(request|response/(data|mount_type|auth/display_name)).*`: "its own request and the answer",
		},
	}.Run(t)
}

// TestStateApart plants the names of another tenant's policies in every text of the
// server's state, and looks in the log of either.
func TestStateApart(t *testing.T) {
	for name, a := range map[string]collectortest.Apart{
		"seven": {Own: own, Other: other, Names: []string{"zq-read"}},
		"other": {Own: other, Other: own, Names: []string{"tenant-7-read"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := suiteLog(t)
			a.Suite = suiteOf(t, Config{AuditFiles: []string{path}}, collectortest.Suite{Conversation: "testdata/api.txtar"})
			edits := []string{
				`"policies": ["tenant-7-read"]`, `"policies": ["tenant-7-read", "zq-read"]`,
				`"token_policies": ["tenant-7-read"]`, `"token_policies": ["tenant-7-read", "zq-read"]`,
			}
			if name == "seven" { // a policy that opens what is the other's is told to it
				edits = append(edits, `path \"kv/data/tenant-7/*\" {`, `path \"kv/data/zq-other/*\" { capabilities = [\"read\"] }\npath \"kv/data/tenant-7/*\" {`)
			}
			a.Edit = strings.NewReplacer(edits...).Replace
			a.Whole = []string{`/role/\S* /data/token_policies/.*`, `/entity/id/\S* /data/policies/.*`}
			a.Told = map[string]string{
				`/entity/id/\S* /data/aliases/.*`: "who may: the logins of an identity with its policies",
				`/acl/tenant-7-read /data/policy`: "the text of its own policy; what it opens of others is left out",
			}
			a.Run(t)
		})
	}
}

// TestSecrets plants secrets in every text of the server's state.
func TestSecrets(t *testing.T) {
	p := collectortest.Secrets(suiteOf(t, Config{AuditFiles: []string{suiteLog(t)}}, collectortest.Suite{Conversation: "testdata/api.txtar"}))
	p.Told = map[string]string{`/auth/token/lookup-self /data/entity_id`: "as whom the source reads"}
	p.Run(t)
}

// TestAuditSecrets plants secrets in every text of the audit log.
func TestAuditSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	p := collectortest.Secrets(suiteOf(t, Config{AuditFiles: []string{path}}, collectortest.Suite{}))
	p.Lines, p.Write = auditLines(), func(lines []string) { write(t, path, strings.Join(lines, "\n")+"\n") }
	p.Run(t)
}
