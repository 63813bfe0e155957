package gaps_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/remedy"
	"evidenced/mappings"
	"evidenced/reports"
	"evidenced/reports/gaps"
)

// house is a catalog of two laws: one in force, one to come.
const house = `version: 1
acts:
  - {id: house, name: House rules, title: Rules of the house, in_force_since: 2020-01-01, addressee: all}
  - {id: later, name: Later rules, title: Rules to come, in_force_since: 2099-01-01, addressee: all}
tests:
  - &none {id: no-drift, title: Nothing drifts., says: nothing drifts, view: running, assert: 'item.longest_drift < duration("60m")', window: period, freshness: 24h, least: instants, empty: gap}
controls: []
`

// catalog has a control for each id, with the severity and the tests named.
func catalog(t *testing.T, controls ...string) *mappings.Catalog {
	t.Helper()
	text := strings.Replace(strings.Replace(house, "&none ", "", 1), "controls: []\n", "", 1) +
		"  - {id: no-stranger, title: No stranger came in., says: nobody came, view: changes, assert: item.reviewed_by_other, window: period, freshness: 24h, least: instants, empty: gap}\n" +
		"  - {id: no-word, title: Nobody is silent., says: all was said, view: incidents, assert: item.closed, window: period, freshness: 24h, least: continuous, empty: not-observed}\n" +
		"  - {id: no-hand, title: No run by hand., says: no run was by hand, view: infra_changes, assert: item.confirmed, window: period, freshness: 24h, least: instants, empty: satisfied, optional: true}\ncontrols:\n"
	for _, c := range controls {
		w := strings.Fields(c) // id severity test,test | -answerer
		text += "  - {id: " + w[0] + ", act: " + strings.Split(w[0], "-")[0] + ", article: Art. " + w[0][strings.LastIndex(w[0], "-")+1:] + ", title: Control " + w[0] + ", objective: Do., severity: " + w[1] + ", cannot_prove: much, "
		if by, ok := strings.CutPrefix(w[2], "-"); ok {
			text += "answered_by: " + by + "}\n"
			continue
		}
		var tests []string
		for id := range strings.SplitSeq(w[2], ",") {
			tests = append(tests, "{test: "+id+", strength: direct}")
		}
		text += "tests: [" + strings.Join(tests, ", ") + "]}\n"
	}
	cat, err := mappings.LoadOnly(fstest.MapFS{"own.yaml": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

var now = time.Date(2026, 11, 14, 14, 0, 0, 0, time.UTC)

// standing is a finding in force since so long ago.
func standing(control, test string, status evidence.Status, ago time.Duration, more ...func(*mappings.Standing)) mappings.Standing {
	s := mappings.Standing{FindingFacts: evidence.FindingFacts{Control: evidence.ControlID(control), Test: test, Status: status, Severity: "high", Strength: "direct"}, Seq: 7, Since: now.Add(-ago)}
	for _, m := range more {
		m(&s)
	}
	return s
}

func failed(population int, seqs ...uint64) func(*mappings.Standing) {
	return func(s *mappings.Standing) { s.Population, s.Failed = population, seqs }
}

func preparing(s *mappings.Standing) { s.Preparing = "2099-01-01" }

// Each control goes to one place, the worst of its findings speaks for it, and
// order is severity, then age, then name.
func TestOf(t *testing.T) {
	cat := catalog(t, "house-art-1 low no-drift", "house-art-2 high no-drift,no-stranger", "house-art-3 high no-drift", "house-art-4 medium no-drift", "house-art-5 high no-drift", "house-art-6 high no-drift,no-stranger",
		"house-art-7 high no-drift", "house-art-8 high -nobody", "later-art-1 high no-drift", "house-art-9 high no-drift")
	all := []mappings.Standing{
		standing("house-art-1", "no-drift", evidence.Gap, 9*time.Hour),
		standing("house-art-2", "no-drift", evidence.NotObserved, 9*time.Hour), // the failure speaks, though it is younger
		standing("house-art-2", "no-stranger", evidence.NotSatisfied, time.Hour, failed(38, 3, 4, 5, 9)),
		standing("house-art-3", "no-drift", evidence.Stale, 2*time.Hour),
		standing("house-art-4", "no-drift", evidence.Undetermined, time.Hour),
		standing("house-art-5", "no-drift", evidence.Satisfied, time.Hour),
		standing("house-art-6", "no-drift", evidence.Satisfied, time.Hour),
		standing("house-art-6", "no-stranger", evidence.NotApplicable, time.Hour),
		standing("house-art-7", "no-drift", evidence.NotApplicable, time.Hour),
		standing("later-art-1", "no-drift", evidence.NotSatisfied, time.Hour, failed(1, 9), preparing),
		standing("house-gone", "no-drift", evidence.NotSatisfied, time.Hour), // no longer in the catalog
		// house-art-9 was never judged
	}
	for _, tc := range []struct {
		name                     string
		f                        gaps.Filter
		needs, untold, preparing string
		good, outside            int
	}{
		{"all", gaps.Filter{}, "house-art-3 house-art-2 house-art-1", "house-art-4", "later-art-1", 2, 1},
		{"by law's id", gaps.Filter{Law: "later"}, "", "", "later-art-1", 0, 0},
		{"by law's name", gaps.Filter{Law: "house RULES"}, "house-art-3 house-art-2 house-art-1", "house-art-4", "", 2, 1},
		{"high", gaps.Filter{Severity: "high"}, "house-art-3 house-art-2", "", "later-art-1", 2, 1},
		{"medium and worse", gaps.Filter{Severity: "medium"}, "house-art-3 house-art-2", "house-art-4", "later-art-1", 2, 1},
		{"low and worse", gaps.Filter{Severity: "low"}, "house-art-3 house-art-2 house-art-1", "house-art-4", "later-art-1", 2, 1},
	} {
		var x gaps.Tenant
		x.Of(cat, tc.f, all, nil, nil)
		for what, list := range map[string]struct {
			got  []gaps.Gap
			want string
		}{"needs": {x.Needs, tc.needs}, "untold": {x.Untold, tc.untold}, "preparing": {x.Preparing, tc.preparing}} {
			var ids []string
			for _, g := range list.got {
				ids = append(ids, string(g.Control))
			}
			if got := strings.Join(ids, " "); got != list.want {
				t.Errorf("%s, %s: got %q, want %q", tc.name, what, got, list.want)
			}
		}
		if x.Good != tc.good || x.Outside != tc.outside {
			t.Errorf("%s: %d supported and %d not applicable, want %d and %d", tc.name, x.Good, x.Outside, tc.good, tc.outside)
		}
	}
	var x gaps.Tenant
	x.Of(cat, gaps.Filter{}, all, nil, nil)
	g := x.Needs[1]
	want := gaps.Gap{Control: "house-art-2", Law: "House rules", Article: "House rules Art. 2", Title: "Control house-art-2", Severity: "high", Status: evidence.NotSatisfied,
		Since: now.Add(-time.Hour), Why: "4 of 38: No stranger came in (records 3..5, 9)", Findings: []gaps.Finding{{Standing: all[2]}, {Standing: all[1]}}}
	if d := cmp.Diff(want, g); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// What people alone record, and of which nothing could be judged, has no finding
// and is counted apart.
func TestUnrecorded(t *testing.T) {
	cat := catalog(t, "house-art-1 low no-word", "house-art-2 high no-word,no-drift", "house-art-3 high no-word", "house-art-4 high no-drift")
	all := []mappings.Standing{standing("house-art-3", "no-word", evidence.Satisfied, time.Hour)}
	var x, never gaps.Tenant
	x.Of(cat, gaps.Filter{}, all, nil, nil)
	if x.Unrecorded != 1 || x.Good != 1 {
		t.Errorf("%d controls with nothing on record and %d supported, want 1 and 1", x.Unrecorded, x.Good)
	}
	if never.Of(cat, gaps.Filter{}, nil, nil, nil); never.Unrecorded != 0 {
		t.Errorf("%d controls with nothing on record of a tenant that was never judged", never.Unrecorded)
	}
}

// A test of what no source shows says nothing beside others, and is counted
// apart; alone it is what cannot be told, and so is one of which a source tells
// that it saw nothing.
func TestNotUsed(t *testing.T) {
	cat := catalog(t, "house-art-1 low no-drift,no-hand", "house-art-2 high no-hand", "house-art-3 high no-drift,no-hand", "house-art-4 high no-drift,no-hand")
	unseen := func(source string, reason evidence.Reason) func(*mappings.Standing) {
		return func(s *mappings.Standing) {
			s.Reason, s.Uncovered = reason, []evidence.Unseen{{Source: evidence.SourceID(source), Kind: evidence.InfraRun, Cause: "nobody looked"}}
		}
	}
	none := unseen("", evidence.ReasonNotConfigured)
	all := []mappings.Standing{
		standing("house-art-1", "no-drift", evidence.Satisfied, time.Hour), standing("house-art-1", "no-hand", evidence.NotObserved, time.Hour, none),
		standing("house-art-2", "no-hand", evidence.NotObserved, time.Hour, none),
		standing("house-art-3", "no-drift", evidence.Satisfied, time.Hour), standing("house-art-3", "no-hand", evidence.NotObserved, time.Hour, unseen("terraform/prod", evidence.ReasonSourceDown)),
		standing("house-art-4", "no-drift", evidence.NotSatisfied, time.Hour, failed(1, 9)), standing("house-art-4", "no-hand", evidence.NotObserved, time.Hour, none),
	}
	var x gaps.Tenant
	x.Of(cat, gaps.Filter{}, all, nil, nil)
	var untold []string
	for _, g := range x.Untold {
		untold = append(untold, string(g.Control))
	}
	if x.Good != 1 || strings.Join(untold, " ") != "house-art-2 house-art-3" || len(x.Needs) != 1 || len(x.Needs[0].Findings) != 1 || strings.Join(x.NotUsed, " ") != "no-hand" {
		t.Errorf("%d supported, cannot be told %q, needs %+v, not used %q", x.Good, untold, x.Needs, x.NotUsed)
	}
	var b bytes.Buffer
	if err := (&gaps.Report{At: now, Tenants: []gaps.Tenant{x}}).Text(&b, reports.Style{Width: 100}); err != nil {
		t.Fatal(err)
	}
	if want := "not counted: 1 test of what no source is configured for; --json names them\n"; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in\n%s", want, b.String())
	}
}

// Why says in a few words what is wrong, for every status.
func TestWhy(t *testing.T) {
	cat := catalog(t, "house-art-1 low no-drift")
	at := time.Date(2026, 11, 2, 14, 0, 0, 5e8, time.UTC)
	for _, tc := range []struct {
		s    mappings.Standing
		want string
	}{
		{standing("house-art-1", "no-drift", evidence.NotSatisfied, 0, failed(1, 9)), "1 of 1: Nothing drifts (record 9)"},
		{standing("house-art-1", "no-drift", evidence.NotSatisfied, 0, failed(2000, 9), func(s *mappings.Standing) { s.FailedCut = 999 }), "1,000 of 2,000: Nothing drifts (record 9)"},
		{standing("house-art-1", "no-drift", evidence.Undetermined, 0, func(s *mappings.Standing) { s.Population, s.Unknown = 3, []uint64{4, 6} }), "2 of 3 undecided: Nothing drifts (records 4, 6)"},
		{standing("house-art-1", "no-drift", evidence.Gap, 0), "Nothing drifts: nothing found"},
		{standing("house-art-1", "no-drift", evidence.Stale, 0, func(s *mappings.Standing) { s.Newest = at }), "Nothing drifts: not looked at since 2026-11-02T14:00:00Z"},
		{standing("house-art-1", "no-drift", evidence.NotObserved, 0), "Nothing drifts"},
		{standing("house-art-1", "no-drift", evidence.NotObserved, 0, func(s *mappings.Standing) { s.Uncovered = []evidence.Unseen{{Source: "argocd/prod", Cause: "503"}} }), "argocd/prod: 503 (Nothing drifts)"},
		{standing("house-art-1", "no-drift", evidence.NotObserved, 0, func(s *mappings.Standing) {
			s.Uncovered = []evidence.Unseen{{Kind: evidence.DeployState, Cause: "nobody looked"}}
		}), "deploy.state: nobody looked (Nothing drifts)"},
		{standing("house-art-1", "a-test-that-went", evidence.Gap, 0), "a-test-that-went: nothing found"},
	} {
		if got := gaps.Why(cat, tc.s); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.s.Status, got, tc.want)
		}
	}
}

// What no collector can answer is told apart: controls without tests, and those
// all of whose tests need what nothing collects.
func TestUnanswered(t *testing.T) {
	cat := catalog(t, "house-art-1 low no-drift", "house-art-2 low no-drift,no-stranger", "house-art-3 high -doorman", "later-art-1 low no-stranger")
	none := func(evidence.Kind) bool { return false }
	every := func(evidence.Kind) bool { return true }
	changes := func(k evidence.Kind) bool { return strings.HasPrefix(string(k), "change.") }
	for name, tc := range map[string]struct {
		f           gaps.Filter
		collectable func(evidence.Kind) bool
		want        string
	}{
		"everything is collected":    {gaps.Filter{}, every, "house-art-3 by doorman"},
		"changes alone":              {gaps.Filter{}, changes, "house-art-1 by a source of deploy.state, house-art-3 by doorman"},
		"nothing, of severity high":  {gaps.Filter{Severity: "high"}, none, "house-art-3 by doorman"},
		"everything, of a later law": {gaps.Filter{Law: "later"}, every, ""},
	} {
		var got []string
		for _, u := range gaps.UnansweredBy(cat, tc.f, tc.collectable) {
			got = append(got, string(u.Control)+" by "+u.AnsweredBy)
		}
		if s := strings.Join(got, ", "); s != tc.want {
			t.Errorf("%s: got %q, want %q", name, s, tc.want)
		}
	}
}

// report is one of several tenants with something in every part.
func report(t *testing.T) *gaps.Report {
	t.Helper()
	cat := catalog(t, "house-art-1 low no-drift", "house-art-2 high no-drift,no-stranger", "house-art-3 medium no-drift", "house-art-4 medium no-drift", "house-art-5 high -doorman", "later-art-1 high no-drift", "house-art-6 high no-drift")
	plan := func(name, due string, late time.Time, owner string, of remedy.ItemState, records ...uint64) *remedy.Plan {
		p := &remedy.Plan{State: remedy.Open, OwnerName: owner, Seq: 90, Words: remedy.Words{Remedy: "=1+1 <b>\x1b[31m שלום"}}
		p.Name, p.Due, p.FirstDue, p.Late, p.Cause = name, due, due, late, "human-error"
		p.For = []evidence.RemedyFor{{Test: "no-stranger", Records: records}}
		p.Items = []remedy.Item{{Test: "no-stranger", Record: records[0], State: of}}
		return p
	}
	plans := &remedy.Book{At: now, All: []*remedy.Plan{
		plan("soon", "2026-11-30", time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), "a\u202elice", remedy.StillFails, 4),
		plan("late", "2026-11-11", time.Date(2026, 11, 12, 0, 0, 0, 0, time.UTC), "the team with a name that is longer than a column", remedy.StillFails, 3, 9),
	}}
	r := &gaps.Report{At: now, Unanswered: gaps.UnansweredBy(cat, gaps.Filter{}, func(evidence.Kind) bool { return true })}
	for name, all := range map[string][]mappings.Standing{
		"tenant-7": {
			standing("house-art-1", "no-drift", evidence.Gap, 12*24*time.Hour),
			standing("house-art-2", "no-stranger", evidence.NotSatisfied, 3*time.Hour, failed(38, 3, 4, 5, 9, 20, 31)),
			standing("house-art-3", "no-drift", evidence.NotObserved, time.Hour, func(s *mappings.Standing) {
				s.Reason, s.Uncovered = evidence.ReasonSourceDown, []evidence.Unseen{{Source: "argocd/prod", Cause: "503 from \x1b[31mserver"}}
			}),
			standing("house-art-4", "no-drift", evidence.Undetermined, time.Hour),
			standing("house-art-6", "no-drift", evidence.NotApplicable, time.Hour),
			standing("later-art-1", "no-drift", evidence.NotSatisfied, time.Hour, failed(1, 9), preparing),
		},
		"tenant-8": {standing("house-art-1", "no-drift", evidence.Satisfied, time.Hour)},
		"tenant-9": nil,
	} {
		tenant, err := evidence.ParseTenant(name)
		if err != nil {
			t.Fatal(err)
		}
		x := gaps.Tenant{Tenant: tenant, Origin: "acme/" + name, Size: 41902, Judged: now.Add(-time.Minute)}
		if name == "tenant-9" {
			x.Judged = time.Time{}
		}
		x.Of(cat, gaps.Filter{}, all, nil, plans)
		r.Tenants = append(r.Tenants, x)
	}
	for i := range r.Tenants { // maps have no order
		for k := range i {
			if r.Tenants[i].Tenant.String() < r.Tenants[k].Tenant.String() {
				r.Tenants[i], r.Tenants[k] = r.Tenants[k], r.Tenants[i]
			}
		}
	}
	return r
}

