package statement

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings"
)

// maxAge is how long a statement may wait for its approval. An older text is
// drafted anew: what it was made for may have changed.
const maxAge = 30 * 24 * time.Hour

// MaxKept is the largest document that is kept in the log, in bytes. Of a
// larger one the log holds hash, size and type.
const MaxKept = evidence.MaxInlineRaw

// Approval is what proves who made a statement and who approved it: the two
// accounts, each signed for or authenticated.
type Approval struct {
	Maker    evidence.Proof // of Statement.Maker
	Approver Account
	Proof    evidence.Proof // of the approver
	At       time.Time      // when it was approved; zero: not known
	Key      string         // of the approver's signature
	Signed   []Signature
	// Of a reviewed commit: what mappings.ReviewOf found, and the file.
	Review *mappings.Reviewed
	Path   string
}

// Add makes the record of an approved statement, or says why it must not be
// recorded. The book is that of the log as it stands, at now; in is what an
// assessment of the tenant stands on.
func (b *Book) Add(ctx context.Context, s *Statement, a Approval, document []byte, by string, in mappings.Input) (evidence.Draft, error) {
	var none evidence.Draft
	if err := b.Acceptable(ctx, s, in); err != nil {
		return none, err
	}
	maker, approver, err := b.parties(ctx, s, &a)
	if err != nil {
		return none, err
	}
	if s.Type == Waiver {
		if err := b.independent(ctx, s, approver, in); err != nil {
			return none, err
		}
	}
	if err := s.holds(document); err != nil {
		return none, err
	}
	from := s.From
	if from.IsZero() {
		from = b.At
	}
	f := evidence.Approval{By: by, Maker: 0, Approver: 1, Text: s.Hash(), Made: s.Made, At: a.At, Key: a.Key}
	d := evidence.Draft{
		Kind: s.Type.Kind(), Op: evidence.OpSet, Source: evidence.SelfSource, Subject: Ref(s.Type, s.Name),
		OccurredAt: b.At, Basis: evidence.BasisSource, ObservedAt: b.At, People: []evidence.Person{maker, approver}, Raw: document,
	}
	if r := a.Review; r != nil {
		f.Repo, f.Commit, f.Path, f.Records, f.At = r.Repo, r.Commit, a.Path, r.Records, r.At
		d.Links = append(d.Links, evidence.NewRef("commit", "", r.Commit))
	}
	for _, c := range s.Controls {
		d.Links = append(d.Links, evidence.NewRef("control", "", string(c)))
	}
	d.Links = append(d.Links, s.Subjects...)
	if d.Content, err = json.Marshal(s.facts(from, f, len(document) > 0)); err != nil {
		return none, err
	}
	if d.Text, err = json.Marshal(texts{Statement: string(s.Text()), Signatures: a.Signed}); err != nil {
		return none, err
	}
	if len(d.Text) > evidence.MaxText {
		return none, problem.New(problem.Usage, "text and signatures have %d bytes, at most %d are kept", len(d.Text), evidence.MaxText)
	}
	return d, d.Check()
}

func (s *Statement) facts(from time.Time, a evidence.Approval, kept bool) any {
	switch s.Type {
	case Waiver:
		return evidence.WaiverFacts{Name: s.Name, Controls: s.Controls, Tests: s.Tests, Records: s.Records, Subjects: s.Subjects, From: from, Until: s.Until, Approval: a}
	case Scope:
		return evidence.ScopeFacts{Name: s.Name, Control: s.Controls[0], From: from, Until: s.Until, Approval: a}
	}
	f := evidence.AttestationFacts{Name: s.Name, Controls: s.Controls, From: from, Until: s.Until, Approval: a}
	if d := s.Document; d != nil {
		f.Document, f.Size, f.Media, f.Kept = d.SHA256, d.Size, d.Media, kept
	}
	return f
}

// holds checks the document that is to be kept against the statement.
func (s *Statement) holds(document []byte) error {
	switch {
	case len(document) == 0:
		return nil
	case s.Document == nil:
		return problem.New(problem.Usage, "the statement names no document").WithHint("draft it with --document")
	case len(document) > MaxKept:
		return tooLarge(int64(len(document)))
	case int64(len(document)) != s.Document.Size || sha256.Sum256(document) != s.Document.SHA256:
		return problem.New(problem.Refused, "the document is not the one that was approved: it has %d bytes and another hash, or another size", len(document)).
			WithHint("give the very file that the statement was drafted with")
	}
	return nil
}

