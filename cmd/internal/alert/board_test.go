package alert

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
)

var t0 = time.Date(2026, 11, 14, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return t0.Add(d) }

func tenant(t *testing.T, name string) evidence.Tenant {
	t.Helper()
	tn, err := evidence.ParseTenant(name)
	if err != nil {
		t.Fatal(err)
	}
	return tn
}

// finding makes a verdict; change makes it another.
func finding(status evidence.Status, change ...func(*evidence.FindingFacts)) evidence.FindingFacts {
	f := evidence.FindingFacts{
		Control: "dora-art-9-4-e", Test: "chg-approved", Severity: "high", Status: status,
		Summary: "1 of 38 changes had no approval by another person.",
	}
	for _, c := range change {
		c(&f)
	}
	return f
}

func of(control, test, severity string) func(*evidence.FindingFacts) {
	return func(f *evidence.FindingFacts) {
		f.Control, f.Test, f.Severity = evidence.ControlID(control), test, severity
	}
}

func because(r evidence.Reason, ws ...evidence.Unseen) func(*evidence.FindingFacts) {
	return func(f *evidence.FindingFacts) { f.Reason, f.Uncovered = r, ws }
}

// window lasts when it ends at 0 or later.
func window(source, kind string, class evidence.Class, from, to time.Duration) evidence.Unseen {
	w := evidence.Unseen{Source: evidence.SourceID(source), Kind: evidence.Kind(kind), Class: class, From: at(from)}
	if to < 0 {
		w.To = at(to)
	}
	return w
}

type bench struct {
	t    *testing.T
	b    *Board
	file string
	o    Options
}

func newBench(t *testing.T, change ...func(*Options)) *bench {
	t.Helper()
	file := filepath.Join(t.TempDir(), "alerts.json")
	o := Options{File: file, Hold: 5 * time.Minute, Release: 5 * time.Minute, Destinations: []string{"a"},
		Freshness: func(string) time.Duration { return time.Hour }}
	for _, c := range change {
		c(&o)
	}
	x := &bench{t: t, file: file, o: o}
	x.open()
	return x
}

func (x *bench) open() {
	x.t.Helper()
	b, err := Open(x.o)
	if err != nil {
		x.t.Fatal(err)
	}
	x.b = b
}

func (x *bench) give(name string, fs ...evidence.FindingFacts) { x.b.Findings(tenant(x.t, name), fs) }

// step goes on to a moment and returns what destination a is told then.
func (x *bench) step(d time.Duration) []string {
	x.t.Helper()
	if _, err := x.b.Step(at(d)); err != nil {
		x.t.Fatal(err)
	}
	m := x.b.For("a", at(d))
	if err := x.b.Told("a", m); err != nil {
		x.t.Fatal(err)
	}
	var out []string
	for _, a := range m.Changed {
		out = append(out, fmt.Sprintf("%s %s %s: %s", a.State, a.Severity, a.Cause.Name, a.Says))
	}
	return out
}

func (x *bench) want(d time.Duration, want ...string) {
	x.t.Helper()
	if diff := cmp.Diff(want, x.step(d)); diff != "" {
		x.t.Errorf("told at +%s (-want +got):\n%s", d, diff)
	}
}

