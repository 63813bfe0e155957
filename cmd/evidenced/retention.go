package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) retentionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "retention",
		GroupID: "run",
		Short:   "Drop what the configured retention does not keep",
	}
	run := &cobra.Command{
		Use:   "run",
		Short: "Apply retention.keep now; the daemon does it once a day",
		Long: "Drops whole sealed segments, the oldest first, once everything in one is older than the\n" +
			"retention. States that still hold are stated again before, hashes and checkpoints stay, and\n" +
			"the segment's key is destroyed. This cannot be undone: look with --dry-run first.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitRefused),
		Example: "  evidenced retention run --dry-run\n  evidenced retention run",
		Args:    cobra.NoArgs,
	}
	var r api.RetentionParams
	f := run.Flags()
	f.BoolVar(&r.DryRun, "dry-run", false, "say what would be dropped, drop nothing")
	f.BoolVar(&r.JSON, "json", false, "write JSON")
	run.RunE = func(cmd *cobra.Command, _ []string) error {
		if _, err := p.ownConfig("evidenced retention run"); err != nil {
			return err
		}
		return p.call(cmd.Context(), "retention", r, nil)
	}
	cmd.AddCommand(run)
	return cmd
}
