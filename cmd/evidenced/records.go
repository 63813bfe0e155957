package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
	"evidenced/evidence/problem"
)

func (p *program) recordsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "records --tenant TENANT [RECORD...]",
		GroupID: "ask",
		Short:   "Records of a tenant's log, as lines or opened as JSON",
		Long: "Without a period and without record numbers the whole log is meant. --json writes one JSON\n" +
			"object a line, with the claims opened and the people named.\n\n" + cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced records --tenant tenant-7 --kind change.merge --last 7d\n" +
			"  evidenced records --tenant tenant-7 --json 40188 40213",
	}
	var r api.RecordsParams
	span(cmd, &r.Span)
	f := cmd.Flags()
	f.StringSliceVar(&r.Kinds, "kind", nil, "kinds of records, such as change.merge,secret.access")
	f.StringVar(&r.Source, "source", "", "source, as configured")
	f.StringVar(&r.Subject, "subject", "", "what the records are about, as a reference")
	f.StringVar(&r.Link, "link", "", "a reference the records hold, such as commit:/OBJECT-ID")
	f.StringVar(&r.Person, "person", "", "token of a person the records name")
	f.BoolVar(&r.ByLog, "by-log", false, "in order of the log, not of time")
	f.BoolVar(&r.Backward, "newest-first", false, "newest first")
	f.IntVar(&r.Limit, "limit", 0, "at most so many records; 0 is all")
	f.BoolVar(&r.Raw, "raw", false, "with the bytes as the source gave them (base64, with --json)")
	return p.ask(cmd, "records", &r, &r.Common, func(_ context.Context, args []string) error {
		for _, a := range args {
			n, err := strconv.ParseUint(a, 10, 64)
			if err != nil {
				return problem.New(problem.Usage, "%q is no record number", a).WithHint("give numbers as answers show them, such as 40188")
			}
			r.Seqs = append(r.Seqs, n)
		}
		return nil
	})
}
