package mappings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

var imageRunsView = &view{
	View: View{
		Name: "image_runs",
		Doc: "What ran under which name: one item for each image as pods asked for it, each digest that ran under it, and each application " +
			"that it ran for. Two digests are one image when a registry shows that one is an index that holds the other.",
		Kinds: []evidence.Kind{evidence.RuntimePod},
		Fields: []Field{
			{Name: "image", Type: "string", Doc: "image as the pods asked for it"},
			{Name: "digest", Type: "string", Doc: "digest as the node reports it; empty when it reports none"},
			{Name: "pinned", Type: "bool", Doc: "the pods asked for a digest"},
			{Name: "tag", Type: "string", Doc: "tag the pods asked for; latest where they named neither tag nor digest"},
			{Name: "app", Type: "string", Needs: []evidence.Kind{evidence.RuntimeWorkload}, Doc: "application that tracks the workloads; empty when none is known"},
			{Name: "namespaces", Type: "list(string)", Doc: "namespaces it ran in"},
			{Name: "workloads", Type: "list(string)", Doc: "namespace/kind/name of what ran it"},
			{Name: "first_run", Type: "timestamp", Doc: "earliest begin of a container that ran it; may lie before the period"},
			{Name: "last_run", Type: "timestamp", Doc: "latest time at which a container was known to run it"},
			{Name: "at_end", Type: "bool", Doc: "some container ran it at the end of the period, or when pods were last looked at before"},
			{Name: "matches_declared", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.ArtifactImage},
				Doc: "the digest is the one the pods asked for; of a tag, the one it pointed at in the registry when the container began"},
			{Name: "images_listed", Type: "bool", Needs: []evidence.Kind{evidence.RuntimeWorkload},
				Doc: "an application tracks the workloads, of a deployment tool that says which images an application has: Argo CD does, Flux does not"},
			{Name: "matches_deployed", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.DeployState, evidence.RuntimeWorkload},
				Doc: "the application's deployment tool lists the image too, by name or digest; missing where no application is known, and where the tool lists none"},
			{Name: "matches_scanned", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.ArtifactScan, evidence.ArtifactImage},
				Doc: "a finished scan was of this digest; not, when another digest was scanned under the same name; missing when nothing was scanned"},
		},
	},
	build:  buildImageRuns,
	steady: true,
}

func buildImageRuns(ctx context.Context, s *scene, yield func(*item) error) error {
	b, err := s.imageBench(ctx)
	if err != nil {
		return err
	}
	apps, err := stretches[deployedImages](ctx, s, evidence.DeployState)
	if err != nil {
		return err
	}
	m := &matcher{imageBench: b, apps: map[string][]*stretch[deployedImages]{}}
	for i := range apps {
		app := appKey(apps[i].source.Authority(), apps[i].facts.App)
		m.apps[app] = append(m.apps[app], &apps[i])
		if _, name, ok := strings.Cut(app, "/"); ok {
			m.apps[name] = append(m.apps[name], &apps[i])
		}
	}
	type key struct{ image, digest, app string }
	var order []key
	groups := map[key][]*use{}
	for _, u := range b.fleet.uses {
		k := key{u.image, u.digest, appKey(u.cluster, u.app)}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], u)
	}
	for _, k := range order {
		it, err := m.item(ctx, groups[k])
		if err != nil {
			return err
		}
		if err := yield(it); err != nil {
			return err
		}
	}
	return nil
}

// deployedImages is what is read of an application.
type deployedImages struct {
	App    string   `json:"app"`
	Images []string `json:"images"`
}

type matcher struct {
	*imageBench
	apps map[string][]*stretch[deployedImages]
}

