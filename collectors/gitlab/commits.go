package gitlab

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// branches looks at each watched branch, and once more at one that is watched
// no longer because the default branch changed.
func (r *projectLook) branches(full bool) error {
	there := 0
	for _, name := range r.watched {
		ok, err := r.branch(name, full)
		if forge.Odd(err) != nil {
			ok, err = true, r.lostBranch(name, err)
		}
		if err != nil {
			return err
		}
		if ok {
			there++
		}
	}
	if there == 0 && len(r.watched) > 0 && !r.empty {
		return problem.New(problem.NotFound, "none of the watched branches exists").WithHint("correct the names under branches, or grant the credential a role that reads the repository")
	}
	for _, name := range r.st.Branches.Unwatched(r.watched) {
		if err := r.unwatch(name); err != nil {
			return err
		}
	}
	return nil
}

// lostBranch claims that a branch of which something cannot be read was not seen.
// The other branches are read.
func (r *projectLook) lostBranch(name string, err error) error {
	e, from := forge.Odd(err), r.blindFrom(r.st.Branches.Of(name).Looked)
	r.st.Read = time.Time{} // a quiet project is asked again too
	r.missing = forge.AddOnce(r.missing, "project "+strconv.Itoa(r.id)+": "+err.Error())
	r.claim(r.ref, evidence.Blind, from, e.Cause(), 0, evidence.ChangeCommit)
	if r.unlooked.IsZero() || from.Before(r.unlooked) {
		r.unlooked = from
	}
	return nil
}

func (r *projectLook) unwatch(name string) error {
	st := r.st.Branches[name]
	_, _, err := r.head(name)
	if fetch.Status(err) == http.StatusNotFound && st.Head != "" {
		_, err = r.noBranch(name, st, err)
		return err
	}
	if forge.Odd(err) != nil { // it may be gone; the next look asks again
		r.st.Read = time.Time{}
		r.missing = forge.AddOnce(r.missing, "project "+strconv.Itoa(r.id)+": "+err.Error())
		return nil
	}
	if err != nil && fetch.Status(err) != http.StatusNotFound {
		return err
	}
	r.note("project %d: a branch that was watched is watched no longer", r.id)
	r.after = append(r.after, func() { delete(r.st.Branches, name) })
	return nil
}

// joinClaims makes one claim of those of all branches, which stand from index
// on: the weakest class holds, since a claim does not name branches.
func (r *projectLook) joinClaims(from int) {
	if len(r.seen) == from {
		if r.empty { // there is no branch, and the source says so
			r.claim(r.ref, evidence.Instants, r.started, "", 0, evidence.ChangeRef, evidence.ChangeRewrite)
		}
		return
	}
	r.seen = append(r.seen[:from], forge.Weakest(r.seen[from:]))
	if !r.unlooked.IsZero() {
		r.claim(r.ref, evidence.Blind, r.unlooked, r.seen[from].Cause, 0, evidence.ChangeRef, evidence.ChangeRewrite)
		return
	}
	r.claim(r.ref, evidence.Instants, r.started, "", 0, evidence.ChangeRef, evidence.ChangeRewrite)
}

