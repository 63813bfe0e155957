package demo

import (
	"fmt"
	"time"

	"evidenced/testdata/world"
)

// forge is the state behind the GitHub API: pull requests, reviews, and the
// guard on main.
type forge struct {
	w       *world.World
	git     *gitRepo
	pulls   []*pull
	byKey   map[string]*pull
	guard   guard
	pushes  []pushed
	reviews int64
}

// pull is one pull request.
type pull struct {
	number  int
	title   string
	body    string
	author  world.Person
	branch  string
	head    *commit
	base    *commit // main when it was opened
	commits []*commit
	files   []fileChange
	opened  time.Time
	updated time.Time
	closed  time.Time
	merged  time.Time
	merger  world.Person
	landed  *commit
	reviews []review
}

// review is one review of a pull request.
type review struct {
	id     int64
	by     world.Person
	state  string
	body   string
	commit string
	at     time.Time
}

// guard is the classic protection of main.
type guard struct {
	approvals      int
	dismissStale   bool
	enforceAdmins  bool
	allowForcePush bool
	allowDeletion  bool
	linearHistory  bool
	lastPush       bool
}

// pushed is one line of the repository's activity.
type pushed struct {
	ref    string
	before string
	after  string
	kind   string // push, force_push, branch_creation, branch_deletion, pr_merge
	by     world.Person
	at     time.Time
}

func newForge(w *world.World, g *gitRepo) *forge {
	return &forge{w: w, git: g, byKey: map[string]*pull{}, guard: guard{approvals: 1, dismissStale: true}}
}

func (f *forge) person(key string) world.Person {
	p, _ := f.w.Person(key)
	return p
}

// flow is the forge itself, which commits merges.
func (f *forge) flow() world.Person {
	for _, p := range f.w.People {
		if p.Flow {
			return p
		}
	}
	return world.Person{Name: "Forge", Key: "forge"}
}

func message(title, body string) string {
	if body == "" {
		return title
	}
	return title + "\n\n" + body
}

func (f *forge) push(a world.Act) error {
	by := f.person(a.By)
	before, kind := "", "branch_creation"
	if b := f.git.branches[a.Branch]; b != nil {
		before, kind = b.head.sha, "push"
	}
	c, err := f.git.push(a.Branch, by, a.At, message(a.Title, a.Body), a.Edits)
	if err != nil {
		return err
	}
	f.moved(a.Branch, before, c, kind, by)
	return nil
}

func (f *forge) force(a world.Act) error {
	by := f.person(a.By)
	var before string
	if b := f.git.branches[a.Branch]; b != nil {
		before = b.head.sha
	}
	c, err := f.git.replace(a.Branch, by, a.At, message(a.Title, a.Body), a.Edits)
	if err != nil {
		return err
	}
	f.moved(a.Branch, before, c, "force_push", by)
	return nil
}

// moved notes a push, also in the open pull request of the branch.
func (f *forge) moved(name, before string, c *commit, kind string, by world.Person) {
	f.pushes = append(f.pushes, pushed{"refs/heads/" + name, before, c.sha, kind, by, c.at})
	for _, p := range f.pulls {
		if p.branch == name && p.closed.IsZero() {
			p.head, p.updated = c, c.at
			p.commits = f.since(p.base, c)
			p.files = differences(p.base.snap, c.snap)
		}
	}
}

// since lists the commits of a branch that are not on its base, oldest first.
func (f *forge) since(base, head *commit) []*commit {
	var out []*commit
	for c := head; c != nil && c.sha != base.sha; {
		out = append([]*commit{c}, out...)
		if len(c.parents) == 0 {
			break
		}
		c = f.git.commits[c.parents[0]]
	}
	return out
}

func (f *forge) open(a world.Act) error {
	b := f.git.branches[a.Branch]
	if b == nil {
		return fmt.Errorf("pull request %s: branch %s is not there", a.Pull, a.Branch)
	}
	base := f.git.branches[mainBranch].head
	if root := f.root(b.head); root != nil {
		base = root
	}
	p := &pull{number: len(f.pulls) + 1, title: a.Title, body: a.Body, author: f.person(a.By), branch: a.Branch,
		head: b.head, base: base, opened: a.At, updated: a.At}
	p.commits = f.since(base, b.head)
	p.files = differences(base.snap, b.head.snap)
	f.pulls = append(f.pulls, p)
	f.byKey[a.Pull] = p
	return nil
}

// root is the newest commit of main below a branch.
func (f *forge) root(c *commit) *commit {
	onMain := map[string]bool{}
	for _, m := range f.git.mains {
		onMain[m.head.sha] = true
	}
	for c != nil && !onMain[c.sha] {
		if len(c.parents) == 0 {
			return nil
		}
		c = f.git.commits[c.parents[0]]
	}
	return c
}

func (f *forge) review(a world.Act) error {
	p := f.byKey[a.Pull]
	if p == nil || !p.closed.IsZero() {
		return fmt.Errorf("review of %s: not open", a.Pull)
	}
	f.reviews++
	p.reviews = append(p.reviews, review{8100 + f.reviews, f.person(a.By), a.State, a.Body, p.head.sha, a.At})
	p.updated = a.At
	return nil
}

func (f *forge) merge(a world.Act) error {
	p := f.byKey[a.Pull]
	if p == nil || !p.closed.IsZero() {
		return fmt.Errorf("merge of %s: not open", a.Pull)
	}
	by := f.person(a.By)
	before := f.git.branches[mainBranch].head.sha
	text := fmt.Sprintf("Merge pull request #%d from %s/%s\n\n%s", p.number, f.w.Owner, p.branch, p.title)
	c, err := f.git.merge(p.branch, by, f.flow(), a.At, text)
	if err != nil {
		return err
	}
	f.pushes = append(f.pushes,
		pushed{"refs/heads/" + mainBranch, before, c.sha, "pr_merge", by, a.At},
		pushed{"refs/heads/" + p.branch, p.head.sha, "", "branch_deletion", by, a.At})
	p.landed, p.merger, p.merged, p.closed, p.updated = c, by, a.At, a.At, a.At
	return nil
}

func (f *forge) close(a world.Act) error {
	p := f.byKey[a.Pull]
	if p == nil || !p.closed.IsZero() {
		return fmt.Errorf("closing of %s: not open", a.Pull)
	}
	p.closed, p.updated = a.At, a.At
	f.pushes = append(f.pushes, pushed{"refs/heads/" + p.branch, p.head.sha, "", "branch_deletion", f.person(a.By), a.At})
	return f.git.drop(p.branch)
}

func (f *forge) protect(a world.Act) error {
	for name, on := range a.Protect {
		switch name {
		case "allow_force_pushes":
			f.guard.allowForcePush = on
		case "allow_deletions":
			f.guard.allowDeletion = on
		case "enforce_admins":
			f.guard.enforceAdmins = on
		case "dismiss_stale_reviews":
			f.guard.dismissStale = on
		default:
			return fmt.Errorf("protection has no switch %q", name)
		}
	}
	return nil
}
