package gitlab

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// mergeRef are the refs GitLab makes for merge requests.
var mergeRef = regexp.MustCompile(`^refs/merge-requests/(\d{1,9})/(head|merge|train)$`)

// listed is an item of a list that is ordered by time, as the list shows it.
type listed struct {
	id      int
	updated time.Time
	skip    bool // it is none of those that were asked for
}

// sweep reads a list, newest first, down to its floor before anything else: an
// item updated meanwhile moves to the top and shifts others down, so an item
// may come twice but none is skipped, and the next look finds the moved one.
// The items are then handed out oldest first, so that the position is one time
// that only grows. The source's total is set beside ours.
func (r *projectLook) sweep(what, path string, opt any, st *position, floor time.Time, read func(json.RawMessage, *page) (listed, error)) ([]listed, error) {
	var list []listed
	seen := map[int]bool{}
	var req evidence.Request
	whole := true
	total, err := r.pages(r.ctx, path, opt, nil, func(p *page) (bool, error) {
		raws, err := items(p)
		if err != nil {
			return false, err
		}
		if req.URL == "" {
			req = p.req
		}
		for _, raw := range raws {
			it, err := read(raw, p)
			if err == nil && !it.skip && (it.id <= 0 || it.updated.IsZero()) {
				err = oddItem(p, "an item without a number or time")
			}
			if err != nil {
				if err = r.spoil("project "+strconv.Itoa(r.id), st, err); err != nil {
					return false, err
				}
				continue
			}
			if it.skip {
				continue
			}
			if it.updated.Before(floor.Truncate(time.Second)) {
				whole = false // the server knows no such filter: our count is of the rest
				return false, nil
			}
			if !seen[it.id] {
				seen[it.id] = true
				list = append(list, it)
			}
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if whole {
		r.count(what+" of project "+strconv.Itoa(r.id), req, total, len(list))
	}
	slices.SortStableFunc(list, func(a, b listed) int {
		if c := a.updated.Compare(b.updated); c != 0 {
			return c
		}
		return a.id - b.id
	})
	return list, nil
}

// floor is from where on a list is read.
func (r *projectLook) floor(st *position, history time.Duration) time.Time {
	if st.At.IsZero() {
		return r.horizon(history)
	}
	return st.At.Add(-r.cfg.Overlap)
}

// again forgets which items were read, but for those that the next look will
// list again.
func (r *projectLook) again(st *position, list []listed) {
	ids := map[int64]bool{}
	for _, it := range list {
		ids[int64(it.id)] = !it.updated.Before(st.At.Add(-r.cfg.Overlap).Truncate(time.Second))
	}
	st.Recent.Keep(ids)
}

// after gives a list's filter: nil for all of it.
func after(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	u := t.UTC().Truncate(time.Second)
	return &u
}

// brief is what of an item of a list is needed to order it.
type brief struct {
	ID      int        `json:"id"`
	IID     int        `json:"iid"`
	Updated *time.Time `json:"updated_at"`
}

// merges reads every request that was updated since the last look.
func (r *projectLook) merges(full bool) error {
	st := &r.st.Merges
	floor := r.floor(st, r.cfg.History)
	list, err := r.sweep("merge requests", r.api+"/merge_requests", &gl.ListProjectMergeRequestsOptions{
		ListOptions: gl.ListOptions{PerPage: perPage}, State: gl.Ptr("all"), Scope: gl.Ptr("all"),
		OrderBy: gl.Ptr("updated_at"), Sort: gl.Ptr("desc"), UpdatedAfter: after(floor),
	}, st, floor, func(raw json.RawMessage, p *page) (listed, error) {
		var b brief
		err := decodeItem(p, raw, &b)
		return listed{id: b.IID, updated: when(b.Updated)}, err
	})
	if refused(err) {
		return r.without("merge requests", r.st.Merges.Looked, err, evidence.ChangeMerge, evidence.ChangeReview)
	}
	if err != nil {
		return err
	}
	oldest, weaker := time.Time{}, ""
	for i, it := range list {
		if full && it.updated.After(st.At) {
			r.found, weaker = true, untold
		}
		if !st.Recent.Settled(int64(it.id), it.updated) {
			// A request without one of its notes would be told wrong.
			err := r.merge(it.id)
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
		if i%10 == 9 {
			if err := r.progress(); err != nil {
				return err
			}
		}
	}
	r.again(st, list)
	r.claimList(r.ref, st, r.cfg.History, oldest, r.created, weaker, evidence.ChangeMerge, evidence.ChangeReview)
	return nil
}

// without claims a blind window for a part of a project that this credential
// cannot see or that is turned off there. What could be read before makes the
// run partial.
func (r *projectLook) without(what string, looked time.Time, err error, kinds ...evidence.Kind) error {
	r.look.without("project "+strconv.Itoa(r.id), r.ref, what, looked, err, kinds...)
	return nil
}

func (l *look) without(container string, scope evidence.Ref, what string, looked time.Time, err error, kinds ...evidence.Kind) {
	status := strconv.Itoa(fetch.Status(err))
	if !looked.IsZero() {
		l.missing = append(l.missing, what+" of "+container+" can be read no longer ("+status+")")
	}
	l.note("%s: %s: not available at this tier, turned off, or hidden from this credential (%s)", container, what, status)
	l.claim(scope, evidence.Blind, l.blindFrom(looked), what+": not available at this tier, turned off, or hidden from the credential", 0, kinds...)
}

// request is a merge request with all that belongs to it.
type request struct {
	mr       *gl.MergeRequest
	merger   *gl.BasicUser // merge_user, which the library does not know
	page     *page
	required *int // approvals; nil: the edition asks for none and tells none
	approved []approval
	rules    *gl.MergeRequestApprovalState // nil: not shown
	notes    []note
	versions []*gl.MergeRequestDiffVersion // newest first
	commits  []*gl.Commit
	files    fileList
}

// approval is one person's approval as it stands now. Older servers give no
// time.
type approval struct {
	User *gl.BasicUser `json:"user"`
	At   *time.Time    `json:"approved_at"`
}

// merge reads one request and emits it with its reviews.
func (r *projectLook) merge(iid int) error {
	base := r.api + "/merge_requests/" + strconv.Itoa(iid)
	q, err := r.request(base, iid)
	if err != nil {
		return err
	}
	if err := r.approvals(base, q); err != nil {
		return err
	}
	if err := r.notes(base, q); err != nil {
		return err
	}
	q.ending()
	_, err = r.list(r.ctx, base+"/versions", &gl.GetMergeRequestDiffVersionsOptions{PerPage: perPage}, func(p *page, raw json.RawMessage) error {
		var v gl.MergeRequestDiffVersion
		if err := decodeItem(p, raw, &v); err != nil {
			return err
		}
		q.versions = append(q.versions, &v)
		return nil
	})
	if err != nil {
		return err
	}
	_, err = r.list(r.ctx, base+"/commits", &gl.GetMergeRequestCommitsOptions{PerPage: perPage}, func(p *page, raw json.RawMessage) error {
		it, err := readCommit(p, raw)
		q.commits = append(q.commits, it)
		return err
	})
	if err != nil {
		return err
	}
	q.files, err = r.requestFiles(base)
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(q.mr.ChangesCount); err != nil && q.mr.ChangesCount != "" || n > len(q.files.files) {
		q.files.whole = false // "1000+", or more than the list shows
	}
	return r.emitMerge(q)
}

func (r *projectLook) request(base string, iid int) (*request, error) {
	p, err := r.get(r.ctx, base, nil)
	if err != nil {
		return nil, err
	}
	q := &request{page: p}
	if err := q.decode(); err != nil {
		return nil, err
	}
	if q.mr.IID != iid {
		return nil, odd(p, "another request than was asked for")
	}
	return q, nil
}

func (q *request) decode() error {
	var more struct {
		MergeUser *gl.BasicUser `json:"merge_user"`
	}
	if err := decode(q.page, &q.mr); err != nil {
		return err
	}
	if q.mr == nil || q.mr.IID <= 0 {
		return odd(q.page, "no request")
	}
	if err := decode(q.page, &more); err != nil {
		return err
	}
	q.merger = more.MergeUser
	return nil
}

// approvals reads who approves now, and the rules as the server evaluates them,
// where the edition has rules.
func (r *projectLook) approvals(base string, q *request) error {
	p, err := r.get(r.ctx, base+"/approvals", nil)
	if err != nil {
		return err
	}
	if err := q.approve(p); err != nil {
		return err
	}
	p, err = r.get(r.ctx, base+"/approval_state", nil)
	if refused(err) {
		r.note("approval rules of merge requests are not available at this tier or hidden from this credential")
		return nil
	}
	if err != nil {
		return err
	}
	if err := decode(p, &q.rules); err != nil {
		return err
	}
	if q.rules == nil {
		return odd(p, "no approval rules")
	}
	return nil
}

func (q *request) approve(p *page) error {
	var told *struct {
		By       []approval `json:"approved_by"`
		Required *int       `json:"approvals_required"`
	}
	if err := decode(p, &told); err != nil {
		return err
	}
	if told == nil {
		return odd(p, "no approvals")
	}
	q.approved, q.required = told.By, told.Required
	return nil
}

func (r *projectLook) emitMerge(q *request) error {
	d, reviews := r.mergeDrafts(q)
	for _, rd := range append(reviews, d) {
		if err := r.emit(rd); err != nil {
			return err
		}
	}
	return nil
}

// Bounds of the facts of a request.
const (
	maxReviews = 400
	maxCommits = 500
	maxRules   = 50
)

// mergeDrafts makes the draft of a request and those of its reviews.
func (r *projectLook) mergeDrafts(q *request) (evidence.Draft, []evidence.Draft) {
	who, mr := newPeople(r.Collector), q.mr
	f := evidence.MergeFacts{
		Repo: r.path, Number: mr.IID, State: mergeState(mr.State), Base: r.public(mr.TargetBranch), HeadSHA: forge.ObjectOrNone(mr.SHA),
		OpenedAt: when(mr.CreatedAt), ClosedAt: when(mr.ClosedAt), MergedAt: when(mr.MergedAt), UpdatedAt: when(mr.UpdatedAt),
		AutoMerge: mr.MergeWhenPipelineSucceeds, ReviewsSeen: true,
		Author: who.user(evidence.RoleAuthor, mr.Author), Merger: who.user(evidence.RoleMerger, q.merger),
	}
	// merged_by is what older servers have; where both are given they may name
	// two accounts, and both took part.
	if i := who.user(evidence.RoleMerger, mr.MergedBy); f.Merger < 0 {
		f.Merger = i
	}
	// One that is over is not told as of when it was opened: when that was is not
	// known of every one.
	at := f.OpenedAt
	switch {
	case f.State == "merged" || !f.MergedAt.IsZero():
		f.State, at, f.MergeSHA = "merged", f.MergedAt, landed(mr)
	case f.State == "closed" || !f.ClosedAt.IsZero():
		at = f.ClosedAt
	}
	reviews := r.reviews(q)
	for _, v := range reviews {
		f.Reviews = append(f.Reviews, evidence.ReviewState{ID: v.id, State: v.state, Commit: v.commit, Person: who.user(evidence.RoleReviewer, v.by), At: v.at})
	}
	if n := len(f.Reviews); n > maxReviews {
		r.note("project %d: request %d has %d reviews; its record lists the newest %d, each has a record of its own", r.id, f.Number, n, maxReviews)
		f.Reviews = f.Reviews[n-maxReviews:]
	}
	f.Required, f.Rules = q.required, q.ruleFacts(who)
	for _, c := range q.commits {
		if len(f.Commits) == maxCommits {
			f.CommitsCut = true
			break
		}
		f.Commits = append(f.Commits, c.ID)
		f.CommitAuthors = forge.AddIndex(f.CommitAuthors, who.Claimed(evidence.RoleCommitter, c.AuthorName, c.AuthorEmail))
		f.CommitAuthors = forge.AddIndex(f.CommitAuthors, who.Claimed(evidence.RoleCommitter, c.CommitterName, c.CommitterEmail))
	}
	// Who co-authored a commit made the change too.
	for _, c := range q.commits[:min(len(q.commits), maxCommits)] {
		for _, i := range who.Trailed(evidence.RoleCommitter, c.Message) {
			f.CommitAuthors = forge.AddIndex(f.CommitAuthors, i)
		}
	}
	who.Trailed(forge.RoleMentioned, mr.Description)
	// Whom else the request's own bytes name. Where a record has as many people
	// as it may, the bytes go without: erasing a person must reach them.
	whole := true
	others := []*gl.BasicUser{mr.Assignee, mr.ClosedBy, q.merger, mr.MergedBy}
	if mr.HeadPipeline != nil {
		others = append(others, mr.HeadPipeline.User)
	}
	for _, u := range slices.Concat(mr.Assignees, mr.Reviewers, others) {
		if named(u) && !who.has(u.ID) {
			whole = who.user(evidence.RoleSubject, u) >= 0 && whole
		}
	}
	mask := who.Mask()
	f.Files, f.FilesCut = q.files.facts(mask)
	// The server counts the files that changed, and may list fewer. Where it
	// says "1000+" there are at least that many.
	if n, err := strconv.Atoi(strings.TrimSuffix(mr.ChangesCount, "+")); err == nil {
		f.FilesCut = max(f.FilesCut, n-len(f.Files))
	}

	d := r.draft(evidence.ChangeMerge, evidence.OpEvent, q.page.req, f)
	if !at.IsZero() {
		d.OccurredAt, d.Basis = at, evidence.BasisSource
	} else if f.OpenedAt.Before(r.started) {
		d.NotBefore = f.OpenedAt
	}
	d.Key = r.key("!%d", f.Number)
	d.Subject = r.changeRef(r.path, f.Number)
	d.People = who.List
	shas := append([]string{f.MergeSHA, f.HeadSHA, mr.MergeCommitSHA, mr.SquashCommitSHA}, f.Commits...)
	for _, v := range q.versions {
		shas = append(shas, v.HeadCommitSHA)
	}
	d.Links = commitLinks(shas...)
	if p := mr.HeadPipeline; p != nil && p.ID > 0 && (p.ProjectID == r.id || p.ProjectID == 0) {
		d.Links = append(d.Links, r.pipelineRef(r.path, p.ID))
	}
	r.memory.Keep(forge.RequestKey(f.Number), forge.Read{Changed: pathsOf(q.files, forge.CleanPath)})
	d.Scope = r.scopeOf(pathsOf(q.files, mask))
	d.Mentions = forge.MentionFiles(r.authority, r.path, f.Files)
	d.ActorScope = r.actor(q.actor(), d.OccurredAt)
	d.Text = forge.Text(mr.Title, mr.Description)
	d.Raw = q.page.body
	if !whole {
		d.Raw, d.Removed = without(d.Raw, []string{"assignee", "assignees", "reviewers", "closed_by", "merge_user", "merged_by", "head_pipeline"})
	}

	var rds []evidence.Draft
	for _, v := range reviews {
		rds = append(rds, r.reviewDrafts(q, v, d.Scope)...)
	}
	return d, rds
}

// actor is who did what a request's record tells last: who merged it, closed
// it, or opened it.
func (q *request) actor() *gl.BasicUser {
	switch {
	case q.mr.MergedAt != nil && q.merger != nil:
		return q.merger
	case q.mr.MergedAt != nil || q.mr.State == "merged":
		return q.mr.MergedBy
	case q.mr.ClosedAt != nil || q.mr.State == "closed":
		return q.mr.ClosedBy
	}
	return q.mr.Author
}

func mergeState(s string) string {
	switch s {
	case "opened", "locked", "reopened":
		return "open"
	case "merged", "closed":
		return s
	}
	return word(s)
}

// landed is the commit that a merged request became on its target: a merge
// commit, the squashed one, or, fast-forward, the head itself.
func landed(mr *gl.MergeRequest) string {
	for _, sha := range []string{mr.MergeCommitSHA, mr.SquashCommitSHA, mr.SHA} {
		if forge.ObjectID.MatchString(sha) {
			return sha
		}
	}
	return ""
}

// ruleFacts gives the rules behind the approvals that the server asked for. How
// many those are stands beside them: "approved" without anything required proves
// nothing.
func (q *request) ruleFacts(who *people) []evidence.MergeRule {
	if q.rules == nil {
		return nil
	}
	var rules []evidence.MergeRule
	for _, ru := range q.rules.Rules {
		if ru == nil || len(rules) == maxRules {
			continue
		}
		f := evidence.MergeRule{ID: int64(ru.ID), Name: label(ru.Name), Type: word(ru.RuleType), Required: ru.ApprovalsRequired, Approved: ru.Approved, Overwritten: q.rules.ApprovalRulesOverwritten}
		for _, u := range ru.ApprovedBy {
			f.By = forge.AddIndex(f.By, who.user(evidence.RoleReviewer, u))
		}
		rules = append(rules, f)
	}
	slices.SortFunc(rules, func(a, b evidence.MergeRule) int { return int(min(max(a.ID-b.ID, -1), 1)) })
	return rules
}
