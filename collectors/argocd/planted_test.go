package argocd

import (
	"testing"

	"evidenced/collectors/collectortest"
)

// TestSecrets plants secrets in every text of the server.
func TestSecrets(t *testing.T) { collectortest.Secrets(suite("all.txtar")).Run(t) }
