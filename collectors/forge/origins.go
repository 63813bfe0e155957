package forge

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"evidenced/evidence"
)

// A run, a check or a deployment names one commit, the last of those that it
// was about. In a repository of many it is the business of everybody whose
// paths any of them changed: of all commits of the request, or of the push,
// that the commit came with. Each of these has a record of its own with its own
// paths; the run that tested them together goes to all of their homes.

// Changed is what a commit, a request or a push changed: paths as a draft may
// hold them. One whose list is not whole may have changed anything.
type Changed struct {
	Paths []string
	Whole bool
}

// Join adds what another changed.
func (c *Changed) Join(o Changed) {
	c.Paths = append(slices.Clip(c.Paths), o.Paths...)
	c.Whole = c.Whole && o.Whole
}

// Scope is what tenancy rules look at of it.
func (c Changed) Scope(authority, repo string) []evidence.Ref {
	return Scope(authority, repo, c.Paths, c.Whole, func(p string) string { return p })
}

// Read is what a look read of a commit or request.
type Read struct {
	Changed
	Parent string // of a commit, the first one; what is changed is against it; "" where that was not read
	Gone   bool   // it is not there any more
}

// Memory keeps what one look read. The zero value is empty.
type Memory struct {
	reads map[string]Read
	paths int
}

// MaxMemory bounds the paths that are kept in one look; what goes beyond is
// asked for again.
const MaxMemory = 500_000

// Get returns what was read of a commit, by its object id, or of a request.
func (m *Memory) Get(key string) (Read, bool) {
	r, ok := m.reads[key]
	return r, ok
}

// Keep keeps what was read.
func (m *Memory) Keep(key string, r Read) {
	if m.paths += len(r.Paths) + 1; m.paths > MaxMemory {
		return
	}
	if m.reads == nil {
		m.reads = map[string]Read{}
	}
	m.reads[key] = r
}

// RequestKey is the key of a request in a Memory.
func RequestKey(number int) string { return "!" + strconv.Itoa(number) }

// mailIn is a mail address in one part of a path.
var mailIn = regexp.MustCompile(`[^\s/@]+@[^\s/@]+\.[^\s/@]+`)

// CleanPath cleans a path that is read without the people of its commit, and
// replaces whatever looks like a mail address in it.
func CleanPath(p string) string { return mailIn.ReplaceAllString(Clean(p), "{mail}") }

// IsNone reports whether an object id is missing, or is the one that stands
// for nothing: that of a branch that is made or deleted.
func IsNone(sha string) bool { return !ObjectID.MatchString(sha) || strings.Trim(sha, "0") == "" }

// Origins remember in a position what commits came with, by the object id of
// the last of each. The zero value remembers nothing.
type Origins map[string]Origin

// Origin is what a commit came with.
type Origin struct {
	Changes []int     `json:"changes,omitempty"` // requests whose last commit it is, or as which they landed
	Before  string    `json:"before,omitempty"`  // where its branch stood before the push; zeros for a new branch
	At      time.Time `json:"at"`                // when it was last told
}

// MaxOrigins bounds what is remembered of one repository. What a run is about
// is asked while it is new, and again when it is repeated.
const MaxOrigins = 2000

// maxChanges bounds the requests of one commit.
const maxChanges = 10

// Offered notes that a request ends in the commit, or landed as it.
func (o *Origins) Offered(sha string, change int, at time.Time) {
	o.note(sha, at, func(c *Origin) {
		if !slices.Contains(c.Changes, change) && len(c.Changes) < maxChanges {
			c.Changes = append(slices.Clip(c.Changes), change)
		}
	})
}

// Moved notes that a branch went from one commit to another.
func (o *Origins) Moved(before, sha string, at time.Time) {
	o.note(sha, at, func(c *Origin) { c.Before = before })
}

// Since notes where a branch stood at the look before, where no push is known
// that moved it: what came between may be of several.
func (o *Origins) Since(before, sha string, at time.Time) {
	if (*o)[sha].Before == "" {
		o.Moved(before, sha, at)
	}
}

func (o *Origins) note(sha string, at time.Time, set func(*Origin)) {
	if IsNone(sha) {
		return
	}
	if *o == nil {
		*o = Origins{}
	}
	c := (*o)[sha]
	set(&c)
	if at.After(c.At) {
		c.At = at.UTC()
	}
	(*o)[sha] = c
	if len(*o) > MaxOrigins+MaxOrigins/4 {
		o.trim()
	}
}

// trim forgets the oldest.
func (o *Origins) trim() {
	shas := slices.SortedFunc(maps.Keys(*o), func(a, b string) int {
		return cmp.Or((*o)[b].At.Compare((*o)[a].At), strings.Compare(a, b))
	})
	for _, sha := range shas[MaxOrigins:] {
		delete(*o, sha)
	}
}
