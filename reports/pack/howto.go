package pack

const howTo = `How to verify this pack

With the verifier. Take evidence-verify from a source you trust, not from the
maker of the pack, and run

    evidence-verify pack.zip --trust your-trust-file

The trust file names the logs and keys you know, from your own meeting with the
maker or from an earlier audit. Without it the pack's own keys are printed and
the maker's identity is "not established".

With an earlier pack of the same log at hand,

    evidence-verify pack.zip --extends earlier.zip --trust your-trust-file

shows that both tell one history: that nothing the earlier pack was made of was
changed, cut or put in another order since. Keep every pack you receive: no
pack can show by itself that there is no second history.

With the roots of a time-stamping authority (--tsa-roots) and the keys of
witnesses (--policy) the receipts of others that the pack carries are checked;
without them they count for nothing.

By hand. docs/formats in the program's source says every byte; in short:

1. manifest is a signed note (Ed25519). It gives size and SHA-256 of every
   member but itself and issued.tlog-proof. Compare with sha256sum.
2. leaves.jsonl holds a leaf on each line. The hash of a leaf is
   SHA-256(0x00 || line without its line end). "prev" of each line is the hash
   of the line before it.
3. frontier.json holds the hashes of the tree before the first line. Adding the
   leaves as RFC 6962 says gives the root in checkpoint, which the log key
   signed.
4. claims.jsonl discloses plaintexts. For each, HMAC-SHA-256 with the salt as
   key over (length of the name, name, length of the plaintext, plaintext),
   lengths as 4 and 8 bytes big-endian, is the commitment in the leaf.
5. registers/*.csv list the records of each kind that occurred in the period;
   every line of a register is a leaf, and no leaf of that kind and period is
   missing.
6. consistency.json holds trees that the one in checkpoint extends, each with a
   consistency proof (RFC 6962): the tree at the range's begin, and the trees
   at which earlier packs closed.
7. anchors/NNN.tst are time-stamp tokens over anchors/NNN.checkpoint:
       openssl ts -verify -token_in -in anchors/NNN.tst -CAfile roots.pem \
           -digest $(head -5 anchors/NNN.checkpoint | sha256sum | cut -d' ' -f1)
   Cosignatures of witnesses are further signature lines of a checkpoint.
8. issued.tlog-proof shows that the hash of the manifest was sealed in the log
   when the pack was made.
`
