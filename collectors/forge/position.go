package forge

import (
	"bytes"
	"encoding/json"
	"io"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// BranchState is how far a watched branch was read.
type BranchState struct {
	Head   string    `json:"head,omitempty"` // every commit it reaches was read
	Looked time.Time `json:"looked,omitzero"`
	Walk   *Walk     `json:"walk,omitempty"` // begun, not finished
	// Class and Cause are what the next claim may say at best, when something
	// was lost since Looked.
	Class evidence.Class `json:"class,omitempty"`
	Cause string         `json:"cause,omitempty"`
}

// Walk is a list of commits that pages do not shift in, since both ends are
// object ids.
type Walk struct {
	Base string `json:"base,omitempty"` // commits it reaches are left out; "": from the first commit
	Head string `json:"head"`
	Page int    `json:"page"` // pages read
}

// Valid reports whether s is a position: ids are object ids.
func (s *BranchState) Valid() bool {
	if s == nil || s.Head != "" && !ObjectID.MatchString(s.Head) {
		return false
	}
	w := s.Walk
	return w == nil || ObjectID.MatchString(w.Head) && (w.Base == "" || ObjectID.MatchString(w.Base)) && w.Page >= 0
}

// ReadPosition reads a stored position into v, and refuses unknown members and
// whatever follows: a silent fresh start would read as "nothing was lost".
func ReadPosition(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return BadPosition(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return BadPosition(problem.New(problem.Corrupt, "something follows it"))
	}
	return nil
}

// CheckVersion refuses a position of another version than the one that is read.
func CheckVersion(got, want int) error {
	if got != want {
		return BadPosition(problem.New(problem.Corrupt, "version %d, this program reads version %d", got, want))
	}
	return nil
}

// BadPosition is the refusal of a stored position, with what is wrong with it.
func BadPosition(err error) error {
	return problem.Wrap(problem.Corrupt, err, "the stored position of this source cannot be read").
		WithHint("name the source anew to begin afresh; what it has collected stays under the old name")
}
