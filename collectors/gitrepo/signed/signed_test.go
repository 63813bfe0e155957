package signed

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"evidenced/evidence/problem"
)

// The files of testdata were made by git 2.39 with GnuPG 2.2 and OpenSSH 9.2.
var (
	made = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	now  = made.Add(24 * time.Hour)
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func load(t testing.TB, files ...string) *Signers {
	t.Helper()
	s, err := Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRealObjects(t *testing.T) {
	all := load(t, "testdata/signer.asc", "testdata/allowed_signers")
	for _, tc := range []struct {
		name   string
		signed bool
		check  func([]byte, time.Time, time.Time) (Verdict, bool)
	}{
		{"pgp.commit", true, all.Commit}, {"ssh.commit", true, all.Commit}, {"none.commit", false, all.Commit},
		{"pgp.tag", true, all.Tag}, {"ssh.tag", true, all.Tag}, {"none.tag", false, all.Tag},
	} {
		raw := file(t, tc.name)
		v, ok := tc.check(raw, made, now)
		if ok != tc.signed || ok && (!v.Good() || !v.GoodNow() || v.Key == "" || !v.Speaks("Signer@people.example") || v.Speaks("mallory@people.example")) {
			t.Errorf("%s: %v %+v", tc.name, ok, v)
		}
		if !tc.signed {
			continue
		}
		// Every flipped bit outside the armor is found; inside it, nothing counts
		// as good unless the armor ignores the place.
		payload, _ := splitCommit(raw)
		if strings.HasSuffix(tc.name, ".tag") {
			payload, _ = splitTag(raw)
		}
		for i := range payload {
			bad := bytes.Clone(raw)
			j := bytes.Index(raw, payload[max(0, i-10):min(len(payload), i+10)])
			if j < 0 {
				continue // across the signature
			}
			bad[j+min(i, 10)] ^= 1
			if v, ok := tc.check(bad, made, now); ok && v.Good() {
				t.Fatalf("%s: a flipped bit at %d is good", tc.name, i)
			}
		}
		if v, _ := load(t).Commit(raw, made, now); strings.HasSuffix(tc.name, ".commit") && v.Why != UnknownKey {
			t.Errorf("%s without signers: %+v", tc.name, v)
		}
	}
	if all.Hash() == load(t, "testdata/signer.asc").Hash() || len(all.Hash()) != 64 {
		t.Errorf("hash %q", all.Hash())
	}
}

// TestHeaderBeforeEachLine: gits of 2011 wrote gpgsig before each line of a
// signature, not before the first alone.
func TestHeaderBeforeEachLine(t *testing.T) {
	head, message, _ := bytes.Cut(file(t, "pgp.commit"), []byte("\n\n"))
	raw := slices.Concat(bytes.ReplaceAll(head, []byte("\n "), []byte("\ngpgsig ")), []byte("\n\n"), message)
	if v, ok := load(t, "testdata/signer.asc").Commit(raw, made, now); !ok || !v.Good() {
		t.Errorf("%v %+v", ok, v)
	}
}

// sshCommit signs a commit by a key as git does.
func sshCommit(t *testing.T, key ssh.Signer, namespace string) []byte {
	t.Helper()
	payload := "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@x.example> 1 +0000\ncommitter A <a@x.example> 1 +0000\n\nhello\n"
	sig, err := sshsig.Sign(strings.NewReader(payload), key, sshsig.HashSHA512, namespace)
	if err != nil {
		t.Fatal(err)
	}
	return insert(payload, string(sshsig.Armor(sig)))
}

func insert(payload, armored string) []byte {
	head, message, _ := strings.Cut(payload, "\n\n")
	return []byte(head + "\ngpgsig " + strings.ReplaceAll(strings.TrimSpace(armored), "\n", "\n ") + "\n\n" + message)
}

func sshKey(t *testing.T) (ssh.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey())))
}

