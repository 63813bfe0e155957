package policies

import (
	"strings"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence/problem"
)

// agent names collector and version in each draft's request.
const agent = "policies/1"

// Config is the configuration of one cluster's policy engines.
type Config struct {
	kube.Config `yaml:",inline"`
	// Required are names of policies that must be in force, as "name", or
	// "namespace/name" for one that stands in a namespace. One that is not there
	// is told as missing.
	Required []string `yaml:"required" loosens:"keeps"`
	// ExpiryKeys are labels and annotations of exceptions that say when they end,
	// as a date (2026-12-31) or a time in RFC 3339. Kyverno's own label
	// cleanup.kyverno.io/ttl always does.
	ExpiryKeys []string `yaml:"expiry_keys" loosens:"keeps"`
	// KyvernoConfig is the namespace of Kyverno's ConfigMap kyverno, which says what
	// it leaves unchecked; empty: it is not read, and that is not known.
	KyvernoConfig string `yaml:"kyverno_config" loosens:"change: what Kyverno leaves unchecked may not be seen"`
}

const (
	maxRequired = 500
	maxKeys     = 20
)

// Spec describes this collector to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type:   "policies",
		Says:   "policy engines: the policies of Kyverno, Gatekeeper and Kubernetes in force, exceptions from them, and what they found",
		Config: func() any { return &Config{Config: kube.DefaultConfig()} },
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, problem.New(problem.Internal, "policies: config is a %T", config)
			}
			return New(*c, env)
		},
		Every: "@every 5m",
	}
}

// New checks the config and makes the collector. The network is not touched.
func New(cfg Config, env collectors.Env) (collectors.Collector, error) { return newWith(cfg, env) }

// newWith lets tests change how requests are made.
func newWith(cfg Config, env collectors.Env, opts ...kube.Option) (collectors.Collector, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	r := &reader{cfg: cfg, env: env, authority: env.Source.Authority()}
	s := &source{r: r, opts: opts}
	if err := s.build(nil); err != nil {
		return nil, err
	}
	if _, ok := s.engine.(collectors.Follower); ok {
		return &follower{s}, nil
	}
	return s, nil
}

// check says the first thing to fix. Errors are problem.Config.
func (c *Config) check() error {
	if len(c.Required) > maxRequired {
		return problem.New(problem.Config, "required names %d policies, at most %d", len(c.Required), maxRequired)
	}
	seen := map[string]bool{}
	for _, name := range c.Required {
		ns, n, slash := strings.Cut(name, "/")
		if !slash {
			ns, n = "x", name
		}
		if ns == "" || n == "" || strings.ContainsAny(n, "/*? ") || len(name) > maxWord || seen[name] {
			return problem.New(problem.Config, "required policy %q is empty, repeated or no name of a policy", name).
				WithHint("name each policy once, without wildcards, as name or namespace/name")
		}
		seen[name] = true
	}
	if len(c.ExpiryKeys) > maxKeys {
		return problem.New(problem.Config, "expiry_keys names %d keys, at most %d", len(c.ExpiryKeys), maxKeys)
	}
	for _, k := range c.ExpiryKeys {
		if k == "" || len(k) > 317 || strings.ContainsAny(k, " \t\n") {
			return problem.New(problem.Config, "expiry_keys: %q is no key of a label or annotation", k).
				WithHint("write it as it stands in the metadata: policies.acme.example/until")
		}
	}
	if ns := c.KyvernoConfig; ns != "" && (len(ns) > 63 || strings.Trim(ns, "abcdefghijklmnopqrstuvwxyz0123456789-") != "") {
		return problem.New(problem.Config, "kyverno_config %q is no name of a namespace", ns).
			WithHint("name the namespace that Kyverno runs in, as in kyverno, or leave it out")
	}
	return nil
}
