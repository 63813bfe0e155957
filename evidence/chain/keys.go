package chain

import (
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// LogKey is a key that signs checkpoints of a log, from a size on.
type LogKey struct {
	Key  string `json:"key"`  // note verifier key
	From uint64 `json:"from"` // smallest size it signs
	// Broken says that it replaced a key that somebody else may hold: the old
	// key's word for it is worth nothing, only trust from elsewhere is.
	Broken bool `json:"after_compromise,omitempty"`
}

// LogKeys are the keys of one log by size. The first stands in the genesis
// record and signs from size 0; each later one follows a log.key record: it
// signs the sizes that hold this record, up to the next. The first checkpoint
// with the record, the handover, is signed by the key before too, unless that
// one was broken.
type LogKeys []LogKey

// ParseKey reads a note verifier key in its one spelling. The library also takes
// capital hash digits, and line ends and unused bits in the base64: texts that
// would be other keys to whoever compares them.
func ParseKey(text string) (note.Verifier, error) {
	v, err := note.NewVerifier(text)
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf("%s+%08x+", v.Name(), v.KeyHash())
	raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(text, head))
	if err != nil || head+base64.StdEncoding.EncodeToString(raw) != text {
		return nil, fmt.Errorf("verifier key %q is not in its one spelling", text)
	}
	return v, nil
}

// NewLogKeys begins with the key that the genesis names.
func NewLogKeys(first string) (LogKeys, error) {
	if _, err := ParseKey(first); err != nil {
		return nil, fmt.Errorf("log key: %w", err)
	}
	return LogKeys{{Key: first}}, nil
}

// Change returns the keys with a further one, which the log.key record seq
// names. The old key it names must be the one in force, the new one of the same
// name and not in use before.
func (ks LogKeys) Change(seq uint64, old, next string, broken bool) (LogKeys, error) {
	last := ks[len(ks)-1]
	if old != last.Key {
		return nil, fmt.Errorf("record %d replaces a log key that is not in force", seq)
	}
	if seq < last.From {
		return nil, fmt.Errorf("record %d changes the log key before the key it replaces", seq)
	}
	v, err := ParseKey(next)
	if err != nil {
		return nil, fmt.Errorf("record %d: log key: %w", seq, err)
	}
	for _, k := range ks {
		if k.Key == next {
			return nil, fmt.Errorf("record %d brings back a log key that was replaced", seq)
		}
		if name, _, _ := strings.Cut(k.Key, "+"); name != v.Name() {
			return nil, fmt.Errorf("record %d: log key of another name", seq)
		}
	}
	return append(append(LogKeys{}, ks...), LogKey{Key: next, From: seq + 1, Broken: broken}), nil
}

// index returns which key signs checkpoints of the size.
func (ks LogKeys) index(size uint64) int {
	i := len(ks) - 1
	for i > 0 && size < ks[i].From {
		i--
	}
	return i
}

// At returns the key that signs checkpoints of the size.
func (ks LogKeys) At(size uint64) LogKey { return ks[ks.index(size)] }

// Before returns the key that was in force until the one at the size; false
// when there was none.
func (ks LogKeys) Before(size uint64) (LogKey, bool) {
	if i := ks.index(size); i > 0 {
		return ks[i-1], true
	}
	return LogKey{}, false
}

// Open verifies a checkpoint by the key for its size, and by no other: a key
// that was replaced signs nothing larger, a new one nothing smaller.
func (ks LogKeys) Open(signed []byte) (Checkpoint, error) {
	if len(ks) == 0 {
		return Checkpoint{}, fmt.Errorf("checkpoint: no log key is known")
	}
	text, _, ok := strings.Cut(string(signed), "\n\n")
	if !ok {
		return Checkpoint{}, fmt.Errorf("checkpoint: not a signed note")
	}
	c, err := ParseCheckpoint(text + "\n")
	if err != nil {
		return Checkpoint{}, err
	}
	v, err := note.NewVerifier(ks.At(c.Size).Key)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("log key: %w", err)
	}
	return OpenCheckpoint(signed, v)
}

// OpenHandover verifies the first checkpoint that holds the log.key record of
// the i-th key: by that key and by the one before, unless that was broken.
func (ks LogKeys) OpenHandover(signed []byte, i int) (Checkpoint, error) {
	c, err := ks.Open(signed)
	if err != nil {
		return c, err
	}
	if i < 1 || i >= len(ks) || ks.index(c.Size) != i {
		return c, fmt.Errorf("checkpoint of size %d hands no log key over", c.Size)
	}
	if ks[i].Broken {
		return c, nil
	}
	v, err := note.NewVerifier(ks[i-1].Key)
	if err != nil {
		return c, fmt.Errorf("log key: %w", err)
	}
	if _, err := OpenCheckpoint(signed, v); err != nil {
		return c, fmt.Errorf("the log key from size %d on is not vouched for by the one before: %w", ks[i].From, err)
	}
	return c, nil
}

// OnlyBy returns the signed note with the signature of the key alone. The note
// must carry one by it.
func OnlyBy(signed []byte, key string) ([]byte, error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("log key: %w", err)
	}
	n, err := note.Open(signed, note.VerifierList(v))
	if err != nil {
		return nil, fmt.Errorf("checkpoint signature: %w", err)
	}
	s := n.Sigs[0]
	return []byte(n.Text + "\n— " + s.Name + " " + s.Base64 + "\n"), nil
}
