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
		Long: "--repair rebuilds what is derived from the records (the index); records themselves are\n" +
			"never changed.\n\n" + cli.ExitHelp(cli.ExitVerify, cli.ExitLocked),
		Example: "  evidenced fsck\n  evidenced fsck --deep --repair",
		Args:    cobra.NoArgs,
	}
	var r api.FsckParams
	f := cmd.Flags()
	f.BoolVar(&r.Deep, "deep", false, "open every claim")
	f.BoolVar(&r.Repair, "repair", false, "rebuild what is derived")
	f.BoolVar(&r.JSON, "json", false, "write JSON")
	t := cli.Look(p.stdout, p.getenv)
	r.Width, r.Colour = t.Width, t.Colour
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.call(cmd.Context(), "fsck", r, nil) }
	return cmd
}
