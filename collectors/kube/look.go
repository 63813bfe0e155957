package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// Look is what a Drafts function may use beside its object. It is used by one
// goroutine at a time.
type Look struct {
	Source    evidence.SourceID
	Authority string    // of references: the last part of the source's name
	Now       time.Time // the daemon's clock, UTC

	agent      string
	labels     func(key string) bool
	namespaces map[string]Namespace
	gone       map[string]Namespace      // as they were last
	past       string                    // the object at hand is of the one that is gone
	values     map[string][]evidence.Ref // of the namespaces' labels, see labelled; nil until they are needed
	notes      []string
	before     func(o *Object) time.Time
	whole      func(resource string) bool
	listed     func(resource string) time.Time
	refused    func(resource string) bool
	again      func(resource, namespace string)
}

// Namespace is what is known of a namespace for tenancy.
type Namespace struct {
	Name   string
	UID    string
	Labels map[string]string

	Made  time.Time // zero when it is not known
	Ended time.Time // when it was found to be gone; zero while it is there
}

// NewLook makes a Look without a cluster, so that a test can give a Drafts
// function recorded objects. Agent names collector and version, "velero/1".
func NewLook(source evidence.SourceID, agent string, now time.Time, namespaces ...Namespace) *Look {
	l := &Look{
		Source: source, Authority: source.Authority(), Now: now.UTC(), agent: agent,
		labels: foreignLabel, namespaces: map[string]Namespace{},
		before: func(*Object) time.Time { return time.Time{} }, whole: func(string) bool { return true }, listed: func(string) time.Time { return time.Time{} },
		refused: func(string) bool { return false }, again: func(string, string) {},
	}
	for _, n := range namespaces {
		if n.Ended.IsZero() {
			l.namespaces[n.Name] = n
			continue
		}
		if l.gone == nil {
			l.gone = map[string]Namespace{}
		}
		l.gone[n.Name] = n
	}
	return l
}

// foreignLabel reports whether a label key is not one of Kubernetes itself.
func foreignLabel(key string) bool {
	domain, _, ok := strings.Cut(key, "/")
	if !ok {
		return true
	}
	for _, own := range []string{"kubernetes.io", "k8s.io"} {
		if domain == own || strings.HasSuffix(domain, "."+own) {
			return false
		}
	}
	return true
}

// Scope is what tenancy looks at for something in the namespace: its name and
// the labels it has now, or had last. It is empty for the namespace "".
func (l *Look) Scope(namespace string) []evidence.Ref {
	if namespace == "" {
		return nil
	}
	refs := []evidence.Ref{evidence.NewRef("ns", l.Authority, namespace)}
	n, ok := l.namespaces[namespace]
	if !ok || namespace == l.past {
		n = l.gone[namespace]
	}
	labels := n.Labels
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if l.labels(k) {
			refs = append(refs, evidence.NewRef("label", l.Authority, k+"="+labels[k]))
		}
	}
	return refs
}

// Mention says whose the namespaces are that the list at a JSON pointer of the
// facts names. Without a pointer it says so of namespaces that no list names: those
// in Scope and Links, and where their names stand in text, sentences and bytes.
func (l *Look) Mention(at string, namespaces []string) evidence.Mention {
	m := evidence.Mention{At: at, Of: make([][]evidence.Ref, len(namespaces))}
	for i, n := range namespaces {
		if n != "" {
			m.Of[i] = append(l.Scope(n), l.Ref("", "Namespace", "", n))
		}
	}
	return m
}

// placing picks the labels that tenancy looks at.
func (l *Look) placing(labels map[string]string) map[string]string {
	labels = maps.Clone(labels)
	maps.DeleteFunc(labels, func(k, _ string) bool { return !l.labels(k) })
	return labels
}

// Everywhere is the scope of what belongs to the cluster and reaches into every
// namespace: each tenant that owns one is concerned.
func (l *Look) Everywhere() []evidence.Ref {
	return []evidence.Ref{evidence.NewRef("ns", l.Authority, "*")}
}

