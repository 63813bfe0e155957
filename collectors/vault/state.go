package vault

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"evidenced/collectors"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

var stateKinds = []evidence.Kind{evidence.SecretDevice, evidence.SecretMount, evidence.SecretPolicy,
	evidence.SecretRole, evidence.SecretIdentity}

// stateState is the part of the cursor that the state side keeps.
type stateState struct {
	At time.Time `json:"at,omitzero"` // of the last look that was full
	// Rotated is that of the last full look at rotation and leases.
	Rotated time.Time `json:"rotated,omitzero"`
	// Asked is when the server was last asked how it is.
	Asked time.Time `json:"asked,omitzero"`
	// Salt makes names of user roles out of logins, so that references hold no
	// login and nobody outside can guess one.
	Salt []byte `json:"salt,omitempty"`
}

// eraProbe is hashed by each audit device to tell its salt from an earlier
// one. It is no secret.
const eraProbe = "evidenced/era"

// walk is one look at the state side.
type walk struct {
	r       *run
	m       *maker
	api     *client
	now     time.Time
	before  time.Time
	failed  map[evidence.Kind]bool
	holders map[string]string // alias, by mount accessor and name, to entity id
	next    time.Time
	left    int // secrets and folders that may still be asked for
}

// nsState is what one namespace's lists said, for those that build on them.
type nsState struct {
	name     string
	kv       []string // paths of KV version 2 mounts, with namespace
	auth     []mountInfo
	policies map[string][]evidence.PolicyRule
	groups   map[string]evidence.IdentityGroup
}

type mountInfo struct{ path, kind, accessor, version string }

// stateIfDue reads the state when the last look is long enough ago.
func (r *run) stateIfDue(ctx context.Context) error {
	now := r.c.env.Clock().UTC()
	st := &r.cur.State
	if r.c.api == nil || !st.At.IsZero() && now.Sub(st.At) < r.c.cfg.StateEvery || now.Before(r.c.retry.at) {
		return nil
	}
	w := r.walk(now, st.At)
	for _, ns := range r.c.api.names {
		if err := w.namespace(ctx, ns); err != nil {
			return err
		}
	}
	kinds := w.done(stateKinds, r.c.cfg.StateEvery)
	if len(kinds) == 0 && !r.c.tails() {
		r.c.retry.next(now, false, r.c.cfg.StateEvery)
		return problem.New(problem.Source, "no state could be read: %s", r.c.notes.Why()).
			WithHint("check url, token_file and the policy of deploy/access/vault")
	}
	r.c.retry.next(now, len(kinds) == len(stateKinds), r.c.cfg.StateEvery)
	if len(kinds) == len(stateKinds) {
		st.At = now
	}
	return nil
}

// walk begins a look; before is when the last full one was.
func (r *run) walk(now, before time.Time) *walk {
	if st := &r.cur.State; st.Salt == nil {
		st.Salt = make([]byte, 16)
		rand.Read(st.Salt) // never fails
	}
	return &walk{r: r, m: r.c.maker, api: r.c.api, now: now, before: before, failed: map[evidence.Kind]bool{}, holders: map[string]string{}}
}

// done calls the kinds complete that were listed in full, and returns them.
func (w *walk) done(of []evidence.Kind, every time.Duration) (kinds []evidence.Kind) {
	for _, k := range of {
		if !w.failed[k] {
			w.r.sink.Complete(k, evidence.Ref{})
			kinds = append(kinds, k)
		}
	}
	if len(kinds) > 0 {
		w.r.seen = append(w.r.seen, evidence.Seen{Kinds: kinds, Class: evidence.Instants, From: w.now, To: w.now, Every: every})
	}
	return kinds
}

// retry spaces looks at a state that cannot be read in full: a lasting refusal
// must not make every look walk the whole server. It does not outlive the
// process, so that a restart with a better token looks at once.
type retry struct {
	at   time.Time
	wait time.Duration
}

const firstRetry = 5 * time.Minute

