package harbor

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"evidenced/collectors/forge"
	"evidenced/evidence/problem"
)

// cursor is what a run leaves to the next. It holds ids, hashes and names of
// projects, and names no person.
type cursor struct {
	V int `json:"v"`
	// Projects are those ever seen, by name.
	Projects map[string]*projectState `json:"projects,omitempty"`
	// Audit is how far each audit log was read: "ext" and "legacy" of the whole
	// registry, "ext/7" and "legacy/7" of the project with that id.
	Audit map[string]*auditState `json:"audit,omitempty"`
	// Kept is whether the registry keeps its audit log in its database, as its
	// settings said when they were last read: "yes", "no", or "" for unknown.
	Kept string `json:"kept,omitempty"`
	// Settings is the newest look at settings that was full.
	Settings time.Time `json:"settings,omitzero"`
	// Runs is, for each list of runs, the id up to which all had ended when
	// they were read.
	Runs map[string]int64 `json:"runs,omitempty"`
	// Newest is the newest id that was read of each list of runs.
	Newest map[string]int64 `json:"newest,omitempty"`
}

const cursorVersion = 1

type projectState struct {
	ID int64 `json:"id"`
	// Looked is the newest look that read every artifact.
	Looked time.Time `json:"looked,omitzero"`
	// Reports are the scan reports that were read or told of, as fingerprints.
	Reports fingerprints `json:"reports,omitempty"`
	// Bills are the bills of materials that were read or never can be, with how
	// that ended; Tries are how often one that is none was read, by what it is
	// told of.
	Bills fingerprints   `json:"bills,omitempty"`
	Tries map[string]int `json:"tries,omitempty"`
}

// auditState is how far one audit log was read.
type auditState struct {
	// Settled is the id up to which no row can turn up late any more; rows from
	// there on are read again. Last is the newest id read.
	Settled int64 `json:"settled"`
	Last    int64 `json:"last"`
	// At is when the newest row read happened, as the registry says.
	At time.Time `json:"at,omitzero"`
	// Looked is until when everything was read; zero before the first look
	// reached the newest row.
	Looked time.Time `json:"looked,omitzero"`
	// From is where the first look began.
	From time.Time `json:"from,omitzero"`
	// Silent says that the stretch after At was claimed as not seen.
	Silent bool `json:"silent,omitempty"`
	// Odd is from when on a row may be that could not be read, until the time of a
	// row behind it is known.
	Odd time.Time `json:"odd,omitzero"`
	// Gaps are stretches found not to be seen, until they are claimed.
	Gaps []auditGap `json:"gaps,omitempty"`
	// Era counts how often ids began anew, so that a restored database does not
	// give old keys to new rows.
	Era int `json:"era,omitempty"`
	// Done says that the log was read to its end and is written no more.
	Done bool `json:"done,omitempty"`
}

type auditGap struct {
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Cause string    `json:"cause"`
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
		for name, p := range c.Projects {
			if p == nil {
				return nil, forge.BadPosition(problem.New(problem.Corrupt, "project %q has no position", name))
			}
		}
		for name, a := range c.Audit {
			if a == nil || a.Settled < 0 || a.Last < a.Settled {
				return nil, forge.BadPosition(problem.New(problem.Corrupt, "audit log %q has no position", name))
			}
		}
	}
	if c.Projects == nil {
		c.Projects = map[string]*projectState{}
	}
	if c.Audit == nil {
		c.Audit = map[string]*auditState{}
	}
	if c.Runs == nil {
		c.Runs = map[string]int64{}
	}
	if c.Newest == nil {
		c.Newest = map[string]int64{}
	}
	return c, nil
}

func (c *cursor) bytes() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic("harbor: cursor does not encode: " + err.Error()) // strings, numbers and checked times only
	}
	return b
}

func (c *cursor) project(name string, id int64) *projectState {
	p := c.Projects[name]
	if p == nil || p.ID != id {
		p = &projectState{ID: id} // another project of the same name shares nothing with the old one
		c.Projects[name] = p
	}
	return p
}

func (c *cursor) audit(name string) *auditState {
	a := c.Audit[name]
	if a == nil {
		a = &auditState{}
		c.Audit[name] = a
	}
	return a
}

// stamp is eight bytes of a hash: enough to tell the reports of one project
// apart, and small enough to keep those of twenty thousand artifacts.
type stamp [8]byte

func stampOf(parts ...string) (p stamp) {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	copy(p[:], sum[:])
	return p
}

// fingerprints is a set of stamps, in JSON one string of base64.
type fingerprints map[stamp]bool

// MarshalText implements encoding.TextMarshaler.
func (f fingerprints) MarshalText() ([]byte, error) {
	ps := make([]stamp, 0, len(f))
	for p := range f {
		ps = append(ps, p)
	}
	slices.SortFunc(ps, func(a, b stamp) int { return bytes.Compare(a[:], b[:]) })
	raw := make([]byte, 0, 8*len(ps))
	for _, p := range ps {
		raw = append(raw, p[:]...)
	}
	return []byte(base64.RawStdEncoding.EncodeToString(raw)), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *fingerprints) UnmarshalText(b []byte) error {
	raw, err := base64.RawStdEncoding.DecodeString(string(b))
	if err != nil || len(raw)%8 != 0 {
		return problem.New(problem.Corrupt, "fingerprints of reports do not decode")
	}
	*f = make(fingerprints, len(raw)/8)
	for ; len(raw) > 0; raw = raw[8:] {
		(*f)[stamp(raw[:8])] = true
	}
	return nil
}
