// Package chain is the tamper-evident part of a log: the bytes of a leaf, the
// link from each leaf to the one before, the Merkle tree over all, signed
// checkpoints, and the proofs that tie them together. It stores nothing and
// does no I/O. docs/formats/record.md and docs/formats/log.md specify what
// stands here; testdata/vectors holds vectors.
//
// # Leaf
//
// A leaf is one line of JSON without its line end: ASCII, no white space, no
// escapes, names in this order, optional ones left out when unset:
//
//	v origin seq prev id kind kv op source run occurred basis [not_before]
//	observed recorded [people] claims [amends] [carries] [from] [x]
//
// It is written once and hashed as stored. [Decode] refuses any byte string
// that [Leaf.Encode] would not make, so no two byte strings mean the same leaf;
// [View] does so without copying anything, for reading millions.
//
// # Chain and tree
//
// The hash of a leaf is SHA-256(0x00 || leaf) as in RFC 6962 section 2.1. The
// field prev of leaf n is the hash of leaf n-1; for leaf 0 it is
// SHA-256("evidenced/genesis/v1" || uint32(len(origin)) || origin), the length
// big-endian. The same hashes are the leaves of the tree, so chain and tree
// cannot tell two stories.
//
// # Checkpoint
//
// A checkpoint is a signed note (C2SP signed-note, tlog-checkpoint): origin,
// size in decimal, root in base64, each on a line.
package chain
