package policies

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// What an engine leaves unchecked as a whole, whatever its policies say: Gatekeeper's
// Config, Kyverno's ConfigMap, and the webhook configurations by which the API server
// asks either (webhooks.go). None of them is a policy. Each is a state of its own, which each tenant
// is told with the namespaces of its own that are let off.

const (
	configGroup   = "config.gatekeeper.sh"
	kyvernoConfig = "kyverno" // the name of its ConfigMap
)

// removedOfConfigMap are people, and words that are read of nobody.
var removedOfConfigMap = []string{"/metadata/annotations", "/binaryData", excludedUsers}

const excludedUsers = "/data/excludeUsernames"

// letsOff lists the resources that say so.
func (r *reader) letsOff() []kube.Resource {
	one := func(x kube.Resource, drafts draftsFunc) kube.Resource {
		x.Optional, x.Kinds = true, []evidence.Kind{evidence.PolicyInForce}
		x.Drafts, x.Gone = r.there(drafts), r.policyGone(drafts)
		return x
	}
	rs := []kube.Resource{
		one(kube.Resource{Group: configGroup, Resource: "configs", Kind: "Config", Versions: []string{"v1alpha1"}}, r.gatekeeperConfig),
		one(kube.Resource{Group: admissionGroup, Resource: "validatingwebhookconfigurations", Kind: validatingHooks, Versions: []string{"v1"},
			Cluster: true, Needs: append([]string{"namespaces", kubernetesPolicies}, slices.Sorted(maps.Keys(kyvernoChecks))...), Remove: removedOfWebhooks}, r.webhookConfiguration),
		one(kube.Resource{Group: admissionGroup, Resource: "mutatingwebhookconfigurations", Kind: mutatingHooks, Versions: []string{"v1"},
			Cluster: true, Waived: true, Needs: []string{"namespaces"}, Remove: removedOfWebhooks}, r.webhookConfiguration),
	}
	if r.cfg.KyvernoConfig != "" {
		rs = append(rs, one(kube.Resource{Resource: "configmaps", Kind: "ConfigMap", Versions: []string{"v1"}, In: r.cfg.KyvernoConfig, Named: kyvernoConfig,
			Remove: removedOfConfigMap}, r.kyvernoConfigMap))
	}
	return rs
}

// lets makes the draft of an object that leaves something unchecked, and remembers it.
func (r *reader) lets(o *kube.Object, l *kube.Look, f *evidence.AdmissionPolicyFacts) ([]evidence.Draft, error) {
	f.Mode = evidence.PolicyLetsOff
	f.Severity, f.Category = "", ""
	d, err := r.policyDraft(o, l, f)
	if err != nil {
		return nil, err
	}
	if o.Namespace != "" { // it reaches beyond its own
		d.Scope = append(d.Scope, l.Everywhere()...)
	}
	if r.memory.LetsOff == nil {
		r.memory.LetsOff = map[string]*letsOff{}
	}
	r.memory.LetsOff[o.UID] = &letsOff{Of: resourceOf(o), Space: o.Namespace, Engine: f.Engine, Seen: o.ObservedAt}
	return []evidence.Draft{d}, nil
}

// chosen are the namespaces that a pattern chooses now. What chooses none stays as it
// is written: not all may be known.
func chosen(l *kube.Look, pattern string) (names []string) {
	for _, ns := range l.Namespaces() {
		if match(pattern, ns) {
			names = append(names, ns)
		}
	}
	if len(names) == 0 {
		names = []string{word(pattern)}
	}
	return names
}

// differ adds the namespaces of a pattern to what is let off, each once.
func differ(f *evidence.AdmissionPolicyFacts, l *kube.Look, pattern, kind, action string) {
	for _, ns := range chosen(l, pattern) {
		if x := (evidence.PolicyDiffer{Namespace: ns, Kind: kind, Action: action}); !slices.Contains(f.Differs, x) {
			f.Differs = append(f.Differs, x)
		}
	}
}

// gatekeeperConfig makes the draft of Gatekeeper's Config. One of another name says
// nothing. See https://open-policy-agent.github.io/gatekeeper/website/docs/exempt-namespaces.
func (r *reader) gatekeeperConfig(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	if o.Name != "config" {
		return nil, nil
	}
	var in struct {
		Spec struct {
			Match []struct {
				Excluded  []string `json:"excludedNamespaces"`
				Processes []string `json:"processes"`
			} `json:"match"`
		} `json:"spec"`
	}
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	f := r.policyFacts(o, l, gatekeeper)
	f.Ready = ""
	for _, m := range in.Spec.Match {
		for process, action := range map[string]string{"webhook": evidence.PolicyUnchecked, "audit": evidence.PolicyUnaudited} {
			if !slices.Contains(m.Processes, "*") && !slices.Contains(m.Processes, process) {
				continue
			}
			f.Excludes.Namespaces = append(f.Excludes.Namespaces, m.Excluded...)
			for _, ns := range m.Excluded {
				differ(f, l, ns, "", action)
			}
		}
	}
	f.Excludes.Namespaces = words(f.Excludes.Namespaces)
	slices.SortStableFunc(f.Differs, func(a, b evidence.PolicyDiffer) int {
		return strings.Compare(a.Namespace+" "+a.Action, b.Namespace+" "+b.Action)
	})
	return r.lets(o, l, f)
}

