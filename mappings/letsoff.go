package mappings

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"evidenced/evidence"
)

// leavesOut says whether what an engine leaves unchecked is something that a policy
// of it covers, and what it is, for people. Of namespaces the record lists those of
// the tenant alone.
func leavesOut(f, policy *evidence.AdmissionPolicyFacts) (is tri, what string) {
	if !concerns(f, policy) {
		return no, ""
	}
	name := f.Kind + " " + policyName(f)
	if f.Ready == "False" {
		return unlessBound(policy), name + " is not there, by which " + f.Engine + " would be asked"
	}
	is = no
	for i := range f.Differs {
		d := &f.Differs[i]
		switch got := entryLetsOff(f, d, policy); {
		case got == yes:
			return yes, name + " leaves out " + cmp.Or(strings.TrimSpace(d.Namespace+" "+d.Kind), "each "+d.Policies)
		case got == unknown:
			is = unknown
		}
	}
	for _, kind := range f.Excludes.Kinds { // in all namespaces
		switch leavesOutKind(policy, kind) {
		case yes:
			return yes, name + " leaves out " + kind
		case unknown:
			is = unknown
		}
	}
	if f.Ready == "Unknown" || f.RulesCut > 0 || f.Excludes.Cut > 0 || !asksAbout(f, policy) {
		return unknown, ""
	}
	return is, ""
}

// concerns reports whether a state that lets something off is about what a policy
// does: webhooks that change objects are about images that are verified there.
func concerns(f, policy *evidence.AdmissionPolicyFacts) bool {
	return f.Kind != evidence.MutatingWebhooks || slices.ContainsFunc(policy.Rules, func(c evidence.PolicyCheck) bool { return c.Type == evidence.VerifyImages })
}

// entryLetsOff says whether one entry of what an engine leaves unchecked is something that
// a policy covers.
func entryLetsOff(f *evidence.AdmissionPolicyFacts, d *evidence.PolicyDiffer, policy *evidence.AdmissionPolicyFacts) tri {
	if d.Action != evidence.PolicyUnchecked || d.Policies != "" && d.Policies != kindOfPolicies(policy) {
		return no
	}
	is := yes
	if d.Namespace != "" {
		if ofKubernetes(d.Namespace) || d.Namespace == f.Namespace || !coversSpace(policy, d.Namespace) {
			return no
		}
		if policy.Namespace == "" && slices.Contains(policy.Applies.By, "namespace labels") {
			is = unknown // whether it covers that namespace stands on labels
		}
	}
	if d.Kind != "" {
		is = min3(is, leavesOutKind(policy, d.Kind))
	}
	if d.By != "" {
		if slices.Contains(policy.Applies.By, d.By) {
			return no // the policy narrows itself so
		}
		is = min3(is, unknown)
	}
	if is == yes {
		is = unlessBound(policy)
	}
	return is
}

// kindOfPolicies is the kind by which an engine tells its policies apart: one of a
// namespace is with those of the cluster.
func kindOfPolicies(policy *evidence.AdmissionPolicyFacts) string {
	if policy.Kind == "Policy" {
		return "ClusterPolicy"
	}
	return strings.TrimPrefix(policy.Kind, "Namespaced")
}

// unlessBound is yes, but unknown for a constraint of Gatekeeper that also, or only,
// refuses by a policy of Kubernetes: that one needs no webhook.
func unlessBound(policy *evidence.AdmissionPolicyFacts) tri {
	if slices.Contains(policy.Actions, "deny at vap.k8s.io") {
		return unknown
	}
	return yes
}

// asksAbout reports whether the rules of Gatekeeper's webhook name all kinds that a
// constraint covers, as far as names tell. Kyverno makes its rules of its policies.
func asksAbout(f, policy *evidence.AdmissionPolicyFacts) bool {
	if f.Engine != "gatekeeper" || f.Kind == "Config" || len(f.Applies.Kinds) == 0 || slices.ContainsFunc(f.Applies.Kinds, coversEvery) {
		return true
	}
	return len(policy.Applies.Kinds) > 0 && !slices.ContainsFunc(policy.Applies.Kinds, func(k string) bool {
		return !slices.ContainsFunc(f.Applies.Kinds, func(asked string) bool { return ofKind(asked, path.Base(k), "") })
	})
}

