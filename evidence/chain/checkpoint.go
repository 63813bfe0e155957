package chain

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"evidenced/evidence"
)

// Checkpoint is the size and root of a log at a moment.
type Checkpoint struct {
	Origin string        `json:"origin"`
	Size   uint64        `json:"size"`
	Root   evidence.Hash `json:"root"`
}

// Text returns the note text: origin, size, root in base64, each on a line
// (C2SP tlog-checkpoint).
func (c Checkpoint) Text() string {
	return c.Origin + "\n" + strconv.FormatUint(c.Size, 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// ParseCheckpoint reads a note text. Extension lines are refused: this format
// has none.
func ParseCheckpoint(text string) (Checkpoint, error) {
	var c Checkpoint
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return c, fmt.Errorf("checkpoint: want 3 lines, got %d", len(lines)-1)
	}
	if !plain(lines[0], 128) {
		return c, fmt.Errorf("checkpoint: bad origin")
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] || size >= maxInt {
		return c, fmt.Errorf("checkpoint: bad size %q", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(c.Root) {
		return c, fmt.Errorf("checkpoint: bad root")
	}
	c.Origin, c.Size = lines[0], size
	copy(c.Root[:], root)
	if c.Text() != text { // the decoder skips carriage returns
		return Checkpoint{}, fmt.Errorf("checkpoint: not in canonical form")
	}
	return c, nil
}

// Sign returns the signed note of the checkpoint.
func (c Checkpoint) Sign(signers ...note.Signer) ([]byte, error) {
	return note.Sign(&note.Note{Text: c.Text()}, signers...)
}

// UnverifiedCheckpoint reads the checkpoint of a signed note without looking at
// who signed it: it is somebody's word, to be compared and not to be believed.
func UnverifiedCheckpoint(signed []byte) (Checkpoint, error) {
	n, err := note.Open(signed, note.VerifierList())
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		n, err = unverified.Note, nil
	}
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	return ParseCheckpoint(n.Text)
}

// OpenCheckpoint verifies the note's signature by the given key, and by no
// other: a note that only a witness signed is refused.
func OpenCheckpoint(signed []byte, key note.Verifier) (Checkpoint, error) {
	n, err := note.Open(signed, note.VerifierList(key))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint signature: %w", err)
	}
	return ParseCheckpoint(n.Text)
}
