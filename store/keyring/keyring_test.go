package keyring

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store"
)

func tenant(t testing.TB, name string) evidence.Tenant {
	t.Helper()
	tn, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return tn
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, o Options) *Keyring {
	t.Helper()
	k, err := OpenWith(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func ringOf(t testing.TB, k *Keyring, name string) store.TenantKeys {
	t.Helper()
	tk, err := k.Tenant(tenant(t, name), true)
	must(t, err)
	return tk
}

var (
	mira = store.Identity{Realm: "github:prod", NativeID: "8231"}
	odo  = store.Identity{Realm: "vault:prod/entity", NativeID: "e-77"}
)

func person(t testing.TB, tk store.TenantKeys, id store.Identity) store.PersonKey {
	t.Helper()
	ps, err := tk.People([]store.Identity{id})
	must(t, err)
	return ps[0]
}

// grep returns the files below dir that hold any of the byte strings.
func grep(t testing.TB, dir string, wants ...[]byte) []string {
	t.Helper()
	var found []string
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, w := range wants {
			if bytes.Contains(b, w) {
				found = append(found, path)
			}
		}
		return err
	}))
	return found
}

// stored returns the bytes of an entry as they stand in the file.
func stored(t testing.TB, k *Keyring, bucket []byte, name string) []byte {
	t.Helper()
	var v []byte
	must(t, k.db.View(func(tx *bolt.Tx) error {
		v = bytes.Clone(tx.Bucket(bucket).Get([]byte(name)))
		return nil
	}))
	if v == nil {
		t.Fatalf("no entry %q in %s", name, bucket)
	}
	return v
}

func TestDestroyLeavesNoByte(t *testing.T) {
	dir := t.TempDir()
	k := open(t, Options{Dir: dir, Create: true})
	a, b := ringOf(t, k, "tenant-1"), ringOf(t, k, "tenant-2")
	mine, other := person(t, a, mira), person(t, a, odo)
	elsewhere := person(t, b, mira)
	if mine.Token == elsewhere.Token || bytes.Equal(mine.Key, elsewhere.Key) {
		t.Fatal("one person has the same token or key in two tenants")
	}
	for i := range 500 { // so that pages are split, freed and used again
		person(t, a, store.Identity{Realm: "github:prod", NativeID: strings.Repeat("x", i%7+1) + hex.EncodeToString([]byte{byte(i), byte(i >> 8)})})
	}
	dataID, dataKey, err := a.DataKey(1)
	must(t, err)
	small, err := k.Seal("cursor/x", []byte("resume"))
	must(t, err)

	name := a.LogID() + "/" + mine.KeyID
	hash := a.(*tenantKeys).lookupHash(mira)
	traces := [][]byte{
		mine.Key, mine.Token[:], []byte(mine.Token.String()), []byte(hex.EncodeToString(mine.Key)), hash[:],
		stored(t, k, keyBucket, name), stored(t, k, personBucket, a.LogID()+"/"+string(hash[:])),
		k.box.tenantName("tenant-1"),
	}
	oldWrapping, err := os.ReadFile(filepath.Join(dir, WrappingFile))
	must(t, err)
	traces = append(traces, bytes.TrimSpace(oldWrapping))
	if got := grep(t, dir, traces[5]); len(got) != 1 {
		t.Fatalf("before: the sealed key is in %v, so the search finds nothing", got)
	}

	d, err := k.Destroy(t.Context(), []store.Destruction{
		{Tenant: tenant(t, "tenant-1"), Keys: []string{mine.KeyID, "pnobody"}}, {Tenant: tenant(t, "tenant-2"), Keys: []string{elsewhere.KeyID}},
	}, nil)
	must(t, err)
	if d.Level != evidence.Logical || !strings.Contains(d.Why, "local file") || d.ID != "" {
		t.Errorf("with a local file: %+v", d)
	}
	if got := d.Keys[tenant(t, "tenant-1")]; !slices.Equal(got, []string{mine.KeyID}) {
		t.Errorf("destroyed in tenant-1: %v", got)
	}
	check := func(stage string, k *Keyring) {
		t.Helper()
		if got := grep(t, dir, traces...); len(got) > 0 {
			t.Errorf("%s: bytes of what was destroyed are in %v", stage, got)
		}
		a := ringOf(t, k, "tenant-1")
		if _, err := a.Key(mine.KeyID); err != store.ErrKeyMissing {
			t.Errorf("%s: destroyed key: got %v, want ErrKeyMissing", stage, err)
		}
		if got, err := a.Lookup([]store.Identity{mira}); err != nil || got[0].KeyID != "" {
			t.Errorf("%s: the person is still known: %+v, %v", stage, got, err)
		}
		if got := person(t, a, odo); got.Token != other.Token || !bytes.Equal(got.Key, other.Key) {
			t.Errorf("%s: another person's key changed", stage)
		}
		if id, key, err := a.DataKey(1); err != nil || id != dataID || !bytes.Equal(key, dataKey) {
			t.Errorf("%s: data key %s, %v", stage, id, err)
		}
		if got, err := k.Open("cursor/x", small); err != nil || string(got) != "resume" {
			t.Errorf("%s: small value %q, %v", stage, got, err)
		}
		if ts, err := k.Tenants(); err != nil || len(ts) != 2 {
			t.Errorf("%s: tenants %v, %v", stage, ts, err)
		}
	}
	check("at once", k)
	must(t, k.Close())
	k = open(t, Options{Dir: dir})
	check("after opening again", k)
	if again := person(t, ringOf(t, k, "tenant-1"), mira); again.Token == mine.Token || bytes.Equal(again.Key, mine.Key) {
		t.Error("the person's next commit brings the old token or key back")
	}
	if d, err := k.Destroy(t.Context(), []store.Destruction{{Tenant: tenant(t, "tenant-1"), Keys: []string{mine.KeyID}}}, []byte("n")); err != nil || len(d.Keys) != 0 || d.ID != "" {
		t.Errorf("destroying what is gone: %+v, %v", d, err)
	}
}

