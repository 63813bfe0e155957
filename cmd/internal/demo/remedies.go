package demo

import (
	"context"
	"fmt"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/evidence"
)

// RemedyStep is one command of evidenced remedy, and when somebody gives it.
type RemedyStep struct {
	When time.Time
	api.RemedyParams
}

// RemedySteps are what the platform's people plan for two of the planted
// problems: one plan is carried out late, one has time yet. Each is given after
// the findings know of what it is for.
func RemedySteps() []RemedyStep {
	plan := func(when time.Time, tenant, name string, f api.RemedyFields) RemedyStep {
		return RemedyStep{when, api.RemedyParams{Common: api.Common{Tenant: tenant}, Act: "set", Name: name, RemedyFields: f}}
	}
	return []RemedyStep{
		plan(day(10, 28, 8, 15), "tenant-8", "new-password", api.RemedyFields{
			Tests: []string{"secret-rotated"}, Team: "platform team, secrets", Cause: "missing-process", Due: "2026-11-30",
			Detail: "nobody is told when a password of an upstream grows old",
			Remedy: "change it with the upstream's operator, then let the store rotate it each quarter", Ticket: "PLAT-218",
		}),
		plan(day(11, 11, 8, 30), "tenant-7", "guard-for-all", api.RemedyFields{
			Tests: []string{"chg-approved", "chg-attributed", "chg-independent"}, Owner: "github:prod|410101", Cause: "process-not-followed", Due: "2026-11-12",
			Detail: "an administrator was in a hurry on a Sunday night, and the guard did not hold",
			Remedy: "the guard on main binds administrators too; the hotfix is reviewed afterwards by another person", Ticket: "PLAT-231",
		}),
	}
}

// RemedyPlayer gives the commands of remedies to a world, as its people would.
type RemedyPlayer struct {
	World api.World
	Steps []RemedyStep // in the order of their time
}

// Next returns when the next step is; false when there is none.
func (p *RemedyPlayer) Next() (time.Time, bool) {
	if len(p.Steps) == 0 {
		return time.Time{}, false
	}
	return p.Steps[0].When, true
}

// Step gives the next command. The world's clock stands at its time.
func (p *RemedyPlayer) Step(ctx context.Context) error {
	s := p.Steps[0]
	p.Steps = p.Steps[1:]
	if _, err := give(ctx, p.World, "remedy", s.RemedyParams); err != nil {
		return fmt.Errorf("remedy %s of %s at %s: %w", s.Name, s.Tenant, evidence.FormatTime(s.When), err)
	}
	return nil
}
