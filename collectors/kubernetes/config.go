package kubernetes

import (
	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// Config is the part of a source's configuration that this collector reads,
// beside what every Kubernetes collector reads.
type Config struct {
	kube.Config `yaml:",inline"`
	// ClusterScoped reads nodes, cluster roles and cluster role bindings. Off:
	// for a credential that may see single namespaces only.
	ClusterScoped bool `yaml:"cluster_scoped" loosens:"off: nodes, cluster roles and their bindings are not read"`
	// ReplicaSets reads replica sets too: which pod template a Deployment had
	// when. A cluster keeps ten of each Deployment.
	ReplicaSets bool `yaml:"replica_sets" loosens:"off: pod templates of the past are not read"`
	// ArgoNamespace is the namespace of Argo CD's applications when a tracking
	// annotation names none.
	ArgoNamespace string `yaml:"argocd_namespace" loosens:"change: objects are joined to other applications"`
	// ArgoLabel is the label by which Argo CD tracks objects, when it does so
	// by label and not by annotation. Others use the same label, so there is no
	// default.
	ArgoLabel string `yaml:"argocd_label" loosens:"change: objects are joined to other applications"`
}

// agent names this collector and its version in drafts.
const agent = "kubernetes/1"

// Spec describes the collector to the configuration.
func Spec() collectors.Spec {
	return collectors.Spec{
		Type: "kubernetes",
		Says: "Kubernetes: namespaces, workloads, pods and the digests they run, nodes, roles and bindings",
		Config: func() any {
			return &Config{Config: kube.DefaultConfig(), ClusterScoped: true, ReplicaSets: true, ArgoNamespace: "argocd"}
		},
		New: func(config any, env collectors.Env) (collectors.Collector, error) {
			c, ok := config.(*Config)
			if !ok {
				return nil, problem.New(problem.Internal, "kubernetes: configuration of type %T", config)
			}
			return New(*c, env)
		},
		Every: "@every 5m",
	}
}

// New checks the configuration and makes the collector. The network is not
// touched. Errors are problem.Config.
func New(cfg Config, env collectors.Env, opts ...kube.Option) (collectors.Collector, error) {
	return kube.New(cfg.Config, env, agent, cfg.resources(), opts...)
}

// resources lists what is read, roles before the bindings that name them.
func (c Config) resources() []kube.Resource {
	m := maker{argoNamespace: c.ArgoNamespace, argoLabel: c.ArgoLabel}
	rs := []kube.Resource{
		{Resource: "namespaces", Kind: "Namespace", Versions: v1, Cluster: true, Kinds: kinds(evidence.RuntimeNamespace),
			Remove: []string{annotations}, Drafts: one(m.namespace)},
		m.workload("apps", "deployments", "Deployment"),
		m.workload("apps", "statefulsets", "StatefulSet"),
		m.workload("apps", "daemonsets", "DaemonSet"),
		m.workload("batch", "jobs", "Job"),
		m.workload("batch", "cronjobs", "CronJob"),
	}
	if c.ReplicaSets {
		rs = append(rs, m.workload("apps", "replicasets", "ReplicaSet"))
	}
	rs = append(rs,
		kube.Resource{Resource: "pods", Kind: "Pod", Versions: v1, Kinds: kinds(evidence.RuntimePod),
			Remove: append(podSpecSecrets("/spec"), lastWords...), Drafts: one(m.pod)},
		m.rbac("roles", "Role", false),
		m.rbac("rolebindings", "RoleBinding", false),
	)
	if c.ClusterScoped {
		rs = append(rs,
			m.rbac("clusterroles", "ClusterRole", true),
			m.rbac("clusterrolebindings", "ClusterRoleBinding", true),
			kube.Resource{Resource: "nodes", Kind: "Node", Versions: v1, Cluster: true, Kinds: kinds(evidence.RuntimeNode),
				Remove: []string{annotations, "/status/images", "/status/volumesAttached", "/status/volumesInUse"}, Drafts: one(m.node)},
		)
	}
	return rs
}
