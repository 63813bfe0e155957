package keyring

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence/claim"
	"evidenced/evidence/problem"
	"evidenced/store/durable"
	"evidenced/store/mapped"
)

// The file is replaced in these steps, so that a process that ends anywhere
// leaves the old keyring or the new one, each with a wrapping key that opens
// it:
//
//  1. the new wrapping key is wrapped and written beside its place (.next)
//  2. every value that stays is sealed under it into keyring.db.new
//  3. keyring.db.new takes the place of keyring.db: from here on it is the new
//  4. the wrapped key takes its place
//  5. the old files are overwritten and dropped, the old wrapping key retired
//
// Opening takes whichever of the two wrapped keys opens the keyring, goes on
// from there, and drops what a cut left over.
const (
	nextSuffix = ".next"
	newSuffix  = ".new"
)

// formatNow is the format that this program writes. Format 1 had no meta
// bucket and sealed the daemon's small values under the wrapping key itself.
const formatNow = 2

// Describe reads how the wrapping key of the keyring in dir is kept. It needs
// no key. The keyring must not be open.
func Describe(dir string) (Description, error) {
	path := filepath.Join(dir, File)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return Description{}, ErrAbsent
	}
	db, err := openDB(path)
	if err != nil {
		return Description{}, err
	}
	defer db.Close()
	st, err := readState(db)
	return st.Wrapping, err
}

// readState reads the clear part; a keyring of the first format has none and
// its wrapping key in the default place.
func readState(db *mapped.DB) (state, error) {
	st := state{Format: 1, Wrapping: Description{Kind: KindFile, Path: WrappingFile}}
	err := db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket(metaBucket)
		if b == nil || b.Get(stateName) == nil {
			return nil
		}
		if err := json.Unmarshal(b.Get(stateName), &st); err != nil {
			return problem.New(problem.Corrupt, "the keyring does not say how it is wrapped")
		}
		if st.Format != formatNow {
			return problem.New(problem.Refused, "the keyring has format %d, this program reads format %d", st.Format, formatNow).
				WithHint("use the newer evidenced that wrote it")
		}
		return nil
	})
	return st, err
}

// unlock finds the wrapping key that opens the keyring and takes the keyring
// up. It runs before anybody else has k.
func (k *Keyring) unlock(ctx context.Context, fresh bool) error {
	st, err := readState(k.db)
	if err != nil {
		return err
	}
	want := k.wrapping.Describe()
	if st.Wrapping.Kind != want.Kind && !fresh {
		return problem.New(problem.Refused, "the wrapping key of the keyring is kept by %s, the configuration says %s", st.Wrapping.Kind, want.Kind).
			WithHint("evidenced keyring rewrap changes over, while no daemon runs")
	}
	path := want.File(k.dir)
	found, err := k.openBy(ctx, path)
	if err != nil {
		return err
	}
	if found != path {
		if err := moveFile(found, path); err != nil {
			return err
		}
	}
	for _, left := range []string{path + nextSuffix, filepath.Join(k.dir, File+newSuffix)} {
		if err := dropFile(left); err != nil {
			return problem.Wrap(problem.Storage, err, "drop %s", left)
		}
	}
	return k.takeUp()
}

// openBy tries the wrapped key in its place, then the one beside it, and
// returns the path of the one that opens the keyring.
func (k *Keyring) openBy(ctx context.Context, path string) (string, error) {
	var first error
	there := false
	for _, p := range []string{path, path + nextSuffix} {
		wrapped, err := readWrapped(p)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		there = true
		var key []byte
		if err == nil {
			key, err = k.wrapping.Unwrap(ctx, wrapped)
		}
		if err == nil {
			k.wrapped = wrapped
			if k.box, err = newBox(key); err == nil {
				err = k.tryBox(key)
			}
		}
		if err == nil {
			return p, nil
		}
		if first == nil {
			first = err
		}
	}
	if !there {
		return "", problem.New(problem.Refused, "wrapping key %s is missing beside an existing keyring", path).
			WithHint("put the key file back; without it the evidence can only be verified, not read")
	}
	return "", first
}

// tryBox opens the inner state, or in a keyring of the first format an entry,
// and so shows whether the wrapping key is the right one.
func (k *Keyring) tryBox(wrapping []byte) error {
	wrong := problem.New(problem.Refused, "the wrapping key does not open the keyring").
		WithHint("put back the wrapping key this keyring was made with; a new one cannot read it")
	return k.db.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket(metaBucket); b != nil && b.Get(innerName) != nil {
			plain, err := k.box.open(innerName, b.Get(innerName))
			if err != nil {
				return wrong
			}
			k.inner = inner{}
			if err := json.Unmarshal(plain, &k.inner); err != nil || len(k.inner.Small) != claim.KeySize {
				return problem.New(problem.Corrupt, "the keyring is damaged")
			}
			return nil
		}
		old := false
		if b := tx.Bucket(tenantBucket); b != nil {
			if name, v := b.Cursor().First(); name != nil {
				old = true
				if _, err := k.box.open(name, v); err != nil {
					return wrong
				}
			}
		}
		if !old && !k.mayBegin {
			return emptied(filepath.Join(k.dir, File))
		}
		if !old {
			k.inner = inner{Small: make([]byte, claim.KeySize), Epoch: 1}
			rand.Read(k.inner.Small)
			return nil
		}
		// The first format sealed small values under this key: it stays theirs.
		small, err := hkdf.Key(sha256.New, wrapping, nil, "evidenced/keyring/seal/v1", claim.KeySize)
		k.inner = inner{Small: small, Epoch: 1}
		return err
	})
}

