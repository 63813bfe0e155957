package claim_test

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"evidenced/evidence"
	"evidenced/evidence/claim"
)

const origin = "00112233445566aa/8899aabbccddee00"

func key(seed string) []byte {
	h := sha256.Sum256([]byte("vectors: " + seed))
	return h[:]
}

func recordID(seed string) evidence.ID {
	h := sha256.Sum256([]byte(seed))
	return evidence.ID(h[:16])
}

func newCipher(t testing.TB, ids ...string) *claim.Cipher {
	t.Helper()
	var keys [][]byte
	for _, id := range ids {
		keys = append(keys, key(id))
	}
	c, err := claim.NewCipher(ids, keys)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What follows is the package's comment written down once more, to hold the
// code against.

func lp(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

func plainCommit(name string, salt, plain []byte) evidence.Hash {
	m := hmac.New(sha256.New, salt)
	m.Write(lp(name))
	m.Write(binary.BigEndian.AppendUint64(nil, uint64(len(plain))))
	m.Write(plain)
	return evidence.Hash(m.Sum(nil))
}

func plainKey(t testing.TB, ids []string) []byte {
	var in []byte
	for _, id := range ids {
		in = append(in, key(id)...)
	}
	k, err := hkdf.Key(sha256.New, in, nil, "evidenced/claim/v1", 32)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func plainAEAD(t testing.TB, ids []string) cipher.AEAD {
	block, err := aes.NewCipher(plainKey(t, ids))
	if err != nil {
		t.Fatal(err)
	}
	g, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func plainAAD(id evidence.ID, name string, ids []string) []byte {
	return lp(append([]string{"evidenced/claim/v1", origin, string(id[:]), name}, ids...)...)
}

// sealBy encrypts any inner bytes, also such as Seal would never make.
func sealBy(t testing.TB, id evidence.ID, name string, ids []string, inner []byte) []byte {
	nonce := make([]byte, 12)
	rand.Read(nonce)
	return plainAEAD(t, ids).Seal(nonce, nonce, inner, plainAAD(id, name, ids))
}

func TestSealIsWhatIsWritten(t *testing.T) {
	ids := []string{"d1", "pAAAA", "pBBBB"}
	id := recordID("record")
	for _, n := range []int{0, 1, 4096, 4097, 200_000} {
		plain := bytes.Repeat([]byte("evidence "), n/9+1)[:n]
		s, err := newCipher(t, ids...).Seal(origin, id, "text", plain)
		if err != nil {
			t.Fatal(err)
		}
		if s.Hash != sha256.Sum256(s.Ciphertext) {
			t.Errorf("%d bytes: hash of the ciphertext", n)
		}
		inner, err := plainAEAD(t, ids).Open(nil, s.Ciphertext[:12], s.Ciphertext[12:], plainAAD(id, "text", ids))
		if err != nil {
			t.Fatalf("%d bytes: opened by the description: %v", n, err)
		}
		body := inner[33:]
		if n > 4096 {
			if inner[0] != 1 || len(body) >= n {
				t.Errorf("%d bytes: not compressed (flag %d, %d bytes)", n, inner[0], len(body))
			}
			var out bytes.Buffer
			if _, err := out.ReadFrom(flate.NewReader(bytes.NewReader(body))); err != nil {
				t.Fatal(err)
			}
			body = out.Bytes()
		} else if inner[0] != 0 {
			t.Errorf("%d bytes: flag %d", n, inner[0])
		}
		if !bytes.Equal(body, plain) {
			t.Errorf("%d bytes: other plaintext", n)
		}
		if got := plainCommit("text", inner[1:33], plain); got != s.Commit {
			t.Errorf("%d bytes: commitment %s, want %s", n, s.Commit, got)
		}
	}
}

func TestSaltsAndNoncesDiffer(t *testing.T) {
	c := newCipher(t, "d1")
	seen := map[string]bool{}
	for range 200 {
		s, err := c.Seal(origin, recordID("r"), "content", []byte("same"))
		if err != nil {
			t.Fatal(err)
		}
		if seen[string(s.Ciphertext[:12])] || seen[s.Commit.String()] {
			t.Fatal("the same nonce or salt twice")
		}
		seen[string(s.Ciphertext[:12])], seen[s.Commit.String()] = true, true
	}
}

func TestOpenRefuses(t *testing.T) {
	ids := []string{"d1", "pAAAA"}
	id := recordID("record")
	c := newCipher(t, ids...)
	plain := []byte(`{"subject":"change:prod/acme/web!7"}`)
	s, err := c.Seal(origin, id, "content", plain)
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.Open(origin, id, "content", s.Ciphertext, s.Commit)
	if err != nil || !bytes.Equal(o.Plain, plain) || o.Check("content", s.Commit) != nil {
		t.Fatalf("open: %q, %v", o.Plain, err)
	}
	flip := func(i int) []byte {
		b := bytes.Clone(s.Ciphertext)
		b[i] ^= 1
		return b
	}
	swapped, err := claim.NewCipher(ids, [][]byte{key("pAAAA"), key("d1")})
	if err != nil {
		t.Fatal(err)
	}
	sameKeysOtherIDs, err := claim.NewCipher([]string{"d1", "pBBBB"}, [][]byte{key("d1"), key("pAAAA")})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		why    string
		c      *claim.Cipher
		origin string
		id     evidence.ID
		name   string
		b      []byte
	}{
		{"another key", newCipher(t, "d1", "pBBBB"), origin, id, "content", s.Ciphertext},
		{"the data key alone", newCipher(t, "d1"), origin, id, "content", s.Ciphertext},
		{"the keys in another order", swapped, origin, id, "content", s.Ciphertext},
		{"the keys under other ids", sameKeysOtherIDs, origin, id, "content", s.Ciphertext},
		{"another record", c, origin, recordID("other"), "content", s.Ciphertext},
		{"another claim name", c, origin, id, "text", s.Ciphertext},
		{"another log", c, origin + "0", id, "content", s.Ciphertext},
		{"name and origin shifted", c, origin[:len(origin)-1], id, "0content", s.Ciphertext},
		{"a flipped byte of the nonce", c, origin, id, "content", flip(0)},
		{"a flipped byte of the salt", c, origin, id, "content", flip(13)},
		{"a flipped byte of the body", c, origin, id, "content", flip(50)},
		{"a flipped byte of the tag", c, origin, id, "content", flip(len(s.Ciphertext) - 1)},
		{"a cut ciphertext", c, origin, id, "content", s.Ciphertext[:len(s.Ciphertext)-1]},
		{"a nonce alone", c, origin, id, "content", s.Ciphertext[:12]},
		{"nothing", c, origin, id, "content", nil},
	} {
		if o, err := tc.c.Open(tc.origin, tc.id, tc.name, tc.b, s.Commit); err == nil || o.Plain != nil {
			t.Errorf("%s: opened as %q (%v)", tc.why, o.Plain, err)
		}
	}
	other := s.Commit
	other[0] ^= 1
	if _, err := c.Open(origin, id, "content", s.Ciphertext, other); !errors.Is(err, claim.ErrCommitment) {
		t.Errorf("another commitment: %v", err)
	}
}

// A key holder who seals what Seal never makes gains nothing.
func TestOpenRefusesForged(t *testing.T) {
	ids, id := []string{"d1"}, recordID("record")
	c := newCipher(t, ids...)
	salt := key("salt")
	deflate := func(plain []byte) []byte {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, flate.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = w.Write(plain); err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	bomb := deflate(make([]byte, claim.MaxPlain+1))
	most := deflate(make([]byte, claim.MaxPlain))
	if len(bomb) > 8<<10 {
		t.Fatalf("bomb of %d bytes", len(bomb))
	}
	for _, tc := range []struct {
		why   string
		inner []byte
		plain []byte
		ok    bool
	}{
		{"the largest plaintext", slices.Concat([]byte{1}, salt, most), make([]byte, claim.MaxPlain), true},
		{"a bomb of one byte more", slices.Concat([]byte{1}, salt, bomb), make([]byte, claim.MaxPlain+1), false},
		{"an unknown flag", slices.Concat([]byte{2}, salt, []byte("x")), []byte("x"), false},
		{"a cut stream", slices.Concat([]byte{1}, salt, most[:len(most)-1]), make([]byte, claim.MaxPlain), false},
		{"no stream at all", slices.Concat([]byte{1}, salt, []byte("not deflate")), []byte("not deflate"), false},
		{"the commitment of another text", slices.Concat([]byte{0}, salt, []byte("x")), []byte("y"), false},
	} {
		ct := sealBy(t, id, "raw", ids, tc.inner)
		_, err := c.Open(origin, id, "raw", ct, plainCommit("raw", salt, tc.plain))
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.why, err)
		}
	}
}

func TestSealRefuses(t *testing.T) {
	if _, err := newCipher(t, "d1").Seal(origin, evidence.ID{}, "raw", make([]byte, claim.MaxPlain+1)); err == nil {
		t.Error("a plaintext above the limit is sealed")
	}
	for _, tc := range []struct {
		ids  []string
		keys [][]byte
	}{{nil, nil}, {[]string{"d1"}, nil}, {[]string{"d1"}, [][]byte{key("a"), key("b")}}, {[]string{"d1"}, [][]byte{key("a")[:31]}}, {[]string{"d1"}, [][]byte{nil}}} {
		if _, err := claim.NewCipher(tc.ids, tc.keys); err == nil {
			t.Errorf("a cipher of ids %q with %d keys", tc.ids, len(tc.keys))
		}
	}
}

func TestSealOpenAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.StringMatching(`[a-z0-9]{1,10}`), 1, 4).Draw(t, "ids")
		var keys [][]byte
		for _, id := range ids {
			keys = append(keys, key(id))
		}
		c, err := claim.NewCipher(ids, keys)
		if err != nil {
			t.Fatal(err)
		}
		plain := rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		if rapid.Bool().Draw(t, "long") {
			plain = bytes.Repeat(plain, 5000/(len(plain)+1))
		}
		name := rapid.SampledFrom([]string{"content", "text", "raw"}).Draw(t, "name")
		id := evidence.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		s, err := c.Seal(origin, id, name, plain)
		if err != nil {
			t.Fatal(err)
		}
		o, err := c.Open(origin, id, name, s.Ciphertext, s.Commit)
		if err != nil || !bytes.Equal(o.Plain, plain) {
			t.Fatalf("opened %q (%v), want %q", o.Plain, err, plain)
		}
		i := rapid.IntRange(0, len(s.Ciphertext)-1).Draw(t, "byte")
		s.Ciphertext[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := c.Open(origin, id, name, s.Ciphertext, s.Commit); err == nil {
			t.Fatalf("byte %d is flipped, and it opens", i)
		}
	})
}

