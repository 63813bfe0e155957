package keyring

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
)

// unsettled is a destruction as it is kept until it is settled.
type unsettled struct {
	id      []byte
	Keys    map[string][]string   `json:"keys"` // by tenant
	Note    []byte                `json:"note"`
	Exposed string                `json:"exposed,omitempty"` // why it cannot be cryptographic, whatever comes
	Old     []byte                `json:"old"`               // the wrapped key that is to be retired
	Level   evidence.ErasureLevel `json:"level,omitempty"`   // once it is known
	Why     string                `json:"why,omitempty"`
}

func (u *unsettled) put(tx *bolt.Tx, b box) error {
	plain, err := json.Marshal(u)
	if err != nil {
		return err
	}
	return tx.Bucket(unsettledBucket).Put(u.id, b.seal(u.id, plain))
}

func (u *unsettled) destroyed() (store.Destroyed, error) {
	d := store.Destroyed{ID: string(u.id), Keys: map[evidence.Tenant][]string{}, Level: u.Level, Why: u.Why}
	for name, ids := range u.Keys {
		t, err := evidence.ParseTenant(name)
		if err != nil {
			return d, fmt.Errorf("keyring: %w", err)
		}
		d.Keys[t] = ids
	}
	return d, nil
}

// Destroy implements store.Destroyer.
func (k *Keyring) Destroy(ctx context.Context, ds []store.Destruction, note []byte) (store.Destroyed, error) {
	k.replacing.Lock()
	defer k.replacing.Unlock()
	u := &unsettled{id: []byte(rand.Text()), Note: note, Keys: map[string][]string{}, Old: k.wrapped}
	d := drops{keys: map[string]bool{}, logs: map[string]bool{}}
	for _, one := range ds {
		if err := k.plan(one, u, &d); err != nil {
			return store.Destroyed{}, fmt.Errorf("keyring: destroy keys of %s: %w", one.Tenant, err)
		}
	}
	if len(u.Keys) == 0 {
		return store.Destroyed{Keys: map[evidence.Tenant][]string{}, Level: evidence.Logical, Why: "nothing was there to destroy"}, nil
	}
	if err := k.wrapping.Renew(ctx); err != nil {
		return store.Destroyed{}, err
	}
	to, err := k.stage(ctx, k.wrapping, k.inner)
	if err != nil {
		return store.Destroyed{}, err
	}
	entry := u
	if note == nil {
		entry = nil
	}
	if err := k.replace(to, d, entry); err != nil {
		return store.Destroyed{}, err
	}
	k.forgetTenants(d.logs)
	k.judge(context.WithoutCancel(ctx), u) // the keys are gone: see it through
	if entry != nil {
		if err := k.keep(u); err != nil {
			return store.Destroyed{}, err
		}
	} else {
		u.id = nil
	}
	return u.destroyed()
}

// plan finds which of the keys are there.
func (k *Keyring) plan(one store.Destruction, u *unsettled, d *drops) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	tk, err := k.tenant(one.Tenant, false)
	if err == store.ErrKeyMissing {
		return nil
	}
	if err != nil {
		return err
	}
	priors, err := k.prior(one.Tenant)
	if err != nil {
		return err
	}
	if one.All {
		u.Keys[one.Tenant.String()] = nil // the tenant's root key at least
	}
	for _, tk := range append(priors, tk) {
		if err := k.planLog(one, tk, u, d); err != nil {
			return err
		}
	}
	return nil
}

// planLog is plan for one of the tenant's logs.
func (k *Keyring) planLog(one store.Destruction, tk *tenantKeys, u *unsettled, d *drops) (err error) {
	ids := one.Keys
	if one.All {
		d.logs[tk.entry.LogID] = true
		if ids, err = tk.allKeys(); err != nil {
			return err
		}
	}
	return k.db.View(func(tx *bolt.Tx) error {
		for _, id := range ids {
			// Logs of one tenant have data keys of one name: only people's keys
			// of a former log are meant by their ids.
			if tk.ended && !one.All && id[0] != 'p' {
				continue
			}
			name := tk.dbKey(id)
			v := tx.Bucket(bucketOf(id)).Get(name)
			if v == nil {
				continue
			}
			plain, err := k.box.open(name, v)
			if err != nil {
				return err
			}
			_, epoch, err := readKey(plain)
			if err != nil {
				return err
			}
			if epoch < k.inner.Epoch {
				u.Exposed = "a copy made under another key may hold it: a backup of the keyring, or one from when the wrapping key was in a local file"
			}
			d.keys[string(name)] = true
			if list := u.Keys[one.Tenant.String()]; !slices.Contains(list, id) {
				u.Keys[one.Tenant.String()] = append(list, id)
			}
		}
		return nil
	})
}

