package timeline

import (
	"cmp"
	"fmt"
	"strings"

	"evidenced/evidence"
	"evidenced/reports"
)

// The sentences of policy engines.

func (t *teller) admissionPolicy(f evidence.AdmissionPolicyFacts) string {
	name := strings.TrimPrefix(f.Namespace+"/"+f.Name, "/")
	switch {
	case f.Kind == evidence.RequiredPolicy && f.Mode == evidence.PolicyMissing:
		return fmt.Sprintf("policy %s is required, and no policy of this name is in the cluster", name)
	case f.Kind == evidence.RequiredPolicy:
		return fmt.Sprintf("policy %s is required, and it is in the cluster", name)
	case f.Mode == evidence.PolicyLetsOff:
		return letsOffWords(&f)
	case f.Binds != "" && f.Mode == evidence.PolicyNoCheck:
		return fmt.Sprintf("policy %s, which changes objects, is bound by %s", f.Binds, name) + reachWords(&f)
	case f.Binds != "":
		return fmt.Sprintf("policy %s is bound by %s: %s", f.Binds, name, modeWords(f.Mode)) + reachWords(&f)
	}
	s := fmt.Sprintf("policy %s of %s: %s", name, engineWords(&f), doesWords(&f))
	if n := len(f.Differs); n > 0 {
		s += ", with another action in " + reports.Count(n, "namespace")
	}
	s += reachWords(&f)
	switch f.Ready {
	case "False":
		s += ", not ready: " + cmp.Or(f.Reason, "no reason given")
	case "Unknown":
		s += ", not known to be ready"
	}
	if f.FailsOpen != nil && *f.FailsOpen {
		how := "unchecked"
		if f.Mode == evidence.PolicyNoCheck {
			how = "unchanged"
		}
		s += ", lets requests in " + how + " while the engine is away"
	}
	switch {
	case f.ViolationsCut && f.Violations != nil && f.Listed != nil:
		s += fmt.Sprintf("; %d of %d violations in the cluster are listed, the others were not seen", *f.Listed, *f.Violations)
	case f.ViolationsCut:
		s += "; not all violations in the cluster are listed"
	case f.Audited != nil && !*f.Audited:
		s += "; what is there already was not checked yet"
	case f.Violations != nil:
		s += "; " + reports.Count(*f.Violations, "violation") + " in the cluster"
	}
	return s
}

// letsOffWords tells what an engine leaves unchecked, whatever its policies say.
func letsOffWords(f *evidence.AdmissionPolicyFacts) string {
	engine := cmp.Or(map[string]string{"kyverno": "Kyverno", "gatekeeper": "Gatekeeper"}[f.Engine], f.Engine)
	s := fmt.Sprintf("%s of %s", f.Kind+" "+strings.TrimPrefix(f.Namespace+"/"+f.Name, "/"), engine)
	checked := "requests are not checked"
	if f.Kind == evidence.MutatingWebhooks {
		checked = "images are not verified"
	}
	switch f.Ready {
	case "Unknown":
		return s + ": what it leaves unchecked is not known"
	case "False":
		return s + " is not there: " + checked
	}
	var unchecked, unaudited []string
	for _, d := range f.Differs {
		where := cmp.Or(d.Namespace, "every namespace")
		var parts []string
		for _, part := range []string{d.Kind, d.Policies, strings.TrimSuffix("by "+d.By, "by ")} {
			if part != "" {
				parts = append(parts, part)
			}
		}
		if len(parts) > 0 {
			where += " (" + strings.Join(parts, ", ") + ")"
		}
		if d.Action == evidence.PolicyUnaudited {
			unaudited = append(unaudited, where)
		} else {
			unchecked = append(unchecked, where)
		}
	}
	var says []string
	if len(unchecked) > 0 {
		says = append(says, checked+" in "+few(unchecked))
	}
	if len(unaudited) > 0 {
		says = append(says, "what is there already is not looked at in "+few(unaudited))
	}
	if len(f.Excludes.Kinds) > 0 {
		says = append(says, "kinds not checked anywhere: "+few(f.Excludes.Kinds))
	}
	if f.RulesCut > 0 {
		says = append(says, reports.Count(f.RulesCut, "namespace")+" more are let off")
	}
	if f.FailsOpen != nil && *f.FailsOpen {
		says = append(says, "requests are let in unchecked while the engine is away")
	}
	return s + ": " + cmp.Or(strings.Join(says, "; "), "no namespace of this log is let off")
}

