package github

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// listed is a pull request as the list shows it.
type listed struct {
	number  int
	updated time.Time
}

// pulls reads every request that was updated since the last look. The list,
// newest first, is read to its floor before anything else: an item updated
// meanwhile moves to the top and shifts others down, so an item may come twice
// but none is skipped, and the next look finds the moved one. Then the requests
// are read oldest first, so that the position is one time that only grows.
func (r *repoLook) pulls() error {
	list, err := r.updated()
	if err != nil {
		return err
	}
	oldest := time.Time{}
	for i, it := range list {
		if id := int64(it.number); !r.st.Recent.Settled(id, it.updated) {
			// A request without one of its reviews would be told wrong.
			err := r.pull(it.number)
			if err == nil {
				r.st.Recent.Read(id, it.updated, r.started)
			} else if err := r.spoil(partPulls, err); err != nil {
				return err
			}
		}
		if oldest.IsZero() {
			oldest = it.updated
		}
		if it.updated.After(r.st.Pulls) {
			r.st.Pulls = it.updated
		}
		if i%10 == 9 {
			if err := r.progress(); err != nil {
				return err
			}
		}
	}
	again := map[int64]bool{}
	for _, it := range list {
		again[int64(it.number)] = !it.updated.Before(r.st.Pulls.Add(-r.cfg.Overlap))
	}
	r.st.Recent.Keep(again)
	if r.spoilt(partPulls, r.st.PullsLooked, evidence.ChangeMerge, evidence.ChangeReview) {
		// It is told.
	} else if r.st.PullsLooked.IsZero() {
		r.claimFirst(oldest, evidence.ChangeMerge, evidence.ChangeReview)
	} else {
		r.claim(evidence.Continuous, r.st.PullsLooked, "", evidence.ChangeMerge, evidence.ChangeReview)
	}
	r.after = append(r.after, func() { r.st.PullsLooked = r.started })
	return nil
}

// updated lists the requests updated since the floor, oldest first.
func (r *repoLook) updated() ([]listed, error) {
	floor := r.horizon()
	if !r.st.Pulls.IsZero() {
		floor = r.st.Pulls.Add(-r.cfg.Overlap)
	}
	var list []listed
	seen := map[int]bool{}
	err := r.pages(r.ctx, r.path+"/pulls?state=all&sort=updated&direction=desc&per_page=100", func(p *page) (bool, error) {
		raws, err := items(p)
		if err != nil {
			return false, err
		}
		for _, raw := range raws {
			var pr struct { // all that is needed of it here
				Number  int          `json:"number"`
				Updated gh.Timestamp `json:"updated_at"`
			}
			err := decode(p.item(raw), &pr)
			at := when(pr.Updated)
			if err == nil && (pr.Number <= 0 || at.IsZero()) {
				err = oddItem(p, "a request without a number or time")
			}
			if err != nil {
				if err = r.spoil(partPulls, err); err != nil {
					return false, err
				}
				continue
			}
			if at.Before(floor) {
				return false, nil
			}
			if !seen[pr.Number] {
				seen[pr.Number] = true
				list = append(list, listed{pr.Number, at})
			}
		}
		return true, nil
	})
	slices.SortStableFunc(list, func(a, b listed) int {
		if c := a.updated.Compare(b.updated); c != 0 {
			return c
		}
		return a.number - b.number
	})
	return list, err
}

// request is a pull request with all that belongs to it.
type request struct {
	pr        *gh.PullRequest
	page      *page
	reviews   []review
	commits   []*gh.RepositoryCommit
	dismissed map[int64]dismissal
	fl        fileList
}

// review is a review with its own bytes.
type review struct {
	*gh.PullRequestReview
	raw json.RawMessage
	req evidence.Request
}

// dismissal is what the events of a request say of a dismissed review.
type dismissal struct {
	by   *gh.User
	at   time.Time
	from string // the state before
	text string
}

