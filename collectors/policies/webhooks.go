package policies

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// webhookConfiguration is one of the API server's. See
// https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/.
type webhookConfiguration struct {
	Webhooks []webhook `json:"webhooks"`
}

type webhook struct {
	Name              string         `json:"name"`
	FailurePolicy     string         `json:"failurePolicy"`
	MatchPolicy       string         `json:"matchPolicy"`
	Rules             []celRule      `json:"rules"`
	NamespaceSelector *labelSelector `json:"namespaceSelector"`
	ObjectSelector    *labelSelector `json:"objectSelector"`
	Conditions        []struct {
		Name       string `json:"name"`
		Expression string `json:"expression"`
	} `json:"matchConditions"`
	Client struct {
		Service struct {
			Namespace string `json:"namespace"`
		} `json:"service"`
	} `json:"clientConfig"`
	of string // the kind of policies that it asks about; "" of Gatekeeper
}

const (
	validatingHooks = "ValidatingWebhookConfiguration"
	mutatingHooks   = evidence.MutatingWebhooks
)

// removedOfWebhooks is what the API server calls a webhook by: nothing is read of it
// but the namespace of its service.
var removedOfWebhooks = []string{"/webhooks/*/clientConfig/caBundle", "/webhooks/*/clientConfig/url"}

// kyvernoPoint are the webhooks by which Kyverno checks objects: those of its older
// policies, and of its newer ones by what stands before. Others of its webhooks check
// its own policies, or make and change objects (gpol, mpol), which is no check.
var kyvernoPoint = regexp.MustCompile(`^(?:n?(vpol|ivpol)\.)?validate\.kyverno\.svc`)

// kyvernoImages are those that change objects by its older policies. There the images
// of verifyImages are verified; the one that validates sees by a note in the object
// that they were, and whoever makes the object can write that note.
// See https://kyverno.io/docs/policy-types/cluster-policy/verify-images/.
var kyvernoImages = regexp.MustCompile(`^mutate\.kyverno\.svc`)

// kyvernoKinds are the kinds of policies that a webhook of Kyverno asks about, by what
// its name begins with. Each stands for those of namespaces too.
var kyvernoKinds = map[string]string{"": "ClusterPolicy", "vpol": "ValidatingPolicy", "ivpol": "ImageValidatingPolicy"}

// kyvernoChecks are the resources whose policies Kyverno's webhooks ask about, with the
// kind that each counts as.
var kyvernoChecks = map[string]string{
	withGroup("clusterpolicies", kyvernoGroup): "ClusterPolicy", withGroup("policies", kyvernoGroup): "ClusterPolicy",
	withGroup("validatingpolicies", kyvernoCELGroup): "ValidatingPolicy", withGroup("namespacedvalidatingpolicies", kyvernoCELGroup): "ValidatingPolicy",
	withGroup("imagevalidatingpolicies", kyvernoCELGroup): "ImageValidatingPolicy", withGroup("namespacedimagevalidatingpolicies", kyvernoCELGroup): "ImageValidatingPolicy",
}

var kubernetesPolicies = withGroup("validatingadmissionpolicies", admissionGroup)

// fineGrained is in the name of a webhook that Kyverno keeps for one policy alone, most
// often for its match conditions: what narrows that one is the policy's own, and
// others are not reached by it. Which policy it is for the facts do not tell.
const fineGrained = "-finegrained"

func (w *webhook) ofOne() bool { return strings.Contains(w.Name, fineGrained) }

// Why a kind of policies that no webhook asks about may be checked all the same: what
// stands in by then.
const (
	byConditions = "conditions"             // by webhooks for single policies, which bear their conditions
	byKubernetes = "policies of Kubernetes" // Kyverno may have made one in place of its webhook
	byImages     = "images"                 // its policies may verify images alone, where objects are changed
)

// Kyverno leaves out what a node needs to come up, in each webhook that refuses.
const (
	bootstrapName       = "kyverno-exclude-bootstrap-resources"
	bootstrapExpression = `!(request.resource.group == "" && request.resource.resource == "nodes") && !(request.resource.group == "certificates.k8s.io" && request.resource.resource == "certificatesigningrequests")`
)

