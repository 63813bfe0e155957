package gitlab

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/forge"
	"evidenced/evidence/problem"
)

// Config is the configuration of a source of type gitlab.
type Config struct {
	// URL is the address of the server; the API lies below it at /api/v4.
	URL string `yaml:"url" loosens:"change: another server is read"`
	// Groups are read with all projects below them, subgroups included.
	Groups []string `yaml:"groups" loosens:"keeps"`
	// Projects are read besides, "group/name".
	Projects []string `yaml:"projects" loosens:"keeps"`
	// Include keeps, of the projects of the groups, those at or below one of
	// these paths; empty: all of them.
	Include []string `yaml:"include" loosens:"limits"`
	// TokenFile holds a token of scope read_api; read anew at each request.
	TokenFile string `yaml:"token_file" loosens:"none"`
	// Branches are watched in each project; empty: the default branch.
	Branches []string `yaml:"branches" loosens:"chooses"`
	// Environments limits deployments to these; empty: all. A name that stands
	// here is kept in full, see docs/collectors/gitlab.md.
	Environments []string `yaml:"environments" loosens:"limits"`
	// Homes are the groups whose direct members are at home there: they say
	// whose people act.
	Homes []string `yaml:"homes" loosens:"keeps"`
	// InstanceAudit reads the audit events of the whole server at once, which
	// needs an administrator's or auditor's token, in place of those of each
	// group and project.
	InstanceAudit bool `yaml:"instance_audit" loosens:"off: audit events of the server itself are not read"`
	// CAFile names PEM certificates that alone are trusted.
	CAFile string `yaml:"ca_file" loosens:"change: another authority vouches for the server"`
	// Overlap is how far behind the last look lists are read again.
	Overlap time.Duration `yaml:"overlap" loosens:"less: what shows late is missed"`
	// History is how far the first look goes back; 0 is to the beginning.
	History time.Duration `yaml:"history" loosens:"less,0=all: the first look goes back less far"`
	// PipelineHistory is the same for pipelines, of which there are many.
	PipelineHistory time.Duration `yaml:"pipeline_history" loosens:"less,0=all: the first look goes back less far"`
	// SettingsEvery is how often guards, members and tokens are read.
	SettingsEvery time.Duration `yaml:"settings_every" loosens:"more: guards, members and tokens are read less often"`
	// FullEvery is how often a project is read in full although its activity
	// date says that nothing happened.
	FullEvery time.Duration `yaml:"full_every" loosens:"more: a quiet project is read in full less often"`
	// Timeout bounds one request.
	Timeout time.Duration `yaml:"timeout" loosens:"less,0=default: slow answers are given up"`
}

// Spec describes the collector to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type:  "gitlab",
		Says:  "commits, merge requests, approvals, guards, pipelines, security reports, deployments, members and audit events of GitLab projects",
		Every: "@every 5m",
		Config: func() any {
			return &Config{
				URL: "https://gitlab.com", Overlap: 5 * time.Minute,
				History: 400 * day, PipelineHistory: 30 * day,
				SettingsEvery: 6 * time.Hour, FullEvery: day, Timeout: 30 * time.Second,
			}
		},
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, fmt.Errorf("gitlab: configuration of type %T", config)
			}
			return New(*c, env)
		},
	}
}

const day = 24 * time.Hour

var (
	// The server lets names begin with a dot: group/.profile is a project.
	fullPath = regexp.MustCompile(`^\.?[A-Za-z0-9_][A-Za-z0-9_.-]*(/\.?[A-Za-z0-9_][A-Za-z0-9_.-]*)*$`)
)

func (c *Config) check() error {
	if len(c.Groups)+len(c.Projects) == 0 {
		return problem.New(problem.Config, "neither groups nor projects names anything").WithHint(`add the full path of a group to groups, or "group/name" to projects`)
	}
	for _, l := range []struct {
		key   string
		paths []string
	}{{"groups", c.Groups}, {"projects", c.Projects}, {"include", c.Include}, {"homes", c.Homes}} {
		for i, p := range l.paths {
			if !fullPath.MatchString(strings.TrimSuffix(p, "/")) || len(p) > 255 || l.key == "projects" && !strings.Contains(p, "/") {
				return problem.New(problem.Config, "%s holds %q", l.key, p).WithHint("write the full path as the address of its page shows it, such as group/subgroup/name")
			}
			if slices.ContainsFunc(l.paths[:i], func(o string) bool { return strings.EqualFold(o, p) }) {
				return problem.New(problem.Config, "%s names %q twice", l.key, p).WithHint("take one of them out")
			}
		}
	}
	if len(c.Homes) > forge.MaxHomes {
		return problem.New(problem.Config, "homes names %d groups", len(c.Homes)).WithHint("name %d at most", forge.MaxHomes)
	}
	if len(c.Include) > 0 && len(c.Groups) == 0 {
		return problem.New(problem.Config, "include is set and groups is not").WithHint("include chooses among the projects of groups; name single projects under projects")
	}
	for i, b := range c.Branches {
		if forge.BadBranch.MatchString(b) || len(b) > 255 {
			return problem.New(problem.Config, "branches holds %q, which is no branch name", b).WithHint("write full branch names, without patterns")
		}
		if slices.Contains(c.Branches[:i], b) {
			return problem.New(problem.Config, "branches names %q twice", b).WithHint("take one of them out")
		}
	}
	for i, e := range c.Environments {
		if e == "" || len(e) > 255 || slices.Contains(c.Environments[:i], e) {
			return problem.New(problem.Config, "environments holds %q, which is empty, too long or named twice", e).WithHint("write each environment's name once, without patterns")
		}
	}
	if c.TokenFile == "" {
		return problem.New(problem.Config, "token_file is not set").WithHint("set it to a file that holds a token of scope read_api")
	}
	for _, d := range []struct {
		key string
		d   time.Duration
	}{{"overlap", c.Overlap}, {"history", c.History}, {"pipeline_history", c.PipelineHistory}} {
		if d.d < 0 {
			return problem.New(problem.Config, "%s is negative", d.key).WithHint("use a duration such as 5m or 9600h; 0 history is all of it")
		}
	}
	if c.SettingsEvery <= 0 || c.FullEvery <= 0 {
		return problem.New(problem.Config, "settings_every and full_every must be longer than 0").WithHint("use durations such as 6h and 24h")
	}
	return nil
}

// includes reports whether a project of a group is to be read.
func (c *Config) includes(path string) bool {
	if len(c.Include) == 0 {
		return true
	}
	return slices.ContainsFunc(c.Include, func(p string) bool {
		p = strings.TrimSuffix(p, "/")
		return strings.EqualFold(path, p) || len(path) > len(p) && strings.EqualFold(path[:len(p)], p) && path[len(p)] == '/'
	})
}
