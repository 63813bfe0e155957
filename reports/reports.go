// Package reports holds what all reports share: making foreign text safe for
// the place it is shown in, times and numbers as people write them, text
// tables, and the document models that one report makes and another draws.
//
// A report reads one tenant's log through an evidence.Reader and never sees a
// store. It builds a model first and draws it second, so that text, JSON and
// PDF of one question cannot disagree. Everything that came from a source is
// foreign: a commit title may hold an escape sequence, a login a formula, a
// branch name a mark that turns the line around. Each sink has one function
// that makes such text harmless and leaves what was there readable:
//
//	Terminal  text for terminals and log files, one line
//	CSV       a text cell that a spreadsheet will not run
//	PDF       text for a font, missing glyphs spelled out
//
// Models keep the text as it came; the drawing code calls the function of its
// sink, once, last.
package reports

import (
	"context"

	"evidenced/evidence"
)

// Demonstration is the mark that everything made from a simulated log bears.
const Demonstration = "DEMONSTRATION: made from simulated sources and a simulated clock; it proves nothing about a real system."

// Person is one party of a record with a name for people.
type Person struct {
	Role  evidence.Role  `json:"role,omitempty"`
	Token evidence.ID    `json:"token"`
	Label string         `json:"name"`
	Proof evidence.Proof `json:"proof,omitempty"`
	Bot   bool           `json:"bot,omitempty"`
}

// People looks up who the tokens of a log stand for and remembers the answers.
// It belongs to one report run and is not safe for several goroutines.
type People struct {
	r     evidence.Reader
	known map[evidence.ID]evidence.Identity
}

// NewPeople makes a directory over r.
func NewPeople(r evidence.Reader) *People {
	return &People{r: r, known: map[evidence.ID]evidence.Identity{}}
}

// Party returns the person behind a party. A token that the log does not know
// is not an error: the person is shown as unknown, with the token's begin.
func (p *People) Party(ctx context.Context, party evidence.Party) (Person, error) {
	id, ok := p.known[party.Token]
	if !ok {
		var err error
		if id, err = p.r.Identity(ctx, party.Token); err != nil {
			if ctx.Err() != nil {
				return Person{}, ctx.Err()
			}
			id = evidence.Identity{Token: party.Token}
		}
		p.known[party.Token] = id
	}
	return Person{Role: party.Role, Token: party.Token, Label: id.Label(), Proof: party.Proof, Bot: id.Names.Bot}, nil
}

// At returns the person of the record with the index that a fact holds, and
// false when the source named nobody or the index is off.
func (p *People) At(ctx context.Context, rec *evidence.Record, index int) (Person, bool, error) {
	if index < 0 || index >= len(rec.People) {
		return Person{}, false, nil
	}
	who, err := p.Party(ctx, rec.People[index])
	return who, err == nil, err
}

// All returns the people of a record in order.
func (p *People) All(ctx context.Context, rec *evidence.Record) ([]Person, error) {
	var all []Person
	for _, party := range rec.People {
		who, err := p.Party(ctx, party)
		if err != nil {
			return nil, err
		}
		all = append(all, who)
	}
	return all, nil
}
