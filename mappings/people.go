package mappings

import (
	"context"
	"strings"

	"evidenced/evidence"
)

// tri is an answer that may be unknown.
type tri int

const (
	unknown tri = iota
	yes
	no
)

// people answers questions about the persons of one log. Identities are read
// once; an identity that cannot be read counts as unknown.
type people struct {
	reader evidence.Reader
	known  map[evidence.ID]evidence.Identity
}

func newPeople(r evidence.Reader) *people {
	return &people{reader: r, known: map[evidence.ID]evidence.Identity{}}
}

// identity returns who a token stands for, and false when nobody can tell.
func (p *people) identity(ctx context.Context, token evidence.ID) (evidence.Identity, bool) {
	id, ok := p.known[token]
	if !ok {
		var err error
		if id, err = p.reader.Identity(ctx, token); err != nil {
			id = evidence.Identity{Token: token, Erased: true}
		}
		p.known[token] = id
	}
	return id, !id.Erased
}

// proven reports whether the source vouches for the person.
func proven(p evidence.Party) bool {
	return p.Proof == evidence.ProofAuthenticated || p.Proof == evidence.ProofSigned
}

// same reports whether two parties are one person. Persons of different realms
// are the same only through a link, so an unlinked pair is unknown, never
// different. A merely claimed identity of another realm is no person at all:
// it counts only when it bears a name of a.
func (p *people) same(ctx context.Context, a, b evidence.Party) (tri, string) {
	if a.Token == b.Token {
		return yes, ""
	}
	x, okA := p.identity(ctx, a.Token)
	y, okB := p.identity(ctx, b.Token)
	switch {
	case !okA || !okB:
		return unknown, "an identity is erased or cannot be read"
	case x.Realm == y.Realm && (x.Names.Shared || y.Names.Shared):
		return unknown, "an account is shared by several people"
	case x.Realm == y.Realm:
		return no, ""
	case !proven(b) && sharesName(x, y):
		return unknown, "a commit claims an author with a name of the reviewer"
	case !proven(b):
		return no, ""
	}
	return unknown, "accounts of different realms are not linked (" + x.Realm + ", " + y.Realm + ")"
}

// sharesName reports whether two identities have a mail address or login in
// common, or one is the forge's own no-reply address of the other.
func sharesName(a, b evidence.Identity) bool {
	for _, x := range namesOf(a) {
		for _, y := range namesOf(b) {
			if strings.EqualFold(x, y) {
				return true
			}
		}
	}
	return false
}

// namesOf lists what a person may be recognised by. A forge's no-reply
// address, ID+LOGIN@users.noreply.HOST, gives id and login.
func namesOf(id evidence.Identity) []string {
	ns := []string{id.NativeID}
	for _, n := range []string{id.Names.Login, id.Names.Mail} {
		if n != "" {
			ns = append(ns, n)
		}
	}
	for _, m := range []string{id.NativeID, id.Names.Mail} {
		local, host, ok := strings.Cut(m, "@")
		if !ok || !strings.Contains(strings.ToLower(host), "noreply") {
			continue
		}
		if number, login, ok := strings.Cut(local, "+"); ok {
			ns = append(ns, number, login)
		} else {
			ns = append(ns, local)
		}
	}
	return ns
}

// bot reports whether the account belongs to a machine.
func (p *people) bot(ctx context.Context, a evidence.Party) tri {
	id, ok := p.identity(ctx, a.Token)
	switch {
	case !ok:
		return unknown
	case id.Names.Bot:
		return yes
	}
	return no
}
