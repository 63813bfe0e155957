package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/cli"
	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/daemon"
	"evidenced/reports"
)

func (p *program) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "config",
		GroupID: "run",
		Short:   "Check or show the configuration",
		Args:    cobra.NoArgs,
	}
	cmd.AddCommand(p.configCheckCommand(), p.configShowCommand())
	return cmd
}

func (p *program) configCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Say everything that is wrong with a configuration, with line and column",
		Long: "Reads the file and makes every source once, without touching the network or the data\n" +
			"directory.\n\n" + cli.ExitHelp(),
		Example: "  evidenced config check -c evidenced.yaml",
		Args:    cobra.NoArgs,
	}
	var asJSON bool
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	cmd.RunE = func(*cobra.Command, []string) error {
		c, err := p.ownConfig("config check")
		if err != nil {
			return err
		}
		if err := c.Try(p.clock()); err != nil {
			return err
		}
		if err := checkEntityTypes(c); err != nil {
			return err
		}
		return p.tellConfig(c, asJSON)
	}
	return cmd
}

func (p *program) tellConfig(c *config.Config, asJSON bool) error {
	type source struct {
		Name     string `json:"name"`
		Type     string `json:"type"`
		Schedule string `json:"schedule"`
		Paused   string `json:"paused,omitempty"`
	}
	var sources []source
	for _, s := range c.Sources {
		sources = append(sources, source{string(s.Name), s.Type, s.Schedule, s.Paused})
	}
	if asJSON {
		return p.document(map[string]any{"ok": true, "sha256": c.Hash(), "sources": sources, "tenants": len(c.Tenants), "notes": c.Notes()})
	}
	page := reports.NewPage(p.stdout, cli.Look(p.stdout, p.getenv).Style(nil))
	page.Head(reports.Plain, reports.Terminal(fmt.Sprintf("ok  %s: %s, %s", c.File(), reports.Count(len(c.Tenants), "tenant"), reports.Count(len(sources), "source"))))
	if len(sources) > 0 {
		t := reports.Table{Columns: []reports.Column{{Title: "SOURCE", Keep: true}, {Title: "TYPE", Keep: true}, {Title: "SCHEDULE (UTC)", Keep: true}, {Title: "STATE"}}}
		for _, s := range sources {
			state := "active"
			if s.Paused != "" {
				state = "paused: " + s.Paused
			}
			t.Row(s.Name, s.Type, s.Schedule, state)
		}
		page.Table(&t)
	}
	for _, n := range c.Notes() {
		page.Para("note: ", n)
	}
	page.Head(reports.Plain, "effective form: sha256 "+c.Hash().String())
	return page.Err()
}

func (p *program) configShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show -c FILE [OLD-FILE]",
		Short: "Print the effective form: defaults spelled out, no secret, no login",
		Long: "Prints the form whose hash is sealed in the logs. Given another file, it prints what\n" +
			"changed from that one, and what of it loosens the evidence.\n\n" +
			cli.ExitHelp(),
		Example: "  evidenced config show -c evidenced.yaml\n  evidenced config show -c new.yaml old.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := p.ownConfig("config show")
			if err != nil {
				return err
			}
			if len(args) == 0 {
				_, err := p.stdout.Write(c.Effective())
				return err
			}
			old, err := config.Load(args[0], p.specs())
			if err != nil {
				return err
			}
			return p.tellChange(old.Effective(), c.Effective())
		},
	}
}

// tellChange shows what a change would be recorded as.
func (p *program) tellChange(before, after []byte) error {
	for _, l := range config.Diff(before, after) {
		fmt.Fprintln(p.stdout, reports.Terminal(l))
	}
	loosenings, err := config.Loosens(before, after, p.specs())
	if err != nil {
		return err
	}
	for _, l := range loosenings {
		fmt.Fprintf(p.stdout, "loosens the evidence of %s: %s\n", tenantCount(len(l.Tenants)), reports.Terminal(l.Says))
	}
	return nil
}

func tenantCount(n int) string {
	if n == 1 {
		return "1 tenant"
	}
	return strconv.Itoa(n) + " tenants"
}

// checkEntityTypes reads the catalogs of the configuration for the words that
// say what tenants are.
func checkEntityTypes(c *config.Config) error {
	cat, err := loadCatalog(c, "")
	if err != nil {
		return err
	}
	return daemon.CheckEntityTypes(c, cat)
}
