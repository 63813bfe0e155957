package vault

import (
	"bytes"
	"encoding/json"

	"evidenced/collectors/tail"
	"evidenced/evidence/problem"
)

// cursor is what a Commit keeps. It holds places, ids and hashes, no names and
// no lines; a few hundred bytes, and at most about 1 MiB when thousands of
// requests wait for their responses.
type cursor struct {
	Version int                     `json:"v"`
	Streams map[string]*streamState `json:"streams,omitempty"` // by path of the active file
	Join    joinState               `json:"join,omitzero"`
	tail.CoverState
	State stateState `json:"state,omitzero"`
}

const cursorVersion = 1

// readCursor reads a resume; nil is the first look. What it cannot read is an
// error, never a fresh start.
func readCursor(resume []byte) (*cursor, error) {
	c := &cursor{Version: cursorVersion, Streams: map[string]*streamState{}}
	if resume == nil {
		return c, nil
	}
	dec := json.NewDecoder(bytes.NewReader(resume))
	dec.DisallowUnknownFields()
	if err := dec.Decode(c); err != nil {
		return nil, problem.Wrap(problem.Corrupt, err, "the resume cursor cannot be read").
			WithHint("it was written by another version or damaged; a fresh start is an administrator's decision")
	}
	if c.Version != cursorVersion {
		return nil, problem.New(problem.Corrupt, "the resume cursor has version %d, want %d", c.Version, cursorVersion)
	}
	if c.Streams == nil {
		c.Streams = map[string]*streamState{}
	}
	return c, nil
}
