package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/cli"
	"evidenced/cmd/internal/telemetry"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/reports"
)

func (p *program) collectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "collect -c FILE [--source NAME]",
		GroupID: "run",
		Short:   "Bring every source, or one, up to now once",
		Long: "Takes the lock, looks at each source once, several at the same time, and ends. The exit\n" +
			"code tells whether all was seen: 3 when a run was partial, failed or paused. What was good\n" +
			"is kept, and the next run continues from there. A source that does not answer is given up\n" +
			"after its own limits; a terminal shows what is still waited for.\n\n" + cli.ExitHelp(cli.ExitIncomplete, cli.ExitLocked, cli.ExitNotFound, cli.ExitRefused),
		Example: "  evidenced collect -c evidenced.yaml\n  evidenced collect -c evidenced.yaml --source vault/prod",
		Args:    cobra.NoArgs,
	}
	var source string
	var asJSON, acceptScope, verbose bool
	f := cmd.Flags()
	f.StringVar(&source, "source", "", "this source alone, as configured")
	f.BoolVar(&acceptScope, "accept-scope", false, "accept that the credential sees less than before: what it no longer sees ends as absent")
	f.BoolVar(&asJSON, "json", false, "write JSON")
	f.BoolVarP(&verbose, "verbose", "v", false, "log lines on standard error")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := p.ownConfig("collect")
		if err != nil {
			return err
		}
		log := slog.New(slog.DiscardHandler)
		if verbose {
			if log, err = telemetry.NewLogger(p.stderr, c.Log.Level, "text"); err != nil {
				return problem.Wrap(problem.Config, err, "log")
			}
		}
		wait := cli.NewWaiting(p.stderr, cli.Look(p.stderr, p.getenv))
		runs, err := p.collect(cmd.Context(), c, collectOptions{Source: evidence.SourceID(source), AcceptScope: acceptScope, Waits: wait.For, Log: log})
		wait.Done()
		if terr := p.tellRuns(runs, asJSON); err == nil && terr != nil {
			err = terr
		}
		if stopped(err) {
			return fmt.Errorf("stopped; what was good is kept, and the next run continues from there: %w", context.Canceled)
		}
		if err != nil {
			return err
		}
		return incomplete(runs)
	}
	return cmd
}

func (p *program) tellRuns(runs []evidence.RunFacts, asJSON bool) error {
	if asJSON {
		if runs == nil {
			runs = []evidence.RunFacts{}
		}
		return p.document(map[string]any{"complete": incomplete(runs) == nil, "runs": runs})
	}
	if len(runs) == 0 {
		return nil
	}
	t := reports.Table{Columns: []reports.Column{
		{Title: "SOURCE", Keep: true}, {Title: "OUTCOME", Keep: true}, {Title: "ITEMS", Right: true, Keep: true},
		{Title: "NEW", Right: true, Keep: true}, {Title: "REQUESTS", Right: true, Keep: true},
	}}
	style := cli.Look(p.stdout, p.getenv).Style(nil)
	for _, r := range runs {
		paint := reports.Plain
		if !complete(r.Outcome) {
			paint = style.Bad
		}
		t.PaintedRow(paint, string(r.Source), string(r.Outcome), strconv.Itoa(r.Items), strconv.Itoa(r.Records), strconv.Itoa(r.Requests))
	}
	if err := t.Write(p.stdout, style); err != nil {
		return err
	}
	// Why stands below: in a column it would be cut to its first words.
	for _, r := range runs {
		if r.Cause == "" {
			continue
		}
		why := strings.TrimPrefix(r.Cause, "collector "+string(r.Source)+": ")
		if _, err := fmt.Fprintln(p.stdout); err != nil {
			return err
		}
		if err := style.Paragraph(p.stdout, string(r.Source)+"  ", reports.Terminal(why)); err != nil {
			return err
		}
	}
	return nil
}

// stopped reports whether all that went wrong is that somebody ended the
// program.
func stopped(err error) bool {
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(err error) bool { return !stopped(err) })
	case interface{ Unwrap() error }:
		return stopped(e.Unwrap())
	}
	return err == context.Canceled
}

func complete(o evidence.Outcome) bool { return o == evidence.RunDone || o == evidence.RunEmpty }

// incomplete is the problem of runs of which some were not complete.
func incomplete(runs []evidence.RunFacts) error {
	n := 0
	for _, r := range runs {
		if !complete(r.Outcome) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return problem.New(problem.Incomplete, "%d of %s incomplete", n, reports.Count(len(runs), "run")).
		WithHint("nothing was lost: each continues from where it was at the next run")
}