func tooLarge(n int64) error {
	return problem.New(problem.Usage, "the document has %d bytes, at most %d are kept in the log", n, MaxKept).
		WithHint("leave --keep away: the log then holds its hash, size and type, and you keep the file")
}

// Acceptable says why the statement cannot be recorded now, whoever approves
// it: nil when it can. Every reason is a problem for people.
func (b *Book) Acceptable(ctx context.Context, s *Statement, in mappings.Input) error {
	if err := s.Check(); err != nil {
		return err
	}
	switch r := b.reader; {
	case s.Tenant != r.Tenant():
		return problem.New(problem.Refused, "the statement is about %s, not about %s", s.Tenant, r.Tenant())
	case s.Origin != r.Origin():
		return problem.New(problem.Refused, "the statement is for another log of %s", s.Tenant).WithHint("draft it again: the log was begun anew since")
	}
	if err := b.timely(s); err != nil {
		return err
	}
	for _, x := range b.All {
		switch {
		case x.Approval.Text == s.Hash():
			return problem.New(problem.Refused, "this statement was recorded already, as record %d", x.Seq).
				WithHint("what ended does not come back; draft it anew to have it approved anew")
		case x.Type == s.Type && x.Name == s.Name && (x.State(b.At) == InForce || x.State(b.At) == Pending):
			return problem.New(problem.Refused, "%s %s is there already, as record %d", s.Type, s.Name, x.Seq).
				WithHint("choose another name, or end that one first: evidenced %s end %s", s.Type.Command(), s.Name)
		}
	}
	var cs []*mappings.Control
	for _, id := range s.Controls {
		c, err := in.Catalog.Named(string(id))
		if err != nil {
			return err
		}
		cs = append(cs, c)
	}
	switch s.Type {
	case Waiver:
		return s.sameRules(cs)
	case Attestation:
		for _, c := range cs {
			if err := b.unanswered(ctx, c, in); err != nil {
				return err
			}
		}
	}
	return nil
}

// timely refuses what would act on a time before now.
func (b *Book) timely(s *Statement) error {
	now := b.At
	switch {
	case s.Made.After(now):
		return problem.New(problem.Refused, "the statement was made at %s, which lies ahead: it is %s", stamp(s.Made), stamp(now))
	case now.Sub(s.Made) > maxAge:
		return problem.New(problem.Refused, "the statement was made at %s, more than %s ago", stamp(s.Made), days(maxAge)).WithHint("draft it again and have it approved again")
	case !s.From.IsZero() && s.From.Before(now):
		return problem.New(problem.Refused, "from %s lies in the past, and a statement acts forward alone: it is %s", stamp(s.From), stamp(now)).
			WithHint("leave --from away: it then begins when it is recorded")
	case !s.Until.IsZero() && !s.Until.After(now):
		return problem.New(problem.Refused, "it ended at %s: it is %s", stamp(s.Until), stamp(now))
	}
	return nil
}

// sameRules checks the waiver's tests against its controls: each has some of
// them, each is one of some control, by the rule that it had when it was
// drafted.
func (s *Statement) sameRules(cs []*mappings.Control) error {
	found := map[string]bool{}
	for _, c := range cs {
		some := false
		for _, ref := range c.Tests {
			i := slices.IndexFunc(s.Tests, func(t evidence.WaivedTest) bool { return t.Test == ref.Test.ID })
			if i < 0 {
				continue
			}
			if ref.Test.Hash() != s.Tests[i].Rule {
				return problem.New(problem.Refused, "the rule of test %s changed since the waiver was drafted", ref.Test.ID).
					WithHint("look at what it asks now and draft the waiver again")
			}
			some, found[ref.Test.ID] = true, true
		}
		if !some {
			return problem.New(problem.NotFound, "control %s has no test %s", c.ID, testsOf(s)).WithHint("evidenced controls explain %s lists its tests", c.ID)
		}
	}
	for _, t := range s.Tests {
		if !found[t.Test] {
			return problem.New(problem.NotFound, "none of the controls has test %s", t.Test).WithHint("evidenced controls explain %s lists its tests", s.Controls[0])
		}
	}
	return nil
}

