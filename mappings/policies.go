package mappings

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

var admissionPoliciesView = &view{
	View: View{
		Name: "admission_policies",
		Doc: "Policies of policy engines: one item for each that was in force in the period, and one for each that the configuration asks for by name. " +
			"A policy is enforced while each of its checks refuses what breaks it, the engine calls it ready, and no namespace of the tenant is let off. " +
			"A ValidatingAdmissionPolicy is while a binding of it that covers all it covers refuses; its bindings are no items. " +
			"What an engine leaves unchecked as a whole counts for each of its policies that covers it: a namespace of the tenant that Gatekeeper's Config, Kyverno's filters or the engine's webhooks leave out, " +
			"a kind that Kyverno's filters leave out everywhere, and everything while the webhook configuration is gone; of rules that verify images also where Kyverno's webhook that changes objects does not reach. " +
			"What an engine's webhook leaves out by labels, conditions, operations or versions of the API makes it unknown. " +
			"Namespaces of Kubernetes itself (kube-system, kube-public, kube-node-lease) and the engine's own do not count there.",
		Kinds: []evidence.Kind{evidence.PolicyInForce},
		Fields: []Field{
			atEnd,
			{Name: "engine", Type: "string", Doc: "kyverno, gatekeeper or kubernetes; empty for what is only asked for"},
			{Name: "kind", Type: "string", Doc: "kind of the policy's object; RequiredPolicy for what is asked for"},
			{Name: "name", Type: "string", Doc: "name, with the namespace before it where it stands in one"},
			{Name: "required", Type: "bool", Doc: "the configuration asked for a policy of this name at some time in the period"},
			{Name: "checks", Type: "bool", Doc: "it checked something in one of its forms of the period; others change, make or delete objects"},
			{Name: "mode", Type: "string", Doc: "at the end of the period or when it went: enforce, audit, mixed, bound, none; there or missing for what is asked for"},
			{Name: "fails_open", Type: "bool", Optional: true, Doc: "while the engine cannot answer, requests are let in unchecked, as the policy or the engine's webhook says; missing where nothing says"},
			{Name: "severity", Type: "string", Doc: "critical, high, medium, low or info; empty where nobody graded it"},
			{Name: "excludes", Type: "list(string)", Doc: "namespaces and patterns that it leaves out, as far as the tenant is told"},
			{Name: "blind", Type: "bool", Doc: "for some of the time that it existed in the period nobody looked at it"},
			{Name: "longest_off", Type: "duration", Doc: "longest stretch in which it was seen not enforced, without a blind window in it; of what is asked for, without a policy of the name"},
			{Name: "longest_possible_off", Type: "duration", Doc: "as longest_off, counting blind windows and unknown states as not enforced"},
		},
	},
	build: buildAdmissionPolicies,
}

// guarded is whether a policy was enforced, over a stretch, and its form there.
type guarded struct {
	is     tri
	policy *evidence.AdmissionPolicyFacts
	why    string // what let it off, for people; "" when nothing did
}

