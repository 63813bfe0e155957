package keyring

import (
	bolt "go.etcd.io/bbolt"

	"evidenced/evidence/problem"
)

// update runs fn in a durable transaction. When the disk refuses it, nobody
// knows whether its keys will be there after a restart, though they can be read
// until then: from then on no key is looked up or made for sealing. What was
// given out before was durable and stays in use, and everything can be opened.
// The caller holds mu shared.
func (k *Keyring) update(fn func(tx *bolt.Tx) error) error {
	if err := k.sealing(); err != nil {
		return err
	}
	var own error
	err := k.db.Update(func(tx *bolt.Tx) error {
		own = fn(tx)
		return own
	})
	if err != nil && own == nil {
		err = problem.Wrap(problem.Storage, err, "write keyring %s", k.db.Path()).
			WithHint("look at the disk (space, errors), then restart; nothing was sealed by a key that is not durable")
		k.failed.CompareAndSwap(nil, &err)
	}
	return err
}

// sealing returns why no further key may be used for sealing; nil while it may.
func (k *Keyring) sealing() error {
	if k.broken != nil {
		return k.broken
	}
	if err := k.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// checkEntries opens every value under its name. One that does not open would
// be taken for one that is not there: its person would get a second token, its
// segment a second key. So would one that a page does not count any more: each
// person stands in two buckets, which must have as many entries.
func (k *Keyring) checkEntries(tx *bolt.Tx) error {
	n, bad := 0, 0
	open := func(bucket []byte) (entries int, err error) {
		err = tx.Bucket(bucket).ForEach(func(name, v []byte) error {
			entries++
			if _, err := k.box.open(name, v); err != nil {
				bad++
			}
			return nil
		})
		n += entries
		return entries, err
	}
	for _, b := range [][]byte{tenantBucket, dataBucket, unsettledBucket} {
		if _, err := open(b); err != nil {
			return err
		}
	}
	persons, err := open(personBucket)
	if err != nil {
		return err
	}
	keys, err := open(keyBucket)
	if err != nil {
		return err
	}
	if hidden := max(persons-keys, keys-persons); hidden > 0 {
		n, bad = n+hidden, bad+hidden
	}
	if bad > 0 {
		return problem.New(problem.Corrupt, "keyring: %d of %d entries are damaged", bad, n).
			WithHint("keep a copy of the file and bring the newest whole one back; going on would make new keys in place of those")
	}
	return nil
}
