// Package witness is what a log and its witnesses say to each other, as bytes:
// cosignatures, the requests that ask for them, and proofs that a record is in a
// witnessed log. It does no I/O. docs/formats/witness.md specifies what stands
// here; testdata/vectors/witness.json holds vectors.
//
// A witness is somebody else's program that remembers the newest checkpoint of a
// log and signs a newer one only when that extends the one it remembers. So a
// log that many have witnessed has one history, even if its own key is stolen.
//
// # Cosignature (C2SP tlog-cosignature, Ed25519)
//
// A signature line of a checkpoint note. Its key hash is the first four bytes of
// SHA-256(name || LF || 0x04 || public key), what follows it is
//
//	timestamp, 8 bytes, big-endian, seconds since 1970-01-01 UTC
//	Ed25519 signature of: "cosignature/v1\ntime <timestamp>\n" || note text
//
// The timestamp is above zero and before the year 10000. The signature does not
// cover the witness's name, so a key stands for one witness only.
//
// # Add-checkpoint (C2SP tlog-witness)
//
//	old <size>                       the size the witness is believed to know
//	<base64 of a hash>               consistency proof, at most 63 lines
//	                                 empty line
//	<signed checkpoint>
//
// The answer is signature lines; or status 409 and the size the witness knows,
// or a status that says why not (see [Refusal]).
//
// # Proof (C2SP tlog-proof)
//
//	c2sp.org/tlog-proof@v1
//	extra <base64>                   optional, not authenticated
//	index <seq>
//	<base64 of a hash>               inclusion proof, at most 63 lines
//	                                 empty line
//	<signed checkpoint>
//
// Every reader here writes what it has read again and refuses other bytes.
// Checkpoints are those of package chain: no extension lines, sizes below 2^53.
// The ML-DSA-44 cosignatures of the same specification are neither made nor
// checked; beside an Ed25519 one they are ignored, as signatures of unknown keys
// are.
package witness
