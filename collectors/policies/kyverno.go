package policies

import (
	"context"
	"slices"
	"strings"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// kyvernoPolicy is a ClusterPolicy or Policy of kyverno.io.
// See https://kyverno.io/docs/policy-types/cluster-policy/.
type kyvernoPolicy struct {
	Spec struct {
		Action        string          `json:"validationFailureAction"`
		Overrides     []override      `json:"validationFailureActionOverrides"`
		Background    *bool           `json:"background"`
		Admission     *bool           `json:"admission"`
		FailurePolicy string          `json:"failurePolicy"`
		Webhook       *kyvernoWebhook `json:"webhookConfiguration"`
		Rules         []kyvernoRule   `json:"rules"`
	} `json:"spec"`
	Status struct {
		Ready      *bool           `json:"ready"` // of servers before 1.12
		Conditions kube.Conditions `json:"conditions"`
	} `json:"status"`
}

type kyvernoWebhook struct {
	FailurePolicy string     `json:"failurePolicy"`
	Conditions    []struct{} `json:"matchConditions"`
}

// override is another action in some namespaces.
type override struct {
	Action     string    `json:"action"`
	Namespaces []string  `json:"namespaces"`
	Selector   *struct{} `json:"namespaceSelector"`
}

type kyvernoRule struct {
	Name     string       `json:"name"`
	Match    kyvernoMatch `json:"match"`
	Exclude  kyvernoMatch `json:"exclude"`
	Validate *struct {
		Action      string     `json:"failureAction"`
		Overrides   []override `json:"failureActionOverrides"`
		PodSecurity *struct {
			Exclude []struct{} `json:"exclude"`
		} `json:"podSecurity"`
	} `json:"validate"`
	Verify []struct {
		Action string   `json:"failureAction"`
		Skip   []string `json:"skipImageReferences"`
	} `json:"verifyImages"`
	Mutate        *struct{}  `json:"mutate"`
	Generate      *struct{}  `json:"generate"`
	Preconditions any        `json:"preconditions"`
	CEL           []struct{} `json:"celPreconditions"`
}

// kyvernoMatch is a match or exclude block, in its three forms.
type kyvernoMatch struct {
	Any       []kyvernoFilter `json:"any"`
	All       []kyvernoFilter `json:"all"`
	Resources kyvernoFilter2  `json:"resources"`
	Subjects  []struct{}      `json:"subjects"`
	Roles     []string        `json:"roles"`
	Clusters  []string        `json:"clusterRoles"`
}

type kyvernoFilter struct {
	Resources kyvernoFilter2 `json:"resources"`
	Subjects  []struct{}     `json:"subjects"`
	Roles     []string       `json:"roles"`
	Clusters  []string       `json:"clusterRoles"`
}

type kyvernoFilter2 struct {
	Kinds             []string          `json:"kinds"`
	Namespaces        []string          `json:"namespaces"`
	Name              string            `json:"name"`
	Names             []string          `json:"names"`
	Operations        []string          `json:"operations"`
	Annotations       map[string]string `json:"annotations"`
	Selector          *struct{}         `json:"selector"`
	NamespaceSelector *struct{}         `json:"namespaceSelector"`
}

// Limits of the lists in one record; what is beyond them is counted.
const (
	maxRules = 200
	maxReach = 200
)

// kyvernoPolicy makes the draft of a ClusterPolicy or Policy.
func (r *reader) kyvernoPolicy(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in kyvernoPolicy
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	f := r.policyFacts(o, l, kyverno)
	background, admission := in.Spec.Background == nil || *in.Spec.Background, in.Spec.Admission == nil || *in.Spec.Admission
	f.Background, f.Admission = &background, &admission
	ready := in.Status.Conditions.Of("Ready")
	f.Ready, f.Reason = orUnknown(ready.Status), word(ready.Reason)
	if ready.Type == "" && in.Status.Ready != nil {
		f.Ready = truth(*in.Status.Ready)
	}
	failure := in.Spec.FailurePolicy
	if w := in.Spec.Webhook; w != nil && w.FailurePolicy != "" {
		failure = w.FailurePolicy
	}
	open := failure == "Ignore"
	f.FailsOpen = &open
	var applies, excludes reach
	if w := in.Spec.Webhook; w != nil && len(w.Conditions) > 0 {
		applies.by("conditions")
	}
	enforced, audited := 0, 0
	count := func(action string) {
		if enforces(action) && admission {
			enforced++
		} else {
			audited++
		}
	}
	for i := range in.Spec.Rules {
		x := &in.Spec.Rules[i]
		c := evidence.PolicyCheck{Name: word(x.Name), Type: "unknown"}
		overrides := in.Spec.Overrides
		switch {
		case x.Validate != nil:
			c.Type, c.Action = "validate", actionOf(x.Validate.Action, in.Spec.Action)
			if len(x.Validate.Overrides) > 0 {
				overrides = x.Validate.Overrides
			}
			if p := x.Validate.PodSecurity; p != nil && len(p.Exclude) > 0 {
				excludes.by("pod security controls")
			}
			count(c.Action)
		case len(x.Verify) > 0:
			// The weakest of its parts is what the rule does. One that says so itself
			// heeds no override of the policy.
			c.Type, c.Action = evidence.VerifyImages, "Enforce"
			if x.Verify[0].Action != "" {
				overrides = nil
			}
			for _, v := range x.Verify {
				if a := actionOf(v.Action, in.Spec.Action); !enforces(a) {
					c.Action = a
				}
				if len(v.Skip) > 0 {
					excludes.by("images")
				}
			}
			count(c.Action)
		case x.Mutate != nil:
			c.Type = "mutate"
		case x.Generate != nil:
			c.Type = "generate"
		}
		if c.Action != "" {
			f.Differs = append(f.Differs, differs(c, overrides)...)
		}
		applies.kyverno(&x.Match)
		if x.Preconditions != nil || len(x.CEL) > 0 {
			applies.by("preconditions")
		}
		excludes.kyverno(&x.Exclude)
		f.Rules = append(f.Rules, c)
	}
	f.Mode = modeOf(enforced, audited)
	f.Applies, f.Excludes = applies.facts(), excludes.facts()
	d, err := r.policyDraft(o, l, f)
	if err != nil {
		return nil, err
	}
	r.remember(o, kyverno, background && enforced+audited > 0).does(f)
	return []evidence.Draft{d}, nil
}

// actionOf is what a rule does: its own action, else its policy's, which is Audit
// where neither says.
func actionOf(rule, policy string) string {
	for _, a := range []string{rule, policy} {
		switch strings.ToLower(a) {
		case "enforce":
			return "Enforce"
		case "audit":
			return "Audit"
		case "":
		default:
			return word(a)
		}
	}
	return "Audit"
}

func enforces(action string) bool { return action == "Enforce" }

// differs lists the namespaces in which a rule does something else.
func differs(c evidence.PolicyCheck, overrides []override) (out []evidence.PolicyDiffer) {
	for _, o := range overrides {
		action := actionOf(o.Action, "")
		if action == c.Action {
			continue
		}
		for _, ns := range o.Namespaces {
			out = append(out, evidence.PolicyDiffer{Namespace: word(ns), Rule: c.Name, Action: action})
		}
		if o.Selector != nil || len(o.Namespaces) == 0 { // chosen by labels: any may be; chosen by nothing: all are
			out = append(out, evidence.PolicyDiffer{Namespace: "*", Rule: c.Name, Action: action})
		}
	}
	return out
}

// modeOf sums up what the checks of a policy do.
func modeOf(enforced, audited int) string {
	switch {
	case enforced+audited == 0:
		return evidence.PolicyNoCheck
	case audited == 0:
		return evidence.PolicyEnforces
	case enforced == 0:
		return evidence.PolicyAudits
	}
	return evidence.PolicyMixed
}

// policyFacts are the facts that every policy has.
func (r *reader) policyFacts(o *kube.Object, l *kube.Look, engine string) *evidence.AdmissionPolicyFacts {
	return &evidence.AdmissionPolicyFacts{
		Cluster: l.Authority, Engine: engine, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		Severity: severity(o.Annotations["policies.kyverno.io/severity"]), Category: word(o.Annotations["policies.kyverno.io/category"]),
		CreatedAt: o.CreatedAt, ResourceVersion: o.ResourceVersion, Ready: "Unknown",
	}
}

// policyDraft makes the draft of a policy, with as much of its lists as its size
// allows.
func (r *reader) policyDraft(o *kube.Object, l *kube.Look, f *evidence.AdmissionPolicyFacts) (evidence.Draft, error) {
	all := *f
	for keep := maxRules; ; keep /= 2 {
		f.Rules, f.Differs = all.Rules[:min(len(all.Rules), keep)], all.Differs[:min(len(all.Differs), keep)]
		f.RulesCut = len(all.Rules) - len(f.Rules) + len(all.Differs) - len(f.Differs)
		f.Applies, f.Excludes = shortened(all.Applies, keep), shortened(all.Excludes, keep)
		d, err := l.Draft(evidence.PolicyInForce, o, f)
		if err != nil {
			return d, err
		}
		if len(d.Content) > evidence.MaxContent && keep > 0 {
			continue
		}
		d.Links = append(d.Links, o.Ref(l.Authority))
		lists := map[string][]string{"/applies/namespaces": f.Applies.Namespaces, "/excludes/namespaces": f.Excludes.Namespaces, "/differs": spacesOf(f.Differs)}
		r.place(&d, o, l, lists, all.Applies.Namespaces, all.Excludes.Namespaces, spacesOf(all.Differs))
		for i := range d.Mentions {
			if d.Mentions[i].At == "/differs" { // where there is one the policy does not hold: that of others is no tenant's
				d.Mentions[i].Names, d.Mentions[i].Own = []string{"namespace"}, true
			}
		}
		return d, nil
	}
}

func spacesOf(list []evidence.PolicyDiffer) (names []string) {
	for _, x := range list {
		names = append(names, x.Namespace)
	}
	return names
}

// remember notes that a policy is there.
func (r *reader) remember(o *kube.Object, engine string, checks bool) *policy {
	p := policy{Of: resourceOf(o), Name: requiredName(o), Engine: engine, Checks: checks, Seen: o.ObservedAt}
	if o.Group() == constraintGroup {
		p.Kind = o.Kind
	}
	return r.memory.policy(o.UID, p)
}

// does notes what of a policy stands on the webhooks of its engine.
func (p *policy) does(f *evidence.AdmissionPolicyFacts) {
	p.Refuses = f.Mode == evidence.PolicyEnforces || f.Mode == evidence.PolicyMixed
	p.Images = slices.ContainsFunc(f.Rules, func(c evidence.PolicyCheck) bool { return c.Type == evidence.VerifyImages })
}

// requiredName is what a requirement calls a policy.
func requiredName(o *kube.Object) string {
	if o.Namespace != "" {
		return o.Namespace + "/" + o.Name
	}
	return o.Name
}

// severity is one of the five that reports know, else none.
func severity(s string) string {
	s = strings.ToLower(s)
	if slices.Contains([]string{"critical", "high", "medium", "low", "info"}, s) {
		return s
	}
	return ""
}

func orUnknown(s string) string {
	if s != "True" && s != "False" {
		return "Unknown"
	}
	return s
}

func truth(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// reach gathers what something covers.
type reach struct{ kinds, namespaces, others []string }

func (c *reach) by(what string) { c.others = append(c.others, what) }

func (c *reach) kyverno(m *kyvernoMatch) {
	c.filter(&m.Resources)
	c.who(m.Subjects, m.Roles, m.Clusters)
	for _, fs := range [][]kyvernoFilter{m.Any, m.All} {
		for i := range fs {
			c.filter(&fs[i].Resources)
			c.who(fs[i].Subjects, fs[i].Roles, fs[i].Clusters)
		}
	}
}

func (c *reach) filter(f *kyvernoFilter2) {
	c.kinds, c.namespaces = append(c.kinds, f.Kinds...), append(c.namespaces, f.Namespaces...)
	for _, x := range []struct {
		is   bool
		what string
	}{
		{f.Name != "" || len(f.Names) > 0, "names"}, {len(f.Operations) > 0, "operations"}, {len(f.Annotations) > 0, "annotations"},
		{f.Selector != nil, "labels"}, {f.NamespaceSelector != nil, "namespace labels"},
	} {
		if x.is {
			c.by(x.what)
		}
	}
}

func (c *reach) who(subjects []struct{}, roles, clusterRoles []string) {
	if len(subjects)+len(roles)+len(clusterRoles) > 0 {
		c.by("who asks")
	}
}

func (c *reach) facts() evidence.PolicyReach {
	return evidence.PolicyReach{Kinds: words(c.kinds), Namespaces: words(c.namespaces), By: words(c.others)}
}

// shortened keeps so many of each list and counts the rest.
func shortened(f evidence.PolicyReach, keep int) evidence.PolicyReach {
	for _, list := range []*[]string{&f.Kinds, &f.Namespaces, &f.By} {
		if n := len(*list) - keep; n > 0 {
			*list, f.Cut = (*list)[:keep], f.Cut+n
		}
	}
	return f
}

// maxActions bounds the actions and exceptions that one record lists.
const maxActions = 20

func few(list []string) []string { return list[:min(len(list), maxActions)] }
