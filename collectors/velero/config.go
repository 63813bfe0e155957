package velero

import (
	"path"
	"regexp"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/bucket"
	"evidenced/collectors/kube"
	"evidenced/evidence/problem"
)

// agent names collector and version in each draft's request.
const agent = "velero/1"

// Config is the configuration of one cluster's Velero.
type Config struct {
	kube.Config `yaml:",inline"`
	// LabelPrefix is the domain of the labels and annotations by which a
	// restore says that it is a test: PREFIX/restore-test, /plan, /ticket,
	// /requested-by, /rto, /rpo.
	LabelPrefix string `yaml:"label_prefix" loosens:"change: tests marked the old way are not known as tests"`
	// CompleteShare is the agreed share of a backup's items that a complete
	// restore brings back. Velero leaves out finished pods and jobs by design,
	// so 1 is rarely reached.
	CompleteShare float64 `yaml:"complete_share" loosens:"less: a restore that brings back less counts as complete"`
	// Limits are the recovery time and point agreed for plans and namespaces;
	// the first that fits counts.
	Limits []Limit `yaml:"limits" loosens:"first"`
	Checks Checks  `yaml:"checks"`
	// Results says where Velero's result files are; nowhere when empty.
	Results bucket.Config `yaml:"results"`
	// Hold is how long a grade waits for what could not be read yet.
	Hold time.Duration `yaml:"hold" loosens:"less: what can be read late is not in the grade"`
}

// Limit is an agreed recovery time (RTO) and point (RPO). An empty Plan or
// Namespaces fits all.
type Limit struct {
	Plan       string        `yaml:"plan" loosens:"id"`
	Namespaces []string      `yaml:"namespaces" loosens:"id"` // shell patterns of source namespaces; all of the restore's must fit one
	RTO        time.Duration `yaml:"rto" loosens:"more,0=none: restores may take longer"`
	RPO        time.Duration `yaml:"rpo" loosens:"more,0=none: restores may lose more"`
}

// Checks says which objects are an application's own check of a restore: those
// that carry the restore's uid or name under one of the keys.
type Checks struct {
	// Keys of labels or annotations. The value is the restore's uid, or its
	// name.
	Keys []string `yaml:"keys" loosens:"keeps"`
	// Jobs looks at batch/v1 Jobs.
	Jobs bool `yaml:"jobs" loosens:"off: checks by jobs are not looked for"`
	// Workflows looks at Argo Workflows; of each, the nodes whose template or
	// display name fits one of the patterns of Nodes.
	Workflows bool     `yaml:"workflows" loosens:"off: checks by workflows are not looked for"`
	Nodes     []string `yaml:"nodes" loosens:"keeps"`
	// Within is how long after its end a restore's checks are waited for.
	Within time.Duration `yaml:"within" loosens:"more: it is told later that a check is missing"`
}

func defaults() *Config {
	return &Config{
		Config:        kube.DefaultConfig(),
		LabelPrefix:   "evidenced",
		CompleteShare: 0.95,
		Checks:        Checks{Keys: []string{"evidenced/restore"}, Jobs: true, Nodes: []string{"*check*", "*verify*"}, Within: 24 * time.Hour},
		Hold:          time.Hour,
	}
}

// Spec describes the source type to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type:   "velero",
		Says:   "Velero schedules, backups and restores, and a graded verdict on restore tests",
		Config: func() any { return defaults() },
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, problem.New(problem.Internal, "velero: config is a %T", config)
			}
			return New(*c, env)
		},
		Every: "@every 5m",
	}
}

var labelKey = regexp.MustCompile(`^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)

// check says the first thing to fix of what is ours; collectors/kube checks
// the rest.
func (c *Config) check() error {
	bad := func(hint, format string, args ...any) error {
		return problem.New(problem.Config, "velero: "+format, args...).WithHint("%s", hint)
	}
	switch {
	case !labelKey.MatchString(c.LabelPrefix + "/restore-test"):
		return bad("use a domain, as in backup.example.org", "label_prefix %q cannot stand before a label's name", c.LabelPrefix)
	case c.CompleteShare <= 0 || c.CompleteShare > 1:
		return bad("leave it out for 0.95", "complete_share must be above 0 and at most 1")
	case c.Hold <= 0:
		return bad("leave it out for 1h", "hold must be above zero")
	case c.Checks.Within <= 0:
		return bad("leave it out for 24h", "checks.within must be above zero")
	case (c.Checks.Jobs || c.Checks.Workflows) && len(c.Checks.Keys) == 0:
		return bad("leave it out for evidenced/restore, or turn jobs and workflows off", "checks.keys is empty")
	}
	for _, k := range c.Checks.Keys {
		if !labelKey.MatchString(k) {
			return bad("write it as in evidenced/restore", "checks.keys: %q is no key of a label", k)
		}
	}
	for _, p := range c.Checks.Nodes {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			return bad("use * and ? alone", "checks.nodes: bad pattern %q", p)
		}
	}
	for i, l := range c.Limits {
		if l.RTO < 0 || l.RPO < 0 || l.RTO == 0 && l.RPO == 0 {
			return bad("give rto, rpo or both, as in 4h", "limits: number %d has no limit", i+1)
		}
		for _, p := range l.Namespaces {
			if _, err := path.Match(p, ""); err != nil || p == "" {
				return bad("use * and ? alone", "limits: bad pattern %q", p)
			}
		}
	}
	if !c.Results.IsZero() {
		return c.Results.Check()
	}
	return nil
}

// limit returns the limits that config gives to a restore of these namespaces
// under a plan.
func (c *Config) limit(plan string, namespaces []string) (Limit, bool) {
	for _, l := range c.Limits {
		if (l.Plan == "" || l.Plan == plan) && fitsAll(l.Namespaces, namespaces) {
			return l, true
		}
	}
	return Limit{}, false
}

func fitsAll(patterns, names []string) bool {
	for _, n := range names {
		if len(patterns) > 0 && !fitsAny(patterns, n) {
			return false
		}
	}
	return len(patterns) == 0 || len(names) > 0
}

func fitsAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, name); err == nil && ok {
			return true
		}
	}
	return false
}
