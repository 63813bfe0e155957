package mappings

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/robfig/cron/v3"

	"evidenced/evidence"
)

var schedulesView = &view{
	View: View{
		Name: "backup_schedules",
		Doc: "Backup schedules: one item for each that existed in the period, with the gap between its completed backups that is " +
			"longest against its own interval. A backup counts from its start, once it is completed without an error and with all its volumes. " +
			"Time in which a schedule is paused counts too.",
		Kinds: []evidence.Kind{evidence.BackupSchedule, evidence.BackupRun},
		Fields: []Field{
			atEnd,
			{Name: "name", Type: "string", Doc: "namespace and name of the schedule"},
			{Name: "location", Type: "string", Doc: "storage location it names; empty: the default one"},
			{Name: "cron", Type: "string", Doc: "when it runs, at the end"},
			{Name: "paused", Type: "bool", Doc: "paused at the end of the period or when it went"},
			{Name: "blind", Type: "bool", Doc: "for some of the time that it existed, up to the end of the period, nobody saw backups"},
			{Name: "completed", Type: "int", Doc: "backups that count, begun in the period"},
			{Name: "partial", Type: "int", Doc: "backups of the period that ended and do not count"},
			{Name: "interval", Type: "duration", Optional: true, Doc: "longest pause that its cron leaves around the worst gap, of the forms in force during it; missing where a cron cannot be read"},
			{Name: "worst_gap", Type: "duration", Doc: "the part of a gap that was seen without a blind window in it, worst against the interval"},
			{Name: "worst_possible_gap", Type: "duration", Doc: "as worst_gap, counting blind windows as without a backup, and leaving out backups that may be another cluster's"},
			{Name: "possible_interval", Type: "duration", Optional: true, Doc: "the interval that belongs to worst_possible_gap"},
		},
	},
	build: buildSchedules,
}

// backupPoint is one backup that may count.
type backupPoint struct {
	at    time.Time
	seq   uint64
	maybe bool // made from what a bucket holds: another cluster may have made it
}

// runLog is the backups of each schedule, in order of their start.
type runLog struct {
	points  map[string][]backupPoint
	partial map[string][]time.Time
}

func buildSchedules(ctx context.Context, s *scene, yield func(*item) error) error {
	flat, err := stretches[evidence.ScheduleFacts](ctx, s, evidence.BackupSchedule)
	if err != nil || len(flat) == 0 {
		return err
	}
	back, err := s.seeingBack(ctx, backupsBack)
	if err != nil {
		return err
	}
	runs, err := back.backupRuns(ctx)
	if err != nil {
		return err
	}
	plans := map[string]cron.Schedule{}
	var its []*item
	for sts := range perSubject(flat) {
		its = append(its, s.scheduleItem(back, sts, runs, plans))
	}
	return yieldSorted(its, yield)
}

func scheduleKey(cluster, namespace, name string) string {
	return cluster + "\x00" + namespace + "\x00" + name
}

func (s *scene) backupRuns(ctx context.Context) (*runLog, error) {
	l := &runLog{points: map[string][]backupPoint{}, partial: map[string][]time.Time{}}
	err := events(ctx, s, func(r *evidence.Record, seqs []uint64) error {
		var f evidence.BackupFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		if f.Schedule == "" {
			return nil
		}
		key := scheduleKey(f.Cluster, f.Namespace, f.Schedule)
		switch {
		case wholeBackup(&f):
			l.points[key] = append(l.points[key], backupPoint{firstTime(f.StartedAt, r.Occurred).UTC(), seqs[0], f.Synced})
		case f.Terminal:
			l.partial[key] = append(l.partial[key], r.Occurred)
		}
		return nil
	}, evidence.BackupRun)
	for _, ps := range l.points {
		slices.SortStableFunc(ps, func(a, b backupPoint) int { return a.at.Compare(b.at) })
	}
	return l, err
}

func (s *scene) scheduleItem(back *scene, sts []stretch[evidence.ScheduleFacts], runs *runLog, plans map[string]cron.Schedule) *item {
	last, _ := newestOf(sts)
	f := &last.facts
	key := scheduleKey(f.Cluster, f.Namespace, f.Name)
	it := subjectItem(sts, evidence.BackupSchedule, "backup schedule "+f.Namespace+"/"+f.Name)
	it.set("name", f.Namespace+"/"+f.Name).set("location", f.Location).set("cron", f.Cron).set("paused", f.Paused)
	completed, partial := 0, 0
	for _, p := range runs.points[key] {
		if s.period.Contains(p.at) && !p.maybe {
			completed++
		}
	}
	for _, at := range runs.partial[key] {
		if s.period.Contains(at) {
			partial++
		}
	}
	it.set("completed", completed).set("partial", partial)
	g := gaps{s: s, sts: sts, plans: plans, blind: back.cover.blind(last.source, evidence.BackupRun, back.period)}
	it.set("blind", g.blindIn(sts[0].from, last.end(s.period)))
	sure := g.worst(runs.points[key], true)
	possible := g.worst(runs.points[key], false)
	it.set("worst_gap", sure.length).set("worst_possible_gap", possible.length)
	for field, gap := range map[string]gap{"interval": sure, "possible_interval": possible} {
		if gap.interval > 0 {
			it.set(field, gap.interval)
		} else {
			it.lacks(field, "the schedule's times cannot be read")
		}
	}
	it.why["worst_gap"] = fmt.Sprintf("no completed backup for %s from %s, where one was due every %s",
		human(sure.length.Truncate(time.Second)), evidence.FormatTime(sure.from), human(sure.interval))
	if f.Paused {
		it.why["worst_gap"] += "; the schedule is paused"
	}
	it.also(sure.seqs...)
	return it
}

