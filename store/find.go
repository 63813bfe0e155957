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
func (s *Store) FindPeople(ctx context.Context, text string) (found []Candidate, more bool, err error) {
	text = strings.ToLower(text)
	ts, err := s.Tenants()
	if err != nil {
		return nil, false, err
	}
	at := map[Identity]int{}
	for _, t := range ts {
		l, err := s.Log(t)
		if err != nil {
			return nil, false, err
		}
		for rec, err := range l.Snapshot().States(ctx, evidence.PersonKnown, s.o.Clock().UTC().AddDate(1, 0, 0)) {
			if err != nil {
				return nil, false, err
			}
			if len(rec.Facts) == 0 {
				continue // erased
			}
			var f evidence.PersonFacts
			if err := rec.Decode(&f); err != nil {
				return nil, false, err
			}
			if !slices.ContainsFunc([]string{f.NativeID, f.Names.Login, f.Names.Display, f.Names.Mail}, func(n string) bool {
				return strings.Contains(strings.ToLower(n), text)
			}) {
				continue
			}
			id := Identity{f.Realm, f.NativeID}
			i, known := at[id]
			if !known {
				if len(found) == maxCandidates {
					more = true
					continue
				}
				i = len(found)
				at[id] = i
				found = append(found, Candidate{Realm: f.Realm, NativeID: f.NativeID, Names: f.Names})
			}
			if !slices.Contains(found[i].Tenants, t) {
				found[i].Tenants = append(found[i].Tenants, t)
			}
		}
	}
	return found, more, nil
}
