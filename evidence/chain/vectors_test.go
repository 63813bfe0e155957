package chain_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
	"evidenced/evidence/evidencetest"
)

// The published vectors stand in testdata/vectors. Everything in them but the
// random salts and nonces of claims.json (see package claim) is made here from
// fixed inputs, and compared with what stands in the files.

const (
	vectorDir = "../../testdata/vectors"
	vOrigin   = "00112233445566aa/8899aabbccddee00"
)

func vectorFile(t testing.TB, name string, v any) {
	t.Helper()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(vectorDir, name)
	if evidencetest.Updating() {
		if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(have), buf.String()); d != "" {
		t.Errorf("%s is not what the code makes (-file +code):\n%s", name, d)
	}
}

func fixedHash(s string) evidence.Hash { return sha256.Sum256([]byte(s)) }

func fixedID(s string) evidence.ID {
	h := sha256.Sum256([]byte(s))
	return evidence.ID(h[:16])
}

// fixedKey makes a note key of a name from a seed that is no secret.
func fixedKey(t testing.TB, name, seed string) (note.Signer, string) {
	t.Helper()
	h := sha256.Sum256([]byte(seed))
	priv := ed25519.NewKeyFromSeed(h[:])
	vkey, err := note.NewEd25519VerifierKey(name, priv.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	hash := strings.Split(vkey, "+")[1]
	s, err := note.NewSigner("PRIVATE+KEY+" + name + "+" + hash + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, h[:]...)))
	if err != nil {
		t.Fatal(err)
	}
	return s, vkey
}

func at(s string) time.Time {
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return v
}

// leastLeaf has no optional field.
func leastLeaf() *chain.Leaf {
	return &chain.Leaf{
		Origin: vOrigin, Seq: 1, Prev: fixedHash("prev"), ID: fixedID("id"), Kind: evidence.ChangeMerge, Version: 1,
		Op: evidence.OpEvent, Source: "github/prod", Run: fixedID("run"),
		Occurred: at("2026-11-14T13:57:02Z"), Basis: evidence.BasisSource,
		Observed: at("2026-11-14T14:00:00.25Z"), Recorded: at("2026-11-14T14:00:00.250001Z"),
		Claims: []chain.Claim{{Name: "content", Commit: fixedHash("commit"), Sealed: fixedHash("sealed"), Size: 412, Keys: []string{"d1"}}},
	}
}

// fullLeaf has every optional field.
func fullLeaf() *chain.Leaf {
	l := leastLeaf()
	l.Seq, l.Op, l.Basis, l.Version = 1<<53-1, evidence.OpAmend, evidence.BasisObserved, 65536
	l.NotBefore = at("2026-11-14T13:50:00.123456789Z")
	p := fixedID("person")
	l.People = []evidence.Party{
		{Role: evidence.RoleAuthor, Token: p, Proof: evidence.ProofClaimed},
		{Role: evidence.RoleMerger, Token: fixedID("other"), Proof: evidence.ProofAuthenticated},
		{Role: evidence.RoleTagger, Token: p, Proof: evidence.ProofSigned},
	}
	keys := []string{"d1", "p" + p.String(), "p" + fixedID("other").String()}
	l.Claims = append(l.Claims,
		chain.Claim{Name: "text", Commit: fixedHash("commit text"), Sealed: fixedHash("sealed text"), Size: 0, Keys: keys},
		chain.Claim{Name: "raw", Commit: fixedHash("commit raw"), Sealed: fixedHash("sealed raw"), Size: 1<<53 - 1, Keys: keys})
	l.Amends = &evidence.At{Seq: 0, Leaf: fixedHash("amended")}
	l.Carries = &evidence.At{Seq: 7, Leaf: fixedHash("carried")}
	l.From = &evidence.At{Origin: "00112233445566aa/0000000000000001", Seq: 1<<53 - 1, Leaf: fixedHash("from")}
	l.X = "kept!for-later"
	return l
}

type goodLeaf struct {
	Name string        `json:"name"`
	Leaf string        `json:"leaf"`
	Hash evidence.Hash `json:"hash"`
}

// badLeaf has one of the two: text, or base64 of bytes that are none.
type badLeaf struct {
	Why    string  `json:"why"`
	Leaf   *string `json:"leaf,omitempty"`
	Base64 []byte  `json:"leaf_base64,omitempty"`
}

func (b badLeaf) bytes() []byte {
	if b.Leaf != nil {
		return []byte(*b.Leaf)
	}
	return b.Base64
}

