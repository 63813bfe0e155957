package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
	"evidenced/evidence/problem"
)

func (p *program) eraseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "erase --subject PERSON | --find NAME",
		GroupID: "run",
		Short:   "Erase a person: destroy the keys of what names them, in every tenant",
		Long: "Finds the person by every linked account in every tenant, destroys their keys and tokens,\n" +
			"writes the keyring anew under a new wrapping key, and appends an erasure record to each log.\n" +
			"The logs, and packs issued before, still verify. It says how well the keys are destroyed\n" +
			"(logical or cryptographic), which packs hold the person, and which claims name them still.\n" +
			"A legal hold forbids it. Nothing brings an erased person back.\n\n" +
			"PERSON is realm and native id, as --find lists them.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound, cli.ExitRefused),
		Example: "  evidenced erase --find kessler\n" +
			"  evidenced erase --subject \"github:prod|8231\" --dry-run\n" +
			"  evidenced erase --subject \"github:prod|8231\" --authority \"GDPR Art. 17, file 7/2026\"",
		Args: cobra.NoArgs,
	}
	var r api.EraseParams
	f := cmd.Flags()
	f.StringVar(&r.Find, "find", "", "list who is known by a part of a name, login, mail or native id; erases nobody")
	f.StringVar(&r.Subject, "subject", "", "whom to erase: REALM|NATIVEID")
	f.StringVar(&r.Authority, "authority", "", "on what it rests; recorded, so it must not name the person")
	f.StringVar(&r.Reason, "reason", "", "why; recorded, so it must not name the person")
	f.BoolVar(&r.DryRun, "dry-run", false, "only say what would be erased, and what would still name the person")
	p.form(cmd, &r.JSON, &r.Width, &r.Colour)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if r.Find == "" && r.Subject == "" {
			return problem.New(problem.Usage, "neither --subject nor --find is given").WithHint("evidenced erase --find NAME lists who is known")
		}
		return p.call(cmd.Context(), "erase", r, nil)
	}
	return cmd
}

func (p *program) identityCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "identity",
		GroupID: "run",
		Short:   "Say which accounts of different realms are one person",
		Args:    cobra.NoArgs,
	}
	cmd.AddCommand(p.identityLinkCommand())
	return cmd
}

func (p *program) identityLinkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "link PERSON PERSON --tenant TENANT --approved-by PERSON --reason TEXT",
		Short: "Record that two accounts are one person, as somebody else approved",
		Long: "Accounts of different realms are one person only by such a record: an erasure of one then\n" +
			"reaches the other, in every tenant. Somebody approves it who is neither of the two accounts\n" +
			"nor the user who runs the command. All three must be known to the tenant's log.\n\n" +
			"PERSON is realm and native id, as evidenced erase --find lists them.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound, cli.ExitRefused),
		Example: "  evidenced identity link \"github:prod|8231\" \"vault:prod/entity|e7c1\" --tenant tenant-7 --approved-by \"github:prod|55\" --reason \"same staff number\"",
		Args:    cobra.ExactArgs(2),
	}
	var r api.LinkParams
	f := cmd.Flags()
	f.StringVarP(&r.Tenant, "tenant", "t", "", "tenant whose log records it")
	f.StringVar(&r.Approver, "approved-by", "", "who approved it: REALM|NATIVEID")
	f.StringVar(&r.Reason, "reason", "", "how it is known that the two are one")
	f.BoolVar(&r.End, "end", false, "the link ends: the two are not one person any more")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.A, r.B = args[0], args[1]
		return p.call(cmd.Context(), "identity-link", r, nil)
	}
	return cmd
}
