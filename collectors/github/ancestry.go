package github

import (
	"encoding/json"
	"slices"
	"time"

	"evidenced/evidence/problem"
)

// GitHub answers a comparison together with the files that differ. When those
// are too many it answers with an error, each time, and the commits are not
// told either. The lists of commits have no files: they tell the same with
// more requests.

const (
	// maxHistory bounds the pages read of each of two histories.
	maxHistory = 50
	// maxRest bounds them where it is known how many commits are looked for:
	// some 100 MB at most are held of them.
	maxRest = 250
)

// farError is of two heads that are too far apart for the lists of commits.
type farError struct{ error }

func (e *farError) Unwrap() error { return e.error }

// node is a commit of a list, with the page it stands on.
type node struct {
	at      time.Time
	sha     string
	raw     json.RawMessage
	page    *page
	parents []string
}

// beyond returns the commits that head reaches and base does not, parents
// before children, and whether head descends from base or is base. None that
// belongs there is left out. One that base reaches too may stand among them
// when the clocks that dated the commits disagree. pages bounds what is read of
// each history; a farError says that it was not enough.
func (r *repoLook) beyond(base, head string, pages int) (list []node, descends bool, err error) {
	known := map[string]node{}
	old := map[string]bool{base: true}
	var next [2]string
	var read time.Time // the lists run from new to old: how far that of base was read
	for i, sha := range []string{head, base} {
		next[i] = r.path + "/commits?sha=" + sha + "&per_page=100"
	}
	for range pages {
		for i := range next {
			if next[i] == "" {
				continue
			}
			p, err := r.get(r.ctx, next[i])
			if err != nil {
				return nil, false, err
			}
			shas, err := enter(p, known)
			if err != nil {
				return nil, false, err
			}
			next[i] = p.next
			if i == 1 {
				for _, sha := range shas {
					old[sha] = true
					known[sha] = node{parents: known[sha].parents, at: known[sha].at} // never returned
				}
				if len(shas) > 0 {
					read = known[shas[len(shas)-1]].at
				}
			}
		}
		age(known, old)
		list, descends, ok := above(known, old, base, head)
		if ok && (next[1] == "" || !slices.ContainsFunc(list, func(n node) bool { return n.at.Before(read) })) {
			return list, descends, nil
		}
		if next[0] == "" && next[1] == "" {
			break
		}
	}
	return nil, false, &farError{problem.New(problem.Source, "too much of %s changed between two looks for GitHub to compare them, and for its lists of commits", r.name).
		WithHint("collect the commits of this repository from a clone, with a gitrepo source")}
}

// enter reads a page of commits into known.
func enter(p *page, known map[string]node) (shas []string, err error) {
	list, err := items(p)
	if err != nil {
		return nil, err
	}
	var last time.Time
	for _, raw := range list {
		it, err := readPedigree(p, raw)
		if err != nil {
			return nil, err
		}
		l := node{sha: it.SHA, raw: raw, page: p, at: last}
		for _, par := range it.Parents {
			l.parents = append(l.parents, par.SHA)
		}
		// One that cannot be read stands where it is listed: lists run from new to old.
		if c, err := readCommit(p, raw); err == nil {
			l.at = when(c.GetCommit().GetCommitter().GetDate())
		}
		last = l.at
		known[l.sha] = l
		shas = append(shas, l.sha)
	}
	return shas, nil
}

// age marks the known ancestors of what is old.
func age(known map[string]node, old map[string]bool) {
	var todo []string
	for sha := range old {
		todo = append(todo, sha)
	}
	for len(todo) > 0 {
		sha := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, par := range known[sha].parents {
			if !old[par] {
				old[par] = true
				todo = append(todo, par)
			}
		}
	}
}

// above collects what head reaches without what is old. It reports false while
// a commit of it is not known. All that lies between head and an ancestor is
// not reached by the ancestor, so that it is met here as somebody's parent.
func above(known map[string]node, old map[string]bool, base, head string) (list []node, descends, ok bool) {
	if descends = head == base; old[head] {
		return nil, descends, true
	}
	seen, placed := map[string]bool{}, map[string]bool{} // placed: with all its parents, in the list
	for todo := []string{head}; len(todo) > 0; {
		sha := todo[len(todo)-1]
		c, ok := known[sha]
		if !ok {
			return nil, false, false
		}
		first := !seen[sha]
		seen[sha] = true
		if first {
			for _, par := range c.parents {
				descends = descends || par == base
				if !old[par] && !seen[par] {
					todo = append(todo, par)
				}
			}
			continue
		}
		todo = todo[:len(todo)-1]
		if !placed[sha] {
			placed[sha] = true
			list = append(list, c)
		}
	}
	return list, descends, true
}
