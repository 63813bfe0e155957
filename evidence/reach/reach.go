// Package reach answers who could reach a Kubernetes Secret, from the roles
// and role bindings in force: not only who may get it, but every right that
// gives its content away by another road.
//
// It follows the authorizer that Kubernetes calls RBAC
// (https://kubernetes.io/docs/reference/access-authn-authz/rbac/):
//
//   - a RoleBinding opens its own namespace, with a Role of that namespace or
//     a ClusterRole; a ClusterRoleBinding opens every namespace and what
//     stands outside namespaces, with a ClusterRole;
//   - a binding whose role is not among the records opens nothing;
//   - "*" stands for every verb, group or resource, "*/exec" for the
//     subresource of every resource; "pods/*" stands for nothing;
//   - resourceNames limit requests that name an object. A create and a
//     deletecollection name none, so such a rule opens them to nobody; a list
//     or watch is open for a name it selects;
//   - the rules of an aggregated ClusterRole are those the cluster filled in.
//
// What it cannot see: other authorizers (node, webhook), members of groups,
// and the group system:masters, which passes every check without a binding.
// It does not follow chains: who may take the token of an account is told, not
// what that account may do elsewhere.
package reach

import (
	"slices"
	"strings"

	"evidenced/evidence"
)

// Way is a road to the content of a Secret.
type Way string

// The ways, the most direct first.
const (
	Read        Way = "read"        // get, list or watch secrets
	Answer      Way = "answer"      // patch, delete or deletecollection secrets: the answer holds the content
	Exec        Way = "exec"        // run a command in a pod that may have it
	Pod         Way = "pod"         // make or change what pods run: any Secret of the namespace can be mounted
	Token       Way = "token"       // take a token of a service account of the namespace
	Impersonate Way = "impersonate" // act as somebody else
	Escalate    Way = "escalate"    // give oneself any right: escalate or bind on roles
	Node        Way = "node"        // speak to the kubelet: every pod of a node
	Untold      Way = "unknown"     // the record of the role or binding was cut: there may be more
)

var order = []Way{Read, Answer, Exec, Pod, Token, Impersonate, Escalate, Node, Untold}

// Grant says that a subject could reach a Secret on a way.
type Grant struct {
	// Subject as the binding writes it. A User is a person of the binding's
	// record: its Person counts there. The zero Kind stands for subjects that
	// the record left out.
	Subject evidence.RBACSubject
	Way     Way
	Verbs   []string // that open it, as the rules write them, sorted
	// Names limits the grant to objects of these names: Secrets for Read and
	// Answer, pods for Exec, accounts for Token; for Impersonate whom, or what
	// may be done so. Empty: every name.
	Names   []string
	Through string // "RoleBinding tenant-7/sre of ClusterRole debug"
	Binding int    // index of the binding in the rules given
	Role    int    // index of the role
}

// Everybody reports whether the subject is a group that takes in whoever
// reaches the API server, or every service account.
func (g Grant) Everybody() bool {
	switch g.Subject.Name {
	case "system:authenticated", "system:unauthenticated", "system:serviceaccounts":
		return g.Subject.Kind == "Group"
	}
	return false
}

// ask is one right that opens a way.
type ask struct {
	way      Way
	verbs    []string
	group    string
	resource string // with its subresource
	cluster  bool   // stands outside namespaces: only a ClusterRoleBinding opens it
	unnamed  bool   // the request names no object, so resourceNames open it to nobody
	secret   bool   // resourceNames are names of Secrets
	spelled  bool   // "*" is not counted: it opens a more direct way
}

const rbacGroup = "rbac.authorization.k8s.io"

// asks lists every right that opens a way to Secrets of a namespace.
var asks = slices.Concat(direct, constrained())

