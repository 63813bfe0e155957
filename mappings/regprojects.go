package mappings

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"evidenced/evidence"
)

var registryProjectsView = &view{
	View: View{
		Name:  "registry_projects",
		Doc:   "Projects of a registry: one item for each that existed in the period, with how it was guarded all that time.",
		Kinds: []evidence.Kind{evidence.RegistryProject},
		Fields: []Field{
			atEnd,
			{Name: "registry", Type: "string", Doc: "host of the registry"},
			{Name: "project", Type: "string", Doc: "project"},
			{Name: "public", Type: "bool", Optional: true, Doc: "anybody could pull at some time"},
			{Name: "proxy_cache", Type: "bool", Doc: "it holds copies of another registry's images"},
			{Name: "released", Type: "bool", Needs: []evidence.Kind{evidence.ArtifactImage, evidence.RuntimePod},
				Doc: "it held released artifacts in the period, see view registry_artifacts"},
			{Name: "scan_on_push", Type: "bool", Optional: true, Doc: "every artifact was to be scanned when pushed, all the time"},
			{Name: "immutable", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.RegistryRule},
				Doc: "some enabled rule kept tags from being moved or deleted, all the time"},
			{Name: "prevents_vulnerable", Type: "bool", Optional: true, Doc: "images with weaknesses beyond a limit could not be pulled, all the time"},
		},
	},
	build: buildRegistryProjects,
}

func buildRegistryProjects(ctx context.Context, s *scene, yield func(*item) error) error {
	x, err := s.shelf(ctx)
	if err != nil {
		return err
	}
	f, err := s.fleet(ctx)
	if err != nil {
		return err
	}
	released := map[string]bool{}
	for _, a := range x.states {
		if slices.ContainsFunc(a.tags, isVersion) {
			released[a.place()] = true
		}
	}
	for _, u := range f.uses {
		for _, d := range append(x.related(u.digest), x.children(u.digest)...) {
			for _, a := range x.byDigest[d] {
				released[a.place()] = true
			}
		}
	}
	rules, err := stretches[evidence.RegistryRuleFacts](ctx, s, evidence.RegistryRule)
	if err != nil {
		return err
	}
	projects, err := stretches[evidence.RegistryProjectFacts](ctx, s, evidence.RegistryProject)
	if err != nil {
		return err
	}
	var its []*item
	for sts := range perSubject(projects) {
		its = append(its, s.projectItem(sts, rules, released))
	}
	return yieldSorted(its, yield)
}

func (s *scene) projectItem(sts []stretch[evidence.RegistryProjectFacts], rules []stretch[evidence.RegistryRuleFacts], released map[string]bool) *item {
	last := &sts[len(sts)-1]
	f := &last.facts
	it := stateItem(last, evidence.RegistryProject, "registry project "+f.Project)
	for i := range sts {
		it.also(sts[i].seq)
	}
	it.set("registry", f.Registry).set("project", f.Project).set("proxy_cache", f.ProxyCache)
	it.set("released", released[f.Registry+"/"+f.Project])
	always := func(name string, of func(*evidence.RegistryProjectFacts) *bool) {
		a := answer{is: yes}
		for i := range sts {
			v := of(&sts[i].facts)
			switch {
			case v == nil:
				a = worse(a, answer{is: unknown, why: "the registry did not say whether the project keeps " + name})
			case !*v:
				a = worse(a, answer{is: no, why: name + " was off at " + evidence.FormatTime(later(sts[i].from, s.period.From))})
			}
		}
		it.answerField(name, a)
	}
	always("scan_on_push", func(f *evidence.RegistryProjectFacts) *bool { return f.ScanOnPush })
	always("prevents_vulnerable", func(f *evidence.RegistryProjectFacts) *bool { return f.PreventVulnerable })
	public := answer{is: no}
	for i := range sts {
		switch v := sts[i].facts.Public; {
		case v == nil && public.is != yes:
			public = answer{is: unknown, why: "the registry did not say whether the project is public"}
		case v != nil && *v:
			public = answer{is: yes}
		}
	}
	it.answerField("public", public)
	it.answerField("immutable", s.immutable(it, sts, rules))
	return it
}

// sameLook is how far apart the records of one look at a registry's settings
// may lie.
const sameLook = 10 * time.Minute

// immutable reports whether at every time that the project was there some
// enabled rule of immutability was, too.
func (s *scene) immutable(it *item, sts []stretch[evidence.RegistryProjectFacts], rules []stretch[evidence.RegistryRuleFacts]) answer {
	var on []evidence.Period
	silent := false
	for i := range rules {
		r := &rules[i]
		if r.facts.Type != "immutability" || r.facts.Registry != sts[0].facts.Registry || r.facts.Project != sts[0].facts.Project {
			continue
		}
		it.also(r.seq)
		switch {
		case r.facts.Enabled == nil:
			silent = true
		case *r.facts.Enabled:
			on = append(on, evidence.Period{From: r.from.Add(-sameLook), To: r.end(s.period).Add(sameLook)})
		}
	}
	if len(on) > 0 {
		on = joined(on)
	}
	for i := range sts {
		need := evidence.Period{From: later(sts[i].from, s.period.From), To: sts[i].end(s.period)}
		if !need.From.Before(need.To) || slices.ContainsFunc(on, func(p evidence.Period) bool { return !p.From.After(need.From) && !p.To.Before(need.To) }) {
			continue
		}
		if silent {
			return answer{is: unknown, why: "the registry did not say whether a rule of immutability is on"}
		}
		gap := need.From
		for _, p := range on {
			if !p.From.After(gap) && p.To.After(gap) {
				gap = p.To.Add(-sameLook)
			}
		}
		return answer{is: no, why: fmt.Sprintf("no enabled rule of immutability stood at %s", evidence.FormatTime(cmp.Or(gap, need.From)))}
	}
	return answer{is: yes}
}