// unanswered refuses to attest what the evidence answers.
func (b *Book) unanswered(ctx context.Context, c *mappings.Control, in mappings.Input) error {
	if !Answerable(c, in.Collectable) {
		return nil
	}
	recorded, _, err := mappings.Standings(ctx, b.reader)
	if err != nil {
		return err
	}
	for _, f := range recorded {
		if f.Control == c.ID && (f.Status != evidence.NotObserved || f.Reason != evidence.ReasonNotConfigured) {
			return problem.New(problem.Refused, "control %s is judged by evidence (%s by test %s): nobody's word stands in its place", c.ID, f.Status, f.Test).
				WithHint("a waiver accepts failures for a while; a scope statement says that a control does not apply")
		}
	}
	return nil
}

// Answerable reports whether some test of the control asks for nothing but what
// evidenced records itself and kinds that can be collected; nil: all of them.
func Answerable(c *mappings.Control, collectable map[evidence.Kind]bool) bool {
	can := func(k evidence.Kind) bool {
		info, known := evidence.KindInfo(k)
		return known && (info.Own || collectable == nil || collectable[k])
	}
	return slices.ContainsFunc(c.Tests, func(r mappings.TestRef) bool {
		return !slices.ContainsFunc(r.Test.Needs(), func(k evidence.Kind) bool { return !can(k) })
	})
}

// parties checks that two proven persons stand behind the statement.
func (b *Book) parties(ctx context.Context, s *Statement, a *Approval) (maker, approver evidence.Person, err error) {
	if err := b.loadPersons(ctx); err != nil {
		return maker, approver, err
	}
	maker = evidence.Person{Role: evidence.RoleMaker, Realm: s.Maker.Realm, NativeID: s.Maker.NativeID, Proof: a.Maker}
	approver = evidence.Person{Role: evidence.RoleApprover, Realm: a.Approver.Realm, NativeID: a.Approver.NativeID, Proof: a.Proof}
	if s.Maker == a.Approver {
		return maker, approver, problem.New(problem.Refused, "the approver is the maker: nobody approves their own statement")
	}
	var ps [2]evidence.Party
	for i, p := range []*evidence.Person{&maker, &approver} {
		who := []string{"maker", "approver"}[i]
		if p.Proof != evidence.ProofSigned && p.Proof != evidence.ProofAuthenticated {
			return maker, approver, problem.New(problem.Refused, "nothing proves who the %s is", who).
				WithHint("give a signature of theirs, made by a key that the configuration names")
		}
		if ps[i], err = b.persons.Account(ctx, p.Realm, p.NativeID, p.Proof); err != nil {
			return maker, approver, err
		}
		id := b.persons.Identity(ctx, ps[i].Token)
		p.Names = id.Names
		if id.Names.Shared || b.persons.Bot(ctx, ps[i]) {
			return maker, approver, problem.New(problem.Refused, "the %s's account is a machine's or used by several people: it speaks for nobody", who)
		}
	}
	switch is, why := b.persons.Same(ctx, ps[1], ps[0], b.At); is {
	case mappings.OnePerson:
		return maker, approver, problem.New(problem.Refused, "approver and maker are two accounts of one person%s", why).WithHint("somebody else must approve it")
	case mappings.NotTold:
		return maker, approver, problem.New(problem.Refused, "it is not known whether approver and maker are two persons: %s", why).
			WithHint("link the accounts of each person first: evidenced people link")
	}
	return maker, approver, nil
}

func (b *Book) loadPersons(ctx context.Context) (err error) {
	if b.persons == nil {
		b.persons, err = mappings.LoadPersons(ctx, b.reader)
	}
	return err
}

// independent refuses a waiver whose approver did some of what it accepts now,
// and one that names records which are no failures.
func (b *Book) independent(ctx context.Context, s *Statement, approver evidence.Person, in mappings.Input) error {
	items, err := b.accepted(ctx, s, in)
	if err != nil {
		return err
	}
	who, err := b.persons.Account(ctx, approver.Realm, approver.NativeID, approver.Proof)
	if err != nil {
		return err
	}
	waiver := Recorded{Records: s.Records, Subjects: s.Subjects}
	for _, it := range items {
		d, err := b.deed(ctx, it.Seq)
		if err != nil {
			return err
		}
		if !waiver.names(it.Seq, d) {
			continue
		}
		for _, seq := range append([]uint64{it.Seq}, it.Also...) {
			if d, err = b.deed(ctx, seq); err != nil {
				return err
			}
			if why := b.own(ctx, who, seq, d); why != "" {
				return problem.New(problem.Refused, "the waiver cannot be approved so: %s", why).
					WithHint("somebody else must approve it; accounts of one person are linked by evidenced people link")
			}
		}
	}
	return nil
}

