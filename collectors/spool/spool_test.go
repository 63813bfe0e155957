package spool

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"evidenced/collectors/spool/spooltest"
	"evidenced/evidence/problem"
)

func open(t testing.TB, dir, source, keyring string) *Lines {
	t.Helper()
	l, err := Open(dir, source, spooltest.Keyring(keyring))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// What one process sealed the next one opens; nobody else does.
func TestLines(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir, "vault/prod", "a")
	for _, line := range []string{"", "x", `{"user":"ines.okafor@example.org"}`, strings.Repeat("long ", 100_000)} {
		sealed, err := l.Seal([]byte("head:"), "known", []byte(line))
		if err != nil {
			t.Fatal(err)
		}
		sealed, ok := bytes.CutPrefix(sealed, []byte("head:"))
		if !ok || len(sealed) != Grown(len(line)) || bytes.ContainsAny(sealed, "\n\x1e{") {
			t.Errorf("a line of %d bytes became %d, want %d of base64", len(line), len(sealed), Grown(len(line)))
		}
		again, err := open(t, dir, "vault/prod", "a").Open("known", sealed)
		if err != nil || string(again) != line {
			t.Errorf("opened %q, %v, want %q", again, err, line)
		}
		if got, err := l.Open("unauthenticated", sealed); err == nil {
			t.Errorf("opened as a line of another stream: %q", got)
		}
		for i := 0; i < len(sealed); i += 1 + len(sealed)/50 {
			bad := bytes.Clone(sealed)
			bad[i] ^= 1
			if got, err := l.Open("known", bad); err == nil && !bytes.Equal(got, []byte(line)) {
				t.Errorf("opened a damaged line as %q", got)
			}
		}
		twice, err := l.Seal(nil, "known", []byte(line))
		if err != nil || bytes.Equal(twice, sealed) {
			t.Error("a line was sealed twice the same way")
		}
	}
	for _, bad := range []string{"", "x", "!!!", strings.Repeat("A", 47), "plain text of a log\n"} {
		if got, err := l.Open("known", []byte(bad)); err == nil {
			t.Errorf("opened %q as %q", bad, got)
		}
	}
}

func TestKey(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, "vault/prod", "a")
	fi, err := os.Stat(filepath.Join(dir, keyFile))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", fi, err)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("the folder holds %v, %v", names, err)
	}
	for name, try := range map[string]func() (*Lines, error){
		"another source":  func() (*Lines, error) { return Open(dir, "vault/other", spooltest.Keyring("a")) },
		"another keyring": func() (*Lines, error) { return Open(dir, "vault/prod", spooltest.Keyring("b")) },
	} {
		if _, err := try(); !problem.Is(err, problem.Corrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(dir, "vault/prod", nil); !problem.Is(err, problem.Config) {
		t.Errorf("no keyring: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, keyFile), make([]byte, maxKeyFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, "vault/prod", spooltest.Keyring("a")); err == nil {
		t.Error("a key of any size is read")
	}
}

// An epoch ends before random nonces of one key may meet.
func TestEpochs(t *testing.T) {
	l := open(t, t.TempDir(), "vault/prod", "a")
	first, err := l.Seal(nil, "s", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	l.written = maxLines
	epoch := l.epoch
	second, err := l.Seal(nil, "s", []byte("x"))
	if err != nil || l.epoch == epoch || l.written != 1 {
		t.Errorf("epoch %x after %x, %d lines, %v", l.epoch, epoch, l.written, err)
	}
	for range 2 * maxCiphers {
		l.written = maxLines
		if _, err := l.Seal(nil, "s", nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range [][]byte{first, second} {
		if got, err := l.Open("s", b); err != nil || string(got) != "x" {
			t.Errorf("an old epoch: %q, %v", got, err)
		}
	}
	if len(l.ciphers) > maxCiphers {
		t.Errorf("%d ciphers are kept", len(l.ciphers))
	}
}

func TestWholeLines(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "half": "", "one\n": "one\n", "one\nhalf": "one\n",
		"one\n" + strings.Repeat("x", 200<<10): "one\n", strings.Repeat("x", 200<<10): "",
		strings.Repeat("y", 100<<10) + "\n" + strings.Repeat("x", 70<<10): strings.Repeat("y", 100<<10) + "\n",
	} {
		path := filepath.Join(t.TempDir(), "f")
		err := os.WriteFile(path, []byte(in), 0o600)
		f, err2 := os.OpenFile(path, os.O_RDWR, 0)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		n, err := WholeLines(f)
		f.Close()
		got, err2 := os.ReadFile(path)
		if err != nil || err2 != nil || string(got) != want || n != int64(len(want)) {
			t.Errorf("%d bytes: %d are left and said %d, want %d (%v, %v)", len(in), len(got), n, len(want), err, err2)
		}
	}
}

func FuzzOpen(f *testing.F) {
	l := open(f, f.TempDir(), "vault/prod", "a")
	good, err := l.Seal(nil, "s", []byte("x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(""))
	f.Add([]byte("AAAA"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := l.Open("s", b); err == nil && string(got) != "x" {
			t.Errorf("%q opens as %q", b, got)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	l := open(b, b.TempDir(), "vault/prod", "a")
	line := bytes.Repeat([]byte("x"), 1500)
	var buf []byte
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = l.Seal(buf[:0], "s", line); err != nil {
			b.Fatal(err)
		}
		if _, err := l.Open("s", buf); err != nil {
			b.Fatal(err)
		}
	}
}