func TestSSH(t *testing.T) {
	key, public := sshKey(t)
	_, other := sshKey(t)
	commit := sshCommit(t, key, "git")
	for _, tc := range []struct {
		name, allowed, why, nowWhy string
		mail                       string // spoken for
	}{
		{"plain", "a@x.example " + public, Good, Good, "a@x.example"},
		{"pattern", "*@x.example,!b@x.example " + public, Good, Good, "a@x.example"},
		{"quoted principals", `"a@x.example" ` + public, Good, Good, "a@x.example"},
		{"another key", "a@x.example " + other, UnknownKey, UnknownKey, ""},
		{"over since", `a@x.example valid-before="20261122" ` + public, Good, ExpiredKey, "a@x.example"},
		{"over before", `a@x.example valid-before="20261101Z" ` + public, ExpiredKey, ExpiredKey, ""},
		{"not begun then", `a@x.example valid-after="202611220000" ` + public, ExpiredKey, Good, ""},
		{"two lines, one for each time", "a@x.example valid-before=\"20261122\" " + public + "\n# now\nb@x.example valid-after=\"20261122\" " + public, Good, Good, "a@x.example"},
		{"for mail alone", `a@x.example namespaces="email" ` + public, Namespace, Namespace, ""},
		{"for git among others", `a@x.example namespaces="email,git" ` + public, Good, Good, "a@x.example"},
		{"an authority's key signs nothing itself", "a@x.example cert-authority " + public, UnknownKey, UnknownKey, ""},
	} {
		f := filepath.Join(t.TempDir(), "allowed")
		if err := os.WriteFile(f, []byte(tc.allowed+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		v, ok := load(t, f).Commit(commit, made, now)
		if !ok || v.Why != tc.why || v.NowWhy != tc.nowWhy {
			t.Errorf("%s: %v %+v, want %s, now %s", tc.name, ok, v, tc.why, tc.nowWhy)
		}
		if (tc.mail != "") != v.Speaks(tc.mail) || v.Speaks("b@x.example") {
			t.Errorf("%s: speaks for %q: %v", tc.name, tc.mail, v.Speaks(tc.mail))
		}
	}
	f := filepath.Join(t.TempDir(), "allowed")
	if err := os.WriteFile(f, []byte("a@x.example "+public+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if v, _ := load(t, f).Commit(sshCommit(t, key, "file"), made, now); v.Why != Namespace {
		t.Errorf("a signature for files: %+v", v)
	}
	if v, _ := load(t, f).Commit(bytes.Replace(commit, []byte("hello"), []byte("hullo"), 1), made, now); v.Why != Bad || v.NowWhy != Bad {
		t.Errorf("other text: %+v", v)
	}
	if v, ok := load(t, f).Commit(insert("tree x\n\nhello\n", sshMark+"\nAAAA\n-----END SSH SIGNATURE-----"), made, now); !ok || v.Why != Unreadable {
		t.Errorf("damaged: %v %+v", ok, v)
	}
	if v, ok := load(t, f).Commit(insert("tree x\n\nhello\n", "-----BEGIN SIGNED MESSAGE-----\nAAAA\n-----END SIGNED MESSAGE-----"), made, now); !ok || v.Why != Unsupported {
		t.Errorf("X.509: %v %+v", ok, v)
	}
}

// pgpKey makes a key at a time that is good for so long; zero: for ever.
func pgpKey(t *testing.T, at time.Time, good time.Duration) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.NewEntity("A", "", "a@x.example", &packet.Config{
		Time: func() time.Time { return at }, Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: uint32(good / time.Second), DefaultHash: crypto.SHA256})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func armored(t *testing.T, e *openpgp.Entity) string {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Serialize(w); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := filepath.Join(t.TempDir(), "key.asc")
	if err := os.WriteFile(f, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestPGP(t *testing.T) {
	const payload = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nhello\n"
	sign := func(e *openpgp.Entity, at time.Time) []byte {
		var b bytes.Buffer
		if err := openpgp.ArmoredDetachSign(&b, e, strings.NewReader(payload), &packet.Config{Time: func() time.Time { return at }}); err != nil {
			t.Fatal(err)
		}
		return insert(payload, b.String())
	}
	born := made.Add(-30 * 24 * time.Hour)
	lasting := pgpKey(t, born, 0)
	short := pgpKey(t, born, 31*24*time.Hour-12*time.Hour) // over between made and now
	revoked := pgpKey(t, born, 0)
	onRevoked := sign(revoked, made)
	if err := revoked.RevokeKey(packet.KeyCompromised, "lost", &packet.Config{Time: func() time.Time { return made.Add(time.Hour) }}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name        string
		key         *openpgp.Entity
		raw         []byte
		why, nowWhy string
	}{
		{"good", lasting, sign(lasting, made), Good, Good},
		{"the key ended since", short, sign(short, made), Good, ExpiredKey},
		{"another key", short, sign(lasting, made), UnknownKey, UnknownKey},
		{"dated ahead", lasting, sign(lasting, now.Add(48*time.Hour)), Good, ExpiredSig},
		// A stolen key signs with any date: once it is given as compromised, no
		// signature of it counts, however old it claims to be.
		{"revoked as compromised", revoked, onRevoked, RevokedKey, RevokedKey},
	} {
		v, ok := load(t, armored(t, tc.key)).Commit(tc.raw, made, now)
		if !ok || v.Why != tc.why || v.NowWhy != tc.nowWhy {
			t.Errorf("%s: %v %+v, want %q, now %q", tc.name, ok, v, tc.why, tc.nowWhy)
		}
		if v.Speaks("a@x.example") != (tc.why == Good) {
			t.Errorf("%s: speaks %v", tc.name, v.Speaks("a@x.example"))
		}
	}
	if v, ok := load(t, armored(t, lasting)).Commit(insert(payload, pgpMark+"\n\nAAAA\n-----END PGP SIGNATURE-----"), made, now); !ok || v.Why != Unreadable {
		t.Errorf("damaged: %v %+v", ok, v)
	}
}

func TestFilesOfSigners(t *testing.T) {
	_, public := sshKey(t)
	for name, tc := range map[string]struct{ text, want string }{
		"a private key":       {"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n-----END PGP PRIVATE KEY BLOCK-----\n", "block 1"},
		"half a key":          {"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA", "block 1"},
		"no key":              {"a@x.example\n", "line 1: names no key"},
		"no principal":        {"\n, " + public + "\n", "line 2: names no principal"},
		"a damaged key":       {"a@x.example ssh-ed25519 AAAA\n", "line 1: holds no key"},
		"an unknown option":   {"a@x.example verify-required=yes " + public, `line 1: option "verify-required"`},
		"no time":             {`a@x.example valid-after="soon" ` + public, "valid-after"},
		"a quote stands open": {`"a@x.example ` + public, "quote"},
	} {
		f := filepath.Join(t.TempDir(), "signers")
		if err := os.WriteFile(f, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load([]string{f}); !problem.Is(err, problem.Config) || !strings.Contains(fmt.Sprint(err), tc.want) || !strings.Contains(fmt.Sprint(err), f) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Load([]string{filepath.Join(t.TempDir(), "none")}); !problem.Is(err, problem.Config) {
		t.Errorf("no file: %v", err)
	}
}

func TestGlob(t *testing.T) {
	for _, tc := range []struct {
		p, s string
		want bool
	}{
		{"*", "", true}, {"a*c", "abbc", true}, {"a*c", "abb", false}, {"?", "", false}, {"a?c", "abc", true}, {"*@x", "a@x", true}, {"*a*b*", "xaxbx", true}, {"", "a", false},
		{"*,!a@x", "a@x", false}, {"!a@x", "b@x", false},
	} {
		if got := globMatch(tc.p, tc.s); got != tc.want {
			t.Errorf("%q %q: %v", tc.p, tc.s, got)
		}
	}
}

func FuzzCommit(f *testing.F) {
	for _, n := range []string{"pgp.commit", "ssh.commit", "none.commit", "pgp.tag", "ssh.tag"} {
		f.Add(file(f, n))
	}
	s := load(f, "testdata/signer.asc", "testdata/allowed_signers")
	good := map[string]bool{}
	for _, n := range []string{"pgp.commit", "ssh.commit"} {
		p, _ := splitCommit(file(f, n))
		good[string(p)] = true
	}
	for _, n := range []string{"pgp.tag", "ssh.tag"} {
		p, _ := splitTag(file(f, n))
		good[string(p)] = true
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if v, ok := s.Commit(raw, made, now); ok && v.Good() {
			if p, _ := splitCommit(raw); !good[string(p)] {
				t.Errorf("other bytes are good: %q", p)
			}
		}
		if v, ok := s.Tag(raw, made, now); ok && v.Good() {
			if p, _ := splitTag(raw); !good[string(p)] {
				t.Errorf("other bytes are good: %q", p)
			}
		}
	})
}

func FuzzAllowed(f *testing.F) {
	f.Add(file(f, "allowed_signers"))
	f.Add([]byte("a valid-after=\"2026\" ssh-ed25519 AAAA\n\"x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ss, err := parseAllowed(b)
		for _, s := range ss {
			if err != nil || s.key == nil || len(s.principals) == 0 {
				t.Errorf("%+v, %v", s, err)
			}
		}
	})
}

func BenchmarkCommit(b *testing.B) {
	s := load(b, "testdata/signer.asc", "testdata/allowed_signers")
	for _, n := range []string{"pgp.commit", "ssh.commit"} {
		raw := file(b, n)
		b.Run(n, func(b *testing.B) {
			for b.Loop() {
				if v, _ := s.Commit(raw, made, now); !v.Good() {
					b.Fatal(v)
				}
			}
		})
	}
}

// A text of another kind than a commit: the namespace keeps what was signed
// for git from counting for it, and the other way round.
func TestDetached(t *testing.T) {
	const purpose, text = "house-rules", "house rules, first edition\n"
	key, public := sshKey(t)
	other, _ := sshKey(t)
	ssh := func(key ssh.Signer, namespace, text string) []byte {
		sig, err := sshsig.Sign(strings.NewReader(text), key, sshsig.HashSHA512, namespace)
		if err != nil {
			t.Fatal(err)
		}
		return sshsig.Armor(sig)
	}
	pgp := pgpKey(t, made.Add(-time.Hour), 0)
	var b bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&b, pgp, strings.NewReader(text), &packet.Config{Time: func() time.Time { return made }}); err != nil {
		t.Fatal(err)
	}
	allowed := filepath.Join(t.TempDir(), "allowed")
	write := func(line string) {
		if err := os.WriteFile(allowed, []byte(line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name, allowed string
		signature     []byte
		text, why     string
	}{
		{"ssh", "a@x.example " + public, ssh(key, purpose, text), text, Good},
		{"ssh for this alone", `a@x.example namespaces="house-*" ` + public, ssh(key, purpose, text), text, Good},
		{"ssh for git", "a@x.example " + public, ssh(key, "git", text), text, Namespace},
		{"key for git alone", `a@x.example namespaces="git" ` + public, ssh(key, purpose, text), text, Namespace},
		{"ssh of nobody known", "a@x.example " + public, ssh(other, purpose, text), text, UnknownKey},
		{"ssh of other bytes", "a@x.example " + public, ssh(key, purpose, text+" "), text, Bad},
		{"key that ended", `a@x.example valid-before="20261122" ` + public, ssh(key, purpose, text), text, ExpiredKey},
		{"openpgp", "a@x.example " + public, b.Bytes(), text, Good},
		{"openpgp of other bytes", "a@x.example " + public, b.Bytes(), text + "x", Bad},
		{"no signature", "a@x.example " + public, []byte("yes, really"), text, Unsupported},
		{"nothing", "a@x.example " + public, nil, text, Unsupported},
	} {
		write(tc.allowed)
		v := load(t, allowed, armored(t, pgp)).Detached(purpose, []byte(tc.text), tc.signature, now)
		if v.NowWhy != tc.why || v.Why != tc.why {
			t.Errorf("%s: %+v, want %s", tc.name, v, tc.why)
		}
		if pgp := strings.HasPrefix(tc.name, "openpgp"); tc.why == Good && v.At.Equal(made) != pgp {
			t.Errorf("%s: made at %s", tc.name, v.At)
		}
	}
}
