package mappings

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
)

// A case is a txtar file: what it is about, then "scene" and "want". A scene
// has a line for each thing:
//
//	tenant NAME                     first line, if at all; else tenant-7
//	period FROM TO [now]            times are DDTHH:MM of November 2026, MM-DDTHH:MM or YYYY-MM-DDTHH:MM
//	tests ID...
//	configured KIND SOURCE...
//	uncollectable KIND...
//	scope CONTROL FROM BY APPROVER
//	cover SOURCE CLASS FROM TO KIND,... [cause]
//	looks SOURCE EVERY FROM TO KIND,...
//	link|unlink TIME PERSON PERSON APPROVER
//	KIND OP TIME [source=S] [basis=B] [notbefore=T] [observed=T] [actor=REF] [lost=WHY] {facts} [text:{...}] [person...]
//
// A person is ROLE/PROOF/REALM|ID, then ,login=, ,mail=, ,bot and ,shared.
// A text claim is JSON without spaces; lost says that it cannot be opened any
// more. Records of incidents name theirs by "incident" among the facts.
// An @A in facts stands for a commit id made of the letter. Under tests, "want"
// lists the findings. Run with -update to write it.
type testCase struct {
	log   *evidencetest.Log
	in    Input
	tests []string
}

func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(files) < 40 {
		t.Fatalf("got %d cases (%v), want at least 40", len(files), err)
	}
	cat := mustLoad(t)
	seen := map[evidence.Status]bool{}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := parseCase(t, string(ar.Files[0].Data), cat)
			findings, _, err := Assess(t.Context(), c.in)
			if err != nil {
				t.Fatal(err)
			}
			c.checkRecords(t, findings)
			got := c.print(findings, seen)
			if evidencetest.Updating() {
				ar.Files = append(ar.Files[:1], txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(ar.Files[1].Data), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", strings.TrimSpace(string(ar.Comment)), diff)
			}
		})
	}
	for _, s := range []evidence.Status{
		evidence.NotSatisfied, evidence.Undetermined, evidence.NotObserved, evidence.Stale,
		evidence.Gap, evidence.NotApplicable, evidence.Satisfied,
	} {
		if !seen[s] {
			t.Errorf("no case ends in %s", s)
		}
	}
}

func (c *testCase) print(findings []evidence.Finding, seen map[evidence.Status]bool) string {
	var b strings.Builder
	for _, id := range c.tests {
		for _, f := range findings {
			if f.Test != id || c.shunned(&f, findings) {
				continue
			}
			seen[f.Status] = true
			fmt.Fprintf(&b, "%s: %s", f.Test, f.Status)
			if f.Reason != "" {
				fmt.Fprintf(&b, " (%s)", f.Reason)
			}
			fmt.Fprintf(&b, ", %d of %d passed, class %s\n", f.Passed, f.Population, f.Class)
			for _, it := range append(f.Failed, f.Unknown...) {
				fmt.Fprintf(&b, "  %s %d %s: %s\n", it.Verdict, append([]uint64{it.Seq}, it.Also...), it.Label, it.Why)
			}
			for _, w := range f.Uncovered {
				fmt.Fprintf(&b, "  uncovered %s %s %s: %s\n", w.Source, w.Kind, w.Period, w.Cause)
			}
			fmt.Fprintf(&b, "  %s\n", c.rule(&f))
			break
		}
	}
	return b.String()
}

// checkRecords asks that every item names records that are there, and the kind
// of the first: a pack whose findings say otherwise does not verify.
func (c *testCase) checkRecords(t *testing.T, findings []evidence.Finding) {
	t.Helper()
	for _, f := range findings {
		for _, it := range f.Items {
			for i, seq := range append([]uint64{it.Seq}, it.Also...) {
				r, err := c.log.Record(t.Context(), seq)
				if err != nil {
					t.Fatalf("%s, item %s: record %d: %v", f.Test, it.Label, seq, err)
				}
				if i == 0 && r.Kind != it.Kind {
					t.Errorf("%s: item %s says that record %d is %s, it is %s", f.Test, it.Label, seq, it.Kind, r.Kind)
				}
			}
		}
	}
}

