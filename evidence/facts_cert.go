package evidence

import "time"

// Facts of certificates as served or stored. See facts.go for the rules.

// CertFacts are the facts of cert.state.
type CertFacts struct {
	Endpoint    string      `json:"endpoint,omitempty"` // host:port
	SNI         string      `json:"sni,omitempty"`
	File        string      `json:"file,omitempty"`
	Dialled     string      `json:"dialled,omitempty"` // address connected to
	Protocol    string      `json:"protocol,omitempty"`
	Cipher      string      `json:"cipher,omitempty"`
	Subject     string      `json:"subject"`
	Issuer      string      `json:"issuer"`
	Serial      string      `json:"serial"` // lower-case hex
	SANs        []string    `json:"sans,omitempty"`
	NotBefore   time.Time   `json:"not_before"`
	NotAfter    time.Time   `json:"not_after"`
	Key         string      `json:"key"` // RSA-2048, ECDSA-P-256, Ed25519
	Signature   string      `json:"signature"`
	Fingerprint string      `json:"fingerprint"` // SHA-256 of the DER, lower-case hex
	SelfSigned  bool        `json:"self_signed,omitempty"`
	Chain       []ChainCert `json:"chain,omitempty"`
	// Unreadable are the certificates of the file that could not be read, each
	// by its place in it, with the reason. The one the file is about may be
	// among them; the other facts are of those that could.
	Unreadable  []string  `json:"unreadable,omitempty"`
	NameMatches bool      `json:"name_matches"`
	Trusted     string    `json:"trusted"` // yes, no, not-checked
	TrustError  string    `json:"trust_error,omitempty"`
	LookedAt    time.Time `json:"looked_at,omitzero"`
}

// ChainCert is one further certificate that was sent or stands in the file.
type ChainCert struct {
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	NotAfter    time.Time `json:"not_after"`
	Fingerprint string    `json:"fingerprint"`
}
