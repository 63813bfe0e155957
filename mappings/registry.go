package mappings

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

var releasedArtifactsView = &view{
	View: View{
		Name: "registry_artifacts",
		Doc: "Artifacts that a registry held in the period, by repository and digest. An artifact is released when it bore the tag of a version, " +
			"such as v1.4.2 or 2026.11, or a tag that the registry keeps immutable, or when it was seen running.",
		Kinds: []evidence.Kind{evidence.ArtifactImage},
		Fields: []Field{
			atEnd,
			{Name: "registry", Type: "string", Doc: "host of the registry"},
			{Name: "project", Type: "string", Doc: "project"},
			{Name: "repository", Type: "string", Doc: "repository without the project"},
			{Name: "digest", Type: "string", Doc: "digest"},
			{Name: "tags", Type: "list(string)", Doc: "tags it bore at some time in the period"},
			{Name: "version_tags", Type: "list(string)", Doc: "those of them that name a version or are immutable"},
			{Name: "ran", Type: "bool", Needs: []evidence.Kind{evidence.RuntimePod}, Doc: "it, an index that holds it or an image of it was seen running in the period"},
			{Name: "proxy_cache", Type: "bool", Needs: []evidence.Kind{evidence.RegistryProject}, Doc: "the project holds copies of another registry's images, which change as that one does"},
			{Name: "overwritten", Type: "bool", Doc: "a version tag of it was moved to another digest"},
			{Name: "untagged", Type: "bool", Doc: "a version tag of it was taken away, and no other digest got it"},
			{Name: "deleted", Type: "bool", Doc: "it went from the registry"},
			{Name: "by_retention", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.RegistryRun},
				Doc: "a run of a retention rule of the project explains that it or its tag went; no when somebody was seen to delete it"},
		},
	},
	build: buildReleasedArtifacts,
}

// versionTag is a tag that names a version: numbers with dots between, with or
// without a v before and a suffix behind.
var versionTag = regexp.MustCompile(`^[vV]?[0-9]+(\.[0-9]+){1,3}([-+._][0-9A-Za-z.+_-]+)?$`)

func isVersion(t evidence.ArtifactTag) bool { return t.Immutable || versionTag.MatchString(t.Name) }

// artifactStory is all states of one artifact at one source.
type artifactStory struct {
	states []*shelved
}

func buildReleasedArtifacts(ctx context.Context, s *scene, yield func(*item) error) error {
	x, err := s.shelf(ctx)
	if err != nil {
		return err
	}
	f, err := s.fleet(ctx)
	if err != nil {
		return err
	}
	ran := map[string]bool{}
	for _, u := range f.uses {
		for _, d := range append(x.related(u.digest), x.children(u.digest)...) {
			ran[d] = true
		}
	}
	c := &cleaning{s: s}
	if err := c.load(ctx); err != nil {
		return err
	}
	for _, story := range x.stories() {
		if err := yield(c.item(x, story, ran)); err != nil {
			return err
		}
	}
	return nil
}

// stories gathers the states of the period by artifact, in order of their first
// record. What was looked up from before the period is left out.
func (x *shelf) stories() []artifactStory {
	type key struct {
		source  evidence.SourceID
		subject evidence.Ref
	}
	var order []key
	by := map[key]*artifactStory{}
	for _, a := range x.states {
		if a.looked {
			continue
		}
		k := key{a.source, a.subject}
		if by[k] == nil {
			by[k] = &artifactStory{}
			order = append(order, k)
		}
		by[k].states = append(by[k].states, a)
	}
	var out []artifactStory
	for _, k := range order {
		out = append(out, *by[k])
	}
	slices.SortStableFunc(out, func(a, b artifactStory) int { return cmp.Compare(a.states[0].seq, b.states[0].seq) })
	return out
}

// cleaning is what took artifacts out of a registry.
type cleaning struct {
	s    *scene
	runs map[string][]evidence.Period // host/project -> runs of retention
	acts []deletion
}

// deletion is one line of the registry's audit log about a deletion.
type deletion struct {
	seq      uint64
	registry string
	digest   string
	name     string // project/repository, with the tag where it names one
	at       time.Time
	own      bool // by the registry's own parts
}

func (c *cleaning) load(ctx context.Context) error {
	c.runs = map[string][]evidence.Period{}
	err := events(ctx, c.s, func(r *evidence.Record, _ []uint64) error {
		var f evidence.RegistryRunFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		if f.Type != "retention" || f.DryRun || f.Status != "success" && f.Status != "running" && f.Status != "failure" && f.Status != "stopped" {
			return nil
		}
		p := evidence.Period{From: firstTime(f.StartedAt, r.Occurred), To: firstTime(f.FinishedAt, c.s.period.To)}
		c.runs[f.Registry+"/"+f.Project] = append(c.runs[f.Registry+"/"+f.Project], p)
		return nil
	}, evidence.RegistryRun)
	if err != nil {
		return err
	}
	return events(ctx, c.s, func(r *evidence.Record, _ []uint64) error {
		var f evidence.RegistryAuditFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		if f.Operation != "delete" || f.Succeeded != nil && !*f.Succeeded {
			return nil
		}
		c.acts = append(c.acts, deletion{r.Seq, f.Registry, f.Digest, f.Resource, r.Occurred, f.Who < 0 && f.Robot == ""})
		return nil
	}, evidence.RegistryAudit)
}

