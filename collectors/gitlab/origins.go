package gitlab

import (
	"encoding/json"
	"net/http"
	"strconv"

	gl "github.com/xanzy/go-gitlab"

	"evidenced/collectors/fetch"
	"evidenced/collectors/forge"
	"evidenced/evidence"
)

// Bounds of the pipelines whose scope is kept for one look at a project, and of
// the commits of one push that are asked for one by one: a larger push may be
// everybody's.
const (
	maxScopes  = 20000
	maxBrought = 250
)

// scopeOfRun is whose business a pipeline is: the project, and the paths that
// were changed by its commit, by the other commits of the push that it ran for,
// or by the request that it ran for. A child pipeline belongs to whom its
// parent belongs to; a commit that is gone belongs to the project alone.
func (r *projectLook) scopeOfRun(q *run) ([]evidence.Ref, error) {
	if refs, ok := r.runScopes[q.ID]; ok {
		return refs, nil
	}
	refs, err := r.scopeOfParent(q)
	if err != nil {
		return nil, err
	}
	if refs == nil {
		all, err := r.changedFor(q)
		if err != nil {
			return nil, err
		}
		refs = r.scopeOf(all)
	}
	if r.runScopes == nil {
		r.runScopes = map[int][]evidence.Ref{}
	}
	if len(r.runScopes) < maxScopes {
		r.runScopes[q.ID] = refs
	}
	return refs, nil
}

// scopeOfParent is the scope of the parent of a child pipeline; nil for one
// that has none, or none any more.
func (r *projectLook) scopeOfParent(q *run) ([]evidence.Ref, error) {
	if q.parent == 0 {
		return nil, nil
	}
	if refs, ok := r.runScopes[q.parent]; ok {
		return refs, nil
	}
	p, err := r.get(r.ctx, r.api+"/pipelines/"+strconv.Itoa(q.parent), nil)
	if fetch.Status(err) == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	parent, err := readRun(p, q.parent)
	if err != nil {
		return nil, err
	}
	return r.scopeOfRun(parent)
}

// changedFor is what was changed by all that a pipeline ran for.
func (r *projectLook) changedFor(q *run) (forge.Changed, error) {
	if m := mergeRef.FindStringSubmatch(q.Ref); m != nil {
		iid, err := strconv.Atoi(m[1])
		if err != nil {
			return forge.Changed{}, err
		}
		return r.offered(iid) // the commit may be one that only the server made
	}
	own, err := r.changedBy(q.SHA)
	if err != nil {
		return forge.Changed{}, err
	}
	before := q.BeforeSHA
	if own.Gone || q.Tag || before == "" || before == q.SHA || before == own.Parent || forge.IsNone(before) && q.Ref == r.fallback {
		return own.Changed, nil
	}
	all, err := r.brought(before, q.SHA)
	all.Join(own.Changed)
	return all, err
}

// changedBy is what a commit changed; nothing for one that is gone.
func (r *projectLook) changedBy(sha string) (forge.Read, error) {
	if c, ok := r.memory.Get(sha); ok {
		return c, nil
	}
	files, err := r.commitFiles(sha)
	gone := fetch.Status(err) == http.StatusNotFound
	if err != nil && !gone {
		return forge.Read{}, err
	}
	c := forge.Read{Changed: pathsOf(files, forge.CleanPath), Gone: gone}
	r.memory.Keep(sha, c)
	return c, nil
}

func (r *projectLook) commitFiles(sha string) (fileList, error) {
	l, err := r.files(r.api+"/repository/commits/"+sha+"/diff", &gl.GetCommitDiffOptions{ListOptions: gl.ListOptions{PerPage: perPage}})
	l.whole = l.whole && len(l.files) < maxDiff
	return l, err
}

// pathsOf is what a list of files says was changed.
func pathsOf(l fileList, mask func(string) string) forge.Changed {
	c := forge.Changed{Whole: l.whole}
	for _, f := range l.files {
		for _, p := range []string{f.NewPath, f.OldPath} {
			if p != "" {
				c.Paths = append(c.Paths, mask(p))
			}
		}
	}
	return c
}

// offered is what a request changes; nothing for one that was deleted.
func (r *projectLook) offered(iid int) (forge.Changed, error) {
	if c, ok := r.memory.Get(forge.RequestKey(iid)); ok {
		return c.Changed, nil
	}
	l, err := r.requestFiles(r.api + "/merge_requests/" + strconv.Itoa(iid))
	if fetch.Status(err) == http.StatusNotFound {
		r.note("project %d: a pipeline ran for request %d, which is not there any more", r.id, iid)
		err = nil
	}
	if err != nil {
		return forge.Changed{}, err
	}
	l.whole = l.whole && len(l.files) < maxDiff
	c := pathsOf(l, forge.CleanPath)
	r.memory.Keep(forge.RequestKey(iid), forge.Read{Changed: c})
	return c, nil
}

func (r *projectLook) requestFiles(base string) (fileList, error) {
	return r.files(base+"/diffs", &gl.ListMergeRequestDiffsOptions{ListOptions: gl.ListOptions{PerPage: perPage}})
}

// brought is what the commits of a push changed: those that its head reaches
// and the branch did not before; of a new branch, those that the default
// branch does not reach. Where the branch stood may be gone: then the push may
// have changed anything.
func (r *projectLook) brought(before, head string) (forge.Changed, error) {
	base, all, n := before, forge.Changed{Whole: true}, 0
	if forge.IsNone(before) {
		base = r.fallback
	}
	_, err := r.pages(r.ctx, r.api+"/repository/commits", span(base, head), nil, func(p *page) (bool, error) {
		list, err := items(p)
		if err != nil {
			return false, err
		}
		if n += len(list); n > maxBrought {
			all.Whole = false
			return false, nil
		}
		return true, r.joinCommits(p, list, &all)
	})
	if fetch.Status(err) == http.StatusNotFound {
		r.note("project %d: where a branch stood before the push of %s is gone: what ran for it belongs to all of the project", r.id, head[:12])
		all.Whole, err = false, nil
	}
	return all, err
}

func (r *projectLook) joinCommits(p *page, list []json.RawMessage, all *forge.Changed) error {
	for _, raw := range list {
		sha, err := objectID(p, raw)
		if err != nil { // what it changed may be anything
			all.Whole = false
			continue
		}
		one, err := r.changedBy(sha)
		if err != nil {
			return err
		}
		all.Join(one.Changed)
	}
	return nil
}
