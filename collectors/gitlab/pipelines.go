package gitlab

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// Bounds of the facts of a pipeline and of what is remembered between looks.
const (
	maxJobs     = 500
	maxRecent   = 500
	maxChildren = 200
	maxGone     = 20
	maxDepth    = 3 // of child pipelines; the server allows two
)

// pipelines reads every pipeline that was updated since the last look, and the
// child pipelines that had not ended then.
func (r *projectLook) pipelines() error {
	st := &r.st.Pipelines
	floor := r.floor(st, r.cfg.PipelineHistory)
	count := !r.st.Since.IsZero() && r.started.Sub(r.st.Since) >= r.cfg.FullEvery
	if count && r.st.Since.Before(floor) {
		floor = r.st.Since // the list from there also shows what is gone
	}
	list, err := r.sweep("pipelines", r.api+"/pipelines", &gl.ListProjectPipelinesOptions{
		ListOptions: gl.ListOptions{PerPage: perPage}, OrderBy: gl.Ptr("updated_at"), Sort: gl.Ptr("desc"), UpdatedAfter: after(floor),
	}, st, floor, func(raw json.RawMessage, p *page) (listed, error) {
		var b brief
		err := decodeItem(p, raw, &b)
		return listed{id: b.ID, updated: when(b.Updated)}, err
	})
	if refused(err) {
		r.claim(r.ref, evidence.Blind, r.blindFrom(st.Looked), "no pipelines were visible", 0, evidence.PipelineReport)
		return r.without("pipelines", st.Looked, err, evidence.PipelineRun)
	}
	if err != nil {
		return err
	}
	if count {
		if err := r.vanished(list); err != nil {
			return err
		}
	}
	known := st.At.Add(-r.cfg.Overlap)
	reports := &reportLook{projectLook: r, broken: map[int]bool{}}
	oldest := time.Time{}
	for i, it := range list {
		if it.updated.Before(known) && slices.Contains(r.st.Recent, it.id) {
			continue // listed only to see that it is still there
		}
		if !st.Recent.Settled(int64(it.id), it.updated) {
			// A pipeline without one of its jobs would be told wrong.
			err := r.pipeline(reports, it.id, 0, 0)
			if err == nil {
				st.Recent.Read(int64(it.id), it.updated, r.started)
			} else if err := r.spoil("project "+strconv.Itoa(r.id), st, err); err != nil {
				return err
			}
		}
		if oldest.IsZero() {
			oldest = it.updated
		}
		st.At = newer(st.At, it.updated)
		r.remember(it.id)
		if i%10 == 9 {
			if err := r.progress(); err != nil {
				return err
			}
		}
	}
	for _, id := range forge.Sorted(r.st.Children) {
		if n, err := strconv.Atoi(id); err == nil && !r.ended[n] {
			if err := r.spoil("project "+strconv.Itoa(r.id), st, r.pipeline(reports, n, r.st.Children[id], 1)); err != nil {
				return err
			}
		}
	}
	r.again(st, list)
	if err := reports.again(); err != nil {
		return err
	}
	if r.st.Since.IsZero() {
		r.st.Since = r.started
	}
	r.claimList(r.ref, st, r.cfg.PipelineHistory, oldest, r.created, "", evidence.PipelineRun)
	reports.claims(oldest)
	return nil
}

// remember keeps the ids of the pipelines of about a day.
func (r *projectLook) remember(id int) {
	if r.st.Pipelines.Looked.IsZero() {
		return // what is read from history is not followed up
	}
	if !slices.Contains(r.st.Recent, id) {
		r.st.Recent = append(r.st.Recent, id)
	}
	if n := len(r.st.Recent); n > maxRecent {
		r.st.Recent = slices.Delete(r.st.Recent, 0, n-maxRecent)
	}
}

// vanished looks, once in FullEvery, for pipelines that were recorded since the
// last time and are listed no longer. An owner can delete pipelines, and so can
// an automatic clean-up; what was recorded of them stays. One that was updated
// before Since and not deleted is listed no longer either, so each is asked for.
func (r *projectLook) vanished(list []listed) error {
	there := map[int]bool{}
	recent, since := []int{}, r.started.Add(-r.cfg.FullEvery)
	for _, it := range list {
		there[it.id] = true
		if !it.updated.Before(since) {
			recent = append(recent, it.id)
		}
	}
	gone := 0
	for _, id := range r.st.Recent {
		if there[id] {
			continue
		}
		_, err := r.get(r.ctx, r.api+"/pipelines/"+strconv.Itoa(id), nil)
		switch {
		case fetch.Status(err) == http.StatusNotFound:
			gone++
			r.note("project %d: pipeline %d was deleted at the source; its record stays", r.id, id)
		case err != nil:
			return err
		}
		if gone == maxGone {
			r.note("project %d: more pipelines were deleted at the source", r.id)
			break
		}
	}
	r.after = append(r.after, func() { r.st.Recent, r.st.Since = recent[:min(len(recent), maxRecent)], since })
	return nil
}

