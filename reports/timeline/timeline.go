// Package timeline tells what happened in a tenant over a period, all sources
// merged, one sentence for each record, with who did it and how the source
// knew. Stretches in which a source was not seen stand in the timeline at
// their time, so that silence is never taken for quiet.
//
// Lines are streamed: a timeline of a year needs no more memory than one of a
// day.
package timeline

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// Options choose what a timeline tells. The zero value tells everything but
// the bookkeeping kinds.
type Options struct {
	Kinds  []evidence.Kind   // empty: all but bookkeeping
	Source evidence.SourceID // empty: all
	Link   evidence.Ref      // only records about this thing
	Person evidence.ID       // only records with this person
	NoGaps bool              // leave out blind windows
	Now    time.Time         // nobody has looked at what comes after, and that is no gap; zero: the period is over
}

// bookkeeping kinds stand behind the timeline, not in it, unless asked for.
var bookkeeping = []evidence.Kind{
	evidence.CollectionRun, evidence.CollectionCoverage, evidence.LogCheckpoints, evidence.PersonKnown, evidence.SecretAuth,
}

// Line is one line of a timeline: a record, or a gap when Gap is set.
type Line struct {
	At        time.Time            `json:"at"`
	Until     time.Time            `json:"until,omitzero"`      // of a gap; of several records the last
	NotBefore time.Time            `json:"not_before,omitzero"` // seen afterwards only
	Basis     evidence.Basis       `json:"basis,omitempty"`     // whose word the time is
	Gap       bool                 `json:"gap,omitempty"`
	Seq       uint64               `json:"record"`
	Kind      evidence.Kind        `json:"kind"`
	Op        evidence.Op          `json:"op,omitempty"`
	Source    evidence.SourceID    `json:"source"`
	Says      string               `json:"says"`
	Who       []reports.Person     `json:"who,omitempty"`
	Actor     evidence.ActorTenant `json:"actor_tenant,omitempty"`
	Subject   string               `json:"subject,omitempty"`
	Facts     json.RawMessage      `json:"facts,omitempty"`
	Closed    string               `json:"closed,omitempty"`
	Follows   []Follow             `json:"follows,omitempty"` // earlier records about the same things
	// Count is how many records the line stands for, when there are several
	// (see Group), and Records the first of them.
	Count   int      `json:"count,omitempty"`
	Records []uint64 `json:"records,omitempty"`
	Demo    bool     `json:"demonstration,omitempty"`
}

// Head is what stands above a timeline for people.
type Head struct {
	Tenant evidence.Tenant
	Period evidence.Period
	Origin string
	Size   uint64
	Demo   bool
}

// HeadOf returns the head for a timeline of the reader's tenant.
func HeadOf(r evidence.Reader, p evidence.Period) Head {
	return Head{r.Tenant(), p, r.Origin(), r.Size(), r.Simulated()}
}

// Build yields the lines of the period in order of time, a blind window before
// the records of its instant. Iteration ends at the first error of the reader.
func Build(ctx context.Context, r evidence.Reader, p evidence.Period, opt Options) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		if !p.From.Before(p.To) {
			yield(Line{}, fmt.Errorf("timeline of %s: the period is empty", p))
			return
		}
		if demo := r.Simulated(); demo {
			plain := yield
			yield = func(l Line, err error) bool {
				l.Demo = demo
				return plain(l, err)
			}
		}
		gaps, err := gapLines(ctx, r, p, opt)
		if err != nil {
			yield(Line{}, err)
			return
		}
		kinds := opt.kinds()
		q := evidence.Query{Kinds: kinds, Source: opt.Source, Period: p, Link: opt.Link, Person: opt.Person, WithText: true}
		people, before := reports.NewPeople(r), newMemory()
		for rec, err := range r.Records(ctx, q) {
			if err != nil {
				yield(Line{}, fmt.Errorf("timeline of %s: %w", r.Tenant(), err))
				return
			}
			for len(gaps) > 0 && !gaps[0].At.After(rec.Occurred) {
				if !yield(gaps[0], nil) {
					return
				}
				gaps = gaps[1:]
			}
			l, err := line(ctx, r, people, &rec)
			l.Follows = before.look(&rec)
			if !yield(l, err) || err != nil {
				return
			}
		}
		for _, g := range gaps {
			if !yield(g, nil) {
				return
			}
		}
	}
}

func (o *Options) kinds() []evidence.Kind {
	if len(o.Kinds) > 0 {
		return o.Kinds
	}
	var kinds []evidence.Kind
	for _, k := range evidence.Kinds() {
		if !slices.Contains(bookkeeping, k.Kind) {
			kinds = append(kinds, k.Kind)
		}
	}
	return kinds
}

// gapLines returns the blind windows that touch the kinds told, in order.
func gapLines(ctx context.Context, r evidence.Reader, p evidence.Period, opt Options) ([]Line, error) {
	if opt.NoGaps {
		return nil, nil
	}
	cov, err := evidence.LoadCoverage(ctx, r, p)
	if err != nil {
		return nil, err
	}
	if opt.Now.After(p.From) && opt.Now.Before(p.To) {
		p.To = opt.Now
	}
	kinds := opt.kinds()
	var lines []Line
	for _, w := range reports.AllBlind(cov, p) {
		var hit []string
		for _, k := range w.Kinds {
			if slices.Contains(kinds, k) {
				hit = append(hit, string(k))
			}
		}
		if len(hit) == 0 || opt.Source != "" && opt.Source != w.Source {
			continue
		}
		says := fmt.Sprintf("nothing seen of %s for %s: %s (%s)", w.Source, reports.Spell(w.To.Sub(w.From)), w.Says(), strings.Join(hit, ", "))
		lines = append(lines, Line{
			At: w.From, Until: w.To, Gap: true, Seq: w.Seq, Kind: evidence.CollectionCoverage, Source: w.Source, Says: says,
		})
	}
	if len(cov.Sources()) == 0 {
		lines = append(lines, Line{At: p.From, Until: p.To, Gap: true, Kind: evidence.CollectionCoverage, Says: "no source claims to have looked in this period"})
	}
	return lines, nil
}

func line(ctx context.Context, r evidence.Reader, people *reports.People, rec *evidence.Record) (Line, error) {
	who, err := people.All(ctx, rec)
	if err != nil {
		return Line{}, err
	}
	l := Line{
		At: rec.Occurred, NotBefore: rec.NotBefore, Basis: rec.Basis, Seq: rec.Seq, Kind: rec.Kind, Op: rec.Op, Source: rec.Source,
		Who: who, Actor: rec.Actor, Subject: rec.Subject.String(), Facts: rec.Facts,
	}
	if len(rec.Facts) == 0 {
		l.Closed = rec.Closed["content"]
		if l.Closed == "" {
			l.Closed = "the content could not be opened"
		}
		l.Says = "not opened: " + l.Closed
		return l, nil
	}
	t := &teller{rec: rec, who: who}
	if rec.Kind == evidence.AlertInstance && rec.Op == evidence.OpEnd {
		if t.alertName, err = alertName(ctx, r, rec); err != nil {
			return Line{}, err
		}
	}
	if l.Says, err = t.tell(); err != nil {
		// Facts that do not decode are told as they are, not dropped.
		l.Says = "facts of another shape: " + reports.Shorten(string(rec.Facts), 120)
	}
	return l, nil
}
