package policies

import (
	"context"
	"errors"
	"hash/maphash"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence"
)

const (
	kyvernoGroup    = "kyverno.io"
	kyvernoCELGroup = "policies.kyverno.io"
	admissionGroup  = "admissionregistration.k8s.io"
	constraintGroup = "constraints.gatekeeper.sh"
	templateGroup   = "templates.gatekeeper.sh"
	reportGroup     = "wgpolicyk8s.io"
	openGroup       = "openreports.io"
)

// Engines by name.
const (
	kyverno    = "kyverno"
	gatekeeper = "gatekeeper"
	kubernetes = "kubernetes"
)

// reader makes drafts of the objects of policy engines. It is used by one
// goroutine at a time.
type reader struct {
	cfg       Config
	env       collectors.Env
	authority string
	memory    memory
	again     func(l *kube.Look, resource, namespace string) // Look.Again, but in tests
	held      map[uint64]bool                                // results that reports of openreports.io tell; nil: not gathered
	seed      maphash.Seed                                   // of held
	same      map[string]string                              // words that come again and again, once each

	refused bool      // reports were not taken because openreports.io had not been read
	now     time.Time // of the commit that is being made
	full    bool      // all that says whether results are measured has been read, as of then
}

// begin is called before each run of an engine.
func (r *reader) begin() { r.held, r.same, r.full, r.refused = nil, nil, false, false }

// maxSame bounds the words that are kept once.
const maxSame = 10_000

// once returns the text that is equal and was seen first: tens of thousands of
// reports bear the same few.
func (r *reader) once(s string) string {
	if kept, ok := r.same[s]; ok {
		return kept
	}
	if r.same == nil || len(r.same) >= maxSame {
		r.same = map[string]string{}
	}
	r.same[s] = s
	return s
}

// templateResource tells the kinds of constraints. It makes no drafts.
var templateResource = kube.Resource{
	Group: templateGroup, Resource: "constrainttemplates", Kind: "ConstraintTemplate", Versions: []string{"v1", "v1beta1"},
	Cluster: true, Optional: true, Kinds: []evidence.Kind{evidence.PolicyInForce, evidence.PolicyResult},
	Remove: []string{"/spec/targets", "/status"},
}

const templates = "constrainttemplates." + templateGroup

// What objects of policy engines may hold of secrets in clear: whatever a rule
// makes or changes, and what it fetches with. Messages of a status quote anything.
var (
	removedOfKyverno = []string{
		"/spec/rules/*/generate/data", "/spec/rules/*/generate/foreach", "/spec/rules/*/mutate", "/spec/rules/*/context", "/spec/rules/*/validate/foreach/*/context",
		"/status/autogen", "/status/conditions/*/message", "/status/validatingadmissionpolicy/message",
	}
	removedOfCEL = []string{
		"/spec/variables", "/spec/mutations", "/spec/generate", "/spec/targetMatchConstraints/expression", "/status/autogen", "/status/message", "/status/conditionStatus/message", "/status/conditionStatus/conditions/*/message",
	}
	removedOfAdmission = []string{"/spec/mutations", "/spec/variables", "/status/conditions/*/message", "/status/typeChecking/expressionWarnings/*/warning"}
)

