package kubernetes

import (
	"evidenced/collectors/kube"
	"evidenced/evidence"
)

const rbacGroup = "rbac.authorization.k8s.io"

// rbac describes one of the four resources of roles and bindings.
func (m maker) rbac(resource, kind string, cluster bool) kube.Resource {
	return kube.Resource{
		Group: rbacGroup, Resource: resource, Kind: kind, Versions: v1, Cluster: cluster,
		Kinds: kinds(evidence.AccessRBAC), Remove: []string{annotations}, Drafts: one(m.rbacDraft),
	}
}

// rbacObject is a role or a binding: no object is both.
type rbacObject struct {
	Rules []struct {
		Verbs           []string `json:"verbs"`
		APIGroups       []string `json:"apiGroups"`
		Resources       []string `json:"resources"`
		ResourceNames   []string `json:"resourceNames"`
		NonResourceURLs []string `json:"nonResourceURLs"`
	} `json:"rules"`
	AggregationRule *struct{} `json:"aggregationRule"`
	RoleRef         *struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"roleRef"`
	Subjects []struct {
		Kind      string `json:"kind"`
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"subjects"`
}

// Limits of one draft. What is beyond them is counted in the facts, and
// evidence/reach says of such a role or binding that there may be more.
const (
	maxRules     = 500
	maxRuleWords = 200 // of each list of a rule
	maxSubjects  = 1000
)

// rbacDraft makes the draft of a role or binding.
func (m maker) rbacDraft(o *kube.Object, l *kube.Look) (evidence.Draft, error) {
	var r rbacObject
	if err := o.Decode(&r); err != nil {
		return evidence.Draft{}, err
	}
	f := evidence.RBACFacts{
		Cluster: l.Authority, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		Aggregates: r.AggregationRule != nil, CreatedAt: o.CreatedAt, ResourceVersion: o.ResourceVersion,
	}
	for _, x := range r.Rules {
		rule := evidence.RBACRule{Verbs: x.Verbs, Groups: x.APIGroups, Resources: x.Resources, Names: x.ResourceNames, URLs: x.NonResourceURLs}
		long := false
		for _, list := range [][]string{x.Verbs, x.APIGroups, x.Resources, x.ResourceNames, x.NonResourceURLs} {
			long = long || len(list) > maxRuleWords
		}
		if long || len(f.Rules) >= maxRules {
			f.RulesCut++
			continue
		}
		f.Rules = append(f.Rules, rule)
	}
	var ls links
	if r.RoleRef != nil {
		f.RoleKind, f.RoleName = r.RoleRef.Kind, r.RoleRef.Name
		ns := ""
		if f.RoleKind == "Role" {
			ns = o.Namespace
		}
		ls.add(l.Ref(rbacGroup, f.RoleKind, ns, f.RoleName))
	}
	people, all := r.subjects(&f, &ls, l)
	// A role of many long names may still be too large; what is left out counts.
	d, err := l.Draft(evidence.AccessRBAC, o, &f)
	for err == nil && len(d.Content) > evidence.MaxContent && len(f.Rules)+len(f.Subjects) > 0 {
		n, s := len(f.Rules)/2, len(f.Subjects)/2
		f.RulesCut, f.Rules = f.RulesCut+len(f.Rules)-n, f.Rules[:n]
		f.SubjectsCut, f.Subjects = f.SubjectsCut+len(f.Subjects)-s, f.Subjects[:s]
		d, err = l.Draft(evidence.AccessRBAC, o, &f)
	}
	d.Links, d.People = ls, people
	if !all {
		// The bytes name more people than a record can have: erasing one of the
		// others would not reach them.
		d.Raw, d.Removed = nil, []string{agent, ""}
	}
	if o.Namespace == "" {
		d.Scope = l.Everywhere()
	}
	return d, err
}

// subjects fills the holders of a binding: users become people, who stand
// nowhere else. all is false when there are more of them than a draft holds.
func (r *rbacObject) subjects(f *evidence.RBACFacts, ls *links, l *kube.Look) (people []evidence.Person, all bool) {
	all = true
	for _, x := range r.Subjects {
		s := evidence.RBACSubject{Kind: x.Kind, Namespace: x.Namespace, Name: x.Name, Person: -1}
		if x.Kind == "User" {
			s.Name, s.Namespace = "", ""
			// The user name of a service account is another way to write it.
			if ns, name, ok := kube.ServiceAccount(x.Name); ok {
				s.Kind, s.Namespace, s.Name = "ServiceAccount", ns, name
			}
		}
		if len(f.Subjects) >= maxSubjects || s.Kind == "User" && len(people) >= evidence.MaxPeople {
			f.SubjectsCut++
			all = all && s.Kind != "User"
			continue
		}
		switch s.Kind {
		case "User":
			s.Person = len(people)
			people = append(people, kube.User(l.Authority, x.Name, evidence.RoleHolder, evidence.ProofClaimed))
		case "ServiceAccount":
			ls.add(l.Ref("", "ServiceAccount", s.Namespace, s.Name))
		}
		f.Subjects = append(f.Subjects, s)
	}
	return people, all
}
