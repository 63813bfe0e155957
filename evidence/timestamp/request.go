package timestamp

import (
	"encoding/asn1"
	"fmt"
	"math/big"
)

// Sizes of what is read from outside, in bytes. A token with a chain of three
// certificates has about 6 KB.
const (
	MaxToken    = 64 << 10
	MaxResponse = MaxToken + 4<<10
)

var oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}

// NonceBits is the length of the nonces that callers should draw.
const NonceBits = 64

type algorithmID struct {
	Algorithm asn1.ObjectIdentifier
	Null      asn1.RawValue
}

type imprint struct {
	Algorithm algorithmID
	Hash      []byte
}

// Request returns the DER of a TimeStampReq (RFC 3161 section 2.4.1) for the
// imprint. The authority is asked to put its certificate inside. A nil nonce or
// policy is left out; a nonce that is not positive is an error.
func Request(hash [32]byte, nonce *big.Int, policy asn1.ObjectIdentifier) ([]byte, error) {
	if nonce != nil && nonce.Sign() <= 0 {
		return nil, fmt.Errorf("time-stamp request: nonce must be positive")
	}
	b, err := asn1.Marshal(struct {
		Version  int
		Imprint  imprint
		Policy   asn1.ObjectIdentifier `asn1:"optional"`
		Nonce    *big.Int              `asn1:"optional"`
		CertsReq bool
	}{1, imprint{algorithmID{oidSHA256, asn1.NullRawValue}, hash[:]}, policy, nonce, true})
	if err != nil {
		return nil, fmt.Errorf("time-stamp request: %w", err)
	}
	return b, nil
}

// failures are the bits of PKIFailureInfo that RFC 3161 section 2.4.2 names.
var failures = []struct {
	bit  int
	says string
}{
	{0, "hash algorithm not supported"}, {2, "request not permitted"}, {5, "request not understood"}, {14, "time source not available"},
	{15, "policy not supported"}, {16, "extension not supported"}, {17, "additional information not available"}, {25, "system failure"},
}

// Response takes the token out of a TimeStampResp (RFC 3161 section 2.4.2).
// Only the status "granted" is accepted: with modifications, the token is not
// what was asked for. What the authority says in its own words is not repeated.
func Response(b []byte) ([]byte, error) {
	if len(b) > MaxResponse {
		return nil, fmt.Errorf("time-stamp response has %d bytes, at most %d", len(b), MaxResponse)
	}
	if err := wellFormed(b); err != nil {
		return nil, fmt.Errorf("time-stamp response: %w", err)
	}
	var outer asn1.RawValue
	if _, err := asn1.Unmarshal(b, &outer); err != nil || outer.Class != asn1.ClassUniversal || outer.Tag != asn1.TagSequence {
		return nil, fmt.Errorf("time-stamp response: not a sequence")
	}
	resp := inside("time-stamp response", outer)
	info := inside("time-stamp response: status", resp.take("status", asn1.ClassUniversal, asn1.TagSequence))
	var status int
	info.into("number", &status)
	info.opt(asn1.ClassUniversal, asn1.TagSequence) // words
	var bits asn1.BitString
	if v, ok := info.opt(asn1.ClassUniversal, asn1.TagBitString); ok && info.err == nil {
		info.err = decode("time-stamp response: failure", v, &bits)
	}
	if resp.err != nil {
		return nil, resp.err
	}
	if err := info.done(); err != nil {
		return nil, err
	}
	if status != 0 {
		why := "no reason given"
		for _, f := range failures {
			if bits.At(f.bit) != 0 {
				why = f.says
				break
			}
		}
		return nil, fmt.Errorf("the authority did not grant a time-stamp: status %d, %s", status, why)
	}
	token := resp.take("token", asn1.ClassUniversal, asn1.TagSequence)
	if err := resp.done(); err != nil {
		return nil, err
	}
	if len(token.FullBytes) > MaxToken {
		return nil, fmt.Errorf("time-stamp token has %d bytes, at most %d", len(token.FullBytes), MaxToken)
	}
	return token.FullBytes, nil
}
