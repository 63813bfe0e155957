package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) gapsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "gaps [--tenant TENANT|all]",
		GroupID: "ask",
		Short:   "What needs someone, by severity and age",
		Long: "Lists the controls of a tenant, or of all, that the evidence contradicts, that lack evidence\n" +
			"that must exist, or whose evidence is too old: with the severest and the oldest first. What\n" +
			"cannot be told stands apart. The answer comes from the findings that evidenced serve and\n" +
			"evidenced collect record. Open gaps are an answer, not an error: the exit code is 0.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced gaps --tenant tenant-7\n" +
			"  evidenced gaps --tenant all --severity high\n" +
			"  evidenced gaps --law dora --json",
		Args: cobra.NoArgs,
	}
	var r api.GapsParams
	p.ask(cmd, "gaps", &r, &r.Common, nil)
	f := cmd.Flags()
	f.Lookup("tenant").Usage = "tenant to ask about, or all (default all)"
	f.StringVar(&r.Law, "law", "", "controls of this law alone, by its id or name: dora, nis2, gdpr")
	f.StringVar(&r.Severity, "severity", "", "this severity and worse: high, medium or low")
	return cmd
}