func (m *matcher) item(ctx context.Context, g []*use) (*item, error) {
	u := g[0]
	it := &item{
		seqs: []uint64{u.first}, kind: evidence.RuntimePod, at: later(u.begin(), m.s.period.From), label: imageLabel(u.image, u.digest),
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	if u.app != "" {
		it.label += " of " + u.app
	}
	spaces, workloads := []string{}, []string{}
	var runs []evidence.Period
	atEnd := false
	for _, u := range g {
		atEnd = atEnd || u.atEnd
		add(&spaces, u.namespace)
		add(&workloads, u.namespace+"/"+u.workload)
		runs = joined(append(runs, u.runs...))
	}
	slices.Sort(spaces)
	slices.Sort(workloads)
	end := runs[len(runs)-1].To
	it.set("source", string(u.source)).set("happened", it.at).set("image", u.image).set("digest", u.digest).set("app", u.app)
	it.set("images_listed", u.app != "" && !ofFlux(u.app)).set("pinned", pinnedTo(u.image) != "").set("tag", tagOf(u.image)).set("namespaces", spaces).set("workloads", workloads)
	it.set("first_run", runs[0].From).set("last_run", end).set("at_end", atEnd)
	if u.digest == "" {
		why := "the node reports no digest of " + u.image
		it.lacks("matches_declared", why).lacks("matches_deployed", why).lacks("matches_scanned", why)
		return it, nil
	}
	for _, d := range []string{u.digest, pinnedTo(u.image)} {
		if _, err := m.shelf.find(ctx, d); err != nil {
			return nil, err
		}
	}
	declared := answer{is: yes}
	for _, u := range g {
		declared = worse(declared, m.declared(it, u))
	}
	it.answerField("matches_declared", declared)
	switch {
	case u.app == "":
		it.unseen("matches_deployed", "no application is known to track it")
	case ofFlux(u.app):
		it.lacks("matches_deployed", "Flux does not say which images an application has")
	default:
		it.answerField("matches_deployed", m.deployed(it, u, runs))
	}
	it.answerField("matches_scanned", m.scanned(it, u))
	return it, nil
}

// contradiction names both sources and what each of them says.
func contradiction(aSource evidence.SourceID, a string, bSource evidence.SourceID, b string) answer {
	return answer{is: no, why: fmt.Sprintf("%s says %s, %s says %s", bSource, b, aSource, a)}
}

// declared says whether the digest that runs is the one that was asked for.
func (m *matcher) declared(it *item, u *use) answer {
	runs := "that " + shortDigest(u.digest) + " runs"
	if pinned := pinnedTo(u.image); pinned != "" {
		switch is := m.shelf.same(u.digest, pinned); {
		case is == yes:
			return answer{is: yes}
		case u.of == "unknown":
			return answer{is: unknown, why: "the node reports a digest that need not be the registry's"}
		case is == no:
			return answer{is: no, why: fmt.Sprintf("the pod asks for %s, and %s says %s", shortDigest(pinned), u.source, runs)}
		}
		return answer{is: unknown, why: "no registry record tells whether " + shortDigest(u.digest) + " is an image of " + shortDigest(pinned)}
	}
	if u.of == "unknown" {
		return answer{is: unknown, why: "the node reports a digest that need not be the registry's"}
	}
	worst := answer{is: yes}
	for _, t := range slices.CompactFunc([]time.Time{u.begin(), u.started}, time.Time.Equal) {
		worst = worse(worst, m.tagged(it, u, t, runs))
	}
	return worst
}

// pulling is how long before its begin a container's image may have been
// pulled.
const pulling = 10 * time.Minute

// tagged says whether the tag pointed at the digest when a container began.
func (m *matcher) tagged(it *item, u *use, t time.Time, runs string) answer {
	name := repositoryOf(u.image) + ":" + tagOf(u.image)
	spans := m.shelf.tags[name]
	if len(spans) == 0 {
		if !m.shelf.watched(u.from) {
			return answer{is: unknown, why: "no source shows the registry project of " + u.from, unobserved: true}
		}
		return answer{is: unknown, why: "no registry record knows the tag " + name}
	}
	var then *tagSpan
	near := false
	for i := range spans {
		sp := &spans[i]
		begin := firstTime(sp.pushed, sp.at.from)
		if begin.After(t.Add(-pulling)) && !begin.After(t.Add(clockSlack)) {
			near = true
			if m.shelf.same(u.digest, sp.digest) == yes {
				it.also(sp.at.seq)
				return answer{is: yes}
			}
		}
		if !begin.After(t) && (then == nil || begin.After(firstTime(then.pushed, then.at.from))) {
			then = sp
		}
	}
	switch {
	case then == nil:
		return answer{is: unknown, why: "it is not known where the tag " + name + " pointed when the container began"}
	case m.shelf.same(u.digest, then.digest) == yes:
		it.also(then.at.seq)
		return answer{is: yes}
	case near:
		return answer{is: unknown, why: "the tag " + name + " moved while the container was being started"}
	case !then.at.until.IsZero() && then.at.until.Before(t) && !m.goesOn(name, then, t):
		return answer{is: unknown, why: "it is not known where the tag " + name + " pointed when the container began"}
	case m.shelf.same(u.digest, then.digest) == unknown:
		return answer{is: unknown, why: "no registry record tells whether " + shortDigest(u.digest) + " is an image of " + shortDigest(then.digest)}
	}
	it.also(then.at.seq)
	return contradiction(u.source, runs, then.at.source, "that the tag "+name+" was "+shortDigest(then.digest)+" then")
}

// goesOn reports whether a later state of the artifact still bore the tag at t.
func (m *matcher) goesOn(name string, sp *tagSpan, t time.Time) bool {
	return slices.ContainsFunc(m.shelf.tags[name], func(o tagSpan) bool {
		return o.digest == sp.digest && !o.at.from.After(t) && (o.at.until.IsZero() || !o.at.until.Before(t))
	})
}

// settling is how long a deployment tool may take to see what runs.
const settling = 10 * time.Minute

// deployed says whether the deployment tool lists the image for the
// application while it ran.
func (m *matcher) deployed(it *item, u *use, runs []evidence.Period) answer {
	sts := m.apps[appKey(u.cluster, u.app)]
	if len(sts) == 0 {
		return answer{is: unknown, why: "no record of application " + u.app, unobserved: true}
	}
	var silent *stretch[deployedImages]
	overlap := time.Duration(0)
	for _, st := range sts {
		from, to := st.from.Add(-settling), st.end(m.s.period).Add(settling)
		for _, r := range runs {
			if r.To.Before(from) || r.From.After(to) {
				continue
			}
			if slices.ContainsFunc(st.facts.Images, func(i string) bool { return m.lists(i, u) }) {
				it.also(st.seq)
				return answer{is: yes}
			}
			if in, ok := r.Intersect(evidence.Period{From: st.from, To: st.end(m.s.period)}); ok && len(st.facts.Images) > 0 {
				silent, overlap = st, overlap+in.Duration()
			}
		}
	}
	switch {
	case silent == nil:
		return answer{is: unknown, why: "nothing is known of the images of application " + u.app + " when it ran", unobserved: true}
	case overlap <= settling:
		return answer{is: unknown, why: "it ran too short a time for the deployment tool to see it"}
	}
	it.also(silent.seq)
	return contradiction(u.source, "that "+imageLabel(u.image, u.digest)+" runs", silent.source,
		"that application "+u.app+" has "+listOf(silent.facts.Images))
}

func (m *matcher) lists(image string, u *use) bool {
	if d := pinnedTo(image); d != "" && m.shelf.same(d, u.digest) == yes {
		return true
	}
	return repositoryOf(image) == repositoryOf(u.image) && tagOf(image) == tagOf(u.image) && pinnedTo(image) == pinnedTo(u.image)
}

// listOf names the first few of a list.
func listOf(names []string) string {
	names = slices.Sorted(slices.Values(names))
	if len(names) > 4 {
		return strings.Join(names[:4], ", ") + fmt.Sprintf(" and %d more", len(names)-4)
	}
	return strings.Join(names, ", ")
}

// scanned says whether what runs is what was scanned.
func (m *matcher) scanned(it *item, u *use) answer {
	if why, unobserved := m.closed(u); why != "" {
		return answer{is: unknown, why: why, unobserved: unobserved}
	}
	if sc := m.scans.newest(m.shelf, u.digest, m.s.period.To); sc != nil {
		it.also(sc.seq)
		return answer{is: yes}
	}
	for _, sc := range m.scans.named[repositoryOf(u.image)+":"+tagOf(u.image)] {
		if m.shelf.same(u.digest, sc.digest) == no {
			it.also(sc.seq)
			return contradiction(u.source, "that "+shortDigest(u.digest)+" runs", sc.source, "that it scanned "+shortDigest(sc.digest)+" under this name")
		}
	}
	return answer{is: unknown, why: "no finished scan of it is known"}
}