func (r *retry) next(now time.Time, full bool, every time.Duration) {
	if full {
		*r = retry{}
		return
	}
	r.wait = min(max(2*r.wait, firstRetry), max(every, firstRetry))
	r.at = now.Add(r.wait)
}

func (w *walk) namespace(ctx context.Context, name string) error {
	ns := &nsState{name: name, policies: map[string][]evidence.PolicyRule{}, groups: map[string]evidence.IdentityGroup{}}
	// Order matters: policies need the mounts, roles and identities both.
	for _, step := range []struct {
		kind evidence.Kind
		do   func(context.Context, *nsState) error
	}{
		{evidence.SecretDevice, w.devices}, {evidence.SecretMount, w.mounts}, {evidence.SecretPolicy, w.policies},
		{evidence.SecretIdentity, w.identities}, {evidence.SecretRole, w.roles},
	} {
		err := w.needs(step.kind)
		if err == nil {
			err = step.do(ctx, ns)
		}
		if err != nil {
			if ctx.Err() != nil || collectors.EndOf(err) != nil {
				return err
			}
			w.miss(step.kind, err)
		}
	}
	return nil
}

// needs says why a kind cannot be read: tenancy attributes roles and
// identities by what their policies open, and policies by the mounts below
// their paths. Without the whole of these they would seem to change owner.
func (w *walk) needs(kind evidence.Kind) error {
	needed := map[evidence.Kind]evidence.Kind{
		evidence.SecretPolicy: evidence.SecretMount, evidence.SecretRole: evidence.SecretPolicy, evidence.SecretIdentity: evidence.SecretPolicy,
	}[kind]
	if needed != "" && w.failed[needed] {
		return fmt.Errorf("not read because %s could not be read in full", needed)
	}
	return nil
}

// miss notes that a list could not be read in full: nothing of its kind ends.
func (w *walk) miss(kind evidence.Kind, err error) {
	w.failed[kind] = true
	w.r.c.notes.Partial("%s: %v", kind, err)
}

// pace keeps the walk at a few requests a second and the log read meanwhile.
func (w *walk) pace(ctx context.Context) error {
	if w.r.c.interval <= 0 {
		return ctx.Err()
	}
	if d := time.Until(w.next); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
	w.next = time.Now().Add(w.r.c.interval)
	if w.r.c.env.Clock().Sub(w.r.at) >= commitEvery {
		if w.r.c.env.Clock().Sub(w.r.asked) >= probeEvery {
			if err := w.r.health(ctx); err != nil {
				return err
			}
		}
		if w.r.c.env.Clock().Sub(w.r.probed) >= probeEvery {
			w.r.probe(ctx)
		}
		if err := w.r.read(ctx); err != nil {
			return collectors.Ending(err)
		}
		if err := w.r.commit(ctx, true); err != nil {
			return collectors.Ending(err)
		}
	}
	return nil
}

func (w *walk) get(ctx context.Context, ns *nsState, path string) (map[string]any, error) {
	if err := w.pace(ctx); err != nil {
		return nil, err
	}
	s, err := w.api.get(ctx, ns.name, path, false)
	if err != nil {
		return nil, err
	}
	return s.Data, nil
}

// keys lists a path; none, without an error, when the list is empty.
func (w *walk) keys(ctx context.Context, ns *nsState, path string) ([]string, error) {
	if err := w.pace(ctx); err != nil {
		return nil, err
	}
	return w.api.keys(ctx, ns.name, path)
}

