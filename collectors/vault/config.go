package vault

import (
	"path/filepath"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/evidence/problem"
)

// Config is the part of a source's configuration that this collector reads.
// At least one of AuditFiles, Listen and URL must be set.
type Config struct {
	// AuditFiles are paths or globs of the active audit files: one for each
	// device or node. Rotated siblings, compressed ones too, are found by their
	// names.
	AuditFiles []string `yaml:"audit_files" loosens:"keeps"`
	// Device is the path of the audit device that writes the file, as
	// "vault audit list" shows it. Default: the file's name.
	Device string `yaml:"device" loosens:"change: the log is joined to another audit device"`
	// Prefix is the device's prefix option: text before each line's JSON.
	Prefix string `yaml:"prefix" loosens:"change: lines of the old form are not understood"`
	// Listen is where a socket device writes to: unix:///run/evidenced/vault.sock
	// or tcp://127.0.0.1:9200. What comes is marked as unauthenticated; use it
	// beside audit_files.
	Listen string `yaml:"listen" loosens:"change: what is sent to the old address is lost"`
	// Peers are the addresses or networks that may connect over TCP. Without
	// any only this host may.
	Peers []string `yaml:"peers" loosens:"opens"`
	// SocketDevice is the path of the socket device, as "vault audit list" shows
	// it. Default: socket.
	SocketDevice string `yaml:"socket_device" loosens:"change: the log is joined to another audit device"`
	// SpoolDir is a folder of the collector's own, where lines stand until they
	// are durable.
	SpoolDir string `yaml:"spool_dir" loosens:"change: what waits in the old folder is not read"`
	// SpoolMax is how many bytes the spool may hold; what does not fit is lost
	// and told as a blind window.
	SpoolMax int64 `yaml:"spool_max" loosens:"less,0=default: less may wait before it is lost"`
	// URL of the server, https://vault.example:8200. Without it neither state
	// nor probe is read, and coverage of the log is only reconstructed.
	URL string `yaml:"url" loosens:"change: another server is read"`
	// TokenFile holds the token; it is read anew for each request, so that an
	// agent may swap it.
	TokenFile string `yaml:"token_file" loosens:"none"`
	// CAFile names PEM certificates; when set they alone are trusted.
	CAFile string `yaml:"ca_file" loosens:"change: another authority vouches for the server"`
	// Namespace is where the token lives; empty is the root namespace.
	Namespace string `yaml:"namespace" loosens:"differs: another namespace is read"`
	// Namespaces are further namespaces whose state is read with the token.
	Namespaces []string `yaml:"namespaces" loosens:"keeps"`
	// MaxLine is the longest audit line in bytes that is read.
	MaxLine int `yaml:"max_line" loosens:"less,0=default: shorter lines are refused"`
	// ProbeLimit is how long a probe may take to turn up in the log before the
	// source counts as blind.
	ProbeLimit time.Duration `yaml:"probe_limit" loosens:"more,0=default: a silent log is noticed later"`
	// StateEvery is how often the state side is read.
	StateEvery time.Duration `yaml:"state_every" loosens:"more,0=default: policies, roles and devices are read less often"`
	// RotationEvery is how often rotated keys and credentials, and leases, are
	// read.
	RotationEvery time.Duration `yaml:"rotation_every" loosens:"more,0=default: keys, credentials and leases are read less often"`
	// KVMetadata also reads version and age of each secret of KV version 2
	// mounts, never a value: one request for each secret and folder.
	KVMetadata bool `yaml:"kv_metadata" loosens:"off: the age of secrets is not read"`
	// KVLimit is how many secrets and folders are asked for in one walk; beyond
	// it the walk says that it is not complete.
	KVLimit int `yaml:"kv_limit" loosens:"less,0=default: fewer secrets are read in one walk"`
	// Leases are prefixes below which leases are counted ("database/creds/").
	// The server asks for sudo on sys/leases/lookup, so it is off by default.
	Leases []string `yaml:"leases" loosens:"keeps"`
	// Pace is the pause between two requests of the state walk, so that a
	// large server is not pressed.
	Pace time.Duration `yaml:"pace" loosens:"none"`
}

const (
	defaultMaxLine    = 32 << 20
	defaultProbeLimit = 2 * time.Minute
	defaultStateEvery = time.Hour
	defaultPace       = 200 * time.Millisecond

	defaultRotationEvery = 6 * time.Hour
	defaultKVLimit       = 20000
	defaultSpoolMax      = 1 << 30
	minSpool             = 1 << 20
)