func TestDestroyWholeTenant(t *testing.T) {
	dir := t.TempDir()
	k := open(t, Options{Dir: dir, Create: true})
	a, b := ringOf(t, k, "tenant-1"), ringOf(t, k, "tenant-2")
	p := person(t, a, mira)
	_, key, err := a.DataKey(1)
	must(t, err)
	person(t, b, mira)
	d, err := k.Destroy(t.Context(), []store.Destruction{{Tenant: tenant(t, "tenant-1"), All: true}}, nil)
	must(t, err)
	if got := d.Keys[tenant(t, "tenant-1")]; len(got) != 2 {
		t.Errorf("destroyed: %v", got)
	}
	if got := grep(t, dir, key, p.Key, []byte(a.LogID())); len(got) > 0 {
		t.Errorf("traces of the tenant in %v", got)
	}
	if ts, err := k.Tenants(); err != nil || len(ts) != 1 || ts[0] != tenant(t, "tenant-2") {
		t.Errorf("tenants: %v, %v", ts, err)
	}
	// Who still holds the tenant's keys can make none anew.
	if _, err := a.People([]store.Identity{mira}); !errors.Is(err, store.ErrKeyMissing) {
		t.Errorf("people of a destroyed tenant: %v", err)
	}
	if _, _, err := a.DataKey(2); !errors.Is(err, store.ErrKeyMissing) {
		t.Errorf("data key of a destroyed tenant: %v", err)
	}
	if _, err := k.Tenant(tenant(t, "tenant-1"), false); !errors.Is(err, store.ErrKeyMissing) {
		t.Errorf("destroyed tenant: %v", err)
	}
}

