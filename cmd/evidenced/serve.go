package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/cli"
	"evidenced/cmd/internal/telemetry"
	"evidenced/evidence/problem"
)

func (p *program) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "serve -c FILE",
		GroupID: "run",
		Short:   "Run the daemon: collect on schedule, sign, answer on its socket",
		Long: "Runs until SIGTERM or SIGINT, then signs what has grown and ends with 0. Log lines go to\n" +
			"standard error. Metrics and health are served on the address listen: names.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitRefused),
		Example: "  evidenced serve -c /etc/evidenced/evidenced.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.ownConfig("serve")
			if err != nil {
				return err
			}
			log, err := telemetry.NewLogger(p.stderr, c.Log.Level, c.Log.Format)
			if err != nil {
				return problem.Wrap(problem.Config, err, "log")
			}
			for _, note := range c.Notes() {
				log.Warn("configuration", "note", note)
			}
			return p.serve(cmd.Context(), c, log)
		},
	}
}
