// Package coverage tells what was seen of each source over a period, how the
// due runs ended, and every blind window, from the coverage records of one
// tenant's own log.
//
// Build makes the model that text, JSON and the pack's PDF are drawn from. The
// text is a chart of source by time; each class has its own sign, so that the
// chart says the same without colour:
//
//	#  continuous     a gapless history or an unbroken watch
//	:  instants       polled: a look
//	-                 between two looks, where nothing is claimed
//	=  reconstructed  read later from history
//	.  blind          we tried to look and could not
//	   (space)        nobody looked
package coverage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// Build reads the coverage of a period that is not empty. Errors are those of
// the reader.
func Build(ctx context.Context, r evidence.Reader, p evidence.Period) (*reports.CoverageChart, error) {
	if !p.From.Before(p.To) {
		return nil, fmt.Errorf("coverage of %s: the period is empty", p)
	}
	cov, err := evidence.LoadCoverage(ctx, r, p)
	if err != nil {
		return nil, fmt.Errorf("coverage of %s in %s: %w", r.Tenant(), p, err)
	}
	c := &reports.CoverageChart{
		Tenant: r.Tenant(), Origin: r.Origin(), Size: r.Size(), Period: evidence.Period{From: p.From.UTC(), To: p.To.UTC()},
		Rows: []reports.CoverageRow{}, Blind: []reports.BlindWindow{}, Sources: map[evidence.SourceID]evidence.RunCounts{}, Demo: r.Simulated(),
	}
	for _, id := range cov.Sources() {
		if rows := sourceRows(cov, id, c.Period); len(rows) > 0 {
			c.Rows = append(c.Rows, rows...)
			c.Sources[id] = cov.Runs[id]
			c.Runs.Add(cov.Runs[id])
		}
	}
	c.Blind = append(c.Blind, blind(c.Rows)...)
	for id, runs := range cov.Runs {
		if _, seen := c.Sources[id]; !seen && runs.Expected > 0 {
			c.Sources[id] = runs
			c.Runs.Add(runs)
			c.Blind = append(c.Blind, unseen(id, runs, c.Period, cov.Retired)...)
		}
	}
	slices.SortStableFunc(c.Blind, func(x, y reports.BlindWindow) int {
		return cmp.Or(x.From.Compare(y.From), cmp.Compare(x.Source, y.Source))
	})
	if r.Tenant() == evidence.Platform {
		if c.Counted, err = counted(ctx, r, p); err != nil {
			return nil, fmt.Errorf("totals of %s in %s: %w", r.Tenant(), p, err)
		}
	}
	return c, nil
}

// maxDiffers bounds the lists that are told one by one.
const maxDiffers = 100

// counted gathers the totals of the period's runs. Of a list that was read
// several times the newest difference is told.
func counted(ctx context.Context, r evidence.Reader, p evidence.Period) (*reports.Counted, error) {
	out := &reports.Counted{Differs: []reports.CountedAs{}}
	type list struct {
		source evidence.SourceID
		what   string
	}
	at := map[list]int{}
	for rec, err := range r.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.CollectionRun}, Period: p}) {
		if err != nil {
			return nil, err
		}
		var f evidence.RunFacts
		if rec.Decode(&f) != nil {
			continue
		}
		for _, n := range f.Counts {
			one := reports.CountedAs{Source: f.Source, SourceCount: n, At: rec.Occurred, Seq: rec.Seq}
			k := list{f.Source, n.What}
			i, told := at[k]
			switch {
			case n.Ours == n.Source:
				out.Agreed++
			case told:
				out.Differs[i] = one
			case len(out.Differs) == maxDiffers:
				out.Cut++
			default:
				at[k] = len(out.Differs)
				out.Differs = append(out.Differs, one)
			}
		}
		out.Agreed += f.CountsCut
	}
	if out.Agreed == 0 && len(out.Differs) == 0 {
		return nil, nil
	}
	return out, nil
}

