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
	cmd := &cobra.Command{Use: act + " NAME", Short: short, Long: long, Example: example, Args: cobra.ExactArgs(1)}
	r := api.HoldParams{Act: act}
	if act == "list" {
		cmd.Use, cmd.Args = act, cobra.NoArgs
	} else {
		f := cmd.Flags()
		f.StringVar(&r.Reason, "reason", "", "why; sealed")
		f.StringVar(&r.Authority, "authority", "", "who orders it: a court, a file number; sealed")
	}
	return p.act(cmd, "hold", &r, &r.Common, &r.Name, nil, cli.ExitLocked, cli.ExitNotFound, cli.ExitRefused)
}
