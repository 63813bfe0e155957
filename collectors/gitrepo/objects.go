package gitrepo

import (
	"bufio"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"evidenced/evidence/problem"
)

// objects reads the objects of one repository and its alternates. It belongs
// to one look and is closed at its end.
type objects struct {
	stores   []*filesystem.Storage // the repository's own first
	max      int64                 // largest object, bytes
	reindex  int                   // times the pack lists were read anew
	shallows map[plumbing.Hash]bool
}

var (
	errMissing  = errors.New("object is not there")
	errTooLarge = errors.New("object is larger than allowed")
)

// corruptError is an object whose bytes cannot be trusted or read.
type corruptError struct{ why error }

func (e corruptError) Error() string { return "object is corrupt: " + e.why.Error() }
func (e corruptError) Unwrap() error { return e.why }

const cacheBytes = cache.FileSize(32 << 20)

// gitDir returns the directory that holds objects and refs: path itself when
// bare, else path/.git. Errors are for people.
func gitDir(path string) (string, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return "", problem.Wrap(problem.Source, err, "open repository").
			WithHint("check that %s exists and that the daemon's user may read it", path)
	}
	if !fi.IsDir() {
		return "", problem.New(problem.Source, "%s is a file, not a repository", path)
	}
	dot := filepath.Join(path, ".git")
	switch fi, err := os.Lstat(dot); {
	case err == nil && fi.IsDir():
		return dot, nil
	case err == nil:
		return "", problem.New(problem.Refused, "%s is no directory but a pointer to another place", dot).
			WithHint("name the main repository itself, not a linked worktree or a submodule")
	case !errors.Is(err, os.ErrNotExist):
		return "", problem.Wrap(problem.Source, err, "open repository")
	}
	if _, err := os.Stat(filepath.Join(path, "objects")); err != nil {
		return "", problem.New(problem.Source, "%s is not a git repository", path).
			WithHint("name the directory that holds .git, or a bare repository")
	}
	return path, nil
}

// openObjects opens the repository at dir (a gitDir). root is the directory
// that alternates must stay inside.
func openObjects(dir, root string, max int64) (*objects, error) {
	o := &objects{max: max, shallows: map[plumbing.Hash]bool{}}
	realRoot, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, problem.Wrap(problem.Source, err, "open repository")
	}
	if err := o.open(dir, realRoot, map[string]bool{}); err != nil {
		o.close()
		return nil, err
	}
	// Checks the repository's format and its extensions.
	if _, err := git.Open(o.stores[0], nil); err != nil {
		o.close()
		return nil, problem.Wrap(problem.Source, err, "open repository").
			WithHint("repositories with SHA-1 object ids in git's usual file formats are read")
	}
	hs, err := o.stores[0].Shallow()
	if err != nil {
		o.close()
		return nil, problem.Wrap(problem.Source, err, "read the shallow file")
	}
	for _, h := range hs {
		o.shallows[h] = true
	}
	return o, nil
}

const maxAlternates = 16

func (o *objects) open(dir, root string, seen map[string]bool) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return problem.Wrap(problem.Source, err, "open repository")
	}
	for _, part := range []string{"", "objects", "objects/pack", "refs"} {
		p, err := filepath.EvalSymlinks(filepath.Join(real, part))
		if err == nil && !inside(root, p) {
			return outside(filepath.Join(dir, part))
		}
	}
	if seen[real] || len(seen) >= maxAlternates {
		return nil
	}
	seen[real] = true
	o.stores = append(o.stores, filesystem.NewStorageWithOptions(
		osfs.New(real, osfs.WithBoundOS()), cache.NewObjectLRU(cacheBytes),
		filesystem.Options{KeepDescriptors: true}))
	return o.alternates(real, root, seen)
}

