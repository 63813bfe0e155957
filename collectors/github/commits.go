package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// branches looks at each watched branch, and once more at one that is watched
// no longer because the default branch changed.
func (r *repoLook) branches() error {
	there := 0
	for _, name := range r.watched {
		ok, err := r.branch(name)
		if forge.Odd(err) != nil {
			r.lostBranch(name, err)
			ok, err = true, nil
		}
		if err != nil {
			return err
		}
		if ok {
			there++
		}
	}
	if there == 0 && !r.empty {
		return problem.New(problem.NotFound, "none of the watched branches exists").WithHint("correct the names under branches")
	}
	for _, name := range r.st.Branches.Unwatched(r.watched) {
		if err := r.unwatch(name); err != nil {
			return err
		}
	}
	r.joinClaims()
	return nil
}

// lostBranch claims that a branch of which something cannot be read was not seen:
// where it stands, its commits, its guard. The other branches are read.
func (r *repoLook) lostBranch(name string, err error) {
	e, st := forge.Odd(err), r.st.Branches.Of(name)
	r.missing = forge.AddOnce(r.missing, "repository "+r.name+": "+err.Error())
	from := st.Looked
	if from.IsZero() {
		from = r.started
	}
	r.claim(evidence.Blind, from, e.Cause(), evidence.ChangeCommit)
	if r.unlooked.IsZero() || from.Before(r.unlooked) {
		r.unlooked = from
	}
	r.unread[name] = err
}

func (r *repoLook) unwatch(name string) error {
	st := r.st.Branches[name]
	_, _, err := r.head(name)
	if fetch.Status(err) == http.StatusNotFound && st.Head != "" {
		_, err = r.noBranch(name, st, err)
		return err
	}
	if forge.Odd(err) != nil { // it may be gone; the next look asks again
		r.missing = forge.AddOnce(r.missing, "repository "+r.name+": "+err.Error())
		return nil
	}
	if err != nil && fetch.Status(err) != http.StatusNotFound {
		return err
	}
	r.note("repository %s: a branch that was watched is watched no longer", r.name)
	r.after = append(r.after, func() { delete(r.st.Branches, name) })
	return nil
}

// joinClaims makes one claim of those of all branches: the weakest class
// holds, since a claim does not name branches.
func (r *repoLook) joinClaims() {
	if len(r.seen) == 0 {
		return
	}
	r.seen = []evidence.Seen{forge.Weakest(r.seen)}
	if !r.unlooked.IsZero() {
		r.claim(evidence.Blind, r.unlooked, r.seen[0].Cause, evidence.ChangeRef, evidence.ChangeRewrite)
		return
	}
	r.claim(evidence.Instants, r.started, "", evidence.ChangeRef, evidence.ChangeRewrite)
}

// branch reads the commits between the head of the last look and the head now;
// false: there is no such branch.
func (r *repoLook) branch(name string) (bool, error) {
	st := r.st.Branches.Of(name)
	head, p, err := r.head(name)
	if fetch.Status(err) == http.StatusNotFound {
		return r.noBranch(name, st, err)
	}
	if err != nil {
		return false, err
	}
	r.heads[name] = p
	r.fresh = r.fresh || st.Looked.IsZero()
	if st.Walk != nil { // a run was cut here
		if err := r.walk(name, st); err != nil {
			return false, err
		}
	}
	if st.Head != head {
		r.want(head, r.started) // before anything is committed under the new head
		if err := r.advance(name, st, head); err != nil {
			return false, err
		}
	}
	if err := r.emit(r.refDraft(name, st, head, p)); err != nil {
		return false, err
	}
	r.looked(st)
	return true, nil
}

// looked claims what was seen of a branch. Its position in time moves when the
// claim is committed, so that a run that fails later leaves no hole.
func (r *repoLook) looked(st *forge.BranchState) {
	switch {
	case st.Looked.IsZero():
		r.claimFirst(r.oldest, evidence.ChangeCommit)
		if st.Class == evidence.Blind {
			first := &r.seen[len(r.seen)-1]
			first.Class, first.Cause = st.Class, st.Cause
		}
	case st.Class != "":
		r.claim(st.Class, st.Looked, st.Cause, evidence.ChangeCommit)
	default:
		r.claim(evidence.Continuous, st.Looked, "", evidence.ChangeCommit)
	}
	r.after = append(r.after, func() { st.Claimed(r.started) })
}

// advance reads what the new head reaches and the old one did not.
func (r *repoLook) advance(name string, st *forge.BranchState, head string) error {
	w := &forge.Walk{Base: st.Head, Head: head}
	if st.Head == "" {
		w.Base = r.st.Branches.Start(name, r.watched)
	} else {
		gone, rewritten, apart, err := r.rewritten(name, st, head)
		if err != nil {
			return err
		}
		if gone || apart { // nothing to compare with: all of the new history is new
			w.Base = r.st.Branches.Start(name, r.watched)
		}
		if rewritten {
			st.Rewritten(gone)
		}
	}
	if w.Base != "" && st.Head != "" {
		r.st.Origins.Since(w.Base, head, r.started)
	}
	st.Walk = w
	return r.walk(name, st)
}

