package anchor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sort"
	"sync"
	"time"

	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// GitOptions configure a [Git].
type GitOptions struct {
	Name string
	// Repository is the path of a repository on this machine, bare or not, or
	// an https URL.
	Repository string
	Branch     string // of its own; default evidenced-checkpoints
	// TokenFile holds the token for https, read again at every use; "" asks
	// without one. User goes with it; default git.
	TokenFile string
	User      string
	CAFile    string // trusted beside the system's roots
	Data      string // the log's data directory, to tell whether a path lies elsewhere
	Open      Opener
	Now       func() time.Time
}

// DefaultBranch is where checkpoints go when no branch is named.
const DefaultBranch = "evidenced-checkpoints"

// Git commits each checkpoint to a branch of a repository elsewhere: file
// INSTALLATION/LOG holds the newest signed note, the history the earlier ones.
// The branch only ever moves from the commit it was read at to a child of it,
// never by force; a branch that somebody else moved meanwhile is an error that
// passes. No hook, no work tree and no program of git is involved. In a
// repository on this machine the library does not sync what it writes: a power
// cut may take the newest commits along, and the next checkpoint is put on top
// of what is left.
type Git struct {
	o  GitOptions
	mu sync.Mutex
}

// NewGit makes the anchor. It touches nothing yet.
func NewGit(o GitOptions) *Git {
	if o.Branch == "" {
		o.Branch = DefaultBranch
	}
	if o.User == "" {
		o.User = "git"
	}
	return &Git{o: o}
}

// Name implements Anchor.
func (g *Git) Name() string { return g.o.Name }

// Rung implements Anchor: 2 on another host, or on another device than the
// data, else 0.
func (g *Git) Rung() int {
	if g.remote() {
		if ep, err := g.endpoint(); err == nil && onOtherHost(ep.Host) {
			return 2
		}
		return 0
	}
	if onOtherDevice(g.o.Repository, g.o.Data) {
		return 2
	}
	return 0
}

func (g *Git) remote() bool { return !filepath.IsAbs(g.o.Repository) }

// gitTimeout bounds one exchange with a server.
const gitTimeout = 60 * time.Second

// branch is the branch as it was read: its tip, zero when there is none, the
// objects below the tip, and how to move it on.
type branch struct {
	tip   plumbing.Hash
	store storer.EncodedObjectStorer
	// publish moves the branch from tip to the commit, whose new objects it
	// is given; it fails when the branch is no longer at tip.
	publish func(ctx context.Context, commit plumbing.Hash, objects []plumbing.Hash) error
	close   func()
}

func (g *Git) read(ctx context.Context) (*branch, error) {
	if g.remote() {
		return g.readRemote(ctx)
	}
	return g.readLocal()
}

func (g *Git) ref() plumbing.ReferenceName { return plumbing.NewBranchReferenceName(g.o.Branch) }

func (g *Git) readLocal() (*branch, error) {
	repo, err := git.PlainOpen(g.o.Repository)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", g.o.Repository, err)
	}
	if err := g.notCheckedOut(repo); err != nil {
		return nil, err
	}
	b := &branch{store: repo.Storer, close: func() {}}
	old, err := repo.Storer.Reference(g.ref())
	switch {
	case errors.Is(err, plumbing.ErrReferenceNotFound):
	case err != nil:
		return nil, fmt.Errorf("read branch %s: %w", g.o.Branch, err)
	default:
		b.tip = old.Hash()
	}
	b.publish = func(_ context.Context, commit plumbing.Hash, _ []plumbing.Hash) error {
		return repo.Storer.CheckAndSetReference(plumbing.NewHashReference(g.ref(), commit), old)
	}
	return b, nil
}