// emit hands over the state of one subject.
func (w *walk) emit(ctx context.Context, kind evidence.Kind, subject evidence.Ref, facts any, fill func(*evidence.Draft)) error {
	content, err := json.Marshal(facts)
	if err != nil {
		return err
	}
	if len(content) > evidence.MaxContent {
		w.miss(kind, fmt.Errorf("facts of %s have %d bytes, at most %d can be kept", subject, len(content), evidence.MaxContent))
		return nil
	}
	d := evidence.Draft{
		Kind: kind, Op: evidence.OpSet, Source: w.m.source, Key: cut(subject.Name, evidence.MaxKey), Subject: subject,
		OccurredAt: w.now, Basis: evidence.BasisObserved, NotBefore: w.before, ObservedAt: w.now, Content: content,
		Request: evidence.Request{Method: "GET", URL: w.r.c.cfg.URL, Agent: agent},
	}
	if fill != nil {
		fill(&d)
	}
	if len(d.Links) > evidence.MaxLinks {
		d.Links = d.Links[:evidence.MaxLinks]
	}
	return collectors.Ending(w.r.emit(ctx, d))
}

func (w *walk) scope(ns *nsState) []evidence.Ref {
	if ns.name == "" {
		return nil
	}
	return []evidence.Ref{w.m.ref("ns", ns.name)}
}

// devices lists the audit devices with their options.
func (w *walk) devices(ctx context.Context, ns *nsState) error {
	data, err := w.get(ctx, ns, "sys/audit")
	if errors.Is(err, errUnsupported) && ns.name != w.api.names[0] {
		return nil // a server's devices stand in its first namespace alone
	}
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		dev, ok := data[name].(map[string]any)
		if !ok || asString(dev["type"]) == "" {
			if strings.HasSuffix(name, "/") { // else it is none: older servers repeat the envelope here
				w.miss(evidence.SecretDevice, oddEntry("an audit device"))
			}
			continue
		}
		path := strings.Trim(name, "/")
		opts, _ := dev["options"].(map[string]any)
		f := evidence.DeviceFacts{Path: joinPath(ns.name, clean([]byte(path))), Type: asString(dev["type"]), Local: asBool(dev["local"]), Options: deviceOptions(opts)}
		f.LogRaw = isOn(f.Options["log_raw"])
		f.Filter = f.Options["filter"] != "" || f.Options["exclude"] != "" || isOn(f.Options["fallback"]) || isOn(f.Options["elide_list_responses"])
		if f.Era, err = w.era(ctx, ns, path); err != nil {
			return err
		}
		subject := w.m.ref("device", f.Path)
		if f.LogRaw {
			w.r.c.notes.Add("audit device %s writes values in clear (log_raw)", f.Path)
		}
		if err := w.emit(ctx, evidence.SecretDevice, subject, &f, func(d *evidence.Draft) { d.Scope = append(w.scope(ns), subject) }); err != nil {
			return err
		}
	}
	return nil
}

// oddEntry is the error of an entry of a list that cannot be read: the others are.
func oddEntry(what string) error {
	return problem.New(problem.Source, "the server lists %s of an unknown form", what).
		WithHint("report it with the server's version; the rest was read")
}

// deviceOptions reads the options of an audit device. Only known ones keep their
// values: others may hold credentials, as the headers that OpenBao's http device
// sends do, so of those it is told that they are set.
func deviceOptions(opts map[string]any) map[string]string {
	out := map[string]string{}
	for k, v := range opts {
		text := fmt.Sprint(v)
		switch k {
		case "file_path", "path", "mode", "format", "prefix", "log_raw", "hmac_accessor", "elide_list_responses", "filter", "exclude", "fallback",
			"address", "socket_type", "write_timeout", "facility", "tag", "description":
		case "uri":
			text = safeURL(text)
		default:
			text = "[set]"
		}
		out[cut(clean([]byte(k)), 100)] = clean([]byte(text))
	}
	return out
}

// safeURL is an address without what may hold credentials.
func safeURL(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return "[set]"
	}
	u.User, u.RawQuery, u.Fragment, u.ForceQuery = nil, "", "", false
	return u.String()
}

// isOn reads a switch as the server does, which takes 1 and T for true too.
func isOn(s string) bool {
	b, err := strconv.ParseBool(s)
	return err == nil && b
}