// atLimit returns a leaf of exactly n bytes.
func atLimit(t testing.TB, n int) []byte {
	t.Helper()
	l := leastLeaf()
	for {
		b, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		room := n - len(b)
		if room == 0 {
			return b
		}
		// A key id costs its length, two quotes and a comma.
		take := min(room, 67)
		if rest := room - take; rest > 0 && rest < 4 {
			take -= 4
		}
		if take < 4 {
			t.Fatalf("no key id fits into %d bytes", room)
		}
		l.Claims[0].Keys = append(l.Claims[0].Keys, strings.Repeat("k", take-3))
	}
}

func goodLeaves(t testing.TB) []goodLeaf {
	var out []goodLeaf
	add := func(name string, l *chain.Leaf) {
		b, err := l.Encode()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out = append(out, goodLeaf{name, string(b), chain.LeafHash(b)})
	}
	add("no optional field", leastLeaf())
	add("all optional fields", fullLeaf())
	l := leastLeaf()
	l.Claims = nil
	add("no claim", l)
	l = leastLeaf()
	l.Claims[0].Name = "raw"
	add("a raw claim alone", l)
	l = leastLeaf()
	l.Occurred, l.NotBefore = at("0001-01-01T00:00:00.000000001Z"), at("9999-12-31T23:59:59.999999999Z")
	add("times at the ends", l)
	l.Occurred = at("2028-02-29T23:59:59.1Z")
	add("a leap day", l)
	b := atLimit(t, chain.MaxLeaf)
	return append(out, goodLeaf{"16384 bytes, the largest", string(b), chain.LeafHash(b)})
}

