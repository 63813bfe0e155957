package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) assessCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "assess --tenant TENANT",
		GroupID: "ask",
		Short:   "What the evidence supports, control by control",
		Long: "Judges the tenant's log over a period against the catalog. Without a period the last 30\n" +
			"days are meant. An unfavourable verdict is an answer, not an error: the exit code is 0.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced assess --tenant tenant-7 --from 2026-10-01 --to 2026-12-31\n" +
			"  evidenced assess --tenant tenant-7 --from 2026-07-01 --to 2026-09-30 --rules then\n" +
			"  evidenced assess --tenant tenant-7 --control dora-art-9-4-e --json",
		Args: cobra.NoArgs,
	}
	var r api.AssessParams
	span(cmd, &r.Span)
	cmd.Flags().StringSliceVar(&r.Controls, "control", nil, "these controls alone")
	cmd.Flags().StringVar(&r.Rules, "rules", "", "now, or then: the rules in force at the end of the period (default now)")
	cmd.Flags().BoolVar(&r.All, "all", false, "show supported controls too")
	return p.ask(cmd, "assess", &r, &r.Common, nil)
}
