package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
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
	return p.callTo(ctx, op, params, p.stdout, result)
}

// callTo is call with another place for the answer.
func (p *program) callTo(ctx context.Context, op string, params any, to io.Writer, result any) error {
	c, err := p.config()
	if err != nil {
		return err
	}
	bar := cli.NewProgress(p.stderr, cli.Look(p.stderr, p.getenv), op)
	defer bar.Done()
	out := &api.Out{Header: func(string) error { return nil }, Body: to, Step: bar.Set}
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

// ask makes cmd ask op. The flags of every question about a tenant fill common,
// the part of params that they are for; read, when not nil, takes arguments and
// files into params, which go as they stand then.
func (p *program) ask(cmd *cobra.Command, op string, params any, common *api.Common, read func(ctx context.Context, args []string) error) *cobra.Command {
	p.question(cmd, common)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if read != nil {
			if err := read(cmd.Context(), args); err != nil {
				return err
			}
		}
		return p.call(cmd.Context(), op, params, nil)
	}
	return cmd
}

// act is ask for one of the acts of an operation on things that have names: the
// argument, of an act that takes one, goes to name, and the help ends with the
// exit codes.
func (p *program) act(cmd *cobra.Command, op string, params any, common *api.Common, name *string, read func(context.Context) error, codes ...int) *cobra.Command {
	cmd.Long = strings.TrimSpace(cmd.Long + "\n\n" + cli.ExitHelp(codes...))
	return p.ask(cmd, op, params, common, func(ctx context.Context, args []string) error {
		if len(args) > 0 {
			*name = args[0]
		}
		if read == nil {
			return nil
		}
		return read(ctx)
	})
}

// actCodes are the exit codes of an act; what only reads is never refused.
func actCodes(act string) []int {
	if act == "list" || act == "show" {
		return []int{cli.ExitLocked, cli.ExitNotFound}
	}
	return []int{cli.ExitLocked, cli.ExitNotFound, cli.ExitRefused}
}

// question adds the flags of every question about a tenant.
func (p *program) question(cmd *cobra.Command, q *api.Common) {
	f := cmd.Flags()
	f.StringVarP(&q.Tenant, "tenant", "t", "", "tenant to ask about; _platform and _unassigned are tenants too")
	f.StringVar(&q.Zone, "tz", "", "time zone of typed times and, beside UTC, of the answer (default: the configured one, else UTC)")
	f.StringVar(&q.Purpose, "purpose", "", "why you ask; sealed with the record that you did")
	p.form(cmd, &q.JSON, &q.Width, &q.Colour)
}

// form adds the flag that asks for JSON. Width and colour, for text, are those of
// the terminal.
func (p *program) form(cmd *cobra.Command, asJSON *bool, width *int, colour *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "write JSON")
	t := cli.Look(p.stdout, p.getenv)
	*width, *colour = t.Width, t.Colour
}

// recordNumbers reads the values of --record; nil for none.
func recordNumbers(texts []string) ([]uint64, error) {
	var out []uint64
	for _, text := range texts {
		n, err := strconv.ParseUint(text, 10, 53)
		if err != nil {
			return nil, problem.New(problem.Usage, "--record %.40q is no record's number", text)
		}
		out = append(out, n)
	}
	return out, nil
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
