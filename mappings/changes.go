package mappings

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// changeIndex joins commits, requests and branches of one log.
//
// A branch is watched when a guard was observed on it (change.protection), or
// when a deployed application follows it. A repository that has neither is
// watched at main and master, so that plain git is judged too.
type changeIndex struct {
	commits  []commit
	bySHA    map[string]int
	requests []*request
	carried  map[int]*request    // commit -> the merged request that brought it to a watched branch
	watched  map[string][]string // repository -> branches
	guarded  map[string]bool     // repositories whose branches are told by a guard or a deployment
	forges   map[evidence.SourceID]bool
	files    changedFiles
}

// commit is one commit, whoever saw it.
type commit struct {
	seq     uint64 // 0: only named as a parent
	sha     string
	repo    string
	branch  string // where it was first seen
	parents []int32
	when    time.Time // authored
	author  evidence.ID
	landed  landing
	sources []evidence.SourceID
	also    []uint64 // records of other sources
	order   int      // parents before children

	files      []int32 // changed paths, of changeIndex.files
	filesWhole bool    // these are all
}

// landing is when a commit came to a watched branch.
type landing struct {
	at      time.Time
	branch  string // "": not on a watched branch
	claimed bool   // nobody saw it happen: the time is the commit's own claim
	ref     uint64 // the record of the branch's move, 0 when none was seen
}

// request is one merge or pull request in its newest version.
type request struct {
	seqs    []uint64 // newest version first
	source  evidence.SourceID
	subject evidence.Ref
	repo    string
	people  []evidence.Party
	facts   evidence.MergeFacts
	merged  time.Time // zero: not merged
	reviews []review

	verdicts map[string]answer // of the review, by question
}

// review is one review of a request, from the request or from a record of its own.
type review struct {
	id     string
	person evidence.Party
	named  bool // the source named the person
	state  string
	commit string
	at     time.Time
}

var objectID = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// index returns the scene's change index, building it at first use. It reads
// all change records of the log: a commit may be older than the period, and
// its own dates prove nothing.
func (s *scene) index(ctx context.Context) (*changeIndex, error) {
	return s.joins.changes.get(s, func() (*changeIndex, error) { return s.newIndex(ctx) })
}

func (s *scene) newIndex(ctx context.Context) (*changeIndex, error) {
	x, err := s.joinChanges(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range s.cover.sources(evidence.ChangeMerge) {
		x.forges[id] = true
	}
	return x, nil
}

// joinChanges makes the index of what was recorded, whatever was observed.
func (s *scene) joinChanges(ctx context.Context) (*changeIndex, error) {
	x := &changeIndex{
		bySHA: map[string]int{}, carried: map[int]*request{}, watched: map[string][]string{},
		guarded: map[string]bool{}, forges: map[evidence.SourceID]bool{}, files: changedFiles{byID: map[string]int32{}},
	}
	l := &changeLoader{x: x, requests: map[string]*request{}, reviews: map[string][]review{}}
	if err := l.load(ctx, s); err != nil {
		return nil, err
	}
	l.finish()
	return x, nil
}

// changeLoader fills an index from records in log order.
type changeLoader struct {
	x        *changeIndex
	requests map[string]*request // source and subject
	reviews  map[string][]review
	refs     []refMove
}

type refMove struct {
	seq    uint64
	repo   string
	branch string
	sha    string
	at     time.Time
	first  bool // nobody looked before: it says nothing about when its commits came
}

// load reads all change records of the log and what is deployed.
func (l *changeLoader) load(ctx context.Context, s *scene) error {
	kinds := []evidence.Kind{evidence.ChangeCommit, evidence.ChangeMerge, evidence.ChangeReview, evidence.ChangeProtection, evidence.ChangeRef}
	for r, err := range s.reader.Records(ctx, evidence.Query{Kinds: kinds, BySeq: true}) {
		if err == nil {
			err = l.take(&r)
		}
		if err != nil {
			return fmt.Errorf("changes: %w", err)
		}
	}
	return l.deployed(ctx, s)
}

func (l *changeLoader) take(r *evidence.Record) error {
	switch r.Kind {
	case evidence.ChangeCommit:
		return l.commit(r)
	case evidence.ChangeMerge:
		return l.request(r)
	case evidence.ChangeReview:
		return l.review(r)
	case evidence.ChangeProtection:
		var f evidence.ProtectionFacts
		if r.Op != evidence.OpSet {
			return nil
		}
		if err := r.Decode(&f); err != nil {
			return err
		}
		l.watch(repoName(f.Repo), branchName(f.Branch))
	case evidence.ChangeRef:
		var f evidence.RefFacts
		if r.Op != evidence.OpSet {
			return nil
		}
		if err := r.Decode(&f); err != nil {
			return err
		}
		l.refs = append(l.refs, refMove{r.Seq, repoName(f.Repo), branchName(f.Ref), f.SHA, r.Occurred, r.NotBefore.IsZero()})
	}
	return nil
}

func (l *changeLoader) watch(repo, branch string) {
	l.x.guarded[repo] = true
	if !slices.Contains(l.x.watched[repo], branch) {
		l.x.watched[repo] = append(l.x.watched[repo], branch)
	}
}

// repoName gives owner/name of a repository, whether a source calls it by a
// URL or by its name.
func repoName(s string) string {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		_, s, _ = strings.Cut(rest, "/")
	} else if host, path, ok := strings.Cut(s, ":"); ok && strings.Contains(host, "@") {
		s = path
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(s, "/"), ".git"))
}

