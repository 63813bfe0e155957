package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/mappings/deadline"
	"evidenced/reports/today"
)

// dues are what an incident of tenant-1 asks for, as lines.
func dues(t *testing.T, e *Engine, now time.Time, until time.Time) []string {
	t.Helper()
	r, err := e.Reader(t.Context(), mustTenant(t, "tenant-1"))
	if err != nil {
		t.Fatal(err)
	}
	in := &today.Input{Reader: r, Now: now}
	var out []string
	for _, d := range e.Dues() {
		ds, err := d(t.Context(), in, until)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range ds {
			if x.What != "incident" || len(x.Seqs) != 1 {
				t.Errorf("%+v is no incident's", x)
			}
			out = append(out, evidence.FormatTime(x.At)+" "+x.Says)
		}
	}
	return out
}

// A day tells the clocks of open incidents: at their safe limit, then at the
// latest, a missing receipt until it is there, of one that is closed its limits
// alone, and nothing of another tenant.
func TestDuesOfIncidents(t *testing.T) {
	clock, src := &testClock{begin}, &testSource{}
	e := newEngine(t, clock, src)
	src.emit = []evidence.Draft{mergeDraft("acme/one", 1, clock.t.Add(-time.Minute), true)}
	if _, err := e.Collect(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	tenant := mustTenant(t, "tenant-1")
	aware := begin.Add(time.Hour)
	clock.t = aware
	declare(t, e, "inc1", aware, `{"reporter": {"roles": ["operator", "controller"], "state": "DE"}}`)
	if got := dues(t, e, aware, aware.Add(today.Horizon)); !cmp.Equal(got, []string{
		"2026-11-02T09:00:00Z incident inc1: nis2.early (NIS-2 Art 23(4)(a)) must be sent",
		"2026-11-04T09:00:00Z incident inc1: nis2.notification (NIS-2 Art 23(4)(b)) must be sent",
		"2026-11-01T09:00:00Z incident inc1: nobody has declared since when the entity is aware for gdpr, and its limits run from then",
	}) {
		t.Errorf("at awareness:\n%s", strings.Join(got, "\n"))
	}
	if got := dues(t, e, aware, aware.Add(30*time.Hour)); len(got) != 2 {
		t.Errorf("until 30 h later: %q", got)
	}
	act := func(do func(inc *incident.Incident) (evidence.Draft, error)) {
		t.Helper()
		_, err := e.Act(t.Context(), tenant, func(r evidence.Reader) ([]evidence.Draft, error) {
			inc, err := incident.Load(t.Context(), r, "inc1")
			if err != nil {
				return nil, err
			}
			d, err := do(inc)
			return []evidence.Draft{d}, err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	who := incident.Who{By: "uid 1000", Reason: "so it was"}
	later := aware.Add(25 * time.Hour)
	clock.t = later
	act(func(inc *incident.Incident) (evidence.Draft, error) {
		return inc.Notify(who, evidence.IncidentNoticeFacts{Stage: "nis2.early", Act: incident.NoticeSent, At: aware.Add(20 * time.Hour)}, later)
	})
	got := dues(t, e, later, later.Add(today.Horizon))
	if len(got) == 0 || got[0] != "2026-11-02T10:00:00Z incident inc1: nis2.early (NIS-2 Art 23(4)(a)) was sent 2026-11-02T05:00:00Z and has no receipt" {
		t.Errorf("after it was sent: %q", got)
	}
	if got := dues(t, e, aware.Add(80*time.Hour), aware.Add(80*time.Hour+today.Horizon)); len(got) < 2 || !strings.HasPrefix(got[1], "2026-11-04T09:00:00Z incident inc1: nis2.notification") || !strings.Contains(got[1], "its safe limit was") {
		t.Errorf("after the limit: %q", got)
	}
	act(func(inc *incident.Incident) (evidence.Draft, error) { return inc.Close(who, later, false, nil, later) })
	if got := dues(t, e, later, later.Add(today.Horizon)); !cmp.Equal(got, []string{
		"2026-11-02T10:00:00Z incident inc1: nis2.early (NIS-2 Art 23(4)(a)) was sent 2026-11-02T05:00:00Z and has no receipt",
		"2026-11-04T09:00:00Z incident inc1: nis2.notification (NIS-2 Art 23(4)(b)) must be sent",
	}) {
		t.Errorf("of a closed incident the limits are left:\n%s", strings.Join(got, "\n"))
	}
	if end := later.Add(60 * 24 * time.Hour); len(dues(t, e, end, end.Add(today.Horizon))) != 0 {
		t.Error("a closed incident asks for something after what is judged")
	}
	r, err := e.Reader(t.Context(), mustTenant(t, "tenant-2"))
	if err != nil {
		t.Fatal(err)
	}
	if ds, err := e.clocksDue(t.Context(), &today.Input{Reader: r, Now: aware}, aware.Add(today.Horizon)); err != nil || len(ds) != 0 {
		t.Errorf("of another tenant: %+v, %v", ds, err)
	}
}

// Between safe and latest a clock is due at latest; what has no limit, and what
// is done, is told as such.
func TestIncidentDues(t *testing.T) {
	now := begin
	inc := &incident.Incident{ID: "inc1", Acts: []incident.Act{{Seq: 7}}}
	k := deadline.Clock{Stage: deadline.DORAFinal, Law: deadline.DORA, Article: "Art 5", From: now.Add(-time.Hour), Sent: now.Add(-time.Minute),
		Due: deadline.Due{Safe: now.Add(time.Hour), Latest: now.Add(20 * time.Hour)}}
	for state, want := range map[deadline.State]string{
		deadline.Running:   "2026-11-01T09:00:00Z incident inc1: dora.final (Art 5) must be sent, at the very latest by 2026-11-02T04:00:00Z",
		deadline.PastSafe:  "2026-11-02T04:00:00Z incident inc1: dora.final (Art 5) must be sent; its safe limit was 2026-11-01T09:00:00Z",
		deadline.Overdue:   "2026-11-02T04:00:00Z incident inc1: dora.final (Art 5) must be sent; its safe limit was 2026-11-01T09:00:00Z",
		deadline.Owed:      "2026-11-01T08:00:00Z incident inc1: dora.final (Art 5) is owed without undue delay since 2026-11-01T07:00:00Z",
		deadline.NoReceipt: "2026-11-01T08:00:00Z incident inc1: dora.final (Art 5) was sent 2026-11-01T07:59:00Z and has no receipt",
		deadline.Waiting:   "", deadline.Met: "", deadline.MetLate: "", deadline.Void: "", deadline.OnRequest: "", deadline.Voluntary: "",
	} {
		k.State = state
		got := ""
		for _, d := range incidentDues(inc, []deadline.Clock{k}, now) {
			got += evidence.FormatTime(d.At) + " " + d.Says
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", state, got, want)
		}
	}
}
