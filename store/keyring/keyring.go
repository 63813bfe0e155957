// Package keyring keeps the keys of all tenants in one bbolt file of its own,
// apart from the logs and their backups, because keys must be destroyable and
// records must not. Every value is sealed under a wrapping key, which lives in
// a file of its own.
//
// Buckets: "tenant" (HMAC of the tenant's name -> name, log id, root key),
// "data" (log id, segment -> data key), "person" (log id, HMAC of realm and
// native id -> token and key) and "personkey" (log id, key id -> the person
// entry's key). Names of people stand nowhere in it.
package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/claim"
	"evidenced/evidence/problem"
	"evidenced/store"
)

var (
	tenantBucket = []byte("tenant")
	dataBucket   = []byte("data")
	personBucket = []byte("person")
	keyBucket    = []byte("personkey")
)

// Keyring implements store.Keyring.
type Keyring struct {
	db   *bolt.DB
	aead cipher.AEAD
	mac  []byte // for names of tenants

	mu      sync.Mutex
	tenants map[evidence.Tenant]*tenantKeys
}

// Open opens the keyring in dir, making the directory (0700), the wrapping key
// (wrapping.key, 0600) and the keyring (keyring.db, 0600) on the first start.
// A wrapping key that others may read, or that is missing beside an existing
// keyring, is refused.
func Open(dir string) (*Keyring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, problem.Wrap(problem.Storage, err, "make key directory %s", dir)
	}
	dbPath := filepath.Join(dir, "keyring.db")
	_, statErr := os.Stat(dbPath)
	wrapping, err := keyFile(filepath.Join(dir, "wrapping.key"), os.IsNotExist(statErr))
	if err != nil {
		return nil, err
	}
	if err := private(dbPath); err != nil {
		return nil, err
	}
	db, err := bolt.Open(dbPath, 0o600, &bolt.Options{Timeout: 2 * time.Second, NoFreelistSync: true})
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "open keyring %s", dbPath)
	}
	k := &Keyring{db: db, tenants: map[evidence.Tenant]*tenantKeys{}}
	if err := k.init(wrapping); err != nil {
		db.Close()
		return nil, err
	}
	return k, nil
}

func (k *Keyring) init(wrapping []byte) error {
	seal, err := hkdf.Key(sha256.New, wrapping, nil, "evidenced/keyring/seal/v1", 32)
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	if k.mac, err = hkdf.Key(sha256.New, wrapping, nil, "evidenced/keyring/name/v1", 32); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	block, err := aes.NewCipher(seal)
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	if k.aead, err = cipher.NewGCM(block); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	return k.db.Update(func(tx *bolt.Tx) error {
		for _, b := range [][]byte{tenantBucket, dataBucket, personBucket, keyBucket} {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		// A wrong wrapping key shows here, not at the first sealed record.
		c := tx.Bucket(tenantBucket).Cursor()
		if key, v := c.First(); key != nil {
			if _, err := k.Open(string(key), v); err != nil {
				return problem.New(problem.Refused, "the wrapping key does not open the keyring").
					WithHint("put back the wrapping.key this keyring was made with; a new one cannot read it")
			}
		}
		return nil
	})
}

// Close closes the keyring.
func (k *Keyring) Close() error { return k.db.Close() }

// Seal implements store.Keyring.
func (k *Keyring) Seal(name string, plain []byte) ([]byte, error) {
	nonce := make([]byte, k.aead.NonceSize(), k.aead.NonceSize()+len(plain)+k.aead.Overhead())
	rand.Read(nonce)
	return k.aead.Seal(nonce, nonce, plain, []byte(name)), nil
}

// Open implements store.Keyring.
func (k *Keyring) Open(name string, sealed []byte) ([]byte, error) {
	n := k.aead.NonceSize()
	if len(sealed) < n {
		return nil, fmt.Errorf("keyring: sealed value of %d bytes is too short", len(sealed))
	}
	plain, err := k.aead.Open(nil, sealed[:n], sealed[n:], []byte(name))
	if err != nil {
		return nil, fmt.Errorf("keyring: a sealed value does not open under this wrapping key")
	}
	return plain, nil
}

type tenantEntry struct {
	Name  string `json:"name"`
	LogID string `json:"log"`
	Root  []byte `json:"root"`
	// Prior are the logs that this one continues, the oldest first; End says
	// of the newest of them where it ended (see Succeed).
	Prior []tenantEntry   `json:"prior,omitempty"`
	End   json.RawMessage `json:"end,omitempty"`
}

func (k *Keyring) tenantKey(t evidence.Tenant) []byte {
	m := hmac.New(sha256.New, k.mac)
	m.Write([]byte(t.String()))
	return m.Sum(nil)
}

// Tenants implements store.Keyring.
func (k *Keyring) Tenants() ([]evidence.Tenant, error) {
	var ts []evidence.Tenant
	err := k.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(tenantBucket).ForEach(func(key, v []byte) error {
			plain, err := k.Open(string(key), v)
			if err != nil {
				return err
			}
			var e tenantEntry
			if err := json.Unmarshal(plain, &e); err != nil {
				return fmt.Errorf("keyring: tenant entry: %w", err)
			}
			t, err := evidence.ParseTenant(e.Name)
			if err != nil {
				return fmt.Errorf("keyring: %w", err)
			}
			ts = append(ts, t)
			return nil
		})
	})
	return ts, err
}

