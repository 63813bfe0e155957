package policies

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// celPolicy is a ValidatingAdmissionPolicy, or one of policies.kyverno.io, which
// has the same form and more. See
// https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
// and https://kyverno.io/docs/policy-types/validating-policy/.
type celPolicy struct {
	Spec struct {
		FailurePolicy string         `json:"failurePolicy"`
		Match         celMatch       `json:"matchConstraints"`
		Conditions    []struct{}     `json:"matchConditions"`
		Actions       []string       `json:"validationActions"` // of Kyverno
		Validations   []struct{}     `json:"validations"`
		Images        []struct{}     `json:"matchImageReferences"`
		Evaluation    *celEvaluation `json:"evaluation"`
	} `json:"spec"`
	Status celStatus `json:"status"`
}

type celStatus struct {
	Observed     int64           `json:"observedGeneration"`
	Conditions   kube.Conditions `json:"conditions"`
	TypeChecking *struct {
		Warnings []struct{} `json:"expressionWarnings"`
	} `json:"typeChecking"`
	Condition *struct { // of Kyverno
		Ready      *bool           `json:"ready"`
		Conditions kube.Conditions `json:"conditions"`
	} `json:"conditionStatus"`
}

// ready is what Kyverno says of its policy.
func (s *celStatus) ready() (ready, reason string) {
	ready = "Unknown"
	if c := s.Condition; c != nil {
		if i := slices.IndexFunc(c.Conditions, func(x kube.Condition) bool { return x.Status == "False" }); i >= 0 {
			ready, reason = "False", word(c.Conditions[i].Type)
		}
		if c.Ready != nil {
			ready = truth(*c.Ready)
		}
		if ready == "True" {
			reason = ""
		}
	}
	return ready, reason
}

// kubernetesMode is the default of what a policy of policies.kyverno.io, or an
// exception from one, is evaluated for.
const kubernetesMode = "Kubernetes"

type celEvaluation struct {
	Admission  *celSwitch `json:"admission"`
	Background *celSwitch `json:"background"`
	Mode       string     `json:"mode"`
}

type celSwitch struct {
	Enabled *bool `json:"enabled"`
}

// on reports whether something is done that is the default, is whether something else.
func (s *celSwitch) on() bool { return s == nil || s.Enabled == nil || *s.Enabled }
func (s *celSwitch) is() bool { return s.Enabled != nil && *s.Enabled }

// celMatch is what a policy or binding applies to.
type celMatch struct {
	Rules             []celRule      `json:"resourceRules"`
	Exclude           []celRule      `json:"excludeResourceRules"`
	NamespaceSelector *labelSelector `json:"namespaceSelector"`
	ObjectSelector    *labelSelector `json:"objectSelector"`
	MatchPolicy       string         `json:"matchPolicy"` // Exact, Equivalent; the latter where nothing is said
}

// exact has the API server ask about objects of the versions that the rules name
// alone: the same object that comes in another one passes.
const exact = "Exact"

// byVersions says so where a list tells what narrows something.
const byVersions = "versions"

type celRule struct {
	Groups     []string `json:"apiGroups"`
	Versions   []string `json:"apiVersions"`
	Resources  []string `json:"resources"`
	Operations []string `json:"operations"`
	Names      []string `json:"resourceNames"`
	Scope      string   `json:"scope"` // Cluster, Namespaced, *
}

// someWrites reports whether the rule is about a part of what makes or changes
// objects.
func (x *celRule) someWrites() bool {
	return len(x.Operations) > 0 && !slices.Contains(x.Operations, "*") && !(slices.Contains(x.Operations, "CREATE") && slices.Contains(x.Operations, "UPDATE"))
}

// someVersions reports whether the rule names versions and not all of them.
func (x *celRule) someVersions() bool {
	return len(x.Versions) > 0 && !slices.Contains(x.Versions, "*")
}

// labelSelector is read as far as it chooses namespaces by their name.
type labelSelector struct {
	Labels      map[string]string `json:"matchLabels"`
	Expressions []struct {
		Key      string   `json:"key"`
		Operator string   `json:"operator"`
		Values   []string `json:"values"`
	} `json:"matchExpressions"`
}

// nameLabel is the label that every namespace has with its own name.
const nameLabel = "kubernetes.io/metadata.name"

// admissionEngine is who applies a policy of a form that Kyverno took over from Kubernetes.
func admissionEngine(o *kube.Object) string {
	if o.Group() == admissionGroup {
		return kubernetes
	}
	return kyverno
}

