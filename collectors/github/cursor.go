package github

import (
	"encoding/json"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence/problem"
)

// cursor is what a run leaves to the next: by repository, how far each list
// was read.
type cursor struct {
	V     int                   `json:"v"`
	Repos map[string]*repoState `json:"repos"`
	Orgs  map[string]*orgState  `json:"orgs,omitempty"`
	Homes forge.HomesState      `json:"homes,omitzero"`
}

const cursorVersion = 1

type repoState struct {
	Branches forge.Branches `json:"branches,omitempty"`
	// Pulls is the updated_at up to which every pull request was read; Looked
	// is the begin of the last look that read them all, zero while the first
	// one lasts.
	Pulls       time.Time `json:"pulls,omitzero"`
	PullsLooked time.Time `json:"pulls_looked,omitzero"`
	// Recent are the requests that the next look will list again.
	Recent forge.Recent `json:"recent,omitempty"`
	// Protection is the last look at the guards.
	Protection time.Time `json:"protection,omitzero"`

	Runs        runsState        `json:"runs,omitzero"`
	Checks      checksState      `json:"checks,omitzero"`
	Deployments deploymentsState `json:"deployments,omitzero"`
	Pushes      pushesState      `json:"pushes,omitzero"`
	Members     time.Time        `json:"members,omitzero"` // the last look at who has access
	Origins     forge.Origins    `json:"origins,omitempty"`
	// Spoilt are the parts of which an item could not be read since they were
	// claimed last, with the cause.
	Spoilt map[string]string `json:"spoilt,omitempty"`
}

// readCursor refuses what it does not know: a silent fresh start would read as
// "nothing was lost".
func readCursor(b []byte) (*cursor, error) {
	if b == nil {
		return &cursor{V: cursorVersion, Repos: map[string]*repoState{}}, nil
	}
	c := &cursor{}
	if err := forge.ReadPosition(b, c); err != nil {
		return nil, err
	}
	if err := forge.CheckVersion(c.V, cursorVersion); err != nil {
		return nil, err
	}
	if c.Repos == nil {
		c.Repos = map[string]*repoState{}
	}
	for name, r := range c.Repos {
		if r == nil {
			return nil, forge.BadPosition(problem.New(problem.Corrupt, "repository %q has no position", name))
		}
		for branch, s := range r.Branches {
			if !s.Valid() {
				return nil, forge.BadPosition(problem.New(problem.Corrupt, "branch %q of %q has no position", branch, name))
			}
		}
	}
	return c, nil
}

func (c *cursor) bytes() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic("github: cursor does not encode: " + err.Error()) // strings, numbers and checked times only
	}
	return b
}

func (c *cursor) org(name string) *orgState {
	if c.Orgs == nil {
		c.Orgs = map[string]*orgState{}
	}
	o := c.Orgs[name]
	if o == nil {
		o = &orgState{}
		c.Orgs[name] = o
	}
	return o
}

func (c *cursor) repo(name string) *repoState {
	r := c.Repos[name]
	if r == nil {
		r = &repoState{}
		c.Repos[name] = r
	}
	if r.Branches == nil {
		r.Branches = forge.Branches{}
	}
	return r
}
