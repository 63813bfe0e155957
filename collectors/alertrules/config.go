package alertrules

import (
	"time"

	"evidenced/collectors"
	"evidenced/collectors/alertmanager"
	"evidenced/evidence/problem"
)

const agent = "alertrules/1"

// Config configures a source of type alert-rules: one Prometheus or vmalert.
type Config struct {
	// URL is its address, without /api.
	URL string `yaml:"url" loosens:"change: another server is read"`
	// User and TokenFile are the credential: with a user the file holds a
	// password, else a bearer token. Without a file there is none.
	User      string `yaml:"user" loosens:"none"`
	TokenFile string `yaml:"token_file" loosens:"none"`
	// CAFile names PEM certificates that alone are trusted.
	CAFile string `yaml:"ca_file" loosens:"change: another authority vouches for the server"`

	alertmanager.Labels `yaml:",inline"`

	// StaleAfter is how much later than the interval of its group a rule may be
	// evaluated.
	StaleAfter time.Duration `yaml:"stale_after" loosens:"more: rules that stand still are noticed later"`
	// Timeout bounds one request.
	Timeout time.Duration `yaml:"timeout" loosens:"less,0=default: slow answers are given up"`
}

// Spec describes the source type to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type: "alert-rules",
		Says: "alerting rules of Prometheus or vmalert, and whether each is evaluated",
		Config: func() any {
			return &Config{Labels: alertmanager.DefaultLabels(), StaleAfter: 5 * time.Minute, Timeout: 30 * time.Second}
		},
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, problem.New(problem.Internal, "source %s: configuration of type %T", env.Source, config)
			}
			return New(*c, env)
		},
		Every: "@every 1m",
	}
}

// check reports the first thing to fix. Errors are problem.Config.
func (c *Config) check() error {
	switch {
	case c.URL == "":
		return problem.New(problem.Config, "url is not set").WithHint("set it to the server's address, such as http://prometheus.example:9090")
	case c.User != "" && c.TokenFile == "":
		return problem.New(problem.Config, "user is set without token_file").WithHint("put the password into a file and name it in token_file")
	case c.StaleAfter < time.Minute || c.StaleAfter > 24*time.Hour:
		return problem.New(problem.Config, "stale_after is %s, must be 1m to 24h", c.StaleAfter).WithHint("leave it out for 5m")
	}
	return c.Labels.Check()
}
