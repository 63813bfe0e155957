package evidence

import (
	"fmt"
	"strings"
)

// Ref names one thing of the outside world: a commit, an application, an
// image, a secret's path. Its text form is
//
//	scheme:authority/name#uid
//
// where scheme is one of the table below, authority says which cluster,
// forge, registry or Vault (a configured name, never a URL with credentials),
// name is the thing's canonical name there and uid, where the platform has
// one, tells a thing from another of the same name that was made later.
//
// Bytes are kept exactly. A byte of name, authority or uid that is not
// printable ASCII, or is one of % # and space, stands percent-encoded in the
// text form (upper-case hex), and a slash in an authority too; so a Ref's text
// form is always ASCII, two different names never share one, and no JSON
// encoder folds bytes.
type Ref struct {
	Scheme    string
	Authority string
	Name      string
	UID       string
}

// MaxRef is the longest text form of a Ref that sources should need, in bytes.
// A record holds longer ones (long paths) up to a limit of its own.
const MaxRef = 512

// schemes lists every scheme with what its name part holds. The table is the
// grammar: a scheme that is not here is refused.
var schemes = map[string]string{
	"repo":      "repository path, owner/name or a local name",
	"commit":    "full object id of a git commit, lower-case hex; authority is empty so that forges and clusters join",
	"change":    "merge or pull request: repository path, then ! and the number",
	"review":    "repository path ! number / review id",
	"branch":    "repository path @ branch or full ref name",
	"image":     "digest of an image, algorithm:hex; authority is empty so that registries and clusters join",
	"imagetag":  "image reference with a tag and no digest",
	"app":       "Argo CD application, namespace/name, or Flux object, namespace/Kind/name",
	"sync":      "application then / and the start of the operation",
	"workload":  "namespace/Kind/name, by uid",
	"secret":    "path of a secret in a secret store, mount first",
	"request":   "request id of an audited request",
	"policy":    "name of an access policy",
	"role":      "authentication role, mount/name",
	"entity":    "identity entity id",
	"device":    "audit device path",
	"mount":     "mount path of a secret or auth engine",
	"cert":      "endpoint host:port with SNI, or file path",
	"person":    "person token of this log",
	"source":    "configured source name",
	"control":   "control id",
	"finding":   "control id / test id",
	"statement": "name of a waiver, a scope statement or an attestation",
	"remedy":    "name of a remedy plan",
	"incident":  "id of an incident",
	"config":    "effective configuration hash",
	"pack":      "manifest hash of an evidence pack",
	"tenant":    "tenant name",
	"hold":      "name of a legal hold",
	"log":       "origin of a log",
	"key":       "key id",
	"artifact":  "registry artifact, project/repository@digest",
	"pipeline":  "pipeline or workflow run: repository path / run id, with / attempt where the forge has attempts",
	"check":     "check run: repository path / id",
	"release":   "forge deployment: repository path / id",
	"workspace": "workspace of infrastructure as code: organization / name, by id",
	"tfrun":     "run of Terraform: organization / run id",
	"tfstate":   "version of a state: organization / version id",
	"member":    "role holder on a container: container path / id of the holder",
	"alert":     "alert of an Alertmanager, by fingerprint; the uid is when it began to fire",
	"silence":   "silence of an Alertmanager, by id",
	"alertrule": "rule of Prometheus or vmalert: file / group / name",
	"robot":     "machine account of a registry, by id",
	"rule":      "rule of a registry: project or * / type / id",
	"line":      "one line of an audit log, by the id its platform gave it",
	"namespace": "Kubernetes namespace, by name and uid",
	"pod":       "namespace/name, by uid",
	"node":      "node name, by uid",
	"account":   "Kubernetes service account, namespace/name",
	"copy":      "Kubernetes Secret, namespace/name: the copy of a secret in the cluster",
	"result":    "what a policy found at one thing of a cluster: namespace|kind.group|name|engine|policy|rule, by the thing's uid",
	"object":    "any other Kubernetes object: kind.group/namespace/name, by uid; the namespace is empty for a cluster's own",
	// Scope schemes: what tenancy rules look at.
	"ns":      "Kubernetes or Vault namespace",
	"project": "forge project or Argo CD project",
	"path":    "path inside a repository or a secret store; a trailing * covers everything below",
	"label":   "key=value",
	"host":    "host name",
	"server":  "API server of a cluster or a secret store",
}

