package keyring

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
	"sync"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence/claim"
	"evidenced/store"
)

// tenantKeys implements store.TenantKeys.
type tenantKeys struct {
	k      *Keyring
	entry  tenantEntry
	lookup []byte
	ended  bool // another log continues this one

	mu     sync.Mutex // taken after Keyring.mu
	mac    hash.Hash  // under lookup, ready for use
	macBuf []byte
	macSum [32]byte
	gone   bool              // all keys of the tenant were destroyed
	keys   map[string][]byte // by key id
	people map[[32]byte]store.PersonKey
	newest map[int]string // newest data key id by segment
}

// maxCached bounds the cache of people; beyond it the cache starts anew.
const maxCached = 200_000

// forget empties the caches.
func (t *tenantKeys) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys, t.people, t.newest = map[string][]byte{}, map[[32]byte]store.PersonKey{}, map[int]string{}
}

func (t *tenantKeys) LogID() string { return t.entry.LogID }

func (t *tenantKeys) Derived(purpose string) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, t.entry.Root, nil, "evidenced/"+purpose+"/v1", 32)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	return key, nil
}

// dbKey is the log id and the rest; the same bytes bind the sealed value.
func (t *tenantKeys) dbKey(rest string) []byte { return []byte(t.entry.LogID + "/" + rest) }

// A stored key is its bytes and the epoch in which it was made. Keys of the
// first format have none: they belong to epoch 0.
func storedKey(key []byte, epoch uint32) []byte {
	return binary.BigEndian.AppendUint32(slices.Clone(key), epoch)
}

func readKey(b []byte) (key []byte, epoch uint32, err error) {
	switch len(b) {
	case claim.KeySize:
		return b, 0, nil
	case claim.KeySize + 4:
		return b[:claim.KeySize], binary.BigEndian.Uint32(b[claim.KeySize:]), nil
	}
	return nil, 0, fmt.Errorf("keyring: stored key of %d bytes", len(b))
}

// dataID names version v, from 1, of a segment's data key: d3, then d3.2.
func dataID(segment, v int) string {
	if v == 1 {
		return fmt.Sprintf("d%d", segment)
	}
	return fmt.Sprintf("d%d.%d", segment, v)
}

// versions lists the stored versions of a segment's data key, the oldest
// first. The caller holds Keyring.mu.
func (t *tenantKeys) versions(segment int) ([]int, error) {
	var vs []int
	err := t.k.db.View(func(tx *bolt.Tx) error {
		first := t.dbKey(dataID(segment, 1))
		c := tx.Bucket(dataBucket).Cursor()
		for k, _ := c.Seek(first); bytes.HasPrefix(k, first); k, _ = c.Next() {
			rest, more := strings.CutPrefix(string(k[len(first):]), ".")
			if !more && rest == "" {
				vs = append(vs, 1)
			} else if v, err := strconv.Atoi(rest); more && err == nil && v > 1 {
				vs = append(vs, v)
			}
		}
		return nil
	})
	slices.Sort(vs)
	return vs, err
}

func (t *tenantKeys) DataKey(segment int) (string, []byte, error) {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return "", nil, store.ErrKeyMissing
	}
	id := t.newest[segment]
	if id == "" {
		if err := t.k.sealing(); err != nil {
			return "", nil, err
		}
		vs, err := t.versions(segment)
		if err != nil {
			return "", nil, err
		}
		if len(vs) == 0 {
			return t.newData(segment, 1)
		}
		id = dataID(segment, vs[len(vs)-1])
		t.newest[segment] = id
	}
	key, err := t.key(id)
	return id, key, err
}

// newData makes a version of a data key durable. The caller holds both locks.
func (t *tenantKeys) newData(segment, v int) (string, []byte, error) {
	id := dataID(segment, v)
	key := make([]byte, claim.KeySize)
	rand.Read(key)
	if err := t.k.update(func(tx *bolt.Tx) error {
		return t.put(tx, dataBucket, id, storedKey(key, t.k.inner.Epoch))
	}); err != nil {
		return "", nil, fmt.Errorf("keyring: store data key: %w", err)
	}
	t.keys[id], t.newest[segment] = key, id
	return id, key, nil
}

// RenewData implements store.DataKeys.
func (t *tenantKeys) RenewData(segment int) (string, error) {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return "", store.ErrKeyMissing
	}
	vs, err := t.versions(segment)
	if err != nil {
		return "", err
	}
	v := 1
	if len(vs) > 0 {
		v = vs[len(vs)-1] + 1
	}
	id, _, err := t.newData(segment, v)
	return id, err
}

// DataKeyIDs implements store.DataKeys.
func (t *tenantKeys) DataKeyIDs(segment int) ([]string, error) {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	vs, err := t.versions(segment)
	var ids []string
	for _, v := range vs {
		ids = append(ids, dataID(segment, v))
	}
	return ids, err
}

// Key implements store.TenantKeys. It returns store.ErrKeyMissing itself, not
// wrapped, when there is no such key.
func (t *tenantKeys) Key(id string) ([]byte, error) {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.key(id)
}

// bucketOf says where a key is kept.
func bucketOf(id string) []byte {
	if id != "" && id[0] == 'p' {
		return keyBucket
	}
	return dataBucket
}