// celPolicy makes the draft of such a policy.
func (r *reader) celPolicy(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in celPolicy
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	engine := admissionEngine(o)
	f := r.policyFacts(o, l, engine)
	open := in.Spec.FailurePolicy == "Ignore"
	f.FailsOpen = &open
	background := false
	if engine == kubernetes {
		f.Mode = evidence.PolicyBound
		f.Ready, f.Reason = in.ready(o)
	} else {
		e := in.Spec.Evaluation
		if e == nil {
			e = &celEvaluation{}
		}
		admission := e.Admission.on()
		background = e.Background.on()
		f.Admission, f.Background = &admission, &background
		f.Actions = few(words(in.Spec.Actions))
		if len(f.Actions) == 0 {
			f.Actions = []string{"Deny"} // its default
		}
		f.Mode = evidence.PolicyAudits
		if admission && slices.Contains(f.Actions, "Deny") {
			f.Mode = evidence.PolicyEnforces
		}
		f.Ready, f.Reason = in.Status.ready()
		if e.Mode != "" && e.Mode != kubernetesMode { // it checks payloads, not the cluster
			f.Applies.By = append(f.Applies.By, "mode "+word(e.Mode))
			background = false
		}
	}
	by := f.Applies.By
	f.Applies, f.Excludes = in.Spec.Match.reach(len(in.Spec.Conditions) > 0)
	f.Applies.By = words(append(by, f.Applies.By...))
	d, err := r.policyDraft(o, l, f)
	if err != nil {
		return nil, err
	}
	r.remember(o, engine, background).does(f)
	return []evidence.Draft{d}, nil
}

// ready is what Kubernetes says of its own policy: it checks the types of its
// expressions, once for each generation.
func (p *celPolicy) ready(o *kube.Object) (ready, reason string) {
	switch {
	case p.Status.TypeChecking != nil && len(p.Status.TypeChecking.Warnings) > 0:
		return "False", "ExpressionWarnings"
	case p.Status.Observed > 0 && p.Status.Observed >= o.Generation:
		return "True", ""
	}
	return "Unknown", "NotObserved"
}

// reach is what the match covers and leaves out.
func (m *celMatch) reach(conditions bool) (applies, excludes evidence.PolicyReach) {
	var in, out reach
	for i, rules := range [][]celRule{m.Rules, m.Exclude} {
		c := []*reach{&in, &out}[i]
		for _, x := range rules {
			for _, res := range x.Resources {
				c.kinds = append(c.kinds, groups(x.Groups)+res)
			}
			if len(x.Names) > 0 {
				c.by("names")
			}
			if x.someWrites() {
				c.by("operations")
			}
			if c == &in && m.MatchPolicy == exact && x.someVersions() {
				c.by(byVersions)
			}
			if x.Scope != "" && x.Scope != "*" {
				c.by("scope " + x.Scope)
			}
		}
	}
	in.selector(m.NamespaceSelector, &out, "namespace labels")
	if s := m.ObjectSelector; s != nil && len(s.Labels)+len(s.Expressions) > 0 {
		in.by("labels")
	}
	if conditions {
		in.by("conditions")
	}
	return in.facts(), out.facts()
}

// groups writes API groups before a resource; the core group is none.
func groups(gs []string) string {
	if len(gs) == 0 || len(gs) == 1 && gs[0] == "" {
		return ""
	}
	return strings.Join(gs, ",") + "/"
}

// selector adds the namespaces that a selector chooses or leaves out by name; what
// it asks else is named.
func (c *reach) selector(s *labelSelector, out *reach, what string) {
	if s == nil {
		return
	}
	for k, v := range s.Labels {
		if k == nameLabel {
			c.namespaces = append(c.namespaces, v)
		} else {
			c.by(what)
		}
	}
	for _, e := range s.Expressions {
		switch {
		case e.Key == nameLabel && e.Operator == "In":
			c.namespaces = append(c.namespaces, e.Values...)
		case e.Key == nameLabel && e.Operator == "NotIn":
			out.namespaces = append(out.namespaces, e.Values...)
		default:
			c.by(what)
		}
	}
}

