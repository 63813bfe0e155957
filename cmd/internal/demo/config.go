package demo

import (
	"bytes"
	"fmt"
	"maps"
	"strings"

	"go.yaml.in/yaml/v3"

	"evidenced/evidence"
)

// SourceConfig is a source of the platform as the daemon's configuration has
// it: Values are those of the type's own configuration.
type SourceConfig struct {
	Name   string
	Type   string
	Values map[string]any
}

// Names of the sources, in the order of Sources.
const (
	SourceForge    = "github/prod"
	SourceGit      = "git/prod"
	SourceArgoCD   = "argocd/prod"
	SourceVault    = "vault/prod"
	SourceCerts    = "certs/prod"
	SourceRegistry = "harbor/prod"
	SourceCluster  = "kubernetes/prod"
	SourceKubeLog  = "kubernetes-audit/prod"
	SourceBackups  = "velero/prod"
	SourceIssuing  = "cert-manager/prod"
	SourceCopies   = "external-secrets/prod"
	SourceNetwork  = "network/prod"
	SourcePolicies = "policies/prod"
	SourceRuns     = "workflows/prod"
	SourceAlerts   = "alertmanager/prod"
	SourceRules    = "prometheus/prod"
)

// platformName is the last part of each source's name: what one calls by a name
// the others call so too, which joins their references.
const platformName = "prod"

// Sources returns the configuration of every source of the platform.
func (p *Platform) Sources() []SourceConfig {
	var ends []any
	for _, e := range p.world.Endpoints {
		ends = append(ends, map[string]any{"address": p.tls.addrs[e.Host], "sni": e.Host})
	}
	return []SourceConfig{
		{SourceForge, "github", map[string]any{
			"url": p.urls["github"] + "/", "repos": []string{p.fullName()}, "token_file": p.tokenFile("github"),
			"skip": []string{"audit-log"}, // this organisation's plan has none
		}},
		{SourceGit, "git", map[string]any{
			"authority": platformName, "repos": []any{map[string]any{"name": p.fullName(), "url": p.RepoDir()}},
		}},
		{SourceArgoCD, "argocd", map[string]any{"url": p.urls["argocd"], "token_file": p.tokenFile("argocd")}},
		{SourceVault, "vault", map[string]any{
			"url": p.urls["vault"], "token_file": p.tokenFile("vault"), "audit_files": []string{p.AuditFile()}, "device": "file",
			"kv_metadata": true, "rotation_every": "24h",
		}},
		{SourceCerts, "certs", map[string]any{"endpoints": ends, "roots_file": p.RootsFile()}},
		{SourceRegistry, "harbor", map[string]any{"url": p.urls["harbor"], "registry": p.world.Registry, "user": "robot$evidenced", "token_file": p.tokenFile("harbor"),
			"audit_silence": "900h", // nobody pushed anything from the setting up to the first look
		}},
		{SourceCluster, "kubernetes", p.inCluster(nil)},
		{SourceKubeLog, "kubernetes-audit", p.atCluster(map[string]any{"audit_files": []string{p.cluster.audit.file}})},
		{SourceBackups, "velero", p.inCluster(map[string]any{
			"label_prefix": "platform.example", "checks": map[string]any{"keys": []string{"platform.example/checks-restore"}},
			"limits":  []any{map[string]any{"namespaces": []string{"tenant-*", p.world.Own.Name}, "rto": "4h", "rpo": "24h"}},
			"results": map[string]any{"directory": p.cluster.dir}})},
		{SourceIssuing, "cert-manager", p.inCluster(nil)},
		{SourceCopies, "external-secrets", p.inCluster(map[string]any{"vaults": map[string]any{vaultAddress: platformName}})},
		{SourceNetwork, "network", p.inCluster(nil)},
		{SourcePolicies, "policies", p.inCluster(map[string]any{"required": []string{byDigest, unprivileged}, "kyverno_config": kyvernoNamespace})},
		{SourceRuns, "workflows", p.inCluster(nil)},
		{SourceAlerts, "alertmanager", map[string]any{"urls": []string{p.urls["alertmanager"]}}},
		{SourceRules, "alert-rules", map[string]any{"url": p.urls["prometheus"]}},
	}
}

// atCluster is how a source finds the cluster, and what more it needs.
func (p *Platform) atCluster(more map[string]any) map[string]any {
	v := map[string]any{"server": p.urls["kubernetes"], "token_file": p.tokenFile("kubernetes"), "tenant_labels": []string{tenantLabel}}
	maps.Copy(v, more)
	return v
}