// constrained lists the rights to do in another's name what opens a way: the verbs of
// constrained impersonation, which is on since Kubernetes 1.36
// (https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/). Such a
// right opens nothing without a second one, to be somebody (impersonate:user-info, ...),
// and that one opens nothing by itself: it says not what for. So this one counts; the
// other, which most often another binding gives, is taken for granted.
func constrained() (out []ask) {
	for _, a := range direct {
		if a.way == Impersonate {
			continue // that somebody else impersonates is a chain
		}
		as := a
		as.way, as.verbs, as.spelled = Impersonate, nil, true
		for _, mode := range []string{"user-info", "serviceaccount", "arbitrary-node", "associated-node"} {
			for _, v := range a.verbs {
				as.verbs = append(as.verbs, "impersonate-on:"+mode+":"+v)
			}
		}
		out = append(out, as)
	}
	return out
}

// direct lists the rights that one has in one's own name.
var direct = []ask{
	{way: Read, verbs: []string{"get", "list", "watch"}, resource: "secrets", secret: true},
	// A delete that asks for propagation in the foreground is answered with the
	// object itself.
	{way: Answer, verbs: []string{"patch", "delete"}, resource: "secrets", secret: true},
	{way: Answer, verbs: []string{"deletecollection"}, resource: "secrets", unnamed: true},
	{way: Exec, verbs: []string{"create", "get"}, resource: "pods/exec"},
	{way: Exec, verbs: []string{"create", "get"}, resource: "pods/attach"},
	{way: Exec, verbs: []string{"update", "patch"}, resource: "pods/ephemeralcontainers"},
	{way: Pod, verbs: []string{"create"}, resource: "pods", unnamed: true},
	{way: Pod, verbs: []string{"update", "patch"}, resource: "pods"},
	{way: Pod, verbs: []string{"create"}, resource: "replicationcontrollers", unnamed: true},
	{way: Pod, verbs: []string{"update", "patch"}, resource: "replicationcontrollers"},
	{way: Pod, verbs: []string{"create"}, group: "apps", resource: "deployments", unnamed: true},
	{way: Pod, verbs: []string{"update", "patch"}, group: "apps", resource: "deployments"},
	{way: Pod, verbs: []string{"create"}, group: "apps", resource: "statefulsets", unnamed: true},
	{way: Pod, verbs: []string{"update", "patch"}, group: "apps", resource: "statefulsets"},
	{way: Pod, verbs: []string{"create"}, group: "apps", resource: "daemonsets", unnamed: true},
	{way: Pod, verbs: []string{"update", "patch"}, group: "apps", resource: "daemonsets"},
	{way: Pod, verbs: []string{"create"}, group: "apps", resource: "replicasets", unnamed: true},
	{way: Pod, verbs: []string{"update", "patch"}, group: "apps", resource: "replicasets"},
	{way: Pod, verbs: []string{"create"}, group: "batch", resource: "jobs", unnamed: true},
	{way: Pod, verbs: []string{"create"}, group: "batch", resource: "cronjobs", unnamed: true},
	{way: Pod, verbs: []string{"update", "patch"}, group: "batch", resource: "cronjobs"},
	{way: Token, verbs: []string{"create"}, resource: "serviceaccounts/token"},
	{way: Impersonate, verbs: []string{"impersonate"}, resource: "serviceaccounts"},
	{way: Impersonate, verbs: []string{"impersonate"}, resource: "users", cluster: true},
	{way: Impersonate, verbs: []string{"impersonate"}, resource: "groups", cluster: true},
	{way: Escalate, verbs: []string{"escalate", "bind"}, group: rbacGroup, resource: "roles"},
	{way: Escalate, verbs: []string{"bind"}, group: rbacGroup, resource: "clusterroles"},
	{way: Escalate, verbs: []string{"escalate"}, group: rbacGroup, resource: "clusterroles", cluster: true},
	{way: Node, verbs: []string{"create", "get"}, resource: "nodes/proxy", cluster: true},
}