// Tenant implements store.Keyring.
func (k *Keyring) Tenant(t evidence.Tenant, create bool) (store.TenantKeys, error) {
	if t.IsZero() {
		return nil, fmt.Errorf("keyring: no tenant")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if tk := k.tenants[t]; tk != nil {
		return tk, nil
	}
	name := k.tenantKey(t)
	var e tenantEntry
	err := k.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(tenantBucket).Get(name)
		if v == nil {
			return store.ErrKeyMissing
		}
		plain, err := k.Open(string(name), v)
		if err != nil {
			return err
		}
		return json.Unmarshal(plain, &e)
	})
	if err == store.ErrKeyMissing && create {
		e, err = k.newTenant(t, name)
	}
	if err != nil {
		return nil, fmt.Errorf("keyring: tenant %s: %w", t, err)
	}
	tk, err := k.keysOf(e)
	if err != nil {
		return nil, err
	}
	k.tenants[t] = tk
	return tk, nil
}

func (k *Keyring) keysOf(e tenantEntry) (*tenantKeys, error) {
	tk := &tenantKeys{k: k, entry: e, keys: map[string][]byte{}, people: map[[32]byte]store.PersonKey{}}
	var err error
	tk.lookup, err = tk.Derived("lookup")
	return tk, err
}

func (k *Keyring) newTenant(t evidence.Tenant, name []byte) (tenantEntry, error) {
	var id [8]byte
	rand.Read(id[:])
	e := tenantEntry{Name: t.String(), LogID: hex.EncodeToString(id[:]), Root: make([]byte, claim.KeySize)}
	rand.Read(e.Root)
	plain, err := json.Marshal(e)
	if err != nil {
		return e, err
	}
	sealed, err := k.Seal(string(name), plain)
	if err != nil {
		return e, err
	}
	return e, k.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(tenantBucket).Put(name, sealed) })
}

// tenantKeys implements store.TenantKeys.
type tenantKeys struct {
	k      *Keyring
	entry  tenantEntry
	lookup []byte
	ended  bool // another log continues this one

	mu     sync.Mutex
	keys   map[string][]byte // by key id
	people map[[32]byte]store.PersonKey
}

// maxCached bounds the cache of people; beyond it the cache starts anew.
const maxCached = 200_000

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

func (t *tenantKeys) DataKey(segment int) (string, []byte, error) {
	id := fmt.Sprintf("d%d", segment)
	key, err := t.Key(id)
	if err == nil {
		return id, key, nil
	}
	if err != store.ErrKeyMissing {
		return "", nil, err
	}
	key = make([]byte, claim.KeySize)
	rand.Read(key)
	name := t.dbKey(id)
	sealed, err := t.k.Seal(string(name), key)
	if err != nil {
		return "", nil, err
	}
	if err := t.k.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(dataBucket).Put(name, sealed) }); err != nil {
		return "", nil, fmt.Errorf("keyring: store data key: %w", err)
	}
	t.mu.Lock()
	t.keys[id] = key
	t.mu.Unlock()
	return id, key, nil
}

// Key implements store.TenantKeys. It returns store.ErrKeyMissing itself, not
// wrapped, when there is no such key.
func (t *tenantKeys) Key(id string) ([]byte, error) {
	t.mu.Lock()
	key := t.keys[id]
	t.mu.Unlock()
	if key != nil {
		return key, nil
	}
	bucket := dataBucket
	if id != "" && id[0] == 'p' {
		bucket = keyBucket
	}
	name := t.dbKey(id)
	err := t.k.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(bucket).Get(name)
		if v == nil {
			return store.ErrKeyMissing
		}
		var err error
		key, err = t.k.Open(string(name), v)
		return err
	})
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	if len(t.keys) > maxCached {
		t.keys = map[string][]byte{}
	}
	t.keys[id] = key
	t.mu.Unlock()
	return key, nil
}

func (t *tenantKeys) lookupHash(id store.Identity) [32]byte {
	m := hmac.New(sha256.New, t.lookup)
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(id.Realm)))
	m.Write(n[:])
	m.Write([]byte(id.Realm))
	m.Write([]byte(id.NativeID))
	return [32]byte(m.Sum(nil))
}

