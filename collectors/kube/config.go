package kube

import (
	"os"
	"strings"
	"time"

	"evidenced/evidence/problem"
)

// Config is what every Kubernetes collector's configuration holds, inlined:
//
//	type Config struct {
//		kube.Config `yaml:",inline"`
//		...
//	}
//
// Without kubeconfig and server the collector runs inside the cluster it reads
// and uses its pod's service account.
type Config struct {
	// Kubeconfig names a kubeconfig file, Context the context in it; the
	// file's own current context when empty.
	Kubeconfig string `yaml:"kubeconfig" loosens:"change: another cluster may be read"`
	Context    string `yaml:"context" loosens:"change: another cluster may be read"`
	// AllowExec lets the kubeconfig run a program to get a credential. Off:
	// such a kubeconfig is refused, since a file must not start programs here.
	AllowExec bool `yaml:"allow_exec" loosens:"none"`
	// Server is the API server's address, with TokenFile (read anew as it is
	// rotated) and CAFile, in place of a kubeconfig.
	Server    string `yaml:"server" loosens:"change: another cluster is read"`
	TokenFile string `yaml:"token_file" loosens:"none"`
	CAFile    string `yaml:"ca_file" loosens:"change: another authority vouches for the server"`
	// Namespaces limits the collector to these namespaces; empty: all.
	Namespaces []string `yaml:"namespaces" loosens:"limits"`
	// NamespaceLabels reads the labels of namespaces for tenancy. Off: objects
	// are placed by the name of their namespace alone.
	NamespaceLabels bool `yaml:"namespace_labels" loosens:"off: tenancy cannot look at labels of namespaces"`
	// TenantLabels names the labels of namespaces that tenancy looks at;
	// empty: all but those of Kubernetes itself.
	TenantLabels []string `yaml:"tenant_labels" loosens:"limits"`
	// PageSize is how many objects one page of a list holds.
	PageSize int `yaml:"page_size" loosens:"none"`
	// Watch stays with the cluster between lists. Off: lists on schedule only.
	Watch bool `yaml:"watch" loosens:"off: nothing is seen between two lists"`
	// QPS bounds the requests made in a second, on the average.
	QPS float64 `yaml:"qps" loosens:"none"`
	// Timeout bounds one request, and the time to the first byte of a watch.
	Timeout time.Duration `yaml:"timeout" loosens:"less: slow answers are given up"`
	// WatchTimeout is how long a watch may give nothing, not even a bookmark
	// (the server sends one about each minute), before it is opened anew.
	WatchTimeout time.Duration `yaml:"watch_timeout" loosens:"more: a watch that fell silent is noticed later"`
	// MaxObjectBytes is the largest object accepted.
	MaxObjectBytes int `yaml:"max_object_bytes" loosens:"less: smaller objects are refused"`
}

// DefaultConfig returns a Config with its defaults set.
func DefaultConfig() Config {
	return Config{
		NamespaceLabels: true,
		PageSize:        500,
		Watch:           true,
		QPS:             20,
		Timeout:         30 * time.Second,
		WatchTimeout:    5 * time.Minute,
		MaxObjectBytes:  8 << 20,
	}
}

// check says the first thing to fix. Errors are problem.Config.
func (c *Config) check() error {
	for _, r := range []struct {
		bad  bool
		text string
		hint string
	}{
		{c.Kubeconfig != "" && c.Server != "", "kubeconfig and server are both set", "use one of them; with neither, the pod's own service account is used"},
		{c.Context != "" && c.Kubeconfig == "", "context is set without kubeconfig", "name the kubeconfig file, or drop context"},
		{c.AllowExec && c.Kubeconfig == "", "allow_exec is set without kubeconfig", "drop allow_exec"},
		{c.Server != "" && c.TokenFile == "", "server is set without token_file", "put the token of a read-only service account into a file (deploy/access/kubernetes)"},
		{c.Server != "" && !strings.HasPrefix(c.Server, "https://") && !strings.HasPrefix(c.Server, "http://"),
			"server begins with neither https:// nor http://", "write the whole address, such as https://cluster.example:6443: without a scheme the token might travel unencrypted"},
		{c.Server == "" && (c.TokenFile != "" || c.CAFile != ""), "token_file or ca_file is set without server", "name the API server's address in server, or use kubeconfig"},
		{c.PageSize < 1 || c.PageSize > 5000, "page_size must be between 1 and 5000", "leave it out for 500"},
		{c.QPS <= 0, "qps must be above zero", "leave it out for 20"},
		{c.Timeout <= 0, "timeout must be above zero", "leave it out for 30s"},
		{c.WatchTimeout < 2*time.Minute, "watch_timeout must be at least 2m, since the server sends a bookmark about each minute", "leave it out for 5m"},
		{c.MaxObjectBytes < 64<<10, "max_object_bytes must be at least 65536", "leave it out for 8388608"},
	} {
		if r.bad {
			return problem.New(problem.Config, "%s", r.text).WithHint("%s", r.hint)
		}
	}
	seen := map[string]bool{}
	for _, ns := range c.Namespaces {
		if !pathSegment(ns) || seen[ns] {
			return problem.New(problem.Config, "namespace %q is empty, repeated or no name of a namespace", ns).
				WithHint("name each namespace once, without wildcards")
		}
		seen[ns] = true
	}
	return nil
}

// atHand reports whether the files that the connection needs are there. Those
// of a pod, and those that somebody else writes, may come later.
func (c *Config) atHand() bool {
	files := []string{c.Kubeconfig}
	if c.Server != "" {
		files = []string{c.TokenFile}
		if c.CAFile != "" {
			files = append(files, c.CAFile)
		}
	}
	for _, f := range files {
		if _, err := os.Stat(f); err != nil {
			return false
		}
	}
	return true
}

// pathSegment reports whether s is a name as Kubernetes takes it for
// namespaces and resources, so that it can stand in a path.
func pathSegment(s string) bool {
	return s != "" && len(s) <= 253 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" && s[0] != '.'
}
