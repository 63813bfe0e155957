package mappings

import (
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

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
