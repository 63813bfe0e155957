package evidence

import "time"

// ErasureLevel says how well keys were destroyed.
type ErasureLevel string

// The levels.
const (
	// Logical: the keys are gone from the keyring. Who has kept an old copy of
	// the keyring with the wrapping key of that time could still open them.
	Logical ErasureLevel = "logical"
	// Cryptographic: the wrapping key lived outside of this host and was
	// destroyed there, so no copy of the keyring gives the keys back.
	Cryptographic ErasureLevel = "cryptographic"
)

// ErasureFacts are the facts of erasure: keys of this log were destroyed. The
// record's links name each key as key:/ID; that alone makes a closed claim an
// erased one. Nobody is named: a token means nothing once its keyring entry is
// gone.
type ErasureFacts struct {
	Keys      []string     `json:"keys"`
	Tokens    []ID         `json:"tokens,omitempty"` // of the erased person in this log
	Level     ErasureLevel `json:"level"`
	Why       string       `json:"why,omitempty"` // why the level is not cryptographic
	Authority string       `json:"authority,omitempty"`
	Reason    string       `json:"reason,omitempty"`
	By        string       `json:"by"` // user id of the process that asked
	Asked     time.Time    `json:"asked"`
	Destroyed time.Time    `json:"destroyed"`
}

// LinkFacts are the facts of identity.link, a state: the persons A and B of
// the log are one. All three are indexes into the record's people. Why stands
// in the record's text.
type LinkFacts struct {
	A        int    `json:"a"`
	B        int    `json:"b"`
	Approver int    `json:"approver"`
	By       string `json:"by"` // user id of the process that asked; never the approver
}
