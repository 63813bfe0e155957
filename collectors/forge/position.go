package forge

import (
	"bytes"
	"encoding/json"
	"io"

	"evidenced/evidence/problem"
)

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
