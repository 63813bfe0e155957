package mappings

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/robfig/cron/v3"

	"evidenced/evidence"
)

// How far before the period these views read, for what began there: no backup
// schedule pauses longer, and no law asks for a restore test less often.
const (
	backupsBack  = 100 * 24 * time.Hour
	expiriesBack = 800 * 24 * time.Hour
	restoresBack = 400 * 24 * time.Hour
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
	err = perSubject(flat, func(sts []stretch[evidence.ScheduleFacts]) error {
		its = append(its, s.scheduleItem(back, sts, runs, plans))
		return nil
	})
	if err != nil {
		return err
	}
	return yieldSorted(its, yield)
}

// seeingBack returns the scene with a period that begins d earlier, and with
// the coverage of that.
func (s *scene) seeingBack(ctx context.Context, d time.Duration) (*scene, error) {
	wide, err := s.joins.wide.get(s, func() (*coverage, error) {
		s.book.reads(evidence.CollectionCoverage, evidence.LogSegment)
		all := s.cover.ever.Within(evidence.Period{})
		all.Add(s.cover.ahead...)
		wide := *s.cover
		wide.all, wide.laid, wide.givers = all, nil, nil
		return &wide, nil
	})
	if err != nil {
		return nil, err
	}
	back := *s
	back.delivery = delivery{} // of the shorter period
	back.period.From = s.period.From.Add(-d)
	back.cover = wide
	return &back, nil
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

// wholeBackup reports whether a backup is completed with all that it set out
// to keep.
func wholeBackup(f *evidence.BackupFacts) bool {
	all := func(t *evidence.Tries) bool { return t == nil || t.Failed == 0 && t.Completed >= t.Attempted }
	return f.Terminal && f.Phase == "Completed" && f.Errors == 0 && all(f.Snapshots) && all(f.Operations) && (f.Hooks == nil || f.Hooks.Failed == 0)
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

var locationsView = &view{
	View: View{
		Name:  "backup_locations",
		Doc:   "Places backups are kept in: one item for each that existed in the period, and one for each that only backups of the period name.",
		Kinds: []evidence.Kind{evidence.BackupLocation},
		Fields: []Field{
			atEnd,
			{Name: "name", Type: "string", Doc: "namespace and name of the location"},
			{Name: "provider", Type: "string", Doc: "whose storage it is"},
			{Name: "bucket", Type: "string", Doc: "bucket, and the prefix in it"},
			{Name: "read_only", Type: "bool", Doc: "nothing can be written there, at the end"},
			{Name: "region", Type: "string", Optional: true, Doc: "region it names, at the end"},
			{Name: "reachable", Type: "bool", Optional: true, Doc: "it could be reached, at the end of the period or when it went"},
			{Name: "longest_unreachable", Type: "duration", Doc: "longest stretch in which it was seen out of reach, without a blind window in it"},
			{Name: "blind", Type: "bool", Doc: "for some of the time that it existed in the period nobody looked at it"},
			{Name: "longest_possible_unreachable", Type: "duration", Doc: "as longest_unreachable, counting blind windows and unknown states as out of reach"},
			{Name: "other_region", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.RuntimeNode}, Doc: "no node of the cluster was in its region in the period; missing where a region is not known"},
		},
	},
	build: buildLocations,
}

func buildLocations(ctx context.Context, s *scene, yield func(*item) error) error {
	flat, err := stretches[evidence.LocationFacts](ctx, s, evidence.BackupLocation)
	if err != nil {
		return err
	}
	missing, err := s.untoldLocations(ctx, flat)
	if err != nil || len(flat)+len(missing) == 0 {
		return err
	}
	nodes, err := s.nodeRegions(ctx)
	if err != nil {
		return err
	}
	var its []*item
	err = perSubject(flat, func(sts []stretch[evidence.LocationFacts]) error {
		its = append(its, s.locationItem(sts, nodes))
		return nil
	})
	if err != nil {
		return err
	}
	for _, m := range missing {
		it := m.item()
		it.set("provider", "").set("bucket", "").set("read_only", false).set("blind", true)
		it.set("longest_unreachable", time.Duration(0)).set("longest_possible_unreachable", s.period.Duration())
		its = append(its, it.unseen("region", untold).unseen("reachable", untold).unseen("other_region", untold))
	}
	return yieldSorted(its, yield)
}

// untold says of a location why nothing is known of it.
const untold = "backups name it, and no record of it reached this log: no tenancy rule gives it to the tenant"

// untoldLocation is a storage location that backups of the period name and of
// which the log has no record.
type untoldLocation struct {
	name   string // namespace/name
	seq    uint64 // of the first backup that names it
	source evidence.SourceID
	at     time.Time
}

func (u *untoldLocation) item() *item {
	it := &item{
		seqs: []uint64{u.seq}, kind: evidence.BackupRun, at: u.at, label: "backup location " + u.name,
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	return it.set("source", string(u.source)).set("happened", u.at).set("at_end", true).set("name", u.name)
}

// untoldLocations finds them, in the order of their first backup.
func (s *scene) untoldLocations(ctx context.Context, told []stretch[evidence.LocationFacts]) (out []*untoldLocation, err error) {
	known := map[string]bool{}
	for i := range told {
		f := &told[i].facts
		known[scheduleKey(f.Cluster, f.Namespace, f.Name)] = true
	}
	err = events(ctx, s, func(r *evidence.Record, seqs []uint64) error {
		var f evidence.BackupFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		key := scheduleKey(f.Cluster, f.Namespace, f.Location)
		if f.Location == "" || known[key] {
			return nil
		}
		known[key] = true
		out = append(out, &untoldLocation{f.Namespace + "/" + f.Location, seqs[0], r.Source, r.Occurred})
		return nil
	}, evidence.BackupRun)
	return out, err
}

// regions is where the nodes of one cluster stood in the period.
type regions struct {
	names   []string
	unnamed int // nodes whose region is not known
}

// nodeRegions returns the regions of nodes by cluster.
func (s *scene) nodeRegions(ctx context.Context) (map[string]*regions, error) {
	flat, err := stretches[evidence.NodeFacts](ctx, s, evidence.RuntimeNode)
	if err != nil {
		return nil, err
	}
	by := map[string]*regions{}
	for i := range flat {
		f := &flat[i].facts
		r := by[f.Cluster]
		if r == nil {
			r = &regions{}
			by[f.Cluster] = r
		}
		switch {
		case f.Region == "":
			r.unnamed++
		case !slices.Contains(r.names, f.Region):
			r.names = append(r.names, f.Region)
		}
	}
	return by, nil
}

func (s *scene) locationItem(sts []stretch[evidence.LocationFacts], nodes map[string]*regions) *item {
	last, _ := newestOf(sts)
	f := &last.facts
	it := subjectItem(sts, evidence.BackupLocation, "backup location "+f.Namespace+"/"+f.Name)
	bucket := f.Bucket
	if f.Prefix != "" {
		bucket += "/" + f.Prefix
	}
	it.set("name", f.Namespace+"/"+f.Name).set("provider", f.Provider).set("bucket", bucket).set("read_only", f.AccessMode == "ReadOnly")
	switch f.Phase {
	case "Available", "Unavailable":
		it.set("reachable", f.Phase == "Available")
		if f.Phase == "Unavailable" {
			it.why["reachable"] = "it is out of reach"
		}
	default:
		it.lacks("reachable", "the source does not say whether it can be reached")
	}
	out := longest(s, evidence.BackupLocation, sts, func(f *evidence.LocationFacts) tri {
		switch f.Phase {
		case "Available":
			return no
		case "Unavailable":
			return yes
		}
		return unknown
	})
	it.set("blind", out.blind).set("longest_unreachable", out.sure).set("longest_possible_unreachable", out.possible)
	if out.sure > 0 {
		it.why["longest_unreachable"] = fmt.Sprintf("out of reach for %s from %s", human(out.sure), evidence.FormatTime(out.from))
		it.front(out.seqs...)
	}
	apart(it, sts, nodes[f.Cluster])
	return it
}

// apart says whether the location, in every form it had in the period, is in
// another region than all nodes of its cluster.
func apart(it *item, sts []stretch[evidence.LocationFacts], nodes *regions) {
	last, _ := newestOf(sts)
	if last.facts.Region == "" {
		it.lacks("region", "the location names no region")
	} else {
		it.set("region", last.facts.Region)
	}
	unnamed := false
	for i := range sts {
		region := sts[i].facts.Region
		unnamed = unnamed || region == ""
		if nodes != nil && slices.Contains(nodes.names, region) {
			it.set("other_region", false)
			it.why["other_region"] = "it is in " + region + ", as nodes of the cluster are"
			return
		}
	}
	switch {
	case unnamed:
		it.lacks("other_region", "the location names no region")
	case nodes == nil:
		it.unseen("other_region", "no node of its cluster was seen")
	case nodes.unnamed > 0:
		it.lacks("other_region", plural(nodes.unnamed, "node")+" without a region")
	default:
		it.set("other_region", true)
	}
}

var backupsView = &view{
	View: View{
		Name: "backups",
		Doc: "Backups that were kept at some time in the period: one item for each, whenever it was made. " +
			"A backup is gone when the source told of its deletion. One that expired before the period, and whose deletion may have gone unseen before it, is left out.",
		Kinds: []evidence.Kind{evidence.BackupRun},
		Fields: []Field{
			{Name: "name", Type: "string", Doc: "namespace and name of the backup"},
			{Name: "schedule", Type: "string", Doc: "schedule that made it; empty for one made by hand"},
			{Name: "location", Type: "string", Doc: "storage location"},
			{Name: "phase", Type: "string", Doc: "phase as the tool names it"},
			{Name: "whole", Type: "bool", Doc: "completed without an error and with all its volumes"},
			{Name: "expires", Type: "timestamp", Optional: true, Doc: "when it is due to go"},
			{Name: "deleted", Type: "string", Doc: "how it went: expired, requested or unexplained; empty while it is not known to be gone"},
			{Name: "stuck", Type: "bool", Doc: "the tool says that it could not delete it after its expiry"},
			{Name: "past_expiry", Type: "duration", Optional: true, Doc: "how long it surely was there after its expiry, at most to the end of the period; zero before that. Missing where no expiry is named"},
			{Name: "possible_past_expiry", Type: "duration", Optional: true, Doc: "as past_expiry, where its deletion may have gone unseen"},
		},
	},
	build:  buildBackups,
	steady: true,
}

func buildBackups(ctx context.Context, s *scene, yield func(*item) error) error {
	back, err := s.seeingBack(ctx, expiriesBack)
	if err != nil {
		return err
	}
	return events(ctx, back, func(r *evidence.Record, seqs []uint64) error {
		var f evidence.BackupFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		if !f.DeletedAt.IsZero() && f.DeletedAt.Before(s.period.From) {
			return nil // gone before the period began
		}
		it := newItem(r, r.Occurred, "backup "+f.Namespace+"/"+f.Name)
		it.seqs = seqs
		it.set("source", string(r.Source)).set("happened", r.Occurred).set("name", f.Namespace+"/"+f.Name)
		it.set("schedule", f.Schedule).set("location", f.Location).set("phase", f.Phase).set("whole", wholeBackup(&f))
		it.set("deleted", f.DeletedHow).set("stuck", f.GCFailure != "" && f.DeletedAt.IsZero())
		if f.GCFailure != "" && f.DeletedAt.IsZero() {
			it.why["stuck"] = "the tool could not delete it: " + short(f.GCFailure)
		}
		sure, possible := back.pastExpiry(it, r, &f)
		if sure == 0 && possible > 0 && f.ExpiresAt.Before(s.period.From) && !back.watched(r.Source, evidence.BackupRun, evidence.Period{From: f.ExpiresAt, To: s.period.From}) {
			return nil // it may have gone long ago
		}
		return yield(it)
	}, evidence.BackupRun)
}

// pastExpiry says how long a backup was there after its expiry. That nobody
// told of its deletion shows that it is there only where a watch would have.
func (s *scene) pastExpiry(it *item, r *evidence.Record, f *evidence.BackupFacts) (sure, possible time.Duration) {
	if f.ExpiresAt.IsZero() {
		it.lacks("expires", "the source names no expiry")
		it.lacks("past_expiry", "the source names no expiry").lacks("possible_past_expiry", "the source names no expiry")
		return 0, 0
	}
	end, seen := s.period.To, f.ExpiresAt
	switch look := earlier(s.cover.lastLook(r.Source, evidence.BackupRun, s.period.To), s.period.To); {
	case !f.DeletedAt.IsZero():
		end = earlier(f.DeletedAt, end)
		seen = end
	case look.After(f.ExpiresAt) && s.watched(r.Source, evidence.BackupRun, evidence.Period{From: f.ExpiresAt, To: look}):
		seen = look
	case f.GCFailure != "":
		seen = earlier(r.Observed, end) // it says of itself that it is still there
	}
	sure, possible = max(0, seen.Sub(f.ExpiresAt)), max(0, end.Sub(f.ExpiresAt))
	it.set("expires", f.ExpiresAt.UTC()).set("past_expiry", sure).set("possible_past_expiry", possible)
	if end.Equal(s.period.To) { // as far as is known, it is there and stays
		it.grows("possible_past_expiry", end.Sub(f.ExpiresAt))
	}
	if f.DeletedAt.After(s.period.To) {
		it.grows("past_expiry", end.Sub(f.ExpiresAt))
		s.later(f.DeletedAt)
	}
	if sure > 0 {
		it.why["past_expiry"] = fmt.Sprintf("it expired at %s and was there for %s after that", evidence.FormatTime(f.ExpiresAt), human(sure.Truncate(time.Second)))
	}
	return sure, possible
}

// watched reports whether the source saw the kind without a break over the
// period, up to its last look.
func (s *scene) watched(id evidence.SourceID, kind evidence.Kind, p evidence.Period) bool {
	return !slices.ContainsFunc(s.cover.strips(id, kind, p), func(x evidence.Strip) bool { return x.Class != evidence.Continuous })
}

var restoresView = &view{
	View: View{
		Name: "restore_tests",
		Doc: "Restore tests of the tenant: one item over all of them, with those of the 400 days before the end. " +
			"A restore counts as a test when it says so itself; grades are explained in docs/collectors/velero.md.",
		Kinds: []evidence.Kind{evidence.BackupTest},
		Fields: []Field{
			{Name: "tests", Type: "int", Doc: "restore tests known"},
			{Name: "looked_back", Type: "duration", Doc: "how far back from the end every source of restore tests was seen without a hole, at most 400 days"},
			{Name: "since_test", Type: "duration", Optional: true, Doc: "time since the newest test of any grade; missing when there is none"},
			{Name: "since_complete", Type: "duration", Optional: true, Doc: "time since the newest test of grade 3 (complete) or better; missing when there is none"},
			{Name: "since_unclear", Type: "duration", Optional: true, Doc: "time since the newest test that may have reached grade 3, as far as could be told; missing when there is none"},
			{Name: "since_verified", Type: "duration", Optional: true, Doc: "time since the newest test of grade 4 (verified by the application) or better; missing when there is none"},
			{Name: "newest_grade", Type: "int", Optional: true, Doc: "grade of the newest test"},
		},
	},
	build:  buildRestores,
	steady: true,
}

func buildRestores(ctx context.Context, s *scene, yield func(*item) error) error {
	back, err := s.seeingBack(ctx, restoresBack)
	if err != nil {
		return err
	}
	back.period.From = s.period.To.Add(-restoresBack)
	it := &item{
		kind: evidence.BackupTest, at: s.period.To, label: "restore tests of the tenant",
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	type since struct {
		field string
		fits  func(*evidence.RestoreTestFacts) bool
	}
	all := []since{
		{"since_test", func(*evidence.RestoreTestFacts) bool { return true }},
		{"since_complete", func(f *evidence.RestoreTestFacts) bool { return f.Grade >= 3 }},
		{"since_unclear", mayBeComplete},
		{"since_verified", func(f *evidence.RestoreTestFacts) bool { return f.Grade >= 4 }},
	}
	tests, grade, source := 0, 0, evidence.SelfSource
	err = events(ctx, back, func(r *evidence.Record, seqs []uint64) error {
		var f evidence.RestoreTestFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		s.later(r.Occurred.Add(restoresBack)) // it is too old then
		tests++
		grade, source, it.at = f.Grade, r.Source, r.Occurred
		it.seqs = append(slices.Clone(seqs), it.seqs...)
		for _, x := range all {
			if x.fits(&f) {
				it.set(x.field, s.period.To.Sub(r.Occurred)).grows(x.field, s.period.To.Sub(r.Occurred))
			}
		}
		it.why["since_complete"] = fmt.Sprintf("the newest restore test, of %s, reached grade %d: %s", evidence.FormatTime(r.Occurred), f.Grade, firstNonEmpty(f.Stopped, "every rung held"))
		return nil
	}, evidence.BackupTest)
	if err != nil {
		return err
	}
	if tests == 0 {
		it.seqs = []uint64{0} // nothing speaks of one: the log itself, by its first record
		it.drifts("happened")
	}
	lookedBack := back.lookedBack(evidence.BackupTest)
	it.set("source", string(source)).set("happened", it.at).set("tests", tests).set("looked_back", lookedBack).grows("looked_back", lookedBack)
	for _, x := range all {
		if _, ok := it.fields[x.field]; !ok {
			it.lacks(x.field, "no such restore test is known")
		}
	}
	if tests > 0 {
		it.set("newest_grade", grade)
	} else {
		it.lacks("newest_grade", "no restore test is known")
	}
	return yield(it)
}

func firstNonEmpty(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}

// mayBeComplete reports whether a rung up to complete could not be told, and
// none of them is known not to hold.
func mayBeComplete(f *evidence.RestoreTestFacts) bool {
	open := false
	for _, r := range f.Rungs {
		if r.Grade > 3 {
			continue
		}
		switch r.Holds {
		case "no":
			return false
		case "unknown":
			open = true
		}
	}
	return open && f.Grade < 3
}

// lookedBack returns how far back from the end of the period every source of
// the kind was seen without a hole. The stretch after the newest look does not
// count as one: freshness judges it.
func (s *scene) lookedBack(kind evidence.Kind) time.Duration {
	ids := s.cover.sources(kind)
	if len(ids) == 0 {
		return 0
	}
	back := s.period.Duration()
	if gone := s.cover.all.Retired; gone.After(s.period.From) {
		back = max(0, s.period.To.Sub(gone)) // what was seen before is not there any more
	}
	for _, id := range ids {
		newest := s.cover.lastLook(id, kind, s.period.To)
		for _, hole := range s.cover.blind(id, kind, s.period) {
			if hole.From.Before(newest) {
				back = min(back, s.period.To.Sub(earlier(hole.To, s.period.To)))
			} else if newest.IsZero() {
				back = 0
			}
		}
	}
	return back
}