// changer is a policy that checks nothing: one of Kyverno in CEL that changes, makes or
// deletes objects, or a MutatingAdmissionPolicy. See
// https://kyverno.io/docs/policy-types/mutating-policy/, generating-policy and
// deleting-policy, and
// https://kubernetes.io/docs/reference/access-authn-authz/mutating-admission-policy/.
type changer struct {
	Spec struct {
		FailurePolicy string     `json:"failurePolicy"`
		Match         celMatch   `json:"matchConstraints"`
		Conditions    []struct{} `json:"matchConditions"`
		When          []struct{} `json:"conditions"` // of one that deletes
		Schedule      string     `json:"schedule"`   // the same, as cron writes it
		Evaluation    struct {
			Admission *celSwitch `json:"admission"`
			Mutate    celSwitch  `json:"mutateExisting"` // both are off where nothing is said
			Generate  celSwitch  `json:"generateExisting"`
		} `json:"evaluation"`
	} `json:"spec"`
	Status celStatus `json:"status"`
}

// changes are what policies that check nothing do, by how their kinds begin.
var changes = map[string]string{"Mutating": "mutate", "Generating": "generate", "Deleting": "delete"}

// schedule is what cron writes, and nothing in which a name might stand.
var schedule = regexp.MustCompile(`^(@[a-z]{5,8}|[0-9A-Z*/,?#-]{1,64}( [0-9A-Z*/,?#-]{1,64}){4,6})$`)

// changer makes the draft of such a policy.
func (r *reader) changer(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in changer
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	engine := admissionEngine(o)
	f := r.policyFacts(o, l, engine)
	f.Mode = evidence.PolicyNoCheck
	does := ""
	for begin, change := range changes {
		if strings.HasPrefix(strings.TrimPrefix(o.Kind, "Namespaced"), begin) {
			does = change
		}
	}
	f.Rules = []evidence.PolicyCheck{{Type: does}}
	if engine == kubernetes {
		f.Ready = "" // the API server says nothing of it
	} else {
		f.Ready, f.Reason = in.Status.ready()
	}
	if does == "mutate" { // what is made or deleted refuses nothing in any case
		open := in.Spec.FailurePolicy == "Ignore"
		f.FailsOpen = &open
	}
	if does == "delete" {
		if schedule.MatchString(in.Spec.Schedule) {
			f.Schedule = in.Spec.Schedule
		}
	} else if engine == kyverno {
		admission := in.Spec.Evaluation.Admission.on()
		background := in.Spec.Evaluation.Mutate.is() || in.Spec.Evaluation.Generate.is()
		f.Admission, f.Background = &admission, &background
	}
	f.Applies, f.Excludes = in.Spec.Match.reach(len(in.Spec.Conditions)+len(in.Spec.When) > 0)
	d, err := r.policyDraft(o, l, f)
	if err != nil {
		return nil, err
	}
	r.remember(o, engine, false)
	return []evidence.Draft{d}, nil
}

// binding makes the draft of a ValidatingAdmissionPolicyBinding, or of one of a
// MutatingAdmissionPolicy.
func (r *reader) binding(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in struct {
		Spec struct {
			Policy  string    `json:"policyName"`
			Actions []string  `json:"validationActions"`
			Match   *celMatch `json:"matchResources"`
			Params  *struct {
				Missing string `json:"parameterNotFoundAction"` // Allow, Deny
			} `json:"paramRef"`
		} `json:"spec"`
	}
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	f := r.policyFacts(o, l, kubernetes)
	f.Binds, f.Actions, f.Ready = word(in.Spec.Policy), few(words(in.Spec.Actions)), ""
	bound := strings.TrimSuffix(o.Kind, "Binding")
	switch {
	case bound == "MutatingAdmissionPolicy":
		f.Mode = evidence.PolicyNoCheck
	case slices.Contains(f.Actions, "Deny"):
		f.Mode = evidence.PolicyEnforces
	default:
		f.Mode = evidence.PolicyAudits
	}
	if in.Spec.Match != nil {
		f.Applies, f.Excludes = in.Spec.Match.reach(false)
	}
	if p := in.Spec.Params; p != nil {
		by := "parameters"
		if p.Missing == "Allow" { // without any, everything is let in
			by = "parameters where there are some"
		}
		f.Applies.By = words(append(f.Applies.By, by))
	}
	d, err := r.policyDraft(o, l, f)
	if err != nil {
		return nil, err
	}
	d.Links = append(d.Links, l.Ref(admissionGroup, bound, "", f.Binds))
	return []evidence.Draft{d}, nil
}
