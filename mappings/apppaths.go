package mappings

import (
	"cmp"
	"container/heap"
	"path"
	"slices"
	"strings"
	"time"

	"evidenced/evidence"
)

// Many applications share a repository, so a deployment brings of the commits
// between two revisions those that changed what the application reads: its own
// path, and what it says itself that its manifests are made from beside it.
// What a file in the path refers to, as a kustomization does, nobody tells.

// changedFiles are the paths that commits changed, each text once.
type changedFiles struct {
	names []string
	byID  map[string]int32
}

func (t *changedFiles) id(name string) int32 {
	id, ok := t.byID[name]
	if !ok {
		id = int32(len(t.names))
		t.names = append(t.names, name)
		t.byID[name] = id
	}
	return id
}

// take notes what a commit changed, once some source told it in full. A commit
// without any file may be one whose files were not told.
func (t *changedFiles) take(c *commit, f *evidence.CommitFacts) {
	if c.filesWhole {
		return
	}
	c.files, c.filesWhole = nil, len(f.Files) > 0 && f.FilesCut == 0
	for _, ch := range f.Files {
		for _, p := range []string{ch.Path, ch.From} {
			if p == "" {
				continue
			}
			if masked(p) {
				c.filesWhole = false
			}
			c.files = append(c.files, t.id(p))
		}
	}
}

// masked reports whether a collector replaced a part of the path, since it
// named a person or was no text.
func masked(p string) bool { return strings.Contains(p, "{mail}") || strings.ContainsRune(p, '\uFFFD') }

// reading is what an application reads of one repository.
type reading struct {
	paths []string // files and folders from the repository's root; "" is all of it
	why   string   // why that is not known; "" when it is
}

// covers reports whether all that is read was read before.
func (r reading) covers(other reading) bool {
	for _, p := range other.paths {
		if !slices.ContainsFunc(r.paths, func(own string) bool { return below(p, own) }) {
			return false
		}
	}
	return true
}

func below(p, folder string) bool {
	return folder == "" || p == folder || strings.HasPrefix(p, folder) && p[len(folder)] == '/'
}

func (r reading) String() string {
	if slices.Contains(r.paths, "") {
		return "the whole repository"
	}
	return strings.Join(r.paths, ", ")
}

// touches reports whether the commit changed what is read.
func (x *changeIndex) touches(c *commit, r reading) (is tri, why string) {
	if r.why != "" {
		return unknown, r.why
	}
	if slices.Contains(r.paths, "") {
		return yes, ""
	}
	for _, id := range c.files {
		if slices.ContainsFunc(r.paths, func(p string) bool { return below(x.files.names[id], p) }) {
			return yes, ""
		}
	}
	if !c.filesWhole {
		return unknown, "not all files that commit " + shortSHA(c.sha) + " changed are known, so neither is whether it changed " + r.String()
	}
	return no, ""
}

// readings says for each revision what the application reads there. sources
// are those of the deployment itself, declared those of the application around
// that time: it alone tells some of what the manifests are made from.
func readings(revisions []string, sources, declared []evidence.DeploySource) []reading {
	if len(sources) == 0 {
		sources = declared
	}
	out := make([]reading, len(revisions))
	for i := range out {
		if len(sources) != len(revisions) {
			out[i].why = "the source did not say which path of the repository the application reads"
			continue
		}
		out[i] = readingOf(i, sources, declared)
	}
	return out
}

func readingOf(i int, sources, declared []evidence.DeploySource) reading {
	src := &sources[i]
	var r reading
	add := func(s *evidence.DeploySource) {
		for _, p := range s.Refers {
			if !strings.HasPrefix(p, "$") {
				r.paths = append(r.paths, folderOf(p))
			}
		}
	}
	if src.Path != "" {
		r.paths = append(r.paths, folderOf(src.Path))
	}
	add(src)
	if len(declared) == len(sources) && declared[i].RepoURL == src.RepoURL && declared[i].Path == src.Path {
		add(&declared[i])
	}
	if src.Ref != "" {
		for _, o := range slices.Concat(sources, declared) {
			for _, p := range o.Refers {
				if rest, ok := strings.CutPrefix(p, "$"+src.Ref+"/"); ok {
					r.paths = append(r.paths, folderOf(rest))
				}
			}
		}
	}
	slices.Sort(r.paths)
	r.paths = slices.Compact(r.paths)
	if len(r.paths) == 0 {
		r.why = "the source did not say which path of the repository the application reads"
	}
	return r
}

