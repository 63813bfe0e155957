package alertmanager

import (
	"slices"
	"time"

	"evidenced/collectors"
	"evidenced/evidence/problem"
)

const agent = "alertmanager/1"

// Config configures a source of type alertmanager: one Alertmanager, or the
// peers of one cluster.
type Config struct {
	// URLs are the addresses of all peers, without /api.
	URLs []string `yaml:"urls" loosens:"keeps"`
	// User and TokenFile are for a proxy before it: with a user the file holds a
	// password, else a bearer token.
	User      string `yaml:"user" loosens:"none"`
	TokenFile string `yaml:"token_file" loosens:"none"`
	// CAFile names PEM certificates that alone are trusted.
	CAFile string `yaml:"ca_file" loosens:"change: another authority vouches for the server"`

	Labels `yaml:",inline"`

	// Settle is how long after its start an Alertmanager may not have been told of
	// everything that fires.
	Settle time.Duration `yaml:"settle" loosens:"less: alerts that were not told again yet count as ended"`
	// Timeout bounds one request.
	Timeout time.Duration `yaml:"timeout" loosens:"less,0=default: slow answers are given up"`
}

// Spec describes the source type to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type: "alertmanager",
		Says: "alerts that fire and the silences that hide them, of an Alertmanager and its peers",
		Config: func() any {
			return &Config{Labels: DefaultLabels(), Settle: 3 * time.Minute, Timeout: 30 * time.Second}
		},
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, problem.New(problem.Internal, "source %s: configuration of type %T", env.Source, config)
			}
			return New(*c, env)
		},
		Every: "@every 30s",
	}
}

// maxPeers is more than a cluster of Alertmanagers has.
const maxPeers = 20

// check reports the first thing to fix. Errors are problem.Config.
func (c *Config) check() error {
	switch {
	case len(c.URLs) == 0:
		return problem.New(problem.Config, "urls is not set").WithHint("name every peer, such as [http://alertmanager-0.example:9093]")
	case len(c.URLs) > maxPeers:
		return problem.New(problem.Config, "urls has %d addresses, at most %d", len(c.URLs), maxPeers)
	case c.User != "" && c.TokenFile == "":
		return problem.New(problem.Config, "user is set without token_file").WithHint("put the password into a file and name it in token_file")
	case c.Settle < 0 || c.Settle > time.Hour:
		return problem.New(problem.Config, "settle is %s, must be 0s to 1h", c.Settle).WithHint("leave it out for 3m")
	}
	for i, u := range c.URLs {
		if slices.Contains(c.URLs[:i], u) {
			return problem.New(problem.Config, "urls names a peer twice").WithHint("name each peer once, by its own address and not by that of a balancer before them")
		}
	}
	return c.Labels.Check()
}
