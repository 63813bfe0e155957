package mappings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

const askDeployed = "changes_reviewed"

var deploymentsView = &view{
	View: View{
		Name: "deployments",
		Doc: "Deployments: every sync operation, and every change of what an application runs that no observed sync explains. " +
			"The changes of a deployment are the commits between the revision before it and its own that changed what the application reads, as far as this log knows them; " +
			"for the first deployment of an application, the commit that changed it last (where that lies behind commits of others, the newest that was seen to come to the branch, if the branch was watched from then on). " +
			"An application reads its own path, and what it says itself that its manifests are made from beside it (value files, components, manifest-generate-paths); " +
			"what a file in its path refers to beyond that is not known. " +
			"A commit of which it is not known whether it changed any of this can leave a deployment undecided, and never passes for a change that was not there.",
		Kinds: []evidence.Kind{evidence.DeploySync},
		Fields: []Field{
			{Name: "type", Type: "string", Doc: "sync, or seen: a change without an observed sync"},
			{Name: "app", Type: "string", Doc: "application, namespace/name; of Flux namespace/Kind/name"},
			{Name: "project", Type: "string", Doc: "project of the application"},
			{Name: "phase", Type: "string", Doc: "Running, Terminating, Succeeded, Failed or Error; Succeeded for seen; Unknown for a release of Flux whose outcome nobody saw"},
			{Name: "automated", Type: "bool", Optional: true, Doc: "started by the controller, not by a person"},
			{Name: "initiator_known", Type: "bool", Doc: "the source says which person started it"},
			{Name: "partial", Type: "bool", Doc: "only some resources were synced"},
			{Name: "dry_run", Type: "bool", Doc: "nothing was changed"},
			{Name: "local_manifests", Type: "bool", Optional: true, Doc: "manifests were pushed by hand and do not come from git"},
			{Name: "revisions", Type: "list(string)", Doc: "revision of each source"},
			{Name: "commits_known", Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.ChangeCommit}, Doc: "every git revision is a commit that was observed; missing where one was not"},
			{Name: askDeployed, Type: "bool", Optional: true, Needs: []evidence.Kind{evidence.ChangeCommit, evidence.ChangeMerge},
				Doc: "every commit between the revision before and this one was approved by another person, at the merged commit"},
			{Name: "history_known", Type: "bool", Needs: []evidence.Kind{evidence.ChangeCommit}, Doc: "the commits between the two revisions have no hole"},
		},
	},
	build:  buildDeployments,
	steady: true,
}

// deployLog follows the revisions of applications.
type deployLog struct {
	s     *scene
	x     *changeIndex
	last  map[string]deployed // application -> its last successful sync
	syncs map[string][]syncSpan
	items []*item
	asks  []deployAsk
	known map[string]time.Time // application -> since when it is known to have been synced at all

	states map[string][]stood // of an application, in order of time
}

// deployed is what an application was synced to.
type deployed struct {
	revisions []string
	reads     []reading // parallel to revisions
}

// deployAsk is a field that answers a question about every change that a
// deployment brought.
type deployAsk struct{ field, ask string }

// starter is who started a deployment; the zero value is the controller.
type starter struct {
	manual bool
	known  bool
	who    evidence.Party
}

type syncSpan struct {
	from, to  time.Time
	revisions []string
	it        *item // its deployment; nil before the period
}

// appKey tells applications of several clusters apart. Argo CD puts things into many
// clusters from one, so what its applications (namespace/name) made is known by
// their name wherever it is. Flux works in the cluster that it stands in, and its
// applications (namespace/Kind/name) are called alike in each.
func appKey(cluster, app string) string {
	if !ofFlux(app) {
		return app
	}
	return cluster + "\x00" + app
}

// ofFlux reports whether an application is Flux's, by its name: no name of
// Kubernetes holds a slash.
func ofFlux(app string) bool { return strings.Count(app, "/") >= 2 }

