package keyring

import (
	"testing"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence"
	"evidenced/store"
)

func openRing(t *testing.T, dir string) *Keyring {
	t.Helper()
	k, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func keysOf(t *testing.T, k *Keyring, name string, create bool) store.TenantKeys {
	t.Helper()
	tn, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := k.Tenant(tn, create)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestDestroyDataKey(t *testing.T) {
	dir := t.TempDir()
	k := openRing(t, dir)
	one, two := keysOf(t, k, "tenant-1", true), keysOf(t, k, "tenant-2", true)
	for _, keys := range []store.TenantKeys{one, two} {
		for _, n := range []int{1, 2, 10, 11} {
			if _, _, err := keys.DataKey(n); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 { // again, without effect
		if err := one.(store.SegmentKeys).DestroyDataKey(1); err != nil {
			t.Fatal(err)
		}
	}
	check := func(one, two store.TenantKeys) {
		t.Helper()
		for id, want := range map[string]error{"d1": store.ErrKeyMissing, "d2": nil, "d10": nil, "d11": nil} {
			if _, err := one.Key(id); err != want {
				t.Errorf("key %s: got %v, want %v", id, err, want)
			}
			if _, err := two.Key(id); err != nil {
				t.Errorf("key %s of another tenant: %v", id, err)
			}
		}
	}
	check(one, two)
	k.Close()
	k = openRing(t, dir)
	check(keysOf(t, k, "tenant-1", false), keysOf(t, k, "tenant-2", false))
}

func TestDestroyTenantKeys(t *testing.T) {
	dir := t.TempDir()
	k := openRing(t, dir)
	tn, err := evidence.ParseTenant("tenant-1")
	if err != nil {
		t.Fatal(err)
	}
	people := func(keys store.TenantKeys) store.PersonKey {
		t.Helper()
		ps, err := keys.People([]store.Identity{{Realm: "github:prod", NativeID: "7"}})
		if err != nil {
			t.Fatal(err)
		}
		return ps[0]
	}
	other := keysOf(t, k, "tenant-2", true)
	otherPerson := people(other)
	first := keysOf(t, k, "tenant-1", true)
	person, id := people(first), first.LogID()
	if _, _, err := first.DataKey(1); err != nil {
		t.Fatal(err)
	}
	if err := k.DestroyTenantKeys(tn, "00aa"); err != nil { // of another log
		t.Fatal(err)
	}
	if _, err := keysOf(t, k, "tenant-1", false).Key("d1"); err != nil {
		t.Errorf("keys of another log are destroyed: %v", err)
	}
	if err := k.DestroyTenantKeys(tn, id); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Tenant(tn, false); err == nil {
		t.Error("the tenant is still known")
	}
	for _, key := range []string{"d1", person.KeyID} {
		if _, err := first.Key(key); err != store.ErrKeyMissing {
			t.Errorf("key %s: %v", key, err)
		}
	}
	// Begun anew it is another log, which a repeated destruction leaves alone.
	again := keysOf(t, k, "tenant-1", true)
	if again.LogID() == id || people(again).Token == person.Token {
		t.Error("the tenant begun anew has its former log or people")
	}
	if err := k.DestroyTenantKeys(tn, id); err != nil {
		t.Fatal(err)
	}
	k.Close()
	k = openRing(t, dir)
	if got := keysOf(t, k, "tenant-1", false).LogID(); got != again.LogID() {
		t.Errorf("log of the tenant begun anew: %s, want %s", got, again.LogID())
	}
	if p := people(keysOf(t, k, "tenant-2", false)); p.Token != otherPerson.Token {
		t.Error("another tenant's people changed")
	}
}

// With a tenant's log go the earlier ones that it continues.
func TestDestroySuccession(t *testing.T) {
	dir := t.TempDir()
	k := openRing(t, dir)
	tn, err := evidence.ParseTenant("tenant-1")
	if err != nil {
		t.Fatal(err)
	}
	old := keysOf(t, k, "tenant-1", true)
	if _, _, err := old.DataKey(1); err != nil {
		t.Fatal(err)
	}
	if err := k.Succeed(tn, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	young := keysOf(t, k, "tenant-1", false)
	if _, _, err := young.DataKey(1); err != nil {
		t.Fatal(err)
	}
	if err := k.DestroyTenantKeys(tn, young.LogID()); err != nil {
		t.Fatal(err)
	}
	k.Close()
	k = openRing(t, dir)
	if _, err := k.Tenant(tn, false); err == nil {
		t.Error("the tenant is still known")
	}
	if err := k.db.View(func(tx *bolt.Tx) error {
		if n := tx.Bucket(dataBucket).Stats().KeyN; n != 0 {
			t.Errorf("%d data keys are left", n)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