// alternates opens what objects/info/alternates names. See gitrepository-layout.
func (o *objects) alternates(dir, root string, seen map[string]bool) error {
	f, err := os.Open(filepath.Join(dir, "objects", "info", "alternates"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return problem.Wrap(problem.Source, err, "read alternates")
	}
	defer f.Close()
	sc := bufio.NewScanner(io.LimitReader(f, 64<<10))
	for sc.Scan() {
		line := sc.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !filepath.IsAbs(line) {
			line = filepath.Join(dir, "objects", line)
		}
		real, err := filepath.EvalSymlinks(line)
		if err != nil {
			return problem.Wrap(problem.Source, err, "read alternates")
		}
		if !inside(root, real) {
			return outside(line)
		}
		if err := o.open(filepath.Dir(real), root, seen); err != nil {
			return err
		}
	}
	return sc.Err()
}

func outside(path string) error {
	return problem.New(problem.Refused, "the repository borrows objects from %s, outside its own directory", path).
		WithHint("run \"git repack -a -d\" and remove objects/info/alternates, or name a directory that holds both")
}

func inside(root, path string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

func (o *objects) close() {
	for _, s := range o.stores {
		_ = s.Close() // read only: nothing is lost
	}
}

// read returns the bytes of an object after checking them against its id.
// Errors are errMissing, errTooLarge, or a corruptError.
func (o *objects) read(ctx context.Context, typ plumbing.ObjectType, id plumbing.Hash) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, got, err := o.find(id)
	// A repack by somebody else moves objects to packs that are not known yet.
	if errors.Is(err, errMissing) && o.reindex < 3 {
		o.reindex++
		for _, s := range o.stores {
			s.Reindex()
		}
		b, got, err = o.find(id)
	}
	if err != nil {
		return nil, err
	}
	if got != typ && typ != plumbing.AnyObject {
		return nil, corruptError{fmt.Errorf("it is a %s, not a %s", got, typ)}
	}
	h := sha1.New()
	fmt.Fprintf(h, "%s %d\x00", got, len(b))
	h.Write(b)
	if plumbing.Hash(h.Sum(nil)) != id {
		return nil, corruptError{errors.New("its bytes do not hash to its id")}
	}
	return b, nil
}

// kind returns an object's type and bytes.
func (o *objects) kind(ctx context.Context, id plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	var err error
	for _, t := range []plumbing.ObjectType{plumbing.CommitObject, plumbing.TagObject} {
		var b []byte
		if b, err = o.read(ctx, t, id); err == nil {
			return t, b, nil
		}
		if errors.Is(err, errMissing) || ctx.Err() != nil {
			break
		}
	}
	return plumbing.InvalidObject, nil, err
}

func (o *objects) find(id plumbing.Hash) (b []byte, typ plumbing.ObjectType, err error) {
	err = errMissing
	for _, s := range o.stores {
		if b, typ, err = o.load(s, id); !errors.Is(err, errMissing) {
			return b, typ, err
		}
	}
	return nil, plumbing.InvalidObject, err
}

// load reads one object of one store. The library may panic on a pack that
// was made to harm; that is a corrupt object too.
func (o *objects) load(s *filesystem.Storage, id plumbing.Hash) (b []byte, typ plumbing.ObjectType, err error) {
	defer func() {
		if r := recover(); r != nil {
			b, err = nil, corruptError{fmt.Errorf("reading it failed: %v", r)}
		}
	}()
	obj, err := s.EncodedObject(plumbing.AnyObject, id)
	switch {
	case errors.Is(err, plumbing.ErrObjectNotFound):
		return nil, 0, errMissing
	case err != nil:
		return nil, 0, corruptError{err}
	case obj.Size() > o.max:
		return nil, 0, fmt.Errorf("%w: %d bytes, at most %d", errTooLarge, obj.Size(), o.max)
	}
	r, err := obj.Reader()
	if err != nil {
		return nil, 0, corruptError{err}
	}
	defer r.Close()
	b = make([]byte, 0, obj.Size()+1)
	for n := 0; ; {
		if len(b) == cap(b) {
			return nil, 0, corruptError{errors.New("it holds more bytes than it says")}
		}
		n, err = r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, obj.Type(), nil
		}
		if err != nil {
			return nil, 0, corruptError{err}
		}
	}
}

// commit reads and parses a commit. The parents of a commit at the edge of a
// shallow repository are not there and are left out.
func (o *objects) commit(ctx context.Context, id plumbing.Hash) (*commit, []byte, error) {
	raw, err := o.read(ctx, plumbing.CommitObject, id)
	if err != nil {
		return nil, nil, err
	}
	c, err := parseCommit(raw)
	if err != nil {
		return nil, nil, corruptError{err}
	}
	return c, raw, nil
}

// walkParents are the parents a walk may go to.
func (o *objects) walkParents(id plumbing.Hash, c *commit) []plumbing.Hash {
	if o.shallows[id] {
		return nil
	}
	return c.parents
}

func (o *objects) tree(ctx context.Context, id plumbing.Hash) ([]treeEntry, error) {
	raw, err := o.read(ctx, plumbing.TreeObject, id)
	if err != nil {
		return nil, err
	}
	es, err := parseTree(raw)
	if err != nil {
		return nil, corruptError{err}
	}
	return es, nil
}
