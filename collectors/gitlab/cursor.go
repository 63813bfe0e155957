package gitlab

import (
	"encoding/json"
	"strconv"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence/problem"
)

// cursor is what a run leaves to the next. Projects stand under their numeric
// id, which a rename or transfer does not change.
type cursor struct {
	V        int                      `json:"v"`
	Looked   time.Time                `json:"looked,omitzero"` // begin of the last complete look
	Projects map[string]*projectState `json:"projects"`
	Groups   map[string]*groupState   `json:"groups,omitempty"` // by id
	Instance *position                `json:"instance,omitempty"`
	Homes    forge.HomesState         `json:"homes,omitzero"`
}

const cursorVersion = 1

// position is how far a list ordered by time was read.
type position struct {
	At     time.Time `json:"at,omitzero"`     // everything up to here was read
	Looked time.Time `json:"looked,omitzero"` // begin of the last look that read all; zero while the first one lasts
	// Recent are the items that the next look will list again.
	Recent forge.Recent `json:"recent,omitempty"`
	// Spoilt is why not all since Looked could be read; empty when all was.
	Spoilt string `json:"spoilt,omitempty"`
}

type projectState struct {
	Path      string         `json:"path,omitempty"` // as last seen
	Branches  forge.Branches `json:"branches,omitempty"`
	Merges    position       `json:"merges"`
	Pipelines position       `json:"pipelines"`
	Releases  position       `json:"releases"`
	Audit     position       `json:"audit"`
	Pushes    position       `json:"pushes,omitzero"`
	// Read is the last look that really read branches and requests, whatever
	// the activity date said.
	Read time.Time `json:"read,omitzero"`
	// Settings is the last look at guards and members; Lists names the lists of
	// members that were readable once.
	Settings time.Time `json:"settings,omitzero"`
	Lists    []string  `json:"lists,omitempty"`
	// Children are child pipelines that had not ended, with their parents: the
	// list of pipelines does not show them.
	Children map[string]int `json:"children,omitempty"`
	// Owed are pipelines of which a report could not be read, by id.
	Owed map[string]owed `json:"owed,omitempty"`
	// Recent are pipelines read since Since, to notice when one is deleted.
	Recent []int     `json:"recent,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// owed is a pipeline that is read again for a report's sake.
type owed struct {
	Parent int `json:"parent,omitempty"`
	Tries  int `json:"tries"`
}

type groupState struct {
	Path     string    `json:"path"`
	Settings time.Time `json:"settings,omitzero"`
	Lists    []string  `json:"lists,omitempty"`
	Audit    position  `json:"audit"`
}

// readCursor refuses what it does not know: a silent fresh start would read as
// "nothing was lost".
func readCursor(b []byte) (*cursor, error) {
	if b == nil {
		return &cursor{V: cursorVersion, Projects: map[string]*projectState{}, Groups: map[string]*groupState{}}, nil
	}
	c := &cursor{}
	if err := forge.ReadPosition(b, c); err != nil {
		return nil, err
	}
	if err := forge.CheckVersion(c.V, cursorVersion); err != nil {
		return nil, err
	}
	for id, p := range c.Projects {
		if n, err := strconv.Atoi(id); err != nil || n <= 0 || p == nil {
			return nil, forge.BadPosition(problem.New(problem.Corrupt, "project %q has no position", id))
		}
		for branch, s := range p.Branches {
			if !s.Valid() {
				return nil, forge.BadPosition(problem.New(problem.Corrupt, "branch %q of project %s has no position", branch, id))
			}
		}
	}
	for id, g := range c.Groups {
		if g == nil {
			return nil, forge.BadPosition(problem.New(problem.Corrupt, "group %q has no position", id))
		}
	}
	if c.Projects == nil {
		c.Projects = map[string]*projectState{}
	}
	if c.Groups == nil {
		c.Groups = map[string]*groupState{}
	}
	return c, nil
}

func (c *cursor) bytes() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic("gitlab: cursor does not encode: " + err.Error()) // strings, numbers and checked times only
	}
	return b
}

func (c *cursor) project(id int) *projectState {
	k := strconv.Itoa(id)
	p := c.Projects[k]
	if p == nil {
		p = &projectState{}
		c.Projects[k] = p
	}
	if p.Branches == nil {
		p.Branches = forge.Branches{}
	}
	if p.Children == nil {
		p.Children = map[string]int{}
	}
	if p.Owed == nil {
		p.Owed = map[string]owed{}
	}
	return p
}

func (c *cursor) group(id int) *groupState {
	k := strconv.Itoa(id)
	if c.Groups[k] == nil {
		c.Groups[k] = &groupState{}
	}
	return c.Groups[k]
}
