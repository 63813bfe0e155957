package github

import (
	"net/http"
	"net/url"
	"strconv"

	gh "github.com/google/go-github/v60/github"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
	"evidenced/evidence/problem"
)

// maxBrought bounds the commits of one push that are asked for one by one: a
// larger push may be everybody's.
const maxBrought = 250

// scopeAt is whose business a commit is for which something ran: the
// repository, and the paths that were changed by it, by the other commits of
// the push that brought it, and by the requests that end in it or landed as
// it. change is a request that the source names beside it, 0 for none. Answers
// are kept for the look; a commit that is gone belongs to the repository alone.
func (r *repoLook) scopeAt(sha string, change int) ([]evidence.Ref, error) {
	if forge.IsNone(sha) {
		return []evidence.Ref{r.project(r.name)}, nil
	}
	own, err := r.changedBy(sha)
	if err != nil {
		return nil, err
	}
	all, o := own.Changed, r.st.Origins[sha]
	changes := o.Changes
	if change > 0 {
		changes = forge.AddIndex(changes[:len(changes):len(changes)], change)
	}
	for _, n := range changes {
		c, err := r.offered(n)
		if err != nil {
			return nil, err
		}
		all.Join(c)
	}
	if o.Before != "" && o.Before != own.Parent && !own.Gone {
		c, err := r.brought(o.Before, sha)
		if err != nil {
			return nil, err
		}
		all.Join(c)
	}
	return all.Scope(r.authority, r.name), nil
}

// refused is the error for what says whose a run or a push is. It has no status
// of the source, which would say that the whole part is hidden.
func refused(status int, what string) error {
	return problem.New(problem.Source, "%s, which says whose a run or a push is, was refused with %d", what, status)
}

// changedBy is what a commit changed; nothing for one that is gone.
func (r *repoLook) changedBy(sha string) (forge.Read, error) {
	if c, ok := r.memory.Get(sha); ok {
		return c, nil
	}
	fs, err := r.commitFiles(sha)
	c := forge.Read{Changed: forge.Changed{Whole: true}, Gone: true}
	switch s := fetch.Status(err); {
	case err == nil:
		c = forge.Read{Changed: changed(fs, forge.CleanPath), Parent: fs.parent}
	case s == http.StatusForbidden || s == http.StatusGone:
		return c, refused(s, "commit "+sha[:12])
	case s != http.StatusNotFound && s != http.StatusUnprocessableEntity && s != http.StatusConflict:
		return c, err
	}
	r.memory.Keep(sha, c)
	return c, nil
}

// changed is what a list of files says was changed.
func changed(l fileList, mask func(string) string) forge.Changed {
	c := forge.Changed{Whole: l.whole}
	for _, f := range l.files {
		c.Whole = c.Whole && f.GetFilename() != "" // it may be any
		for _, p := range []string{f.GetFilename(), f.GetPreviousFilename()} {
			if p != "" {
				c.Paths = append(c.Paths, mask(p))
			}
		}
	}
	return c
}

// offered is what a request changes; nothing for one that is not there.
func (r *repoLook) offered(number int) (forge.Changed, error) {
	if c, ok := r.memory.Get(forge.RequestKey(number)); ok {
		return c.Changed, nil
	}
	var l fileList
	err := r.requestFiles(number, &l)
	switch s := fetch.Status(err); {
	case s == http.StatusNotFound:
		r.note("repository %s: a run names request %d, which is not there", r.name, number)
	case s == http.StatusForbidden || s == http.StatusGone:
		return forge.Changed{}, refused(s, "request "+strconv.Itoa(number))
	case err != nil:
		return forge.Changed{}, err
	}
	l.whole = l.whole && len(l.files) < apiFiles
	c := changed(l, forge.CleanPath)
	r.memory.Keep(forge.RequestKey(number), forge.Read{Changed: c})
	return c, nil
}

// requestFiles reads the files of a request. The list is not whole when GitHub
// does not give it.
func (r *repoLook) requestFiles(number int, l *fileList) error {
	odd := false
	err := r.pages(r.ctx, r.path+"/pulls/"+strconv.Itoa(number)+"/files?per_page=100", func(p *page) (bool, error) {
		list, err := items(p)
		if err != nil {
			return false, err
		}
		for _, raw := range list {
			var f *gh.CommitFile
			if err := decode(p.item(raw), &f); err != nil || f == nil {
				r.note("repository %s: a changed file of a request cannot be read: every owner of a path is told of it", r.name)
				odd = true
				continue
			}
			l.files = append(l.files, f)
		}
		return true, nil
	})
	if means(err, tooMuch) {
		r.note("repository %s: GitHub does not list the files of request %d: too much changed", r.name, number)
		odd, err = true, nil
	}
	l.whole = !odd
	return err
}

// brought is what the commits of a push changed: those that its head reaches
// and the branch did not before; of a new branch, those that the default
// branch does not reach. A base that is gone leaves the head's own.
func (r *repoLook) brought(before, head string) (forge.Changed, error) {
	base, all := before, forge.Changed{Whole: true}
	if forge.IsNone(before) {
		base = url.PathEscape(r.fallback)
	}
	err := r.pages(r.ctx, r.comparePath(base, head), func(p *page) (bool, error) {
		var c comparison
		if err := decode(p, &c); err != nil {
			return false, err
		}
		if c.Total > maxBrought {
			all.Whole = false
			return false, nil
		}
		for _, raw := range c.Commits {
			it, err := readPedigree(p, raw)
			if err != nil { // what it changed may be anything
				all.Whole = false
				continue
			}
			one, err := r.changedBy(it.SHA)
			if err != nil {
				return false, err
			}
			all.Join(one.Changed)
		}
		return true, nil
	})
	switch s := fetch.Status(err); {
	case means(err, tooMuch):
		all.Whole, err = false, nil
	case means(err, unrelated), s == http.StatusNotFound, s == http.StatusUnprocessableEntity:
		r.note("repository %s: where a branch stood before the push of %s is gone: what ran for it belongs to all of the repository", r.name, head[:12])
		all.Whole, err = false, nil
	case s == http.StatusForbidden || s == http.StatusGone:
		err = refused(s, "what the push of "+head[:12]+" brought")
	}
	return all, err
}
