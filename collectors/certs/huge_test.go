package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

// A certificate whose key takes hours to check a signature with is told, and not
// looked at: whoever may write into a watched folder could stop the looks.
func TestHugeKeyInFile(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n := new(big.Int).Lsh(big.NewInt(1), 200_000)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "huge"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<31, 0)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 1<<31 - 1}, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})} {
		chain, bad, err := parsePEM(data)
		if why := fmt.Sprint(bad, err); len(chain) > 0 || !strings.Contains(why, "RSA key of 200001 bits") {
			t.Errorf("%s: got %s", name, why)
		}
	}
}
