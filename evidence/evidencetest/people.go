package evidencetest

import (
	"time"

	"evidenced/evidence"
)

// LinkPeople appends an identity.link record: a and b are one person, or with
// end not any more, as the approver said.
func (l *Log) LinkPeople(at time.Time, a, b, approver evidence.Person, end bool) evidence.Record {
	a.Role, b.Role, approver.Role = evidence.RoleSubject, evidence.RoleSubject, evidence.RoleApprover
	op := evidence.OpSet
	if end {
		op = evidence.OpEnd
	}
	x, y := Token(l.tenant, a.Realm, a.NativeID).String(), Token(l.tenant, b.Realm, b.NativeID).String()
	return l.AddDraft(evidence.Draft{
		Kind: evidence.IdentityLink, Op: op, Source: evidence.SelfSource, Key: evidence.FormatTime(at),
		Subject:    evidence.NewRef("person", "", x).WithUID(y),
		Links:      []evidence.Ref{evidence.NewRef("person", "", x), evidence.NewRef("person", "", y)},
		OccurredAt: at, Basis: evidence.BasisSource, ObservedAt: at, People: []evidence.Person{a, b, approver},
		Content: encode(evidence.LinkFacts{A: 0, B: 1, Approver: 2, By: "1000"}),
	})
}
