package kubeaudit

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"evidenced/collectors/kube/kubetest"
)

// A request for things of every namespace goes to everybody, and the namespace or the
// label by which it chose one tenant's things to that one alone.
func TestSelected(t *testing.T) {
	rules := kubetest.ByLabel(t, "tenant-7", "tenant-8")
	rules[1].Owns[0].Namespaces, rules[2].Owns[0].Namespaces = []string{"tenant-7"}, []string{"zq-*"}
	rules[2].Owns[0].Labels = []string{"team=Zq.Corp"}
	for _, selector := range []string{
		"fieldSelector=" + url.QueryEscape("metadata.namespace=zq-space"), "fieldSelector=status.phase%21%3DRunning%2Cmetadata.namespace%3Dzq-space",
		"labelSelector=" + url.QueryEscape("stage=prod,team=Zq.Corp"), "labelSelector=" + url.QueryEscape("team in (tenant-7, Zq.Corp)"), "labelSelector=kubernetes.io%2Fmetadata.name%20notin%20%28tenant-7%2Czq-space%29",
	} {
		raw, err := json.Marshal(map[string]any{
			"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "a1", "stage": "ResponseComplete", "verb": "list",
			"requestURI": "/api/v1/secrets?limit=500&" + selector, "user": map[string]any{"username": "carla"}, "objectRef": map[string]any{"resource": "secrets", "apiVersion": "v1"},
			"responseStatus": map[string]any{"code": 200}, "requestReceivedTimestamp": "2026-03-01T10:00:00.000000Z", "stageTimestamp": "2026-03-01T10:00:00.100000Z",
		})
		if err != nil {
			t.Fatal(err)
		}
		e, err := parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		c := must(New(fileConfig("/var/log/audit.log"), testEnv()))
		d, err := c.maker.draft(&line{e: e, raw: raw, at: e.received, known: true})
		if err != nil {
			t.Fatal(err)
		}
		views := kubetest.Views(t, d.Source, e.received, rules, d)
		if s := string(views["tenant-7"][0].Raw) + string(views["tenant-7"][0].Content); strings.Contains(strings.ToLower(s), "zq") {
			t.Errorf("tenant-7 is told %s", s)
		}
		if s := string(views["tenant-8"][0].Raw); !strings.Contains(strings.ToLower(s), "zq") && !strings.Contains(selector, "tenant-7") {
			t.Errorf("tenant-8 is not told of its own: %s", s)
		}
	}
}
