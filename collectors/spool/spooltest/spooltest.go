// Package spooltest stands in for the daemon's keyring in tests of collectors
// that keep a spool.
package spooltest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
)

// Keyring seals as the daemon's does. The text says which one it is: what one
// sealed no other opens.
type Keyring string

func (k Keyring) aead() cipher.AEAD {
	key := sha256.Sum256([]byte(k))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // a key of 32 bytes is one
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // the block of AES fits
	}
	return aead
}

// Seal implements collectors.Sealer.
func (k Keyring) Seal(name string, plain []byte) ([]byte, error) {
	nonce := make([]byte, 12)
	rand.Read(nonce)
	return k.aead().Seal(nonce, nonce, plain, []byte(name)), nil
}

// Open implements collectors.Sealer.
func (k Keyring) Open(name string, sealed []byte) ([]byte, error) {
	if len(sealed) < 12 {
		return nil, errors.New("too short")
	}
	return k.aead().Open(nil, sealed[:12], sealed[12:], []byte(name))
}
