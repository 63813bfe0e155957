package certmanager

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// agent names collector and version in each draft's request.
const agent = "certmanager/1"

// Config is the configuration of one cluster's cert-manager.
type Config struct {
	kube.Config `yaml:",inline"`
}

// Spec describes this collector to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type:   "cert-manager",
		Says:   "cert-manager: certificates asked for, their requests, approvals and renewals, and who signs",
		Config: func() any { return &Config{Config: kube.DefaultConfig()} },
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, problem.New(problem.Internal, "cert-manager: config is a %T", config)
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
	r := &reader{env: env, told: map[string]bool{}}
	return kube.New(cfg.Config, env, agent, r.resources(), append(opts,
		kube.State(&r.memory), kube.After(nil, r.settle), kube.Observe(r.observe))...)
}

// reader makes drafts of cert-manager's objects. It is used by one goroutine
// at a time.
type reader struct {
	env    collectors.Env
	memory memory

	authority string
	single    int             // certificates that keep one request, as last noted
	told      map[string]bool // orders and challenges whose failure was noted, by uid
	failed    map[string]int  // failures not yet noted, by kind and state
}

// resources lists what is read. Certificates come first: their requests are
// joined to the Secret that they name.
func (r *reader) resources() []kube.Resource {
	v1 := []string{"v1"}
	return []kube.Resource{
		{Group: group, Resource: "issuers", Kind: "Issuer", Versions: v1, Kinds: []evidence.Kind{evidence.CertIssuer}, Remove: removedOfIssuer, Drafts: r.issuers},
		{Group: group, Resource: "clusterissuers", Kind: "ClusterIssuer", Versions: v1, Cluster: true, Kinds: []evidence.Kind{evidence.CertIssuer}, Remove: removedOfIssuer, Drafts: r.issuers},
		{Group: group, Resource: "certificates", Kind: "Certificate", Versions: v1, Kinds: []evidence.Kind{evidence.CertDeclared}, Remove: removedOfCertificate, Drafts: r.certificates},
		{Group: group, Resource: "certificaterequests", Kind: "CertificateRequest", Versions: v1, Kinds: []evidence.Kind{evidence.CertRequest}, Needs: []string{"certificates." + group}, Drafts: r.requests},
		{Group: acmeGroup, Resource: "orders", Kind: "Order", Versions: v1, Optional: true, Drafts: r.failures},
		{Group: acmeGroup, Resource: "challenges", Kind: "Challenge", Versions: v1, Optional: true, Drafts: r.failures},
	}
}

const acmeGroup = "acme.cert-manager.io"

// removedOfIssuer is what an issuer may hold of secrets: a webhook solver's
// configuration is whatever its author made of it, a template of pods may set
// variables, and the id of a role is one half of a login.
var removedOfIssuer = []string{
	"/spec/vault/auth/appRole/roleId",
	"/spec/acme/solvers/*/dns01/webhook/config",
	"/spec/acme/solvers/*/http01/ingress/podTemplate",
	"/spec/acme/solvers/*/http01/gatewayHTTPRoute/podTemplate",
}

// removedOfCertificate are passwords of keystores, which may stand in the object
// itself since cert-manager 1.17.
var removedOfCertificate = []string{"/spec/keystores/jks/password", "/spec/keystores/pkcs12/password"}

// failures takes an Order or a Challenge. It makes no draft: the request they
// belong to does, with the outcome. Their own words come from a server outside
// and are left there.
func (r *reader) failures(_ context.Context, o *kube.Object, _ *kube.Look) ([]evidence.Draft, error) {
	var in acme
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	if in.failed() && !r.told[o.UID] {
		if len(r.told) >= maxTold {
			clear(r.told) // some are noted twice then, which is no harm
		}
		r.told[o.UID] = true
		if r.failed == nil {
			r.failed = map[string]int{}
		}
		r.failed[strings.ToLower(o.Kind)+" "+in.Status.State]++
	}
	return nil, nil
}

// maxTold bounds the failures remembered as noted.
const maxTold = 10_000

// settle looks, before each commit, whether issuances were missed. Before both
// lists are full a request that was not seen may still come.
func (r *reader) settle(_ context.Context, l *kube.Look) ([]evidence.Draft, error) {
	r.authority = l.Authority
	if !l.Whole("certificates."+group) || !l.Whole("certificaterequests."+group) {
		return nil, nil
	}
	r.memory.settle(l.Now)
	return nil, nil
}

// observe adds what this commit has to say.
func (r *reader) observe(o *evidence.Observation) {
	if len(o.Seen) > 0 { // in the middle of a look nothing is claimed
		o.Seen = append(o.Seen, r.memory.claims(r.authority)...)
	}
	if n := r.memory.singles(); n != r.single {
		r.single = n
		o.Notes = append(o.Notes, fmt.Sprintf("%d certificates keep their newest request alone (revisionHistoryLimit 1): what came before is gone at each renewal", n))
	}
	for _, what := range sortedKeys(r.failed) {
		o.Notes = append(o.Notes, fmt.Sprintf("ACME: %s, %d times", what, r.failed[what]))
	}
	r.failed = nil
}

func missedCause(n int64) string {
	if n == 1 {
		return "a certificate was issued and its request was gone before it was seen"
	}
	return fmt.Sprintf("%d certificates were issued and their requests were gone before they were seen", n)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
