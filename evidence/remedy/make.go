package remedy

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Limits on a plan.
const (
	maxName  = 63
	maxTests = 20
	// maxRecords is how many failed items the record of a finding names.
	maxRecords = 1000
	maxShort   = 200     // bytes of a role or team, and of a ticket
	maxLong    = 4 << 10 // bytes of what is said in words
	maxAhead   = 732     // days until it is due
)

// Saying is what somebody says of a plan. Of one that there is already, what is
// left zero stays as it was.
type Saying struct {
	Name    string
	By      string           // user id of the process that asked, "uid 1000"
	Maker   *evidence.Person // realm and native id of who says it; nil: not named
	Tests   []string         // whose failures it is for
	Records []uint64         // of items that fail, or failed, them; none: all that fail now
	// Each says that every one of the tests must have something that failed;
	// else those that have nothing are left out.
	Each  bool
	Owner *evidence.Person // realm and native id; nil: see Words.Team
	Cause string
	Due   time.Time // midnight, where it was typed, at the begin of the day
	Words
}

// Set makes the record of a plan: of a new one, or of one that there is with
// what of it is said anew. It takes back that somebody said it is done.
func (b *Book) Set(ctx context.Context, s *Saying) (evidence.Draft, error) {
	var none evidence.Draft
	if err := s.check(); err != nil {
		return none, err
	}
	f := evidence.RemedyFacts{Name: s.Name, Revision: 1, Owner: -1}
	w := s.Words
	owner := s.Owner
	if was := b.Plan(s.Name); was != nil {
		f.Revision = was.Revision + 1
		if was.State == Closed {
			return none, problem.New(problem.Refused, "remedy %s is closed since %s: %s", s.Name, evidence.FormatTime(was.Ended), saysOutcome(was.Outcome())).
				WithHint("what fails now gets a plan of another name; this one opens again by itself when its items fail again")
		}
		if was.State != Withdrawn {
			var err error
			if owner, err = b.kept(ctx, was, s, &f, &w); err != nil {
				return none, err
			}
		}
	}
	if err := s.dated(&f, b.At); err != nil {
		return none, err
	}
	if s.Cause != "" {
		f.Cause = s.Cause
	}
	if len(s.Tests)+len(s.Records) > 0 || len(f.For) == 0 {
		var err error
		if f.For, err = b.failures(ctx, s, f.For); err != nil {
			return none, err
		}
	}
	if err := complete(&f, &w, owner); err != nil {
		return none, err
	}
	return b.draft(&f, w, owner, s.Maker, s.By)
}

// kept takes over what a plan says already.
func (b *Book) kept(ctx context.Context, was *Plan, s *Saying, f *evidence.RemedyFacts, w *Words) (*evidence.Person, error) {
	f.For, f.Cause, f.Due, f.FirstDue, f.Late = was.For, was.Cause, was.Due, was.FirstDue, was.Late
	for _, x := range []struct{ to, from *string }{{&w.Detail, &was.Detail}, {&w.Remedy, &was.Remedy}, {&w.Ticket, &was.Ticket}} {
		if *x.to == "" {
			*x.to = *x.from
		}
	}
	switch {
	case was.Lost != "" && w.Remedy == "":
		return nil, problem.New(problem.Refused, "remedy %s: %s", s.Name, was.Lost).WithHint("say with --remedy, --ticket and --cause-detail anew what is to be done")
	case s.Owner != nil || s.Team != "":
		return s.Owner, nil
	case was.Owner < 0:
		w.Team = was.Team
		return nil, nil
	}
	return b.owner(ctx, was)
}

// owner returns the person who owns a plan.
func (b *Book) owner(ctx context.Context, p *Plan) (*evidence.Person, error) {
	id, err := b.reader.Identity(ctx, p.OwnerIs)
	if err != nil {
		return nil, err
	}
	if id.Erased {
		return nil, problem.New(problem.Refused, "the owner of remedy %s was erased", p.Name).WithHint("give another with --owner or --team")
	}
	return &evidence.Person{Realm: id.Realm, NativeID: id.NativeID, Names: id.Names}, nil
}