// NewRef makes a Ref of a known scheme. It panics on an unknown scheme: that
// is a programmer's mistake.
func NewRef(scheme, authority, name string) Ref {
	if _, ok := schemes[scheme]; !ok {
		panic("evidence: unknown ref scheme " + scheme)
	}
	return Ref{Scheme: scheme, Authority: authority, Name: name}
}

// WithUID returns r with the uid set.
func (r Ref) WithUID(uid string) Ref {
	r.UID = uid
	return r
}

// IsZero reports whether r names nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// String returns the canonical text form; the zero Ref is "".
func (r Ref) String() string {
	if r.IsZero() {
		return ""
	}
	return string(r.Append(make([]byte, 0, len(r.Scheme)+len(r.Authority)+len(r.Name)+len(r.UID)+3)))
}

// Append appends what String returns.
func (r Ref) Append(b []byte) []byte {
	if r.IsZero() {
		return b
	}
	b = append(append(b, r.Scheme...), ':')
	b = appendEscaped(b, r.Authority, true)
	b = appendEscaped(append(b, '/'), r.Name, false)
	if r.UID != "" {
		b = appendEscaped(append(b, '#'), r.UID, false)
	}
	return b
}

// escaped are the bytes that stand percent-encoded wherever they are.
var escaped = func() (e [256]bool) {
	for c := range e {
		e[c] = c <= ' ' || c >= 0x7f || c == '%' || c == '#' || c == '"' || c == '\\'
	}
	return e
}()

func appendEscaped(b []byte, s string, slash bool) []byte {
	const hexDigits = "0123456789ABCDEF"
	begin := 0 // of what need not be escaped
	for i := 0; i < len(s); i++ {
		if c := s[i]; escaped[c] || slash && c == '/' {
			b = append(append(b, s[begin:i]...), '%', hexDigits[c>>4], hexDigits[c&15])
			begin = i + 1
		}
	}
	return append(b, s[begin:]...)
}

// ParseRef reads the text form and refuses anything but the canonical one.
func ParseRef(s string) (Ref, error) {
	if len(s) > maxStoredRef {
		return Ref{}, fmt.Errorf("reference of %d bytes is too long", len(s))
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Ref{}, fmt.Errorf("reference %q: no scheme", s)
	}
	if _, known := schemes[scheme]; !known {
		return Ref{}, fmt.Errorf("reference %q: unknown scheme %q", s, scheme)
	}
	authority, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return Ref{}, fmt.Errorf("reference %q: no / after the authority", s)
	}
	name, uid, _ := strings.Cut(rest, "#")
	r := Ref{Scheme: scheme}
	var err error
	for _, p := range []struct {
		dst *string
		src string
	}{{&r.Authority, authority}, {&r.Name, name}, {&r.UID, uid}} {
		if *p.dst, err = unescapeRef(p.src); err != nil {
			return Ref{}, fmt.Errorf("reference %q: %w", s, err)
		}
	}
	if r.String() != s {
		return Ref{}, fmt.Errorf("reference %q is not in canonical form, want %q", s, r.String())
	}
	return r, nil
}

func unescapeRef(s string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", fmt.Errorf("cut percent escape")
		}
		hi, ok1 := unhex(s[i+1])
		lo, ok2 := unhex(s[i+2])
		if !ok1 || !ok2 {
			return "", fmt.Errorf("bad percent escape %q", s[i:i+3])
		}
		b = append(b, hi<<4|lo)
		i += 2
	}
	return string(b), nil
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// MarshalText implements encoding.TextMarshaler.
func (r Ref) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; "" is the zero Ref.
func (r *Ref) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*r = Ref{}
		return nil
	}
	p, err := ParseRef(string(b))
	if err != nil {
		return err
	}
	*r = p
	return nil
}
