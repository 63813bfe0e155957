package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/api/apitest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
	"evidenced/mappings"
	"evidenced/mappings/statement"
)

const statementDay = 24 * time.Hour

// counter is a world in which statements are made: a request that nobody
// approved, by dave.
type counter struct {
	t    *testing.T
	w    *apitest.World
	fail uint64
}

func newCounter(t *testing.T) *counter {
	c := &counter{t: t, w: apitest.New()}
	l := c.w.Logs[mustParse(t, "tenant-7")]
	c.fail = c.merge(1, "4", "dave", "", "")
	l.Cover("github/acme", evidence.Continuous, evidence.Period{From: apitest.Now.Add(-5 * statementDay), To: apitest.Now}, "", evidence.ChangeCommit, evidence.ChangeMerge, evidence.ChangeReview)
	cat, err := mappings.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range cat.Tests() {
		if x.ID != "chg-approved" {
			continue
		}
		for _, id := range []evidence.ControlID{"dora-art-9-4-e", "gdpr-art-32-1-b"} {
			f := evidence.FindingFacts{Control: id, Test: x.ID, Rule: x.Hash(), Severity: "high", Status: evidence.NotSatisfied, Failed: []uint64{c.fail}, Population: 1,
				Summary: "The evidence contradicts that every change was approved: 1 of 1 item failed.", Period: evidence.Period{From: apitest.Now.Add(-5 * statementDay), To: apitest.Now}}
			at := apitest.Now.Add(-time.Hour)
			l.AddDraft(evidence.Draft{Kind: evidence.FindingState, Op: evidence.OpSet, Source: evidence.SelfSource, Subject: mappings.FindingRef(id, x.ID),
				OccurredAt: at, Basis: evidence.BasisObserved, ObservedAt: at, Content: evidencetest.Facts(f)})
		}
	}
	return c
}

func sha(n int) string { return fmt.Sprintf("%040x", n) }

// merge adds a merged request of two commits, n+100 approved and n merged.
func (c *counter) merge(n int, id, name, approver, approverName string) uint64 {
	l := c.w.Logs[mustParse(c.t, "tenant-7")]
	at := apitest.Now.Add(-26 * time.Hour)
	author := evidence.Person{Role: evidence.RoleAuthor, Realm: "github:prod", NativeID: id, Names: evidence.Names{Login: name}, Proof: evidence.ProofAuthenticated}
	merger := author
	merger.Role = evidence.RoleMerger
	f := evidence.MergeFacts{Repo: "acme/web", Number: n, State: "merged", Base: "main", HeadSHA: sha(n + 100), MergeSHA: sha(n), Commits: []string{sha(n + 100)}, MergedAt: at, ReviewsSeen: true, Author: 0, Merger: 1}
	people := []evidence.Person{author, merger}
	if approver != "" {
		people = append(people, evidence.Person{Role: evidence.RoleReviewer, Realm: "github:prod", NativeID: approver, Names: evidence.Names{Login: approverName}, Proof: evidence.ProofAuthenticated})
		f.Reviews = []evidence.ReviewState{{ID: "1", Person: 2, State: "approved", Commit: f.HeadSHA, At: at.Add(-time.Minute)}}
	}
	for i, m := range []int{n + 100, n} {
		parents := [][]string{nil, {sha(n + 100)}}[i]
		l.Add(evidence.ChangeCommit, evidence.OpEvent, at, evidence.CommitFacts{Repo: "acme/web", SHA: sha(m), Parents: parents, Branch: []string{"topic", "main"}[i], Author: -1, Committer: -1})
	}
	return l.Add(evidence.ChangeMerge, evidence.OpEvent, at, f, people...).Seq
}

func (c *counter) ask(p api.StatementParams) (string, error) {
	c.t.Helper()
	if p.Tenant == "" {
		p.Tenant = "tenant-7"
	}
	if p.Type == "" {
		p.Type = statement.Waiver
	}
	return desk{c.t, c.w}.op("statement", p)
}

func (d desk) op(op string, p any) (string, error) {
	d.t.Helper()
	var got collected
	open := func(context.Context) (api.World, func() error, error) { return d.w, func() error { return nil }, nil }
	err := (&api.Client{Socket: func() string { return "" }, Open: open}).Call(d.t.Context(), op, p, got.out())
	return got.String(), err
}

func (c *counter) must(p api.StatementParams) string {
	c.t.Helper()
	s, err := c.ask(p)
	if err != nil {
		c.t.Fatalf("%s: %s", p.Act, problem.Text("x", err))
	}
	return s
}

