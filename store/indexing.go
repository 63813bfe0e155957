package store

import (
	"context"
	"fmt"
	"time"

	"github.com/tidwall/btree"

	"evidenced/evidence"
	"evidenced/evidence/chain"
)

// indexEvery is how long postings wait at most in memory before they are
// stored, so that little is left to derive again after a crash.
const indexEvery = 2 * time.Second

// indexChunk bounds the records of one index transaction: large ones cost
// memory out of proportion.
const indexChunk = 16 << 10

// snapshot returns the index as one ordered map, and the size it stands for.
// The caller closes the view.
func (l *Log) snapshot() (layers, uint64, error) {
	l.mu.Lock()
	trees := []*btree.BTreeG[Posting]{l.active.Copy()}
	if l.flushing != nil {
		trees = append(trees, l.flushing)
	}
	size := l.head.Size
	l.mu.Unlock()
	v, err := l.index.View()
	if err != nil {
		return layers{}, 0, fmt.Errorf("open index: %w", err)
	}
	return layers{trees, v}, size, nil
}

func (l *Log) indexLoop() {
	defer l.done.Done()
	tick := time.NewTicker(indexEvery)
	defer tick.Stop()
	for {
		select {
		case <-l.quit:
			return
		case <-l.flush:
		case <-tick.C:
		}
		if err := l.flushIndex(); err != nil {
			// The index can be derived again; the log goes on from memory.
			l.st.o.Log.Error("index not stored", "tenant", l.tenant.String(), "err", err)
		}
	}
}

// flushIndex stores the postings of the tail.
func (l *Log) flushIndex() error {
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	l.mu.Lock()
	if l.flushing == nil {
		if l.activeN == 0 {
			l.mu.Unlock()
			return nil
		}
		l.flushing, l.active, l.activeN = l.active, newTree(), 0
	}
	tree, mark := l.flushing, l.head.Size-uint64(l.activeN)
	l.mu.Unlock()
	var ps []Posting
	tree.Scan(func(p Posting) bool {
		ps = append(ps, p)
		return true
	})
	err := l.index.Apply(ps, mark)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flushErr = err; err != nil {
		return err
	}
	l.flushing, l.flushed = nil, mark
	return nil
}

// waitForIndex holds the committer back while the tail is too long: memory
// stays flat and callers feel the back-pressure.
func (l *Log) waitForIndex() {
	for {
		l.mu.RLock()
		n, failing := l.activeN, l.flushErr
		l.mu.RUnlock()
		if n < maxTail {
			return
		}
		if failing != nil {
			_ = l.stop(fmt.Errorf("the index cannot be written and memory is full: %w", failing))
			return
		}
		select {
		case l.flush <- struct{}{}:
		default:
		}
		select {
		case <-l.quit:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// catchUpIndex derives the postings of records that were not indexed when the
// log was closed. An index that is ahead of its log belongs to another log
// file (a restored copy) and is thrown away.
func (l *Log) catchUpIndex() error {
	mark, err := l.index.Watermark()
	if err != nil || mark > l.head.Size {
		if err := l.index.Reset(); err != nil {
			return fmt.Errorf("reset index: %w", err)
		}
		mark = 0
	}
	l.flushed = mark
	for mark < l.head.Size {
		end := min(mark+indexChunk, l.head.Size)
		tree := newTree()
		if err := l.file.Scan(mark, end, func(e Entry) error {
			ps, err := l.derive(e)
			for _, p := range ps {
				tree.Set(p)
			}
			return err
		}); err != nil {
			return fmt.Errorf("derive index: %w", err)
		}
		var ps []Posting
		tree.Scan(func(p Posting) bool {
			ps = append(ps, p)
			return true
		})
		if err := l.index.Apply(ps, end); err != nil {
			return fmt.Errorf("store index: %w", err)
		}
		mark, l.flushed = end, end
	}
	return nil
}

// derive opens a stored record and makes its postings. A record whose content
// is closed for good (an erased person's) is found by kind, time and people
// only.
func (l *Log) derive(e Entry) ([]Posting, error) {
	lf, err := chain.Decode(e.Leaf)
	if err != nil {
		return nil, fmt.Errorf("record %d: %w", e.Seq, err)
	}
	c, err := l.openContent(lf, e)
	if err != nil {
		l.st.o.Log.Warn("record indexed without its content", "tenant", l.tenant.String(), "seq", e.Seq, "err", err)
		tk := timeKey(lf.Occurred)
		key := append(append([]byte(lf.Kind), 0), tk[:]...)
		return []Posting{{bucketTime, append(key, seqBytes(e.Seq)...), nil}}, nil
	}
	info, _ := evidence.KindInfo(lf.Kind)
	ident := l.names.identity(lf.Source, lf.Kind, c.Key)
	if info.State {
		ident = l.names.state(lf.Source, lf.Kind, c.Subject)
	}
	return l.postings(nil, e.Seq, lf.Kind, lf.Occurred, lf.Op, ident, c.Digest, c.Subject, c.Links, lf.People), nil
}

// CheckIndex counts the records that are not found by their kind and time.
func (l *Log) CheckIndex(ctx context.Context) (missing uint64, err error) {
	s := l.Snapshot()
	v, err := l.index.View()
	if err != nil {
		return 0, fmt.Errorf("open index: %w", err)
	}
	defer v.Close()
	ls := layers{s.trees, v}
	err = l.file.Scan(0, s.size, func(e Entry) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		lf, err := chain.Decode(e.Leaf)
		if err != nil {
			return fmt.Errorf("record %d: %w", e.Seq, err)
		}
		tk := timeKey(lf.Occurred)
		key := append(append(append([]byte(lf.Kind), 0), tk[:]...), seqBytes(e.Seq)...)
		if _, ok := ls.get(bucketTime, key); !ok {
			missing++
		}
		return nil
	})
	return missing, err
}

// RebuildIndex throws the index away and derives it again. The log takes no
// appends meanwhile.
func (l *Log) RebuildIndex() error {
	reply := make(chan error, 1)
	select {
	case l.rebuild <- reply:
		return <-reply
	case <-l.quit:
		return fmt.Errorf("log of %s is closed", l.tenant)
	}
}

// rebuildNow runs in the committer, so that nothing is appended beside it.
func (l *Log) rebuildNow() error {
	if err := l.flushIndex(); err != nil {
		return err
	}
	l.flushMu.Lock()
	defer l.flushMu.Unlock()
	if err := l.index.Reset(); err != nil {
		return err
	}
	return l.catchUpIndex()
}
