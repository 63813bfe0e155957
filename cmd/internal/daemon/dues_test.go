package daemon

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/alert"
	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/mappings"
)

// A limit that is over is a finding, and one alert: that of its clock. When the
// incident is closed and the period is over, the finding ends, and its record says
// that there was nothing to judge any more.
func TestOneAlertForAClock(t *testing.T) {
	clock, src := &testClock{begin}, &testSource{}
	e := newEngine(t, clock, src)
	src.emit = []evidence.Draft{mergeDraft("acme/one", 1, clock.t.Add(-time.Minute), true)}
	if _, err := e.Collect(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	tenant := mustTenant(t, "tenant-1")
	verdict := func() *mappings.Standing {
		t.Helper()
		judgeNow(t, e)
		r, err := e.Reader(t.Context(), tenant)
		if err != nil {
			t.Fatal(err)
		}
		all, _, err := mappings.Standings(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(all, func(s mappings.Standing) bool { return s.Test == "incident-nis2-notices" }); i >= 0 {
			return &all[i]
		}
		return nil
	}
	if s := verdict(); s != nil {
		t.Fatalf("before anything was declared: %+v", s.FindingFacts)
	}
	aware := begin.Add(time.Hour)
	clock.t = aware
	declare(t, e, "inc1", aware, `{"reporter": {"roles": ["operator"], "state": "DE"}}`)
	if s := verdict(); s != nil {
		t.Errorf("while every limit lies ahead: %+v", s.FindingFacts)
	}
	clock.t = aware.Add(30 * time.Hour)
	s := verdict()
	if s == nil || s.Status != evidence.NotSatisfied || s.Population != 1 {
		t.Fatalf("after the early warning was due: %+v", s)
	}
	ds, err := e.deadlines(t.Context(), tenant, e.Now())
	if err != nil {
		t.Fatal(err)
	}
	if n := slices.IndexFunc(ds, func(d alert.Deadline) bool { return d.Key == "inc1/nis2.early" && d.Due.Before(e.Now()) }); n < 0 {
		t.Errorf("the clock does not alert: %+v", ds)
	}
	other := evidence.FindingFacts{Test: "incident-nis2-recipients", Status: evidence.NotSatisfied}
	unsure := s.FindingFacts
	unsure.Status = evidence.Undetermined
	unused := evidence.FindingFacts{Test: "infra-policy", Status: evidence.NotObserved, Reason: evidence.ReasonNotConfigured, Uncovered: []evidence.Unseen{{Kind: evidence.InfraRun}}}
	if left := toAlert(e.catalog, []evidence.FindingFacts{s.FindingFacts, other, unsure, unused}); len(left) != 2 || left[0].Test != other.Test || left[1].Status != evidence.Undetermined {
		t.Errorf("alerted beside the clock: %+v", left)
	}

	who := incident.Who{By: "uid 1000", Reason: "so it was"}
	if _, err := e.Act(t.Context(), tenant, func(r evidence.Reader) ([]evidence.Draft, error) {
		inc, err := incident.Load(t.Context(), r, "inc1")
		if err != nil {
			return nil, err
		}
		d, err := inc.Close(who, clock.t, false, []string{"nis2.early"}, clock.t)
		return []evidence.Draft{d}, err
	}); err != nil {
		t.Fatal(err)
	}
	clock.t = clock.t.Add(40 * 24 * time.Hour)
	src.emit = nil
	if _, err := e.Collect(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	if s := verdict(); s != nil {
		t.Errorf("long after it was closed: %+v", s.FindingFacts)
	}
	r, err := e.Reader(t.Context(), tenant)
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for rec, err := range r.Records(t.Context(), evidence.Query{Kinds: []evidence.Kind{evidence.FindingState}, Op: evidence.OpEnd, BySeq: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(rec.Subject.Name, "/incident-nis2-notices") {
			said = string(rec.Facts)
		}
	}
	if !strings.Contains(said, "nothing is on record any more that it could judge") {
		t.Errorf("the end of the finding says %s", said)
	}
}

// The limits of notices are told before and while they are over, whether the
// incident is open or closed: once, and no longer when the notice is on record,
// the duty fell away, or what is judged lies behind it.
func TestLimitsAreTold(t *testing.T) {
	aware := begin.Add(time.Hour)
	who := incident.Who{By: "uid 1000", Reason: "so it was"}
	type act func(inc *incident.Incident, now time.Time) (evidence.Draft, error)
	shut := func(inc *incident.Incident, now time.Time) (evidence.Draft, error) {
		return inc.Close(who, now, false, []string{"nis2.early"}, now)
	}
	reopen := func(inc *incident.Incident, now time.Time) (evidence.Draft, error) {
		return inc.Close(who, now, true, nil, now)
	}
	decide := func(what string) act {
		return func(inc *incident.Incident, now time.Time) (evidence.Draft, error) {
			return inc.Decide(who, evidence.IncidentDecisionFacts{Law: "nis2", Procedure: what, Decision: what, At: now, Inputs: []byte("{}")}, now)
		}
	}
	notice := func(what, reference string) act {
		return func(inc *incident.Incident, now time.Time) (evidence.Draft, error) {
			return inc.Notify(who, evidence.IncidentNoticeFacts{Stage: "nis2.early", Act: what, At: now, Reference: reference}, now)
		}
	}
	sent, receipt := notice(incident.NoticeSent, ""), notice(incident.NoticeReceipt, "A1")
	type step struct {
		at   time.Duration // after awareness
		do   act           // nil: the clock alone goes on
		want string
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"closed early", []step{{10 * time.Hour, shut, ""}, {19 * time.Hour, nil, "firing warning"}, {20 * time.Hour, nil, ""}, {24 * time.Hour, nil, "firing critical"}, {25 * time.Hour, nil, ""}, {300 * time.Hour, nil, ""}}},
		{"closed while it is told", []step{{19 * time.Hour, nil, "firing warning"}, {20 * time.Hour, shut, ""}, {24 * time.Hour, nil, "firing critical"}}},
		{"missed, and closed then", []step{{25 * time.Hour, nil, "firing critical"}, {26 * time.Hour, shut, ""}, {40 * 24 * time.Hour, nil, "resolved critical"}}},
		{"closed and opened again", []step{{10 * time.Hour, shut, ""}, {19 * time.Hour, nil, "firing warning"}, {20 * time.Hour, reopen, ""}, {24 * time.Hour, nil, "firing critical"}, {40 * 24 * time.Hour, nil, ""}}},
		{"sent on a closed incident, with its receipt", []step{{10 * time.Hour, shut, ""}, {25 * time.Hour, nil, "firing critical"}, {26 * time.Hour, sent, ""}, {27 * time.Hour, receipt, "resolved critical"}}},
		{"sent in time, and the receipt is owed", []step{{10 * time.Hour, sent, ""}, {11 * time.Hour, shut, ""}, {19 * time.Hour, nil, "firing warning"}, {25 * time.Hour, nil, ""}, {178 * time.Hour, nil, "firing critical"}, {179 * time.Hour, receipt, "resolved critical"}}},
		{"classified otherwise", []step{{19 * time.Hour, nil, "firing warning"}, {20 * time.Hour, decide("not-significant"), "resolved warning"}, {25 * time.Hour, nil, ""}, {26 * time.Hour, decide("significant"), "firing critical"}}},
		{"not significant, and closed", []step{{10 * time.Hour, decide("not-significant"), ""}, {11 * time.Hour, shut, ""}, {25 * time.Hour, nil, ""}}},
		{"sent without a receipt, and not significant then", []step{{10 * time.Hour, sent, ""}, {19 * time.Hour, nil, "firing warning"}, {20 * time.Hour, decide("not-significant"), "resolved warning"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clock, src := &testClock{begin}, &testSource{}
			e := newEngine(t, clock, src)
			src.emit = []evidence.Draft{mergeDraft("acme/one", 1, clock.t.Add(-time.Minute), true)}
			if _, err := e.Collect(t.Context(), "", false); err != nil {
				t.Fatal(err)
			}
			tenant := mustTenant(t, "tenant-1")
			clock.t = aware
			declare(t, e, "inc1", aware, `{"reporter": {"roles": ["operator"], "state": "DE"}}`)
			board, err := alert.Open(alert.Options{File: filepath.Join(t.TempDir(), "alerts.json"), Destinations: []string{"x"}})
			if err != nil {
				t.Fatal(err)
			}
			a := &alerts{board: board}
			for _, s := range tt.steps {
				clock.t = aware.Add(s.at)
				if s.do != nil {
					if _, err := e.Act(t.Context(), tenant, func(r evidence.Reader) ([]evidence.Draft, error) {
						inc, err := incident.Load(t.Context(), r, "inc1")
						if err != nil {
							return nil, err
						}
						d, err := s.do(inc, clock.t)
						return []evidence.Draft{d}, err
					}); err != nil {
						t.Fatal(err)
					}
				}
				e.dateAlerts(t.Context(), a, clock.t)
				var told []string
				for range 2 { // the second time nothing is new
					if _, err := board.Step(clock.t); err != nil {
						t.Fatal(err)
					}
					m := board.For("x", clock.t)
					for _, x := range m.Changed {
						if x.Cause.Key == "inc1/nis2.early" {
							told = append(told, string(x.State)+" "+string(x.Severity))
						}
					}
					if err := board.Told("x", m); err != nil {
						t.Fatal(err)
					}
				}
				if got := strings.Join(told, ", "); got != s.want {
					t.Errorf("%s after awareness: told %q, want %q", s.at, got, s.want)
				}
			}
		})
	}
}
