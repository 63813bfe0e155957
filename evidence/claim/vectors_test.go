package claim_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
	"evidenced/evidence/claim"
	"evidenced/evidence/evidencetest"
)

// Salts and nonces are random, so the file is written once, with -update, and
// from then on only read.

const vectorPath = "../../testdata/vectors/claims.json"

type vectorKey struct {
	ID  string `json:"id"`
	Key string `json:"key"` // hex
}

type sealVector struct {
	Name       string        `json:"name"`
	Origin     string        `json:"origin"`
	ID         evidence.ID   `json:"id"`
	Claim      string        `json:"claim"`
	Keys       []vectorKey   `json:"keys"`
	Derived    string        `json:"derived_key"` // hex
	AAD        string        `json:"aad"`         // hex
	Salt       []byte        `json:"salt"`
	Plain      []byte        `json:"plain"`
	Flag       int           `json:"flag"`
	Commit     evidence.Hash `json:"commit"`
	Sealed     evidence.Hash `json:"sealed"`
	Ciphertext []byte        `json:"ciphertext"`
}

type sealRefused struct {
	Why        string        `json:"why"`
	Of         string        `json:"of"` // the good vector that the rest is taken from
	ID         evidence.ID   `json:"id"`
	Claim      string        `json:"claim"`
	Keys       []vectorKey   `json:"keys"`
	Commit     evidence.Hash `json:"commit"`
	Ciphertext []byte        `json:"ciphertext"`
}

type sealVectors struct {
	Good    []sealVector  `json:"good"`
	Refused []sealRefused `json:"refused"`
}

func makeVectors(t *testing.T) sealVectors {
	var v sealVectors
	for _, g := range []struct {
		name, claim string
		ids         []string
		plain       string
	}{
		{"content under the data key", "content", []string{"d1"}, `{"key":"7","subject":"change:prod/acme/web!7","facts":{"number":7}}`},
		{"text under the keys of all people", "text", []string{"d1", "pAAAAAAAAAAAAAAAAAAAAAA", "pAQEBAQEBAQEBAQEBAQEBAQ"}, "fix the door\n\nNobody could get in.\n"},
		{"an empty plaintext", "raw", []string{"d2"}, ""},
		{"compressed above 4 KiB", "raw", []string{"d2"}, strings.Repeat("x", 4097)},
		{"not compressed at 4 KiB", "raw", []string{"d2"}, strings.Repeat("x", 4096)},
	} {
		id := recordID(g.name)
		s, err := newCipher(t, g.ids...).Seal(origin, id, g.claim, []byte(g.plain))
		if err != nil {
			t.Fatal(err)
		}
		inner, err := plainAEAD(t, g.ids).Open(nil, s.Ciphertext[:12], s.Ciphertext[12:], plainAAD(id, g.claim, g.ids))
		if err != nil {
			t.Fatal(err)
		}
		x := sealVector{
			Name: g.name, Origin: origin, ID: id, Claim: g.claim, Derived: hex.EncodeToString(plainKey(t, g.ids)),
			AAD: hex.EncodeToString(plainAAD(id, g.claim, g.ids)), Salt: inner[1:33], Plain: []byte(g.plain), Flag: int(inner[0]),
			Commit: s.Commit, Sealed: s.Hash, Ciphertext: s.Ciphertext,
		}
		for _, id := range g.ids {
			x.Keys = append(x.Keys, vectorKey{id, hex.EncodeToString(key(id))})
		}
		v.Good = append(v.Good, x)
	}
	bad := func(why string, edit func(*sealRefused)) {
		g := v.Good[0]
		x := sealRefused{why, g.Name, g.ID, g.Claim, g.Keys, g.Commit, bytes.Clone(g.Ciphertext)}
		edit(&x)
		v.Refused = append(v.Refused, x)
	}
	bad("another key", func(x *sealRefused) { x.Keys = []vectorKey{{"d1", hex.EncodeToString(key("d9"))}} })
	bad("the key under another id", func(x *sealRefused) { x.Keys = []vectorKey{{"d9", x.Keys[0].Key}} })
	bad("another record", func(x *sealRefused) { x.ID = recordID("other") })
	bad("another claim name", func(x *sealRefused) { x.Claim = "text" })
	bad("a flipped byte", func(x *sealRefused) { x.Ciphertext[60] ^= 1 })
	bad("another commitment", func(x *sealRefused) { x.Commit[31] ^= 1 })
	return v
}

func cipherOf(t *testing.T, keys []vectorKey) *claim.Cipher {
	var ids []string
	var ks [][]byte
	for _, k := range keys {
		b, err := hex.DecodeString(k.Key)
		if err != nil {
			t.Fatal(err)
		}
		ids, ks = append(ids, k.ID), append(ks, b)
	}
	c, err := claim.NewCipher(ids, ks)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClaimVectors(t *testing.T) {
	if evidencetest.Updating() {
		b, err := json.MarshalIndent(makeVectors(t), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorPath, append(b, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(vectorPath)
	if err != nil {
		t.Fatal(err)
	}
	var v sealVectors
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if len(v.Good) < 5 || len(v.Refused) < 6 {
		t.Fatalf("%d good and %d refused vectors", len(v.Good), len(v.Refused))
	}
	for _, g := range v.Good {
		o, err := cipherOf(t, g.Keys).Open(g.Origin, g.ID, g.Claim, g.Ciphertext, g.Commit)
		if err != nil {
			t.Errorf("%s: %v", g.Name, err)
			continue
		}
		if d := cmp.Diff(g.Plain, o.Plain, cmp.Transformer("text", func(b []byte) string { return string(b) })); d != "" || !bytes.Equal(g.Salt, o.Salt[:]) {
			t.Errorf("%s (-want +got):\n%s", g.Name, d)
		}
	}
	for _, x := range v.Refused {
		if o, err := cipherOf(t, x.Keys).Open(origin, x.ID, x.Claim, x.Ciphertext, x.Commit); err == nil {
			t.Errorf("%s: opened as %q", x.Why, o.Plain)
		}
	}
}