func badLeaves(t testing.TB) []badLeaf {
	base, err := leastLeaf().Encode()
	if err != nil {
		t.Fatal(err)
	}
	full, err := fullLeaf().Encode()
	if err != nil {
		t.Fatal(err)
	}
	var out []badLeaf
	raw := func(why string, b []byte) {
		v := badLeaf{Why: why, Base64: b}
		if !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' || r > '~' }) {
			text := string(b)
			v = badLeaf{Why: why, Leaf: &text}
		}
		out = append(out, v)
	}
	edit := func(why string, from []byte, old, new string) {
		t.Helper()
		b := bytes.Replace(from, []byte(old), []byte(new), 1)
		if bytes.Equal(b, from) {
			t.Fatalf("%s: %q does not stand in %s", why, old, from)
		}
		raw(why, b)
	}
	id := fixedID("id").String()
	prev := fixedHash("prev").String()

	raw("empty", nil)
	raw("an empty object", []byte("{}"))
	raw("cut short", base[:len(base)-1])
	raw("a byte after the end", append(bytes.Clone(base), '}'))
	raw("a line end after the end", append(bytes.Clone(base), '\n'))
	raw("a byte order mark", append([]byte("\xef\xbb\xbf"), base...))
	raw("larger than 16384 bytes", bytes.Replace(atLimit(t, chain.MaxLeaf), []byte(`"seq":1`), []byte(`"seq":10`), 1))
	edit("white space after a colon", base, `"v":1`, `"v": 1`)
	edit("white space after a comma", base, `,"seq"`, `, "seq"`)
	edit("white space at the end", base, `]}`, `]} `)
	edit("other order: origin and seq", base, `"origin":"`+vOrigin+`","seq":1`, `"seq":1,"origin":"`+vOrigin+`"`)
	edit("other order: inside a claim", base, `"size":412,"keys":["d1"]`, `"keys":["d1"],"size":412`)
	edit("other order: inside a person", full, `"role":"merger","token":"`+fixedID("other").String()+`"`, `"token":"`+fixedID("other").String()+`","role":"merger"`)
	edit("an escape in a string", base, `change.merge`, `change.\u006derge`)
	edit("an escape in a name", base, `"kind"`, `"k\u0069nd"`)
	edit("an escaped slash", base, vOrigin, strings.Replace(vOrigin, "/", `\/`, 1))
	edit("an unknown name", base, `,"basis"`, `,"extra":1,"basis"`)
	edit("an unknown name at the end", base, `]}]}`, `]}],"y":""}`)
	edit("a repeated name", base, `,"kv":1`, `,"kv":1,"kv":1`)
	edit("a repeated name in a claim", base, `"size":412`, `"size":412,"size":412`)
	edit("v is missing", base, `"v":1,`, ``)
	edit("v is 2", base, `"v":1`, `"v":2`)
	edit("v is a string", base, `"v":1`, `"v":"1"`)
	edit("claims are missing", base, string(base[bytes.Index(base, []byte(`,"claims"`)):len(base)-1]), ``)
	edit("basis is missing", base, `"basis":"source",`, ``)
	edit("a leading zero", base, `"seq":1`, `"seq":01`)
	edit("a plus sign", base, `"seq":1`, `"seq":+1`)
	edit("a negative number", base, `"seq":1`, `"seq":-1`)
	edit("minus zero", base, `"seq":1`, `"seq":-0`)
	edit("a fraction", base, `"seq":1`, `"seq":1.0`)
	edit("an exponent", base, `"seq":1`, `"seq":1e0`)
	edit("seq is 2^53", base, `"seq":1`, `"seq":9007199254740992`)
	edit("size is 2^53", base, `"size":412`, `"size":9007199254740992`)
	edit("seq is 2^64, which would wrap to 0", base, `"seq":1`, `"seq":18446744073709551616`)
	edit("a number in quotes", base, `"size":412`, `"size":"412"`)
	edit("null", base, `"seq":1`, `"seq":null`)
	edit("kv is 0", base, `"kv":1`, `"kv":0`)
	edit("kv is 65537", base, `"kv":1`, `"kv":65537`)
	edit("upper-case hex", base, prev, strings.ToUpper(prev))
	edit("a hash of 62 digits", base, prev, prev[2:])
	edit("a hash with another letter", base, prev, "g"+prev[1:])
	edit("base64 with other tail bits", base, id, tailBits(t, id))
	edit("base64 with padding", base, id, id+"==")
	edit("base64 of the other alphabet", base, b64(fixedHash("sealed")), strings.NewReplacer("-", "+", "_", "/").Replace(b64(fixedHash("sealed"))))
	edit("base64 of 15 bytes", base, id, id[:20])
	edit("commit in hex", base, b64(fixedHash("commit")), fixedHash("commit").String())
	for _, s := range timeSpellings {
		edit("time: "+s.why, base, `"2026-11-14T13:57:02Z"`, `"`+s.text+`"`)
	}
	edit("recorded finer than a microsecond", base, `.250001Z`, `.2500011Z`)
	edit("recorded is the zero time", base, `"2026-11-14T14:00:00.250001Z"`, `"0001-01-01T00:00:00Z"`)
	edit("not_before is the zero time", base, `"basis":"source",`, `"basis":"source","not_before":"0001-01-01T00:00:00Z",`)
	edit("not_before is empty", base, `"basis":"source",`, `"basis":"source","not_before":"",`)
	edit("no people, but a list of them", base, `,"claims":[`, `,"people":[],"claims":[`)
	edit("a role in upper case", full, `"role":"merger"`, `"role":"Merger"`)
	edit("an unknown proof", full, `"proof":"signed"`, `"proof":"sworn"`)
	edit("65 people", full, `"people":[`, `"people":[`+strings.Repeat(`{"role":"reader","token":"`+id+`","proof":"claimed"},`, 62))
	edit("claims in another order", full, `"name":"text"`, `"name":"raw"`)
	edit("a claim twice", full, `"name":"text"`, `"name":"content"`)
	edit("an unknown claim", base, `"name":"content"`, `"name":"contents"`)
	edit("a claim without keys", base, `["d1"]`, `[]`)
	edit("an empty key id", base, `["d1"]`, `[""]`)
	edit("a key id of 65 bytes", base, `["d1"]`, `["`+strings.Repeat("k", 65)+`"]`)
	edit("a comma after the last key", base, `["d1"]`, `["d1",]`)
	edit("an unknown op", base, `"op":"event"`, `"op":"delete"`)
	edit("an unknown basis", base, `"basis":"source"`, `"basis":"guessed"`)
	edit("a source in upper case", base, `github/prod`, `GitHub/prod`)
	edit("a kind with a digit", base, `change.merge`, `change.merge2`)
	edit("an empty kind", base, `change.merge`, ``)
	edit("an origin with a space", base, vOrigin, "00112233445566aa 8899aabbccddee00")
	edit("an origin of 129 bytes", base, vOrigin, strings.Repeat("o", 129))
	edit("an origin with <", base, vOrigin, "<"+vOrigin)
	edit("a byte above 0x7e", base, vOrigin, "\xc3\xa9"+vOrigin)
	edit("bytes that are not UTF-8", base, vOrigin, "\xff"+vOrigin)
	edit("amends names an origin", full, `"amends":{"seq"`, `"amends":{"origin":"`+vOrigin+`","seq"`)
	edit("from names no origin", full, `"from":{"origin":"00112233445566aa/0000000000000001",`, `"from":{`)
	edit("amends after carries", full, `"amends"`, `"carries"`)
	edit("x is empty", base, `]}]}`, `]}],"x":""}`)
	edit("x is a number", base, `]}]}`, `]}],"x":1}`)
	return out
}