func buildAdmissionPolicies(ctx context.Context, s *scene, yield func(*item) error) error {
	flat, err := stretches[evidence.AdmissionPolicyFacts](ctx, s, evidence.PolicyInForce)
	if err != nil {
		return err
	}
	type name struct {
		source evidence.SourceID
		name   string
	}
	required := map[name]bool{}
	bindings := map[name][]stretch[evidence.AdmissionPolicyFacts]{}
	off := map[name][]stretch[evidence.AdmissionPolicyFacts]{} // by engine
	for i := range flat {
		f := &flat[i].facts
		if f.Mode == evidence.PolicyLetsOff {
			k := name{flat[i].source, f.Engine}
			off[k] = append(off[k], flat[i])
		}
		if f.Kind == evidence.RequiredPolicy {
			required[name{flat[i].source, policyName(f)}] = true
		}
		if f.Binds != "" && f.Mode != evidence.PolicyNoCheck { // one of a policy that changes objects may have the same name
			k := name{flat[i].source, f.Binds}
			bindings[k] = append(bindings[k], flat[i])
		}
	}
	var its []*item
	for sts := range perSubject(flat) {
		last, _ := newestOf(sts)
		f := &last.facts
		if f.Binds != "" || f.Mode == evidence.PolicyLetsOff {
			continue
		}
		k := name{last.source, policyName(f)}
		word := "policy "
		if f.Kind == evidence.RequiredPolicy {
			word = "required policy "
		}
		it := subjectItem(sts, evidence.PolicyInForce, word+policyName(f))
		it.set("engine", f.Engine).set("kind", f.Kind).set("name", policyName(f)).set("required", required[k])
		checks := slices.ContainsFunc(sts, func(st stretch[evidence.AdmissionPolicyFacts]) bool { return st.facts.Mode != evidence.PolicyNoCheck })
		it.set("mode", f.Mode).set("checks", checks).set("severity", f.Severity)
		excludes := f.Excludes.Namespaces
		if excludes == nil {
			excludes = []string{}
		}
		it.set("excludes", excludes)
		by := off[name{last.source, f.Engine}]
		it.setBool("fails_open", failsOpen(f, by))
		pieces := letOff(s, enforcedOver(s, sts, bindings[k]), by, it)
		out := longest(s, evidence.PolicyInForce, pieces, func(g *guarded) tri { return g.is.not() })
		if f.Mode == evidence.PolicyBound {
			for _, b := range bindings[k] {
				if it.also(b.seq); b.endSeq != 0 {
					it.also(b.endSeq)
				}
			}
		}
		it.set("blind", out.blind).set("longest_off", out.sure).set("longest_possible_off", out.possible)
		if out.sure > 0 {
			it.why["longest_off"] = fmt.Sprintf("%s for %s from %s", offWord(f), human(out.sure.Truncate(time.Second)), evidence.FormatTime(out.from)) + offReason(pieces, out.from)
			it.front(out.seqs...)
		}
		its = append(its, it)
	}
	return yieldSorted(its, yield)
}

func offWord(f *evidence.AdmissionPolicyFacts) string {
	if f.Kind == evidence.RequiredPolicy {
		return "there was no policy of this name"
	}
	return "not enforced or not ready"
}

func policyName(f *evidence.AdmissionPolicyFacts) string {
	return strings.TrimPrefix(f.Namespace+"/"+f.Name, "/")
}

// enforced says whether a policy refused all that broke it.
func enforced(f *evidence.AdmissionPolicyFacts) tri {
	switch f.Mode {
	case evidence.PolicyThere:
		return yes
	case evidence.PolicyEnforces, evidence.PolicyBound:
	default:
		return no
	}
	if len(f.Differs) > 0 {
		return no
	}
	if f.RulesCut > 0 {
		return unknown
	}
	return readyIs(f.Ready)
}

// enforcedOver cuts the states of a policy where a binding of it begins or ends,
// and says of each piece whether it was enforced. States of policies without
// bindings stay whole.
func enforcedOver(s *scene, sts, bindings []stretch[evidence.AdmissionPolicyFacts]) []stretch[guarded] {
	var out []stretch[guarded]
	for i := range sts {
		st := &sts[i]
		piece := stretch[guarded]{seq: st.seq, source: st.source, subject: st.subject, from: st.from, until: st.until, lastLook: st.lastLook, endSeq: st.endSeq, facts: guarded{is: enforced(&st.facts), policy: &st.facts}}
		if st.facts.Mode != evidence.PolicyBound {
			out = append(out, piece)
			continue
		}
		out = append(out, boundPieces(s, piece, bindings)...)
	}
	return out
}