// The commitment separates name, length and bytes.
func TestCommitSeparates(t *testing.T) {
	salt := [claim.SaltSize]byte(key("salt"))
	seen := map[evidence.Hash]string{}
	for _, v := range [][2]string{{"content", ""}, {"text", ""}, {"raw", ""}, {"raw", "x"}, {"rawx", ""}, {"", "rawx"}, {"content", strings.Repeat("\x00", 8)}} {
		h := claim.Commit(v[0], salt, []byte(v[1]))
		if h != plainCommit(v[0], salt[:], []byte(v[1])) {
			t.Errorf("commitment of %q, %q is not the described one", v[0], v[1])
		}
		if before, ok := seen[h]; ok {
			t.Errorf("%q and %s share a commitment", v, before)
		}
		seen[h] = strings.Join(v[:], ", ")
	}
}

func FuzzOpen(f *testing.F) {
	c, id := newCipher(f, "d1"), recordID("record")
	s, err := c.Seal(origin, id, "content", []byte("{}"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Ciphertext, "content")
	f.Add(s.Ciphertext[:40], "text")
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		o, err := c.Open(origin, id, name, b, s.Commit)
		if err == nil && (!bytes.Equal(b, s.Ciphertext) || name != "content") {
			t.Fatalf("%q opens %x as %q", name, b, o.Plain)
		}
	})
}

