package mappings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

var sourcesView = &view{
	View: View{
		Name: "sources",
		Doc: "Sources of evidence: one item for each that is configured for the tenant or was seen in the period, with what of the period it did not see. " +
			"What comes after the newest look is told apart.",
		Kinds: []evidence.Kind{evidence.CollectionCoverage},
		Fields: []Field{
			{Name: "name", Type: "string", Doc: "configured name"},
			{Name: "configured", Type: "bool", Doc: "configured when it was judged; true where that is not known"},
			{Name: "ever_looked", Type: "bool", Doc: "some look of it is known"},
			{Name: "kinds", Type: "list(string)", Doc: "kinds of evidence it gives"},
			{Name: "since_look", Type: "duration", Doc: "time from the newest look to the end of the period, of the kind that was looked at longest ago"},
			{Name: "unseen", Type: "duration", Optional: true, Doc: "time of the period, from the first that is ever known of it up to the newest look, in which some of its kinds was not seen; missing where that was dropped under retention"},
			{Name: "longest_unseen", Type: "duration", Optional: true, Doc: "longest stretch of that"},
			{Name: "late", Type: "duration", Doc: "time from the begin of the period to the first that is ever known of it; zero where it was known before"},
			{Name: "runs_due", Type: "int", Doc: "runs that were due in the days of the period"},
			{Name: "runs_failed", Type: "int", Doc: "of those, failed or missed"},
			{Name: "runs_partial", Type: "int", Doc: "of those, ended before they were complete"},
		},
	},
	build:  buildSources,
	steady: true,
}

func buildSources(ctx context.Context, s *scene, yield func(*item) error) error {
	s.looksAtAll()
	kinds := map[evidence.SourceID][]evidence.Kind{}
	seqs := map[evidence.SourceID]uint64{}
	for _, sp := range s.cover.all.Spans() {
		if !sp.Period.Overlaps(s.period) && !(sp.Period.To.Equal(sp.Period.From) && s.period.Contains(sp.Period.From)) {
			s.later(sp.Period.From) // a first look at the very end lies behind it
			continue
		}
		seqs[sp.Source] = max(seqs[sp.Source], sp.Seq)
		for _, k := range sp.Kinds {
			if !slices.Contains(kinds[sp.Source], k) {
				kinds[sp.Source] = append(kinds[sp.Source], k)
			}
		}
	}
	configured := map[evidence.SourceID]bool{}
	for k, ids := range s.cover.configured {
		for _, id := range ids {
			configured[id] = true
			if !slices.Contains(kinds[id], k) {
				kinds[id] = append(kinds[id], k)
			}
		}
	}
	back, err := s.seeingBack(ctx, 0)
	if err != nil {
		return err
	}
	var its []*item
	for id, ks := range kinds {
		slices.Sort(ks)
		its = append(its, s.sourceItem(back.cover, id, ks, seqs[id], configured[id] || s.cover.configured == nil))
	}
	return yieldSorted(its, yield)
}