// check refuses what cannot be, whatever the log says. The names of fields are
// those of the command's flags.
func (s *Saying) check() error {
	bad := func(format string, args ...any) *problem.Problem { return problem.New(problem.Usage, format, args...) }
	switch {
	case !validName(s.Name):
		return bad("%.80q is no name: want 1 to %d of a-z, 0-9 and -, beginning with a letter or digit", s.Name, maxName)
	case s.Owner != nil && s.Team != "":
		return bad("owner and team exclude each other").WithHint("name the person who answers for it, or the role or team")
	case s.Cause != "" && !KnownCause(s.Cause):
		return bad("cause: %.40q is no root cause", s.Cause).WithHint("use one of %s", causeIDs())
	case len(s.Tests) > maxTests:
		return bad("%d tests, at most %d", len(s.Tests), maxTests)
	case len(s.Records) > maxRecords:
		return bad("%d records, at most %d", len(s.Records), maxRecords)
	}
	return s.Words.check()
}

func (w *Words) check() error {
	for _, x := range []struct {
		field, text string
		most        int
	}{
		{"team", w.Team, maxShort}, {"ticket", w.Ticket, maxShort}, {"cause-detail", w.Detail, maxLong}, {"remedy", w.Remedy, maxLong}, {"reason", w.Reason, maxLong},
	} {
		switch {
		case len(x.text) > x.most:
			return problem.New(problem.Usage, "%s: %d bytes, at most %d", x.field, len(x.text), x.most)
		case !utf8.ValidString(x.text):
			return problem.New(problem.Usage, "%s: bytes that are no UTF-8", x.field)
		case x.most == maxShort && strings.ContainsAny(x.text, "\r\n"):
			return problem.New(problem.Usage, "%s: more than one line", x.field)
		}
	}
	return nil
}

// dated sets the day that was said.
func (s *Saying) dated(f *evidence.RemedyFacts, now time.Time) error {
	if s.Due.IsZero() {
		return nil
	}
	f.Due, f.Late = s.Due.Format(time.DateOnly), s.Due.AddDate(0, 0, 1).UTC()
	if f.FirstDue == "" {
		f.FirstDue = f.Due
	}
	switch {
	case !f.Late.After(now):
		return problem.New(problem.Usage, "due: %s is over: it is %s", f.Due, evidence.FormatTime(now)).WithHint("give a day that somebody can keep")
	case f.Late.Sub(now) > (maxAhead+1)*24*time.Hour:
		return problem.New(problem.Usage, "due: %s is more than %d days ahead", f.Due, maxAhead)
	}
	return nil
}

// complete asks for what a plan must have.
func complete(f *evidence.RemedyFacts, w *Words, owner *evidence.Person) error {
	missing := func(field, hint string, args ...any) error {
		return problem.New(problem.Usage, "%s: nothing is given", field).WithHint(hint, args...)
	}
	switch {
	case owner == nil && w.Team == "":
		return missing("owner", "name with --owner the person who answers for it, REALM|NATIVEID as evidenced people lists accounts, or with --team a role or a team")
	case f.Cause == "":
		return missing("cause", "use one of %s", causeIDs())
	case w.Remedy == "":
		return missing("remedy", "say with --remedy what is going to be done")
	case f.Due == "":
		return missing("due", "give --due with the day by which it is to be done")
	}
	return nil
}

func causeIDs() string {
	var ids []string
	for _, c := range Causes {
		ids = append(ids, c.ID)
	}
	return strings.Join(ids, ", ")
}

