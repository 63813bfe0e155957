package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) ranCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ran --tenant TENANT --at TIME | ran --image DIGEST [--at TIME]",
		GroupID: "ask",
		Short:   "What ran at a time, put there by whom, and who could read its secrets",
		Long: "The first line is the answer and fit to be read aloud; every line after it names the\n" +
			"records it stands on. What was not observed is said, never guessed.\n\n" +
			"What the pods ran stands beside what was declared; where the two differ and no change\n" +
			"just before explains it, the answer begins with \"Contradicted\".\n\n" +
			"With --image the question is which tenants ran the image: of one tenant with --tenant,\n" +
			"else of all, each read from its own log; now without --at. For an index its images count,\n" +
			"for an image the index that holds it.\n\n" + cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced ran --tenant tenant-7 --at \"2026-11-14 14:00\" --tz Europe/Berlin\n" +
			"  evidenced ran --tenant tenant-7 --at \"yesterday 14:00\" --json\n" +
			"  evidenced ran --image sha256:9b4c... --at \"2026-11-14 14:00\"",
		Args: cobra.NoArgs,
	}
	var r api.RanParams
	cmd.Flags().StringVar(&r.At, "at", "", "the time: RFC 3339, \"2026-11-14 14:00\", 14:00, \"yesterday 14:00\"")
	cmd.Flags().StringVar(&r.Window, "window", "", "stretch around the time for secret reads and blind windows (default 1h)")
	cmd.Flags().StringVar(&r.Image, "image", "", "which tenants ran the image of this digest")
	return p.ask(cmd, "ran", &r, &r.Common, nil)
}
