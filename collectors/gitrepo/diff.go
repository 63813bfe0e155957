package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"evidenced/evidence"
)

const (
	maxTreeDepth = 256     // directories below each other
	maxTrees     = 200_000 // trees read for one commit
	keepChanges  = 20_000  // changes of one commit held in memory
)

// change is one changed path; bytes as git has them.
type change struct {
	path, from, status string
	mode               uint32
	id                 plumbing.Hash
}

// changes is what a commit changed against its first parent.
type changes struct {
	list []change
	more int             // changes beyond the listed ones
	tops map[string]bool // first directories of those
}

var errTreeLimit = errors.New("its trees are deeper or more than allowed")

type differ struct {
	objs  *objects
	out   *changes
	trees int
}

// diff compares two trees; a zero id is the empty tree. Renames are found
// where the content stayed the same.
func (o *objects) diff(ctx context.Context, a, b plumbing.Hash) (*changes, error) {
	d := &differ{objs: o, out: &changes{tops: map[string]bool{}}}
	if err := d.trees2(ctx, "", a, b, 0); err != nil {
		return nil, err
	}
	d.out.renames()
	return d.out, nil
}

func (d *differ) read(ctx context.Context, id plumbing.Hash) ([]treeEntry, error) {
	if id.IsZero() {
		return nil, nil
	}
	if d.trees++; d.trees > maxTrees {
		return nil, errTreeLimit
	}
	es, err := d.objs.tree(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("tree %s: %w", id, err)
	}
	byName := func(x, y treeEntry) int { return strings.Compare(x.sortName(), y.sortName()) }
	if !slices.IsSortedFunc(es, byName) {
		slices.SortStableFunc(es, byName) // some old tools wrote them so
	}
	return es, nil
}

