package gitrepo

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"evidenced/evidence/problem"
)

// resume is what a Commit keeps. It holds no ref name that is not written in
// facts: refs stand by refID.
type resume struct {
	V     int                   `json:"v"`
	Repos map[string]*repoState `json:"repos"`
}

const resumeVersion = 1

// repoState is what is known of one repository.
type repoState struct {
	// Looked is the begin of the last complete look, zero before the first.
	Looked time.Time `json:"looked,omitzero"`
	// First is the begin of the first complete look.
	First time.Time `json:"first,omitzero"`
	// Looks counts complete looks; it tells rewrites of the same two commits
	// apart.
	Looks uint64          `json:"looks"`
	Heads map[string]head `json:"heads,omitempty"` // by refID
	Tags  []byte          `json:"tags,omitempty"`  // 8 bytes for each known tag and target, sorted
	// Broken are commits that could not be read whole, at most maxBroken;
	// BrokenAll counts them.
	Broken    []string `json:"broken,omitempty"`
	BrokenAll int      `json:"broken_all,omitempty"`
	Shallow   string   `json:"shallow,omitempty"` // hash over the commits at the edge of a shallow repository

	// Of a look that was cut: Tips are the childless among the commits that
	// were emitted with all their ancestors; Redo says that the look walks all
	// history anew; Since is the earliest date seen.
	Tips  []string  `json:"tips,omitempty"`
	Redo  bool      `json:"redo,omitempty"`
	Since time.Time `json:"since,omitzero"`
}

// head is a branch as last seen.
type head struct {
	SHA  string `json:"s"`
	Name string `json:"n"` // public name
}

func parseResume(b []byte) (*resume, error) {
	r := &resume{V: resumeVersion, Repos: map[string]*repoState{}}
	if len(b) == 0 {
		return r, nil
	}
	bad := func(err error) error {
		return problem.Wrap(problem.Corrupt, err, "the kept position of the git source cannot be read").
			WithHint("it was written by another version or damaged; reset the source's position to read all history again, nothing is doubled")
	}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, bad(err)
	}
	if r.V != resumeVersion {
		return nil, bad(fmt.Errorf("version %d, this program reads %d", r.V, resumeVersion))
	}
	for name, s := range r.Repos {
		if s == nil {
			return nil, bad(fmt.Errorf("repository %s has no state", name))
		}
		for _, h := range s.Heads {
			if _, err := parseID([]byte(h.SHA)); err != nil {
				return nil, bad(err)
			}
		}
		for _, list := range [][]string{s.Tips, s.Broken} {
			for _, id := range list {
				if _, err := parseID([]byte(id)); err != nil {
					return nil, bad(err)
				}
			}
		}
		if len(s.Tags)%8 != 0 {
			return nil, bad(fmt.Errorf("tags of %s have an odd length", name))
		}
	}
	if r.Repos == nil {
		r.Repos = map[string]*repoState{}
	}
	return r, nil
}

func (r *resume) bytes() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic("gitrepo: resume does not encode: " + err.Error()) // strings, numbers and checked times only
	}
	return b
}

func hashes(ids []string) []plumbing.Hash {
	hs := make([]plumbing.Hash, 0, len(ids))
	for _, id := range ids {
		hs = append(hs, plumbing.NewHash(id))
	}
	return hs
}