// During returns the look with the namespaces that were there at some time of the
// period, as far as is known: one that was made after it is not, unless one of
// its name that is gone was, and stands for it then. A namespace of which it is
// not known when it was made counts while it is there, and so does one that older
// says to be older than its object. A period without an end ends now. Notes belong
// to the look itself.
func (l *Look) During(p evidence.Period, older func(Namespace) bool) *Look {
	then := *l
	then.namespaces, then.past, then.values, then.notes = map[string]Namespace{}, "", nil, nil
	before := func(n Namespace) bool { return p.To.IsZero() || !n.Made.After(p.To) }
	for name, n := range l.namespaces {
		if before(n) || older(n) {
			then.namespaces[name] = n
		}
	}
	for name, n := range l.gone {
		if _, there := then.namespaces[name]; !there && !n.Made.IsZero() && before(n) && !n.Ended.Before(p.From) {
			then.namespaces[name] = n
		}
	}
	return &then
}

// Namespace returns what is known of a namespace now; false when nothing is.
func (l *Look) Namespace(name string) (Namespace, bool) {
	n, ok := l.namespaces[name]
	return n, ok
}

// Namespaces returns the names of all namespaces known now, sorted.
func (l *Look) Namespaces() []string { return slices.Sorted(maps.Keys(l.namespaces)) }

// Whole reports whether the resource ("restores.velero.io") has been listed in
// full, so that an object that was not seen is not there. It is for drafts
// that join several objects.
func (l *Look) Whole(resource string) bool { return l.whole(resource) }

// Refused reports whether the credential may not read the resource, one that is
// waived: what is known of it is old or nothing.
func (l *Look) Refused(resource string) bool { return l.refused(resource) }

// ListedAt returns when the newest full list of the resource in this run began, so
// that what is remembered of an object that was not seen since can go: zero when
// none was made. A cluster that does not have the resource was listed just now.
func (l *Look) ListedAt(resource string) time.Time { return l.listed(resource) }

// Again asks for the objects of a resource ("helmreleases.helm.toolkit.fluxcd.io")
// in a namespace to be read once more, because what their drafts take from other
// objects has changed and nothing may come to be told of them. They come as from
// a list; what has not changed is no news. In a run that lists everything they
// come anyway. The namespace "" stands for all where the collector is not limited to
// some, and for the cluster itself.
func (l *Look) Again(resource, namespace string) { l.again(resource, namespace) }

// Draft makes the common part of a draft about an object: its own reference as
// subject, the scope of its namespace (of itself, when it is one), when it was
// seen and how, and its bytes. The state begins, or the event is, when it was
// observed, unless the caller sets OccurredAt and Basis from the object; the
// key of an event is the object's uid unless the caller sets another.
func (l *Look) Draft(kind evidence.Kind, o *Object, facts any) (evidence.Draft, error) {
	content, err := json.Marshal(facts)
	if err != nil {
		return evidence.Draft{}, fmt.Errorf("encode facts of %s: %w", kind, err)
	}
	d := evidence.Draft{
		Kind: kind, Op: evidence.OpEvent, Source: l.Source, Subject: o.Ref(l.Authority),
		OccurredAt: o.ObservedAt, Basis: evidence.BasisObserved, NotBefore: l.before(o), ObservedAt: o.ObservedAt,
		Scope: l.Scope(o.Namespace), Content: content, Raw: o.Raw, Removed: o.Removed, Request: o.Request,
	}
	if info, _ := evidence.KindInfo(kind); info.State {
		d.Op = evidence.OpSet
	} else {
		d.Key = o.UID
	}
	if o.Kind == "Namespace" && o.Group() == "" {
		own := *l
		own.past, own.namespaces = "", map[string]Namespace{o.Name: {Name: o.Name, UID: o.UID, Labels: o.Labels}}
		d.Scope = own.Scope(o.Name)
	}
	d.Request.Agent = l.agent + d.Request.Agent
	return d, nil
}

// Ref names another object of the cluster whose uid is not known. See [RefOf].
func (l *Look) Ref(group, kind, namespace, name string) evidence.Ref {
	return RefOf(l.Authority, group, kind, namespace, name)
}

// maxNotes bounds the remarks of one look.
const maxNotes = 50

// Note keeps a remark for the operator, once. It names no person and holds no
// content of objects.
func (l *Look) Note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); len(l.notes) < maxNotes && !slices.Contains(l.notes, n) {
		l.notes = append(l.notes, n)
	}
}

// Notes returns the remarks so far.
func (l *Look) Notes() []string { return slices.Clone(l.notes) }
