package witness_test

import (
	"bytes"
	"strings"
	"testing"

	"evidenced/evidence/chain"
	"evidenced/evidence/witness"
)

func FuzzParseRequest(f *testing.F) {
	v := makeVectors(f)
	for _, r := range v.Requests {
		f.Add([]byte(r.Text))
	}
	for _, b := range v.BadReqs {
		f.Add([]byte(b.Text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := witness.ParseRequest(b)
		if err != nil {
			if r.Old != 0 || r.Proof != nil || r.Signed != nil {
				t.Fatalf("refused, and yet %+v", r)
			}
			return
		}
		if again, err := r.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted %q, which is written %q (%v)", b, again, err)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	f.Add([]byte("0\n"))
	f.Add([]byte("9007199254740991\n"))
	for _, b := range makeVectors(f).Sizes {
		f.Add([]byte(b.Text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := witness.ParseSize(b); err == nil && !bytes.Equal(witness.EncodeSize(n), b) {
			t.Fatalf("accepted %q as %d", b, n)
		}
	})
}

func FuzzParseProof(f *testing.F) {
	v := makeVectors(f)
	for _, x := range v.Proofs {
		f.Add([]byte(x.Text))
	}
	for _, b := range v.BadProofs {
		f.Add([]byte(b.Text))
	}
	ws := v.witnesses(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := witness.ParseProof(b)
		if err != nil {
			return
		}
		if again, err := p.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted %q, which is written %q (%v)", b, again, err)
		}
		if c, _, err := p.Verify(v.Origin, v.LogKey, v.Leaf, ws); err == nil && (p.Index != 10 || c.Size != 21) {
			t.Fatalf("a proof that nobody made verifies: %q", b)
		}
	})
}

// Nothing but the checkpoints of the vectors was ever cosigned.
func FuzzVerify(f *testing.F) {
	v := makeVectors(f)
	ws := v.witnesses(f)
	cosigned := map[string]bool{}
	for _, n := range v.Notes {
		f.Add([]byte(n.Note))
		text, _, _ := strings.Cut(n.Note, "\n\n")
		cosigned[text+"\n"] = true
	}
	for _, b := range v.Refused {
		f.Add([]byte(b.Text))
		text, _, _ := strings.Cut(b.Text, "\n\n")
		cosigned[text+"\n"] = true // by a witness, perhaps not by the log
	}
	for _, p := range v.Proofs {
		_, note, _ := strings.Cut(p.Text, "\n\n")
		f.Add([]byte(note))
		text, _, _ := strings.Cut(note, "\n\n")
		cosigned[text+"\n"] = true
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		cs, err := witness.Verify(b, ws)
		if err != nil || len(cs) == 0 {
			return
		}
		text, _, _ := strings.Cut(string(b), "\n\n")
		if !cosigned[text+"\n"] {
			t.Fatalf("a cosignature of what nobody cosigned: %q", b)
		}
		again, err := witness.Attach([]byte(text+"\n\n"), cs[0].Line)
		if err != nil {
			t.Fatal(err)
		}
		if same, err := witness.Verify(again, ws); err != nil || len(same) != 1 || same[0] != cs[0] {
			t.Fatalf("line %q alone: %v, %v", cs[0].Line, same, err)
		}
	})
}

func FuzzParseAnswer(f *testing.F) {
	v := makeVectors(f)
	w := v.witnesses(f)[0]
	for _, n := range v.Notes {
		_, lines, _ := strings.Cut(n.Note, "\n\n")
		f.Add([]byte(lines))
	}
	for _, b := range v.Answers {
		f.Add([]byte(b.Text))
	}
	c := chain.Checkpoint{Origin: vOrigin, Size: 23, Root: seedHash("never cosigned")}
	f.Fuzz(func(t *testing.T, b []byte) {
		if cs, err := witness.ParseAnswer(b, c, w); err == nil {
			t.Fatalf("%q is taken for a cosignature: %+v", b, cs)
		}
		if cs, err := witness.ParseAnswer(b, checkpointOf(21), w); err == nil && !strings.HasPrefix(cs.Line, "\u2014 "+w.Name()+" ") {
			t.Fatalf("line %q", cs.Line)
		}
	})
}

func FuzzParseWitness(f *testing.F) {
	v := makeVectors(f)
	for _, w := range v.Witnesses {
		f.Add(w.Key)
	}
	for _, b := range v.Keys {
		f.Add(b.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, err := witness.ParseWitness("x", text)
		if err == nil && w.Key() != text {
			t.Fatalf("accepted %q, which is written %q", text, w.Key())
		}
		if s, err := witness.NewSigner("PRIVATE+KEY+" + text); err == nil && s.Name() == "" {
			t.Fatalf("a signer without a name: %q", text)
		}
	})
}