// takeUp makes the buckets and writes what the keyring knows of itself when it
// is not there.
func (k *Keyring) takeUp() error {
	var err error
	if k.small, err = newAEAD(k.inner.Small); err != nil {
		return err
	}
	if err := k.db.Update(func(tx *bolt.Tx) error {
		for _, b := range [][]byte{tenantBucket, dataBucket, personBucket, keyBucket, unsettledBucket, metaBucket} {
			if _, err := tx.CreateBucketIfNotExists(b); err != nil {
				return err
			}
		}
		if tx.Bucket(metaBucket).Get(innerName) != nil {
			return nil
		}
		return putMeta(tx, placed(k.dir, k.wrapping), k.box, k.inner)
	}); err != nil {
		return err
	}
	return k.db.View(k.checkEntries)
}

// placed describes a wrapping; a file beside the keyring moves along with it.
func placed(dir string, w Wrapping) Description {
	d := w.Describe()
	if filepath.Dir(d.Path) == absolute(dir) {
		d.Path = filepath.Base(d.Path)
	}
	return d
}

func putMeta(tx *bolt.Tx, w Description, b box, in inner) error {
	clear, err := json.Marshal(state{formatNow, w})
	if err != nil {
		return err
	}
	plain, err := json.Marshal(in)
	if err != nil {
		return err
	}
	meta := tx.Bucket(metaBucket)
	if err := meta.Put(stateName, clear); err != nil {
		return err
	}
	return meta.Put(innerName, b.seal(innerName, plain))
}

// target is a wrapping key that is staged beside its place.
type target struct {
	w       Wrapping
	path    string
	wrapped []byte
	box     box
	inner   inner
}

// stage makes a new wrapping key and its file.
func (k *Keyring) stage(ctx context.Context, w Wrapping, in inner) (*target, error) {
	key := make([]byte, claim.KeySize)
	rand.Read(key)
	t := &target{w: w, path: w.Describe().File(k.dir), inner: in}
	var err error
	if t.wrapped, err = w.Wrap(ctx, key); err != nil {
		return nil, fmt.Errorf("wrap the keyring's new key: %w", err)
	}
	if t.box, err = newBox(key); err != nil {
		return nil, err
	}
	next := t.path + nextSuffix
	if err := dropFile(next); err != nil {
		return nil, problem.Wrap(problem.Storage, err, "drop %s", next)
	}
	return t, writePrivate(next, t.wrapped)
}

// drops says what does not come along into the new file.
type drops struct {
	keys map[string]bool // log id/key id
	logs map[string]bool // whole logs
}

// write fills a new file with what stays, and the unsettled entry when there
// is one. The caller holds mu.
func (k *Keyring) write(to *target, d drops, entry *unsettled) (err error) {
	path := filepath.Join(k.dir, File+newSuffix)
	if err := dropFile(path); err != nil {
		return err
	}
	db, err := mapped.Open(path, &bolt.Options{NoSync: true})
	if err != nil {
		return err
	}
	defer func() {
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}()
	c := &copying{from: k.box, to: to.box, drops: d, db: db}
	if err := k.db.View(c.all); err != nil {
		return err
	}
	if err := db.Update(func(tx *bolt.Tx) error {
		if entry != nil {
			if err := entry.put(tx, to.box); err != nil {
				return err
			}
		}
		return putMeta(tx, placed(k.dir, to.w), to.box, to.inner)
	}); err != nil {
		return err
	}
	return db.Sync()
}

// copying seals the entries of one keyring anew into another file.
type copying struct {
	from, to box
	drops
	db *mapped.DB

	bucket []byte
	batch  [][2][]byte
}

// copyBatch bounds a transaction of the copy.
const copyBatch = 4096

func (c *copying) all(tx *bolt.Tx) error {
	for _, b := range []struct {
		name []byte
		one  func(name, v []byte) ([]byte, []byte, error)
	}{
		{tenantBucket, c.tenant}, {dataBucket, c.key}, {personBucket, c.person}, {keyBucket, c.key}, {unsettledBucket, c.note}, {metaBucket, nil},
	} {
		c.bucket = b.name
		if err := c.flush(); err != nil { // makes the bucket
			return err
		}
		if b.one == nil {
			continue
		}
		if err := tx.Bucket(b.name).ForEach(func(name, v []byte) error {
			n, plain, err := b.one(name, v)
			if err != nil || n == nil {
				return err
			}
			c.batch = append(c.batch, [2][]byte{bytes.Clone(n), c.to.seal(n, plain)})
			if len(c.batch) < copyBatch {
				return nil
			}
			return c.flush()
		}); err != nil {
			return err
		}
		if err := c.flush(); err != nil {
			return err
		}
	}
	return nil
}

