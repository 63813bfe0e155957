package argocd

import (
	"net/http"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/fetch"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// agent names collector and version in each draft's request.
const agent = "argocd/1"

// Config is the configuration of one Argo CD server.
type Config struct {
	// URL of the API server, with its root path if it has one.
	URL string `yaml:"url" loosens:"change: another server is read"`
	// TokenFile holds the API token of an account with the apiKey capability
	// and read rights (deploy/access/argocd).
	TokenFile string `yaml:"token_file" loosens:"none"`
	// CAFile holds PEM certificates trusted for the server, in place of the
	// system's.
	CAFile string `yaml:"ca_file" loosens:"change: another authority vouches for the server"`
	// Projects limits the collector to these Argo CD projects; empty: every
	// project the account may see.
	Projects []string `yaml:"projects" loosens:"limits"`
	// PollEvery is the time between two full lists while following.
	PollEvery time.Duration `yaml:"poll_every" loosens:"more: full lists are read less often"`
	// WatchTimeout is how long the stream may stay silent before it is opened
	// anew: a load balancer may have dropped it without a word.
	WatchTimeout time.Duration `yaml:"watch_timeout" loosens:"more: a stream that fell silent is noticed later"`
	// StaleAfter is the age of the newest reconciledAt from which Argo CD's
	// own verdicts on sync and health count as frozen. Argo CD re-compares
	// each application every 3 minutes by default.
	StaleAfter time.Duration `yaml:"stale_after" loosens:"more: older verdicts of Argo CD count as its current ones"`
	// MaxListBytes is the largest list answer accepted.
	MaxListBytes int64 `yaml:"max_list_bytes" loosens:"less: smaller lists are refused"`
	// MaxLineBytes is the largest line of the stream accepted.
	MaxLineBytes int `yaml:"max_line_bytes" loosens:"less: smaller objects are refused"`
	// IgnoreLabels names application labels that are kept out of a draft's
	// scope, because their values name people.
	IgnoreLabels []string `yaml:"ignore_labels" loosens:"skips"`
	// Kubernetes reads the same objects from the cluster's API server in place
	// of Argo CD's own API. It excludes url, token_file, ca_file and projects.
	Kubernetes *Kubernetes `yaml:"kubernetes"`
}

// Kubernetes says which cluster Argo CD keeps its objects in. All empty: the
// cluster this program runs in. See collectors/kube for the meaning of each.
type Kubernetes struct {
	Kubeconfig string   `yaml:"kubeconfig" loosens:"change: another cluster may be read"`
	Context    string   `yaml:"context" loosens:"change: another cluster may be read"`
	AllowExec  bool     `yaml:"allow_exec" loosens:"none"`
	Server     string   `yaml:"server" loosens:"change: another cluster is read"`
	TokenFile  string   `yaml:"token_file" loosens:"none"`
	CAFile     string   `yaml:"ca_file" loosens:"change: another authority vouches for the server"`
	Namespaces []string `yaml:"namespaces" loosens:"limits"` // that hold applications; empty: all
}

// newConfig returns a config with its defaults set.
func newConfig() any {
	return &Config{
		PollEvery:    time.Minute,
		WatchTimeout: 10 * time.Minute,
		StaleAfter:   15 * time.Minute,
		MaxListBytes: 128 << 20,
		MaxLineBytes: 4 << 20,
		IgnoreLabels: []string{"owner", "contact", "maintainer", "app.kubernetes.io/created-by"},
	}
}

// Spec describes this collector to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type:   "argocd",
		Says:   "Argo CD applications: what is declared, what runs, every sync and who started it",
		Config: newConfig,
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, problem.New(problem.Internal, "argocd: config is a %T", config)
			}
			if c.Kubernetes != nil {
				return newDoor(*c, env)
			}
			return New(*c, env)
		},
		Every: "@every 1m",
	}
}