func branchName(s string) string { return strings.TrimPrefix(s, "refs/heads/") }

// node returns the index of a commit, adding it when it is new.
func (x *changeIndex) node(sha string) int {
	i, ok := x.bySHA[sha]
	if !ok {
		i = len(x.commits)
		x.bySHA[sha] = i
		x.commits = append(x.commits, commit{sha: sha})
	}
	return i
}

// commit takes a commit. Seen by several sources it stays one: its id is its
// content. What a forge says of it goes before what plain git says.
func (l *changeLoader) commit(r *evidence.Record) error {
	var f evidence.CommitFacts
	if err := r.Decode(&f); err != nil {
		return err
	}
	parents := make([]int32, 0, len(f.Parents))
	for _, p := range f.Parents {
		parents = append(parents, int32(l.x.node(p)))
	}
	c := &l.x.commits[l.x.node(f.SHA)]
	l.x.files.take(c, &f)
	if c.seq != 0 {
		c.also = append(c.also, r.Seq)
		c.sources = append(c.sources, r.Source)
		if at := landingOf(r); !at.claimed && (c.landed.claimed || at.at.Before(c.landed.at)) {
			c.landed.at, c.landed.claimed = at.at, false
		}
		return nil
	}
	c.seq, c.repo, c.branch, c.parents, c.when = r.Seq, repoName(f.Repo), branchName(f.Branch), parents, f.AuthoredAt
	c.sources, c.landed = []evidence.SourceID{r.Source}, landingOf(r)
	if f.Author >= 0 && f.Author < len(r.People) {
		c.author = r.People[f.Author].Token
	}
	return nil
}

// landingOf says when a commit came by its own record: the source's word, else
// the first look that showed it, else, when nobody looked before, its own
// claim.
func landingOf(r *evidence.Record) landing {
	switch {
	case r.Basis != evidence.BasisClaimed:
		return landing{at: r.Occurred}
	case !r.NotBefore.IsZero():
		return landing{at: r.Observed}
	}
	return landing{at: r.Occurred, claimed: true}
}

