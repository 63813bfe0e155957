package main

import (
	"context"
	"io"
	"log/slog"
	"time"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/doctor"
	"evidenced/collectors"
	"evidenced/evidence"
)

// parts are what the commands are made of. wired gives the real ones; tests
// may link fewer collectors.
type parts struct {
	// specs lists the types of sources.
	specs func() []collectors.Spec
	// open opens a data directory for reading, under its lock.
	open func(ctx context.Context, c *config.Config) (api.World, func() error, error)
	// socket returns the socket that the holder of the lock names; "" for none.
	socket func(dataDir string) string
	// serve runs the daemon until ctx ends.
	serve func(ctx context.Context, c *config.Config, log *slog.Logger) error
	// collect brings sources up to now once.
	collect func(ctx context.Context, c *config.Config, o collectOptions) ([]evidence.RunFacts, error)
	// doctor examines the named sources of a configuration, all when none is.
	doctor func(ctx context.Context, c *config.Config, clock func() time.Time, names []string, limit time.Duration) (*doctor.Report, error)
	// rewrap changes how the wrapping key is kept to what the configuration
	// says: the kinds before and now, and whether the old key is gone for good.
	rewrap func(ctx context.Context, c *config.Config) (before, now string, gone bool, why string, err error)
	// restoreKeys brings a keyring back from a backup.
	restoreKeys func(ctx context.Context, c *config.Config, r io.Reader, passphrase string) error
	// demo makes the demonstration; nil leaves the command out.
	demo func(ctx context.Context, o demoOptions) error
	// now is the wall clock.
	now func() time.Time
}

// collectOptions are what a look at all sources needs of the command line.
type collectOptions struct {
	Source      evidence.SourceID // this one alone; "": all
	AcceptScope bool
	Waits       func([]evidence.SourceID) // see daemon.Options
	Log         *slog.Logger
}

// demoOptions are what the demonstration needs of the command line.
type demoOptions struct {
	Dir      string // "": a new temporary directory
	Stay     bool   // keep the platform's servers until interrupted
	Stdout   io.Writer
	Stderr   io.Writer
	Terminal cli.Terminal // of Stdout
	Progress *cli.Progress
}
