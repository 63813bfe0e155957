package workflows

import (
	"context"
	"path"
	"slices"
	"strings"

	"evidenced/collectors/kube"
	"evidenced/evidence"
)

func purposeKey(kind, namespace, name string) string { return kind + "/" + namespace + "/" + name }

// purposeOf keeps what a template says that it is for.
func (r *reader) purposeOf(_ context.Context, o *kube.Object, l *kube.Look) ([]evidence.Draft, error) {
	r.keep(o, l)
	return nil, nil
}

func (r *reader) purposeGone(context.Context, *kube.Object, *kube.Look) ([]evidence.Draft, error) {
	// What it said stands for the runs that it leaves behind; a list of everything
	// forgets it.
	return nil, nil
}

func (r *reader) keep(o *kube.Object, l *kube.Look) {
	key := purposeKey(o.Kind, o.Namespace, o.Name)
	said := r.said(o.Labels, o.Annotations)
	if said != "" {
		r.memory.hear(key)
	}
	if !r.memory.says(key, said) {
		l.Note("more templates and schedules say what they are for than are remembered: name them in purposes")
	}
}

// said is what labels or annotations say that something is for; "" for nothing,
// and for what is no word.
func (r *reader) said(labels, annotations map[string]string) string {
	for _, v := range []string{labels[r.cfg.PurposeKey], annotations[r.cfg.PurposeKey]} {
		if purpose.MatchString(v) {
			return v
		}
	}
	return ""
}

// setting is what the configuration says that the runs of a template or schedule
// are for; "" for nothing.
func (r *reader) setting(namespace, cron, kind, template string) string {
	full := namespace + "/" + template
	if kind == kindClusterTemplate {
		full = template
	}
	for _, p := range r.cfg.Purposes {
		if template != "" && fitsAny(p.Templates, full) || cron != "" && fitsAny(p.Schedules, namespace+"/"+cron) {
			return p.Purpose
		}
	}
	return ""
}

// forWhat says what a run is for and who says so: the configuration over the
// workflow itself (own), that over its schedule, that over its template. Unread
// says why one of them could not be asked.
func (r *reader) forWhat(l *kube.Look, namespace, own, cron, kind, template string) (purpose, from, unread string) {
	if p := r.setting(namespace, cron, kind, template); p != "" {
		return p, "setting", ""
	}
	if own != "" {
		return own, "workflow", ""
	}
	type asked struct{ kind, ns, name, from string }
	all := []asked{{kindCron, namespace, cron, "schedule"}}
	switch kind {
	case kindTemplate:
		all = append(all, asked{kind, namespace, template, "template"})
	case kindClusterTemplate:
		all = append(all, asked{kind, "", template, "template"})
	}
	for _, a := range all {
		if a.name == "" {
			continue
		}
		if p := r.memory.For[purposeKey(a.kind, a.ns, a.name)]; p != "" {
			return p, a.from, ""
		}
		if !r.complete(l, resourceOf[a.kind]) {
			r.memory.without(a.kind, namespace)
			return "", "", "what it stems from could not be asked what it is for: " + resourceOf[a.kind] + " could not be read"
		}
	}
	return "", "", ""
}

func fitsAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}

// kindOf is the kind of a key of purposes.
func kindOf(key string) string {
	kind, _, _ := strings.Cut(key, "/")
	return kind
}
