package store

import (
	"context"
	"slices"
	"strings"

	"evidenced/evidence"
)

// Candidate is somebody that an erasure could mean.
type Candidate struct {
	Realm    string            `json:"realm"`
	NativeID string            `json:"native_id"`
	Names    evidence.Names    `json:"names"`
	Tenants  []evidence.Tenant `json:"tenants"`
}

// maxCandidates bounds an answer.
const maxCandidates = 200

// FindPeople lists the people of all tenants one of whose names holds the
// text, whatever its case; more says that there are more than the answer has.
// Logs that were given up after a loss are searched too: they are read still.
func (s *Store) FindPeople(ctx context.Context, text string) (found []Candidate, more bool, err error) {
	ts, err := s.Tenants()
	if err != nil {
		return nil, false, err
	}
	c := candidates{text: strings.ToLower(text), at: map[Identity]int{}}
	for _, t := range ts {
		logs, err := s.Prior(t)
		if err != nil {
			return nil, false, err
		}
		l, err := s.Log(t)
		if err != nil {
			return nil, false, err
		}
		for _, l := range append(logs, l) {
			if err := c.search(ctx, l); err != nil {
				return nil, false, err
			}
		}
	}
	return c.found, c.more, nil
}

// candidates are gathered from one log after another.
type candidates struct {
	text  string // lower case
	found []Candidate
	at    map[Identity]int // place in found
	more  bool
}

func (c *candidates) search(ctx context.Context, l *Log) error {
	for rec, err := range l.Snapshot().States(ctx, evidence.PersonKnown, l.st.o.Clock().UTC().AddDate(1, 0, 0)) {
		if err != nil {
			return err
		}
		if len(rec.Facts) == 0 {
			continue // erased
		}
		var f evidence.PersonFacts
		if err := rec.Decode(&f); err != nil {
			return err
		}
		if slices.ContainsFunc([]string{f.NativeID, f.Names.Login, f.Names.Display, f.Names.Mail}, func(n string) bool {
			return strings.Contains(strings.ToLower(n), c.text)
		}) {
			c.add(f, l.tenant)
		}
	}
	return nil
}

func (c *candidates) add(f evidence.PersonFacts, t evidence.Tenant) {
	id := Identity{f.Realm, f.NativeID}
	i, known := c.at[id]
	if !known {
		if len(c.found) == maxCandidates {
			c.more = true
			return
		}
		i = len(c.found)
		c.at[id] = i
		c.found = append(c.found, Candidate{Realm: f.Realm, NativeID: f.NativeID})
	}
	c.found[i].Names = f.Names // of the newest log
	if !slices.Contains(c.found[i].Tenants, t) {
		c.found[i].Tenants = append(c.found[i].Tenants, t)
	}
}