func buildDeployments(ctx context.Context, s *scene, yield func(*item) error) error {
	d, err := s.deployLog(ctx, deployAsk{askDeployed, askHead})
	if err != nil {
		return err
	}
	return yieldSorted(d.items, yield)
}

// deployLog gathers the deployments of the period, each with the answers to
// the questions.
func (s *scene) deployLog(ctx context.Context, asks ...deployAsk) (*deployLog, error) {
	x, err := s.index(ctx)
	if err != nil {
		return nil, err
	}
	d := &deployLog{s: s, x: x, last: map[string]deployed{}, states: map[string][]stood{}, syncs: map[string][]syncSpan{}, asks: asks, known: map[string]time.Time{}}
	for r, err := range s.reader.States(ctx, evidence.DeployState, s.period.From) {
		if err != nil {
			return nil, fmt.Errorf("applications: %w", err)
		}
		var f evidence.DeployFacts
		if err := r.Decode(&f); err != nil {
			return nil, err
		}
		app := appKey(r.Source.Authority(), f.App)
		d.last[app] = deployedBy(&f)
		d.wasSynced(app, f.SyncedRevisions, r.Occurred)
	}
	states, err := stretches[evidence.DeployFacts](ctx, s, evidence.DeployState)
	if err != nil {
		return nil, err
	}
	for i := range states {
		st := &states[i]
		app := appKey(st.source.Authority(), st.facts.App)
		d.states[app] = append(d.states[app], stood{st.from, &st.facts})
	}
	if err := events(ctx, s, func(r *evidence.Record, seqs []uint64) error { return d.sync(ctx, r, seqs) }, evidence.DeploySync); err != nil {
		return nil, err
	}
	d.seen(ctx, states)
	return d, nil
}

func (d *deployLog) sync(ctx context.Context, r *evidence.Record, seqs []uint64) error {
	var f evidence.SyncFacts
	if err := r.Decode(&f); err != nil {
		return err
	}
	it := newItem(r, r.Occurred, "sync of "+f.App+revisionLabel(f.Revisions))
	it.seqs = seqs
	it.set("type", "sync").set("source", string(r.Source)).set("happened", r.Occurred)
	it.set("app", f.App).set("project", f.Project).set("phase", f.Phase)
	if f.Untold {
		it.lacks("automated", "the deployment tool kept no word on who or what started it")
	} else {
		it.set("automated", f.Automated)
	}
	it.set("initiator_known", f.Initiator >= 0 && f.Initiator < len(r.People))
	it.set("partial", f.Partial).set("dry_run", f.DryRun).set("local_manifests", f.LocalManifests)
	by := starter{manual: !f.Automated} // or may be, when nothing is told
	if by.known = f.Initiator >= 0 && f.Initiator < len(r.People); by.known {
		by.who = r.People[f.Initiator]
	}
	app := appKey(r.Source.Authority(), f.App)
	reads := readings(f.Revisions, f.Sources, d.declaredAt(app, r.Occurred))
	d.trace(ctx, it, by, d.before(app, r.Occurred), deployed{f.Revisions, reads}, f.Sources)
	d.items = append(d.items, it)
	d.syncs[app] = append(d.syncs[app], syncSpan{r.Occurred, firstTime(f.FinishedAt, r.Occurred), f.Revisions, it})
	if f.Phase == "Succeeded" && !f.DryRun && !f.Partial && len(f.Revisions) > 0 {
		d.last[app] = deployed{f.Revisions, reads}
	}
	return nil
}

func revisionLabel(revisions []string) string {
	if len(revisions) == 0 {
		return ""
	}
	var ss []string
	for _, r := range revisions {
		ss = append(ss, shortSHA(r))
	}
	return " at " + strings.Join(ss, ", ")
}

// around is how far a sync may lie from the change of state it explains:
// applications are looked at from time to time, and a sync takes its time.
const around = time.Hour

