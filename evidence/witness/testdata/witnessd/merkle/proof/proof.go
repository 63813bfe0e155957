// Package proof gives the release's verification under its own name.
package proof

import (
	"errors"

	"github.com/transparency-dev/merkle"
	"merkle.released/proof"
)

// VerifyConsistency is that of the release.
var VerifyConsistency = proof.VerifyConsistency

// VerifySubtreeConsistency came after the release. Only sign-subtree calls it,
// which a witness offers with ML-DSA keys alone; this one has none.
func VerifySubtreeConsistency(merkle.LogHasher, uint64, uint64, uint64, [][]byte, []byte, []byte) error {
	return errors.New("proofs of subtrees are not in the released merkle")
}
