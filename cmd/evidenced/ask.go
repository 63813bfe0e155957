package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/api"
	"evidenced/cmd/internal/cli"
	"evidenced/cmd/internal/config"
	"evidenced/evidence/problem"
)

// defaultConfig is read when nothing else is named.
const defaultConfig = "/etc/evidenced/evidenced.yaml"

// config loads the configuration: the file named by -c, the environment or
// the default; a data directory given by --data-dir stands by itself.
func (p *program) config() (*config.Config, error) {
	file := p.configFile
	switch {
	case file != "" && p.dataDir != "":
		return nil, problem.New(problem.Usage, "-c and --data-dir exclude each other").WithHint("give one of them")
	case p.dataDir != "":
		return config.ForDirectory(p.dataDir)
	case file == "":
		file = p.getenv("EVIDENCED_CONFIG")
	}
	if file == "" {
		if _, err := os.Stat(defaultConfig); errors.Is(err, os.ErrNotExist) {
			return nil, problem.New(problem.Usage, "no configuration: neither -c nor EVIDENCED_CONFIG names one and %s is not there", defaultConfig).
				WithHint("give -c FILE, or --data-dir DIR to read a directory; evidenced demo makes one to try")
		}
		file = defaultConfig
	}
	return config.Load(file, p.specs())
}

// ownConfig is config for commands that a data directory alone is not enough
// for.
func (p *program) ownConfig(command string) (*config.Config, error) {
	if p.dataDir != "" {
		return nil, problem.New(problem.Usage, "%s needs a configuration, not a data directory", command).WithHint("give -c FILE")
	}
	return p.config()
}

// call asks and writes the answer to stdout; progress is shown on a terminal.
// Result, when not nil, is filled with what the body cannot say.
func (p *program) call(ctx context.Context, op string, params, result any) error {
	out := &api.Out{Header: func(string) error { return nil }, Body: p.stdout}
	return p.callTo(ctx, op, params, out, result)
}

func (p *program) callTo(ctx context.Context, op string, params any, out *api.Out, result any) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	bar := cli.NewProgress(p.stderr, cli.Look(p.stderr, p.getenv), op)
	defer bar.Done()
	out.Step = bar.Set
	if result != nil {
		out.Result = func(v json.RawMessage) error { return json.Unmarshal(v, result) }
	}
	client := &api.Client{
		Socket: func() string { return p.socket(c.DataDir) },
		Open: func(ctx context.Context) (api.World, func() error, error) {
			return p.open(ctx, c)
		},
	}
	return client.Call(ctx, op, params, out)
}

// question adds the flags of every question about a tenant and returns where
// they end up. Width and colour are those of the terminal.
func (p *program) question(cmd *cobra.Command) *api.Common {
	q := &api.Common{}
	f := cmd.Flags()
	f.StringVarP(&q.Tenant, "tenant", "t", "", "tenant to ask about; _platform and _unassigned are tenants too")
	f.StringVar(&q.Zone, "tz", "", "time zone of typed times and, beside UTC, of the answer (default: the configured one, else UTC)")
	f.BoolVar(&q.JSON, "json", false, "write JSON")
	f.StringVar(&q.Purpose, "purpose", "", "why you ask; sealed with the record that you did")
	t := cli.Look(p.stdout, p.getenv)
	q.Width, q.Colour = t.Width, t.Colour
	return q
}

// span adds the flags of a period.
func span(cmd *cobra.Command, s *api.Span) {
	f := cmd.Flags()
	f.StringVar(&s.From, "from", "", "begin of the period, such as 2026-11-08 or \"2026-11-14 13:00\"")
	f.StringVar(&s.To, "to", "", "end of the period; a date includes that day (default: now)")
	f.StringVar(&s.Last, "last", "", "so much back from the end in place of --from: 24h, 7d, 2w")
}

// clock returns the wall clock.
func (p *program) clock() func() time.Time {
	if p.now != nil {
		return p.now
	}
	return time.Now
}
