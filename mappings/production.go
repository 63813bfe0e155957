package mappings

import (
	"context"
	"fmt"
	"strings"
	"time"

	"evidenced/evidence"
)

// The answers of view production_changes.
const (
	fieldApproved    = "approved"
	fieldIndependent = "approved_independent"
)

var productionView = &view{
	View: View{
		Name: "production_changes",
		Doc: "Changes of production: every sync operation, every change of what an application runs that no observed sync explains, " +
			"and every digest that began to run in a workload without a sync that brought it. " +
			"Applies of infrastructure are no part of it: infra_changes tells them.",
		Kinds: []evidence.Kind{evidence.DeploySync, evidence.RuntimePod},
		Fields: []Field{
			{Name: "type", Type: "string", Doc: "sync; seen: another revision without an observed sync; running: another digest without one"},
			{Name: "app", Type: "string", Needs: []evidence.Kind{evidence.RuntimeWorkload}, Doc: "application, namespace/name (of Flux namespace/Kind/name); empty when none is known"},
			{Name: "phase", Type: "string", Doc: "Running, Terminating, Succeeded, Failed or Error; Succeeded for seen and running"},
			{Name: "dry_run", Type: "bool", Doc: "nothing was changed"},
			{Name: "brought", Type: "bool", Needs: []evidence.Kind{evidence.RuntimeWorkload},
				Doc: "it changed what runs: it succeeded, or it did not and a digest began to run after it that nothing else explains"},
			{Name: "revisions", Type: "list(string)", Doc: "revision of each source; empty for running"},
			{Name: fieldApproved, Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.ChangeCommit, evidence.ChangeMerge},
				Doc: "every commit that it brought was approved by another person than its author, at the merged commit; which these are says view deployments"},
			{Name: fieldIndependent, Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.ChangeCommit, evidence.ChangeMerge},
				Doc: "as approved, by a person who neither wrote nor merged it nor started the deployment by hand"},
		},
	},
	build:  buildProduction,
	steady: true,
}

func buildProduction(ctx context.Context, s *scene, yield func(*item) error) error {
	d, err := s.deployLog(ctx, deployAsk{fieldApproved, askHead}, deployAsk{fieldIndependent, askIndependent})
	if err != nil {
		return err
	}
	its := d.items
	for _, it := range its {
		productionItem(it)
	}
	b, err := s.imageBench(ctx)
	if err != nil {
		return err
	}
	x := &unsynced{imageBench: b, log: d, syncs: map[string][]syncSpan{}, known: map[string]time.Time{}}
	for app, spans := range d.syncs {
		for _, y := range spans {
			if y.it.fields["dry_run"] == false {
				x.add(app, y)
			}
		}
	}
	for app, t := range d.known {
		x.known[app] = t
		if _, name, ok := strings.Cut(app, "/"); ok {
			x.known[name] = t
		}
	}
	if err := x.load(ctx); err != nil {
		return err
	}
	for _, it := range its {
		if it.fields["type"] == "seen" { // judged itself, and it explains what began to run then
			x.add(appKey(evidence.SourceID(it.fields["source"].(string)).Authority(), it.fields["app"].(string)), syncSpan{from: it.at.Add(-around), to: it.at.Add(around), it: it})
		}
	}
	changes := map[workloadKey]*workloadChange{}
	for _, r := range b.fleet.rollouts(s.period) {
		k := workloadKey{r.cluster, r.namespace, r.workload}
		if changes[k] == nil {
			changes[k] = &workloadChange{}
		}
		it, err := x.item(ctx, r, changes[k].next(r.at))
		if err != nil {
			return err
		}
		if it != nil {
			its = append(its, it)
		}
	}
	return yieldSorted(its, yield)
}

// workloadChange follows the changes of one workload. The containers of a pod
// begin one after the other, so what begins within an hour is one change.
type workloadChange struct{ before, began, last time.Time }

// next takes a container that begins to run another digest, and returns when
// the change before this one was last seen; zero when there was none.
func (c *workloadChange) next(at time.Time) time.Time {
	if c.began.IsZero() || at.Sub(c.began) > around {
		c.before, c.began = c.last, at
	}
	c.last = at
	return c.before
}

// productionItem makes an item of the view out of one of view deployments.
func productionItem(it *item) {
	if local, ok := it.fields["local_manifests"]; ok && local == true {
		for _, f := range []string{fieldApproved, fieldIndependent} {
			delete(it.missing, f)
			it.set(f, false)
			it.why[f] = "its manifests were pushed by hand and do not come from git"
		}
	}
	it.set("brought", it.fields["phase"] == "Succeeded" && it.fields["dry_run"] == false)
	for _, f := range []string{"project", "automated", "initiator_known", "partial", "local_manifests", "commits_known", "history_known"} {
		delete(it.fields, f)
		delete(it.missing, f)
		delete(it.why, f)
	}
}

// unsynced finds digests that began to run without a sync.
type unsynced struct {
	*imageBench
	log   *deployLog
	syncs map[string][]syncSpan // of an application, those before the period too
	known map[string]time.Time  // since when an application is known to have been synced
}

// load reads the syncs before the period that may explain what began to run in
// it: a job may run for the first time weeks after the sync that changed it.
func (x *unsynced) load(ctx context.Context) error {
	p := evidence.Period{From: x.s.period.From.Add(-scanMemory), To: x.s.period.From}
	for r, err := range x.s.reader.Records(ctx, evidence.Query{Kinds: []evidence.Kind{evidence.DeploySync}, Period: p}) {
		if err != nil {
			return fmt.Errorf("syncs: %w", err)
		}
		var f struct {
			App        string    `json:"app"`
			DryRun     bool      `json:"dry_run"`
			FinishedAt time.Time `json:"finished_at"`
		}
		if err := r.Decode(&f); err != nil {
			return err
		}
		if !f.DryRun {
			x.add(appKey(r.Source.Authority(), f.App), syncSpan{from: r.Occurred, to: firstTime(f.FinishedAt, r.Occurred)})
		}
	}
	return nil
}