// seen finds changes of the synced revision that no sync explains.
func (d *deployLog) seen(ctx context.Context, states []stretch[evidence.DeployFacts]) {
	for sts := range perSubject(states) {
		for i := range sts {
			d.wasSynced(appKey(sts[i].source.Authority(), sts[i].facts.App), sts[i].facts.SyncedRevisions, sts[i].from)
		}
		for i := 1; i < len(sts); i++ {
			was, is := &sts[i-1], &sts[i]
			if len(is.facts.SyncedRevisions) == 0 || slices.Equal(was.facts.SyncedRevisions, is.facts.SyncedRevisions) ||
				d.explained(appKey(is.source.Authority(), is.facts.App), is.facts.SyncedRevisions, was.from, is.from) {
				continue
			}
			d.items = append(d.items, d.unexplained(ctx, was, is))
		}
	}
}

// wasSynced notes since when an application is known to have been synced.
func (d *deployLog) wasSynced(app string, revisions []string, at time.Time) {
	if t, ok := d.known[app]; len(revisions) > 0 && (!ok || at.Before(t)) {
		d.known[app] = at
	}
}

func (d *deployLog) explained(app string, revisions []string, from, to time.Time) bool {
	return slices.ContainsFunc(d.syncs[app], func(y syncSpan) bool {
		return slices.Equal(y.revisions, revisions) && !y.to.Before(from.Add(-around)) && !y.from.After(to.Add(around))
	})
}

