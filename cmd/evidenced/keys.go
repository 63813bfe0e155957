package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "keys",
		GroupID: "run",
		Short:   "Change the key that signs checkpoints",
	}
	cmd.AddCommand(p.rotateLogCommand())
	return cmd
}

func (p *program) rotateLogCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate-log",
		Short: "Replace the log key and destroy the old one",
		Long: "Every log records the new key under a checkpoint signed by both keys; from then on only the\n" +
			"new one signs, and verifiers that know the old key follow. A log that is stopped holds the\n" +
			"end up; run it again then. After a crash the daemon ends what was begun.\n\n" +
			"--compromised says that somebody else may hold the old key: it vouches for nothing, and\n" +
			"auditors trust the new key only once you have given it to them.\n\n" + cli.ExitHelp(cli.ExitLocked, cli.ExitIncomplete),
		Example: "  evidenced keys rotate-log --reason \"yearly change\"\n" +
			"  evidenced keys rotate-log --compromised --reason \"disk of the old host is missing\"",
		Args: cobra.NoArgs,
	}
	var r api.RotateParams
	f := cmd.Flags()
	f.StringVar(&r.Reason, "reason", "", "why; sealed in every log")
	f.BoolVar(&r.Compromised, "compromised", false, "the old key may be in other hands")
	f.BoolVar(&r.JSON, "json", false, "write JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.call(cmd.Context(), "rotate-log-key", r, nil) }
	return cmd
}
