package github

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// runsState is how far the workflow runs of a repository were read.
type runsState struct {
	Until  time.Time `json:"until,omitzero"`  // every run created up to then was read
	Looked time.Time `json:"looked,omitzero"` // begin of the last complete look
	Reruns time.Time `json:"reruns,omitzero"` // begin of the last search for old runs that ran again
	Open   []int64   `json:"open,omitempty"`  // runs that were not over when they were read
	// Recent are the runs that the next look will list again.
	Recent forge.Recent `json:"recent,omitempty"`
}

const (
	maxOpen      = 500                 // runs and deployments remembered as not over
	rerunWithin  = 30 * 24 * time.Hour // GitHub lets a run be repeated for so long
	rerunsEvery  = 24 * time.Hour
	filterLimit  = 1000 // a filtered list of runs gives no more
	maxJobs      = 200  // jobs in the facts of one run
	shortestSpan = time.Second
)

// workflowRun is what is read of a run beyond go-github's type.
type workflowRun struct {
	gh.WorkflowRun
	Path string `json:"path"`
}

// pipelines reads the workflow runs that began since the last look, those that
// were not over then, and once a day old ones that were repeated.
func (r *repoLook) pipelines() error {
	st := &r.st.Runs
	if !r.due(partPipelines, st.Looked) {
		return nil
	}
	oldest := time.Time{}
	base := r.path + "/actions/runs"
	note := func(at time.Time) {
		if oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	err := r.newRuns(base, note)
	if hidden(err) {
		r.unseen(partPipelines, st.Looked, "workflow runs are not visible to this credential (Actions: read), or this GitHub has none", evidence.PipelineRun)
		return nil
	}
	if err != nil {
		return err
	}
	if err := r.openRuns(base); err != nil {
		return err
	}
	if err := r.reruns(base); err != nil {
		return err
	}
	r.walked(partPipelines, st.Looked, oldest, evidence.PipelineRun)
	r.after = append(r.after, func() { st.Looked = r.started })
	return nil
}

// newRuns reads what was created since the last look. Mostly that stands on the
// first page of the whole list, whose address never changes, so that a quiet
// repository answers 304.
func (r *repoLook) newRuns(base string, note func(time.Time)) error {
	st := &r.st.Runs
	floor := r.horizon()
	if !st.Until.IsZero() {
		floor = st.Until.Add(-r.cfg.Overlap)
	}
	p, err := r.get(r.ctx, base+"?per_page=100")
	if err != nil {
		return err
	}
	total, list, err := r.runList(p)
	if err != nil {
		return err
	}
	reached := total <= len(list)
	for _, it := range list {
		reached = reached || it.created.Before(floor)
	}
	if reached {
		if err := r.takeRuns(base, p, list, floor, note); err != nil {
			return err
		}
		for _, it := range list {
			if it.created.After(st.Until) {
				st.Until = it.created
			}
		}
		again := map[int64]bool{}
		for _, it := range list {
			again[it.GetID()] = !it.created.Before(st.Until.Add(-r.cfg.Overlap))
		}
		st.Recent.Keep(again)
		return nil
	}
	if floor.IsZero() {
		floor = time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC) // Actions began that year
	}
	return r.spans(base, floor, r.started.Add(r.cfg.Overlap), note)
}

// spans reads a stretch by the time of creation, oldest part first, each part
// small enough that the source lists all of it; the position moves with each.
func (r *repoLook) spans(base string, from, to time.Time, note func(time.Time)) error {
	whole := to.Sub(from)
	for step := whole; from.Before(to); {
		end := from.Add(step)
		if end.After(to) {
			end = to
		}
		created := url.QueryEscape(from.Format(time.RFC3339) + ".." + end.Format(time.RFC3339))
		path := base + "?per_page=100&created=" + created
		p, err := r.get(r.ctx, path)
		if err != nil {
			return err
		}
		total, list, err := r.runList(p)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(list, func(it runItem) bool {
			return it.created.Before(from.Truncate(time.Second)) || it.created.After(end.Add(time.Second))
		}) {
			return r.walkRuns(base, from, note)
		}
		if total > filterLimit && step > shortestSpan {
			step = max(step/2, shortestSpan)
			continue
		}
		ours := 0
		if err := r.pages(r.ctx, path, func(p *page) (bool, error) {
			_, list, err := r.runList(p)
			if err != nil {
				return false, err
			}
			ours += len(list)
			return true, r.takeRuns(base, p, list, time.Time{}, note)
		}); err != nil {
			return err
		}
		r.count("workflow runs of "+r.name, "created="+from.Format(time.RFC3339)+".."+end.Format(time.RFC3339), int64(total), int64(ours))
		r.st.Runs.Until = end
		if end.After(r.started) {
			r.st.Runs.Until = r.started
		}
		if err := r.progress(); err != nil {
			return err
		}
		from = end
		if total < filterLimit/4 {
			step = min(step*2, whole)
		}
	}
	return nil
}