var bootstrapKinds = []string{"CertificateSigningRequest", "Node"}

const kyvernoHooks = "kyverno-resource-validating-webhook-cfg"

// webhooksOf are the configurations that the engines keep, also while they name no
// webhook.
var webhooksOf = []struct {
	engine, kind, name string
	needs              func(*policy) bool // which policies stand on it
}{
	{gatekeeper, validatingHooks, "gatekeeper-validating-webhook-configuration", func(p *policy) bool { return p.Refuses }},
	{kyverno, validatingHooks, kyvernoHooks, func(p *policy) bool { return p.Refuses }},
	{kyverno, mutatingHooks, "kyverno-resource-mutating-webhook-cfg", func(p *policy) bool { return p.Refuses && p.Images }},
}

// engineOf is the engine that checks objects by a configuration, and by which of its
// webhooks; "" for one of somebody else.
func (c *webhookConfiguration) engineOf(o *kube.Object) (engine string, by []webhook) {
	for _, h := range webhooksOf {
		if h.kind == o.Kind && h.name == o.Name {
			engine = h.engine
		}
	}
	for _, w := range c.Webhooks {
		m := kyvernoPoint.FindStringSubmatch(w.Name)
		switch {
		case o.Kind == mutatingHooks && kyvernoImages.MatchString(w.Name):
			engine, w.of = kyverno, kyvernoKinds[""]
		case o.Kind == mutatingHooks:
			continue
		case w.Name == webhookPoint:
			engine = gatekeeper
		case m != nil:
			engine, w.of = kyverno, kyvernoKinds[m[1]]
		default:
			continue
		}
		by = append(by, w)
	}
	return engine, by
}

// webhookConfiguration makes the draft of an engine's webhook configuration: the
// namespaces that none of its webhooks reaches are let off, but for the engine's own,
// and so is what its webhooks leave out in all of them. It fails open when all of its
// webhooks do. One that changes objects is about checks of images alone.
func (r *reader) webhookConfiguration(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in webhookConfiguration
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	engine, by := in.engineOf(o)
	if engine == "" {
		return nil, nil
	}
	f := r.policyFacts(o, l, engine)
	f.Ready = "True"
	var applies reach
	own := map[string]bool{}
	open := len(by) > 0
	selects := false
	for _, w := range by {
		open = open && w.FailurePolicy == "Ignore"
		own[w.Client.Service.Namespace] = true
		selects = selects || !w.NamespaceSelector.all()
		m := celMatch{Rules: w.Rules, NamespaceSelector: w.NamespaceSelector, ObjectSelector: w.ObjectSelector, MatchPolicy: w.MatchPolicy}
		a, _ := m.reach(len(w.Conditions) > 0)
		applies.kinds, applies.others = append(applies.kinds, a.Kinds...), append(applies.others, a.By...)
	}
	if len(by) > 0 {
		f.FailsOpen = &open
	}
	f.Applies = applies.facts()
	kinds := asked(by)
	for _, kind := range kinds {
		f.Differs = append(f.Differs, leftOut(engine, kind, by)...)
	}
	if o.Name == kyvernoHooks && o.Kind == validatingHooks && len(by) > 0 {
		if r.memory.Waits = !policiesRead(l); r.memory.Waits {
			return nil, errPolicies
		}
		f.Differs = append(f.Differs, r.unaskedKinds(kinds)...)
	}
	for _, ns := range l.Namespaces() {
		if own[ns] {
			continue
		}
		n, _ := l.Namespace(ns)
		f.Differs = append(f.Differs, unreached(n, kinds, by)...)
	}
	switch chooses := selects || len(by) == 0; {
	case chooses && !r.cfg.NamespaceLabels: // whom it reaches stands on labels that are not read
		f.Ready, f.Reason = "Unknown", "NamespacesNotRead"
	case chooses && len(l.Namespaces()) == 0:
		return nil, errSpaces
	}
	return r.lets(o, l, f)
}