// ForKinds returns the rows of a chart that speak of one of the kinds, each
// with these kinds alone: what one control rests on.
func ForKinds(c *reports.CoverageChart, kinds ...evidence.Kind) []reports.CoverageRow {
	var rows []reports.CoverageRow
	for _, row := range c.Rows {
		var has []evidence.Kind
		for _, k := range row.Kinds {
			if slices.Contains(kinds, k) {
				has = append(has, k)
			}
		}
		if len(has) > 0 {
			row.Kinds = has
			rows = append(rows, row)
		}
	}
	return rows
}

// sourceRows makes one row for each group of kinds that were seen alike.
func sourceRows(cov *evidence.Coverage, id evidence.SourceID, p evidence.Period) []reports.CoverageRow {
	var kinds []evidence.Kind
	for _, s := range cov.Spans() {
		if s.Source == id && reaches(s, p) {
			kinds = append(kinds, s.Kinds...)
		}
	}
	slices.Sort(kinds)
	var rows []reports.CoverageRow
	for _, k := range slices.Compact(kinds) {
		strips := reports.Strips(cov, id, k, p)
		looks := looksOf(cov, id, k, p)
		i := slices.IndexFunc(rows, func(r reports.CoverageRow) bool { return alike(r.Strips, strips) && len(r.Looks) == len(looks) })
		if i >= 0 {
			rows[i].Kinds = append(rows[i].Kinds, k)
			continue
		}
		rows = append(rows, reports.CoverageRow{Source: id, Kinds: []evidence.Kind{k}, Strips: strips, Looks: looks})
	}
	return rows
}

// reaches reports whether a span touches the period; a single look has no
// length but counts.
func reaches(s evidence.Span, p evidence.Period) bool {
	return s.Period.Overlaps(p) || p.Contains(s.Period.From) || p.Contains(s.Period.To)
}

func looksOf(cov *evidence.Coverage, id evidence.SourceID, kind evidence.Kind, p evidence.Period) []time.Time {
	var looks []time.Time
	for _, s := range cov.Spans() {
		if s.Source != id || !slices.Contains(s.Kinds, kind) {
			continue
		}
		for _, t := range s.Looks {
			if p.Contains(t) {
				looks = append(looks, t)
			}
		}
	}
	slices.SortFunc(looks, time.Time.Compare)
	return slices.CompactFunc(looks, time.Time.Equal)
}

func alike(a, b []reports.Strip) bool {
	return slices.EqualFunc(a, b, func(x, y reports.Strip) bool {
		return x.From.Equal(y.From) && x.To.Equal(y.To) && x.Class == y.Class && x.Cause == y.Cause
	})
}

// unseen is the window of a source that was due and claims nothing. What it
// showed before the log was retired is not known.
func unseen(id evidence.SourceID, runs evidence.RunCounts, p evidence.Period, retired time.Time) []reports.BlindWindow {
	w := reports.BlindWindow{Source: id, Kinds: []evidence.Kind{}, From: p.From, To: p.To, Cause: evidence.CauseUnseen, Looked: runs.Looked()}
	if !retired.After(p.From) || !retired.Before(p.To) {
		return []reports.BlindWindow{w}
	}
	before := w
	before.To, before.Cause, before.Looked, w.From = retired, evidence.CauseRetired, false, retired
	return []reports.BlindWindow{before, w}
}

// blind lists the stretches that no source of a row saw.
// Between two single looks of a source that has no usual interval nothing is
// claimed, and that shows in its row; it is no window of blindness unless a
// record says so or nobody looked at all.
func blind(rows []reports.CoverageRow) []reports.BlindWindow {
	var ws []reports.BlindWindow
	for _, row := range rows {
		for _, s := range row.Strips {
			if s.Class.Rank() > 0 {
				continue
			}
			ws = append(ws, reports.BlindWindow{
				Source: row.Source, Kinds: row.Kinds, From: s.From, To: s.To,
				Cause: s.Cause, Looked: s.Class == evidence.Blind, Seq: s.Seq, Why: s.Why,
			})
		}
	}
	return ws
}