// failures says what of the tests failed: the records that are asked for, else
// all that fail now. Without tests it is those of the plan as it was.
func (b *Book) failures(ctx context.Context, s *Saying, was []evidence.RemedyFor) ([]evidence.RemedyFor, error) {
	tests := slices.Clone(s.Tests)
	if len(tests) == 0 {
		for _, f := range was {
			tests = append(tests, f.Test)
		}
	}
	slices.Sort(tests)
	tests = slices.Compact(tests)
	if len(tests) == 0 {
		return nil, problem.New(problem.Usage, "no control and no test is named").WithHint("give --control, or --test, with what failed; evidenced gaps --tenant %s shows it", b.reader.Tenant())
	}
	cs := newCourses()
	for _, t := range tests {
		cs.test(t)
		for _, seq := range s.Records {
			cs.want(item{test: t, seq: seq})
		}
	}
	if err := cs.read(ctx, b.reader, b.At); err != nil {
		return nil, err
	}
	var out []evidence.RemedyFor
	var none []string
	found := map[uint64]bool{}
	for _, t := range tests {
		f, ok := cs.failure(t, s.Records)
		if !ok {
			none = append(none, t)
			continue
		}
		out = append(out, f)
		for _, seq := range f.Records {
			found[seq] = true
		}
	}
	for _, seq := range s.Records {
		if !found[seq] {
			return nil, b.notFailed(seq, tests)
		}
	}
	if len(out) == 0 || s.Each && len(none) > 0 {
		return nil, b.nothing(cs, s, none)
	}
	return out, nil
}

// failure says what of a test failed; false for nothing.
func (cs *courses) failure(test string, records []uint64) (evidence.RemedyFor, bool) {
	out := evidence.RemedyFor{Test: test}
	if len(records) > 0 {
		for it, c := range cs.by[test] {
			if c.failed {
				out.Records, out.Rule = append(out.Records, it.seq), c.rule
			}
		}
		slices.Sort(out.Records)
		return out, len(out.Records) > 0
	}
	empty := false // nothing was found, or nothing new enough
	for _, f := range cs.now[test] {
		switch f.Status {
		case evidence.NotSatisfied:
			out.Records, out.Rule = append(out.Records, f.Failed...), f.Rule
			out.Cut = max(out.Cut, f.FailedCut)
		case evidence.Gap, evidence.Stale:
			empty = true
			if out.Rule.IsZero() {
				out.Rule = f.Rule
			}
		}
	}
	slices.Sort(out.Records)
	out.Records = slices.Compact(out.Records)
	return out, empty || len(out.Records) > 0
}

// nothing says that of the tests nothing failed.
func (b *Book) nothing(cs *courses, s *Saying, tests []string) error {
	t := b.reader.Tenant()
	if len(s.Records) > 0 {
		return problem.New(problem.Refused, "none of the records is an item that fails %s of %s, or that failed it before, by any recorded finding", strings.Join(tests, ", "), t).
			WithHint("leave the test away, or name a record that fails it: evidenced gaps --tenant %s --json lists them", t)
	}
	for _, test := range tests {
		if len(cs.now[test]) > 0 {
			return problem.New(problem.Refused, "nothing fails %s of %s now", strings.Join(tests, ", "), t).
				WithHint("a remedy is for what failed: evidenced gaps --tenant %s lists it, --record names what failed before", t)
		}
	}
	return problem.New(problem.NotFound, "no finding of %s is recorded for %s", strings.Join(tests, ", "), t).
		WithHint("evidenced serve judges all the time, evidenced collect once; evidenced controls explain ID lists the tests of a control")
}

func (b *Book) notFailed(seq uint64, tests []string) error {
	t := b.reader.Tenant()
	return problem.New(problem.Refused, "record %d is no item that fails %s of %s, or that failed it before, by any recorded finding", seq, strings.Join(tests, ", "), t).
		WithHint("evidenced gaps --tenant %s --json lists the records that fail; of one test a finding names %d at most", t, maxRecords)
}

// Done makes the record that a person says a plan is done. It closes nothing:
// the findings do.
func (b *Book) Done(ctx context.Context, name, by, reason string, maker *evidence.Person) (evidence.Draft, error) {
	p, err := b.alive(name)
	if err != nil {
		return evidence.Draft{}, err
	}
	if p.RemedyFacts.Done {
		return evidence.Draft{}, problem.New(problem.Refused, "that remedy %s is done was said %s, in record %d", name, evidence.FormatTime(p.DoneSince), p.Seq).
			WithHint("its items still fail; evidenced remedy show %s tells which", name)
	}
	w := p.Words
	w.Reason = reason
	if err := w.check(); err != nil {
		return evidence.Draft{}, err
	}
	var owner *evidence.Person
	if p.Owner >= 0 {
		if owner, err = b.owner(ctx, p); err != nil {
			return evidence.Draft{}, err
		}
	}
	f := p.RemedyFacts
	f.Done, f.Revision = true, f.Revision+1
	return b.draft(&f, w, owner, maker, by)
}

