package externalsecrets

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"evidenced/collectors"
	"evidenced/collectors/kube"
	"evidenced/evidence"
)

const (
	group            = "external-secrets.io"
	kindStore        = "SecretStore"
	kindClusterStore = "ClusterSecretStore"
)

// maxNamespaces bounds the namespaces a store lists in its facts and scope.
const maxNamespaces = 200

// errProvider leaves out what the decoder saw: it may be a secret.
var errProvider = errors.New("the provider of a store cannot be read")

// stores makes the draft of a SecretStore or a ClusterSecretStore.
func (r *reader) stores(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in secretStore
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	f, p, err := r.readStore(o, l.Authority, &in)
	if err != nil {
		return nil, err
	}
	r.memory.put(o.Kind, o.Namespace, o.Name, p.store)
	d, err := l.Draft(evidence.SecretStore, o, f)
	if err != nil {
		return nil, err
	}
	collectors.WithoutLogins(&d, agent)
	// A store of the cluster concerns the namespaces it is limited to by name.
	// One condition that holds is enough: with another form of them beside the
	// names, and without any, it concerns every one.
	if o.Namespace == "" && !in.byName() {
		d.Scope = append(d.Scope, l.Everywhere()...)
	} else if o.Namespace == "" {
		for _, ns := range f.Namespaces {
			d.Scope = append(d.Scope, l.Scope(ns)...)
		}
	}
	d.Mentions = append([]evidence.Mention{l.Mention("/namespaces", f.Namespaces)}, in.conditions(l)...)
	if o.Namespace == "" {
		l.Spell(&d)
	}
	for _, who := range p.people {
		if r.env.Mark != nil {
			who.Names.Bot, who.Names.Shared = r.env.Mark(who.Realm, who.NativeID, who.Names.Login)
		}
		d.People = append(d.People, who)
	}
	var ls links
	for _, ref := range p.refs {
		ls.add(ref)
	}
	if ns, name, ok := strings.Cut(f.Account, "/"); ok && ns != "" {
		ls.add(l.Ref("", "ServiceAccount", ns, name))
	}
	d.Links = ls
	return []evidence.Draft{d}, nil
}

// byName reports whether names alone say which namespaces may use the store,
// and the facts hold all of them.
func (s *secretStore) byName() bool {
	n := 0
	for _, c := range s.Spec.Conditions {
		if c.NamespaceSelector != nil || len(c.NamespaceRegexes) > 0 {
			return false
		}
		n += len(c.Namespaces)
	}
	return n > 0 && n <= maxNamespaces
}

// conditions says whose what else of the store's conditions is, which stands in
// its bytes alone: names beyond those of the facts, and expressions and labels by
// the namespaces that they choose now.
func (s *secretStore) conditions(l *kube.Look) []evidence.Mention {
	var names, spelled []string
	var chosen evidence.Mention
	choose := func(scheme, called string, fits func(kube.Namespace) bool) {
		refs := []evidence.Ref{evidence.NewRef(scheme, l.Authority, called)}
		for _, name := range l.Namespaces() {
			if n, ok := l.Namespace(name); ok && fits(n) {
				refs = append(refs, l.Scope(name)...)
			}
		}
		if called != "" {
			chosen.Of = append(chosen.Of, refs)
		}
	}
	for _, c := range s.Spec.Conditions {
		names = append(names, c.Namespaces...)
		for _, text := range c.NamespaceRegexes {
			// One that chooses the namespaces of several may spell each of them.
			spelled = append(spelled, strings.FieldsFunc(text, func(c rune) bool { return !inName(c) })...)
			// The operator takes no store with an expression that does not compile.
			if re, err := regexp.Compile(text); err == nil {
				choose("ns", text, func(n kube.Namespace) bool { return re.MatchString(n.Name) })
			}
		}
		by := c.NamespaceSelector
		if by == nil {
			continue
		}
		label := func(key, value string) {
			choose("label", value, func(n kube.Namespace) bool { return n.Labels[key] == value })
		}
		for _, k := range slices.Sorted(maps.Keys(by.MatchLabels)) {
			label(k, by.MatchLabels[k])
		}
		for _, x := range by.MatchExpressions {
			for _, v := range x.Values {
				label(x.Key, v)
			}
		}
	}
	var out []evidence.Mention
	if slices.Sort(names); len(names) > maxNamespaces {
		out = append(out, l.Mention("", slices.Compact(names)))
	}
	if len(chosen.Of) > 0 {
		out = append(out, chosen)
	}
	if slices.Sort(spelled); len(spelled) > 0 {
		out = append(out, l.Mention("", slices.Compact(spelled)))
	}
	return out
}

// inName reports whether a character may stand in the name of a namespace.
func inName(c rune) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' }

func (r *reader) readStore(o *kube.Object, authority string, in *secretStore) (evidence.SecretStoreFacts, provider, error) {
	ready := in.Status.Conditions.Of("Ready")
	f := evidence.SecretStoreFacts{
		Cluster: authority, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		Provider: "unknown", Conditions: len(in.Spec.Conditions),
		Ready: ready.Status, Reason: word(ready.Reason), ResourceVersion: o.ResourceVersion,
	}
	for _, c := range in.Spec.Conditions {
		f.Namespaces = append(f.Namespaces, c.Namespaces...)
	}
	slices.Sort(f.Namespaces)
	f.Namespaces = slices.Compact(f.Namespaces)
	f.Namespaces = f.Namespaces[:min(len(f.Namespaces), maxNamespaces)]
	for _, name := range slices.Sorted(maps.Keys(in.Spec.Provider)) {
		if string(in.Spec.Provider[name]) == "null" {
			continue
		}
		f.Provider = word(name)
		if name == "vault" || name == "openBao" {
			p, err := r.vaultStore(in.Spec.Provider[name], o.Namespace, &f)
			return f, p, err
		}
		f.Server = serverOf(name, in.Spec.Provider[name])
		break // the API allows one
	}
	return f, provider{}, nil
}

// serverOf reads the address of a provider that has one.
func serverOf(name string, raw json.RawMessage) string {
	var v struct {
		Server   json.RawMessage `json:"server"`   // kubernetes
		VaultURL string          `json:"vaultUrl"` // azurekv
	}
	if json.Unmarshal(raw, &v) != nil {
		return "" // another provider's members of the same name
	}
	switch name {
	case "azurekv":
		return safeURL(v.VaultURL)
	case "kubernetes":
		var s struct {
			URL string `json:"url"`
		}
		if json.Unmarshal(v.Server, &s) == nil {
			return safeURL(s.URL)
		}
	}
	return ""
}