func (c *counter) draft(with func(p *api.StatementParams)) string {
	c.t.Helper()
	p := api.StatementParams{Act: "draft", Name: "new-forge", Maker: "github:prod|1", Controls: []string{"dora-art-9-4-e", "gdpr-art-32-1-b"}, Tests: []string{"chg-approved"}, Until: "2026-11-30", Reason: "moving to the new forge"}
	if with != nil {
		with(&p)
	}
	return c.must(p)
}

func signatures(text string, accounts ...string) (out [][]byte) {
	for _, a := range accounts {
		out = append(out, apitest.Sign(a, []byte(text)))
	}
	return out
}

// The whole life of statements, as a person sees it.
func TestStatementStory(t *testing.T) {
	c := newCounter(t)
	var story strings.Builder
	tell := func(p api.StatementParams) string {
		t.Helper()
		s := c.must(p)
		fmt.Fprintf(&story, "== %s %s\n%s\n", p.Type, p.Act, s)
		return s
	}
	text := c.draft(nil)
	tell(api.StatementParams{Act: "add", Type: statement.Waiver, Text: []byte(text), Signatures: signatures(text, "github:prod|1", "github:prod|2")})
	never := c.must(api.StatementParams{Act: "draft", Type: statement.Scope, Name: "no-endpoints", Maker: "github:prod|1", Controls: []string{"gdpr-art-32-1-a"}, Reason: "nothing of the tenant is reached from outside"})
	tell(api.StatementParams{Act: "add", Type: statement.Scope, Text: []byte(never), Signatures: signatures(never, "github:prod|2", "github:prod|1")})
	pdf := "%PDF-1.7 a made-up register"
	word := c.must(api.StatementParams{Act: "draft", Type: statement.Attestation, Name: "register", Maker: "github:prod|1", Controls: []string{"gdpr-art-30-1-g"}, Until: "2027-06-30", Reason: "approved by the board",
		Document: sha256.Sum256([]byte(pdf)), Size: int64(len(pdf)), Media: "application/pdf"})
	tell(api.StatementParams{Act: "add", Type: statement.Attestation, Text: []byte(word), Keep: []byte(pdf), Signatures: signatures(word, "github:prod|1", "github:prod|2")})
	later := c.draft(func(p *api.StatementParams) {
		p.Name, p.From, p.Records = "later", "2026-11-20 08:00", []uint64{c.fail}
	})
	tell(api.StatementParams{Act: "add", Type: statement.Waiver, Text: []byte(later), Signatures: signatures(later, "github:prod|1", "github:prod|2")})
	for _, typ := range []statement.Type{statement.Waiver, statement.Scope, statement.Attestation} {
		tell(api.StatementParams{Act: "list", Type: typ})
	}
	tell(api.StatementParams{Act: "show", Type: statement.Waiver, Name: "new-forge"})
	tell(api.StatementParams{Act: "show", Type: statement.Attestation, Name: "register"})
	for _, ask := range []struct {
		op     string
		params any
	}{
		{"gaps", api.GapsParams{Common: common("tenant-7", false)}}, {"today", api.TodayParams{Common: common("tenant-7", false)}},
		{"assess", api.AssessParams{Common: common("tenant-7", false), Span: api.Span{Last: "4d"}, Controls: []string{"dora-art-9-4-e", "gdpr-art-30-1-g"}}},
	} {
		op := ask.op
		s, err := desk{t, c.w}.op(op, ask.params)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&story, "== %s\n%s\n", op, s)
	}
	tell(api.StatementParams{Act: "end", Type: statement.Waiver, Name: "new-forge", Reason: "the forge has moved"})
	tell(api.StatementParams{Act: "list", Type: statement.Waiver, All: true})
	// The catalog's hash changes with each word of it.
	evidencetest.Golden(t, "statements.txt", regexp.MustCompile(`catalog [0-9a-f]{12}`).ReplaceAll([]byte(story.String()), []byte("catalog (hash)")))
}

// The same as JSON, both ways.
func TestStatementsAsJSON(t *testing.T) {
	c := newCounter(t)
	text := c.draft(nil)
	s := c.must(api.StatementParams{Common: common("tenant-7", true), Act: "add", Text: []byte(text), Signatures: signatures(text, "github:prod|1", "github:prod|2")})
	var added api.StatementAdded
	if err := json.Unmarshal([]byte(s), &added); err != nil || added.Record == 0 || added.Statement.Seq != added.Record || added.Statement.State != statement.InForce || added.Statement.Approved != "2" {
		t.Errorf("added %+v %v", added, err)
	}
	got, err := both(t, c.w, "statement", api.StatementParams{Common: common("", true), Type: statement.Waiver, Act: "list"})
	if err != nil {
		t.Fatal(err)
	}
	evidencetest.Golden(t, "statements.json", got.Bytes())
}

