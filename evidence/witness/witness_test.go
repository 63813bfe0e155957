package witness_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
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
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/witness"
)

// The keys here come from fixed seeds and are no secrets.

const (
	vOrigin = "00112233445566aa/8899aabbccddee00"
	vLog    = "00112233445566aa"
)

func seedOf(text string) []byte {
	h := sha256.Sum256([]byte(text))
	return h[:]
}

func logKey(t testing.TB, name, seed string) (note.Signer, string) {
	t.Helper()
	private := ed25519.NewKeyFromSeed(seedOf(seed))
	vkey, err := note.NewEd25519VerifierKey(name, private.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner("PRIVATE+KEY+" + name + "+" + strings.Split(vkey, "+")[1] + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, seedOf(seed)...)))
	if err != nil {
		t.Fatal(err)
	}
	return s, vkey
}

// vkeyOf writes a witness's verifier key down from the specification.
func vkeyOf(name string, material []byte) string {
	h := sha256.Sum256(append([]byte(name+"\n\x04"), material...))
	return fmt.Sprintf("%s+%x+%s", name, h[:4], base64.StdEncoding.EncodeToString(append([]byte{4}, material...)))
}

func witnessKey(t testing.TB, name, seed string) *witness.Signer {
	t.Helper()
	private := ed25519.NewKeyFromSeed(seedOf(seed))
	vkey := vkeyOf(name, private.Public().(ed25519.PublicKey))
	s, err := witness.NewSigner("PRIVATE+KEY+" + name + "+" + strings.Split(vkey, "+")[1] + "+" + base64.StdEncoding.EncodeToString(append([]byte{4}, seedOf(seed)...)))
	if err != nil {
		t.Fatal(err)
	}
	if s.Key() != vkey {
		t.Fatalf("verifier key %s, want %s", s.Key(), vkey)
	}
	return s
}

