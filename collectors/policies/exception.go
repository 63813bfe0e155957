package policies

import (
	"context"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// exception is a PolicyException, of kyverno.io or policies.kyverno.io. See
// https://kyverno.io/docs/exceptions/.
type exception struct {
	Spec struct {
		Exceptions []struct {
			Policy string   `json:"policyName"`
			Rules  []string `json:"ruleNames"`
		} `json:"exceptions"`
		Match       kyvernoMatch `json:"match"`
		Conditions  any          `json:"conditions"`
		PodSecurity []struct{}   `json:"podSecurity"`
		Refs        []struct {   // of policies.kyverno.io
			Name string `json:"name"`
			Kind string `json:"kind"`
		} `json:"policyRefs"`
		MatchConditions []struct{} `json:"matchConditions"`
		Images          []string   `json:"images"`
		Values          []string   `json:"allowedValues"`
		Mode            string     `json:"evaluationMode"`
		ExpiresAt       string     `json:"expiresAt"` // since Kyverno 1.19
	} `json:"spec"`
}

// ttlLabel makes Kyverno delete any object, after a while or at a time. See
// https://kyverno.io/docs/policy-types/cleanup-policy/#cleanup-label.
const ttlLabel = "cleanup.kyverno.io/ttl"

// maxExcused bounds the policies that one exception lists.
const maxExcused = 200

// exception makes the draft of a PolicyException.
func (r *reader) exception(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in exception
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	f := evidence.PolicyExceptionFacts{
		Cluster: l.Authority, Engine: kyverno, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		CreatedAt: o.CreatedAt, ResourceVersion: o.ResourceVersion,
	}
	for _, x := range in.Spec.Exceptions {
		f.Policies = append(f.Policies, evidence.PolicyExcused{Policy: word(x.Policy), Rules: few(words(x.Rules))})
	}
	for _, x := range in.Spec.Refs {
		f.Policies = append(f.Policies, evidence.PolicyExcused{Policy: word(strings.TrimPrefix(x.Kind+"/"+x.Name, "/"))})
	}
	var applies reach
	applies.kyverno(&in.Spec.Match)
	for _, x := range []struct {
		is   bool
		what string
	}{
		{in.Spec.Conditions != nil || len(in.Spec.MatchConditions) > 0, "conditions"}, {len(in.Spec.PodSecurity) > 0, "pod security controls"},
		{len(in.Spec.Images) > 0, "images"}, {len(in.Spec.Values) > 0, "values"}, {in.Spec.Mode != "" && in.Spec.Mode != kubernetesMode, "mode " + in.Spec.Mode},
	} {
		if x.is {
			applies.by(x.what)
		}
	}
	f.Applies = applies.facts()
	f.ExpiresAt, f.ExpiresBy = r.expiry(o)
	if t := timeOf(in.Spec.ExpiresAt); !t.IsZero() && (f.ExpiresAt.IsZero() || !t.After(f.ExpiresAt)) {
		f.ExpiresAt, f.ExpiresBy = t, evidence.ExpiresItself
	}
	var d evidence.Draft
	all := f
	for keep := maxExcused; ; keep /= 2 {
		f.Policies = all.Policies[:min(len(all.Policies), keep)]
		f.Cut, f.Applies = len(all.Policies)-len(f.Policies), shortened(all.Applies, keep)
		var err error
		if d, err = l.Draft(evidence.PolicyException, o, f); err != nil {
			return nil, err
		}
		if len(d.Content) <= evidence.MaxContent || keep == 0 {
			break
		}
	}
	// Who owns a namespace that it opens is concerned, beside who owns its own.
	told := map[evidence.Ref]bool{}
	for _, ref := range d.Scope {
		told[ref] = true
	}
	for _, known := range l.Namespaces() {
		if !slices.ContainsFunc(all.Applies.Namespaces, func(ns string) bool { return match(ns, known) }) {
			continue
		}
		for _, ref := range l.Scope(known) {
			if !told[ref] {
				d.Scope, told[ref] = append(d.Scope, ref), true
			}
		}
	}
	r.place(&d, o, l, map[string][]string{"/applies/namespaces": f.Applies.Namespaces}, all.Applies.Namespaces)
	return []evidence.Draft{d}, nil
}

// expiry is when an exception is to end, and what says so.
func (r *reader) expiry(o *kube.Object) (time.Time, string) {
	if v := o.Labels[ttlLabel]; v != "" {
		if t, err := time.Parse(time.DateOnly, v); err == nil && t.Unix() > 0 {
			return t, ttlLabel // it is deleted as the day begins
		}
		if t := instant(v); !t.IsZero() {
			return t, ttlLabel
		}
		if d, ok := ttl(v); ok && d > 0 && !o.CreatedAt.IsZero() {
			return o.CreatedAt.Add(d).UTC(), ttlLabel
		}
	}
	for _, k := range r.cfg.ExpiryKeys {
		for _, m := range []map[string]string{o.Annotations, o.Labels} {
			if t := instant(m[k]); !t.IsZero() {
				return t, k
			}
		}
	}
	return time.Time{}, ""
}

var ttlPart = regexp.MustCompile(`(\d+)([A-Za-zµ]+)`)

// ttlUnits are the units that Kyverno reads beside Go's, by their letters or by how
// their names begin.
var ttlUnits = []struct {
	unit *regexp.Regexp
	of   time.Duration
}{
	{regexp.MustCompile(`(?i)^(ns|nano.*)$`), time.Nanosecond}, {regexp.MustCompile(`(?i)^(us|µs|micro.*)$`), time.Microsecond},
	{regexp.MustCompile(`(?i)^(ms|milli.*)$`), time.Millisecond}, {regexp.MustCompile(`(?i)^(s|sec.*)$`), time.Second},
	{regexp.MustCompile(`(?i)^(m|min.*)$`), time.Minute}, {regexp.MustCompile(`(?i)^(h|hr|hour.*)$`), time.Hour},
	{regexp.MustCompile(`(?i)^(d|day.*)$`), 24 * time.Hour}, {regexp.MustCompile(`(?i)^(w|wk|week.*)$`), 7 * 24 * time.Hour},
}

// ttl reads how long something lives as Kyverno reads its label: 36h, 30d, 2weeks,
// or several of these. Parts with other units count for nothing; false when there
// are no others.
func ttl(s string) (d time.Duration, ok bool) {
	if d, err := time.ParseDuration(s); err == nil {
		return d, true
	}
	for _, m := range ttlPart.FindAllStringSubmatch(s, -1) {
		for _, u := range ttlUnits {
			n, err := strconv.ParseInt(m[1], 10, 64)
			if !u.unit.MatchString(m[2]) {
				continue
			}
			if err != nil || n > int64((math.MaxInt64-d)/u.of) {
				return 0, false
			}
			d, ok = d+time.Duration(n)*u.of, true
		}
	}
	return d, ok
}

// instant reads a time or a date, which ends with its day; zero for anything else.
// Labels hold no colons: Kyverno takes 2026-12-31T235959Z.
func instant(s string) time.Time {
	if t := timeOf(s); !t.IsZero() {
		return t
	}
	if t, err := time.Parse("2006-01-02T150405Z", s); err == nil && t.Unix() > 0 {
		return t.UTC()
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil && t.Unix() > 0 && t.Year() < 9999 {
		return t.UTC().AddDate(0, 0, 1).Add(-time.Second)
	}
	return time.Time{}
}