// key is Key for callers that hold both locks.
func (t *tenantKeys) key(id string) ([]byte, error) {
	if key := t.keys[id]; key != nil {
		return key, nil
	}
	var key []byte
	err := t.k.db.View(func(tx *bolt.Tx) error {
		name := t.dbKey(id)
		v := tx.Bucket(bucketOf(id)).Get(name)
		if v == nil {
			return store.ErrKeyMissing
		}
		plain, err := t.k.box.open(name, v)
		if err != nil {
			return err
		}
		key, _, err = readKey(plain)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(t.keys) > maxCached {
		t.keys = map[string][]byte{}
	}
	t.keys[id] = key
	return key, nil
}

// lookupHash is what a person is found by. The caller holds mu: one HMAC is
// set up and used for all, because this runs for every person of every record.
func (t *tenantKeys) lookupHash(id store.Identity) [32]byte {
	if t.mac == nil {
		t.mac = hmac.New(sha256.New, t.lookup)
	}
	t.mac.Reset()
	t.macBuf = binary.BigEndian.AppendUint32(t.macBuf[:0], uint32(len(id.Realm)))
	t.macBuf = append(append(t.macBuf, id.Realm...), id.NativeID...)
	t.mac.Write(t.macBuf)
	t.mac.Sum(t.macSum[:0])
	clear(t.macBuf) // no name stays behind
	return t.macSum
}

// Lookup implements store.PersonLookup.
func (t *tenantKeys) Lookup(ids []store.Identity) ([]store.PersonKey, error) {
	return t.find(ids, false)
}

// People implements store.TenantKeys.
func (t *tenantKeys) People(ids []store.Identity) ([]store.PersonKey, error) {
	return t.find(ids, true)
}

func (t *tenantKeys) find(ids []store.Identity, allot bool) ([]store.PersonKey, error) {
	t.k.mu.RLock()
	defer t.k.mu.RUnlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return nil, fmt.Errorf("keyring: people: %w", store.ErrKeyMissing)
	}
	out := make([]store.PersonKey, len(ids))
	var hashes [][32]byte // of those that are missing
	var missing []int
	for i, id := range ids {
		hash := t.lookupHash(id)
		p, ok := t.people[hash]
		if !ok {
			if missing == nil {
				hashes = make([][32]byte, len(ids))
			}
			hashes[i], missing = hash, append(missing, i)
		}
		out[i] = p
	}
	if len(missing) == 0 {
		return out, nil
	}
	if err := t.k.sealing(); err != nil && allot {
		return nil, fmt.Errorf("keyring: people: %w", err)
	}
	if len(t.people) > maxCached {
		t.people = map[[32]byte]store.PersonKey{}
	}
	err := t.load(hashes, missing, out)
	if err == nil && allot {
		err = t.allot(hashes, missing, out)
	}
	if err != nil {
		return nil, fmt.Errorf("keyring: people: %w", err)
	}
	for _, i := range missing {
		if out[i].Key != nil {
			t.people[hashes[i]] = out[i]
		}
	}
	return out, nil
}

type personEntry struct {
	Token []byte `json:"t"`
	Key   []byte `json:"k"`
}

func (t *tenantKeys) load(hashes [][32]byte, missing []int, out []store.PersonKey) error {
	return t.k.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(personBucket)
		for _, i := range missing {
			name := t.dbKey(string(hashes[i][:]))
			v := b.Get(name)
			if v == nil {
				continue
			}
			e, err := t.k.box.person(name, v)
			if err != nil {
				return err
			}
			out[i] = personKey(e)
		}
		return nil
	})
}

func (b box) person(name, sealed []byte) (personEntry, error) {
	var e personEntry
	plain, err := b.open(name, sealed)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(plain, &e); err != nil || len(e.Token) != 16 || len(e.Key) != claim.KeySize {
		return e, fmt.Errorf("keyring: a person entry is damaged")
	}
	return e, nil
}

func personKey(e personEntry) store.PersonKey {
	p := store.PersonKey{Key: e.Key}
	copy(p.Token[:], e.Token)
	p.KeyID = "p" + p.Token.String()
	return p
}

// allot makes token and key for those still missing and stores all of them in
// one transaction, so that they are durable before any record uses them.
func (t *tenantKeys) allot(hashes [][32]byte, missing []int, out []store.PersonKey) error {
	fresh := map[[32]byte]store.PersonKey{}
	for _, i := range missing {
		if out[i].Key != nil {
			continue
		}
		p, ok := fresh[hashes[i]]
		if !ok {
			e := personEntry{Token: make([]byte, 16), Key: make([]byte, claim.KeySize)}
			rand.Read(e.Token)
			rand.Read(e.Key)
			p = personKey(e)
			fresh[hashes[i]] = p
		}
		out[i] = p
	}
	if len(fresh) == 0 {
		return nil
	}
	return t.k.update(func(tx *bolt.Tx) error {
		for h, p := range fresh {
			plain, err := json.Marshal(personEntry{p.Token[:], p.Key})
			if err != nil {
				return err
			}
			if err := t.put(tx, personBucket, string(h[:]), plain); err != nil {
				return err
			}
			if err := t.put(tx, keyBucket, p.KeyID, storedKey(p.Key, t.k.inner.Epoch)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tenantKeys) put(tx *bolt.Tx, bucket []byte, rest string, plain []byte) error {
	name := t.dbKey(rest)
	return tx.Bucket(bucket).Put(name, t.k.box.seal(name, plain))
}
