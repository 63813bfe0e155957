package policies

import (
	"context"
	"encoding/json"
	"fmt"
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
}

type celRule struct {
	Groups     []string `json:"apiGroups"`
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

// admits is who applies a policy of a form that Kyverno took over from Kubernetes.
func admits(o *kube.Object) string {
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
	engine := admits(o)
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
	r.remember(o, engine, background)
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
	engine := admits(o)
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

// constraint is a constraint of Gatekeeper. See
// https://open-policy-agent.github.io/gatekeeper/website/docs/audit and
// https://open-policy-agent.github.io/gatekeeper/website/docs/enforcement-points.
type constraint struct {
	Spec struct {
		Action string `json:"enforcementAction"`
		Scoped []struct {
			Action string `json:"action"`
			Points []struct {
				Name string `json:"name"`
			} `json:"enforcementPoints"`
		} `json:"scopedEnforcementActions"`
		Match struct {
			Kinds []struct {
				Groups []string `json:"apiGroups"`
				Kinds  []string `json:"kinds"`
			} `json:"kinds"`
			Namespaces        []string       `json:"namespaces"`
			Excluded          []string       `json:"excludedNamespaces"`
			NamespaceSelector *labelSelector `json:"namespaceSelector"`
			LabelSelector     *labelSelector `json:"labelSelector"`
			Scope             string         `json:"scope"`
			Name              string         `json:"name"`
			Source            string         `json:"source"` // Original, Generated, All
		} `json:"match"`
	} `json:"spec"`
	Status struct {
		AuditedAt  string            `json:"auditTimestamp"`
		Total      *int              `json:"totalViolations"`
		Violations []json.RawMessage `json:"violations"`
		Pods       []struct {
			UID      string     `json:"constraintUID"`
			Enforced bool       `json:"enforced"`
			Observed int64      `json:"observedGeneration"`
			Errors   []struct{} `json:"errors"`
			Does     []string   `json:"operations"` // audit, webhook, generate, ...; of old servers nothing
			Points   []struct {
				Name  string `json:"enforcementPoint"`
				State string `json:"state"` // waiting, error, generated
			} `json:"enforcementPointsStatus"`
		} `json:"byPod"`
	} `json:"status"`
}

type violation struct {
	Group     string   `json:"group"`
	Kind      string   `json:"kind"`
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	Message   string   `json:"message"`
	Action    string   `json:"enforcementAction"`
	Actions   []string `json:"enforcementActions"`
}

// constraint makes the drafts of a constraint: the policy, and what its audit
// lists.
func (r *reader) constraint(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in constraint
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	f := r.policyFacts(o, l, gatekeeper)
	f.Actions = in.actions()
	f.Mode = evidence.PolicyAudits
	if in.refuses() {
		f.Mode = evidence.PolicyEnforces
	}
	f.Ready, f.Reason = in.ready(o)
	var applies, excludes reach
	for _, k := range in.Spec.Match.Kinds {
		for _, kind := range k.Kinds {
			applies.kinds = append(applies.kinds, groups(k.Groups)+kind)
		}
	}
	m := &in.Spec.Match
	applies.namespaces, excludes.namespaces = m.Namespaces, m.Excluded
	applies.selector(m.NamespaceSelector, &excludes, "namespace labels")
	if s := m.LabelSelector; s != nil && len(s.Labels)+len(s.Expressions) > 0 {
		applies.by("labels")
	}
	if m.Name != "" {
		applies.by("names")
	}
	if m.Scope != "" && m.Scope != "*" {
		applies.by("scope " + m.Scope)
	}
	if m.Source != "" && m.Source != "All" {
		applies.by("source " + m.Source)
	}
	f.Applies, f.Excludes = applies.facts(), excludes.facts()
	listed, audited := len(in.Status.Violations), !timeOf(in.Status.AuditedAt).IsZero()
	f.Audited, f.AuditedAt = &audited, timeOf(in.Status.AuditedAt)
	if in.Status.Total != nil {
		f.Violations, f.Listed = in.Status.Total, &listed
		f.ViolationsCut = *in.Status.Total > listed
	}

	// The bytes list what stands in the namespaces of everybody.
	plain := *o
	cut, err := kube.ParseObject(o.Raw, o.ObservedAt, "/status/violations", "/status/byPod/*/errors/*/message", "/status/byPod/*/enforcementPointsStatus/*/message")
	if err != nil {
		return nil, err
	}
	plain.Raw, plain.Removed = cut.Raw, removed(o.Removed, cut.Removed)
	d, err := r.policyDraft(&plain, l, f)
	if err != nil {
		return nil, err
	}
	var found []finding
	why := ""
	for _, raw := range in.Status.Violations {
		var v violation
		if json.Unmarshal(raw, &v) != nil || v.Name == "" {
			why = "a constraint lists a violation that cannot be read"
			continue
		}
		found = append(found, finding{
			engine: gatekeeper, policy: o.Kind, rule: o.Name, result: "fail", severity: f.Severity, category: f.Category,
			message: v.Message, at: f.AuditedAt, actions: few(words(append(v.Actions, v.Action))), raw: raw,
			of: evidence.PolicySubject{Group: v.Group, Kind: v.Kind, Namespace: v.Namespace, Name: v.Name},
		})
	}
	ds, err := r.results(o, l, found, told{of: resourceOf(o), group: constraintGroup, engine: gatekeeper}, why)
	if err != nil {
		return nil, err
	}
	r.remember(o, gatekeeper, false)
	return append(ds, d), nil
}

// constraintGone ends a constraint and what it listed.
func (r *reader) constraintGone(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	d, err := l.Draft(evidence.PolicyInForce, o, struct{}{})
	if err != nil {
		return nil, err
	}
	delete(r.memory.Policies, o.UID)
	return append(r.drop(o, l), ended(d, "deleted")), nil
}

// removed joins what two removers took out.
func removed(first, second []string) []string {
	if len(first) == 0 {
		return second
	}
	if len(second) == 0 {
		return first
	}
	all := append(slices.Clone(first[1:]), second[1:]...)
	slices.Sort(all)
	return append([]string{first[0]}, slices.Compact(all)...)
}

// actions are what happens to a violation; deny where nothing is said.
func (c *constraint) actions() []string {
	a := c.Spec.Action
	switch {
	case a == "":
		return []string{"deny"}
	case a != "scoped":
		return []string{word(a)}
	}
	var out []string
	for _, s := range c.Spec.Scoped {
		for _, p := range s.Points {
			out = append(out, fmt.Sprintf("%s at %s", s.Action, p.Name))
		}
	}
	return few(words(out))
}

// refuses reports whether a request that breaks the constraint is refused.
func (c *constraint) refuses() bool {
	switch c.Spec.Action {
	case "", "deny":
		return true
	case "scoped":
	default:
		return false
	}
	return c.refusesAt("*") || c.refusesAt(webhookPoint) || c.refusesAt(bindingPoint)
}

// Where requests come in: Gatekeeper's own webhook, and the binding of a
// ValidatingAdmissionPolicy that it makes of the constraint.
const (
	webhookPoint = "validation.gatekeeper.sh"
	bindingPoint = "vap.k8s.io"
)

// refusesAt reports whether a scoped action denies at a point.
func (c *constraint) refusesAt(point string) bool {
	for _, s := range c.Spec.Scoped {
		for _, p := range s.Points {
			if s.Action == "deny" && p.Name == point {
				return true
			}
		}
	}
	return false
}

// lacks says what that is to refuse for the constraint is not there, where nothing
// else would: a pod that answers the webhook, or the binding; "" when one is.
func (c *constraint) lacks() string {
	said, webhook := false, false
	for _, p := range c.Status.Pods {
		for _, x := range p.Points {
			if x.Name == bindingPoint && x.State == "generated" {
				return ""
			}
		}
		said, webhook = said || len(p.Does) > 0, webhook || slices.Contains(p.Does, "webhook")
	}
	switch {
	case !c.refuses():
	case c.Spec.Action == "scoped" && !c.refusesAt("*") && !c.refusesAt(webhookPoint):
		return "BindingNotGenerated"
	case said && !webhook:
		return "NoWebhook"
	}
	return ""
}

// ready is what the pods of Gatekeeper say of the constraint as it is now.
func (c *constraint) ready(o *kube.Object) (ready, reason string) {
	not := 0
	for _, p := range c.Status.Pods {
		if !p.Enforced || len(p.Errors) > 0 || p.Observed < o.Generation || p.UID != "" && p.UID != o.UID {
			not++
		}
	}
	switch n := len(c.Status.Pods); {
	case n == 0:
		return "Unknown", "NoPod"
	case not > 0:
		return "False", fmt.Sprintf("not in force in %d of %d pods", not, n)
	}
	if what := c.lacks(); what != "" {
		return "False", what
	}
	return "True", ""
}
