package keyring

import (
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence/problem"
	"evidenced/store"
)

// A person whose entry is hidden by damage would get a second token: each stands
// in two buckets, so one that is missing in either is found.
func TestHiddenPerson(t *testing.T) {
	for _, bucket := range [][]byte{personBucket, keyBucket} {
		t.Run(string(bucket), func(t *testing.T) {
			dir := t.TempDir()
			k := open(t, Options{Dir: dir, Create: true})
			for _, id := range []store.Identity{mira, odo} {
				person(t, ringOf(t, k, "tenant-1"), id)
			}
			must(t, k.Close())
			db, err := bolt.Open(filepath.Join(dir, File), 0o600, nil)
			must(t, err)
			must(t, db.Update(func(tx *bolt.Tx) error {
				b := tx.Bucket(bucket)
				name, _ := b.Cursor().Last()
				return b.Delete(name)
			}))
			must(t, db.Close())
			if k, err := OpenWith(t.Context(), Options{Dir: dir}); !problem.Is(err, problem.Corrupt) {
				t.Errorf("a keyring without one of its people opens: %v", err)
				if err == nil {
					k.Close()
				}
			}
		})
	}
}