// Secrets returns who could reach the Secret of the namespace, one grant for
// each binding, subject and way, in the order of the bindings. An empty secret
// asks for any Secret of the namespace. rules are the facts of all roles and
// bindings in force at the instant that is asked about, of one cluster, in any
// order; those of other namespaces do no harm.
func Secrets(rules []evidence.RBACFacts, namespace, secret string) []Grant {
	roles := map[[3]string]int{}
	for i, r := range rules {
		if r.Kind == "Role" || r.Kind == "ClusterRole" {
			roles[[3]string{r.Kind, r.Namespace, r.Name}] = i
		}
	}
	var grants []Grant
	for i, b := range rules {
		cluster := b.Kind == "ClusterRoleBinding"
		if !cluster && (b.Kind != "RoleBinding" || b.Namespace != namespace) {
			continue
		}
		key := [3]string{b.RoleKind, "", b.RoleName}
		if b.RoleKind == "Role" {
			if cluster {
				continue // the API server refuses such a binding
			}
			key[1] = namespace
		}
		role, ok := roles[key]
		if !ok {
			continue
		}
		through := name(b.Kind, b.Namespace, b.Name) + " of " + name(b.RoleKind, key[1], b.RoleName)
		subjects := b.Subjects
		if b.SubjectsCut > 0 {
			subjects = append(slices.Clip(subjects), evidence.RBACSubject{Person: -1})
		}
		for _, g := range opened(rules[role], cluster, secret) {
			for _, s := range subjects {
				g.Subject, g.Through, g.Binding, g.Role = s, through, i, role
				grants = append(grants, g)
			}
		}
	}
	return grants
}

func name(kind, namespace, name string) string {
	if namespace != "" {
		name = namespace + "/" + name
	}
	return kind + " " + name
}

// opened returns the ways a role opens, without subjects.
func opened(role evidence.RBACFacts, cluster bool, secret string) []Grant {
	found := map[Way]*Grant{}
	free := map[Way]bool{} // some rule opens it whatever the name
	for _, r := range role.Rules {
		for _, a := range asks {
			if a.cluster && !cluster {
				continue
			}
			verbs, names, ok := a.by(r, secret)
			if !ok {
				continue
			}
			g := found[a.way]
			if g == nil {
				g = &Grant{Way: a.way}
				found[a.way] = g
			}
			g.Verbs = append(g.Verbs, verbs...)
			g.Names = append(g.Names, names...)
			free[a.way] = free[a.way] || len(names) == 0
		}
	}
	if role.RulesCut > 0 {
		found[Untold] = &Grant{Way: Untold}
	}
	var gs []Grant
	for _, w := range order {
		g := found[w]
		if g == nil {
			continue
		}
		if free[w] {
			g.Names = nil
		}
		slices.Sort(g.Verbs)
		slices.Sort(g.Names)
		g.Verbs, g.Names = slices.Compact(g.Verbs), slices.Compact(g.Names)
		gs = append(gs, *g)
	}
	return gs
}

// by reports whether a rule gives what is asked: the verbs of it as the rule
// writes them, and the names it is limited to.
func (a ask) by(r evidence.RBACRule, secret string) (verbs, names []string, ok bool) {
	if !slices.Contains(r.Groups, "*") && !slices.Contains(r.Groups, a.group) || !a.resourceIn(r.Resources) {
		return nil, nil, false
	}
	for _, v := range r.Verbs {
		if v == "*" && !a.spelled || slices.Contains(a.verbs, v) {
			verbs = append(verbs, v)
		}
	}
	switch {
	case len(verbs) == 0, len(r.Names) > 0 && a.unnamed:
		return nil, nil, false
	case len(r.Names) > 0 && a.secret && secret != "":
		if !slices.Contains(r.Names, secret) {
			return nil, nil, false
		}
		return verbs, nil, true
	}
	return verbs, r.Names, true
}

func (a ask) resourceIn(resources []string) bool {
	_, sub, has := strings.Cut(a.resource, "/")
	for _, r := range resources {
		if r == "*" || r == a.resource || has && r == "*/"+sub {
			return true
		}
	}
	return false
}
