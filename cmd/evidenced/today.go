package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) todayCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "today [--tenant TENANT|all]",
		GroupID: "ask",
		Short:   "What is new, healed, blind now and due in 14 days",
		Long: "Says of a tenant, or of all, what came to need someone and what healed in the last 24 hours,\n" +
			"what no source shows now, and what falls due within 14 days: certificates that end, evidence\n" +
			"that nobody looks after, statements that run out, clocks of incidents.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced today\n" +
			"  evidenced today --tenant tenant-7\n" +
			"  evidenced today --tenant tenant-7 --last 7d --json",
		Args: cobra.NoArgs,
	}
	var r api.TodayParams
	p.ask(cmd, "today", &r, &r.Common, nil)
	cmd.Flags().Lookup("tenant").Usage = "tenant to ask about, or all (default all)"
	cmd.Flags().StringVar(&r.Last, "last", "", "so far back is new: 24h, 7d, 2w (default 24h)")
	return cmd
}
