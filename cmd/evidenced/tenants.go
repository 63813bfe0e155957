package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) tenantsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "tenants",
		GroupID: "ask",
		Short:   "The tenants that have a log",
		Long:    cli.ExitHelp(cli.ExitLocked),
		Example: "  evidenced tenants",
		Args:    cobra.NoArgs,
	}
	var r api.TenantsParams
	cmd.Flags().BoolVar(&r.JSON, "json", false, "write JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.call(cmd.Context(), "tenants", r, nil) }
	return cmd
}