// coversEvery reports whether a kind, as an engine or a rule writes it, is all of them.
func coversEvery(kind string) bool { return kind != "" && strings.Trim(kind, "*/.") == "" }

// Kinds that Kyverno's filters leave out as it is installed: events, what nodes, the
// API server and the scheduler do for themselves, what comes of a Deployment, and
// Kyverno's reports. A policy that covers everything is not held to be about them; one
// that names them is.
// See https://github.com/kyverno/kyverno/blob/main/charts/kyverno/values.yaml (config.resourceFilters).
var leftOutByDefault = []string{
	"Event", "Node", "APIService", "TokenReview", "SubjectAccessReview", "SelfSubjectAccessReview", "Binding", "Pod/binding", "ReplicaSet",
	"AdmissionReport", "ClusterAdmissionReport", "BackgroundScanReport", "ClusterBackgroundScanReport", "EphemeralReport", "ClusterEphemeralReport",
	"CertificateSigningRequest", // by the condition of its webhooks
}

// leavesOutKind says whether a kind that is left out is one that a policy covers. The
// kind may name its group, version and subresource, and hold wildcards.
func leavesOutKind(policy *evidence.AdmissionPolicyFacts, kind string) tri {
	kind, sub := splitKind(kind)
	itself := wild(sub, "") // the thing, and not its subresources alone
	every := len(policy.Applies.Kinds) == 0 && itself
	is := no
	for _, covered := range policy.Applies.Kinds {
		switch {
		case coversEvery(covered):
			every = every || itself || strings.HasSuffix(covered, "/*")
		case ofKind(covered, kind, sub):
			return yes
		case strings.ContainsAny(covered, "*?"): // some of a group, or of a pattern
			is = unknown
		}
	}
	full := strings.TrimSuffix(kind+"/"+sub, "/")
	byDefault := slices.ContainsFunc(leftOutByDefault, func(k string) bool {
		return k == full || k == kind && strings.Trim(sub, "*?") == ""
	})
	switch {
	case byDefault:
		return no
	case every:
		return yes
	}
	return is
}

// splitKind parts a kind as Kyverno writes it into the kind and its subresource:
// Pod, v1/Pod, apps/v1/Deployment, Pod/exec, Pod.exec, apps/v1/Deployment/scale.
func splitKind(s string) (kind, sub string) {
	parts := strings.Split(s, "/")
	parts = append(parts[:len(parts)-1], strings.Split(parts[len(parts)-1], ".")...)
	for i, p := range parts { // what begins with a capital is the kind
		if p != "" && strings.ToLower(p[:1]) != p[:1] {
			return p, strings.Join(parts[i+1:], "/")
		}
	}
	if n := len(parts); n > 1 && parts[0] == "*" && parts[1] != "*" {
		return "*", parts[n-1]
	}
	return parts[len(parts)-1], ""
}

// ofKind reports whether a kind or resource that a policy covers, as its engine writes
// it (Pod, apps/v1/Deployment, apps/deployments, pods/exec), is of the kind and
// subresource, which may hold wildcards.
func ofKind(covered, kind, sub string) bool {
	kind, sub = strings.ToLower(kind), strings.ToLower(sub)
	parts := strings.FieldsFunc(strings.ToLower(covered), func(r rune) bool { return r == '/' || r == '.' })
	for i, part := range parts {
		singular := []string{part, strings.TrimSuffix(part, "s"), strings.TrimSuffix(part, "es")}
		if s, ok := strings.CutSuffix(part, "ies"); ok {
			singular = append(singular, s+"y")
		}
		if !slices.ContainsFunc(singular, func(s string) bool { return wild(kind, s) }) {
			continue
		}
		rest := strings.Join(parts[i+1:], "/")
		if wild(sub, rest) || strings.ContainsAny(rest, "*?") {
			return true
		}
	}
	return false
}

// wild reports whether a pattern with * and ? chooses a word; * may be nothing.
func wild(pattern, word string) bool {
	ok, err := path.Match(pattern, word)
	return ok && err == nil
}

// min3 is the worse of two answers: no before unknown before yes.
func min3(a, b tri) tri { return max3(a.not(), b.not()).not() }