// resources lists what is read, templates first. Reports of openreports.io are
// read before the others, which tell the same.
func (r *reader) resources(constraints []string) []kube.Resource {
	t := templateResource
	t.Drafts, t.Gone = r.there(r.template), r.templateGone
	rs := []kube.Resource{t}
	policy := func(group, resource, kind string, cluster bool, remove []string, drafts draftsFunc, versions ...string) {
		rs = append(rs, kube.Resource{Group: group, Resource: resource, Kind: kind, Versions: versions, Cluster: cluster, Optional: true,
			Kinds: []evidence.Kind{evidence.PolicyInForce}, Remove: remove, Drafts: r.there(drafts), Gone: r.policyGone(drafts)})
	}
	policy(kyvernoGroup, "clusterpolicies", "ClusterPolicy", true, removedOfKyverno, r.kyvernoPolicy, "v1", "v2beta1")
	policy(kyvernoGroup, "policies", "Policy", false, removedOfKyverno, r.kyvernoPolicy, "v1", "v2beta1")
	celVersions := []string{"v1", "v1beta1", "v1alpha1"}
	policy(kyvernoCELGroup, "validatingpolicies", "ValidatingPolicy", true, removedOfCEL, r.celPolicy, celVersions...)
	policy(kyvernoCELGroup, "namespacedvalidatingpolicies", "NamespacedValidatingPolicy", false, removedOfCEL, r.celPolicy, celVersions...)
	policy(kyvernoCELGroup, "imagevalidatingpolicies", "ImageValidatingPolicy", true, removedOfCEL, r.celPolicy, celVersions...)
	policy(kyvernoCELGroup, "namespacedimagevalidatingpolicies", "NamespacedImageValidatingPolicy", false, removedOfCEL, r.celPolicy, celVersions...)
	for _, x := range []string{"Mutating", "Generating", "Deleting"} {
		resource, kind := strings.ToLower(x)+"policies", x+"Policy"
		policy(kyvernoCELGroup, resource, kind, true, removedOfCEL, r.changer, celVersions...)
		policy(kyvernoCELGroup, "namespaced"+resource, "Namespaced"+kind, false, removedOfCEL, r.changer, celVersions...)
	}
	policy(admissionGroup, "validatingadmissionpolicies", "ValidatingAdmissionPolicy", true, removedOfAdmission, r.celPolicy, "v1", "v1beta1")
	policy(admissionGroup, "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", true, removedOfAdmission, r.binding, "v1", "v1beta1")
	policy(admissionGroup, "mutatingadmissionpolicies", "MutatingAdmissionPolicy", true, removedOfAdmission, r.changer, celVersions...)
	policy(admissionGroup, "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding", true, removedOfAdmission, r.binding, celVersions...)

	rs = append(rs, r.letsOff()...)

	exception := func(group string, versions ...string) {
		rs = append(rs, kube.Resource{Group: group, Resource: "policyexceptions", Kind: "PolicyException", Versions: versions, Optional: true,
			Kinds: []evidence.Kind{evidence.PolicyException}, Drafts: r.exception})
	}
	exception(kyvernoGroup, "v2", "v2beta1", "v2alpha1")
	exception(kyvernoCELGroup, celVersions...)

	for _, kind := range constraints {
		rs = append(rs, kube.Resource{Group: constraintGroup, Resource: strings.ToLower(kind), Kind: kind, Versions: []string{"v1beta1", "v1"},
			Cluster: true, Optional: true, Needs: []string{templates},
			Kinds: []evidence.Kind{evidence.PolicyInForce, evidence.PolicyResult}, Drafts: r.there(r.constraint), Gone: r.constraintGone})
	}

	report := func(group, resource, kind string, cluster bool, needs []string, versions ...string) {
		rs = append(rs, kube.Resource{Group: group, Resource: resource, Kind: kind, Versions: versions, Cluster: cluster, Optional: true, Needs: needs,
			Kinds: []evidence.Kind{evidence.PolicyResult}, Drafts: r.there(r.report), Gone: r.reportGone})
	}
	report(openGroup, "reports", "Report", false, nil, "v1alpha1")
	report(openGroup, "clusterreports", "ClusterReport", true, nil, "v1alpha1")
	open := []string{"reports." + openGroup, "clusterreports." + openGroup}
	report(reportGroup, "policyreports", "PolicyReport", false, open, "v1alpha2")
	report(reportGroup, "clusterpolicyreports", "ClusterPolicyReport", true, open, "v1alpha2")
	return rs
}

type draftsFunc = func(context.Context, *kube.Object, *kube.Look) ([]evidence.Draft, error)

