package velero

import (
	"testing"

	"evidenced/collectors/collectortest"
)

// TestSecrets plants secrets in every text of the cluster.
func TestSecrets(t *testing.T) { collectortest.Secrets(suite(t)).Run(t) }
