package mappings

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"evidenced/evidence"
)

// Persons tells who of one log is whom, by the rules of four-eyes tests (see
// docs/assessment.md). It must not be used by several goroutines at a time.
type Persons struct {
	p        *people
	accounts map[account]evidence.ID // nil until it is asked for
}

type account struct{ realm, id string }

// LoadPersons reads which accounts of a log are one person.
func LoadPersons(ctx context.Context, r evidence.Reader) (*Persons, error) {
	p := newPeople(r)
	p.book = &notebook{}
	return &Persons{p: p}, p.load(ctx)
}

// Sameness is whether two accounts belong to one person.
type Sameness int

// The answers. That they cannot be told apart is not that they are different.
const (
	NotTold Sameness = iota
	OnePerson
	TwoPersons
)

// Same reports whether the two are one person at the instant, zero for now, and
// why where they are not two.
func (p *Persons) Same(ctx context.Context, a, b evidence.Party, at time.Time) (Sameness, string) {
	switch is, why := p.p.same(ctx, a, b, at); is {
	case yes:
		return OnePerson, why
	case no:
		return TwoPersons, ""
	default:
		return NotTold, why
	}
}

// Bot reports whether the account is known to be a machine's.
func (p *Persons) Bot(ctx context.Context, a evidence.Party) bool { return p.p.bot(ctx, a) == yes }

// Identity returns who a token stands for; of one that cannot be read the token
// alone, erased.
func (p *Persons) Identity(ctx context.Context, token evidence.ID) evidence.Identity {
	id, _ := p.p.identity(ctx, token)
	return id
}

// Account returns the party that stands for an account in the log. One that the
// log does not know yet, and so links with nobody, gets a token for as long as
// p lives.
func (p *Persons) Account(ctx context.Context, realm, nativeID string, proof evidence.Proof) (evidence.Party, error) {
	if p.accounts == nil {
		if err := p.loadAccounts(ctx); err != nil {
			return evidence.Party{}, err
		}
	}
	key := account{realm, nativeID}
	token, ok := p.accounts[key]
	if !ok {
		rand.Read(token[:])
		p.accounts[key] = token
		p.p.known[token] = evidence.Identity{Token: token, Realm: realm, NativeID: nativeID}
	}
	return evidence.Party{Token: token, Proof: proof}, nil
}

func (p *Persons) loadAccounts(ctx context.Context) error {
	p.accounts = map[account]evidence.ID{}
	for rec, err := range p.p.reader.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.PersonKnown}}) {
		if err != nil {
			return fmt.Errorf("who is known: %w", err)
		}
		if len(rec.Facts) == 0 {
			continue // erased
		}
		var f evidence.PersonFacts
		if err := rec.Decode(&f); err != nil {
			return err
		}
		token, err := evidence.ParseID(rec.Subject.Name)
		if err != nil {
			return fmt.Errorf("record %d: %w", rec.Seq, err)
		}
		p.accounts[account{f.Realm, f.NativeID}] = token
	}
	return nil
}