func TestCauses(t *testing.T) {
	down := []evidence.Unseen{window("vault/prod", "secret.access", evidence.Blind, -30*time.Minute, 0)}
	healed := []evidence.Unseen{window("vault/prod", "secret.access", evidence.Blind, -5*time.Hour, -3*time.Hour)}
	old := []evidence.Unseen{window("vault/prod", "secret.access", evidence.Blind, -50*time.Hour, -49*time.Hour)}
	own := Cause{Tenant: tenant(t, "tenant-7"), Test: "chg-approved"}
	named := func(name string) []Cause { c := own; c.Name = name; return []Cause{c} }
	for name, c := range map[string]struct {
		f    evidence.FindingFacts
		want []Cause
	}{
		"satisfied":         {finding(evidence.Satisfied), nil},
		"not applicable":    {finding(evidence.NotApplicable), nil},
		"failed":            {finding(evidence.NotSatisfied), named(NotSatisfied)},
		"gap":               {finding(evidence.Gap), named(Gap)},
		"undetermined":      {finding(evidence.Undetermined), named(Undetermined)},
		"no collector":      {finding(evidence.NotObserved, because(evidence.ReasonNoCollector)), nil},
		"not configured":    {finding(evidence.NotObserved, because(evidence.ReasonNotConfigured, window("", "backup.run", "", -time.Hour, 0))), []Cause{{Name: Unconfigured, Kind: "backup.run"}}},
		"too weak":          {finding(evidence.NotObserved, because(evidence.ReasonClass, window("", "secret.access", evidence.Instants, -time.Hour, 0))), []Cause{{Name: TooWeak, Kind: "secret.access"}}},
		"source down now":   {finding(evidence.NotObserved, because(evidence.ReasonSourceDown, down...)), []Cause{{Name: SourceUnseen, Source: "vault/prod", Reason: evidence.ReasonSourceDown}}},
		"source back":       {finding(evidence.NotObserved, because(evidence.ReasonSourceDown, healed...)), []Cause{{Name: BlindWindow, Source: "vault/prod", Key: "2026-11-14T09:00:00Z"}}},
		"blind long ago":    {finding(evidence.NotObserved, because(evidence.ReasonBlind, old...)), nil},
		"nobody to blame":   {finding(evidence.NotObserved, because(evidence.ReasonBlind)), []Cause{{Name: SourceUnseen, Reason: evidence.ReasonBlind, Tenant: own.Tenant, Test: own.Test}}},
		"stale by source":   {finding(evidence.Stale, func(f *evidence.FindingFacts) { f.NewestOf = "argocd/prod" }), []Cause{{Name: Stale, Source: "argocd/prod"}}},
		"stale, unnamed":    {finding(evidence.Stale), named(Stale)},
		"between two polls": {finding(evidence.Satisfied, func(f *evidence.FindingFacts) { f.Newest, f.NewestOf = at(-10*time.Minute), "argocd/prod" }), nil},
		"going stale": {finding(evidence.Satisfied, func(f *evidence.FindingFacts) { f.Newest, f.NewestOf = at(-50*time.Minute), "argocd/prod" }),
			[]Cause{{Name: GoingStale, Source: "argocd/prod"}}},
		"two kinds of one source": {finding(evidence.NotObserved, because(evidence.ReasonSourceDown, append(down, window("vault/prod", "secret.auth", evidence.Blind, -30*time.Minute, 0))...)),
			[]Cause{{Name: SourceUnseen, Source: "vault/prod", Reason: evidence.ReasonSourceDown}}},
	} {
		var got []Cause
		for _, v := range verdictsOf([]evidence.FindingFacts{c.f}) {
			got = causes(tenant(t, "tenant-7"), &v, time.Hour, t0)
		}
		if diff := cmp.Diff(c.want, got, cmp.Comparer(func(a, b evidence.Tenant) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// One outage is one alert, whatever number of tenants and controls wait for the
// source, and it is not told again when more of them notice.
func TestOneOutageIsOneAlert(t *testing.T) {
	x := newBench(t)
	down := because(evidence.ReasonSourceDown, window("vault/prod", "secret.access", evidence.Blind, -time.Hour, time.Hour))
	for i := range 300 {
		x.give(fmt.Sprintf("tenant-%d", i),
			finding(evidence.NotObserved, down, of("gdpr-art-32-1-b", "secret-access", "medium")),
			finding(evidence.NotObserved, down, of("nis2-art-21-2-i", "secret-no-root", "high")))
	}
	x.want(0)
	x.want(5*time.Minute, "firing critical EvidenceSourceUnseen: vault/prod cannot be seen now (source-down): 2 controls of tenant-0, tenant-1, tenant-10 and 297 more cannot be told")
	x.give("tenant-300", finding(evidence.NotObserved, down, of("dora-art-9-4-c", "secret-access", "high")))
	x.want(6 * time.Minute)
	if n := len(x.b.Alerts()); n != 1 {
		t.Errorf("%d alerts fire, want 1", n)
	}
	if n := len(x.b.Alerts()[0].Tenants); n != 301 {
		t.Errorf("the alert names %d tenants, want 301", n)
	}
}

func TestHoldAndRelease(t *testing.T) {
	x := newBench(t)
	down := finding(evidence.NotObserved, because(evidence.ReasonSourceDown, window("vault/prod", "secret.access", evidence.Blind, -time.Hour, time.Hour)))
	const says = "EvidenceSourceUnseen: vault/prod cannot be seen now (source-down): 1 control of tenant-7 cannot be told"
	x.give("tenant-7", down)
	x.want(0)
	x.give("tenant-7", finding(evidence.Satisfied))
	x.want(4 * time.Minute) // shorter than the hold: nobody hears of it
	x.give("tenant-7", down)
	x.want(10 * time.Minute)
	x.want(15*time.Minute, "firing critical "+says)
	x.give("tenant-7", finding(evidence.Satisfied))
	x.want(16 * time.Minute)
	x.give("tenant-7", down)
	x.want(17 * time.Minute) // it was away for a moment
	x.give("tenant-7", finding(evidence.Satisfied))
	x.want(20 * time.Minute)
	x.want(25*time.Minute, "resolved critical "+says)
	x.want(26 * time.Minute)
	if _, err := x.b.Step(at(27 * time.Minute)); err != nil || len(x.b.alerts) != 0 {
		t.Errorf("%d alerts are kept after all were told, err %v", len(x.b.alerts), err)
	}
}

func TestFailureIsToldAtOnceAndEscalates(t *testing.T) {
	x := newBench(t)
	x.give("tenant-7", finding(evidence.NotSatisfied, of("nis2-art-21-2-e", "chg-approved", "medium")))
	x.want(0, "firing warning ControlNotSatisfied: tenant-7: 1 of 38 changes had no approval by another person")
	x.give("tenant-7", finding(evidence.NotSatisfied, of("nis2-art-21-2-e", "chg-approved", "medium")), finding(evidence.NotSatisfied))
	x.want(time.Minute, "firing critical ControlNotSatisfied: tenant-7: 1 of 38 changes had no approval by another person")
	x.give("tenant-7", finding(evidence.NotSatisfied, of("nis2-art-21-2-e", "chg-approved", "medium")))
	x.want(2 * time.Minute) // it does not become milder while it fires
}

// A restart tells nothing twice, and takes nothing for healed before the
// tenants it touched were judged again.
func TestRestart(t *testing.T) {
	x := newBench(t)
	failed := finding(evidence.NotSatisfied)
	x.give("tenant-7", failed)
	x.give("tenant-8", finding(evidence.Satisfied))
	x.want(0, "firing critical ControlNotSatisfied: tenant-7: 1 of 38 changes had no approval by another person")
	for i := range 20 {
		x.open()
		x.want(time.Duration(10+i) * time.Minute) // nobody was judged yet
		x.give("tenant-8", finding(evidence.Satisfied))
		x.want(time.Duration(11+i) * time.Minute)
	}
	x.give("tenant-7", failed)
	x.want(time.Hour)
	x.open()
	x.give("tenant-7", finding(evidence.Satisfied))
	x.want(2 * time.Hour)
	x.open() // between the two, it knows since when the cause is away
	x.give("tenant-7", finding(evidence.Satisfied))
	x.want(2*time.Hour+5*time.Minute, "resolved critical ControlNotSatisfied: tenant-7: 1 of 38 changes had no approval by another person")
}

func TestTenantThatIsGone(t *testing.T) {
	x := newBench(t)
	x.give("tenant-7", finding(evidence.NotSatisfied))
	x.want(0, "firing critical ControlNotSatisfied: tenant-7: 1 of 38 changes had no approval by another person")
	x.o.Known = func(evidence.Tenant) bool { return false }
	x.open()
	x.want(time.Minute)
	x.want(6*time.Minute, "resolved critical ControlNotSatisfied: tenant-7: 1 of 38 changes had no approval by another person")
}

func TestSeverityLimit(t *testing.T) {
	x := newBench(t, func(o *Options) { o.Least = Warning })
	x.give("tenant-7", finding(evidence.Gap, of("gdpr-art-5-1-e", "backup-expired", "low")))
	x.want(0)
	x.give("tenant-7", finding(evidence.Gap, of("gdpr-art-5-1-e", "backup-expired", "medium")))
	x.want(time.Minute, "firing warning ControlGap: tenant-7: 1 of 38 changes had no approval by another person")
}

func TestDeadlines(t *testing.T) {
	x := newBench(t)
	seven := tenant(t, "tenant-7")
	d := Deadline{Name: DueSoon, Late: Critical, Key: "inc-1/dora.initial", Says: "incident inc-1: the initial notification is due at 13:40", Warn: at(time.Hour), Due: at(2 * time.Hour), Severity: Warning}
	x.b.Deadlines(seven, []Deadline{d})
	x.want(0)
	x.want(time.Hour, "firing warning NotificationDeadline: tenant-7: incident inc-1: the initial notification is due at 13:40")
	x.want(2*time.Hour, "firing critical NotificationDeadline: tenant-7: incident inc-1: the initial notification is due at 13:40")
	x.b.Deadlines(seven, nil)
	x.step(2*time.Hour + time.Minute)
	got := x.step(3 * time.Hour)
	if len(got) != 1 || !strings.HasPrefix(got[0], "resolved critical NotificationDeadline") {
		t.Errorf("told %q, want that the passed deadline is over", got)
	}
}

// What came and went before a destination could be told is not told at all;
// what fired and ended while it was away is.
func TestDestinationThatWasAway(t *testing.T) {
	x := newBench(t)
	x.give("tenant-7", finding(evidence.NotSatisfied))
	if _, err := x.b.Step(t0); err != nil {
		t.Fatal(err)
	}
	x.give("tenant-7", finding(evidence.Satisfied))
	for _, d := range []time.Duration{time.Minute, time.Hour, 2 * time.Hour} {
		if _, err := x.b.Step(at(d)); err != nil {
			t.Fatal(err)
		}
	}
	x.want(3 * time.Hour)
	x.want(4 * time.Hour)
	if len(x.b.alerts) != 0 {
		t.Errorf("%d alerts are kept", len(x.b.alerts))
	}
}

func TestFileThatCannotBeRead(t *testing.T) {
	for name, text := range map[string]string{
		"cut":     `{"format":1,"alerts":[`,
		"format":  `{"format":2}`,
		"null":    `{"format":1,"alerts":[null]}`,
		"foreign": `{"format":1,"alerts":[{"id":"0123","cause":{"name":"ControlGap"},"state":"firing"}]}`,
	} {
		file := filepath.Join(t.TempDir(), "alerts.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Options{File: file})
		if err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: got error %v, want one that names the file", name, err)
		}
	}
}

// What cannot be kept is said, and alerts go on.
func TestFileThatCannotBeKept(t *testing.T) {
	x := newBench(t)
	if err := os.Mkdir(x.file+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	x.give("tenant-7", finding(evidence.NotSatisfied))
	news, err := x.b.Step(t0)
	if err == nil || !news {
		t.Errorf("got news %t and error %v, want both", news, err)
	}
	if err := os.Remove(x.file + ".new"); err != nil {
		t.Fatal(err)
	}
	x.want(time.Minute, "firing critical ControlNotSatisfied: tenant-7: 1 of 38 changes had no approval by another person")
	info, err := os.Stat(x.file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, err %v; want it there with mode 0600", info, err)
	}
}

func TestOrder(t *testing.T) {
	x := newBench(t)
	x.give("tenant-7",
		finding(evidence.Gap, of("a-b", "t-low", "low")),
		finding(evidence.Gap, of("a-b", "t-high", "high")),
		finding(evidence.Gap, of("a-b", "t-mid", "medium")))
	x.step(0)
	var got []string
	for _, a := range x.b.Alerts() {
		got = append(got, a.Cause.Test)
	}
	if want := []string{"t-high", "t-mid", "t-low"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func BenchmarkStep(b *testing.B) {
	board, err := Open(Options{File: filepath.Join(b.TempDir(), "alerts.json"), Destinations: []string{"a"}})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		tn, err := evidence.ParseTenant(fmt.Sprintf("tenant-%d", i))
		if err != nil {
			b.Fatal(err)
		}
		var fs []evidence.FindingFacts
		for j := range 100 {
			status := evidence.Satisfied
			if (i+j)%50 == 0 {
				status = evidence.NotSatisfied
			}
			fs = append(fs, finding(status, of("dora-art-9-4-e", fmt.Sprintf("test-%d", j), "high")))
		}
		board.Findings(tn, fs)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := board.Step(at(time.Duration(i) * time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
}

// A clock that is set back lets nothing wait for the time it showed: what was
// pending fires, what ended ends, and no alert ends before it begins.
func TestClockSetBack(t *testing.T) {
	x := newBench(t)
	stale := finding(evidence.Stale, func(f *evidence.FindingFacts) { f.NewestOf = "argocd/prod" })
	x.give("tenant-7", stale)
	x.want(10 * time.Hour)
	x.open() // after a restart, seven hours earlier by the clock
	x.give("tenant-7", stale)
	x.want(3 * time.Hour)
	x.want(3*time.Hour+5*time.Minute, "firing critical EvidenceStale: the newest look at argocd/prod is too old for 1 control of tenant-7")
	x.give("tenant-7", finding(evidence.Satisfied))
	x.want(time.Hour)
	x.want(time.Hour+5*time.Minute, "resolved critical EvidenceStale: the newest look at argocd/prod is too old for 1 control of tenant-7")
	for _, a := range x.b.alerts {
		sent := toAlertmanager(a, a.Ended)
		if sent.EndsAt.Before(sent.StartsAt) {
			t.Errorf("it ends at %s, before it begins at %s", sent.EndsAt, sent.StartsAt)
		}
	}
}
