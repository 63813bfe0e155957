package argocd

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/kube/kubetest"
	"evidenced/evidence"
)

// A project that two tenants deploy by names to neither what it has of the other:
// denied destinations, the accounts it deploys as, the namespaces it may make.
func TestProjectOfTwo(t *testing.T) {
	p, err := decodeProject([]byte(`{"metadata":{"name":"shared","namespace":"argocd","uid":"u"},"spec":{"sourceRepos":["*"],
		"destinations":[{"namespace":"tenant-7"},{"namespace":"!zq-space"},{"namespace":"zq-space-2"}],
		"syncWindows":[{"kind":"deny","schedule":"* * * * *","duration":"1h","namespaces":["!zq-space","tenant-7"]}],
		"destinationServiceAccounts":[{"server":"*","namespace":"zq-space-3","defaultServiceAccount":"zq-ops:deployer"},{"server":"*","namespace":"tenant-7","defaultServiceAccount":"web"}],
		"clusterResourceWhitelist":[{"group":"","kind":"Namespace","name":"zq-space-4"},{"group":"","kind":"Namespace","name":"tenant-7"},{"group":"example.test","kind":"Thing"}],
		"clusterResourceBlacklist":[{"group":"","kind":"Namespace","name":"zq-space-5"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	c := &Collector{cfg: *newConfig().(*Config), env: collectors.Env{Source: "argocd/prod"}, authority: "prod", realm: "argocd:prod"}
	rules := kubetest.ByLabel(t, "tenant-7", "tenant-8", "owner")
	rules[1].Owns[0].Namespaces, rules[2].Owns[0].Namespaces, rules[3].Owns[0].Projects = []string{"tenant-7"}, []string{"zq-*"}, []string{"shared"}
	views := kubetest.Views(t, "argocd/prod", t0, rules, c.projectDraft(p, t0, t0, evidence.Request{}))
	d := views["tenant-7"][0]
	if s := fmt.Sprint(d.Scope, d.Links, d.Removed, string(d.Content), string(d.Raw)); strings.Contains(s, "zq-") {
		t.Errorf("tenant-7 is told %s", s)
	}
	var f struct {
		evidence.ProjectFacts
		Others evidence.Others `json:"others"`
	}
	if err := json.Unmarshal(d.Content, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Destinations) != 1 || f.Others["destinations"] != 2 || fmt.Sprint(f.ClusterAllowed) != "[/Namespace/tenant-7 example.test/Thing]" || f.Others["cluster_allowed"] != 1 || f.Others["cluster_denied"] != 1 || f.Others["sync_windows/namespaces"] != 1 {
		t.Errorf("tenant-7 is told %s", d.Content)
	}
	if s := string(d.Raw); !strings.Contains(s, `"defaultServiceAccount":"web"`) {
		t.Errorf("tenant-7 is not told of its own account: %s", s)
	}
	// Who owns the project owns all of it.
	if s := string(views["owner"][0].Content); strings.Contains(s, "others") || !strings.Contains(s, "/Namespace/zq-space-4") {
		t.Errorf("the project's owner is told %s", s)
	}
}
