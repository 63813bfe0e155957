package intake

import (
	"errors"

	"evidenced/evidence/problem"
	"evidenced/store"
	"evidenced/store/durable"
)

// Forget drops from the disk what the logs have taken: those drafts named
// people, who may have been erased since. What is not taken stays.
func (i *Intake) Forget() error {
	for {
		i.mu.Lock()
		if !i.leading {
			break
		}
		// A write is under way, into a file that must not go. A put of nothing
		// ends after it.
		p := &put{nil, func([]store.IntakeFrame) {}, make(chan error, 1)}
		i.waiting = append(i.waiting, p)
		i.mu.Unlock()
		if err := <-p.done; err != nil {
			return err
		}
	}
	defer i.mu.Unlock()
	if i.failed != nil {
		return i.failed
	}
	if err := i.begin(i.files[len(i.files)-1].number + 1); err != nil {
		return err
	}
	errs := []error{i.tidy()}
	for _, f := range i.files[:len(i.files)-1] {
		if f.size > int64(len(f.line))+f.needed {
			if err := i.rewrite(f); err != nil {
				errs = append(errs, problem.Wrap(problem.Storage, err, "tidy intake file %s", f.path))
			}
		}
	}
	return errors.Join(append(errs, durable.SyncDir(i.dir))...)
}
