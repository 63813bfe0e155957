package policies

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// policyReport is a PolicyReport of wgpolicyk8s.io/v1alpha2 or a Report of
// openreports.io/v1alpha1, which have the same form. See
// https://github.com/kubernetes-sigs/wg-policy-prototypes and
// https://github.com/openreports/reports-api.
type policyReport struct {
	Source        string     `json:"source"`
	Scope         *objectRef `json:"scope"`
	Configuration *struct {
		Limits struct {
			Most   int      `json:"maxResults"`
			Filter []string `json:"statusFilter"`
		} `json:"limits"`
	} `json:"configuration"`
	Summary map[string]json.RawMessage `json:"summary"`
	Results []json.RawMessage          `json:"results"`
}

type objectRef struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
}

func (r *objectRef) subject() evidence.PolicySubject {
	return evidence.PolicySubject{Group: word(kube.GroupOf(r.APIVersion)), Kind: word(r.Kind), Namespace: word(r.Namespace), Name: word(r.Name), UID: word(r.UID)}
}

// reportResult is one entry of a report.
type reportResult struct {
	Source    string `json:"source"`
	Policy    string `json:"policy"`
	Rule      string `json:"rule"`
	Category  string `json:"category"`
	Severity  string `json:"severity"`
	Result    string `json:"result"`
	Scored    *bool  `json:"scored"`
	Message   string `json:"message"`
	Timestamp struct {
		Seconds int64 `json:"seconds"`
		Nanos   int64 `json:"nanos"`
	} `json:"timestamp"`
	Resources  []objectRef       `json:"resources"`
	Properties map[string]string `json:"properties"`
}

// finding is what one entry says of one thing.
type finding struct {
	engine, policy, rule string
	category, severity   string
	result, message      string
	scored               *bool
	at                   time.Time
	actions, exceptions  []string
	of                   evidence.PolicySubject
	raw                  json.RawMessage
	removed              []string // of raw
	times                int
}

// told says who tells findings.
type told struct {
	of     string // its resource
	group  string
	engine string
	own    evidence.PolicySubject // what a report is about as a whole
	suffix string                 // tells results of several reports about one thing apart
}

// Words of a result, the worst first: of several entries that speak of the same
// the worst counts.
var results = []string{"fail", "error", "unknown", "warn", "pass", "skip"}

// report makes the drafts of a report.
func (r *reader) report(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in policyReport
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	from := told{of: resourceOf(o), engine: engineOf(in.Source, o)}
	from.group = groupOf(from.of)
	if from.group == reportGroup && !r.openRead(l) {
		r.refused = true
		return nil, errOpen
	}
	if in.Scope != nil {
		from.own = in.Scope.subject()
		if from.own.Namespace == "" && o.Namespace != "" && from.own.Kind != "Namespace" {
			from.own.Namespace = o.Namespace
		}
	}
	// Kyverno calls a report by the uid of what it is about. Another name tells
	// reports about one thing apart.
	if o.Name != from.own.UID {
		from.suffix = o.Name
	}
	var found []finding
	why := in.cut()
	for _, raw := range in.Results {
		var x reportResult
		if json.Unmarshal(raw, &x) != nil || x.Policy == "" {
			why = "a policy report lists a result that cannot be read"
			continue
		}
		f := finding{
			engine: from.engine, policy: word(x.Policy), rule: word(x.Rule), category: word(x.Category), severity: severity(x.Severity),
			result: resultOf(x.Result), message: x.Message, scored: x.Scored, at: stamp(x.Timestamp.Seconds, x.Timestamp.Nanos), raw: raw,
		}
		if x.Source != "" {
			f.engine = engineOf(x.Source, o)
			if from.engine == "unknown" {
				from.engine = f.engine
			}
		}
		if e := x.Properties["exceptions"]; e != "" {
			f.exceptions = few(words(strings.Split(e, ",")))
		}
		of := []evidence.PolicySubject{from.own}
		if len(x.Resources) > 0 {
			of = of[:0]
			for i := range x.Resources {
				of = append(of, x.Resources[i].subject())
			}
		}
		if slices.ContainsFunc(of, func(s evidence.PolicySubject) bool { return s.Namespace != of[0].Namespace }) {
			f.raw, f.removed = withoutMember(raw, "resources"), []string{agent, "/resources"} // each gets its own
		}
		for _, s := range of {
			if s.Namespace == "" && o.Namespace != "" && s.Kind != "Namespace" {
				s.Namespace = o.Namespace
			}
			// Who writes reports into one namespace speaks of nothing beyond it.
			if within := s.Namespace == o.Namespace || s.Kind == "Namespace" && s.Name == o.Namespace; o.Namespace != "" && !within {
				why = "a policy report speaks of things outside of its namespace"
				continue
			}
			f.of = s
			found = append(found, f)
		}
	}
	return r.results(o, l, found, from, why)
}