// A reviewed commit stands in for two signatures: the file is the text, as
// approved and as merged, and its maker opened the request.
func TestStatementInAReviewedCommit(t *testing.T) {
	const path = "statements/new-forge.txt"
	for _, tc := range []struct {
		name string
		with func(c *counter, text string, p *api.StatementParams)
		code problem.Code
		want string
	}{
		{"approved", nil, "", ""},
		{"by its own commit", func(_ *counter, _ string, p *api.StatementParams) { p.Commit = sha(107) }, "", ""},
		{"no path", func(_ *counter, _ string, p *api.StatementParams) { p.Path = "" }, problem.Usage, "--path"},
		{"another path", func(_ *counter, _ string, p *api.StatementParams) { p.Path = "README" }, problem.Refused, "does not have the text"},
		{"merged as another text", func(c *counter, _ string, _ *api.StatementParams) { c.w.Files[sha(7)][path] = []byte("other") }, problem.Refused, sha(7)},
		{"approved as another text", func(c *counter, _ string, _ *api.StatementParams) { c.w.Files[sha(107)][path] = []byte("other") }, problem.Refused, sha(107)},
		{"what was approved is gone", func(c *counter, _ string, _ *api.StatementParams) { delete(c.w.Files, sha(107)) }, problem.Refused, "which was approved, is in no repository"},
		{"no repository", func(c *counter, _ string, _ *api.StatementParams) { c.w.Files = nil }, problem.NotFound, "no configured repository"},
		{"a commit that nobody approved", func(c *counter, _ string, p *api.StatementParams) { p.Commit = sha(1) }, problem.Refused, "was not approved by another person"},
		{"a commit of nobody", func(_ *counter, _ string, p *api.StatementParams) { p.Commit = sha(99) }, problem.Refused, "no source saw"},
		{"no commit", func(_ *counter, _ string, p *api.StatementParams) { p.Commit = "HEAD" }, problem.Usage, "no commit id"},
		{"signed too", func(_ *counter, text string, p *api.StatementParams) {
			p.Signatures = signatures(text, "github:prod|1")
		}, problem.Usage, "exclude each other"},
		{"another maker", func(c *counter, _ string, p *api.StatementParams) {
			other := c.draft(func(p *api.StatementParams) { p.Maker = "github:prod|2" })
			p.Text = []byte(other)
			for _, files := range c.w.Files {
				files[path] = []byte(other)
			}
		}, problem.Refused, "not opened by the maker"},
		{"approved by who failed", func(c *counter, text string, p *api.StatementParams) {
			c.merge(8, "1", "alice", "4", "dave")
			p.Commit = sha(8)
			c.w.Files[sha(8)], c.w.Files[sha(108)] = c.w.Files[sha(7)], c.w.Files[sha(107)]
		}, problem.Refused, "did what failed in record"},
	} {
		c := newCounter(t)
		c.merge(7, "1", "alice", "2", "bob")
		text := c.draft(nil)
		c.w.Files = map[string]map[string][]byte{sha(7): {path: []byte(text)}, sha(107): {path: []byte(text)}}
		p := api.StatementParams{Act: "add", Text: []byte(text), Commit: sha(7), Path: path}
		if tc.with != nil {
			tc.with(c, text, &p)
		}
		size := c.w.Logs[mustParse(t, "tenant-7")].Size()
		s, err := c.ask(p)
		if tc.code == "" {
			if err != nil || !strings.Contains(s, "made by alice, approved by bob, by approving the request that brought commit 000000000000") {
				t.Errorf("%s: %v\n%s", tc.name, err, s)
			}
			continue
		}
		if !problem.Is(err, tc.code) || !strings.Contains(problem.Text("x", err), tc.want) {
			t.Errorf("%s: %v, want %s %q", tc.name, err, tc.code, tc.want)
		}
		if got := c.w.Logs[mustParse(t, "tenant-7")].Size(); got != size {
			t.Errorf("%s: %d records came of it", tc.name, got-size)
		}
	}
}