// head returns the object id a branch points at.
func (r *repoLook) head(name string) (string, *page, error) {
	p, err := r.get(r.ctx, r.path+"/branches/"+url.PathEscape(name))
	if err != nil {
		return "", nil, err
	}
	var b struct {
		Name   string `json:"name"`
		Commit struct {
			SHA string `json:"sha"`
		} `json:"commit"`
	}
	if err := decode(p, &b); err != nil {
		return "", nil, err
	}
	if b.Name != "" && b.Name != name {
		// GitHub sends who asks for a branch that was renamed, and for some that
		// are gone, on to another one. What that one holds is not this one's.
		r.note("repository %s: a watched branch is answered for by another one: it was renamed or is gone; change its name under branches", r.name)
		return "", nil, fetch.StatusProblem(http.MethodGet, r.fetch.Base(), http.StatusNotFound)
	}
	if !forge.ObjectID.MatchString(b.Commit.SHA) {
		return "", nil, oddItem(p, "no object id of the branch")
	}
	return b.Commit.SHA, p, nil
}

// noBranch tells a branch that is gone from one that this credential cannot
// see: the list of branches must be readable.
func (r *repoLook) noBranch(name string, st *forge.BranchState, cause error) (bool, error) {
	p, err := r.get(r.ctx, r.path+"/branches?per_page=1")
	if err != nil {
		return false, err
	}
	list, err := items(p)
	if err != nil {
		return false, err
	}
	switch {
	case st.Head != "":
		return false, r.deleted(name, st, p)
	case len(list) == 0:
		r.empty = true
		r.note("repository %s is empty", r.name)
		r.looked(st)
		return false, nil
	case name == r.fallback:
		return false, problem.Wrap(problem.Source, cause, "the default branch cannot be read").WithHint("grant the credential read access to contents")
	}
	r.note("repository %s has no branch %q", r.name, name)
	delete(r.st.Branches, name)
	return false, nil
}

// deleted records that a watched branch is gone.
func (r *repoLook) deleted(name string, st *forge.BranchState, p *page) error {
	f := evidence.RewriteFacts{Repo: r.name, Ref: "refs/heads/" + name, Before: st.Head}
	ref := r.refDraft(name, st, st.Head, p)
	ref.Op = evidence.OpEnd
	guard := r.protectionDraft(name, &evidence.ProtectionFacts{Repo: r.name, Branch: name, Classic: "no"}, p.req)
	guard.Op = evidence.OpEnd
	for _, d := range []evidence.Draft{r.rewriteDraft(name, st, p, f), ref, guard} {
		if err := r.emit(d); err != nil {
			return err
		}
	}
	r.gone = append(r.gone, name)
	r.claim(evidence.Reconstructed, st.Looked, forge.BranchDeleted, evidence.ChangeCommit)
	r.after = append(r.after, func() { delete(r.st.Branches, name) })
	return nil
}

// walk reads the pages of st.Walk that were not read yet and commits after
// each, so that a long first look survives a rate limit.
func (r *repoLook) walk(branch string, st *forge.BranchState) error {
	w := st.Walk
	path := r.path + "/commits?sha=" + w.Head + "&per_page=100"
	if w.Base != "" {
		path = r.comparePath(w.Base, w.Head)
	}
	if w.Page > 0 {
		path += "&page=" + strconv.Itoa(w.Page+1)
	}
	total := 0
	err := r.pages(r.ctx, path, func(p *page) (bool, error) {
		list, n, err := commitItems(p, w.Base != "")
		if err != nil {
			return false, err
		}
		total = max(total, n)
		recent, err := r.commits(branch, st, p, list, w.Base == "")
		if err != nil {
			return false, err
		}
		w.Page++
		w.Got += len(list)
		if p.next == "" {
			return false, nil
		}
		return recent, r.progress()
	})
	switch {
	case w.Base != "" && means(err, tooMuch):
		err = r.walkLists(branch, st, maxHistory)
	case err == nil && total > w.Got:
		err = r.walkRest(branch, st, total)
	}
	if err != nil {
		return err
	}
	st.Head, st.Walk = w.Head, nil
	return r.progress()
}

