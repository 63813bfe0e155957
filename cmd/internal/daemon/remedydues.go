package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"evidenced/cmd/internal/alert"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/evidence/remedy"
)

// How long before the day of a remedy is over somebody is told: a quarter of the
// time that it has, within these.
const (
	remedyLeast = 24 * time.Hour
	remedyMost  = 14 * 24 * time.Hour
)

// remedyDays are the remedies of tenants that somebody has to carry out. They are
// read again when a plan or a verdict is new: what remains moves with the clock
// alone. They belong to the goroutine that brings the alerts up to date.
type remedyDays struct {
	known map[evidence.Tenant]remedyDay
}

type remedyDay struct {
	newest uint64 // record of a plan or a verdict that was read last
	dues   []alert.Deadline
}

// deadlines are the days of a tenant's remedies that have not closed. The
// sentences name tests and records and nobody.
func (d *remedyDays) deadlines(ctx context.Context, e *Engine, t evidence.Tenant, now time.Time) ([]alert.Deadline, error) {
	r, err := e.Reader(ctx, t)
	if problem.Is(err, problem.NotFound) {
		return nil, nil // no log yet: no plan
	}
	if err != nil {
		return nil, err
	}
	plan, planned, err := evidence.Newest(ctx, r, evidence.RemedyPlan, r.Size())
	if err != nil || !planned {
		return nil, err
	}
	judged, _, err := evidence.Newest(ctx, r, evidence.FindingState, r.Size())
	if err != nil {
		return nil, err
	}
	newest := max(plan.Seq, judged.Seq)
	if was, ok := d.known[t]; ok && was.newest == newest {
		return was.dues, nil
	}
	b, err := remedy.Load(ctx, r, now)
	if err != nil {
		return nil, err
	}
	is := remedyDay{newest: newest}
	for _, p := range b.All {
		if p.State.Live() {
			is.dues = append(is.dues, remedyDeadline(p))
		}
	}
	if d.known == nil {
		d.known = map[evidence.Tenant]remedyDay{}
	}
	d.known[t] = is
	return is.dues, nil
}

// remedyDeadline makes a deadline of a plan. It is named by the first record of
// its name, which a later one leaves as it is.
func remedyDeadline(p *remedy.Plan) alert.Deadline {
	tests := p.Tell(p.Late).Tests
	lead := min(max(p.Late.Sub(p.Said)/4, remedyLeast), remedyMost)
	return alert.Deadline{
		Name: alert.RemedyDue, Key: fmt.Sprintf("remedy/%d", p.Revisions[0].Seq),
		Says: fmt.Sprintf("the remedy for what fails %s (record %d) is due %s", strings.Join(tests, ", "), p.Seq, p.Due),
		Warn: p.Late.Add(-lead), Due: p.Late, Severity: alert.Info, Late: alert.Warning,
	}
}
