package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"evidenced/cmd/internal/cli"
	"evidenced/cmd/internal/config"
	"evidenced/cmd/internal/controls"
	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
	"evidenced/mappings"
	"evidenced/reports"
)

func (p *program) controlsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "controls",
		GroupID: "check",
		Short:   "Which controls of which laws are judged, and everything about one of them",
		Long: "Lists the controls of the built-in catalogs, of those that the configuration names, and\n" +
			"of --catalog DIR: what tests answer, and apart from it what no source answers yet. It\n" +
			"needs neither a daemon nor evidence. Several values of one filter widen it.\n\n" + cli.ExitHelp(),
		Example: "  evidenced controls --law dora\n  evidenced controls --status preparing --json\n  evidenced controls --source secret --catalog ./own",
		Args:    cobra.NoArgs,
	}
	var f controls.Filter
	var dir string
	var asJSON bool
	fl := cmd.Flags()
	fl.StringSliceVar(&f.Laws, "law", nil, "of these acts: dora, dora1774, gdpr, nis2, nis2ir, cra, dataact or one of your own")
	fl.StringVar(&f.Status, "status", "", "in-force, or preparing: of a law that does not apply yet")
	fl.StringSliceVar(&f.Tiers, "tier", nil, "meant for a tenant of this tier")
	fl.StringSliceVar(&f.Tags, "tag", nil, "meant for a tenant with this tag")
	fl.StringSliceVar(&f.Entities, "entity", nil, "binding such an entity: financial-entity, cloud, manufacturer, ...")
	fl.StringSliceVar(&f.Sources, "source", nil, "standing on this kind of evidence: artifact.scan, or its begin, secret")
	fl.BoolVar(&f.Unanswered, "unanswered", false, "those alone that no source answers yet")
	fl.BoolVar(&asJSON, "json", false, "write JSON")
	cmd.PersistentFlags().StringVar(&dir, "catalog", "", "folder of own catalogs to read too")
	cmd.RunE = func(*cobra.Command, []string) error {
		cat, _, err := p.catalog(dir)
		if err != nil {
			return err
		}
		l, err := controls.Build(cat, f, p.clock()())
		if err != nil {
			return err
		}
		if asJSON {
			return p.document(l)
		}
		return l.Text(p.stdout, cli.Look(p.stdout, p.getenv).Style(nil))
	}
	cmd.AddCommand(p.controlsExplainCommand(&dir))
	return cmd
}

func (p *program) controlsExplainCommand(dir *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain CONTROL",
		Short: "Everything about one control: article, tests and their rules, numbers and whose they are, sources, limits",
		Long: "With a configuration it also says which configured sources give what the tests stand on.\n\n" +
			cli.ExitHelp(cli.ExitNotFound),
		Example: "  evidenced controls explain dora-art-9-4-e\n  evidenced controls explain dora-art-9-4-e -c evidenced.yaml --json",
		Args:    cobra.ExactArgs(1),
	}
	var asJSON bool
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		cat, sources, err := p.catalog(*dir)
		if err != nil {
			return err
		}
		sorts, err := p.sorts()
		if err != nil {
			return err
		}
		e, err := controls.Explain(cat, args[0], p.clock()(), sources, sorts)
		if err != nil {
			return err
		}
		if asJSON {
			return p.document(e)
		}
		return e.Text(p.stdout, cli.Look(p.stdout, p.getenv).Style(nil))
	}
	return cmd
}

// catalog reads the built-in catalogs, those of the configuration when there is
// one, and those of a folder; and which kinds the configured sources give.
func (p *program) catalog(dir string) (*mappings.Catalog, controls.Sources, error) {
	c, err := p.maybeConfig()
	if err != nil {
		return nil, nil, err
	}
	cat, err := loadCatalog(c, dir)
	if err != nil || c == nil {
		return cat, nil, err
	}
	sources, err := p.sourcesByKind(c)
	return cat, sources, err
}

// loadCatalog reads the built-in catalogs, those of a configuration that may be
// nil, and those of a folder that may be "".
func loadCatalog(c *config.Config, dir string) (*mappings.Catalog, error) {
	var own []fs.FS
	if c != nil && c.Catalogs != "" {
		own = append(own, os.DirFS(c.Catalogs))
	}
	if dir != "" {
		own = append(own, os.DirFS(dir))
	}
	return mappings.Load(own...)
}

// sorts are the sorts of entities that count for each configured tenant, and
// for the platform.
func (p *program) sorts() (controls.Sorts, error) {
	c, err := p.maybeConfig()
	if err != nil || c == nil {
		return nil, err
	}
	out := controls.Sorts{evidence.Platform.String(): c.EntityTypesOf(evidence.Platform)}
	for _, t := range c.Tenants {
		out[t.Name.String()] = c.EntityTypesOf(t.Name)
	}
	return out, nil
}

// maybeConfig is config, but nil when nothing names one and the default is not
// there. A data directory by itself has no sources and no catalogs.
func (p *program) maybeConfig() (*config.Config, error) {
	if p.configFile == "" && p.dataDir == "" && p.getenv("EVIDENCED_CONFIG") == "" {
		if _, err := os.Stat(defaultConfig); errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
	}
	if p.dataDir != "" && p.configFile == "" {
		return nil, nil
	}
	return p.config()
}

// sourcesByKind makes every configured source, touching no network, and asks
// it what it gives.
func (p *program) sourcesByKind(c *config.Config) (controls.Sources, error) {
	by := controls.Sources{}
	for i := range c.Sources {
		s := &c.Sources[i]
		made, err := s.Collector(collectors.Env{Clock: p.clock(), Log: slog.New(slog.DiscardHandler), Mark: c.Accounts.Mark})
		if err != nil {
			return nil, problem.Wrap(problem.Config, err, "the sources of %s", c.File()).
				WithHint("evidenced config check -c %s tells everything that is wrong", c.File())
		}
		for _, k := range made.Kinds() {
			by[k] = append(by[k], controls.Source{Name: s.Name, Paused: s.Paused != ""})
		}
	}
	return by, nil
}

// document writes v as the one JSON document of an answer.
func (p *program) document(v any) error {
	enc := json.NewEncoder(reports.JSON(p.stdout))
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
