package ran

import (
	"context"
	"slices"
	"time"

	"evidenced/evidence"
	"evidenced/reports"
)

// Look says how one source was looked at around the instant.
type Look struct {
	Source evidence.SourceID `json:"source"`
	Kinds  []evidence.Kind   `json:"kinds"`
	Before time.Time         `json:"last_before,omitzero"`
	After  time.Time         `json:"first_after,omitzero"`
	Class  evidence.Class    `json:"class"` // empty: nothing covers the instant
	Cause  string            `json:"cause,omitempty"`
}

// Covered reports whether the source saw its kinds at the instant.
func (l Look) Covered() bool { return l.Class.Rank() > 0 }

// coverage loads what was seen around the instant and tells, source by source,
// the looks around it and the blind windows within the hour.
func (b *builder) coverage(ctx context.Context) error {
	window := b.a.Window
	cov, err := evidence.LoadCoverage(ctx, evidence.CoverageNear(b.r, window), window)
	if err != nil {
		return err
	}
	deploys := len(cov.Sources(evidence.DeployState)) > 0
	if !anyCovered(cov, evidence.DeployState, b.at) && (deploys || !anyCovered(cov, evidence.RuntimePod, b.at)) {
		// The record that claims the instant may lie far from it: what was read
		// later from history. Rare, so the whole list is read only then.
		if cov, err = evidence.LoadCoverage(ctx, b.r, window); err != nil {
			return err
		}
	}
	b.cov, b.a.first = cov, cov.First
	known := window
	if size := b.r.Size(); size > 0 {
		last, err := b.r.Record(ctx, size-1)
		if err != nil {
			return err
		}
		// Nothing is said of a time that the log has not reached.
		if last.Recorded.Before(known.To) {
			known.To = last.Recorded
		}
	}
	for _, id := range cov.Sources() {
		b.lookedAt(id)
	}
	for _, w := range reports.AllBlind(cov, known) {
		b.a.Blind = append(b.a.Blind, w)
		if w.Seq > 0 {
			b.a.Records[evidence.CollectionCoverage] = append(b.a.Records[evidence.CollectionCoverage], w.Seq)
		}
	}
	return nil
}

func anyCovered(cov *evidence.Coverage, kind evidence.Kind, at time.Time) bool {
	for _, id := range cov.Sources(kind) {
		if sighting(cov, id, kind, at).Covered() {
			return true
		}
	}
	return false
}

// lookedAt tells one source, kinds that were seen alike together.
func (b *builder) lookedAt(id evidence.SourceID) {
	var looks []Look
	for _, kind := range reports.KindsOf(b.cov, id) {
		l := sighting(b.cov, id, kind, b.at)
		same := func(o Look) bool {
			return o.Class == l.Class && o.Before.Equal(l.Before) && o.After.Equal(l.After) && o.Cause == l.Cause
		}
		if i := slices.IndexFunc(looks, same); i >= 0 {
			looks[i].Kinds = append(looks[i].Kinds, kind)
		} else {
			looks = append(looks, l)
		}
	}
	b.a.Looked = append(b.a.Looked, looks...)
}

// sighting tells how a source saw a kind around the instant. A polled source
// covers the instant when looks stand on both sides as close as it usually
// looks, even where one coverage record ends and the next begins, and also
// when the newest look is that close: the next is just not due.
func sighting(cov *evidence.Coverage, id evidence.SourceID, kind evidence.Kind, at time.Time) Look {
	l := Look{Source: id, Kinds: []evidence.Kind{kind}}
	l.Before, l.After, l.Class = cov.LooksAround(id, kind, at)
	for _, s := range cov.Strips(id, kind, evidence.Period{From: at, To: at.Add(time.Nanosecond)}) {
		if s.Class == evidence.Blind {
			l.Class, l.Cause = "", s.Cause
			return l
		}
	}
	if l.Class != "" {
		return l
	}
	usual := cov.UsualInterval(id, kind)
	after := l.After
	if after.IsZero() {
		after = at
	}
	if usual > 0 && !l.Before.IsZero() && after.Sub(l.Before) <= 2*usual {
		l.Class = evidence.Instants
		return l
	}
	l.Cause = reports.Unclaimed(cov, id, kind, evidence.Period{From: l.Before, To: after})
	if !at.After(cov.Retired) {
		l.Cause = evidence.CauseRetired
	}
	return l
}
