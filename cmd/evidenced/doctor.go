package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/doctor"
	"evidenced/evidence/problem"
)

func (p *program) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "doctor -c FILE [SOURCE...]",
		GroupID: "check",
		Short:   "Try every source with its credential: what can be read, what is missing, what is too powerful",
		Long: "Asks each source a few questions and changes nothing. It says what can be read, which\n" +
			"permission is missing for what cannot, where a credential may do more than read, how the\n" +
			"source's clock stands to ours, when the credential ends, and how far back the source\n" +
			"still tells. While a daemon runs, the daemon asks with its own credentials.\n\n" +
			cli.ExitHelp(cli.ExitIncomplete, cli.ExitNotFound),
		Example: "  evidenced doctor -c evidenced.yaml\n  evidenced doctor -c evidenced.yaml vault/prod harbor/prod",
	}
	var q api.DoctorParams
	f := cmd.Flags()
	f.BoolVar(&q.JSON, "json", false, "write JSON")
	f.IntVar(&q.Seconds, "seconds", 30, "how long one source may take, in seconds")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if q.Seconds < 1 {
			return problem.New(problem.Usage, "--seconds %d is no time", q.Seconds).WithHint("give 1 or more")
		}
		c, err := p.ownConfig("doctor")
		if err != nil {
			return err
		}
		look := cli.Look(p.stdout, p.getenv)
		q.Sources, q.Width, q.Colour = args, look.Width, look.Colour
		if p.socket(c.DataDir) != "" {
			return p.call(cmd.Context(), "doctor", q, nil)
		}
		return p.examine(cmd.Context(), c, q)
	}
	return cmd
}

// examine does it here: neither a daemon nor a data directory is needed.
func (p *program) examine(ctx context.Context, c *config.Config, q api.DoctorParams) error {
	r, err := p.doctor(ctx, c, p.clock(), q.Sources, time.Duration(q.Seconds)*time.Second)
	if err != nil {
		return err
	}
	if err := p.tellDoctor(r, q, c); err != nil {
		return err
	}
	return r.Err()
}

func (p *program) tellDoctor(r *doctor.Report, q api.DoctorParams, c *config.Config) error {
	if q.JSON {
		return p.document(r)
	}
	return r.Text(p.stdout, cli.Look(p.stdout, p.getenv).Style(c.Zone()))
}