func (l *changeLoader) request(r *evidence.Record) error {
	l.x.forges[r.Source] = true
	key := string(r.Source) + "\x00" + r.Subject.String()
	q := l.requests[key]
	if q == nil {
		q = &request{source: r.Source, subject: r.Subject, verdicts: map[string]answer{}}
		l.requests[key] = q
		l.x.requests = append(l.x.requests, q)
	}
	q.seqs = append([]uint64{r.Seq}, q.seqs...)
	q.facts, q.people = evidence.MergeFacts{}, r.People
	if err := r.Decode(&q.facts); err != nil {
		return err
	}
	q.facts.Files = nil // many, and no rule reads them
	q.repo = repoName(q.facts.Repo)
	q.merged = time.Time{}
	if q.facts.State == "merged" {
		q.merged = firstTime(q.facts.MergedAt, q.facts.ClosedAt, r.Occurred)
	}
	return nil
}

func firstTime(ts ...time.Time) time.Time {
	for _, t := range ts {
		if !t.IsZero() {
			return t.UTC()
		}
	}
	return time.Time{}
}

func (l *changeLoader) review(r *evidence.Record) error {
	var f evidence.ReviewFacts
	if err := r.Decode(&f); err != nil {
		return err
	}
	v := review{id: f.ID, state: f.State, commit: f.Commit, at: r.Occurred}
	if v.named = f.Person >= 0 && f.Person < len(r.People); v.named {
		v.person = r.People[f.Person]
	}
	key := fmt.Sprintf("%s\x00%s!%d", r.Source, repoName(f.Repo), f.Number)
	l.reviews[key] = append(l.reviews[key], v)
	return nil
}

// deployed watches the branches that applications follow.
func (l *changeLoader) deployed(ctx context.Context, s *scene) error {
	for r, err := range s.reader.States(ctx, evidence.DeployState, s.period.To) {
		if err != nil {
			return fmt.Errorf("applications: %w", err)
		}
		var f evidence.DeployFacts
		if err := r.Decode(&f); err != nil {
			return err
		}
		for _, src := range f.Sources {
			b := branchName(src.TargetRevision)
			if src.Kind != "" && src.Kind != "GitRepository" || src.Chart != "" || b == "" || b == "HEAD" || objectID.MatchString(b) || strings.HasPrefix(b, "refs/") {
				continue
			}
			l.watch(repoName(src.RepoURL), b)
		}
	}
	return nil
}

// finish joins what was read.
func (l *changeLoader) finish() {
	x := l.x
	for i := range x.commits {
		if repo := x.commits[i].repo; repo != "" && !x.guarded[repo] {
			x.watched[repo] = []string{"main", "master"}
		}
	}
	for _, q := range x.requests {
		q.reviews = l.reviewsOf(q)
		if repo := q.repo; !x.guarded[repo] {
			x.watched[repo] = []string{"main", "master"}
		}
	}
	x.sort()
	l.land()
	for _, q := range x.requests {
		if !q.merged.IsZero() && x.isWatched(q.repo, q.facts.Base) {
			x.carry(q)
		}
	}
}

// reviewsOf joins the reviews a request lists with those that are records of
// their own, in order of time. The list is the later word on a review that
// stands in both, except for a dismissed one: only its own records say when it
// was dismissed.
func (l *changeLoader) reviewsOf(q *request) []review {
	var vs []review
	own := l.reviews[fmt.Sprintf("%s\x00%s!%d", q.source, q.repo, q.facts.Number)]
	listed := map[string]bool{}
	for _, f := range q.facts.Reviews {
		if f.State == "dismissed" && slices.ContainsFunc(own, func(v review) bool { return v.id == f.ID }) {
			continue
		}
		v := review{id: f.ID, state: f.State, commit: f.Commit, at: f.At}
		if v.named = f.Person >= 0 && f.Person < len(q.people); v.named {
			v.person = q.people[f.Person]
		}
		listed[f.ID] = true
		vs = append(vs, v)
	}
	for _, v := range own {
		if !listed[v.id] {
			vs = append(vs, v)
		}
	}
	slices.SortStableFunc(vs, func(a, b review) int { return a.at.Compare(b.at) })
	return vs
}