func (d *deployLog) unexplained(ctx context.Context, was, st *stretch[evidence.DeployFacts]) *item {
	f := &st.facts
	it := &item{
		seqs: []uint64{st.seq}, kind: evidence.DeployState, at: st.from,
		label:  "change of " + f.App + revisionLabel(f.SyncedRevisions) + " without an observed sync",
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	it.set("type", "seen").set("source", string(st.source)).set("happened", st.from)
	it.set("app", f.App).set("project", f.Project).set("phase", "Succeeded")
	it.lacks("automated", "no sync was observed").lacks("local_manifests", "no sync was observed")
	it.set("initiator_known", false).set("partial", false).set("dry_run", false)
	d.trace(ctx, it, starter{manual: true}, deployedBy(&was.facts), deployedBy(f), f.Sources)
	return it
}

// trace sets the fields that follow a deployment back to its changes.
func (d *deployLog) trace(ctx context.Context, it *item, by starter, before, is deployed, sources []evidence.DeploySource) {
	revisions := is.revisions
	if revisions == nil {
		revisions = []string{}
	}
	it.set("revisions", revisions).set("commits_known", true).set("history_known", true)
	verdicts := make([]answer, len(d.asks))
	all := func(a answer) {
		for i := range verdicts {
			verdicts[i] = worse(verdicts[i], a)
		}
	}
	for i := range verdicts {
		verdicts[i] = answer{is: yes}
	}
	if len(revisions) == 0 {
		all(answer{is: unknown, why: "the source did not say which revision"})
		it.unseen("commits_known", "the source did not say which revision")
	}
	for i, rev := range revisions {
		if !objectID.MatchString(rev) {
			if i < len(sources) && sources[i].Chart == "" {
				it.unseen("commits_known", "revision "+shortSHA(rev)+" is no commit")
			}
			all(answer{is: unknown, why: "revision " + shortSHA(rev) + " is no commit"})
			continue
		}
		prev, reads := "", is.reads[i]
		if len(before.revisions) == len(revisions) {
			prev = before.revisions[i]
			if was := before.reads[i]; was.why == "" && reads.why == "" && !was.covers(reads) {
				all(answer{is: unknown, why: "the application read " + was.String() + " before, and what stood in " + reads.String() + " already is not judged"})
			}
		}
		changes, hole := d.between(it, prev, rev, reads)
		all(hole)
		for _, c := range changes {
			for i, q := range d.asks {
				verdicts[i] = worse(verdicts[i], c.answer(d.s.changeBy(ctx, d.x, c.commit, q.ask, by)))
			}
		}
	}
	for i, q := range d.asks {
		it.answerField(q.field, verdicts[i])
	}
}

// worse keeps no before unknown before yes.
func worse(a, b answer) answer {
	switch {
	case a.is == no || b.is == yes:
		return a
	case b.is == no || a.is == yes:
		return b
	}
	a.unobserved = a.unobserved && b.unobserved
	return a
}

// answer takes the answer of the commit. One that may not have been brought
// shows nothing against the deployment for sure.
func (b bringing) answer(a answer) answer {
	if b.maybe == "" || a.is == yes {
		return a
	}
	return answer{is: unknown, why: a.why + "; " + b.maybe}
}

// between lists the commits from the revision before to this one that changed
// what the application reads, and says whether any is out of sight. A revision
// before that nobody saw leaves the one that changed it last.
func (d *deployLog) between(it *item, prev, rev string, reads reading) (brought []bringing, hole answer) {
	head, ok := d.x.bySHA[rev]
	if !ok || d.x.commits[head].seq == 0 {
		why := "no source saw commit " + shortSHA(rev)
		it.unseen("commits_known", why).set("history_known", false)
		return nil, answer{is: unknown, why: why, unobserved: true}
	}
	base, ok := d.x.bySHA[prev]
	if ok && base == head {
		return nil, answer{is: yes} // the same revision again brings nothing new
	}
	it.also(d.x.commits[head].seq)
	hole = answer{is: yes}
	switch {
	case ok:
		var seen []int
		for _, i := range d.x.between(head, base) {
			if d.x.commits[i].seq == 0 {
				it.set("history_known", false) // beyond what this log knows
				continue
			}
			seen = append(seen, i)
		}
		brought = d.x.touching(seen, reads)
	default:
		if prev != "" {
			it.set("history_known", false)
		}
		var end int
		brought, end, ok = d.x.newestTouching(head, reads)
		unseen := d.x.commits[end].seq == 0 // what lies behind it is out of this log's sight
		if !ok && unseen {
			it.set("history_known", false)
			brought, ok = d.newestLanded(head, reads)
		}
		if !ok {
			hole = answer{is: unknown, why: "no commit up to " + shortSHA(d.x.commits[end].sha) + " is known to have changed " + reads.String(), unobserved: unseen}
		}
	}
	for _, b := range brought {
		it.also(d.x.commits[b.commit].seq)
		if q := d.x.carried[b.commit]; q != nil {
			it.also(q.seqs[0])
		}
	}
	return brought, hole
}

var runningView = &view{
	View: View{
		Name:  "running",
		Doc:   "Applications: one item for each that existed in the period, with how long what ran differed from what was declared.",
		Kinds: []evidence.Kind{evidence.DeployState},
		Fields: []Field{
			{Name: "app", Type: "string", Doc: "application, namespace/name; of Flux namespace/Kind/name"},
			{Name: "project", Type: "string", Doc: "project of the application"},
			{Name: "longest_drift", Type: "duration", Doc: "longest stretch that was seen out of sync without a blind window in it"},
			{Name: "longest_possible_drift", Type: "duration", Doc: "as longest_drift, counting blind windows and unknown states in between as out of sync"},
			{Name: "sync", Type: "string", Doc: "Synced, OutOfSync or Unknown, at the end of the period or when it went"},
			{Name: "health", Type: "string", Doc: "health at the end of the period or when it went"},
			{Name: "at_end", Type: "bool", Doc: "the application is there at the end of the period"},
			{Name: "automated", Type: "bool", Doc: "the controller may sync by itself, at the end"},
			{Name: "self_heal", Type: "bool", Doc: "the controller undoes changes made past it, at the end"},
			{Name: "revision_matches", Type: "bool", Optional: true, Doc: "the revision last synced is the declared one, or the controller finds no difference between the declared one and what runs, at the end"},
			{Name: "images_pinned", Type: "bool", Optional: true, Doc: "every image that runs is named by digest, at the end"},
		},
	},
	build:  subjectItems(evidence.DeployState, (*scene).runningItem),
	steady: true,
}

func (s *scene) runningItem(sts []stretch[evidence.DeployFacts]) *item {
	last := &sts[len(sts)-1]
	f := &last.facts
	it := &item{
		seqs: []uint64{last.seq}, kind: evidence.DeployState, at: last.from, label: "application " + f.App,
		fields: map[string]any{}, missing: map[string]lack{}, why: map[string]string{},
	}
	it.set("source", string(last.source)).set("happened", last.from).set("app", f.App).set("project", f.Project)
	it.set("sync", f.Sync).set("health", f.Health).set("at_end", last.until.IsZero())
	it.set("automated", f.Automated).set("self_heal", f.SelfHeal)
	if len(f.Revisions) == 0 || len(f.SyncedRevisions) == 0 {
		it.lacks("revision_matches", "the source named no revision")
	} else {
		// Where many applications share a repository, every commit declares a
		// new revision and most leave the application as it is.
		same := slices.Equal(f.Revisions, f.SyncedRevisions) || f.Sync == "Synced"
		it.set("revision_matches", same)
		if !same {
			it.why["revision_matches"] = "last synced" + revisionLabel(f.SyncedRevisions) + ", declared" + revisionLabel(f.Revisions)
		}
	}
	if len(f.Images) == 0 {
		it.lacks("images_pinned", "the source named no image")
	} else {
		it.set("images_pinned", !slices.ContainsFunc(f.Images, func(i string) bool { return !strings.Contains(i, "@sha") }))
	}
	s.drift(it, sts)
	return it
}

// drift measures how long the application was out of sync. A blind window cuts
// a drift that is sure in two, since it may have ended and begun again.
func (s *scene) drift(it *item, sts []stretch[evidence.DeployFacts]) {
	var sure, possible, open time.Duration
	var seqs, openSeqs []uint64
	var began, sureBegan, mostBegan time.Time
	for i := range sts {
		st := &sts[i]
		p := evidence.Period{From: st.from, To: st.end(s.period)} // a drift keeps its begin before the period
		joined := i > 0 && sts[i-1].until.Equal(st.from)
		if !joined || st.facts.Sync == "Synced" {
			open, openSeqs, began = 0, nil, time.Time{}
		}
		if st.facts.Sync == "Synced" {
			continue
		}
		open += p.Duration()
		possible = max(possible, open)
		if st.facts.Sync != "OutOfSync" {
			openSeqs, began = nil, time.Time{}
			continue
		}
		openSeqs = append(openSeqs, st.seq)
		mostBegan = firstTime(began, p.From)
		for _, seen := range p.Subtract(s.blindIn(st, p)) {
			if began.IsZero() || !seen.From.Equal(p.From) {
				began = seen.From
			}
			mostBegan = began
			if d := seen.To.Sub(began); d > sure {
				sure, seqs, sureBegan = d, slices.Clone(openSeqs), began
			}
			if !seen.To.Equal(p.To) {
				began = time.Time{}
			}
		}
	}
	it.set("longest_drift", sure).set("longest_possible_drift", possible)
	if last := &sts[len(sts)-1]; last.until.IsZero() && last.facts.Sync != "Synced" { // it goes on
		it.grows("longest_possible_drift", open)
		if last.facts.Sync == "OutOfSync" { // up to the newest look alone
			it.follows("longest_drift", s.period.To.Sub(mostBegan), !sureBegan.Equal(mostBegan))
		}
	}
	if sure > 0 {
		it.why["longest_drift"] = fmt.Sprintf("out of sync for %s from %s", sure, evidence.FormatTime(sureBegan))
		it.seqs = append(seqs, slices.DeleteFunc(it.seqs, func(q uint64) bool { return slices.Contains(seqs, q) })...)
	}
}

// blindIn returns when nobody saw the application in a stretch in which it was
// out of sync. Of one that goes on the next look tells more, see drift.
func (s *scene) blindIn(st *stretch[evidence.DeployFacts], p evidence.Period) []evidence.Period {
	if st.until.IsZero() {
		return s.cover.blindAsYet(st.source, evidence.DeployState, p)
	}
	return s.cover.blind(st.source, evidence.DeployState, p)
}
