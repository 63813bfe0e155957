package kubeaudit

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/tail"
	"evidenced/evidence/problem"
)

// Config is the part of a source's configuration that this collector reads.
// Either AuditFiles or Listen must be set. Each API server writes its own log:
// give each a source of its own.
type Config struct {
	// AuditFiles are absolute paths or globs of active audit files
	// (--audit-log-path); rotated siblings, compressed ones too, are found.
	AuditFiles []string `yaml:"audit_files" loosens:"keeps"`

	// Listen is the address on which an API server's audit webhook is awaited,
	// such as 127.0.0.1:8443. Off loopback it needs TLS and a way to know the
	// sender.
	Listen string `yaml:"listen" loosens:"change: what is sent to the old address is lost"`
	// TLSCertFile and TLSKeyFile are the listener's certificate.
	TLSCertFile string `yaml:"tls_cert_file" loosens:"none"`
	TLSKeyFile  string `yaml:"tls_key_file" loosens:"none"`
	// ClientCAFile makes the sender show a certificate of this authority.
	ClientCAFile string `yaml:"client_ca_file" loosens:"change: another authority vouches for the sender"`
	// ListenTokenFile holds the bearer token that the sender must show.
	ListenTokenFile string `yaml:"listen_token_file" loosens:"gone: the sender need not show a token"`
	// SpoolDir is where lines that were sent wait until they are durable
	// evidence; SpoolBytes is how much may wait.
	SpoolDir   string `yaml:"spool_dir" loosens:"change: what waits in the old folder is not read"`
	SpoolBytes int64  `yaml:"spool_bytes" loosens:"less: less may wait before it is lost"`

	// Server is the API server's address, for probes and for the labels of
	// namespaces; TokenFile and CAFile belong to it.
	Server    string `yaml:"server" loosens:"change: another server is probed"`
	TokenFile string `yaml:"token_file" loosens:"none"`
	CAFile    string `yaml:"ca_file" loosens:"change: another authority vouches for the server"`

	// Keep lists what becomes evidence; the default is everything that the
	// words stand for.
	Keep []string `yaml:"keep" loosens:"keeps"`
	// ReadNamespaces are patterns of namespaces in which reads by people are
	// kept.
	ReadNamespaces []string `yaml:"read_namespaces" loosens:"keeps"`
	// DeliveryAccounts are patterns namespace/name of service accounts whose
	// writes are kept.
	DeliveryAccounts []string `yaml:"delivery_accounts" loosens:"keeps"`
	// ClusterNamespace is the namespace whose owner gets what concerns the
	// cluster itself and no namespace.
	ClusterNamespace string `yaml:"cluster_namespace" loosens:"change: somebody else gets what concerns the cluster"`
	// TenantLabels names the labels of namespaces that tenancy looks at; empty:
	// all but those of Kubernetes itself.
	TenantLabels []string `yaml:"tenant_labels" loosens:"limits"`

	// MaxLine is the longest event in bytes that is read.
	MaxLine int `yaml:"max_line" loosens:"less: shorter events are refused"`
	// ProbeLimit is how long a probe may take to turn up before the source
	// counts as blind.
	ProbeLimit time.Duration `yaml:"probe_limit" loosens:"more: a silent log is noticed later"`
}

// The words of Config.Keep.
const (
	keepPeopleWrites  = "people-writes"
	keepPeopleReads   = "people-reads"
	keepRBAC          = "rbac"
	keepSecrets       = "secrets"
	keepExec          = "exec"
	keepTokens        = "tokens"
	keepImpersonation = "impersonation"
	keepDenials       = "denials"
	keepMasters       = "masters"
	keepDelivery      = "delivery-writes"
)

var keepWords = []string{keepPeopleWrites, keepPeopleReads, keepRBAC, keepSecrets, keepExec, keepTokens,
	keepImpersonation, keepDenials, keepMasters, keepDelivery}

const agent = "kubeaudit/1"

func defaultConfig() Config {
	return Config{
		SpoolBytes: 1 << 30, Keep: slices.Clone(keepWords), ReadNamespaces: []string{"*"},
		DeliveryAccounts: []string{"argocd/*", "flux-system/*"}, ClusterNamespace: "kube-system",
		MaxLine: 16 << 20, ProbeLimit: 2 * time.Minute,
	}
}