func (s *scene) sourceItem(ever *coverage, id evidence.SourceID, kinds []evidence.Kind, seq uint64, configured bool) *item {
	it := &item{
		seqs: []uint64{seq}, kind: evidence.CollectionCoverage, at: s.period.From, label: "source " + string(id),
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	var newest, oldest time.Time // of the kinds' newest looks
	names, holes, cause, retired := []string{}, []evidence.Period{}, "", false
	var late time.Duration
	never := false
	for _, k := range kinds {
		names = append(names, string(k))
		judged := s.period
		look := s.cover.lastLook(id, k, s.period.To)
		if look.After(newest) {
			newest = look
		}
		if oldest.IsZero() || look.Before(oldest) {
			oldest = look
		}
		if look.After(judged.From) {
			judged.To = earlier(look, judged.To) // what comes after is told by since_look
		} else if !look.IsZero() {
			continue
		} else {
			never = true
		}
		for i, x := range s.cover.strips(id, k, judged) {
			if x.Class.Rank() > 0 {
				continue
			}
			// Up to the first look there is, which may be the only one.
			if i == 0 && x.Class == "" && (!look.IsZero() || x.Period.To.Before(judged.To)) && ever.lastLook(id, k, judged.From).IsZero() && x.Cause != evidence.CauseRetired {
				late = max(late, x.Period.Duration()) // nothing tells that it was there then
				continue
			}
			holes = append(holes, x.Period)
			cause = firstNonEmpty(cause, x.Cause)
			retired = retired || x.Cause == evidence.CauseRetired
		}
	}
	total, longest := union(holes)
	runs := s.cover.all.Runs[id]
	it.set("source", string(id)).set("happened", s.period.From).set("name", string(id)).set("configured", configured)
	since := sinceLook(oldest, s.period)
	if since > 24*time.Hour {
		it.why["since_look"] = "the newest look was " + human(since.Truncate(time.Second)) + " before the end"
	}
	it.grows("since_look", since).set("ever_looked", !newest.IsZero()).set("since_look", since).set("kinds", names)
	it.set("late", late).set("runs_due", runs.Expected).set("runs_failed", runs.Failed+runs.Missed).set("runs_partial", runs.Partial)
	if retired {
		it.lacks("unseen", "what was seen of it was "+evidence.CauseRetired).lacks("longest_unseen", "what was seen of it was "+evidence.CauseRetired)
		return it
	}
	it.set("unseen", total).set("longest_unseen", longest.Duration())
	if never { // it is not seen still
		it.grows("unseen", total)
		it.drifts("longest_unseen")
	}
	if total > 0 {
		it.why["unseen"] = fmt.Sprintf("not seen for %s, the longest stretch from %s to %s (%s)",
			human(total.Truncate(time.Second)), evidence.FormatTime(longest.From), evidence.FormatTime(longest.To), firstNonEmpty(cause, "no cause given"))
		it.why["longest_unseen"] = it.why["unseen"]
	}
	return it
}

// sinceLook is how long before the period's end the look was; the length of
// the period when there was none in it.
func sinceLook(look time.Time, p evidence.Period) time.Duration {
	if look.Before(p.From) {
		return p.Duration()
	}
	return max(0, p.To.Sub(look))
}

// union adds up periods that may overlap, and returns the longest that they
// make together.
func union(ps []evidence.Period) (total time.Duration, longest evidence.Period) {
	slices.SortFunc(ps, func(a, b evidence.Period) int { return a.From.Compare(b.From) })
	var open evidence.Period
	shut := func() {
		total += open.Duration()
		if open.Duration() > longest.Duration() {
			longest = open
		}
	}
	for _, p := range ps {
		switch {
		case open.IsZero():
			open = p
		case p.From.After(open.To):
			shut()
			open = p
		case p.To.After(open.To):
			open.To = p.To
		}
	}
	if !open.IsZero() {
		shut()
	}
	return total, longest
}

var clocksView = &view{
	View: View{
		Name: "clocks",
		Doc: "Clocks of sources against our own: one item for each source that had a run in the period. " +
			"Runs are recorded in the log of the platform alone.",
		Kinds: []evidence.Kind{evidence.CollectionRun},
		Fields: []Field{
			{Name: "name", Type: "string", Doc: "configured name of the source"},
			{Name: "runs", Type: "int", Doc: "runs of the period"},
			{Name: "measured", Type: "int", Doc: "runs in which the source said what time it is"},
			{Name: "largest_offset", Type: "duration", Optional: true, Doc: "largest difference, in either direction; missing when none was measured"},
		},
	},
	build:  buildClocks,
	steady: true,
}

func buildClocks(ctx context.Context, s *scene, yield func(*item) error) error {
	type clock struct {
		first, worst   uint64
		at             time.Time
		runs, measured int
		largest        time.Duration
	}
	by := map[evidence.SourceID]*clock{}
	err := events(ctx, s, func(r *evidence.Record, seqs []uint64) error {
		var f evidence.RunFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		c := by[f.Source]
		if c == nil {
			c = &clock{first: seqs[0], worst: seqs[0], at: r.Occurred}
			by[f.Source] = c
		}
		c.runs++
		if f.OffsetMS == nil {
			return nil
		}
		c.measured++
		if d := (time.Duration(*f.OffsetMS) * time.Millisecond).Abs(); d > c.largest {
			c.largest, c.worst = d, seqs[0]
		}
		return nil
	}, evidence.CollectionRun)
	if err != nil {
		return err
	}
	var its []*item
	for id, c := range by {
		it := &item{
			seqs: []uint64{c.worst}, kind: evidence.CollectionRun, at: c.at, label: "clock of " + string(id),
			fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
		}
		it.set("source", string(id)).set("happened", c.at).set("name", string(id)).set("runs", c.runs).set("measured", c.measured)
		if c.measured == 0 {
			it.lacks("largest_offset", "the source never said what time it is")
		} else {
			it.set("largest_offset", c.largest)
			it.why["largest_offset"] = "its clock was off by " + c.largest.String()
		}
		its = append(its, it)
	}
	return yieldSorted(its, yield)
}

var configsView = &view{
	View: View{
		Name:  "configurations",
		Doc:   "Changes of the configuration of evidenced, as far as they concern the tenant, and of the rules that it is judged by.",
		Kinds: []evidence.Kind{evidence.PlatformConfig, evidence.PlatformCatalog},
		Fields: []Field{
			{Name: "of", Type: "string", Doc: "configuration or rules"},
			{Name: "first", Type: "bool", Doc: "nothing was in force before it"},
			{Name: "loosens", Type: "list(string)", Doc: "what of the change weakens the evidence of the tenant, or asks less of it"},
			{Name: "rewritten", Type: "list(string)", Doc: "rules that say something else, of which it cannot be told whether they ask for less"},
		},
	},
	build: func(ctx context.Context, s *scene, yield func(*item) error) error {
		return events(ctx, s, func(r *evidence.Record, seqs []uint64) error {
			it, err := changedItem(r)
			if err != nil {
				return err
			}
			it.seqs = seqs
			return yield(it)
		}, evidence.PlatformConfig, evidence.PlatformCatalog)
	},
	steady: true,
}

// changedItem is a change of the configuration, or of the rules.
func changedItem(r *evidence.Record) (*item, error) {
	of, sum, first := "configuration", "", false
	var loosens, rewritten []string
	if r.Kind == evidence.PlatformCatalog {
		var f evidence.CatalogFacts
		if err := r.Decode(&f); err != nil {
			return nil, err
		}
		of, sum, first, loosens, rewritten = "rules", f.Catalog.String(), f.Before.IsZero(), f.Loosen, f.Rewritten
	} else {
		var f evidence.ConfigFacts
		if err := r.Decode(&f); err != nil {
			return nil, err
		}
		sum, first, loosens = f.SHA256, f.Before == "", f.Loosen
	}
	it := newItem(r, r.Occurred, of+" "+sum[:min(12, len(sum))])
	it.set("source", string(r.Source)).set("happened", r.Occurred).set("of", of).set("first", first)
	it.set("loosens", orEmpty(loosens)).set("rewritten", orEmpty(rewritten))
	if len(loosens) > 0 {
		it.why["loosens"] = strings.Join(loosens, "; ")
	}
	return it, nil
}

var offboardingsView = &view{
	View: View{
		Name: "offboardings",
		Doc: "Tenants that were being taken off in the period: one item for each log. A tenant's own log holds the steps up to its last checkpoint, " +
			"that of the platform all of them.",
		Kinds: []evidence.Kind{evidence.TenantOffboard},
		Fields: []Field{
			{Name: "steps", Type: "list(string)", Doc: "steps done, in the order they were done in"},
			{Name: "in_order", Type: "bool", Doc: "every step came after all those that must come before it"},
			{Name: "exported", Type: "bool", Doc: "the evidence was handed over before the log was closed"},
			{Name: "reasoned", Type: "bool", Doc: "an authority and a reason are named, and why nothing was handed over where nothing was"},
			{Name: "finished", Type: "bool", Optional: true, Doc: "the last step was done; missing in a tenant's own log, which ends before it"},
		},
	},
	build:  buildOffboardings,
	steady: true,
}

// buildOffboardings reads all steps up to the period's end, since one that was
// begun before goes on in it.
func buildOffboardings(ctx context.Context, s *scene, yield func(*item) error) error {
	back := *s
	back.period.From = time.Time{}
	type taking struct {
		seqs  []uint64
		at    time.Time
		in    bool // some step was done in the period
		steps []evidence.OffboardFacts
	}
	by := map[string]*taking{}
	var order []string
	err := events(ctx, &back, func(r *evidence.Record, seqs []uint64) error {
		var f evidence.OffboardFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		t := by[f.Origin]
		if t == nil {
			t = &taking{at: r.Occurred}
			by[f.Origin] = t
			order = append(order, f.Origin)
		}
		t.seqs = append(t.seqs, seqs...)
		t.steps = append(t.steps, f)
		t.in = t.in || s.period.Contains(r.Occurred)
		return nil
	}, evidence.TenantOffboard)
	if err != nil {
		return err
	}
	var its []*item
	for _, origin := range order {
		t := by[origin]
		if !t.in {
			continue
		}
		it := &item{
			seqs: t.seqs, kind: evidence.TenantOffboard, at: t.at, label: "taking off of log " + origin,
			fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
		}
		it.set("source", string(evidence.SelfSource)).set("happened", t.at)
		s.offboarding(it, t.steps)
		its = append(its, it)
	}
	return yieldSorted(its, yield)
}

func (s *scene) offboarding(it *item, done []evidence.OffboardFacts) {
	names, exported, reasoned, ordered := []string{}, false, true, true
	next := 0 // the first step that may come now
	for i := range done {
		f := &done[i]
		names = append(names, string(f.Step))
		switch n := slices.Index(evidence.OffboardSteps, f.Step); {
		case n < 0 || n > next:
			ordered = false
			it.why["in_order"] = fmt.Sprintf("%s was done before %s", short(string(f.Step)), evidence.OffboardSteps[min(next, len(evidence.OffboardSteps)-1)])
			next = max(next, n+1)
		case n < next:
			ordered = false
			it.why["in_order"] = string(f.Step) + " was done again, or after what it must come before"
		default:
			next++
		}
		if f.Step == evidence.OffboardExport {
			exported = !f.Manifest.IsZero()
			reasoned = reasoned && (exported || f.NoExport != "")
		}
		reasoned = reasoned && f.Reason != "" && f.Authority != ""
	}
	if !reasoned {
		it.why["reasoned"] = "a step names no authority or no reason, or nothing was handed over and nobody said why"
	}
	it.set("steps", names).set("in_order", ordered).set("exported", exported).set("reasoned", reasoned)
	if s.reader.Tenant() == evidence.Platform {
		it.set("finished", slices.Contains(names, string(evidence.OffboardSegments)))
	} else {
		it.lacks("finished", "a tenant's own log ends before the last step")
	}
}
