package gitrepo

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// graph walks the commits of one repository. Dates order its searches and
// never decide them.
type graph struct {
	objs   *objects
	max    int64                    // most commits one walk may visit
	broken map[plumbing.Hash]string // commits that cannot be read, and why
}

var errTooMany = errors.New("more commits than max_objects allows")

// node is a visited commit.
type node struct {
	id      plumbing.Hash
	parents []plumbing.Hash
	seconds int64 // committer's claim; orders the search
	known   bool  // reachable from what is known
	done    bool  // its parents were pushed
	bad     bool
}

// queue is a heap of nodes, newest claimed date first; ids break ties so that
// a walk is repeatable.
type queue []*node

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if q[i].seconds != q[j].seconds {
		return q[i].seconds > q[j].seconds
	}
	return cmp.Compare(q[i].id.String(), q[j].id.String()) < 0
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(*node)) }
func (q *queue) Pop() any {
	old := *q
	n := old[len(old)-1]
	*q = old[:len(old)-1]
	return n
}

// node reads one commit for a walk. An unreadable one has no parents.
func (g *graph) node(ctx context.Context, id plumbing.Hash) (*node, error) {
	c, _, err := g.objs.commit(ctx, id)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return &node{id: id, bad: true}, nil
	}
	return &node{id: id, parents: g.objs.walkParents(id, c), seconds: c.committer.seconds}, nil
}

// fresh returns the commits reachable from heads and, as far as a chain of
// parent links was seen to lead there, not from known, each with its parents.
// It may hold too much where dates lie (a known commit dated before its
// ancestors); it never lacks a commit. A known id that cannot be read hides
// nothing but itself.
func (g *graph) fresh(ctx context.Context, heads, known []plumbing.Hash) (map[plumbing.Hash][]plumbing.Hash, error) {
	nodes := map[plumbing.Hash]*node{}
	var q queue
	open := 0 // nodes in q that are not known
	paint := func(n *node) {
		for stack := []*node{n}; len(stack) > 0; {
			n, stack = stack[len(stack)-1], stack[:len(stack)-1]
			if n.known {
				continue
			}
			n.known = true
			if !n.done {
				open--
				continue
			}
			for _, p := range n.parents {
				if pn := nodes[p]; pn != nil {
					stack = append(stack, pn)
				}
			}
		}
	}
	push := func(id plumbing.Hash, isKnown bool) error {
		if n := nodes[id]; n != nil {
			if isKnown {
				paint(n)
			}
			return nil
		}
		if int64(len(nodes)) >= g.max {
			return errTooMany
		}
		n, err := g.node(ctx, id)
		if err != nil {
			return err
		}
		n.known = isKnown
		nodes[id] = n
		if !isKnown {
			open++
		}
		heap.Push(&q, n)
		return nil
	}
	for _, h := range known {
		if err := push(h, true); err != nil {
			return nil, err
		}
	}
	for _, h := range heads {
		if err := push(h, false); err != nil {
			return nil, err
		}
	}
	for open > 0 {
		n := heap.Pop(&q).(*node)
		n.done = true
		if !n.known {
			open--
		}
		for _, p := range n.parents {
			if err := push(p, n.known); err != nil {
				return nil, err
			}
		}
	}
	set := map[plumbing.Hash][]plumbing.Hash{}
	for id, n := range nodes {
		if !n.known {
			set[id] = n.parents
			if n.bad {
				g.broken[id] = g.why(ctx, id)
			}
		}
	}
	return set, ctx.Err()
}

// why says why a commit cannot be read.
func (g *graph) why(ctx context.Context, id plumbing.Hash) string {
	_, _, err := g.objs.commit(ctx, id)
	if err == nil {
		return ""
	}
	return err.Error()
}

// frame is a commit whose parents are being visited.
type frame struct {
	id      plumbing.Hash
	parents []plumbing.Hash
}

