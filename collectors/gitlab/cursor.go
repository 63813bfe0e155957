package gitlab

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence"
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
}

type projectState struct {
	Path      string                  `json:"path,omitempty"` // as last seen
	Branches  map[string]*branchState `json:"branches,omitempty"`
	Merges    position                `json:"merges"`
	Pipelines position                `json:"pipelines"`
	Releases  position                `json:"releases"`
	Audit     position                `json:"audit"`
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

type branchState struct {
	Head   string    `json:"head,omitempty"` // every commit it reaches was read
	Looked time.Time `json:"looked,omitzero"`
	Walk   *walk     `json:"walk,omitempty"` // begun, not finished
	// Class and Cause are what the next claim may say at best, when something
	// was lost since Looked.
	Class evidence.Class `json:"class,omitempty"`
	Cause string         `json:"cause,omitempty"`
}

// walk is a list of commits that pages do not shift in, since both ends are
// object ids.
type walk struct {
	Base string `json:"base,omitempty"` // commits it reaches are left out; "": from the first commit
	Head string `json:"head"`
	Page int    `json:"page"` // pages read
}

// readCursor refuses what it does not know: a silent fresh start would read as
// "nothing was lost".
func readCursor(b []byte) (*cursor, error) {
	if b == nil {
		return &cursor{V: cursorVersion, Projects: map[string]*projectState{}, Groups: map[string]*groupState{}}, nil
	}
	c := &cursor{}
	bad := func(err error) error {
		return problem.Wrap(problem.Corrupt, err, "the stored position of this source cannot be read").
			WithHint("name the source anew to begin afresh; what it has collected stays under the old name")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, bad(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, bad(problem.New(problem.Corrupt, "something follows it"))
	}
	if c.V != cursorVersion {
		return nil, bad(problem.New(problem.Corrupt, "version %d, this program reads version %d", c.V, cursorVersion))
	}
	for id, p := range c.Projects {
		if n, err := strconv.Atoi(id); err != nil || n <= 0 || p == nil {
			return nil, bad(problem.New(problem.Corrupt, "project %q has no position", id))
		}
		for branch, s := range p.Branches {
			if s == nil || s.Head != "" && !objectID.MatchString(s.Head) || s.Walk != nil && !s.Walk.valid() {
				return nil, bad(problem.New(problem.Corrupt, "branch %q of project %s has no position", branch, id))
			}
		}
	}
	for id, g := range c.Groups {
		if g == nil {
			return nil, bad(problem.New(problem.Corrupt, "group %q has no position", id))
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

func (w *walk) valid() bool {
	return objectID.MatchString(w.Head) && (w.Base == "" || objectID.MatchString(w.Base)) && w.Page >= 0
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
		p.Branches = map[string]*branchState{}
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

func (p *projectState) branch(name string) *branchState {
	b := p.Branches[name]
	if b == nil {
		b = &branchState{}
		p.Branches[name] = b
	}
	return b
}
