package argocd

import (
	"testing"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
)

// TestSecrets plants secrets in every text of the server.
func TestSecrets(t *testing.T) { collectortest.Secrets(suite("all.txtar")).Run(t) }

// TestApart plants what another tenant's things are called, in an application and a
// project that are neither's, and looks in the log of either.
func TestApart(t *testing.T) {
	seven := collectors.Owns{Projects: []string{"tenant-7", "tenant-7/*"}, Namespaces: []string{"tenant-7", "tenant-7-*"}}
	eight := collectors.Owns{Projects: []string{"zq-eight", "zq-eight/*"}, Namespaces: []string{"zq-eight", "zq-eight-*"}}
	for name, a := range map[string]collectortest.Apart{
		"seven": {Own: seven, Other: eight, Names: []string{"zq-eight"}},
		"eight": {Own: eight, Other: seven, Names: []string{"tenant-7"}},
	} {
		t.Run(name, func(t *testing.T) {
			a.Suite = suite("shared.txtar")
			// A namespace and an address are named whole; more than that is another name.
			a.Whole = []string{`.* .*/(namespace|namespaces/\d|sourceNamespaces/\d|sourceRepos/\d|clusterResourceWhitelist/\d/name|resources/3/name)`}
			a.Told = map[string]string{
				`.* /items/0/metadata/(name|namespace|uid|resourceVersion|labels/.*)`:                                       "what the application or project is called",
				`/applications /items/0/spec/(project|destination/.*|source/.*)`:                                            "what it deploys, from where and to where",
				`/applications /items/0/status/(history/0|operationState/syncResult)/(revision|source/.*)`:                  "the same",
				`/applications /items/0/status/(sync/revision|summary/images/0)`:                                            "the same",
				`/applications /items/0/status/(sync/status|health/status|operationState/phase)`:                            "words of the server's choice",
				`/applications /items/0/status/(operationState/syncResult/)?resources/\d/(group|kind|status|health/status)`: "the same",
				`/applications /items/0/status/(operationState/syncResult/)?resources/[0-2]/name`:                           "what an object in its own namespace is called",
				`/projects /items/0/spec/destinations/\d/server`:                                                            "a cluster",
				`/projects /items/0/spec/(clusterResourceWhitelist/\d/(group|kind)|syncWindows/0/(duration|kind|schedule))`: "words of the server's choice",
			}
			a.Run(t)
		})
	}
}
