package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) todayCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "today --tenant TENANT",
		GroupID: "ask",
		Short:   "What is new, healed, blind now and due in 14 days",
		Long: "Says what came to need someone and what healed in the last 24 hours, what no source shows\n" +
			"now, and what falls due within 14 days: certificates that end, evidence that nobody looks\n" +
			"after, statements that run out.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced today --tenant tenant-7\n" +
			"  evidenced today --tenant tenant-7 --last 7d --json",
		Args: cobra.NoArgs,
	}
	q := p.question(cmd)
	var r api.TodayParams
	cmd.Flags().StringVar(&r.Last, "last", "", "so far back is new: 24h, 7d, 2w (default 24h)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r.Common = *q
		return p.call(cmd.Context(), "today", r, nil)
	}
	return cmd
}
