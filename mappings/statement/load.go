package statement

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/mappings"
)

// State is how a statement stands at an instant.
type State string

// The states. One that is void never has an effect.
const (
	Pending State = "pending" // begins later
	InForce State = "in-force"
	Expired State = "expired"
	Ended   State = "ended" // by somebody, before its time
	Void    State = "void"
)

// Recorded is a statement as a log holds it.
type Recorded struct {
	Type     Type
	Name     string
	Controls []evidence.ControlID
	Tests    []evidence.WaivedTest
	Records  []uint64
	Subjects []evidence.Ref
	From     time.Time // never before its record
	Until    time.Time // zero: no end
	Ended    time.Time // zero: not ended by anybody
	EndSeq   uint64    // the record that ended it

	Maker     evidence.Party
	Approver  evidence.Party
	MakerName string // labels of the two, as the log knows them now
	OtherName string
	Approval  evidence.Approval
	Document  *Document
	Kept      bool   // the document's bytes are in the record
	Reason    string // "" when the text was erased or withheld
	Lost      string // why there is none; "" when there is

	Seq      uint64
	Recorded time.Time
	Void     string // why it has no effect; "" when it may have one
}

// Ref names the statements of a name and type.
func Ref(t Type, name string) evidence.Ref {
	return evidence.NewRef("statement", "", string(t)+"/"+name)
}

// State returns how the statement stands at the instant.
func (s *Recorded) State(at time.Time) State {
	switch {
	case s.Void != "":
		return Void
	case at.Before(s.From):
		return Pending
	case !s.Ended.IsZero() && !at.Before(s.Ended):
		return Ended
	case !s.Until.IsZero() && !at.Before(s.Until):
		return Expired
	}
	return InForce
}

// End is when the statement stops having an effect; zero: it does not say.
func (s *Recorded) End() time.Time {
	if s.Ended.IsZero() || !s.Until.IsZero() && s.Until.Before(s.Ended) {
		return s.Until
	}
	return s.Ended
}

// About reports whether the statement names the control.
func (s *Recorded) About(id evidence.ControlID) bool { return slices.Contains(s.Controls, id) }

// Book is the statements of one log as they were recorded up to an instant. It
// must not be used by several goroutines at a time.
type Book struct {
	All []*Recorded // in log order
	At  time.Time

	reader  evidence.Reader
	persons *mappings.Persons
	actors  map[uint64]*deed
}

// texts is the text claim of a statement's records.
type texts struct {
	Statement  string      `json:"statement,omitempty"`
	Signatures []Signature `json:"signatures,omitempty"`
	Reason     string      `json:"reason,omitempty"` // of an end
}

// Signature is a detached signature over a statement's text.
type Signature struct {
	Of      string `json:"of"` // maker or approver
	Armored string `json:"signature"`
}