func (c *cleaning) item(x *shelf, story artifactStory, ran map[string]bool) *item {
	first, last := story.states[0], story.states[len(story.states)-1]
	it := &item{
		seqs: []uint64{first.seq}, kind: evidence.ArtifactImage, at: later(first.from, c.s.period.From),
		label:  "artifact " + first.project + "/" + first.repository + " " + shortDigest(first.digest),
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	it.also(last.seq)
	tags, versions := []string{}, []string{}
	for _, a := range story.states {
		for _, t := range a.tags {
			add(&tags, t.Name)
			if isVersion(t) {
				add(&versions, t.Name)
			}
		}
	}
	slices.Sort(tags)
	slices.Sort(versions)
	it.set("source", string(first.source)).set("happened", it.at).set("at_end", last.until.IsZero())
	it.set("registry", first.host).set("project", first.project).set("repository", first.repository).set("digest", first.digest)
	it.set("tags", tags).set("version_tags", versions).set("ran", ran[first.digest])
	it.set("proxy_cache", x.caches[first.place()])
	deleted := last.ended
	overwritten, untagged := false, false
	went := evidence.Period{From: firstTime(last.lastLook, last.from), To: last.until}
	for i, a := range story.states {
		for _, t := range a.tags {
			if !isVersion(t) || a.until.IsZero() || i+1 < len(story.states) && bears(story.states[i+1], t.Name) {
				continue
			}
			if to := x.movedTo(a, t.Name); to != nil {
				overwritten = true
				it.also(to.at.seq)
				it.why["overwritten"] = fmt.Sprintf("tag %s was moved to %s", t.Name, shortDigest(to.digest))
			} else if i+1 < len(story.states) {
				untagged = true
				it.why["untagged"] = "tag " + t.Name + " was taken away"
				went = evidence.Period{From: firstTime(a.lastLook, a.from), To: a.until}
			}
		}
	}
	if deleted {
		it.also(last.endSeq)
		it.why["deleted"] = "it was gone at " + evidence.FormatTime(last.until)
	}
	it.set("deleted", deleted).set("overwritten", overwritten).set("untagged", untagged)
	if !deleted && !untagged {
		return it.set("by_retention", false)
	}
	it.answerField("by_retention", c.explain(it, first, versions, went))
	return it
}

func bears(a *shelved, tag string) bool {
	return slices.ContainsFunc(a.tags, func(t evidence.ArtifactTag) bool { return t.Name == tag })
}

// movedTo finds the other digest of the repository that got the tag after the
// state, nil when none did.
func (x *shelf) movedTo(a *shelved, tag string) *tagSpan {
	spans := x.tags[a.name()+":"+tag]
	for i := range spans {
		sp := &spans[i]
		if sp.digest != a.digest && sp.at.source == a.source && !sp.at.from.Before(a.from) &&
			(sp.at.until.IsZero() || sp.at.until.After(a.until)) && firstTime(sp.pushed, sp.at.from).After(a.from.Add(-clockSlack)) {
			return sp
		}
	}
	return nil
}

// explain says whether a retention rule took the artifact or its tag away in
// the stretch in which it went.
func (c *cleaning) explain(it *item, a *shelved, tags []string, went evidence.Period) answer {
	p := evidence.Period{From: went.From.Add(-clockSlack), To: went.To.Add(clockSlack)}
	for _, d := range c.acts {
		if d.registry != a.host || d.own || d.at.Before(p.From) || d.at.After(p.To) {
			continue
		}
		name := a.project + "/" + a.repository
		tagged := slices.ContainsFunc(tags, func(t string) bool { return d.name == name+":"+t })
		if d.digest == a.digest || tagged || d.name == name || strings.HasPrefix(d.name, name+"@"+a.digest) {
			it.also(d.seq)
			return answer{is: no, why: "somebody deleted it, as the registry's audit log tells"}
		}
	}
	for _, r := range c.runs[a.place()] {
		if r.Overlaps(p) || r.From.Equal(p.From) {
			return answer{is: yes}
		}
	}
	ids := c.s.cover.sources(evidence.RegistryRun)
	if len(ids) == 0 {
		return answer{is: unknown, why: "no source tells of runs of retention rules", unobserved: true}
	}
	in, ok := p.Intersect(c.s.period)
	for _, id := range ids {
		if !ok || len(c.s.cover.blind(id, evidence.RegistryRun, in)) > 0 {
			return answer{is: unknown, why: "runs of retention rules were not looked at when it went", unobserved: true}
		}
	}
	return answer{is: no, why: "no run of a retention rule explains it"}
}
