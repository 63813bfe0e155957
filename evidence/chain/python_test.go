package chain_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"evidenced/evidence/evidencetest"
)

// verify.py is a second implementation of the formats. It must agree with the
// vectors that this package made, and must not agree with anything else.

func python(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "python3", append([]string{filepath.Join(vectorDir, "verify.py")}, args...)...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatalf("python3 is needed to check the vectors: %v", err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestPythonAcceptsVectors(t *testing.T) {
	if evidencetest.Updating() {
		t.Log("checked at the next run: the vectors are being written")
		return
	}
	out, code := python(t)
	if code != 0 || !strings.HasPrefix(out, "OK  ") {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	t.Log(out)
}

func TestPythonUsage(t *testing.T) {
	for _, args := range [][]string{{"--what"}, {"a", "b"}, {filepath.Join(t.TempDir(), "none.zip")}} {
		if out, code := python(t, args...); code != 64 {
			t.Errorf("%q: exit code %d:\n%s", args, code, out)
		}
	}
}

// copyVectors copies the JSON files into a new directory.
func copyVectors(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	if err != nil || len(files) != 9 {
		t.Fatalf("vectors: %q, %v", files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(f)), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPythonRefusesOtherVectors(t *testing.T) {
	leaf, err := leastLeaf().Encode()
	if err != nil {
		t.Fatal(err)
	}
	quoted := strings.ReplaceAll(string(leaf), `"`, `\"`)
	chainLeaves := smallLog(t, 8)
	m := newTree(treeMax)
	for _, tc := range []struct{ name, file, old, new string }{
		{"a leaf changed", "leaves.json", `2026-11-14T13:57:02Z`, `2026-11-14T13:57:03Z`},
		{"a leaf's spelling changed", "leaves.json", `\"seq\":1,`, `\"seq\":01,`},
		{"a refused leaf that is good", "leaves.json", `"why": "empty",
   "leaf": ""`, `"why": "empty",
   "leaf": "` + quoted + `"`},
		{"a root changed", "chain.json", chainLeaves.Root.String(), chainLeaves.Genesis.String()},
		{"the begin changed", "chain.json", `"genesis_prev": "`, `"genesis_prev": "0`},
		{"a salt changed", "chain.json", `"salt": "`, `"salt": "AAAA`},
		{"a frontier changed", "chain.json", chainLeaves.Frontier[0].String(), chainLeaves.Root.String()},
		{"a tree's root changed", "trees.json", rfcRoot(m.leaves[:33]).String(), rfcRoot(m.leaves[:32]).String()},
		{"a proof's hash changed", "proofs.json", rfcPath(10, m.leaves[:21])[1].String(), chainLeaves.Root.String()},
		{"a refused proof that is good", "proofs.json", `"seq": 11,`, `"seq": 10,`},
		{"a checkpoint's size changed", "checkpoints.json", `\n21\n`, `\n22\n`},
		{"another key", "checkpoints.json", `"key": "` + vKeyName, `"key": "witness.example`},
		{"a commitment changed", "claims.json", `"commit": "`, `"commit": "0`},
		{"a ciphertext changed", "claims.json", `"ciphertext": "`, `"ciphertext": "AAAA`},
		{"a reference changed", "refs.json", `"text": "change:prod/`, `"text": "change:test/`},
		{"a refused reference that is good", "refs.json", `"text": "repo:acme"`, `"text": "repo:/acme"`},
		{"a cosigned size changed", "witness.json", `\n21\n`, `\n22\n`},
		{"a witness's key changed", "witness.json", `"key": "witness.example/w1+`, `"key": "witness.example/w9+`},
		{"a cosignature's time changed", "witness.json", `"time": "2026-11-14T14:00:00Z"`, `"time": "2026-11-14T14:00:01Z"`},
		{"a receipt's record changed", "witness.json", `\nindex 10\n`, `\nindex 11\n`},
		{"a refused request that is good", "witness.json", `"text": "old 010\n`, `"text": "old 10\n`},
		{"no JSON", "refs.json", `{`, `[`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(copyVectors(t), tc.file)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			changed := bytes.Replace(b, []byte(tc.old), []byte(tc.new), 1)
			if bytes.Equal(changed, b) {
				t.Fatalf("%s does not hold %s", tc.file, tc.old)
			}
			if err := os.WriteFile(path, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, code := python(t, filepath.Dir(path)); code != 2 || !strings.HasPrefix(out, "FAILED") {
				t.Errorf("exit code %d:\n%s", code, out)
			}
		})
	}
}

// packKeys are the keys that pack.trust names.
func packKeys(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorDir, "pack.trust"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	f := strings.Fields(lines[len(lines)-1])
	if len(f) != 4 {
		t.Fatalf("trust line %q", f)
	}
	return []string{"--log-key", f[2], "--pack-key", f[3]}
}

// pack.zip is a pack of version 1 as it was once issued. It stays as it is, and
// every later version must read it.
func TestPythonVerifiesPack(t *testing.T) {
	path := filepath.Join(vectorDir, "pack.zip")
	keys := packKeys(t)
	out, code := python(t, append([]string{path}, keys...)...)
	if code != 0 || !strings.Contains(out, "tenant-1") || !strings.Contains(out, "keys as given") {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	t.Log(out)
	if out, code := python(t, path); code != 0 || !strings.Contains(out, "not established") {
		t.Errorf("without keys: exit code %d:\n%s", code, out)
	}
	keys[1], keys[3] = keys[3], keys[1]
	if out, code := python(t, append([]string{path}, keys...)...); code != 2 {
		t.Errorf("with other keys: exit code %d:\n%s", code, out)
	}
}

func TestPythonRefusesChangedPack(t *testing.T) {
	pack, err := os.ReadFile(filepath.Join(vectorDir, "pack.zip"))
	if err != nil {
		t.Fatal(err)
	}
	changes := map[string][]byte{"a byte after the end": append(bytes.Clone(pack), 0), "a byte before": append([]byte{0}, pack...), "cut": pack[:len(pack)-1], "empty": {}}
	at, members := 0, 0
	for len(pack) > at+30 && binary.LittleEndian.Uint32(pack[at:]) == 0x04034b50 {
		n := int(binary.LittleEndian.Uint16(pack[at+26:]))
		name, size := string(pack[at+30:at+30+n]), int(binary.LittleEndian.Uint32(pack[at+18:]))
		for where, off := range map[string]int{"header": at + 14, "middle": at + 30 + n + size/2} {
			c := bytes.Clone(pack)
			c[off] ^= 1
			changes[where+" of "+name] = c
		}
		at += 30 + n + size
		members++
	}
	if members < 15 {
		t.Fatalf("%d members", members)
	}
	for name, b := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "pack.zip")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, code := python(t, path); code != 2 || !strings.HasPrefix(out, "FAILED") {
				t.Errorf("exit code %d:\n%s", code, out)
			}
		})
	}
}
