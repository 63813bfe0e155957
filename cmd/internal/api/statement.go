package api

import (
	"context"
	"slices"
	"strings"
	"time"

	"evidenced/cmd/internal/cli"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings"
	"evidenced/mappings/statement"
)

// Statements is what a World does for waivers, scope statements and
// attestations, beside [Incidents.Act].
type Statements interface {
	// Signer says whose configured key made the detached signature over the
	// text of a statement. A signature that does not count is a problem of code
	// refused that says why.
	Signer(ctx context.Context, text, signature []byte) (Signer, error)
	// HoldsFile says whether the commit has a regular file of these bytes at
	// the path, by a repository that is configured here. A commit that none of
	// them has is a problem of code not-found.
	HoldsFile(ctx context.Context, commit, path string, want []byte) (bool, error)
}

// Signer is who made a signature.
type Signer struct {
	Account statement.Account
	Key     string    // fingerprint
	At      time.Time // as the signature claims; zero: it does not say
}

// StatementParams ask for a statement to be drafted, recorded or ended, or for
// those that there are. Times are as somebody typed them.
type StatementParams struct {
	Common
	Type statement.Type `json:"type"`
	Act  string         `json:"act"` // draft, add, list, show, end
	Name string         `json:"name,omitempty"`

	// Of a draft.
	Maker    string        `json:"maker,omitempty"` // REALM|NATIVEID
	Controls []string      `json:"controls,omitempty"`
	Tests    []string      `json:"tests,omitempty"` // none: all of the control
	Records  []uint64      `json:"records,omitempty"`
	Subjects []string      `json:"subjects,omitempty"`
	From     string        `json:"from,omitempty"`
	Until    string        `json:"until,omitempty"` // a date includes that day
	Reason   string        `json:"reason,omitempty"`
	Document evidence.Hash `json:"document,omitzero"`
	Size     int64         `json:"document_size,omitempty"`
	Media    string        `json:"document_type,omitempty"`

	// Of an addition.
	Text       []byte   `json:"text,omitempty"`
	Signatures [][]byte `json:"signatures,omitempty"`
	Commit     string   `json:"commit,omitempty"`
	Path       string   `json:"path,omitempty"`
	Keep       []byte   `json:"keep,omitempty"` // the document's bytes, to be kept

	All bool `json:"all,omitempty"` // list those that are over too
}

// StatementAdded says what an act left in the log.
type StatementAdded struct {
	Tenant    evidence.Tenant `json:"tenant"`
	Act       string          `json:"act"`
	Record    uint64          `json:"record"`
	Statement statement.Told  `json:"statement"`
}

// StatementList is the statements of a tenant.
type StatementList struct {
	Listed
	Statements []statement.Told `json:"statements"`
	Over       int              `json:"not_listed,omitempty"` // that are over
}

func statements(ctx context.Context, c *call) error {
	var p StatementParams
	if err := c.decode(&p); err != nil {
		return err
	}
	if p.Type.Kind() == "" {
		return problem.New(problem.Usage, "%.20q is no type of statement", p.Type).WithHint("use waiver, scope or attestation")
	}
	if p.Act == "list" {
		return c.listStatements(ctx, p)
	}
	q, err := c.question(ctx, p.Common)
	if err != nil {
		return err
	}
	s := &stating{call: c, q: q, p: p}
	switch p.Act {
	case "draft":
		return s.draft(ctx)
	case "show":
		return s.show(ctx)
	case "add":
		return s.act(ctx, s.add)
	case "end":
		return s.act(ctx, s.end)
	}
	return problem.New(problem.Usage, "%s %.20q", p.Type, p.Act).WithHint("use draft, add, list, show or end")
}

// stating is one act at work.
type stating struct {
	*call
	q *question
	p StatementParams
}

// draft writes the exact text that is to be approved. Nothing is recorded but
// that somebody asked.
func (s *stating) draft(ctx context.Context) error {
	r, err := s.standing(ctx, s.q.tenant, s.p.Purpose)
	if err != nil {
		return err
	}
	in, err := s.Judging(ctx, s.q.tenant)
	if err != nil {
		return err
	}
	x, err := s.drafted(r, in.Catalog)
	if err != nil {
		return err
	}
	b, err := statement.Load(ctx, r, s.q.now)
	if err != nil {
		return err
	}
	if err := b.Draftable(ctx, x, in); err != nil {
		return err
	}
	_, err = s.begin(MediaText).Write(x.Text())
	return err
}