// Spec describes the collector to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type:   "kubernetes-audit",
		Says:   "Kubernetes audit log: who did what, from the API server's files or its webhook",
		Config: func() any { c := defaultConfig(); return &c },
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, problem.New(problem.Internal, "kubernetes-audit: configuration of type %T", config)
			}
			return New(*c, env)
		},
		Every: "@every 1m",
	}
}

// check reports the first thing to fix. Errors are problem.Config.
func (c *Config) check() error {
	loopback := false
	if host, _, err := net.SplitHostPort(c.Listen); err == nil {
		ip := net.ParseIP(host)
		loopback = host == "localhost" || ip != nil && ip.IsLoopback()
	} else if c.Listen != "" {
		return problem.New(problem.Config, "listen %q is no address", c.Listen).WithHint("write it as 127.0.0.1:8443")
	}
	known := c.ListenTokenFile != "" || c.ClientCAFile != ""
	for _, r := range []struct {
		bad  bool
		text string
		hint string
	}{
		{(len(c.AuditFiles) == 0) == (c.Listen == ""), "exactly one of audit_files and listen must be set", "give each API server's file or webhook a source of its own"},
		{c.Listen != "" && c.SpoolDir == "", "listen is set without spool_dir", "name a folder of the daemon's own"},
		{c.SpoolDir != "" && !filepath.IsAbs(c.SpoolDir), "spool_dir is no absolute path", "write it in full"},
		{c.Listen == "" && (known || c.TLSCertFile != "" || c.TLSKeyFile != "" || c.SpoolDir != ""), "tls_cert_file, tls_key_file, client_ca_file, listen_token_file and spool_dir need listen", "set listen, or drop them"},
		{(c.TLSCertFile == "") != (c.TLSKeyFile == ""), "one of tls_cert_file and tls_key_file is missing", "set both"},
		{c.ClientCAFile != "" && c.TLSCertFile == "", "client_ca_file is set without tls_cert_file", "a sender shows its certificate over TLS only"},
		{c.Listen != "" && !loopback && (c.TLSCertFile == "" || !known), "the listener can be reached from other machines", "set tls_cert_file and tls_key_file, and listen_token_file or client_ca_file; or listen on 127.0.0.1"},
		{c.SpoolBytes < 64<<20, "spool_bytes must be at least 67108864", "leave it out for 1 GiB"},
		{c.Server != "" && c.TokenFile == "", "server is set without token_file", "put the token of the account in deploy/access/kubeaudit into a file"},
		{c.Server == "" && (c.TokenFile != "" || c.CAFile != ""), "token_file and ca_file need server", "name the API server's address"},
		{c.MaxLine < 4096 || c.MaxLine > 256<<20, "max_line must be 4096 to 268435456", "leave it out for 16777216"},
		{c.ProbeLimit < time.Second || c.ProbeLimit > 24*time.Hour, "probe_limit must be 1s to 24h", "leave it out for 2m"},
		{len(c.Keep) == 0, "keep is empty", "leave it out for the default, or pause the source"},
		{c.ClusterNamespace == "", "cluster_namespace is empty", "leave it out for kube-system"},
	} {
		if r.bad {
			return problem.New(problem.Config, "%s", r.text).WithHint("%s", r.hint)
		}
	}
	for _, k := range c.Keep {
		if !slices.Contains(keepWords, k) {
			return problem.New(problem.Config, "keep: %q is none of %s", k, strings.Join(keepWords, ", "))
		}
	}
	for _, p := range slices.Concat(c.ReadNamespaces, c.DeliveryAccounts) {
		if _, err := filepath.Match(p, ""); err != nil || p == "" {
			return problem.New(problem.Config, "%q is no pattern", p)
		}
	}
	for _, p := range c.AuditFiles {
		if !filepath.IsAbs(p) {
			return problem.New(problem.Config, "audit_files: %q is not an absolute path", p)
		}
	}
	if _, err := tail.Expand(c.AuditFiles); err != nil {
		return problem.New(problem.Config, "audit_files: one is not a path or glob")
	}
	return nil
}