func BenchmarkSeal1K(b *testing.B) {
	c, id := newCipher(b, "d1"), recordID("record")
	plain := bytes.Repeat([]byte{'a'}, 1<<10)
	b.SetBytes(1 << 10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Seal(origin, id, "content", plain); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen1K(b *testing.B) {
	c, id := newCipher(b, "d1"), recordID("record")
	s, err := c.Seal(origin, id, "content", bytes.Repeat([]byte{'a'}, 1<<10))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(1 << 10)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Open(origin, id, "content", s.Ciphertext, s.Commit); err != nil {
			b.Fatal(err)
		}
	}
}

// A Checker accepts what Open accepts, whatever it has checked before.
func TestCheckerAgreesWithOpen(t *testing.T) {
	c, id := newCipher(t, "d1", "p1"), recordID("1")
	var k claim.Checker
	good := 0
	for _, plain := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("text "), 300), bytes.Repeat([]byte("deflated "), 1000), []byte("short again")} {
		s, err := c.Seal(origin, id, "text", plain)
		if err != nil {
			t.Fatal(err)
		}
		type try struct {
			name       string
			ciphertext []byte
			commit     evidence.Hash
			id         evidence.ID
		}
		tries := []try{
			{"text", s.Ciphertext, s.Commit, id}, {"raw", s.Ciphertext, s.Commit, id}, {"text", s.Ciphertext, s.Hash, id},
			{"text", s.Ciphertext, s.Commit, recordID("2")}, {"text", s.Ciphertext[:44], s.Commit, id}, {"text", nil, s.Commit, id},
		}
		for i := 0; i < len(s.Ciphertext); i += 7 {
			flipped := bytes.Clone(s.Ciphertext)
			flipped[i] ^= 0x10
			tries = append(tries, try{"text", flipped, s.Commit, id})
		}
		for _, x := range tries {
			_, want := c.Open(origin, x.id, x.name, x.ciphertext, x.commit)
			got := k.Check(c, origin, x.id, x.name, x.ciphertext, x.commit)
			if (want == nil) != (got == nil) || want != nil && want.Error() != got.Error() {
				t.Errorf("%d bytes as %s: Check says %v, Open %v", len(x.ciphertext), x.name, got, want)
			}
			if got == nil {
				good++
			}
		}
	}
	if good != 5 {
		t.Errorf("%d accepted, want 5", good)
	}
}

// A buffer is used when it is large enough, whatever it held before.
func TestSealTo(t *testing.T) {
	c, id := newCipher(t, "d1"), recordID("record")
	var buf []byte
	for _, n := range []int{0, 900, 1, 899, 20_000, 3} {
		plain := bytes.Repeat([]byte{'e'}, n)
		s, err := c.SealTo(buf, origin, id, "content", plain)
		if err != nil {
			t.Fatal(err)
		}
		if fits := cap(buf) >= len(s.Ciphertext); fits && &buf[:1][0] != &s.Ciphertext[0] {
			t.Errorf("%d bytes: a buffer of %d is not used for %d", n, cap(buf), len(s.Ciphertext))
		}
		o, err := c.Open(origin, id, "content", s.Ciphertext, s.Commit)
		if err != nil || !bytes.Equal(o.Plain, plain) || s.Hash != sha256.Sum256(s.Ciphertext) {
			t.Errorf("%d bytes: opened as %d bytes, %v", n, len(o.Plain), err)
		}
		buf = s.Ciphertext
	}
}