// resourceFilter is one of Kyverno's: [kind,namespace,name].
var resourceFilter = regexp.MustCompile(`\[([^\[\]]*)\]`)

// kyvernoConfigMap makes the draft of Kyverno's ConfigMap. A filter for a kind in all
// namespaces is listed as a kind, one for things of some names by that alone. See
// https://kyverno.io/docs/installation/customization/#resource-filters.
func (r *reader) kyvernoConfigMap(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in struct {
		Data map[string]string `json:"data"`
	}
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	f := r.policyFacts(o, l, kyverno)
	f.Ready = ""
	var out reach
	for _, m := range resourceFilter.FindAllStringSubmatch(in.Data["resourceFilters"], -1) {
		x := append(strings.Split(m[1], ","), "", "")
		kind, namespace, name := word(x[0]), x[1], x[2]
		if strings.Trim(kind, "*/") == "" {
			kind = "" // every one
		}
		switch {
		case !slices.Contains([]string{"*", "**", "?*", "*?"}, name): // the latter two leave out names that are still to be made
			out.by("names")
		case kind != "" && namespace == "*":
			out.kinds = append(out.kinds, kind)
		default:
			out.namespaces = append(out.namespaces, namespace)
			differ(f, l, namespace, kind, evidence.PolicyUnchecked)
		}
	}
	for _, key := range []string{"excludeGroups", "excludeRoles", "excludeClusterRoles"} {
		if in.Data[key] != "" {
			out.by("who asks")
		}
	}
	if slices.Contains(o.Removed, excludedUsers) {
		out.by("who asks")
	}
	f.Excludes = out.facts()
	return r.lets(o, l, f)
}

// errSpaces says that the namespaces could not be read yet: none is no answer.
var errSpaces = errors.New("whom the webhooks reach stands on the namespaces, which are not known")

// all reports whether a selector chooses everything.
func (s *labelSelector) all() bool { return s == nil || len(s.Labels)+len(s.Expressions) == 0 }

// chooses reports whether a selector chooses a namespace.
func (s *labelSelector) chooses(n kube.Namespace) bool {
	if s.all() {
		return true
	}
	labels := maps.Clone(n.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[nameLabel] = n.Name
	for k, v := range s.Labels {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	for _, e := range s.Expressions {
		got, has := labels[e.Key]
		is := has
		switch e.Operator {
		case "In":
			is = has && slices.Contains(e.Values, got)
		case "NotIn":
			is = !has || !slices.Contains(e.Values, got)
		case "DoesNotExist":
			is = !has
		}
		if !is {
			return false
		}
	}
	return true
}

// spacesNow sums up all namespaces, and what else decides what is let off, so that a
// change is noticed.
func spacesNow(l *kube.Look, refusing map[string]string) string {
	h := sha256.New()
	fmt.Fprintln(h, refusing) // in the order of its keys
	for _, name := range l.Namespaces() {
		n, _ := l.Namespace(name)
		fmt.Fprintf(h, "%s %s", name, n.UID)
		for _, k := range slices.Sorted(maps.Keys(n.Labels)) {
			fmt.Fprintf(h, " %s=%s", k, n.Labels[k])
		}
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// settle has what is let off read again when there are other namespaces, or other
// labels of them, or policies of another kind that refuse, than it was read with.
func (r *reader) settle(l *kube.Look) {
	if r.cfg.NamespaceLabels && len(l.Namespaces()) == 0 {
		return // nothing is known of them yet
	}
	now := spacesNow(l, r.refusing())
	if now == r.memory.Spaces {
		return
	}
	r.memory.Spaces = now
	again := r.again
	if again == nil {
		again = (*kube.Look).Again
	}
	for _, x := range r.memory.LetsOff {
		again(l, x.Of, x.Space)
	}
}

// Why it is not known what Kyverno leaves unchecked.
const (
	notRead  = "NotRead"  // kyverno_config names no namespace, or the credential may not read the webhook configurations
	notFound = "NotFound" // there is no such object
)

// unread tells that it is not known what Kyverno leaves unchecked, while it has
// policies and its ConfigMap was not seen: that is no empty one.
func (r *reader) unread(l *kube.Look) ([]evidence.Draft, error) {
	why := ""
	for _, p := range r.memory.Policies {
		if p.Engine == kyverno {
			why = notRead
		}
	}
	if why != "" && r.cfg.KyvernoConfig != "" {
		why = notFound
		for _, x := range r.memory.LetsOff {
			if x.Of == "configmaps" {
				why = ""
			}
		}
	}
	was := r.memory.Unread
	if why == was {
		return nil, nil
	}
	r.memory.Unread = why
	o := &kube.Object{Kind: "ConfigMap", Name: kyvernoConfig, ObservedAt: l.Now}
	d, err := l.Draft(evidence.PolicyInForce, o, evidence.AdmissionPolicyFacts{
		Cluster: l.Authority, Engine: kyverno, Kind: o.Kind, Name: o.Name, Mode: evidence.PolicyLetsOff, Ready: "Unknown", Reason: why,
	})
	if err != nil {
		return nil, err
	}
	d.Scope = l.Everywhere()
	if why == "" {
		d = ended(d, "read")
	}
	return []evidence.Draft{d}, nil
}
