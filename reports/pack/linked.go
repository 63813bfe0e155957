package pack

import (
	"bytes"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// link is the newest identity.link record of two persons that the pack
// discloses.
type link struct {
	at    time.Time
	ended bool
}

// readLink keeps that two persons are one human being, or no longer.
func (l *learned) readLink(lf *chain.Leaf, plain []byte) (weight int, err error) {
	var f linkFacts
	if weight, err = weighFacts(plain, &f); err != nil || min(f.A, f.B) < 0 || max(f.A, f.B) >= len(lf.People) {
		return weight, err
	}
	a, b := lf.People[f.A].Token, lf.People[f.B].Token
	if bytes.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	l.linked[[2]evidence.ID{a, b}] = link{lf.Occurred, lf.Op == evidence.OpEnd}
	return weight, nil
}

// onePerson reports whether two tokens are one person by the links that were
// recorded up to an instant, which is the same at every call, and not ended
// since; links are followed. Links from before the range are known as far as the
// pack holds them.
func (l *learned) onePerson(a, b evidence.ID, at time.Time) bool {
	if l.one == nil {
		l.one = map[evidence.ID]evidence.ID{}
		for pair, x := range l.linked {
			if !x.ended && !x.at.After(at) {
				l.one[l.standsFor(pair[0])] = l.standsFor(pair[1])
			}
		}
	}
	return l.standsFor(a) == l.standsFor(b)
}

// standsFor is the one of all tokens of a person that they are known by.
func (l *learned) standsFor(token evidence.ID) evidence.ID {
	for {
		next, ok := l.one[token]
		if !ok || next == token {
			return token
		}
		if after, more := l.one[next]; more {
			l.one[token] = after // a shorter way for the next who asks
		}
		token = next
	}
}