// People implements store.TenantKeys.
func (t *tenantKeys) People(ids []store.Identity) ([]store.PersonKey, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]store.PersonKey, len(ids))
	hashes := make([][32]byte, len(ids))
	var missing []int
	for i, id := range ids {
		hashes[i] = t.lookupHash(id)
		p, ok := t.people[hashes[i]]
		if !ok {
			missing = append(missing, i)
		}
		out[i] = p
	}
	if len(missing) == 0 {
		return out, nil
	}
	if len(t.people) > maxCached {
		t.people = map[[32]byte]store.PersonKey{}
	}
	err := t.load(hashes, missing, out)
	if err == nil {
		err = t.allot(hashes, missing, out)
	}
	if err != nil {
		return nil, fmt.Errorf("keyring: people: %w", err)
	}
	for i := range ids {
		t.people[hashes[i]] = out[i]
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
			plain, err := t.k.Open(string(name), v)
			if err != nil {
				return err
			}
			var e personEntry
			if err := json.Unmarshal(plain, &e); err != nil {
				return err
			}
			out[i] = personKey(e)
		}
		return nil
	})
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
	return t.k.db.Update(func(tx *bolt.Tx) error {
		for h, p := range fresh {
			plain, err := json.Marshal(personEntry{p.Token[:], p.Key})
			if err != nil {
				return err
			}
			if err := t.put(tx, personBucket, string(h[:]), plain); err != nil {
				return err
			}
			if err := t.put(tx, keyBucket, p.KeyID, p.Key); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tenantKeys) put(tx *bolt.Tx, bucket []byte, rest string, plain []byte) error {
	name := t.dbKey(rest)
	sealed, err := t.k.Seal(string(name), plain)
	if err != nil {
		return err
	}
	return tx.Bucket(bucket).Put(name, sealed)
}

// keyFile reads 32 bytes in hex, or makes them when create is set.
func keyFile(path string, create bool) ([]byte, error) {
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		if !create {
			return nil, problem.New(problem.Refused, "wrapping key %s is missing beside an existing keyring", path).
				WithHint("put the key file back; without it the evidence can only be verified, not read")
		}
		key := make([]byte, 32)
		rand.Read(key)
		return key, writePrivate(path, []byte(hex.EncodeToString(key)+"\n"))
	}
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "read wrapping key")
	}
	if err := private(path); err != nil {
		return nil, err
	}
	if len(b) != 65 || b[64] != '\n' {
		return nil, problem.New(problem.Corrupt, "wrapping key %s: want 64 hex digits and a line end", path)
	}
	key, err := hex.DecodeString(string(b[:64]))
	if err != nil {
		return nil, problem.New(problem.Corrupt, "wrapping key %s: not hex", path)
	}
	return key, nil
}

// private refuses a file that group or others may touch.
func private(path string) error {
	st, err := os.Stat(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return problem.Wrap(problem.Storage, err, "look at %s", path)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return problem.New(problem.Refused, "key file %s has mode %#o: others may read it", path, st.Mode().Perm()).
			WithHint("chmod 600 %s, and ask who read it", path)
	}
	return nil
}

// writePrivate writes a new file 0600 and makes it and its name durable.
func writePrivate(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return problem.Wrap(problem.Storage, err, "make key file")
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return problem.Wrap(problem.Storage, err, "write key file %s", path)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Signer is a note signing key with its public half.
type Signer struct {
	note.Signer
	Verifier string // note verifier key
}

// OpenSigner reads the note signing key in the file, making a new one of the
// name when the file does not exist and create is set.
func OpenSigner(path, name string, create bool) (*Signer, error) {
	b, err := os.ReadFile(path)
	switch {
	case os.IsNotExist(err) && create:
		skey, vkey, err := note.GenerateKey(rand.Reader, name)
		if err != nil {
			return nil, fmt.Errorf("make signing key: %w", err)
		}
		b = []byte(skey + "\n" + vkey + "\n")
		if err := writePrivate(path, b); err != nil {
			return nil, err
		}
	case os.IsNotExist(err):
		return nil, problem.New(problem.Refused, "signing key %s is missing beside existing logs", path).
			WithHint("put the key file back; a log is signed by one key only")
	case err != nil:
		return nil, problem.Wrap(problem.Storage, err, "read signing key")
	}
	if err := private(path); err != nil {
		return nil, err
	}
	return parseSigner(path, string(b))
}

func parseSigner(path, text string) (*Signer, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	bad := problem.New(problem.Corrupt, "signing key %s is damaged", path)
	if len(lines) != 2 {
		return nil, bad
	}
	s, err := note.NewSigner(lines[0])
	if err != nil {
		return nil, bad
	}
	v, err := note.NewVerifier(lines[1])
	if err != nil || v.Name() != s.Name() || v.KeyHash() != s.KeyHash() {
		return nil, bad
	}
	return &Signer{s, lines[1]}, nil
}
