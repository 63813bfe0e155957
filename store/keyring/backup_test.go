package keyring

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"evidenced/evidence/problem"
	"evidenced/store"
)

const passphrase = "correct horse battery staple"

func TestBackupAndRestore(t *testing.T) {
	dir, back := t.TempDir(), filepath.Join(t.TempDir(), "keys")
	k := open(t, Options{Dir: dir, Create: true})
	if _, err := OpenSigner(filepath.Join(dir, "log.key"), "example", true); err != nil {
		t.Fatal(err)
	}
	a := ringOf(t, k, "tenant-1")
	p := person(t, a, mira)
	_, data, err := a.DataKey(1)
	must(t, err)
	for i := range 2000 { // several chunks
		person(t, a, store.Identity{Realm: "r", NativeID: string(rune('a'+i%26)) + string(rune(0x100+i))})
	}
	small, err := k.Seal("cursor/x", []byte("resume"))
	must(t, err)
	var b bytes.Buffer
	must(t, k.Backup(&b, passphrase))
	if bytes.Contains(b.Bytes(), p.Key) || bytes.Contains(b.Bytes(), []byte("tenant-1")) || b.Len() < 3*chunkSize {
		t.Errorf("the backup of %d bytes is not sealed, or too small to try the chunks", b.Len())
	}
	must(t, Restore(t.Context(), bytes.NewReader(b.Bytes()), passphrase, back, nil))
	r := open(t, Options{Dir: back})
	ra := ringOf(t, r, "tenant-1")
	if got := person(t, ra, mira); got.Token != p.Token || !bytes.Equal(got.Key, p.Key) || ra.LogID() != a.LogID() {
		t.Error("the restored keyring has another person")
	}
	if _, got, err := ra.DataKey(1); err != nil || !bytes.Equal(got, data) {
		t.Errorf("the restored data key: %v", err)
	}
	if got, err := r.Open("cursor/x", small); err != nil || string(got) != "resume" {
		t.Errorf("small value: %q, %v", got, err)
	}
	one, err := os.ReadFile(filepath.Join(dir, "log.key"))
	must(t, err)
	two, err := os.ReadFile(filepath.Join(back, "log.key"))
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("the restored signing key: %v", err)
	}
	if err := Restore(t.Context(), bytes.NewReader(b.Bytes()), passphrase, back, nil); !problem.Is(err, problem.Refused) {
		t.Errorf("over another keyring: %v", err)
	}
	if err := k.Backup(io.Discard, "short"); !problem.Is(err, problem.Usage) {
		t.Errorf("a short passphrase: %v", err)
	}
}

func TestDamagedBackups(t *testing.T) {
	k := open(t, Options{Dir: t.TempDir(), Create: true})
	a := ringOf(t, k, "tenant-1")
	for i := range 1500 {
		person(t, a, store.Identity{Realm: "r", NativeID: string(rune(0x100 + i))})
	}
	var b bytes.Buffer
	must(t, k.Backup(&b, passphrase))
	head := len(backupMagic) + saltSize
	sealed := chunkSize + 16
	for _, tc := range []struct {
		what string
		pass string
		make func(b []byte) []byte
	}{
		{"another passphrase", "another one, long enough", func(b []byte) []byte { return b }},
		{"cut at a chunk's end", passphrase, func(b []byte) []byte { return b[:head+2*sealed] }},
		{"cut in a chunk", passphrase, func(b []byte) []byte { return b[:head+sealed+100] }},
		{"nothing after the head", passphrase, func(b []byte) []byte { return b[:head] }},
		{"chunks changed about", passphrase, func(b []byte) []byte {
			return append(append(append(bytes.Clone(b[:head]), b[head+sealed:head+2*sealed]...), b[head:head+sealed]...), b[head+2*sealed:]...)
		}},
		{"a bit", passphrase, func(b []byte) []byte { b[head+sealed+5] ^= 1; return b }},
		{"a byte too many", passphrase, func(b []byte) []byte { return append(b, 0) }},
		{"another file", passphrase, func([]byte) []byte { return bytes.Repeat([]byte("x"), 100) }},
		{"nothing", passphrase, func([]byte) []byte { return nil }},
	} {
		t.Run(tc.what, func(t *testing.T) {
			dir := t.TempDir()
			err := Restore(t.Context(), bytes.NewReader(tc.make(bytes.Clone(b.Bytes()))), tc.pass, dir, nil)
			if !problem.Is(err, problem.Refused) && !problem.Is(err, problem.Corrupt) {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, File)); err == nil {
				t.Error("a keyring was written all the same")
			}
		})
	}
}

// Whatever stands in a backup that opens, reading it ends, with an error or
// with lines of the known forms.
func FuzzBackupLines(f *testing.F) {
	f.Add([]byte(`{"b":"tenant","k":"AA==","v":"e30="}` + "\n" + `{"f":"log.key","v":""}` + "\n"))
	f.Add([]byte(`{"f":"../log.key","v":""}` + "\n"))
	f.Add([]byte("{}\n\n"))
	f.Add(bytes.Repeat([]byte("a"), 5000))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = readBackup(bufio.NewReaderSize(bytes.NewReader(b), 64), func(l backupLine) error {
			if l.File != "" && l.File != "log.key" && l.File != "pack.key" {
				t.Errorf("file %q", l.File)
			}
			if l.File == "" && (l.Bucket == "" || len(l.Name) == 0) {
				t.Errorf("line %+v", l)
			}
			return nil
		}, func() error { return nil })
	})
}

// A backup is opened to what was sealed, or not at all.
func FuzzBackupChunks(f *testing.F) {
	aead, err := newAEAD(bytes.Repeat([]byte{3}, 32))
	must(f, err)
	f.Add([]byte{}, 0, byte(0))
	f.Add(bytes.Repeat([]byte("abc"), 40000), 70000, byte(1))
	f.Fuzz(func(t *testing.T, plain []byte, at int, flip byte) {
		var b bytes.Buffer
		w := &chunkWriter{w: &b, aead: aead}
		if _, err := w.Write(plain); err != nil {
			t.Fatal(err)
		}
		must(t, w.Close())
		sealed := b.Bytes()
		if at = max(at, -at); flip != 0 && at >= 0 {
			sealed[at%len(sealed)] ^= flip
		}
		got, err := io.ReadAll(&chunkReader{r: bytes.NewReader(sealed), aead: aead})
		if changed := flip != 0 && at >= 0; changed == (err == nil) || err == nil && !bytes.Equal(got, plain) {
			t.Errorf("changed %v: %d bytes of %d, %v", changed, len(got), len(plain), err)
		}
	})
}
