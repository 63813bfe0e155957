package github

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/evidence"
)

// TestAuditForms: GitHub gives members of an entry another form from action to
// action, lists of repositories and of accounts among them.
func TestAuditForms(t *testing.T) {
	clock := now
	at := now.Add(-time.Hour).UnixMilli()
	rec := lookAt(t, standIn(t, wild(map[string]string{"orgs/acme/audit-log": fmt.Sprintf(`[
		{"_document_id":"a1","@timestamp":%[1]d,"action":"org_credential_authorization.grant","actor":"a","actor_id":2,"org":["acme","other"],"org_id":[1,2],"repo":["acme/r0","acme/r1","other/x"],"permission":true,"user":["b","c"],"user_id":[3,4],"token_id":"77"},
		{"_document_id":"a2","@timestamp":%[1]d,"action":"protected_branch.rejected_ref_update","actor":"a","actor_id":2,"repo":"acme/r0","name":{"new":1},"branch":["main"],"token_id":78},
		{"_document_id":"a3","@timestamp":%[1]d,"action":"repo.create","actor":null,"actor_id":null,"repo":null,"user":null,"actor_ip":null}
	]`, at)}), 1, &clock, nil), clock, nil)
	whole(t, rec)
	var got []evidence.Draft
	for _, d := range rec.Of(evidence.AccessAudit) {
		if strings.HasPrefix(d.Key, "audit/") {
			got = append(got, d)
		}
	}
	if len(got) != 3 {
		t.Fatalf("%d entries", len(got))
	}
	var scope []string
	for _, r := range got[0].Scope {
		scope = append(scope, r.Name)
	}
	if f := factsOf[evidence.AuditFacts](t, got[0]); !slices.Equal(scope, []string{"acme/r0", "acme/r1"}) || len(got[0].People) != 3 || f.Container != "acme" || f.Credential != "77" || f.Outcome != "ok" {
		t.Errorf("lists: scope %v, people %v, %+v", scope, got[0].People, f)
	}
	if f := factsOf[evidence.AuditFacts](t, got[1]); f.Outcome != "denied" || f.Container != "acme/r0" || f.Credential != "78" {
		t.Errorf("a push that was rejected: %+v", f)
	}
	if f := factsOf[evidence.AuditFacts](t, got[2]); f.Who != -1 || len(got[2].People) != 0 {
		t.Errorf("an entry of nobody: %+v", f)
	}
}

// TestAuditOfHooks: an entry about a webhook holds its address, which is a
// credential at many a receiver.
func TestAuditOfHooks(t *testing.T) {
	clock := now
	at := now.Add(-time.Hour).UnixMilli()
	rec := lookAt(t, standIn(t, wild(map[string]string{"orgs/acme/audit-log": fmt.Sprintf(`[
		{"_document_id":"a1","@timestamp":%[1]d,"action":"hook.create","actor":"a","actor_id":2,"hook_id":7,"config":{"content_type":"json","url":"https://chat.example/planted-1"}},
		{"_document_id":"a2","@timestamp":%[1]d,"action":"hook.config_changed","actor":"a","actor_id":2,"hook_id":7,"config_was":{"url":"https://chat.example/planted-2"},"config":{"url":"https://chat.example/planted-3"}},
		{"_document_id":"a3","@timestamp":%[1]d,"action":"hook.create","actor":"a","actor_id":2,"data":{"config":{"url":"https://chat.example/planted-4"}}},
		{"_document_id":"a4","@timestamp":%[1]d,"action":"repo.access","actor":"a","actor_id":2,"data":{"visibility":"private"}}
	]`, at)}), 1, &clock, nil), clock, nil)
	whole(t, rec)
	removed := map[string]string{}
	for _, d := range rec.Of(evidence.AccessAudit) {
		if id, ok := strings.CutPrefix(d.Key, "audit/"); ok {
			removed[id] = strings.Join(d.Removed, " ")
			if strings.Contains(string(d.Raw), "planted") || !strings.Contains(string(d.Raw), `"actor_id":2`) {
				t.Errorf("%s: %s", id, d.Raw)
			}
		}
	}
	want := map[string]string{"a1": agent + " /config", "a2": agent + " /config /config_was", "a3": agent + " /data", "a4": ""}
	if !maps.Equal(removed, want) {
		t.Errorf("removed %q, want %q", removed, want)
	}
}
