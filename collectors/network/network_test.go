package network

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evidenced/collectors"
	"evidenced/collectors/collectortest"
	"evidenced/collectors/fetch"
	"evidenced/collectors/kube"
	"evidenced/collectors/kube/kubetest"
	"evidenced/collectors/kube/looktest"
	"evidenced/evidence"
	"evidenced/evidence/evidencetest"
	"evidenced/evidence/problem"
)

var now = time.Date(2026, 3, 2, 14, 0, 0, 0, time.UTC)

const (
	objectsFile = "testdata/objects.txtar"
	tenantLabel = kubetest.TenantLabel
)

var spaces = map[string]map[string]string{
	"tenant-7": {tenantLabel: "tenant-7"}, "tenant-8": {tenantLabel: "tenant-8"},
	"kube-system": nil, "monitoring": {tenantLabel: "platform"}, "ingress": {tenantLabel: "platform"},
}

// planted stands in the objects, and in no draft, not even in its bytes.
var planted = []string{
	"planted-annotation", "planted-last-applied", "planted-manager", "planted-message", "planted-description", "planted-header", "planted-value", "planted-setting",
}

func testConfig() Config {
	cfg := *Spec().Config().(*Config)
	cfg.CiliumConfig = "kube-system"
	return cfg
}

// conversation is that of the recorded objects, and of the core group.
func conversation(t testing.TB) string {
	t.Helper()
	name := kubetest.Conversation(t, objectsFile, spaces)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, `-- GET /api/v1 --
{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"namespaces"},{"name":"configmaps"}]}
-- GET /api/v1/namespaces/kube-system/configmaps?fieldSelector=metadata.name%3Dcilium-config&limit=500 --
{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"1000"},"items":[{"metadata":{"name":"cilium-config","namespace":"kube-system","uid":"cm-1","resourceVersion":"9"},"data":{"enable-policy":"default","policy-audit-mode":"false","identity-token":"planted-setting"}}]}
`...)
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestConformance(t *testing.T) {
	collectortest.Run(t, collectortest.Suite{
		Source: "network/prod", Now: now, Conversation: conversation(t),
		Wants: []evidence.Kind{evidence.NetworkNamespace, evidence.NetworkPolicy, evidence.NetworkMode}, Planted: planted,
		New: func(t testing.TB, w collectortest.World) collectors.Collector {
			cfg := testConfig()
			cfg.Server, cfg.TokenFile, cfg.QPS = w.URL, w.TokenFile, 1e6
			c, err := newWith(cfg, w.Env, kube.Client(func(o *fetch.Options) { o.Sleep, o.Timeout, o.MaxBody = w.Sleep, w.Timeout, w.MaxBody }))
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	})
}

func testLook(more ...kube.Namespace) *kube.Look {
	return looktest.New("network/prod", agent, now, spaces, more...)
}

// give hands an object to the functions of its resource.
func (r *reader) give(t testing.TB, l *kube.Look, resource string, raw []byte, gone bool) ([]evidence.Draft, error) {
	t.Helper()
	return looktest.Give(t, r.resources(), l, resource, raw, gone)
}

func TestObjects(t *testing.T) {
	var b strings.Builder
	for _, d := range looktest.Objects(t, (&reader{cfg: testConfig()}).resources(), testLook(), objectsFile) {
		var v any
		if err := json.Unmarshal(d.Content, &v); err != nil {
			t.Fatal(err)
		}
		text, err := json.MarshalIndent(v, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\nscope %v\nmentions", d.Kind, d.Subject, d.Scope)
		for _, m := range d.Mentions {
			fmt.Fprintf(&b, " %s", m.At)
		}
		fmt.Fprintf(&b, "\n%s\n\n", text)
	}
	evidencetest.Golden(t, "objects.golden", []byte(b.String()))
}

// meaning reads one object and tells what it means, in a line for each direction.
func meaning(t *testing.T, resource, raw string) string {
	t.Helper()
	r, l := &reader{cfg: testConfig()}, testLook()
	ds, err := r.give(t, l, resource, []byte(raw), false)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	f := evidencetest.Decode[evidence.NetworkPolicyFacts](t, ds[0])
	var out []string
	for _, s := range f.Specs {
		who := fmt.Sprintf("%s[%d/%d]", s.Of, len(s.Namespaces), len(s.Pods))
		if s.Unread != "" {
			who += " unread"
		}
		out = append(out, who+" in:"+side(s.Ingress)+" out:"+side(s.Egress))
	}
	return strings.Join(out, "; ") + f.Unread
}

func side(r evidence.NetworkRules) string {
	s := "-"
	if r.Isolates {
		s = "isolated"
	}
	for _, part := range []struct {
		sign  string
		rules []evidence.NetworkRule
	}{{"+", r.Allow}, {"!", r.Deny}} {
		for _, x := range part.rules {
			s += part.sign
			if x.Anyone {
				s += "anyone"
			} else if len(x.Peers) == 0 {
				s += "nobody"
			}
			for i, p := range x.Peers {
				if i > 0 {
					s += ","
				}
				s += p.Reach
				if p.Name != "" {
					s += "(" + p.Name + ")"
				}
				for _, n := range p.Spaces {
					s += ":" + n
				}
				if len(p.Pods) > 0 {
					s += fmt.Sprintf("/%d", len(p.Pods))
				}
			}
			if len(x.Ports) > 0 {
				s += "@" + strings.Join(x.Ports, ",")
			}
		}
	}
	return s
}

// TestKubernetesMeaning holds the reading against the definition of NetworkPolicy.
func TestKubernetesMeaning(t *testing.T) {
	for spec, want := range map[string]string{
		// Directions.
		`{"podSelector":{}}`:                               "pods[0/0] in:isolated out:-",
		`{"podSelector":{},"egress":[{}]}`:                 "pods[0/0] in:isolated out:isolated+anyone",
		`{"podSelector":{},"egress":[]}`:                   "pods[0/0] in:isolated out:-",
		`{"podSelector":{},"policyTypes":["Egress"]}`:      "pods[0/0] in:- out:isolated",
		`{"podSelector":{},"policyTypes":[],"ingress":[]}`: "pods[0/0] in:isolated out:-",
		`{"policyTypes":["Ingress","Egress"]}`:             "pods[0/0] in:isolated out:isolated",
		`{"policyTypes":["Egress"],"ingress":[{}]}`:        "pods[0/0] in:- out:isolated", // rules of a direction that is not named
		`{"policyTypes":["Ingress","Sideways"]}`:           "pods[0/0] unread in:isolated out:-",
		`{"podSelector":{"matchLabels":{"a":"b"}}}`:        "pods[0/1] in:isolated out:-",
		`{"podSelector":{"matchExpressions":[{"key":"a","operator":"Exists"}],"matchLabels":{"c":"d"}}}`: "pods[0/2] in:isolated out:-",
		// A rule without peers is about all, a direction without rules about nobody.
		`{"ingress":[{}]}`:                      "pods[0/0] in:isolated+anyone out:-",
		`{"ingress":[{"from":[]}]}`:             "pods[0/0] in:isolated+anyone out:-",
		`{"ingress":[{"ports":[{"port":80}]}]}`: "pods[0/0] in:isolated+anyone@TCP/80 out:-",
		`{"ingress":[{"ports":[{"port":"web","protocol":"UDP"},{"protocol":"SCTP"},{"port":1,"endPort":9}]}]}`: "pods[0/0] in:isolated+anyone@UDP/web,SCTP,TCP/1-9 out:-",
		// Peers.
		`{"ingress":[{"from":[{"podSelector":{}}]}]}`:                                                                 "pods[0/0] in:isolated+own out:-",
		`{"ingress":[{"from":[{"podSelector":{"matchLabels":{"a":"b"}}}]}]}`:                                          "pods[0/0] in:isolated+own/1 out:-",
		`{"ingress":[{"from":[{"namespaceSelector":{}}]}]}`:                                                           "pods[0/0] in:isolated+all out:-",
		`{"ingress":[{"from":[{"namespaceSelector":{},"podSelector":{"matchLabels":{"a":"b"}}}]}]}`:                   "pods[0/0] in:isolated+all/1 out:-",
		`{"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}}]}]}`: "pods[0/0] in:isolated+some:monitoring out:-",
		`{"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"nowhere"}}}]}]}`:    "pods[0/0] in:isolated+some:nowhere out:-",
		// AND within a peer, OR over peers.
		`{"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}},"podSelector":{"matchLabels":{"a":"b"}}}]}]}`:   "pods[0/0] in:isolated+some:monitoring/1 out:-",
		`{"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}},{"podSelector":{"matchLabels":{"a":"b"}}}]}]}`: "pods[0/0] in:isolated+some:monitoring,own/1 out:-",
		// By labels: those that have them now.
		`{"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"evidence.example.test/tenant":"platform"}}}]}]}`:                                            "pods[0/0] in:isolated+some:ingress:monitoring out:-",
		`{"ingress":[{"from":[{"namespaceSelector":{"matchExpressions":[{"key":"evidence.example.test/tenant","operator":"NotIn","values":["platform"]}]}}]}]}`: "pods[0/0] in:isolated+some:kube-system:tenant-7:tenant-8 out:-",
		`{"ingress":[{"from":[{"namespaceSelector":{"matchExpressions":[{"key":"evidence.example.test/tenant","operator":"DoesNotExist"}]}}]}]}`:                "pods[0/0] in:isolated+some:kube-system out:-",
		`{"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"a":"none has it"}}}]}]}`:                                                                    "pods[0/0] in:isolated+some out:-",
		`{"ingress":[{"from":[{"namespaceSelector":{"matchExpressions":[{"key":"a","operator":"Near","values":["b"]}]}}]}]}`:                                    "pods[0/0] in:isolated+unknown out:-",
		// Addresses, and what is not understood.
		`{"egress":[{"to":[{"ipBlock":{"cidr":"0.0.0.0/0"}}]}]}`:                      "pods[0/0] in:isolated out:isolated+unknown(0.0.0.0/0)",
		`{"ingress":[{"from":[{}]}]}`:                                                 "pods[0/0] in:isolated+unknown out:-",
		`{"ingress":[{"from":[{"serviceSelector":{}}]}]}`:                             "pods[0/0] in:isolated+unknown out:-",
		`{"ingress":[{"from":[{"podSelector":{},"nodeSelector":{}}]}]}`:               "pods[0/0] in:isolated+unknown out:-",
		`{"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8"},"podSelector":{}}]}]}`: "pods[0/0] in:isolated+unknown out:-",
	} {
		raw := `{"metadata":{"name":"p","namespace":"tenant-7","uid":"u"},"spec":` + spec + `}`
		if got := meaning(t, "networkpolicies.networking.k8s.io", raw); got != want {
			t.Errorf("%s:\n got %s\nwant %s", spec, got, want)
		}
	}
}

// TestCiliumNothing holds the reading against what Cilium's agent makes of lists and
// entries that hold nothing, and of selectors that no pod, or every one, can meet.
func TestCiliumNothing(t *testing.T) {
	for spec, want := range map[string]string{
		// A direction without rules is open, whatever is asked of it.
		`"endpointSelector":{},"ingress":[],"egress":[{}],"enableDefaultDeny":{"ingress":true,"egress":true}`: "pods[0/0] in:- out:isolated+nobody",
		`"endpointSelector":{},"ingress":[{}],"enableDefaultDeny":{"ingress":true}`:                           "pods[0/0] in:isolated+nobody out:-",
		// Some lists are none when they are empty.
		`"endpointSelector":{},"ingress":[{"fromGroups":[],"toPorts":[{"ports":[{"port":"80"}]}]}]`: "pods[0/0] in:isolated+anyone@ANY/80 out:-",
		`"endpointSelector":{},"egress":[{"toFQDNs":[],"toPorts":[{"ports":[{"port":"80"}]}]}]`:     "pods[0/0] in:- out:isolated+anyone@ANY/80",
		`"endpointSelector":{},"egress":[{"toServices":[],"toGroups":[]}]`:                          "pods[0/0] in:- out:isolated+nobody",
		`"endpointSelector":{},"egress":[{"toFQDNs":[],"toEndpoints":[{}]}]`:                        "pods[0/0] in:- out:isolated+own",
		`"endpointSelector":{},"ingress":[{"fromRequires":null,"fromEndpoints":[{}]}]`:              "pods[0/0] in:isolated+own out:-",
		// Entries that name no port let nothing pass.
		`"endpointSelector":{},"ingress":[{"toPorts":[{}]}]`:                                                    "pods[0/0] in:isolated+nobody out:-",
		`"endpointSelector":{},"ingress":[{"fromEntities":["all"],"toPorts":[{"ports":[]}]}]`:                   "pods[0/0] in:isolated+nobody out:-",
		`"endpointSelector":{},"ingress":[{"fromEntities":["all"],"icmps":[{"fields":[]}]}]`:                    "pods[0/0] in:isolated+nobody out:-",
		`"endpointSelector":{},"ingress":[{"fromEntities":["all"],"toPorts":[{"ports":[{"protocol":"GRE"}]}]}]`: "pods[0/0] in:isolated+all(all)@GRE out:-",
		// Services without a namespace are those of any, also in a policy of one.
		`"endpointSelector":{},"egress":[{"toServices":[{"k8sService":{"serviceName":"db","namespace":"tenant-7"}}]}]`:                                                 "pods[0/0] in:- out:isolated+own(db)",
		`"endpointSelector":{},"egress":[{"toServices":[{"k8sServiceSelector":{"selector":{}}}]}]`:                                                                     "pods[0/0] in:- out:isolated+unknown",
		`"endpointSelector":{},"egress":[{"toServices":[{"k8sService":{"serviceName":"db","namespace":"tenant-7"},"k8sServiceSelector":{"namespace":"monitoring"}}]}]`: "pods[0/0] in:- out:isolated+some:monitoring",
		// Pods of its own namespace that are of another one too: there are none.
		`"endpointSelector":{"matchLabels":{"io.kubernetes.pod.namespace":"tenant-8"}},"ingress":[{}]`:                                                         "pods[1/0] in:isolated+nobody out:-",
		`"endpointSelector":{"matchExpressions":[{"key":"k8s:io.kubernetes.pod.namespace","operator":"NotIn","values":["tenant-7"]}]},"ingress":[{}]`:          "pods[1/0] in:isolated+nobody out:-",
		`"endpointSelector":{"matchLabels":{"k8s:io.kubernetes.pod.namespace":"tenant-8","io.cilium.k8s.namespace.labels.team":"a","app":"x"}},"ingress":[{}]`: "pods[1/1] in:isolated+nobody out:-",
		// Endpoints of Cilium itself are no pods, and no pod is one of them.
		`"endpointSelector":{"matchLabels":{"reserved:health":""}},"ingress":[{"fromEntities":["remote-node"]}]`:                                         "others[0/0] in:isolated+outside(remote-node) out:-",
		`"endpointSelector":{"matchExpressions":[{"key":"reserved:ingress","operator":"Exists"}]},"egress":[{"toEntities":["cluster"]}]`:                 "others[0/0] in:- out:isolated+all(cluster)",
		`"endpointSelector":{"matchExpressions":[{"key":"reserved:health","operator":"DoesNotExist"},{"key":"app","operator":"Exists"}]},"ingress":[{}]`: "pods[0/1] in:isolated+nobody out:-",
		`"endpointSelector":{"matchExpressions":[{"key":"reserved:init","operator":"DoesNotExist"}]},"ingress":[{}]`:                                     "pods[0/0] unread in:isolated+nobody out:-",
		`"endpointSelector":{"matchExpressions":[{"key":"reserved:health","operator":"Near"}]},"ingress":[{}]`:                                           "pods[0/0] unread in:isolated+nobody out:-",
	} {
		raw := `{"metadata":{"name":"p","namespace":"tenant-7","uid":"u"},"spec":{` + spec + `}}`
		if got := meaning(t, "ciliumnetworkpolicies.cilium.io", raw); got != want {
			t.Errorf("%s:\n got %s\nwant %s", spec, got, want)
		}
	}
}

// TestCiliumServerNames holds that names of TLS servers narrow a rule.
func TestCiliumServerNames(t *testing.T) {
	r, l := &reader{cfg: testConfig()}, testLook()
	ds, err := r.give(t, l, "ciliumnetworkpolicies.cilium.io", []byte(`{"metadata":{"name":"p","namespace":"tenant-7","uid":"u"},"spec":{"endpointSelector":{},
		"egress":[{"toEntities":["all"],"toPorts":[{"ports":[{"port":"443","protocol":"TCP"}],"serverNames":["api.shop.example"]}]}]}}`), false)
	if err != nil {
		t.Fatal(err)
	}
	if x := evidencetest.Decode[evidence.NetworkPolicyFacts](t, ds[0]).Specs[0].Egress.Allow[0]; !slices.Equal(x.Within, []string{"serverNames"}) {
		t.Errorf("the rule is narrowed within %q", x.Within)
	}
}

// TestCiliumMeaning holds the reading against the language of Cilium's policies.
func TestCiliumMeaning(t *testing.T) {
	for spec, want := range map[string]string{
		// A direction that has rules is isolated, one with an empty list is not.
		`{"endpointSelector":{},"ingress":[{}]}`:                                                         "pods[0/0] in:isolated+nobody out:-",
		`{"endpointSelector":{},"ingress":[],"egress":[{}]}`:                                             "pods[0/0] in:- out:isolated+nobody",
		`{"endpointSelector":{},"ingressDeny":[{"fromEntities":["world"]}]}`:                             "pods[0/0] in:isolated!outside(world) out:-",
		`{"endpointSelector":{},"egress":[{"toEntities":["all"]}],"enableDefaultDeny":{"egress":false}}`: "pods[0/0] in:- out:-+all(all)",
		`{"endpointSelector":{},"enableDefaultDeny":{"ingress":true,"egress":true}}`:                     "pods[0/0] in:- out:-",
		`{"endpointSelector":{},"ingress":[{}],"enableDefaultDeny":{"ingress":null}}`:                    "pods[0/0] in:isolated+nobody out:-",
		// Whom: always in the policy's own namespace.
		`{"endpointSelector":{"matchLabels":{"k8s:io.kubernetes.pod.namespace":"tenant-8"}},"ingress":[{}]}`: "pods[0/0] in:isolated+nobody out:-",
		`{"endpointSelector":{"matchLabels":{"any:app":"x"}},"ingress":[{}]}`:                                "pods[0/1] in:isolated+nobody out:-",
		`{"endpointSelector":{"matchLabels":{"reserved:init":""}},"ingress":[{}]}`:                           "pods[0/0] unread in:isolated+nobody out:-",
		`{"ingress":[{}]}`: "pods[0/0] unread in:isolated+nobody out:-",
		`{"endpointSelector":{},"nodeSelector":{},"ingress":[{}]}`: "pods[0/0] unread in:isolated+nobody out:-",
		`{"nodeSelector":{},"ingress":[{"fromEntities":["all"]}]}`: "nodes[0/0] in:isolated out:-",
		// Peers: none and ports is anyone, an empty list is nobody.
		`{"endpointSelector":{},"ingress":[{"toPorts":[{"ports":[{"port":"80","protocol":"TCP"}]}]}]}`:                                                           "pods[0/0] in:isolated+anyone@TCP/80 out:-",
		`{"endpointSelector":{},"ingress":[{"toPorts":[]}]}`:                                                                                                     "pods[0/0] in:isolated+nobody out:-",
		`{"endpointSelector":{},"ingress":[{"icmps":[{"fields":[{"type":8}]}]}]}`:                                                                                "pods[0/0] in:isolated+anyone@ICMP/8 out:-",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":[],"toPorts":[{"ports":[{"port":"80"}]}]}]}`:                                                         "pods[0/0] in:isolated+nobody@ANY/80 out:-",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":null,"toPorts":[{"ports":[{"port":"80"}]}]}]}`:                                                       "pods[0/0] in:isolated+anyone@ANY/80 out:-",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":[{}]}]}`:                                                                                             "pods[0/0] in:isolated+own out:-",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":[{"matchLabels":{"app":"x"}}]}]}`:                                                                    "pods[0/0] in:isolated+own/1 out:-",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":[{"matchLabels":{"k8s:io.kubernetes.pod.namespace":"monitoring","app":"x"}}]}]}`:                     "pods[0/0] in:isolated+some:monitoring/1 out:-",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":[{"matchExpressions":[{"key":"k8s:io.kubernetes.pod.namespace","operator":"Exists"}]}]}]}`:           "pods[0/0] in:isolated+all out:-",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":[{"matchLabels":{"k8s:io.cilium.k8s.namespace.labels.evidence.example.test/tenant":"platform"}}]}]}`: "pods[0/0] in:isolated+some:ingress:monitoring out:-",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":[{"matchLabels":{"reserved:host":""}}]}]}`:                                                           "pods[0/0] in:isolated+outside(host) out:-",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":[{"matchLabels":{"reserved:unmanaged":""}}]}]}`:                                                      "pods[0/0] in:isolated+unknown(unmanaged) out:-",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":[{"matchLabels":{"reserved:host":"","app":"x"}}]}]}`:                                                 "pods[0/0] in:isolated+unknown out:-",
		`{"endpointSelector":{},"ingress":[{"fromEntities":["cluster","world","new-thing"]}]}`:                                                                   "pods[0/0] in:isolated+all(cluster),outside(world),unknown(new-thing) out:-",
		// Addresses never hold pods of the cluster.
		`{"endpointSelector":{},"egress":[{"toCIDR":["0.0.0.0/0"]}]}`:                                                      "pods[0/0] in:- out:isolated+outside(0.0.0.0/0)",
		`{"endpointSelector":{},"egress":[{"toCIDRSet":[{"cidr":"10.0.0.0/8"},{"cidrGroupRef":"g"}]}]}`:                    "pods[0/0] in:- out:isolated+outside(10.0.0.0/8),outside(group g)",
		`{"endpointSelector":{},"egress":[{"toFQDNs":[{"matchPattern":"*.example"}]}]}`:                                    "pods[0/0] in:- out:isolated+outside(*.example)",
		`{"endpointSelector":{},"egress":[{"toServices":[{"k8sService":{"serviceName":"db"}}]}]}`:                          "pods[0/0] in:- out:isolated+unknown(db)",
		`{"endpointSelector":{},"egress":[{"toServices":[{"k8sService":{"serviceName":"db","namespace":"monitoring"}}]}]}`: "pods[0/0] in:- out:isolated+some(db):monitoring",
		// What is not understood is not guessed.
		`{"endpointSelector":{},"ingress":[{"fromRequires":[{}],"fromEndpoints":[{}]}]}`:                                                                                                    "pods[0/0] unread in:isolated+own out:-",
		`{"endpointSelector":{},"ingress":[{"fromMoon":[{}]}]}`:                                                                                                                             "pods[0/0] unread in:isolated+nobody out:-",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":[{}],"fromEntities":["world"]}]}`:                                                                                               "pods[0/0] unread in:isolated+own,outside(world) out:-",
		`{"endpointSelector":{},"audit":true,"ingress":[{}]}`:                                                                                                                               "pods[0/0] unread in:isolated+nobody out:-",
		`{"endpointSelector":{},"ingress":[{"fromNodes":[{"matchLabels":{"role":"edge"}}]}]}`:                                                                                               "pods[0/0] in:isolated+outside/1 out:-",
		`{"endpointSelector":{},"egress":[{"toGroups":[{"aws":{"region":"x"}}]}]}`:                                                                                                          "pods[0/0] in:- out:isolated+outside",
		`{"endpointSelector":{},"egress":[{"toCIDRSet":[{"cidrGroupSelector":{}}]}]}`:                                                                                                       "pods[0/0] in:- out:isolated+outside(groups chosen by labels)",
		`{"endpointSelector":{},"egress":[{"toServices":[{"k8sServiceSelector":{"selector":{},"namespace":"monitoring"}}]}]}`:                                                               "pods[0/0] in:- out:isolated+some:monitoring",
		`{"endpointSelector":{},"egress":[{"toServices":[{"other":{}}]}]}`:                                                                                                                  "pods[0/0] in:- out:isolated+unknown",
		`{"endpointSelector":{},"egress":[{"toPorts":[{"ports":[{"port":"0","protocol":"TCP"},{"port":"80","protocol":"TCP"},{"port":"80","protocol":"TCP"}],"rules":{"http":[{}]}},{}]}]}`: "pods[0/0] in:- out:isolated+anyone@TCP,TCP/80",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":[{}],"authentication":{"mode":"required"}}]}`:                                                                                   "pods[0/0] in:isolated+own out:-",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":"x"}]}`:                                                                                                                         "pods[0/0] unread in:isolated+nobody out:-",
		`{"endpointSelector":{},"ingress":[{"toPorts":"x"}]}`:                                                                                                                               "pods[0/0] unread in:isolated+nobody out:-",
		`{"endpointSelector":{},"ingress":[{"icmps":"x"}]}`:                                                                                                                                 "pods[0/0] unread in:isolated+nobody out:-",
		`{"endpointSelector":{},"ingress":["x"]}`:                                                                                                                                           "pods[0/0] unread in:- out:-",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":[7],"toPorts":null}]}`:                                                                                                          "pods[0/0] in:isolated+unknown out:-",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":[{"matchFields":[]}]}]}`:                                                                                                        "pods[0/0] in:isolated+unknown out:-",
		`{"endpointSelector":{},"ingress":[{"fromNodes":[7]}]}`:                                                                                                                             "pods[0/0] in:isolated+unknown out:-",
		`{"endpointSelector":{},"ingress":[{"fromEntities":[7]}]}`:                                                                                                                          "pods[0/0] in:isolated+unknown out:-",
		`{"endpointSelector":{},"ingress":[{"fromCIDR":[7]}]}`:                                                                                                                              "pods[0/0] in:isolated+unknown out:-",
		`{"endpointSelector":{},"ingress":[{"fromCIDRSet":[{"cidr":"10.0.0.0/8","cidrGroupSelector":null}]}]}`:                                                                              "pods[0/0] in:isolated+outside(10.0.0.0/8) out:-",
		`{"endpointSelector":{},"ingress":[{"fromCIDRSet":[7]}]}`:                                                                                                                           "pods[0/0] in:isolated+unknown out:-",
		`{"endpointSelector":{},"egress":[{"toFQDNs":[7]}]}`:                                                                                                                                "pods[0/0] in:- out:isolated+unknown",
		`{"endpointSelector":{},"egress":[{"toServices":[7]}]}`:                                                                                                                             "pods[0/0] in:- out:isolated+unknown",
		`"text"`: "pods[0/0] unread in:- out:-",
	} {
		raw := `{"metadata":{"name":"p","namespace":"tenant-7","uid":"u"},"spec":` + spec + `}`
		if got := meaning(t, "ciliumnetworkpolicies.cilium.io", raw); got != want {
			t.Errorf("%s:\n got %s\nwant %s", spec, got, want)
		}
	}
	for spec, want := range map[string]string{
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":[{}]}]}`:                                                     "pods[0/0] in:isolated+all out:-",
		`{"endpointSelector":{},"ingress":[{"fromEndpoints":[{"matchLabels":{"app":"x"}}]}]}`:                            "pods[0/0] in:isolated+all/1 out:-",
		`{"endpointSelector":{"matchLabels":{"io.kubernetes.pod.namespace":"tenant-8"}},"ingress":[{}]}`:                 "pods[1/0] in:isolated+nobody out:-",
		`{"endpointSelector":{"matchLabels":{"k8s:io.cilium.k8s.namespace.labels.env":"prod","app":"x"}},"egress":[{}]}`: "pods[1/1] in:- out:isolated+nobody",
	} {
		raw := `{"metadata":{"name":"p","uid":"u"},"spec":` + spec + `}`
		if got := meaning(t, "ciliumclusterwidenetworkpolicies.cilium.io", raw); got != want {
			t.Errorf("cluster-wide %s:\n got %s\nwant %s", spec, got, want)
		}
	}
	both := `{"metadata":{"name":"p","namespace":"tenant-7","uid":"u"},"spec":{"endpointSelector":{},"ingress":[{}]},"specs":[{"endpointSelector":{},"egress":[{}]}]}`
	if got, want := meaning(t, "ciliumnetworkpolicies.cilium.io", both), "pods[0/0] in:isolated+nobody out:-; pods[0/0] in:- out:isolated+nobody"; got != want {
		t.Errorf("spec and specs: got %s, want %s", got, want)
	}
	if got := meaning(t, "ciliumnetworkpolicies.cilium.io", `{"metadata":{"name":"p","namespace":"tenant-7","uid":"u"}}`); got != "it holds neither spec nor specs" {
		t.Errorf("neither spec nor specs: got %s", got)
	}
}

