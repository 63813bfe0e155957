package timestamp

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// MaxRoots bounds a file of certificates, in bytes.
const MaxRoots = 1 << 20

// Certificates reads the certificates of authorities from PEM, as an auditor
// keeps them in a file: those that issued themselves are roots, the others only
// help to build chains and are not trusted by themselves. Text outside the
// blocks is skipped. No root at all is an error, and so is a block of anything
// but a certificate.
func Certificates(b []byte) (roots, intermediates *x509.CertPool, err error) {
	if len(b) > MaxRoots {
		return nil, nil, fmt.Errorf("certificates: %d bytes, at most %d", len(b), MaxRoots)
	}
	roots, intermediates = x509.NewCertPool(), x509.NewCertPool()
	found := 0
	for n := 1; ; n++ {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, nil, fmt.Errorf("certificates: block %d is a %q", n, block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("certificates: block %d: %w", n, err)
		}
		if bytes.Equal(c.RawSubject, c.RawIssuer) {
			roots.AddCert(c)
			found++
		} else {
			intermediates.AddCert(c)
		}
	}
	if found == 0 {
		return nil, nil, fmt.Errorf("certificates: no root certificate (one that issued itself) in PEM form")
	}
	return roots, intermediates, nil
}
