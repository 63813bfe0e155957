package daemon

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/reports"
)

// declare begins an incident of tenant-1 as if now were at.
func declare(t *testing.T, e *Engine, id string, at time.Time, fields string) {
	t.Helper()
	p, err := incident.ParsePatch([]byte(fields))
	if err != nil {
		t.Fatal(err)
	}
	who := incident.Who{By: "uid 1000", Reason: "called by zuzanna"}
	_, err = e.Act(t.Context(), mustTenant(t, "tenant-1"), func(evidence.Reader) ([]evidence.Draft, error) {
		return incident.Declare(id, who, evidence.IncidentDeclaredFacts{}, p, nil, at)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Act(t.Context(), mustTenant(t, "tenant-1"), func(r evidence.Reader) ([]evidence.Draft, error) {
		inc, err := incident.Load(t.Context(), r, id)
		if err != nil {
			return nil, err
		}
		d, err := inc.BecomeAware(who, "nis2", at, nil, at)
		return []evidence.Draft{d}, err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// storyOf is what the document of a pack tells beside registers and coverage.
func storyOf(t *testing.T, e *Engine, period evidence.Period, pseudonymous bool) *reports.PackDoc {
	t.Helper()
	b, err := e.newPackBuild(t.Context(), api.PackRequest{Tenant: mustTenant(t, "tenant-1"), Period: period, Pseudonymous: pseudonymous, Progress: func(_, _ uint64) {}})
	if err != nil {
		t.Fatal(err)
	}
	doc := &reports.PackDoc{}
	b.describeControls(doc)
	if err := b.story(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// A pack tells the period: acts one by one, incidents with their clocks, and
// what was drawn of each population. One that withholds names tells none.
func TestPackTellsThePeriod(t *testing.T) {
	e, _, _ := makePackBytes(t)
	now := e.Now()
	declare(t, e, "open1", now.Add(-time.Hour), `{"identity": {"reference": "INC-7"}, "reporter": {"roles": ["operator"], "state": "DE"}}`)
	if err := e.Local().Store.CheckpointAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	period := evidence.Period{From: begin.Add(24 * time.Hour), To: now.Add(time.Minute)}
	doc := storyOf(t, e, period, false)

	if len(doc.Incidents) != 1 || doc.Incidents[0].Reference != "INC-7" || !doc.Incidents[0].Closed.IsZero() {
		t.Fatalf("incidents: %+v", doc.Incidents)
	}
	clocks := map[string]reports.PackClock{}
	for _, k := range doc.Incidents[0].Clocks {
		clocks[k.Stage] = k
	}
	if k := clocks["nis2.early"]; !k.Open || k.State != "running" || !k.Safe.Equal(now.Add(23*time.Hour)) {
		t.Errorf("the early warning is %+v, want it running until %s", k, now.Add(23*time.Hour))
	}
	told := map[bool]string{}
	for _, withheld := range []bool{false, true} {
		d := doc
		if withheld {
			d = storyOf(t, e, period, true)
		}
		b, err := json.Marshal(d.Timeline)
		if err != nil {
			t.Fatal(err)
		}
		told[withheld] = string(b)
		if d.Timeline.Records < 20 || len(d.Timeline.Lanes) == 0 {
			t.Errorf("withheld %t: %d records told of %d sources", withheld, d.Timeline.Records, len(d.Timeline.Lanes))
		}
		if !strings.Contains(told[withheld], "incident open1 was declared") {
			t.Errorf("withheld %t: the incident is not in the timeline", withheld)
		}
	}
	for _, name := range []string{"zuzanna", "éloïse", "change number"} {
		if name != "zuzanna" && !strings.Contains(told[false], name) { // who only opened a change is not told

			t.Errorf("the timeline does not tell %q", name)
		}
		if strings.Contains(told[true], name) {
			t.Errorf("the timeline of a pack without names tells %q", name)
		}
	}
	drawn := 0
	for _, c := range doc.Controls {
		if len(c.Samples) != len(c.Findings) {
			t.Fatalf("%s has %d samples of %d findings", c.ID, len(c.Samples), len(c.Findings))
		}
		for i, s := range c.Samples {
			if (s != "") != (len(c.Findings[i].Items) > 0) {
				t.Errorf("%s/%s with %d items says %q of its sample", c.ID, c.Findings[i].Test, len(c.Findings[i].Items), s)
			}
			if s != "" {
				drawn++
				if !strings.Contains(s, "seed under the operator's control") || !strings.Contains(s, "records ") {
					t.Errorf("%s says of its sample %q", c.ID, s)
				}
				if len(c.Findings[i].Items) == 1 && strings.Contains(s, "confidence") {
					t.Errorf("%s concludes from the only item on others: %q", c.ID, s)
				}
			}
		}
	}
	if drawn == 0 {
		t.Error("no sample is told")
	}
	// A period before it was declared knows nothing of the incident.
	if before := storyOf(t, e, evidence.Period{From: begin.Add(24 * time.Hour), To: begin.Add(40 * time.Hour)}, false); len(before.Incidents) != 0 {
		t.Errorf("a period before it knows the incident: %+v", before.Incidents)
	}
}
