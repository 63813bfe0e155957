package vault

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// place is where a request went, in the form that facts and references use:
// paths begin with the namespace, mounts come without their last slash, and
// the names of people are taken out.
type place struct {
	namespace string // without slashes at its ends; "" is the root namespace
	mount     string // with namespace
	mountType string
	path      string // as the source wrote it, {user} for a person's name
	secret    string // path of the secret, "" when the request is about none
	reading   bool   // a success gives secret data to the caller
	auth      bool   // a login, token or identity request
	login     bool
	user      string // the name that was taken out
	hide      bool   // the path held a token: the raw line must not be kept
}

// userToken stands in paths where a person's name or login stood.
const userToken = "{user}"

// locate reads namespace, mount and path of a request.
func locate(e *entry) place {
	r := &e.req
	p := place{
		namespace: strings.Trim(clean(r.namespace), "/"),
		mountType: clean(r.mountType),
	}
	if p.mountType == "" {
		p.mountType = clean(e.resp.mountType)
	}
	mount, raw := bare(p.namespace, strings.Trim(clean(r.mount), "/"), strings.TrimPrefix(clean(r.path), "/"))
	sub, below := strings.CutPrefix(raw, mount+"/")
	if !below {
		sub = ""
	}
	p.path, p.user, p.hide = hideNames(raw, mount, p.mountType)
	p.auth = string(r.mountClass) == "auth" || strings.HasPrefix(raw, "auth/") || strings.HasPrefix(raw, "identity/")
	p.login = p.auth && (sub == "login" || strings.HasPrefix(sub, "login/") || strings.HasSuffix(sub, "/callback"))
	p.mount = joinPath(p.namespace, mount)
	p.reading = gives(p.mountType, string(r.op), mount, sub)
	if !p.auth && !systemMount(mount) {
		p.secret = joinPath(p.namespace, secretPath(mount, p.mountType, sub))
		p.secret = hideMails(p.secret)
	}
	p.path = joinPath(p.namespace, p.path)
	return p
}

// bare gives mount and path without the namespace. Some servers put it before
// the mount point, some do not, and hardly any before the path: a mount may have
// the name of its namespace, so where the path begins with the mount it is bare
// already.
func bare(namespace, mount, path string) (string, string) {
	if namespace != "" {
		mount = strings.TrimPrefix(mount, namespace+"/")
		if mount == "" || path != mount && !strings.HasPrefix(path, mount+"/") {
			path = strings.TrimPrefix(path, namespace+"/")
		}
	}
	if mount == "" {
		mount = guessMount(path)
	}
	return mount, path
}

// guessMount is for lines without a mount point: requests that no mount took
// and those refused before routing.
func guessMount(path string) string {
	first, rest, _ := strings.Cut(path, "/")
	if first == "auth" && rest != "" {
		second, _, _ := strings.Cut(rest, "/")
		return "auth/" + second
	}
	return first
}

func systemMount(mount string) bool {
	return mount == "sys" || mount == "identity" || mount == ""
}

func joinPath(a, b string) string {
	if a == "" {
		return b
	}
	return a + "/" + b
}

// secretPath is the name the owner of a secret knows it by: KV version 2 puts
// the kind of access between mount and name. No other engine has such words
// there, so a mount whose type is not said is read in the same way.
func secretPath(mount, mountType, sub string) string {
	sub = strings.TrimSuffix(sub, "/")
	if mountType == "kv" || mountType == "" {
		if kind, name, _ := strings.Cut(sub, "/"); kvInfix(kind) {
			sub = name
		}
	}
	if sub == "" {
		return mount
	}
	return mount + "/" + sub
}

func kvInfix(s string) bool {
	switch s {
	case "data", "metadata", "delete", "undelete", "destroy", "subkeys":
		return true
	}
	return false
}

