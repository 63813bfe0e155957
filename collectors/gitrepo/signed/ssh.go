package signed

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// gitNamespace is what git signs for (ssh-keygen -Y sign -n git).
const gitNamespace = "git"

// sshSigner is one line of an allowed signers file.
type sshSigner struct {
	principals []string // patterns; a leading ! takes out
	key        ssh.PublicKey
	authority  bool     // cert-authority: certificates it signed; not checked here
	namespaces []string // patterns; empty: any
	from, to   time.Time
}

// parseAllowed reads an allowed signers file: principals, options, key type,
// key, comment on each line.
func parseAllowed(b []byte) ([]sshSigner, error) {
	var out []sshSigner
	n := 0
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		s, err := parseSigner(string(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		out = append(out, s)
	}
	return out, nil
}

func parseSigner(line string) (sshSigner, error) {
	var s sshSigner
	principals, rest, err := word(line)
	if err != nil {
		return s, err
	}
	for _, p := range strings.Split(principals, ",") {
		if p = strings.ToLower(strings.TrimSpace(p)); p != "" {
			s.principals = append(s.principals, p)
		}
	}
	if len(s.principals) == 0 {
		return s, errors.New("names no principal")
	}
	// The rest has the form of an authorized_keys line: options, then the key.
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(rest))
	if err != nil {
		return s, errors.New("holds no key that can be read")
	}
	s.key = key
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "cert-authority":
			s.authority = true
		case "namespaces":
			s.namespaces = strings.Split(value, ",")
		case "valid-after":
			if s.from, err = sshTime(value); err != nil {
				return s, fmt.Errorf("valid-after %q is no time", value)
			}
		case "valid-before":
			if s.to, err = sshTime(value); err != nil {
				return s, fmt.Errorf("valid-before %q is no time", value)
			}
		default:
			// An option that is not understood may narrow the key.
			return s, fmt.Errorf("option %q is not known", name)
		}
	}
	return s, nil
}

// word cuts the first word off, which may stand in quotes.
func word(line string) (first, rest string, err error) {
	if strings.HasPrefix(line, `"`) {
		first, rest, ok := strings.Cut(line[1:], `"`)
		if !ok {
			return "", "", errors.New("a quote is not closed")
		}
		return first, strings.TrimSpace(rest), nil
	}
	i := strings.IndexAny(line, " \t")
	if i < 0 {
		return "", "", errors.New("names no key")
	}
	return line[:i], strings.TrimSpace(line[i:]), nil
}

// sshTime reads YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS. Without a Z the time
// is that of the machine that reads it, as ssh-keygen takes it; here that is
// UTC, so that the same file means the same everywhere.
func sshTime(s string) (time.Time, error) {
	s = strings.TrimSuffix(s, "Z")
	for _, form := range []string{"20060102150405", "200601021504", "20060102"} {
		if t, err := time.Parse(form, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("no time")
}

func (s *Signers) checkSSH(namespace string, payload, armored []byte, at, now time.Time) Verdict {
	sig, err := sshsig.Unarmor(armored)
	if err != nil {
		return same(Unreadable)
	}
	if _, ok := sig.PublicKey.(*ssh.Certificate); ok {
		return same(Certificate)
	}
	fingerprint := ssh.FingerprintSHA256(sig.PublicKey)
	if sig.Namespace != namespace {
		v := same(Namespace)
		v.Key = fingerprint
		return v
	}
	var known []sshSigner
	for _, k := range s.ssh {
		if !k.authority && bytes.Equal(k.key.Marshal(), sig.PublicKey.Marshal()) {
			known = append(known, k)
		}
	}
	if len(known) == 0 {
		return same(UnknownKey)
	}
	// Against the configured key's own bytes, never the one in the signature.
	if err := sshsig.Verify(bytes.NewReader(payload), sig, known[0].key, sig.HashAlgorithm, namespace); err != nil {
		return same(Bad)
	}
	// The key may stand in several lines, each good for some time.
	v := Verdict{Key: fingerprint, Why: ExpiredKey, NowWhy: ExpiredKey}
	purpose := false
	for _, k := range known {
		if len(k.namespaces) > 0 && !anyGlob(k.namespaces, namespace) {
			continue
		}
		purpose = true
		if k.good(now) {
			v.NowWhy = Good
		}
		if k.good(at) {
			v.Why = Good
			v.globs = append(v.globs, strings.Join(k.principals, ","))
		}
	}
	if !purpose {
		v.Why, v.NowWhy = Namespace, Namespace
	}
	return v
}

// good reports whether the key may be used at the time.
func (k sshSigner) good(at time.Time) bool {
	return (k.from.IsZero() || !at.Before(k.from)) && (k.to.IsZero() || at.Before(k.to))
}

func anyGlob(patterns []string, s string) bool {
	for _, p := range patterns {
		if oneGlob(strings.TrimSpace(p), s) {
			return true
		}
	}
	return false
}

// globMatch matches a list of patterns as ssh does: one must match, and none
// with a leading ! may.
func globMatch(list, s string) bool {
	matched := false
	for _, p := range strings.Split(list, ",") {
		if not, ok := strings.CutPrefix(p, "!"); ok {
			if oneGlob(not, s) {
				return false
			}
			continue
		}
		matched = matched || oneGlob(p, s)
	}
	return matched
}

// oneGlob matches one pattern: * is any run of characters, ? is one.
func oneGlob(p, s string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
