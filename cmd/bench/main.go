// Command bench measures what this machine makes of a log, beside what the
// machine itself can do: SHA-256, AES-GCM, and an append with fdatasync to a
// plain file of the same bytes. A limit is measured before and after each
// figure it stands beside, in every round, because a disk and its neighbours
// change their minds within minutes; what is printed are medians of rounds.
// Ratios travel from machine to machine, absolute numbers do not.
//
// It checks the answers it times: a figure for a wrong answer is an error.
//
//	CGO_ENABLED=0 go run ./cmd/bench [flags]
//
// docs/benchmarks.md explains every row.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 64
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// options are what the command line says.
type options struct {
	records  int // of the large log
	rounds   int
	tenants  int // of the installation with many
	spread   int // tenants of one batch
	only     *regexp.Regexp
	dir      string
	json     bool
	markdown bool
	profile  string
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{spread: 300}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.IntVar(&o.records, "records", 1_000_000, "`N` records in the large log; the targets for reading and memory are set at 10000000")
	fs.IntVar(&o.rounds, "rounds", 5, "rounds of each figure, of which the median is printed")
	fs.IntVar(&o.tenants, "tenants", 1000, "tenants of the installation with many")
	only := fs.String("only", "", "measure only the sections whose name matches the `regexp`: ingest, callers, spread, cpu, costs, large, verify, point, tenants")
	fs.StringVar(&o.dir, "dir", os.TempDir(), "where the temporary data directory is made: on the disk to be measured")
	fs.BoolVar(&o.json, "json", false, "print JSON")
	fs.BoolVar(&o.markdown, "markdown", false, "print the tables of docs/benchmarks.md")
	fs.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of the whole run to the `file`; the section cpu is left out then")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 || o.records < 1000 || o.rounds < 1 || o.tenants < 50 {
		return o, errors.New("no arguments; at least 1000 records, 1 round and 50 tenants")
	}
	var err error
	o.only, err = regexp.Compile(*only)
	return o, err
}

// run is the program without its process.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	if text := getenv(partEnv); text != "" {
		return runPart(ctx, text, stdout, stderr)
	}
	o, err := parse(args, stderr)
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(stderr, "bench:", err)
		}
		return exitUsage
	}
	rep, err := measure(ctx, o, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	switch {
	case o.json:
		err = rep.json(stdout)
	case o.markdown:
		err = rep.markdown(stdout)
	default:
		err = rep.text(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	return exitOK
}

// bench is one run of the program.
type bench struct {
	o      options
	dir    string // of this run alone
	rep    *report
	stderr io.Writer
	quiet  *slog.Logger
	large  *large // built by the first section that needs it
}

// sections are run in this order.
var sections = []struct {
	name string
	run  func(*bench, context.Context) error
}{
	{"ingest", (*bench).ingest},
	{"callers", (*bench).callers},
	{"spread", (*bench).spread},
	{"cpu", (*bench).cpu},
	{"costs", (*bench).costs},
	{"large", (*bench).largeLog},
	{"verify", (*bench).verify},
	{"point", (*bench).point},
	{"tenants", (*bench).tenants},
}

func measure(ctx context.Context, o options, stderr io.Writer) (rep *report, err error) {
	if err := enoughDisk(o.dir, diskNeed(o.records)); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.dir, "evidenced-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.profile != "" {
		f, err := os.OpenFile(o.profile, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return nil, err
		}
		defer pprof.StopCPUProfile()
	}
	b := &bench{o: o, dir: dir, stderr: stderr, quiet: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	b.rep = &report{Machine: describe(o.dir), Records: o.records, Rounds: o.rounds, Begun: time.Now().UTC()}
	defer func() { err = errors.Join(err, b.large.close()) }()
	for _, s := range sections {
		if !o.only.MatchString(s.name) {
			continue
		}
		begun := time.Now()
		if err := s.run(b, ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(stderr, "%-8s measured in %s\n", s.name, time.Since(begun).Round(100*time.Millisecond))
		runtime.GC() // one section's garbage is not the next one's
	}
	b.rep.Took = time.Since(b.rep.Begun)
	return b.rep, nil
}

// sub makes a directory of the run.
func (b *bench) sub(name string) (string, error) {
	d := filepath.Join(b.dir, name)
	return d, os.MkdirAll(d, 0o700)
}

// scaled is n, or less in a run with fewer records than the short form has, so
// that a trial takes seconds; never fewer than least.
func (b *bench) scaled(n, least int) int {
	return max(least, min(n, int(float64(n)*float64(b.o.records)/1e6)))
}
