package mappings

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

var rolloutsView = &view{
	View: View{
		Name: "rollouts",
		Doc: "Images that began to run in the period: one item for each time that a container of a workload began to run another digest than before. " +
			"Pods that are made anew with the image they had are none.",
		Kinds: []evidence.Kind{evidence.RuntimePod},
		Fields: []Field{
			{Name: "digest", Type: "string", Doc: "digest as the node reports it; empty when it reports none"},
			{Name: "image", Type: "string", Doc: "image as the pod asked for it"},
			{Name: "before", Type: "string", Doc: "digest that the container ran before; empty for the first one known"},
			{Name: "namespace", Type: "string", Doc: "namespace"},
			{Name: "workload", Type: "string", Doc: "kind/name of what ran it"},
			{Name: "container", Type: "string", Doc: "name of the container"},
			{Name: "init", Type: "bool", Doc: "it is an init container"},
			{Name: "scanned_before", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.ArtifactScan, evidence.ArtifactImage},
				Doc: "a scan of the image had finished when it began to run"},
			{Name: "critical_known", Type: "duration", Optional: true, Needs: []evidence.Kind{evidence.ArtifactScan, evidence.ArtifactImage},
				Doc: "longest time that a critical finding of the image had been known when it began to run, from the first scan of any image of the same repository that showed it"},
			{Name: "critical_known_possible", Type: "duration", Optional: true, Needs: []evidence.Kind{evidence.ArtifactScan, evidence.ArtifactImage},
				Doc: "as critical_known, counting findings that reports do not list, or of a severity that is not known, as one that stayed"},
			{Name: "high_known", Type: "duration", Optional: true, Needs: []evidence.Kind{evidence.ArtifactScan, evidence.ArtifactImage},
				Doc: "as critical_known, of high findings"},
			{Name: "high_known_possible", Type: "duration", Optional: true, Needs: []evidence.Kind{evidence.ArtifactScan, evidence.ArtifactImage},
				Doc: "as critical_known_possible, of high findings"},
		},
	},
	build:  buildRollouts,
	steady: true,
}

// rollout is one container of a workload beginning to run another digest.
type rollout struct {
	*use
	at     time.Time
	before *use // what it ran before; nil for the first one known
}

// rollouts finds them, in order of time.
func (f *fleet) rollouts(p evidence.Period) []rollout {
	type slot struct{ cluster, namespace, workload, container string }
	slots := map[slot][]rollout{}
	for _, u := range f.uses {
		k := slot{u.cluster, u.namespace, u.workload, u.container}
		for _, r := range u.runs {
			slots[k] = append(slots[k], rollout{use: u, at: r.From})
		}
	}
	var out []rollout
	for _, list := range slots {
		slices.SortStableFunc(list, func(a, b rollout) int {
			if c := a.at.Compare(b.at); c != 0 {
				return c
			}
			return strings.Compare(a.digest, b.digest)
		})
		var before *use
		for _, r := range list {
			same := before != nil && before.digest == r.digest && (r.digest != "" || before.image == r.image)
			if !same && !r.at.Before(p.From) {
				r.before = before
				out = append(out, r)
			}
			before = r.use
		}
	}
	slices.SortFunc(out, func(a, b rollout) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return strings.Compare(a.where(), b.where())
	})
	return out
}

func (r *rollout) where() string {
	return r.cluster + "/" + r.namespace + "/" + r.workload + "/" + r.container + "/" + r.digest
}

func buildRollouts(ctx context.Context, s *scene, yield func(*item) error) error {
	b, err := s.imageBench(ctx)
	if err != nil {
		return err
	}
	for _, r := range b.fleet.rollouts(s.period) {
		it := &item{
			seqs: []uint64{r.first}, kind: evidence.RuntimePod, at: r.at,
			label:  imageLabel(r.image, r.digest) + " in " + r.namespace + "/" + r.workload,
			fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
		}
		before := ""
		if r.before != nil {
			before = r.before.digest
		}
		it.set("source", string(r.source)).set("happened", r.at).set("digest", r.digest).set("image", r.image).set("before", before)
		it.set("namespace", r.namespace).set("workload", r.workload).set("container", r.container).set("init", r.init)
		b.known(it, r)
		if err := yield(it); err != nil {
			return err
		}
	}
	return nil
}

// known says what was known of the image's weaknesses when it began to run. An
// image that was scanned only afterwards had the weaknesses already; how long
// they had been known is told by its repository.
func (b *imageBench) known(it *item, r rollout) {
	fields := []string{"scanned_before", "critical_known", "critical_known_possible", "high_known", "high_known_possible"}
	if why, unobserved := b.closed(r.use); why != "" {
		for _, f := range fields {
			it.missing[f] = lack{why, unobserved}
		}
		return
	}
	speak := b.scans.speaking(b.shelf, r.digest, r.at)
	it.set("scanned_before", len(speak) > 0)
	if len(speak) == 0 {
		it.why["scanned_before"] = "no scan of it had finished when it began to run"
		for _, t := range b.scans.times(b.shelf, r.digest) {
			if speak = b.scans.speaking(b.shelf, r.digest, t); len(speak) > 0 {
				break
			}
		}
	}
	if len(speak) == 0 {
		for _, f := range fields[1:] {
			it.unseen(f, "the image was never scanned")
		}
		return
	}
	for _, j := range judgedSeverities {
		sev, prefix := j.severity, j.field
		sure, why := time.Duration(0), ""
		possible := time.Duration(0)
		for _, sc := range speak {
			it.also(sc.seq)
			d, of := b.knownSince(sc, sev, r.at)
			possible = max(possible, d)
			if d > sure && len(speak) == 1 { // of several images it is not known which one runs
				sure, why = d, of
			}
			if sc.counted[sev] || sc.odd {
				possible = max(possible, r.at.Sub(b.scans.firstCounted(b.shelf, r.digest, sev)))
			}
		}
		it.set(prefix+"_known", sure).set(prefix+"_known_possible", possible)
		if why != "" {
			it.why[prefix+"_known"] = why
		}
	}
}

// knownSince says how long the finding of a scan that was known first had been
// known at t.
func (b *imageBench) knownSince(sc *scan, severity string, t time.Time) (worst time.Duration, why string) {
	for _, k := range slices.SortedFunc(maps.Keys(sc.bad), findingKey.compare) {
		since, ok := b.scans.byFirst[k]
		if sc.bad[k] != severity || !ok {
			continue
		}
		if d := t.Sub(since); d > worst {
			worst, why = d, fmt.Sprintf("%s finding %s had been known for %s", strings.ToLower(severity), k.id, days(d))
		}
	}
	return worst, why
}

// firstCounted returns when a scan of the image first counted a finding of the
// severity that it does not list.
func (x *scans) firstCounted(shelf *shelf, digest, severity string) time.Time {
	var first time.Time
	for _, d := range append(shelf.related(digest), shelf.children(digest)...) {
		for _, sc := range x.byDigest[d] {
			if (sc.counted[severity] || sc.odd) && (first.IsZero() || sc.at.Before(first)) {
				first = sc.at
			}
		}
	}
	return first
}