// gives reports whether a successful request hands secret data to its caller:
// stored values, generated credentials, private keys, decrypted text.
// Encrypting, signing, listing and metadata do not.
func gives(mountType, op, mount, sub string) bool {
	head, rest, _ := strings.Cut(sub, "/")
	read := op == "read"
	asks := read || op == "update" || op == "create"
	switch mountType {
	case "kv", "generic":
		if kvInfix(head) {
			return read && head == "data" && rest != ""
		}
		return read && sub != "" && sub != "config"
	case "cubbyhole":
		return read
	case "system", "ns_system":
		return givesSystem(op, sub)
	case "transit":
		return asks && givesTransit(head, rest)
	case "pki":
		return asks && givesPKI(head, sub)
	case "totp":
		return read && head == "code"
	case "ssh":
		return asks && (head == "creds" || head == "issue") // a key pair, made for the caller
	case "transform":
		return asks && head == "decode"
	case "gcpkms":
		return asks && head == "decrypt"
	case "kmip":
		return asks && strings.HasSuffix(sub, "/credential/generate")
	case "identity", "token", "approle", "userpass", "ldap", "kubernetes":
		if mountType == "ldap" || mountType == "kubernetes" {
			break // these are names of secret engines too
		}
		return false
	case "":
		// Servers before 1.1 never say the type, later ones not when they refuse
		// before routing: the path is all there is.
		switch {
		case mount == "sys":
			return givesSystem(op, sub)
		case mount == "cubbyhole":
			return read
		case mount == "identity":
			return false
		case kvInfix(head):
			return read && head == "data" && rest != ""
		case !strings.HasPrefix(mount, "auth/") && asks && (givesTransit(head, rest) || givesPKI(head, sub)):
			return true
		}
	}
	if strings.HasPrefix(mount, "auth/") {
		return false
	}
	switch head {
	case "creds", "static-creds", "cred", "static-cred", "sts", "key", "token", "impersonated-account":
		return asks && (head != "token" && head != "key" || rest != "")
	case "roleset", "static-account":
		return asks && (strings.HasSuffix(rest, "/key") || strings.HasSuffix(rest, "/token"))
	case "library":
		return asks && strings.HasSuffix(rest, "/check-out")
	}
	return false
}

// givesTransit and givesPKI are gives for requests to those engines that ask
// for something.
func givesTransit(head, rest string) bool {
	switch head {
	case "decrypt", "export", "backup":
		return true
	}
	return head == "datakey" && strings.HasPrefix(rest, "plaintext")
}

// The paths below issuer, issuers and keys are of mounts with several issuers
// (Vault 1.11), cel of OpenBao 2.4.
func givesPKI(head, sub string) bool {
	if head == "issuer" {
		_, sub, _ = strings.Cut(sub, "/")
		_, sub, _ = strings.Cut(sub, "/") // the issuer
		head, _, _ = strings.Cut(sub, "/")
	}
	if head == "issue" || strings.HasPrefix(sub, "cel/issue/") {
		return true
	}
	for _, made := range []string{"root/generate", "root/rotate", "intermediate/generate", "issuers/generate/root", "issuers/generate/intermediate", "keys/generate"} {
		if sub == made+"/exported" {
			return true
		}
	}
	return false
}

func givesSystem(op, sub string) bool {
	switch {
	case sub == "wrapping/unwrap":
		return true
	case strings.HasPrefix(sub, "raw/"), strings.HasPrefix(sub, "storage/raft/snapshot"):
		return op == "read"
	}
	return false
}

// zones say where in a line's data a secret's value may stand in clear.
type zone int

const (
	zoneNone  zone = iota
	zoneInner      // below a "data" key
	zoneLoose      // anywhere, but strings in clear may be the engine's own
	zoneAll        // anywhere in request.data and response.data
)

// zone of a line. Vault hashes strings only: a number or boolean that is part
// of a secret stands in clear there and is taken out before the line is kept.
func (e *entry) zone() zone {
	typ := string(e.req.mountType)
	if typ == "" {
		typ = string(e.resp.mountType)
	}
	switch typ {
	case "kv", "generic":
		_, sub := e.below()
		return kvZone(sub)
	case "cubbyhole", "totp":
		return zoneAll
	case "system", "ns_system":
		return e.systemZone()
	case "":
		mount, sub := e.below()
		switch head, _, _ := strings.Cut(sub, "/"); {
		case systemMount(mount):
			return e.systemZone()
		case strings.HasPrefix(mount, "auth/"):
			return zoneNone
		case mount == "cubbyhole":
			return zoneAll
		case kvInfix(head):
			return kvZone(sub)
		}
		return zoneLoose // an old server does not say that it is KV
	}
	return zoneNone
}

