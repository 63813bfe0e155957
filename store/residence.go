package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A log is resident while its files are open and its goroutines run. It
// becomes so with its first use, and is closed again when it was idle for
// long, or when more logs are resident than the store may keep open. A closed
// log is only a handle: opening it again needs nobody's help.

// use makes the log resident and keeps it so until release.
func (l *Log) use() error {
	l.life.Lock()
	defer l.life.Unlock()
	if !l.resident && l.ended == nil && !l.st.isClosed() && l.st.crowded() {
		l.life.Unlock()
		l.st.makeRoom()
		l.life.Lock()
	}
	if l.ended != nil {
		return l.ended
	}
	if !l.resident {
		if l.st.isClosed() {
			return errClosed
		}
		if err := l.open(); err != nil {
			err = fmt.Errorf("open log of tenant %s: %w", l.tenant, err)
			l.setUnopened(err)
			return err
		}
		l.setUnopened(nil)
		l.resident, l.opened = true, true
		l.st.opened(l)
		if l.size() == 0 && l.stoppedBy() == nil {
			if err := l.begin(); err != nil {
				return errors.Join(fmt.Errorf("begin log of tenant %s: %w", l.tenant, err), l.shut())
			}
			if err := l.loadKeys(); err != nil {
				return errors.Join(err, l.shut())
			}
		}
		if err := l.tellLostTail(); err != nil {
			return errors.Join(fmt.Errorf("tell what log of tenant %s lost: %w", l.tenant, err), l.shut())
		}
	}
	l.users++
	return nil
}

func (l *Log) setUnopened(why error) {
	l.mu.Lock()
	l.unopened = why
	l.mu.Unlock()
}

// Grown returns how many records the log has, without opening it; false when
// this store has not opened it yet, and does not know.
func (l *Log) Grown() (uint64, bool) {
	l.life.Lock()
	known := l.opened && l.ended == nil
	l.life.Unlock()
	if !known {
		return 0, false
	}
	return l.size(), true
}

func (l *Log) release() {
	l.life.Lock()
	defer l.life.Unlock()
	l.used = time.Now()
	if l.users--; l.users == 0 {
		l.lifeChanged.Broadcast()
	}
}

// rest closes the log if nobody uses it.
func (l *Log) rest() error {
	l.life.Lock()
	defer l.life.Unlock()
	if !l.resident || l.users > 0 {
		return nil
	}
	return l.shut()
}

// idleSince says when the log was used last; false while it is in use or
// closed.
func (l *Log) idleSince() (time.Time, bool) {
	l.life.Lock()
	defer l.life.Unlock()
	return l.used, l.resident && l.users == 0
}

// close waits for the operations at work and closes the log.
func (l *Log) close() error {
	l.life.Lock()
	defer l.life.Unlock()
	for l.users > 0 {
		l.lifeChanged.Wait()
	}
	if !l.resident {
		return nil
	}
	return l.shut()
}

// finish closes the log for good; it gives the error from now on.
func (l *Log) finish(why error) error {
	l.life.Lock()
	l.ended = why // before it closes, so that nobody opens it again behind that
	l.life.Unlock()
	return l.close()
}

// shut signs what has grown, stores the index and closes the files. The caller
// holds life; nobody uses the log.
func (l *Log) shut() error {
	var errs []error
	stopped := l.stoppedBy()
	if stopped == nil {
		if _, _, err := l.checkpoint(); !errors.Is(err, ErrNotSigned) { // that was told when it was decided
			errs = append(errs, err)
		}
	}
	close(l.quit)
	l.done.Wait()
	if stopped == nil {
		errs = append(errs, l.flushIndex())
	}
	errs = append(errs, l.index.Close(), l.file.Close(), l.sign.close())
	l.resident = false
	l.st.rested(l)
	l.mu.Lock()
	l.edge, l.tail = nil, nil
	l.mu.Unlock()
	l.ciphers, l.known, l.recent = nil, nil, recents{}
	return errors.Join(errs...)
}

// openView opens a view of the stored index, held off while the index is
// rebuilt. A goroutine has one at a time.
func (l *Log) openView() (IndexView, error) {
	l.viewMu.RLock()
	v, err := l.index.View()
	if err != nil {
		l.viewMu.RUnlock()
		return nil, fmt.Errorf("open index: %w", err)
	}
	return heldView{v, l}, nil
}

type heldView struct {
	IndexView
	l *Log
}

func (v heldView) Close() error {
	defer v.l.viewMu.RUnlock()
	return v.IndexView.Close()
}

// between runs work in the committer, so that nothing is appended beside it.
func (l *Log) between(work func() error) error {
	if err := l.use(); err != nil {
		return err
	}
	defer l.release()
	rq := newRequest(nil)
	rq.work = work
	l.queue.push(rq)
	return (<-rq.reply).err
}

// opened notes that a log has become resident and closes others when there are
// too many. The caller holds the log's life; the closing is done beside it.
func (s *Store) opened(l *Log) {
	s.residentMu.Lock()
	s.resident[l] = true
	over := len(s.resident) > s.o.OpenLogs
	s.residentMu.Unlock()
	if over {
		s.background.Go(func() { s.rest(context.Background(), s.o.OpenLogs, 0) })
	}
}

// crowded reports whether logs are opened faster than others are closed.
func (s *Store) crowded() bool {
	s.residentMu.Lock()
	defer s.residentMu.Unlock()
	return len(s.resident) >= s.o.OpenLogs+s.o.OpenLogs/2
}

// roomPatience bounds how long a log that is to be opened waits for others to be
// closed: when all of them are in use, none will be.
const roomPatience = time.Second

// makeRoom waits until no more logs are open than should be. The caller holds no
// log's life.
func (s *Store) makeRoom() {
	done := make(chan struct{})
	s.background.Go(func() {
		defer close(done)
		s.rest(context.Background(), s.o.OpenLogs, 0)
	})
	t := time.NewTimer(roomPatience)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}

// rested notes that a log is closed. The caller holds the log's life.
func (s *Store) rested(l *Log) {
	s.residentMu.Lock()
	delete(s.resident, l)
	s.residentMu.Unlock()
}

// Rest closes the logs that nobody used for so long.
func (s *Store) Rest(ctx context.Context, idle time.Duration) { s.rest(ctx, 0, idle) }

// rest closes idle logs, those unused longest first, until no more than keep
// are resident.
func (s *Store) rest(ctx context.Context, keep int, idle time.Duration) {
	s.restMu.Lock() // one at a time
	defer s.restMu.Unlock()
	for ctx.Err() == nil {
		var oldest *Log
		var since time.Time
		s.residentMu.Lock()
		n := len(s.resident)
		logs := make([]*Log, 0, n)
		for l := range s.resident {
			logs = append(logs, l)
		}
		s.residentMu.Unlock()
		if n <= keep {
			return
		}
		for _, l := range logs {
			if at, ok := l.idleSince(); ok && (oldest == nil || at.Before(since)) {
				oldest, since = l, at
			}
		}
		if oldest == nil || time.Since(since) < idle {
			return
		}
		if err := oldest.rest(); err != nil {
			s.o.Log.Error("log not closed cleanly", "tenant", oldest.tenant.String(), "err", err)
		}
	}
}