func mustWitness(t testing.TB, operator string, s *witness.Signer) witness.Witness {
	t.Helper()
	w, err := witness.ParseWitness(operator, s.Key())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func cosign(t testing.TB, s *witness.Signer, c chain.Checkpoint, at int64) string {
	t.Helper()
	line, err := s.Cosign(c, time.Unix(at, 0))
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func checkpointOf(n int) chain.Checkpoint {
	return chain.Checkpoint{Origin: vOrigin, Size: uint64(n), Root: seedHash(fmt.Sprint("root of ", n))}
}

func seedHash(text string) evidence.Hash { return sha256.Sum256([]byte(text)) }

func signedBy(t testing.TB, text string, by ...note.Signer) string {
	t.Helper()
	b, err := note.Sign(&note.Note{Text: text}, by...)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

type vectors struct {
	Origin    string           `json:"origin"`
	LogKey    string           `json:"log_key"`
	Witnesses []vectorWitness  `json:"witnesses"`
	Notes     []vectorNote     `json:"checkpoints"`
	Refused   []vectorBad      `json:"checkpoints_refused"`
	Requests  []vectorRequest  `json:"add_checkpoint"`
	BadReqs   []vectorBad      `json:"add_checkpoint_refused"`
	Sizes     []vectorBad      `json:"sizes_refused"`
	Answers   []vectorBad      `json:"answers_refused"` // to a request with the first checkpoint, by the first witness
	Keys      []vectorBad      `json:"keys_refused"`
	Leaf      evidence.Hash    `json:"proof_leaf"`
	Proofs    []vectorProof    `json:"proofs"`
	BadProofs []vectorBadProof `json:"proofs_refused"`
}

type vectorWitness struct {
	Operator string `json:"operator"`
	Key      string `json:"key"`
}

type vectorNote struct {
	Name string       `json:"name"`
	Note string       `json:"note"`
	By   []vectorSign `json:"cosigned"`
}

type vectorSign struct {
	Name     string `json:"name"`
	Operator string `json:"operator"`
	Time     string `json:"time"`
}

type vectorBad struct {
	Why  string `json:"why"`
	Text string `json:"text"`
}

type vectorRequest struct {
	Text   string          `json:"text"`
	Old    uint64          `json:"old"`
	Proof  []evidence.Hash `json:"proof"`
	Signed string          `json:"signed"`
}

type vectorProof struct {
	Name  string `json:"name"`
	Text  string `json:"text"`
	Index uint64 `json:"index"`
	Size  uint64 `json:"size"`
}

type vectorBadProof struct {
	Why    string `json:"why"`
	Parses bool   `json:"parses"` // it can be read and does not verify
	Text   string `json:"text"`
}

const (
	t1 = 1_794_664_800 // 2026-11-14 14:00:00 UTC
	t2 = t1 + 60
	t3 = t1 + 3600
)

func makeVectors(t testing.TB) vectors {
	log, key := logKey(t, vLog, "vectors: log key")
	w1, w2, w3 := witnessKey(t, "witness.example/w1", "vectors: witness 1"), witnessKey(t, "witness.example/w2", "vectors: witness 2"), witnessKey(t, "other.example", "vectors: witness 3")
	v := vectors{Origin: vOrigin, LogKey: key, Leaf: chain.LeafHash([]byte("leaf 10"))}
	v.Witnesses = []vectorWitness{{"Example", w1.Key()}, {"Example", w2.Key()}, {"Other", w3.Key()}}
	c := checkpointOf(21)
	signed := signedBy(t, c.Text(), log)
	l1, l2, l3 := cosign(t, w1, c, t1), cosign(t, w2, c, t2), cosign(t, w3, c, t3)
	by1, by2, by3 := vectorSign{w1.Name(), "Example", "2026-11-14T14:00:00Z"}, vectorSign{w2.Name(), "Example", "2026-11-14T14:01:00Z"}, vectorSign{w3.Name(), "Other", "2026-11-14T15:00:00Z"}
	stranger := cosign(t, witnessKey(t, "stranger.example", "vectors: stranger"), c, t1)
	v.Notes = []vectorNote{
		{"no witness", signed, nil},
		{"one witness", signed + l1, []vectorSign{by1}},
		{"three witnesses of two operators", signed + l1 + l2 + l3, []vectorSign{by1, by2, by3}},
		{"a stranger's cosignature is passed over", signed + stranger + l3, []vectorSign{by3}},
		{"a second cosignature of one key is passed over", signed + l1 + cosign(t, w1, c, t3), []vectorSign{by1}},
		{"the same name with another key is a stranger", signed + cosign(t, witnessKey(t, w1.Name(), "vectors: namesake"), c, t1) + l2, []vectorSign{by2}},
		{"the empty log", signedBy(t, checkpointOf(0).Text(), log) + cosign(t, w1, checkpointOf(0), t1), []vectorSign{by1}},
		{"the first second and the last", signed + cosign(t, w1, c, 1) + cosign(t, w3, c, 253402300799),
			[]vectorSign{{w1.Name(), "Example", "1970-01-01T00:00:01Z"}, {w3.Name(), "Other", "9999-12-31T23:59:59Z"}}},
	}
	bad := func(why, text string) { v.Refused = append(v.Refused, vectorBad{why, text}) }
	bad("a witness alone signed", strings.TrimSuffix(signed, signed[strings.Index(signed, "\n\n")+2:])+l1)
	bad("a cosignature of another checkpoint", signed+cosign(t, w1, checkpointOf(22), t1))
	bad("a cosignature with another time", signed+edited(t, l1, func(b []byte) { b[11]++ }))
	bad("a cosignature at time 0", signed+edited(t, l1, func(b []byte) { clear(b[4:12]) }))
	bad("a cosignature in the year 10000", signed+atTime(t, w1, "vectors: witness 1", c, 253402300800))
	bad("a cosignature with time 2^63", signed+atTime(t, w1, "vectors: witness 1", c, 1<<63))
	bad("a changed cosignature", signed+edited(t, l1, func(b []byte) { b[70] ^= 1 }))
	bad("a cosignature without a timestamp", signed+plainSignature(t, w1, "vectors: witness 1", c))
	bad("a cosignature that is cut", signed+reline(w1.Name(), rawOf(t, l1)[:70]))
	bad("a cosignature with a byte more", signed+reline(w1.Name(), append(rawOf(t, l1), 0)))
	bad("one good cosignature and one bad", signed+l3+edited(t, l1, func(b []byte) { b[70] ^= 1 }))
	bad("the log's signature is bad", strings.Replace(signed, "\n21\n", "\n22\n", 1)+cosign(t, w1, checkpointOf(22), t1))
	bad("cosigned, but with an extension line", signedBy(t, c.Text()+"more\n", log)+l1)
	bad("bytes after the note", signed+l1+"x")

	proof := []evidence.Hash{seedHash("a"), seedHash("b")}
	for _, r := range []witness.Request{{Old: 0, Signed: []byte(signed)}, {Old: 10, Proof: proof, Signed: []byte(signed)}, {Old: 9007199254740991, Signed: []byte(signed + l1)}, {Old: 1, Proof: make([]evidence.Hash, 63), Signed: []byte(signed)}} {
		b, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		v.Requests = append(v.Requests, vectorRequest{string(b), r.Old, r.Proof, string(r.Signed)})
	}
	good, h := v.Requests[1].Text, base64.StdEncoding.EncodeToString(make([]byte, 32))
	v.BadReqs = []vectorBad{
		{"nothing", ""},
		{"no old size", strings.TrimPrefix(good, "old 10\n")},
		{"old size with a leading zero", strings.Replace(good, "old 10", "old 010", 1)},
		{"old size with a sign", strings.Replace(good, "old 10", "old +10", 1)},
		{"old size is 2^53", strings.Replace(good, "old 10", "old 9007199254740992", 1)},
		{"old size is empty", strings.Replace(good, "old 10", "old ", 1)},
		{"two spaces", strings.Replace(good, "old 10", "old  10", 1)},
		{"a carriage return", strings.Replace(good, "old 10\n", "old 10\r\n", 1)},
		{"no empty line", "old 10\n" + h + "\n"},
		{"64 hashes", "old 10\n" + strings.Repeat(h+"\n", 64) + "\n" + signed},
		{"a hash of 31 bytes", "old 10\n" + base64.StdEncoding.EncodeToString(make([]byte, 31)) + "\n\n" + signed},
		{"a hash without padding", "old 10\n" + strings.TrimRight(h, "=") + "\n\n" + signed},
		{"a hash with other tail bits", "old 10\n" + h[:42] + "B=\n\n" + signed},
		{"a hash with a carriage return in it", "old 10\n" + h[:20] + "\r" + h[20:43] + "\n\n" + signed},
		{"no checkpoint", "old 10\n" + h + "\n\n"},
	}
	v.Sizes = []vectorBad{{"nothing", ""}, {"no line end", "21"}, {"two lines", "21\n22\n"}, {"a sign", "-1\n"}, {"a leading zero", "021\n"}, {"2^53", "9007199254740992\n"}, {"a space", "21 \n"}, {"a long one", strings.Repeat("1", 40) + "\n"}}
	v.Answers = []vectorBad{
		{"nothing", ""}, {"no line end", strings.TrimSuffix(l1, "\n")}, {"another witness's alone", l3}, {"a stranger's alone", stranger},
		{"a cosignature of another checkpoint", cosign(t, w1, checkpointOf(22), t1)},
		{"an empty line in the middle", l1[:len(l1)-1] + "\n\n" + l1}, {"text before it", "hello\n" + l1}, {"a whole note", signed + l1},
		{"an empty line first", "\n" + l1}, {"a hyphen for the dash", "- " + strings.TrimPrefix(l1, "\u2014 ")},
	}
	pub := ed25519.NewKeyFromSeed(seedOf("vectors: witness 1")).Public().(ed25519.PublicKey)
	k := w1.Key()
	v.Keys = []vectorBad{
		{"nothing", ""}, {"a log's key", key}, {"another hash", strings.Replace(k, strings.Split(k, "+")[1], "00000000", 1)},
		{"upper-case hash", w1.Name() + "+" + strings.ToUpper(strings.Split(k, "+")[1]) + "+" + strings.SplitN(k, "+", 3)[2]},
		{"another name", strings.Replace(k, "w1", "w9", 1)}, {"a name with a space", vkeyOf("witness example", pub)}, {"no name", vkeyOf("", pub)},
		{"a name with a control character", vkeyOf("witness\x01", pub)}, {"a name of 256 bytes", vkeyOf(strings.Repeat("w", 256), pub)},
		{"31 bytes", vkeyOf("w", pub[:31])}, {"33 bytes", vkeyOf("w", append(bytes.Clone(pub), 1))}, {"an ML-DSA-44 key", mldsaKey(w1.Name())}, {"a line end", k + "\n"},
	}
	makeProofs(t, &v, log, w1, w3)
	return v
}

// mldsaKey has the form of a key of type 6; its material is of no worth.
func mldsaKey(name string) string {
	raw := append([]byte{6}, make([]byte, 32)...)
	return name + "+00000000+" + base64.StdEncoding.EncodeToString(raw)
}

func makeProofs(t testing.TB, v *vectors, log note.Signer, ws ...*witness.Signer) {
	tree := newTree(21)
	c := chain.Checkpoint{Origin: vOrigin, Size: 21, Root: tree.root(t, 21)}
	signed := signedBy(t, c.Text(), log)
	for i, w := range ws {
		signed += cosign(t, w, c, t1+int64(i))
	}
	p := witness.Proof{Index: 10, Path: tree.inclusion(t, 21, 10), Signed: []byte(signed)}
	add := func(name string, p witness.Proof) {
		b, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		v.Proofs = append(v.Proofs, vectorProof{name, string(b), p.Index, 21})
	}
	add("record 10 of 21", p)
	p.Extra = []byte("leaf 10")
	add("with extra data", p)
	text := v.Proofs[1].Text
	bad := func(why string, parses bool, text string) {
		v.BadProofs = append(v.BadProofs, vectorBadProof{why, parses, text})
	}
	swap := func(old, new string) string { return strings.Replace(text, old, new, 1) }
	bad("another record's number", true, swap("index 10\n", "index 11\n"))
	bad("a number outside the log", true, swap("index 10\n", "index 21\n"))
	bad("another size", true, swap("\n21\n", "\n22\n"))
	other := c
	other.Origin = "00112233445566aa/0000000000000001"
	bad("another log of the installation", true, swap(signed, signedBy(t, other.Text(), log)))
	bad("signed by witnesses alone", true, swap(signed, c.Text()+"\n"+cosign(t, ws[0], c, t1)))
	path := strings.SplitAfter(text, "\n")[3:8]
	bad("a hash is missing", true, swap(path[0], ""))
	bad("two hashes are swapped", true, swap(path[0]+path[1], path[1]+path[0]))
	bad("a hash too many", true, swap(path[0], path[0]+path[0]))
	bad("another version", false, swap("@v1", "@v2"))
	bad("no header", false, strings.TrimPrefix(text, "c2sp.org/tlog-proof@v1\n"))
	bad("no index", false, swap("index 10\n", ""))
	bad("an index with a leading zero", false, swap("index 10\n", "index 010\n"))
	bad("an index of 2^53", false, swap("index 10\n", "index 9007199254740992\n"))
	bad("two extra lines", false, swap("extra ", "extra AAAA\nextra "))
	bad("an empty extra line", false, swap("extra "+base64.StdEncoding.EncodeToString(p.Extra), "extra "))
	bad("extra after the index", false, swap("index 10\n", "index 10\nextra AAAA\n"))
	bad("no empty line before the checkpoint", false, swap(path[4]+"\n", path[4]))
	bad("a carriage return", false, swap("index 10\n", "index 10\r\n"))
	bad("no checkpoint", false, swap(signed, ""))
	bad("nothing", false, "")
}

// The functions below make signature lines that Cosign never makes.

func rawOf(t testing.TB, line string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(strings.Fields(line)[2])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func reline(name string, raw []byte) string {
	return "\u2014 " + name + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
}

func edited(t testing.TB, line string, edit func(raw []byte)) string {
	raw := rawOf(t, line)
	edit(raw)
	return reline(strings.Fields(line)[1], raw)
}

func atTime(t testing.TB, s *witness.Signer, seed string, c chain.Checkpoint, at uint64) string {
	raw := rawOf(t, cosign(t, s, c, 1))[:4]
	for i := range 8 {
		raw = append(raw, byte(at>>(56-8*i)))
	}
	msg := fmt.Sprintf("cosignature/v1\ntime %d\n%s", at, c.Text())
	return reline(s.Name(), append(raw, ed25519.Sign(ed25519.NewKeyFromSeed(seedOf(seed)), []byte(msg))...))
}

func plainSignature(t testing.TB, s *witness.Signer, seed string, c chain.Checkpoint) string {
	raw := rawOf(t, cosign(t, s, c, 1))[:4]
	return reline(s.Name(), append(raw, ed25519.Sign(ed25519.NewKeyFromSeed(seedOf(seed)), []byte(c.Text()))...))
}

func (v vectors) witnesses(t testing.TB) []witness.Witness {
	t.Helper()
	var ws []witness.Witness
	for _, x := range v.Witnesses {
		w, err := witness.ParseWitness(x.Operator, x.Key)
		if err != nil {
			t.Fatal(err)
		}
		if w.Key() != x.Key || w.Operator() != x.Operator {
			t.Errorf("witness %+v is written %s of %s", x, w.Key(), w.Operator())
		}
		ws = append(ws, w)
	}
	return ws
}

func TestVectors(t *testing.T) {
	v := makeVectors(t)
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("..", "..", "testdata", "vectors", "witness.json")
	if evidencetest.Updating() {
		if err := os.WriteFile(path, buf.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(have), buf.String()); d != "" {
		t.Errorf("%s is not what the code makes (-file +code):\n%s", path, d)
	}
}

func TestCosignatures(t *testing.T) {
	v := makeVectors(t)
	ws := v.witnesses(t)
	for _, n := range v.Notes {
		c, cs, err := witness.Open([]byte(n.Note), v.LogKey, ws)
		if err != nil || c.Origin != v.Origin {
			t.Errorf("%s: %v, %v", n.Name, c, err)
			continue
		}
		var got []vectorSign
		for _, x := range cs {
			got = append(got, vectorSign{x.Name, x.Operator, x.Time.Format(time.RFC3339)})
			if !strings.Contains(n.Note, "\n"+x.Line) {
				t.Errorf("%s: line %q is not of the note", n.Name, x.Line)
			}
		}
		if d := cmp.Diff(n.By, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", n.Name, d)
		}
	}
	for _, b := range v.Refused {
		if c, cs, err := witness.Open([]byte(b.Text), v.LogKey, ws); err == nil {
			t.Errorf("accepted (%s): %v %v", b.Why, c, cs)
		}
	}
	// What a witness alone signed has cosignatures, and is still nobody's.
	alone := v.Refused[0].Text
	if cs, err := witness.Verify([]byte(alone), ws); err != nil || len(cs) != 1 {
		t.Errorf("%s: %v, %v", v.Refused[0].Why, cs, err)
	}
}

func TestWitnessesMustDiffer(t *testing.T) {
	v := makeVectors(t)
	ws := v.witnesses(t)
	note := []byte(v.Notes[2].Note)
	again, err := witness.ParseWitness("Third", vkeyOf("third.example", ed25519.NewKeyFromSeed(seedOf("vectors: witness 1")).Public().(ed25519.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	own, err := witness.ParseWitness("Own", vkeyOf("own.example", ed25519.NewKeyFromSeed(seedOf("vectors: log key")).Public().(ed25519.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		why string
		ws  []witness.Witness
	}{
		{"one key under two names", append(ws[:3:3], again)},
		{"one witness twice", append(ws[:3:3], ws[0])},
		{"an empty witness", append(ws[:3:3], witness.Witness{})},
		{"the log's own key", append(ws[:3:3], own)},
	} {
		if _, _, err := witness.Open(note, v.LogKey, tc.ws); err == nil {
			t.Errorf("%s passes", tc.why)
		}
	}
	if (witness.Witness{}).Verify(nil, nil) {
		t.Error("no witness verifies")
	}
}

func TestPolicy(t *testing.T) {
	v := makeVectors(t)
	ws := v.witnesses(t)
	all, err := witness.Verify([]byte(v.Notes[2].Note), ws)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		why    string
		quorum int
		ws     []witness.Witness
		cs     []witness.Cosignature
		at     int64 // 0: not reached
	}{
		{"one of two operators: the earliest", 1, ws, all, t1},
		{"both operators: the last one needed", 2, ws, all, t3},
		{"two keys of one operator are one", 2, ws, all[:2], 0},
		{"two keys of one operator, its earliest counts", 1, ws, all[:2], t1},
		{"the order of the note does not matter", 1, ws, []witness.Cosignature{all[1], all[0]}, t1},
		{"nobody", 1, ws, nil, 0},
		{"a quorum of none is no policy", 0, ws, all, 0},
		{"a quorum nobody can reach", 3, ws, all, 0},
		{"a witness that is not of the policy", 1, ws[2:], all[:2], 0},
		{"no witnesses", 1, nil, all, 0},
	} {
		p := witness.Policy{Witnesses: tc.ws, Quorum: tc.quorum}
		at, ok := p.Reached(tc.cs)
		if ok != (tc.at != 0) || ok && at.Unix() != tc.at {
			t.Errorf("%s: %v, %v", tc.why, at, ok)
		}
	}
	if err := (witness.Policy{Witnesses: ws, Quorum: 2}).Check(); err != nil {
		t.Error(err)
	}
	if err := (witness.Policy{Witnesses: append(ws, ws[0]), Quorum: 2}).Check(); err == nil {
		t.Error("a policy with a witness twice passes")
	}
}

func TestKeys(t *testing.T) {
	v := makeVectors(t)
	for _, b := range v.Keys {
		if w, err := witness.ParseWitness("x", b.Text); err == nil {
			t.Errorf("accepted (%s): %v", b.Why, w)
		}
	}
	for _, operator := range []string{"", " x", "x\n", "\xff", strings.Repeat("x", 256)} {
		if _, err := witness.ParseWitness(operator, v.Witnesses[0].Key); err == nil {
			t.Errorf("operator %q passes", operator)
		}
	}
	skey, vkey, err := witness.GenerateKey("witness.example")
	if err != nil {
		t.Fatal(err)
	}
	s, err := witness.NewSigner(skey)
	if err != nil || s.Key() != vkey || s.Name() != "witness.example" {
		t.Errorf("a new key: %v", err)
	}
	w := mustWitness(t, "x", s)
	c := checkpointOf(3)
	if cs, err := witness.ParseAnswer([]byte(cosign(t, s, c, t1)), c, w); err != nil || cs.Time.Unix() != t1 {
		t.Errorf("a new key's cosignature: %+v, %v", cs, err)
	}
	if _, _, err := witness.GenerateKey("a b"); err == nil {
		t.Error("a key with a bad name is made")
	}
	secret := strings.SplitN(skey, "+", 5)[4] // base64 may hold the sign, too
	for _, bad := range []string{"", vkey, "PRIVATE+KEY+", strings.Replace(skey, "witness.example", "other.example", 1), skey + "\n", strings.Replace(skey, "PRIVATE", "SECRET", 1), skey[:len(skey)-4]} {
		if _, err := witness.NewSigner(bad); err == nil {
			t.Error("a damaged signing key is accepted")
		} else if strings.Contains(err.Error(), secret[:20]) {
			t.Errorf("the error holds the key: %v", err)
		}
	}
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Unix(253402300800, 0)} {
		if _, err := s.Cosign(c, at); err == nil {
			t.Errorf("cosigned at %v", at)
		}
	}
	if _, err := s.Cosign(chain.Checkpoint{Size: 1}, time.Unix(t1, 0)); err == nil {
		t.Error("a checkpoint without an origin is cosigned")
	}
}

func TestRequests(t *testing.T) {
	v := makeVectors(t)
	for _, r := range v.Requests {
		got, err := witness.ParseRequest([]byte(r.Text))
		if err != nil {
			t.Errorf("%q: %v", r.Text, err)
			continue
		}
		if d := cmp.Diff(witness.Request{Old: r.Old, Proof: r.Proof, Signed: []byte(r.Signed)}, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
	for _, b := range v.BadReqs {
		if r, err := witness.ParseRequest([]byte(b.Text)); err == nil {
			t.Errorf("accepted (%s): %+v", b.Why, r)
		}
	}
	for why, r := range map[string]witness.Request{
		"a size of 2^53": {Old: 1 << 53, Signed: []byte("x")}, "64 hashes": {Proof: make([]evidence.Hash, 64), Signed: []byte("x")},
		"no checkpoint": {}, "a large checkpoint": {Signed: make([]byte, witness.MaxNote+1)},
	} {
		if _, err := r.Encode(); err == nil {
			t.Errorf("encoded: %s", why)
		}
	}
	largest := witness.Request{Old: 1<<53 - 1, Proof: make([]evidence.Hash, 63), Signed: make([]byte, witness.MaxNote)}
	if b, err := largest.Encode(); err != nil || len(b) != witness.MaxRequest {
		t.Errorf("the largest request has %d bytes (%v), want %d", len(b), err, witness.MaxRequest)
	}
}

func TestAnswers(t *testing.T) {
	v := makeVectors(t)
	ws := v.witnesses(t)
	c := checkpointOf(21)
	lines := strings.SplitAfter(v.Notes[2].Note, "\n")
	l1, l3 := lines[5], lines[7]
	for _, body := range []string{l1, l3 + l1, l1 + l3} {
		cs, err := witness.ParseAnswer([]byte(body), c, ws[0])
		if err != nil || cs.Name != "witness.example/w1" || cs.Line != l1 || cs.Time.Unix() != t1 {
			t.Errorf("%q: %+v, %v", body, cs, err)
		}
	}
	for _, b := range v.Answers {
		if cs, err := witness.ParseAnswer([]byte(b.Text), c, ws[0]); err == nil {
			t.Errorf("accepted (%s): %+v", b.Why, cs)
		}
	}
	if n, err := witness.ParseSize(witness.EncodeSize(1<<53 - 1)); err != nil || n != 1<<53-1 {
		t.Errorf("the largest size: %d, %v", n, err)
	}
	for _, b := range v.Sizes {
		if n, err := witness.ParseSize([]byte(b.Text)); err == nil {
			t.Errorf("accepted (%s): %d", b.Why, n)
		}
	}
}

func TestStatuses(t *testing.T) {
	for _, tc := range []struct {
		status int
		typ    string
		body   string
		want   error
	}{
		{400, "", "", witness.ErrMalformed}, {413, "", "", witness.ErrMalformed}, {403, "", "", witness.ErrSignature}, {404, "", "", witness.ErrUnknownLog},
		{422, "", "", witness.ErrInconsistent}, {429, "", "", witness.ErrBusy}, {503, "", "", witness.ErrBusy},
		{409, "", "", witness.ErrInconsistent}, {409, "text/plain", "21\n", witness.ErrInconsistent},
	} {
		err := witness.Refusal(tc.status, tc.typ, []byte(tc.body))
		if !errors.Is(err, tc.want) {
			t.Errorf("%d %s: %v, want %v", tc.status, tc.typ, err, tc.want)
		}
		if tc.typ == "" && tc.status != 409 && tc.status != 413 && tc.status != 503 && witness.Status(fmt.Errorf("x: %w", err)) != tc.status {
			t.Errorf("%v is told as %d, want %d", err, witness.Status(err), tc.status)
		}
	}
	for _, typ := range []string{"text/x.tlog.size", "text/x.tlog.size; charset=utf-8"} {
		var conflict *witness.ConflictError
		if err := witness.Refusal(409, typ, []byte("21\n")); !errors.As(err, &conflict) || conflict.Size != 21 || witness.Status(err) != 409 {
			t.Errorf("409 with %s: %v", typ, err)
		}
	}
	for _, err := range []error{witness.Refusal(409, witness.SizeType, []byte("x\n")), witness.Refusal(500, "", nil), witness.Refusal(302, "", nil)} {
		var conflict *witness.ConflictError
		if err == nil || errors.As(err, &conflict) || witness.Status(err) != 500 {
			t.Errorf("got %v", err)
		}
	}
}

// Text without end is refused before it is looked at.
func TestTooLarge(t *testing.T) {
	v := makeVectors(t)
	ws := v.witnesses(t)
	long := v.Notes[0].Note + strings.Repeat(strings.SplitAfter(v.Notes[1].Note, "\n")[5], 600)
	if _, _, err := witness.Open([]byte(long), v.LogKey, ws); err == nil {
		t.Error("a large checkpoint is opened")
	}
	if _, err := witness.Verify([]byte(long), ws); err == nil {
		t.Error("a large checkpoint is verified")
	}
	if _, err := witness.ParseAnswer([]byte(long[strings.Index(long, "\n\n")+2:]), checkpointOf(21), ws[0]); err == nil {
		t.Error("a large answer is read")
	}
	for _, body := range []string{"old 10\n\n" + strings.Repeat("a", witness.MaxNote+1), "old 10\n\n" + strings.Repeat("a", witness.MaxRequest)} {
		if _, err := witness.ParseRequest([]byte(body)); err == nil {
			t.Errorf("a request of %d bytes is read", len(body))
		}
	}
	p := v.Proofs[0].Text
	if _, err := witness.ParseProof([]byte(p + strings.Repeat("a", witness.MaxProofText))); err == nil {
		t.Error("a large proof is read")
	}
	if _, err := witness.ParseProof([]byte(p + strings.Repeat("a", witness.MaxNote))); err == nil {
		t.Error("a proof with a large checkpoint is read")
	}
}

func TestAttach(t *testing.T) {
	v := makeVectors(t)
	lines := strings.SplitAfter(v.Notes[2].Note, "\n")
	got, err := witness.Attach([]byte(v.Notes[0].Note), lines[5], lines[6], lines[5], lines[7])
	if err != nil || string(got) != v.Notes[2].Note {
		t.Errorf("attached: %s, %v", got, err)
	}
	for _, line := range []string{"", "x\n", "\u2014 x", "\u2014 x\n\n", "\u2014 x\n\u2014 y\n"} {
		if _, err := witness.Attach([]byte(v.Notes[0].Note), line); err == nil {
			t.Errorf("attached %q", line)
		}
	}
	if _, err := witness.Attach([]byte("x"), lines[5]); err == nil {
		t.Error("attached to what is no note")
	}
	if _, err := witness.Attach(bytes.Repeat([]byte("\n"), witness.MaxNote), lines[5]); err == nil {
		t.Error("attached beyond the limit")
	}
}

func TestOriginHash(t *testing.T) {
	if got, want := witness.OriginHash("example.com/log42"), fmt.Sprintf("%x", sha256.Sum256([]byte("example.com/log42"))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