// withoutMember returns an object in JSON without one of its members.
func withoutMember(raw json.RawMessage, name string) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return nil
	}
	delete(members, name)
	b, err := json.Marshal(members)
	if err != nil {
		return nil // never: it was JSON
	}
	return b
}

// errOpen says that a report may be older than what openreports.io tells, which was
// never read: an engine that was switched over leaves the old ones behind.
var errOpen = errors.New("reports of openreports.io could not be read, which may tell the same anew")

// openRead reports whether what openreports.io tells is known: it was read once, or
// the cluster does not have it.
func (r *reader) openRead(l *kube.Look) bool {
	if !r.memory.OpenRead {
		r.memory.OpenRead = l.Whole("reports."+openGroup) && l.Whole("clusterreports."+openGroup)
	}
	return r.memory.OpenRead
}

// cut says why a report does not tell all that its engine found, "" when it does.
func (p *policyReport) cut() string {
	counted := 0
	for _, raw := range p.Summary {
		var n int
		if json.Unmarshal(raw, &n) == nil {
			counted += n
		}
	}
	if counted > len(p.Results) {
		return "a policy report counts more results than it lists"
	}
	if c := p.Configuration; c != nil && len(c.Limits.Filter) > 0 {
		for _, s := range []string{"fail", "warn", "error"} {
			if !slices.Contains(c.Limits.Filter, s) {
				return "a policy report leaves out results that are no pass"
			}
		}
	}
	return ""
}

// engineOf is who made a report: its own word, else who manages the object.
func engineOf(source string, o *kube.Object) string {
	if source == "" {
		source = o.Labels["app.kubernetes.io/managed-by"]
	}
	if source == "" {
		return "unknown"
	}
	return strings.ToLower(word(source))
}

func resultOf(s string) string {
	if slices.Contains(results, s) {
		return s
	}
	return "unknown"
}

// stamp reads a time of seconds and nanoseconds; zero for one that is none.
func stamp(seconds, nanos int64) time.Time {
	if seconds <= 0 || seconds > 253402300799 || nanos < 0 || nanos > 999_999_999 { // to the year 9999
		return time.Time{}
	}
	return time.Unix(seconds, nanos).UTC()
}

// timeOf reads a time in RFC 3339; zero for one that is none.
func timeOf(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Unix() <= 0 || t.Year() > 9999 {
		return time.Time{}
	}
	return t.UTC()
}

