package main

import (
	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
)

func (p *program) timelineCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "timeline --tenant TENANT --from TIME --to TIME",
		GroupID: "ask",
		Short:   "What happened over a period, all sources merged, blind windows among it",
		Long: "One line for each record in order of time; like records within minutes of each other\n" +
			"stand in one line with their number, unless --each is given. --json writes one JSON object\n" +
			"a line, --html one page with a picture that needs nothing beside itself, --pdf the same to\n" +
			"print and file.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced timeline --tenant tenant-7 --from \"2026-11-14 13:00\" --to \"2026-11-14 15:00\"\n" +
			"  evidenced timeline --tenant tenant-7 --last 24h --csv > timeline.csv\n" +
			"  evidenced timeline --tenant tenant-7 --last 7d --html > timeline.html\n" +
			"  evidenced timeline --tenant tenant-7 --last 7d --pdf > timeline.pdf",
		Args: cobra.NoArgs,
	}
	var r api.TimelineParams
	p.ask(cmd, "timeline", &r, &r.Common, nil)
	span(cmd, &r.Span)
	f := cmd.Flags()
	f.StringSliceVar(&r.Kinds, "kind", nil, "kinds of records alone")
	f.StringVar(&r.Source, "source", "", "source, as configured")
	f.StringVar(&r.Link, "link", "", "only what is about this reference")
	f.StringVar(&r.Person, "person", "", "only what this person (a token) did")
	f.BoolVar(&r.CSV, "csv", false, "write CSV")
	f.BoolVar(&r.HTML, "html", false, "write a page for a browser")
	f.BoolVar(&r.PDF, "pdf", false, "write a document of pages")
	f.BoolVar(&r.Each, "each", false, "tell every record by itself")
	cmd.MarkFlagsMutuallyExclusive("csv", "json", "html", "pdf")
	return cmd
}