var timeSpellings = []struct{ why, text string }{
	{"another offset", "2026-11-14T14:57:02+01:00"},
	{"offset instead of Z", "2026-11-14T13:57:02+00:00"},
	{"lower-case z", "2026-11-14T13:57:02z"},
	{"lower-case t", "2026-11-14t13:57:02Z"},
	{"a space for T", "2026-11-14 13:57:02Z"},
	{"a zero at the end of the fraction", "2026-11-14T13:57:02.10Z"},
	{"a fraction of zero", "2026-11-14T13:57:02.0Z"},
	{"a dot without fraction", "2026-11-14T13:57:02.Z"},
	{"a comma for the dot", "2026-11-14T13:57:02,1Z"},
	{"ten fraction digits", "2026-11-14T13:57:02.1234567891Z"},
	{"seconds are 60", "2026-11-14T23:59:60Z"},
	{"minutes are 60", "2026-11-14T13:60:02Z"},
	{"hour is 24", "2026-11-14T24:00:00Z"},
	{"30 February", "2026-02-30T13:57:02Z"},
	{"29 February in another year", "2026-02-29T13:57:02Z"},
	{"month is 13", "2026-13-14T13:57:02Z"},
	{"day is 0", "2026-11-00T13:57:02Z"},
	{"year is 0", "0000-11-14T13:57:02Z"},
	{"a year of five digits", "12026-11-14T13:57:02Z"},
	{"no seconds", "2026-11-14T13:57Z"},
	{"the zero time", "0001-01-01T00:00:00Z"},
	{"empty", ""},
}

func b64(h evidence.Hash) string { return base64.RawURLEncoding.EncodeToString(h[:]) }

// tailBits sets a bit of the last character that no byte needs.
func tailBits(t testing.TB, s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	i := strings.IndexByte(alphabet, s[len(s)-1])
	if i < 0 || i&1 != 0 {
		t.Fatalf("last character of %s", s)
	}
	return s[:len(s)-1] + alphabet[i+1:i+2]
}

func TestLeafVectors(t *testing.T) {
	good, bad := goodLeaves(t), badLeaves(t)
	vectorFile(t, "leaves.json", map[string]any{"good": good, "refused": bad})
	for _, v := range good {
		l, err := chain.Decode([]byte(v.Leaf))
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if b, err := l.Encode(); err != nil || string(b) != v.Leaf {
			t.Errorf("%s: encoded again: %s (%v)", v.Name, b, err)
		}
	}
	for _, v := range bad {
		if _, err := chain.Decode(v.bytes()); err == nil {
			t.Errorf("a leaf is accepted that must be refused: %s: %s", v.Why, v.bytes())
		}
	}
	t.Logf("%d leaves accepted, %d refused", len(good), len(bad))
}

// opened is a disclosed claim as it stands in a pack.
type opened struct {
	Seq   uint64 `json:"seq"`
	Name  string `json:"name"`
	Salt  []byte `json:"salt"`
	Plain []byte `json:"plain"`
}

type chainVector struct {
	Origin  string          `json:"origin"`
	Genesis evidence.Hash   `json:"genesis_prev"`
	Leaves  []string        `json:"leaves"`
	Hashes  []evidence.Hash `json:"hashes"`
	Claims  []opened        `json:"claims"`
	// A range that does not begin at 0, as a pack holds it.
	From     uint64          `json:"range_from"`
	Frontier []evidence.Hash `json:"range_frontier"`
	Size     uint64          `json:"size"`
	Root     evidence.Hash   `json:"root"`
	Refused  []chainRefused  `json:"refused"`
}

type chainRefused struct {
	Why    string   `json:"why"`
	Leaves []string `json:"leaves,omitempty"`
	Claims []opened `json:"claims,omitempty"`
}