// trees2 compares two directories entry by entry, in git's order.
func (d *differ) trees2(ctx context.Context, dir string, a, b plumbing.Hash, depth int) error {
	if a == b {
		return nil
	}
	if depth > maxTreeDepth {
		return errTreeLimit
	}
	as, err := d.read(ctx, a)
	if err != nil {
		return err
	}
	bs, err := d.read(ctx, b)
	if err != nil {
		return err
	}
	for len(as) > 0 || len(bs) > 0 {
		order := -1
		switch {
		case len(as) == 0:
			order = 1
		case len(bs) > 0:
			order = strings.Compare(as[0].sortName(), bs[0].sortName())
		}
		switch {
		case order < 0:
			err = d.one(ctx, dir, as[0], "removed", depth)
			as = as[1:]
		case order > 0:
			err = d.one(ctx, dir, bs[0], "added", depth)
			bs = bs[1:]
		default:
			err = d.both(ctx, dir, as[0], bs[0], depth)
			as, bs = as[1:], bs[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// both compares two entries of one name and sort order: two directories or
// two things that are none.
func (d *differ) both(ctx context.Context, dir string, a, b treeEntry, depth int) error {
	switch {
	case a.isTree():
		return d.trees2(ctx, dir+a.name+"/", a.id, b.id, depth+1)
	case a.id == b.id && a.mode == b.mode:
		return nil
	case a.id == b.id || a.mode&modeType != b.mode&modeType:
		d.add(change{path: dir + b.name, status: "type"})
	default:
		d.add(change{path: dir + b.name, status: "modified"})
	}
	return nil
}

// one reports an entry that stands on one side alone, with all below it.
func (d *differ) one(ctx context.Context, dir string, e treeEntry, status string, depth int) error {
	if !e.isTree() {
		d.add(change{path: dir + e.name, status: status, mode: e.mode, id: e.id})
		return nil
	}
	if status == "added" {
		return d.trees2(ctx, dir+e.name+"/", plumbing.ZeroHash, e.id, depth+1)
	}
	return d.trees2(ctx, dir+e.name+"/", e.id, plumbing.ZeroHash, depth+1)
}

func (d *differ) add(c change) {
	if len(d.out.list) < keepChanges {
		d.out.list = append(d.out.list, c)
		return
	}
	d.out.more++
	top, _, ok := strings.Cut(c.path, "/")
	if !ok {
		top = ""
	}
	d.out.tops[top] = true
}

// renames joins a removed and an added path of the same content and mode.
func (c *changes) renames() {
	gone := map[plumbing.Hash][]int{}
	for i, ch := range c.list {
		if ch.status == "removed" && ch.mode&modeType != modeSub {
			gone[ch.id] = append(gone[ch.id], i)
		}
	}
	if len(gone) == 0 {
		return
	}
	drop := map[int]bool{}
	for i := range c.list {
		ch := &c.list[i]
		if ch.status != "added" || ch.mode&modeType == modeSub {
			continue
		}
		for k, j := range gone[ch.id] {
			if c.list[j].mode == ch.mode {
				ch.status, ch.from = "renamed", c.list[j].path
				drop[j] = true
				gone[ch.id] = slices.Delete(gone[ch.id], k, k+1)
				break
			}
		}
	}
	kept := c.list[:0]
	for i, ch := range c.list {
		if !drop[i] {
			kept = append(kept, ch)
		}
	}
	c.list = kept
}

const (
	maxFiles     = 500       // paths in the facts
	maxFileBytes = 150 << 10 // bytes of paths in the facts
	maxPaths     = 200       // path references
)

// facts lists the changed files for the facts and counts the rest.
func (c *changes) facts(clean func(string) string) (files []evidence.FileChange, cut int) {
	size := 0
	for i, ch := range c.list {
		f := evidence.FileChange{Path: clean(ch.path), Status: ch.status}
		if ch.from != "" {
			f.From = clean(ch.from)
		}
		size += len(f.Path) + len(f.From)
		if i >= maxFiles || size > maxFileBytes {
			return files, len(c.list) - i + c.more
		}
		files = append(files, f)
	}
	return files, c.more
}

// paths returns what references name: every changed path, or, where these are
// more than maxPaths, the deepest directories that are few enough, as dir/*.
func (c *changes) paths(clean func(string) string) []string {
	set := map[string]bool{}
	for _, ch := range c.list {
		set[refPath(clean(ch.path))] = true
		if ch.from != "" {
			set[refPath(clean(ch.from))] = true
		}
	}
	if c.more == 0 && len(set) <= maxPaths {
		return sorted(set)
	}
	depth := 0
	for p := range set {
		depth = max(depth, strings.Count(p, "/"))
	}
	depth = min(depth, maxTreeDepth)
	if c.more > 0 {
		depth = min(depth, 1)
	}
	for ; depth > 0; depth-- {
		dirs := map[string]bool{}
		for p := range set {
			dirs[dirAt(p, depth)] = true
		}
		for top := range c.tops {
			dirs[dirAt(refPath(clean(top))+"/x", 1)] = true
		}
		if len(dirs) <= maxPaths {
			return sorted(dirs)
		}
	}
	return []string{"*"}
}

// dirAt is the directory of a path, cut to so many levels, as dir/*; a path
// without a directory stays.
func dirAt(p string, levels int) string {
	parts := strings.Split(p, "/")
	if parts[0] == "" {
		return "*"
	}
	if len(parts) == 1 {
		return p
	}
	return strings.Join(parts[:min(levels, len(parts)-1)], "/") + "/*"
}

// refPath keeps a file's name from being read as a pattern: a * or + in a path
// reference stands for other names.
func refPath(p string) string {
	if !strings.ContainsAny(p, "*+") {
		return p
	}
	p = strings.ReplaceAll(p, "*", "%2A")
	parts := strings.Split(p, "/")
	for i, s := range parts {
		if s == "+" {
			parts[i] = "%2B"
		}
	}
	return strings.Join(parts, "/")
}

func sorted(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for s := range set {
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}
