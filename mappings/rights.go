package mappings

import (
	"context"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
	"evidenced/evidence/reach"
)

// operatorNamespaces is where the operators of a platform usually run. Whoever
// runs them elsewhere writes a test of his own.
var operatorNamespaces = []string{"argocd", "cert-manager", "external-secrets", "flux-system", "kube-system", "velero"}

const operatorsDoc = "argocd, cert-manager, external-secrets, flux-system, kube-system or velero"

func isOperator(sub evidence.RBACSubject) bool {
	namespace := sub.Namespace
	if sub.Kind == "Group" {
		namespace, _ = strings.CutPrefix(sub.Name, accountsOf)
	}
	return sub.Kind != "User" && slices.Contains(operatorNamespaces, namespace) && (sub.Kind != "Group" || namespace != sub.Name)
}

// accountsOf begins the name of the group of all service accounts of a namespace.
const accountsOf = "system:serviceaccounts:"

// rbacForms are the roles and bindings of the period, each form with the time
// it was in force.
type rbacForms struct {
	bindings []*stretch[evidence.RBACFacts]
	roles    map[roleKey][]*stretch[evidence.RBACFacts]
	cluster  map[string]bool // clusters whose cluster roles were read
	parties  map[uint64][]evidence.Party
}

// part reports whether a user of a binding is a part of Kubernetes: those have
// names of their own, system:..., and are marked as machines.
func (x *rbacForms) part(ctx context.Context, s *scene, seq uint64, sub evidence.RBACSubject) (bool, error) {
	people, ok := x.parties[seq]
	if !ok {
		r, err := s.reader.Record(ctx, seq)
		if err != nil {
			return false, err
		}
		people = r.People
		x.parties[seq] = people
	}
	return sub.Person >= 0 && sub.Person < len(people) && s.people.bot(ctx, people[sub.Person]) == yes, nil
}

type roleKey struct{ cluster, kind, namespace, name string }

func (s *scene) rbac(ctx context.Context) (*rbacForms, error) {
	flat, err := stretches[evidence.RBACFacts](ctx, s, evidence.AccessRBAC)
	if err != nil {
		return nil, err
	}
	x := &rbacForms{roles: map[roleKey][]*stretch[evidence.RBACFacts]{}, cluster: map[string]bool{}, parties: map[uint64][]evidence.Party{}}
	for i := range flat {
		st := &flat[i]
		f := &st.facts
		switch f.Kind {
		case "RoleBinding", "ClusterRoleBinding":
			x.bindings = append(x.bindings, st)
		default:
			k := roleKey{f.Cluster, f.Kind, f.Namespace, f.Name}
			x.roles[k] = append(x.roles[k], st)
			x.cluster[f.Cluster] = x.cluster[f.Cluster] || f.Kind == "ClusterRole"
		}
	}
	return x, nil
}

// of returns the forms of a binding's role that were in force while it was.
// known is false when the role may be there and unseen: roles of the cluster
// are read or not as a whole. A role that is not there opens nothing.
func (x *rbacForms) of(b *stretch[evidence.RBACFacts], p evidence.Period) (forms []*stretch[evidence.RBACFacts], known bool) {
	f := &b.facts
	k := roleKey{cluster: f.Cluster, kind: f.RoleKind, name: f.RoleName}
	if f.RoleKind == "Role" {
		k.namespace = f.Namespace
	}
	bound := evidence.Period{From: b.from, To: b.end(p)}
	for _, r := range x.roles[k] {
		if (evidence.Period{From: r.from, To: r.end(p)}).Overlaps(bound) {
			forms = append(forms, r)
		}
	}
	return forms, len(forms) > 0 || f.RoleKind == "Role" || x.cluster[f.Cluster]
}