// pull reads one request and emits it with its reviews.
func (r *repoLook) pull(number int) error {
	base := r.path + "/pulls/" + strconv.Itoa(number)
	p, err := r.get(r.ctx, base)
	if err != nil {
		return err
	}
	q := &request{page: p}
	if err := decode(p, &q.pr); err != nil {
		return err
	}
	if q.pr.GetNumber() != number {
		return odd(p, "another request than was asked for")
	}
	if !forge.ObjectID.MatchString(q.pr.GetHead().GetSHA()) {
		return oddItem(p, "a request without a head")
	}
	if err := r.reviews(base, q); err != nil {
		return err
	}
	err = r.pages(r.ctx, base+"/commits?per_page=100", func(p *page) (bool, error) {
		list, err := items(p)
		if err != nil {
			return false, err
		}
		for _, raw := range list {
			it, err := readCommit(p, raw)
			if err != nil {
				return false, err
			}
			q.commits = append(q.commits, it)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	if err := r.requestFiles(number, &q.fl); err != nil {
		return err
	}
	q.fl.whole = q.fl.whole && len(q.fl.files) >= q.pr.GetChangedFiles()
	r.st.Origins.Offered(q.pr.GetHead().GetSHA(), number, when(q.pr.GetUpdatedAt()))
	r.want(q.pr.GetHead().GetSHA(), when(q.pr.GetUpdatedAt()))
	if q.pr.GetMerged() {
		r.want(q.pr.GetMergeCommitSHA(), when(q.pr.GetMergedAt()))
		r.st.Origins.Offered(q.pr.GetMergeCommitSHA(), number, when(q.pr.GetUpdatedAt()))
	}
	return r.emitPull(q)
}

// reviews reads the reviews, oldest first, and, when one was dismissed, the
// events that say by whom, when and from which state.
func (r *repoLook) reviews(base string, q *request) error {
	dismissed := false
	err := r.pages(r.ctx, base+"/reviews?per_page=100", func(p *page) (bool, error) {
		list, err := items(p)
		if err != nil {
			return false, err
		}
		for _, raw := range list {
			rv := review{raw: raw, req: p.req}
			if err := decode(p.item(raw), &rv.PullRequestReview); err != nil {
				return false, err
			}
			if rv.GetID() <= 0 || reviewState(rv.GetState()) == "" {
				return false, oddItem(p, "a review without an id or a known state")
			}
			dismissed = dismissed || rv.GetState() == "DISMISSED"
			q.reviews = append(q.reviews, rv)
		}
		return true, nil
	})
	if err != nil || !dismissed {
		return err
	}
	q.dismissed = map[int64]dismissal{}
	events := r.path + "/issues/" + strconv.Itoa(q.pr.GetNumber()) + "/events?per_page=100"
	err = r.pages(r.ctx, events, func(p *page) (bool, error) {
		list, err := items(p)
		if err != nil {
			return false, err
		}
		for _, raw := range list {
			var is struct {
				Event string `json:"event"`
			}
			if json.Unmarshal(raw, &is) != nil || is.Event != "review_dismissed" {
				continue // of any other nothing is read
			}
			var e gh.IssueEvent
			if err := decode(p.item(raw), &e); err != nil {
				return false, err
			}
			if v := e.DismissedReview; v != nil {
				q.dismissed[v.GetReviewID()] = dismissal{e.Actor, when(e.GetCreatedAt()), reviewState(strings.ToUpper(v.GetState())), v.GetDismissalMessage()}
			}
		}
		return true, nil
	})
	if hidden(err) {
		r.note("repository %s: who dismissed reviews is not visible to this credential (Issues: read)", r.name)
		return nil
	}
	return err
}

// reviewState names a state; "" for one that is not known.
func reviewState(s string) string {
	switch s {
	case "APPROVED", "COMMENTED", "DISMISSED", "PENDING":
		return strings.ToLower(s)
	case "CHANGES_REQUESTED":
		return "changes-requested"
	case "":
		return ""
	}
	return "other" // a word that is newer than this program
}

func (r *repoLook) emitPull(q *request) error {
	d := r.mergeDraft(q)
	for _, rv := range q.reviews {
		for _, rd := range r.reviewDrafts(q, rv, d.Scope) {
			if err := r.emit(rd); err != nil {
				return err
			}
		}
	}
	return r.emit(d)
}

// maxReviews bounds the reviews in the facts of a request.
const maxReviews = 400

func (r *repoLook) mergeDraft(q *request) evidence.Draft {
	who, pr := newPeople(r.Collector), q.pr
	f := evidence.MergeFacts{
		Repo: r.name, Number: pr.GetNumber(), State: pr.GetState(), Base: r.public(pr.GetBase().GetRef()),
		HeadSHA: pr.GetHead().GetSHA(), OpenedAt: when(pr.GetCreatedAt()), ClosedAt: when(pr.GetClosedAt()),
		MergedAt: when(pr.GetMergedAt()), UpdatedAt: when(pr.GetUpdatedAt()), AutoMerge: pr.AutoMerge != nil,
		Author:      who.account(evidence.RoleAuthor, pr.User, evidence.ProofAuthenticated),
		Merger:      who.account(evidence.RoleMerger, pr.MergedBy, evidence.ProofAuthenticated),
		ReviewsSeen: true,
	}
	at := f.OpenedAt
	if !f.ClosedAt.IsZero() {
		at = f.ClosedAt
	}
	// Before merging the field holds a test merge that lands nowhere.
	if !f.MergedAt.IsZero() {
		f.State, at = "merged", f.MergedAt
		if forge.ObjectID.MatchString(pr.GetMergeCommitSHA()) {
			f.MergeSHA = pr.GetMergeCommitSHA()
		}
	}
	for _, rv := range q.reviews {
		if rv.GetState() == "PENDING" {
			continue // a draft that only its author sees
		}
		f.Reviews = append(f.Reviews, evidence.ReviewState{
			ID: strconv.FormatInt(rv.GetID(), 10), State: reviewState(rv.GetState()), Commit: forge.ObjectOrNone(rv.GetCommitID()),
			Person: who.account(evidence.RoleReviewer, rv.User, evidence.ProofAuthenticated), At: when(rv.GetSubmittedAt()),
		})
	}
	if n := len(f.Reviews); n > maxReviews {
		r.note("repository %s: request %d has %d reviews; its record lists the newest %d, each has a record of its own", r.name, f.Number, n, maxReviews)
		f.Reviews = f.Reviews[n-maxReviews:]
	}
	for _, c := range q.commits {
		f.Commits = append(f.Commits, c.GetSHA())
		f.CommitAuthors = forge.AddIndex(f.CommitAuthors, who.claimed(evidence.RoleCommitter, c.GetCommit().Author))
		f.CommitAuthors = forge.AddIndex(f.CommitAuthors, who.account(evidence.RoleCommitter, c.Author, evidence.ProofClaimed))
	}
	// Who co-authored a commit made the change too. They come last: a draft holds
	// so many people and no more.
	for _, c := range q.commits {
		for _, i := range who.Trailed(evidence.RoleCommitter, c.GetCommit().GetMessage()) {
			f.CommitAuthors = forge.AddIndex(f.CommitAuthors, i)
		}
	}
	who.Trailed(forge.RoleMentioned, pr.GetBody())
	f.CommitsCut = pr.GetCommits() > len(f.Commits)
	whole := who.also(slices.Concat(pr.Assignees, pr.RequestedReviewers, []*gh.User{
		pr.Assignee, pr.GetHead().GetUser(), pr.GetBase().GetUser(), pr.GetHead().GetRepo().GetOwner(), pr.GetMilestone().GetCreator(), pr.GetAutoMerge().GetEnabledBy(),
	})...)
	mask := who.Mask()
	f.Files, f.FilesCut = files(q.fl.files, pr.GetChangedFiles(), mask)

	d := r.draft(evidence.ChangeMerge, evidence.OpEvent, q.page.req, f)
	if !at.IsZero() {
		d.OccurredAt, d.Basis = at, evidence.BasisSource
	}
	d.Key = r.key("!%d", f.Number)
	d.Subject = r.changeRef(r.name, f.Number)
	d.People = who.List
	d.Links = commitLinks(append([]string{f.MergeSHA, f.HeadSHA}, f.Commits...)...)
	d.Scope = changed(q.fl, mask).Scope(r.authority, r.name)
	d.Mentions = forge.MentionFiles(r.authority, r.name, f.Files)
	r.memory.Keep(forge.RequestKey(f.Number), forge.Read{Changed: changed(q.fl, forge.CleanPath)})
	d.Text = forge.Text(pr.GetTitle(), pr.GetBody())
	d.Raw = q.page.body
	if !whole {
		// A record has as many people as it may: the bytes go without the others.
		d.Raw, d.Removed = forge.Without(agent, d.Raw, "assignee", "assignees", "requested_reviewers", "milestone", "auto_merge", "head", "base")
	}
	d.ActorScope = r.actor(mergeActor(pr), d.OccurredAt)
	return d
}

// mergeActor is who did what a request's record tells last: who merged it, or
// opened it. Of one that was closed otherwise the source does not say who did.
func mergeActor(pr *gh.PullRequest) *gh.User {
	switch {
	case pr.MergedAt != nil:
		return pr.MergedBy
	case pr.ClosedAt != nil:
		return nil
	}
	return pr.User
}

// reviewDrafts gives each state of a review that is known: a dismissed one has
// two, since the source shows the same id with its last state only.
func (r *repoLook) reviewDrafts(q *request, rv review, scope []evidence.Ref) []evidence.Draft {
	state, at := reviewState(rv.GetState()), when(rv.GetSubmittedAt())
	switch state {
	case "pending":
		return nil
	case "dismissed":
	default:
		return []evidence.Draft{r.reviewDraft(q, rv, scope, state, at, nil)}
	}
	ev, known := q.dismissed[rv.GetID()]
	var ds []evidence.Draft
	if known && ev.from != "" && ev.from != "dismissed" {
		ds = append(ds, r.reviewDraft(q, rv, scope, ev.from, at, nil))
	}
	return append(ds, r.reviewDraft(q, rv, scope, state, ev.at, &ev))
}

// reviewDraft makes the draft of one state. at is the source's time of it, zero
// when the source does not say.
func (r *repoLook) reviewDraft(q *request, rv review, scope []evidence.Ref, state string, at time.Time, ev *dismissal) evidence.Draft {
	who := newPeople(r.Collector)
	f := evidence.ReviewFacts{
		Repo: r.name, Number: q.pr.GetNumber(), ID: strconv.FormatInt(rv.GetID(), 10), State: state,
		Commit: forge.ObjectOrNone(rv.GetCommitID()), Person: who.account(evidence.RoleReviewer, rv.User, evidence.ProofAuthenticated),
	}
	body := rv.GetBody()
	if ev != nil {
		who.account(evidence.RoleInitiator, ev.by, evidence.ProofAuthenticated)
		body = ev.text
	}
	d := r.draft(evidence.ChangeReview, evidence.OpEvent, rv.req, f)
	if !at.IsZero() {
		d.OccurredAt, d.Basis = at, evidence.BasisSource
	} else {
		d.NotBefore = r.st.PullsLooked
	}
	d.Key = r.key("!%d/%s/%s", f.Number, f.ID, state)
	d.Subject = evidence.NewRef("review", r.authority, fmt.Sprintf("%s!%d/%s", r.name, f.Number, f.ID))
	d.People = who.List
	d.Links = append([]evidence.Ref{r.changeRef(r.name, f.Number)}, commitLinks(f.Commit)...)
	d.Scope = scope
	d.ActorScope = r.actor(rv.User, d.OccurredAt)
	if ev != nil {
		d.ActorScope = r.actor(ev.by, d.OccurredAt)
	}
	d.Text = forge.Text(body)
	d.Raw = rv.raw
	return d
}
