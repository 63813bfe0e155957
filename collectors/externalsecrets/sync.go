package externalsecrets

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

// maxRemote bounds the remote secrets listed in one draft; a sync with more is
// told in a note and has the rest in its raw bytes.
const maxRemote = 1000

// asked is what a sync asks for: a key of a store.
type asked struct {
	store storeRef
	key   string
}

// syncs makes the draft of an ExternalSecret.
func (r *reader) syncs(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in externalSecret
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	f, all := externalFacts(o, l.Authority, &in)
	return r.sync(o, l, f, all, len(in.Spec.Target.Manifest) == 0)
}

// pushes makes the draft of a PushSecret: the way back, from a Kubernetes
// Secret to a provider.
func (r *reader) pushes(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	var in pushSecret
	if err := o.Decode(&in); err != nil {
		return nil, err
	}
	f, all := pushFacts(o, l.Authority, &in)
	return r.sync(o, l, f, all, true)
}

func (r *reader) sync(o *kube.Object, l *kube.Look, f evidence.SecretSyncFacts, all []asked, secret bool) ([]evidence.Draft, error) {
	d, err := fit(o, l, f)
	if err != nil {
		return nil, err
	}
	var ls links
	if secret && f.Target != "" {
		ls.add(l.Ref("", "Secret", f.Namespace, f.Target))
	}
	for _, a := range all {
		ls.add(a.store.ref(l, f.Namespace))
	}
	for _, a := range all {
		if s, ok := r.memory.get(a.store, f.Namespace); ok {
			if ref, ok := s.secretRef(a.key); ok {
				ls.add(ref)
			}
		}
	}
	d.Links = ls
	return []evidence.Draft{d}, nil
}

// fit makes the draft with as many remote secrets as its size limit allows.
func fit(o *kube.Object, l *kube.Look, f evidence.SecretSyncFacts) (evidence.Draft, error) {
	for n, keep := len(f.Remote), maxRemote; ; keep /= 2 {
		f.Remote = f.Remote[:min(len(f.Remote), keep)]
		d, err := l.Draft(evidence.SecretSync, o, f)
		if err != nil || len(d.Content) <= evidence.MaxContent {
			if len(f.Remote) < n {
				l.Note("a sync of %d remote secrets is listed up to the first %d", n, len(f.Remote))
			}
			return d, err
		}
		if keep == 0 {
			return d, errTooLarge
		}
	}
}

var errTooLarge = errors.New("the facts are larger than a record can be")

func (r storeRef) ref(l *kube.Look, namespace string) evidence.Ref {
	if r.Name == "" {
		return evidence.Ref{}
	}
	if r.Kind == kindClusterStore {
		namespace = ""
	}
	return l.Ref(group, r.Kind, namespace, r.Name)
}

// defaultInterval and defaultPolicy are what the operator does when nothing is
// written.
const (
	defaultInterval = "1h0m0s"
	defaultPolicy   = "Periodic"
)

func base(o *kube.Object, authority string, st *status) evidence.SecretSyncFacts {
	ready := st.Conditions.Of("Ready")
	return evidence.SecretSyncFacts{
		Cluster: authority, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		Interval: defaultInterval, Policy: defaultPolicy,
		Ready: ready.Status, Reason: word(ready.Reason), ReadySince: ready.At(),
		RefreshedAt: kube.Time(st.RefreshTime), SyncedVersion: word(st.SyncedResourceVersion), ResourceVersion: o.ResourceVersion,
	}
}

func externalFacts(o *kube.Object, authority string, in *externalSecret) (evidence.SecretSyncFacts, []asked) {
	f := base(o, authority, &in.Status)
	ref := in.Spec.SecretStoreRef
	f.StoreKind, f.StoreName = ref.withDefaults().Kind, ref.Name
	f.Target = in.Spec.Target.Name
	if f.Target == "" {
		f.Target = o.Name
	}
	if in.Spec.RefreshInterval != nil {
		f.Interval = word(*in.Spec.RefreshInterval)
	}
	if in.Spec.RefreshPolicy != "" {
		f.Policy = word(in.Spec.RefreshPolicy)
	}
	f.Windows, f.Immutable = word(in.Spec.SyncWindows.Kind), in.Spec.Target.Immutable
	var all []asked
	take := func(r remoteRef, s *source) {
		add(&f, evidence.RemoteKey{Key: word(r.Key), Property: word(r.Property), Version: word(r.Version)})
		all = append(all, asked{s.or(ref), r.Key})
	}
	for _, d := range in.Spec.Data {
		if d.SourceRef.generates() {
			f.Generated = true
			continue
		}
		take(d.RemoteRef, d.SourceRef)
	}
	for _, d := range in.Spec.DataFrom {
		switch {
		case d.Extract != nil:
			take(*d.Extract, d.SourceRef)
		default:
			f.Generated = true
			if isSet(d.Find) {
				all = append(all, asked{d.SourceRef.or(ref), ""})
			}
		}
	}
	if len(all) == 0 && ref.Name != "" {
		all = append(all, asked{ref.withDefaults(), ""})
	}
	return f, all
}

func pushFacts(o *kube.Object, authority string, in *pushSecret) (evidence.SecretSyncFacts, []asked) {
	f := base(o, authority, &in.Status)
	if in.Spec.RefreshInterval != nil {
		f.Interval = word(*in.Spec.RefreshInterval)
	}
	f.Target = in.Spec.Selector.Secret.Name
	f.Generated = isSet(in.Spec.Selector.GeneratorRef) || isSet(in.Spec.Selector.Secret.Selector) || len(in.Spec.DataTo) > 0
	var all []asked
	for i, s := range in.Spec.SecretStoreRefs {
		s = s.withDefaults()
		if i == 0 {
			f.StoreKind, f.StoreName = s.Kind, s.Name
		}
		if len(in.Spec.Data) == 0 {
			all = append(all, asked{s, ""})
		}
		for _, d := range in.Spec.Data {
			all = append(all, asked{s, d.Match.RemoteRef.RemoteKey})
		}
	}
	for _, d := range in.Spec.Data {
		add(&f, evidence.RemoteKey{Key: word(d.Match.RemoteRef.RemoteKey), Property: word(d.Match.RemoteRef.Property)})
	}
	return f, all
}

// add appends a remote key once.
func add(f *evidence.SecretSyncFacts, k evidence.RemoteKey) {
	if k.Key != "" && !slices.Contains(f.Remote, k) {
		f.Remote = append(f.Remote, k)
	}
}

// or returns the store of an entry: its own, else the sync's.
func (s *source) or(ref storeRef) storeRef {
	if s != nil && s.StoreRef != nil && s.StoreRef.Name != "" {
		return s.StoreRef.withDefaults()
	}
	return ref.withDefaults()
}

// generates reports whether the value is made up, not fetched.
func (s *source) generates() bool { return s != nil && isSet(s.GeneratorRef) }

func isSet(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }
