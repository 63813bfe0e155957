package gitrepo

import (
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"evidenced/evidence"
)

// maxLost bounds the lost commits that a rewrite lists.
const maxLost = 200

// rewrites compares where branches were with where they are.
func (l *look) rewrites() ([]evidence.Draft, error) {
	now := map[string]branch{}
	for _, b := range l.heads {
		now[b.id] = b
	}
	ids := make([]string, 0, len(l.old.Heads))
	for id := range l.old.Heads {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var ds []evidence.Draft
	var kept map[plumbing.Hash]bool // what branches reach; made when needed
	for _, id := range ids {
		was := l.old.Heads[id]
		b, watched := now[id]
		if l.there[id] && !watched {
			continue // no longer looked at, which says nothing about it
		}
		if watched && b.sha.String() == was.SHA {
			continue
		}
		before := plumbing.NewHash(was.SHA)
		if watched {
			forward, err := l.descends(b.sha, before)
			if err != nil {
				return nil, err
			}
			if forward {
				continue
			}
		}
		lost, cut, err := l.lostFrom(before, &kept)
		if err != nil {
			return nil, err
		}
		f := evidence.RewriteFacts{Repo: l.t.Name, Ref: was.Name, Before: was.SHA, Lost: lost, LostCut: cut}
		if watched {
			f.Ref, f.After = b.public, b.sha.String()
		}
		if l.rewritten == nil {
			l.rewritten = map[string]bool{}
		}
		l.rewritten[id] = true
		ds = append(ds, l.rewriteDraft(id, f))
	}
	return ds, nil
}

// descends reports whether before is head or an ancestor of it, exactly.
func (l *look) descends(head, before plumbing.Hash) (bool, error) {
	found, err := l.graph.finds(l.ctx, []plumbing.Hash{head}, before)
	if found || err != nil {
		return found, err
	}
	all, err := l.graph.reach(l.ctx, []plumbing.Hash{head})
	return all[before], err
}

// lostFrom lists what no branch reaches any more of what before reached.
func (l *look) lostFrom(before plumbing.Hash, kept *map[plumbing.Hash]bool) ([]string, int, error) {
	if *kept == nil {
		found, err := l.graph.finds(l.ctx, l.every, before)
		if found || err != nil {
			return nil, 0, err
		}
		if *kept, err = l.graph.reach(l.ctx, l.every); err != nil {
			return nil, 0, err
		}
	}
	if _, _, err := l.objs.commit(l.ctx, before); err != nil && !(*kept)[before] {
		if l.ctx.Err() != nil {
			return nil, 0, l.ctx.Err()
		}
		l.notes = append(l.notes, fmt.Sprintf("repository %s: the former head %s: %v; the commits lost below it cannot be listed", l.t.Name, before, err))
	}
	return l.graph.lost(l.ctx, before, *kept, maxLost)
}