var bindingsView = &view{
	View: View{
		Name: "role_bindings",
		Doc: "Bindings of roles in clusters: one item for each form of a binding that was in force in the period, with what its role opened meanwhile. " +
			"Those of the cluster stand in the log of every tenant that owns a namespace.",
		Kinds: []evidence.Kind{evidence.AccessRBAC},
		Fields: []Field{
			atEnd,
			{Name: "name", Type: "string", Doc: "name of the binding, namespace/name or name"},
			{Name: "cluster_wide", Type: "bool", Doc: "it opens every namespace"},
			{Name: "role", Type: "string", Doc: "kind and name of the role"},
			{Name: "builtin", Type: "bool", Doc: "Kubernetes' own: a binding system:... of a role system:..., or cluster-admin to the group system:masters, whose holders are all parts of Kubernetes"},
			{Name: "everything", Type: "bool", Optional: true, Doc: "its role gives every verb, by * or one by one, on every resource of the core group or of all groups, or is cluster-admin"},
			{Name: "operators", Type: "bool", Doc: "somebody holds it, and all who do are service accounts of the namespaces " + operatorsDoc},
			{Name: "held", Type: "bool", Doc: "somebody holds it"},
			{Name: "everybody", Type: "bool", Doc: "a group that takes in all users or all service accounts holds it"},
			{Name: "groups", Type: "list(string)", Doc: "groups that hold it"},
			{Name: "accounts", Type: "list(string)", Doc: "service accounts that hold it, namespace/name"},
			{Name: "users", Type: "int", Doc: "users who hold it, those that are parts of Kubernetes left out"},
		},
	},
	build: buildBindings,
}

func buildBindings(ctx context.Context, s *scene, yield func(*item) error) error {
	x, err := s.rbac(ctx)
	if err != nil {
		return err
	}
	var its []*item
	for _, b := range x.bindings {
		it, err := s.bindingItem(ctx, x, b)
		if err != nil {
			return err
		}
		its = append(its, it)
	}
	return yieldSorted(its, yield)
}

func (s *scene) bindingItem(ctx context.Context, x *rbacForms, b *stretch[evidence.RBACFacts]) (*item, error) {
	f := &b.facts
	name := f.Name
	if f.Namespace != "" {
		name = f.Namespace + "/" + f.Name
	}
	it := stateItem(b, evidence.AccessRBAC, f.Kind+" "+name)
	it.set("name", name).set("cluster_wide", f.Kind == "ClusterRoleBinding").set("role", f.RoleKind+"/"+f.RoleName)
	parts, err := s.bindingParts(ctx, x, b)
	if err != nil {
		return nil, err
	}
	own := strings.HasPrefix(f.Name, "system:") && strings.HasPrefix(f.RoleName, "system:") ||
		f.RoleName == "cluster-admin" && len(parts.groups) == 1 && len(f.Subjects) == 1 && parts.groups[0] == "system:masters"
	it.set("builtin", own && parts.foreign == 0 && f.SubjectsCut == 0)
	it.set("groups", parts.groups).set("accounts", parts.accounts).set("users", parts.users)
	it.set("operators", len(f.Subjects) > 0 && f.SubjectsCut == 0 && !slices.ContainsFunc(f.Subjects, func(sub evidence.RBACSubject) bool { return !isOperator(sub) }))
	it.set("held", len(f.Subjects)+f.SubjectsCut > 0).set("everybody", parts.everybody)
	if parts.everybody {
		it.why["everybody"] = "everybody who reaches the cluster holds it"
	}
	forms, known := x.of(b, s.period)
	answer := no
	if !known {
		answer = unknown
	}
	for _, r := range forms {
		switch everything(&r.facts) {
		case yes:
			answer = yes
			it.also(r.seq)
		case unknown:
			if answer == no {
				answer = unknown
			}
		}
	}
	if f.RoleKind == "ClusterRole" && f.RoleName == "cluster-admin" {
		answer = yes // whatever its record says, this role is reconciled to everything
	}
	switch answer {
	case unknown:
		it.lacks("everything", "the role was not seen whole")
	default:
		it.set("everything", answer == yes)
	}
	if answer == yes {
		it.why["everything"] = "the role " + f.RoleName + " gives every right"
	}
	return it, nil
}

// holdersOf is who holds a binding.
type holdersOf struct {
	groups, accounts []string
	users            int  // persons and machines that are no parts of Kubernetes
	foreign          int  // holders that are no parts of Kubernetes
	everybody        bool // a group that takes in all
}

func (s *scene) bindingParts(ctx context.Context, x *rbacForms, b *stretch[evidence.RBACFacts]) (holdersOf, error) {
	h := holdersOf{groups: []string{}, accounts: []string{}}
	for _, sub := range b.facts.Subjects {
		switch sub.Kind {
		case "Group":
			h.groups = append(h.groups, sub.Name)
			h.everybody = h.everybody || everybody(sub)
			if !strings.HasPrefix(sub.Name, "system:") || everybody(sub) && !strings.HasPrefix(b.facts.RoleName, "system:") {
				h.foreign++
			}
		case "ServiceAccount":
			h.accounts = append(h.accounts, sub.Namespace+"/"+sub.Name)
			if sub.Namespace != "kube-system" {
				h.foreign++
			}
		default:
			part, err := x.part(ctx, s, b.seq, sub)
			if err != nil {
				return h, err
			}
			if part {
				continue
			}
			h.users++
			h.foreign++
		}
	}
	return h, nil
}

