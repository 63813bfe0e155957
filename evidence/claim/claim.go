// Package claim seals the private values of a record. A claim is bound to its
// leaf by a salted commitment, so that it can be disclosed alone, and stored
// encrypted, so that it can be destroyed by destroying a key while the log
// still verifies.
//
//	commit     = HMAC-SHA-256(key: salt, uint32(len(name)) || name || uint64(len(plain)) || plain)
//	plaintext' = flag || salt || body      flag 0: body is plain; 1: plain, deflated
//	ciphertext = nonce || AES-256-GCM(key, nonce, plaintext', aad)
//	aad        = lp("evidenced/claim/v1") || lp(origin) || lp(id) || lp(name) || lp(key id)...
//
// lp(x) is uint32(len(x)) || x; all lengths are big-endian. The salt is 32
// random bytes of this claim alone, the nonce 12 random bytes, never derived.
// The key is HKDF-SHA-256 over the keys the claim needs, concatenated in the
// order the leaf names them, with salt "" and info "evidenced/claim/v1".
package claim

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"

	"evidenced/evidence"
)

// SaltSize is the length of a salt in bytes.
const SaltSize = 32

// KeySize is the length of every key in bytes.
const KeySize = 32

// MaxPlain is the largest plaintext of a claim, before compression.
const MaxPlain = 2 << 20

// compressAbove is the plaintext size from which compression is worth its
// time; below it costs twice the sealing.
const compressAbove = 4 << 10

const label = "evidenced/claim/v1"

// ErrCommitment says that a plaintext is not the one the leaf commits to.
var ErrCommitment = errors.New("content does not match its commitment")

// Opening is a claim's plaintext with its salt: all that is needed to check it
// against the leaf, without any key.
type Opening struct {
	Salt  [SaltSize]byte
	Plain []byte
}

// Commit returns the commitment to plain under the salt.
func Commit(name string, salt [SaltSize]byte, plain []byte) evidence.Hash {
	// HMAC (RFC 2104) spelled out: the key is new for every claim, so nothing
	// of its set-up can be kept, and this way nothing is allocated.
	m := macs.Get().(*mac)
	defer macs.Put(m)
	for i := range sha256.BlockSize {
		m.head[i], m.outer[i] = 0x36, 0x5c
	}
	for i, k := range salt {
		m.head[i] ^= k
		m.outer[i] ^= k
	}
	b := binary.BigEndian.AppendUint32(m.head[:sha256.BlockSize], uint32(len(name)))
	b = append(b, name...)
	b = binary.BigEndian.AppendUint64(b, uint64(len(plain)))
	m.h.Reset()
	m.h.Write(b)
	m.h.Write(plain)
	m.h.Sum(m.outer[:sha256.BlockSize])
	return sha256.Sum256(m.outer[:])
}

// mac is what one commitment is made with.
type mac struct {
	h     hash.Hash
	head  [sha256.BlockSize + 64]byte // key, name and length
	outer [sha256.BlockSize + sha256.Size]byte
}

var macs = sync.Pool{New: func() any { return &mac{h: sha256.New()} }}

// Check reports whether the opening is the one committed to.
func (o Opening) Check(name string, commit evidence.Hash) error {
	got := Commit(name, o.Salt, o.Plain)
	if subtle.ConstantTimeCompare(got[:], commit[:]) != 1 {
		return fmt.Errorf("claim %s: %w", name, ErrCommitment)
	}
	return nil
}

// Cipher is a key ready for use. It may be used by several goroutines.
type Cipher struct {
	aead cipher.AEAD
	ids  []string
}

