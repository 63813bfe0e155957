package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) fsckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "fsck",
		GroupID: "check",
		Short:   "Look at the whole data directory: keys, sign-state, index, cursors, then the logs",
		Long: "--repair-index derives an index again from the records. Nothing else is ever changed: not\n" +
			"records, not checkpoints, not keys.\n\n" + cli.ExitHelp(cli.ExitVerify, cli.ExitLocked),
		Example: "  evidenced fsck\n  evidenced fsck --deep --repair-index",
		Args:    cobra.NoArgs,
	}
	var r api.FsckParams
	f := cmd.Flags()
	f.BoolVar(&r.Deep, "deep", false, "open every claim")
	f.BoolVar(&r.RepairIndex, "repair-index", false, "derive an index again that does not fit the records")
	p.form(cmd, &r.JSON, &r.Width, &r.Colour)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.call(cmd.Context(), "fsck", r, nil) }
	return cmd
}
