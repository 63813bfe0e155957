package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Who is to be erased: the tokens of a person in every tenant, and the names that
// stand for them.

// trace is a person in one tenant.
type trace struct {
	log    *Log
	people []PersonKey
	names  needles
	out    ErasedLog
}

// trace finds the person's tokens in every tenant. Links found in one tenant
// lead to identities that are looked for in all.
func (s *Store) trace(ctx context.Context, subject Identity) ([]*trace, int, error) {
	logs, err := s.everyLog()
	if err != nil {
		return nil, 0, err
	}
	found := map[*Log]*trace{}
	known := []Identity{subject}
	for at := 0; at < len(known); at++ { // grows meanwhile
		for _, l := range logs {
			keys, err := l.keys.Lookup([]Identity{known[at]})
			if err != nil {
				return nil, 0, err
			}
			if keys[0].KeyID == "" {
				continue
			}
			if found[l] == nil {
				found[l] = &trace{log: l, out: ErasedLog{Tenant: l.tenant, Former: l.former()}}
			}
			found[l].people = append(found[l].people, keys[0])
			found[l].out.Tokens = append(found[l].out.Tokens, keys[0].Token)
			linked, err := l.linked(ctx, keys[0].Token)
			if err != nil {
				return nil, 0, fmt.Errorf("identity links of %s: %w", l.tenant, err)
			}
			for _, id := range linked {
				if !slices.Contains(known, id) {
					known = append(known, id)
				}
			}
		}
	}
	if len(found) == 0 {
		return nil, 0, s.unknownPerson(ctx, subject)
	}
	var traces []*trace
	for _, l := range logs {
		if found[l] != nil {
			traces = append(traces, found[l])
		}
	}
	return traces, len(known), nil
}

// unknownPerson says that nobody is known by the identity. One that is known when
// its letters are written in another case is told apart from one who is not:
// to answer that there is nothing would be wrong.
func (s *Store) unknownPerson(ctx context.Context, subject Identity) error {
	unknown := problem.New(problem.NotFound, "no tenant's log knows this person")
	like, _, err := s.FindPeople(ctx, subject.NativeID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(like, func(c Candidate) bool {
		return strings.EqualFold(c.Realm, subject.Realm) && strings.EqualFold(c.NativeID, subject.NativeID)
	}) {
		return unknown.WithHint("somebody is known whose id differs only in upper and lower case: evidenced erase --find NAME shows how it is written")
	}
	return unknown.WithHint("evidenced erase --find NAME lists who is known, by realm and native id; an erased person is known no more")
}

// linked returns the identities that are linked with the token, by links in
// force.
func (l *Log) linked(ctx context.Context, token evidence.ID) ([]Identity, error) {
	var out []Identity
	snap := l.Snapshot()
	for rec, err := range snap.States(ctx, evidence.IdentityLink, l.st.o.Clock().UTC()) {
		if err != nil {
			return nil, err
		}
		var f evidence.LinkFacts
		if err := rec.Decode(&f); err != nil {
			return nil, err
		}
		if f.A < 0 || f.B < 0 || f.A >= len(rec.People) || f.B >= len(rec.People) {
			return nil, problem.New(problem.Corrupt, "record %d links nobody", rec.Seq)
		}
		a, b := rec.People[f.A].Token, rec.People[f.B].Token
		if b == token {
			a, b = b, a
		}
		if a != token {
			continue
		}
		id, err := snap.Identity(ctx, b)
		if err != nil {
			return nil, err
		}
		if !id.Erased {
			out = append(out, Identity{id.Realm, id.NativeID})
		}
	}
	return out, nil
}

// describe reads what is known of the person in the log while it can be read.
func (t *trace) describe(ctx context.Context) error {
	snap := t.log.Snapshot()
	for _, p := range t.people {
		for rec, err := range snap.Records(ctx, evidence.Query{Person: p.Token}) {
			if err != nil {
				return err
			}
			t.out.Records++
			if rec.Kind != evidence.PersonKnown || len(rec.Facts) == 0 {
				continue
			}
			var f evidence.PersonFacts
			if err := rec.Decode(&f); err != nil {
				return err
			}
			t.names.add(f)
		}
	}
	for rec, err := range snap.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.PackIssued}}) {
		if err != nil {
			return err
		}
		var f evidence.PackFacts
		if err := rec.Decode(&f); err != nil {
			return err
		}
		if slices.ContainsFunc(f.Disclosed, func(id evidence.ID) bool { return slices.Contains(t.out.Tokens, id) }) {
			t.out.Packs = append(t.out.Packs, PackNaming{rec.Seq, f.Manifest, f.Issued, f.Recipient})
		}
	}
	return nil
}
