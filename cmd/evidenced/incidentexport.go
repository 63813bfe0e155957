package main

import (
	"context"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) incidentExport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export ID --tenant TENANT --stage STAGE",
		Short: "What is filed with an authority, every field by its number",
		Long: "Writes the notification of a stage as the log stands: DORA's initial notification,\n" +
			"intermediate and final report with the 76 fields of Implementing Regulation (EU) 2025/302,\n" +
			"its voluntary notification of a cyber threat (dora.threat), NIS-2, GDPR Article 33 and 34, and\n" +
			"the Cyber Resilience Act. What nobody filled is listed as\n" +
			"open and never made up. Nothing is sent: whoever submits it records that with incident\n" +
			"notify, and no authority's acceptance is promised.\n\n" +
			"Forms: text; json, which reads back to the same record; csv and xlsx by field number,\n" +
			"for portals; dora-json, the published JSON form; pdf.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound, cli.ExitRefused),
		Example: "  evidenced incident export 7kq2 --tenant tenant-7 --stage dora.initial\n" +
			"  evidenced incident export 7kq2 --tenant tenant-7 --stage dora.final --form dora-json --profile 1.3.0 > report.json\n" +
			"  evidenced incident export 7kq2 --tenant tenant-7 --stage gdpr.authority --form pdf > notice.pdf",
		Args: cobra.ExactArgs(1),
	}
	var r api.ExportParams
	f := cmd.Flags()
	f.StringVar(&r.Stage, "stage", "", "which notification, as incident clock names it")
	f.StringVar(&r.Form, "form", "", "text, json, csv, xlsx, dora-json or pdf (default text)")
	f.StringVar(&r.Profile, "profile", "", "version of the published form: 1.2.1 or 1.3.0, of a cyber threat 1.2.0 (default the newest)")
	f.Int64Var(&r.Scale, "scale", 0, "amounts of the published form in units of 1 or 1000 (default 1000)")
	f.BoolVar(&r.Early, "early", false, "take along fields that the stage does not ask for yet")
	f.BoolVar(&r.HomeState, "home-state", false, "list the authority's own state in field 2.6 too")
	_ = cmd.MarkFlagRequired("stage")
	return p.ask(cmd, "incident-export", &r, &r.Common, func(_ context.Context, args []string) error {
		r.ID = args[0]
		return nil
	})
}