// Where the configuration says which addresses pods have, a block of addresses is
// held against them.
func TestPodAddresses(t *testing.T) {
	for block, want := range map[string]string{
		`{"cidr":"192.0.2.0/24"}`: evidence.ReachOutside, `{"cidr":"0.0.0.0/0"}`: evidence.ReachAll,
		`{"cidr":"0.0.0.0/0","except":["10.0.0.0/8"]}`:     evidence.ReachOutside,
		`{"cidr":"0.0.0.0/0","except":["10.244.0.0/16"]}`:  evidence.ReachOutside,
		`{"cidr":"0.0.0.0/0","except":["10.244.7.0/24"]}`:  evidence.ReachUnknown,
		`{"cidr":"0.0.0.0/0","except":["192.168.0.0/16"]}`: evidence.ReachAll,
		`{"cidr":"10.244.3.0/24"}`:                         evidence.ReachUnknown, `{"cidr":"10.244.0.0/16"}`: evidence.ReachAll,
		`{"cidr":"::/0"}`: evidence.ReachOutside, `{"cidr":"somewhere"}`: evidence.ReachUnknown,
	} {
		cfg := testConfig()
		cfg.PodAddresses = []string{"10.244.0.0/16"}
		r := mustReader(t, cfg)
		ds, err := r.give(t, testLook(), "networkpolicies.networking.k8s.io", []byte(`{"metadata":{"name":"p","namespace":"tenant-7","uid":"u"},"spec":{"egress":[{"to":[{"ipBlock":`+block+`}]}]}}`), false)
		if err != nil {
			t.Fatal(err)
		}
		if got := evidencetest.Decode[evidence.NetworkPolicyFacts](t, ds[0]).Specs[0].Egress.Allow[0].Peers[0].Reach; got != want {
			t.Errorf("%s: got %s, want %s", block, got, want)
		}
	}
}