func TestRenewData(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir(), Create: true})
	a := ringOf(t, k, "tenant-1")
	_, first, err := a.DataKey(3)
	must(t, err)
	_, ten, err := a.DataKey(30)
	must(t, err)
	for _, want := range []string{"d3.2", "d3.3"} {
		if id, err := a.RenewData(3); err != nil || id != want {
			t.Errorf("renewed: %s, %v, want %s", id, err, want)
		}
	}
	check := func(stage string, a store.TenantKeys) {
		t.Helper()
		id, key, err := a.DataKey(3)
		if err != nil || id != "d3.3" || bytes.Equal(key, first) {
			t.Errorf("%s: data key %s, %v", stage, id, err)
		}
		if old, err := a.Key("d3"); err != nil || !bytes.Equal(old, first) {
			t.Errorf("%s: the first version does not read any more: %v", stage, err)
		}
		if id, key, err := a.DataKey(30); err != nil || id != "d30" || !bytes.Equal(key, ten) {
			t.Errorf("%s: data key of segment 30: %s, %v", stage, id, err)
		}
		if ids, err := a.DataKeyIDs(3); err != nil || !slices.Equal(ids, []string{"d3", "d3.2", "d3.3"}) {
			t.Errorf("%s: versions %v, %v", stage, ids, err)
		}
	}
	check("at once", a)
	a.(*tenantKeys).forget()
	check("from the file", a)
	if id, err := a.RenewData(9); err != nil || id != "d9" {
		t.Errorf("renewed before the first use: %s, %v", id, err)
	}
}

// A copy of the directory at every step of a replacement opens, to the old
// keys or to the new ones.
func TestCutReplacement(t *testing.T) {
	for _, cut := range []struct {
		after string
		keep  func(t *testing.T, old, staged, done, dir string)
		gone  bool
	}{
		{"staging the wrapping key", func(t *testing.T, old, staged, done, dir string) {
			copyFile(t, old, File, dir, File)
			copyFile(t, old, WrappingFile, dir, WrappingFile)
			copyFile(t, staged, WrappingFile, dir, WrappingFile+nextSuffix)
		}, false},
		{"writing a part of the new file", func(t *testing.T, old, staged, done, dir string) {
			copyFile(t, old, File, dir, File)
			copyFile(t, old, WrappingFile, dir, WrappingFile)
			copyFile(t, staged, WrappingFile, dir, WrappingFile+nextSuffix)
			must(t, os.WriteFile(filepath.Join(dir, File+newSuffix), []byte("torn"), 0o600))
		}, false},
		{"putting the new file in place", func(t *testing.T, old, staged, done, dir string) {
			copyFile(t, done, File, dir, File)
			copyFile(t, old, WrappingFile, dir, WrappingFile)
			copyFile(t, done, WrappingFile, dir, WrappingFile+nextSuffix)
		}, true},
		{"putting the wrapping key in place", func(t *testing.T, old, staged, done, dir string) {
			copyFile(t, done, File, dir, File)
			copyFile(t, done, WrappingFile, dir, WrappingFile)
		}, true},
	} {
		t.Run(cut.after, func(t *testing.T) {
			live, old, done := t.TempDir(), t.TempDir(), t.TempDir()
			k := open(t, Options{Dir: live, Create: true})
			p := person(t, ringOf(t, k, "tenant-1"), mira)
			must(t, k.Close())
			copyFile(t, live, File, old, File)
			copyFile(t, live, WrappingFile, old, WrappingFile)
			k = open(t, Options{Dir: live})
			_, err := k.Destroy(t.Context(), []store.Destruction{{Tenant: tenant(t, "tenant-1"), Keys: []string{p.KeyID}}}, []byte("note"))
			must(t, err)
			must(t, k.Close())
			copyFile(t, live, File, done, File)
			copyFile(t, live, WrappingFile, done, WrappingFile)

			dir := t.TempDir()
			cut.keep(t, old, done, done, dir)
			k = open(t, Options{Dir: dir})
			_, err = ringOf(t, k, "tenant-1").Key(p.KeyID)
			if gone := err == store.ErrKeyMissing; gone != cut.gone {
				t.Errorf("the key is gone: %v, want %v (%v)", gone, cut.gone, err)
			}
			un, err := k.Unsettled(t.Context())
			must(t, err)
			if (len(un) == 1) != cut.gone {
				t.Errorf("%d unsettled destructions", len(un))
			}
			for _, left := range []string{WrappingFile + nextSuffix, File + newSuffix} {
				if _, err := os.Stat(filepath.Join(dir, left)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is left over", left)
				}
			}
		})
	}
}

func copyFile(t testing.TB, from, name, to, as string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(from, name))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(to, as), b, 0o600))
}