// NewCipher derives the cipher of a claim that needs all of the keys. Ids and
// keys are parallel and in the order the leaf names them.
func NewCipher(ids []string, keys [][]byte) (*Cipher, error) {
	if len(ids) == 0 || len(ids) != len(keys) {
		return nil, fmt.Errorf("claim cipher: %d ids for %d keys", len(ids), len(keys))
	}
	var in []byte
	for i, k := range keys {
		if len(k) != KeySize {
			return nil, fmt.Errorf("claim cipher: key %s has %d bytes, want %d", ids[i], len(k), KeySize)
		}
		in = append(in, k...)
	}
	key, err := hkdf.Key(sha256.New, in, nil, label, KeySize)
	if err != nil {
		return nil, fmt.Errorf("claim cipher: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("claim cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("claim cipher: %w", err)
	}
	return &Cipher{aead, slices.Clone(ids)}, nil
}

// Keys returns the ids of the keys, as the leaf names them.
func (c *Cipher) Keys() []string { return c.ids }

// Sealed is a claim after sealing.
type Sealed struct {
	Commit     evidence.Hash
	Hash       evidence.Hash // SHA-256 of the ciphertext
	Ciphertext []byte
}

// Seal commits to plain and encrypts it for the claim name of the record id of
// the log origin.
func (c *Cipher) Seal(origin string, id evidence.ID, name string, plain []byte) (Sealed, error) {
	return c.SealTo(nil, origin, id, name, plain)
}

// SealTo is Seal with the ciphertext in buf, from its begin on, or in new
// memory where that is too small.
func (c *Cipher) SealTo(buf []byte, origin string, id evidence.ID, name string, plain []byte) (Sealed, error) {
	if len(plain) > MaxPlain {
		return Sealed{}, fmt.Errorf("seal claim %s: %d bytes, at most %d", name, len(plain), MaxPlain)
	}
	var random [SaltSize + 12]byte
	rand.Read(random[:])
	salt := [SaltSize]byte(random[:SaltSize])
	body, flag := plain, byte(0)
	if len(plain) > compressAbove {
		if small := deflate(plain); len(small) < len(plain) {
			body, flag = small, 1
		}
	}
	// Nonce, flag, salt and body stand in one piece of memory and are
	// encrypted in place.
	size := 12 + 1 + SaltSize + len(body)
	if cap(buf) < size+c.aead.Overhead() {
		buf = make([]byte, size, size+c.aead.Overhead())
	}
	out := buf[:size]
	copy(out, random[SaltSize:])
	out[12] = flag
	copy(out[13:], salt[:])
	copy(out[13+SaltSize:], body)
	aad := aads.Get().(*[]byte)
	*aad = c.appendAAD((*aad)[:0], origin, id, name)
	out = c.aead.Seal(out[:12], out[:12], out[12:], *aad)
	aads.Put(aad)
	return Sealed{Commit(name, salt, plain), sha256.Sum256(out), out}, nil
}

// aads are buffers for the bytes that are bound to a ciphertext. None of them
// is secret.
var aads = sync.Pool{New: func() any {
	b := make([]byte, 0, 256)
	return &b
}}

// Open decrypts a ciphertext and checks the commitment.
func (c *Cipher) Open(origin string, id evidence.ID, name string, ciphertext []byte, commit evidence.Hash) (Opening, error) {
	var o Opening
	if _, err := c.open(&o, nil, c.aad(origin, id, name), name, ciphertext); err != nil {
		return Opening{}, err
	}
	return o, o.Check(name, commit)
}

// open decrypts into buf, which it returns grown, and fills in the opening; a
// plaintext that was not compressed lies in buf.
func (c *Cipher) open(o *Opening, buf, aad []byte, name string, ciphertext []byte) ([]byte, error) {
	if len(ciphertext) < 12+1+SaltSize+c.aead.Overhead() {
		return buf, fmt.Errorf("open claim %s: %d bytes are too few", name, len(ciphertext))
	}
	inner, err := c.aead.Open(buf, ciphertext[:12], ciphertext[12:], aad)
	if err != nil {
		return buf, fmt.Errorf("open claim %s: the ciphertext or the key is not the right one", name)
	}
	copy(o.Salt[:], inner[1:])
	body := inner[1+SaltSize:]
	switch inner[0] {
	case 0:
		o.Plain = body
	case 1:
		if o.Plain, err = inflate(body); err != nil {
			return inner, fmt.Errorf("open claim %s: %w", name, err)
		}
	default:
		return inner, fmt.Errorf("open claim %s: unknown encoding %d", name, inner[0])
	}
	return inner, nil
}

func (c *Cipher) aad(origin string, id evidence.ID, name string) []byte {
	return c.appendAAD(make([]byte, 0, 160), origin, id, name)
}

func (c *Cipher) appendAAD(b []byte, origin string, id evidence.ID, name string) []byte {
	b = lp(b, label)
	b = lp(b, origin)
	b = lp(b, string(id[:]))
	b = lp(b, name)
	for _, k := range c.ids {
		b = lp(b, k)
	}
	return b
}

func lp(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func deflate(plain []byte) []byte {
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.BestSpeed)
	if err != nil {
		return plain
	}
	if _, err := w.Write(plain); err != nil {
		return plain
	}
	if err := w.Close(); err != nil {
		return plain
	}
	return buf.Bytes()
}

func inflate(body []byte) ([]byte, error) {
	r := flate.NewReader(bytes.NewReader(body))
	plain, err := io.ReadAll(io.LimitReader(r, MaxPlain+1))
	if err != nil {
		return nil, fmt.Errorf("inflate: %w", err)
	}
	if len(plain) > MaxPlain {
		return nil, fmt.Errorf("inflate: more than %d bytes", MaxPlain)
	}
	return plain, nil
}
