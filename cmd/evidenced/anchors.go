package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) anchorsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "anchors",
		GroupID: "check",
		Short:   "Who outside holds checkpoints: the rung each part of a log reaches, and what that leaves open",
		Long: "Asks every anchor that can be asked, verifies the receipts of the others, and compares what\n" +
			"they hold with the log. Records after the newest checkpoint that somebody holds can be cut\n" +
			"off unseen.\n\n" + cli.ExitHelp(cli.ExitVerify, cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced anchors --tenant tenant-7\n  evidenced anchors --json",
		Args:    cobra.NoArgs,
	}
	var r api.AnchorsParams
	f := cmd.Flags()
	f.StringVarP(&r.Tenant, "tenant", "t", "", "this tenant's log alone (default: all)")
	p.form(cmd, &r.JSON, &r.Width, &r.Colour)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return p.call(cmd.Context(), "anchors", r, nil) }
	return cmd
}

func (p *program) receiptCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "receipt --tenant TENANT --record RECORD",
		GroupID: "ask",
		Short:   "A receipt for one record: a proof, with a signed checkpoint, that it is in the log",
		Long: "Writes a C2SP tlog-proof: the record's number, the inclusion proof and a signed checkpoint,\n" +
			"with the record's leaf as extra data. Whoever keeps it can show later that the record was\n" +
			"there. It holds no content and no names. --json writes it as a member of an object.\n\n" + cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound, cli.ExitRefused),
		Example: "  evidenced receipt --tenant tenant-7 --record 40188 > 40188.tlog-proof",
		Args:    cobra.NoArgs,
	}
	var r api.ReceiptParams
	cmd.Flags().Uint64Var(&r.Seq, "record", 0, "number of the record, as answers show it")
	_ = cmd.MarkFlagRequired("record") // fails only for a flag that is not there
	return p.ask(cmd, "receipt", &r, &r.Common, nil)
}
