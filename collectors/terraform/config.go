package terraform

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/evidence/problem"
)

// Config is the configuration of a source of type terraform.
type Config struct {
	// Directory is where pipelines leave what they ran, in place of a platform.
	Directory string `yaml:"directory" loosens:"change: another directory is read"`
	// URL is the address of the platform, without /api.
	URL string `yaml:"url" loosens:"change: another platform is read"`
	// Organization is the organization whose workspaces are read.
	Organization string `yaml:"organization" loosens:"change: another organization is read"`
	// TokenFile holds a token of a team that may read runs; read anew at each
	// request.
	TokenFile string `yaml:"token_file" loosens:"none"`
	// AuditTokenFile holds an audit trail token or an organization token; empty:
	// the audit trail is not read.
	AuditTokenFile string `yaml:"audit_token_file" loosens:"gone: the audit trail is not read"`
	// CAFile names PEM certificates that alone are trusted.
	CAFile string `yaml:"ca_file" loosens:"change: another authority vouches for the server"`
	// SeesAll says that the credential sees every workspace of the organization,
	// so that one that is gone from the list was deleted.
	SeesAll bool `yaml:"sees_all" loosens:"on: a workspace that is gone from the list counts as deleted"`
	// States says whether versions of states are read, without their content.
	States bool `yaml:"states" loosens:"off: versions of states are not read"`
	// History is how far back the first look at a workspace reads; 0 is to the
	// beginning.
	History time.Duration `yaml:"history" loosens:"less,0=all: the first look goes back less far"`
	// Timeout bounds one request.
	Timeout time.Duration `yaml:"timeout" loosens:"less,0=default: slow answers are given up"`
}

// Spec describes the collector to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type:  "terraform",
		Says:  "workspaces, runs, versions of states and audit trail of HCP Terraform or Terraform Enterprise; or files that pipelines leave",
		Every: "@every 5m",
		Config: func() any {
			return &Config{URL: "https://app.terraform.io", States: true, History: 30 * 24 * time.Hour, Timeout: 30 * time.Second}
		},
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, fmt.Errorf("terraform: configuration of type %T", config)
			}
			if c.Directory != "" {
				if err := c.check(); err != nil {
					return nil, err
				}
				return newFiles(*c, env), nil
			}
			return New(*c, env)
		},
	}
}

// organizationName is what the platform lets an organization be called.
var organizationName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// check reports the first thing to fix.
func (c *Config) check() error {
	switch {
	case c.Directory != "" && (c.Organization != "" || c.TokenFile != "" || c.AuditTokenFile != ""):
		return problem.New(problem.Config, "directory is set beside an organization or a token").WithHint("make two sources: one of the platform, one of the directory")
	case c.Directory != "" && !filepath.IsAbs(c.Directory):
		return problem.New(problem.Config, "directory is %q, which is not absolute", c.Directory).WithHint("write the whole path, such as /var/lib/terraform-runs")
	case c.Directory != "":
		return nil
	case c.URL == "":
		return problem.New(problem.Config, "url is empty").WithHint("set it to the platform's address, such as https://app.terraform.io")
	case strings.Contains(c.URL, "/api/"):
		return problem.New(problem.Config, "url holds the path of the API").WithHint("leave out /api and what follows")
	case c.Organization == "":
		return problem.New(problem.Config, "organization is not set").WithHint("set it to the organization's name, as it stands in the address of its workspaces; or set directory to where pipelines leave their runs")
	case !organizationName.MatchString(c.Organization):
		return problem.New(problem.Config, "organization is %q, which cannot be the name of one", c.Organization).WithHint("it holds letters, digits, - and _")
	case c.TokenFile == "":
		return problem.New(problem.Config, "token_file is not set").WithHint("set it to a file that holds the token of a team that may read runs")
	case c.History < 0:
		return problem.New(problem.Config, "history is negative").WithHint("use a duration such as 720h, or 0 for all of it")
	}
	return nil
}