// "No control needs someone" is never said of what nobody judged.
func TestNeverJudged(t *testing.T) {
	for name, want := range map[string]string{
		"tenant-9":    "Not known: no verdict on tenant-9 is on record.\n\nnot judged yet: tenant-9; evidenced serve",
		"_unassigned": "Not known: no verdict on _unassigned is on record.\n\nnobody judges _unassigned: it holds what no tenancy rule gives to a tenant\n",
	} {
		tenant := evidence.Unassigned
		if name != tenant.String() {
			var err error
			if tenant, err = evidence.ParseTenant(name); err != nil {
				t.Fatal(err)
			}
		}
		var b strings.Builder
		if err := (&gaps.Report{Tenants: []gaps.Tenant{{Tenant: tenant}}}).Text(&b, reports.Style{Width: 200}); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(b.String(), want) {
			t.Errorf("%s: got\n%s\nwant it to begin\n%s", name, b.String(), want)
		}
	}
}

// What several controls share is told once, below the first of them.
func TestOneCauseOfSeveral(t *testing.T) {
	r := report(t)
	r.Tenants = r.Tenants[:1]
	again := r.Tenants[0].Needs[0]
	again.Control = "house-art-9"
	r.Tenants[0].Needs = slices.Insert(r.Tenants[0].Needs, 1, again)
	var b strings.Builder
	if err := r.Text(&b, reports.Style{Width: 100}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "No stranger came in"); n != 1 || !regexp.MustCompile(`house-art-9 .* as above\n`).MatchString(b.String()) {
		t.Errorf("told %d times:\n%s", n, b.String())
	}
}

// How the answer reads, of one tenant, of several and of a law.
func TestText(t *testing.T) {
	one, several, law := report(t), report(t), report(t)
	one.Tenants = one.Tenants[:1]
	one.Demo = true
	law.Tenants, law.Law, law.Level = law.Tenants[1:2], "house", "high"
	for name, r := range map[string]*gaps.Report{"one.txt": one, "several.txt": several, "law.txt": law} {
		var b bytes.Buffer
		if err := r.Text(&b, reports.Style{Width: 100}); err != nil {
			t.Fatal(err)
		}
		evidencetest.Golden(t, name, b.Bytes())
		if strings.ContainsAny(b.String(), "\x1b\u202e") {
			t.Errorf("%s: an escape sequence reached the terminal", name)
		}
		for l := range strings.SplitSeq(b.String(), "\n") {
			if n := len([]rune(l)); n > 100 && !strings.HasPrefix(l, "DEMONSTRATION") {
				t.Errorf("%s: a line of %d: %s", name, n, l)
			}
		}
	}
	doc, err := json.MarshalIndent(one, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	evidencetest.Golden(t, "one.json", append(doc, '\n'))
}