func boundPieces(s *scene, whole stretch[guarded], bindings []stretch[evidence.AdmissionPolicyFacts]) []stretch[guarded] {
	out := cutAt(s, whole, bindings)
	for i := range out {
		piece := &out[i]
		refuses := no
		for j := range bindings {
			b := &bindings[j]
			if !holdsAt(b, piece) || b.facts.Mode != evidence.PolicyEnforces {
				continue
			}
			if narrows(&b.facts) {
				refuses = max3(refuses, unknown)
			} else {
				refuses = yes
			}
		}
		if refuses == yes {
			refuses = piece.facts.is
		} else if piece.facts.is == no {
			refuses = no
		}
		piece.facts.is = refuses
	}
	return out
}

// cutAt cuts the state of a policy where one of the others begins or ends.
func cutAt(s *scene, whole stretch[guarded], others []stretch[evidence.AdmissionPolicyFacts]) (out []stretch[guarded]) {
	end := whole.end(s.period)
	cuts := []time.Time{whole.from, end}
	looks := map[time.Time]time.Time{} // the last look before one of them changed
	for i := range others {
		b := &others[i]
		for _, t := range []time.Time{b.from, b.until} {
			if t.After(whole.from) && t.Before(end) {
				cuts = append(cuts, t)
			}
		}
		if !b.until.IsZero() {
			looks[b.until] = b.lastLook
		}
	}
	slices.SortFunc(cuts, time.Time.Compare)
	cuts = slices.CompactFunc(cuts, time.Time.Equal)
	if len(cuts) == 1 { // it lasted no time
		return []stretch[guarded]{whole}
	}
	for i := 0; i+1 < len(cuts); i++ {
		piece := whole
		piece.from, piece.until, piece.lastLook = cuts[i], cuts[i+1], looks[cuts[i+1]]
		if i+2 == len(cuts) {
			piece.until, piece.lastLook = whole.until, whole.lastLook
		}
		out = append(out, piece)
	}
	return out
}

// holdsAt reports whether a state is in force as a piece begins.
func holdsAt(b *stretch[evidence.AdmissionPolicyFacts], piece *stretch[guarded]) bool {
	return !b.from.After(piece.from) && (b.until.IsZero() || b.until.After(piece.from))
}

// letOff cuts the pieces of a policy where what its engine leaves unchecked begins or
// ends, and takes that into account. The records that say so become the item's.
func letOff(s *scene, pieces []stretch[guarded], off []stretch[evidence.AdmissionPolicyFacts], it *item) (out []stretch[guarded]) {
	for i := range pieces {
		for _, piece := range cutAt(s, pieces[i], off) {
			for j := range off {
				b := &off[j]
				if !holdsAt(b, &piece) {
					continue
				}
				is, what := leavesOut(&b.facts, piece.facts.policy)
				switch is {
				case yes:
					if piece.facts.is != no {
						piece.facts.why = what
					}
					piece.facts.is = no
				case unknown:
					if piece.facts.is == yes {
						piece.facts.is = unknown
					}
				default:
					continue
				}
				if it.also(b.seq); b.endSeq != 0 {
					it.also(b.endSeq)
				}
			}
			out = append(out, piece)
		}
	}
	return out
}

// offReason says what let a policy off when its longest stretch began; "" when it was
// off by itself.
func offReason(pieces []stretch[guarded], from time.Time) string {
	for i := range pieces {
		if p := &pieces[i]; p.from.Equal(from) && p.facts.why != "" {
			return ": " + p.facts.why
		}
	}
	return ""
}

// coversSpace reports whether a policy covers a namespace, as far as it goes by names.
func coversSpace(policy *evidence.AdmissionPolicyFacts, namespace string) bool {
	in := func(names []string) bool {
		return slices.ContainsFunc(names, func(n string) bool {
			ok, err := path.Match(n, namespace)
			return ok && err == nil
		})
	}
	if policy.Namespace != "" {
		return policy.Namespace == namespace
	}
	return (len(policy.Applies.Namespaces) == 0 || in(policy.Applies.Namespaces)) && !in(policy.Excludes.Namespaces)
}

