package collectors

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"evidenced/evidence"
)

// Owns says what belongs to a tenant. A pattern is matched against the scope
// references of a draft: a namespace, project, label (key=value), host, mount
// or policy pattern is a shell pattern where * does not cross a slash; a path
// is a prefix that ends at a slash or at the end of the path. The namespace *
// in a scope stands for every namespace (a cluster role reaches them all): it
// is everybody's who owns namespaces, by name or by label. Sources, when given,
// limits the block to these sources.
type Owns struct {
	Sources    []evidence.SourceID `yaml:"sources"`
	Namespaces []string            `yaml:"namespaces"`
	Projects   []string            `yaml:"projects"`
	Paths      []string            `yaml:"paths"`
	Labels     []string            `yaml:"labels"`
	Hosts      []string            `yaml:"hosts"`
	Mounts     []string            `yaml:"mounts"`
	Policies   []string            `yaml:"policies"`
	Entities   []string            `yaml:"entities"`
}

// TenantRules are the rules of one tenant.
type TenantRules struct {
	Tenant evidence.Tenant
	Owns   []Owns
}

// Rules decides the tenants of a draft from its scope. The zero value assigns
// nothing.
type Rules struct {
	rules []TenantRules
}

// NewRules checks the patterns and makes the rule set. Two tenants may own the
// same thing: the draft then goes to both.
func NewRules(rules []TenantRules) (*Rules, error) {
	for _, r := range rules {
		if r.Tenant.IsZero() {
			return nil, fmt.Errorf("tenancy: a rule without a tenant")
		}
		for _, o := range r.Owns {
			for _, list := range [][]string{o.Namespaces, o.Projects, o.Labels, o.Hosts, o.Mounts, o.Policies, o.Entities} {
				for _, p := range list {
					if _, err := path.Match(p, ""); err != nil || p == "" {
						return nil, fmt.Errorf("tenancy of %s: bad pattern %q", r.Tenant, p)
					}
				}
			}
			for _, p := range o.Paths {
				if p == "" || p == "/" || strings.ContainsAny(p, "*+") {
					return nil, fmt.Errorf("tenancy of %s: path %q must be a prefix without * or +", r.Tenant, p)
				}
			}
		}
	}
	return &Rules{rules}, nil
}

// Tenants returns the tenants that own something in the scope, sorted by name;
// none when no rule matches.
func (r *Rules) Tenants(source evidence.SourceID, scope []evidence.Ref) []evidence.Tenant {
	var ts []evidence.Tenant
	for _, rule := range r.rules {
		if rule.matches(source, scope) && !slices.Contains(ts, rule.Tenant) {
			ts = append(ts, rule.Tenant)
		}
	}
	slices.SortFunc(ts, func(a, b evidence.Tenant) int { return strings.Compare(a.String(), b.String()) })
	return ts
}

func (t TenantRules) matches(source evidence.SourceID, scope []evidence.Ref) bool {
	for _, o := range t.Owns {
		if len(o.Sources) > 0 && !slices.Contains(o.Sources, source) {
			continue
		}
		for _, ref := range scope {
			if o.matches(ref) {
				return true
			}
		}
	}
	return false
}

func (o Owns) matches(ref evidence.Ref) bool {
	var patterns []string
	switch ref.Scheme {
	case "path":
		for _, p := range o.Paths {
			if pathCovers(p, ref.Name) {
				return true
			}
		}
		return false
	case "ns", "namespace":
		if ref.Name == "*" {
			return len(o.Namespaces) > 0 || len(o.Labels) > 0
		}
		patterns = o.Namespaces
	case "project":
		patterns = o.Projects
	case "label":
		patterns = o.Labels
	case "host":
		patterns = o.Hosts
	case "mount", "device":
		patterns = o.Mounts
	case "policy":
		patterns = o.Policies
	case "entity":
		patterns = o.Entities
	}
	name := strings.TrimSuffix(ref.Name, "/")
	for _, p := range patterns {
		if ok, err := path.Match(strings.TrimSuffix(p, "/"), name); err == nil && ok {
			return true
		}
	}
	return false
}

// pathCovers reports whether a path reaches below the prefix. A path with a
// trailing * reaches everything it begins: the policy path kv/* reaches
// kv/tenant-7/. A + in a path stands for one segment of any name.
func pathCovers(prefix, name string) bool {
	prefix = strings.Trim(prefix, "/")
	name = strings.TrimPrefix(name, "/")
	glob := strings.HasSuffix(name, "*")
	name = strings.TrimSuffix(strings.TrimSuffix(name, "*"), "/")
	want := strings.Split(prefix, "/")
	var have []string
	if name != "" {
		have = strings.Split(name, "/")
	}
	for i, seg := range want {
		if i >= len(have) {
			return glob
		}
		if have[i] == seg || have[i] == "+" {
			continue
		}
		// The last segment of a glob may be cut inside: kv/ten* reaches
		// kv/tenant-7/.
		return glob && i == len(have)-1 && strings.HasPrefix(seg, have[i])
	}
	return true
}