func everybody(sub evidence.RBACSubject) bool { return reach.Grant{Subject: sub}.Everybody() }

// objectVerbs are those by which everything about objects can be done.
var objectVerbs = []string{"get", "list", "watch", "create", "update", "patch", "delete"}

// everything reports whether a role gives every verb on every resource of the
// core group, where Secrets are, or of all groups.
//
// Whoever names the verbs one by one, in one rule or several, gives them all the same.
func everything(f *evidence.RBACFacts) tri {
	given := map[string]bool{}
	for _, r := range f.Rules {
		if slices.Contains(r.Resources, "*") && len(r.Names) == 0 && (slices.Contains(r.Groups, "*") || slices.Contains(r.Groups, "")) {
			for _, v := range r.Verbs {
				given[v] = true
			}
		}
	}
	if given["*"] || !slices.ContainsFunc(objectVerbs, func(v string) bool { return !given[v] }) {
		return yes
	}
	if f.RulesCut > 0 {
		return unknown
	}
	return no
}

var readersView = &view{
	View: View{
		Name: "secret_readers",
		Doc: "Who could reach the Kubernetes Secrets of the tenant's namespaces: one item for each holder of each binding that opened a way in the period. " +
			"Parts of Kubernetes itself are left out, and so are rights that no binding gives.",
		Kinds: []evidence.Kind{evidence.AccessRBAC, evidence.RuntimeNamespace},
		Fields: []Field{
			{Name: "namespace", Type: "string", Doc: "namespace of the Secrets; empty for all of the cluster"},
			{Name: "binding", Type: "string", Doc: "binding and role that open the way"},
			{Name: "cluster_wide", Type: "bool", Doc: "the binding opens every namespace"},
			{Name: "holder", Type: "string", Doc: "User, Group or ServiceAccount; empty where the record was cut"},
			{Name: "account_namespace", Type: "string", Doc: "namespace of the service account; empty for others"},
			{Name: "own", Type: "bool", Doc: "a service account of one of the tenant's namespaces in the same cluster"},
			{Name: "operator", Type: "bool", Doc: "a service account of the namespaces " + operatorsDoc},
			{Name: "everybody", Type: "bool", Doc: "a group that takes in all users or all service accounts"},
			{Name: "ways", Type: "list(string)", Doc: "ways it opens: read, answer, exec, pod, token, impersonate, escalate, node"},
			{Name: "reads", Type: "bool", Optional: true, Doc: "it opens the content itself: read, or an answer that holds it; missing where the role was not seen whole"},
		},
	},
	build: buildReaders,
}

func buildReaders(ctx context.Context, s *scene, yield func(*item) error) error {
	spaces, err := stretches[evidence.NamespaceFacts](ctx, s, evidence.RuntimeNamespace)
	if err != nil {
		return err
	}
	x, err := s.rbac(ctx)
	if err != nil {
		return err
	}
	type space struct{ cluster, name string }
	own := map[space]bool{}
	var order []space
	for i := range spaces {
		k := space{spaces[i].facts.Cluster, spaces[i].facts.Name}
		if !own[k] {
			own[k] = true
			order = append(order, k)
		}
	}
	var its []*item
	for _, b := range x.bindings {
		f := &b.facts
		i := slices.IndexFunc(order, func(ns space) bool {
			return f.Cluster == ns.cluster && (f.Kind != "RoleBinding" || f.Namespace == ns.name)
		})
		if i < 0 {
			continue // it opens nothing of the tenant's
		}
		got, err := s.readerItems(ctx, x, b, order[i].name, func(namespace string) bool { return own[space{f.Cluster, namespace}] })
		if err != nil {
			return err
		}
		its = append(its, got...)
	}
	return yieldSorted(its, yield)
}

// grantOf gathers what one holder gets of a binding, over all forms of the role.
type grantOf struct {
	subject evidence.RBACSubject
	ways    []string
	roles   []uint64
	cut     bool
}