// there takes note of an object that cannot be read: it is there, under its name,
// and what is remembered of it holds.
func (r *reader) there(drafts draftsFunc) draftsFunc {
	return func(ctx context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
		ds, err := drafts(ctx, o, l)
		if err == nil {
			return ds, nil
		}
		if x := r.memory.Templates[o.Name]; x != nil && o.Group() == templateGroup {
			x.Seen = o.ObservedAt
		}
		if x := r.memory.Reports[o.UID]; x != nil {
			x.Seen = o.ObservedAt
		}
		if x := r.memory.LetsOff[o.UID]; x != nil {
			x.Seen = o.ObservedAt
		}
		if p := r.memory.Policies[o.UID]; p != nil {
			p.Seen = o.ObservedAt
		} else if isPolicy(o) {
			r.remember(o, "", false)
		}
		return nil, err
	}
}

// isPolicy reports whether an object is one that may be required by name.
func isPolicy(o *kube.Object) bool {
	return o.Group() == constraintGroup || strings.HasSuffix(o.Kind, "Policy")
}

// policyGone ends the state of a policy that was deleted.
func (r *reader) policyGone(drafts draftsFunc) draftsFunc {
	return func(ctx context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
		ds, err := drafts(ctx, o, l)
		delete(r.memory.Policies, o.UID)
		delete(r.memory.LetsOff, o.UID)
		if err != nil {
			return nil, err
		}
		for i := range ds {
			ds[i] = ended(ds[i], "deleted")
		}
		return ds, nil
	}
}

// ended makes the end of a state out of its last form. Whose the names are that its
// bytes hold is said as before.
func ended(d evidence.Draft, reason string) evidence.Draft {
	d.Op, d.OccurredAt, d.Basis = evidence.OpEnd, d.ObservedAt, evidence.BasisObserved
	d.Content, d.Text = []byte(`{"reason":"`+reason+`"}`), nil
	return d
}

// template remembers which kind of constraints a template makes.
func (r *reader) template(_ context.Context, o *kube.Object, _ *kube.Look) ([]evidence.Draft, error) {
	kind, err := kindOfTemplate(o)
	if err != nil {
		return nil, err
	}
	r.memory.template(o.Name, kind, o.ObservedAt)
	return nil, nil
}

func (r *reader) templateGone(_ context.Context, o *kube.Object, _ *kube.Look) ([]evidence.Draft, error) {
	delete(r.memory.Templates, o.Name)
	return nil, nil
}

