package bolt_test

import (
	"testing"

	"evidenced/store"
	"evidenced/store/bolt"
	"evidenced/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(_ testing.TB, dir string) store.Backend { return bolt.New(dir) })
}
