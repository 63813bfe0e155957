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
	k.mu.RLock()
	defer k.mu.RUnlock()
	k.tenantsMu.Lock()
	defer k.tenantsMu.Unlock()
	name := k.box.tenantName(t.String())
	if err := k.update(func(tx *bolt.Tx) error {
		b := tx.Bucket(tenantBucket)
		v := b.Get(name)
		if v == nil {
			return store.ErrKeyMissing
		}
		old, err := k.box.tenant(name, v)
		if err != nil {
			return err
		}
		var id [8]byte
		rand.Read(id[:])
		next := tenantEntry{Name: old.Name, LogID: hex.EncodeToString(id[:]), Root: make([]byte, claim.KeySize), End: end}
		rand.Read(next.Root)
		next.Prior = append(old.Prior, tenantEntry{Name: old.Name, LogID: old.LogID, Root: old.Root, End: old.End})
		plain, err := json.Marshal(next)
		if err != nil {
			return err
		}
		return b.Put(name, k.box.seal(name, plain))
	}); err != nil {
		return fmt.Errorf("keyring: a new log for tenant %s: %w", t, err)
	}
	delete(k.tenants, t)
	return nil
}

// Prior returns the keys of the logs that the tenant's log continues, the
// oldest first. They are for reading: nothing is appended to these logs.
func (k *Keyring) Prior(t evidence.Tenant) ([]store.TenantKeys, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	ps, err := k.prior(t)
	if err != nil {
		return nil, fmt.Errorf("keyring: tenant %s: %w", t, err)
	}
	out := make([]store.TenantKeys, len(ps))
	for i, p := range ps {
		out[i] = p
	}
	return out, nil
}

// prior is Prior for callers that hold mu. Each log has one value for all who
// ask, so that its caches can be emptied.
func (k *Keyring) prior(t evidence.Tenant) ([]*tenantKeys, error) {
	tk, err := k.tenant(t, false)
	if err != nil {
		return nil, err
	}
	k.tenantsMu.Lock()
	defer k.tenantsMu.Unlock()
	var out []*tenantKeys
	for _, e := range tk.entry.Prior {
		p := k.priors[e.LogID]
		if p == nil {
			if p, err = k.keysOf(e); err != nil {
				return nil, err
			}
			p.ended = true
			k.priors[e.LogID] = p
		}
		out = append(out, p)
	}
	return out, nil
}

// Ended reports whether another log continues this one.
func (t *tenantKeys) Ended() bool { return t.ended }

// Continues returns what Succeed was told of the log before, nil for a
// tenant's first log.
func (t *tenantKeys) Continues() []byte { return t.entry.End }
