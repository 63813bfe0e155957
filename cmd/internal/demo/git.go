package demo

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"evidenced/testdata/world"
)

const mainBranch = "main"

// commit is one commit of the repository, as the forge shows it too.
type commit struct {
	sha       string
	tree      string
	parents   []string
	author    world.Person
	committer world.Person
	at        time.Time
	message   string
	files     []fileChange // against the first parent
	snap      snapshot
}

// branch is a branch and what has been changed on it since it left main.
type branch struct {
	head  *commit
	edits []world.Edit
}

// gitRepo writes a real bare repository, commit by commit. The same acts give
// the same object ids.
type gitRepo struct {
	w        *world.World
	store    storer.Storer
	branches map[string]*branch
	commits  map[string]*commit
	written  map[plumbing.Hash]bool
	blobs    map[string]plumbing.Hash // content to id
	mains    []mainHead
}

// mainHead is where main stood from a time on.
type mainHead struct {
	from   time.Time
	head   *commit
	prints map[string]string
}

func newGitRepo(dir string, w *world.World) (*gitRepo, error) {
	r, err := git.PlainInit(dir, true)
	if err != nil {
		return nil, fmt.Errorf("make the git repository: %w", err)
	}
	g := &gitRepo{w: w, store: r.Storer, branches: map[string]*branch{}, commits: map[string]*commit{},
		written: map[plumbing.Hash]bool{}, blobs: map[string]plumbing.Hash{}}
	head := plumbing.NewSymbolicReference(plumbing.HEAD, plumbing.NewBranchReferenceName(mainBranch))
	if err := g.store.SetReference(head); err != nil {
		return nil, fmt.Errorf("make the git repository: %w", err)
	}
	return g, nil
}

// push adds a commit to a branch; a new branch leaves from main.
func (g *gitRepo) push(name string, by world.Person, at time.Time, message string, edits []world.Edit) (*commit, error) {
	b := g.branches[name]
	if b == nil {
		b = &branch{}
		if main := g.branches[mainBranch]; main != nil {
			b.head = main.head
		}
		g.branches[name] = b
	}
	var parents []*commit
	if b.head != nil {
		parents = []*commit{b.head}
	}
	b.edits = append(b.edits, edits...)
	return g.commit(name, parents, by, by, at, message, edits)
}

// replace puts one commit on top of main in the place of all the branch held.
func (g *gitRepo) replace(name string, by world.Person, at time.Time, message string, edits []world.Edit) (*commit, error) {
	b := g.branches[name]
	if b == nil {
		return nil, fmt.Errorf("branch %s is not there", name)
	}
	b.edits = slices.Clone(edits)
	return g.commit(name, []*commit{g.branches[mainBranch].head}, by, by, at, message, edits)
}

// merge makes a merge commit of a branch on main and takes the branch away.
func (g *gitRepo) merge(name string, by, committer world.Person, at time.Time, message string) (*commit, error) {
	b := g.branches[name]
	if b == nil {
		return nil, fmt.Errorf("branch %s is not there", name)
	}
	c, err := g.commit(mainBranch, []*commit{g.branches[mainBranch].head, b.head}, by, committer, at, message, b.edits)
	if err != nil {
		return nil, err
	}
	return c, g.drop(name)
}

// drop deletes a branch.
func (g *gitRepo) drop(name string) error {
	delete(g.branches, name)
	return g.store.RemoveReference(plumbing.NewBranchReferenceName(name))
}

func (g *gitRepo) commit(name string, parents []*commit, author, committer world.Person, at time.Time, message string, edits []world.Edit) (*commit, error) {
	base := emptySnapshot()
	c := &commit{author: author, committer: committer, at: at, message: message}
	var hashes []plumbing.Hash
	for i, p := range parents {
		if i == 0 {
			base = p.snap
		}
		c.parents = append(c.parents, p.sha)
		hashes = append(hashes, plumbing.NewHash(p.sha))
	}
	c.snap = base.with(g.w, edits)
	c.files = differences(base, c.snap)
	tree, err := g.tree(c.snap.files)
	if err != nil {
		return nil, err
	}
	id, err := g.encode(&object.Commit{
		Author:    object.Signature{Name: author.Name, Email: author.Email(), When: at.UTC()},
		Committer: object.Signature{Name: committer.Name, Email: committer.Email(), When: at.UTC()},
		Message:   message + "\n", TreeHash: tree, ParentHashes: hashes,
	})
	if err != nil {
		return nil, err
	}
	c.sha, c.tree = id.String(), tree.String()
	g.commits[c.sha] = c
	g.branches[name].head = c
	if name == mainBranch {
		g.mains = append(g.mains, mainHead{at, c, c.snap.fingerprints(g.w.Own.Name)})
	}
	return c, g.store.SetReference(plumbing.NewHashReference(plumbing.NewBranchReferenceName(name), id))
}

// mainAt returns where main stood at a time.
func (g *gitRepo) mainAt(at time.Time) (mainHead, bool) {
	for i := len(g.mains) - 1; i >= 0; i-- {
		if !g.mains[i].from.After(at) {
			return g.mains[i], true
		}
	}
	return mainHead{}, false
}

// encoder is a git object that can write itself.
type encoder interface {
	Encode(plumbing.EncodedObject) error
}

func (g *gitRepo) encode(e encoder) (plumbing.Hash, error) {
	o := g.store.NewEncodedObject()
	if err := e.Encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	return g.put(o)
}

// put stores an object once.
func (g *gitRepo) put(o plumbing.EncodedObject) (plumbing.Hash, error) {
	if id := o.Hash(); g.written[id] {
		return id, nil
	}
	id, err := g.store.SetEncodedObject(o)
	if err == nil {
		g.written[id] = true
	}
	return id, err
}

func (g *gitRepo) blob(content string) (plumbing.Hash, error) {
	if id, ok := g.blobs[content]; ok {
		return id, nil
	}
	o := g.store.NewEncodedObject()
	o.SetType(plumbing.BlobObject)
	wr, err := o.Writer()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if _, err := io.WriteString(wr, content); err != nil {
		return plumbing.ZeroHash, err
	}
	if err := wr.Close(); err != nil {
		return plumbing.ZeroHash, err
	}
	id, err := g.put(o)
	g.blobs[content] = id
	return id, err
}

// tree stores the folders of a flat list of files and returns the root.
func (g *gitRepo) tree(files map[string]string) (plumbing.Hash, error) {
	below := map[string]map[string]string{}
	var t object.Tree
	for path, content := range files {
		dir, rest, nested := strings.Cut(path, "/")
		if nested {
			if below[dir] == nil {
				below[dir] = map[string]string{}
			}
			below[dir][rest] = content
			continue
		}
		id, err := g.blob(content)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		t.Entries = append(t.Entries, object.TreeEntry{Name: path, Mode: filemode.Regular, Hash: id})
	}
	for _, dir := range slices.Sorted(maps.Keys(below)) {
		id, err := g.tree(below[dir])
		if err != nil {
			return plumbing.ZeroHash, err
		}
		t.Entries = append(t.Entries, object.TreeEntry{Name: dir, Mode: filemode.Dir, Hash: id})
	}
	slices.SortFunc(t.Entries, func(a, b object.TreeEntry) int { return strings.Compare(sortName(a), sortName(b)) })
	return g.encode(&t)
}

// sortName is how git orders the entries of a tree: folders as if a slash
// stood behind their name.
func sortName(e object.TreeEntry) string {
	if e.Mode == filemode.Dir {
		return e.Name + "/"
	}
	return e.Name
}
