package reach_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"evidenced/evidence"
	"evidenced/evidence/reach"
)

func role(kind, ns, name string, rules ...evidence.RBACRule) evidence.RBACFacts {
	return evidence.RBACFacts{Kind: kind, Namespace: ns, Name: name, Rules: rules}
}

func binding(kind, ns, name, roleKind, roleName string, subjects ...evidence.RBACSubject) evidence.RBACFacts {
	return evidence.RBACFacts{Kind: kind, Namespace: ns, Name: name, RoleKind: roleKind, RoleName: roleName, Subjects: subjects}
}

// rule reads "verbs groups resources names", commas inside; "core" is the
// group without a name.
func rule(text string) evidence.RBACRule {
	f := strings.Fields(text)
	list := func(i int) []string {
		if i >= len(f) {
			return nil
		}
		l := strings.Split(f[i], ",")
		for i := range l {
			if l[i] == "core" {
				l[i] = ""
			}
		}
		return l
	}
	return evidence.RBACRule{Verbs: list(0), Groups: list(1), Resources: list(2), Names: list(3)}
}

var (
	group = evidence.RBACSubject{Kind: "Group", Name: "oidc:sre", Person: -1}
	user  = evidence.RBACSubject{Kind: "User", Person: 0}
	robot = evidence.RBACSubject{Kind: "ServiceAccount", Namespace: "ops", Name: "sync", Person: -1}
)

func text(gs []reach.Grant) []string {
	var out []string
	for _, g := range gs {
		s := fmt.Sprintf("%s %s", g.Way, strings.Join(g.Verbs, ","))
		if len(g.Names) > 0 {
			s += " [" + strings.Join(g.Names, ",") + "]"
		}
		out = append(out, strings.TrimSpace(s))
	}
	return out
}