// results makes the drafts of what an object tells now, and the ends of what it
// told and tells no more. Why says why it does not tell everything.
func (r *reader) results(o *kube.Object, l *kube.Look, found []finding, from told, why string) ([]evidence.Draft, error) {
	own := nameOf(from.own)
	is := &report{Of: r.once(from.of), Space: r.once(o.Namespace), Own: own, UID: from.own.UID, From: r.once(from.engine), Cut: why, Seen: o.ObservedAt}
	order, by := unite(found, from.suffix)
	var ds []evidence.Draft
	there := make(map[named]bool, len(order))
	var scope []evidence.Ref // of what stands in the object's own namespace
	if o.Namespace != "" {
		scope = l.Scope(o.Namespace)
	}
	for _, key := range order {
		f := by[key]
		if from.group == reportGroup && r.isHeld(l, key) {
			continue // openreports.io tells it
		}
		d, err := r.result(o, l, f, from, key, scope)
		if err != nil {
			return nil, err
		}
		ds, there[key] = append(ds, d), true
		if rest, ok := strings.CutPrefix(key.Name, own); ok && own != "" && key.UID == from.own.UID {
			is.Rules = append(is.Rules, r.memory.rule(rest))
		} else {
			is.Names = append(is.Names, key)
		}
	}
	ds = append(ds, r.dropped(o, l, r.memory.Reports[o.UID], there)...)
	r.memory.keep(o.UID, is)
	if from.group == openGroup && r.held != nil {
		for key := range there {
			r.held[r.hash(key)] = true
		}
	}
	return ds, nil
}

// drop ends all that an object told, because it is gone.
func (r *reader) drop(o *kube.Object, l *kube.Look) []evidence.Draft {
	ds := r.dropped(o, l, r.memory.Reports[o.UID], nil)
	delete(r.memory.Reports, o.UID)
	return ds
}

// reportGone ends what a report told.
func (r *reader) reportGone(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	return r.drop(o, l), nil
}

// dropped ends the results that an object told and that are not there any more.
// What openreports.io tells meanwhile goes on.
func (r *reader) dropped(o *kube.Object, l *kube.Look, was *report, there map[named]bool) (ds []evidence.Draft) {
	if was == nil {
		return nil
	}
	group := groupOf(was.Of)
	r.memory.each(was, func(key named) {
		if there[key] || group == reportGroup && r.isHeld(l, key) {
			return
		}
		if group == openGroup && r.held != nil {
			delete(r.held, r.hash(key))
		}
		d, err := l.Draft(evidence.PolicyResult, o, struct{}{})
		if err != nil {
			panic("policies: " + err.Error()) // an empty object is always encoded
		}
		d.Subject, d.Raw, d.Removed = r.subject(key), nil, nil
		ds = append(ds, ended(d, "dropped"))
	})
	return ds
}

// resourceOf is an object's resource with its group, as the engine names it.
func resourceOf(o *kube.Object) string {
	name := strings.ToLower(o.Kind)
	switch g := o.Group(); {
	case g == constraintGroup:
	case strings.HasSuffix(name, "policy"):
		name = strings.TrimSuffix(name, "y") + "ies"
	default:
		name += "s"
	}
	return withGroup(name, o.Group())
}

// withGroup is a resource's name with its group; the core group has none.
func withGroup(resource, group string) string { return strings.TrimSuffix(resource+"."+group, ".") }

// groupOf is the group of a resource's name.
func groupOf(resource string) string {
	_, group, _ := strings.Cut(resource, ".")
	return group
}

// unite makes one of the entries that speak of the same: the worst counts, of
// equals the newest.
func unite(found []finding, suffix string) (order []named, by map[named]*finding) {
	by = make(map[named]*finding, len(found))
	for i := range found {
		f := &found[i]
		key := named{nameOf(f.of) + ruleName(f, suffix), f.of.UID}
		old, ok := by[key]
		if !ok {
			f.times = 1
			order, by[key] = append(order, key), f
			continue
		}
		n := old.times + 1
		a, b := slices.Index(results, f.result), slices.Index(results, old.result)
		if a < b || a == b && f.at.After(old.at) {
			by[key] = f
		}
		by[key].times = n
	}
	return order, by
}

// isHeld reports whether a report of openreports.io tells the result.
func (r *reader) isHeld(l *kube.Look, key named) bool {
	if r.held == nil {
		r.memory.forget(l.ListedAt)
		r.held, r.seed = map[uint64]bool{}, maphash.MakeSeed()
		for _, x := range r.memory.Reports {
			if groupOf(x.Of) == openGroup {
				r.memory.each(x, func(key named) { r.held[r.hash(key)] = true })
			}
		}
	}
	return r.held[r.hash(key)]
}