func (s *scene) readerItems(ctx context.Context, x *rbacForms, b *stretch[evidence.RBACFacts], namespace string, own func(string) bool) ([]*item, error) {
	forms, known := x.of(b, s.period)
	var gs []*grantOf
	at := func(sub evidence.RBACSubject) *grantOf {
		i := slices.IndexFunc(gs, func(g *grantOf) bool { return g.subject == sub })
		if i < 0 {
			i, gs = len(gs), append(gs, &grantOf{subject: sub})
		}
		return gs[i]
	}
	if !known {
		for _, sub := range b.facts.Subjects {
			at(sub).cut = true
		}
	}
	through := b.facts.Kind + " " + b.facts.Name + " of " + b.facts.RoleKind + " " + b.facts.RoleName
	for _, r := range forms {
		for _, g := range reach.Secrets([]evidence.RBACFacts{b.facts, r.facts}, namespace, "") {
			got := at(g.Subject)
			if g.Way == reach.Untold {
				got.cut = true
				continue
			}
			if !slices.Contains(got.ways, string(g.Way)) {
				got.ways = append(got.ways, string(g.Way))
			}
			if !slices.Contains(got.roles, r.seq) {
				got.roles = append(got.roles, r.seq)
			}
		}
	}
	var its []*item
	for _, g := range gs {
		part, err := s.partOfKubernetes(ctx, x, b.seq, g.subject)
		if err != nil {
			return nil, err
		}
		if part {
			continue
		}
		its = append(its, readerItem(b, g, namespace, through, own))
	}
	return its, nil
}

// partOfKubernetes reports whether a holder is a component of the cluster: a
// user system:..., a group system:... that does not take in everybody, or a
// controller's account in kube-system.
func (s *scene) partOfKubernetes(ctx context.Context, x *rbacForms, seq uint64, sub evidence.RBACSubject) (bool, error) {
	switch sub.Kind {
	case "Group":
		return strings.HasPrefix(sub.Name, "system:") && !everybody(sub) && !strings.HasPrefix(sub.Name, accountsOf), nil
	case "ServiceAccount":
		return sub.Namespace == "kube-system", nil
	case "User":
		return x.part(ctx, s, seq, sub)
	}
	return false, nil
}

