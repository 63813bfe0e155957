package chain_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

type logKey struct {
	note.Signer
	verifier string
}

func newLogKey(t testing.TB, name string) logKey {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return logKey{s, vkey}
}

// Each key verifies the sizes between its change and the next, no others, and a
// change counts only with the word of the key before.
func TestLogKeysBySize(t *testing.T) {
	a, b, c, other := newLogKey(t, "inst"), newLogKey(t, "inst"), newLogKey(t, "inst"), newLogKey(t, "elsewhere")
	ks, err := chain.NewLogKeys(a.verifier)
	if err != nil {
		t.Fatal(err)
	}
	if ks, err = ks.Change(9, a.verifier, b.verifier, false); err != nil {
		t.Fatal(err)
	}
	if ks, err = ks.Change(19, b.verifier, c.verifier, true); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name      string
		size      uint64
		by        []note.Signer
		ok        bool
		handsOver int // the key it hands over to, 0 for none
	}{
		{"old key before the change", 9, []note.Signer{a}, true, 0},
		{"new key before the change", 9, []note.Signer{b}, false, 0},
		{"old key at the change", 10, []note.Signer{a}, false, 0},
		{"new key alone at the change", 10, []note.Signer{b}, true, 0},
		{"both at the change", 10, []note.Signer{b, a}, true, 1},
		{"both, later", 15, []note.Signer{a, b}, true, 1},
		{"a key of another name", 15, []note.Signer{other}, false, 0},
		{"after a compromise, the new key alone", 20, []note.Signer{c}, true, 2},
		{"after a compromise, the broken key", 20, []note.Signer{b}, false, 0},
		{"after a compromise, the first key", 25, []note.Signer{a}, false, 0},
	} {
		cp := chain.Checkpoint{Origin: "inst/log", Size: tc.size, Root: evidence.Hash{1}}
		signed, err := cp.Sign(tc.by...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ks.Open(signed)
		if (err == nil) != tc.ok || err == nil && got != cp {
			t.Errorf("%s: %v, want it to open: %v", tc.name, err, tc.ok)
		}
		for i := range 4 {
			if _, err := ks.OpenHandover(signed, i); (err == nil) != (tc.handsOver != 0 && i == tc.handsOver) {
				t.Errorf("%s: hands over to key %d: %v", tc.name, i, err)
			}
		}
		if tc.ok {
			one, err := chain.OnlyBy(signed, ks.At(tc.size).Key)
			if err != nil || strings.Count(string(one), "\n— ") != 1 {
				t.Errorf("%s: by one key alone: %v\n%s", tc.name, err, one)
			}
			if got, err := ks.Open(one); err != nil || got != cp {
				t.Errorf("%s: by one key alone it does not open: %v", tc.name, err)
			}
		}
	}
	if _, err := chain.OnlyBy([]byte("x\n1\nAA==\n\n"), a.verifier); err == nil {
		t.Error("a note that the key did not sign is by it alone")
	}
	if _, err := (chain.LogKeys{}).Open(nil); err == nil {
		t.Error("no keys open a checkpoint")
	}
}

// A change that does not fit is refused, and leaves the keys as they were.
func TestLogKeyChangesRefused(t *testing.T) {
	a, b, c, other := newLogKey(t, "inst"), newLogKey(t, "inst"), newLogKey(t, "inst"), newLogKey(t, "elsewhere")
	first, err := chain.NewLogKeys(a.verifier)
	if err != nil {
		t.Fatal(err)
	}
	ks, err := first.Change(9, a.verifier, b.verifier, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name      string
		seq       uint64
		old, next string
	}{
		{"old key not in force", 20, a.verifier, c.verifier},
		{"old key unknown", 20, c.verifier, a.verifier},
		{"a key comes back", 20, b.verifier, a.verifier},
		{"no change", 20, b.verifier, b.verifier},
		{"before the change before", 8, b.verifier, c.verifier},
		{"another name", 20, b.verifier, other.verifier},
		{"no key", 20, b.verifier, "inst+00000000+AAAA"},
	} {
		if _, err := ks.Change(tc.seq, tc.old, tc.next, false); err == nil {
			t.Errorf("%s: it is taken", tc.name)
		}
	}
	if len(ks) != 2 || len(first) != 1 {
		t.Errorf("keys were changed in place: %v %v", first, ks)
	}
	if _, err := chain.NewLogKeys("nonsense"); err == nil {
		t.Error("a key that is none begins a log")
	}
	if k, ok := ks.Before(10); !ok || k.Key != a.verifier {
		t.Errorf("before size 10: %v", k)
	}
	if _, ok := ks.Before(9); ok {
		t.Error("a key before the first")
	}
}

// A key has one spelling: in another a replaced key could come back, and two texts
// that a person compares would be one key.
func TestKeysHaveOneSpelling(t *testing.T) {
	key := newLogKey(t, "inst").verifier
	for !strings.ContainsAny(key[len("inst+"):len("inst+")+8], "abcdef") { // a hash that can be written in capitals
		key = newLogKey(t, "inst").verifier
	}
	head, hash, body := key[:len("inst+")], key[len("inst+"):len("inst+")+8], key[len("inst+")+8:]
	next := newLogKey(t, "inst").verifier
	for name, again := range map[string]string{
		"capitals in the hash":      head + strings.ToUpper(hash) + body,
		"a line end in the key":     head + hash + body[:9] + "\n" + body[9:],
		"another line end":          head + hash + body + "\r\n",
		"a line end before the key": head + hash + "+\n" + body[1:],
	} {
		if _, err := note.NewVerifier(again); err != nil {
			t.Fatalf("%s: the library refuses it by itself: %v", name, err)
		}
		if _, err := chain.ParseKey(again); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := chain.NewLogKeys(again); err == nil {
			t.Errorf("%s: a log begins with it", name)
		}
		ks, err := chain.NewLogKeys(key)
		if err == nil {
			ks, err = ks.Change(9, key, next, true)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ks.Change(19, next, again, false); err == nil {
			t.Errorf("%s: the key that was given up comes back", name)
		}
	}
	if _, err := chain.ParseKey(key); err != nil {
		t.Error(err)
	}
}
