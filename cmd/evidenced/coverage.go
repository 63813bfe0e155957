package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) coverageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "coverage --tenant TENANT",
		GroupID: "ask",
		Short:   "What was seen of each source, when nobody looked, and how the due runs ended",
		Long: "A chart of source by time. Without a period the last seven days are meant.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced coverage --tenant tenant-7 --from 2026-11-08 --to 2026-11-14",
		Args:    cobra.NoArgs,
	}
	var r api.CoverageParams
	span(cmd, &r.Span)
	return p.ask(cmd, "coverage", &r, &r.Common, nil)
}
