package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/daemon"
	"evidenced/cmd/internal/telemetry"
	"evidenced/collectors"
	"evidenced/collectors/all"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/store/local"
)

// wired gives the real parts.
func wired() parts { return wiredWith(all.Specs) }

// wiredWith gives the real parts with these types of sources.
func wiredWith(specs func() []collectors.Spec) parts {
	return parts{
		specs: specs, open: openForReading, socket: socketOf, serve: serve, collect: collect, doctor: daemon.Examine,
		rewrap: daemon.Rewrap, restoreKeys: daemon.RestoreKeys, demo: demonstrate(specs), now: time.Now,
	}
}

func socketOf(dataDir string) string {
	_, socket := local.Holder(dataDir)
	return socket
}

func openForReading(ctx context.Context, c *config.Config) (api.World, func() error, error) {
	if err := local.Barred(c.DataDir); err != nil {
		return nil, nil, err
	}
	if !local.Exists(c.DataDir) {
		return nil, nil, problem.New(problem.NotFound, "there is no evidence in %s", c.DataDir).
			WithHint("evidenced collect and evidenced serve begin it; evidenced demo makes one to try")
	}
	e, err := daemon.Open(ctx, daemon.Options{Config: c, Program: programName(), ReadOnly: true})
	if err != nil {
		return nil, nil, err
	}
	return e, e.Close, nil
}

func serve(ctx context.Context, c *config.Config, log *slog.Logger) (err error) {
	e, err := daemon.Open(ctx, daemon.Options{Config: c, Program: programName(), Log: log, Metrics: telemetry.NewMetrics()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	return e.Serve(ctx)
}

func collect(ctx context.Context, c *config.Config, o collectOptions) (_ []evidence.RunFacts, err error) {
	e, err := daemon.Open(ctx, daemon.Options{Config: c, Program: programName(), Log: o.Log, Waits: o.Waits})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	runs, err := e.Collect(ctx, o.Source, o.AcceptScope)
	if err != nil {
		return runs, err
	}
	return runs, e.JudgeAndSign(ctx)
}