// Draftable says why the statement could not be recorded once it is approved:
// what Acceptable says, and for a waiver that what it accepts does not fail.
func (b *Book) Draftable(ctx context.Context, s *Statement, in mappings.Input) error {
	if err := b.Acceptable(ctx, s, in); err != nil || s.Type != Waiver || len(s.Records) == 0 {
		return err
	}
	_, err := b.accepted(ctx, s, in)
	return err
}

// accepted returns the items that fail the waiver's tests now. Each record that
// it names must be among them.
func (b *Book) accepted(ctx context.Context, s *Statement, in mappings.Input) ([]evidence.Item, error) {
	items, err := b.failing(ctx, s, in)
	if err != nil {
		return nil, err
	}
	for _, seq := range s.Records {
		if !slices.ContainsFunc(items, func(it evidence.Item) bool { return it.Seq == seq }) {
			return nil, problem.New(problem.Refused, "record %d is no item that fails %s of %s now", seq, testsOf(s), s.Controls[0]).
				WithHint("evidenced assess --tenant %s --control %s lists the records that fail", s.Tenant, s.Controls[0])
		}
	}
	return items, nil
}

func testsOf(s *Statement) string {
	var ids []string
	for _, t := range s.Tests {
		ids = append(ids, t.Test)
	}
	return strings.Join(ids, ", ")
}

// failing judges the control as it stands now and returns the items that fail
// the waiver's tests.
func (b *Book) failing(ctx context.Context, s *Statement, in mappings.Input) ([]evidence.Item, error) {
	recorded, _, err := mappings.Standings(ctx, b.reader)
	if err != nil {
		return nil, err
	}
	in.Reader, in.Now, in.Rolling, in.Controls = b.reader, b.At, true, s.Controls
	in.Period = evidence.Period{From: b.At.Add(-30 * 24 * time.Hour), To: b.At}
	for _, f := range recorded {
		if slices.Contains(s.Controls, f.Control) && !f.Period.From.IsZero() && f.Period.From.Before(in.Period.From) {
			in.Period.From = f.Period.From
		}
	}
	findings, _, err := mappings.Assess(ctx, in)
	if err != nil {
		return nil, err
	}
	var items []evidence.Item
	for i := range findings {
		if slices.ContainsFunc(s.Tests, func(t evidence.WaivedTest) bool { return t.Test == findings[i].Test }) {
			items = append(items, findings[i].Failed...)
		}
	}
	return items, nil
}

// Finish makes the record that ends a statement before its time. It brings back
// what the statement accepted, so it asks for nobody's approval.
func (b *Book) Finish(t Type, name, by, reason string) (evidence.Draft, *Recorded, error) {
	var found *Recorded
	for _, s := range b.All {
		if s.Type == t && s.Name == name {
			found = s
		}
	}
	if found == nil {
		return evidence.Draft{}, nil, problem.New(problem.NotFound, "there is no %s %.80q", t, name).WithHint("evidenced %s list --all lists them", t.Command())
	}
	if state := found.State(b.At); !found.Ended.IsZero() || state == Expired {
		return evidence.Draft{}, nil, problem.New(problem.Refused, "%s %s is over already", t, name)
	}
	if err := checkReason(reason); err != nil {
		return evidence.Draft{}, nil, problem.New(problem.Usage, "--reason: %v", err)
	}
	content, err := json.Marshal(evidence.StatementEndFacts{By: by})
	if err != nil {
		return evidence.Draft{}, nil, err
	}
	text, err := json.Marshal(texts{Reason: reason})
	if err != nil {
		return evidence.Draft{}, nil, err
	}
	d := evidence.Draft{
		Kind: t.Kind(), Op: evidence.OpEnd, Source: evidence.SelfSource, Subject: Ref(t, name),
		OccurredAt: b.At, Basis: evidence.BasisSource, ObservedAt: b.At, Content: content, Text: text,
	}
	return d, found, d.Check()
}

// String names the statement for people.
func (s *Statement) String() string { return fmt.Sprintf("%s %s", s.Type, s.Name) }
