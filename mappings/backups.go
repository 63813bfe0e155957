package mappings

import (
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

// How far before the period these views read, for what began there: no backup
// schedule pauses longer, and no law asks for a restore test less often.
const (
	backupsBack  = 100 * 24 * time.Hour
	expiriesBack = 800 * 24 * time.Hour
	restoresBack = 400 * 24 * time.Hour
)

var backupsView = &view{
	View: View{
		Name: "backups",
		Doc: "Backups that were kept at some time in the period: one item for each, whenever it was made. " +
			"A backup is gone when the source told of its deletion, or when a complete list no longer showed it. One that expired before the period, and whose deletion may have gone unseen before it, is left out.",
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
		if !f.DeletedAfter.IsZero() {
			it.why["deleted"] = fmt.Sprintf("it was found to be gone at %s, and was last there at %s", evidence.FormatTime(f.DeletedAt), evidence.FormatTime(f.DeletedAfter))
		}
		sure, possible := back.pastExpiry(it, r, &f)
		if possible > 0 && f.ExpiresAt.Before(s.period.From) && back.mayHaveGone(r, &f, sure, s.period.From) {
			return nil // it may have gone long ago
		}
		return yield(it)
	}, evidence.BackupRun)
}

// mayHaveGone reports whether a backup that expired before the instant may have
// gone before it, unseen.
func (s *scene) mayHaveGone(r *evidence.Record, f *evidence.BackupFacts, sure time.Duration, at time.Time) bool {
	if !f.DeletedAfter.IsZero() {
		return f.DeletedAfter.Before(at)
	}
	return sure == 0 && !s.watched(r.Source, evidence.BackupRun, evidence.Period{From: f.ExpiresAt, To: at})
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
	there := firstTime(f.DeletedAfter, f.DeletedAt) // until then, once it is gone
	switch look := earlier(s.cover.lastLook(r.Source, evidence.BackupRun, s.period.To), s.period.To); {
	case !f.DeletedAt.IsZero():
		end = earlier(f.DeletedAt, end)
		seen = earlier(there, end)
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
	if there.After(s.period.To) {
		it.grows("past_expiry", end.Sub(f.ExpiresAt))
		s.later(there)
	}
	if f.DeletedAt.After(s.period.To) {
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

// wholeBackup reports whether a backup is completed with all that it set out
// to keep. One that names why it failed is not: a server that starts marks what
// it finds running as failed, and what waits for plugins may go on to Completed.
func wholeBackup(f *evidence.BackupFacts) bool {
	all := func(t *evidence.Tries) bool { return t == nil || t.Failed == 0 && t.Completed >= t.Attempted }
	return f.Terminal && f.Phase == "Completed" && f.Errors == 0 && f.Failure == "" && all(f.Snapshots) && all(f.Operations) && (f.Hooks == nil || f.Hooks.Failed == 0)
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

func firstNonEmpty(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}
