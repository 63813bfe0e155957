package keyring

import (
	"fmt"
	"testing"

	"evidenced/evidence"
	"evidenced/store"
)

func benchKeys(b *testing.B) store.TenantKeys {
	b.Helper()
	k, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { k.Close() })
	t, err := evidence.ParseTenant("tenant-1")
	if err != nil {
		b.Fatal(err)
	}
	tk, err := k.Tenant(t, true)
	if err != nil {
		b.Fatal(err)
	}
	return tk
}

func identities(from, n int) []store.Identity {
	ids := make([]store.Identity, n)
	for i := range ids {
		ids[i] = store.Identity{Realm: "forge:prod", NativeID: fmt.Sprint(from + i)}
	}
	return ids
}

// BenchmarkPeople resolves the people of a batch of 1,000 records: all known,
// as nearly always, and all new, which costs a sync.
func BenchmarkPeople(b *testing.B) {
	const batch = 1000
	b.Run("known", func(b *testing.B) {
		tk := benchKeys(b)
		ids := identities(0, batch)
		for b.Loop() {
			if _, err := tk.People(ids); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "people/s")
	})
	b.Run("new", func(b *testing.B) {
		tk := benchKeys(b)
		n := 0
		for b.Loop() {
			if _, err := tk.People(identities(n, batch)); err != nil {
				b.Fatal(err)
			}
			n += batch
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "people/s")
	})
}
