package harbor

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/evidence/problem"
)

// Config is the configuration of a source of type harbor.
type Config struct {
	// URL is the address of the registry, without /api.
	URL string `yaml:"url" loosens:"change: another registry is read"`
	// Registry is the host by which images name the registry; empty: the host
	// and port of URL.
	Registry string `yaml:"registry" loosens:"change: images are joined by another name"`
	// User is the name to log in with: a robot's, with its prefix.
	User string `yaml:"user" loosens:"none"`
	// TokenFile holds the robot's secret; read anew at each request.
	TokenFile string `yaml:"token_file" loosens:"none"`
	// CAFile names PEM certificates that alone are trusted.
	CAFile string `yaml:"ca_file" loosens:"change: another authority vouches for the server"`
	// RobotPrefix is how names of robots begin at this registry.
	RobotPrefix string `yaml:"robot_prefix" loosens:"change: other names count as robots"`
	// Pulls says what becomes of pulls in the audit log: "all" records each,
	// "count" tells only how many there were.
	Pulls string `yaml:"pulls" loosens:"down(all count): pulls are counted and not recorded"`
	// History is how far back the first look reads the audit log; 0 is to its
	// beginning.
	History time.Duration `yaml:"history" loosens:"less,0=all: the first look goes back less far"`
	// SettingsEvery is how often settings, rules, robots and members are read.
	SettingsEvery time.Duration `yaml:"settings_every" loosens:"more: settings, rules, robots and members are read less often"`
	// AuditSilence is how long the audit log may show nothing new before it
	// counts as not seen, when the registry does not let us read whether it
	// keeps the log at all.
	AuditSilence time.Duration `yaml:"audit_silence" loosens:"more: a silent audit log is noticed later"`
	// Timeout bounds one request.
	Timeout time.Duration `yaml:"timeout" loosens:"less,0=default: slow answers are given up"`
}

// What may become of pulls.
const (
	pullsAll   = "all"
	pullsCount = "count"
)

// Spec describes the collector to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type:  "harbor",
		Says:  "artifacts, scans, signatures, rules, robots and audit log of a Harbor registry",
		Every: "@every 5m",
		Config: func() any {
			return &Config{
				RobotPrefix: "robot$", Pulls: pullsAll, History: 7 * 24 * time.Hour,
				SettingsEvery: 30 * time.Minute, AuditSilence: 24 * time.Hour, Timeout: 30 * time.Second,
			}
		},
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, fmt.Errorf("harbor: configuration of type %T", config)
			}
			return New(*c, env)
		},
	}
}

// check reports the first thing to fix and fills in what follows from others.
func (c *Config) check() error {
	if c.Registry == "" {
		if u, err := url.Parse(c.URL); err == nil {
			c.Registry = u.Host
		}
	}
	switch {
	case c.URL == "":
		return problem.New(problem.Config, "url is not set").WithHint("set it to the registry's address, such as https://harbor.example")
	case strings.Contains(c.URL, "/api/"):
		return problem.New(problem.Config, "url holds the path of the API").WithHint("leave out /api and what follows")
	case strings.ContainsAny(c.Registry, "/@ ?#"):
		return problem.New(problem.Config, "registry is %q, which is no host", c.Registry).WithHint("write host or host:port, as images name it")
	case c.User == "":
		return problem.New(problem.Config, "user is not set").WithHint("set it to the robot's full name, such as robot$evidenced")
	case strings.ContainsAny(c.User, ":\r\n"):
		return problem.New(problem.Config, "user holds a colon or a line break")
	case c.TokenFile == "":
		return problem.New(problem.Config, "token_file is not set").WithHint("set it to a file that holds the robot's secret")
	case c.RobotPrefix == "":
		return problem.New(problem.Config, "robot_prefix is empty").WithHint("set it to robot_name_prefix of the registry; it tells robots from people")
	case c.Pulls != pullsAll && c.Pulls != pullsCount:
		return problem.New(problem.Config, "pulls is %q", c.Pulls).WithHint("use all or count")
	case c.History < 0:
		return problem.New(problem.Config, "history is negative").WithHint("use a duration such as 168h, or 0 for all of it")
	case c.SettingsEvery < time.Minute:
		return problem.New(problem.Config, "settings_every is %s, must be at least 1m", c.SettingsEvery)
	case c.AuditSilence < time.Minute:
		return problem.New(problem.Config, "audit_silence is %s, must be at least 1m", c.AuditSilence)
	}
	return nil
}
