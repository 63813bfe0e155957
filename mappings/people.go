package mappings

import (
	"context"
	"fmt"
	"time"

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
	links  *evidence.PersonLinks // nil until load: nobody is linked
	book   *notebook
}

func newPeople(r evidence.Reader) *people {
	return &people{reader: r, known: map[evidence.ID]evidence.Identity{}}
}

// load reads which accounts are one person.
func (p *people) load(ctx context.Context) (err error) {
	p.links, err = evidence.LoadPersonLinks(ctx, p.reader)
	return err
}

// identity returns who a token stands for, and false when nobody can tell.
func (p *people) identity(ctx context.Context, token evidence.ID) (evidence.Identity, bool) {
	p.book.reads(whoKinds...) // also when another view asked before
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

// same reports whether two parties are one person. A link that was approved
// says so, whatever the realms. Persons of different realms without one are
// different only when links lead both into one realm, where they hold two
// accounts; else it is unknown. A merely claimed identity of another realm is
// no person at all: it counts only when it is linked or bears a name of a.
//
// at is the instant that is judged: a link that ended before it does not hold.
func (p *people) same(ctx context.Context, a, b evidence.Party, at time.Time) (tri, string) {
	if a.Token == b.Token {
		return yes, ""
	}
	x, okA := p.identity(ctx, a.Token)
	y, okB := p.identity(ctx, b.Token)
	if !okA || !okB {
		return unknown, "an identity is erased or cannot be read"
	}
	mine, others := p.accounts(ctx, a.Token, at), p.accounts(ctx, b.Token, at)
	apart, shared := false, false
	for _, m := range mine {
		for _, o := range others {
			switch {
			case m.Token == o.Token:
				return yes, p.linkedBy(a, b, at)
			case m.Realm != o.Realm:
			case m.Names.Shared || o.Names.Shared:
				shared = true
			default:
				apart = true
			}
		}
	}
	switch {
	case shared || x.Names.Shared && len(mine) > 1 || y.Names.Shared && len(others) > 1:
		return unknown, "an account is shared by several people"
	case apart:
		return no, ""
	case !proven(b) && evidence.SharesName(x, y):
		return unknown, "a commit claims an author with a name of the reviewer"
	case !proven(b):
		return no, ""
	}
	return unknown, "accounts of different realms are not linked (" + x.Realm + ", " + y.Realm + ")"
}

// linkedBy says what makes two accounts one person.
func (p *people) linkedBy(a, b evidence.Party, at time.Time) string {
	if l, ok := p.links.Between(a.Token, b.Token, at); ok {
		return fmt.Sprintf(", under an account that record %d links", l.Seq)
	}
	return ", under an account that approved records link through others"
}

// accounts returns the identities that are one with the token, as far as they
// can be read.
func (p *people) accounts(ctx context.Context, token evidence.ID, at time.Time) []evidence.Identity {
	if p.links == nil {
		id, _ := p.identity(ctx, token)
		return []evidence.Identity{id}
	}
	var ids []evidence.Identity
	for _, t := range p.links.All(token, at) {
		if id, ok := p.identity(ctx, t); ok {
			ids = append(ids, id)
		}
	}
	return ids
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
