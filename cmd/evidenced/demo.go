package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/cli"
)

func (p *program) demoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "demo [--dir DIR]",
		GroupID: "run",
		Short:   "Four weeks of a made-up platform in a minute or two, with commands to try",
		Long: "Runs the real daemon against a scripted platform on loopback, on a simulated clock. Its logs\n" +
			"say simulated, everything made from them says DEMONSTRATION, and serve refuses them.\n\n" +
			cli.ExitHelp(cli.ExitRefused),
		Example: "  evidenced demo\n  evidenced demo --dir /tmp/demo",
		Args:    cobra.NoArgs,
	}
	var dir string
	cmd.Flags().StringVar(&dir, "dir", "", "directory to make; it must be empty or not there (default: a new temporary one)")
	var stay bool
	cmd.Flags().BoolVar(&stay, "stay", false, "keep the platform's servers until interrupted, to try evidenced doctor on them")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		bar := cli.NewProgress(p.stderr, cli.Look(p.stderr, p.getenv), "demo")
		defer bar.Done()
		return p.demo(cmd.Context(), demoOptions{Dir: dir, Stay: stay, Stdout: p.stdout, Stderr: p.stderr, Terminal: cli.Look(p.stdout, p.getenv), Progress: bar})
	}
	return cmd
}