// folderOf is a path from the root, without what is a pattern in it.
func folderOf(p string) string {
	if i := strings.IndexAny(p, "*?[{"); i >= 0 {
		p = p[:strings.LastIndexByte(p[:i], '/')+1]
	}
	return strings.TrimPrefix(path.Clean("/"+p), "/")
}

// stood is a state of an application.
type stood struct {
	from  time.Time
	facts *evidence.DeployFacts
}

// declaredAt returns the sources that the application declared at the time, or
// first after it.
func (d *deployLog) declaredAt(app string, at time.Time) []evidence.DeploySource {
	var found []evidence.DeploySource
	for i, x := range d.states[app] {
		if i > 0 && x.from.After(at) {
			break
		}
		found = x.facts.Sources
	}
	return found
}

// before returns what the application was synced to before the time: by the
// last sync, else by the state that was seen then.
func (d *deployLog) before(app string, at time.Time) deployed {
	if was, ok := d.last[app]; ok {
		return was
	}
	var was deployed
	for _, x := range d.states[app] {
		if x.from.Before(at) {
			was = deployedBy(x.facts)
		}
	}
	return was
}

func deployedBy(f *evidence.DeployFacts) deployed {
	return deployed{f.SyncedRevisions, readings(f.SyncedRevisions, f.Sources, f.Sources)}
}

// bringing is a commit that a deployment brought. maybe says why it may not
// have.
type bringing struct {
	commit int
	maybe  string
}

// touching keeps of the commits those that changed what is read.
func (x *changeIndex) touching(commits []int, r reading) []bringing {
	var out []bringing
	for _, i := range commits {
		if is, why := x.touches(&x.commits[i], r); is != no {
			out = append(out, bringing{i, why})
		}
	}
	return out
}

// newestTouching lists the commit of head's history that changed what is read
// last, behind those newer ones that may have. It fails with the commit behind
// which the history is out of sight.
func (x *changeIndex) newestTouching(head int, r reading) (found []bringing, hole int, ok bool) {
	queued := map[int]bool{head: true}
	q := &byOrder{x: x, ids: []int{head}}
	for q.Len() > 0 {
		i := heap.Pop(q).(int)
		c := &x.commits[i]
		if c.seq == 0 {
			return found, i, false
		}
		is, why := x.touches(c, r)
		if is != no {
			found = append(found, bringing{i, why})
		}
		if is == yes {
			return found, i, true
		}
		for _, p := range c.parents {
			if !queued[int(p)] {
				queued[int(p)] = true
				heap.Push(q, int(p))
			}
		}
	}
	return found, head, len(found) > 0
}

// newestLanded lists what newestTouching does by the order in which commits came
// to the head's branch: a tenant's log lacks the commits of others, behind which
// its own cannot be reached. What changed the application last is the newest one
// that did and was seen to come, when the branch was watched from then on: of what
// came since, the log has all that is the tenant's.
func (d *deployLog) newestLanded(head int, r reading) (found []bringing, ok bool) {
	h := &d.x.commits[head]
	if h.landed.branch == "" {
		return nil, false
	}
	var known []int
	for i := range d.x.commits {
		c := &d.x.commits[i]
		behind := cmp.Or(c.landed.at.Compare(h.landed.at), cmp.Compare(c.order, h.order)) <= 0
		if c.seq > 0 && c.repo == h.repo && c.landed.branch == h.landed.branch && behind {
			known = append(known, i)
		}
	}
	slices.SortFunc(known, func(a, b int) int {
		x, y := &d.x.commits[a], &d.x.commits[b]
		return cmp.Or(y.landed.at.Compare(x.landed.at), cmp.Compare(y.order, x.order))
	})
	for _, i := range known {
		c := &d.x.commits[i]
		is, why := d.x.touches(c, r)
		if is != no {
			found = append(found, bringing{i, why})
		}
		if is == yes && !c.landed.claimed {
			return found, d.watchedSince(c.landed.at, h)
		}
	}
	return nil, false
}

// watchedSince reports whether some source of the commit saw all commits from
// the time on until it came.
func (d *deployLog) watchedSince(t time.Time, c *commit) bool {
	p := evidence.Period{From: t, To: c.landed.at}
	return p.Duration() == 0 || slices.ContainsFunc(c.sources, func(id evidence.SourceID) bool {
		return len(d.s.cover.blind(id, evidence.ChangeCommit, p)) == 0
	})
}
