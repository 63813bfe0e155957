package main

import (
	"crypto/rand"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/claim"
	"evidenced/store"
)

// pieces measures what an append and a verification are made of, and how many
// bytes a stored record has.
func pieces(b *bench) error {
	l, err := b.open("pieces")
	if err != nil {
		return err
	}
	defer l.Close()
	log, err := l.Store.Create(tenant(1))
	if err != nil {
		return err
	}
	if _, err := log.Append(ctx, batchOf(0, 5000)); err != nil {
		return err
	}
	var leaf []byte
	bytes, leaves, n := 0, 0, 0
	if err := log.Snapshot().Export(ctx, 1000, 2000, nil, func(o store.Opened) error {
		lf, err := chain.Decode(o.Leaf)
		if err != nil {
			return err
		}
		leaf = append(leaf[:0], o.Leaf...)
		leaves += len(o.Leaf)
		bytes += len(o.Leaf)
		for _, c := range lf.Claims {
			bytes += c.Size
		}
		n++
		return nil
	}); err != nil {
		return err
	}
	b.entry = bytes / n
	b.add(figure{Name: "stored bytes of a record (leaf and ciphertexts)", Measured: float64(b.entry), Unit: "bytes"})
	b.add(figure{Name: "of it the leaf", Measured: float64(leaves / n), Unit: "bytes"})

	v, err := per(func() error {
		for range 100 {
			if _, err := chain.Decode(leaf); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.add(figure{Name: "decode a leaf", Measured: 1e6 / (v * 100), Unit: "us"})

	key := make([]byte, claim.KeySize)
	rand.Read(key)
	c, err := claim.NewCipher([]string{"d1"}, [][]byte{key})
	if err != nil {
		return err
	}
	var id evidence.ID
	plain := []byte(filler + filler)[:1024]
	v, err = per(func() error {
		for range 100 {
			if _, err := c.Seal(log.Origin(), id, "content", plain); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.add(figure{Name: "seal a claim of 1 KB, one core", Measured: 1e6 / (v * 100), Unit: "us"})
	b.add(figure{Name: "SHA-256 of 1 KB, all cores", Measured: hashLimit(1024) / 1024, Unit: "/s"})

	size := log.Size()
	at := uint64(0)
	v, err = per(func() error {
		at = (at + 997) % size
		_, err := log.ProveInclusion(size, at)
		return err
	})
	if err != nil {
		return err
	}
	b.add(figure{Name: "prove that a record is in the tree", Measured: 1e6 / v, Unit: "us"})
	begun := time.Now()
	if _, _, err := log.Checkpoint(); err != nil {
		return err
	}
	b.add(figure{Name: "sign a checkpoint, durably", Measured: float64(time.Since(begun).Microseconds()), Unit: "us"})
	return nil
}