// mustReader makes the reader that New would.
func mustReader(t testing.TB, cfg Config) *reader {
	t.Helper()
	r, err := newReader(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Without the labels of namespaces, or with a part of the cluster, it is not known
// whom a choice by labels takes in; by name it is.
func TestNotAllNamespaces(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no labels": func() Config { c := testConfig(); c.NamespaceLabels = false; return c }(),
		"a part":    func() Config { c := testConfig(); c.Namespaces = []string{"tenant-7"}; return c }(),
	} {
		r := mustReader(t, cfg)
		for selector, want := range map[string]string{
			`{"matchLabels":{"team":"a"}}`:                                                                          evidence.ReachUnknown,
			`{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}`:                                          evidence.ReachSome,
			`{"matchLabels":{"kubernetes.io/metadata.name":"monitoring","team":"a"}}`:                               evidence.ReachUnknown,
			`{"matchExpressions":[{"key":"kubernetes.io/metadata.name","operator":"NotIn","values":["tenant-8"]}]}`: evidence.ReachUnknown,
			`{}`: evidence.ReachAll,
		} {
			ds, err := r.give(t, testLook(), "networkpolicies.networking.k8s.io", []byte(`{"metadata":{"name":"p","namespace":"tenant-7","uid":"u"},"spec":{"ingress":[{"from":[{"namespaceSelector":`+selector+`}]}]}}`), false)
			if err != nil {
				t.Fatal(err)
			}
			if got := evidencetest.Decode[evidence.NetworkPolicyFacts](t, ds[0]).Specs[0].Ingress.Allow[0].Peers[0].Reach; got != want {
				t.Errorf("%s, %s: got %s, want %s", name, selector, got, want)
			}
		}
	}
}

// Of namespaces those are told that are read, with the labels that may be.
func TestNamespaces(t *testing.T) {
	cfg := testConfig()
	cfg.Namespaces, cfg.TenantLabels = []string{"tenant-7"}, []string{tenantLabel}
	r := mustReader(t, cfg)
	give := func(name string) []evidence.Draft {
		ds, err := r.give(t, testLook(), "namespaces", []byte(`{"metadata":{"name":"`+name+`","uid":"u-`+name+`","labels":{"`+tenantLabel+`":"tenant-7","owner":"mira","kubernetes.io/metadata.name":"`+name+`"}}}`), false)
		if err != nil {
			t.Fatal(err)
		}
		return ds
	}
	if ds := give("tenant-8"); len(ds) != 0 {
		t.Errorf("a namespace that is not read is told: %s", ds[0].Content)
	}
	d := give("tenant-7")[0]
	f := evidencetest.Decode[evidence.NetworkNamespaceFacts](t, d)
	if want := map[string]string{tenantLabel: "tenant-7", "kubernetes.io/metadata.name": "tenant-7"}; !cmp.Equal(want, f.Labels) || f.LabelsLeftOut != 1 || strings.Contains(string(d.Raw), "mira") {
		t.Errorf("labels %v, %d left out, raw %s", f.Labels, f.LabelsLeftOut, d.Raw)
	}
}

// A policy of more rules than a record holds is cut, and says so.
func TestHuge(t *testing.T) {
	var rules []string
	for i := range maxRules {
		rules = append(rules, fmt.Sprintf(`{"fromEndpoints":[{"matchLabels":{"app":"%s%d"}},{"matchLabels":{"k8s:io.kubernetes.pod.namespace":"%s%d"}}]}`, strings.Repeat("<", 300), i, strings.Repeat("n", 300), i))
	}
	spec := `{"endpointSelector":{},"ingress":[` + strings.Join(rules, ",") + `]}`
	for name, raw := range map[string]string{
		"one":  `{"metadata":{"name":"p","uid":"u"},"spec":` + spec + `}`,
		"many": `{"metadata":{"name":"p","uid":"u"},"specs":[` + strings.Repeat(spec+",", 5) + spec + `]}`,
	} {
		r := mustReader(t, testConfig())
		ds, err := r.give(t, testLook(), "ciliumclusterwidenetworkpolicies.cilium.io", []byte(raw), false)
		if err != nil {
			t.Fatal(err)
		}
		f := evidencetest.Decode[evidence.NetworkPolicyFacts](t, ds[0])
		if f.SpecsCut+f.Specs[0].Ingress.Cut == 0 || ds[0].Raw != nil {
			t.Errorf("%s: nothing is said to be cut, or the bytes are kept: %d, %d", name, f.SpecsCut, len(ds[0].Raw))
		}
	}
	selector := []string{}
	for i := range 3000 {
		selector = append(selector, fmt.Sprintf(`"k%d%s":"v"`, i, strings.Repeat("x", 200)))
	}
	r := mustReader(t, testConfig())
	ds, err := r.give(t, testLook(), "networkpolicies.networking.k8s.io", []byte(`{"metadata":{"name":"p","namespace":"tenant-7","uid":"u"},"spec":{"podSelector":{"matchLabels":{`+strings.Join(selector, ",")+`}}}}`), false)
	if err != nil {
		t.Fatal(err)
	}
	if f := evidencetest.Decode[evidence.NetworkPolicyFacts](t, ds[0]); f.Specs[0].Unread == "" {
		t.Error("a selector that is not told looks like one of all pods")
	}
}

// When namespaces change, the policies that choose others then are read again, once.
func TestReadAgain(t *testing.T) {
	r := mustReader(t, testConfig())
	policy := `{"metadata":{"name":"p","namespace":"tenant-7","uid":"u"},"spec":{"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"team":"a"}}}]}]}}`
	wide := `{"metadata":{"name":"w","uid":"w"},"spec":{"endpointSelector":{"matchLabels":{"k8s:io.cilium.k8s.namespace.labels.team":"a"}},"ingress":[{}]}}`
	plain := `{"metadata":{"name":"q","namespace":"tenant-7","uid":"q"},"spec":{"ingress":[{"from":[{"podSelector":{}}]}]}}`
	give := func(l *kube.Look, resource, raw string, gone bool) {
		t.Helper()
		if _, err := r.give(t, l, resource, []byte(raw), gone); err != nil {
			t.Fatal(err)
		}
	}
	asked := func(l *kube.Look) (out []string) {
		t.Helper()
		r.again = func(_ *kube.Look, resource, namespace string) { out = append(out, resource+" "+namespace) }
		if _, err := r.settle(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		slices.Sort(out)
		return out
	}
	before := testLook()
	give(before, "networkpolicies.networking.k8s.io", policy, false)
	give(before, "networkpolicies.networking.k8s.io", plain, false)
	give(before, "ciliumclusterwidenetworkpolicies.cilium.io", wide, false)
	if got := asked(before); got != nil {
		t.Errorf("nothing changed: asked for %q", got)
	}
	if got := asked(testLook(kube.Namespace{Name: "other", Labels: map[string]string{"team": "b"}})); got != nil {
		t.Errorf("a namespace that nobody chooses: asked for %q", got)
	}
	after := testLook(kube.Namespace{Name: "other", Labels: map[string]string{"team": "a"}})
	want := []string{"ciliumclusterwidenetworkpolicies.cilium.io ", "networkpolicies.networking.k8s.io tenant-7"}
	if got := asked(after); !slices.Equal(got, want) {
		t.Errorf("a namespace that they choose: asked for %q, want %q", got, want)
	}
	if got := asked(after); got != nil {
		t.Errorf("asked once more before they were read: %q", got)
	}
	// A restart forgets what was asked for, not what came of it.
	b, err := json.Marshal(r.memory)
	if err != nil {
		t.Fatal(err)
	}
	r = mustReader(t, testConfig())
	if err := json.Unmarshal(b, &r.memory); err != nil {
		t.Fatal(err)
	}
	if got := asked(after); !slices.Equal(got, want) {
		t.Errorf("after a restart: asked for %q, want %q", got, want)
	}
	give(after, "networkpolicies.networking.k8s.io", policy, false)
	give(after, "ciliumclusterwidenetworkpolicies.cilium.io", wide, true)
	if got := asked(after); got != nil {
		t.Errorf("after they were read, or were deleted: asked for %q", got)
	}
	// It has another owner now, under the same label that is chosen by.
	if got := asked(testLook(kube.Namespace{Name: "other", Labels: map[string]string{"team": "a", tenantLabel: "tenant-8"}})); !slices.Equal(got, want[1:]) {
		t.Errorf("a namespace that went to another tenant: asked for %q, want %q", got, want[1:])
	}
}

// What is remembered is bounded, and forgets namespaces that went.
func TestRemembered(t *testing.T) {
	r := mustReader(t, testConfig())
	policy := func(name string) []byte {
		return []byte(`{"metadata":{"name":"` + name + `","namespace":"tenant-7","uid":"u"},"spec":{"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"monitoring"}}}]}]}}`)
	}
	reach := func(l *kube.Look, name string) string {
		t.Helper()
		ds, err := r.give(t, l, "networkpolicies.networking.k8s.io", policy(name), false)
		if err != nil {
			t.Fatal(err)
		}
		return evidencetest.Decode[evidence.NetworkPolicyFacts](t, ds[0]).Specs[0].Ingress.Allow[0].Peers[0].Reach
	}
	l := testLook()
	if got := reach(l, "first"); got != evidence.ReachSome {
		t.Errorf("got %s", got)
	}
	for i := len(r.memory.Policies); i < maxPolicies; i++ {
		r.memory.Policies[policyKey(kindPolicy, "gone", fmt.Sprint(i))] = chosen{}
	}
	if got := reach(l, "one too many"); got != evidence.ReachUnknown || len(l.Notes()) != 1 {
		t.Errorf("beyond the limit: got %s, notes %q", got, l.Notes())
	}
	if got := reach(l, "first"); got != evidence.ReachSome {
		t.Errorf("one that is remembered: got %s", got)
	}
	if _, err := r.settle(t.Context(), l); err != nil || len(r.memory.Policies) != 1 {
		t.Errorf("%d policies are remembered, want that of a namespace that is there (%v)", len(r.memory.Policies), err)
	}
}

// Of rules, peers, ports and sets of rules beyond the limits a count is kept.
func TestLimits(t *testing.T) {
	list := func(n int, one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	r := mustReader(t, testConfig())
	read := func(resource, raw string) evidence.NetworkPolicyFacts {
		t.Helper()
		ds, err := r.give(t, testLook(), resource, []byte(raw), false)
		if err != nil {
			t.Fatal(err)
		}
		return evidencetest.Decode[evidence.NetworkPolicyFacts](t, ds[0])
	}
	const head = `{"metadata":{"name":"p","namespace":"tenant-7","uid":"u"},"spec":`
	if f := read("networkpolicies.networking.k8s.io", head+`{"ingress":[`+list(maxRules+2, `{}`)+`]}}`); f.Specs[0].Ingress.Cut != 2 {
		t.Errorf("rules: %d cut", f.Specs[0].Ingress.Cut)
	}
	if f := read("ciliumnetworkpolicies.cilium.io", head+`{"endpointSelector":{},"egressDeny":[`+list(maxRules+2, `{}`)+`]}}`); f.Specs[0].Egress.Cut != 2 {
		t.Errorf("rules that deny: %d cut", f.Specs[0].Egress.Cut)
	}
	if f := read("ciliumnetworkpolicies.cilium.io", head+`{"endpointSelector":{},"ingress":[{"fromEntities":[`+list(maxPeers+3, `"world"`)+`]}]}}`); f.Specs[0].Ingress.Allow[0].PeersCut != 3 {
		t.Errorf("peers: %d cut", f.Specs[0].Ingress.Allow[0].PeersCut)
	}
	var ports []string
	for i := range maxPorts + 4 {
		ports = append(ports, fmt.Sprintf(`{"port":%d}`, i+1))
	}
	if f := read("networkpolicies.networking.k8s.io", head+`{"ingress":[{"ports":[`+strings.Join(ports, ",")+`]}]}}`); f.Specs[0].Ingress.Allow[0].PortsCut != 4 {
		t.Errorf("ports: %d cut", f.Specs[0].Ingress.Allow[0].PortsCut)
	}
	var named []string
	for i := range 250 {
		named = append(named, fmt.Sprintf(`{"fromEndpoints":[%s]}`, list(5, fmt.Sprintf(`{"matchLabels":{"n":"%d"}}`, i))))
	}
	if f := read("ciliumnetworkpolicies.cilium.io", head+`{"endpointSelector":{},"ingress":[`+strings.Join(named, ",")+`]}}`); f.Specs[0].Ingress.Cut != 125 {
		t.Errorf("lists of names: %d rules cut", f.Specs[0].Ingress.Cut)
	}
	if f := read("ciliumnetworkpolicies.cilium.io", `{"metadata":{"name":"p","namespace":"tenant-7","uid":"u"},"specs":[`+list(maxSpecs+5, `{"endpointSelector":{}}`)+`]}`); f.SpecsCut != 5 {
		t.Errorf("sets of rules: %d cut", f.SpecsCut)
	}
}

// That the ConfigMap is not where it is said to be is told, once.
func TestNoMode(t *testing.T) {
	r := mustReader(t, testConfig())
	notes := func() int {
		l := testLook()
		if _, err := r.settle(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		return len(l.Notes())
	}
	if notes() != 1 || notes() != 0 {
		t.Error("it is not told once that the ConfigMap is not there")
	}
	raw := []byte(`{"metadata":{"name":"cilium-config","namespace":"kube-system","uid":"u"},"data":{"policy-audit-mode":"true","other":"planted"}}`)
	r = mustReader(t, testConfig())
	ds, err := r.give(t, testLook(), "configmaps", raw, false)
	if err != nil {
		t.Fatal(err)
	}
	f := evidencetest.Decode[evidence.NetworkModeFacts](t, ds[0])
	if len(f.Settings) != 1 || f.Settings["policy-audit-mode"] != "true" || ds[0].Raw != nil || fmt.Sprint(ds[0].Scope) != "[ns:prod/*]" || notes() != 0 {
		t.Errorf("got %s, raw %s, scope %v", ds[0].Content, ds[0].Raw, ds[0].Scope)
	}
	if ds, err := r.give(t, testLook(), "configmaps", raw, true); err != nil || ds[0].Op != evidence.OpEnd || notes() != 1 {
		t.Errorf("when it went: %v", err)
	}
}

// Of a group of addresses everybody is told how many there are, in whatever order.
func TestGroup(t *testing.T) {
	var seen []string
	for _, list := range []string{`"203.0.113.0/24","2001:db8::/32"`, `"2001:db8::/32","203.0.113.0/24"`, `"203.0.113.0/24"`, ``} {
		ds, err := mustReader(t, testConfig()).give(t, testLook(), "ciliumcidrgroups.cilium.io", []byte(`{"metadata":{"name":"g","uid":"u"},"spec":{"externalCIDRs":[`+list+`]}}`), false)
		if err != nil {
			t.Fatal(err)
		}
		f := evidencetest.Decode[evidence.NetworkPolicyFacts](t, ds[0])
		if text := string(ds[0].Content) + string(ds[0].Raw); strings.Contains(text, "203.0.113") || f.Blocks != strings.Count(list, "/") {
			t.Errorf("%s: got %s", list, text)
		}
		seen = append(seen, f.BlocksSHA256)
	}
	if seen[0] != seen[1] || seen[1] == seen[2] || seen[2] == seen[3] {
		t.Errorf("sums %q", seen)
	}
}

// An end tells nothing of what the policy was.
func TestGone(t *testing.T) {
	r := mustReader(t, testConfig())
	ds, err := r.give(t, testLook(), "networkpolicies.networking.k8s.io", []byte(`{"metadata":{"name":"p","namespace":"tenant-7","uid":"u"},"spec":{"ingress":[{"from":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"tenant-8"}}}]}]}}`), true)
	if err != nil || len(ds) != 1 {
		t.Fatalf("%d drafts, %v", len(ds), err)
	}
	if d := ds[0]; d.Op != evidence.OpEnd || string(d.Content) != `{"reason":"deleted"}` || d.Raw != nil || len(r.memory.Policies) != 0 {
		t.Errorf("got %s %s, raw %s, remembered %v", d.Op, d.Content, d.Raw, r.memory.Policies)
	}
}

func TestLeastPrivilege(t *testing.T) {
	const dir = "../../deploy/access/network/"
	looktest.ReadsOnly(t, looktest.Rules(t, dir+"role.yaml", dir+"cilium.yaml"), (&reader{cfg: testConfig()}).resources(), "namespaces.")
	looktest.ReadsOnly(t, looktest.Rules(t, dir+"role.yaml"), (&reader{cfg: *Spec().Config().(*Config)}).resources(), "namespaces.")
	if b, err := os.ReadFile(dir + "cilium.yaml"); err != nil || !strings.Contains(string(b), "resourceNames: [cilium-config]") {
		t.Errorf("the role reads other ConfigMaps too (%v)", err)
	}
}

func TestConfig(t *testing.T) {
	env := collectors.Env{Source: "network/prod", Clock: time.Now}
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		change func(*Config)
		bad    bool
	}{
		"none":                {func(*Config) {}, false},
		"a namespace":         {func(c *Config) { c.CiliumConfig = "kube-system" }, false},
		"a path":              {func(c *Config) { c.CiliumConfig = "kube-system/cilium" }, true},
		"addresses":           {func(c *Config) { c.PodAddresses = []string{"10.244.0.0/16", "fd00::/48"} }, false},
		"an address":          {func(c *Config) { c.PodAddresses = []string{"10.244.0.1"} }, true},
		"no page":             {func(c *Config) { c.PageSize = 0 }, true},
		"a bad namespace":     {func(c *Config) { c.Namespaces = []string{"a b"} }, true},
		"polled, not watched": {func(c *Config) { c.Watch = false }, false},
	} {
		cfg := Spec().Config().(*Config)
		cfg.Server, cfg.TokenFile = "https://cluster.example.test", token
		tc.change(cfg)
		c, err := Spec().New(cfg, env)
		if tc.bad != problem.Is(err, problem.Config) || !tc.bad && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !tc.bad {
			looktest.Works(t, c, cfg.Watch)
		}
	}
	if _, err := Spec().New("text", env); !problem.Is(err, problem.Internal) {
		t.Errorf("a configuration of another type: %v", err)
	}
}

func FuzzPolicy(f *testing.F) {
	for _, list := range kubetest.Objects(f, objectsFile) {
		for _, raw := range list {
			f.Add([]byte(raw))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := &reader{cfg: testConfig()}
		l := testLook()
		for _, res := range r.resources() {
			o, err := kube.ParseObject(raw, now, res.Remove...)
			if err != nil {
				return
			}
			o.APIVersion, o.Kind = strings.TrimPrefix(res.Group+"/"+res.Versions[0], "/"), res.Kind
			ds, err := res.Drafts(t.Context(), o, l)
			for _, d := range ds {
				if err := d.Check(); err != nil {
					t.Error(err)
				}
			}
			if err == nil && len(ds) != 1 && res.Resource != "namespaces" {
				t.Errorf("%d drafts", len(ds))
			}
		}
		if _, err := r.settle(t.Context(), l); err != nil {
			t.Error(err)
		}
	})
}