func engineWords(f *evidence.AdmissionPolicyFacts) string {
	switch f.Engine {
	case "kyverno":
		return "Kyverno"
	case "gatekeeper":
		return "Gatekeeper (" + f.Kind + ")"
	case "kubernetes":
		return "Kubernetes"
	}
	return cmp.Or(f.Engine, f.Kind)
}

// doesWords tells what a policy does.
func doesWords(f *evidence.AdmissionPolicyFacts) string {
	if f.Mode == evidence.PolicyNoCheck && len(f.Rules) == 1 {
		switch f.Rules[0].Type {
		case "mutate":
			return "it checks nothing, it changes objects"
		case "generate":
			return "it checks nothing, it makes objects"
		case "delete":
			return strings.TrimSuffix("it checks nothing, it deletes objects, by the schedule "+f.Schedule, ", by the schedule ")
		}
	}
	return modeWords(f.Mode)
}

func modeWords(mode string) string {
	switch mode {
	case evidence.PolicyEnforces:
		return "what breaks it is refused"
	case evidence.PolicyAudits:
		return "what breaks it is reported and let in"
	case evidence.PolicyMixed:
		return "some of what breaks it is refused, the rest reported and let in"
	case evidence.PolicyBound:
		return "its bindings say what happens to what breaks it"
	case evidence.PolicyNoCheck:
		return "it checks nothing, it changes or makes objects"
	}
	return mode
}

func reachWords(f *evidence.AdmissionPolicyFacts) string {
	if len(f.Excludes.Namespaces) > 0 {
		return ", leaves out " + few(f.Excludes.Namespaces)
	}
	return ""
}

func (t *teller) policyException(f evidence.PolicyExceptionFacts) string {
	var from []string
	for _, p := range f.Policies {
		name := p.Policy
		if len(p.Rules) > 0 {
			name += " (" + few(p.Rules) + ")"
		}
		from = append(from, name)
	}
	s := fmt.Sprintf("exception %s/%s lets things break %s", f.Namespace, f.Name, cmp.Or(few(from), "a policy that it does not name"))
	if len(f.Applies.Namespaces) > 0 {
		s += " in " + few(f.Applies.Namespaces)
	}
	if f.ExpiresAt.IsZero() {
		return s + ", without an end"
	}
	return s + " until " + reports.Stamp(f.ExpiresAt, nil)
}

func (t *teller) policyResult(f evidence.PolicyResultFacts) string {
	thing := cmp.Or(strings.TrimSpace(f.Resource.Kind+" "+strings.TrimPrefix(f.Resource.Namespace+"/"+f.Resource.Name, "/")), "what the report is about")
	policy := "policy " + strings.TrimSuffix(f.Policy+"/"+f.Rule, "/")
	if f.Severity != "" {
		policy += " (severity " + f.Severity + ")"
	}
	switch f.Result {
	case "fail":
		return thing + " breaks " + policy
	case "pass":
		return thing + " keeps to " + policy
	case "warn":
		return thing + " is not as " + policy + " advises"
	case "skip":
		if len(f.Exceptions) > 0 {
			return thing + " was not checked against " + policy + ", for exception " + few(f.Exceptions)
		}
		return thing + " was not checked against " + policy
	case "error":
		return thing + " could not be checked against " + policy
	}
	return thing + " was checked against " + policy + ", with a result that is not understood"
}

// resultEnded tells that nobody tells a result any more.
func (t *teller) resultEnded(reason string) string {
	p := strings.Split(strings.NewReplacer("%7C", "\x00").Replace(t.rec.Subject.Name), "|")
	if len(p) < 6 {
		return "a policy's result on " + t.rec.Subject.Name + " is no longer told"
	}
	for i := range p {
		p[i] = strings.NewReplacer("\x00", "|", "%25", "%").Replace(p[i])
	}
	kind, _, _ := strings.Cut(p[1], ".")
	thing := strings.TrimSpace(kind + " " + strings.TrimPrefix(p[0]+"/"+p[2], "/"))
	policy := strings.TrimSuffix(p[4]+"/"+p[5], "/")
	if reason == "reassigned" {
		return fmt.Sprintf("what policy %s found at %s belongs to another tenant from now on", policy, thing)
	}
	return fmt.Sprintf("policy %s has no result on %s any more (the thing or the policy went, or the one no longer applies to the other)", policy, thing)
}