func (c *Config) check() error {
	for _, r := range []struct {
		bad  bool
		text string
		hint string
	}{
		{c.URL == "" && c.Kubernetes == nil, "argocd: url is missing", "set url to the address of the Argo CD API server, or kubernetes to read its objects from the cluster"},
		{c.Kubernetes != nil && (c.URL != "" || c.TokenFile != "" || c.CAFile != ""), "argocd: url, token_file or ca_file stands beside kubernetes", "use one door: Argo CD's API, or the cluster's with token_file and ca_file inside kubernetes"},
		{c.Kubernetes != nil && len(c.Projects) > 0, "argocd: projects stands beside kubernetes", "a cluster cannot be asked for projects; name the applications' namespaces in kubernetes.namespaces"},
		{c.TokenFile == "" && c.Kubernetes == nil, "argocd: token_file is missing", "make an account with the apiKey capability and put its token into a file"},
		{c.PollEvery <= 0, "argocd: poll_every must be above zero", "leave it out for 1m"},
		{c.WatchTimeout <= 0, "argocd: watch_timeout must be above zero", "leave it out for 10m"},
		{c.StaleAfter <= 0, "argocd: stale_after must be above zero", "leave it out for 15m"},
		{c.MaxListBytes <= 0, "argocd: max_list_bytes must be above zero", "leave it out for 134217728"},
		{c.MaxLineBytes < 1<<10, "argocd: max_line_bytes must be at least 1024", "leave it out for 4194304"},
	} {
		if r.bad {
			return problem.New(problem.Config, "%s", r.text).WithHint("%s", r.hint)
		}
	}
	seen := map[string]bool{}
	for _, p := range c.Projects {
		if p == "" || strings.ContainsAny(p, "*/ ") || seen[p] {
			return problem.New(problem.Config, "argocd: project %q is empty, repeated or a pattern", p).
				WithHint("name each project once, without wildcards")
		}
		seen[p] = true
	}
	return nil
}

// New checks the config and makes the collector. The network is not touched.
func New(cfg Config, env collectors.Env) (*Collector, error) {
	return newWith(cfg, env, func(*fetch.Options) {})
}

// newWith lets tests change how requests are made.
func newWith(cfg Config, env collectors.Env, change func(*fetch.Options)) (*Collector, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if !env.Source.Valid() || env.Clock == nil {
		return nil, problem.New(problem.Internal, "argocd: no source name or no clock")
	}
	token := fetch.TokenFile(cfg.TokenFile)
	options := fetch.Options{
		Key:        "url",
		BaseURL:    cfg.URL,
		Header:     fetch.Bearer(token),
		CAFile:     cfg.CAFile,
		StreamIdle: cfg.WatchTimeout,
		MaxBody:    cfg.MaxListBytes,
		Clock:      env.Clock,
		Log:        env.Log,
		CacheBytes: -1, // the server gives no ETag for lists
	}
	change(&options)
	client, err := fetch.New(options)
	if err != nil {
		return nil, err
	}
	return &Collector{
		cfg: cfg, env: env, client: client, token: token,
		authority:   env.Source.Authority(),
		realm:       "argocd:" + env.Source.Authority(),
		commitEvery: 5 * time.Second,
		idleCommit:  time.Minute,
		backoff:     time.Second,
	}, nil
}

// Collector reads one Argo CD server.
type Collector struct {
	cfg       Config
	env       collectors.Env
	client    *fetch.Client
	token     func() (evidence.Secret, error)
	authority string // last part of the source's name
	realm     string // of its people

	commitEvery time.Duration // longest wait while there is something to commit
	idleCommit  time.Duration // longest wait otherwise
	backoff     time.Duration // first pause before the stream is opened again
}

var _ collectors.Follower = (*Collector)(nil)

// Kinds implements collectors.Collector.
func (c *Collector) Kinds() []evidence.Kind {
	return []evidence.Kind{evidence.DeploySync, evidence.DeployState, evidence.DeployProject}
}

// refused reports whether err says that the server refused the credential.
func refused(err error) bool {
	s := fetch.Status(err)
	return s == http.StatusUnauthorized || s == http.StatusForbidden || problem.Is(err, problem.Credential)
}