// What cannot be drafted is told before anybody signs.
func TestDraftsThatCannotBe(t *testing.T) {
	c := newCounter(t)
	for _, tc := range []struct {
		name string
		with func(p *api.StatementParams)
		code problem.Code
		want string
	}{
		{"in the past", func(p *api.StatementParams) { p.From = "yesterday" }, problem.Refused, "acts forward alone"},
		{"no end", func(p *api.StatementParams) { p.Until = "" }, problem.Usage, "has no end"},
		{"too long", func(p *api.StatementParams) { p.Until = "2029-01-01" }, problem.Usage, "at most 366 days"},
		{"over", func(p *api.StatementParams) { p.Until = "2026-11-10" }, problem.Usage, "before it was made"},
		{"upside down", func(p *api.StatementParams) { p.From, p.Until = "2026-11-29", "2026-11-20" }, problem.Usage, "upside down"},
		{"an impossible date", func(p *api.StatementParams) { p.Until = "2026-11-31" }, problem.Usage, "2026-11-31"},
		{"no date", func(p *api.StatementParams) { p.Until = "soon" }, problem.Usage, "--until"},
		{"nobody", func(p *api.StatementParams) { p.Maker = "alice" }, problem.Usage, "no account"},
		{"no control", func(p *api.StatementParams) { p.Controls = nil }, problem.Usage, "no control is named"},
		{"an unknown control", func(p *api.StatementParams) { p.Controls = []string{"dora-art-999"} }, problem.NotFound, "no control"},
		{"an unknown test", func(p *api.StatementParams) { p.Tests = []string{"chg-nice"} }, problem.NotFound, "has test"},
		{"no tests at all", func(p *api.StatementParams) { p.Controls, p.Tests = []string{"gdpr-art-30-1-g"}, nil }, problem.Refused, "has no tests"},
		{"a record that did not fail", func(p *api.StatementParams) { p.Records = []uint64{2} }, problem.Refused, "record 2 is no item"},
		{"a record that is not there", func(p *api.StatementParams) { p.Records = []uint64{1 << 40} }, problem.Refused, "is no item"},
		{"a subject of letters", func(p *api.StatementParams) { p.Subjects = []string{"the web"} }, problem.Usage, "--subject"},
		{"no reason", func(p *api.StatementParams) { p.Reason = " " }, problem.Usage, "reason: there is none"},
		{"a long reason", func(p *api.StatementParams) { p.Reason = strings.Repeat("x", 5000) }, problem.Usage, "at most 4096"},
		{"an escape", func(p *api.StatementParams) { p.Reason = "a \x1b[2J b" }, problem.Usage, "control characters"},
		{"text turned round", func(p *api.StatementParams) { p.Reason = "a \u202e b" }, problem.Usage, "direction"},
		{"a name with a formula", func(p *api.StatementParams) { p.Name = "=cmd()" }, problem.Usage, "is no name"},
		{"a name with markup", func(p *api.StatementParams) { p.Name = "<b>" }, problem.Usage, "is no name"},
		{"a maker with a newline", func(p *api.StatementParams) { p.Maker = "github:prod|1\nuntil: 2099-01-01T00:00:00Z" }, problem.Usage, "no account"},
		{"word on what evidence answers", func(p *api.StatementParams) {
			p.Type, p.Tests, p.Controls = statement.Attestation, nil, []string{"dora-art-9-4-e"}
		}, problem.Refused, "is judged by evidence"},
		{"two controls that do not apply", func(p *api.StatementParams) { p.Type, p.Tests = statement.Scope, nil }, problem.Usage, "about one control"},
		{"no such type", func(p *api.StatementParams) { p.Type = "excuse" }, problem.Usage, "no type"},
		{"no such act", func(p *api.StatementParams) { p.Act = "approve" }, problem.Usage, "use draft"},
	} {
		p := api.StatementParams{Act: "draft", Name: "w", Maker: "github:prod|1", Controls: []string{"dora-art-9-4-e", "gdpr-art-32-1-b"}, Tests: []string{"chg-approved"}, Until: "2026-11-30", Reason: "so"}
		tc.with(&p)
		if s, err := c.ask(p); !problem.Is(err, tc.code) || !strings.Contains(problem.Text("x", err), tc.want) || s != "" {
			t.Errorf("%s: %q %v, want %s %q", tc.name, s, err, tc.code, tc.want)
		}
	}
}

// Words of people reach a terminal, and a document, as words.
func TestHostileReasons(t *testing.T) {
	c := newCounter(t)
	reason := "=HYPERLINK(\"http://x\") <script>alert(1)</script> (x) Tj ET\n+1\n@sum שלום 契約の理由"
	text := c.draft(func(p *api.StatementParams) { p.Reason = reason })
	c.must(api.StatementParams{Act: "add", Text: []byte(text), Signatures: signatures(text, "github:prod|1", "github:prod|2")})
	s := c.must(api.StatementParams{Common: common("tenant-7", true), Act: "show", Name: "new-forge"})
	var l api.StatementList
	if err := json.Unmarshal([]byte(s), &l); err != nil || l.Statements[0].Reason != reason {
		t.Errorf("%v: %+v", err, l.Statements)
	}
	if s := c.must(api.StatementParams{Act: "show", Name: "new-forge"}); !strings.Contains(s, "שלום 契約の理由") || !strings.Contains(s, "<script>") {
		t.Errorf("shown:\n%s", s)
	}
}