// run is a pipeline with all that belongs to it.
type run struct {
	*gl.Pipeline
	page    *page
	parent  int
	jobs    []*gl.Job
	bridges []*gl.Bridge
	unseen  bool // its jobs, or what stands for them, were hidden
	scope   []evidence.Ref
}

// pipeline reads one pipeline with its jobs, the reports they left, and its
// child pipelines, and emits them.
func (r *projectLook) pipeline(reports *reportLook, id, parent, depth int) error {
	if r.ended[id] {
		return nil
	}
	r.ended[id] = true
	child := strconv.Itoa(id)
	base := r.api + "/pipelines/" + child
	p, err := r.get(r.ctx, base, nil)
	if parent > 0 && fetch.Status(err) == http.StatusNotFound {
		delete(r.st.Children, child)
		r.note("project %d: child pipeline %d is gone", r.id, id)
		return nil
	}
	if err != nil {
		return err
	}
	q, err := readRun(p, id)
	if err != nil {
		return err
	}
	q.parent = parent
	_, err = r.list(r.ctx, base+"/jobs", &gl.ListJobsOptions{ListOptions: gl.ListOptions{PerPage: perPage}, IncludeRetried: gl.Ptr(true)}, func(p *page, raw json.RawMessage) error {
		j, err := readJob(p, raw)
		if err == nil && !slices.ContainsFunc(q.jobs, func(o *gl.Job) bool { return o.ID == j.ID }) {
			q.jobs = append(q.jobs, j)
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = r.list(r.ctx, base+"/bridges", &gl.ListJobsOptions{ListOptions: gl.ListOptions{PerPage: perPage}, IncludeRetried: gl.Ptr(true)}, func(p *page, raw json.RawMessage) error {
		var b gl.Bridge
		if err := decodeItem(p, raw, &b); err != nil {
			return err
		}
		q.bridges = append(q.bridges, &b)
		return nil
	})
	if err != nil {
		return err
	}
	if err := r.statuses(q); err != nil {
		return err
	}
	if q.scope, err = r.scopeOfRun(q); err != nil {
		return err
	}
	if err := r.emit(r.pipelineDraft(q)); err != nil {
		return err
	}
	for _, j := range q.jobs {
		if err := reports.job(q, j); err != nil {
			return err
		}
	}
	if parent > 0 {
		if finished(q.Status) {
			delete(r.st.Children, child)
		} else if len(r.st.Children) < maxChildren {
			r.st.Children[child] = parent
		}
	}
	return r.children(reports, q, depth)
}

// statuses reads what other systems reported, for a pipeline that is made of
// such reports: they are no jobs to the server and stand in no list of them.
func (r *projectLook) statuses(q *run) error {
	if q.Source != "external" {
		return nil
	}
	opt := struct {
		gl.ListOptions
		All      bool `url:"all"`
		Pipeline int  `url:"pipeline_id"`
	}{gl.ListOptions{PerPage: perPage}, true, q.ID}
	_, err := r.list(r.ctx, r.api+"/repository/commits/"+q.SHA+"/statuses", opt, func(p *page, raw json.RawMessage) error {
		var s struct {
			ID           int        `json:"id"`
			Name         string     `json:"name"`
			Status       string     `json:"status"`
			AllowFailure bool       `json:"allow_failure"`
			StartedAt    *time.Time `json:"started_at"`
			FinishedAt   *time.Time `json:"finished_at"`
		}
		if err := decodeItem(p, raw, &s); err != nil {
			return err
		}
		if s.ID <= 0 {
			return oddItem(p, "a status without an id")
		}
		if !slices.ContainsFunc(q.jobs, func(o *gl.Job) bool { return o.ID == s.ID }) {
			q.jobs = append(q.jobs, &gl.Job{ID: s.ID, Name: s.Name, Stage: "external", Status: s.Status, AllowFailure: s.AllowFailure, StartedAt: s.StartedAt, FinishedAt: s.FinishedAt})
		}
		return nil
	})
	if refused(err) {
		r.note("project %d: what other systems reported on commits is hidden from this credential", r.id)
		q.unseen = true
		return nil
	}
	return err
}

// children reads the pipelines that this one started in the same project. The
// list of pipelines does not show them.
func (r *projectLook) children(reports *reportLook, q *run, depth int) error {
	for _, b := range q.bridges {
		d := b.DownstreamPipeline
		if d == nil || d.ID <= 0 || d.ProjectID != r.id || d.Source != "" && d.Source != "parent_pipeline" {
			continue
		}
		if depth+1 >= maxDepth {
			r.note("project %d: child pipelines deeper than %d levels were not read", r.id, maxDepth-1)
			continue
		}
		if err := r.pipeline(reports, d.ID, q.ID, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func readRun(p *page, id int) (*run, error) {
	q := &run{page: p}
	if err := decode(p, &q.Pipeline); err != nil {
		return nil, err
	}
	if q.Pipeline == nil || q.ID != id {
		return nil, odd(p, "another pipeline than was asked for")
	}
	if !forge.ObjectID.MatchString(q.SHA) {
		return nil, oddItem(p, "a pipeline without a commit")
	}
	return q, nil
}

func readJob(p *page, raw json.RawMessage) (*gl.Job, error) {
	var j gl.Job
	if err := decodeItem(p, raw, &j); err != nil {
		return nil, err
	}
	if j.ID <= 0 {
		return nil, oddItem(p, "a job without an id")
	}
	return &j, nil
}

// status puts GitLab's words for pipelines, jobs and deployments into ours.
func status(s string) string {
	switch s {
	case "created", "waiting_for_resource", "preparing", "pending", "manual", "scheduled", "waiting_for_callback", "blocked":
		return "waiting"
	case "running", "canceling":
		return "running"
	case "success", "skipped":
		return s
	case "failed":
		return "failure"
	case "canceled":
		return "cancelled"
	}
	return "unknown"
}

func finished(s string) bool {
	switch status(s) {
	case "success", "failure", "cancelled", "skipped":
		return true
	}
	return false
}

func (r *projectLook) pipelineDraft(q *run) evidence.Draft {
	who := newPeople(r.Collector)
	f := evidence.PipelineFacts{
		Repo: r.path, ID: strconv.Itoa(q.ID), Number: int64(q.IID), Event: word(q.Source), Ref: r.public(q.Ref), SHA: q.SHA,
		Status: status(q.Status), Native: word(q.Status), CreatedAt: when(q.CreatedAt), StartedAt: when(q.StartedAt),
		FinishedAt: when(q.FinishedAt), UpdatedAt: when(q.UpdatedAt), JobsSeen: !q.unseen,
	}
	if q.Tag {
		f.Ref = label(q.Ref)
	}
	f.Actor = who.user(evidence.RoleInitiator, q.User)
	f.Trigger = f.Actor
	links := commitLinks(q.SHA)
	if m := mergeRef.FindStringSubmatch(q.Ref); m != nil {
		// The commit may be a merge result that only the server made: the
		// request says which commits went into it.
		f.Change, _ = strconv.Atoi(m[1])
		links = append(links, r.changeRef(r.path, f.Change))
	}
	if q.parent > 0 {
		f.Parent = strconv.Itoa(q.parent)
		links = append(links, r.pipelineRef(r.path, q.parent))
	}
	f.Jobs, f.JobsCut = jobFacts(q)
	for _, b := range q.bridges {
		if d := b.DownstreamPipeline; d != nil && d.ID > 0 && len(links) < evidence.MaxLinks {
			if path := r.pathOf(d.ProjectID); path != "" {
				links = append(links, r.pipelineRef(path, d.ID))
			}
		}
	}
	d := r.draft(evidence.PipelineRun, evidence.OpEvent, q.page.req, f)
	if at := newer(f.CreatedAt, f.FinishedAt); !at.IsZero() {
		d.OccurredAt, d.Basis = at, evidence.BasisSource
	}
	d.Scope = q.scope
	d.Key = r.key("/%d", q.ID)
	d.Subject = r.pipelineRef(r.path, q.ID)
	d.People = who.List
	d.Links = links
	d.Raw = q.page.body
	if q.Source != "schedule" { // the clock did; the account is whoever owns the timetable
		d.ActorScope = r.actor(q.User, d.OccurredAt)
	}
	return d
}

// pathOf names a project that is read too; "" for others.
func (l *look) pathOf(id int) string {
	for _, p := range l.projects {
		if p.id == id {
			return p.path
		}
	}
	return ""
}

// jobFacts lists jobs and bridges by id. Of several of the same name all but
// the newest were retried. A job that may fail and did leaves its pipeline a
// success: both are told.
func jobFacts(q *run) (fs []evidence.PipelineJob, cut int) {
	type job struct {
		id    int
		facts evidence.PipelineJob
	}
	var all []job
	add := func(id int, name, stage, native, why string, may bool, from, to *time.Time) {
		f := evidence.PipelineJob{
			ID: strconv.Itoa(id), Name: label(name), Stage: label(stage), Status: status(native),
			AllowFailure: may, StartedAt: when(from), FinishedAt: when(to),
		}
		if why != "" {
			f.Why = word(why)
		}
		all = append(all, job{id, f})
	}
	for _, j := range q.jobs {
		add(j.ID, j.Name, j.Stage, j.Status, j.FailureReason, j.AllowFailure, j.StartedAt, j.FinishedAt)
	}
	for _, b := range q.bridges {
		add(b.ID, b.Name, b.Stage, b.Status, b.FailureReason, b.AllowFailure, b.StartedAt, b.FinishedAt)
	}
	slices.SortFunc(all, func(a, b job) int { return a.id - b.id })
	newest := map[string]int{}
	for _, j := range all {
		newest[j.facts.Stage+"\x00"+j.facts.Name] = j.id
	}
	size := 0
	for i, j := range all {
		j.facts.Retried = newest[j.facts.Stage+"\x00"+j.facts.Name] != j.id
		size += len(forge.Encode(j.facts)) + 1
		if i == maxJobs || size > maxFileBytes {
			return fs, len(all) - i
		}
		fs = append(fs, j.facts)
	}
	return fs, 0
}