// Withdraw makes the record that ends a plan that nobody will carry out.
func (b *Book) Withdraw(name, by, reason string, maker *evidence.Person) (evidence.Draft, error) {
	if _, err := b.alive(name); err != nil {
		return evidence.Draft{}, err
	}
	w := Words{Reason: reason}
	if err := w.check(); err != nil {
		return evidence.Draft{}, err
	}
	if strings.TrimSpace(reason) == "" {
		return evidence.Draft{}, problem.New(problem.Usage, "reason: nothing is given").WithHint("say with --reason why nobody will carry it out")
	}
	f := evidence.RemedyEndFacts{RemedyAct: evidence.RemedyAct{By: by, Maker: -1}}
	if maker != nil {
		f.Maker = 0
	}
	return b.record(evidence.OpEnd, name, f, w, parties(nil, maker))
}

// alive returns the plan of the name that somebody has to carry out.
func (b *Book) alive(name string) (*Plan, error) {
	p := b.Plan(name)
	switch {
	case p == nil:
		return nil, NoPlan(name, b.reader.Tenant())
	case p.State == Closed:
		return nil, problem.New(problem.Refused, "remedy %s is closed since %s: %s", name, evidence.FormatTime(p.Ended), saysOutcome(p.Outcome()))
	case p.State == Withdrawn:
		return nil, problem.New(problem.Refused, "remedy %s was withdrawn %s", name, evidence.FormatTime(p.Ended))
	}
	return p, nil
}

// NoPlan says that the tenant's log has no plan of the name.
func NoPlan(name string, t evidence.Tenant) error {
	return problem.New(problem.NotFound, "there is no remedy %.80q of %s", name, t).WithHint("evidenced remedy list --tenant %s --all lists them", t)
}

// draft makes the draft of a plan as it is now said.
func (b *Book) draft(f *evidence.RemedyFacts, w Words, owner, maker *evidence.Person, by string) (evidence.Draft, error) {
	people := parties(owner, maker)
	f.RemedyAct = evidence.RemedyAct{By: by, Maker: -1}
	f.Owner = -1
	if owner != nil {
		f.Owner, w.Team = 0, ""
	}
	if maker != nil {
		f.Maker = len(people) - 1
	}
	return b.record(evidence.OpSet, f.Name, f, w, people)
}

// parties are the people of a record: the owner first, whoever says it last.
func parties(owner, maker *evidence.Person) []evidence.Person {
	var out []evidence.Person
	for _, p := range []struct {
		who  *evidence.Person
		role evidence.Role
	}{{owner, evidence.RoleOwner}, {maker, evidence.RoleMaker}} {
		if p.who != nil {
			x := *p.who
			x.Role, x.Proof = p.role, evidence.ProofClaimed
			out = append(out, x)
		}
	}
	return out
}

func (b *Book) record(op evidence.Op, name string, facts any, w Words, people []evidence.Person) (evidence.Draft, error) {
	content, err := json.Marshal(facts)
	if err != nil {
		return evidence.Draft{}, err
	}
	text, err := json.Marshal(w)
	if err != nil {
		return evidence.Draft{}, err
	}
	d := evidence.Draft{
		Kind: evidence.RemedyPlan, Op: op, Source: evidence.SelfSource, Subject: Ref(name), People: people,
		OccurredAt: b.At, Basis: evidence.BasisSource, ObservedAt: b.At, Content: content, Text: text,
	}
	if err := d.Check(); err != nil {
		return d, fmt.Errorf("remedy %s: %w", name, err)
	}
	return d, nil
}

// validName reports whether s is 1 to 63 of a-z, 0-9 and -, beginning with a
// letter or digit.
func validName(s string) bool {
	return len(s) <= maxName && evidence.SourceID(s).Valid() && !strings.ContainsRune(s, '/')
}

func saysOutcome(e Ending) string {
	switch e {
	case LeftPeriod:
		return "what is judged has moved past its items, and nobody saw them mended"
	case NotAsked:
		return "the rule is another, or applies no longer"
	}
	return "its items fail no longer"
}