// failsOpen is whether requests are let in while the engine of a policy is away, as it
// says itself or as the engine's webhook does; nil where nothing says.
func failsOpen(f *evidence.AdmissionPolicyFacts, off []stretch[evidence.AdmissionPolicyFacts]) *bool {
	open := f.FailsOpen
	for i := range off {
		if x := off[i].facts.FailsOpen; x != nil && off[i].until.IsZero() && concerns(&off[i].facts, f) && (open == nil || *x) {
			open = x
		}
	}
	return open
}

// narrows reports whether a binding covers less than its policy may.
func narrows(f *evidence.AdmissionPolicyFacts) bool {
	by := slices.DeleteFunc(slices.Clone(f.Applies.By), func(s string) bool { return s == "parameters" })
	return len(f.Applies.Kinds)+len(f.Applies.Namespaces)+len(by)+len(f.Excludes.Kinds)+len(f.Excludes.Namespaces)+len(f.Excludes.By) > 0
}

// max3 is the better of two answers: yes before unknown before no.
func max3(a, b tri) tri {
	if a == yes || b == yes {
		return yes
	}
	if a == unknown || b == unknown {
		return unknown
	}
	return no
}

var policyExceptionsView = &view{
	View: View{
		Name:  "policy_exceptions",
		Doc:   "Exceptions from policies: one item for each that was there in the period. Who made one and who approved it stands in the cluster's audit log and in the repository it comes from.",
		Kinds: []evidence.Kind{evidence.PolicyException},
		Fields: []Field{
			atEnd,
			{Name: "name", Type: "string", Doc: "namespace and name"},
			{Name: "policies", Type: "list(string)", Doc: "policies from which it excepts, or patterns of their names"},
			{Name: "namespaces", Type: "list(string)", Doc: "namespaces and patterns that it is for; empty where it names none"},
			{Name: "made", Type: "timestamp", Optional: true, Doc: "when it was made"},
			{Name: "expires", Type: "timestamp", Optional: true, Doc: "when it is to end, in its newest form; missing where it names no end"},
			{Name: "dated", Type: "bool", Doc: "it named an end in all its forms of the period"},
			{Name: "lifetime", Type: "duration", Optional: true, Doc: "from when it was made to its end; missing where either is"},
			{Name: "past_end", Type: "duration", Doc: "longest time that it was seen after an end that it named; zero when never, and of one that ends by itself"},
			{Name: "possible_past_end", Type: "duration", Doc: "as past_end, up to the look that first showed it changed or gone"},
		},
	},
	build:  subjectItems(evidence.PolicyException, (*scene).policyException),
	steady: true,
}

