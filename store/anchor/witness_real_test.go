package anchor_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/witness"
	"evidenced/store/anchor"
)

// The witness here is transparency-dev/witness, built from its Go module: no
// line of it is ours. It keeps our client, our checkpoints, our own witness and
// our proofs honest.

// foreignProgram builds evidence/witness/testdata/witnessd.
func foreignProgram(t testing.TB) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "witnessd")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-s -w", "-o", bin, ".")
	cmd.Dir = filepath.Join("..", "..", "evidence", "witness", "testdata", "witnessd")
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build transparency-dev/witness: %v\n%s", err, out)
	}
	return bin
}

// foreignWitness starts it on loopback. It ends with its standard input.
func foreignWitness(t testing.TB, bin, logs string) (url string, key witness.Witness) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "logs")
	if err := os.WriteFile(file, []byte(logs), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "serve", "foreign.example/witness", file)
	var said bytes.Buffer
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("witnessd: %v\n%s", err, &said)
		}
	})
	sc := bufio.NewScanner(out)
	var lines []string
	for len(lines) < 2 && sc.Scan() {
		lines = append(lines, sc.Text())
	}
	if len(lines) < 2 {
		t.Fatalf("witnessd says only %q", lines)
	}
	if key, err = witness.ParseWitness("Foreign", lines[0]); err != nil {
		t.Fatal(err)
	}
	return lines[1], key
}

// foreign runs it with an input and decodes what it prints.
func foreign(t testing.TB, out any, bin string, in []byte, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Stdin = bytes.NewReader(in)
	var said bytes.Buffer
	cmd.Stderr = &said
	b, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(b, out)
	}
	if err != nil {
		t.Fatalf("witnessd %v: %v\n%s%s", args, err, b, &said)
	}
}

// It cosigns the checkpoints of a real log as that grows, refuses every other
// history, and what it signed verifies.
func TestForeignWitnessCosigns(t *testing.T) {
	bin := foreignProgram(t)
	w := installWitnessed(t, "tenant-1")
	url, key := foreignWitness(t, bin, w.log.Origin()+" "+w.LogKey.Verifier+"\n")
	a := w.newWitness(url, key, func(o *anchor.WitnessOptions) { o.Stored = w.stored })
	var sizes []uint64
	var newest anchor.Receipt
	for _, n := range []int{1, 1, 5, 30, 100} {
		newest = w.mustPut(a, w.grow(n))
		w.verified(newest, key)
		sizes = append(sizes, newest.Size)
	}
	// Started anew, the client finds out where it stands.
	last := w.grow(3)
	fresh := w.newWitness(url, key, func(o *anchor.WitnessOptions) { o.Stored = w.stored })
	if size, _, ok, err := fresh.Newest(t.Context(), w.log.Origin()); err != nil || !ok || size != newest.Size {
		t.Errorf("it knows size %d (%v, %v), want %d", size, ok, err, newest.Size)
	}
	newest = w.mustPut(fresh, last)
	w.verified(newest, key)
	for _, x := range []*anchor.Witness{a, fresh} {
		_, err := w.put(x, w.forge(newest.Size))
		wantWitnessConflict(t, err, newest.Size, evidence.Hash{}, whyTwo)
		_, err = w.put(x, w.forge(sizes[2]))
		wantWitnessConflict(t, err, newest.Size, evidence.Hash{}, whyLost)
		_, err = x.Put(t.Context(), w.forge(newest.Size+9), func(uint64) ([]evidence.Hash, error) { return make([]evidence.Hash, 5), nil })
		wantWitnessConflict(t, err, newest.Size, evidence.Hash{}, whyParted)
	}
	// Its reader of tlog-proofs and ours agree on a receipt.
	text := receiptOf(t, w, newest, 7)
	p, err := witness.ParseProof(text)
	if err != nil {
		t.Fatal(err)
	}
	var theirs struct {
		Index      uint64
		Path       [][]byte
		Checkpoint []byte
		Again      []byte
	}
	foreign(t, &theirs, bin, text, "proof")
	if theirs.Index != 7 || len(theirs.Path) != len(p.Path) || !bytes.Equal(theirs.Checkpoint, newest.Note) || !bytes.Equal(theirs.Again, text) {
		t.Errorf("they read %+v from\n%s", theirs, text)
	}
	for i, h := range theirs.Path {
		if !bytes.Equal(h, p.Path[i][:]) {
			t.Errorf("hash %d: %x, ours %s", i, h, p.Path[i])
		}
	}
}

// Their client speaks with our witness, and is told what ours is told.
func TestForeignClientAsksOurs(t *testing.T) {
	bin := foreignProgram(t)
	w := installWitnessed(t, "tenant-1")
	url, key, _ := ownWitness(t, w.log.Origin()+" "+w.LogKey.Verifier)
	first, second := w.grow(6), w.grow(20)
	proof, err := w.log.ProveConsistency(first.Size, second.Size)
	if err != nil {
		t.Fatal(err)
	}
	var raw [][]byte
	for _, h := range proof {
		raw = append(raw, h[:])
	}
	elsewhere := installWitnessed(t, "tenant-1").grow(2)
	for _, tc := range []struct {
		why   string
		old   uint64
		proof [][]byte
		c     anchor.Checkpoint
		size  uint64 // told with a conflict
		err   string // "": cosigned
	}{
		{"the first", 0, nil, first, 0, ""},
		{"from nothing", 0, nil, second, first.Size, "old size != current"},
		{"without a proof", first.Size, nil, second, 0, "consistency proof invalid"},
		{"a forged one", first.Size, raw, w.forge(second.Size), 0, "consistency proof invalid"},
		{"a larger one", first.Size, raw, second, 0, ""},
		{"the same again", second.Size, nil, second, 0, ""},
		{"a smaller one", second.Size, nil, first, 0, "old size > current"},
		{"another log", 0, nil, elsewhere, 0, "unknown log"},
		{"signed with a mistake", second.Size, nil, anchor.Checkpoint{Signed: bytes.Replace(second.Signed, second.Signed[len(second.Signed)-9:], []byte("AAAAAAA=\n"), 1)}, 0, "no valid signatures"},
	} {
		in, err := json.Marshal(map[string]any{"old": tc.old, "proof": tc.proof, "checkpoint": tc.c.Signed})
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Answer []byte
			Size   uint64
			Error  string
		}
		foreign(t, &got, bin, in, "submit", url)
		if got.Error != tc.err || got.Size != tc.size {
			t.Errorf("%s: %q with size %d, want %q with %d", tc.why, got.Error, got.Size, tc.err, tc.size)
		}
		if tc.err == "" {
			note := append(bytes.Clone(tc.c.Signed), got.Answer...)
			if _, cs, err := witness.Open(note, w.LogKey.Verifier, []witness.Witness{key}); err != nil || len(cs) != 1 || !strings.HasPrefix(cs[0].Name, "witness.example/") {
				t.Errorf("%s: %v, %v", tc.why, cs, err)
			}
		}
	}
}
