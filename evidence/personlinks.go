package evidence

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// PersonLinks says which persons of one log are one human being, by the log's
// identity.link records. Nothing else makes two accounts one person: a shared
// name is a hint, never an answer.
//
// A link says who holds two accounts, not since when, so it also holds for the
// time before it was recorded. Its end says that the two are not one person
// any more, from then on.
type PersonLinks struct {
	pairs  map[[2]ID][]PersonLink // by time, the pair in order of its tokens
	others map[ID][]ID
}

// PersonLink is one identity.link record: two persons are one, or no longer.
type PersonLink struct {
	A, B     ID
	Approver ID     // neither of the two
	By       string // user id of the process that asked
	End      bool
	At       time.Time
	Seq      uint64
}

// LoadPersonLinks reads the links of a log as it stands.
func LoadPersonLinks(ctx context.Context, r Reader) (*PersonLinks, error) {
	p := &PersonLinks{pairs: map[[2]ID][]PersonLink{}, others: map[ID][]ID{}}
	for rec, err := range r.Records(ctx, Query{Kinds: []Kind{IdentityLink}}) {
		if err != nil {
			return nil, fmt.Errorf("load identity links: %w", err)
		}
		if len(rec.Facts) == 0 {
			continue // its data key is gone: what it said cannot be known
		}
		var f LinkFacts
		if err := rec.Decode(&f); err != nil {
			return nil, err
		}
		l := PersonLink{By: f.By, End: rec.Op == OpEnd, At: rec.Occurred, Seq: rec.Seq}
		for _, x := range []struct {
			to    *ID
			index int
		}{{&l.A, f.A}, {&l.B, f.B}, {&l.Approver, f.Approver}} {
			if x.index < 0 || x.index >= len(rec.People) {
				return nil, fmt.Errorf("record %d links nobody", rec.Seq)
			}
			*x.to = rec.People[x.index].Token
		}
		p.add(l)
	}
	return p, nil
}

func (p *PersonLinks) add(l PersonLink) {
	k := pairOf(l.A, l.B)
	if len(p.pairs[k]) == 0 {
		p.others[l.A] = append(p.others[l.A], l.B)
		p.others[l.B] = append(p.others[l.B], l.A)
	}
	p.pairs[k] = append(p.pairs[k], l)
}

func pairOf(a, b ID) [2]ID {
	if slices.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	return [2]ID{a, b}
}

// Between returns the record by which the two are linked directly at the
// instant; a zero instant asks for now. Without a link in force it is false.
func (p *PersonLinks) Between(a, b ID, at time.Time) (PersonLink, bool) {
	list := p.pairs[pairOf(a, b)]
	if len(list) == 0 {
		return PersonLink{}, false
	}
	force := list[0] // what was approved later was so before
	for _, l := range list[1:] {
		if at.IsZero() || !l.At.After(at) {
			force = l
		}
	}
	if force.End && !at.IsZero() && at.Before(force.At) {
		// The log begins with an end, its link retired: until then they were one.
		force.End = false
	}
	return force, !force.End
}

// All returns every person that is one with the token at the instant, the
// token itself first; links are followed.
func (p *PersonLinks) All(token ID, at time.Time) []ID {
	all := []ID{token}
	for i := 0; i < len(all); i++ { // grows meanwhile
		for _, o := range p.others[all[i]] {
			if _, ok := p.Between(all[i], o, at); ok && !slices.Contains(all, o) {
				all = append(all, o)
			}
		}
	}
	return all
}

// Records returns every link record that names the token, in order of time.
func (p *PersonLinks) Records(token ID) []PersonLink {
	var all []PersonLink
	for _, o := range p.others[token] {
		all = append(all, p.pairs[pairOf(token, o)]...)
	}
	slices.SortFunc(all, func(a, b PersonLink) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return int(int64(a.Seq) - int64(b.Seq))
	})
	return all
}

// SharesName reports whether two identities have a mail address, login or
// native id in common, or one is the forge's own no-reply address of the
// other. It is a reason to ask, not an answer.
func SharesName(a, b Identity) bool {
	for _, x := range KnownAs(a) {
		for _, y := range KnownAs(b) {
			if strings.EqualFold(x, y) {
				return true
			}
		}
	}
	return false
}

// KnownAs lists what a person may be recognised by. A forge's no-reply
// address, ID+LOGIN@users.noreply.HOST, gives id and login.
func KnownAs(id Identity) []string {
	var ns []string
	for _, n := range []string{id.NativeID, id.Names.Login, id.Names.Mail} {
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
