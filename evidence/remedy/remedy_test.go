package remedy_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
	"evidenced/evidence/remedy"
)

const day = 24 * time.Hour

// start is when the tests' first finding is recorded.
var start = time.Date(2026, 11, 2, 6, 0, 0, 0, time.UTC)

func tenant(t *testing.T, name string) evidence.Tenant {
	t.Helper()
	x, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func person(id string) *evidence.Person {
	return &evidence.Person{Realm: "github:prod", NativeID: id}
}

// desk is a log with items that fail a test, and plans for them.
type desk struct {
	t     *testing.T
	l     *evidencetest.Log
	now   time.Time
	items []uint64 // three merges, the third an hour before start
}

func newDesk(t *testing.T) *desk {
	d := &desk{t: t, l: evidencetest.NewLog(tenant(t, "tenant-7")), now: start}
	alice := evidence.Person{Role: evidence.RoleAuthor, Realm: "github:prod", NativeID: "1", Names: evidence.Names{Login: "alice"}, Proof: evidence.ProofAuthenticated}
	for i := range 3 {
		at := start.Add(time.Duration(i-20)*day - time.Hour)
		if i == 2 {
			at = start.Add(-time.Hour)
		}
		f := evidence.MergeFacts{Repo: "acme/web", Number: i, State: "merged", Base: "main", HeadSHA: fmt.Sprintf("%040x", i), MergeSHA: fmt.Sprintf("%040x", i+10), MergedAt: at, Author: 0, Merger: -1}
		d.items = append(d.items, d.l.Add(evidence.ChangeMerge, evidence.OpEvent, at, f, alice).Seq)
	}
	return d
}

const control, test = "dora-art-9-4-e", "chg-approved"

// judge records what a test says of 30 days, now.
func (d *desk) judge(test string, status evidence.Status, more ...func(*evidence.FindingFacts)) {
	d.t.Helper()
	f := evidence.FindingFacts{
		Control: control, Test: test, Rule: evidence.Hash{1}, Status: status, Population: 3,
		Period: evidence.Period{From: d.now.Add(-30 * day), To: d.now}, Size: d.l.Size(),
	}
	for _, m := range more {
		m(&f)
	}
	b, err := json.Marshal(f)
	if err != nil {
		d.t.Fatal(err)
	}
	d.l.AddDraft(evidence.Draft{
		Kind: evidence.FindingState, Op: evidence.OpSet, Source: evidence.SelfSource, Subject: evidence.NewRef("finding", "", string(f.Control)+"/"+test),
		OccurredAt: d.now, Basis: evidence.BasisObserved, ObservedAt: d.now, Content: b,
	})
}

func failed(seqs ...uint64) func(*evidence.FindingFacts) {
	return func(f *evidence.FindingFacts) { f.Failed = seqs }
}

func rule(n byte) func(*evidence.FindingFacts) {
	return func(f *evidence.FindingFacts) { f.Rule = evidence.Hash{n} }
}

func of(control string) func(*evidence.FindingFacts) {
	return func(f *evidence.FindingFacts) { f.Control = evidence.ControlID(control) }
}

func (d *desk) book() *remedy.Book {
	d.t.Helper()
	b, err := remedy.Load(d.t.Context(), d.l, d.now)
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

// saying is a plan for what fails the test, due in ten days.
func (d *desk) saying(name string, more ...func(*remedy.Saying)) *remedy.Saying {
	s := &remedy.Saying{
		Name: name, By: "uid 1000", Tests: []string{test}, Owner: person("1"), Cause: "human-error", Due: d.now.Truncate(day).Add(10 * day),
		Words: remedy.Words{Remedy: "look at it again"},
	}
	for _, m := range more {
		m(s)
	}
	return s
}

func records(seqs ...uint64) func(*remedy.Saying) {
	return func(s *remedy.Saying) { s.Records = seqs }
}

func (d *desk) set(s *remedy.Saying) error {
	d.t.Helper()
	x, err := d.book().Set(d.t.Context(), s)
	if err == nil {
		d.l.AddDraft(x)
	}
	return err
}

func (d *desk) mustSet(s *remedy.Saying) {
	d.t.Helper()
	if err := d.set(s); err != nil {
		d.t.Fatal(problem.Text("set", err))
	}
}

// pass lets so much time go by.
func (d *desk) pass(by time.Duration) { d.now = d.now.Add(by) }

// line sums up a plan.
func (d *desk) line(name string) string {
	d.t.Helper()
	p := d.book().Plan(name)
	if p == nil {
		return "none"
	}
	told := p.TellAll(d.now)
	var items []string
	for _, x := range told.Items {
		items = append(items, fmt.Sprintf("%d %s", x.Record, x.State))
	}
	return fmt.Sprintf("%s, %s: %s", told.State, told.Stands(), strings.Join(items, ", "))
}

// A plan follows its items by the findings alone: until all of them are out of
// the findings it is open, whatever is said.
func TestLifeOfAPlan(t *testing.T) {
	d := newDesk(t)
	d.judge(test, evidence.NotSatisfied, failed(d.items[0], d.items[2]))
	d.mustSet(d.saying("fix", func(s *remedy.Saying) { s.Maker = person("2") }))
	steps := []struct {
		name string
		do   func()
		want string
	}{
		{"planned", func() {}, "open, due in 10 days: 1 A, 3 B"},
		{"one heals", func() { d.pass(2 * day); d.judge(test, evidence.NotSatisfied, failed(d.items[2])) }, "open, due in 8 days: 1 healed, 3 B"},
		{"said done", func() {
			d.pass(day)
			x, err := d.book().Done(t.Context(), "fix", "uid 1000", "merged", nil)
			if err != nil {
				t.Fatal(err)
			}
			d.l.AddDraft(x)
		}, "said-done, said done 5 Nov 2026, still failing, due in 7 days: 1 healed, 3 B"},
		{"a new one fails", func() { d.pass(day); d.judge(test, evidence.NotSatisfied, failed(d.items[1], d.items[2])) }, "said-done, said done 5 Nov 2026, still failing, due in 6 days: 1 healed, 3 B"},
		{"overdue", func() { d.pass(8 * day) }, "said-done, said done 5 Nov 2026, still failing, overdue by 2 days: 1 healed, 3 B"},
		{"cannot be told", func() {
			d.judge(test, evidence.NotSatisfied, failed(d.items[1]), func(f *evidence.FindingFacts) { f.Unknown = []uint64{d.items[2]} })
		}, "said-done, said done 5 Nov 2026, still failing, overdue by 2 days: 1 healed, 3 undetermined"},
		{"healed", func() { d.judge(test, evidence.NotSatisfied, failed(d.items[1])) }, "closed, healed 14 Nov 2026, 2 days after due: 1 healed, 3 healed"},
		{"time goes by", func() { d.pass(5 * day) }, "closed, healed 14 Nov 2026, 2 days after due: 1 healed, 3 healed"},
		{"it fails again", func() { d.judge(test, evidence.NotSatisfied, failed(d.items[0])) }, "said-done, said done 5 Nov 2026, still failing, overdue by 7 days: 1 A, 3 healed"},
	}
	for _, s := range steps {
		s.do()
		want := strings.NewReplacer("1 A", fmt.Sprintf("%d failing", d.items[0]), "3 B", fmt.Sprintf("%d failing", d.items[2]),
			"1 healed", fmt.Sprintf("%d healed", d.items[0]), "3 healed", fmt.Sprintf("%d healed", d.items[2]), "3 undetermined", fmt.Sprintf("%d undetermined", d.items[2])).Replace(s.want)
		if got := d.line("fix"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", s.name, got, want)
		}
	}
}

// That an item fails no longer is not that it was mended.
func TestEndings(t *testing.T) {
	for _, tc := range []struct {
		name string
		plan func(d *desk) *remedy.Saying
		then func(d *desk)
		want string
	}{
		{"healed", nil, func(d *desk) { d.judge(test, evidence.Satisfied) }, "closed, healed 4 Nov 2026, 8 days before due"},
		{"what is judged moved past it", nil, func(d *desk) { d.pass(40 * day); d.judge(test, evidence.Satisfied) }, "closed, left-period 14 Dec 2026, 32 days after due"},
		{"one of two left the period", func(d *desk) *remedy.Saying { return d.saying("fix") }, func(d *desk) {
			d.pass(15 * day) // the first is older than 30 days, the third is not
			d.judge(test, evidence.Satisfied)
		}, "closed, left-period 19 Nov 2026, 7 days after due"},
		{"another rule", nil, func(d *desk) { d.judge(test, evidence.Satisfied, rule(2)) }, "closed, not-asked 4 Nov 2026, 8 days before due"},
		{"fails by another rule, then heals", nil, func(d *desk) {
			d.judge(test, evidence.NotSatisfied, failed(d.items[0]), rule(2))
			d.pass(time.Hour)
			d.judge(test, evidence.Satisfied, rule(2))
		}, "closed, healed 4 Nov 2026, 8 days before due"},
		{"applies no longer", nil, func(d *desk) { d.judge(test, evidence.NotApplicable) }, "closed, not-asked 4 Nov 2026, 8 days before due"},
		{"the test is gone", nil, func(d *desk) {
			d.l.AddDraft(evidence.Draft{Kind: evidence.FindingState, Op: evidence.OpEnd, Source: evidence.SelfSource, Subject: evidence.NewRef("finding", "", control+"/"+test),
				OccurredAt: d.now, Basis: evidence.BasisObserved, ObservedAt: d.now, Content: []byte(`{}`)})
		}, "closed, not-asked 4 Nov 2026, 8 days before due"},
		{"nothing is seen any more", nil, func(d *desk) {
			d.judge(test, evidence.NotObserved, func(f *evidence.FindingFacts) { f.Population = 0 })
		}, "open, due in 8 days"},
		{"more failed than a finding names", nil, func(d *desk) {
			d.judge(test, evidence.NotSatisfied, failed(d.items[2]), func(f *evidence.FindingFacts) { f.FailedCut = 5 })
		}, "open, due in 8 days"},
		{"another control still says so", nil, func(d *desk) {
			d.judge(test, evidence.NotSatisfied, failed(d.items[0]), of("gdpr-art-32-1-b"))
			d.judge(test, evidence.Satisfied)
		}, "open, due in 8 days"},
		{"an empty finding is filled", func(d *desk) *remedy.Saying {
			return d.saying("fix", func(s *remedy.Saying) { s.Tests = []string{"cert-valid"} })
		},
			func(d *desk) { d.judge("cert-valid", evidence.NotSatisfied, failed(d.items[1])) }, "closed, healed 4 Nov 2026, 8 days before due"},
		{"an empty finding is not seen", func(d *desk) *remedy.Saying {
			return d.saying("fix", func(s *remedy.Saying) { s.Tests = []string{"cert-valid"} })
		},
			func(d *desk) { d.judge("cert-valid", evidence.NotObserved) }, "open, due in 8 days"},
	} {
		d := newDesk(t)
		d.judge(test, evidence.NotSatisfied, failed(d.items[0], d.items[2]))
		d.judge("cert-valid", evidence.Gap)
		s := d.saying("fix", records(d.items[0]))
		if tc.plan != nil {
			s = tc.plan(d)
		}
		d.mustSet(s)
		d.pass(2 * day)
		tc.then(d)
		if got, _, _ := strings.Cut(d.line("fix"), ":"); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

// A state that is replaced was over then; one that still holds is not over,
// however long ago it began.
func TestStatesEnd(t *testing.T) {
	for _, tc := range []struct {
		name     string
		replaced time.Duration // after start; 0: never
		want     remedy.Ending
	}{
		{"still there", 0, remedy.Healed}, {"replaced in the period", 10 * day, remedy.Healed}, {"replaced before the period", 2 * day, remedy.LeftPeriod},
	} {
		d := newDesk(t)
		cert := func(at time.Time, serial string) uint64 {
			return d.l.Add(evidence.CertState, evidence.OpSet, at, evidence.CertFacts{Endpoint: "a.example:443", Serial: serial, NotAfter: at.Add(90 * day)}).Seq
		}
		seq := cert(start.Add(-20*day), "1")
		d.judge("cert-valid", evidence.NotSatisfied, failed(seq))
		d.mustSet(d.saying("fix", func(s *remedy.Saying) { s.Tests = []string{"cert-valid"} }))
		if tc.replaced > 0 {
			cert(start.Add(tc.replaced), "2")
		}
		d.pass(35 * day) // what is judged begins five days after start
		d.judge("cert-valid", evidence.Satisfied)
		if p := d.book().Plan("fix"); p.State != remedy.Closed || p.Outcome() != tc.want {
			t.Errorf("%s: %s %s, want %s", tc.name, p.State, p.Outcome(), tc.want)
		}
	}
}

// A plan that is said anew keeps what is not said, and every day that was given.
func TestRevisions(t *testing.T) {
	d := newDesk(t)
	d.judge(test, evidence.NotSatisfied, failed(d.items...))
	d.mustSet(d.saying("fix", records(d.items[0]), func(s *remedy.Saying) { s.Ticket, s.Detail = "OPS-1", "a slip" }))
	d.pass(day)
	d.mustSet(&remedy.Saying{Name: "fix", By: "uid 1001", Due: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), Words: remedy.Words{Reason: "more to do"}})
	d.pass(day)
	d.mustSet(&remedy.Saying{Name: "fix", By: "uid 1001", Cause: "design", Words: remedy.Words{Team: "platform team"}})
	p := d.book().Plan("fix")
	got := p.TellAll(d.now)
	want := remedy.Told{
		Name: "fix", State: remedy.Open, Due: "2026-12-01", FirstDue: "2026-11-12", Moved: 1, Days: -27, Tests: []string{test}, Failing: 1, Of: 1,
		Owner: "platform team", Cause: "design", Detail: "a slip", Remedy: "look at it again", Ticket: "OPS-1", Said: d.now, Seq: p.Seq,
		Items: []remedy.Item{{Test: test, Record: d.items[0], State: remedy.StillFails}},
		Past: []remedy.Revision{
			{Seq: p.Revisions[0].Seq, At: start, Says: "set", Due: "2026-11-12"}, {Seq: p.Revisions[1].Seq, At: start.Add(day), Says: "set", Due: "2026-12-01", Reason: "more to do"},
			{Seq: p.Seq, At: d.now, Says: "set", Due: "2026-12-01"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// With an owner again, and all that fails now.
	d.mustSet(&remedy.Saying{Name: "fix", Tests: []string{test}, Owner: person("1")})
	if p = d.book().Plan("fix"); p.OwnerName != "alice" || p.Team != "" || len(p.Items) != 3 || p.Revision != 4 {
		t.Errorf("%s %q, %d items, revision %d", p.OwnerName, p.Team, len(p.Items), p.Revision)
	}
	x, err := d.book().Withdraw("fix", "uid 1", "given up", person("9"))
	if err != nil {
		t.Fatal(err)
	}
	d.l.AddDraft(x)
	if p = d.book().Plan("fix"); p.State != remedy.Withdrawn || p.EndWhy != "given up" || p.Overdue(d.now.Add(99*day)) || len(d.book().Beside(remedy.Failing{Test: test, Status: evidence.NotSatisfied, Failed: d.items}).Plans) != 0 {
		t.Errorf("%+v", p)
	}
	d.pass(time.Minute)
	d.mustSet(d.saying("fix"))
	if got := d.book().Plan("fix").Tell(d.now); got.State != remedy.Open || got.FirstDue != "2026-11-14" || got.Moved != 0 || got.Reason != "" {
		t.Errorf("begun anew: %+v", got)
	}
}

// The newest plan answers for an item; when it is withdrawn the one before does.
func TestNewestAnswers(t *testing.T) {
	d := newDesk(t)
	d.judge(test, evidence.NotSatisfied, failed(d.items...))
	d.mustSet(d.saying("old", records(d.items[0], d.items[1])))
	d.pass(time.Hour)
	d.mustSet(d.saying("new", records(d.items[1]), func(s *remedy.Saying) { s.Due = d.now.Truncate(day) }))
	f := remedy.Failing{Test: test, Status: evidence.NotSatisfied, Failed: d.items, Cut: 4}
	shares := func() string {
		x := d.book().Beside(f)
		var parts []string
		for _, p := range x.Plans {
			parts = append(parts, fmt.Sprint(p.Name, p.Records))
		}
		return fmt.Sprintf("%s, %d of %d without", strings.Join(parts, " "), x.Without, x.Of)
	}
	if got, want := shares(), fmt.Sprintf("new[%d] old[%d], 5 of 7 without", d.items[1], d.items[0]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := d.line("old"); !strings.Contains(got, fmt.Sprintf("%d superseded", d.items[1])) || !strings.HasPrefix(got, "open") {
		t.Errorf("old: %s", got)
	}
	d.mustSet(d.saying("third", records(d.items[0])))
	if got := d.line("old"); !strings.HasPrefix(got, "superseded") {
		t.Errorf("old: %s", got)
	}
	for _, name := range []string{"new", "third"} {
		x, err := d.book().Withdraw(name, "uid 1", "no", nil)
		if err != nil {
			t.Fatal(err)
		}
		d.l.AddDraft(x)
	}
	if got, want := shares(), fmt.Sprintf("old[%d %d], 5 of 7 without", d.items[0], d.items[1]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if d.book().Beside(remedy.Failing{Test: test, Status: evidence.Satisfied}) != nil {
		t.Error("a finding that nobody must act on is owed nothing")
	}
	if x := d.book().Beside(remedy.Failing{Test: test, Status: evidence.Gap}); x.Without != 1 || x.Of != 1 || len(x.Plans) != 0 {
		t.Errorf("a gap: %+v", x)
	}
}

// Of more items than a finding names the plan counts the rest with them.
func TestMoreThanAFindingNames(t *testing.T) {
	d := newDesk(t)
	d.judge(test, evidence.NotSatisfied, failed(d.items[0], d.items[1]), func(f *evidence.FindingFacts) { f.FailedCut = 5 })
	d.mustSet(d.saying("all"))
	x := d.book().Beside(remedy.Failing{Test: test, Status: evidence.NotSatisfied, Failed: d.items, Cut: 6})
	if p := x.Plans[0]; x.Of != 9 || x.Without != 2 || p.Failing != 7 || p.Of != 7 {
		t.Errorf("%d of %d without, %d of %d fail", x.Without, x.Of, p.Failing, p.Of)
	}
	d.pass(day)
	d.judge(test, evidence.Satisfied)
	if p := d.book().Plan("all"); p.State != remedy.Closed || p.Failing() != 0 {
		t.Errorf("%s, %d fail", p.State, p.Failing())
	}
}

// What cannot be is refused by the name of the field, and nothing comes of it.
func TestRefused(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, tc := range []struct {
		name string
		with func(d *desk, s *remedy.Saying)
		code problem.Code
		want string
	}{
		{"no name", func(_ *desk, s *remedy.Saying) { s.Name = "" }, problem.Usage, "is no name"},
		{"a name that is a path", func(_ *desk, s *remedy.Saying) { s.Name = "a/b" }, problem.Usage, "is no name"},
		{"a long name", func(_ *desk, s *remedy.Saying) { s.Name = long[:64] }, problem.Usage, "is no name"},
		{"nobody", func(_ *desk, s *remedy.Saying) { s.Owner = nil }, problem.Usage, "owner: nothing is given"},
		{"two owners", func(_ *desk, s *remedy.Saying) { s.Team = "platform" }, problem.Usage, "owner and team exclude each other"},
		{"no cause", func(_ *desk, s *remedy.Saying) { s.Cause = "" }, problem.Usage, "cause: nothing is given"},
		{"a cause of one's own", func(_ *desk, s *remedy.Saying) { s.Cause = "bad-luck" }, problem.Usage, "is no root cause"},
		{"no remedy", func(_ *desk, s *remedy.Saying) { s.Remedy = "" }, problem.Usage, "remedy: nothing is given"},
		{"a long remedy", func(_ *desk, s *remedy.Saying) { s.Remedy = long }, problem.Usage, "remedy: 5000 bytes, at most 4096"},
		{"a long cause", func(_ *desk, s *remedy.Saying) { s.Detail = long }, problem.Usage, "cause-detail: 5000 bytes"},
		{"a long ticket", func(_ *desk, s *remedy.Saying) { s.Ticket = long[:201] }, problem.Usage, "ticket: 201 bytes"},
		{"a ticket of two lines", func(_ *desk, s *remedy.Saying) { s.Ticket = "a\nb" }, problem.Usage, "ticket: more than one line"},
		{"no UTF-8", func(_ *desk, s *remedy.Saying) { s.Remedy = "\xff" }, problem.Usage, "remedy: bytes that are no UTF-8"},
		{"no day", func(_ *desk, s *remedy.Saying) { s.Due = time.Time{} }, problem.Usage, "due: nothing is given"},
		{"a day that is over", func(d *desk, s *remedy.Saying) { s.Due = d.now.Truncate(day).Add(-day) }, problem.Usage, "due: 2026-11-01 is over"},
		{"a far day", func(d *desk, s *remedy.Saying) { s.Due = d.now.AddDate(3, 0, 0) }, problem.Usage, "more than 732 days ahead"},
		{"no test", func(_ *desk, s *remedy.Saying) { s.Tests = nil }, problem.Usage, "no control and no test is named"},
		{"many tests", func(_ *desk, s *remedy.Saying) { s.Tests = slices.Repeat([]string{test}, 21) }, problem.Usage, "21 tests, at most 20"},
		{"many records", func(_ *desk, s *remedy.Saying) { s.Records = make([]uint64, 1001) }, problem.Usage, "1001 records"},
		{"a test that nobody judged", func(_ *desk, s *remedy.Saying) { s.Tests = []string{"chg-nice"} }, problem.NotFound, "no finding of chg-nice is recorded"},
		{"a test that holds", func(_ *desk, s *remedy.Saying) { s.Tests = []string{"chg-tested"} }, problem.Refused, "nothing fails chg-tested of tenant-7 now"},
		{"one of two tests holds, and both are named", func(_ *desk, s *remedy.Saying) { s.Tests, s.Each = []string{test, "chg-tested"}, true }, problem.Refused, "nothing fails chg-tested"},
		{"a record that passed", func(d *desk, s *remedy.Saying) { s.Records = []uint64{d.items[0], d.items[1]} }, problem.Refused, "is no item that fails chg-approved of tenant-7"},
		{"a record of one of two tests that are named", func(d *desk, s *remedy.Saying) {
			s.Records, s.Tests, s.Each = []uint64{d.items[0]}, []string{test, "cert-valid"}, true
		}, problem.Refused, "none of the records is an item that fails cert-valid"},
		{"a record of another test", func(d *desk, s *remedy.Saying) { s.Records, s.Tests = []uint64{d.items[0]}, []string{"cert-valid"} }, problem.Refused, "is no item that fails cert-valid"},
		{"a record that is not there", func(_ *desk, s *remedy.Saying) { s.Records = []uint64{1 << 40} }, problem.Refused, "is no item"},
	} {
		d := newDesk(t)
		d.judge(test, evidence.NotSatisfied, failed(d.items[0]))
		d.judge("chg-tested", evidence.Satisfied)
		d.judge("cert-valid", evidence.Gap)
		s := d.saying("fix")
		tc.with(d, s)
		if err := d.set(s); !problem.Is(err, tc.code) || !strings.Contains(problem.Text("x", err), tc.want) {
			t.Errorf("%s: %v, want %s %q", tc.name, err, tc.code, tc.want)
		}
	}
}

// Acts on a plan that nobody has to carry out any more, and on none.
func TestRefusedActs(t *testing.T) {
	d := newDesk(t)
	d.judge(test, evidence.NotSatisfied, failed(d.items[0]))
	d.mustSet(d.saying("fix"))
	want := func(err error, code problem.Code, text string) {
		t.Helper()
		if !problem.Is(err, code) || !strings.Contains(problem.Text("x", err), text) {
			t.Errorf("%v, want %s %q", err, code, text)
		}
	}
	done := func(name string) error {
		x, err := d.book().Done(t.Context(), name, "uid 1", "", nil)
		if err == nil {
			d.l.AddDraft(x)
		}
		return err
	}
	withdraw := func(reason string) error { _, err := d.book().Withdraw("fix", "uid 1", reason, nil); return err }
	want(done("none"), problem.NotFound, "there is no remedy")
	want(withdraw(" "), problem.Usage, "reason: nothing is given")
	if err := done("fix"); err != nil {
		t.Fatal(err)
	}
	want(done("fix"), problem.Refused, "that remedy fix is done was said")
	d.pass(day)
	d.judge(test, evidence.Satisfied)
	want(done("fix"), problem.Refused, "its items fail no longer")
	want(withdraw("no"), problem.Refused, "is closed since")
	want(d.set(d.saying("fix")), problem.Refused, "its items fail no longer")
	d.pass(time.Hour)
	// What failed before may have its plan yet.
	d.mustSet(d.saying("late", records(d.items[0])))
	if got := d.line("late"); !strings.HasPrefix(got, "closed, healed 3 Nov 2026") {
		t.Errorf("late: %s", got)
	}
}

// What names people or is said in words stands in people and text alone.
func TestNothingNamedInContent(t *testing.T) {
	d := newDesk(t)
	d.judge(test, evidence.NotSatisfied, failed(d.items[0]))
	d.mustSet(d.saying("fix", func(s *remedy.Saying) {
		s.Owner, s.Maker = person("8231"), person("8232")
		s.Detail, s.Remedy, s.Ticket, s.Reason = "SECRETDETAIL", "SECRETREMEDY", "SECRETTICKET", "SECRETREASON"
	}))
	rec, err := d.l.Record(t.Context(), d.l.Size()-1)
	if err != nil || rec.Kind != evidence.RemedyPlan || len(rec.People) != 2 || rec.People[0].Role != evidence.RoleOwner || rec.People[1].Role != evidence.RoleMaker {
		t.Fatalf("%+v %v", rec, err)
	}
	open := string(rec.Facts) + rec.Key + rec.Subject.String() + fmt.Sprint(rec.Links, rec.Scope)
	for _, s := range []string{"SECRET", "8231", "8232", "github", "alice"} {
		if strings.Contains(open, s) {
			t.Errorf("the content holds %q: %s", s, open)
		}
	}
	for _, s := range []string{"SECRETDETAIL", "SECRETREMEDY", "SECRETTICKET", "SECRETREASON"} {
		if !strings.Contains(string(rec.Text), s) {
			t.Errorf("the text lacks %q", s)
		}
	}
}

// As it was: a book of an earlier instant knows nothing of what came later.
func TestAsItWas(t *testing.T) {
	d := newDesk(t)
	d.judge(test, evidence.NotSatisfied, failed(d.items[0]))
	d.pass(time.Hour)
	d.mustSet(d.saying("fix"))
	d.pass(day)
	d.judge(test, evidence.Satisfied)
	then := d.now.Add(-time.Minute)
	b, err := remedy.Load(t.Context(), d.l, then)
	if err != nil || b.Plan("fix").State != remedy.Open {
		t.Errorf("%v %+v", err, b.Plan("fix"))
	}
	if b, err = remedy.Load(t.Context(), d.l, start); err != nil || len(b.All) != 0 {
		t.Errorf("%v %d plans", err, len(b.All))
	}
}

func TestCauses(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range remedy.Causes {
		if seen[c.ID] || c.Says == "" || !remedy.KnownCause(c.ID) {
			t.Errorf("cause %q stands twice or says nothing", c.ID)
		}
		seen[c.ID] = true
	}
	if remedy.KnownCause("") || !seen["unknown"] {
		t.Error("a plan may begin before the cause is known, and says so")
	}
}
