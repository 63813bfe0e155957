package externalsecrets

import (
	"context"
	"maps"
	"slices"
	"strings"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// agent names collector and version in each draft's request.
const agent = "externalsecrets/1"

// Config is the configuration of one cluster's External Secrets Operator.
type Config struct {
	kube.Config `yaml:",inline"`
	// Vaults says which Vault source a server is: its address as the stores
	// write it, and the last part of that source's name. A server that is not
	// here is taken for the Vault source that shares this source's last name.
	Vaults map[string]string `yaml:"vaults" loosens:"change: secrets are joined to another Vault"`
}

// Spec describes this collector to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type:   "external-secrets",
		Says:   "External Secrets Operator: which remote secrets are copied into which Kubernetes Secret, and as whom",
		Config: func() any { return &Config{Config: kube.DefaultConfig()} },
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, problem.New(problem.Internal, "external-secrets: config is a %T", config)
			}
			return New(*c, env)
		},
		Every: "@every 15m",
	}
}

// New checks the config and makes the collector. The network is not touched.
func New(cfg Config, env collectors.Env) (collectors.Collector, error) { return newWith(cfg, env) }

// newWith lets tests change how requests are made.
func newWith(cfg Config, env collectors.Env, opts ...kube.Option) (collectors.Collector, error) {
	r := &reader{env: env, authority: env.Source.Authority(), vaults: map[string]string{}}
	for _, server := range slices.Sorted(maps.Keys(cfg.Vaults)) {
		key, authority := serverKey(server), cfg.Vaults[server]
		if safeURL(server) == "" || !evidence.SourceID(authority).Valid() || strings.Contains(authority, "/") {
			return nil, problem.New(problem.Config, "vaults: a server must be an address, and its value the last part of a source's name").
				WithHint("write https://vault.example:8200: prod for the source vault/prod")
		}
		if other, twice := r.vaults[key]; twice && other != authority {
			return nil, problem.New(problem.Config, "vaults: %s stands for two sources", key).WithHint("name each server once")
		}
		r.vaults[key] = authority
	}
	return kube.New(cfg.Config, env, agent, r.resources(), append(opts, kube.State(&r.memory))...)
}

// reader makes drafts of the operator's objects. It is used by one goroutine
// at a time.
type reader struct {
	env       collectors.Env
	authority string
	vaults    map[string]string // authority by serverKey
	memory    memory
}

// resources lists what is read, stores first: syncs are joined through them.
func (r *reader) resources() []kube.Resource {
	served, stores := []string{"v1", "v1beta1"}, []string{"secretstores." + group, "clustersecretstores." + group}
	return []kube.Resource{
		{Group: group, Resource: "secretstores", Kind: kindStore, Versions: served, Kinds: []evidence.Kind{evidence.SecretStore}, Remove: removedOfStore, Drafts: r.stores},
		{Group: group, Resource: "clustersecretstores", Kind: kindClusterStore, Versions: served, Cluster: true, Kinds: []evidence.Kind{evidence.SecretStore}, Remove: removedOfStore, Drafts: r.stores},
		{Group: group, Resource: "externalsecrets", Kind: "ExternalSecret", Versions: served, Kinds: []evidence.Kind{evidence.SecretSync}, Needs: stores, Remove: removedOfSync, Drafts: r.syncs},
		{Group: group, Resource: "pushsecrets", Kind: "PushSecret", Versions: []string{"v1alpha1"}, Optional: true, Kinds: []evidence.Kind{evidence.SecretSync}, Needs: stores, Remove: removedOfPush, Drafts: r.pushes},
		{Group: group, Resource: "clusterexternalsecrets", Kind: "ClusterExternalSecret", Versions: served, Cluster: true, Metadata: true, Optional: true, Drafts: expands},
	}
}

// What these objects may hold of secrets in clear: literals in templates, the
// values of a provider made for tests, the parts of a webhook's request, and
// the member value, which many providers take for a credential in place of a
// reference (secretServer's password, scaleway's secretKey, delinea's
// clientSecret, beyondtrust's apiKey).
var (
	removedOfStore = []string{
		"/spec/provider/*/*/value", "/spec/provider/*/*/*/value",
		"/spec/provider/fake/data", "/spec/provider/webhook/body", "/spec/provider/webhook/headers", "/spec/provider/webhook/url",
		"/spec/provider/vault/headers", "/spec/provider/vault/auth/appRole/roleId", "/spec/provider/openBao/auth/appRole/roleId",
	}
	removedOfSync = []string{"/spec/target/template/data", "/spec/target/template/templateFrom", "/spec/target/template/metadata"}
	removedOfPush = []string{"/spec/template", "/spec/data/*/metadata", "/spec/dataTo/*/metadata"}
)

// expands says that there are objects which only make others: those are read
// where they stand.
func expands(_ context.Context, _ *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	l.Note("there are ClusterExternalSecrets: the ExternalSecrets they make are read, each in its namespace")
	return nil, nil
}