func readerItem(b *stretch[evidence.RBACFacts], g *grantOf, namespace, through string, own func(string) bool) *item {
	sub := g.subject
	if b.facts.Kind == "ClusterRoleBinding" {
		namespace = ""
	}
	it := &item{
		seqs: []uint64{b.seq}, kind: evidence.AccessRBAC, at: b.from, label: holderLabel(sub) + " in " + firstNonEmpty(namespace, "every namespace"),
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	it.also(g.roles...)
	if b.endSeq != 0 {
		it.also(b.endSeq)
	}
	slices.Sort(g.ways)
	it.set("source", string(b.source)).set("happened", b.from).set("namespace", namespace).set("binding", through)
	it.set("cluster_wide", b.facts.Kind == "ClusterRoleBinding").set("holder", sub.Kind).set("account_namespace", sub.Namespace)
	inner, _ := strings.CutPrefix(sub.Name, accountsOf)
	it.set("own", sub.Kind == "ServiceAccount" && own(sub.Namespace) || sub.Kind == "Group" && inner != sub.Name && own(inner))
	it.set("operator", isOperator(sub)).set("everybody", everybody(sub)).set("ways", orEmpty(g.ways))
	it.why["own"] = through
	reads := slices.Contains(g.ways, string(reach.Read)) || slices.Contains(g.ways, string(reach.Answer))
	if !reads && (g.cut || sub.Kind == "") {
		it.lacks("reads", "the role or binding was not seen whole")
	} else {
		it.set("reads", reads)
	}
	return it
}

// holderLabel names a holder; a user stands by number in the record alone.
func holderLabel(sub evidence.RBACSubject) string {
	switch sub.Kind {
	case "User":
		return "a user"
	case "ServiceAccount":
		return "account " + sub.Namespace + "/" + sub.Name
	case "Group":
		return "group " + sub.Name
	}
	return "holders that the record leaves out"
}

var membersView = &view{
	View: View{
		Name: "members",
		Doc: "Repositories, projects and organisations of a forge: one item for each whose members were seen in the period, over all that could change it. " +
			"A team or group counts as one, since who is in it is not always told.",
		Kinds: []evidence.Kind{evidence.AccessMember},
		Fields: []Field{
			{Name: "container", Type: "string", Doc: "path of the repository, project, group or organisation"},
			{Name: "level", Type: "string", Doc: "repository, project, group, organisation or instance"},
			{Name: "admins", Type: "int", Doc: "largest number of persons, teams and machines with the rank admin at one time"},
			{Name: "outside_admins", Type: "int", Doc: "persons known to be from outside with the rank admin or maintain, at some time of the period: a repository's list rarely says it, that of its organisation does"},
			{Name: "machine_admins", Type: "int", Doc: "deploy keys, tokens, apps and robots with the rank admin, at some time of the period"},
			{Name: "endless_tokens", Type: "int", Doc: "tokens with the rank write or more and without an end, at some time of the period"},
			{Name: "unknown_ranks", Type: "int", Doc: "members whose rank is not known"},
		},
	},
	build: buildMembers,
}

func buildMembers(ctx context.Context, s *scene, yield func(*item) error) error {
	flat, err := stretches[evidence.MemberFacts](ctx, s, evidence.AccessMember)
	if err != nil {
		return err
	}
	by := map[containerKey][]*stretch[evidence.MemberFacts]{}
	for i := range flat {
		k := containerKey{flat[i].source, flat[i].facts.Container}
		by[k] = append(by[k], &flat[i])
	}
	var its []*item
	for k, sts := range by {
		its = append(its, s.membersItem(k, sts, strangers(by, k)))
	}
	return yieldSorted(its, yield)
}

// containerKey is a repository, project, group or organisation of one forge.
type containerKey struct {
	source evidence.SourceID
	path   string
}

// strangers returns who is told of as from outside by the organisation or a
// group above a container: a repository's own list does not say it. Holders go
// by their id, the last part of the subject's name.
func strangers(by map[containerKey][]*stretch[evidence.MemberFacts], k containerKey) map[string]bool {
	ids := map[string]bool{}
	for path := k.path; ; {
		cut := strings.LastIndexByte(path, '/')
		if cut < 0 {
			return ids
		}
		path = path[:cut]
		for _, st := range by[containerKey{k.source, path}] {
			if st.facts.Outside {
				ids[holderID(st)] = true
			}
		}
	}
}

func holderID(st *stretch[evidence.MemberFacts]) string {
	return strings.TrimPrefix(st.subject.Name, st.facts.Container+"/")
}

func (s *scene) membersItem(k containerKey, sts []*stretch[evidence.MemberFacts], strangers map[string]bool) *item {
	slices.SortFunc(sts, func(a, b *stretch[evidence.MemberFacts]) int { return a.from.Compare(b.from) })
	it := &item{
		seqs: []uint64{sts[0].seq}, kind: evidence.AccessMember, at: sts[0].from, label: "members of " + k.path,
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	type step struct {
		at time.Time
		by int
	}
	var steps []step
	var admins []uint64
	outside, machines, endless, unknownRanks := map[string]bool{}, map[string]bool{}, map[string]bool{}, 0
	for _, st := range sts {
		f := &st.facts
		if f.Disabled {
			continue
		}
		holder := st.subject.String()
		machine := f.Type != "user" && f.Type != "team" && f.Type != "group"
		switch f.Rank {
		case "admin":
			steps = append(steps, step{st.from, 1}, step{st.end(s.period), -1})
			admins = append(admins, st.seq)
			if machine {
				machines[holder] = true
				it.front(st.seq)
			}
			fallthrough
		case "maintain":
			if f.Outside || strangers[holderID(st)] {
				outside[holder] = true
				it.front(st.seq)
			}
			fallthrough
		case "write":
			if f.Type == "token" && f.ExpiresAt.IsZero() {
				endless[holder] = true
				it.front(st.seq)
			}
		case "read", "none":
		default:
			unknownRanks++
		}
	}
	// Of two changes at one time the going comes first: one who gets another
	// form of the same right does not count twice.
	slices.SortFunc(steps, func(a, b step) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.by - b.by
	})
	most, now := 0, 0
	for _, x := range steps {
		now += x.by
		most = max(most, now)
	}
	it.also(admins...)
	it.set("source", string(k.source)).set("happened", sts[0].from).set("container", k.path).set("level", sts[0].facts.Level)
	it.why["admins"] = plural(most, "administrator") + " at one time"
	if n := len(outside); n > 0 {
		it.why["outside_admins"] = plural(n, "holder") + " from outside with the rank admin or maintain"
	}
	if n := len(machines); n > 0 {
		it.why["machine_admins"] = plural(n, "machine") + " with the rank admin"
	}
	if n := len(endless); n > 0 {
		it.why["endless_tokens"] = plural(n, "token") + " that may write, without an end"
	}
	return it.set("admins", most).set("outside_admins", len(outside)).set("machine_admins", len(machines)).
		set("endless_tokens", len(endless)).set("unknown_ranks", unknownRanks)
}