// allKeys lists the ids of all keys of the tenant.
func (t *tenantKeys) allKeys() ([]string, error) {
	var ids []string
	prefix := t.dbKey("")
	err := t.k.db.View(func(tx *bolt.Tx) error {
		for _, b := range [][]byte{dataBucket, keyBucket} {
			c := tx.Bucket(b).Cursor()
			for name, _ := c.Seek(prefix); bytes.HasPrefix(name, prefix); name, _ = c.Next() {
				ids = append(ids, string(name[len(prefix):]))
			}
		}
		return nil
	})
	return ids, err
}

// forgetTenants ends the keys of tenants all of whose keys were destroyed.
func (k *Keyring) forgetTenants(logs map[string]bool) {
	k.tenantsMu.Lock()
	defer k.tenantsMu.Unlock()
	for t, tk := range k.tenants {
		if logs[tk.entry.LogID] {
			tk.mu.Lock()
			tk.gone = true
			tk.mu.Unlock()
			delete(k.tenants, t)
		}
	}
	for id, tk := range k.priors {
		if logs[id] {
			tk.mu.Lock()
			tk.gone = true
			tk.mu.Unlock()
			delete(k.priors, id)
		}
	}
}

// judge retires the old wrapping key and says which level was reached.
func (k *Keyring) judge(ctx context.Context, u *unsettled) {
	gone, why := k.wrapping.Retire(ctx, u.Old, k.wrapped)
	switch {
	case !gone:
		u.Level, u.Why = evidence.Logical, why
	case u.Exposed != "":
		u.Level, u.Why = evidence.Logical, u.Exposed
	default:
		u.Level, u.Why = evidence.Cryptographic, ""
	}
}

func (k *Keyring) keep(u *unsettled) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if err := k.update(func(tx *bolt.Tx) error { return u.put(tx, k.box) }); err != nil {
		return problem.Wrap(problem.Storage, err, "keep what was destroyed")
	}
	return nil
}

// Unsettled implements store.Destroyer. A destruction that was cut off before
// the old wrapping key was retired is carried through.
func (k *Keyring) Unsettled(ctx context.Context) ([]store.Unsettled, error) {
	k.replacing.Lock()
	defer k.replacing.Unlock()
	list, err := k.unsettled()
	if err != nil {
		return nil, err
	}
	var out []store.Unsettled
	for _, u := range list {
		if u.Level == "" {
			k.judge(ctx, u)
			if err := k.keep(u); err != nil {
				return nil, err
			}
		}
		d, err := u.destroyed()
		if err != nil {
			return nil, err
		}
		out = append(out, store.Unsettled{Note: u.Note, Destroyed: d})
	}
	return out, nil
}

func (k *Keyring) unsettled() ([]*unsettled, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var list []*unsettled
	err := k.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(unsettledBucket).ForEach(func(id, v []byte) error {
			plain, err := k.box.open(id, v)
			if err != nil {
				return err
			}
			u := &unsettled{id: bytes.Clone(id)}
			if err := json.Unmarshal(plain, u); err != nil {
				return fmt.Errorf("keyring: unsettled destruction: %w", err)
			}
			list = append(list, u)
			return nil
		})
	})
	return list, err
}

// Settle implements store.Destroyer.
func (k *Keyring) Settle(id string) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if err := k.update(func(tx *bolt.Tx) error { return tx.Bucket(unsettledBucket).Delete([]byte(id)) }); err != nil {
		return problem.Wrap(problem.Storage, err, "settle a destruction")
	}
	return nil
}