func (c *copying) flush() error {
	batch := c.batch
	c.batch = nil
	return c.db.Update(func(tx *bolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(c.bucket)
		if err != nil {
			return err
		}
		b.FillPercent = 0.9
		for _, kv := range batch {
			if err := b.Put(kv[0], kv[1]); err != nil {
				return err
			}
		}
		return nil
	})
}

// logOf returns the log id that an entry's name begins with.
func logOf(name []byte) string {
	log, _, _ := bytes.Cut(name, []byte("/"))
	return string(log)
}

func (c *copying) tenant(name, v []byte) ([]byte, []byte, error) {
	e, err := c.from.tenant(name, v)
	if err != nil || c.logs[e.LogID] {
		return nil, nil, err
	}
	plain, err := json.Marshal(e)
	return c.to.tenantName(e.Name), plain, err
}

func (c *copying) key(name, v []byte) ([]byte, []byte, error) {
	if c.logs[logOf(name)] || c.keys[string(name)] {
		return nil, nil, nil
	}
	plain, err := c.from.open(name, v)
	return name, plain, err
}

func (c *copying) person(name, v []byte) ([]byte, []byte, error) {
	if c.logs[logOf(name)] {
		return nil, nil, nil
	}
	e, err := c.from.person(name, v)
	if err != nil || c.keys[logOf(name)+"/"+personKey(e).KeyID] {
		return nil, nil, err
	}
	plain, err := json.Marshal(e)
	return name, plain, err
}

func (c *copying) note(name, v []byte) ([]byte, []byte, error) {
	plain, err := c.from.open(name, v)
	return name, plain, err
}

// replace puts the staged key and a new file in the place of the old ones.
// After an error before the file took its place, nothing has changed. The
// caller holds replacing and not mu.
func (k *Keyring) replace(to *target, d drops, entry *unsettled) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken != nil {
		return k.broken
	}
	path := filepath.Join(k.dir, File)
	if err := k.write(to, d, entry); err != nil {
		_ = dropFile(path + newSuffix) // the error that counts is the first
		_ = dropFile(to.path + nextSuffix)
		return problem.Wrap(problem.Storage, err, "write the keyring anew")
	}
	oldKey := k.wrapping.Describe().File(k.dir)
	old, err := openOld(path, oldKey)
	if err != nil {
		return problem.Wrap(problem.Storage, err, "open the old keyring to overwrite it")
	}
	defer old.close()
	if err := os.Rename(path+newSuffix, path); err != nil {
		return problem.Wrap(problem.Storage, err, "put the new keyring in place")
	}
	if err := k.settleIn(to, path, oldKey); err != nil {
		// Which of the two a crash would leave is not known: nothing may be
		// added to either.
		k.broken = problem.Wrap(problem.Storage, err, "the keyring was replaced, but not for sure").
			WithHint("look at the disk (space, errors), then restart")
		return k.broken
	}
	if err := old.overwrite(); err != nil {
		return problem.Wrap(problem.Storage, err, "overwrite the old keyring")
	}
	return nil
}

// settleIn makes the new file durable and the one in use.
func (k *Keyring) settleIn(to *target, path, oldKey string) error {
	if err := durable.SyncDir(k.dir); err != nil {
		return err
	}
	if err := moveFile(to.path+nextSuffix, to.path); err != nil {
		return err
	}
	if oldKey != to.path {
		if err := os.Remove(oldKey); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := durable.SyncDir(filepath.Dir(oldKey)); err != nil {
			return err
		}
	}
	db, err := openDB(path)
	if err != nil {
		return err
	}
	before := k.db
	k.db, k.box, k.wrapping, k.wrapped, k.inner = db, to.box, to.w, to.wrapped, to.inner
	k.tenantsMu.Lock()
	for _, tk := range k.tenants {
		tk.forget()
	}
	for _, tk := range k.priors {
		tk.forget()
	}
	k.tenantsMu.Unlock()
	return before.Close()
}

// Rewrap changes how the wrapping key is kept, under a new key. The old one is
// retired as well as its kind allows.
func (k *Keyring) Rewrap(ctx context.Context, w Wrapping) (gone bool, why string, err error) {
	k.replacing.Lock()
	defer k.replacing.Unlock()
	before, old := k.wrapping, k.wrapped
	in := k.inner
	if before.Describe().Kind == KindFile {
		in.Epoch++ // who copied the old file has the keys made until now
	}
	if before.Describe().Kind == w.Describe().Kind {
		if err := w.Renew(ctx); err != nil {
			return false, "", err
		}
	}
	to, err := k.stage(ctx, w, in)
	if err != nil {
		return false, "", err
	}
	if err := k.replace(to, drops{}, nil); err != nil {
		return false, "", err
	}
	gone, why = before.Retire(context.WithoutCancel(ctx), old, to.wrapped)
	return gone, why, nil
}
