package timestamp

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

// Imprint returns what a token over the signed checkpoint must hold: SHA-256 of
// the note's text, an empty line and the signature line of the log's own key.
// Lines of other keys do not matter. A note without exactly one good signature
// by the key, or with that signature in another spelling, is an error.
func Imprint(signedNote []byte, v note.Verifier) ([32]byte, error) {
	n, err := note.Open(signedNote, note.VerifierList(v))
	if err != nil {
		return [32]byte{}, fmt.Errorf("imprint of a checkpoint: %w", err)
	}
	if len(n.Sigs) != 1 {
		return [32]byte{}, fmt.Errorf("imprint of a checkpoint: %d signatures by %s, want one", len(n.Sigs), v.Name())
	}
	// The library's decoder lets unused bits of the last character pass: two
	// spellings of one signature would have two imprints.
	raw, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64)
	if err != nil || base64.StdEncoding.EncodeToString(raw) != n.Sigs[0].Base64 {
		return [32]byte{}, fmt.Errorf("imprint of a checkpoint: signature is not canonical base64")
	}
	return sha256.Sum256([]byte(n.Text + "\n— " + v.Name() + " " + n.Sigs[0].Base64 + "\n")), nil
}
