package daemon

import (
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
