// Package config reads the configuration of evidenced: one YAML file.
//
// Defaults come first, the file is decoded over them, then fields are checked
// against each other. Everything that is wrong is reported at once, each with
// file, line and column. No secret stands in the file: keys that end in _file
// name a file that holds one. The clock cannot be configured.
//
// What was loaded is sealed by its effective form (see Effective): canonical,
// with every default spelled out and without what names a person, so that two
// files that mean the same have one hash, and a change can be read as a
// difference and judged (see Loosens).
package config

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"evidenced/cmd/internal/schedule"
	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Config is a whole, checked configuration. deploy/evidenced.yaml shows every
// field with a comment; docs/configuration.md explains them.
type Config struct {
	// DataDir holds the logs. Relative paths here and below start at the
	// folder of the configuration file.
	DataDir    string     `yaml:"data_dir"`
	Keys       Keys       `yaml:"keys"`
	Log        Log        `yaml:"log"`
	Listen     string     `yaml:"listen"`    // for /metrics, /healthz, /readyz; "" serves none
	TimeZone   string     `yaml:"time_zone"` // shown beside UTC in answers, IANA name
	Checkpoint Checkpoint `yaml:"checkpoint"`
	Verify     Verify     `yaml:"verify"`
	Segment    Segment    `yaml:"segment"`
	Retention  Retention  `yaml:"retention"`
	Assess     Assess     `yaml:"assess"`
	Tenants    []Tenant   `yaml:"tenants"`
	Platform   Platform   `yaml:"platform"`
	Sources    []Source   `yaml:"sources"`
	Accounts   Accounts   `yaml:"accounts"`
	Catalogs   string     `yaml:"catalogs"` // folder of own catalogs beside the built-in ones; "" for none
	Pack       Pack       `yaml:"pack"`
	Incidents  Incidents  `yaml:"incidents"`
	Statements Statements `yaml:"statements"`
	// Anchors are where checkpoints go beside the data directory; left out, a
	// folder beside it. AnchorsRequired lets no log be signed after a start
	// before every anchor that can be asked has answered.
	Anchors         []Anchor `yaml:"anchors"`
	AnchorsRequired bool     `yaml:"anchors_required"`
	Alerts          Alerts   `yaml:"alerts"`

	file string
	zone *time.Location
}

// Keys says where keys lie, which is never inside what a backup of the data
// directory takes along unless the defaults are kept.
type Keys struct {
	Dir          string `yaml:"dir"`            // keyring, wrapping key, signing key; default DATA_DIR/keys
	SignStateDir string `yaml:"sign_state_dir"` // what was signed last, default DATA_DIR/sign-state
	// Wrapping says how the key that seals the keyring is kept. Changing it
	// takes evidenced keyring rewrap.
	Wrapping Wrapping `yaml:"wrapping"`
}

// Wrapping is one of the two: with neither the file is used.
type Wrapping struct {
	File    string  `yaml:"file"` // default: wrapping.key in the directory of keys
	Transit Transit `yaml:"transit"`
}

// Transit names a key of Vault's or OpenBao's transit engine that serves this
// keyring alone.
type Transit struct {
	Address   string `yaml:"address"`
	Mount     string `yaml:"mount"` // default transit
	Key       string `yaml:"key"`
	TokenFile string `yaml:"token_file"` // read anew for every request
	CAFile    string `yaml:"ca_file"`
	Namespace string `yaml:"namespace"`
	Destroy   bool   `yaml:"destroy"` // old versions of the key are destroyed when somebody is erased
}

// IsZero reports whether no transit key is named.
func (t Transit) IsZero() bool { return t == Transit{} }

// Log configures the daemon's own log lines (not the evidence).
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // json or text
}

// Checkpoint says when a log that has grown is signed.
type Checkpoint struct {
	Every   time.Duration `yaml:"every"`
	Records int           `yaml:"records"`
}

// Verify says how the daemon verifies its own logs in the background.
type Verify struct {
	ScrubEvery     time.Duration `yaml:"scrub_every"`      // each log is read in full this often
	BytesPerSecond int           `yaml:"bytes_per_second"` // read at most, all logs together
}

// Assess says how the daemon judges tenants as it goes on.
type Assess struct {
	Period time.Duration `yaml:"period"` // whole days looked back, beside the one that runs
	Every  time.Duration `yaml:"every"`  // each tenant is judged this often, for what the clock alone changes
	Delay  time.Duration `yaml:"delay"`  // a tenant with new records is judged so long after the first of them
}