// smallLog makes a log of n records whose content is fixed.
func smallLog(t testing.TB, n int) chainVector {
	t.Helper()
	v := chainVector{Origin: vOrigin, Genesis: chain.GenesisPrev(vOrigin)}
	prev, fr := v.Genesis, &chain.Frontier{}
	for i := range n {
		l := leastLeaf()
		l.Seq, l.Prev, l.ID = uint64(i), prev, fixedID(fmt.Sprint("record ", i))
		l.Occurred = l.Occurred.Add(time.Duration(i) * time.Minute)
		l.Observed = l.Occurred.Add(time.Second)
		l.Recorded = l.Observed.Add(time.Duration(i/3) * time.Microsecond)
		if i == 0 {
			l.Kind, l.Source, l.Run = evidence.LogGenesis, evidence.SelfSource, evidence.ID{}
		}
		l.Claims = nil
		for _, name := range chain.ClaimNames[:1+i%3] {
			salt := [claim.SaltSize]byte(fixedHash(fmt.Sprint("salt ", i, name)))
			plain := fmt.Appendf(nil, `{"%s":%d}`, name, i)
			l.Claims = append(l.Claims, chain.Claim{
				Name: name, Commit: claim.Commit(name, salt, plain), Sealed: fixedHash(fmt.Sprint("ciphertext ", i, name)), Size: 61 + len(plain), Keys: []string{"d1"},
			})
			if name != "raw" { // withheld
				v.Claims = append(v.Claims, opened{l.Seq, name, salt[:], plain})
			}
		}
		b, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if i == 5 {
			v.From = uint64(i)
			v.Frontier = fr.Roots()
		}
		prev = chain.LeafHash(b)
		fr.Append(prev, nil)
		v.Leaves, v.Hashes = append(v.Leaves, string(b)), append(v.Hashes, prev)
	}
	v.Size, v.Root = fr.Size(), fr.Root()
	return v
}

func TestChainVectors(t *testing.T) {
	v := smallLog(t, 8)
	without := func(i int) []string { return append(append([]string{}, v.Leaves[:i]...), v.Leaves[i+1:]...) }
	swapped := append([]string{}, v.Leaves...)
	swapped[4], swapped[5] = swapped[5], swapped[4]
	edited := append([]string{}, v.Leaves...)
	edited[6] = strings.Replace(edited[6], `"op":"event"`, `"op":"amend"`, 1)
	other := append([]string{}, v.Leaves...)
	other[7] = strings.Replace(other[7], vOrigin, "00112233445566aa/0000000000000001", 1)
	badClaim := func(edit func(*opened)) []opened {
		cs := append([]opened{}, v.Claims...)
		edit(&cs[3])
		return cs
	}
	v.Refused = []chainRefused{
		{Why: "a record is missing", Leaves: without(4)},
		{Why: "the first record is missing", Leaves: without(0)},
		{Why: "the last record is missing", Leaves: without(7)},
		{Why: "two records are swapped", Leaves: swapped},
		{Why: "a record is changed in its form", Leaves: edited},
		{Why: "the last record is of another log", Leaves: other},
		{Why: "a plaintext is changed", Claims: badClaim(func(o *opened) { o.Plain = []byte(`{"content":9}`) })},
		{Why: "a salt is changed", Claims: badClaim(func(o *opened) { o.Salt = append([]byte{o.Salt[0] ^ 1}, o.Salt[1:]...) })},
		{Why: "a salt is cut", Claims: badClaim(func(o *opened) { o.Salt = o.Salt[:31] })},
		{Why: "a claim stands under another name", Claims: badClaim(func(o *opened) { o.Name = "raw" })},
		{Why: "a claim stands at another record", Claims: badClaim(func(o *opened) { o.Seq++ })},
	}
	vectorFile(t, "chain.json", v)
	if err := checkChain(v.Leaves, v); err != nil {
		t.Error(err)
	}
	for _, r := range v.Refused {
		if r.Leaves != nil && checkChain(r.Leaves, v) == nil {
			t.Errorf("the chain is accepted although %s", r.Why)
		}
	}
}

// checkChain follows the links and the tree from the range's begin.
func checkChain(leaves []string, v chainVector) error {
	prev, fr := v.Genesis, &chain.Frontier{}
	for i, s := range leaves {
		l, err := chain.Decode([]byte(s))
		if err != nil {
			return err
		}
		if l.Origin != v.Origin || l.Seq != uint64(i) || l.Prev != prev {
			return fmt.Errorf("record %d does not follow", i)
		}
		prev = chain.LeafHash([]byte(s))
		fr.Append(prev, nil)
	}
	if fr.Size() != v.Size || fr.Root() != v.Root {
		return fmt.Errorf("root %s, want %s", fr.Root(), v.Root)
	}
	part, err := chain.NewFrontier(v.From, v.Frontier)
	if err != nil {
		return err
	}
	for _, s := range leaves[v.From:] {
		part.Append(chain.LeafHash([]byte(s)), nil)
	}
	if part.Root() != v.Root {
		return fmt.Errorf("the range gives root %s, want %s", part.Root(), v.Root)
	}
	return nil
}