// walkRuns reads the whole list, newest first, down to a floor. An older
// Enterprise Server does not know the filter by time: it answers every stretch
// with all runs, and no stretch is ever small enough. The position moves when
// the floor is reached.
func (r *repoLook) walkRuns(base string, floor time.Time, note func(time.Time)) error {
	r.note("repository %s: this GitHub does not list workflow runs by time: the whole list was read", r.name)
	newest := r.st.Runs.Until
	err := r.pages(r.ctx, base+"?per_page=100", func(p *page) (bool, error) {
		_, list, err := r.runList(p)
		if err != nil {
			return false, err
		}
		reached := false
		for _, it := range list {
			reached = reached || it.created.Before(floor)
			if it.created.After(newest) {
				newest = it.created
			}
		}
		if err := r.takeRuns(base, p, list, floor, note); err != nil {
			return false, err
		}
		return !reached, r.progress()
	})
	if err == nil {
		r.st.Runs.Until = newest
	}
	return err
}

// runItem is one run of a list with its own bytes.
type runItem struct {
	workflowRun
	created time.Time
	raw     json.RawMessage
}

// runList reads a page of runs; total is how many the source has, less those that
// could not be read.
func (r *repoLook) runList(p *page) (total int, list []runItem, err error) {
	var body struct {
		Total *int              `json:"total_count"`
		Runs  []json.RawMessage `json:"workflow_runs"`
	}
	if err := decode(p, &body); err != nil {
		return 0, nil, err
	}
	if body.Total == nil || body.Runs == nil {
		return 0, nil, odd(p, "no list of runs")
	}
	for _, raw := range body.Runs {
		it, err := readRun(p, raw)
		if forge.Odd(err) != nil {
			*body.Total--
		}
		if err := r.spoil(partPipelines, err); err != nil {
			return 0, nil, err
		}
		if err == nil {
			list = append(list, it)
		}
	}
	return *body.Total, list, nil
}

func readRun(p *page, raw json.RawMessage) (runItem, error) {
	it := runItem{raw: raw}
	if err := decode(p.item(raw), &it.workflowRun); err != nil {
		return it, err
	}
	it.created = when(it.GetCreatedAt())
	if it.GetID() <= 0 || it.created.IsZero() || !forge.ObjectID.MatchString(it.GetHeadSHA()) {
		return it, oddItem(p, "a run without an id, a time or a commit")
	}
	return it, nil
}

// takeRuns emits the runs that were not created before the floor.
func (r *repoLook) takeRuns(base string, p *page, list []runItem, floor time.Time, note func(time.Time)) error {
	for _, it := range list {
		if it.created.Before(floor) {
			continue
		}
		note(it.created)
		if r.st.Runs.Recent.Settled(it.GetID(), when(it.GetUpdatedAt())) {
			continue
		}
		if err := r.takeRun(base, p, it); err != nil {
			if err = r.spoil(partPipelines, err); err != nil {
				return err
			}
			continue
		}
		if it.GetStatus() == "completed" {
			r.st.Runs.Recent.Read(it.GetID(), when(it.GetUpdatedAt()), r.started)
		}
	}
	return nil
}

// takeRun emits a run as it stands, and the attempts before it.
func (r *repoLook) takeRun(base string, p *page, it runItem) error {
	if r.taken == nil {
		r.taken = map[int64]bool{}
	}
	r.taken[it.GetID()] = true
	attempt := max(it.GetRunAttempt(), 1)
	for n := 1; n < attempt; n++ {
		earlier, err := r.get(r.ctx, base+"/"+strconv.FormatInt(it.GetID(), 10)+"/attempts/"+strconv.Itoa(n))
		if hidden(err) {
			r.note("repository %s: attempt %d of run %d is gone at the source", r.name, n, it.GetID())
			continue
		}
		if err != nil {
			return err
		}
		old, err := readRun(earlier, earlier.body)
		if err != nil {
			if err = r.spoil(partPipelines, err); err != nil {
				return err
			}
			continue
		}
		if err := r.emitRun(base, earlier, old, n); err != nil {
			return err
		}
	}
	if err := r.emitRun(base, p, it, attempt); err != nil {
		return err
	}
	r.st.Runs.Open = remember(r.st.Runs.Open, it.GetID(), it.GetStatus() != "completed")
	return nil
}