// hash stands for a result in held.
func (r *reader) hash(key named) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	_, _ = h.WriteString(key.Name) // never fails
	_ = h.WriteByte(0)
	_, _ = h.WriteString(key.UID)
	return h.Sum64()
}

// maxName bounds what a result is called, in bytes; a longer name is cut to a hash.
const maxName = 300

// nameOf is what a thing is called in references of results.
func nameOf(s evidence.PolicySubject) string {
	if s == (evidence.PolicySubject{}) {
		return ""
	}
	kind := s.Kind
	if s.Group != "" {
		kind += "." + s.Group
	}
	return bounded(part(s.Namespace) + "|" + part(kind) + "|" + part(s.Name))
}

func ruleName(f *finding, suffix string) string {
	s := "|" + part(f.engine) + "|" + part(f.policy) + "|" + part(f.rule)
	if suffix != "" {
		s += "|" + part(suffix)
	}
	return bounded(s)
}

// part keeps the parts of a name apart.
func part(s string) string {
	return partEscapes.Replace(strings.ToValidUTF8(s, "?"))
}

var partEscapes = strings.NewReplacer("%", "%25", "|", "%7C")

func bounded(s string) string {
	if len(s) <= maxName {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return strings.ToValidUTF8(s[:maxName-34], "") + "~" + hex.EncodeToString(sum[:16])
}

func (r *reader) subject(key named) evidence.Ref {
	return evidence.NewRef("result", r.authority, key.Name).WithUID(key.UID)
}

// maxMessage bounds what an engine says to one result, in bytes.
const maxMessage = 4 << 10

// result makes the draft of one result.
func (r *reader) result(o *kube.Object, l *kube.Look, f *finding, from told, key named, scope []evidence.Ref) (evidence.Draft, error) {
	facts := evidence.PolicyResultFacts{
		Cluster: l.Authority, Engine: f.engine, Policy: f.policy, Rule: f.rule, Category: f.category, Severity: f.severity,
		Result: f.result, Scored: f.scored, Resource: f.of, Group: from.group, Actions: f.actions, Exceptions: f.exceptions, CheckedAt: f.at,
	}
	if f.times > 1 {
		facts.Times = f.times
	}
	d, err := l.Draft(evidence.PolicyResult, o, facts)
	if err != nil {
		return d, err
	}
	// Its times are those of the newest scan: when it was found first no engine
	// keeps, so the state begins when it was seen.
	d.Subject = r.subject(key)
	if thing := l.Ref(f.of.Group, f.of.Kind, f.of.Namespace, f.of.Name); f.of.Kind != "" && f.of.Name != "" {
		d.Links = append(d.Links, thing.WithUID(f.of.UID))
	}
	d.Raw, d.Removed = f.raw, f.removed
	message := collectors.WithoutCredentials(collectors.WithoutUser(f.message))
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + " (cut)"
	}
	d.Text = []byte(strings.ToValidUTF8(message, "\uFFFD"))
	if d.Scope = scope; scope == nil {
		d.Scope = r.whose(l, f.of)
	}
	r.spelled(&d, l, f.of.Namespace)
	collectors.WithoutLogins(&d, agent)
	return d, nil
}

// whose is the scope of a result that an object of the cluster tells: the namespace
// of its thing. What stands in none reaches into all of them. Some reporters say
// "namespace/name" for a name, which no object has.
func (r *reader) whose(l *kube.Look, of evidence.PolicySubject) []evidence.Ref {
	if space, _, ok := strings.Cut(of.Name, "/"); ok && of.Namespace == "" {
		if _, there := l.Namespace(space); there || len(l.Namespaces()) == 0 {
			return l.Scope(space)
		}
	}
	switch {
	case of.Namespace != "":
		return l.Scope(of.Namespace)
	case of.Kind == "Namespace" && of.Group == "" && of.Name != "":
		return l.Scope(of.Name)
	}
	return l.Everywhere()
}
