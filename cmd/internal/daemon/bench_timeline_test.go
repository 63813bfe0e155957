package daemon

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
	"evidenced/reports/timeline"
	"evidenced/store"
)

// years fills one tenant's log with so many records a day, and the daily word
// of what was seen.
func years(b *testing.B, records, perDay int) (*store.Log, time.Time) {
	b.Helper()
	e, _, ts := fleet(b, 1, 0)
	log, err := e.local.Store.Log(ts[0])
	if err != nil {
		b.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	add := func(items []store.Item) {
		if _, err := log.Append(context.Background(), items); err != nil {
			b.Fatal(err)
		}
	}
	for n := 0; n < records; {
		items := make([]store.Item, 0, 2000)
		for ; n < records && len(items) < cap(items); n++ {
			items = append(items, month(rnd, n, perDay*judgeDays))
		}
		add(items)
	}
	for day := judgeDays; day < records/perDay; day++ { // those before are there
		add([]store.Item{coverageOf(day)})
	}
	if err := log.CaughtUp(context.Background()); err != nil {
		b.Fatal(err)
	}
	return log, begin.Add(time.Duration(records/perDay) * 24 * time.Hour)
}

// BenchmarkTimelineDay measures the timeline of one day, grouped and written
// for a terminal, near the begin, in the middle and at the end of the logs of
// tenants that differ in how long they have been there.
//
//	EVIDENCED_TIMELINE_RECORDS=2000000 EVIDENCED_TIMELINE_DAY=10000 go test -bench TimelineDay ./cmd/internal/daemon
func BenchmarkTimelineDay(b *testing.B) {
	records, perDay := judgeSize("EVIDENCED_TIMELINE_RECORDS", 200_000), judgeSize("EVIDENCED_TIMELINE_DAY", 10_000)
	log, end := years(b, records, perDay)
	days := records / perDay
	for _, day := range []int{1, days / 2, days - 1} {
		p := evidence.Period{From: begin.Add(time.Duration(day) * 24 * time.Hour)}
		p.To = p.From.Add(24 * time.Hour)
		if p.To.After(end) {
			b.Fatalf("%d days are too few", days)
		}
		b.Run(fmt.Sprintf("of-%d-days/day-%d", days, day), func(b *testing.B) {
			var took []time.Duration
			lines, cpu := 0, cpuTime(b)
			for b.Loop() {
				begun := time.Now()
				lines = 0
				snap := log.Snapshot()
				counted := func(yield func(timeline.Line, error) bool) {
					for l, err := range timeline.Build(context.Background(), snap, p, timeline.Options{}) {
						lines++
						if !yield(l, err) {
							return
						}
					}
				}
				if err := timeline.Text(io.Discard, timeline.HeadOf(snap, p), timeline.Group(counted), reports.Style{}); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(begun))
			}
			if lines < perDay*95/100 { // a state that is as before leaves no record
				b.Fatalf("%d lines of a day of %d records", lines, perDay)
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-slowest")
			b.ReportMetric((cpuTime(b)-cpu).Seconds()*1000/float64(len(took)), "cpu-ms/day")
		})
	}
}
