package policies

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

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
	r.remember(o, gatekeeper, false).does(f)
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