// notCheckedOut refuses a branch that a work tree stands on: moving it would
// make the work tree look as if everything had been undone.
func (g *Git) notCheckedOut(repo *git.Repository) error {
	cfg, err := repo.Config()
	if err != nil {
		return fmt.Errorf("read the repository's configuration: %w", err)
	}
	head, err := repo.Storer.Reference(plumbing.HEAD)
	if err != nil && !errors.Is(err, plumbing.ErrReferenceNotFound) {
		return fmt.Errorf("read HEAD: %w", err)
	}
	if !cfg.Core.IsBare && head != nil && head.Target() == g.ref() {
		return fmt.Errorf("branch %s is checked out in %s: name a branch for checkpoints alone", g.o.Branch, g.o.Repository)
	}
	return nil
}

// Put implements Anchor.
func (g *Git) Put(ctx context.Context, c Checkpoint, prove func(uint64) ([]evidence.Hash, error)) (Receipt, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	r := c.receipt(g, "git", g.o.Repository, g.o.Now())
	commit, err := g.put(ctx, c, prove)
	if err != nil {
		return r, fmt.Errorf("anchor %s: %w", g.o.Name, err)
	}
	r.Answer, r.Done = "commit "+commit.String(), g.o.Now().UTC()
	return r, nil
}

// put returns the commit that holds the checkpoint.
func (g *Git) put(ctx context.Context, c Checkpoint, prove func(uint64) ([]evidence.Hash, error)) (plumbing.Hash, error) {
	b, err := g.read(ctx)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	defer b.close()
	old, ok, err := g.newest(b, c.Origin)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	if ok {
		same, err := held(g.o.Name, old, c, prove)
		if err != nil || same {
			return b.tip, err
		}
	}
	commit, objects, err := g.commit(b, c)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	return commit, b.publish(ctx, commit, objects)
}

// Newest implements Anchor.
func (g *Git) Newest(ctx context.Context, origin string) (uint64, evidence.Hash, bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, gitTimeout)
	defer cancel()
	b, err := g.read(ctx)
	if err != nil {
		return 0, evidence.Hash{}, false, fmt.Errorf("anchor %s: %w", g.o.Name, err)
	}
	defer b.close()
	c, ok, err := g.newest(b, origin)
	if err != nil {
		return 0, evidence.Hash{}, false, fmt.Errorf("anchor %s: %w", g.o.Name, err)
	}
	return c.Size, c.Root, ok, nil
}

// newest reads the note of the log at the branch's tip.
func (g *Git) newest(b *branch, origin string) (chain.Checkpoint, bool, error) {
	var none chain.Checkpoint
	inst, log, err := originPath(origin)
	if err != nil || b.tip.IsZero() {
		return none, false, err
	}
	commit, err := object.GetCommit(b.store, b.tip)
	if err != nil {
		return none, false, fmt.Errorf("read the tip of branch %s: %w", g.o.Branch, err)
	}
	entry, ok, err := lookUp(b.store, commit.TreeHash, inst)
	if err != nil || !ok {
		return none, false, err
	}
	if entry, ok, err = lookUp(b.store, entry.Hash, log); err != nil || !ok {
		return none, false, err
	}
	blob, err := object.GetBlob(b.store, entry.Hash)
	if err != nil {
		return none, false, fmt.Errorf("read the note of log %s: %w", origin, err)
	}
	if blob.Size > maxNote {
		return none, false, fmt.Errorf("the note of log %s has %d bytes, at most %d are read", origin, blob.Size, maxNote)
	}
	rd, err := blob.Reader()
	if err != nil {
		return none, false, fmt.Errorf("read the note of log %s: %w", origin, err)
	}
	defer rd.Close()
	signed, err := io.ReadAll(io.LimitReader(rd, maxNote))
	if err != nil {
		return none, false, fmt.Errorf("read the note of log %s: %w", origin, err)
	}
	c, err := openOf(signed, origin, g.o.Open)
	if err != nil {
		return none, false, fmt.Errorf("the note of log %s: %w", origin, err)
	}
	return c, true, nil
}