func TestUnsettledStaysUntilSettled(t *testing.T) {
	dir := t.TempDir()
	k := open(t, Options{Dir: dir, Create: true})
	p := person(t, ringOf(t, k, "tenant-1"), mira)
	d, err := k.Destroy(t.Context(), []store.Destruction{{Tenant: tenant(t, "tenant-1"), Keys: []string{p.KeyID}}}, []byte("who asked"))
	must(t, err)
	must(t, k.Close())
	k = open(t, Options{Dir: dir})
	un, err := k.Unsettled(t.Context())
	must(t, err)
	if len(un) != 1 || string(un[0].Note) != "who asked" || un[0].ID != d.ID || un[0].Level != d.Level || !slices.Equal(un[0].Keys[tenant(t, "tenant-1")], []string{p.KeyID}) {
		t.Fatalf("unsettled: %+v, want %+v", un, d)
	}
	must(t, k.Settle(d.ID))
	must(t, k.Settle(d.ID))
	if un, err = k.Unsettled(t.Context()); err != nil || len(un) != 0 {
		t.Errorf("after settling: %v, %v", un, err)
	}
}

// outside is a wrapping whose keys are elsewhere: a map in memory.
type outside struct {
	dir  string
	kept map[string][]byte
	weak bool // may not destroy
	n    int
}

func (o *outside) Describe() Description {
	return Description{Kind: KindTransit, Path: filepath.Join(o.dir, "wrapping.transit")}
}
func (o *outside) Renew(context.Context) error { o.n++; return nil }
func (o *outside) Wrap(_ context.Context, key []byte) ([]byte, error) {
	h := "v" + hex.EncodeToString([]byte{byte(o.n)}) + hex.EncodeToString(key[:4])
	o.kept[h] = bytes.Clone(key)
	return []byte(h), nil
}
func (o *outside) Unwrap(_ context.Context, w []byte) ([]byte, error) {
	if k := o.kept[string(w)]; k != nil {
		return k, nil
	}
	return nil, errors.New("no such key")
}
func (o *outside) Retire(_ context.Context, old, _ []byte) (bool, string) {
	if o.weak {
		return false, "not allowed"
	}
	delete(o.kept, string(old))
	return true, ""
}