// shunned reports whether another finding of the test is meant: that of the
// control a scope statement of the scene names.
func (c *testCase) shunned(f *evidence.Finding, findings []evidence.Finding) bool {
	stated := func(x evidence.Finding) bool {
		return x.Test == f.Test && slices.ContainsFunc(c.in.Scope, func(s ScopeStatement) bool { return s.Control == x.Control })
	}
	return !stated(*f) && slices.ContainsFunc(findings, stated)
}

// rule is the summary without what the control's law adds to it: cases are
// about tests, and stay when controls come and go.
func (c *testCase) rule(f *evidence.Finding) string {
	ctl, ok := c.in.Catalog.Control(f.Control)
	if !ok {
		return f.Summary
	}
	judged := f.Period
	if !c.in.Now.IsZero() && c.in.Now.Before(judged.To) {
		judged.To = c.in.Now
	}
	return strings.TrimSuffix(f.Summary, ctl.forceNote(judged))
}

func mustLoad(t testing.TB) *Catalog {
	t.Helper()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parseCase(t testing.TB, scene string, cat *Catalog) *testCase {
	t.Helper()
	name := "tenant-7"
	if rest, ok := strings.CutPrefix(strings.TrimSpace(scene), "tenant "); ok {
		name, scene, _ = strings.Cut(rest, "\n")
	}
	tenant, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	c := &testCase{log: evidencetest.NewLog(tenant)}
	c.in = Input{Reader: c.log, Catalog: cat, Period: evidence.Period{From: at(t, "01T00:00"), To: at(t, "30T00:00")}}
	for n, line := range strings.Split(scene, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := c.line(t, line); err != nil {
			t.Fatalf("scene line %d: %v", n+1, err)
		}
	}
	return c
}

// at reads DDTHH:MM[:SS] of November 2026, with month or year and month before
// it where it is another one.
func at(t testing.TB, s string) time.Time {
	t.Helper()
	layout := "2006-01-02T15:04"
	if strings.Count(s, ":") == 2 {
		layout += ":05"
	}
	date := []string{"2026-11-", "2026-", ""}[strings.Count(s, "-")]
	x, err := time.Parse(layout, date+s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func (c *testCase) line(t testing.TB, line string) error {
	w := strings.Fields(line)
	switch w[0] {
	case "period":
		c.in.Period = evidence.Period{From: at(t, w[1]), To: at(t, w[2])}
		if len(w) > 3 {
			c.in.Now = at(t, w[3])
		}
	case "tests":
		c.tests = w[1:]
	case "configured":
		if c.in.Configured == nil {
			c.in.Configured = map[evidence.Kind][]evidence.SourceID{}
		}
		for _, s := range w[2:] {
			c.in.Configured[evidence.Kind(w[1])] = append(c.in.Configured[evidence.Kind(w[1])], evidence.SourceID(s))
		}
	case "uncollectable":
		c.in.Collectable = map[evidence.Kind]bool{}
		for _, k := range evidence.Kinds() {
			c.in.Collectable[k.Kind] = !slices.Contains(w[1:], string(k.Kind))
		}
	case "scope":
		c.in.Scope = append(c.in.Scope, ScopeStatement{Control: evidence.ControlID(w[1]), From: at(t, w[2]), By: w[3], ApprovedBy: w[4]})
	case "cover":
		p := evidence.Period{From: at(t, w[3]), To: at(t, w[4])}
		c.log.Cover(evidence.SourceID(w[1]), evidence.Class(w[2]), p, strings.Join(w[6:], " "), kindsOf(w[5])...)
	case "looks":
		every, err := time.ParseDuration(w[2])
		if err != nil {
			return err
		}
		var looks []time.Time
		for x := at(t, w[3]); !x.After(at(t, w[4])); x = x.Add(every) {
			looks = append(looks, x)
		}
		c.log.CoverLooks(evidence.SourceID(w[1]), looks, kindsOf(w[5])...)
	case "link", "unlink":
		c.log.LinkPeople(at(t, w[1]), person(w[2]), person(w[3]), person(w[4]), w[0] == "unlink")
	default:
		return c.record(t, line)
	}
	return nil
}

func kindsOf(s string) []evidence.Kind {
	var ks []evidence.Kind
	for _, k := range strings.Split(s, ",") {
		ks = append(ks, evidence.Kind(k))
	}
	return ks
}

func (c *testCase) record(t testing.TB, line string) error {
	head, rest, ok := strings.Cut(line, "{")
	if !ok {
		return fmt.Errorf("no facts in %q", line)
	}
	dec := json.NewDecoder(strings.NewReader("{" + shas(rest)))
	var facts json.RawMessage
	if err := dec.Decode(&facts); err != nil {
		return err
	}
	tail := ("{" + shas(rest))[dec.InputOffset():]
	var people []evidence.Person
	var text []byte
	for _, p := range strings.Fields(tail) {
		if s, ok := strings.CutPrefix(p, "text:"); ok {
			text = []byte(s)
			continue
		}
		people = append(people, person(p))
	}
	w := strings.Fields(head)
	when := at(t, w[2])
	d := evidencetest.DraftFor(evidence.Kind(w[0]), evidence.Op(w[1]), when, []byte(facts), people...)
	d.Text = text
	lost := ""
	for _, o := range w[3:] {
		k, v, _ := strings.Cut(o, "=")
		switch k {
		case "source":
			d.Source = evidence.SourceID(v)
		case "basis":
			d.Basis = evidence.Basis(v)
		case "notbefore":
			d.NotBefore = at(t, v)
		case "observed":
			d.ObservedAt = at(t, v)
		case "lost":
			lost = v
		case "actor":
			d.ActorScope = []evidence.Ref{evidence.NewRef("tenant", "", v)}
		default:
			return fmt.Errorf("unknown option %q", o)
		}
	}
	r := c.log.AddDraft(d)
	if lost != "" {
		c.log.CloseText(r.Seq, lost)
	}
	return nil
}

// shas replaces each "@A" by the commit id that stands for A.
func shas(s string) string {
	parts := strings.Split(s, `"@`)
	for i := 1; i < len(parts); i++ {
		name, rest, _ := strings.Cut(parts[i], `"`)
		parts[i] = `"` + sha(name) + `"` + rest
	}
	return strings.Join(parts, "")
}

// sha makes a commit id that begins with the name in hex.
func sha(name string) string {
	s := fmt.Sprintf("%x", name)
	return s + strings.Repeat("0", 40-len(s))
}

func person(s string) evidence.Person {
	parts := strings.SplitN(s, "/", 3)
	id, opts, _ := strings.Cut(parts[2], ",")
	realm, native, _ := strings.Cut(id, "|")
	p := evidence.Person{Role: evidence.Role(parts[0]), Proof: evidence.Proof(parts[1]), Realm: realm, NativeID: native}
	for _, o := range strings.Split(opts, ",") {
		k, v, _ := strings.Cut(o, "=")
		switch k {
		case "login":
			p.Names.Login = v
		case "mail":
			p.Names.Mail = v
		case "bot":
			p.Names.Bot = true
		case "shared":
			p.Names.Shared = true
		}
	}
	return p
}

// assess runs a case's scene.
func (c *testCase) assess(ctx context.Context) (map[string]evidence.Finding, error) {
	findings, _, err := Assess(ctx, c.in)
	by := map[string]evidence.Finding{}
	for _, f := range findings {
		by[f.Test] = f
	}
	return by, err
}
