package pack

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"evidenced/evidence/timestamp"
	"evidenced/evidence/witness"
)

// Policy is what an auditor asks of a pack beyond that it holds together.
type Policy struct {
	MinRung int // least rung of the ladder that the closing checkpoint must reach
	// Witnesses whose cosignatures count, and of how many different operators.
	Witnesses witness.Policy
	// TSAPolicies of time-stamping authorities that are accepted; none: any.
	TSAPolicies []asn1.ObjectIdentifier
}

// ParseRoots reads the certificates of time-stamping authorities that an auditor
// trusts, PEM: roots, and intermediates that add no trust.
func ParseRoots(b []byte) (roots, intermediates *x509.CertPool, err error) {
	return timestamp.Certificates(b)
}

// maxPolicy bounds a policy file, in bytes.
const maxPolicy = 1 << 20

// ParsePolicy reads a policy file, JSON without unknown names; docs/formats/trust.md
// says what stands in it.
func ParsePolicy(b []byte) (*Policy, error) {
	if len(b) > maxPolicy {
		return nil, fmt.Errorf("policy of %d bytes, at most %d", len(b), maxPolicy)
	}
	var f struct {
		MinRung   int `json:"min_rung"`
		Witnesses []struct {
			Operator string `json:"operator"`
			Key      string `json:"key"`
		} `json:"witnesses"`
		Quorum      *int     `json:"quorum"`
		TSAPolicies []string `json:"tsa_policies"`
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("policy: bytes after its end")
	}
	if f.MinRung < 0 || f.MinRung > rungWitnessed {
		return nil, fmt.Errorf("policy: min_rung %d, want 0 to %d", f.MinRung, rungWitnessed)
	}
	p := &Policy{MinRung: f.MinRung}
	for i, w := range f.Witnesses {
		known, err := witness.ParseWitness(w.Operator, w.Key)
		if err != nil {
			return nil, fmt.Errorf("policy: witnesses[%d]: %w", i, err)
		}
		p.Witnesses.Witnesses = append(p.Witnesses.Witnesses, known)
	}
	switch {
	case f.Quorum != nil:
		p.Witnesses.Quorum = *f.Quorum
	case len(f.Witnesses) > 0:
		return nil, fmt.Errorf("policy: witnesses without quorum: say how many operators are enough")
	}
	if f.Quorum != nil || len(f.Witnesses) > 0 {
		if err := p.Witnesses.Check(); err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
	}
	for i, text := range f.TSAPolicies {
		oid, err := parseOID(text)
		if err != nil {
			return nil, fmt.Errorf("policy: tsa_policies[%d]: %w", i, err)
		}
		p.TSAPolicies = append(p.TSAPolicies, oid)
	}
	return p, nil
}

// parseOID reads an object identifier in dotted form.
func parseOID(s string) (asn1.ObjectIdentifier, error) {
	var oid asn1.ObjectIdentifier
	for _, part := range strings.Split(s, ".") {
		n, err := strconv.ParseInt(part, 10, 31)
		if err != nil || n < 0 || strconv.FormatInt(n, 10) != part {
			return nil, fmt.Errorf("%q is not an object identifier", s)
		}
		oid = append(oid, int(n))
	}
	if len(oid) < 2 || len(oid) > 64 || oid[0] > 2 || oid[0] < 2 && oid[1] > 39 {
		return nil, fmt.Errorf("%q is not an object identifier", s)
	}
	return oid, nil
}