// blindIn reports whether nobody saw backups for a part of the time, up to the
// end of the period.
func (g *gaps) blindIn(from, to time.Time) bool {
	return slices.ContainsFunc(g.blind, (evidence.Period{From: from, To: to}).Overlaps)
}

// gap is one stretch without a completed backup.
type gap struct {
	from     time.Time
	length   time.Duration
	interval time.Duration // 0: not known
	seqs     []uint64
}

// gaps finds the gaps of one schedule.
type gaps struct {
	s     *scene
	sts   []stretch[evidence.ScheduleFacts]
	blind []evidence.Period // in which nobody saw backups
	plans map[string]cron.Schedule
}

// worst returns the gap that is longest against its interval. Of a sure one
// only the part counts that was seen without a blind window. Before a first
// backup that is not known, a sure gap begins where the period or the schedule
// does, a possible one with the schedule's first sight.
func (g *gaps) worst(points []backupPoint, sure bool) gap {
	begin, end := g.sts[0].from, g.sts[len(g.sts)-1].end(g.s.period)
	from := begin
	if from.Before(g.s.period.From) && sure {
		from = g.s.period.From
	}
	var worst gap
	prev := gap{from: from}
	take := func(to time.Time) {
		c := g.measure(prev.from, to, sure)
		c.seqs = prev.seqs
		if c.interval == 0 && worst.interval != 0 || c.length > 0 && over(c) > over(worst) || worst.length == 0 && worst.interval == 0 {
			worst = c
		}
	}
	for _, p := range points {
		switch {
		case p.maybe && !sure, !p.at.Before(end):
			continue
		case !p.at.After(g.s.period.From):
			prev = gap{from: p.at, seqs: []uint64{p.seq}}
			continue
		case p.at.After(prev.from):
			take(p.at)
			prev = gap{from: p.at, seqs: []uint64{p.seq}}
		}
	}
	take(end)
	return worst
}

// over is a gap's length against its interval.
func over(g gap) float64 {
	if g.interval <= 0 {
		return 0
	}
	return float64(g.length) / float64(g.interval)
}

// measure makes the gap between two backups. Its interval is the longest of
// the forms in force during it.
func (g *gaps) measure(from, to time.Time, sure bool) gap {
	p := evidence.Period{From: from, To: to}
	out := gap{from: from, length: max(0, to.Sub(from))}
	if sure && out.length > 0 {
		out.length = 0
		for _, seen := range p.Subtract(g.blind) {
			if d := seen.Duration(); d > out.length {
				out.length, out.from = d, seen.From
			}
		}
	}
	for i := range g.sts {
		st := &g.sts[i]
		if st.from.After(to) || st.end(g.s.period).Before(from) {
			continue
		}
		d := g.pause(st.facts.Cron, from, to)
		if d == 0 {
			out.interval = 0
			return out
		}
		out.interval = max(out.interval, d)
	}
	return out
}

// pause returns the longest pause that a cron leaves between two runs around a
// gap; 0 when it cannot be read or never runs.
func (g *gaps) pause(text string, from, to time.Time) time.Duration {
	plan, ok := g.plans[text]
	if !ok {
		plan = readCron(text)
		g.plans[text] = plan
	}
	if plan == nil {
		return 0
	}
	return longestPause(plan, from, to)
}

// readCron reads a schedule's times; nil when that cannot be done.
func readCron(text string) (plan cron.Schedule) {
	// The parser is known to panic on odd input, and this text is a source's.
	defer func() {
		if recover() != nil {
			plan = nil
		}
	}()
	if len(text) > 256 {
		return nil
	}
	plan, err := cron.ParseStandard(text)
	if err != nil {
		return nil
	}
	return plan
}

// maxRuns bounds how many runs of a schedule are laid out for one gap.
const maxRuns = 12_000

// longestPause lays out the runs around a gap, from as long before it as it is
// long to the first one behind it: a pause in another season, such as a night
// that summer time leaves out, says nothing about this one.
func longestPause(plan cron.Schedule, from, to time.Time) (longest time.Duration) {
	if every, ok := plan.(cron.ConstantDelaySchedule); ok {
		return every.Delay
	}
	t := plan.Next(from.Add(from.Sub(to)).Add(-time.Second).UTC())
	for range maxRuns {
		next := plan.Next(t)
		if t.IsZero() || next.IsZero() {
			return longest
		}
		longest = max(longest, next.Sub(t))
		if !next.Before(to) {
			return longest
		}
		t = next
	}
	return longest
}