// inCluster is the same for a source that lists objects, at this platform's
// pace: the server is on loopback and has no other clients.
func (p *Platform) inCluster(more map[string]any) map[string]any {
	v := p.atCluster(map[string]any{"watch": false, "qps": 100000})
	maps.Copy(v, more)
	return v
}

// TenantConfig is a tenant, or the platform itself, and what belongs to it:
// patterns for the tenancy rules.
type TenantConfig struct {
	Name       string
	Namespaces []string
	Projects   []string
	Paths      []string
	Hosts      []string
	Labels     []string
	Mounts     []string
	Policies   []string
	Entities   []string
}

// Tenants returns the tenants with what they own: their namespace and Argo CD
// project, their folder in the repository and in the secret store, their host
// and policies.
func (p *Platform) Tenants() []TenantConfig {
	var out []TenantConfig
	for _, t := range p.world.Tenants {
		c := TenantConfig{Name: t.Name, Namespaces: []string{t.Name}, Projects: []string{t.Name},
			Paths: []string{"base", "tenants/" + t.Name, "src/" + t.Name, "kv/" + t.Name}, Policies: []string{t.Name + "-*"}, Labels: []string{tenantLabel + "=" + t.Name, "tenant=" + t.Name}}
		for _, e := range p.world.Endpoints {
			if e.Tenant == t.Name {
				c.Hosts = append(c.Hosts, e.Host)
			}
		}
		out = append(out, c)
	}
	return out
}

// PlatformOwns returns what belongs to the platform itself: the repository as
// a whole, what tenants share in it, the secret store's own paths and mounts.
func (p *Platform) PlatformOwns() TenantConfig {
	own := p.world.Own.Name
	c := TenantConfig{Name: "_platform", Namespaces: append([]string{own}, platformNamespaces...), Projects: []string{p.fullName(), p.world.Owner, own},
		Paths:    []string{"base", "tenants/" + own, "src/" + own, "kv/" + own},
		Policies: []string{"audit-setup", "default", "evidenced", "pipeline", "platform-admin", "reporting", own + "-*"},
		Labels:   []string{tenantLabel + "=" + own, "tenant=" + own, "kubernetes-group=" + adminsGroup},
		Entities: []string{"????????-????-????-????-????????????"}}
	for _, m := range mounts {
		c.Mounts = append(c.Mounts, strings.TrimSuffix(m.path, "/"))
	}
	c.Hosts = append(c.Hosts, p.world.Registry)
	for _, e := range p.world.Endpoints {
		if e.Tenant == "" {
			c.Hosts = append(c.Hosts, e.Host)
		}
	}
	return c
}

// owns is the form of the daemon's configuration. Where backups are kept is
// everybody's: the place that Velero's namespace names.
func (c TenantConfig) owns() []any {
	o := map[string]any{}
	for key, list := range map[string][]string{"namespaces": c.Namespaces, "projects": c.Projects, "paths": c.Paths,
		"hosts": c.Hosts, "labels": c.Labels, "mounts": c.Mounts, "policies": c.Policies, "entities": c.Entities} {
		if len(list) > 0 {
			o[key] = list
		}
	}
	if c.Name == evidence.Platform.String() {
		return []any{o}
	}
	return []any{o, map[string]any{"sources": []string{SourceBackups}, "namespaces": []string{"velero"}}}
}

// ConfigYAML returns the parts tenants, platform and sources of the daemon's
// configuration.
func (p *Platform) ConfigYAML() ([]byte, error) {
	var tenants, sources []any
	for _, t := range p.Tenants() {
		tenants = append(tenants, map[string]any{"name": t.Name, "owns": t.owns()})
	}
	for _, s := range p.Sources() {
		sources = append(sources, map[string]any{"name": s.Name, "type": s.Type, "config": s.Values})
	}
	return encode(map[string]any{"tenants": tenants, "platform": map[string]any{"owns": p.PlatformOwns().owns()}, "sources": sources})
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the configuration: %w", err)
	}
	return b.Bytes(), enc.Close()
}

// doctorYAML is a configuration for evidenced doctor: the forge with the
// credential that it should have, the cluster with one that may do everything,
// Argo CD with one that has expired.
func (p *Platform) doctorYAML() ([]byte, error) {
	var sources []any
	for _, s := range p.Sources() {
		switch s.Name {
		case SourceForge:
		case SourceCluster:
			s.Values["token_file"] = p.tokenFile(clusterAdmin)
		case SourceArgoCD:
			s.Values["token_file"] = p.tokenFile(argoExpired)
		default:
			continue
		}
		sources = append(sources, map[string]any{"name": s.Name, "type": s.Type, "config": s.Values})
	}
	return encode(map[string]any{"data_dir": "nowhere", "sources": sources})
}