// walkRest commits what a comparison counts and does not list. What the lists of
// commits do not tell either was not seen: the branch goes on from its new head.
func (r *repoLook) walkRest(branch string, st *forge.BranchState, total int) error {
	w := st.Walk
	err := r.walkLists(branch, st, min(maxHistory+total/100, maxRest))
	var far *farError
	if !errors.As(err, &far) {
		return err
	}
	st.Class, st.Cause = evidence.Blind, "GitHub did not list all commits that came between two looks"
	r.missing = forge.AddOnce(r.missing, fmt.Sprintf("repository %s: GitHub lists %d of %d commits that came between two looks, and they are too many for its lists of commits: collect the commits of this repository from a clone, with a gitrepo source",
		r.name, w.Got, total))
	return nil
}

// walkLists commits what st.Walk would find by comparing, from so many pages of
// each history at most.
func (r *repoLook) walkLists(branch string, st *forge.BranchState, pages int) error {
	list, _, err := r.beyond(st.Walk.Base, st.Walk.Head, pages)
	if err != nil {
		return r.spoilBranch(st, err)
	}
	for i, l := range list {
		if _, err := r.commits(branch, st, l.page, []json.RawMessage{l.raw}, false); err != nil {
			return err
		}
		if i%100 == 99 {
			if err := r.progress(); err != nil {
				return err
			}
		}
	}
	return nil
}

// commitItems reads a page of a list or of a comparison, oldest first. total is
// how many a comparison counts, on all its pages.
func commitItems(p *page, comparing bool) (list []json.RawMessage, total int, err error) {
	if comparing {
		var c comparison
		err := decode(p, &c)
		return c.Commits, c.Total, err
	}
	list, err = items(p)
	slices.Reverse(list)
	return list, 0, err
}

// commits emits the commits of a page. On a first walk those older than the
// horizon are left out, and recent is false when all of them are.
func (r *repoLook) commits(branch string, st *forge.BranchState, p *page, list []json.RawMessage, bounded bool) (recent bool, err error) {
	for _, raw := range list {
		it, err := readCommit(p, raw)
		if err != nil {
			if err := r.spoilBranch(st, err); err != nil {
				return false, err
			}
			recent = true // it is not known to be old
			continue
		}
		at := when(it.GetCommit().GetCommitter().GetDate())
		// One without a date that can be written is not known to be old.
		if bounded && !at.IsZero() && at.Before(r.horizon()) {
			continue
		}
		recent = true
		if r.done[it.GetSHA()] {
			continue
		}
		if !at.IsZero() && (r.oldest.IsZero() || at.Before(r.oldest)) {
			r.oldest = at
		}
		fs, err := r.commitFiles(it.GetSHA())
		if err != nil {
			return false, err
		}
		if err := r.emit(r.commitDraft(branch, st, p, it, raw, fs)); err != nil {
			return false, err
		}
		r.done[it.GetSHA()] = true
	}
	return recent, nil
}

// spoilBranch takes note of a commit of a branch that could not be read, and goes
// on: not all that came to the branch since the last look was seen. Any other error
// stays one.
func (r *repoLook) spoilBranch(st *forge.BranchState, err error) error {
	e := forge.Odd(err)
	if e == nil {
		return err
	}
	st.Class, st.Cause = evidence.Blind, e.Cause()
	r.missing = forge.AddOnce(r.missing, "repository "+r.name+": "+err.Error())
	return nil
}

// pedigree is what of a commit its place in the history needs, and no more: it can
// be told of one that cannot be read.
type pedigree struct {
	SHA     string `json:"sha"`
	Parents []struct {
		SHA string `json:"sha"`
	} `json:"parents"`
}

func readPedigree(p *page, raw json.RawMessage) (*pedigree, error) {
	var it pedigree
	if json.Unmarshal(raw, &it) != nil || !forge.ObjectID.MatchString(it.SHA) {
		return nil, oddItem(p, "a commit without an object id")
	}
	for _, par := range it.Parents {
		if !forge.ObjectID.MatchString(par.SHA) {
			return nil, oddItem(p, "a parent without an object id")
		}
	}
	return &it, nil
}

func readCommit(p *page, raw json.RawMessage) (*gh.RepositoryCommit, error) {
	var it gh.RepositoryCommit
	if err := decode(p.item(raw), &it); err != nil {
		return nil, err
	}
	if !forge.ObjectID.MatchString(it.GetSHA()) || it.Commit == nil {
		return nil, oddItem(p, "a commit without an object id")
	}
	for _, par := range it.Parents {
		if !forge.ObjectID.MatchString(par.GetSHA()) {
			return nil, oddItem(p, "a parent without an object id")
		}
	}
	return &it, nil
}

// fileList is the changed files of a commit or request. The source lists 3,000
// at most.
type fileList struct {
	files  []*gh.CommitFile
	whole  bool
	parent string // of a commit, the first one
}

const apiFiles = 3000