// drafted makes a statement of what was asked for.
func (s *stating) drafted(r evidence.Reader, cat *mappings.Catalog) (*statement.Statement, error) {
	x := &statement.Statement{
		Type: s.p.Type, Tenant: s.q.tenant, Origin: r.Origin(), Name: s.p.Name, Made: s.q.now.Truncate(time.Second), Reason: strings.TrimSpace(s.p.Reason),
	}
	var err error
	if x.Maker, err = statement.ParseAccount(s.p.Maker); err != nil {
		return nil, problem.Wrap(problem.Usage, err, "--maker").WithHint("evidenced people lists accounts by realm and native id")
	}
	if x.From, x.Until, err = s.period(); err != nil {
		return nil, err
	}
	for _, id := range s.p.Controls {
		x.Controls = append(x.Controls, evidence.ControlID(id))
	}
	if !s.p.Document.IsZero() {
		x.Document = &statement.Document{SHA256: s.p.Document, Size: s.p.Size, Media: s.p.Media}
	}
	if x.Type != statement.Waiver {
		return x, x.Check()
	}
	slices.Sort(s.p.Records)
	x.Records = slices.Compact(s.p.Records)
	for _, text := range s.p.Subjects {
		ref, err := evidence.ParseRef(text)
		if err != nil {
			return nil, problem.Wrap(problem.Usage, err, "--subject").WithHint("write it as evidenced records --json shows it, such as app:prod/argocd/web")
		}
		x.Subjects = append(x.Subjects, ref)
	}
	slices.SortFunc(x.Subjects, func(a, b evidence.Ref) int { return strings.Compare(a.String(), b.String()) })
	x.Subjects = slices.Compact(x.Subjects)
	if x.Tests, err = s.tests(cat); err != nil {
		return nil, err
	}
	return x, x.Check()
}