// Load reads the statements that the log held at the instant. What made one
// count is looked at again, by what the log knows of people now.
func Load(ctx context.Context, r evidence.Reader, at time.Time) (*Book, error) {
	b := &Book{At: at.UTC(), reader: r, actors: map[uint64]*deed{}}
	q := evidence.Query{Kinds: []evidence.Kind{evidence.Waiver, evidence.ScopeStatement, evidence.Attestation}, BySeq: true, WithText: true}
	for rec, err := range r.Records(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("statements of %s: %w", r.Tenant(), err)
		}
		if rec.Recorded.After(b.At) && rec.Carries == nil {
			continue
		}
		if len(rec.Facts) == 0 {
			continue // its data key is gone: what it said cannot be known, and has no effect
		}
		if err := b.take(ctx, &rec); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (b *Book) take(ctx context.Context, rec *evidence.Record) error {
	var before *Recorded
	for _, s := range b.All {
		if Ref(s.Type, s.Name) == rec.Subject && s.Type.Kind() == rec.Kind {
			before = s
		}
	}
	if rec.Op == evidence.OpEnd {
		if before != nil && before.Ended.IsZero() {
			before.Ended, before.EndSeq = rec.Recorded, rec.Seq
		}
		return nil
	}
	s, err := decode(rec)
	if err != nil {
		return err
	}
	if before != nil && before.Approval.Text == s.Approval.Text {
		return nil // stated again when its segment was retired
	}
	if before != nil && before.Ended.IsZero() && before.State(rec.Recorded) == InForce {
		before.Ended, before.EndSeq = rec.Recorded, rec.Seq
	}
	if err := b.standing(ctx, rec, s); err != nil {
		return err
	}
	b.All = append(b.All, s)
	return nil
}

func decode(rec *evidence.Record) (*Recorded, error) {
	s := &Recorded{Seq: rec.Seq, Recorded: rec.Recorded}
	switch rec.Kind {
	case evidence.Waiver:
		var f evidence.WaiverFacts
		if err := rec.Decode(&f); err != nil {
			return nil, err
		}
		s.Type, s.Name, s.Controls, s.From, s.Until, s.Approval = Waiver, f.Name, f.Controls, f.From, f.Until, f.Approval
		s.Tests, s.Records, s.Subjects = f.Tests, f.Records, f.Subjects
	case evidence.ScopeStatement:
		var f evidence.ScopeFacts
		if err := rec.Decode(&f); err != nil {
			return nil, err
		}
		s.Type, s.Name, s.Controls, s.From, s.Until, s.Approval = Scope, f.Name, []evidence.ControlID{f.Control}, f.From, f.Until, f.Approval
	default:
		var f evidence.AttestationFacts
		if err := rec.Decode(&f); err != nil {
			return nil, err
		}
		s.Type, s.Name, s.Controls, s.From, s.Until, s.Approval = Attestation, f.Name, f.Controls, f.From, f.Until, f.Approval
		if !f.Document.IsZero() {
			s.Document, s.Kept = &Document{f.Document, f.Size, f.Media}, f.Kept
		}
	}
	if rec.Carries == nil && s.From.Before(rec.Recorded) {
		s.From = rec.Recorded // it acts forward, whatever it says
	}
	s.readText(rec)
	return s, nil
}

// readText takes the reason from the text claim, if that is the text that was
// approved.
func (s *Recorded) readText(rec *evidence.Record) {
	if len(rec.Text) == 0 {
		s.Lost = "its text is not there"
		if why := rec.Closed["text"]; why != "" {
			s.Lost = "its text cannot be read: " + why
		}
		return
	}
	var t texts
	err := json.Unmarshal(rec.Text, &t)
	if err != nil || sha256.Sum256([]byte(t.Statement)) != s.Approval.Text {
		s.Void = "its text is not the one that was approved"
		return
	}
	said, err := Parse([]byte(t.Statement))
	if err != nil {
		s.Void = "its text is not the one that was approved"
		return
	}
	s.Reason = said.Reason
}

// standing says who stands behind the statement and whether that still counts.
func (b *Book) standing(ctx context.Context, rec *evidence.Record, s *Recorded) error {
	if err := b.loadPersons(ctx); err != nil {
		return err
	}
	a := s.Approval
	if a.Maker < 0 || a.Maker >= len(rec.People) || a.Approver < 0 || a.Approver >= len(rec.People) || a.Maker == a.Approver {
		s.void("nobody else approved it")
		return nil
	}
	s.Maker, s.Approver = rec.People[a.Maker], rec.People[a.Approver]
	s.MakerName, s.OtherName = b.persons.Identity(ctx, s.Maker.Token).Label(), b.persons.Identity(ctx, s.Approver.Token).Label()
	for _, p := range []evidence.Party{s.Maker, s.Approver} {
		if p.Proof != evidence.ProofSigned && p.Proof != evidence.ProofAuthenticated {
			s.void("who made or approved it is only claimed")
			return nil
		}
	}
	// That they could not be told to be two any more, after an erasure, takes
	// nothing away: it was told when the statement was recorded.
	if is, why := b.persons.Same(ctx, s.Approver, s.Maker, b.At); is == mappings.OnePerson {
		s.void("its approver is its maker" + why)
	}
	return nil
}

func (s *Recorded) void(why string) {
	if s.Void == "" {
		s.Void = why
	}
}

// InForce lists the statements of the type that have an effect at the book's
// instant.
func (b *Book) InForce(t Type) []*Recorded {
	var out []*Recorded
	for _, s := range b.All {
		if s.Type == t && s.State(b.At) == InForce {
			out = append(out, s)
		}
	}
	return out
}

// Scopes are the scope statements for an assessment: all that were ever in
// force, since a period of then is judged by those of then.
func (b *Book) Scopes() []mappings.ScopeStatement {
	var out []mappings.ScopeStatement
	for _, s := range b.All {
		if s.Type != Scope || s.Void != "" {
			continue
		}
		out = append(out, mappings.ScopeStatement{
			Control: s.Controls[0], From: s.From, Until: s.End(), By: s.Maker.Token.String(), ApprovedBy: s.Approver.Token.String(), Why: s.Reason, Seq: s.Seq,
		})
	}
	return out
}
