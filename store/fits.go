package store

import (
	"errors"
	"fmt"
	"slices"

	"evidenced/evidence"
	"evidenced/evidence/chain"
	"evidenced/evidence/problem"
)

// A log opens cheaply: it reads its end and not its records. What it reads must
// fit together, because it goes on from there: a head that does not belong to
// the records would be built into every later record and checkpoint.

const doesNotFit = "run evidenced verify --tenant %s; nothing is appended until the log is as it was"

// checkHead compares the head with the end of the records and with the tree.
func (l *Log) checkHead() error {
	if l.head.Size == 0 {
		return nil
	}
	misfit := func(format string, args ...any) error {
		return problem.New(problem.Corrupt, "log of %s: "+format, append([]any{l.tenant}, args...)...).WithHint(doesNotFit, l.tenant)
	}
	last, err := l.file.Entry(l.head.Size - 1)
	if err != nil {
		return problem.Wrap(problem.Corrupt, err, "last record of %s", l.tenant)
	}
	if chain.LeafHash(last.Leaf) != l.head.Last {
		return misfit("the head names another last record")
	}
	if _, err := l.file.Entry(l.head.Size); err == nil {
		return misfit("there are records after the %d that the head counts", l.head.Size)
	} else if !errors.Is(err, ErrNoEntry) {
		return problem.Wrap(problem.Corrupt, err, "end of the log of %s", l.tenant)
	}
	lf, err := chain.Decode(last.Leaf)
	if err != nil {
		return problem.Wrap(problem.Corrupt, err, "last record of %s", l.tenant)
	}
	if lf.Origin != l.origin || lf.Seq != l.head.Size-1 || !lf.Recorded.Equal(l.head.Recorded) {
		return misfit("the last record is not one of this log at this place")
	}
	f, err := chain.FrontierAt(l.head.Size, l.hashes())
	if err != nil {
		return problem.Wrap(problem.Corrupt, err, "tree of %s", l.tenant)
	}
	if !slices.Equal(f.Roots(), l.head.Frontier) {
		return misfit("the head has another tree than the stored hashes")
	}
	return nil
}

// checkNewest compares the tree with the newest stored checkpoint. The
// sign-state says the same, but it is not signed: whoever can write the files
// can make it fit other records.
func (l *Log) checkNewest(c chain.Checkpoint) error {
	if c.Origin != l.origin {
		return problem.New(problem.Corrupt, "the newest checkpoint of %s is of log %s", l.tenant, c.Origin).WithHint(doesNotFit, l.tenant)
	}
	root, err := chain.Root(c.Size, l.hashes())
	if err != nil {
		return fmt.Errorf("compare with the newest checkpoint: %w", err)
	}
	if root != c.Root {
		return problem.New(problem.Corrupt, "log of %s has root %s at size %d, but a checkpoint was signed over %s: the records were changed", l.tenant, root, c.Size, c.Root).
			WithHint(doesNotFit, l.tenant)
	}
	return nil
}

// stopAtOpening notes why a log takes nothing; the first reason stays.
func (l *Log) stopAtOpening(err error) {
	if err == nil || l.stoppedBy() != nil {
		return
	}
	l.mu.Lock()
	l.stopped = err
	l.mu.Unlock()
	l.st.o.Log.Error("log stopped", "tenant", l.tenant.String(), "err", err)
}

// takeSigned notes the newest checkpoint.
func (l *Log) takeSigned(c chain.Checkpoint) {
	l.mu.Lock()
	l.signed = evidence.LogHead{Origin: c.Origin, Size: c.Size, Root: c.Root}
	l.mu.Unlock()
}