func (s *scene) policyException(sts []stretch[evidence.PolicyExceptionFacts]) *item {
	last, _ := newestOf(sts)
	f := &last.facts
	it := subjectItem(sts, evidence.PolicyException, "exception "+f.Namespace+"/"+f.Name)
	policies := []string{}
	for _, p := range f.Policies {
		policies = append(policies, p.Policy)
	}
	spaces := f.Applies.Namespaces
	if spaces == nil {
		spaces = []string{}
	}
	it.set("name", f.Namespace+"/"+f.Name).set("policies", policies).set("namespaces", spaces)
	if f.CreatedAt.IsZero() {
		it.lacks("made", "the source does not say when it was made")
	} else {
		it.set("made", f.CreatedAt)
	}
	switch {
	case f.ExpiresAt.IsZero():
		it.lacks("expires", "it names no end").lacks("lifetime", "it names no end")
	case f.CreatedAt.IsZero():
		it.set("expires", f.ExpiresAt).lacks("lifetime", "the source does not say when it was made")
	default:
		it.set("expires", f.ExpiresAt).set("lifetime", f.ExpiresAt.Sub(f.CreatedAt))
		it.why["lifetime"] = "it was made at " + evidence.FormatTime(f.CreatedAt) + " and is to end at " + evidence.FormatTime(f.ExpiresAt)
	}
	dated := true
	var sure, possible time.Duration
	for i := range sts {
		st := &sts[i]
		if st.facts.ExpiresAt.IsZero() {
			if dated {
				it.why["dated"] = "it names no end"
				it.front(st.seq)
			}
			dated = false
			continue
		}
		end := st.end(s.period)
		if st.facts.ExpiresBy == evidence.ExpiresItself {
			continue // from its end on it excepts from nothing
		}
		held := st.lastLook
		if st.until.IsZero() { // as far as is known, it is there and stays
			held = s.cover.lastLookAsYet(st.source, evidence.PolicyException, end)
			it.grows("possible_past_end", end.Sub(st.facts.ExpiresAt)).follows("past_end", end.Sub(st.facts.ExpiresAt), sure > 0)
		} else if held.IsZero() {
			held = end // the source itself told the change
		}
		if d := earlier(later(held, st.from), end).Sub(st.facts.ExpiresAt); d > sure {
			sure = d
			it.why["past_end"] = "it was to end at " + evidence.FormatTime(st.facts.ExpiresAt) + " and was still there at " + evidence.FormatTime(held)
			it.front(st.seq)
		}
		possible = max(possible, end.Sub(st.facts.ExpiresAt))
	}
	return it.set("dated", dated).set("past_end", sure).set("possible_past_end", possible)
}

var policyResultsView = &view{
	View: View{
		Name: "policy_results",
		Doc: "What policies found: one item for each rule at each thing that it looked at in the period. Where Gatekeeper counts more violations than it lists, " +
			"or has not looked yet, an item stands for those that nobody sees: it is of the whole cluster.",
		Kinds: []evidence.Kind{evidence.PolicyResult, evidence.PolicyInForce},
		Fields: []Field{
			atEnd,
			{Name: "engine", Type: "string", Doc: "who found it: kyverno, gatekeeper, or what the report names"},
			{Name: "policy", Type: "string", Doc: "policy; of Gatekeeper the kind of constraint"},
			{Name: "rule", Type: "string", Doc: "rule; of Gatekeeper the constraint"},
			{Name: "severity", Type: "string", Doc: "critical, high, medium, low or info, in its newest form; empty where nobody graded it"},
			{Name: "category", Type: "string", Doc: "category of the policy"},
			{Name: "result", Type: "string", Optional: true, Doc: "fail, error, warn, pass, skip or unknown, at the end or when it went; missing of what nobody sees"},
			{Name: "resource", Type: "string", Doc: "kind, namespace and name of the thing; empty of what nobody sees"},
			{Name: "namespace", Type: "string", Doc: "its namespace; empty for things of the cluster itself"},
			{Name: "excepted", Type: "bool", Doc: "it was skipped for an exception at some time in the period"},
			{Name: "unlisted", Type: "int", Doc: "violations that are counted and not listed; zero but of what nobody sees"},
			{Name: "longest_failed", Type: "duration", Optional: true, Doc: "longest stretch in which it was seen to fail, without a blind window in it; missing of what nobody sees"},
			{Name: "longest_unclear", Type: "duration", Optional: true, Doc: "as longest_failed, counting errors and unknown results as failures"},
			{Name: "longest_possible_failed", Type: "duration", Optional: true, Doc: "as longest_unclear, counting blind windows too"},
		},
	},
	build:  buildPolicyResults,
	steady: true,
}

func buildPolicyResults(ctx context.Context, s *scene, yield func(*item) error) error {
	flat, err := stretches[evidence.PolicyResultFacts](ctx, s, evidence.PolicyResult)
	if err != nil {
		return err
	}
	var its []*item
	for sts := range perSubject(flat) {
		its = append(its, s.policyResult(sts))
	}
	policies, err := stretches[evidence.AdmissionPolicyFacts](ctx, s, evidence.PolicyInForce)
	if err != nil {
		return err
	}
	for sts := range perSubject(policies) {
		if it := unseenViolations(sts); it != nil {
			its = append(its, it)
		}
	}
	return yieldSorted(its, yield)
}

