package witness

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// Paths and media type of C2SP tlog-witness.
const (
	AddPath  = "/add-checkpoint"
	SizeType = "text/x.tlog.size"
)

// MaxProof is the most hashes that a proof may have.
const MaxProof = 63

// hashLine is the length of a proof line with its line end, in bytes.
const hashLine = 45

// MaxRequest is the largest add-checkpoint body, in bytes.
const MaxRequest = len("old 9007199254740991\n") + MaxProof*hashLine + len("\n") + MaxNote

// MaxAnswer is the largest answer of a witness that is read, in bytes.
const MaxAnswer = MaxNote

// Request asks a witness to cosign a checkpoint.
type Request struct {
	Old    uint64          // size of the checkpoint that the witness cosigned last; 0 for none
	Proof  []evidence.Hash // that the checkpoint extends the one of size Old; empty for Old 0
	Signed []byte          // the checkpoint, signed by the log
}

// Encode returns the body of the request.
func (r Request) Encode() ([]byte, error) {
	switch {
	case r.Old >= maxSize:
		return nil, fmt.Errorf("add-checkpoint: old size %d", r.Old)
	case len(r.Proof) > MaxProof:
		return nil, fmt.Errorf("add-checkpoint: proof of %d hashes, at most %d", len(r.Proof), MaxProof)
	case len(r.Signed) == 0 || len(r.Signed) > MaxNote:
		return nil, fmt.Errorf("add-checkpoint: checkpoint of %d bytes, at most %d", len(r.Signed), MaxNote)
	}
	b := fmt.Appendf(nil, "old %d\n", r.Old)
	b = appendHashes(b, r.Proof)
	b = append(b, '\n')
	return append(b, r.Signed...), nil
}

// maxSize is the first size that no log has: leaves hold integers below 2^53.
const maxSize = 1 << 53

func appendHashes(b []byte, hs []evidence.Hash) []byte {
	for _, h := range hs {
		b = base64.StdEncoding.AppendEncode(b, h[:])
		b = append(b, '\n')
	}
	return b
}

// ParseRequest reads the body of a request. Of the checkpoint it looks at the
// size alone.
func ParseRequest(b []byte) (Request, error) {
	var r Request
	if len(b) > MaxRequest {
		return r, fmt.Errorf("add-checkpoint: %d bytes, at most %d", len(b), MaxRequest)
	}
	head, rest, ok := bytes.Cut(b, []byte("\n"))
	old, is := strings.CutPrefix(string(head), "old ")
	if !ok || !is {
		return r, fmt.Errorf("add-checkpoint: want a first line with the old size")
	}
	var err error
	if r.Old, err = parseDecimal(old); err != nil {
		return Request{}, fmt.Errorf("add-checkpoint: old size: %w", err)
	}
	if r.Proof, r.Signed, err = parseHashes(rest); err != nil {
		return Request{}, fmt.Errorf("add-checkpoint: %w", err)
	}
	if len(r.Signed) == 0 || len(r.Signed) > MaxNote {
		return Request{}, fmt.Errorf("add-checkpoint: checkpoint of %d bytes, at most %d", len(r.Signed), MaxNote)
	}
	return r, nil
}

// parseDecimal reads a size or index: decimal digits, no leading zero, below 2^53.
func parseDecimal(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n >= maxSize || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("want a decimal number below 2^53")
	}
	return n, nil
}

// parseHashes reads proof lines to the empty line, and returns what follows it.
func parseHashes(b []byte) (hs []evidence.Hash, rest []byte, err error) {
	for {
		line, after, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			return nil, nil, fmt.Errorf("proof: no empty line after it")
		}
		if len(line) == 0 {
			return hs, after, nil
		}
		if len(hs) == MaxProof {
			return nil, nil, fmt.Errorf("proof: more than %d hashes", MaxProof)
		}
		// The decoder skips line ends of any kind, so the length is looked at first.
		raw, derr := base64.StdEncoding.Strict().DecodeString(string(line))
		if len(line) != hashLine-1 || derr != nil || len(raw) != len(evidence.Hash{}) {
			return nil, nil, fmt.Errorf("proof: line %d is no hash", len(hs)+1)
		}
		hs, b = append(hs, evidence.Hash(raw)), after
	}
}

