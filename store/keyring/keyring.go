// Package keyring keeps the keys of all tenants in one bbolt file of its own,
// apart from the logs and their backups, because keys must be destroyable and
// records must not. Every value is sealed under a wrapping key, which lives
// elsewhere: see Wrapping.
//
// Buckets: "tenant" (HMAC of the tenant's name -> name, log id, root key),
// "data" (log id, data key id -> key), "person" (log id, HMAC of realm and
// native id -> token and key), "personkey" (log id, key id -> the person
// entry's key), "unsettled" (random id -> a destruction that is not recorded
// yet) and "meta" ("state" -> format and kind of wrapping, in clear; "inner" ->
// what else the keyring knows of itself). Names of people stand nowhere in it.
//
// Destroying keys writes all others, sealed under a new wrapping key, into a
// new file that takes the old one's place: the old file's free pages would
// still hold what was deleted. See replace.go for the order of steps.
package keyring

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence"
	"evidenced/evidence/claim"
	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/mapped"
)

var (
	tenantBucket    = []byte("tenant")
	dataBucket      = []byte("data")
	personBucket    = []byte("person")
	keyBucket       = []byte("personkey")
	unsettledBucket = []byte("unsettled")
	metaBucket      = []byte("meta")

	stateName = []byte("state")
	innerName = []byte("inner")
)

// File is the name of the keyring's file in its directory.
const File = "keyring.db"

// Keyring implements store.Keyring.
type Keyring struct {
	dir string

	// replacing is held while keys are destroyed or the wrapping changes.
	replacing sync.Mutex

	// mu guards what follows. Whoever replaces the file holds it alone; all
	// others share it for the whole of an operation, so that nothing read from
	// the old file enters a cache after the file was replaced.
	mu       sync.RWMutex
	db       *mapped.DB
	box      box
	wrapping Wrapping
	wrapped  []byte // the wrapping key as it is kept
	mayBegin bool   // one in which nothing is yet may be begun
	inner    inner
	broken   error // why nothing more may be written

	failed atomic.Pointer[error] // why no further key is used for sealing

	small cipher.AEAD // for the daemon's own values; never changes

	tenantsMu sync.Mutex
	tenants   map[evidence.Tenant]*tenantKeys
	priors    map[string]*tenantKeys // of logs that others continue, by log id
}

// state is what must be known before the wrapping key is.
type state struct {
	Format   int         `json:"format"`
	Wrapping Description `json:"wrapping"`
}

// inner is what the keyring knows of itself. That it opens shows that the
// wrapping key is the right one.
type inner struct {
	// Small is the key of the daemon's own small values. It stays when the
	// wrapping key changes.
	Small []byte `json:"small"`
	// Epoch counts how often a copy of the keys could have been made that no
	// destruction in this place reaches: the wrapping key left a local file, or
	// a backup was written. A key of an earlier epoch may be in such a copy.
	Epoch uint32 `json:"epoch"`
}

// Options says where a keyring is.
type Options struct {
	Dir string
	// Wrapping keeps the wrapping key; nil is the file wrapping.key in Dir.
	Wrapping Wrapping
	// Create allows a keyring to be begun where there is none. Without it, none
	// is ErrAbsent.
	Create bool
}

// ErrAbsent says that there is no keyring in the directory.
var ErrAbsent = errors.New("there is no keyring")

// OpenWith opens a keyring, making the directory (0700), the wrapping key and
// the keyring (keyring.db, 0600) on the first start. A wrapping key that others
// may read, that is missing beside an existing keyring, or that is kept another
// way than the keyring says, is refused. A replacement that was cut off is completed.
func OpenWith(ctx context.Context, o Options) (*Keyring, error) {
	if o.Wrapping == nil {
		o.Wrapping = LocalFile(filepath.Join(o.Dir, WrappingFile))
	}
	path := filepath.Join(o.Dir, File)
	_, err := os.Stat(path)
	fresh := errors.Is(err, os.ErrNotExist)
	if fresh && !o.Create {
		return nil, ErrAbsent
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, problem.Wrap(problem.Storage, err, "make key directory %s", o.Dir)
	}
	if fresh {
		// First the wrapping key, then the keyring: a keyring never stands
		// without one.
		if err := firstKey(ctx, o.Dir, o.Wrapping); err != nil {
			return nil, err
		}
	}
	if err := private(path); err != nil {
		return nil, err
	}
	// The library makes a new file of an empty one: it must not touch what is
	// left of a keyring.
	if st, err := os.Stat(path); err == nil && st.Size() == 0 && !o.Create {
		return nil, emptied(path)
	}
	db, err := openDB(path)
	if err != nil {
		return nil, err
	}
	k := &Keyring{dir: o.Dir, db: db, wrapping: o.Wrapping, mayBegin: o.Create, tenants: map[evidence.Tenant]*tenantKeys{}, priors: map[string]*tenantKeys{}}
	if err := k.unlock(ctx, fresh); err != nil {
		db.Close()
		return nil, err
	}
	return k, nil
}