func TestLevels(t *testing.T) {
	dir := t.TempDir()
	w := &outside{dir: dir, kept: map[string][]byte{}}
	k := open(t, Options{Dir: dir, Create: true}) // a local file at first
	early := person(t, ringOf(t, k, "tenant-1"), mira)
	before := t.TempDir()
	copyFile(t, dir, File, before, File)
	copyFile(t, dir, WrappingFile, before, WrappingFile)
	if gone, why, err := k.Rewrap(t.Context(), w); err != nil || gone || why == "" {
		t.Fatalf("from a local file: gone %v (%s), %v", gone, why, err)
	}
	if _, err := os.Stat(filepath.Join(dir, WrappingFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the local wrapping key is still there")
	}
	must(t, k.Close())
	if _, err := OpenWith(t.Context(), Options{Dir: dir}); !problem.Is(err, problem.Refused) {
		t.Errorf("opened as if the wrapping were in a local file: %v", err)
	}
	k = open(t, Options{Dir: dir, Wrapping: w})
	late, later := person(t, ringOf(t, k, "tenant-1"), odo), person(t, ringOf(t, k, "tenant-2"), odo)

	level := func(name string, p store.PersonKey) store.Destroyed {
		t.Helper()
		d, err := k.Destroy(t.Context(), []store.Destruction{{Tenant: tenant(t, name), Keys: []string{p.KeyID}}}, nil)
		must(t, err)
		return d
	}
	if d := level("tenant-1", early); d.Level != evidence.Logical || !strings.Contains(d.Why, "local file") {
		t.Errorf("a key that was once under a local file: %+v", d)
	}
	// Indeed an old copy of both files still has it.
	old := open(t, Options{Dir: before})
	if got, err := ringOf(t, old, "tenant-1").Key(early.KeyID); err != nil || !bytes.Equal(got, early.Key) {
		t.Errorf("the copy: %v", err)
	}
	copied := t.TempDir()
	copyFile(t, dir, File, copied, File)
	copyFile(t, dir, "wrapping.transit", copied, "wrapping.transit")
	if d := level("tenant-1", late); d.Level != evidence.Cryptographic || d.Why != "" {
		t.Errorf("a key that was never under a local file: %+v", d)
	}
	wrapped, err := os.ReadFile(filepath.Join(copied, "wrapping.transit"))
	must(t, err)
	if _, err := w.Unwrap(t.Context(), wrapped); err == nil {
		t.Error("the old wrapping key opens still")
	}
	w.weak = true
	if d := level("tenant-2", later); d.Level != evidence.Logical || d.Why != "not allowed" {
		t.Errorf("without the permission: %+v", d)
	}
	w.weak = false
	exposed := person(t, ringOf(t, k, "tenant-2"), mira)
	must(t, k.Backup(&bytes.Buffer{}, passphrase))
	fresh := person(t, ringOf(t, k, "tenant-3"), mira)
	if d := level("tenant-2", exposed); d.Level != evidence.Logical || !strings.Contains(d.Why, "backup") {
		t.Errorf("a key that a backup holds: %+v", d)
	}
	if d := level("tenant-3", fresh); d.Level != evidence.Cryptographic {
		t.Errorf("a key made after the backup: %+v", d)
	}
	if gone, _, err := k.Rewrap(t.Context(), LocalFile(filepath.Join(dir, WrappingFile))); err != nil || !gone {
		t.Errorf("back to a local file: gone %v, %v", gone, err)
	}
	must(t, k.Close())
	k = open(t, Options{Dir: dir})
	if ts, err := k.Tenants(); err != nil || len(ts) != 3 {
		t.Errorf("tenants after two changes: %v, %v", ts, err)
	}
}

// A keyring as the first format wrote it opens, and its small values with it.
func TestFirstFormat(t *testing.T) {
	dir := t.TempDir()
	key := bytes.Repeat([]byte{7}, 32)
	must(t, os.WriteFile(filepath.Join(dir, WrappingFile), []byte(hex.EncodeToString(key)+"\n"), 0o600))
	b, err := newBox(key)
	must(t, err)
	db, err := bolt.Open(filepath.Join(dir, File), 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{tenantBucket, dataBucket, personBucket, keyBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		entry := []byte(`{"name":"tenant-1","log":"00112233aabbccdd","root":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}`)
		if err := tx.Bucket(tenantBucket).Put(b.tenantName("tenant-1"), b.seal(b.tenantName("tenant-1"), entry)); err != nil {
			return err
		}
		name := []byte("00112233aabbccdd/d1")
		return tx.Bucket(dataBucket).Put(name, b.seal(name, bytes.Repeat([]byte{9}, 32)))
	}))
	must(t, db.Close())
	cursor := b.seal([]byte("cursor/x"), []byte("resume"))
	k := open(t, Options{Dir: dir})
	for range 2 {
		if id, got, err := ringOf(t, k, "tenant-1").DataKey(1); err != nil || id != "d1" || !bytes.Equal(got, bytes.Repeat([]byte{9}, 32)) {
			t.Errorf("data key %s: %v", id, err)
		}
		if got, err := k.Open("cursor/x", cursor); err != nil || string(got) != "resume" {
			t.Errorf("small value: %q, %v", got, err)
		}
		if _, _, err := k.Rewrap(t.Context(), LocalFile(filepath.Join(dir, WrappingFile))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		what string
		do   func(t *testing.T, dir string)
		want problem.Code
		text string
	}{
		{"no wrapping key", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, WrappingFile))) }, problem.Refused, "missing beside"},
		{"another wrapping key", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, WrappingFile), []byte(strings.Repeat("ab", 32)+"\n"), 0o600))
		}, problem.Refused, "does not open"},
		{"a damaged wrapping key", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, WrappingFile), []byte("short\n"), 0o600))
		}, problem.Corrupt, "wrapping.key is damaged"},
		{"a large wrapping key", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, WrappingFile), bytes.Repeat([]byte("a"), maxWrapped+1), 0o600))
		}, problem.Corrupt, "bytes"},
		{"a wrapping key others may read", func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, WrappingFile), 0o640)) }, problem.Refused, "others may read"},
		{"a keyring others may read", func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, File), 0o644)) }, problem.Refused, "others may read"},
	} {
		t.Run(tc.what, func(t *testing.T) {
			dir := t.TempDir()
			k := open(t, Options{Dir: dir, Create: true})
			ringOf(t, k, "tenant-1")
			must(t, k.Close())
			tc.do(t, dir)
			if _, err := OpenWith(t.Context(), Options{Dir: dir, Create: true}); !problem.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %v, want %s about %q", err, tc.want, tc.text)
			}
		})
	}
	if _, err := OpenWith(t.Context(), Options{Dir: t.TempDir()}); !errors.Is(err, ErrAbsent) {
		t.Errorf("no keyring: %v", err)
	}
}

