package main

import (
	"context"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
	"evidenced/evidence/problem"
)

func (p *program) traceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "trace REF [--tenant TENANT]",
		GroupID: "ask",
		Short:   "How a thing came to be and what came of it: commit, review, image, pod, secret read",
		Long: "Joins the records of a tenant's log from a commit over review, pipeline and image to what\n" +
			"runs, the secrets it is given and who read them, and back; certificates to their issuer\n" +
			"and what was shown; backups to the test of their restore. Every link names the records\n" +
			"that make it; a link that is missing is said, with the reason.\n\n" +
			"REF is a commit id (seven digits will do), a digest, an image with its tag, the name of an app, pod,\n" +
			"workload, namespace or host, a secret's path, a change (owner/name!7), a record's number\n" +
			"(\"record 40188\") or a reference as records show it. A word beside a name says what is\n" +
			"meant: \"tenant-7/web app\", \"pod tenant-7/web-7d9f\", \"certificate tenant-7/web-tls\".\n\n" +
			"Without --at or a period all time is meant; then only what held at the same time is joined.\n" +
			"Without --tenant every tenant that knows the thing is told by itself.\n\n" +
			cli.ExitHelp(cli.ExitLocked, cli.ExitNotFound),
		Example: "  evidenced trace a41c9e2f00000000000000000000000000000002 --tenant tenant-7 --forward\n" +
			"  evidenced trace \"tenant-7/web app\" --tenant tenant-7 --at \"2026-11-14 14:00\"\n" +
			"  evidenced trace kv/tenant-7/web/db --tenant tenant-7 --last 24h --backward\n" +
			"  evidenced trace sha256:77e0... --tenant tenant-7 --format svg > trace.svg",
		Args: cobra.ExactArgs(1),
	}
	var r api.TraceParams
	var forward, backward bool
	span(cmd, &r.Span)
	f := cmd.Flags()
	f.StringVar(&r.At, "at", "", "what was linked at this time: RFC 3339, \"2026-11-14 14:00\", \"yesterday 14:00\"")
	f.StringVar(&r.Around, "around", "", "stretch around --at in which reads and audit lines are told (default 1h)")
	f.BoolVar(&forward, "forward", false, "only what came of it")
	f.BoolVar(&backward, "backward", false, "only where it came from")
	f.StringVar(&r.Format, "format", "text", "text, json, dot or svg")
	return p.ask(cmd, "trace", &r, &r.Common, func(_ context.Context, args []string) error {
		if r.Around != "" && r.At == "" {
			return problem.New(problem.Usage, "--around goes with --at").WithHint("give --at TIME, or --from and --to")
		}
		r.Ref = args[0]
		switch {
		case forward && !backward:
			r.Direction = "forward"
		case backward && !forward:
			r.Direction = "backward"
		}
		return nil
	})
}
