package keyring

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence"
	"evidenced/evidence/claim"
	"evidenced/store"
)

// Succeed gives the tenant a new log with keys of its own, because the one it
// has may not be signed any more. The end, JSON of the caller, is kept until
// the new log's first record tells it. In one transaction: a crash leaves the
// old log or the new one. The old log's keys stay for reading.
func (k *Keyring) Succeed(t evidence.Tenant, end []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := k.tenantKey(t)
	if err := k.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(tenantBucket)
		v := b.Get(name)
		if v == nil {
			return store.ErrKeyMissing
		}
		plain, err := k.Open(string(name), v)
		if err != nil {
			return err
		}
		var old tenantEntry
		if err := json.Unmarshal(plain, &old); err != nil {
			return err
		}
		var id [8]byte
		rand.Read(id[:])
		next := tenantEntry{Name: old.Name, LogID: hex.EncodeToString(id[:]), Root: make([]byte, claim.KeySize), End: end}
		rand.Read(next.Root)
		next.Prior = append(old.Prior, tenantEntry{Name: old.Name, LogID: old.LogID, Root: old.Root, End: old.End})
		if plain, err = json.Marshal(next); err != nil {
			return err
		}
		sealed, err := k.Seal(string(name), plain)
		if err != nil {
			return err
		}
		return b.Put(name, sealed)
	}); err != nil {
		return fmt.Errorf("keyring: a new log for tenant %s: %w", t, err)
	}
	delete(k.tenants, t)
	return nil
}

// Prior returns the keys of the logs that the tenant's log continues, the
// oldest first. They are for reading: nothing is appended to these logs.
func (k *Keyring) Prior(t evidence.Tenant) ([]store.TenantKeys, error) {
	tk, err := k.Tenant(t, false)
	if err != nil {
		return nil, err
	}
	var out []store.TenantKeys
	for _, e := range tk.(*tenantKeys).entry.Prior {
		p, err := k.keysOf(e)
		if err != nil {
			return nil, err
		}
		p.ended = true
		out = append(out, p)
	}
	return out, nil
}

// Ended reports whether another log continues this one.
func (t *tenantKeys) Ended() bool { return t.ended }

// Continues returns what Succeed was told of the log before, nil for a
// tenant's first log.
func (t *tenantKeys) Continues() []byte { return t.entry.End }
