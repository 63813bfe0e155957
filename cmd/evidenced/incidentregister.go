package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) incidentRegister() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "register --tenant TENANT",
		Short: "The register of breaches of personal data",
		Long: "Documents each breach of personal data of the tenant, closed ones too: the facts, its effects\n" +
			"and what was done, what was decided and why, and whom it was told (GDPR Art 33(5)). Incidents\n" +
			"that were decided to be no breach stand apart, with the reason. What nobody wrote down is\n" +
			"named as open.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced incident register --tenant tenant-7\n" +
			"  evidenced incident register --tenant tenant-7 --form csv > breaches.csv",
		Args: cobra.NoArgs,
	}
	var r api.RegisterParams
	cmd.Flags().StringVar(&r.Form, "form", "", "text, json or csv (default text)")
	return p.ask(cmd, "incident-register", &r, &r.Common, nil)
}
