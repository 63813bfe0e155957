package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) holdCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "hold",
		GroupID: "run",
		Short:   "Legal holds: while one is in force nothing is retired, erased or offboarded",
	}
	cmd.AddCommand(p.holdAct("place", "Place a legal hold on a tenant's log",
		"Seals a record that says who ordered the hold and why. It stands until it is released.",
		`  evidenced hold place case-17 --tenant tenant-7 --authority "district court, 17 O 1/26" --reason "preserve the deployments of November"`),
		p.holdAct("release", "Release a legal hold",
			"Seals a record that says who released the hold and why. What was due meanwhile is retired at the next run.",
			`  evidenced hold release case-17 --tenant tenant-7 --authority "district court, 17 O 1/26" --reason settled`),
		p.holdAct("list", "The legal holds in force on a tenant's log", "", "  evidenced hold list --tenant tenant-7"))
	return cmd
}

func (p *program) holdAct(act, short, long, example string) *cobra.Command {
	cmd := &cobra.Command{Use: act + " NAME", Short: short, Example: example, Args: cobra.ExactArgs(1)}
	codes := cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound, cli.ExitRefused)
	if long != "" {
		codes = long + "\n\n" + codes
	}
	cmd.Long = codes
	r := api.HoldParams{Act: act}
	q := p.question(cmd)
	if act == "list" {
		cmd.Use, cmd.Args = act, cobra.NoArgs
	} else {
		f := cmd.Flags()
		f.StringVar(&r.Reason, "reason", "", "why; sealed")
		f.StringVar(&r.Authority, "authority", "", "who orders it: a court, a file number; sealed")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			r.Name = args[0]
		}
		r.Common = *q
		return p.call(cmd.Context(), "hold", r, nil)
	}
	return cmd
}