func (x *unsynced) add(app string, span syncSpan) {
	x.syncs[app] = append(x.syncs[app], span)
	if _, name, ok := strings.Cut(app, "/"); ok { // a label on a pod says no more than the name
		x.syncs[name] = append(x.syncs[name], span)
	}
}

// item makes the item of a rollout, nil when a sync brought it. changed is when
// the workload changed before.
func (x *unsynced) item(ctx context.Context, r rollout, changed time.Time) (*item, error) {
	a, explained, err := x.judge(ctx, r, changed)
	if err != nil || explained {
		return nil, err
	}
	it := &item{
		seqs: []uint64{r.first}, kind: evidence.RuntimePod, at: r.at,
		label:  imageLabel(r.image, r.digest) + " in " + r.namespace + "/" + r.workload + " without an observed sync",
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	it.set("type", "running").set("source", string(r.source)).set("happened", r.at).set("app", r.app).set("phase", "Succeeded")
	it.set("dry_run", false).set("brought", true).set("revisions", []string{})
	it.answerField(fieldApproved, a)
	it.answerField(fieldIndependent, a)
	return it, nil
}

// judge says whether a sync brought the digest, and else what is known of its
// approval. A sync brings an image by naming it; a tag that moved brought what
// no sync named.
func (x *unsynced) judge(ctx context.Context, r rollout, changed time.Time) (a answer, explained bool, err error) {
	renamed := r.before == nil || r.before.image != r.image
	if r.app == "" {
		return answer{is: unknown, why: "no deployment tool is known to track " + r.namespace + "/" + r.workload, unobserved: true}, false, nil
	}
	since := changed
	if r.before != nil {
		since = later(since, r.before.begin())
	}
	if renamed && x.synced(appKey(r.cluster, r.app), since, r.at) {
		return answer{}, true, nil
	}
	if since.IsZero() { // the first that is known of the workload
		if t, ok := x.known[appKey(r.cluster, r.app)]; ok && !t.After(r.at.Add(clockSlack)) {
			return answer{}, true, nil
		}
		return answer{is: unknown, why: "no sync of " + r.app + " is known that brought " + r.namespace + "/" + r.workload}, false, nil
	}
	if !renamed {
		if a, err = x.moved(ctx, r); err != nil || a.is == no {
			return a, false, err
		}
	}
	if why := x.unwatched(later(since, x.s.period.From), r.at); why != "" {
		return answer{is: unknown, why: why, unobserved: true}, false, nil
	}
	if !renamed {
		return a, false, nil
	}
	return answer{is: no, why: "no sync of " + r.app + " brought the image: it was changed past the deployment tool"}, false, nil
}

// synced reports whether a sync of the application brought what began to run at
// the time. since is when the workload last changed: the sync that brought that
// change, shortly before, does not count again.
//
// One that did not succeed may have brought it all the same; then it counts as
// a change.
func (x *unsynced) synced(app string, since, at time.Time) bool {
	var failed []syncSpan
	shortly := 0
	for _, y := range x.syncs[app] {
		good := y.it == nil || y.it.fields["phase"] == "Succeeded"
		switch {
		case y.from.After(at.Add(clockSlack)):
		case since.IsZero() || y.to.After(since.Add(clockSlack)):
			if good {
				return true
			}
			failed = append(failed, y)
		case good && !y.to.Before(since.Add(-around)):
			shortly++
		}
	}
	if shortly > 1 {
		return true
	}
	for _, y := range failed {
		y.it.set("brought", true)
	}
	return len(failed) > 0
}

// unwatched says why a sync may have been missed, "" when none can have been.
func (x *unsynced) unwatched(from, to time.Time) string {
	p := evidence.Period{From: from.Add(-clockSlack), To: to.Add(clockSlack)}
	p, ok := p.Intersect(x.s.period)
	if !ok {
		return "syncs were not looked at when it began"
	}
	ids := x.s.cover.sources(evidence.DeploySync)
	if len(ids) == 0 {
		return "no source gives deploy.sync"
	}
	for _, id := range ids {
		if len(x.s.cover.blind(id, evidence.DeploySync, p)) > 0 {
			return "syncs were not looked at all the time before it began"
		}
	}
	return ""
}

// moved answers for a digest that began to run under the same name as another.
// What the image itself says about its origin is a claim: it can bring to
// light that a change was not approved, and never that it was.
func (x *unsynced) moved(ctx context.Context, r rollout) (answer, error) {
	if r.digest == "" {
		return answer{is: unknown, why: "the node reports no digest of " + r.image}, nil
	}
	if _, err := x.shelf.find(ctx, r.digest); err != nil {
		return answer{}, err
	}
	os, _, _ := x.origins(r.digest)
	name := "the tag of " + r.image + " moved and no sync brought what it names now"
	if why, _ := x.closed(r.use); len(os) == 0 && why != "" {
		return answer{is: unknown, why: name + "; " + why}, nil
	}
	if len(os) == 0 {
		return answer{is: no, why: name + "; nothing says from which commit it was built"}, nil
	}
	for _, o := range os {
		i, ok := x.log.x.bySHA[o.sha]
		if !ok || x.log.x.commits[i].seq == 0 {
			continue
		}
		if a := x.s.changeOf(ctx, x.log.x, i, askHead); a.is == no {
			return answer{is: no, why: name + "; of the commit it was built from: " + a.why}, nil
		}
	}
	return answer{is: unknown, why: name + "; only the image or its pipeline says from which commit it was built"}, nil
}
