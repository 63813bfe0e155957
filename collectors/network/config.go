package network

import (
	"net/netip"
	"strings"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence/problem"
)

// agent names collector and version in each draft's request.
const agent = "network/1"

// Config is the configuration of one cluster's network rules.
type Config struct {
	kube.Config `yaml:",inline"`
	// CiliumConfig is the namespace of Cilium's ConfigMap cilium-config, which
	// says whether rules are enforced or only logged; empty: it is not read.
	CiliumConfig string `yaml:"cilium_config" loosens:"change: whether rules are enforced or only logged may not be seen"`
	// PodAddresses are the blocks of addresses that pods get. Where they are
	// given, the blocks that a NetworkPolicy of Kubernetes names are held against
	// them; without them it stays open whether pods are among those.
	PodAddresses []string `yaml:"pod_addresses" loosens:"limits"`
}

// Spec describes this collector to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type:   "network",
		Says:   "Network rules of Kubernetes and Cilium: which namespaces are isolated, and whom they let in and out",
		Config: func() any { return &Config{Config: kube.DefaultConfig()} },
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, problem.New(problem.Internal, "network: config is a %T", config)
			}
			return New(*c, env)
		},
		Every: "@every 15m",
	}
}

// New checks the config and makes the collector. The network is not touched.
// Errors are problem.Config.
func New(cfg Config, env collectors.Env) (collectors.Collector, error) { return newWith(cfg, env) }

// newWith lets tests change how requests are made.
func newWith(cfg Config, env collectors.Env, opts ...kube.Option) (collectors.Collector, error) {
	r, err := newReader(cfg)
	if err != nil {
		return nil, err
	}
	return kube.New(cfg.Config, env, agent, r.resources(), append(opts, kube.State(&r.memory), kube.After(nil, r.settle))...)
}

// newReader checks what is this collector's own of the configuration.
func newReader(cfg Config) (*reader, error) {
	if ns := cfg.CiliumConfig; ns != "" && (len(ns) > 63 || strings.Trim(ns, "abcdefghijklmnopqrstuvwxyz0123456789-") != "") {
		return nil, problem.New(problem.Config, "network: cilium_config %q is no name of a namespace", ns).
			WithHint("name the namespace that Cilium runs in, as in kube-system, or leave it out")
	}
	r := &reader{cfg: cfg}
	for _, s := range cfg.PodAddresses {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, problem.New(problem.Config, "network: pod_addresses: %q is no block of addresses", s).WithHint("write it as in 10.244.0.0/16")
		}
		r.pods = append(r.pods, p.Masked())
	}
	return r, nil
}
