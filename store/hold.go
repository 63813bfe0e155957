package store

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/problem"
)

var holdName = regexp.MustCompile(`^[a-z0-9][a-z0-9./-]{0,62}$`)

// Hold is a legal hold in force.
type Hold struct {
	evidence.HoldFacts
	Since time.Time `json:"since"`
	Seq   uint64    `json:"seq"` // the record that placed it
}

// holdsAt is later than any record: holds are asked for as they stand.
var holdsAt = time.Date(2261, 1, 1, 0, 0, 0, 0, time.UTC)

// Holds lists the legal holds in force, sorted by their subject.
func (l *Log) Holds(ctx context.Context) ([]Hold, error) {
	holds := []Hold{}
	for rec, err := range l.Snapshot().States(ctx, evidence.LogHold, holdsAt) {
		if err != nil {
			return nil, err
		}
		h := Hold{Since: rec.Occurred, Seq: rec.Seq}
		if err := rec.Decode(&h.HoldFacts); err != nil {
			return nil, err
		}
		holds = append(holds, h)
	}
	return holds, nil
}

// Held reports whether a legal hold is in force, and why. Holds that cannot be
// read hold.
func (l *Log) Held(ctx context.Context) (reason string, held bool) {
	holds, err := l.Holds(ctx)
	if err != nil {
		return "the holds cannot be read: " + err.Error(), true
	}
	if len(holds) == 0 {
		return "", false
	}
	h := holds[0]
	return fmt.Sprintf("hold %s since %s by %s: %s", h.Name, evidence.FormatTime(h.Since), h.Authority, h.Reason), true
}

// RefuseHeld returns a problem of code refused while a hold is in force. The
// act is what the hold forbids: "retire records".
func (l *Log) RefuseHeld(ctx context.Context, act string) error {
	if reason, held := l.Held(ctx); held {
		return problem.New(problem.Refused, "cannot %s of %s: %s", act, l.tenant, reason).
			WithHint("evidenced hold list --tenant %s shows the holds; evidenced hold release ends one", l.tenant)
	}
	return nil
}

// PlaceHold places a legal hold. A hold of the name that is in force is
// refused, so that its reason is not replaced unnoticed.
func (l *Log) PlaceHold(ctx context.Context, f evidence.HoldFacts) (Hold, error) {
	if err := checkHold(f); err != nil {
		return Hold{}, err
	}
	if _, ok, err := l.hold(ctx, f.Name); err != nil {
		return Hold{}, err
	} else if ok {
		return Hold{}, problem.New(problem.Refused, "hold %s of %s is in force already", f.Name, l.tenant).WithHint("give another name, or release it first")
	}
	now := l.afterRecorded(l.st.o.Clock().UTC())
	seq, err := l.appendHold(ctx, evidence.OpSet, f, now)
	return Hold{HoldFacts: f, Since: now, Seq: seq}, err
}

// ReleaseHold ends the hold of the name. Reason and authority are of the
// release. It returns the hold that was in force.
func (l *Log) ReleaseHold(ctx context.Context, f evidence.HoldFacts) (Hold, error) {
	if err := checkHold(f); err != nil {
		return Hold{}, err
	}
	h, ok, err := l.hold(ctx, f.Name)
	if err != nil {
		return h, err
	}
	if !ok {
		return h, problem.New(problem.NotFound, "no hold %s of %s is in force", f.Name, l.tenant).WithHint("evidenced hold list --tenant %s shows the holds", l.tenant)
	}
	now := l.afterRecorded(l.st.o.Clock().UTC())
	if now.Before(h.Since) {
		now = h.Since // a clock set back must not leave it in force
	}
	_, err = l.appendHold(ctx, evidence.OpEnd, f, now)
	return h, err
}

// afterRecorded returns the instant, or one after everything that the log has
// recorded: with a clock set back, a hold would stand before the release of an
// earlier one of its name, and would not be in force.
func (l *Log) afterRecorded(now time.Time) time.Time {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if after := l.head.Recorded.Add(time.Microsecond); now.Before(after) {
		return after.UTC()
	}
	return now
}

func checkHold(f evidence.HoldFacts) error {
	switch {
	case !holdName.MatchString(f.Name):
		return problem.New(problem.Usage, "hold name %q: want 1 to 63 of a-z, 0-9, ., / and -", f.Name)
	case f.Reason == "" || f.Authority == "":
		return problem.New(problem.Usage, "a hold is placed and released with a reason and an authority").WithHint("give --reason and --authority")
	case len(f.Reason) > 4096 || len(f.Authority) > 1024:
		return problem.New(problem.Usage, "the reason may have 4096 bytes, the authority 1024")
	}
	return nil
}

func (l *Log) hold(ctx context.Context, name string) (Hold, bool, error) {
	holds, err := l.Holds(ctx)
	for _, h := range holds {
		if h.Name == name {
			return h, true, err
		}
	}
	return Hold{}, false, err
}

func (l *Log) appendHold(ctx context.Context, op evidence.Op, f evidence.HoldFacts, now time.Time) (uint64, error) {
	content, err := json.Marshal(f)
	if err != nil {
		return 0, err
	}
	seq, _, _, err := l.AppendAt(ctx, []Item{{Draft: evidence.Draft{
		Kind: evidence.LogHold, Op: op, Source: evidence.SelfSource, Subject: evidence.NewRef("hold", "", f.Name),
		OccurredAt: now, Basis: evidence.BasisSource, ObservedAt: now, Content: content,
	}}})
	return seq, err
}
