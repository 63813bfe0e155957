// Package today says what a person who begins the day should know of a tenant:
// what came to need somebody and what healed since a moment, what nobody sees
// now, and what falls due soon.
//
// The first three stand on the finding.state records of the log. What falls due
// comes from sources of dues: see [Dues].
package today

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/mappings"
	"evidenced/mappings/statement"
	"evidenced/reports"
	"evidenced/reports/gaps"
)

// Horizon is how far ahead is looked for what falls due.
const Horizon = 14 * 24 * time.Hour

// Report is the answer.
type Report struct {
	Tenant evidence.Tenant `json:"tenant"`
	Origin string          `json:"origin"`
	At     time.Time       `json:"at"`
	Since  time.Time       `json:"since"`
	Until  time.Time       `json:"until"` // how far what falls due is looked for
	Size   uint64          `json:"as_known_at_size"`
	Judged time.Time       `json:"judged,omitzero"` // zero: never
	Demo   bool            `json:"demonstration,omitempty"`
	New    []Change        `json:"new"`
	Healed []Change        `json:"healed"`
	Blind  []Blind         `json:"blind"`
	Due    []Due           `json:"due"`
}

// Change is a finding that came to need somebody, or healed, and still stands
// so.
type Change struct {
	Control  evidence.ControlID `json:"control"`
	Test     string             `json:"test"`
	Severity string             `json:"severity"`
	Was      evidence.Status    `json:"was,omitempty"` // "" when it was judged for the first time
	Is       evidence.Status    `json:"is"`
	At       time.Time          `json:"at"`
	Why      string             `json:"why"`
	Seq      uint64             `json:"record"`
	// Waived is what somebody accepted of it; the status is what it is.
	Waived *statement.ToldWaived `json:"waived,omitempty"`
}

// Blind is what a source does not show now, and what cannot be told for it.
type Blind struct {
	Source   evidence.SourceID    `json:"source,omitempty"` // "": no source gives the kinds
	Kinds    []evidence.Kind      `json:"kinds"`
	Since    time.Time            `json:"since,omitzero"` // zero: for as long as is judged
	Cause    string               `json:"cause"`
	Controls []evidence.ControlID `json:"controls"`
}

// Due is something that must have happened by a time.
type Due struct {
	At    time.Time `json:"at"`
	What  string    `json:"what"`              // what kind of thing: certificate, freshness, waiver, ...
	Says  string    `json:"says"`              // one sentence without a final stop
	Seqs  []uint64  `json:"records,omitempty"` // it stands on
	Over  bool      `json:"over,omitempty"`    // the time has passed
	Names []string  `json:"controls,omitempty"`
}

// Dues finds what falls due until a time, what is overdue among it. Nothing in
// it may be of another tenant. Clocks of incidents are one more.
type Dues func(ctx context.Context, in *Input, until time.Time) ([]Due, error)

// Input is what the answer stands on.
type Input struct {
	Reader  evidence.Reader
	Catalog *mappings.Catalog
	Now     time.Time
	Since   time.Time // changes from here on are new
	Judged  time.Time // when the tenant was judged last; zero: never

	Standing []mappings.Standing // set by Build
}

// Build answers. More dues are asked beside the package's own.
func Build(ctx context.Context, in Input, more ...Dues) (*Report, error) {
	standing, turns, err := mappings.Standings(ctx, in.Reader)
	if err != nil {
		return nil, err
	}
	in.Standing = standing
	r := &Report{
		Tenant: in.Reader.Tenant(), Origin: in.Reader.Origin(), At: in.Now.UTC(), Since: in.Since.UTC(), Until: in.Now.Add(Horizon).UTC(),
		Size: in.Reader.Size(), Judged: in.Judged, Demo: in.Reader.Simulated(),
		New: []Change{}, Healed: []Change{}, Blind: blindNow(standing), Due: []Due{},
	}
	book, err := statement.Load(ctx, in.Reader, in.Now)
	if err != nil {
		return nil, err
	}
	said, err := book.Beside(ctx, standing)
	if err != nil {
		return nil, err
	}
	r.changes(in.Catalog, standing, turns, said)
	for _, dues := range append(slices.Clone(ownDues), more...) {
		ds, err := dues(ctx, &in, r.Until)
		if err != nil {
			return nil, fmt.Errorf("what falls due: %w", err)
		}
		for _, d := range ds {
			d.Over = d.At.Before(in.Now)
			r.Due = append(r.Due, d)
		}
	}
	slices.SortStableFunc(r.Due, func(a, b Due) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Says, b.Says)) })
	return r, nil
}

// changes sorts the newest change of every finding, when it still holds.
func (r *Report) changes(cat *mappings.Catalog, standing []mappings.Standing, turns []mappings.Turn, said *statement.Beside) {
	newest := map[evidence.Ref]mappings.Turn{}
	before := map[evidence.Ref]evidence.Status{} // the status at Since
	for _, t := range turns {
		ref := mappings.FindingRef(t.Is.Control, t.Is.Test)
		if t.At.Before(r.Since) {
			before[ref] = t.Is.Status
			if t.Gone {
				delete(before, ref)
			}
		}
		newest[ref] = t
	}
	for _, s := range standing {
		ref := mappings.FindingRef(s.Control, s.Test)
		t := newest[ref]
		if t.At.Before(r.Since) {
			continue
		}
		was := before[ref]
		c := Change{Control: s.Control, Test: s.Test, Severity: s.Severity, Was: was, Is: s.Status, At: s.Since, Why: gaps.Why(cat, s), Seq: s.Seq, Waived: said.Of(s.Control, s.Test)}
		switch needed := reports.StatusGroup(was) == reports.NeedsWork; {
		case reports.StatusGroup(s.Status) == reports.NeedsWork && !needed:
			r.New = append(r.New, c)
		case needed && !mappings.Open(s.Status):
			r.Healed = append(r.Healed, c)
		}
	}
	for _, list := range [][]Change{r.New, r.Healed} {
		slices.SortStableFunc(list, func(a, b Change) int {
			return cmp.Or(cmp.Compare(severity(a.Severity), severity(b.Severity)), a.At.Compare(b.At), cmp.Compare(a.Control, b.Control), cmp.Compare(a.Test, b.Test))
		})
	}
}

func severity(s string) int { return slices.Index(mappings.Severities, s) }

// blindNow gathers the holes that last, by source and cause. That a kind has no
// configured source is no news of the day.
func blindNow(standing []mappings.Standing) []Blind {
	type key struct {
		source evidence.SourceID
		cause  string
	}
	by := map[key]*Blind{}
	for _, s := range standing {
		for _, u := range s.Uncovered {
			if !u.To.IsZero() || u.Source == "" {
				continue
			}
			k := key{u.Source, u.Cause}
			b := by[k]
			if b == nil {
				b = &Blind{Source: u.Source, Since: u.From, Cause: u.Cause}
				by[k] = b
			}
			if u.From.Before(b.Since) {
				b.Since = u.From
			}
			if !slices.Contains(b.Kinds, u.Kind) {
				b.Kinds = append(b.Kinds, u.Kind)
			}
			if !slices.Contains(b.Controls, s.Control) {
				b.Controls = append(b.Controls, s.Control)
			}
		}
	}
	out := []Blind{}
	for _, b := range by {
		slices.Sort(b.Kinds)
		slices.Sort(b.Controls)
		out = append(out, *b)
	}
	slices.SortFunc(out, func(a, b Blind) int { return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Cause, b.Cause)) })
	return out
}