// Tenant is one tenant and what belongs to it.
type Tenant struct {
	Name evidence.Tenant `yaml:"name"`
	Tier string          `yaml:"tier"` // basic, advanced, premium
	Tags []string        `yaml:"tags"`
	// EntityTypes are the sorts of entities that laws bind and the tenant is;
	// empty: not known, and every control is judged.
	EntityTypes []string          `yaml:"entity_types"`
	Keep        string            `yaml:"keep"` // in place of retention.keep
	Owns        []collectors.Owns `yaml:"owns"`
}

// Platform says what belongs to the platform itself, tenant _platform.
type Platform struct {
	EntityTypes []string          `yaml:"entity_types"` // what its operator is
	Owns        []collectors.Owns `yaml:"owns"`
}

// Source is one configured source.
type Source struct {
	Name     evidence.SourceID `yaml:"name"`
	Type     string            `yaml:"type"`
	Schedule string            `yaml:"schedule"` // default: the type's own
	Paused   string            `yaml:"paused"`   // why the source is not looked at; "" when it is
	Raw      yaml.Node         `yaml:"config"`

	// Config is the decoded form of config:, a pointer to the type's own
	// struct. Spec and Schedule parsed are set with it.
	Config any               `yaml:"-"`
	Spec   collectors.Spec   `yaml:"-"`
	Due    schedule.Schedule `yaml:"-"`
}

// Accounts marks accounts of machines and accounts shared by several people.
type Accounts struct {
	Bots   []Account `yaml:"bots"`
	Shared []Account `yaml:"shared"`
}

// Account names accounts of a realm by native id or by login.
type Account struct {
	Realm  string   `yaml:"realm"` // "github:prod"; a * stands for any run of letters but /
	IDs    []string `yaml:"ids"`
	Logins []string `yaml:"logins"`
}

// Pack holds the defaults of evidence packs.
type Pack struct {
	Raw          string `yaml:"raw"` // which source bytes are disclosed: none, exceptions, all
	Pseudonymous bool   `yaml:"pseudonymous"`
	Recipient    string `yaml:"recipient"`
}

// Default returns the configuration that an empty file gives.
func Default() *Config {
	return &Config{
		DataDir:    "/var/lib/evidenced",
		Log:        Log{Level: "info", Format: "json"},
		Listen:     "127.0.0.1:9320",
		TimeZone:   "UTC",
		Checkpoint: Checkpoint{Every: time.Minute, Records: 10_000},
		Verify:     Verify{ScrubEvery: 24 * time.Hour, BytesPerSecond: 32 << 20},
		Segment:    Segment{Bytes: 1 << 30, Monthly: true},
		Assess:     Assess{Period: 30 * 24 * time.Hour, Every: 15 * time.Minute, Delay: 15 * time.Second},
		Pack:       Pack{Raw: "exceptions"},
		Alerts:     Alerts{Hold: 5 * time.Minute, Release: 5 * time.Minute, Least: "low"},
	}
}

// Incidents holds what limits of notifications are counted with.
type Incidents struct {
	Holidays string `yaml:"holidays"` // file of days off on top of the built-in ones; "" for none
}

// Load reads, decodes and checks the file. The specs are the types of sources
// this program has. The error is a problem of code Config whose text names
// every issue.
func Load(file string, specs []collectors.Spec) (*Config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "cannot read the configuration").
			WithHint("name the file with -c FILE; deploy/evidenced.yaml is a sample")
	}
	return Parse(file, data, specs)
}

// Parse is Load on bytes; file names them and is where relative paths start.
func Parse(file string, data []byte, specs []collectors.Spec) (*Config, error) {
	r := &reading{file: file}
	c := Default()
	c.file = file
	root := r.parse(data)
	if root != nil {
		r.decode(root, reflect.ValueOf(c).Elem(), "")
	}
	if len(r.issues) > 0 && root == nil {
		return nil, r.issues.asError(file)
	}
	k := &checker{reading: r, c: c, root: root}
	k.check(specs)
	if err := r.issues.asError(file); err != nil {
		return nil, err
	}
	c.resolve(filepath.Dir(file))
	return c, nil
}

// theDefaults names a configuration that came from no file.
const theDefaults = "the defaults"

// ForDirectory returns the configuration for reading a data directory that
// stands by itself: defaults alone, keys at their default places in it.
func ForDirectory(dir string) (*Config, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, problem.Wrap(problem.Usage, err, "data directory %s", dir)
	}
	c, err := Parse(theDefaults, nil, nil)
	if err != nil {
		return nil, err
	}
	c.DataDir, c.Keys, c.Anchors = abs, Keys{}, nil
	c.resolve(abs)
	return c, nil
}