// branch reads the commits between the head of the last look and the head now;
// false: there is no such branch.
func (r *projectLook) branch(name string, full bool) (bool, error) {
	st := r.st.Branches.Of(name)
	head, p, err := r.head(name)
	if fetch.Status(err) == http.StatusNotFound {
		return r.noBranch(name, st, err)
	}
	if err != nil {
		return false, err
	}
	if st.Walk != nil { // a run was cut here
		if err := r.walk(name, st); err != nil {
			return false, err
		}
	}
	if st.Head != head {
		if full && st.Class == "" {
			r.found = true
			st.Class, st.Cause = evidence.Reconstructed, untold
		}
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
func (r *projectLook) looked(st *forge.BranchState) {
	seen := len(r.seen)
	switch {
	case st.Looked.IsZero() && r.young(r.created):
		r.claim(r.ref, evidence.Continuous, r.cur.Looked, "", 0, evidence.ChangeCommit)
	case st.Looked.IsZero():
		r.claimFirst(r.ref, r.cfg.History, r.oldest, evidence.ChangeCommit)
	case st.Class != "":
		r.claim(r.ref, st.Class, st.Looked, st.Cause, 0, evidence.ChangeCommit)
	default:
		r.claim(r.ref, evidence.Continuous, st.Looked, "", 0, evidence.ChangeCommit)
	}
	if st.Class == evidence.Blind { // of a first look too
		r.seen[seen].Class, r.seen[seen].Cause = st.Class, st.Cause
	}
	r.after = append(r.after, func() { st.Claimed(r.started) })
}

// advance reads what the new head reaches and the old one did not.
func (r *projectLook) advance(name string, st *forge.BranchState, head string) error {
	w := &forge.Walk{Base: st.Head, Head: head}
	if st.Head == "" {
		w.Base = r.st.Branches.Start(name, r.watched)
	} else {
		gone, rewritten, err := r.rewritten(name, st, head)
		if err != nil {
			return err
		}
		if gone {
			w.Base = r.st.Branches.Start(name, r.watched)
		}
		if rewritten {
			st.Rewritten(gone)
		}
	}
	st.Walk = w
	return r.walk(name, st)
}

// head returns the object id a branch points at.
func (r *projectLook) head(name string) (string, *page, error) {
	p, err := r.get(r.ctx, r.api+"/repository/branches/"+url.PathEscape(name), nil)
	if err != nil {
		return "", nil, err
	}
	var b struct {
		Commit struct {
			ID string `json:"id"`
		} `json:"commit"`
	}
	if err := decode(p, &b); err != nil {
		return "", nil, err
	}
	if !forge.ObjectID.MatchString(b.Commit.ID) {
		return "", nil, oddItem(p, "no object id of the branch")
	}
	return b.Commit.ID, p, nil
}

// noBranch tells a branch that is gone from one that this credential cannot
// see: the list of branches must be readable.
func (r *projectLook) noBranch(name string, st *forge.BranchState, cause error) (bool, error) {
	p, err := r.get(r.ctx, r.api+"/repository/branches", &gl.ListBranchesOptions{ListOptions: gl.ListOptions{PerPage: 1}})
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
		r.note("project %d has an empty repository", r.id)
		r.looked(st)
		return false, nil
	case name == r.fallback:
		return false, problem.Wrap(problem.Source, cause, "the default branch cannot be read").WithHint("grant the credential a role that reads the repository")
	}
	r.note("project %d has no branch %q", r.id, name)
	delete(r.st.Branches, name)
	return false, nil
}

// deleted records that a watched branch is gone.
func (r *projectLook) deleted(name string, st *forge.BranchState, p *page) error {
	f := evidence.RewriteFacts{Repo: r.path, Ref: "refs/heads/" + name, Before: st.Head}
	ref := r.refDraft(name, st, st.Head, p)
	ref.Op = evidence.OpEnd
	guard := r.protectionDraft(name, &evidence.ProtectionFacts{Repo: r.path, Branch: name, Classic: "no"}, p.req)
	guard.Op = evidence.OpEnd
	for _, d := range []evidence.Draft{r.rewriteDraft(name, st, p, f), ref, guard} {
		if err := r.emit(d); err != nil {
			return err
		}
	}
	r.gone = append(r.gone, name)
	r.claim(r.ref, evidence.Reconstructed, st.Looked, forge.BranchDeleted, 0, evidence.ChangeCommit)
	r.after = append(r.after, func() { delete(r.st.Branches, name) })
	return nil
}

// rewritten reports whether the branch no longer descends from the stored
// head, and whether that head is gone from the source; it records either.
func (r *projectLook) rewritten(name string, st *forge.BranchState, head string) (gone, rewritten bool, err error) {
	f := evidence.RewriteFacts{Repo: r.path, Ref: "refs/heads/" + name, Before: st.Head, After: head}
	p, err := r.get(r.ctx, r.api+"/repository/merge_base", &gl.MergeBaseOptions{Ref: &[]string{st.Head, head}})
	switch {
	case fetch.Status(err) == http.StatusNotFound:
		// Nothing in common, or the old head is gone: it tells by itself.
		if p, err = r.get(r.ctx, r.api+"/repository/commits/"+head, nil); err != nil {
			return false, false, err
		}
		_, err = r.get(r.ctx, r.api+"/repository/commits/"+st.Head, nil)
		if fetch.Status(err) == http.StatusNotFound {
			return true, true, r.emit(r.rewriteDraft(name, st, p, f))
		}
		if err != nil {
			return false, false, err
		}
	case err != nil:
		return false, false, err
	default:
		var base struct {
			ID string `json:"id"`
		}
		if err := decode(p, &base); err != nil {
			return false, false, err
		}
		if !forge.ObjectID.MatchString(base.ID) {
			return false, false, odd(p, "a merge base without an object id")
		}
		if base.ID == st.Head {
			return false, false, nil
		}
	}
	if f.Lost, f.LostCut, err = r.lost(head, st.Head); err != nil {
		return false, false, err
	}
	return false, true, r.emit(r.rewriteDraft(name, st, p, f))
}

// span asks for the commits that head reaches and base does not; without a base
// all that head reaches.
func span(base, head string) *gl.ListCommitsOptions {
	name := head
	if base != "" {
		name = base + ".." + head
	}
	return &gl.ListCommitsOptions{ListOptions: gl.ListOptions{PerPage: perPage}, RefName: &name}
}

const maxLost = 200

// maxDiff is how many changed files of one commit GitLab tells at most, unless
// an administrator set it otherwise (diff_max_files); it does not say when it
// left some out.
const maxDiff = 1000

// lost lists, newest first, what the old head reaches and the new one does not.
func (r *projectLook) lost(head, old string) (shas []string, cut int, err error) {
	_, err = r.list(r.ctx, r.api+"/repository/commits", span(head, old), func(p *page, raw json.RawMessage) error {
		sha, err := objectID(p, raw)
		if err == nil {
			shas = append(shas, sha)
		} else {
			cut++
		}
		return nil
	})
	more := max(len(shas)-maxLost, 0)
	return shas[:len(shas)-more], cut + more, err
}

// walk reads the pages of st.Walk that were not read yet and commits after
// each, so that a long first look survives a rate limit.
func (r *projectLook) walk(branch string, st *forge.BranchState) error {
	w := st.Walk
	opt := span(w.Base, w.Head)
	if w.Page > 0 {
		opt.Page = w.Page + 1
	}
	_, err := r.pages(r.ctx, r.api+"/repository/commits", opt, nil, func(p *page) (bool, error) {
		list, err := items(p)
		if err != nil {
			return false, err
		}
		slices.Reverse(list) // oldest of the page first
		recent, err := r.commits(branch, st, p, list, w.Base == "")
		if err != nil {
			return false, err
		}
		w.Page++
		if p.next == nil {
			return false, nil
		}
		return recent, r.progress()
	})
	if err != nil {
		return err
	}
	st.Head, st.Walk = w.Head, nil
	return r.progress()
}

// commits emits the commits of a page. On a first walk those older than the
// horizon are left out, and recent is false when all of them are.
func (r *projectLook) commits(branch string, st *forge.BranchState, p *page, list []json.RawMessage, bounded bool) (recent bool, err error) {
	for _, raw := range list {
		it, err := readCommit(p, raw)
		if err != nil {
			if err := r.spoilBranch(st, err); err != nil {
				return false, err
			}
			recent = true // it is not known to be old
			continue
		}
		at := when(it.CommittedDate)
		// One without a date that can be written is not known to be old.
		if bounded && !at.IsZero() && at.Before(r.horizon(r.cfg.History)) {
			continue
		}
		recent = true
		if r.done[it.ID] {
			continue
		}
		if !at.IsZero() && (r.oldest.IsZero() || at.Before(r.oldest)) {
			r.oldest = at
		}
		files, err := r.commitFiles(it.ID)
		if err != nil {
			return false, err
		}
		sig, err := r.signature(it.ID)
		if forge.Odd(err) != nil {
			r.note("project %d: the signature of a commit cannot be read: it has no verdict", r.id)
			sig, err = commitSignature{odd: true}, nil
		}
		if err != nil {
			return false, err
		}
		if err := r.emit(r.commitDraft(branch, st, p, it, raw, files, sig)); err != nil {
			return false, err
		}
		r.done[it.ID] = true
	}
	return recent, nil
}

// spoilBranch takes note of a commit of a branch that could not be read, and goes
// on: not all that came to the branch since the last look was seen. Any other error
// stays one.
func (r *projectLook) spoilBranch(st *forge.BranchState, err error) error {
	e := forge.Odd(err)
	if e == nil {
		return err
	}
	st.Class, st.Cause = evidence.Blind, e.Cause()
	r.missing = forge.AddOnce(r.missing, "project "+strconv.Itoa(r.id)+": "+err.Error())
	return nil
}

// objectID reads which commit an entry of a list is, and no more: that can be told
// of one that cannot be read.
func objectID(p *page, raw json.RawMessage) (string, error) {
	var it struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(raw, &it) != nil || !forge.ObjectID.MatchString(it.ID) {
		return "", oddItem(p, "a commit without an object id")
	}
	return it.ID, nil
}

func readCommit(p *page, raw json.RawMessage) (*gl.Commit, error) {
	var it gl.Commit
	if err := decodeItem(p, raw, &it); err != nil {
		return nil, err
	}
	if !forge.ObjectID.MatchString(it.ID) {
		return nil, oddItem(p, "a commit without an object id")
	}
	for _, par := range it.ParentIDs {
		if !forge.ObjectID.MatchString(par) {
			return nil, oddItem(p, "a parent without an object id")
		}
	}
	return &it, nil
}

// files reads a list of changed files.
func (r *projectLook) files(path string, opt any) (fileList, error) {
	l := fileList{whole: true}
	_, err := r.list(r.ctx, path, opt, func(p *page, raw json.RawMessage) error {
		var d gl.Diff
		err := decodeItem(p, raw, &d)
		if err == nil && d.NewPath == "" && d.OldPath == "" {
			err = oddItem(p, "a changed file without a path")
		}
		if forge.Odd(err) != nil {
			// It may be any: whoever has a path has a part in it.
			r.note("project %d: a changed file cannot be read: every owner of a path is told of it", r.id)
			l.whole = false
			return nil
		}
		if err != nil {
			return err
		}
		d.Diff = "" // what changed inside the file is not kept
		l.files = append(l.files, &d)
		return nil
	})
	return l, err
}

// commitSignature is what the server says of a signature. The library's type
// knows OpenPGP only.
type commitSignature struct {
	Type   string `json:"signature_type"` // PGP, X509 or SSH; older servers: none, which is PGP
	Status string `json:"verification_status"`
	found  bool
	odd    bool // the answer cannot be read: whether it is signed is not known
	raw    []byte
}

// signature asks for the signature of a commit; the source answers 404 for one
// that has none.
func (r *projectLook) signature(sha string) (commitSignature, error) {
	var s commitSignature
	p, err := r.get(r.ctx, r.api+"/repository/commits/"+sha+"/signature", nil)
	if fetch.Status(err) == http.StatusNotFound {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := decode(p, &s); err != nil {
		return s, err
	}
	if s.Status == "" {
		return s, oddItem(p, "a signature without a verdict")
	}
	s.found, s.raw = true, p.body
	return s, nil
}

// verified is the server's verdict: good by the key of an account, by its own,
// with which it signs what is committed on its pages, or by an authority that a
// group trusts. Which of them stands beside it.
func (s commitSignature) verified() bool {
	return s.found && (s.Status == "verified" || s.Status == "verified_system" || s.Status == "verified_ca")
}

// kind names the kind of a signature.
func (s commitSignature) kind() string {
	switch {
	case s.odd:
		return "" // not told
	case !s.found:
		return "none"
	}
	switch strings.ToUpper(s.Type) {
	case "SSH":
		return "ssh"
	case "X509":
		return "x509"
	}
	return "openpgp"
}

// maxParents bounds the parents in facts; the others stand in Raw.
const maxParents = evidence.MaxLinks - forge.MaxPaths - 8

func (r *projectLook) commitDraft(branch string, st *forge.BranchState, p *page, it *gl.Commit, raw []byte, fl fileList, sig commitSignature) evidence.Draft {
	who := newPeople(r.Collector)
	f := evidence.CommitFacts{
		Repo: r.path, SHA: it.ID, Branch: branch, Merge: len(it.ParentIDs) > 1,
		AuthoredAt: when(it.AuthoredDate), CommittedAt: when(it.CommittedDate),
		Author:    who.Claimed(evidence.RoleAuthor, it.AuthorName, it.AuthorEmail),
		Committer: who.Claimed(evidence.RoleCommitter, it.CommitterName, it.CommitterEmail),
		Parents:   it.ParentIDs[:min(len(it.ParentIDs), maxParents)],
		Signature: sig.kind(),
	}
	who.Trailed(evidence.RoleAuthor, it.Message)
	verified := sig.verified()
	switch {
	case sig.odd:
		f.VerifiedWhy = "unreadable"
	case sig.found:
		f.Verified, f.VerifiedWhy = &verified, word(sig.Status)
	default:
		f.Verified, f.VerifiedWhy = &verified, "unsigned"
	}
	mask := who.Mask()
	f.Files, f.FilesCut = fl.facts(mask)
	d := r.draft(evidence.ChangeCommit, evidence.OpEvent, p.req, f)
	if !f.CommittedAt.IsZero() {
		d.OccurredAt, d.Basis = f.CommittedAt, evidence.BasisClaimed
	}
	d.NotBefore = st.Looked
	d.Key = r.key("@%s", it.ID)
	d.Subject = forge.Commit(it.ID)
	d.People = who.List
	kept := forge.Read{Changed: pathsOf(fl, forge.CleanPath)}
	if len(it.ParentIDs) > 0 {
		kept.Parent = it.ParentIDs[0]
	}
	r.memory.Keep(it.ID, kept)
	d.Scope = r.scopeOf(pathsOf(fl, mask))
	d.Mentions = forge.MentionFiles(r.authority, r.path, f.Files)
	d.Links = commitLinks(f.Parents...)
	for _, ref := range d.Scope {
		if ref.Scheme == "path" && len(d.Links) < evidence.MaxLinks {
			d.Links = append(d.Links, ref)
		}
	}
	d.ActorScope = r.actor(nil, d.OccurredAt) // a header only claims who wrote it
	d.Text = forge.Text(it.Message)
	d.Raw = raw
	return d
}

func (r *projectLook) refDraft(branch string, st *forge.BranchState, head string, p *page) evidence.Draft {
	d := r.draft(evidence.ChangeRef, evidence.OpSet, p.req, evidence.RefFacts{Repo: r.path, Ref: "refs/heads/" + branch, SHA: head, Tagger: -1})
	d.NotBefore = st.Looked
	d.Key = r.key("@%s", branch)
	d.Subject = r.branchRef(r.path, branch)
	d.Links = commitLinks(head)
	return d
}

func (r *projectLook) rewriteDraft(branch string, st *forge.BranchState, p *page, f evidence.RewriteFacts) evidence.Draft {
	d := r.draft(evidence.ChangeRewrite, evidence.OpEvent, p.req, f)
	d.NotBefore = st.Looked
	// The last look is part of the key: the same rewrite may happen again.
	d.Key = r.key("@%s:%s..%s#%s", branch, f.Before, f.After, strconv.FormatInt(st.Looked.Unix(), 10))
	d.Subject = r.branchRef(r.path, branch)
	d.Links = commitLinks(append([]string{f.Before, f.After}, f.Lost...)...)
	return d
}

// newer is the later of two times.
func newer(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
