package daemon

import (
	"context"
	"io"
	"os"

	"evidenced/cmd/internal/config"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings/deadline"
	"evidenced/store"
)

// Act implements api.Incidents. Acts come one after the other, over all
// tenants: they are rare, and what one decides on must not move meanwhile.
func (e *Engine) Act(ctx context.Context, t evidence.Tenant, decide func(r evidence.Reader) ([]evidence.Draft, error)) ([]uint64, error) {
	e.acting.Lock()
	defer e.acting.Unlock()
	log, err := e.local.Store.Log(t)
	if err != nil {
		return nil, err
	}
	drafts, err := decide(log.Snapshot())
	if err != nil || len(drafts) == 0 {
		return nil, err
	}
	items := make([]store.Item, len(drafts))
	for i, d := range drafts {
		items[i] = store.Item{Draft: d}
	}
	res, err := log.Append(ctx, items)
	if err != nil {
		return nil, err
	}
	for _, f := range res.Fates {
		if f != store.Appended {
			return nil, problem.New(problem.Internal, "an act in the log of %s was not taken", t)
		}
	}
	return res.Seqs, nil
}

// Calendars implements api.Incidents.
func (e *Engine) Calendars() *deadline.Calendars { return e.calendars }

// readHolidays reads no more than one byte over what a file may hold: its size
// is told then, and nothing larger fills the memory.
func readHolidays(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, deadline.MaxFile+1))
}

// calendarsOf loads the holidays: the built-in ones, and the file on top that
// the configuration names.
func calendarsOf(c *config.Config) (*deadline.Calendars, error) {
	cals := deadline.Builtin()
	file := c.Incidents.Holidays
	if file == "" {
		return cals, nil
	}
	data, err := readHolidays(file)
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "cannot read incidents.holidays").WithHint("name a file of holidays, or leave the key away")
	}
	return cals.WithFile(file, data)
}
