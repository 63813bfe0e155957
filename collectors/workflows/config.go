package workflows

import (
	"path"
	"regexp"
	"slices"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/collectors/kube"
	"evidenced/evidence/problem"
)

// agent names collector and version in each draft's request.
const agent = "workflows/1"

// Config is the configuration of one cluster's Argo Workflows.
type Config struct {
	kube.Config `yaml:",inline"`
	// PurposeKey is the label or annotation by which a workflow, its schedule or
	// its template says what it is for.
	PurposeKey string `yaml:"purpose_key" loosens:"change: runs marked the old way are not known for what they are"`
	// Purposes say the same of templates and schedules by their names, over what
	// is written on any of them; the first that fits counts.
	Purposes []Purpose `yaml:"purposes" loosens:"first"`
	// KeepValues names the parameters whose values are kept. Of all others the
	// name alone is: a value may be a secret.
	KeepValues []string `yaml:"keep_values" loosens:"keeps"`
	Archive    Archive  `yaml:"archive"`
}

// Purpose is what the runs of templates or schedules are for. Both are shell
// patterns of namespace/name, a ClusterWorkflowTemplate's without a namespace;
// an empty one fits nothing.
type Purpose struct {
	Purpose   string   `yaml:"purpose" loosens:"id"`
	Templates []string `yaml:"templates" loosens:"id"`
	Schedules []string `yaml:"schedules" loosens:"id"`
}

// Archive is the archive of Argo's server: the controller deletes finished
// workflows, often within minutes.
type Archive struct {
	// URL is the address of Argo's server; empty: the archive is not read.
	URL string `yaml:"url" loosens:"change: another archive is read, or none"`
	// TokenFile holds the token of a service account that may get and list
	// workflows; read anew at each request.
	TokenFile string `yaml:"token_file" loosens:"none"`
	// CAFile names PEM certificates that alone are trusted.
	CAFile string `yaml:"ca_file" loosens:"change: another authority vouches for the server"`
	// Every is how often it is read.
	Every time.Duration `yaml:"every" loosens:"more: what ended unseen is known later"`
	// Longest is the longest that a run takes: the archive can be asked by when
	// a run began alone.
	Longest time.Duration `yaml:"longest" loosens:"less: a longer run that ended unseen is missed"`
	// History is how far back the first look goes.
	History time.Duration `yaml:"history" loosens:"less: the first look goes back less far"`
}

func defaults() *Config {
	return &Config{
		Config: kube.DefaultConfig(), PurposeKey: "evidenced/purpose",
		Archive: Archive{Every: 10 * time.Minute, Longest: 48 * time.Hour, History: 7 * 24 * time.Hour},
	}
}

// Spec describes this collector to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type:   "workflows",
		Says:   "Argo Workflows: every run with its steps, what fired it and what it is for, and the schedules",
		Config: func() any { return defaults() },
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, problem.New(problem.Internal, "workflows: config is a %T", config)
			}
			return New(*c, env)
		},
		Every: "@every 1m",
	}
}

var (
	labelKey = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	purpose  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// check says the first thing to fix of what is ours; collectors/kube checks the
// rest, collectors/fetch the address.
func (c *Config) check() error {
	bad := func(hint, format string, args ...any) error {
		return problem.New(problem.Config, "workflows: "+format, args...).WithHint("%s", hint)
	}
	a := &c.Archive
	switch {
	case !labelKey.MatchString(c.PurposeKey):
		return bad("leave it out for evidenced/purpose", "purpose_key: %q is no key of a label", c.PurposeKey)
	case a.URL == "" && (a.TokenFile != "" || a.CAFile != ""):
		return bad("name the address of Argo's server in archive.url", "archive.token_file or archive.ca_file is set without archive.url")
	case a.URL != "" && a.TokenFile == "":
		return bad("put the token of a read-only service account into a file (deploy/access/workflows)", "archive.url is set without archive.token_file")
	case a.Every < time.Minute:
		return bad("leave it out for 10m", "archive.every must be at least 1m")
	case a.Longest < time.Hour:
		return bad("leave it out for 48h", "archive.longest must be at least 1h")
	case a.History <= 0:
		return bad("leave it out for 168h", "archive.history must be above zero")
	}
	for i, p := range c.Purposes {
		if !purpose.MatchString(p.Purpose) {
			return bad("write it as in restore-drill", "purposes: %q of number %d is no word of a-z, 0-9 and -", p.Purpose, i+1)
		}
		if len(p.Templates)+len(p.Schedules) == 0 {
			return bad("name templates, schedules or both", "purposes: number %d fits nothing", i+1)
		}
		for _, pattern := range slices.Concat(p.Templates, p.Schedules) {
			if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
				return bad("use * and ? alone", "purposes: bad pattern %q", pattern)
			}
		}
	}
	for i, n := range c.KeepValues {
		if n == "" || slices.Contains(c.KeepValues[:i], n) {
			return bad("name each parameter once", "keep_values: %q is empty or repeated", n)
		}
	}
	return nil
}

// New checks the config and makes the collector. The network is not touched.
func New(cfg Config, env collectors.Env) (collectors.Collector, error) {
	return newWith(cfg, env, func(*fetch.Options) {})
}

// newWith lets tests change how requests are made.
func newWith(cfg Config, env collectors.Env, change func(*fetch.Options)) (collectors.Collector, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	r := newReader(cfg, env)
	if cfg.Archive.URL != "" {
		var err error
		if r.archive, err = openArchive(cfg, env, change); err != nil {
			return nil, err
		}
	}
	return kube.New(cfg.Config, env, agent, r.resources(),
		kube.State(&r.memory), kube.After(nil, r.after), kube.Observe(r.observe), kube.Examined(r.examineArchive), kube.Client(change))
}
