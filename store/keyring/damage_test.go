package keyring_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"evidenced/evidence"
	"evidenced/store"
	"evidenced/store/keyring"
)

// A keyring of any bytes beside its wrapping key opens or is refused, and ends
// nothing.
func FuzzOpenKeyring(f *testing.F) {
	dir := f.TempDir()
	k, err := keyring.Open(dir)
	if err != nil {
		f.Fatal(err)
	}
	tn, err := evidence.ParseTenant("tenant-1")
	if err != nil {
		f.Fatal(err)
	}
	tk, err := k.Tenant(tn, true)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := tk.People([]store.Identity{{Realm: "github:prod", NativeID: "7"}}); err != nil {
		f.Fatal(err)
	}
	if err := k.Close(); err != nil {
		f.Fatal(err)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	whole, wrapping := read("keyring.db"), read("wrapping.key")
	f.Add(whole, 0, byte(0))
	f.Add(whole, 4096*4+8, byte(3))
	f.Add(whole[:4096*3], 20, byte(1))
	f.Add([]byte("no database"), 0, byte(0))
	f.Add([]byte{}, 0, byte(0))
	f.Fuzz(func(t *testing.T, content []byte, at int, x byte) {
		if at >= 0 && at < len(content) {
			content = bytes.Clone(content)
			content[at] ^= x
		}
		dir := t.TempDir()
		for name, b := range map[string][]byte{"keyring.db": content, "wrapping.key": wrapping} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		k, err := keyring.Open(dir)
		if err != nil {
			return
		}
		defer k.Close()
		if _, err := k.Tenants(); err != nil {
			return
		}
		tk, err := k.Tenant(tn, false)
		if err != nil {
			return
		}
		_, _ = tk.Key("d1")
		_, _ = tk.People([]store.Identity{{Realm: "github:prod", NativeID: "7"}, {Realm: "github:prod", NativeID: "8"}})
	})
}