func kvZone(sub string) zone {
	head, _, _ := strings.Cut(sub, "/")
	switch {
	case head == "data":
		return zoneInner
	case kvInfix(head), head == "config":
		return zoneNone
	}
	return zoneAll
}

func (e *entry) systemZone() zone {
	if strings.HasSuffix(string(e.req.path), "sys/wrapping/unwrap") {
		return zoneInner
	}
	return zoneNone
}

// below cuts the path of a request into its mount and the rest, both without
// the namespace.
func (e *entry) below() (mount, sub string) {
	mount, path := bare(strings.Trim(string(e.req.namespace), "/"), strings.Trim(string(e.req.mount), "/"), strings.TrimPrefix(string(e.req.path), "/"))
	return mount, strings.TrimPrefix(path, mount+"/")
}

// hideNames takes the names of people, and tokens, out of a path. It returns
// the name that was found and whether a token was.
func hideNames(path, mount, mountType string) (clean, user string, token bool) {
	segs := strings.Split(path, "/")
	before := "" // the segment before, as it was: a path typed wrong may repeat the word
	for i := range segs {
		last := before
		before = segs[i]
		switch {
		case i >= 2 && hasAuthBefore(segs[:i]) && personSegment(last, mountType) && segs[i] != "":
			if user == "" {
				user = segs[i]
			}
			segs[i] = userToken
		case i == 3 && segs[0] == "auth" && segs[1] == "token" && tokenSegment(segs[2]) && segs[i] != "":
			segs[i], token = "{token}", true
		case i >= 2 && segs[0] == "identity" && segs[i-1] == "name" && (segs[i-2] == "entity" || segs[i-2] == "persona"):
			user, segs[i] = segs[i], userToken
		case looksLikeMail(segs[i]):
			segs[i] = userToken
		}
	}
	return strings.Join(segs, "/"), user, token
}

// hasAuthBefore: the segments before a user's name hold an auth mount, as in
// auth/userpass/login/NAME and sys/leases/lookup/auth/userpass/login/NAME.
func hasAuthBefore(segs []string) bool {
	for _, s := range segs[:len(segs)-1] {
		if s == "auth" {
			return true
		}
	}
	return false
}

// personSegment reports whether a name of a person follows s below an auth
// mount.
func personSegment(s, mountType string) bool {
	switch s {
	case "login", "users", "user", "verify":
		return mountType != "approle" && mountType != "kubernetes"
	}
	return false
}

func tokenSegment(s string) bool {
	switch s {
	case "lookup", "renew", "revoke", "revoke-orphan":
		return true
	}
	return false
}

func looksLikeMail(s string) bool {
	at := strings.IndexByte(s, '@')
	return at > 0 && strings.IndexByte(s[at:], '.') > 1
}

func hideMails(path string) string {
	if !strings.Contains(path, "@") {
		return path
	}
	segs := strings.Split(path, "/")
	for i := range segs {
		if looksLikeMail(segs[i]) {
			segs[i] = userToken
		}
	}
	return strings.Join(segs, "/")
}

const upperHex = "0123456789ABCDEF"

// clean makes a string of bytes that a JSON encoder keeps as they are: bytes
// that are not UTF-8, and controls, are percent-encoded, and so is a percent
// sign that could be taken for such an escape, so that two different names
// never become one.
//
// A name longer than maxName ends in its hash: no real one is, and facts have
// a largest size.
func clean(b []byte) string {
	s := escape(b)
	if len(s) <= maxName {
		return s
	}
	return cut(s, maxName-80) + "~" + hashHex(b)
}

const maxName = 2048 // bytes

func hashHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

func escape(b []byte) string {
	plain := true
	for _, c := range b {
		if c < ' ' || c >= 0x7f || c == '%' {
			plain = false
			break
		}
	}
	if plain {
		return string(b)
	}
	var out strings.Builder
	out.Grow(len(b) + 16)
	s := string(b)
	for i, r := range s {
		switch {
		case r == 0xfffd && !strings.HasPrefix(s[i:], "\uFFFD"), r < ' ', r == 0x7f,
			r == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out.WriteByte('%')
			out.WriteByte(upperHex[s[i]>>4])
			out.WriteByte(upperHex[s[i]&15])
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
