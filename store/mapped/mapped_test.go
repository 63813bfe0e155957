package mapped_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"evidenced/evidence/problem"
	"evidenced/store/mapped"
)

const pageSize = 4096

func options() *bbolt.Options {
	return &bbolt.Options{PageSize: pageSize, NoSync: true, FreelistType: bbolt.FreelistMapType}
}

func open(t testing.TB, path string) *mapped.DB {
	t.Helper()
	db, err := mapped.Open(path, options())
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// file makes a file of many pages: two levels of branches.
func file(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path)
	for i := range 5 {
		if err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("b"))
			for j := range 100 {
				if err == nil {
					err = b.Put(fmt.Appendf(nil, "%06d", i*100+j), make([]byte, 200))
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// use opens the file, walks all keys, writes one and closes it; it returns the
// first error.
func use(path string) error {
	db, err := mapped.Open(path, options())
	if err != nil {
		return err
	}
	err = db.View(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("b"))
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, v []byte) error {
			if len(v) != 200 {
				return fmt.Errorf("%s has %d bytes", k, len(v))
			}
			return nil
		})
	})
	if err == nil {
		err = db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			return b.Put([]byte("zz"), nil)
		})
	}
	return errors.Join(err, db.Close())
}

// Every page in turn is zeroed, or says that it is another page, another kind
// of page, or that its contents lie far outside: the process lives.
func TestDamagedPages(t *testing.T) {
	path := file(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// A page begins with its number (8 bytes), flags (2), count of elements (2)
	// and count of overflow pages (4); of a leaf's element the key's place, in
	// bytes from the element, stands in the 4 bytes after its flags.
	harm := map[string]func(page []byte){
		"zeroed":       func(p []byte) { clear(p) },
		"other number": func(p []byte) { p[0] ^= 0x40 },
		"other kind":   func(p []byte) { p[8] ^= 0x03 },
		"many items":   func(p []byte) { binary.NativeEndian.PutUint16(p[10:], 0xffff) },
		"overflow":     func(p []byte) { binary.NativeEndian.PutUint32(p[12:], 1<<30) },
		"far away":     func(p []byte) { binary.NativeEndian.PutUint32(p[20:], 1<<31) },
	}
	found := 0
	for name, do := range harm {
		for at := 0; at < len(whole); at += pageSize {
			b := append([]byte(nil), whole...)
			do(b[at : at+pageSize])
			broken := filepath.Join(t.TempDir(), "b.db")
			if err := os.WriteFile(broken, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := use(broken); problem.Is(err, problem.Corrupt) {
				found++
			} else if name == "zeroed" && at >= 2*pageSize && err != nil {
				t.Errorf("%s page %d: %v", name, at/pageSize, err)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d damages ended in a problem of code corrupt: the test tests nothing", found)
	}
}

// A file that lacks its end faults where bbolt reads on.
func TestCutFile(t *testing.T) {
	path := file(t)
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, st.Size()/8/pageSize*pageSize); err != nil {
		t.Fatal(err)
	}
	if err := use(path); !problem.Is(err, problem.Corrupt) {
		t.Errorf("got %v, want corrupt", err)
	}
}

// What the caller's own code does wrong is not the file's damage, and the file
// can be closed after it.
func TestOutside(t *testing.T) {
	db := open(t, file(t))
	func() {
		defer func() {
			if p := recover(); p != "mine" {
				t.Errorf("got panic %v, want mine", p)
			}
		}()
		_ = db.View(func(*bbolt.Tx) error { return mapped.Outside(func() error { panic("mine") }) })
	}()
	if err := db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("b")).Put([]byte("k"), nil) }); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// An error is handed on as it is.
func TestErrorsAreHandedOn(t *testing.T) {
	db := open(t, file(t))
	defer db.Close()
	mine := errors.New("mine")
	if err := db.View(func(*bbolt.Tx) error { return mine }); err != mine {
		t.Errorf("view: got %v", err)
	}
	if err := db.Update(func(*bbolt.Tx) error { return mine }); err != mine {
		t.Errorf("update: got %v", err)
	}
	if _, err := mapped.Open(filepath.Join(t.TempDir(), "c.db"), &bbolt.Options{NoFreelistSync: true}); err == nil {
		t.Error("a file without a free list is opened")
	}
}

// Arbitrary bytes open, or do not, and end nothing.
func FuzzOpen(f *testing.F) {
	path := file(f)
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole[:pageSize*6])
	f.Add(whole[:100])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		p := filepath.Join(t.TempDir(), "f.db")
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = use(p)
	})
}
