package daemon

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/incident"
	"evidenced/evidence/sample"
	"evidenced/mappings/deadline"
	"evidenced/mappings/notice"
	"evidenced/reports"
	"evidenced/reports/timeline"
)

// packLines is how many lines of the timeline stand in a pack's document, some
// thirty pages; its picture counts all.
const packLines = 1000

// story fills in what happened in the period: incidents with their clocks, and
// the timeline.
func (b *packBuild) story(ctx context.Context, doc *reports.PackDoc) error {
	var r evidence.Reader = b.snap
	if b.q.Pseudonymous {
		r = nameless{b.snap}
	}
	var err error
	if doc.Incidents, err = packIncidents(ctx, r, b.e.calendars, b.q.Period, b.now); err != nil {
		return err
	}
	lines := timeline.Group(timeline.Build(ctx, r, b.q.Period, timeline.Options{Kinds: timeline.Telling()}))
	doc.Timeline, err = timeline.Part(b.q.Period, lines, packLines)
	return err
}

// packIncidents are those that were open at some time of the period.
func packIncidents(ctx context.Context, r evidence.Reader, cals *deadline.Calendars, period evidence.Period, now time.Time) ([]reports.PackIncident, error) {
	all, err := incident.List(ctx, r)
	if err != nil {
		return nil, err
	}
	var out []reports.PackIncident
	for _, inc := range all {
		if !inc.Declared.Before(period.To) || !inc.Closed.IsZero() && inc.Closed.Before(period.From) {
			continue
		}
		clocks, notes, err := notice.Clocks(inc, cals, time.Time{}, now)
		if err != nil {
			return nil, fmt.Errorf("incident %s: %w", inc.ID, err)
		}
		p := reports.PackIncident{ID: inc.ID, Reference: inc.Fields.Identity.Reference, Kind: inc.Fields.Identity.Kind, Declared: inc.Declared, Closed: inc.Closed, Part: inc.Part, Notes: notes}
		for i := range clocks {
			k := &clocks[i]
			p.Clocks = append(p.Clocks, reports.PackClock{
				Stage: string(k.Stage), Article: k.Article, State: stateWord(k.State), Bad: k.Late || k.State == deadline.Overdue, Open: k.IsOpen(),
				Safe: k.Due.Safe, Latest: k.Due.Latest, Sent: k.Sent, Receipt: k.Receipt,
			})
		}
		out = append(out, p)
	}
	return out, nil
}

// stateWord says a clock's state as evidenced incident does.
func stateWord(s deadline.State) string {
	if s == deadline.Void {
		return "not owed"
	}
	return strings.ReplaceAll(string(s), "-", " ")
}

// sampled says what was drawn of a finding for people to look at; empty when
// nothing was.
func sampled(s *sample.Sample, items []evidence.Item) string {
	if s == nil || s.Seed == nil {
		return ""
	}
	var seqs []uint64
	for _, k := range s.Items {
		seqs = append(seqs, items[k].Seq)
	}
	slices.Sort(seqs)
	if n := s.Population.Count; len(s.Items) == n { // nothing is left to conclude on
		return fmt.Sprintf("sample for people to look at: %s, all there are, %s (%s); records %s", reports.Count(n, "item"), s.Seed.Source.Says(), s.Method, reports.Seqs(seqs, 12))
	}
	return fmt.Sprintf("sample for people to look at: %d of %s, %s (%s); without an exception among them at most %g %% of the population are exceptions, with a confidence of %g %%; records %s",
		len(s.Items), reports.Count(s.Population.Count, "item"), s.Seed.Source.Says(), s.Method, s.Tolerable, s.Confidence, reports.Seqs(seqs, 12))
}

// nameless is a reader that tells no names and no texts, for a pack that
// withholds them.
type nameless struct{ evidence.Reader }

func (n nameless) Identity(_ context.Context, token evidence.ID) (evidence.Identity, error) {
	return evidence.Identity{Token: token, Names: evidence.Names{Display: "person " + token.String()[:6]}}, nil
}

func (n nameless) Records(ctx context.Context, q evidence.Query) iter.Seq2[evidence.Record, error] {
	q.WithText = false
	return n.Reader.Records(ctx, q)
}