// asked are the kinds of policies that webhooks ask about, each once.
func asked(by []webhook) (kinds []string) {
	for _, w := range by {
		if !slices.Contains(kinds, w.of) {
			kinds = append(kinds, w.of)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// errPolicies says that not all policies could be read yet: none is no answer.
var errPolicies = errors.New("whom the webhooks have to ask stands on the policies, which are not known")

// policiesRead reports whether all policies are known that refusing looks at.
func policiesRead(l *kube.Look) bool {
	for of := range kyvernoChecks {
		if !l.Whole(of) {
			return false
		}
	}
	return l.Whole(kubernetesPolicies)
}

// refusing are the kinds of Kyverno's policies of which one refuses something, each
// with why it is not sure that it stands on a webhook that validates; "" where it is.
func (r *reader) refusing() map[string]string {
	kinds, vap := map[string]string{}, false
	for _, p := range r.memory.Policies {
		vap = vap || p.Of == kubernetesPolicies
		kind := kyvernoChecks[p.Of]
		if kind == "" || !p.Refuses {
			continue
		}
		if _, ok := kinds[kind]; !ok && p.Images {
			kinds[kind] = byImages
		} else if !p.Images {
			kinds[kind] = ""
		}
	}
	for kind := range kinds {
		if vap {
			kinds[kind] = byKubernetes
		}
	}
	return kinds
}

// unaskedKinds are the kinds of policies that refuse and that no webhook asks about.
func (r *reader) unaskedKinds(asked []string) (off []evidence.PolicyDiffer) {
	refusing := r.refusing()
	for _, kind := range slices.Sorted(maps.Keys(refusing)) {
		if !slices.Contains(asked, kind) {
			off = append(off, evidence.PolicyDiffer{Policies: kind, By: refusing[kind], Action: evidence.PolicyUnchecked})
		}
	}
	return off
}

// unreached says for which kinds of policies no webhook reaches a namespace. One
// without rules reaches nothing. Where one for a single policy does, and others of the
// kind share a webhook that does not, it is not known for each.
func unreached(n kube.Namespace, kinds []string, by []webhook) (off []evidence.PolicyDiffer) {
	none := 0
	for _, kind := range kinds {
		reaches := func(ofOne bool) bool {
			return slices.ContainsFunc(by, func(w webhook) bool {
				return w.of == kind && w.ofOne() == ofOne && len(w.Rules) > 0 && w.NamespaceSelector.chooses(n)
			})
		}
		x := evidence.PolicyDiffer{Namespace: n.Name, Policies: kind, Action: evidence.PolicyUnchecked}
		switch {
		case reaches(false):
			continue
		case !reaches(true):
			none++
		case !shared(by, kind):
			continue // leftOut tells it for all namespaces
		default:
			x.By = byConditions
		}
		off = append(off, x)
	}
	if none == len(kinds) {
		off = []evidence.PolicyDiffer{{Namespace: n.Name, Action: evidence.PolicyUnchecked}}
	}
	return off
}

// shared reports whether policies of a kind share a webhook.
func shared(by []webhook, kind string) bool {
	return slices.ContainsFunc(by, func(w webhook) bool { return w.of == kind && !w.ofOne() })
}

// leftOut says what the webhooks that ask about a kind of policies leave out in every
// namespace. Kyverno's newer policies share webhooks by what they choose themselves: of
// those only what all leave out counts.
func leftOut(engine, kind string, by []webhook) (off []evidence.PolicyDiffer) {
	if !shared(by, kind) { // only those of single policies ask about it
		return []evidence.PolicyDiffer{{Policies: kind, By: byConditions, Action: evidence.PolicyUnchecked}}
	}
	times, shared := map[evidence.PolicyDiffer]int{}, 0
	for i := range by {
		if w := &by[i]; w.of == kind && !w.ofOne() {
			shared++
			for _, x := range w.leavesOut(engine) {
				x.Policies, x.Action = kind, evidence.PolicyUnchecked
				times[x]++
			}
		}
	}
	for x, n := range times {
		if n == shared || engine == gatekeeper || kind == kyvernoKinds[""] {
			off = append(off, x)
		}
	}
	slices.SortFunc(off, func(a, b evidence.PolicyDiffer) int {
		return cmp.Or(strings.Compare(a.By, b.By), strings.Compare(a.Kind, b.Kind))
	})
	return off
}

// leavesOut is what a webhook is not asked about in any namespace: by which condition,
// or which kinds. The rules of Kyverno's are made of what its policies cover.
func (w *webhook) leavesOut(engine string) (out []evidence.PolicyDiffer) {
	if s := w.ObjectSelector; !s.all() {
		out = append(out, evidence.PolicyDiffer{By: "labels"})
	}
	conditions := false
	for _, c := range w.Conditions {
		if engine == kyverno && c.Name == bootstrapName && c.Expression == bootstrapExpression {
			for _, k := range bootstrapKinds {
				out = append(out, evidence.PolicyDiffer{Kind: k})
			}
			continue
		}
		conditions = true
	}
	if conditions {
		out = append(out, evidence.PolicyDiffer{By: byConditions})
	}
	if w.MatchPolicy == exact && slices.ContainsFunc(w.Rules, func(x celRule) bool { return x.someVersions() }) {
		out = append(out, evidence.PolicyDiffer{By: byVersions})
	}
	if engine == gatekeeper && !w.writes() {
		out = append(out, evidence.PolicyDiffer{By: "operations"})
	}
	return out
}

// writes reports whether the rules are together about all that makes or changes
// objects.
func (w *webhook) writes() bool {
	for _, op := range []string{"CREATE", "UPDATE"} {
		if len(w.Rules) > 0 && !slices.ContainsFunc(w.Rules, func(x celRule) bool { return slices.Contains(x.Operations, op) || slices.Contains(x.Operations, "*") }) {
			return false
		}
	}
	return true
}

// unasked tells for each engine that its policies are there and the webhook
// configuration is not by which it would be asked, and when that is over. Where the
// cluster has policies of Kubernetes, an engine may have made one of its own, and
// whether it did is not known; nor is anything where the credential may not read it.
func (r *reader) unasked(l *kube.Look) (ds []evidence.Draft, err error) {
	for _, h := range webhooksOf {
		of := resourceOf(&kube.Object{Kind: h.kind, APIVersion: admissionGroup + "/v1"})
		why, ready, refused := "", "False", l.Refused(of)
		for _, p := range r.memory.Policies {
			if p.Engine == h.engine && h.needs(p) {
				why = notFound
			}
			if p.Of == kubernetesPolicies {
				ready = "Unknown"
			}
		}
		for _, x := range r.memory.LetsOff {
			if x.Engine == h.engine && x.Of == of && !refused {
				why = ""
			}
		}
		told := "" // what of it is remembered
		switch {
		case why == "":
		case refused:
			why, ready = notRead, "Unknown"
			told = notRead
		default:
			told = ready
		}
		key := h.engine + " " + h.kind
		if r.memory.Unasked[key] == told {
			continue
		}
		if r.memory.Unasked == nil {
			r.memory.Unasked = map[string]string{}
		}
		r.memory.Unasked[key] = told
		o := &kube.Object{Kind: h.kind, Name: h.name, ObservedAt: l.Now}
		d, err := l.Draft(evidence.PolicyInForce, o, evidence.AdmissionPolicyFacts{
			Cluster: l.Authority, Engine: h.engine, Kind: o.Kind, Name: o.Name, Mode: evidence.PolicyLetsOff, Ready: ready, Reason: why,
		})
		if err != nil {
			return nil, err
		}
		d.Scope = l.Everywhere()
		if why == "" {
			delete(r.memory.Unasked, key)
			d = ended(d, "found")
		}
		ds = append(ds, d)
	}
	return ds, nil
}
