package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// LinkRequest asks to record that two persons are one, or no longer.
type LinkRequest struct {
	A, B     Identity
	Approver Identity // neither of the two, and not who asks
	By       string   // user id of the process that asks
	Reason   string   // how it is known; free text, sealed under the keys of all three
	End      bool     // the link ends
}

// HostRealm is the realm of user ids of this host.
const HostRealm = "unix"

// Link appends an identity.link record. All three persons must be known to the
// log: a link allots no token.
func (l *Log) Link(ctx context.Context, rq LinkRequest) error {
	switch {
	case rq.A.Realm == rq.B.Realm:
		return problem.New(problem.Usage, "two accounts of one realm are two persons for that source").
			WithHint("link accounts of different realms")
	case rq.Reason == "" || len(rq.Reason) > maxStatement:
		return problem.New(problem.Usage, "a link needs a reason of at most %d bytes", maxStatement)
	case rq.Approver == rq.A || rq.Approver == rq.B:
		return problem.New(problem.Refused, "nobody approves the link of their own accounts")
	case rq.Approver == (Identity{HostRealm, rq.By}):
		return problem.New(problem.Refused, "who asks for a link does not approve it")
	}
	if strings.Compare(rq.A.Realm, rq.B.Realm) > 0 {
		rq.A, rq.B = rq.B, rq.A // one pair is one state, whoever comes first
	}
	ids := []Identity{rq.A, rq.B, rq.Approver}
	keys, err := l.keys.Lookup(ids)
	if err != nil {
		return err
	}
	snap := l.Snapshot()
	people := make([]evidence.Person, len(ids))
	for i, role := range []evidence.Role{evidence.RoleSubject, evidence.RoleSubject, evidence.RoleApprover} {
		if keys[i].KeyID == "" {
			return problem.New(problem.NotFound, "the log of %s does not know the %s", l.tenant, []string{"first person", "second person", "approver"}[i]).
				WithHint("evidenced erase --find NAME lists who is known, by realm and native id")
		}
		id, err := snap.Identity(ctx, keys[i].Token)
		if err != nil {
			return err
		}
		people[i] = evidence.Person{Role: role, Realm: ids[i].Realm, NativeID: ids[i].NativeID, Names: id.Names, Proof: evidence.ProofClaimed}
	}
	if linked, err := l.linked(ctx, keys[0].Token); err != nil {
		return err
	} else if rq.End && !slices.Contains(linked, rq.B) {
		return problem.New(problem.NotFound, "there is no such link in the log of %s", l.tenant)
	}
	facts, err := json.Marshal(evidence.LinkFacts{A: 0, B: 1, Approver: 2, By: rq.By})
	if err != nil {
		return err
	}
	now := l.st.o.Clock().UTC()
	op := evidence.OpSet
	if rq.End {
		op = evidence.OpEnd
	}
	a, b := keys[0].Token.String(), keys[1].Token.String()
	_, err = l.Append(ctx, []Item{{Draft: evidence.Draft{
		Kind: evidence.IdentityLink, Op: op, Source: evidence.SelfSource, Key: rand.Text(), Subject: evidence.NewRef("person", "", a).WithUID(b),
		Links:      []evidence.Ref{evidence.NewRef("person", "", a), evidence.NewRef("person", "", b)},
		OccurredAt: now, Basis: evidence.BasisSource, ObservedAt: now, People: people, Content: facts, Text: []byte(rq.Reason),
	}}})
	return err
}

// RenewDataKey makes a new version of the data key that records are sealed
// under, from the next record on, and returns its id. Older versions stay.
func (l *Log) RenewDataKey() (id string, err error) {
	err = l.between(func() error {
		l.mu.RLock()
		segment := max(l.head.Segment, 1)
		l.mu.RUnlock()
		id, err = l.keys.RenewData(segment)
		return err
	})
	return id, err
}
