package keyring

import (
	"context"
	"errors"
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
	_ store.Shredder        = (*Keyring)(nil)
)

// ofSegment reports whether the key id is that of the segment's data key, or
// of a later version of it: d3, d3.2.
func ofSegment(id string, segment int) bool {
	first := dataID(segment, 1)
	return id == first || strings.HasPrefix(id, first+".")
}

// DestroyDataKey implements store.SegmentKeys. The file keeps the sealed bytes
// until Shred.
func (t *tenantKeys) DestroyDataKey(segment int) error {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.keys, func(id string, _ []byte) bool { return ofSegment(id, segment) })
	delete(t.newest, segment)
	vs, err := t.versions(segment)
	if err != nil || len(vs) == 0 {
		return err
	}
	if err := t.k.update(func(tx *bolt.Tx) error {
		for _, v := range vs {
			if err := tx.Bucket(dataBucket).Delete(t.dbKey(dataID(segment, v))); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return fmt.Errorf("keyring: destroy the data key of segment %d: %w", segment, err)
	}
	return nil
}

// DestroyTenantKeys implements store.TenantDestroyer. Nothing of the keys is left
// in the file.
func (k *Keyring) DestroyTenantKeys(t evidence.Tenant, logID string) error {
	tk, err := k.Tenant(t, false)
	if errors.Is(err, store.ErrKeyMissing) {
		return nil
	}
	if err != nil || tk.LogID() != logID {
		return err
	}
	_, err = k.Destroy(context.Background(), []store.Destruction{{Tenant: t, All: true}}, nil)
	return err
}

// Shred implements store.Shredder: it writes the keyring into a new file under a new wrapping key and
// overwrites the old one, so that nothing that was deleted is left in free
// pages, and retires the old wrapping key as well as its kind allows.
func (k *Keyring) Shred() error {
	k.replacing.Lock()
	defer k.replacing.Unlock()
	ctx := context.Background()
	old := k.wrapped
	if err := k.wrapping.Renew(ctx); err != nil {
		return err
	}
	to, err := k.stage(ctx, k.wrapping, k.inner)
	if err != nil {
		return err
	}
	if err := k.replace(to, drops{}, nil); err != nil {
		return err
	}
	k.wrapping.Retire(ctx, old, k.wrapped)
	return nil
}
