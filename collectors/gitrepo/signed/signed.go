// Package signed checks the signatures of git commits and annotated tags, and
// detached ones of other texts, against signers that somebody configured: OpenPGP keys, and SSH keys of an
// allowed signers file (ssh-keygen(1), "ALLOWED SIGNERS").
//
// A signature proves that the holder of a key signed these bytes. When it was
// made is only claimed: by the signature itself (OpenPGP) or by the commit
// (SSH). So each verdict stands twice, as of that claimed time and as of now: a
// key that is revoked today may have been good then, or an old date may have
// been written by whoever took the key.
package signed

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"evidenced/evidence/problem"
)

// maxFile bounds a file of signers, in bytes.
const maxFile = 4 << 20

// Signers are the configured signers. The zero value knows nobody.
type Signers struct {
	pgp  pgpSigners
	ssh  []sshSigner
	hash string
}

// Load reads files of signers, each either armored OpenPGP public keys or an
// allowed signers file. An error names the file and, where there is one, the
// line.
func Load(files []string) (*Signers, error) {
	s := &Signers{}
	sum := sha256.New()
	for _, name := range files {
		b, err := read(name)
		if err != nil {
			return nil, problem.Wrap(problem.Config, err, "signers: %s cannot be read", name)
		}
		part := sha256.Sum256(b)
		sum.Write(part[:])
		if bytes.Contains(b, []byte("-----BEGIN PGP")) {
			err = s.pgp.add(b)
		} else {
			var more []sshSigner
			more, err = parseAllowed(b)
			s.ssh = append(s.ssh, more...)
		}
		if err != nil {
			return nil, problem.Wrap(problem.Config, err, "signers: %s", name).
				WithHint("give armored OpenPGP public keys (gpg --armor --export), or an allowed signers file as ssh-keygen -Y verify takes it")
		}
	}
	s.hash = hex.EncodeToString(sum.Sum(nil))
	return s, nil
}

func read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("larger than %d bytes", maxFile)
	}
	return b, err
}

// Hash is the SHA-256 over the hashes of the files, in their order: which
// signers a verdict was made with.
func (s *Signers) Hash() string { return s.hash }

// The reasons of a verdict.
const (
	Good        = "good"          // a configured signer's key made it
	UnknownKey  = "unknown-key"   // no configured signer has the key
	Bad         = "bad"           // the bytes are not those that were signed
	ExpiredKey  = "expired-key"   // outside the time the key is good for
	RevokedKey  = "revoked-key"   // its owner revoked it
	ExpiredSig  = "expired"       // the signature itself ended, or is not yet good
	Namespace   = "wrong-purpose" // made for something else, or by a key that is not for this
	Certificate = "certificate"   // made with a certificate, which is not checked here
	Unreadable  = "unreadable"    // its form cannot be read
	Unsupported = "unsupported"   // a kind of signature that is not checked here
)

// Verdict says what a signature is worth.
type Verdict struct {
	Why    string    // as of the time the signature claims
	NowWhy string    // as of now
	Key    string    // fingerprint of the signer's key: SHA256:... or upper-case hex; "" when unknown
	At     time.Time // when it was made, as an OpenPGP signature claims; zero: it does not say
	mails  []string
	globs  []string
}

// Good reports whether the signature was good at the time it claims.
func (v Verdict) Good() bool { return v.Why == Good }

// GoodNow reports whether it would be good if it were made now.
func (v Verdict) GoodNow() bool { return v.NowWhy == Good }

// Speaks reports whether the signer is configured for the mail address.
func (v Verdict) Speaks(mail string) bool {
	mail = strings.ToLower(mail)
	if mail == "" || !v.Good() {
		return false
	}
	return slices.Contains(v.mails, mail) || slices.ContainsFunc(v.globs, func(g string) bool { return globMatch(g, mail) })
}

func same(why string) Verdict { return Verdict{Why: why, NowWhy: why} }

// Commit checks the signature of a commit object. At is the committer's time,
// now the clock. An unsigned commit has no verdict.
func (s *Signers) Commit(raw []byte, at, now time.Time) (Verdict, bool) {
	payload, signature := splitCommit(raw)
	if signature == nil {
		return Verdict{}, false
	}
	return s.check(gitNamespace, payload, signature, at, now), true
}

// Tag checks the signature of an annotated tag object, as Commit does.
func (s *Signers) Tag(raw []byte, at, now time.Time) (Verdict, bool) {
	payload, signature := splitTag(raw)
	if signature == nil {
		return Verdict{}, false
	}
	return s.check(gitNamespace, payload, signature, at, now), true
}

// Detached checks an armored signature over the payload that was made for the
// namespace (ssh-keygen -Y sign -n NAMESPACE). OpenPGP knows no namespaces:
// there the payload itself must say what it is for. When an SSH signature was
// made is not known, so its claimed time is now.
func (s *Signers) Detached(namespace string, payload, signature []byte, now time.Time) Verdict {
	return s.check(namespace, payload, signature, now, now)
}

func (s *Signers) check(namespace string, payload, signature []byte, at, now time.Time) Verdict {
	switch v := bytes.TrimSpace(signature); {
	case bytes.HasPrefix(v, []byte(pgpMark)):
		return s.pgp.check(payload, v, now)
	case bytes.HasPrefix(v, []byte(sshMark)):
		return s.checkSSH(namespace, payload, v, at, now)
	}
	return same(Unsupported)
}

const (
	pgpMark = "-----BEGIN PGP SIGNATURE-----"
	sshMark = "-----BEGIN SSH SIGNATURE-----"
)

// splitCommit takes the signature out of a commit's bytes: what is left is what
// was signed. Both signature headers are taken out, since a commit that was
// converted between object formats may carry both; the one of this object's
// format counts (git-commit's gpgsig header).
func splitCommit(raw []byte) (payload, signature []byte) {
	head, message, ok := bytes.Cut(raw, []byte("\n\n"))
	if !ok {
		return raw, nil
	}
	taking := ""
	for line := range bytes.SplitSeq(head, []byte("\n")) {
		switch {
		case taking != "" && len(line) > 0 && line[0] == ' ':
			if taking == "gpgsig" {
				signature = append(append(signature, line[1:]...), '\n')
			}
			continue
		case bytes.HasPrefix(line, []byte("gpgsig ")):
			taking = "gpgsig"
			// Gits of 2011 wrote the header before each line of one signature.
			signature = append(append(signature, line[len("gpgsig "):]...), '\n')
			continue
		case bytes.HasPrefix(line, []byte("gpgsig-sha256 ")):
			taking = "other"
			continue
		}
		taking = ""
		payload = append(append(payload, line...), '\n')
	}
	if signature == nil {
		return raw, nil
	}
	payload = append(payload, '\n')
	return append(payload, message...), signature
}

// splitTag takes the signature off the end of a tag's message.
func splitTag(raw []byte) (payload, signature []byte) {
	at := -1
	for _, mark := range []string{pgpMark, sshMark} {
		// It begins at the begin of a line; the last one counts.
		for from := 0; ; {
			i := bytes.Index(raw[from:], []byte(mark))
			if i < 0 {
				break
			}
			i += from
			if i == 0 || raw[i-1] == '\n' {
				at = max(at, i)
			}
			from = i + 1
		}
	}
	if at < 0 {
		return raw, nil
	}
	return raw[:at], raw[at:]
}