// OfDirectory reports whether the configuration is that of a directory
// that stands by itself, which says nothing of how long records are kept.
func (c *Config) OfDirectory() bool { return c.file == theDefaults }

// File returns the name of the file the configuration came from.
func (c *Config) File() string { return c.file }

// Zone returns the zone that answers show beside UTC.
func (c *Config) Zone() *time.Location { return c.zone }

// TenantRules returns the tenancy rules, those of _platform last.
func (c *Config) TenantRules() []collectors.TenantRules {
	var rules []collectors.TenantRules
	for _, t := range c.Tenants {
		rules = append(rules, collectors.TenantRules{Tenant: t.Name, Owns: t.Owns})
	}
	if len(c.Platform.Owns) > 0 {
		rules = append(rules, collectors.TenantRules{Tenant: evidence.Platform, Owns: c.Platform.Owns})
	}
	return rules
}

// TenantNames returns the configured tenants in order, then _platform and
// _unassigned.
func (c *Config) TenantNames() []evidence.Tenant {
	var ts []evidence.Tenant
	for _, t := range c.Tenants {
		ts = append(ts, t.Name)
	}
	return append(ts, evidence.Platform, evidence.Unassigned)
}

// Specs returns the types of the sources, each once.
func (c *Config) Specs() []collectors.Spec {
	var specs []collectors.Spec
	for _, s := range c.Sources {
		if !slices.ContainsFunc(specs, func(o collectors.Spec) bool { return o.Type == s.Type }) {
			specs = append(specs, s.Spec)
		}
	}
	return specs
}

// Source returns the source of the name, or nil.
func (c *Config) Source(name evidence.SourceID) *Source {
	for i := range c.Sources {
		if c.Sources[i].Name == name {
			return &c.Sources[i]
		}
	}
	return nil
}

// Collector makes the collector of the source. It touches files the source
// names, never the network.
func (s *Source) Collector(env collectors.Env) (collectors.Collector, error) {
	env.Source = s.Name
	c, err := s.Spec.New(s.Config, env)
	if err != nil {
		return nil, problem.Wrap(problem.Config, err, "source %s cannot be used", s.Name)
	}
	return c, nil
}

// Try makes every collector once and throws it away: what config check does
// beyond reading the file. It reports the first issue of each source.
func (c *Config) Try(clock func() time.Time) error {
	r := &reading{file: c.file}
	for i := range c.Sources {
		s := &c.Sources[i]
		env := collectors.Env{Clock: clock, Log: slog.New(slog.DiscardHandler), Mark: c.Accounts.Mark}
		if _, err := s.Collector(env); err != nil {
			r.at(&s.Raw, "%v%s", err, hintOf(err))
		}
	}
	return r.issues.asError(c.file)
}

func hintOf(err error) string {
	text := ""
	for p := problem.Of(err); p != nil; p = problem.Of(p.Cause) {
		if p.Hint != "" {
			text = " (" + p.Hint + ")"
		}
	}
	return text
}

// resolve makes relative paths absolute: of the fields below, and of every
// file, files, dir, *_file and *_dir in the configs of sources.
func (c *Config) resolve(base string) {
	if abs, err := filepath.Abs(base); err == nil {
		base = abs
	}
	if c.Keys.Dir == "" {
		c.Keys.Dir = filepath.Join(c.DataDir, "keys")
	}
	if c.Keys.SignStateDir == "" {
		c.Keys.SignStateDir = filepath.Join(c.DataDir, "sign-state")
	}
	w := &c.Keys.Wrapping
	if w.File == "" && w.Transit.IsZero() {
		w.File = filepath.Join(c.Keys.Dir, "wrapping.key")
	}
	for _, p := range []*string{&c.DataDir, &c.Keys.Dir, &c.Keys.SignStateDir, &c.Catalogs, &c.Incidents.Holidays, &w.File, &w.Transit.TokenFile, &w.Transit.CAFile} {
		*p = under(base, *p)
	}
	c.resolveAnchors(base)
	c.resolveAlerts(base)
	c.resolveStatements(base)
	for i := range c.Sources {
		resolvePaths(reflect.ValueOf(c.Sources[i].Config), "", base)
	}
}

func under(base, p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(base, p)
}

func validListen(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n <= 65535
}
