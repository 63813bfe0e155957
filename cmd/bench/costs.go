package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
)

// each returns the seconds that one call of fn takes, over n calls of a loop
// long enough for the clock.
func each(n int, fn func(i int) error) (float64, error) {
	begun := time.Now()
	for i := range n {
		if err := fn(i); err != nil {
			return 0, err
		}
	}
	return time.Since(begun).Seconds() / float64(n), nil
}

// costs are the steps of a record on one core, beside the primitive below
// each.
func (b *bench) costs(ctx context.Context) error {
	s, err := b.takeSample(ctx, b.scaled(16_000, 1000))
	if err != nil {
		return err
	}
	n := len(s.leaves)
	hash := func() (float64, error) {
		return each(n, func(i int) error { chain.LeafHash(s.leaves[i]); return nil })
	}
	leaves := make([]*chain.Leaf, n)
	decode, err := interleave(b.o.rounds, hash, func() (float64, error) {
		return each(n, func(i int) (err error) { leaves[i], err = chain.Decode(s.leaves[i]); return err })
	})
	if err != nil {
		return err
	}
	buf := make([]byte, 0, chain.MaxLeaf)
	encode, err := interleave(b.o.rounds, hash, func() (float64, error) {
		return each(n, func(i int) error { _, err := leaves[i].Append(buf); return err })
	})
	if err != nil {
		return err
	}
	plain := make([]byte, len(s.claims[len(s.claims)-1])-12-1-claim.SaltSize-16)
	key := make([]byte, claim.KeySize)
	rand.Read(key)
	c, err := claim.NewCipher([]string{"d1"}, [][]byte{key})
	if err != nil {
		return err
	}
	gcm := func() (float64, error) { return sealCost(len(plain), n) }
	id := evidence.ID{1}
	var sealed claim.Sealed
	seal, err := interleave(b.o.rounds, gcm, func() (float64, error) {
		return each(n, func(int) (err error) { sealed, err = c.Seal("origin", id, "content", plain); return err })
	})
	if err != nil {
		return err
	}
	open, err := interleave(b.o.rounds, gcm, func() (float64, error) {
		return each(n, func(int) error {
			_, err := c.Open("origin", id, "content", sealed.Ciphertext, sealed.Commit)
			return err
		})
	})
	if err != nil {
		return err
	}
	sign, err := b.checkpoint(ctx)
	if err != nil {
		return err
	}
	of := fmt.Sprintf("%d bytes of plaintext", len(plain))
	b.rep.add(
		figure{Name: "costs/leaf-decode", Unit: inSeconds, Note: fmt.Sprintf("leaf of %d bytes, found to be in its only allowed form", len(s.leaves[n-1]))}.against(decode, "leaf hash"),
		figure{Name: "costs/leaf-encode", Unit: inSeconds}.against(encode, "leaf hash"),
		figure{Name: "costs/claim-seal", Unit: inSeconds, Note: of + "; with salt, commitment and hash of the ciphertext"}.against(seal, "AES-GCM seal"),
		figure{Name: "costs/claim-open", Unit: inSeconds, Note: of + "; commitment checked"}.against(open, "AES-GCM seal"),
		figure{Name: "costs/stored", Unit: inBytes, Measured: float64(s.bytes()) / float64(n), Note: "leaf and ciphertexts of a record, mean"},
		figure{Name: "costs/checkpoint", Unit: inSeconds, Measured: sign, Note: "size and root kept, signed, stored: two syncs"},
	)
	return nil
}

// checkpoint returns the seconds until a log that has grown is signed.
func (b *bench) checkpoint(ctx context.Context) (_ float64, err error) {
	l, done, err := b.open("checkpoint")
	if err != nil {
		return 0, err
	}
	defer func() { err = firstError(err, done()) }()
	log, err := firstLog(l)
	if err != nil {
		return 0, err
	}
	next := 0
	return repeat(b.o.rounds*10, func() (float64, error) {
		next++
		if _, err := log.Append(ctx, items(next, 1)); err != nil {
			return 0, err
		}
		begun := time.Now()
		c, _, err := log.Checkpoint()
		if err == nil && c.Size != log.Size() {
			err = fmt.Errorf("a checkpoint of %d in a log of %d: the figure would be false", c.Size, log.Size())
		}
		return time.Since(begun).Seconds(), err
	})
}