func (x *changeIndex) isWatched(repo, branch string) bool {
	return slices.Contains(x.watched[repo], branchName(branch))
}

// sort numbers the commits so that parents come before children.
func (x *changeIndex) sort() {
	const open, done = -1, 0
	next := 1
	var stack []int
	for i := range x.commits {
		stack = append(stack[:0], i)
		for len(stack) > 0 {
			top := stack[len(stack)-1]
			c := &x.commits[top]
			if c.order > done {
				stack = stack[:len(stack)-1]
				continue
			}
			if c.order == open {
				c.order, next = next, next+1
				stack = stack[:len(stack)-1]
				continue
			}
			c.order = open
			for _, p := range c.parents {
				if x.commits[p].order == done {
					stack = append(stack, int(p))
				}
			}
		}
	}
}

// land finds which commits came to a watched branch, and when: with a move of
// the branch that was seen, else by their own record.
func (l *changeLoader) land() {
	x := l.x
	reached := map[string]map[int]bool{}
	for _, m := range l.refs {
		if !x.isWatched(m.repo, m.branch) {
			continue
		}
		key := m.repo + "\x00" + m.branch
		if reached[key] == nil {
			reached[key] = map[int]bool{}
		}
		x.walk(x.node(m.sha), reached[key], func(c *commit) {
			if c.landed.branch != "" {
				return
			}
			c.landed.branch, c.landed.ref = m.branch, m.seq
			if !m.first {
				c.landed.at, c.landed.claimed = m.at, false
			}
		})
	}
	for i := range x.commits {
		c := &x.commits[i]
		if c.seq != 0 && c.landed.branch == "" && x.isWatched(c.repo, c.branch) {
			c.landed.branch = c.branch
		}
	}
}

// walk visits a commit and its ancestors, each once for the set.
func (x *changeIndex) walk(from int, seen map[int]bool, visit func(*commit)) {
	stack := []int{from}
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[i] {
			continue
		}
		seen[i] = true
		visit(&x.commits[i])
		for _, p := range x.commits[i].parents {
			stack = append(stack, int(p))
		}
	}
}

// carry notes which commits a merged request brought: the landed commit, the
// request's own commits, and for a rebase their copies.
func (x *changeIndex) carry(q *request) {
	take := func(sha string) {
		if i, ok := x.bySHA[sha]; ok && x.carried[i] == nil {
			x.carried[i] = q
		}
	}
	take(q.facts.MergeSHA)
	take(q.facts.HeadSHA)
	for _, sha := range q.facts.Commits {
		take(sha)
	}
	for _, i := range x.rebased(q) {
		if x.carried[i] == nil {
			x.carried[i] = q
		}
	}
	if merge, ok := x.bySHA[q.facts.MergeSHA]; ok && q.facts.CommitsCut && len(x.commits[merge].parents) > 1 {
		head, base := x.commits[merge].parents[1], x.commits[merge].parents[0]
		for _, i := range x.between(int(head), int(base)) {
			if x.carried[i] == nil {
				x.carried[i] = q
			}
		}
	}
}

// rebased finds the copies that a rebase made of the request's commits: as
// many commits as the request has, ending in the landed one, each with author
// and author time of its original. One that does not match means that it was
// no rebase.
func (x *changeIndex) rebased(q *request) []int {
	at, ok := x.bySHA[q.facts.MergeSHA]
	if !ok || q.facts.CommitsCut || slices.Contains(q.facts.Commits, q.facts.MergeSHA) {
		return nil
	}
	var copies []int
	for i := len(q.facts.Commits) - 1; i >= 0; i-- {
		o, ok := x.bySHA[q.facts.Commits[i]]
		c := &x.commits[at]
		if !ok || c.seq == 0 || len(c.parents) != 1 || c.when.IsZero() ||
			!c.when.Equal(x.commits[o].when) || c.author != x.commits[o].author {
			return nil
		}
		copies = append(copies, at)
		at = int(c.parents[0])
	}
	return copies
}