// lookUp finds a name in a tree.
func lookUp(s storer.EncodedObjectStorer, tree plumbing.Hash, name string) (object.TreeEntry, bool, error) {
	t, err := object.GetTree(s, tree)
	if err != nil {
		return object.TreeEntry{}, false, fmt.Errorf("read a folder of the branch: %w", err)
	}
	for _, e := range t.Entries {
		if e.Name == name {
			return e, true, nil
		}
	}
	return object.TreeEntry{}, false, nil
}

// commit makes the commit that adds the checkpoint to the tip and returns it
// with all objects that are new.
func (g *Git) commit(b *branch, c Checkpoint) (plumbing.Hash, []plumbing.Hash, error) {
	inst, log, err := originPath(c.Origin)
	if err != nil {
		return plumbing.ZeroHash, nil, err
	}
	var root, folder plumbing.Hash
	var parents []plumbing.Hash
	if !b.tip.IsZero() {
		tip, err := object.GetCommit(b.store, b.tip)
		if err != nil {
			return plumbing.ZeroHash, nil, fmt.Errorf("read the tip of branch %s: %w", g.o.Branch, err)
		}
		root, parents = tip.TreeHash, []plumbing.Hash{b.tip}
		e, ok, err := lookUp(b.store, root, inst)
		if err != nil {
			return plumbing.ZeroHash, nil, err
		}
		if ok {
			folder = e.Hash
		}
	}
	w := writer{s: b.store}
	blob := w.blob(c.Signed)
	folder = w.with(folder, object.TreeEntry{Name: log, Mode: filemode.Regular, Hash: blob})
	root = w.with(root, object.TreeEntry{Name: inst, Mode: filemode.Dir, Hash: folder})
	who := object.Signature{Name: "evidenced", Email: "evidenced@" + inst + ".invalid", When: g.o.Now().UTC().Truncate(time.Second)}
	commit := w.encode(&object.Commit{
		Author: who, Committer: who, TreeHash: root, ParentHashes: parents,
		Message: fmt.Sprintf("checkpoint %s %d\n\nroot %s\n", c.Origin, c.Size, c.Root),
	})
	return commit, w.made, w.err
}

// writer stores objects and remembers them and the first error.
type writer struct {
	s    storer.EncodedObjectStorer
	made []plumbing.Hash
	err  error
}

func (w *writer) put(o plumbing.EncodedObject) plumbing.Hash {
	if w.err != nil {
		return plumbing.ZeroHash
	}
	h, err := w.s.SetEncodedObject(o)
	if err != nil {
		w.err = fmt.Errorf("write an object: %w", err)
		return plumbing.ZeroHash
	}
	w.made = append(w.made, h)
	return h
}

func (w *writer) encode(v interface {
	Encode(plumbing.EncodedObject) error
}) plumbing.Hash {
	o := w.s.NewEncodedObject()
	if err := v.Encode(o); err != nil {
		w.err = errors.Join(w.err, err)
	}
	return w.put(o)
}

func (w *writer) blob(b []byte) plumbing.Hash {
	o := w.s.NewEncodedObject()
	o.SetType(plumbing.BlobObject)
	wr, err := o.Writer()
	if err == nil {
		_, err = wr.Write(b)
		err = errors.Join(err, wr.Close())
	}
	w.err = errors.Join(w.err, err)
	return w.put(o)
}

// with returns the tree with the entry set; a zero tree is the empty one.
func (w *writer) with(tree plumbing.Hash, entry object.TreeEntry) plumbing.Hash {
	next := &object.Tree{Entries: []object.TreeEntry{entry}}
	if !tree.IsZero() {
		t, err := object.GetTree(w.s, tree)
		if err != nil {
			w.err = errors.Join(w.err, fmt.Errorf("read a folder of the branch: %w", err))
			return plumbing.ZeroHash
		}
		for _, e := range t.Entries {
			if e.Name != entry.Name {
				next.Entries = append(next.Entries, e)
			}
		}
	}
	sort.Sort(object.TreeEntrySorter(next.Entries)) // git's own order: a folder sorts as if it ended in a slash
	return w.encode(next)
}
