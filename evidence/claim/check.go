package claim

import "evidenced/evidence"

// Checker opens claims for no other purpose than to check them, one after the
// other, in buffers of its own. It is for one goroutine; the zero value is
// ready for use.
type Checker struct {
	inner, aad []byte
}

// Check is Cipher.Open without the plaintext: it decrypts the ciphertext and
// compares it with the commitment.
func (k *Checker) Check(c *Cipher, origin string, id evidence.ID, name string, ciphertext []byte, commit evidence.Hash) error {
	k.aad = c.appendAAD(k.aad[:0], origin, id, name)
	var o Opening
	var err error
	if k.inner, err = c.open(&o, k.inner[:0], k.aad, name, ciphertext); err != nil {
		return err
	}
	return o.Check(name, commit)
}