func (r *repoLook) commitFiles(sha string) (fileList, error) {
	var l fileList
	err := r.pages(r.ctx, r.path+"/commits/"+sha+"?per_page=100", func(p *page) (bool, error) {
		var c gh.RepositoryCommit
		if err := decode(p, &c); err != nil {
			return false, err
		}
		if c.GetSHA() != sha {
			return false, odd(p, "another commit than was asked for")
		}
		l.files = append(l.files, c.Files...)
		if len(c.Parents) > 0 {
			l.parent = c.Parents[0].GetSHA()
		}
		return true, nil
	})
	l.whole = len(l.files) < apiFiles
	if means(err, tooMuch) {
		// The commit is there, and listed: only what it changed is not told.
		r.note("repository %s: GitHub does not list the files of commit %s: too much changed", r.name, sha[:12])
		l.whole, err = false, nil
	}
	if forge.Odd(err) != nil {
		r.note("repository %s: what a commit changed cannot be read in full: every owner of a path is told of it", r.name)
		l.whole, err = false, nil
	}
	return l, err
}

// maxParents bounds the parents in facts; the others stand in Raw.
const maxParents = evidence.MaxLinks - forge.MaxPaths

func (r *repoLook) commitDraft(branch string, st *forge.BranchState, p *page, it *gh.RepositoryCommit, raw []byte, fl fileList) evidence.Draft {
	who := newPeople(r.Collector)
	c := it.GetCommit()
	f := evidence.CommitFacts{
		Repo: r.name, SHA: it.GetSHA(), Branch: branch, Merge: len(it.Parents) > 1,
		AuthoredAt:  when(c.GetAuthor().GetDate()),
		CommittedAt: when(c.GetCommitter().GetDate()),
		Author:      who.claimed(evidence.RoleAuthor, c.Author),
		Committer:   who.claimed(evidence.RoleCommitter, c.Committer),
	}
	// The account that the source finds by the claimed mail address.
	who.account(evidence.RoleAuthor, it.Author, evidence.ProofClaimed)
	who.account(evidence.RoleCommitter, it.Committer, evidence.ProofClaimed)
	who.Trailed(evidence.RoleAuthor, c.GetMessage())
	for _, par := range it.Parents[:min(len(it.Parents), maxParents)] {
		f.Parents = append(f.Parents, par.GetSHA())
	}
	if v := c.Verification; v != nil {
		f.Verified, f.VerifiedWhy = v.Verified, verifiedWhy(v.GetReason())
		f.Signature = signature(v.GetSignature())
		var newer struct { // the library has no time of the verdict
			Commit struct {
				Verification struct {
					At *gh.Timestamp `json:"verified_at"`
				} `json:"verification"`
			} `json:"commit"`
		}
		if json.Unmarshal(raw, &newer) == nil && newer.Commit.Verification.At != nil {
			f.VerifiedAt = when(*newer.Commit.Verification.At)
		}
	}
	mask := who.Mask()
	f.Files, f.FilesCut = files(fl.files, 0, mask)
	d := r.draft(evidence.ChangeCommit, evidence.OpEvent, p.req, f)
	if !f.CommittedAt.IsZero() {
		d.OccurredAt, d.Basis = f.CommittedAt, evidence.BasisClaimed
	}
	d.NotBefore = st.Looked
	d.Key = r.key("@%s", it.GetSHA())
	d.Subject = forge.Commit(it.GetSHA())
	d.People = who.List
	d.Scope = changed(fl, mask).Scope(r.authority, r.name)
	d.Mentions = forge.MentionFiles(r.authority, r.name, f.Files)
	r.memory.Keep(f.SHA, forge.Read{Changed: changed(fl, forge.CleanPath), Parent: fl.parent})
	d.Links = append(commitLinks(f.Parents...), d.Scope[1:]...) // the paths
	d.Links = d.Links[:min(len(d.Links), evidence.MaxLinks)]
	d.ActorScope = r.actor(nil, d.OccurredAt) // a header only claims who wrote it
	d.Text = forge.Text(c.GetMessage())
	d.Raw = raw
	return d
}

// signature names the kind of a signature by its armour.
func signature(s string) string {
	switch {
	case s == "":
		return "none"
	case strings.Contains(s, "BEGIN PGP"):
		return "openpgp"
	case strings.Contains(s, "BEGIN SSH"):
		return "ssh"
	}
	return "x509"
}

// verifiedWhy keeps the source's reason when it is a word of its list.
func verifiedWhy(s string) string {
	if len(s) > 40 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "other"
	}
	return s
}

func (r *repoLook) refDraft(branch string, st *forge.BranchState, head string, p *page) evidence.Draft {
	d := r.draft(evidence.ChangeRef, evidence.OpSet, p.req, evidence.RefFacts{Repo: r.name, Ref: "refs/heads/" + branch, SHA: head, Tagger: -1})
	d.NotBefore = st.Looked
	d.Key = r.key("@%s", branch)
	d.Subject = r.branchRef(r.name, branch)
	d.Links = commitLinks(head)
	return d
}