// EncodeSize returns the body of a conflict answer: the size of the checkpoint
// that the witness cosigned last.
func EncodeSize(size uint64) []byte { return fmt.Appendf(nil, "%d\n", size) }

// ParseSize reads the body of a conflict answer.
func ParseSize(b []byte) (uint64, error) {
	if len(b) > 32 || !bytes.HasSuffix(b, []byte("\n")) {
		return 0, fmt.Errorf("witness's size: want a line with a number")
	}
	n, err := parseDecimal(string(b[:len(b)-1]))
	if err != nil {
		return 0, fmt.Errorf("witness's size: %w", err)
	}
	return n, nil
}

// ParseAnswer reads the signature lines that the witness w answered with, and
// returns its cosignature of the checkpoint. Signatures by other keys are passed
// over; without a good one by w, or with a bad one, it is an error.
func ParseAnswer(body []byte, c chain.Checkpoint, w Witness) (Cosignature, error) {
	if len(body) == 0 || len(body) > MaxAnswer || body[len(body)-1] != '\n' {
		return Cosignature{}, fmt.Errorf("answer of %s: want signature lines", w.name)
	}
	for line := range strings.Lines(string(body)) {
		if !strings.HasPrefix(line, "\u2014 ") {
			return Cosignature{}, fmt.Errorf("answer of %s: want signature lines alone", w.name)
		}
	}
	text := c.Text() + "\n"
	if len(text)+len(body) > MaxNote {
		return Cosignature{}, fmt.Errorf("answer of %s: %d bytes", w.name, len(body))
	}
	cs, err := Verify(append([]byte(text), body...), []Witness{w})
	if err != nil {
		return Cosignature{}, fmt.Errorf("answer of %s: %w", w.name, err)
	}
	if len(cs) == 0 {
		return Cosignature{}, fmt.Errorf("answer of %s: no signature by its key %s+%08x", w.name, w.name, w.hash)
	}
	return cs[0], nil
}

// What a witness answers when it does not cosign, for errors.Is. Each is one
// status of C2SP tlog-witness.
var (
	// ErrMalformed (400): the request cannot be read, or its old size is larger
	// than the checkpoint's.
	ErrMalformed = errors.New("the witness cannot read the request")
	// ErrSignature (403): the checkpoint has no good signature by the log's key,
	// as the witness knows that.
	ErrSignature = errors.New("the witness does not accept the log's signature")
	// ErrUnknownLog (404): the witness does not follow a log of that origin.
	ErrUnknownLog = errors.New("the witness does not follow this log")
	// ErrInconsistent (422): the checkpoint does not extend the one that the
	// witness knows, or has another root at the same size; or the proof is wrong.
	ErrInconsistent = errors.New("the witness says that the checkpoint does not extend the one it knows")
	// ErrBusy (429, 503): come back later.
	ErrBusy = errors.New("the witness asks to come back later")
)

// A ConflictError (409) says that the request named another old size than that
// of the checkpoint which the witness cosigned last.
type ConflictError struct {
	Size uint64 // of that checkpoint; 0 for none
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("the witness knows the log at size %d", e.Size)
}

// statuses pairs what a witness says with HTTP status codes (RFC 9110); the
// first of an error is the one that is sent.
var statuses = []struct {
	status int
	err    error
}{
	{400, ErrMalformed}, {403, ErrSignature}, {404, ErrUnknownLog}, {422, ErrInconsistent},
	{429, ErrBusy}, {503, ErrBusy}, {413, ErrMalformed},
}

// Status returns the HTTP status code for an error of this list; 500 for any
// other.
func Status(err error) int {
	var conflict *ConflictError
	if errors.As(err, &conflict) {
		return 409
	}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.status
		}
	}
	return 500
}

// Refusal returns what an answer other than 200 means: one of the errors above,
// a ConflictError, or an error with the status. A 409 without a size is what
// older witnesses say of another root at the same size: ErrInconsistent.
func Refusal(status int, contentType string, body []byte) error {
	if status == 409 {
		if media, _, _ := strings.Cut(contentType, ";"); strings.TrimSpace(media) != SizeType {
			return ErrInconsistent
		}
		size, err := ParseSize(body)
		if err != nil {
			return err
		}
		return &ConflictError{Size: size}
	}
	for _, s := range statuses {
		if s.status == status {
			return s.err
		}
	}
	return fmt.Errorf("the witness answered with status %d", status)
}