// Spec describes the collector to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type: "vault",
		Says: "Vault or OpenBao: audit-device logs from files, and policies, roles, identities, mounts, devices, rotation and leases from the API",
		Config: func() any {
			return &Config{MaxLine: defaultMaxLine, ProbeLimit: defaultProbeLimit, StateEvery: defaultStateEvery, Pace: defaultPace,
				RotationEvery: defaultRotationEvery, KVLimit: defaultKVLimit, SpoolMax: defaultSpoolMax}
		},
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, problem.New(problem.Internal, "vault: configuration of type %T", config)
			}
			return New(*c, env)
		},
		Every: "@every 1m",
	}
}

// check fills defaults and reports the first thing to fix.
func (c *Config) check() error {
	if c.MaxLine == 0 {
		c.MaxLine = defaultMaxLine
	}
	if c.ProbeLimit == 0 {
		c.ProbeLimit = defaultProbeLimit
	}
	if c.StateEvery == 0 {
		c.StateEvery = defaultStateEvery
	}
	if c.RotationEvery == 0 {
		c.RotationEvery = defaultRotationEvery
	}
	if c.KVLimit == 0 {
		c.KVLimit = defaultKVLimit
	}
	if c.SpoolMax == 0 {
		c.SpoolMax = defaultSpoolMax
	}
	if err := c.checkSocket(); err != nil {
		return err
	}
	switch {
	case len(c.AuditFiles) == 0 && c.Listen == "" && c.URL == "":
		return problem.New(problem.Config, "neither audit_files nor url is set").
			WithHint("set audit_files to the audit device's file, url to the server, or both; listen is for a socket device")
	case c.URL != "" && c.TokenFile == "":
		return problem.New(problem.Config, "url is set without token_file").
			WithHint("put a token with the policy of deploy/access/vault into a file and name it in token_file")
	case c.URL == "" && (c.TokenFile != "" || c.CAFile != "" || c.Namespace != "" || len(c.Namespaces) > 0 || c.KVMetadata || len(c.Leases) > 0):
		return problem.New(problem.Config, "token_file, ca_file, namespaces, kv_metadata and leases need url")
	case c.MaxLine < 4096 || c.MaxLine > 256<<20:
		return problem.New(problem.Config, "max_line is %d bytes, must be 4096 to %d", c.MaxLine, 256<<20)
	case c.ProbeLimit < time.Second || c.ProbeLimit > 24*time.Hour:
		return problem.New(problem.Config, "probe_limit is %s, must be 1s to 24h", c.ProbeLimit)
	case c.StateEvery < time.Second:
		return problem.New(problem.Config, "state_every is %s, must be at least 1s", c.StateEvery)
	case c.RotationEvery < time.Second:
		return problem.New(problem.Config, "rotation_every is %s, must be at least 1s", c.RotationEvery)
	case c.KVLimit < 1 || c.KVLimit > 1_000_000:
		return problem.New(problem.Config, "kv_limit is %d, must be 1 to 1000000", c.KVLimit)
	case strings.ContainsAny(c.Prefix, "{\n"):
		return problem.New(problem.Config, "prefix holds { or a line break")
	}
	for _, p := range c.Leases {
		// Below login paths the names of folders are those of people.
		if t := strings.Trim(p, "/"); t == "" || strings.HasPrefix(t+"/", "auth/") && !strings.HasPrefix(t+"/", "auth/token/") || strings.ContainsAny(t, "*+?#%") || strings.Contains(t, "..") {
			return problem.New(problem.Config, "leases: %q is not a prefix of leases", p).
				WithHint("name a secret engine and what it gives, like database/creds/, or auth/token/create/")
		}
	}
	for _, p := range c.AuditFiles {
		switch _, err := filepath.Match(p, ""); {
		case err != nil:
			return problem.New(problem.Config, "audit_files: %q is not a path or glob", p)
		case !filepath.IsAbs(p):
			return problem.New(problem.Config, "audit_files: %q is not an absolute path", p)
		}
	}
	return nil
}

// checkSocket reports the first thing to fix of the listener.
func (c *Config) checkSocket() error {
	if c.Listen == "" {
		if c.SpoolDir != "" || len(c.Peers) > 0 || c.SocketDevice != "" {
			return problem.New(problem.Config, "spool_dir, peers and socket_device need listen")
		}
		return nil
	}
	if _, err := parseListen(c.Listen, c.Peers); err != nil {
		return err
	}
	switch {
	case !filepath.IsAbs(c.SpoolDir):
		return problem.New(problem.Config, "listen needs spool_dir, an absolute path of a folder of its own")
	case c.SpoolMax < minSpool || c.SpoolMax > 1<<40:
		return problem.New(problem.Config, "spool_max is %d bytes, must be %d to %d", c.SpoolMax, minSpool, int64(1)<<40)
	}
	for _, p := range c.AuditFiles {
		if filepath.Dir(p) == filepath.Clean(c.SpoolDir) {
			return problem.New(problem.Config, "audit_files: %q lies in the spool folder", p)
		}
	}
	return nil
}
