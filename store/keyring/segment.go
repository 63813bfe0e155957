package keyring

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence"
	"evidenced/store"
)

var (
	_ store.SegmentKeys     = (*tenantKeys)(nil)
	_ store.TenantDestroyer = (*Keyring)(nil)
)

// ofSegment reports whether the key id is that of the segment's data key, or
// of a later version of it: d3, d3.2.
func ofSegment(id string, segment int) bool {
	name := fmt.Sprintf("d%d", segment)
	return id == name || strings.HasPrefix(id, name+".")
}

// DestroyDataKey implements store.SegmentKeys. The file keeps the bytes of a
// deleted value until it is compacted.
func (t *tenantKeys) DestroyDataKey(segment int) error {
	t.mu.Lock()
	maps.DeleteFunc(t.keys, func(id string, _ []byte) bool { return ofSegment(id, segment) })
	t.mu.Unlock()
	find := func(tx *bolt.Tx) (names [][]byte) {
		prefix := t.dbKey(fmt.Sprintf("d%d", segment))
		c := tx.Bucket(dataBucket).Cursor()
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			if ofSegment(string(k[len(t.entry.LogID)+1:]), segment) {
				names = append(names, bytes.Clone(k))
			}
		}
		return names
	}
	var found int
	if err := t.k.db.View(func(tx *bolt.Tx) error {
		found = len(find(tx))
		return nil
	}); err != nil || found == 0 {
		return err
	}
	if err := t.k.db.Update(func(tx *bolt.Tx) error {
		for _, name := range find(tx) {
			if err := tx.Bucket(dataBucket).Delete(name); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return fmt.Errorf("keyring: destroy the data key of segment %d: %w", segment, err)
	}
	return nil
}

// DestroyTenantKeys implements store.TenantDestroyer. The file keeps the bytes
// of deleted values until it is compacted.
func (k *Keyring) DestroyTenantKeys(t evidence.Tenant, logID string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if tk := k.tenants[t]; tk != nil && tk.entry.LogID == logID {
		delete(k.tenants, t)
		tk.forget()
	}
	err := k.db.Update(func(tx *bolt.Tx) error {
		e, name, err := k.entryOf(tx, t)
		if err != nil {
			return err
		}
		// The keys of a log are named by its id, so those of another log of a
		// tenant of this name stay.
		ends := []string{logID}
		if e.LogID == logID {
			for _, p := range e.Prior {
				ends = append(ends, p.LogID)
			}
		}
		for _, id := range ends {
			for _, b := range [][]byte{dataBucket, personBucket, keyBucket} {
				if err := deletePrefix(tx.Bucket(b), []byte(id+"/")); err != nil {
					return err
				}
			}
		}
		if e.LogID != logID {
			return nil
		}
		return tx.Bucket(tenantBucket).Delete(name)
	})
	if err != nil {
		return fmt.Errorf("keyring: destroy the keys of tenant %s: %w", t, err)
	}
	return nil
}

// entryOf reads the entry of a tenant; a zero one when there is none.
func (k *Keyring) entryOf(tx *bolt.Tx, t evidence.Tenant) (e tenantEntry, name []byte, err error) {
	name = k.tenantKey(t)
	v := tx.Bucket(tenantBucket).Get(name)
	if v == nil {
		return e, name, nil
	}
	plain, err := k.Open(string(name), v)
	if err != nil {
		return e, name, err
	}
	return e, name, json.Unmarshal(plain, &e)
}

// forget empties the caches of a tenant whose keys are destroyed.
func (t *tenantKeys) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys, t.people = map[string][]byte{}, map[[32]byte]store.PersonKey{}
}

func deletePrefix(b *bolt.Bucket, prefix []byte) error {
	var names [][]byte
	c := b.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		names = append(names, bytes.Clone(k))
	}
	for _, name := range names {
		if err := b.Delete(name); err != nil {
			return err
		}
	}
	return nil
}
