package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/doctor"
	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Examine implements api.World.
func (e *Engine) Examine(ctx context.Context, names []string, limit time.Duration) (*doctor.Report, error) {
	return Examine(ctx, e.o.Config, e.Now, names, limit)
}

// Examine examines the named sources of a configuration, all when none is
// named, each by a collector of its own: the ones at work are not disturbed,
// and no data directory is needed. The files with the secrets of those sources,
// or with all that the configuration names, are looked at too.
func Examine(ctx context.Context, c *config.Config, clock func() time.Time, names []string, limit time.Duration) (*doctor.Report, error) {
	var sources []doctor.Source
	for i := range c.Sources {
		s := &c.Sources[i]
		if len(names) > 0 && !slices.Contains(names, string(s.Name)) {
			continue
		}
		one := doctor.Source{Name: s.Name, Type: s.Type, Schedule: s.Schedule, Paused: s.Paused}
		one.Collector, one.Err = s.Collector(collectors.Env{Clock: clock, Log: slog.New(slog.DiscardHandler), Mark: c.Accounts.Mark})
		sources = append(sources, one)
	}
	for _, n := range names {
		if !slices.ContainsFunc(sources, func(s doctor.Source) bool { return s.Name == evidence.SourceID(n) }) {
			return nil, problem.New(problem.NotFound, "there is no source %q", n).WithHint("evidenced config check lists them")
		}
	}
	if len(sources) == 0 {
		return nil, problem.New(problem.Config, "no source is configured").WithHint("add one below sources:, see docs/collectors")
	}
	r := doctor.Examine(ctx, clock, sources, limit)
	for _, x := range c.Exposed() {
		if len(names) == 0 || slices.Contains(names, string(x.Source)) {
			r.Files = append(r.Files, doctor.File{Field: x.Field, File: x.File, Mode: fmt.Sprintf("%04o", x.Mode), By: x.By, Hint: x.Hint()})
		}
	}
	return r, nil
}
