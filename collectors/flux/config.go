package flux

import (
	"time"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence/problem"
)

// agent names collector and version in each draft's request.
const agent = "flux/1"

// Config is the configuration of one cluster's Flux.
type Config struct {
	kube.Config `yaml:",inline"`
	// StaleAfter is how much later than its interval a Kustomization may be
	// reconciled. When all of them are later, the controller is down and what
	// they say is frozen.
	StaleAfter time.Duration `yaml:"stale_after" loosens:"more: older verdicts of Flux count as its current ones"`
}

// Spec describes this collector to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type:   "flux",
		Says:   "Flux: what Kustomizations and HelmReleases declare and run, and every reconciliation that changed something or failed",
		Config: func() any { return &Config{Config: kube.DefaultConfig(), StaleAfter: 15 * time.Minute} },
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, problem.New(problem.Internal, "flux: config is a %T", config)
			}
			return New(*c, env)
		},
		Every: "@every 1m",
	}
}

// New checks the config and makes the collector. The network is not touched.
func New(cfg Config, env collectors.Env) (collectors.Collector, error) { return newWith(cfg, env) }

// newWith lets tests change how requests are made.
func newWith(cfg Config, env collectors.Env, opts ...kube.Option) (collectors.Collector, error) {
	if cfg.StaleAfter < time.Minute {
		return nil, problem.New(problem.Config, "stale_after must be at least 1m").WithHint("leave it out for 15m")
	}
	r := &reader{cfg: cfg, authority: env.Source.Authority(), again: (*kube.Look).Again, listed: (*kube.Look).ListedAt}
	return kube.New(cfg.Config, env, agent, r.resources(),
		append(opts, kube.State(&r.memory), kube.After(nil, r.after), kube.Observe(r.observe))...)
}
