package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) peopleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "people",
		GroupID: "ask",
		Short:   "Which accounts are known, and which of them are one person",
		Long: "Lists the accounts that the logs know: linked into persons by approved records, not linked,\n" +
			"used by several people, or of machines, with who approved each link and when. Accounts that\n" +
			"share a name and are not linked are told: whether they are one person is undetermined, and\n" +
			"four-eyes tests say so.\n\n" +
			"A person has a token of their own in every tenant, so tenants are told one by one.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced people --tenant tenant-7\n  evidenced people --json",
		Args:    cobra.NoArgs,
	}
	var r api.PeopleParams
	p.ask(cmd, "people", &r, &r.Common, nil)
	link := p.identityLinkCommand()
	link.Example = strings.Replace(link.Example, "evidenced identity link", "evidenced people link", 1)
	cmd.AddCommand(link)
	return cmd
}

func (p *program) whoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "who PERSON --from TIME --to TIME",
		GroupID: "ask",
		Short:   "What a person did, under every account that is linked",
		Long: "Tells every record that names the person, in whatever role, over all accounts that approved\n" +
			"records say are one person. What rests on a claim alone (a git header) is marked. Accounts\n" +
			"that only share a name are named, and not counted.\n\n" +
			"PERSON is a login, mail, display name, native id, a token as records show it, or realm and\n" +
			"native id as evidenced people lists them. Without --tenant every tenant that knows the\n" +
			"person is told.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced who carol --tenant tenant-7 --from 2026-11-01 --to 2026-11-14\n" +
			"  evidenced who \"github:prod|8231\" --last 7d --json",
		Args: cobra.ExactArgs(1),
	}
	var r api.WhoParams
	span(cmd, &r.Span)
	return p.ask(cmd, "who", &r, &r.Common, func(_ context.Context, args []string) error {
		r.Person = args[0]
		return nil
	})
}
