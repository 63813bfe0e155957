package chain_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

const vKeyName = "00112233445566aa" // the installation, first part of the origin

type checkpointVectors struct {
	Origin  string           `json:"origin"`
	Key     string           `json:"key"`     // note verifier key of the log
	Witness string           `json:"witness"` // another key that readers may know, and must not accept alone
	Good    []checkpointGood `json:"good"`
	Refused []checkpointBad  `json:"refused"`
}

type checkpointGood struct {
	Name string        `json:"name"`
	Note string        `json:"note"`
	Size uint64        `json:"size"`
	Root evidence.Hash `json:"root"`
}

type checkpointBad struct {
	Why  string `json:"why"`
	Note string `json:"note"`
}

func signText(t testing.TB, text string, signers ...note.Signer) string {
	t.Helper()
	b, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func makeCheckpoints(t testing.TB) checkpointVectors {
	log, logKey := fixedKey(t, vKeyName, "vectors: log key")
	wit, witKey := fixedKey(t, "witness.example", "vectors: witness key")
	namesake, _ := fixedKey(t, vKeyName, "vectors: another key of the same name")
	v := checkpointVectors{Origin: vOrigin, Key: logKey, Witness: witKey}
	m := newTree(21)
	for _, c := range []struct {
		name string
		n    int
		by   []note.Signer
	}{
		{"21 records", 21, []note.Signer{log}},
		{"one record", 1, []note.Signer{log}},
		{"the empty log", 0, []note.Signer{log}},
		{"signed by the log and a witness", 21, []note.Signer{log, wit}},
	} {
		cp := chain.Checkpoint{Origin: vOrigin, Size: uint64(c.n), Root: rfcRoot(m.leaves[:c.n])}
		b, err := cp.Sign(c.by...)
		if err != nil {
			t.Fatal(err)
		}
		v.Good = append(v.Good, checkpointGood{c.name, string(b), cp.Size, cp.Root})
	}
	cp := chain.Checkpoint{Origin: vOrigin, Size: 21, Root: rfcRoot(m.leaves)}
	text, root := cp.Text(), base64.StdEncoding.EncodeToString(cp.Root[:])
	bad := func(why, text string, by ...note.Signer) {
		v.Refused = append(v.Refused, checkpointBad{why, signText(t, text, by...)})
	}
	bad("only a witness signed", text, wit)
	bad("signed by another key of the log's name", text, namesake)
	other := cp
	other.Origin = "00112233445566aa/0000000000000001"
	bad("another log of the installation", other.Text(), log)
	bad("an extension line", text+"extension 1\n", log)
	bad("an empty line at the end", text+"\n", log)
	bad("no root", vOrigin+"\n21\n", log)
	bad("size with a leading zero", vOrigin+"\n021\n"+root+"\n", log)
	bad("size with a plus sign", vOrigin+"\n+21\n"+root+"\n", log)
	bad("size is 2^53", vOrigin+"\n9007199254740992\n"+root+"\n", log)
	bad("size is empty", vOrigin+"\n\n"+root+"\n", log)
	bad("origin is empty", "\n21\n"+root+"\n", log)
	bad("origin with a space", vOrigin+" x\n21\n"+root+"\n", log)
	bad("root without padding", vOrigin+"\n21\n"+strings.TrimRight(root, "=")+"\n", log)
	bad("root of 31 bytes", vOrigin+"\n21\n"+base64.StdEncoding.EncodeToString(cp.Root[:31])+"\n", log)
	bad("root with other tail bits", vOrigin+"\n21\n"+rootTail(t, root)+"\n", log)
	bad("root in hex", vOrigin+"\n21\n"+cp.Root.String()+"\n", log)
	bad("another product's header", "go.sum database tree\n21\n"+root+"\n", log)
	signed := signText(t, text, log)
	for _, r := range [][2]string{{"a size that was not signed", strings.Replace(signed, "\n21\n", "\n22\n", 1)},
		{"no signature", text}, {"no signature line after the empty one", text + "\n"},
		{"a carriage return", strings.Replace(signed, "\n21\n", "\r\n21\n", 1)},
		{"bytes after the signature", signed + "x"}, {"no line end at the end", strings.TrimSuffix(signed, "\n")}} {
		v.Refused = append(v.Refused, checkpointBad{r[0], r[1]})
	}
	return v
}

// rootTail sets a bit of the last character before the padding that no byte
// needs.
func rootTail(t testing.TB, root string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	i := strings.IndexByte(alphabet, root[42])
	if len(root) != 44 || i < 0 || i&1 != 0 {
		t.Fatalf("root %s", root)
	}
	return root[:42] + alphabet[i+1:i+2] + "="
}

func mustVerifier(t testing.TB, key string) note.Verifier {
	t.Helper()
	v, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// openFor opens a checkpoint as a reader who knows the log does: by its key and
// by its origin.
func openFor(signed string, key note.Verifier, origin string) (chain.Checkpoint, error) {
	c, err := chain.OpenCheckpoint([]byte(signed), key)
	if err == nil && c.Origin != origin {
		err = fmt.Errorf("checkpoint of %s", c.Origin)
	}
	return c, err
}

func TestCheckpointVectors(t *testing.T) {
	v := makeCheckpoints(t)
	vectorFile(t, "checkpoints.json", v)
	key := mustVerifier(t, v.Key)
	for _, g := range v.Good {
		c, err := openFor(g.Note, key, v.Origin)
		if err != nil || c.Size != g.Size || c.Root != g.Root {
			t.Errorf("%s: %+v, %v", g.Name, c, err)
		}
	}
	for _, b := range v.Refused {
		if c, err := openFor(b.Note, key, v.Origin); err == nil {
			t.Errorf("a checkpoint is accepted (%s): %+v\n%s", b.Why, c, b.Note)
		}
	}
	if _, err := chain.OpenCheckpoint([]byte(v.Good[0].Note), mustVerifier(t, v.Witness)); err == nil {
		t.Error("a log's checkpoint passes as a witness's")
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	v := makeCheckpoints(f)
	for _, g := range v.Good {
		f.Add(strings.SplitAfter(g.Note, "\n\n")[0])
	}
	for _, b := range v.Refused {
		text, _, _ := strings.Cut(b.Note, "\n\n")
		f.Add(text + "\n")
	}
	f.Add(vOrigin + "\n21\n" + strings.Repeat("A", 20) + "\r" + strings.Repeat("A", 23) + "=\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := chain.ParseCheckpoint(text)
		if err != nil {
			if c != (chain.Checkpoint{}) {
				t.Fatalf("refused, and yet %+v", c)
			}
			return
		}
		if c.Text() != text {
			t.Fatalf("accepted %q, which is written %q", text, c.Text())
		}
	})
}

func FuzzOpenCheckpoint(f *testing.F) {
	v := makeCheckpoints(f)
	key := mustVerifier(f, v.Key)
	signed := map[string]bool{}
	for _, g := range v.Good {
		f.Add(g.Note)
		text, _, _ := strings.Cut(g.Note, "\n\n")
		signed[text+"\n"] = true
	}
	for _, b := range v.Refused {
		f.Add(b.Note)
		if text, _, ok := strings.Cut(b.Note, "\n\n"); ok {
			signed[text+"\n"] = true // by the log's key too, in part
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := chain.OpenCheckpoint([]byte(s), key)
		if err == nil && !signed[c.Text()] {
			t.Fatalf("accepted a checkpoint that nobody signed: %q", s)
		}
	})
}
