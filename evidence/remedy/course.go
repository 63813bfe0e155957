package remedy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// item is one thing that fails a test: the item of a record, or with whole the
// finding itself, which found nothing or nothing new enough.
type item struct {
	test  string
	seq   uint64
	whole bool
}

// stand is what a finding says of an item.
type stand int

const (
	absent stand = iota // it does not fail
	failing
	untold // it cannot be told
)

// standOf reads a finding in force.
func standOf(f *evidence.FindingFacts, it item) stand {
	if it.whole {
		switch f.Status {
		case evidence.Gap, evidence.Stale:
			return failing
		case evidence.NotObserved, evidence.Undetermined:
			return untold
		}
		return absent
	}
	if _, ok := slices.BinarySearch(f.Failed, it.seq); ok {
		return failing
	}
	_, unknown := slices.BinarySearch(f.Unknown, it.seq)
	// A finding names only so many, and one that saw nothing at all says nothing.
	if unknown || f.FailedCut+f.UnknownCut > 0 || f.Status == evidence.NotObserved && f.Population == 0 {
		return untold
	}
	return absent
}

// course is how an item fared by the recorded findings. Controls that share a
// test judge the same items, each in a finding of its own.
type course struct {
	stands map[evidence.ControlID]stand // where it fails or cannot be told now
	rule   evidence.Hash                // by which it failed last
	failed bool                         // at any time
	left   leaving                      // when it stopped to fail last
}

// leaving is the finding that named an item no longer.
type leaving struct {
	at     time.Time
	from   time.Time // the begin of what was judged
	rule   evidence.Hash
	status evidence.Status
	gone   bool // no test gives the finding any more
}

// open reports whether the item fails by a finding in force, or may.
func (c *course) open() bool { return len(c.stands) > 0 }

// told reports whether some finding says that it fails.
func (c *course) told() bool {
	for _, s := range c.stands {
		if s == failing {
			return true
		}
	}
	return false
}

// courses follow items through the recorded findings of their tests.
type courses struct {
	by  map[string]map[item]*course                             // by test
	now map[string]map[evidence.ControlID]evidence.FindingFacts // findings in force of these tests
}

func newCourses() *courses {
	return &courses{by: map[string]map[item]*course{}, now: map[string]map[evidence.ControlID]evidence.FindingFacts{}}
}

// test makes the findings of a test be read.
func (cs *courses) test(id string) map[item]*course {
	if cs.by[id] == nil {
		cs.by[id] = map[item]*course{}
		cs.now[id] = map[evidence.ControlID]evidence.FindingFacts{}
	}
	return cs.by[id]
}

// want makes an item be followed.
func (cs *courses) want(it item) {
	if of := cs.test(it.test); of[it] == nil {
		of[it] = &course{stands: map[evidence.ControlID]stand{}}
	}
}

func (cs *courses) of(it item) *course { return cs.by[it.test][it] }

// read reads the findings as they were recorded up to the instant.
func (cs *courses) read(ctx context.Context, r evidence.Reader, at time.Time) error {
	if len(cs.by) == 0 {
		return nil
	}
	for rec, err := range r.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.FindingState}}) {
		if err != nil {
			return fmt.Errorf("findings of %s: %w", r.Tenant(), err)
		}
		control, test, _ := strings.Cut(rec.Subject.Name, "/")
		if cs.by[test] == nil || rec.Recorded.After(at) && rec.Carries == nil {
			continue
		}
		if rec.Op == evidence.OpEnd {
			cs.gone(evidence.ControlID(control), test, rec.Occurred)
			continue
		}
		if len(rec.Facts) == 0 {
			continue // its data key is gone: what it said cannot be known
		}
		var f evidence.FindingFacts
		if err := rec.Decode(&f); err != nil {
			return err
		}
		cs.take(test, rec.Occurred, f)
	}
	return nil
}

func (cs *courses) take(test string, at time.Time, f evidence.FindingFacts) {
	cs.now[test][f.Control] = f
	for it, c := range cs.by[test] {
		switch s := standOf(&f, it); s {
		case failing:
			c.stands[f.Control], c.rule, c.failed = failing, f.Rule, true
		case untold:
			if _, was := c.stands[f.Control]; was {
				c.stands[f.Control] = untold
			}
		default:
			c.leave(f.Control, leaving{at: at, from: f.Period.From, rule: f.Rule, status: f.Status})
		}
	}
}

func (cs *courses) gone(control evidence.ControlID, test string, at time.Time) {
	delete(cs.now[test], control)
	for _, c := range cs.by[test] {
		c.leave(control, leaving{at: at, gone: true})
	}
}

// leave notes that a finding names the item no longer. The last one that did
// decides how it went.
func (c *course) leave(control evidence.ControlID, l leaving) {
	if _, was := c.stands[control]; was {
		delete(c.stands, control)
		c.left = l
	}
}

// Ending is how an item came to fail no longer.
type Ending string

// The endings. Only the first says that something was mended.
const (
	Healed     Ending = "healed"      // it is still looked at and fails no longer
	LeftPeriod Ending = "left-period" // the judged period has moved past it: nobody saw it mended
	NotAsked   Ending = "not-asked"   // the rule is another, or the test applies no longer
)

// ending says how an item that fails no longer went.
func (b *Book) ending(ctx context.Context, it item, c *course) (Ending, error) {
	l := &c.left
	switch {
	case !c.failed:
		return LeftPeriod, nil // whatever said that it failed was retired
	case l.gone || l.status == evidence.NotApplicable || l.rule != c.rule:
		return NotAsked, nil
	case it.whole:
		return Healed, nil
	}
	over, err := b.over(ctx, it.seq)
	if err != nil {
		return "", err
	}
	if over.Before(l.from) {
		return LeftPeriod, nil
	}
	return Healed, nil
}

// never is behind every instant that is judged, and no later than a log's index
// can hold.
var never = time.Date(2261, 1, 1, 0, 0, 0, 0, time.UTC)

// over is when what a record says was over: of an event its own time, of a
// state the begin of the next one of its subject, never for one that holds. A
// record that was retired is older than anything that is judged.
func (b *Book) over(ctx context.Context, seq uint64) (time.Time, error) {
	var rec evidence.Record
	for r, err := range b.reader.Records(ctx, evidence.Query{FromSeq: seq, BySeq: true, Limit: 1}) {
		if err != nil {
			return time.Time{}, fmt.Errorf("record %d, which failed: %w", seq, err)
		}
		rec = r
	}
	if rec.Seq != seq {
		return time.Time{}, nil // retired
	}
	if info, _ := evidence.KindInfo(rec.Kind); !info.State {
		return rec.Occurred, nil
	}
	q := evidence.Query{Kinds: []evidence.Kind{rec.Kind}, Source: rec.Source, Subject: rec.Subject, Period: evidence.Period{From: rec.Occurred, To: never}}
	for next, err := range b.reader.Records(ctx, q) {
		if err != nil {
			return time.Time{}, fmt.Errorf("what came after record %d: %w", seq, err)
		}
		if next.Occurred.After(rec.Occurred) {
			return next.Occurred, nil
		}
	}
	return never, nil
}