// What one rule opens when a RoleBinding or a ClusterRoleBinding gives it.
func TestRule(t *testing.T) {
	for _, c := range []struct {
		rule, secret string
		inside       []string // RoleBinding of the namespace
		everywhere   []string // ClusterRoleBinding; nil: as inside
	}{
		{"get core secrets", "db", []string{"read get"}, nil},
		{"get,list,watch core secrets", "db", []string{"read get,list,watch"}, nil},
		{"get apps secrets", "db", nil, nil},
		{"get * secrets", "db", []string{"read get"}, nil},
		{"get core *", "db", []string{"exec get", "read get"}, []string{"exec get", "node get", "read get"}},
		{"create core secrets", "db", nil, nil},
		{"update core secrets", "db", nil, nil},
		{"delete core secrets", "db", []string{"answer delete"}, nil},
		{"delete core secrets other", "db", nil, nil},
		{"patch core secrets", "db", []string{"answer patch"}, nil},
		{"deletecollection core secrets", "db", []string{"answer deletecollection"}, nil},
		{"deletecollection core secrets db", "db", nil, nil},
		{"get core secrets db", "db", []string{"read get"}, nil},
		{"get core secrets other", "db", nil, nil},
		{"list core secrets db", "db", []string{"read list"}, nil},
		{"get core secrets other,db", "", []string{"read get [db,other]"}, nil},
		{"get core configmaps", "db", nil, nil},
		{"get core pods/log", "db", nil, nil},
		{"get,list,watch core pods", "db", nil, nil},
		{"create core pods/exec", "db", []string{"exec create"}, nil},
		{"get core pods/exec", "db", []string{"exec get"}, nil},
		{"create core pods/exec web-0", "db", []string{"exec create [web-0]"}, nil},
		{"create core pods/attach", "db", []string{"exec create"}, nil},
		{"create core pods/portforward", "db", nil, nil},
		{"create core */exec", "db", []string{"exec create"}, nil},
		{"create core pods/*", "db", nil, nil},
		{"patch core pods/ephemeralcontainers", "db", []string{"exec patch"}, nil},
		{"create core pods", "db", []string{"pod create"}, nil},
		{"create core pods web-0", "db", nil, nil},
		{"patch core pods web-0", "db", []string{"pod patch [web-0]"}, nil},
		{"create apps deployments", "db", []string{"pod create"}, nil},
		{"create core deployments", "db", nil, nil},
		{"update apps statefulsets", "db", []string{"pod update"}, nil},
		{"update apps statefulsets/scale", "db", nil, nil},
		{"create batch jobs", "db", []string{"pod create"}, nil},
		{"update batch jobs", "db", nil, nil},
		{"patch batch cronjobs", "db", []string{"pod patch"}, nil},
		{"create core serviceaccounts/token", "db", []string{"token create"}, nil},
		{"create core serviceaccounts/token web", "db", []string{"token create [web]"}, nil},
		{"create core serviceaccounts", "db", nil, nil},
		{"impersonate core serviceaccounts", "db", []string{"impersonate impersonate"}, nil},
		{"impersonate core users", "db", nil, []string{"impersonate impersonate"}},
		{"impersonate core groups", "db", nil, []string{"impersonate impersonate"}},
		{"impersonate-on:user-info:get core secrets", "db", []string{"impersonate impersonate-on:user-info:get"}, nil},
		{"impersonate-on:serviceaccount:get core secrets other", "db", nil, nil},
		{"impersonate-on:serviceaccount:get core secrets other", "", []string{"impersonate impersonate-on:serviceaccount:get [other]"}, nil},
		{"impersonate-on:associated-node:create core pods/exec", "db", []string{"impersonate impersonate-on:associated-node:create"}, nil},
		{"impersonate-on:arbitrary-node:get core nodes/proxy", "db", nil, []string{"impersonate impersonate-on:arbitrary-node:get"}},
		{"impersonate-on:user-info:list core pods", "db", nil, nil},
		{"impersonate-on:user-info:update core secrets", "db", nil, nil},
		{"impersonate-on:user-info:impersonate core users", "db", nil, nil},
		{"impersonate-on:nobody:get core secrets", "db", nil, nil},
		{"impersonate:user-info authentication.k8s.io users", "db", nil, nil},
		{"impersonate:serviceaccount authentication.k8s.io serviceaccounts", "db", nil, nil},
		{"* core secrets", "db", []string{"answer *", "read *"}, nil},
		{"bind rbac.authorization.k8s.io clusterroles", "db", []string{"escalate bind"}, nil},
		{"bind rbac.authorization.k8s.io clusterroles view", "db", []string{"escalate bind [view]"}, nil},
		{"escalate rbac.authorization.k8s.io clusterroles", "db", nil, []string{"escalate escalate"}},
		{"escalate rbac.authorization.k8s.io roles", "db", []string{"escalate escalate"}, nil},
		{"create rbac.authorization.k8s.io rolebindings", "db", nil, nil},
		{"get core nodes/proxy", "db", nil, []string{"node get"}},
		{"* * *", "db",
			[]string{"answer *", "escalate *", "exec *", "impersonate *", "pod *", "read *", "token *"},
			[]string{"answer *", "escalate *", "exec *", "impersonate *", "node *", "pod *", "read *", "token *"}},
	} {
		if c.everywhere == nil {
			c.everywhere = c.inside
		}
		r := rule(c.rule)
		for _, x := range []struct {
			b    evidence.RBACFacts
			want []string
		}{
			{binding("RoleBinding", "tenant-7", "b", "ClusterRole", "r", group), c.inside},
			{binding("ClusterRoleBinding", "", "b", "ClusterRole", "r", group), c.everywhere},
		} {
			got := text(reach.Secrets([]evidence.RBACFacts{x.b, role("ClusterRole", "", "r", r)}, "tenant-7", c.secret))
			slices.Sort(got)
			if !slices.Equal(got, x.want) {
				t.Errorf("%q through a %s, secret %q: got %q, want %q", c.rule, x.b.Kind, c.secret, got, x.want)
			}
		}
	}
}