// era asks the device for the hash of a fixed text: it changes when the salt
// does. Without the permission the era is unknown.
func (w *walk) era(ctx context.Context, ns *nsState, path string) (string, error) {
	if err := w.pace(ctx); err != nil {
		return "", err
	}
	h, err := w.api.in(ns.name).Sys().AuditHashWithContext(ctx, path, eraProbe)
	switch err = describe(err, "sys/audit-hash"); {
	case problem.Is(err, problem.Credential):
		w.r.c.notes.Add("salt era of audit device %s is not known: %v", path, err)
		return "", nil
	case err != nil:
		return "", err
	}
	return cut(strings.TrimPrefix(h, string(hashed)), 16), nil
}

// mounts lists secret and auth engines.
func (w *walk) mounts(ctx context.Context, ns *nsState) error {
	for _, class := range []string{"secret", "auth"} {
		path := "sys/mounts"
		if class == "auth" {
			path = "sys/auth"
		}
		data, err := w.get(ctx, ns, path)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(data)) {
			mt, ok := data[name].(map[string]any)
			if !ok || asString(mt["type"]) == "" {
				if strings.HasSuffix(name, "/") { // else it is none: older servers repeat the envelope here
					w.miss(evidence.SecretMount, oddEntry("a mount"))
				}
				continue
			}
			f := evidence.MountFacts{
				Path: clean([]byte(strings.Trim(name, "/"))), Class: class, Type: asString(mt["type"]), Accessor: asString(mt["accessor"]),
				UUID: asString(mt["uuid"]), Local: asBool(mt["local"]), SealWrap: asBool(mt["seal_wrap"]),
			}
			tuning(&f, mt)
			if class == "auth" {
				f.Path = "auth/" + f.Path
				ns.auth = append(ns.auth, mountInfo{path: f.Path, kind: f.Type, accessor: f.Accessor})
			}
			if opts, _ := mt["options"].(map[string]any); opts != nil {
				f.Version = asString(opts["version"])
			}
			f.Path = joinPath(ns.name, f.Path)
			if f.Type == "kv" && f.Version == "2" {
				ns.kv = append(ns.kv, f.Path)
			}
			subject := w.m.ref("mount", f.Path)
			err := w.emit(ctx, evidence.SecretMount, subject, &f, func(d *evidence.Draft) {
				d.Scope = append(w.scope(ns), subject)
				if class == "secret" {
					d.Scope = append(d.Scope, w.m.ref("path", f.Path))
				}
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// tuning reads what an administrator set on a mount. A key listed as not hashed
// has its values in clear in every audit line.
func tuning(f *evidence.MountFacts, mt map[string]any) {
	c, _ := mt["config"].(map[string]any)
	f.DefaultTTLSeconds, f.MaxTTLSeconds = seconds(c["default_lease_ttl"]), seconds(c["max_lease_ttl"])
	f.ClearRequest, f.ClearResponse = sorted(c["audit_non_hmac_request_keys"]), sorted(c["audit_non_hmac_response_keys"])
	if f.Class == "auth" {
		f.TokenType = asString(c["token_type"])
	}
	f.Plugin = strings.Trim(asString(mt["running_plugin_version"])+" "+asString(mt["running_sha256"]), " ")
}

// keptRules bounds the rules of a policy in its facts.
const keptRules = 1000

// policies reads each access policy.
func (w *walk) policies(ctx context.Context, ns *nsState) error {
	names, err := w.keys(ctx, ns, "sys/policies/acl")
	if err != nil {
		return err
	}
	for _, name := range names {
		text := ""
		f := evidence.PolicyFacts{Name: clean([]byte(name)), Namespace: ns.name}
		if name == "root" {
			f.Rules = []evidence.PolicyRule{{Path: "*", Capabilities: []string{"root"}}} // built in, without a text
		} else {
			data, err := w.get(ctx, ns, "sys/policies/acl/"+name)
			if errors.Is(err, errAbsent) {
				continue // deleted between list and read
			}
			if err != nil {
				return err
			}
			var ok bool
			if text, ok = data["policy"].(string); !ok {
				w.miss(evidence.SecretPolicy, oddEntry("a policy")) // it is not one that opens nothing
				continue
			}
			if f.Rules, err = parsePolicy(text); err != nil {
				f.Rules, f.Unparsed = nil, true
				w.r.c.notes.Add("policy %s cannot be read, what it opens is unknown: %v", f.Name, err)
			}
		}
		sum := sha256.Sum256([]byte(text))
		f.SHA256 = hex.EncodeToString(sum[:])
		ns.policies[name] = f.Rules
		rules := f.Rules
		if len(rules) > keptRules {
			w.r.c.notes.Add("policy %s has %d rules: %d are kept in the facts, all in the text", f.Name, len(rules), keptRules)
			f.Rules = rules[:keptRules]
		}
		subject := w.m.ref("policy", joinPath(ns.name, f.Name))
		if err := w.emit(ctx, evidence.SecretPolicy, subject, &f, func(d *evidence.Draft) {
			d.Text = []byte(text)
			d.Scope = append(append(w.scope(ns), subject), w.paths(ns, []string{name})...)
			d.Mentions = w.mentionRules(ns, f.Rules, rules[len(f.Rules):])
		}); err != nil {
			return err
		}
	}
	return nil
}

// maxScope bounds the references a role or policy is attributed by.
const maxScope = 2000

// paths are the references of what some policies open, in the form of a
// secret's path: without the infixes of KV version 2, with a trailing * kept.
func (w *walk) paths(ns *nsState, policies []string) []evidence.Ref {
	var refs []evidence.Ref
	seen := map[string]bool{}
	for _, p := range policies {
		for _, r := range ns.policies[p] {
			if len(r.Capabilities) == 0 || r.Capabilities[0] == "deny" {
				continue
			}
			path := ruleOwner(ns, r)
			if path == "" || seen[path] || len(refs) >= maxScope {
				continue
			}
			seen[path] = true
			refs = append(refs, w.m.ref("path", path))
		}
	}
	return refs
}

// ruleOwner is the path by which a rule of a policy has owners, "" for none.
func ruleOwner(ns *nsState, r evidence.PolicyRule) string {
	return hideMails(ownerPath(joinPath(ns.name, strings.TrimPrefix(r.Path, "/")), ns.kv))
}

// policyRefs names policies.
func (w *walk) policyRefs(ns *nsState, policies []string) []evidence.Ref {
	refs := make([]evidence.Ref, 0, len(policies))
	for _, p := range policies {
		refs = append(refs, w.m.ref("policy", joinPath(ns.name, clean([]byte(p)))))
	}
	return refs
}

// ownerPath turns the path of a policy rule into the secret's own path. A
// templated segment stands for any one name.
func ownerPath(path string, kv []string) string {
	segs := strings.Split(path, "/")
	for i, s := range segs {
		if strings.Contains(s, "{{") {
			segs[i] = "+"
			if i == len(segs)-1 && strings.HasSuffix(s, "*") {
				segs[i] = "*"
			}
		}
	}
	path = strings.Join(segs, "/")
	for _, m := range kv {
		rest, ok := cutMount(path, m)
		if !ok {
			continue
		}
		head, name, more := strings.Cut(rest, "/")
		switch {
		case more && (kvInfix(head) || head == "+"):
			return m + "/" + name
		case strings.HasSuffix(head, "*") || kvInfix(head):
			return m + "/*"
		}
		return path
	}
	return path
}

// cutMount takes the mount off a rule's path; a + in the rule fits any segment
// of the mount.
func cutMount(path, mount string) (rest string, ok bool) {
	for _, seg := range strings.Split(mount, "/") {
		head, tail, more := strings.Cut(path, "/")
		if !more || head != seg && head != "+" {
			return "", false
		}
		path = tail
	}
	return path, true
}

// pseudonym names a user's role without its login.
func (w *walk) pseudonym(mount, login string) string {
	h := hmac.New(sha256.New, w.r.cur.State.Salt)
	fmt.Fprintf(h, "%s|%s", mount, login)
	return "u-" + hex.EncodeToString(h.Sum(nil)[:8])
}
