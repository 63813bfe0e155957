package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"evidenced/evidence/problem"
)

const modeFile = 0o100000 // a regular file, executable or not

// maxDepth bounds how deep in a tree a file is looked for.
const maxDepth = 64

// Holds reports whether a commit has a regular file of exactly these bytes at
// the path, by what was last fetched: nothing is asked of a server. A commit
// that no repository of this source has is found false. Every object on the way
// is checked against its id, so the commit's id vouches for the answer.
func (c *Collector) Holds(ctx context.Context, commit, path string, want []byte) (found, same bool, err error) {
	id, err := parseID([]byte(commit))
	if err != nil {
		return false, false, problem.New(problem.Usage, "%.80q is no commit id of 40 digits", commit)
	}
	for _, t := range c.targets {
		objs, err := c.openStored(t)
		if errors.Is(err, os.ErrNotExist) {
			continue // never fetched
		}
		if err != nil {
			return false, false, err
		}
		found, same, err = objs.holds(ctx, id, path, want)
		objs.close()
		if found || err != nil {
			return found, same, err
		}
	}
	return false, false, nil
}

// openStored opens what a repository, or the mirror of one, holds now.
func (c *Collector) openStored(t target) (*objects, error) {
	dir, root := c.mirrorDir(t), c.mirrorDir(t)
	if t.place == placeLocal {
		var err error
		if dir, err = gitDir(t.path); err != nil {
			return nil, err
		}
		root = t.path
	} else if _, err := os.Stat(filepath.Join(dir, "HEAD")); err != nil {
		return nil, err
	}
	return openObjects(dir, root, c.cfg.MaxObjectBytes)
}

func (o *objects) holds(ctx context.Context, id plumbing.Hash, path string, want []byte) (found, same bool, err error) {
	cm, _, err := o.commit(ctx, id)
	if errors.Is(err, errMissing) {
		return false, false, nil
	}
	if err != nil {
		return true, false, problem.Wrap(problem.Source, err, "commit %s", id)
	}
	names := strings.Split(path, "/")
	if len(names) > maxDepth {
		return true, false, problem.New(problem.Usage, "the path has %d parts, at most %d", len(names), maxDepth)
	}
	at := cm.tree
	for i, name := range names {
		entries, err := o.tree(ctx, at)
		if err != nil {
			return true, false, problem.Wrap(problem.Source, err, "files of commit %s", id)
		}
		e, ok := entryNamed(entries, name)
		if !ok || e.isTree() != (i < len(names)-1) {
			return true, false, nil
		}
		if at = e.id; e.isTree() {
			continue
		}
		if e.mode&modeType != modeFile {
			return true, false, nil // a link or a submodule
		}
	}
	b, err := o.read(ctx, plumbing.BlobObject, at)
	if errors.Is(err, errTooLarge) {
		return true, false, nil
	}
	if err != nil {
		return true, false, problem.Wrap(problem.Source, err, "file of commit %s", id)
	}
	return true, bytes.Equal(b, want), nil
}

// entryNamed finds the one entry of the name. A tree that has two, which git
// never writes, shows its readers one or the other: it has none.
func entryNamed(es []treeEntry, name string) (found treeEntry, ok bool) {
	for _, e := range es {
		if e.name != name {
			continue
		}
		if ok {
			return treeEntry{}, false
		}
		found, ok = e, true
	}
	return found, ok
}