// Which bindings count, and what they are called.
func TestBindings(t *testing.T) {
	read := rule("get core secrets")
	base := []evidence.RBACFacts{
		role("Role", "tenant-7", "reader", read),
		role("Role", "tenant-8", "other", read),
		role("ClusterRole", "", "reader", read),
		role("ClusterRole", "", "none"),
	}
	for _, c := range []struct {
		name string
		b    evidence.RBACFacts
		want string
	}{
		{"role", binding("RoleBinding", "tenant-7", "b", "Role", "reader", user), "RoleBinding tenant-7/b of Role tenant-7/reader"},
		{"cluster role in a namespace", binding("RoleBinding", "tenant-7", "b", "ClusterRole", "reader", robot), "RoleBinding tenant-7/b of ClusterRole reader"},
		{"cluster wide", binding("ClusterRoleBinding", "", "b", "ClusterRole", "reader", group), "ClusterRoleBinding b of ClusterRole reader"},
		{"another namespace", binding("RoleBinding", "tenant-8", "b", "ClusterRole", "reader", group), ""},
		{"role of another namespace", binding("RoleBinding", "tenant-7", "b", "Role", "other", group), ""},
		{"missing role", binding("RoleBinding", "tenant-7", "b", "ClusterRole", "gone", group), ""},
		{"empty role", binding("RoleBinding", "tenant-7", "b", "ClusterRole", "none", group), ""},
		{"cluster binding to a role", binding("ClusterRoleBinding", "", "b", "Role", "reader", group), ""},
		{"nobody", binding("RoleBinding", "tenant-7", "b", "ClusterRole", "reader"), ""},
	} {
		rules := append(slices.Clone(base), c.b)
		gs := reach.Secrets(rules, "tenant-7", "db")
		if c.want == "" {
			if len(gs) > 0 {
				t.Errorf("%s: got %+v, want nothing", c.name, gs)
			}
			continue
		}
		if len(gs) != 1 || gs[0].Through != c.want || gs[0].Subject != c.b.Subjects[0] || gs[0].Binding != len(base) {
			t.Errorf("%s: got %+v, want one grant through %q", c.name, gs, c.want)
		} else if r := rules[gs[0].Role]; r.Kind != c.b.RoleKind || r.Name != c.b.RoleName {
			t.Errorf("%s: role index %d is %s %s", c.name, gs[0].Role, r.Kind, r.Name)
		}
	}
}

// Several rules make one grant for each way; a rule for every name lifts the
// limit of another.
func TestMerge(t *testing.T) {
	rules := []evidence.RBACFacts{
		role("ClusterRole", "", "r", rule("get core secrets a"), rule("list core secrets b"), rule("create core pods/exec x"), rule("get core pods/exec")),
		binding("RoleBinding", "tenant-7", "b", "ClusterRole", "r", group, user),
	}
	gs := reach.Secrets(rules, "tenant-7", "")
	want := []string{"read get,list [a,b]", "read get,list [a,b]", "exec create,get", "exec create,get"}
	if got := text(gs); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A record that was cut may hide grants: that is said.
func TestCut(t *testing.T) {
	r := role("ClusterRole", "", "r", rule("get core secrets"))
	r.RulesCut = 3
	b := binding("RoleBinding", "tenant-7", "b", "ClusterRole", "r", group)
	b.SubjectsCut = 2
	var got []string
	for _, g := range reach.Secrets([]evidence.RBACFacts{r, b}, "tenant-7", "db") {
		got = append(got, fmt.Sprintf("%s %q", g.Way, g.Subject.Kind))
	}
	if want := []string{`read "Group"`, `read ""`, `unknown "Group"`, `unknown ""`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(b.Subjects) != 1 {
		t.Error("the rules given were changed")
	}
}

func TestEverybody(t *testing.T) {
	for name, want := range map[string]bool{"system:authenticated": true, "system:unauthenticated": true, "system:serviceaccounts": true,
		"system:serviceaccounts:tenant-7": false, "oidc:sre": false} {
		g := reach.Grant{Subject: evidence.RBACSubject{Kind: "Group", Name: name, Person: -1}}
		if g.Everybody() != want {
			t.Errorf("%s: got %v, want %v", name, !want, want)
		}
	}
}

func BenchmarkSecrets(b *testing.B) {
	var rules []evidence.RBACFacts
	for i := range 1000 {
		n := fmt.Sprint("r", i)
		rules = append(rules, role("ClusterRole", "", n, rule("get,list core pods,services"), rule("* apps *")),
			binding("RoleBinding", fmt.Sprint("tenant-", i%100), n, "ClusterRole", n, group))
	}
	for b.Loop() {
		if len(reach.Secrets(rules, "tenant-7", "db")) == 0 {
			b.Fatal("nothing found")
		}
	}
}
