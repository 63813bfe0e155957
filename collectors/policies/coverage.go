package policies

import (
	"context"
	"slices"
	"strings"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// after is called before each commit: it tells which of the required policies are
// there, whether it is known what Kyverno leaves unchecked, and whether engines are
// asked at all.
func (r *reader) after(_ context.Context, l *kube.Look) ([]evidence.Draft, error) {
	r.now, r.full = l.Now, true
	r.memory.forget(l.ListedAt)
	if r.refused && r.openRead(l) {
		r.refused = false
		for _, ns := range l.Namespaces() {
			l.Again("policyreports."+reportGroup, ns)
		}
	}
	policies := true
	for _, res := range r.resources(r.known()) {
		if name := withGroup(res.Resource, res.Group); !l.Whole(name) && !l.Refused(name) {
			r.full = r.full && !slices.Contains(res.Kinds, evidence.PolicyResult)
			policies = policies && !slices.Contains(res.Kinds, evidence.PolicyInForce)
		}
	}
	r.settle(l)
	if r.memory.Waits && policiesRead(l) {
		r.memory.Waits = false
		l.Again(withGroup("validatingwebhookconfigurations", admissionGroup), "")
	}
	if !policies {
		return nil, nil // one may stand in what was not read
	}
	there := map[string]bool{}
	for _, p := range r.memory.Policies {
		there[p.Name] = true
	}
	ds, err := r.unread(l)
	if err != nil {
		return nil, err
	}
	hooks, err := r.unasked(l)
	if err != nil {
		return nil, err
	}
	ds = append(ds, hooks...)
	for _, name := range r.cfg.Required {
		missing, told := r.memory.Missing[name]
		if told && missing == !there[name] {
			continue
		}
		d, err := r.requirement(l, name, there[name])
		if err != nil {
			return nil, err
		}
		if r.memory.Missing == nil {
			r.memory.Missing = map[string]bool{}
		}
		ds, r.memory.Missing[name] = append(ds, d), !there[name]
	}
	for name := range r.memory.Missing {
		if !slices.Contains(r.cfg.Required, name) {
			d, err := r.requirement(l, name, false)
			if err != nil {
				return nil, err
			}
			ds = append(ds, ended(d, "not required any more"))
			delete(r.memory.Missing, name)
		}
	}
	return ds, nil
}

// requirement makes the draft that tells whether a required policy is there.
func (r *reader) requirement(l *kube.Look, name string, there bool) (evidence.Draft, error) {
	o := &kube.Object{Kind: evidence.RequiredPolicy, Name: name, ObservedAt: l.Now}
	if ns, n, ok := strings.Cut(name, "/"); ok {
		o.Namespace, o.Name = ns, n
	}
	f := evidence.AdmissionPolicyFacts{Cluster: l.Authority, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Mode: evidence.PolicyMissing}
	if there {
		f.Mode = evidence.PolicyThere
	}
	d, err := l.Draft(evidence.PolicyInForce, o, f)
	if o.Namespace == "" {
		d.Scope = l.Everywhere()
	}
	return d, err
}

// Why results are not measured at all.
const (
	noReports = "there is no policy report and no constraint in the cluster: what policies find is not measured"
	noKyverno = "Kyverno's policies are there and none of its reports is: what they find is not measured"
)

// unmeasured says why nothing is known of results, "" when they are measured.
func (r *reader) unmeasured() string {
	reports, constraints, ofKyverno := 0, 0, 0
	for _, x := range r.memory.Reports {
		switch {
		case groupOf(x.Of) == constraintGroup:
			constraints++
		default:
			reports++
			if strings.HasPrefix(x.From, kyverno) || x.From == "validatingadmissionpolicy" {
				ofKyverno++
			}
		}
	}
	checks := false
	for _, p := range r.memory.Policies {
		checks = checks || p.Engine == kyverno && p.Checks
	}
	switch {
	case reports+constraints == 0:
		return noReports
	case checks && ofKyverno == 0:
		return noKyverno
	}
	return ""
}

// observe adds to what the engine claims: results that are not measured are blind,
// all of them or those of a namespace whose reports do not tell everything. In the
// middle of a look nothing is claimed.
func (r *reader) observe(o *evidence.Observation) {
	if len(o.Seen) == 0 || !r.full {
		return
	}
	kinds := []evidence.Kind{evidence.PolicyResult}
	from := r.memory.Claimed
	if from.IsZero() || from.After(r.now) {
		from = r.now
	}
	r.memory.Claimed = r.now
	if why := r.unmeasured(); why != "" {
		var seen []evidence.Seen
		for _, s := range o.Seen {
			if s.Class != evidence.Blind {
				s.Kinds = slices.DeleteFunc(slices.Clone(s.Kinds), func(k evidence.Kind) bool { return k == evidence.PolicyResult })
			}
			if len(s.Kinds) > 0 {
				seen = append(seen, s)
			}
		}
		o.Seen = append(seen, evidence.Seen{Kinds: kinds, Class: evidence.Blind, From: from, To: r.now, Cause: why})
		o.Notes = append(o.Notes, why)
		return
	}
	type part struct{ space, why string }
	var parts []part
	for _, x := range r.memory.Reports {
		if p := (part{x.Space, x.Cut}); x.Cut != "" && !slices.Contains(parts, p) {
			parts = append(parts, p)
		}
	}
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.space+"/"+a.why, b.space+"/"+b.why) })
	for _, p := range parts {
		s := evidence.Seen{Kinds: kinds, Class: evidence.Blind, From: from, To: r.now, Cause: p.why}
		if p.space != "" {
			s.Scope = evidence.NewRef("ns", r.authority, p.space)
		}
		o.Seen = append(o.Seen, s)
	}
}
