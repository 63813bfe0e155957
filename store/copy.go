package store

import (
	"context"
	"fmt"
	"io"

	"evidenced/evidence/chain"
)

// CopyFunc takes one file of a copy: its name below the log's or the data
// directory, and how to write it. Write may be called more than once and gives
// the same bytes each time.
type CopyFunc func(name string, write func(w io.Writer) error) error

// Copier is a LogFile that can be copied while it is appended to.
type Copier interface {
	// Copy calls fn for each file. Together they are the log as it stood at
	// one moment.
	Copy(ctx context.Context, fn CopyFunc) error
}

// CursorCopier is a Backend whose cursors can be copied while in use.
type CursorCopier interface {
	CopyCursors(fn CopyFunc) error
}

// Copy copies the log's records, hashes and checkpoints; not its index, which
// can be derived, and none of its keys.
func (l *Log) Copy(ctx context.Context, fn CopyFunc) error {
	if err := l.use(); err != nil {
		return err
	}
	defer l.release()
	c, ok := l.file.(Copier)
	if !ok {
		return fmt.Errorf("the log of %s is not kept in files", l.tenant)
	}
	return c.Copy(ctx, fn)
}

// CopyCursors copies the cursors. They must be copied before the logs: cursors
// that are behind make a source be read again, cursors that are ahead would
// skip what the copied logs lack.
func (s *Store) CopyCursors(fn CopyFunc) error {
	c, ok := s.o.Backend.(CursorCopier)
	if !ok {
		return fmt.Errorf("the cursors are not kept in a file")
	}
	return c.CopyCursors(fn)
}

// ID returns the opaque name of the log's storage.
func (l *Log) ID() string { return l.keys.LogID() }

// Hashes reads the tree of a stored log: full tiles from the file, the rest
// computed once from its newest records.
func Hashes(f LogFile) (chain.HashReader, error) {
	head, err := f.Head()
	if err != nil {
		return nil, err
	}
	e, err := loadEdge(f, head)
	if err != nil {
		return nil, err
	}
	return e.hashes(f), nil
}