// remember keeps an id in a list while it is open.
func remember(list []int64, id int64, open bool) []int64 {
	var out []int64
	for _, o := range list {
		if o != id {
			out = append(out, o)
		}
	}
	if open {
		out = append(out, id)
	}
	if len(out) > maxOpen {
		out = out[len(out)-maxOpen:]
	}
	return out
}

// openRuns asks again for runs that were not over.
func (r *repoLook) openRuns(base string) error {
	for _, id := range append([]int64(nil), r.st.Runs.Open...) {
		if r.taken[id] {
			continue // the list has just shown it
		}
		p, err := r.get(r.ctx, base+"/"+strconv.FormatInt(id, 10))
		if hidden(err) {
			r.note("repository %s: run %d was deleted at the source before it was over", r.name, id)
			r.st.Runs.Open = remember(r.st.Runs.Open, id, false)
			continue
		}
		if err != nil {
			return err
		}
		it, err := readRun(p, p.body)
		if err != nil {
			if err = r.spoil(partPipelines, err); err != nil {
				return err
			}
			continue
		}
		if it.GetID() != id {
			return odd(p, "another run than was asked for")
		}
		if err := r.spoil(partPipelines, r.takeRun(base, p, it)); err != nil {
			return err
		}
	}
	return nil
}

// reruns looks once a day for runs that were over and ran again: the list is
// ordered by creation, so that a repetition does not move them up.
func (r *repoLook) reruns(base string) error {
	st := &r.st.Runs
	if st.Reruns.IsZero() {
		st.Reruns = r.started // the first look has read them as they are
		return nil
	}
	if r.started.Sub(st.Reruns) < rerunsEvery {
		return nil
	}
	since := st.Reruns.Add(-r.cfg.Overlap)
	err := r.pages(r.ctx, base+"?per_page=100", func(p *page) (bool, error) {
		_, list, err := r.runList(p)
		if err != nil {
			return false, err
		}
		for _, it := range list {
			if it.created.Before(r.started.Add(-rerunWithin)) {
				return false, nil
			}
			if it.GetRunAttempt() > 1 && when(it.GetUpdatedAt()).After(since) {
				if err := r.spoil(partPipelines, r.takeRun(base, p, it)); err != nil {
					return false, err
				}
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	st.Reruns = r.started
	return nil
}

// emitRun emits one attempt with its jobs.
func (r *repoLook) emitRun(base string, p *page, it runItem, attempt int) error {
	who := newPeople(r.Collector)
	f := evidence.PipelineFacts{
		Repo: r.name, ID: strconv.FormatInt(it.GetID(), 10), Attempt: attempt, Number: int64(it.GetRunNumber()),
		Path: r.workflowPath(it.Path), Event: word(it.GetEvent()), SHA: it.GetHeadSHA(),
		Status: status(it.GetStatus(), it.GetConclusion()), Native: native(it.GetStatus(), it.GetConclusion()),
		CreatedAt: it.created, StartedAt: when(it.GetRunStartedAt()), UpdatedAt: when(it.GetUpdatedAt()),
		Actor:   who.account(evidence.RoleInitiator, it.Actor, evidence.ProofAuthenticated),
		Trigger: who.account(evidence.RoleInitiator, it.TriggeringActor, evidence.ProofAuthenticated),
	}
	// Whom else the run's own bytes name: who wrote the commit, and whose fork
	// it came from.
	if c := it.HeadCommit; c != nil {
		who.claimed(evidence.RoleAuthor, c.Author)
		who.claimed(evidence.RoleCommitter, c.Committer)
	}
	if o := it.GetHeadRepository().GetOwner(); o.GetType() == "User" {
		who.account(evidence.RoleSubject, o, evidence.ProofAuthenticated)
	}
	f.Name = workflowName(it, who)
	if b := it.GetHeadBranch(); b != "" {
		f.Ref = "refs/heads/" + r.public(b)
	}
	f.Change = r.changeOf(it.PullRequests)
	if it.GetStatus() == "completed" {
		f.FinishedAt = f.UpdatedAt
		if err := r.jobs(base, it.GetID(), attempt, &f); err != nil {
			return err
		}
	}
	scope, err := r.scopeAt(f.SHA, f.Change)
	if err != nil {
		return err
	}
	d := r.draft(evidence.PipelineRun, evidence.OpEvent, p.req, f)
	d.Scope = scope
	d.OccurredAt, d.Basis, d.NotBefore = it.created, evidence.BasisSource, r.st.Runs.Looked
	d.Key = r.key("/run/%d/%d", it.GetID(), attempt)
	d.Subject = r.runRef(it.GetID(), attempt)
	d.People = who.List
	d.Links = append(commitLinks(f.SHA), d.Subject)
	if f.Change > 0 {
		d.Links = append(d.Links, r.changeRef(r.name, f.Change))
	}
	if d.ActorScope = r.actor(it.TriggeringActor, d.OccurredAt); it.TriggeringActor == nil {
		d.ActorScope = r.actor(it.Actor, d.OccurredAt)
	}
	if it.GetEvent() == "schedule" {
		d.ActorScope = nil // the clock did; the account is whoever last wrote the timetable
	}
	d.Text = forge.Text(it.GetDisplayTitle())
	d.Raw = it.raw
	if d.Raw == nil {
		d.Raw = p.body
	}
	return r.emit(d)
}

// refOfPath finds the ref that a server may write behind a workflow's path.
var refOfPath = regexp.MustCompile(`^(.+\.ya?ml)@(.+)$`)

// workflowPath is where a workflow stands, with the ref it was taken from where
// the source tells it. That may be a branch, and people name those after
// themselves.
func (r *repoLook) workflowPath(path string) string {
	if m := refOfPath.FindStringSubmatch(path); m != nil && !forge.ObjectID.MatchString(m[2]) {
		path = m[1] + "@" + r.public(strings.TrimPrefix(m[2], "refs/heads/"))
	}
	return forge.Short(forge.Clean(path))
}

// workflowName is what a workflow is called. Where a workflow file names its
// runs (run-name) the source gives that in its place, which is mostly made of
// who started the run.
func workflowName(it runItem, who *people) string {
	name := it.GetName()
	if name == it.GetDisplayTitle() {
		name = who.hide(name)
	}
	return forge.Short(forge.Clean(name))
}

// changeOf is the request of this repository among those of a run. GitHub lists
// every request whose head is the run's, those to other repositories of a fork's
// network too.
func (r *repoLook) changeOf(prs []*gh.PullRequest) int {
	for _, pr := range prs {
		if id := pr.GetBase().GetRepo().GetID(); id == 0 || id == r.id {
			return pr.GetNumber()
		}
	}
	return 0
}

func (r *repoLook) runRef(id int64, attempt int) evidence.Ref {
	return evidence.NewRef("pipeline", r.authority, fmt.Sprintf("%s/%d/%d", r.name, id, attempt))
}

// jobs reads the jobs of one attempt; the raw run does not hold them.
func (r *repoLook) jobs(base string, id int64, attempt int, f *evidence.PipelineFacts) error {
	total, ours := -1, 0
	path := fmt.Sprintf("%s/%d/attempts/%d/jobs?per_page=100", base, id, attempt)
	err := r.pages(r.ctx, path, func(p *page) (bool, error) {
		var body struct {
			Total *int              `json:"total_count"`
			Jobs  []*gh.WorkflowJob `json:"jobs"`
		}
		if err := decode(p, &body); err != nil {
			return false, err
		}
		if body.Total == nil {
			return false, odd(p, "no list of jobs")
		}
		total = *body.Total
		for _, j := range body.Jobs {
			ours++
			if len(f.Jobs) == maxJobs {
				f.JobsCut++
				continue
			}
			f.Jobs = append(f.Jobs, evidence.PipelineJob{
				ID: strconv.FormatInt(j.GetID(), 10), Name: forge.Short(forge.Clean(j.GetName())), Status: status(j.GetStatus(), j.GetConclusion()),
				StartedAt: when(j.GetStartedAt()), FinishedAt: when(j.GetCompletedAt()),
			})
		}
		return true, nil
	})
	if hidden(err) { // logs and jobs of old runs are dropped before the run is
		return nil
	}
	if err != nil {
		return err
	}
	f.JobsSeen = true
	if ours != total {
		r.count(fmt.Sprintf("jobs of run %d of %s", id, r.name), path, int64(total), int64(ours))
	}
	return nil
}
