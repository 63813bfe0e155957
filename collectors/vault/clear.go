package vault

import (
	"bytes"
	"strings"
)

// asksInClear reports whether an address has parameters beside those that say how
// a list or a version is read. Newer servers write the
// address of a request beside its path, and what its parameters say stands hashed
// in the request's data: the code by which somebody logs in through OIDC, for one.
func asksInClear(uri []byte) bool {
	_, query, _ := bytes.Cut(uri, []byte("?"))
	for param := range bytes.SplitSeq(query, []byte("&")) {
		name, _, _ := bytes.Cut(param, []byte("="))
		switch string(name) {
		case "", "list", "scan", "help", "version", "depth", "after", "limit":
		default:
			return true
		}
	}
	return false
}

// inClear passes over a value and reports whether something in it is neither
// hashed nor empty. Names of members do not count.
func inClear(s *scan) (clear bool) {
	switch c := s.peek(); c {
	case '"':
		v := s.str()
		return len(v) > 0 && !bytes.HasPrefix(v, hashed)
	case '{':
		if s.enter('{') {
			for _, ok := s.key(); ok; _, ok = s.key() {
				clear = inClear(s) || clear
			}
		}
	case '[':
		if s.enter('[') {
			for s.next(']') {
				clear = inClear(s) || clear
			}
		}
	default:
		s.skip()
		return scalarInClear(c)
	}
	return clear
}

func headersInClear(s *scan) (clear bool) {
	if !s.enter('{') {
		return false
	}
	for k, ok := s.key(); ok; k, ok = s.key() {
		credential := credentialHeader(k)
		if !s.enter('[') {
			continue
		}
		for s.next(']') {
			v := s.text()
			clear = clear || credential && len(v) > 0 && !bytes.HasPrefix(v, hashed)
		}
	}
	return clear
}

func scalarInClear(c byte) bool {
	return c == '-' || '0' <= c && c <= '9' || c == 't' || c == 'f'
}

// credentialKey reports whether a key of request or response data always
// holds a credential, so that its value must be a hash.
func credentialKey(k string) bool {
	switch k {
	case "password", "secret_id", "jwt", "token", "client_token", "private_key", "secret_key",
		"security_token", "plaintext", "client_secret", "bindpass", "passcode", "access_key",
		"http_raw_body", "iam_request_headers", "root_token", "otp", "identity_token":
		return true
	}
	return false
}

// echoes reports whether an error repeats, in clear, a value of the request that
// is not of the type its field asks for: "error converting input VALUE for field"
// (HCSEC-2025-09; later servers leave the value out).
func echoes(errText []byte) bool {
	_, after, found := bytes.Cut(errText, []byte("error converting input"))
	return found && !bytes.HasPrefix(after, []byte(" for field"))
}

// credentialHeader reports whether a header's value is a credential by its name.
// Servers hash a header only if asked, and some before 1.17.5 not even their own
// (CVE-2024-8365).
func credentialHeader(k []byte) bool {
	switch strings.ToLower(string(k)) {
	case "x-vault-token", "authorization", "proxy-authorization", "cookie", "x-consul-token":
		return true
	}
	return false
}
