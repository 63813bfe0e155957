package pack

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

const samplePack = "../../testdata/vectors/pack.zip"

// unpacked is a pack taken apart, to be changed and put together again.
type unpacked struct {
	order   []string
	members map[string][]byte
}

func unpack(t testing.TB) *unpacked {
	t.Helper()
	b, err := os.ReadFile(samplePack)
	if err != nil {
		t.Fatal(err)
	}
	c, err := openContainer(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	u := &unpacked{order: slices.Clone(c.order), members: map[string][]byte{}}
	for _, n := range c.order {
		r, err := c.open(n)
		if err != nil {
			t.Fatal(err)
		}
		if u.members[n], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

// workshop keeps the members that were staged, by name and content: an attack
// changes few, and to compress them all takes longer than to verify them.
var workshop = struct {
	dir    string // "" until there is one
	staged map[string]staged
}{staged: map[string]staged{}}

func TestMain(m *testing.M) {
	code := m.Run()
	closeOpinions()
	if workshop.dir != "" {
		os.RemoveAll(workshop.dir)
	}
	os.Exit(code)
}

func (u *unpacked) stage(t testing.TB, name string) staged {
	t.Helper()
	key := name + " " + evidence.Hash(sha256.Sum256(u.members[name])).String()
	if s, known := workshop.staged[key]; known {
		return s
	}
	if workshop.dir == "" {
		var err error
		if workshop.dir, err = os.MkdirTemp("", "workshop"); err != nil {
			t.Fatal(err)
		}
	}
	s, err := stage(workshop.dir, name, func(w io.Writer) error {
		_, err := w.Write(u.members[name])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	workshop.staged[key] = s
	return s
}

// pack puts the members together. With a key the manifest is made to fit them
// and signed by it: what an attacker who owns a pack key can do.
func (u *unpacked) pack(t testing.TB, key note.Signer, edit func(*Manifest)) []byte {
	t.Helper()
	var rest []staged
	for _, n := range u.order {
		if n != memberManifest && n != memberIssued {
			rest = append(rest, u.stage(t, n))
		}
	}
	if key != nil {
		text, _, _ := strings.Cut(string(u.members[memberManifest]), "\n\n")
		var m Manifest
		if err := json.Unmarshal([]byte(text[len(Header)+1:]), &m); err != nil {
			t.Fatal(err)
		}
		m.Members = nil
		for _, s := range rest {
			m.Members = append(m.Members, s.Member)
			if s.Name == memberRules {
				m.Rules = s.SHA256
			}
		}
		m.Data = dataDigest(rest)
		if edit != nil {
			edit(&m)
		}
		text, err := m.Text()
		if err != nil {
			t.Fatal(err)
		}
		if u.members[memberManifest], err = note.Sign(&note.Note{Text: text}, key); err != nil {
			t.Fatal(err)
		}
	}
	all := append([]staged{u.stage(t, memberManifest)}, rest...)
	if _, ok := u.members[memberIssued]; ok && slices.Contains(u.order, memberIssued) {
		all = append(all, u.stage(t, memberIssued))
	}
	var buf bytes.Buffer
	if err := assemble(&buf, all); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func (u *unpacked) remove(name string) {
	u.order = slices.DeleteFunc(u.order, func(n string) bool { return n == name })
}

func sampleTrust(t testing.TB) *Trust {
	t.Helper()
	f, err := os.Open("../../testdata/vectors/pack.trust")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr, err := ParseTrust(f)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func tryPack(b []byte, tr *Trust) error {
	_, err := Verify(bytes.NewReader(b), int64(len(b)), Options{Trust: tr})
	return err
}

func attacker(t testing.TB) (note.Signer, string) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, "attacker")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s, vkey
}

func TestUnchangedPackIsPutTogetherAgain(t *testing.T) {
	if err := tryPack(unpack(t).pack(t, nil, nil), sampleTrust(t)); err != nil {
		t.Fatal(err)
	}
}

// Every member is needed.
func TestMemberTakenOut(t *testing.T) {
	for _, name := range unpack(t).order {
		u := unpack(t)
		u.remove(name)
		if name == memberManifest {
			u.members[memberManifest] = nil
		}
		if err := tryPack(u.pack(t, nil, nil), nil); err == nil {
			t.Errorf("the pack verifies without %s", name)
		}
	}
}

// dropLine takes a line out of a member.
func dropLine(b []byte, n int) []byte {
	lines := bytes.SplitAfter(b, []byte("\n"))
	return bytes.Join(slices.Delete(lines, n, n+1), nil)
}

// An attacker who makes the manifest fit and signs it with a key of his own
// still fails at the log: genesis, tree, commitments, populations, issue.
func TestResignedByAnotherKey(t *testing.T) {
	key, vkey := attacker(t)
	for _, tc := range []struct {
		name   string
		change func(u *unpacked)
		edit   func(m *Manifest)
		want   string
	}{
		{"nothing else changed", func(*unpacked) {}, nil, "keys are not those the log began with"},
		{"leaf taken out", func(u *unpacked) { u.members[memberLeaves] = dropLine(u.members[memberLeaves], 3) }, nil, "record"},
		{"last leaf taken out", func(u *unpacked) {
			n := bytes.Count(u.members[memberLeaves], []byte("\n"))
			u.members[memberLeaves] = dropLine(u.members[memberLeaves], n-1)
		}, func(m *Manifest) { m.Records-- }, "do not make the tree"},
		{"leaf changed", func(u *unpacked) {
			u.members[memberLeaves] = bytes.Replace(u.members[memberLeaves], []byte(`"op":"event"`), []byte(`"op":"amend"`), 1)
		}, nil, ""},
		{"frontier changed", func(u *unpacked) {
			u.members[memberFrontier] = bytes.Replace(u.members[memberFrontier], []byte("a"), []byte("b"), 1)
		}, nil, ""},
	} {
		u := unpack(t)
		tc.change(u)
		err := tryPack(u.pack(t, key, func(m *Manifest) {
			m.PackKey = vkey
			if tc.edit != nil {
				tc.edit(m)
			}
		}), nil)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want an error with %q", tc.name, err, tc.want)
		}
		if err := tryPack(u.pack(t, key, func(m *Manifest) { m.PackKey = vkey }), sampleTrust(t)); err == nil {
			t.Errorf("%s: accepted under the trust file of the true maker", tc.name)
		}
	}
}

func TestMakerCannotDropARow(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, u *unpacked) bool
		want   string
	}{
		{"register row dropped", func(t *testing.T, u *unpacked) bool {
			for n := range u.members {
				if strings.HasPrefix(n, registersFolder) {
					u.members[n] = dropLine(u.members[n], 1)
					return true
				}
			}
			return false
		}, "does not list exactly"},
		{"register dropped", func(t *testing.T, u *unpacked) bool {
			for n := range u.members {
				if strings.HasPrefix(n, registersFolder) {
					u.remove(n)
					return true
				}
			}
			return false
		}, "is missing"},
		{"register invented", func(t *testing.T, u *unpacked) bool {
			u.members["registers/cert.state.csv"] = []byte("seq\n")
			u.order = append(u.order, "registers/cert.state.csv")
			return true
		}, ""},
		{"claim dropped", func(t *testing.T, u *unpacked) bool {
			u.members[memberClaims] = dropLine(u.members[memberClaims], 2)
			return true
		}, "not disclosed"},
		{"claim repeated", func(t *testing.T, u *unpacked) bool {
			lines := bytes.SplitAfter(u.members[memberClaims], []byte("\n"))
			u.members[memberClaims] = bytes.Join(slices.Insert(lines, 2, lines[2]), nil)
			return true
		}, "out of order"},
		{"plaintext of a claim changed", func(t *testing.T, u *unpacked) bool {
			var d disclosed
			lines := bytes.SplitAfter(u.members[memberClaims], []byte("\n"))
			if err := json.Unmarshal(lines[4], &d); err != nil {
				t.Fatal(err)
			}
			d.Plain[len(d.Plain)/2] ^= 1
			b, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			lines[4] = append(b, '\n')
			u.members[memberClaims] = bytes.Join(lines, nil)
			return true
		}, "does not match its commitment"},
		{"item of a finding dropped", func(t *testing.T, u *unpacked) bool {
			var fs []Finding
			if err := json.Unmarshal(u.members[memberFindings], &fs); err != nil {
				t.Fatal(err)
			}
			for i := range fs {
				if len(fs[i].Items) > 0 {
					fs[i].Items = fs[i].Items[1:]
					u.members[memberFindings], _ = json.Marshal(fs)
					return true
				}
			}
			return false
		}, "population"},
		{"finding cites a record that is not there", func(t *testing.T, u *unpacked) bool {
			var fs []Finding
			if err := json.Unmarshal(u.members[memberFindings], &fs); err != nil {
				t.Fatal(err)
			}
			for i := range fs {
				if len(fs[i].Items) > 0 {
					fs[i].Items[0].Also = append(fs[i].Items[0].Also, 1<<40)
					u.members[memberFindings], _ = json.Marshal(fs)
					return true
				}
			}
			return false
		}, "does not hold"},
		{"the record before the range dropped", func(t *testing.T, u *unpacked) bool {
			lines := bytes.SplitAfter(u.members[memberEarlier], []byte("\n"))
			for i, l := range lines {
				var x single
				if json.Unmarshal(l, &x) != nil {
					continue
				}
				if lf, err := chain.Decode([]byte(x.Leaf)); err == nil && lf.Seq+1 == manifestOf(t, u).Start.Size {
					u.members[memberEarlier] = bytes.Join(slices.Delete(lines, i, i+1), nil)
					return true
				}
			}
			return false
		}, "nothing shows that the range begins"},
		{"findings of a test left away", func(t *testing.T, u *unpacked) bool {
			var fs []Finding
			if err := json.Unmarshal(u.members[memberFindings], &fs); err != nil {
				t.Fatal(err)
			}
			gone := fs[0].Test
			fs = slices.DeleteFunc(fs, func(f Finding) bool { return f.Test == gone })
			u.members[memberFindings], _ = json.Marshal(fs)
			return true
		}, "there is no finding "},
		{"finding turned", func(t *testing.T, u *unpacked) bool {
			var fs []Finding
			if err := json.Unmarshal(u.members[memberFindings], &fs); err != nil {
				t.Fatal(err)
			}
			for i := range fs {
				if fs[i].Status == evidence.NotSatisfied {
					fs[i].Status = evidence.Satisfied
					u.members[memberFindings], _ = json.Marshal(fs)
					return true
				}
			}
			return false
		}, "status satisfied"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u := unpack(t)
			if !tc.change(t, u) {
				t.Fatal("the sample has nothing to change")
			}
			if err := checkAsMaker(t, u); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

// checkAsMaker verifies members as if the true pack key had signed a manifest
// that fits them.
func checkAsMaker(t *testing.T, u *unpacked) error {
	t.Helper()
	return checkAs(t, u, Options{}, nil)
}

func checkAs(t *testing.T, u *unpacked, o Options, edit func(*Manifest)) error {
	t.Helper()
	_, err := reportAs(t, u, o, edit)
	return err
}

// reportAs is checkAs with what was found. verify.py must say the same.
func reportAs(t *testing.T, u *unpacked, o Options, edit func(*Manifest)) (*Report, error) {
	t.Helper()
	key, vkey := attacker(t)
	b := u.pack(t, key, func(m *Manifest) {
		m.PackKey = vkey
		if edit != nil {
			edit(m)
		}
	})
	rep, err := stepsOf(b, o)
	if o == (Options{}) { // verify.py knows no file of the auditor's
		agreesOnPack(t, b, err)
	}
	return rep, err
}

// stepsOf takes the steps of a verification that a maker has not right anyway.
func stepsOf(b []byte, o Options) (*Report, error) {
	v, err := open(bytes.NewReader(b), int64(len(b)), o)
	if err != nil {
		return nil, err
	}
	steps := v.steps()
	for _, step := range steps[:len(steps)-2] { // all but the record that seals the pack, and what is asked for
		if err := step(); err != nil {
			if strings.Contains(err.Error(), "keys are not those the log began with") {
				continue // the one thing the maker himself would have right
			}
			return nil, err
		}
	}
	return v.rep, nil
}

// Each hostile container is refused.
func TestHostileContainers(t *testing.T) {
	good, err := os.ReadFile(samplePack)
	if err != nil {
		t.Fatal(err)
	}
	with := func(name string, content []byte, change func(*staged)) []byte {
		u := unpack(t)
		dir := t.TempDir()
		var all []staged
		add := func(name string, b []byte) staged {
			s, err := stage(dir, name, func(w io.Writer) error { _, err := w.Write(b); return err })
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		for _, n := range u.order {
			all = append(all, add(n, u.members[n]))
		}
		s := add(name, content)
		if change != nil {
			change(&s)
		}
		var buf bytes.Buffer
		if err := assemble(&buf, append(all, s)); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	patch := func(b []byte, from, to string, nth int) []byte {
		at := 0
		for ; nth >= 0; nth-- {
			i := bytes.Index(b[at:], []byte(from))
			if i < 0 {
				t.Fatalf("%q not found", from)
			}
			at += i + 1
		}
		c := bytes.Clone(b)
		copy(c[at-1:], to)
		return c
	}
	for name, b := range map[string][]byte{
		"empty":                      {},
		"not a zip":                  []byte(strings.Repeat("evidence ", 100)),
		"cut":                        good[:len(good)-1],
		"byte appended":              append(bytes.Clone(good), 0),
		"byte before":                append([]byte{0}, good...),
		"comment":                    append(append(bytes.Clone(good[:len(good)-2]), 3, 0), "abc"...),
		"member twice":               with(memberHowTo, []byte("x"), nil),
		"member twice, other case":   with("verify.TXT", []byte("x"), nil),
		"member not in the manifest": with("extra.txt", []byte("x"), nil),
		"absolute name":              with("/etc/passwd", []byte("x"), nil),
		"parent folder":              with("../up", []byte("x"), nil),
		"parent inside":              with("a/../b", []byte("x"), nil),
		"backslash":                  with(`a\b`, []byte("x"), nil),
		"empty name":                 with("", []byte("x"), nil),
		"control byte in a name":     with("a\x1bb", []byte("x"), nil),
		"size announced too large":   with("extra.txt", []byte("xxxxxxxxxxxx"), func(s *staged) { s.Size = 1 << 31 }),
		"size announced too small":   with("extra.txt", bytes.Repeat([]byte("x"), 1<<20), func(s *staged) { s.Size = 10 }),
		"wrong checksum":             with("extra.txt", []byte("x"), func(s *staged) { s.crc++ }),
		"packed size past the end":   with("extra.txt", []byte("x"), func(s *staged) { s.Packed += 1 << 20 }),
		"local name differs":         patch(good, memberClosing, "checkpoinT", 0),
		"central name differs":       patch(good, memberHowTo, "VERIFY.txT", 1),
		"encrypted flag":             patch(good, "PK\x01\x02\x14\x00\x14\x00\x00", "PK\x01\x02\x14\x00\x14\x00\x01", 0),
		"data descriptor flag":       patch(good, "PK\x01\x02\x14\x00\x14\x00\x00", "PK\x01\x02\x14\x00\x14\x00\x08", 0),
		"bomb":                       with("extra.txt", make([]byte, 64<<20), nil),
	} {
		if err := tryPack(b, nil); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A pack that somebody unpacked and zipped again is refused, with what to do: a
// zip program's own headers, and a member in another packed form of one size.
func TestZippedAnew(t *testing.T) {
	u := unpack(t)
	var plainZip bytes.Buffer
	z := zip.NewWriter(&plainZip)
	for _, name := range u.order {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(u.members[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	var members []staged
	for _, name := range u.order {
		s := u.stage(t, name)
		if name == memberHowTo {
			s.path = filepath.Join(t.TempDir(), "stored")
			b := u.members[name]
			stored := append([]byte{1, byte(len(b)), byte(len(b) >> 8), ^byte(len(b)), ^byte(len(b) >> 8)}, b...)
			if err := os.WriteFile(s.path, stored, 0o600); err != nil {
				t.Fatal(err)
			}
			s.Packed = uint64(len(stored))
		}
		members = append(members, s)
	}
	var fitting bytes.Buffer
	if err := assemble(&fitting, members); err != nil {
		t.Fatal(err)
	}
	for what, b := range map[string][]byte{"by a zip program": plainZip.Bytes(), "in a form that fits": fitting.Bytes()} {
		if err := tryPack(b, nil); err == nil || !strings.Contains(err.Error(), "the pack was zipped anew") || !strings.Contains(err.Error(), "ask for the file as it was issued") {
			t.Errorf("zipped anew %s: %v", what, err)
		}
	}
}

func TestChecksumOfAMemberIsHeld(t *testing.T) {
	s := staged{Member: Member{Name: "x"}, crc: crc32.ChecksumIEEE(nil)}
	if got := header(s, false, 0); len(got) != 31 {
		t.Errorf("local header of %d bytes, want 30 and the name", len(got))
	}
}

// Unsafe input never panics, hangs or fills memory.
func FuzzVerify(f *testing.F) {
	good, err := os.ReadFile(samplePack)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:100])
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := tryPack(b, nil); err == nil && !bytes.Equal(b, good) {
			t.Errorf("accepted %d bytes that are not the sample", len(b))
		}
	})
}

func FuzzParseTrust(f *testing.F) {
	b, err := os.ReadFile("../../testdata/vectors/pack.trust")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(b))
	f.Add("tenant-1 a b c 1-2 # x")
	f.Fuzz(func(t *testing.T, s string) {
		tr, err := ParseTrust(strings.NewReader(s))
		if err == nil && tr == nil {
			t.Error("neither trust nor error")
		}
	})
}
