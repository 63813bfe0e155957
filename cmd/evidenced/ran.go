package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) ranCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ran --tenant TENANT --at TIME",
		GroupID: "ask",
		Short:   "What ran at a time, put there by whom, and who could read its secrets",
		Long: "The first line is the answer and fit to be read aloud; every line after it names the\n" +
			"records it stands on. What was not observed is said, never guessed.\n\n" + cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced ran --tenant tenant-7 --at \"2026-11-14 14:00\" --tz Europe/Berlin\n" +
			"  evidenced ran --tenant tenant-7 --at \"yesterday 14:00\" --json",
		Args: cobra.NoArgs,
	}
	q := p.question(cmd)
	var r api.RanParams
	cmd.Flags().StringVar(&r.At, "at", "", "the time: RFC 3339, \"2026-11-14 14:00\", 14:00, \"yesterday 14:00\"")
	cmd.Flags().StringVar(&r.Window, "window", "", "stretch around the time for secret reads and blind windows (default 1h)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r.Common = *q
		return p.call(cmd.Context(), "ran", r, nil)
	}
	return cmd
}