var kindName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,62}$`)

// errTemplate says that a template names no kind of constraints.
var errTemplate = errors.New("the template names no kind")

func kindOfTemplate(o *kube.Object) (string, error) {
	var in struct {
		Spec struct {
			CRD struct {
				Spec struct {
					Names struct {
						Kind string `json:"kind"`
					} `json:"names"`
				} `json:"spec"`
			} `json:"crd"`
		} `json:"spec"`
	}
	if err := o.Decode(&in); err != nil {
		return "", err
	}
	if kind := in.Spec.CRD.Spec.Names.Kind; kindName.MatchString(kind) {
		return kind, nil
	}
	return "", errTemplate
}

// maxConstraintKinds bounds the kinds of constraints that are read.
const maxConstraintKinds = 500

// sortedKinds are the kinds in order, each once: two that differ in case alone
// would be one resource.
func sortedKinds(kinds []string) []string {
	slices.Sort(kinds)
	kinds = slices.CompactFunc(kinds, strings.EqualFold)
	return kinds[:min(len(kinds), maxConstraintKinds)]
}

// templates returns the kinds of constraints that are to be read; false while that
// is not known.
func (r *reader) templates(l *kube.Look) ([]string, bool) {
	if !l.Whole(templates) {
		return nil, false
	}
	r.memory.forget(l.ListedAt)
	return r.known(), true
}

// known are the kinds of constraints of the templates that were seen, and those of
// constraints that were told: that they went with their template is found where
// they stood.
func (r *reader) known() []string {
	kinds := r.told()
	for _, t := range r.memory.Templates {
		kinds = append(kinds, t.Kind)
	}
	return sortedKinds(kinds)
}

// told are the kinds of the constraints that were told and have not ended.
func (r *reader) told() (kinds []string) {
	for _, p := range r.memory.Policies {
		if p.Kind != "" && !slices.Contains(kinds, p.Kind) {
			kinds = append(kinds, p.Kind)
		}
	}
	return kinds
}

// place says whose something is that names namespaces in its lists and bytes: of
// its own namespace; without one it reaches into all of them. Lists are those of
// namespaces or patterns, by their place in the facts, and all are those that the
// object holds: the facts may list fewer.
func (r *reader) place(d *evidence.Draft, o *kube.Object, l *kube.Look, lists map[string][]string, all ...[]string) {
	if o.Namespace == "" {
		d.Scope = append(d.Scope, l.Everywhere()...)
	}
	listed := map[string]bool{}
	for _, at := range slices.Sorted(maps.Keys(lists)) {
		if len(lists[at]) > 0 {
			d.Mentions = append(d.Mentions, mention(l, at, lists[at]))
		}
		for _, n := range lists[at] {
			listed[n] = true
		}
	}
	var beyond []string
	for _, n := range slices.Concat(all...) {
		if !listed[n] {
			beyond, listed[n] = append(beyond, n), true
		}
	}
	if len(beyond) > 0 {
		d.Mentions = append(d.Mentions, mention(l, "", beyond))
	}
	r.spelled(d, l, o.Namespace)
	collectors.WithoutLogins(d, agent)
}

// mention says whose the namespaces of a list are. A pattern is whose the
// namespaces are that it chooses now.
func mention(l *kube.Look, at string, names []string) evidence.Mention {
	m := l.Mention(at, names)
	known := l.Namespaces()
	for i, n := range names {
		if n != "" && strings.ContainsAny(n, "*?") {
			m.Of[i] = []evidence.Ref{l.Ref("", "Namespace", "", n)}
			for _, ns := range known {
				if match(n, ns) {
					m.Of[i] = append(m.Of[i], l.Scope(ns)...)
				}
			}
			continue
		}
		if n != "" { // called by its name first
			m.Of[i] = append([]evidence.Ref{l.Ref("", "Namespace", "", n)}, l.Scope(n)...)
		}
	}
	return m
}

// match reports whether a name, or a pattern with * and ?, chooses a namespace.
func match(pattern, namespace string) bool {
	if strings.ContainsAny(pattern, "[\\") {
		return pattern == namespace // no pattern of these engines
	}
	ok, err := path.Match(pattern, namespace)
	return ok && err == nil
}

// maxSpelled bounds the names that are taken out of one draft's bytes and text.
const maxSpelled = 5000

// spelled says whose the names are that a draft's text and bytes spell beyond the
// object's own namespace, so that they can be taken out where they are another
// tenant's. Where not all namespaces are known, any word may be one. Bytes that spell
// too many of them are left out.
func (r *reader) spelled(d *evidence.Draft, l *kube.Look, own string) {
	unknown := !r.cfg.NamespaceLabels || len(r.cfg.Namespaces) > 0
	m, ok := l.Spelled(d, own, unknown, maxSpelled)
	if !ok { // a text is too short for so many
		d.Raw, d.Removed = []byte("null"), []string{agent, ""}
		m, _ = l.Spelled(d, own, unknown, evidence.MaxText)
	}
	if len(m.Of) > 0 {
		d.Mentions = append(d.Mentions, m)
	}
}

// maxWord bounds one text of the source in the facts, in bytes.
const maxWord = 1 << 10

// word returns a text of the source as facts hold it: bounded, without user and
// password of addresses and other credentials, which would not be known as such once
// they are cut.
func word(s string) string {
	s = collectors.WithoutCredentials(collectors.WithoutUser(s))
	if len(s) > maxWord {
		s = strings.ToValidUTF8(s[:maxWord], "") + " (cut)"
	}
	return s
}

// words bounds each text of a list, leaves out repeats and sorts it.
func words(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" {
			out = append(out, word(s))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
