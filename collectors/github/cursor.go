package github

import (
	"bytes"
	"encoding/json"
	"io"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence"
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
	Branches map[string]*branchState `json:"branches,omitempty"`
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
		return &cursor{V: cursorVersion, Repos: map[string]*repoState{}}, nil
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
	if c.Repos == nil {
		c.Repos = map[string]*repoState{}
	}
	for name, r := range c.Repos {
		if r == nil {
			return nil, bad(problem.New(problem.Corrupt, "repository %q has no position", name))
		}
		for branch, s := range r.Branches {
			if s == nil || s.Head != "" && !objectID.MatchString(s.Head) || s.Walk != nil && !s.Walk.valid() {
				return nil, bad(problem.New(problem.Corrupt, "branch %q of %q has no position", branch, name))
			}
		}
	}
	return c, nil
}

func (w *walk) valid() bool {
	return objectID.MatchString(w.Head) && (w.Base == "" || objectID.MatchString(w.Base)) && w.Page >= 0
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
		r.Branches = map[string]*branchState{}
	}
	return r
}

func (r *repoState) branch(name string) *branchState {
	b := r.Branches[name]
	if b == nil {
		b = &branchState{}
		r.Branches[name] = b
	}
	return b
}
