package alertmanager

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
	"strings"

	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Labels says which labels of alerts, and of the rules that make them, tell
// whose they are, and which are kept.
type Labels struct {
	// TenantLabel is the label that names the tenant, before any other.
	TenantLabel string `yaml:"tenant_label" loosens:"change: alerts are given to others"`
	// NamespaceLabel is the label that names the namespace.
	NamespaceLabel string `yaml:"namespace_label" loosens:"change: alerts are given to others"`
	// ClusterNamespace is the namespace whose owner gets what names neither.
	ClusterNamespace string `yaml:"cluster_namespace" loosens:"change: somebody else gets what concerns the cluster"`
	// Keep are the labels whose values become evidence, beside those two.
	Keep []string `yaml:"keep_labels" loosens:"keeps"`
}

// DefaultLabels are what Kubernetes' usual rules have.
func DefaultLabels() Labels {
	return Labels{
		TenantLabel: "tenant", NamespaceLabel: "namespace", ClusterNamespace: "kube-system",
		Keep: []string{nameLabel, severityLabel, "cluster", "job", "service"},
	}
}

const (
	nameLabel     = "alertname"
	severityLabel = "severity"
	maxValue      = 256 // bytes of a label's value in facts
	maxKept       = 50
)

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// Check reports the first thing to fix. Errors are problem.Config.
func (l *Labels) Check() error {
	for _, x := range []struct{ key, value string }{{"tenant_label", l.TenantLabel}, {"namespace_label", l.NamespaceLabel}} {
		if !labelName.MatchString(x.value) {
			return problem.New(problem.Config, "%s is %q, which is no name of a label", x.key, x.value).WithHint("leave it out for the default")
		}
	}
	switch {
	case l.TenantLabel == l.NamespaceLabel:
		return problem.New(problem.Config, "tenant_label and namespace_label are the same")
	case l.ClusterNamespace == "":
		return problem.New(problem.Config, "cluster_namespace is empty").WithHint("leave it out for kube-system")
	case len(l.Keep) > maxKept:
		return problem.New(problem.Config, "keep_labels has %d names, at most %d", len(l.Keep), maxKept)
	}
	for _, k := range l.Keep {
		if !labelName.MatchString(k) {
			return problem.New(problem.Config, "keep_labels: %q is no name of a label", k)
		}
	}
	return nil
}

func (l *Labels) owns(name string) bool { return name == l.TenantLabel || name == l.NamespaceLabel }

// kept reports whether values of a label become evidence.
func (l *Labels) kept(name string) bool {
	return name == nameLabel || name == severityLabel || l.owns(name) || slices.Contains(l.Keep, name)
}

// Pick returns the labels that are kept, and how many are not. An address with a
// user or a password in it is not, whatever its label is called.
func (l *Labels) Pick(all map[string]string) (kept map[string]string, left int) {
	kept = map[string]string{}
	for k, v := range all {
		if l.kept(k) && collectors.WithoutUser(v) == v {
			kept[k] = Short(v)
		} else {
			left++
		}
	}
	return kept, left
}

// Scope is what tenancy looks at for a set of labels.
func (l *Labels) Scope(authority string, all map[string]string) evidence.Ref {
	if v := all[l.TenantLabel]; v != "" {
		return l.tenant(authority, v)
	}
	if v := all[l.NamespaceLabel]; v != "" {
		return l.namespace(authority, v)
	}
	return l.namespace(authority, l.ClusterNamespace)
}

func (l *Labels) tenant(authority, value string) evidence.Ref {
	return Bounded(evidence.NewRef("label", authority, l.TenantLabel+"="+value))
}

// namespace takes a value by its letter: the * that stands for every namespace is
// no name of one.
func (l *Labels) namespace(authority, value string) evidence.Ref {
	if value == everywhere {
		value = "%2A"
	}
	return Bounded(evidence.NewRef("ns", authority, value))
}

// everywhere is the namespace that stands for all of them, see collectors.Owns.
const everywhere = "*"

// Bounded lets a name that is too long stand as its hash.
func Bounded(r evidence.Ref) evidence.Ref {
	if len(r.String()) > evidence.MaxRef {
		r.Name = "~" + hashOf(r.Name)
	}
	return r
}

// Short keeps a value short; a cut one ends in a hash over the whole. Credentials go
// first: half of one would not be known as such.
func Short(s string) string {
	s = strings.ToValidUTF8(collectors.WithoutCredentials(s), "\uFFFD")
	if len(s) <= maxValue {
		return s
	}
	return strings.ToValidUTF8(s[:maxValue-24], "") + "..~" + hashOf(s)[:16]
}

func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