func TestShredSegmentKeys(t *testing.T) {
	dir := t.TempDir()
	k := open(t, Options{Dir: dir, Create: true})
	a := ringOf(t, k, "tenant-1").(*tenantKeys)
	_, one, err := a.DataKey(1)
	must(t, err)
	_, err = a.RenewData(1)
	must(t, err)
	_, ten, err := a.DataKey(10)
	must(t, err)
	traces := [][]byte{one, stored(t, k, dataBucket, a.LogID()+"/d1"), stored(t, k, dataBucket, a.LogID()+"/d1.2")}
	for range 2 { // again, without effect
		must(t, a.DestroyDataKey(1))
	}
	if got := grep(t, dir, traces[1:]...); len(got) == 0 {
		t.Error("nothing is left to shred: the test shows nothing")
	}
	must(t, k.Shred())
	if got := grep(t, dir, traces...); len(got) > 0 {
		t.Errorf("traces in %v", got)
	}
	if ids, err := a.DataKeyIDs(1); err != nil || len(ids) != 0 {
		t.Errorf("versions: %v, %v", ids, err)
	}
	if _, got, err := a.DataKey(10); err != nil || !bytes.Equal(got, ten) {
		t.Errorf("another segment's key: %v", err)
	}
	tn := tenant(t, "tenant-1")
	must(t, k.DestroyTenantKeys(tn, "00aa")) // of another log
	if _, err := a.Key("d10"); err != nil {
		t.Errorf("keys of another log are destroyed: %v", err)
	}
	must(t, k.DestroyTenantKeys(tn, a.LogID()))
	must(t, k.DestroyTenantKeys(tn, a.LogID()))
	if got := grep(t, dir, ten, []byte(a.LogID())); len(got) > 0 {
		t.Errorf("traces of the tenant in %v", got)
	}
}

// People of a log that another one continues are destroyed with those of the
// new one; its data keys stay.
func TestDestroyInFormerLogs(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir(), Create: true})
	tn := tenant(t, "tenant-1")
	old := ringOf(t, k, "tenant-1")
	before := person(t, old, mira)
	_, _, err := old.DataKey(1)
	must(t, err)
	must(t, k.Succeed(tn, []byte(`{}`)))
	young := ringOf(t, k, "tenant-1")
	now := person(t, young, mira)
	_, _, err = young.DataKey(1)
	must(t, err)
	if now.Token == before.Token {
		t.Fatal("two logs have one token")
	}
	d, err := k.Destroy(t.Context(), []store.Destruction{{Tenant: tn, Keys: []string{now.KeyID, before.KeyID}}}, nil)
	must(t, err)
	if len(d.Keys[tn]) != 2 {
		t.Errorf("destroyed: %v", d.Keys)
	}
	prior, err := k.Prior(tn)
	must(t, err)
	for i, tk := range []store.TenantKeys{prior[0], young} {
		if got, err := tk.Lookup([]store.Identity{mira}); err != nil || got[0].KeyID != "" {
			t.Errorf("log %d knows the person still: %v", i, err)
		}
		if _, err := tk.Key("d1"); err != nil {
			t.Errorf("data key of log %d: %v", i, err)
		}
	}
	d, err = k.Destroy(t.Context(), []store.Destruction{{Tenant: tn, All: true}}, nil)
	must(t, err)
	if _, err := prior[0].Key("d1"); err != store.ErrKeyMissing {
		t.Errorf("the former log's data key after all went: %v, %+v", err, d)
	}
}