// order visits what head reaches inside set, parents before children; a nil
// set is everything. Commits in done are not visited again and visited ones
// are added. An unreadable commit goes to g.broken and is not visited.
func (g *graph) order(ctx context.Context, head plumbing.Hash, set map[plumbing.Hash][]plumbing.Hash,
	done map[plumbing.Hash]bool, visit func(plumbing.Hash) error) error {
	var stack []frame
	push := func(id plumbing.Hash) error {
		if done[id] {
			return nil
		}
		parents, ok := set[id]
		if set == nil {
			if int64(len(done)) >= g.max {
				return errTooMany
			}
			n, err := g.node(ctx, id)
			if err != nil {
				return err
			}
			if n.bad {
				g.broken[id] = g.why(ctx, id)
			}
			parents, ok = n.parents, true
		}
		if ok {
			done[id] = true
			stack = append(stack, frame{id, parents})
		}
		return nil
	}
	if err := push(head); err != nil {
		return err
	}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if len(top.parents) > 0 {
			p := top.parents[0]
			top.parents = top.parents[1:]
			if err := push(p); err != nil {
				return err
			}
			continue
		}
		id := top.id
		stack = stack[:len(stack)-1]
		if _, bad := g.broken[id]; bad {
			continue
		}
		if err := visit(id); err != nil {
			return err
		}
	}
	return nil
}

// reach returns every commit that the heads reach.
func (g *graph) reach(ctx context.Context, heads []plumbing.Hash) (map[plumbing.Hash]bool, error) {
	seen := map[plumbing.Hash]bool{}
	stack := slices.Clone(heads)
	for len(stack) > 0 {
		id := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if seen[id] {
			continue
		}
		if int64(len(seen)) >= g.max {
			return nil, errTooMany
		}
		seen[id] = true
		n, err := g.node(ctx, id)
		if err != nil {
			return nil, err
		}
		stack = append(stack, n.parents...)
	}
	return seen, nil
}

// finds looks for target from the heads, newest first, no further down than
// the target's own date. True is certain; false is not.
func (g *graph) finds(ctx context.Context, heads []plumbing.Hash, target plumbing.Hash) (bool, error) {
	want, err := g.node(ctx, target)
	if err != nil || want.bad {
		return false, err
	}
	seen := map[plumbing.Hash]bool{}
	var q queue
	push := func(id plumbing.Hash) error {
		if seen[id] {
			return nil
		}
		seen[id] = true
		n, err := g.node(ctx, id)
		if err == nil && n.seconds >= want.seconds {
			heap.Push(&q, n)
		}
		return err
	}
	for _, h := range heads {
		if err := push(h); err != nil {
			return false, err
		}
	}
	for q.Len() > 0 && int64(len(seen)) < g.max {
		n := heap.Pop(&q).(*node)
		if n.id == target {
			return true, nil
		}
		for _, p := range n.parents {
			if err := push(p); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// lost lists what from reaches and kept does not hold, newest first, at most
// max; the rest is counted.
func (g *graph) lost(ctx context.Context, from plumbing.Hash, kept map[plumbing.Hash]bool, max int) (ids []string, cut int, err error) {
	seen := map[plumbing.Hash]bool{}
	var q queue
	push := func(id plumbing.Hash) error {
		if seen[id] || kept[id] {
			return nil
		}
		if int64(len(seen)) >= g.max {
			return fmt.Errorf("list lost commits: %w", errTooMany)
		}
		seen[id] = true
		n, err := g.node(ctx, id)
		if err == nil {
			heap.Push(&q, n)
		}
		return err
	}
	if err := push(from); err != nil {
		return nil, 0, err
	}
	for q.Len() > 0 {
		n := heap.Pop(&q).(*node)
		if len(ids) < max {
			ids = append(ids, n.id.String())
		} else {
			cut++
		}
		for _, p := range n.parents {
			if err := push(p); err != nil {
				return nil, 0, err
			}
		}
	}
	return ids, cut, nil
}
