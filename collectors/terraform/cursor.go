package terraform

import (
	"encoding/json"
	"slices"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence/problem"
)

// cursor is what a run leaves to the next. It holds ids, names and tags of
// workspaces and times, and names no person.
type cursor struct {
	V int `json:"v"`
	// Workspaces are those ever seen, by id.
	Workspaces map[string]*workspaceState `json:"workspaces,omitempty"`
	// Looked is the newest look that was claimed.
	Looked time.Time `json:"looked,omitzero"`
	// Audit is until when the audit trail was read; zero before the first time.
	Audit time.Time `json:"audit,omitzero"`
}

const cursorVersion = 1

// workspaceState is how far one workspace was read.
type workspaceState struct {
	Name string `json:"name"`
	// Tags are those last read; nil: none ever were.
	Tags []string `json:"tags,omitempty"`
	// Runs and States are how far its lists were read.
	Runs   position `json:"runs,omitzero"`
	States position `json:"states,omitzero"`
	// Current is the version of the state that was current then.
	Current string `json:"current,omitempty"`
}

// position is how far a list was read that is given newest first.
type position struct {
	// Newest is when the newest item that was read was made.
	Newest time.Time `json:"newest,omitzero"`
	// Recent are items made shortly before Newest or at it that were told and need
	// no second reading: one with an earlier time may yet turn up beside them.
	Recent []string `json:"recent,omitempty"`
	// Open are items that were told and may change, or of which not all was read.
	Open []string `json:"open,omitempty"`
	// Looked is until when the list was read whole; zero before the first time.
	Looked time.Time `json:"looked,omitzero"`
}

// settling is how long an item may turn up in a list after one made later.
const settling = 10 * time.Minute

// maxOpen bounds how many items of one list are read again by themselves.
const maxOpen = 200

// knows reports whether an item was told and needs no second reading.
func (p *position) knows(id string, made time.Time) bool {
	if slices.Contains(p.Open, id) || p.Newest.IsZero() {
		return false
	}
	return made.Before(p.Newest.Add(-settling)) || slices.Contains(p.Recent, id)
}

// move takes in the items that a walk told: their times, and which may change.
// One that was made after now is none to go by: all that come next would count as
// told. It returns how many of those that may change are given up.
func (p *position) move(made map[string]time.Time, open []string, now time.Time) (dropped int) {
	for _, at := range made {
		if at.After(now) {
			at = now
		}
		if at.After(p.Newest) {
			p.Newest = at
		}
	}
	var recent []string
	for id, at := range made {
		if !at.Before(p.Newest.Add(-settling)) && !slices.Contains(open, id) {
			recent = append(recent, id)
		}
	}
	slices.Sort(recent)
	p.Recent = recent
	p.Open = open
	if n := len(p.Open) - maxOpen; n > 0 {
		p.Open, dropped = p.Open[:maxOpen], n
	}
	return dropped
}

// readCursor refuses what it does not know: a silent fresh start would read as
// "nothing was lost".
func readCursor(b []byte) (*cursor, error) {
	c := &cursor{V: cursorVersion}
	if b != nil {
		if err := forge.ReadPosition(b, c); err != nil {
			return nil, err
		}
		if err := forge.CheckVersion(c.V, cursorVersion); err != nil {
			return nil, err
		}
		for id, w := range c.Workspaces {
			if w == nil {
				return nil, forge.BadPosition(problem.New(problem.Corrupt, "workspace %q has no position", id))
			}
		}
	}
	if c.Workspaces == nil {
		c.Workspaces = map[string]*workspaceState{}
	}
	return c, nil
}

func (c *cursor) bytes() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic("terraform: cursor does not encode: " + err.Error()) // strings and checked times only
	}
	return b
}

func (c *cursor) workspace(id, name string) *workspaceState {
	w := c.Workspaces[id]
	if w == nil {
		w = &workspaceState{}
		c.Workspaces[id] = w
	}
	w.Name = name
	return w
}