func (s *scene) policyResult(sts []stretch[evidence.PolicyResultFacts]) *item {
	last, _ := newestOf(sts)
	f := &last.facts
	thing := strings.TrimPrefix(f.Resource.Namespace+"/"+f.Resource.Name, "/")
	thing = strings.TrimSpace(f.Resource.Kind + " " + thing)
	it := subjectItem(sts, evidence.PolicyResult, "policy "+strings.TrimSuffix(f.Policy+"/"+f.Rule, "/")+" at "+cmp.Or(thing, "what its report is about"))
	it.set("engine", f.Engine).set("policy", f.Policy).set("rule", f.Rule).set("severity", f.Severity).set("category", f.Category)
	it.set("result", f.Result).set("resource", thing).set("namespace", f.Resource.Namespace).set("unlisted", 0)
	excepted := false
	for i := range sts {
		excepted = excepted || len(sts[i].facts.Exceptions) > 0
	}
	it.set("excepted", excepted)
	out := longestAsYet(s, evidence.PolicyResult, sts, func(f *evidence.PolicyResultFacts) tri { return fails(f.Result) })
	unclear := longestAsYet(s, evidence.PolicyResult, sts, func(f *evidence.PolicyResultFacts) tri {
		if fails(f.Result) == no {
			return no
		}
		return yes
	})
	it.set("longest_failed", out.sure).set("longest_unclear", unclear.sure).set("longest_possible_failed", out.possible)
	out.goesOn(s, it, "longest_failed", "longest_possible_failed")
	unclear.goesOn(s, it, "longest_unclear", "")
	if out.sure > 0 {
		it.why["longest_failed"] = fmt.Sprintf("it failed for %s from %s", human(out.sure.Truncate(time.Second)), evidence.FormatTime(out.from))
		it.front(out.seqs...)
	}
	return it
}

// fails says whether a result is a failure. A rule that could not be evaluated says
// nothing, and one that was skipped is no failure.
func fails(result string) tri {
	switch result {
	case "fail":
		return yes
	case "error", "unknown":
		return unknown
	}
	return no
}

// unseenViolations is the item of the violations of a constraint that are counted
// and not listed, or of an audit that has not looked yet; nil for none.
func unseenViolations(sts []stretch[evidence.AdmissionPolicyFacts]) *item {
	var worst *stretch[evidence.AdmissionPolicyFacts]
	for i := range sts {
		if f := &sts[i].facts; f.ViolationsCut || f.Audited != nil && !*f.Audited && i == len(sts)-1 {
			worst = &sts[i]
		}
	}
	if worst == nil {
		return nil
	}
	f := &worst.facts
	unlisted, why := 0, "Gatekeeper's audit has not looked at the constraint"
	if f.ViolationsCut {
		if f.Violations != nil && f.Listed != nil {
			unlisted = *f.Violations - *f.Listed
			why = fmt.Sprintf("%d of %d violations in the cluster are listed, and whose the others are is not known", *f.Listed, *f.Violations)
		} else {
			why = "not all violations in the cluster are listed"
		}
	}
	it := subjectItem(sts, evidence.PolicyInForce, "violations of "+f.Kind+" "+f.Name+" that are not listed")
	it.front(worst.seq)
	it.set("engine", f.Engine).set("policy", f.Kind).set("rule", f.Name).set("severity", f.Severity).set("category", f.Category)
	it.set("resource", "").set("namespace", "").set("excepted", false).set("unlisted", unlisted)
	return it.lacks("result", why).lacks("longest_failed", why).lacks("longest_unclear", why).lacks("longest_possible_failed", why)
}
