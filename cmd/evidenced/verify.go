package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "verify",
		GroupID: "check",
		Short:   "Verify the logs: every leaf, the chain, the tree, every checkpoint",
		Long: "Reads the logs as they stand, beside a running daemon too. --deep opens every claim and\n" +
			"checks it against its commitment.\n\n" + cli.ExitHelp(cli.ExitVerify, cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced verify\n  evidenced verify --tenant tenant-7 --deep",
		Args:    cobra.NoArgs,
	}
	var r api.VerifyParams
	f := cmd.Flags()
	f.StringVarP(&r.Tenant, "tenant", "t", "", "this tenant's log alone (default: all)")
	f.BoolVar(&r.Deep, "deep", false, "open every claim")
	f.BoolVar(&r.JSON, "json", false, "write JSON")
	t := cli.Look(p.stdout, p.getenv)
	r.Width, r.Colour = t.Width, t.Colour
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.call(cmd.Context(), "verify", r, nil) }
	return cmd
}