// period reads the times that were typed. A date as the end includes that day.
func (s *stating) period() (from, until time.Time, err error) {
	if s.p.From != "" {
		if from, err = s.q.typed("--from", s.p.From); err != nil {
			return from, until, err
		}
	}
	if s.p.Until == "" {
		return from, until, nil
	}
	long := evidence.FormatTime(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	p, err := cli.ParsePeriod(long, s.p.Until, "", s.q.now, s.q.zone)
	if err != nil {
		return from, until, problem.Wrap(problem.Usage, err, "--until")
	}
	return from, p.To, nil
}

// tests names the tests of the waiver with their rules: those that were asked
// for, or all of its controls.
func (s *stating) tests(cat *mappings.Catalog) ([]evidence.WaivedTest, error) {
	if len(s.p.Controls) == 0 {
		return nil, problem.New(problem.Usage, "no control is named").WithHint("give --control with the control whose failures are accepted")
	}
	var out []evidence.WaivedTest
	has := func(id string) bool {
		return slices.ContainsFunc(out, func(t evidence.WaivedTest) bool { return t.Test == id })
	}
	for _, id := range s.p.Controls {
		c, err := cat.Named(id)
		if err != nil {
			return nil, err
		}
		if len(c.Tests) == 0 {
			return nil, problem.New(problem.Refused, "control %s has no tests: nothing of it can fail", c.ID).
				WithHint("evidenced attest records a person's word on a control that no source answers")
		}
		for _, ref := range c.Tests {
			if (len(s.p.Tests) == 0 || slices.Contains(s.p.Tests, ref.Test.ID)) && !has(ref.Test.ID) {
				out = append(out, evidence.WaivedTest{Test: ref.Test.ID, Rule: ref.Test.Hash()})
			}
		}
	}
	for _, id := range s.p.Tests {
		if !has(id) {
			return nil, problem.New(problem.NotFound, "none of the controls has test %.80q", id).WithHint("evidenced controls explain ID lists the tests of a control")
		}
	}
	return out, nil
}

// act records what do makes of the log as it stands, and tells it.
func (s *stating) act(ctx context.Context, do func(ctx context.Context, r evidence.Reader, b *statement.Book) (evidence.Draft, error)) error {
	r, rec, err := s.actOne(ctx, s.q.tenant, func(r evidence.Reader) (evidence.Draft, error) {
		b, err := statement.Load(ctx, r, s.q.now)
		if err != nil {
			return evidence.Draft{}, err
		}
		return do(ctx, r, b)
	})
	if err != nil {
		return err
	}
	b, err := statement.Load(ctx, r, rec.Recorded)
	if err != nil {
		return err
	}
	res := &StatementAdded{Tenant: s.q.tenant, Act: s.p.Act, Record: rec.Seq}
	for _, x := range b.All {
		if x.Seq == res.Record || x.EndSeq == res.Record {
			res.Statement = x.Tell(rec.Recorded)
		}
	}
	if s.p.JSON {
		return s.document(res)
	}
	return res.text(s.page(s.q.style))
}

func (s *stating) end(_ context.Context, _ evidence.Reader, b *statement.Book) (evidence.Draft, error) {
	d, _, err := b.Finish(s.p.Type, s.p.Name, s.by(), strings.TrimSpace(s.p.Reason))
	return d, err
}

func (s *stating) add(ctx context.Context, r evidence.Reader, b *statement.Book) (evidence.Draft, error) {
	var none evidence.Draft
	if len(s.p.Text) == 0 {
		return none, problem.New(problem.Usage, "no statement is given").WithHint("give --file with what evidenced %s draft wrote", s.p.Type.Command())
	}
	x, err := statement.Parse(s.p.Text)
	if err != nil {
		return none, err
	}
	if x.Type != s.p.Type {
		return none, problem.New(problem.Usage, "the text is %s, not %s", x.Type, s.p.Type).WithHint("record it with evidenced %s add", x.Type.Command())
	}
	var a statement.Approval
	switch signed, reviewed := len(s.p.Signatures) > 0, s.p.Commit != ""; {
	case signed && reviewed:
		return none, problem.New(problem.Usage, "--signature and --commit exclude each other").WithHint("give the signatures of maker and approver, or the reviewed commit")
	case signed:
		a, err = s.signed(ctx, x)
	case reviewed:
		a, err = s.reviewed(ctx, r, x)
	default:
		return none, problem.New(problem.Refused, "nobody approved it").
			WithHint("give --signature for maker and approver, or --commit and --path of a reviewed commit that holds the text")
	}
	if err != nil {
		return none, err
	}
	in, err := s.Judging(ctx, s.q.tenant)
	if err != nil {
		return none, err
	}
	return b.Add(ctx, x, a, s.p.Keep, s.by(), in)
}

// maxSignatures is more than two persons need.
const maxSignatures = 4

// signed reads who signed the text: its maker, and one other person.
func (s *stating) signed(ctx context.Context, x *statement.Statement) (statement.Approval, error) {
	var a statement.Approval
	if len(s.p.Signatures) > maxSignatures {
		return a, problem.New(problem.Usage, "%d signatures, at most %d", len(s.p.Signatures), maxSignatures)
	}
	for _, sig := range s.p.Signatures {
		who, err := s.Signer(ctx, s.p.Text, sig)
		if err != nil {
			return a, err
		}
		switch {
		case who.Account == x.Maker:
			a.Maker = evidence.ProofSigned
			a.Signed = append(a.Signed, statement.Signature{Of: "maker", Armored: string(sig)})
		case a.Approver != (statement.Account{}) && a.Approver != who.Account:
			return a, problem.New(problem.Usage, "two persons beside the maker signed it").WithHint("one approves; leave the other signature away")
		default:
			a.Approver, a.Proof, a.Key, a.At = who.Account, evidence.ProofSigned, who.Key, who.At
			a.Signed = append(a.Signed, statement.Signature{Of: "approver", Armored: string(sig)})
		}
	}
	switch {
	case a.Approver == (statement.Account{}):
		return a, problem.New(problem.Refused, "the approver is the maker: nobody approves their own statement").WithHint("somebody else must sign it too")
	case a.Maker == "":
		return a, problem.New(problem.Refused, "nothing proves that its maker made it").WithHint("give a signature of the maker's too: four eyes count only where both are known")
	}
	return a, nil
}

// reviewed proves maker and approver by a reviewed commit that holds the text:
// the request's author made it, and who approved the request approved it.
func (s *stating) reviewed(ctx context.Context, r evidence.Reader, x *statement.Statement) (statement.Approval, error) {
	var a statement.Approval
	if s.p.Path == "" {
		return a, problem.New(problem.Usage, "no path is given").WithHint("give --path: where in the repository the statement stands")
	}
	persons, err := mappings.LoadPersons(ctx, r)
	if err != nil {
		return a, err
	}
	rev, err := mappings.ReviewOf(ctx, r, persons, s.p.Commit, s.q.now)
	if err != nil {
		return a, err
	}
	// What came to the branch, and what the approver saw.
	for _, commit := range []string{rev.Commit, rev.Head} {
		same, err := s.HoldsFile(ctx, commit, s.p.Path, s.p.Text)
		if problem.Is(err, problem.NotFound) && commit == rev.Head {
			return a, problem.New(problem.Refused, "commit %s, which was approved, is in no repository that is configured here", commit).
				WithHint("record it while the request's branch is there, or have it signed: what was merged may be another text than was approved")
		}
		if err != nil {
			return a, err
		}
		if !same {
			return a, problem.New(problem.Refused, "commit %s does not have the text at %.200q", commit, s.p.Path).
				WithHint("the file must be byte for byte what was drafted, both as it was approved and as it was merged")
		}
	}
	maker, err := persons.Account(ctx, x.Maker.Realm, x.Maker.NativeID, evidence.ProofClaimed)
	if err != nil {
		return a, err
	}
	// The author first: who opened the request is proven, the line in the text
	// is a claim.
	if is, why := persons.Same(ctx, rev.Author, maker, s.q.now); is != mappings.OnePerson {
		if why == "" {
			why = "they are two persons"
		}
		return a, problem.New(problem.Refused, "the request was not opened by the maker that the text names: %s", why).
			WithHint("name the account that opens the request as --maker, and draft it again")
	}
	id := persons.Identity(ctx, rev.Approver.Token)
	if id.Realm == "" {
		return a, problem.New(problem.Refused, "who approved the request was erased")
	}
	a = statement.Approval{
		Maker: rev.Author.Proof, Approver: statement.Account{Realm: id.Realm, NativeID: id.NativeID}, Proof: rev.Approver.Proof, Review: &rev, Path: s.p.Path,
	}
	return a, nil
}

// listStatements answers over one tenant, or over all.
func (c *call) listStatements(ctx context.Context, p StatementParams) error {
	lists := []StatementList{}
	q, err := c.eachStanding(ctx, p.Common, func(q *question, r evidence.Reader) error {
		l, err := statementsOf(ctx, r, p, q.now)
		lists = append(lists, l)
		return err
	})
	if err != nil {
		return err
	}
	if p.JSON {
		return c.document(map[string]any{"tenants": lists})
	}
	return tellStatements(c.page(q.style), lists, p)
}

// statementsOf lists those of a log that were asked for.
func statementsOf(ctx context.Context, r evidence.Reader, p StatementParams, now time.Time) (StatementList, error) {
	l := StatementList{Listed: listedOf(r, now), Statements: []statement.Told{}}
	b, err := statement.Load(ctx, r, now)
	if err != nil {
		return l, err
	}
	for _, x := range b.All {
		if x.Type != p.Type {
			continue
		}
		if state := x.State(now); !p.All && (state == statement.Expired || state == statement.Ended) {
			l.Over++
			continue
		}
		l.Statements = append(l.Statements, x.Tell(now))
	}
	return l, nil
}

// show tells every statement of the name, the newest last.
func (s *stating) show(ctx context.Context) error {
	r, err := s.standing(ctx, s.q.tenant, s.p.Purpose)
	if err != nil {
		return err
	}
	s.p.All = true
	l, err := statementsOf(ctx, r, s.p, s.q.now)
	if err != nil {
		return err
	}
	l.Statements = slices.DeleteFunc(l.Statements, func(t statement.Told) bool { return t.Name != s.p.Name })
	if len(l.Statements) == 0 {
		return problem.New(problem.NotFound, "there is no %s %.80q of %s", s.p.Type, s.p.Name, s.q.tenant).
			WithHint("evidenced %s list --all --tenant %s lists them", s.p.Type.Command(), s.q.tenant)
	}
	if s.p.JSON {
		return s.document(l)
	}
	p := s.page(s.q.style)
	for i, t := range l.Statements {
		if i > 0 {
			p.Line("")
		}
		showStatement(p, &t)
	}
	return p.Err()
}