// emptied says that nothing is in the keyring of an installation that has had
// one: to begin a new one in its place would begin a second log for every tenant.
func emptied(path string) error {
	return problem.New(problem.Corrupt, "keyring %s is empty: its keys are lost", path).
		WithHint("move the file away and bring the keyring back (evidenced keyring restore); without one the logs can only be verified")
}

func openDB(path string) (*mapped.DB, error) {
	db, err := mapped.Open(path, &bolt.Options{Timeout: 2 * time.Second})
	if err != nil {
		return nil, problem.Wrap(problem.Storage, err, "open keyring %s", path)
	}
	return db, nil
}

// Close closes the keyring.
func (k *Keyring) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.db.Close()
}

// box seals values under keys derived from one wrapping key.
type box struct {
	aead cipher.AEAD
	mac  []byte // for names of tenants
}

func newBox(wrapping []byte) (box, error) {
	seal, err := hkdf.Key(sha256.New, wrapping, nil, "evidenced/keyring/seal/v1", 32)
	if err != nil {
		return box{}, fmt.Errorf("keyring: %w", err)
	}
	mac, err := hkdf.Key(sha256.New, wrapping, nil, "evidenced/keyring/name/v1", 32)
	if err != nil {
		return box{}, fmt.Errorf("keyring: %w", err)
	}
	aead, err := newAEAD(seal)
	return box{aead, mac}, err
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	return aead, nil
}

// seal binds the value to its name in its bucket.
func (b box) seal(name, plain []byte) []byte { return sealWith(b.aead, name, plain) }

func (b box) open(name, sealed []byte) ([]byte, error) { return openWith(b.aead, name, sealed) }

func sealWith(aead cipher.AEAD, name, plain []byte) []byte {
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, plain, name)
}

func openWith(aead cipher.AEAD, name, sealed []byte) ([]byte, error) {
	n := aead.NonceSize()
	if len(sealed) < n {
		return nil, fmt.Errorf("keyring: sealed value of %d bytes is too short", len(sealed))
	}
	plain, err := aead.Open(nil, sealed[:n], sealed[n:], name)
	if err != nil {
		return nil, fmt.Errorf("keyring: a sealed value does not open under this key")
	}
	return plain, nil
}

// tenantName is the key of a tenant's entry. It is derived from the wrapping
// key, so that nothing of an old keyring tells which tenants it held once its
// wrapping key is gone.
func (b box) tenantName(tenant string) []byte {
	m := hmac.New(sha256.New, b.mac)
	m.Write([]byte(tenant))
	return m.Sum(nil)
}

// Seal implements store.Keyring.
func (k *Keyring) Seal(name string, plain []byte) ([]byte, error) {
	return sealWith(k.small, []byte(name), plain), nil
}

// Open implements store.Keyring.
func (k *Keyring) Open(name string, sealed []byte) ([]byte, error) {
	return openWith(k.small, []byte(name), sealed)
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

// Tenants implements store.Keyring.
func (k *Keyring) Tenants() ([]evidence.Tenant, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var ts []evidence.Tenant
	err := k.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(tenantBucket).ForEach(func(name, v []byte) error {
			e, err := k.box.tenant(name, v)
			if err != nil {
				return err
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

func (b box) tenant(name, sealed []byte) (tenantEntry, error) {
	var e tenantEntry
	plain, err := b.open(name, sealed)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(plain, &e); err != nil {
		return e, fmt.Errorf("keyring: tenant entry: %w", err)
	}
	return e, nil
}

// Tenant implements store.Keyring.
func (k *Keyring) Tenant(t evidence.Tenant, create bool) (store.TenantKeys, error) {
	if t.IsZero() {
		return nil, fmt.Errorf("keyring: no tenant")
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	tk, err := k.tenant(t, create)
	if err != nil {
		return nil, fmt.Errorf("keyring: tenant %s: %w", t, err)
	}
	return tk, nil
}

// tenant is Tenant for callers that hold mu.
func (k *Keyring) tenant(t evidence.Tenant, create bool) (*tenantKeys, error) {
	k.tenantsMu.Lock()
	defer k.tenantsMu.Unlock()
	if tk := k.tenants[t]; tk != nil {
		return tk, nil
	}
	name := k.box.tenantName(t.String())
	var e tenantEntry
	err := k.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket(tenantBucket).Get(name)
		if v == nil {
			return store.ErrKeyMissing
		}
		var err error
		e, err = k.box.tenant(name, v)
		return err
	})
	if err == store.ErrKeyMissing && create {
		e, err = k.newTenant(t, name)
	}
	if err != nil {
		return nil, err
	}
	tk, err := k.keysOf(e)
	if err != nil {
		return nil, err
	}
	k.tenants[t] = tk
	return tk, nil
}

func (k *Keyring) keysOf(e tenantEntry) (*tenantKeys, error) {
	tk := &tenantKeys{k: k, entry: e}
	tk.forget()
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
	sealed := k.box.seal(name, plain)
	return e, k.update(func(tx *bolt.Tx) error { return tx.Bucket(tenantBucket).Put(name, sealed) })
}
